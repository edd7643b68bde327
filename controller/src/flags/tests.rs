//! Contract 01 §7.1 and contract 03 §2.7.

use std::ffi::OsString;

use clap::CommandFactory as _;
use metallb_process::go_style;

use super::*;

fn parse(args: &[&str]) -> Result<Flags, clap::Error> {
    let given = ["controller", "--namespace=metallb-system"].into_iter().chain(args.iter().copied());
    Flags::try_parse_from(go_style(given.map(OsString::from)))
}

fn settings(args: &[&str]) -> Result<Settings, FlagsError> {
    parse(args).unwrap().validate()
}

#[test]
fn every_flag_of_the_original_is_accepted_in_both_styles() {
    let all = [
        "port=1",
        "namespace=n",
        "ml-secret-name=s",
        "deployment=d",
        "log-level=debug",
        "pprof-bind-address=127.0.0.1:6060",
        "health-probe-port=2",
        "disable-cert-rotation",
        "disable-cert-rotation=false",
        "cert-dir=/x",
        "cert-service-name=w",
        "lb-class=c",
        "webhook-mode=disabled",
        "webhook-secret=w",
        "pod-name=p",
        "webhook-http2=true",
        "webhook-http2",
        "tls-min-version=VersionTLS12",
        "tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "tls-curve-preferences=29,23",
        "metrics-cert-dir=/y",
        "kubeconfig=/z",
    ];
    for dashes in ["-", "--"] {
        let args: Vec<String> = all.iter().map(|flag| format!("{dashes}{flag}")).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let settings = settings(&args).unwrap();
        assert_eq!((settings.metrics_port, settings.probe_port), (Some(1), Some(2)));
        assert_eq!((settings.namespace.as_str(), settings.class.as_str()), ("n", "c"));
        assert_eq!(settings.kubeconfig, Some(PathBuf::from("/z")));
    }
}

#[test]
fn the_operator_s_manifest_starts_the_controller() {
    let args = [
        "--port=9120",
        "--health-probe-port=17472",
        "--log-level=info",
        "--lb-class=c",
        "--webhook-mode=disabled",
        "--tls-cipher-suites=",
        "--tls-curve-preferences=",
        "--tls-min-version=",
        "--metrics-cert-dir=/etc/metrics",
    ];
    let settings = settings(&args).unwrap();
    assert_eq!((settings.metrics_port, settings.probe_port), (Some(9120), Some(17472)));
    assert_eq!(settings.webhook_mode, WebhookMode::Disabled);
    assert!(settings.remarks.is_empty());
}

#[test]
fn defaults_are_those_of_the_contract() {
    let settings = settings(&[]).unwrap();
    assert_eq!((settings.metrics_port, settings.probe_port), (Some(9120), Some(17472)));
    assert_eq!((settings.log_level, settings.webhook_mode), (Level::Info, WebhookMode::Enabled));
    assert!(settings.remarks.is_empty());
    let secret = CertificateSource::Secret {
        name: "metallb-webhook-cert".to_owned(),
        service: "metallb-webhook-service".to_owned(),
    };
    let webhooks = settings.webhooks.unwrap();
    assert_eq!((webhooks.certificate, webhooks.http2), (secret, false));
}

/// §7.1, the columns flag and default, and the variables.
#[test]
fn every_flag_has_the_default_and_the_variable_of_the_contract() {
    let table = [
        ("port", "9120", None),
        ("namespace", "", Some("METALLB_NAMESPACE")),
        ("ml-secret-name", "", Some("METALLB_ML_SECRET_NAME")),
        ("deployment", "", Some("METALLB_DEPLOYMENT")),
        ("log-level", "info", None),
        ("pprof-bind-address", "", None),
        ("health-probe-port", "17472", None),
        ("disable-cert-rotation", "false", None),
        ("cert-dir", "/tmp/k8s-webhook-server/serving-certs", None),
        ("cert-service-name", "metallb-webhook-service", None),
        ("lb-class", "", None),
        ("webhook-mode", "enabled", None),
        ("webhook-secret", "metallb-webhook-cert", None),
        ("pod-name", "", Some("METALLB_POD_NAME")),
        ("webhook-http2", "false", None),
        ("tls-min-version", "", None),
        ("tls-cipher-suites", "", None),
        ("tls-curve-preferences", "", None),
        ("metrics-cert-dir", "", None),
        ("kubeconfig", "", None),
    ];
    let command = Flags::command();
    for (flag, default, variable) in table {
        let argument = command.get_arguments().find(|argument| argument.get_long() == Some(flag)).unwrap();
        let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_str()).collect();
        assert_eq!(defaults, [Some(default)], "{flag}");
        assert_eq!(argument.get_env().and_then(|name| name.to_str()), variable, "{flag}");
    }
}

