use super::*;

const MANDATORY: [(&str, &str); 3] = [
    ("OPERATOR_NAMESPACE", "metallb-system"),
    ("CONTROLLER_IMAGE", "example/controller:1"),
    ("SPEAKER_IMAGE", "example/speaker:1"),
];

fn parse(extra: &[(&str, &str)]) -> Result<Environment, EnvironmentError> {
    let variables = MANDATORY.iter().chain(extra).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Environment::parse(&variables.collect())
}

#[test]
fn three_variables_are_enough_and_the_rest_has_defaults() {
    let environment = parse(&[]).unwrap();
    assert_eq!(environment.namespace, "metallb-system");
    assert_eq!(environment.ports.memberlist.get(), 7946);
    assert_eq!(environment.ports.metrics.get(), 9120);
    assert_eq!(environment.ports.probes.get(), 17472);
    assert_eq!(environment.tls, Tls::default());
    assert_eq!(environment.monitors, Monitors::None);
    assert!(environment.network_policies);
    assert!(!environment.frr_k8s_from_cno);
    assert_eq!((environment.external_namespace, environment.images.frr), (None, None));
}

#[test]
fn each_variable_has_its_effect() {
    let environment = parse(&[
        ("FRR_IMAGE", "example/frr:10"),
        ("MEMBER_LIST_BIND_PORT", "7947"),
        ("METRICS_PORT", "9999"),
        ("OPERAND_LIVENESS_PORT", "17473"),
        ("TLS_MIN_VERSION", "VersionTLS12"),
        ("DEPLOY_SERVICEMONITORS", "true"),
        ("DISABLE_NETWORK_POLICIES", "true"),
        ("FRRK8S_EXTERNAL_NAMESPACE", "frr-k8s-system"),
        ("DEPLOY_FRRK8S_FROM_CNO", "true"),
        ("CNO_MIN_FRRK8S_VERSION", "4.17.0-0"),
    ])
    .unwrap();
    assert_eq!(environment.images.frr.as_deref(), Some("example/frr:10"));
    let Ports { memberlist, metrics, probes } = environment.ports;
    assert_eq!((memberlist.get(), metrics.get(), probes.get()), (7947, 9999, 17473));
    assert_eq!(environment.ports.liveness().get(), 7948);
    let last = parse(&[("MEMBER_LIST_BIND_PORT", "65535")]).unwrap();
    assert_eq!(last.ports.liveness().get(), 65534);
    assert_eq!(environment.tls.min_version.as_deref(), Some("VersionTLS12"));
    assert_eq!(environment.monitors, Monitors::Services);
    assert!(!environment.network_policies);
    assert_eq!(environment.external_namespace.as_deref(), Some("frr-k8s-system"));
    assert!(environment.frr_k8s_from_cno);
}

#[test]
fn what_kubernetes_says_of_its_service_is_known_of_the_api_server() {
    let at = |address: &str| ApiService::At(address.parse().unwrap(), 443);
    for (host, port, expected) in [
        ("10.96.0.1", "443", at("10.96.0.1")),
        ("fd00:96::1", "443", at("fd00:96::1")),
        ("cluster.example.net", "443", ApiService::Named(443)),
        ("10.96.0.1.example", "443", ApiService::Named(443)),
        ("", "443", ApiService::Untold),
        ("10.96.0.1", "", ApiService::Untold),
        ("10.96.0.1", "tcp", ApiService::Untold),
        ("10.96.0.1", "70000", ApiService::Untold),
    ] {
        let variables = [("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", port)];
        assert_eq!(parse(&variables).unwrap().api_service, expected, "{host} {port}");
    }
    assert!(parse(&[("KUBECONFIG", "/etc/kubeconfig")]).unwrap().api_is_elsewhere);
    assert!(!parse(&[("KUBECONFIG", "")]).unwrap().api_is_elsewhere);
}

#[test]
fn names_of_the_past_are_ignored() {
    let old = [("METALLB_BGP_TYPE", "native"), ("HTTPS_METRICS_PORT", "x"), ("FRR_HTTPS_METRICS_PORT", "y")];
    assert_eq!(parse(&old), parse(&[]));
}

#[test]
fn an_empty_value_counts_as_absent() {
    assert_eq!(parse(&[("METRICS_PORT", ""), ("TLS_CIPHER_SUITES", "")]), parse(&[]));
    let without_image = parse(&[("SPEAKER_IMAGE", "")]).unwrap_err();
    assert_eq!(without_image, EnvironmentError::ImageMissing { name: "SPEAKER_IMAGE" });
}

#[test]
fn only_the_exact_word_true_switches_something_on() {
    for value in ["True", "1", "yes", "TRUE", " true"] {
        assert_eq!(parse(&[("DEPLOY_PODMONITORS", value)]), parse(&[]), "{value}");
    }
}

#[test]
fn each_error_has_the_documented_text() {
    let cases: [(&[(&str, &str)], &str); 8] = [
        (&[("OPERATOR_NAMESPACE", "")], "missing mandatory OPERATOR_NAMESPACE env variable"),
        (&[("CONTROLLER_IMAGE", "")], "CONTROLLER_IMAGE environment value not set"),
        (&[("SPEAKER_IMAGE", "")], "SPEAKER_IMAGE environment value not set"),
        (
            &[("METRICS_PORT", "abc")],
            "failed to convert abc from METRICS_PORT to int: invalid digit found in string",
        ),
        (
            &[("FRRK8S_HTTPS_METRICS_PORT", "9140x")],
            "failed to convert 9140x from FRRK8S_HTTPS_METRICS_PORT to int: invalid digit found in string",
        ),
        (
            &[("OPERAND_LIVENESS_PORT", "70000")],
            "failed to convert 70000 from OPERAND_LIVENESS_PORT to int: number too large to fit in target type",
        ),
        (
            &[("DEPLOY_PODMONITORS", "true"), ("DEPLOY_SERVICEMONITORS", "true")],
            "pod monitors and service monitors are mutually exclusive, only one can be enabled",
        ),
        (
            &[("CNO_MIN_FRRK8S_VERSION", "4.17")],
            "invalid cno min frrk8s supported version: 4.17 is not of the form 1.2.3 or 1.2.3-pre",
        ),
    ];
    for (variables, message) in cases {
        assert_eq!(parse(variables).unwrap_err().to_string(), message);
    }
}
