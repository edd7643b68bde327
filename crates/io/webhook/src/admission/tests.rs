use super::*;

fn review(request: &Value) -> Vec<u8> {
    json!({"apiVersion": VERSION, "kind": KIND, "request": request}).to_string().into_bytes()
}

#[test]
fn a_request_is_read_with_everything_the_object_holds() {
    let object = json!({"metadata": {"name": "p"}, "spec": {"addresses": ["1.2.3.0/24"], "unheardOf": 1}});
    let request = decode_admission(&review(&json!({
        "uid": "u1", "operation": "UPDATE", "namespace": "metallb-system", "name": "p", "object": object,
        "oldObject": {"spec": {}}, "kind": {"group": "metallb.io"}, "dryRun": true, "userInfo": {"username": "x"},
    })))
    .unwrap();
    assert_eq!(request.operation, Operation::Update);
    assert_eq!((request.uid.as_str(), request.namespace.as_str()), ("u1", "metallb-system"));
    assert_eq!(request.object, object);
    assert_eq!(request.old_object, json!({"spec": {}}));
}

#[test]
fn a_deletion_has_no_new_object() {
    let request = decode_admission(&review(&json!({
        "uid": "u", "operation": "DELETE", "name": "p", "object": null, "oldObject": {"kind": "BFDProfile"},
    })));
    assert_eq!(request.unwrap().object, Value::Null);
}

#[test]
fn what_is_no_review_is_refused_with_its_reason() {
    let wrong_kind = json!({"apiVersion": VERSION, "kind": "ConversionReview", "request": {"uid": "u"}});
    let old = json!({"apiVersion": "admission.k8s.io/v1beta1", "kind": KIND, "request": null});
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (body, expected) in [
        (b"".to_vec(), "can't be decoded"),
        (b"\xff\xfe".to_vec(), "can't be decoded"),
        (b"null".to_vec(), "can't be decoded"),
        (b"[]".to_vec(), "can't be decoded"),
        (b"{}".to_vec(), "got kind \"\""),
        (deep.into_bytes(), "can't be decoded"),
        (wrong_kind.to_string().into_bytes(), "can't be decoded"),
        (old.to_string().into_bytes(), "admission.k8s.io/v1beta1"),
        (review(&Value::Null), "no request"),
        (review(&json!({"operation": "CREATE"})), "no uid"),
        (review(&json!({"uid": "u", "operation": "EAT"})), "can't be decoded"),
        (review(&json!({"uid": 7, "operation": "CREATE"})), "can't be decoded"),
    ] {
        let error = decode_admission(&body).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn answers_repeat_the_uid_and_say_why() {
    for (verdict, response) in [
        (Verdict::default(), json!({"uid": "u", "allowed": true, "status": {"code": 200}, "warnings": []})),
        (
            Verdict { denied: None, warnings: vec!["old".to_owned()] },
            json!({"uid": "u", "allowed": true, "status": {"code": 200}, "warnings": ["old"]}),
        ),
        (
            Verdict::denied("overlaps"),
            json!({"uid": "u", "allowed": false,
                   "status": {"status": "Failure", "code": 403, "reason": "Forbidden", "message": "overlaps"}, "warnings": []}),
        ),
        (
            Verdict::undecodable("no number"),
            json!({"uid": "u", "allowed": false,
                   "status": {"status": "Failure", "code": 400, "reason": "BadRequest", "message": "no number"}, "warnings": []}),
        ),
    ] {
        let expected = json!({"apiVersion": VERSION, "kind": KIND, "response": response});
        assert_eq!(encode_admission("u", &verdict), expected);
    }
}
