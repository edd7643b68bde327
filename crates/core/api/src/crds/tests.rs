use serde_json::Value;

use super::crds;

fn schemas() -> Vec<(String, Value)> {
    let versions = crds("metallb-system").into_iter().flat_map(|crd| {
        let name = crd.metadata.name.clone().unwrap();
        crd.spec
            .versions
            .into_iter()
            .map(move |version| (name.clone(), serde_json::to_value(version).unwrap()))
    });
    versions.map(|(name, version)| (name, version["schema"]["openAPIV3Schema"].clone())).collect()
}

fn schema(name: &str) -> Value {
    schemas().into_iter().find(|(found, _)| found == name).unwrap().1
}

fn visit(value: &Value, at: &str, see: &mut impl FnMut(&str, &Value)) {
    see(at, value);
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, child)| visit(child, &format!("{at}/{key}"), see));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, child)| visit(child, &format!("{at}/{i}"), see));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn definitions_are_sorted_by_name() {
    assert!(crds("metallb-system").is_sorted_by_key(|crd| crd.metadata.name.clone()));
}

#[test]
fn nothing_is_nullable() {
    for (name, schema) in schemas() {
        visit(&schema, &name, &mut |at, value| assert!(value.get("nullable").is_none(), "{at}"));
    }
}

#[test]
fn every_field_of_ours_is_described_and_none_of_kubernetes() {
    let spec = &schema("metallbs.metallb.io")["properties"]["spec"];
    for (name, field) in spec["properties"].as_object().unwrap() {
        assert!(field["description"].is_string(), "{name}");
    }
    let affinity = &spec["properties"]["speakerConfig"]["properties"]["affinity"];
    assert!(affinity["description"].is_string());
    visit(&affinity["properties"], "affinity", &mut |at, value| {
        assert!(value.get("description").is_none(), "{at}");
    });
}

#[test]
fn only_a_pool_needs_a_spec() {
    for (name, schema) in schemas() {
        let required = schema["required"].as_array().is_some_and(|fields| fields.contains(&"spec".into()));
        assert_eq!(required, name == "ipaddresspools.metallb.io", "{name}");
    }
}

#[test]
fn a_configuration_state_has_no_spec() {
    assert!(schema("configurationstates.metallb.io")["properties"].get("spec").is_none());
}

#[test]
fn defaults_are_those_of_single_fields_only() {
    let mut found = Vec::new();
    for (name, schema) in schemas() {
        visit(&schema, &name, &mut |at, value| {
            if value.get("default").is_some() {
                found.push(at.rsplit('/').next().unwrap().to_owned());
            }
        });
    }
    let expected = [
        "aggregationLength",
        "aggregationLengthV6",
        "disableMP",
        "dualStackAddressFamily",
        "peerPort",
        "autoAssign",
        "avoidBuggyIPs",
    ];
    assert_eq!(found, expected);
}

#[test]
fn metadata_is_not_described_since_the_api_server_refuses_that() {
    for (name, schema) in schemas() {
        assert_eq!(schema["properties"]["metadata"], serde_json::json!({ "type": "object" }), "{name}");
    }
}
