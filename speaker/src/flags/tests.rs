//! Contract 02 §1.1, 03 §2.7.

use super::*;
use metallb_process::go_style;

fn parse(args: &[&str]) -> Result<Settings, String> {
    let args = std::iter::once("speaker").chain(args.iter().copied()).map(Into::into);
    let flags = Flags::try_parse_from(go_style(args)).map_err(|error| error.to_string())?;
    flags.parse_settings().map_err(|error| error.to_string())
}

#[test]
fn defaults_are_those_of_the_contract() {
    let settings = parse(&["--node-name=n1"]).unwrap();
    assert_eq!((settings.metrics_port, settings.probe_port), (Some(9120), 17472));
    assert_eq!(settings.members, None);
    assert_eq!(settings.bgp, BgpType::Native);
    assert_eq!(settings.snapshot, None, "nothing is kept unless it is said where");
    assert!(settings.class.is_empty() && !settings.ignore_exclude_label);
}

/// Contract 02 §1.1, the whole table. Where the default is that of another flag or a file, it is empty here.
#[test]
fn each_flag_has_the_variable_and_the_default_of_the_contract() {
    let command = <Flags as clap::CommandFactory>::command();
    for (flag, variable, default) in [
        ("namespace", "METALLB_NAMESPACE", ""),
        ("node-name", "METALLB_NODE_NAME", ""),
        ("pod-name", "METALLB_POD_NAME", ""),
        ("host", "METALLB_HOST", ""),
        ("ml-bindaddr", "METALLB_ML_BIND_ADDR", ""),
        ("ml-bindport", "METALLB_ML_BIND_PORT", ""),
        ("ml-labels", "METALLB_ML_LABELS", ""),
        ("ml-secret-key-path", "METALLB_ML_SECRET_KEY_PATH", ""),
        ("ml-wan-config", "", "false"),
        ("port", "", "9120"),
        ("health-probe-port", "", "17472"),
        ("pprof-bind-address", "", ""),
        ("log-level", "", "info"),
        ("lb-class", "", ""),
        ("ignore-exclude-lb", "", "false"),
        ("bgp-debounce-timeout", "METALLB_BGP_DEBOUNCE_TIMEOUT", ""),
        ("frrk8s-namespace", "FRRK8S_NAMESPACE", ""),
        ("frrk8s-secret-passthrough", "", "false"),
        ("tls-min-version", "", "VersionTLS13"),
        ("tls-cipher-suites", "", ""),
        ("tls-curve-preferences", "", ""),
        ("metrics-cert-dir", "", ""),
        ("bgp-type", "METALLB_BGP_TYPE", "native"),
    ] {
        let found = command.get_arguments().find(|argument| argument.get_long() == Some(flag));
        let found = found.unwrap_or_else(|| panic!("--{flag} is missing"));
        let text =
            |value: Option<&std::ffi::OsStr>| value.and_then(|value| value.to_str()).unwrap_or("").to_owned();
        let defaults = found.get_default_values().first().map(|value| value.as_os_str());
        assert_eq!(
            (text(found.get_env()), text(defaults)),
            (variable.to_owned(), default.to_owned()),
            "--{flag}"
        );
    }
}

