//! The operator's rights beside what it asks for: nothing that it needs is missing, and it holds nothing that no code path uses.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{Api, DynamicObject, PostParams};
use metallb_api::MetalLB;
use metallb_cluster::{Campaign, EventSink, Office};
use metallb_operator::watches::{Scope, follow};
use metallb_operator::webhook::rotation;
use metallb_render::{
    ApiServer, Install, InstallImages, MemberlistKey, Owner, Platform, Settings, build, install, kinds,
};
use metallb_testkit::{Failure, Request, Verb};
use metallb_webhook::{Presenter, Rotation};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::scenario::{NAMESPACE, SERVICE_MONITORS, Scenario, environment};

const POD_MONITORS: (&str, &str) = ("DEPLOY_PODMONITORS", "true");

/// Rules for the whole cluster, and those for our namespace.
fn held() -> (Vec<PolicyRule>, Vec<PolicyRule>) {
    let image = || "x".to_owned();
    let images = InstallImages { operator: image(), controller: image(), speaker: image() };
    let manifest = install(&Install { namespace: NAMESPACE.to_owned(), images, crds: Vec::new() }).unwrap();
    let of = |kind: &str| {
        let role = manifest.iter().find(|object| object["kind"] == kind).unwrap();
        serde_json::from_value(role["rules"].clone()).unwrap()
    };
    (of("ClusterRole"), of("Role"))
}

/// What the operator grants, and holds for no other reason.
fn granted() -> Vec<PolicyRule> {
    let environment = environment(&[POD_MONITORS]);
    let settings = Settings::parse(&Default::default(), &environment, Platform::OpenShift).unwrap();
    let owner = Owner { name: String::new(), uid: String::new(), definition: String::new() };
    let objects = build(&settings, &environment, &owner, &MemberlistKey::new([0; 16])).unwrap();
    let rules = objects.into_iter().filter_map(|object| object.object.data.get("rules").cloned());
    rules.flat_map(|rules| serde_json::from_value::<Vec<PolicyRule>>(rules).unwrap()).collect()
}

