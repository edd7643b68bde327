use super::*;

fn review(version: &str, request: &Value) -> Vec<u8> {
    json!({"apiVersion": version, "kind": KIND, "request": request}).to_string().into_bytes()
}

fn rename(mut object: Value, version: &str) -> Result<Value, String> {
    if object["spec"]["bad"] == true {
        return Err("spec.bad: can't be converted".to_owned());
    }
    object["apiVersion"] = json!(version);
    Ok(object)
}

#[test]
fn all_objects_come_back_in_order_under_the_version_the_review_came_in() {
    for version in VERSIONS {
        let request = json!({
            "uid": "u", "desiredAPIVersion": "metallb.io/v1beta2",
            "objects": [{"metadata": {"name": "a"}, "x": 1}, {"metadata": {"name": "b"}}],
        });
        let answer = decode_conversion(&review(version, &request)).unwrap().answer(rename);
        assert_eq!(
            answer,
            json!({"apiVersion": version, "kind": KIND, "response": {
            "uid": "u", "result": {"status": "Success"}, "convertedObjects": [
                {"apiVersion": "metallb.io/v1beta2", "metadata": {"name": "a"}, "x": 1},
                {"apiVersion": "metallb.io/v1beta2", "metadata": {"name": "b"}},
            ]}})
        );
    }
}

#[test]
fn one_object_that_can_not_be_converted_fails_the_review_with_its_reason() {
    let request = json!({"uid": "u", "desiredAPIVersion": "v", "objects": [{}, {"spec": {"bad": true}}]});
    let answer = decode_conversion(&review("apiextensions.k8s.io/v1", &request)).unwrap().answer(rename);
    let result = json!({"status": "Failure", "message": "spec.bad: can't be converted"});
    assert_eq!(answer["response"], json!({"uid": "u", "convertedObjects": [], "result": result}));
}

#[test]
fn what_is_no_review_is_refused_with_its_reason() {
    let v1 = "apiextensions.k8s.io/v1";
    for (body, expected) in [
        (b"{".to_vec(), "can't be decoded"),
        (review("apiextensions.k8s.io/v2", &Value::Null), "apiextensions.k8s.io/v2"),
        (review(v1, &Value::Null), "no request"),
        (review(v1, &json!({"desiredAPIVersion": "v"})), "no uid"),
        (review(v1, &json!({"uid": "u"})), "can't be decoded"),
        (review(v1, &json!({"uid": "u", "desiredAPIVersion": "v", "objects": 3})), "can't be decoded"),
    ] {
        let error = decode_conversion(&body).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
