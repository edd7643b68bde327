//! A cluster with an operator in it.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use metallb_api::{MetalLB, crds};
use metallb_cluster::EventSink;
use metallb_operator::operator::{Memory, Operator, Report};
use metallb_render::{DEFINITION, Environment, Platform};
use metallb_telemetry::metrics::Metrics;
use metallb_testkit::{ApiServer, Request};
use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "metallb-system";
pub(crate) const SERVICE_MONITORS: (&str, &str) = ("DEPLOY_SERVICEMONITORS", "true");

/// What a resource with an empty spec is told once all runs.
pub(crate) const AVAILABLE: [&str; 2] = [
    "Available Available: bgpBackend frr is served by the engine in the speakers, no FRR runs; BGP is not spoken yet",
    "Upgradeable Upgradeable: ",
];

pub(crate) struct Scenario {
    pub(crate) server: ApiServer,
    /// Takes the events, so that they don't mix with the requests of the steps.
    pub(crate) events: ApiServer,
    pub(crate) operator: Operator,
}

impl Scenario {
    /// A cluster without any `MetalLB` resource.
    pub(crate) fn empty() -> Self {
        let (server, events) = (ApiServer::default(), ApiServer::default());
        server.default_fields(fill_in);
        let definition = json!({"metadata": {"name": DEFINITION}, "spec": {"group": "metallb.io",
            "names": {"kind": "MetalLB", "plural": "metallbs"}, "scope": "Namespaced", "versions": []}});
        server.put::<CustomResourceDefinition>(&serde_json::from_value(definition).unwrap());
        server.list_kinds(&crds(NAMESPACE));
        let slice = json!({"metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": "IPv4", "endpoints": [], "ports": [{"name": "https", "port": 6443}]});
        server.put::<EndpointSlice>(&serde_json::from_value(slice).unwrap());
        let operator = Operator {
            client: server.client(NAMESPACE),
            environment: environment(&[]),
            platform: Platform::Kubernetes,
            metrics: Metrics::default().operator("test").unwrap(),
            memory: Memory::default(),
            registers: false,
            events: EventSink::new(events.client(NAMESPACE), "metallb-operator", ""),
        };
        Self { server, events, operator }
    }

    /// A cluster with the resource, freshly made.
    pub(crate) fn with_resource() -> Self {
        let scenario = Self::empty();
        scenario.put("metallb", &json!({}));
        scenario
    }

    /// A cluster where everything runs and is told so.
    pub(crate) async fn settled() -> Self {
        let scenario = Self::with_resource();
        scenario.settle().await;
        scenario
    }

    /// The operator does its work and everything comes up.
    pub(crate) async fn settle(&self) {
        self.pass().await;
        self.run_workloads();
        self.pass().await;
        self.server.take_requests();
    }

    /// The operator is started anew with these variables.
    pub(crate) fn restart_with(&mut self, variables: &[(&str, &str)]) {
        self.operator.environment = environment(variables);
        self.operator.memory = Memory::default();
    }