#[test]
fn every_flag_of_the_contract_is_taken_with_one_dash_or_two() {
    let folder = std::env::temp_dir().join(format!("metallb-speaker-flags-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("secretkey"), "key").unwrap();
    let key = format!("ml-secret-key-path={}", folder.display());
    let flags = [
        "namespace=metallb-system",
        "node-name=n1",
        "pod-name=speaker-x",
        "host=172.30.0.11",
        "ml-bindaddr=172.30.0.11",
        "ml-bindport=7000",
        "ml-labels=app=metallb,component=speaker",
        &key,
        "ml-wan-config",
        "liveness-port=7001",
        "liveness-period=250",
        "snapshot-path=/var/lib/metallb/snapshot",
        "snapshot-max-age=3600",
        "port=0",
        "health-probe-port=7473",
        "pprof-bind-address=127.0.0.1:6060",
        "log-level=debug",
        "lb-class=example.com/lb",
        "ignore-exclude-lb=true",
        "bgp-debounce-timeout=500",
        "frrk8s-namespace=frr",
        "frrk8s-secret-passthrough=false",
        "tls-min-version=VersionTLS12",
        "tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "tls-curve-preferences=23,29",
        "metrics-cert-dir=/etc/metrics",
    ];
    for dashes in ["-", "--"] {
        let args: Vec<String> = flags.iter().map(|flag| format!("{dashes}{flag}")).collect();
        let settings = parse(&args.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(settings.metrics_port, None, "port 0 serves no metrics");
        assert_eq!(settings.probe_port, 7473);
        assert_eq!(settings.class, "example.com/lb");
        assert!(settings.ignore_exclude_label);
        let snapshot = settings.snapshot.unwrap();
        assert_eq!(
            (snapshot.path.to_str(), snapshot.max_age.as_secs()),
            (Some("/var/lib/metallb/snapshot"), 3600)
        );
        let members = settings.members.unwrap();
        assert_eq!((members.port, members.labels.as_str()), (7000, "app=metallb,component=speaker"));
        assert!(members.is_wan && members.secret == Some(folder.join("secretkey")));
        let period = Duration::from_millis(250);
        assert_eq!(members.heartbeats, Some(Heartbeats { port: 7001, period }));
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// As Go's flags: any spelling of a boolean, a value as the next argument, and of several the last one.
#[test]
fn flags_are_given_as_to_a_go_program() {
    let flags = |args: &[&str]| {
        let args = ["speaker", "-node-name", "n1"].iter().chain(args).copied().map(Into::into);
        Flags::try_parse_from(go_style(args)).map_err(|error| error.to_string())
    };
    for flag in ["ml-wan-config", "ignore-exclude-lb", "frrk8s-secret-passthrough"] {
        let is_on = |value: &str| {
            let flags = flags(&[&format!("-{flag}"), &format!("--{flag}={value}"), "-port", "7472"]).unwrap();
            assert_eq!((flags.node_name.as_str(), flags.port), ("n1", 7472));
            [flags.ml_wan_config, flags.ignore_exclude_lb, flags.frrk8s_secret_passthrough].contains(&true)
        };
        assert!(["1", "t", "T", "true", "TRUE", "True"].into_iter().all(is_on), "{flag}");
        assert!(!["0", "f", "F", "false", "FALSE", "False"].into_iter().any(is_on), "{flag}");
        let error = flags(&[&format!("--{flag}=yes")]).unwrap_err();
        assert!(error.contains(flag) && error.contains("\"yes\" is not a boolean"), "{error}");
    }
}

#[test]
fn without_labels_or_address_every_node_is_a_member() {
    for args in [&["--ml-labels=app=metallb"][..], &["--ml-bindaddr=172.30.0.11"], &[]] {
        let args = [&["--node-name=n1"], args].concat();
        assert_eq!(parse(&args).unwrap().members, None);
    }
}

#[test]
fn heartbeats_have_a_port_beside_memberlist_s_and_can_be_switched_off() {
    let with = |more: &[&str]| {
        let args = [&["--node-name=n1", "--ml-labels=a=b", "--ml-bindaddr=::1"], more].concat();
        parse(&args).unwrap().members.unwrap()
    };
    let period = Duration::from_millis(100);
    assert_eq!((with(&[]).port, with(&[]).heartbeats), (7946, Some(Heartbeats { port: 7947, period })));
    assert_eq!(with(&["--liveness-port=0"]).heartbeats, None);
    let empty = with(&["--liveness-port=", "--liveness-period="]);
    assert_eq!(empty.heartbeats, Some(Heartbeats { port: 7947, period }), "as an empty variable gives them");
    for (members, beside) in [("7947", 7948), ("65535", 65534)] {
        let flag = format!("--ml-bindport={members}");
        assert_eq!(with(&[&flag]).heartbeats, Some(Heartbeats { port: beside, period }));
    }
}

#[test]
fn each_bgp_type_of_the_original_is_accepted() {
    for (given, expected) in
        [("native", BgpType::Native), ("frr", BgpType::Frr), ("frr-k8s", BgpType::FrrK8s)]
    {
        assert_eq!(parse_bgp_type(given).unwrap(), expected);
    }
}

#[test]
fn what_can_not_be_used_is_named() {
    for (args, expected) in [
        (&[][..], "METALLB_NODE_NAME"),
        (&["--node-name=n1", "--ml-bindport=x"], "--ml-bindport"),
        (&["--node-name=n1", "--ml-bindport=0"], "--ml-bindport"),
        (&["--node-name=n1", "--bgp-debounce-timeout=0"], "--bgp-debounce-timeout"),
        (&["--node-name=n1", "--bgp-debounce-timeout=-1"], "--bgp-debounce-timeout"),
        (&["--node-name=n1", "--bgp-type=bird"], "unsupported BGP implementation type: bird"),
        (&["--node-name=n1", "--log-level=loud"], "--log-level"),
        (&["--node-name=n1", "--tls-min-version=SSL3"], "tls-min-version"),
        (&["--node-name=n1", "--frrk8s-secret-passthrough"], "--frrk8s-secret-passthrough"),
        (
            &["--node-name=n1", "--ml-labels=a=b", "--ml-bindaddr=::1", "--ml-secret-key-path=/none"],
            "/none/secretkey",
        ),
        (&["--node-name=n1", "--ml-secret-key-path=/none"], "/none/secretkey"),
        (&["--node-name=n1", "--ml-labels=a=b", "--ml-bindaddr=n1"], "--ml-bindaddr"),
        (
            &["--node-name=n1", "--ml-labels=a=b", "--ml-bindaddr=::1", "--liveness-port=7946"],
            "--liveness-port",
        ),
        (
            &["--node-name=n1", "--ml-labels=a=b", "--ml-bindaddr=::1", "--liveness-period=19"],
            "--liveness-period",
        ),
        (&["--node-name=n1", "--surprise"], "--surprise"),
    ] {
        let error = parse(args).unwrap_err();
        assert!(error.contains(expected), "{args:?}: {error}");
    }
}

/// Contract 03 §8.17: fields of the `MetalLB` resource become these flags.
#[test]
fn what_the_schema_of_the_resource_lets_through_a_speaker_starts_with() {
    let crds = metallb_api::crds("metallb-system");
    let crd = crds.iter().find(|crd| crd.metadata.name.as_deref() == Some("metallbs.metallb.io")).unwrap();
    let schema = serde_json::to_value(crd).unwrap();
    let spec =
        &schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"];
    let base = [
        "--node-name=n1",
        "--ml-bindaddr=192.0.2.1",
        "--ml-labels=app=x",
        "--snapshot-path=/tmp/never-written",
    ];
    for (field, flag) in [
        ("livenessPort", "liveness-port"),
        ("livenessPeriod", "liveness-period"),
        ("snapshotMaxAge", "snapshot-max-age"),
    ] {
        let bounds = [&spec[field]["minimum"], &spec[field]["maximum"]];
        let bounds: Vec<f64> = bounds.iter().filter_map(|bound| bound.as_f64()).collect();
        assert!(!bounds.is_empty(), "{field} has none");
        for bound in bounds {
            let value = format!("--{flag}={bound}");
            let parsed = parse(&[&base[..], &[&value]].concat());
            assert!(parsed.is_ok(), "{value}: {parsed:?}");
        }
    }
}
