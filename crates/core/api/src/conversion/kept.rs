//! The annotation that keeps fields on an object of the other version, as a JSON object.

use serde_json::{Map, Value, json};

/// Takes the annotation off. What can't be read, or isn't there, is no field.
pub(super) fn take(object: &mut Map<String, Value>, annotation: &str) -> Map<String, Value> {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Map::new();
    };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else {
        return Map::new();
    };
    let Some(text) = annotations.remove(annotation) else { return Map::new() };
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    text.as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Puts the annotation on, unless there is nothing to keep.
pub(super) fn put(object: &mut Map<String, Value>, annotation: &str, fields: Map<String, Value>) {
    if fields.is_empty() {
        return;
    }
    let metadata = object.entry("metadata").or_insert_with(|| json!({}));
    let Some(metadata) = metadata.as_object_mut() else { return };
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(annotation.to_owned(), Value::Object(fields).to_string().into());
    }
}
