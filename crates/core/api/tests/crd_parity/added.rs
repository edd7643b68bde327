//! What our definitions say beyond the original's, as listed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Added {
    rules: Vec<Rule>,
    limits: Vec<Limit>,
    fields: Vec<Place>,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(flatten)]
    place: Place,
    message: String,
    accepted: Vec<Map<String, Value>>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Limit {
    #[serde(flatten)]
    place: Place,
    #[serde(rename = "maxLength")]
    max_length: u64,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "spec")]
    _spec: Map<String, Value>,
    says: String,
}

#[derive(Debug, Deserialize)]
struct Place {
    plural: String,
    version: String,
    at: String,
}

/// Takes every listed rule, limit and field off. Each must be there, once.
pub fn take_off(definitions: &mut BTreeMap<String, Value>) {
    let added: Added = serde_saphyr::from_str(include_str!("../data/rules.yaml")).unwrap();
    for Rule { place, message, accepted, refused } in added.rules {
        assert!(!accepted.is_empty() && !refused.is_empty(), "{place:?}: {message} has no examples");
        assert!(refused.iter().all(|refused| !refused.says.is_empty()), "{place:?}");
        let schema = schema_at(definitions, &place);
        let rules = schema["x-kubernetes-validations"].as_array_mut().unwrap();
        let before = rules.len();
        rules.retain(|rule| rule["message"] != message.as_str());
        assert_eq!(rules.len() + 1, before, "{place:?}: {message}");
        if rules.is_empty() {
            schema.remove("x-kubernetes-validations");
        }
    }
    for Limit { place, max_length } in added.limits {
        let limit = schema_at(definitions, &place).remove("maxLength");
        assert_eq!(limit, Some(max_length.into()), "{place:?}");
    }
    for mut place in added.fields {
        let at = place.at.clone();
        let (parent, field) = at.rsplit_once('.').unwrap();
        parent.clone_into(&mut place.at);
        let fields = schema_at(definitions, &place)["properties"].as_object_mut().unwrap();
        assert!(fields.remove(field).is_some(), "{place:?}: {field}");
    }
}

fn schema_at<'a>(definitions: &'a mut BTreeMap<String, Value>, place: &Place) -> &'a mut Map<String, Value> {
    let versions =
        &mut definitions.get_mut(&format!("{}.metallb.io", place.plural)).unwrap()["spec"]["versions"];
    let version =
        versions.as_array_mut().unwrap().iter_mut().find(|version| version["name"] == place.version);
    let root = &mut version.unwrap()["schema"]["openAPIV3Schema"];
    let found = place.at.split('.').fold(root, |schema, step| match step {
        "*" => &mut schema["items"],
        field => &mut schema["properties"][field],
    });
    found.as_object_mut().unwrap()
}
