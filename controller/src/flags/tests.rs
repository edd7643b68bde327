//! Contract 01 §7.1 and contract 03 §2.7.

use std::ffi::OsString;

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
