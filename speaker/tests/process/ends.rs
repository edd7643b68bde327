//! What keeps a speaker from starting, and with which status it ends (contract 02 §1).

use crate::api::Api;
use crate::netns::Namespace;
use crate::program::Program;

/// Enough for a speaker to start.
const FLAGS: [&str; 2] = ["--node-name=n1", "--namespace=metallb-system"];
/// The variables by which it takes part in the ring.
const MEMBER: [(&str, &str); 2] =
    [("METALLB_ML_LABELS", "component=speaker"), ("METALLB_ML_BIND_ADDR", "127.0.0.1")];

/// Ends with status 1, and its last line says why.
fn refuses(node: &Namespace, program: Program, expected: &[&str]) {
    let output = program.output(node);
    let log = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{expected:?}: {log} {errors}");
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let error = last.get("error").and_then(|error| error.as_str()).unwrap_or_default();
    assert!(expected.iter().all(|part| error.contains(part)), "{expected:?}: {last}");
    assert_eq!(last.get("level").and_then(|level| level.as_str()), Some("error"), "{last}");
}

#[test]
fn contract_1_1_an_unknown_flag_is_told_with_the_usage_on_standard_error_and_status_2() {
    let node = Namespace::new();
    for flag in ["-nonsense=1", "--nonsense", "--port=x", "-port=70000", "--ml-wan-config=maybe"] {
        let output = Program::new(&[&FLAGS[..], &[flag]].concat()).output(&node);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{flag}: {errors}");
        assert!(errors.contains("Usage: speaker") || errors.contains("--help"), "{flag}: {errors}");
    }
}

#[test]
fn contract_1_1_a_flag_that_can_not_be_used_ends_the_process_with_status_1() {
    let node = Namespace::new();
    for (flag, expected) in [
        ("--ml-bindport=x", "--ml-bindport"),
        ("--log-level=loud", "--log-level: invalid log level \"loud\""),
        ("--bgp-debounce-timeout=0", "--bgp-debounce-timeout"),
        ("--frrk8s-secret-passthrough", "--frrk8s-secret-passthrough"),
        ("--tls-min-version=VersionTLS10", "parsing tls-min-version: "),
        ("--tls-cipher-suites=TLS_NOTHING", "parsing tls-cipher-suites: "),
        (
            "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "cipher suites cannot be configured with TLS 1.3",
        ),
        ("--tls-curve-preferences=0", "parsing tls-curve-preferences: "),
        ("--tls-curve-preferences=23,23", "parsing tls-curve-preferences: "),
        ("--tls-curve-preferences=1", "parsing tls-curve-preferences: "),
        ("--tls-curve-preferences=X25519", "parsing tls-curve-preferences: "),
        ("--kubeconfig=/does/not/exist", "reading kubeconfig /does/not/exist"),
    ] {
        refuses(&node, Program::new(&[&FLAGS[..], &[flag]].concat()), &[expected]);
    }
}

#[test]
fn contract_1_1_a_variable_that_is_missing_or_can_not_be_used_ends_the_process_with_status_1() {
    let node = Namespace::new();
    let whole = [("METALLB_NODE_NAME", "n1"), ("METALLB_NAMESPACE", "metallb-system")];
    let key = [&MEMBER[..], &[("METALLB_ML_SECRET_KEY_PATH", "/run/none")]].concat();
    let frr = [("METALLB_BGP_TYPE", "frr-k8s"), ("FRRK8S_NAMESPACE", "")];
    let passing = ["--frrk8s-secret-passthrough"];
    for (flags, variables, expected) in [
        (&[][..], &[("METALLB_NODE_NAME", "")][..], "METALLB_NODE_NAME"),
        (&[], &[("METALLB_NAMESPACE", "")], "METALLB_NAMESPACE"),
        (&[], &[("METALLB_ML_BIND_PORT", "x")], "METALLB_ML_BIND_PORT"),
        (&[], &key, "/run/none/secretkey"),
        // Nor does it start where it takes part in no ring.
        (&[], &key[MEMBER.len()..], "/run/none/secretkey"),
        (&[], &[MEMBER[0], ("METALLB_ML_BIND_ADDR", "n1")], "METALLB_ML_BIND_ADDR"),
        (&[], &[("METALLB_BGP_DEBOUNCE_TIMEOUT", "-1")], "METALLB_BGP_DEBOUNCE_TIMEOUT"),
        (&[], &[("METALLB_BGP_TYPE", "bird")], "unsupported BGP implementation type: bird"),
        (&passing, &frr, "--frrk8s-secret-passthrough"),
    ] {
        refuses(&node, Program::new(flags).with(&whole).with(variables), &[expected]);
    }
}

#[test]
fn contract_1_3_and_1_4_a_file_that_can_not_be_used_ends_the_process_with_status_1_and_is_named() {
    let node = Namespace::new();
    node.sh("ip link set lo up");
    let api = Api::serve(&node);
    let (ring, excluded) = ("/etc/metallb/memberlist/config.json", "/etc/metallb/excludel2.yaml");
    for (file, content, expected) in [
        (ring, "nonsense", ""),
        (ring, "{\"TCPTimeout\": \"soon\"}", "TCPTimeout"),
        (ring, "{\"TCPTimeout\": \"1s\"}", "PushPullInterval"),
        ("/etc/metallb/memberlist/config.json/", "", "reading"),
        (excluded, "announcedInterfacesToExclude: [", "announcedInterfacesToExclude"),
        (excluded, "announcedInterfacesToExclude: docker0", "announcedInterfacesToExclude"),
        (excluded, "announcedInterfacesToExclude: ['^(']", "no regular expression"),
        ("/etc/metallb/excludel2.yaml/", "", "reading"),
    ] {
        let program = Program::new(&[&FLAGS[..], &[&api.flag()]].concat()).with(&MEMBER);
        refuses(&node, program.file(file, content), &[file.trim_end_matches('/'), expected]);
    }
}