    pub(crate) fn put(&self, name: &str, spec: &Value) {
        let resource = json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "MetalLB",
            "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
        });
        self.server.put::<MetalLB>(&serde_json::from_value(resource).unwrap());
    }

    pub(crate) async fn pass(&self) -> Report {
        self.operator.pass().await
    }

    pub(crate) async fn passes_until_settled(&self) -> usize {
        for passes in 1..10 {
            let Report { changes, problems, disposition, settling: _, lenient: _, crowded: _ } =
                self.pass().await;
            if changes.is_empty() && problems.is_empty() && disposition.is_none() {
                return passes;
            }
        }
        panic!("did not settle: {:?}", self.pass().await);
    }

    /// The workloads come up, as their controllers in a real cluster see to.
    pub(crate) fn run_workloads(&self) {
        let speaker = self.speaker().unwrap();
        let status = json!({
            "observedGeneration": speaker.metadata.generation, "desiredNumberScheduled": 3,
            "currentNumberScheduled": 3, "numberReady": 3, "updatedNumberScheduled": 3, "numberMisscheduled": 0,
        });
        self.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &status);
        let controller = self.controller().unwrap();
        let status = json!({
            "observedGeneration": controller.metadata.generation, "replicas": 1, "readyReplicas": 1,
            "updatedReplicas": 1,
        });
        self.server.set_status::<Deployment>(Some(NAMESPACE), "controller", &status);
    }

    /// The controllers' Lease, held by this pod.
    pub(crate) fn put_lease(&self, holder: &str) {
        let lease = json!({"metadata": {"name": "metallb-controller", "namespace": NAMESPACE},
            "spec": {"holderIdentity": holder}});
        self.server.put::<Lease>(&serde_json::from_value(lease).unwrap());
    }

    pub(crate) fn speaker(&self) -> Option<DaemonSet> {
        self.server.get(Some(NAMESPACE), "speaker")
    }

    pub(crate) fn controller(&self) -> Option<Deployment> {
        self.server.get(Some(NAMESPACE), "controller")
    }

    pub(crate) fn resource(&self, name: &str) -> MetalLB {
        self.server.get(Some(NAMESPACE), name).unwrap()
    }

    /// `Type=Status reason: message` of the conditions that are True; all four must be there, in order.
    pub(crate) fn told(&self, name: &str) -> Vec<String> {
        let resource = self.resource(name);
        let conditions = resource.status.clone().and_then(|status| status.conditions).unwrap_or_default();
        let types: Vec<&str> = conditions.iter().map(|condition| condition.type_.as_str()).collect();
        assert_eq!(types, ["Available", "Upgradeable", "Progressing", "Degraded"]);
        assert!(
            conditions.iter().all(|condition| condition.observed_generation == resource.metadata.generation)
        );
        let true_ones = conditions.iter().filter(|condition| condition.status == "True");
        true_ones.map(|c| format!("{} {}: {}", c.type_, c.reason, c.message)).collect()
    }

    /// Kind, namespace and name of every object but those that are there all the time: the definition of the kind, and where
    /// API servers listen.
    pub(crate) fn objects(&self) -> Vec<String> {
        let mut objects = self.server.objects();
        objects.retain(|object| !object.ends_with(DEFINITION) && !object.starts_with("EndpointSlice "));
        objects
    }

    pub(crate) fn writes(&self) -> Vec<String> {
        let requests = self.server.take_requests();
        requests.iter().filter(|request| request.verb.writes()).map(ToString::to_string).collect()
    }
}

pub(crate) fn environment(extra: &[(&str, &str)]) -> Environment {
    let mandatory = [
        ("OPERATOR_NAMESPACE", NAMESPACE),
        ("CONTROLLER_IMAGE", "example/controller:1"),
        ("SPEAKER_IMAGE", "example/speaker:1"),
    ];
    let variables =
        mandatory.iter().chain(extra).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::parse(&variables.collect()).unwrap()
}

/// A few of the fields a real server fills in.
fn fill_in(object: &mut Value) {
    let Some(pod) = object.pointer_mut("/spec/template/spec") else { return };
    set_missing(pod, "dnsPolicy", json!("ClusterFirst"));
    set_missing(pod, "restartPolicy", json!("Always"));
    for container in pod["containers"].as_array_mut().unwrap() {
        set_missing(container, "imagePullPolicy", json!("IfNotPresent"));
        set_missing(container, "resources", json!({}));
    }
    set_missing(&mut object["spec"], "revisionHistoryLimit", json!(10));
    if object["kind"] == "Deployment" {
        set_missing(&mut object["spec"], "replicas", json!(1));
    }
}

fn set_missing(object: &mut Value, name: &str, value: Value) {
    if object.get(name).is_none() {
        object[name] = value;
    }
}

/// Requests in one line each.
pub(crate) fn lines(requests: &[Request]) -> Vec<String> {
    requests.iter().map(ToString::to_string).collect()
}
