use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::watcher;

use super::*;

fn config_map(name: &str, data: &Value) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name, "namespace": "ns"}, "data": data})).unwrap()
}

fn deployment(spec: &Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "ns"}, "spec": spec})
}

fn container(fields: &Value) -> Value {
    let mut container = json!({"name": "c"});
    json_patch::merge(&mut container, fields);
    json!({"selector": {}, "template": {"spec": {"containers": [container]}}})
}

async fn apply(api: &Api<Deployment>, manager: &str, spec: &Value) -> Deployment {
    let params = PatchParams::apply(manager).force();
    api.patch("d", &params, &Patch::Apply(deployment(spec))).await.unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> u16 {
    match result.unwrap_err() {
        kube::Error::Api(status) => status.code,
        other => panic!("{other}"),
    }
}

fn containers(deployment: &Deployment) -> Value {
    serde_json::to_value(deployment).unwrap()["spec"]["template"]["spec"]["containers"].clone()
}

#[tokio::test]
async fn objects_are_made_read_changed_and_deleted() {
    let server = ApiServer::default();
    let api: Api<ConfigMap> = Api::namespaced(server.client("ns"), "ns");
    assert!(api.get_opt("a").await.unwrap().is_none());
    let made = api.create(&PostParams::default(), &config_map("a", &json!({"k": "1"}))).await.unwrap();
    assert_eq!(made.metadata.uid.as_deref(), Some("00000000-0000-0000-0000-000000000001"));
    assert_eq!(code(api.create(&PostParams::default(), &config_map("a", &json!({}))).await), 409);
    let mut changed = made.clone();
    changed.data = Some([("k".to_owned(), "2".to_owned())].into());
    api.replace("a", &PostParams::default(), &changed).await.unwrap();
    assert_eq!(code(api.replace("a", &PostParams::default(), &made).await), 409, "an old version");
    assert_eq!(api.get("a").await.unwrap().data, changed.data);
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(code(api.get("a").await), 404);
}

#[tokio::test]
async fn every_request_is_recorded() {
    let server = ApiServer::default();
    let api: Api<Deployment> = Api::namespaced(server.client("ns"), "ns");
    apply(&api, "us", &container(&json!({"image": "1"}))).await;
    let status = json!({"status": {"replicas": 1}});
    api.patch_status("d", &PatchParams::default(), &Patch::Merge(&status)).await.unwrap();
    api.list(&ListParams::default().labels("a=b")).await.unwrap();
    api.list(&ListParams::default().fields("a=b,metadata.name=d")).await.unwrap();
    let recorded = server.take_requests();
    let requests: Vec<String> = recorded.iter().map(ToString::to_string).collect();
    let list = "list deployments ns/";
    assert_eq!(requests, ["apply deployments ns/d", "merge-patch deployments/status ns/d", list, list]);
    let names: Vec<Option<String>> = recorded.iter().map(Request::only_name).collect();
    let d = Some("d".to_owned());
    assert_eq!(names, [d.clone(), d.clone(), None, d]);
    assert!(server.take_requests().is_empty());
}

#[tokio::test]
async fn applying_leaves_the_fields_of_others_and_removes_ours() {
    let server = ApiServer::default();
    let api: Api<Deployment> = Api::namespaced(server.client("ns"), "ns");
    apply(&api, "us", &container(&json!({"image": "1", "env": [{"name": "OURS", "value": "x"}]}))).await;
    apply(&api, "them", &container(&json!({"env": [{"name": "THEIRS", "value": "y"}]}))).await;
    let live = apply(&api, "us", &container(&json!({"image": "2"}))).await;
    let expected = json!([{"name": "c", "image": "2", "env": [{"name": "THEIRS", "value": "y"}]}]);
    assert_eq!(containers(&live), expected);
}

#[tokio::test]
async fn whoever_edits_a_field_owns_it_alone_until_it_is_applied_again() {
    let server = ApiServer::default();
    let api: Api<Deployment> = Api::namespaced(server.client("ns"), "ns");
    apply(&api, "us", &container(&json!({"image": "1"}))).await;
    let edit = json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "9"}]}}}});
    server.edit::<Deployment>(Some("ns"), "d", &edit);
    let theirs = api.get("d").await.unwrap();
    let owners = |deployment: &Deployment| -> Vec<String> {
        let entries = deployment.metadata.managed_fields.clone().unwrap_or_default();
        let owning =
            entries.iter().filter(|e| serde_json::to_string(&e.fields_v1).unwrap().contains("f:image"));
        owning.filter_map(|entry| entry.manager.clone()).collect()
    };
    assert_eq!(owners(&theirs), ["kubectl-edit"]);
    let ours = apply(&api, "us", &container(&json!({"image": "1"}))).await;
    assert_eq!(
        (owners(&ours), containers(&ours)),
        (vec!["us".to_owned()], json!([{"name": "c", "image": "1"}]))
    );
}

