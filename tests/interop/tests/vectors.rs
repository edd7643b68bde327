//! The golden vectors that other crates test with are what the library writes.

use std::path::Path;

use serde_json::Value;

/// Those of one kind that are neither random nor captured.
fn steady(vectors: &Value, kind: &str) -> Vec<Value> {
    let is_steady = |vector: &&Value| {
        let name = vector["name"].as_str().unwrap_or_default();
        !name.contains("AES") && !name.contains("captured")
    };
    vectors[kind].as_array().into_iter().flatten().filter(is_steady).cloned().collect()
}

#[test]
fn the_vectors_in_the_tree_are_those_of_the_library() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../crates/core/membership/tests/data/memberlist-v0.5.1.json");
    let recorded: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let written = metallb_interop::vectors().unwrap();
    for kind in ["keys", "messages", "packets", "streams"] {
        let (recorded, written) = (steady(&recorded, kind), steady(&written, kind));
        assert!(!recorded.is_empty(), "{kind}");
        assert_eq!(recorded, written, "{kind}: see tests/interop/README.md");
    }
}
