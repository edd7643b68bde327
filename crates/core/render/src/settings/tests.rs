use serde_json::{Value, json};

use super::*;

fn environment(extra: &[(&str, &str)]) -> Environment {
    let mandatory = [("OPERATOR_NAMESPACE", "ns"), ("CONTROLLER_IMAGE", "c"), ("SPEAKER_IMAGE", "s")];
    let variables = mandatory.iter().chain(extra).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Environment::parse(&variables.collect()).unwrap()
}

fn parse_with(spec: Value, extra: &[(&str, &str)], platform: Platform) -> Result<Settings, SpecError> {
    let spec = read_spec(spec).unwrap();
    Settings::parse(&spec, &environment(extra), platform)
}

fn parse(spec: Value) -> Result<Settings, SpecError> {
    parse_with(spec, &[], Platform::Kubernetes)
}

fn weights(kind: &str, weight: i32) -> Value {
    let term = match kind {
        "nodeAffinity" => json!({"weight": weight, "preference": {}}),
        _ => json!({"weight": weight, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}),
    };
    json!({"affinity": {kind: {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}})
}

#[test]
fn an_empty_spec_has_defaults() {
    let settings = parse(json!({})).unwrap();
    let expected = Settings {
        platform: Platform::Kubernetes,
        backend: Backend::Frr,
        log_level: LogLevel::Info,
        load_balancer_class: None,
        controller: Workload::default(),
        speaker: Workload::default(),
        options: Options {
            controller_replicas: None,
            speaker_max_unavailable: None,
            excluded_interfaces: None,
            pull_secrets: Vec::new(),
            network_policy: Policy::Found,
            memberlist: true,
            unknown_pool: None,
            liveness_port: 7947,
            liveness_period: None,
            snapshot_max_age: None,
            ignored: Vec::new(),
        },
    };
    assert_eq!(settings, expected);
}

#[test]
fn each_rule_refuses_with_its_documented_text() {
    let toleration = |effect: &str| json!([{"key": "k", "effect": effect, "tolerationSeconds": 10}]);
    let weight = |component: &str, kind: &str| {
        format!("{component}Config {kind} set with invalid weight for preferred scheduling term")
    };
    let effect = |component: &str| {
        format!("{component}Toleration effect must be NoExecute when tolerationSeconds is set")
    };
    for (spec, message) in [
        (json!({"controllerTolerations": toleration("NoSchedule")}), effect("Controller")),
        (json!({"controllerTolerations": [{"tolerationSeconds": 1}]}), effect("Controller")),
        (json!({"speakerTolerations": toleration("PreferNoSchedule")}), effect("Speaker")),
        (json!({"speakerConfig": weights("nodeAffinity", 0)}), weight("Speaker", "NodeAffinity")),
        (json!({"speakerConfig": weights("podAffinity", 101)}), weight("Speaker", "PodAffinity")),
        (json!({"controllerConfig": weights("nodeAffinity", 101)}), weight("Controller", "NodeAffinity")),
        (json!({"controllerConfig": weights("podAffinity", -1)}), weight("Controller", "PodAffinity")),
        (
            json!({"bgpBackend": "bird"}),
            "invalid BGP Backend, must be one of native, frr, frr-k8s, frr-k8s-external".to_owned(),
        ),
        (
            json!({"bgpBackend": "frr-k8s-external"}),
            "bgp backend: frrk8s external and no default or user provided namespace".to_owned(),
        ),
        (
            json!({"frrk8sConfig": {"alwaysBlock": ["10.0.0.0/8", "10.0.0.1"]}}),
            "invalid CIDR 10.0.0.1 in AlwaysBlock".to_owned(),
        ),
        (
            json!({"excludedInterfaces": ["^ok$", "("]}),
            "excludedInterfaces: \"(\" is no regular expression: unclosed group".to_owned(),
        ),
        (
            json!({"excludedInterfaces": ["^lo$", ""]}),
            "excludedInterfaces: \"\" is found in every name, so that nothing would be announced: take it out"
                .to_owned(),
        ),
        (
            json!({"excludedInterfaces": ["a*"]}),
            "excludedInterfaces: \"a*\" is found in every name, so that nothing would be announced: take it out"
                .to_owned(),
        ),
        (
            json!({"excludedInterfaces": [r"\w{999}{999}"]}),
            r#"excludedInterfaces: "\\w{999}{999}" is no regular expression: Compiled regex exceeds size limit of 10485760 bytes."#
                .to_owned(),
        ),
        (
            json!({"livenessPort": 7946}),
            "livenessPort 7946 is memberlist's port (MEMBER_LIST_BIND_PORT): give another one, or 0 for no heartbeats"
                .to_owned(),
        ),
        (json!({"controllerReplicas": 0}), "controllerReplicas 0 is out of bounds: give 1 to 10".to_owned()),
        (json!({"snapshotMaxAge": 0}), "snapshotMaxAge 0 is out of bounds: give 1 or more".to_owned()),
        (
            json!({"networkPolicy": {"apiPort": 65536}}),
            "networkPolicy.apiPort 65536 is out of bounds: give 1 to 65535".to_owned(),
        ),
    ] {
        assert_eq!(parse(spec.clone()).unwrap_err().to_string(), message, "{spec}");
    }
}

/// Both specs in one.
fn merged(one: &Value, other: &Value) -> Value {
    let (Value::Object(one), Value::Object(other)) = (one, other) else { return other.clone() };
    let mut both = one.clone();
    for (name, value) in other {
        let value = one.get(name).map_or_else(|| value.clone(), |known| merged(known, value));
        both.insert(name.clone(), value);
    }
    Value::Object(both)
}

#[test]
fn section_1_9_of_two_broken_rules_the_first_is_the_one_reported() {
    let tolerations = json!([{"tolerationSeconds": 1}]);
    let effect = |component| SpecError::TolerationEffect { component };
    let weight = |component, kind| SpecError::AffinityWeight { component, kind };
    let entry = "10.0.0.1".to_owned();
    let rules = [
        (json!({"controllerTolerations": tolerations}), effect("Controller")),
        (json!({"speakerTolerations": tolerations}), effect("Speaker")),
        (json!({"speakerConfig": weights("nodeAffinity", 0)}), weight("Speaker", "NodeAffinity")),
        (json!({"speakerConfig": weights("podAffinity", 0)}), weight("Speaker", "PodAffinity")),
        (json!({"controllerConfig": weights("nodeAffinity", 0)}), weight("Controller", "NodeAffinity")),
        (json!({"controllerConfig": weights("podAffinity", 0)}), weight("Controller", "PodAffinity")),
        (json!({"bgpBackend": "bird"}), SpecError::UnknownBackend),
        (json!({"bgpBackend": "frr-k8s-external"}), SpecError::ExternalNamespaceMissing),
        (json!({"frrk8sConfig": {"alwaysBlock": [entry]}}), SpecError::AlwaysBlock { entry }),
    ];
    let names_backend = |spec: &Value| spec.get("bgpBackend").is_some();
    for (nth, (first, expected)) in rules.iter().enumerate() {
        for (second, _) in rules.iter().skip(nth + 1) {
            // Nobody can ask for two of them.
            if names_backend(first) && names_backend(second) {
                continue;
            }
            let both = merged(first, second);
            assert_eq!(parse(both.clone()).as_ref(), Err(expected), "{both}");
        }
    }
}

#[test]
fn what_the_rules_allow_is_accepted() {
    for spec in [
        json!({"controllerTolerations": [{"effect": "NoExecute", "tolerationSeconds": 10}]}),
        json!({"speakerTolerations": [{"effect": "NoSchedule", "tolerationSeconds": 0}]}),
        json!({"speakerTolerations": [{"effect": "NoSchedule", "tolerationSeconds": -5}]}),
        json!({"speakerConfig": weights("nodeAffinity", 1), "controllerConfig": weights("podAffinity", 100)}),
        // The original does not look at these.
        json!({"speakerConfig": weights("podAntiAffinity", 0), "controllerConfig": weights("podAntiAffinity", 101)}),
        json!({"frrk8sConfig": {"alwaysBlock": [" 10.0.0.0/8 ", "fd00::/8"]}}),
        json!({"excludedInterfaces": ["^eth[0-9]$", "^lo$", "^$", r"\."]}),
        // All that begins otherwise, all but `en…`, all but `bond…`, all that is short.
        json!({"excludedInterfaces": ["^[^b]"]}),
        json!({"excludedInterfaces": ["^[^A-Z]"]}),
        json!({"excludedInterfaces": ["^([^e]|e[^n])"]}),
        json!({"excludedInterfaces": ["^([^b]|b$|b[^o])"]}),
        json!({"excludedInterfaces": ["^.{1,4}$"]}),
        json!({"excludedInterfaces": ["^.{1,14}$"]}),
        json!({"livenessPort": 0}),
        json!({"livenessPort": 7946, "memberlistEnabled": false}),
    ] {
        assert!(parse(spec.clone()).is_ok(), "{spec}");
    }
}

#[test]
fn a_pattern_that_is_found_in_every_name_is_refused() {
    for pattern in ["", ".*", "a*", ".", "^", "$", r"\w", "^.{1,15}$", "a|[^a]"] {
        let refused = Err(SpecError::ExcludesAll { pattern: pattern.to_owned() });
        assert_eq!(parse(json!({"excludedInterfaces": ["^lo$", pattern]})), refused);
    }
}

#[test]
fn section_2_3_back_ends_resolve_by_spec_and_platform_and_frr_k8s_is_refused() {
    let cno = [("DEPLOY_FRRK8S_FROM_CNO", "true"), ("FRRK8S_EXTERNAL_NAMESPACE", "frr")];
    let (vanilla, openshift) = (Platform::Kubernetes, Platform::OpenShift);
    let refused = |name| Err(SpecError::UnservedBackend { name });
    let own = json!({"bgpBackend": "frr-k8s-external", "frrk8sConfig": {"namespace": "own"}});
    for (spec, extra, platform, expected) in [
        (json!({}), &[][..], vanilla, Ok(Backend::Frr)),
        (json!({"bgpBackend": ""}), &cno[..], vanilla, Ok(Backend::Frr)),
        (json!({}), &[], openshift, Ok(Backend::Frr)),
        (json!({}), &cno, openshift, Ok(Backend::Frr)),
        (json!({"bgpBackend": "frr"}), &[], openshift, Ok(Backend::Frr)),
        (json!({"bgpBackend": "native"}), &[], vanilla, Ok(Backend::Native)),
        (json!({"bgpBackend": "native"}), &cno, openshift, Err(SpecError::NativeOnOpenShift)),
        (json!({"bgpBackend": "frr-k8s"}), &[], vanilla, refused("frr-k8s")),
        (json!({"bgpBackend": "frr-k8s"}), &[], openshift, refused("frr-k8s")),
        (json!({"bgpBackend": "frr-k8s-external"}), &cno, vanilla, refused("frr-k8s-external")),
        (json!({"bgpBackend": "frr-k8s-external"}), &[], openshift, Err(SpecError::ExternalNamespaceMissing)),
        (own, &[], openshift, refused("frr-k8s-external")),
    ] {
        let found = parse_with(spec.clone(), extra, platform).map(|settings| settings.backend);
        assert_eq!(found, expected, "{spec} on {platform:?}");
    }
}

#[test]
fn a_refused_back_end_is_named_with_what_to_do() {
    for (spec, platform, expected) in [
        (
            json!({"bgpBackend": "frr-k8s"}),
            Platform::Kubernetes,
            "unsupported bgp backend frr-k8s: this release neither runs nor configures frr-k8s; \
             leave bgpBackend out, or use native or frr",
        ),
        (
            json!({"bgpBackend": "native"}),
            Platform::OpenShift,
            "native mode is not supported on openshift: leave bgpBackend out",
        ),
    ] {
        assert_eq!(parse_with(spec, &[], platform).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_secret_named_twice_is_used_once() {
    let named = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
    let settings = parse(json!({"imagePullSecrets": named(&["b", "a", "b"])})).unwrap();
    assert_eq!(settings.options.pull_secrets, ["b", "a"]);
}

#[test]
fn what_has_no_effect_is_told() {
    for (spec, told) in [
        (json!({"bgpBackend": "native", "livenessPort": 9, "livenessPeriod": 20}), None),
        (
            json!({"bgpBackend": "native", "livenessPort": 9, "livenessPeriod": 20, "memberlistEnabled": false}),
            Some("without effect while memberlistEnabled is false: livenessPort, livenessPeriod"),
        ),
    ] {
        let remarks = parse(spec.clone()).unwrap().remarks();
        assert_eq!(
            remarks.last().map(String::as_str).filter(|text| text.starts_with("without")),
            told,
            "{spec}"
        );
    }
}

#[test]
fn empty_names_and_maps_mean_not_set() {
    let config = json!({"priorityClassName": "", "runtimeClassName": "", "annotations": {}});
    let settings = parse(json!({"loadBalancerClass": "", "speakerConfig": config})).unwrap();
    assert_eq!((settings.load_balancer_class, settings.speaker), (None, Workload::default()));
}

#[test]
fn amounts_may_be_numbers() {
    let spec =
        read_spec(json!({"speakerConfig": {"resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}})).unwrap();
    let limits = spec.speaker_config.unwrap().resources.unwrap().limits.unwrap();
    let texts: Vec<_> = limits.into_iter().map(|(name, amount)| (name, amount.0)).collect();
    assert_eq!(
        texts,
        [("cpu", "1"), ("memory", "1Gi")].map(|(name, text)| (name.to_owned(), text.to_owned()))
    );
}

#[test]
fn no_spec_is_an_empty_one_and_a_malformed_one_an_error() {
    assert_eq!(read_spec(Value::Null).unwrap(), MetalLBSpec::default());
    assert!(read_spec(json!({"logLevel": "verbose"})).unwrap_err().to_string().contains("verbose"));
}

/// Path, least and greatest value of each number with bounds below a schema.
fn bounded(path: &str, schema: &Value) -> Vec<(String, Option<i64>, Option<i64>)> {
    let whole = |name: &str| Some(schema.get(name)?.as_f64()?.to_string().parse().unwrap());
    let own = (path.to_owned(), whole("minimum"), whole("maximum"));
    let fields = schema["properties"].as_object().into_iter().flatten();
    let below = fields.flat_map(|(name, field)| bounded(&format!("{path}/{name}"), field));
    Some(own).filter(|(_, least, most)| least.is_some() || most.is_some()).into_iter().chain(below).collect()
}

/// The spec with nothing but this value, at a path like `/networkPolicy/apiPort`.
fn with_value(path: &str, value: i64) -> Value {
    path.rsplit('/').filter(|name| !name.is_empty()).fold(json!(value), |inner, name| json!({name: inner}))
}

#[test]
fn the_bounds_of_the_definition_hold_without_it() {
    let definition = metallb_api::crds("x").into_iter().find(|crd| crd.spec.names.kind == "MetalLB").unwrap();
    let version = serde_json::to_value(&definition.spec.versions[0]).unwrap();
    let all = bounded("", &version["schema"]["openAPIV3Schema"]["properties"]["spec"]);
    assert_eq!(all.len(), 6, "a field has bounds, or lost them: {all:?}");
    for (path, least, most) in all {
        let field = path.trim_start_matches('/').replace('/', ".");
        let edges =
            least.map(|least| (least, least - 1)).into_iter().chain(most.map(|most| (most, most + 1)));
        for (inside, outside) in edges {
            assert!(parse(with_value(&path, inside)).is_ok(), "{field} {inside}");
            let refused = parse(with_value(&path, outside)).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{field} {outside} is out of bounds: ")), "{refused}");
        }
        // Where there is no greatest value, none is made up.
        let greatest = i64::from(i32::MAX);
        assert_eq!(parse(with_value(&path, greatest)).is_ok(), most.is_none(), "{field}");
    }
}

/// The definition's rules on `MetalLB`, with the objects an API server was seen to take and to refuse.
#[test]
fn section_1_9_the_definition_says_what_the_webhook_says() {
    let table: Value = serde_saphyr::from_str(include_str!("../../../api/tests/data/rules.yaml")).unwrap();
    let rules: Vec<_> =
        table["rules"].as_array().unwrap().iter().filter(|rule| rule["plural"] == "metallbs").collect();
    assert!(!rules.is_empty());
    for left in table["left"].as_array().unwrap() {
        let said = parse(left["spec"].clone()).map_err(|error| error.to_string());
        assert_eq!(said.err().as_deref(), left["says"].as_str(), "{left}");
    }
    for rule in rules {
        for spec in rule["accepted"].as_array().unwrap() {
            // What only this release refuses is no matter of the definition.
            let parsed = parse(spec.clone());
            assert!(matches!(parsed, Ok(_) | Err(SpecError::UnservedBackend { .. })), "{spec}: {parsed:?}");
        }
        for refused in rule["refused"].as_array().unwrap() {
            let said = parse(refused["spec"].clone()).map_err(|error| error.to_string());
            assert_eq!(said.err().as_deref(), refused["says"].as_str(), "{refused}");
        }
    }
}