#[tokio::test]
async fn applying_against_the_will_of_others_takes_force() {
    let server = ApiServer::default();
    let api: Api<Deployment> = Api::namespaced(server.client("ns"), "ns");
    apply(&api, "them", &container(&json!({"image": "1"}))).await;
    let ours = deployment(&container(&json!({"image": "2"})));
    assert_eq!(code(api.patch("d", &PatchParams::apply("us"), &Patch::Apply(ours)).await), 409);
}

#[tokio::test]
async fn a_write_that_changes_nothing_makes_no_new_version() {
    let server = ApiServer::default();
    let api: Api<Deployment> = Api::namespaced(server.client("ns"), "ns");
    let first = apply(&api, "us", &container(&json!({"image": "1"}))).await;
    let second = apply(&api, "us", &container(&json!({"image": "1"}))).await;
    assert_eq!(first.metadata, second.metadata);
}

#[tokio::test]
async fn the_generation_counts_changes_of_the_spec_only() {
    let server = ApiServer::default();
    let api: Api<Deployment> = Api::namespaced(server.client("ns"), "ns");
    let generation = |deployment: Deployment| deployment.metadata.generation;
    assert_eq!(generation(apply(&api, "us", &container(&json!({"image": "1"}))).await), Some(1));
    server.set_status::<Deployment>(Some("ns"), "d", &json!({"replicas": 3}));
    let live = apply(&api, "us", &container(&json!({"image": "2"}))).await;
    assert_eq!(live.status.as_ref().and_then(|status| status.replicas), Some(3));
    assert_eq!(generation(live), Some(2));
}

#[tokio::test]
async fn the_status_of_a_service_may_be_written_with_its_annotations() {
    let server = ApiServer::default();
    let api: Api<Service> = Api::namespaced(server.client("ns"), "ns");
    let service = json!({"metadata": {"name": "s", "namespace": "ns"}, "spec": {"type": "LoadBalancer"}});
    server.put::<Service>(&serde_json::from_value(service).unwrap());
    let mut service = serde_json::to_value(api.get("s").await.unwrap()).unwrap();
    service["metadata"]["annotations"] = json!({"a": "b"});
    service["spec"]["type"] = json!("ignored");
    service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    let sent: Service = serde_json::from_value(service).unwrap();
    api.replace_status("s", &PostParams::default(), &sent).await.unwrap();
    let live = server.get::<Service>(Some("ns"), "s").unwrap();
    assert_eq!(live.metadata.annotations, Some([("a".to_owned(), "b".to_owned())].into()));
    assert_eq!(live.spec.unwrap().type_.as_deref(), Some("LoadBalancer"));
    assert_eq!(live.status, sent.status);
}

#[tokio::test]
async fn requests_fail_when_told_to() {
    let server = ApiServer::default();
    let api: Api<ConfigMap> = Api::namespaced(server.client("ns"), "ns");
    server.fail_nth(0, Failure::Status(503));
    server.fail_nth(1, Failure::Unreachable);
    server.fail_nth(2, Failure::AnswerLost);
    let object = config_map("a", &json!({}));
    assert_eq!(code(api.create(&PostParams::default(), &object).await), 503);
    assert!(api.create(&PostParams::default(), &object).await.is_err());
    assert!(server.objects().is_empty());
    assert!(api.create(&PostParams::default(), &object).await.is_err());
    assert_eq!(server.objects(), ["ConfigMap ns/a"]);
    server.fail_all(Some(Failure::Status(429)));
    assert_eq!(code(api.get("a").await), 429);
    server.fail_all(None);
    assert!(api.get("a").await.is_ok());
}

#[tokio::test]
async fn a_request_fails_by_what_it_says() {
    let server = ApiServer::default();
    let api: Api<ConfigMap> = Api::namespaced(server.client("ns"), "ns");
    for code in [503, 409] {
        server.fail_next("create configmaps ns/a", Failure::Status(code));
    }
    let mut answers = Vec::new();
    for name in ["b", "a", "a", "a"] {
        let answer = api.create(&PostParams::default(), &config_map(name, &json!({}))).await;
        answers.push(answer.map_or_else(|error| code(Err::<(), _>(error)), |_| 201));
    }
    assert_eq!(answers, [201, 503, 409, 201]);
}

