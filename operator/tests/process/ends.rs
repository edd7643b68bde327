//! What keeps an operator from starting, and with which status it ends.

use serde_json::Value;

use crate::program::{MANDATORY, output};

/// Ends with status 1, and its last line says why.
fn refuses(flags: &[&str], variables: &[(&str, &str)], expected: &str) {
    let output = output(flags, &[&MANDATORY[..], variables].concat());
    let (log, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(1), "{expected}: {log} {errors}");
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["level"], &last["msg"]),
        (&"error".into(), &"the operator can't start".into()),
        "{last}"
    );
    assert!(last["error"].as_str().unwrap().contains(expected), "{expected}: {last}");
}

#[test]
fn section_3_1_each_error_of_the_environment_ends_it_with_status_1_and_its_words() {
    let both = [("DEPLOY_PODMONITORS", "true"), ("DEPLOY_SERVICEMONITORS", "true")];
    for (variables, message) in [
        (&[("OPERATOR_NAMESPACE", "")][..], "missing mandatory OPERATOR_NAMESPACE env variable"),
        (&[("CONTROLLER_IMAGE", "")], "CONTROLLER_IMAGE environment value not set"),
        (&[("SPEAKER_IMAGE", "")], "SPEAKER_IMAGE environment value not set"),
        (&[("METRICS_PORT", "abc")], "failed to convert abc from METRICS_PORT to int: "),
        (&[("FRR_METRICS_PORT", "x")], "failed to convert x from FRR_METRICS_PORT to int: "),
        (
            &[("MEMBER_LIST_BIND_PORT", "70000")],
            "failed to convert 70000 from MEMBER_LIST_BIND_PORT to int: ",
        ),
        (&both, "pod monitors and service monitors are mutually exclusive, only one can be enabled"),
        (&[("CNO_MIN_FRRK8S_VERSION", "4.17")], "invalid cno min frrk8s supported version: 4.17 "),
    ] {
        refuses(&["--kubeconfig=/does/not/exist"], variables, message);
    }
}

#[test]
fn section_3_3_values_of_tls_that_make_no_sense_end_it_with_status_1() {
    for (name, value, message) in [
        ("TLS_MIN_VERSION", "VersionTLS14", "parsing tls-min-version: "),
        ("TLS_CIPHER_SUITES", "TLS_NOTHING", "parsing tls-cipher-suites: "),
        ("TLS_CURVE_PREFERENCES", "X25519", "parsing tls-curve-preferences: invalid curve preference "),
        ("TLS_CURVE_PREFERENCES", "0", "parsing tls-curve-preferences: "),
        ("TLS_CURVE_PREFERENCES", "23, 23", "parsing tls-curve-preferences: duplicate curve preference 23"),
        ("TLS_CURVE_PREFERENCES", "1", "parsing tls-curve-preferences: curve 1 is not supported"),
    ] {
        let version = ("TLS_MIN_VERSION", "VersionTLS12");
        refuses(&["--kubeconfig=/does/not/exist"], &[version, (name, value)], message);
    }
}

#[test]
fn section_4_3_a_flag_that_can_not_be_used_ends_it_with_status_1_and_is_named() {
    refuses(&["--kubeconfig=/does/not/exist"], &[], "reading kubeconfig /does/not/exist");
    refuses(&[], &[], "run in a pod, or set --kubeconfig or KUBECONFIG");
    let kubeconfig = std::env::temp_dir().join(format!("metallb-operator-{}", std::process::id()));
    let text = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "c", "user": {}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}]}"#;
    std::fs::write(&kubeconfig, text).unwrap();
    let flag = format!("--kubeconfig={}", kubeconfig.display());
    refuses(&[&flag, "--metrics-addr=nowhere"], &[], "invalid --metrics-addr \"nowhere\"");
    std::fs::remove_file(&kubeconfig).unwrap();
}

#[test]
fn an_unknown_flag_is_told_with_the_usage_on_standard_error_and_status_2() {
    for flag in ["-nonsense=1", "--nonsense", "--port=x", "-port=70000", "--webhook-http2=maybe"] {
        let output = output(&[flag], &MANDATORY);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{flag}: {errors}");
        assert!(errors.contains("Usage: operator") || errors.contains("--help"), "{flag}: {errors}");
    }
}
