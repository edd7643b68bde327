use std::path::Path;

use serde_json::{Value, json};

use crate::generated::Mode;

use super::{bundle, crds, yaml};

/// Set to re-record instead of comparing.
const RECORD: &str = "RECORD";

#[test]
fn the_bundle_is_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mode = Mode::of(std::env::var_os(RECORD).is_none());
    assert_eq!(bundle().unwrap().run(&root, mode).unwrap(), Vec::<String>::new(), "{RECORD}=1 re-records");
}

#[test]
fn every_image_of_a_manifest_comes_from_the_registry_asked_for() {
    let manifest = super::install("registry.example/metallb", "v1").unwrap();
    for name in ["controller", "speaker", "operator"] {
        assert!(manifest.contains(&format!("registry.example/metallb/{name}:v1\n")), "{name}");
    }
    assert!(!manifest.contains("localhost/"), "an image of the development registry is left");
}

#[test]
fn a_definition_survives_the_way_through_yaml() {
    let files = crds().unwrap().files;
    for (written, crd) in files.values().zip(metallb_api::crds()) {
        let mut expected = serde_json::to_value(crd).unwrap();
        super::tidy(&mut expected);
        assert_eq!(serde_saphyr::from_str::<Value>(written).unwrap(), expected);
    }
    assert_eq!(files.len(), metallb_api::crds().len());
}

#[test]
fn texts_that_look_like_other_values_stay_texts() {
    let object = json!({ "a": "True", "b": "1", "c": "1.0", "d": "null", "e": "~", "f": "a: b", "g": "# x", "h": "on",
        "i": "0x1", "j": "2001:db8::1", "k": "1e3", "l": " x ", "m": "line\nline\n", "n": "y", "o": "=" });
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml(&object).unwrap()).unwrap(), object);
}

#[test]
fn whole_numbers_are_written_without_a_fraction() {
    assert_eq!(yaml(&json!({ "a": 1.0, "b": -5.0, "c": 2 })).unwrap(), "a: 1\nb: -5\nc: 2\n");
    assert_eq!(yaml(&json!({ "a": 1.5 })).unwrap(), "a: 1.5\n");
}