#[tokio::test]
async fn what_a_rule_finds_wrong_is_refused_and_changes_nothing() {
    let server = ApiServer::default();
    server.put(&config_map("a", &json!({"x": "1"})));
    server.refuse(|object| (object["data"]["x"] == "2").then_some("data.x"));
    let api: Api<ConfigMap> = Api::namespaced(server.client("ns"), "ns");
    for (value, expected) in [("2", 422), ("3", 200)] {
        let patch = Patch::Merge(json!({"data": {"x": value}}));
        let answer = api.patch("a", &PatchParams::default(), &patch).await;
        assert_eq!(answer.map_or_else(|error| code(Err::<(), _>(error)), |_| 200), expected);
    }
    assert_eq!(server.get::<ConfigMap>(Some("ns"), "a").unwrap().data.unwrap()["x"], "3");
}

#[tokio::test]
async fn forbidden_writes_are_refused_and_remembered() {
    let server = ApiServer::default();
    server.put(&config_map("a", &json!({})));
    server.forbid_writes();
    let api: Api<ConfigMap> = Api::namespaced(server.client("ns"), "ns");
    assert!(api.get("a").await.is_ok());
    assert_eq!(code(api.delete("a", &DeleteParams::default()).await), 403);
    assert_eq!(server.forbidden_writes(), ["delete configmaps ns/a"]);
}

#[tokio::test]
async fn a_kind_can_be_unknown_for_a_while() {
    let server = ApiServer::default();
    let api: Api<ConfigMap> = Api::namespaced(server.client("ns"), "ns");
    server.forget_kind("configmaps");
    assert_eq!(code(api.list(&ListParams::default()).await), 404);
    server.learn_kind("configmaps");
    assert!(api.list(&ListParams::default()).await.is_ok());
}

#[tokio::test]
async fn what_belongs_to_an_object_goes_with_it() {
    let server = ApiServer::default();
    server.put(&config_map("owner", &json!({})));
    let uid = server.get::<ConfigMap>(Some("ns"), "owner").unwrap().metadata.uid;
    let mut owned = config_map("owned", &json!({}));
    let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}]);
    owned.metadata.owner_references = serde_json::from_value(reference).unwrap();
    server.put(&owned);
    server.put(&config_map("free", &json!({})));
    server.remove::<ConfigMap>(Some("ns"), "owner");
    assert_eq!(server.objects(), ["ConfigMap ns/free"]);
}

#[tokio::test]
async fn a_watcher_sees_what_is_there_and_what_comes() {
    let server = ApiServer::default();
    server.put(&config_map("a", &json!({})));
    let api: Api<ConfigMap> = Api::namespaced(server.client("ns"), "ns");
    let events = watcher(api, watcher::Config::default()).try_filter_map(async |event| {
        Ok(match event {
            watcher::Event::InitApply(o) | watcher::Event::Apply(o) => {
                Some(format!("+{}", o.metadata.name.unwrap()))
            }
            watcher::Event::Delete(o) => Some(format!("-{}", o.metadata.name.unwrap())),
            watcher::Event::Init | watcher::Event::InitDone => None,
        })
    });
    pin_mut!(events);
    assert_eq!(events.next().await.unwrap().unwrap(), "+a");
    server.put(&config_map("b", &json!({})));
    assert_eq!(events.next().await.unwrap().unwrap(), "+b");
    server.remove::<ConfigMap>(Some("ns"), "a");
    assert_eq!(events.next().await.unwrap().unwrap(), "-a");
}

#[tokio::test]
async fn lists_select_by_label_and_by_name() {
    let server = ApiServer::default();
    for (name, label) in [("a", "x"), ("b", "y")] {
        let mut object = config_map(name, &json!({}));
        object.metadata.labels = Some([("l".to_owned(), label.to_owned())].into());
        server.put(&object);
    }
    let api: Api<ConfigMap> = Api::all(server.client("ns"));
    for params in [ListParams::default().labels("l=y"), ListParams::default().fields("metadata.name=b")] {
        let found: Vec<String> =
            api.list(&params).await.unwrap().into_iter().filter_map(|object| object.metadata.name).collect();
        assert_eq!(found, ["b"], "{params:?}");
    }
}

#[tokio::test]
async fn defaults_are_filled_in() {
    let server = ApiServer::default();
    server.default_fields(|object| object["data"]["filled"] = json!("in"));
    server.put(&config_map("a", &json!({"k": "v"})));
    let data = server.get::<ConfigMap>(Some("ns"), "a").unwrap().data.unwrap();
    assert_eq!(
        data.into_iter().collect::<Vec<_>>(),
        [("filled", "in"), ("k", "v")].map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
}
