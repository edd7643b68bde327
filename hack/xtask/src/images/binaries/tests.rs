use std::path::Path;

use serde_json::{Value, json};

use super::{flags, parse};

fn artifact(package: &str, file: &str, executable: bool) -> Value {
    json!({
        "reason": "compiler-artifact",
        "package_id": package,
        "target": { "name": "speaker", "kind": ["bin"] },
        "filenames": [file],
        "executable": executable.then_some(file),
    })
}

#[test]
fn binaries_and_packages_of_the_platform_are_told_from_those_of_the_compiler() {
    let messages = [
        json!({ "reason": "build-script-executed", "package_id": "x" }),
        artifact("macro", "/t/release/deps/libmacro.so", false),
        artifact("library", "/t/plat/release/deps/liblibrary.rlib", false),
        artifact("speaker", "/t/plat/release/speaker", true),
    ];
    let text: String = messages.iter().map(|message| format!("{message}\n")).collect();
    let compiled = parse(&text, "plat").unwrap();
    assert!(compiled.has("library") && compiled.has("speaker") && !compiled.has("macro"));
    assert_eq!(compiled.binary("speaker").unwrap(), Path::new("/t/plat/release/speaker"));
    assert!(compiled.binary("controller").is_err());
}

#[test]
fn binaries_are_static_and_do_not_name_this_machine() {
    let flags = flags(Path::new("/somewhere/project"));
    for fixed in ["-Ctarget-feature=+crt-static", "-Crelocation-model=static"] {
        assert!(flags.iter().any(|flag| flag == fixed), "{fixed}");
    }
    assert!(flags.contains(&"--remap-path-prefix=/somewhere/project=/metallb-rs".to_owned()));
}
