//! Strategic merge patches: merge patches that change single items of a list which has a merge key.

use serde_json::Value;

/// Applies one. Of the lists that have a merge key it knows the conditions of a status, which have `type`; other lists are
/// replaced.
pub(super) fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(members) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Value::Object(serde_json::Map::new());
    }
    for (name, value) in members {
        match (name.as_str(), value) {
            (_, Value::Null) => drop(object.as_object_mut().and_then(|members| members.remove(name))),
            ("conditions", Value::Array(items)) => merge_conditions(&mut object[name], items),
            _ => merge(&mut object[name], value),
        }
    }
}

fn merge_conditions(list: &mut Value, items: &[Value]) {
    let mut conditions = list.as_array().cloned().unwrap_or_default();
    for item in items {
        let place = conditions.iter().position(|condition| condition["type"] == item["type"]);
        match (place, item["$patch"] == "delete") {
            (Some(place), true) => drop(conditions.remove(place)),
            (None, true) => {}
            (Some(place), false) => {
                if let Some(condition) = conditions.get_mut(place) {
                    merge(condition, item);
                }
            }
            (None, false) => conditions.push(item.clone()),
        }
    }
    *list = Value::Array(conditions);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_are_merged_by_type_and_removed_by_directive() {
        let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status });
        let mut object = json!({ "status": { "conditions": [condition("a", "True")], "x": 1 } });
        for (items, expected) in [
            (json!([condition("b", "True")]), json!([condition("a", "True"), condition("b", "True")])),
            (json!([condition("a", "False")]), json!([condition("a", "False"), condition("b", "True")])),
            (json!([{ "$patch": "delete", "type": "a" }]), json!([condition("b", "True")])),
            (json!([{ "$patch": "delete", "type": "a" }]), json!([condition("b", "True")])),
        ] {
            merge(&mut object, &json!({ "status": { "conditions": items } }));
            assert_eq!(object, json!({ "status": { "conditions": expected, "x": 1 } }));
        }
        merge(&mut object, &json!({ "status": { "x": null } }));
        assert_eq!(object["status"].get("x"), None);
    }
}
