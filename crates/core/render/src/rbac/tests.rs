use super::*;

/// Group, resource, verb and, if limited, the object's name.
type Right = (String, String, String, Option<String>);

pub(crate) fn rights_of(rule: &PolicyRule) -> Vec<Right> {
    let names = rule.resource_names.clone().map_or(vec![None], |names| names.into_iter().map(Some).collect());
    let mut rights = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            for verb in &rule.verbs {
                let right = |name| (group.clone(), resource.clone(), verb.clone(), name);
                rights.extend(names.iter().cloned().map(right));
            }
        }
    }
    rights
}

pub(crate) fn gives(rule: &PolicyRule, (group, resource, verb, name): &Right) -> bool {
    let has = |list: &Option<Vec<String>>, word: &String| list.iter().flatten().any(|one| one == word);
    let named = match (&rule.resource_names, name) {
        (None, _) => true,
        (Some(names), Some(name)) => names.contains(name),
        (Some(_), None) => false,
    };
    let verbs = Some(rule.verbs.clone());
    has(&rule.api_groups, group) && has(&rule.resources, resource) && has(&verbs, verb) && named
}

/// A role as it is rendered: its name, its rules, and the accounts it is bound to.
type Rendered = (String, Vec<PolicyRule>, Vec<String>);

fn together(
    (role, rules): (ObjectMeta, Option<Vec<PolicyRule>>),
    (of, subjects): (RoleRef, Option<Vec<Subject>>),
) -> Rendered {
    assert_eq!(role.name.as_ref(), Some(&of.name));
    let accounts = subjects.unwrap().into_iter().map(|subject| subject.name);
    (of.name, rules.unwrap(), accounts.collect())
}

fn rendered() -> Vec<Rendered> {
    let outside = cluster_grants(Monitors::None).into_iter().map(|grant| {
        let (role, binding) = cluster_objects(&grant, "metallb-system");
        together((role.metadata, role.rules), (binding.role_ref, binding.subjects))
    });
    let inside = namespace_grants(Platform::OpenShift).into_iter().map(|grant| {
        let (role, binding) = namespace_objects(&grant, "metallb-system");
        together((role.metadata, role.rules), (binding.role_ref, binding.subjects))
    });
    outside.chain(inside).collect()
}

const LOOK: &[&str] = &["get", "list", "watch"];
const ALL: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];

/// A role, the accounts it is bound to, the contract's rules, and those beyond them that docs/additions.md tells of.
type Row = (&'static str, &'static [&'static str], Vec<PolicyRule>, Vec<PolicyRule>);

/// What is gone from Kubernetes is left out: `podsecuritypolicies`.
fn contract() -> [Row; 6] {
    let leases = rule("coordination.k8s.io", &["leases"], &["create", "get", "list", "update", "watch"]);
    let watched = rule("metallb.io", &["bgppeers"], &["watch"]);
    let reviews = vec![
        rule("authentication.k8s.io", &["tokenreviews"], &["create"]),
        rule("authorization.k8s.io", &["subjectaccessreviews"], &["create"]),
    ];
    let constraints =
        named_rule("security.openshift.io", "securitycontextconstraints", &["metallb-speaker"], &["use"]);
    let status = rule("", &["services/status"], &["patch"]);
    [
        ("metallb-system:controller", &["controller"], controllers_everywhere(), Vec::new()),
        ("metallb-system:speaker", &["speaker"], speakers_everywhere(), vec![status]),
        ("metallb-system:kube-rbac-proxy", &["controller", "speaker"], reviews, Vec::new()),
        ("controller", &["controller"], controllers_inside(), vec![leases, watched]),
        ("pod-lister", &["controller", "speaker"], shared_inside(), Vec::new()),
        ("speaker", &["speaker"], vec![constraints], vec![rule("", &["pods"], &["watch"])]),
    ]
}

fn controllers_everywhere() -> Vec<PolicyRule> {
    let (admission, extensions) = ("admissionregistration.k8s.io", "apiextensions.k8s.io");
    let (webhooks, definitions) = ("validatingwebhookconfigurations", "customresourcedefinitions");
    let own = [
        "bfdprofiles.metallb.io",
        "bgpadvertisements.metallb.io",
        "bgppeers.metallb.io",
        "ipaddresspools.metallb.io",
        "l2advertisements.metallb.io",
        "communities.metallb.io",
        "configurationstates.metallb.io",
    ];
    vec![
        rule("", &["services", "namespaces"], LOOK),
        rule("", &["nodes"], &["list"]),
        rule("", &["services/status"], &["update"]),
        rule("", &["events"], &["create", "patch"]),
        named_rule(admission, webhooks, &["metallb-webhook-configuration"], ALL),
        rule(admission, &[webhooks], &["list", "watch"]),
        named_rule(extensions, definitions, &own, ALL),
        rule(extensions, &[definitions], &["list", "watch"]),
        rule("metallb.io", &["configurationstates"], ALL),
        rule("metallb.io", &["configurationstates/status"], &["get", "patch", "update"]),
    ]
}

fn speakers_everywhere() -> Vec<PolicyRule> {
    let write = ["get", "list", "watch", "create", "update", "delete"];
    let l2 = ["servicel2statuses", "servicel2statuses/status"];
    vec![
        rule("frrk8s.metallb.io", &["frrconfigurations"], &write),
        rule("metallb.io", &l2, &["*"]),
        rule("metallb.io", &["configurationstates", "configurationstates/status"], &["*"]),
        rule("", &["services", "endpoints", "nodes", "namespaces"], LOOK),
        rule("discovery.k8s.io", &["endpointslices"], LOOK),
        rule("", &["events"], &["create", "patch"]),
    ]
}

fn controllers_inside() -> Vec<PolicyRule> {
    let read = ["bfdprofiles", "ipaddresspools", "bgpadvertisements", "l2advertisements", "communities"];
    vec![
        rule("", &["secrets"], ALL),
        named_rule("", "secrets", &["memberlist"], &["list"]),
        named_rule("apps", "deployments", &["controller"], &["get"]),
        rule("metallb.io", &["bgppeers"], &["get", "list"]),
        rule("metallb.io", &read, LOOK),
        rule("metallb.io", &["ipaddresspools/status"], &["update"]),
    ]
}

fn shared_inside() -> Vec<PolicyRule> {
    let read =
        ["bfdprofiles", "bgppeers", "l2advertisements", "bgpadvertisements", "ipaddresspools", "communities"];
    vec![
        rule("", &["pods"], &["list", "get"]),
        rule("", &["secrets", "configmaps"], LOOK),
        rule("metallb.io", &read, LOOK),
        rule("metallb.io", &["servicebgpstatuses", "servicebgpstatuses/status"], &["*"]),
    ]
}

/// Written out, unlike what is recorded, which a new recording would let shrink without a word.
#[test]
fn section_4_8_no_role_lacks_a_right_or_gives_more_than_is_documented() {
    let (rendered, rows) = (rendered(), contract());
    assert_eq!(rendered.len(), rows.len());
    for ((name, rules, accounts), (role, expected, contract, beyond)) in rendered.into_iter().zip(rows) {
        assert_eq!((name.as_str(), accounts), (role, owned(expected)));
        let wanted = [contract, beyond].concat();
        for right in wanted.iter().flat_map(rights_of) {
            assert!(rules.iter().any(|rule| gives(rule, &right)), "{role} lacks {right:?}");
        }
        for right in rules.iter().flat_map(rights_of) {
            assert!(wanted.iter().any(|rule| gives(rule, &right)), "{role} gives {right:?}");
        }
    }
}
