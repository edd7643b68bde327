//! What contract 02 says of the speakers' pods, their rights, and the file of interfaces they are given.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

#[test]
fn contract_02_1_4_these_interfaces_are_left_out() {
    let objects = built(json!({}), &[]);
    let file = objects.iter().find(|object| object.name() == "metallb-excludel2").unwrap();
    let text = file.object.data["data"]["excludel2.yaml"].as_str().unwrap();
    let read: Value = serde_saphyr::from_str(text).unwrap();
    let expected = [
        "^docker.*",
        "^cbr.*",
        "^dummy.*",
        "^virbr.*",
        "^lxcbr.*",
        "^veth.*",
        "^lo$",
        "^cali.*",
        "^tunl.*",
        "^flannel.*",
        "^kube-ipvs.*",
        "^cni.*",
        "^nodelocaldns.*",
        "^lxc.*",
    ];
    assert_eq!(read, json!({"announcedInterfacesToExclude": expected}));
}

#[test]
fn contract_02_8_a_speaker_may_use_raw_sockets_on_the_nodes_network_and_nothing_else() {
    let objects = built(json!({}), &[]);
    let pod = pod_of(&objects, "DaemonSet");
    let expected = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"add": ["NET_RAW"], "drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
    });
    assert_eq!(pod["containers"][0]["securityContext"], expected);
    assert_eq!(pod["hostNetwork"], true);
    for more in ["hostIPC", "hostPID", "initContainers", "securityContext", "shareProcessNamespace"] {
        assert_eq!(pod.get(more), None, "{more}");
    }
    // Lower ones need a capability of their own.
    let ports = pod["containers"][0]["ports"].as_array().unwrap();
    assert!(ports.iter().all(|port| port["containerPort"].as_u64() >= Some(1024)), "{ports:?}");
}

#[test]
fn contract_02_8_speakers_run_on_linux_nodes_and_on_those_of_the_control_plane() {
    let objects = built(json!({}), &[]);
    let pod = pod_of(&objects, "DaemonSet");
    assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux"}));
    let tolerated = ["master", "control-plane"].map(|role| {
        let key = format!("node-role.kubernetes.io/{role}");
        json!({"effect": "NoSchedule", "key": key, "operator": "Exists"})
    });
    assert_eq!(pod["tolerations"], json!(tolerated));
}

/// Readiness is asked for sooner than by the original: docs/additions.md.
#[test]
fn contract_02_8_a_speaker_is_probed_on_the_loopback_address_and_given_no_time_to_end() {
    let objects = built(json!({}), &[]);
    let pod = pod_of(&objects, "DaemonSet");
    assert_eq!(pod["terminationGracePeriodSeconds"], 0);
    for (probe, path, delay, period) in
        [("livenessProbe", "/healthz", 10, 10), ("readinessProbe", "/readyz", 1, 2)]
    {
        let expected = json!({
            "httpGet": {"host": "127.0.0.1", "path": path, "port": 17472},
            "initialDelaySeconds": delay, "periodSeconds": period, "timeoutSeconds": 1,
            "successThreshold": 1, "failureThreshold": 3,
        });
        assert_eq!(pod["containers"][0][probe], expected, "{probe}");
    }
}

/// The roles bound to an account.
fn roles_of<'a>(objects: &'a [Desired], account: &str) -> Vec<&'a Desired> {
    let is_bound = |binding: &&Desired| {
        let mut subjects = binding.object.data["subjects"].as_array().into_iter().flatten();
        subjects.any(|subject| subject["name"] == account)
    };
    let roles = objects.iter().filter(is_bound).map(|binding| {
        let meant = &binding.object.data["roleRef"];
        let is_meant = |role: &&Desired| meant["kind"] == role.resource.kind && meant["name"] == role.name();
        objects.iter().find(is_meant).unwrap()
    });
    roles.collect()
}

fn words<'a>(rule: &'a Value, field: &str) -> Vec<&'a str> {
    rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What an account may do: kind of role, group and resource, and the verbs.
fn rights_of(objects: &[Desired], account: &str) -> Vec<String> {
    let mut rights: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for role in roles_of(objects, account) {
        for rule in role.object.data["rules"].as_array().unwrap() {
            let groups = words(rule, "apiGroups").join(",");
            for what in [words(rule, "resources"), words(rule, "nonResourceURLs")].concat() {
                let what = format!("{} {groups}/{what}", role.resource.kind);
                rights.entry(what).or_default().extend(words(rule, "verbs"));
            }
        }
    }
    let joined = |verbs: BTreeSet<&str>| verbs.into_iter().collect::<Vec<_>>().join(",");
    rights.into_iter().map(|(what, verbs)| format!("{what} {}", joined(verbs))).collect()
}

/// As the original's but for two (docs/additions.md): `patch` of `services/status`, and `watch` of pods.
#[test]
fn contract_02_8_a_speaker_may_what_it_does_and_no_more() {
    let expected = [
        "ClusterRole /endpoints get,list,watch",
        "ClusterRole /events create,patch",
        "ClusterRole /namespaces get,list,watch",
        "ClusterRole /nodes get,list,watch",
        "ClusterRole /services get,list,watch",
        "ClusterRole /services/status patch",
        "ClusterRole authentication.k8s.io/tokenreviews create",
        "ClusterRole authorization.k8s.io/subjectaccessreviews create",
        "ClusterRole discovery.k8s.io/endpointslices get,list,watch",
        "ClusterRole frrk8s.metallb.io/frrconfigurations create,delete,get,list,update,watch",
        "ClusterRole metallb.io/configurationstates *",
        "ClusterRole metallb.io/configurationstates/status *",
        "ClusterRole metallb.io/servicel2statuses *",
        "ClusterRole metallb.io/servicel2statuses/status *",
        "Role /configmaps get,list,watch",
        "Role /pods get,list,watch",
        "Role /secrets get,list,watch",
        "Role metallb.io/bfdprofiles get,list,watch",
        "Role metallb.io/bgpadvertisements get,list,watch",
        "Role metallb.io/bgppeers get,list,watch",
        "Role metallb.io/communities get,list,watch",
        "Role metallb.io/ipaddresspools get,list,watch",
        "Role metallb.io/l2advertisements get,list,watch",
        "Role metallb.io/servicebgpstatuses *",
        "Role metallb.io/servicebgpstatuses/status *",
    ];
    assert_eq!(rights_of(&built(json!({}), &[]), "speaker"), expected);
}
