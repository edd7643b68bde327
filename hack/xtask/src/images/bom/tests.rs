use std::collections::BTreeSet;

use metallb_oci::Digest;
use serde_json::{Value, json};

use crate::workspace::Workspace;
use crate::workspace::synthetic::workspace;

use super::{document, linked};

fn project() -> Workspace {
    workspace(&[
        ("speaker", &["crates/core/l2", "tokio", "some-derive", "dev:proptest", "optional"]),
        ("crates/core/l2", &["old-style"]),
        ("tokio", &["mio", "old-style"]),
        ("some-derive", &["syn"]),
    ])
}

fn bill(workspace: &Workspace) -> Value {
    let package = workspace.member("metallb-speaker").unwrap();
    let linked = linked(workspace, package, |id| id != "optional");
    let glibc = json!({
        "type": "library", "bom-ref": "glibc@2.36", "name": "glibc", "version": "2.36",
        "licenses": [{ "expression": "LGPL-2.1-or-later" }],
    });
    document(workspace, &linked, package, &Digest::of(b"binary"), vec![glibc]).unwrap()
}

fn names(bill: &Value) -> Vec<&str> {
    bill["components"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect()
}

#[test]
fn the_bill_lists_what_is_linked_and_nothing_else() {
    assert_eq!(names(&bill(&project())), ["metallb-l2", "mio", "old-style", "tokio", "glibc"]);
}

#[test]
fn the_bill_has_the_shape_of_cyclonedx() {
    let bill = bill(&project());
    assert_eq!(bill["bomFormat"], "CycloneDX");
    assert_eq!(bill["specVersion"], "1.6");
    assert_eq!(bill["version"], 1);
    let subject = &bill["metadata"]["component"];
    assert_eq!(subject["type"], "application");
    assert_eq!(subject["hashes"][0]["content"], Digest::of(b"binary").hex());
    let parts = bill["components"].as_array().unwrap();
    for part in parts.iter().chain([subject]) {
        for field in ["type", "bom-ref", "name", "version"] {
            assert!(part[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {part}");
        }
        assert!(part["licenses"][0]["expression"].is_string(), "{part}");
    }
    let references: BTreeSet<String> =
        parts.iter().chain([subject]).map(|part| part["bom-ref"].to_string()).collect();
    assert_eq!(references.len(), parts.len() + 1, "references are unique");
    for entry in bill["dependencies"].as_array().unwrap() {
        assert!(references.contains(&entry["ref"].to_string()));
        assert!(
            entry["dependsOn"].as_array().unwrap().iter().all(|to| references.contains(&to.to_string())),
            "{entry}"
        );
    }
}

#[test]
fn registry_packages_have_a_package_url_and_ours_have_none() {
    let bill = bill(&project());
    let part = |name: &str| {
        bill["components"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap().clone()
    };
    assert_eq!(part("tokio")["purl"], "pkg:cargo/tokio@1.2.3");
    assert!(part("metallb-l2").get("purl").is_none());
}

#[test]
fn licences_of_the_old_style_become_expressions() {
    let bill = bill(&project());
    let part =
        bill["components"].as_array().unwrap().iter().find(|part| part["name"] == "old-style").unwrap();
    assert_eq!(part["licenses"][0]["expression"], "MIT OR Apache-2.0");
}

#[test]
fn the_same_input_gives_the_same_bill_without_a_time_in_it() {
    let bill = bill(&project());
    assert_eq!(bill, self::bill(&project()));
    assert!(bill["metadata"].get("timestamp").is_none() && bill.get("serialNumber").is_none());
}

#[test]
fn a_package_without_licence_is_refused() {
    let workspace = project();
    let mut package = workspace.member("metallb-l2").unwrap().clone();
    package.license = None;
    assert!(super::component(&package, "library").unwrap_err().to_string().contains("metallb-l2"));
}