/// One thing that is asked for: group, resource, verb, name.
type Asked = (String, String, &'static str, Option<String>);

fn asked(request: &Request) -> Vec<Asked> {
    let resource = match &request.subresource {
        Some(sub) => format!("{}/{sub}", request.resource),
        None => request.resource.clone(),
    };
    let verbs: &[&'static str] = match request.verb {
        Verb::Get => &["get"],
        Verb::List => &["list"],
        Verb::Watch => &["watch"],
        Verb::Create => &["create"],
        Verb::Update => &["update"],
        Verb::Delete => &["delete"],
        // It makes what is missing.
        Verb::Apply => &["patch", "create"],
        Verb::MergePatch | Verb::StrategicPatch | Verb::JsonPatch => &["patch"],
        Verb::Put | Verb::Unknown => &[],
    };
    let name = |verb: &str| request.only_name().filter(|_| verb != "create");
    verbs.iter().map(|&verb| (request.group.clone(), resource.clone(), verb, name(verb))).collect()
}

fn gives(rule: &PolicyRule, (group, resource, verb, name): &Asked) -> bool {
    let has = |list: &Option<Vec<String>>, word: &str| list.iter().flatten().any(|one| one == word);
    let is_named = match &rule.resource_names {
        None => true,
        Some(names) => name.as_ref().is_some_and(|name| names.contains(name)),
    };
    has(&rule.api_groups, group)
        && has(&rule.resources, resource)
        && rule.verbs.iter().any(|one| one == verb)
        && is_named
}

/// An object of every kind in the namespace, and the original's webhook, that belong to the resource and are not wanted.
async fn leave_leftovers(scenario: &Scenario) {
    let uid = scenario.resource("metallb").metadata.uid.unwrap();
    let owner = json!([{"apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "name": "metallb", "uid": uid, "controller": true}]);
    let client = scenario.server.client(NAMESPACE);
    for kind in kinds(scenario.operator.platform).into_iter().filter(|kind| kind.namespaced) {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &kind.resource);
        let object = json!({"apiVersion": kind.resource.api_version, "kind": kind.resource.kind,
            "metadata": {"name": "leftover", "namespace": NAMESPACE, "ownerReferences": owner}, "spec": {
                "template": {"spec": {"containers": []}}}});
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }
    let webhooks = json!({"metadata": {"name": "frr-k8s-validating-webhook-configuration", "ownerReferences": owner},
        "webhooks": [{"name": "x.metallb.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"service": {"name": "frr-k8s-webhook-service", "namespace": NAMESPACE}}}]});
    scenario.server.put::<ValidatingWebhookConfiguration>(&serde_json::from_value(webhooks).unwrap());
    scenario.server.take_requests();
}

/// The webhooks of an installation whose namespace is gone.
fn leave_webhooks_of_another(scenario: &Scenario) {
    let webhooks = json!({"metadata": {"name": "metallb-webhook-configuration"},
        "webhooks": [{"name": "x.metallb.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
            "clientConfig": {"service": {"name": "metallb-webhook-service", "namespace": "gone"}}}]});
    scenario.server.put::<ValidatingWebhookConfiguration>(&serde_json::from_value(webhooks).unwrap());
}

/// Everything the process does beside its passes, for a while.
async fn surroundings(scenario: &Scenario) {
    let client = scenario.server.client(NAMESPACE);
    let environment = &scenario.operator.environment;
    let scope =
        Scope { namespace: NAMESPACE, platform: scenario.operator.platform, monitors: environment.monitors };
    let watches = follow(&client, &scope);
    let (lead, leader) = watch::channel(true);
    let rotation = Rotation::start(client.clone(), rotation(NAMESPACE, "webhook"), Presenter::default());
    let rotation = tokio::spawn(rotation.run(leader, |_, _| {}));
    let office =
        Office { namespace: NAMESPACE, lease: "metallb.io.metallboperator", process: "operator", pod: "p" };
    let campaign = Campaign::start(client, &office, |_| {});
    tokio::time::sleep(Duration::from_secs(60)).await;
    campaign.release().await;
    rotation.abort();
    drop((watches, lead));
}

/// Every request of an operator's life on this platform.
async fn life(platform: Platform, variables: &[(&str, &str)]) -> Vec<Request> {
    let mut scenario = Scenario::with_resource();
    scenario.restart_with(variables);
    let client = scenario.server.client(NAMESPACE);
    let operator = &mut scenario.operator;
    (operator.platform, operator.registers) = (platform, true);
    operator.events = EventSink::new(client, "metallb-operator", "");
    let profile =
        json!({"apiVersion": "config.openshift.io/v1", "kind": "APIServer", "metadata": {"name": "cluster"}});
    scenario.server.put_raw::<ApiServer>("cluster", &profile);
    leave_leftovers(&scenario).await;
    leave_webhooks_of_another(&scenario);
    scenario.put_lease("controller-x");
    let elsewhere = json!({"metadata": {"name": "metallb", "namespace": "elsewhere"}, "spec": {}});
    scenario.server.put::<MetalLB>(&serde_json::from_value(elsewhere).unwrap());
    scenario.put("metallb", &json!({"controllerReplicas": 2}));
    // What somebody else makes at the same time is read once more.
    for kind in kinds(platform) {
        scenario.server.fail_next(&format!("apply {}", kind.resource.plural), Failure::Status(409));
    }
    scenario.pass().await;
    let status = json!({"observedGeneration": scenario.controller().unwrap().metadata.generation, "replicas": 2,
        "readyReplicas": 2, "updatedReplicas": 2});
    scenario.run_workloads();
    scenario.server.set_status::<k8s_openapi::api::apps::v1::Deployment>(
        Some(NAMESPACE),
        "controller",
        &status,
    );
    // Available twice: an event that is repeated is counted in the first one.
    for spec in
        [json!({"controllerReplicas": 2}), json!({"bgpBackend": "bird"}), json!({"controllerReplicas": 2})]
    {
        scenario.put("metallb", &spec);
        scenario.pass().await;
    }
    surroundings(&scenario).await;
    // As after a resource whose dependents were left behind.
    let orphan = json!({"metadata": {"ownerReferences": null}});
    scenario.server.edit::<Secret>(Some(NAMESPACE), "metallb-memberlist", &orphan);
    scenario.pass().await;
    assert!(scenario.told("metallb")[0].starts_with("Available "), "{:?}", scenario.told("metallb"));
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    let report = scenario.pass().await;
    assert_eq!(report.problems, [""; 0]);
    scenario.server.take_requests()
}

/// The requests of lives on both platforms.
async fn lives() -> Vec<Request> {
    let mut lives = life(Platform::Kubernetes, &[SERVICE_MONITORS]).await;
    lives.extend(life(Platform::OpenShift, &[POD_MONITORS]).await);
    lives
}

fn is_ours(request: &Request) -> bool {
    request.namespace.as_deref() == Some(NAMESPACE)
}

/// What owners may be given to: whoever gives one to an object that is there is asked by OpenShift whether he might delete it.
fn owned(requests: &[Request]) -> BTreeSet<(bool, Asked)> {
    let gives_owner = |request: &&Request| {
        let owners = &request.content["metadata"]["ownerReferences"];
        matches!(request.verb, Verb::Apply | Verb::MergePatch) && owners.is_array()
    };
    let deletion = |request: &Request| {
        let (group, resource) = (request.group.clone(), request.resource.clone());
        (is_ours(request), (group, resource, "delete", request.name.clone()))
    };
    requests.iter().filter(gives_owner).map(deletion).collect()
}

#[tokio::test(start_paused = true)]
async fn section_4_7_what_the_operator_asks_for_it_may_and_what_it_may_it_asks_for() {
    let (cluster, namespace) = held();
    let lives = lives().await;
    let requests = lives
        .iter()
        .flat_map(|request| asked(request).into_iter().map(|asked| (is_ours(request), asked)))
        .collect::<BTreeSet<_>>();
    let may = |is_ours: bool, asked: &Asked| {
        cluster.iter().chain(namespace.iter().filter(|_| is_ours)).any(|rule| gives(rule, asked))
    };
    let missing: Vec<_> = requests.iter().filter(|(is_ours, asked)| !may(*is_ours, asked)).collect();
    assert!(missing.is_empty(), "asked for and not held: {missing:#?}");
    let lookup = (String::new(), "namespaces".to_owned(), "get", Some("gone".to_owned()));
    assert!(requests.contains(&(false, lookup)), "whether another installation is still there");
    let owned = owned(&lives);
    let key = (String::new(), "secrets".to_owned(), "delete", Some("metallb-memberlist".to_owned()));
    assert!(owned.contains(&(true, key)), "it is made once, and given another owner later");
    let missing: Vec<_> = owned.iter().filter(|(is_ours, asked)| !may(*is_ours, asked)).collect();
    assert!(missing.is_empty() && owned.len() > 10, "given an owner and not to be deleted: {missing:#?}");

    let granted = granted();
    let own = cluster.iter().chain(&namespace).filter(|rule| !granted.contains(rule));
    let rights: Vec<Value> = own.flat_map(singly).collect();
    assert!(rights.len() > 50, "{}", rights.len());
    let is_used = |right: &Value| {
        let rule: PolicyRule = serde_json::from_value(right.clone()).unwrap();
        requests.iter().chain(&owned).any(|(_, asked)| gives(&rule, asked))
    };
    let unused: Vec<_> = rights.iter().filter(|right| !is_used(right)).collect();
    // The API server asks for this one, of whoever makes an object belong to a resource.
    let finalizers =
        json!({"apiGroups": ["metallb.io"], "resources": ["metallbs/finalizers"], "verbs": ["update"]});
    assert_eq!(unused, [&finalizers], "held and never asked for");
}

/// A rule taken apart: one verb on one resource, of one name where names are given.
fn singly(rule: &PolicyRule) -> Vec<Value> {
    let names: Vec<Option<&String>> = match &rule.resource_names {
        Some(names) => names.iter().map(Some).collect(),
        None => vec![None],
    };
    let mut rights = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            for (verb, name) in rule.verbs.iter().flat_map(|verb| names.iter().map(move |name| (verb, name)))
            {
                let mut right = json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
                if let Some(name) = name {
                    right["resourceNames"] = json!([name]);
                }
                rights.push(right);
            }
        }
    }
    rights
}