/// §7.1, the column meaning.
#[test]
fn what_a_flag_says_reaches_the_settings() {
    let given = settings(&[
        "--ml-secret-name=s",
        "--deployment=d",
        "--pod-name=p",
        "--log-level=debug",
        "--cert-service-name=w",
        "--webhook-secret=x",
        "--webhook-http2",
        "--pprof-bind-address=127.0.0.1:6060",
    ]);
    let given = given.unwrap();
    let texts = [&given.memberlist_secret, &given.deployment, &given.pod];
    assert_eq!((texts.map(String::as_str), given.log_level), (["s", "d", "p"], Level::Debug));
    let secret = CertificateSource::Secret { name: "x".to_owned(), service: "w".to_owned() };
    let webhooks = given.webhooks.unwrap();
    assert_eq!((webhooks.certificate, webhooks.http2), (secret, true));
    assert_eq!(given.remarks, ["--pprof-bind-address has no effect: there is no profiler"]);
    for (args, folder) in [
        (vec!["--disable-cert-rotation"], "/tmp/k8s-webhook-server/serving-certs"),
        (vec!["-disable-cert-rotation=true", "-cert-dir=/x"], "/x"),
    ] {
        let certificate = settings(&args).unwrap().webhooks.unwrap().certificate;
        assert_eq!(certificate, CertificateSource::Files(folder.into()));
    }
}

/// §7.1, `METALLB_BGP_TYPE`.
#[test]
fn the_bgp_engine_is_native_unless_the_environment_names_another_and_frr_is_deprecated() {
    let deprecated = ["METALLB_BGP_TYPE=frr is deprecated: use native or frr-k8s"];
    for (variable, engine, remarks) in [
        ("", BgpType::Native, &[][..]),
        ("native", BgpType::Native, &[]),
        ("frr", BgpType::Frr, &deprecated),
        ("frr-k8s", BgpType::FrrK8s, &[]),
        ("other", BgpType::Other, &[]),
    ] {
        let flags = Flags { bgp_type: variable.to_owned(), ..parse(&[]).unwrap() };
        let settings = flags.validate().unwrap();
        assert_eq!(settings.webhooks.unwrap().bgp_type, engine, "{variable}");
        assert_eq!(settings.remarks, remarks, "{variable}");
    }
}

#[test]
fn flags_beyond_the_original_s_have_defaults_that_change_nothing() {
    let plain = settings(&[]).unwrap();
    assert_eq!((plain.unknown_pool, plain.leader_elect), (UnknownPool::Pending, true));
    let other = settings(&["--unknown-pool=AnyAutoAssign", "--leader-elect=false"]).unwrap();
    assert_eq!((other.unknown_pool, other.leader_elect), (UnknownPool::AnyAutoAssign, false));
}

#[test]
fn port_zero_serves_nothing() {
    let settings = settings(&["--port=0", "--health-probe-port=0"]).unwrap();
    assert_eq!((settings.metrics_port, settings.probe_port), (None, None));
}

#[test]
fn unknown_flags_and_malformed_values_are_a_usage_error() {
    for args in [["--nonsense=1"], ["--port=x"], ["--port=70000"], ["--webhook-http2=maybe"]] {
        assert_eq!(parse(&args).unwrap_err().exit_code(), 2, "{args:?}");
    }
}

#[test]
fn values_that_mean_nothing_are_refused_by_name() {
    let table = [
        ("--unknown-pool=maybe", r#"invalid --unknown-pool "maybe": use one of Pending, AnyAutoAssign"#),
        (
            "--webhook-mode=maybe",
            r#"invalid --webhook-mode "maybe": use one of enabled, disabled, onlywebhook"#,
        ),
        ("--log-level=verbose", "--log-level"),
    ];
    for (flag, message) in table {
        assert_eq!(settings(&[flag]).unwrap_err().to_string(), message);
    }
    for (flag, prefix) in [
        ("--tls-min-version=VersionTLS9", "parsing tls-min-version: "),
        ("--tls-cipher-suites=TLS_NOTHING", "parsing tls-cipher-suites: "),
        ("--tls-curve-preferences=0", "parsing tls-curve-preferences: "),
    ] {
        let error = settings(&[flag]).unwrap_err().to_string();
        assert!(error.starts_with(prefix), "{flag}: {error}");
    }
}

#[test]
fn the_last_of_repeated_flags_counts() {
    assert_eq!(settings(&["--port=1", "--port=2"]).unwrap().metrics_port, Some(2));
}
