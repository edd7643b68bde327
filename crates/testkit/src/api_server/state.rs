//! What the server holds, and how requests change it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::Failure;
use super::answer::{self, Answer, Refusal, Reply};
use super::request::{Request, Verb};

mod failures;
mod managers;
mod selection;

/// 2026-01-01T00:00:00Z, when the server was started.
const NEW_YEAR_2026: i64 = 1_767_225_600;

/// Fills in what a real server fills in.
type Default_ = Box<dyn Fn(&mut Value) + Send>;

/// The field of an object that a real server would not allow.
type Rule = Box<dyn Fn(&Value) -> Option<&'static str> + Send>;

/// Group, plural, namespace (empty for none), name.
type Key = (String, String, String, String);

#[derive(Default)]
pub(super) struct State {
    objects: BTreeMap<Key, Value>,
    events: Vec<Event>,
    /// Of the last change; versions, uids and generated names count from it.
    version: u64,
    pub(super) news: watch::Sender<u64>,
    pub(super) requests: Vec<Request>,
    pub(super) defaults: Vec<Default_>,
    pub(super) rules: Vec<Rule>,
    pub(super) fail_all: Option<Failure>,
    /// How every watch fails that is begun; those that run end.
    pub(super) fail_watches: Option<Failure>,
    pub(super) unknown_kinds: BTreeSet<String>,
    /// What is told of to whoever asks which kinds there are.
    pub(super) definitions: Vec<CustomResourceDefinition>,
    pub(super) writes_forbidden: bool,
    pub(super) violations: Vec<String>,
    pub(super) forbidden: BTreeSet<String>,
    pub(super) denied: BTreeSet<String>,
    /// How many writes are still to come before the server is cut off, and how that one fails.
    pub(super) cut_off: Option<(usize, Failure)>,
    /// Watches that begin before this version are too late.
    pub(super) oldest: u64,
    held: bool,
    pub(super) failures: failures::Failures,
}

/// A change, as watchers are told.
#[derive(Clone)]
pub(super) struct Event {
    pub(super) version: u64,
    pub(super) kind: &'static str,
    pub(super) object: Value,
    key: Key,
}

impl State {
    /// Records a request and answers it, unless it is to fail.
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        self.requests.push(request.clone());
        let watch = self.fail_watches.filter(|_| request.verb == Verb::Watch);
        let failure = self.failures.take(request).or(self.fail_all).or(watch);
        let failure = failure.or(self.count_write(request));
        match failure {
            Some(Failure::Status(code)) => {
                Answer::Refusal(Refusal::new(code, "this test lets the request fail"))
            }
            Some(Failure::Invalid(field)) => Answer::Refusal(invalid(field)),
            Some(Failure::Unreachable) => Answer::Lost,
            Some(Failure::AnswerLost) => {
                drop(self.dispatch(request));
                Answer::Lost
            }
            None => self.dispatch(request),
        }
    }

    /// How this request fails because the server is cut off at it.
    fn count_write(&mut self, request: &Request) -> Option<Failure> {
        let (left, failure) = self.cut_off.filter(|_| request.verb.writes())?;
        self.cut_off = left.checked_sub(1).map(|left| (left, failure));
        self.fail_all = self.cut_off.is_none().then_some(Failure::Unreachable);
        self.cut_off.is_none().then_some(failure)
    }

    pub(super) fn compact(&mut self) {
        self.oldest = self.version;
        self.events.clear();
        self.news.send_replace(self.version);
    }

    pub(super) fn fail_watches(&mut self, failure: Option<Failure>) {
        self.fail_watches = failure;
        self.news.send_replace(self.version);
    }

    pub(super) fn hold_watches(&mut self, held: bool) {
        self.held = held;
        self.news.send_replace(self.version);
    }

    /// Why such a request is answered 403, in the words of a real server.
    fn refusal(&self, request: &Request) -> Option<String> {
        let text = request.to_string();
        let is_about = |what: &String| text.starts_with(what) || *what == request.resource;
        let is_meant = |whats: &BTreeSet<String>| whats.iter().any(is_about);
        if is_meant(&self.forbidden) {
            let (verb, what) = (request.verb.right(), request.what());
            return Some(format!("{text} is forbidden: User \"test\" cannot {verb} resource \"{what}\""));
        }
        is_meant(&self.denied).then(|| format!("admission webhook \"test\" denied the request: {text}"))
    }

    fn dispatch(&mut self, request: &Request) -> Answer {
        if let Some(why) = self.refusal(request) {
            return Answer::Refusal(Refusal::new(403, why));
        }
        if self.unknown_kinds.contains(&request.resource) {
            return Answer::Refusal(Refusal::new(404, "the server could not find the requested resource"));
        }
        if self.writes_forbidden && request.verb.writes() {
            self.violations.push(request.to_string());
            return Answer::Refusal(Refusal::new(403, "this test allows no write"));
        }
        if request.verb == Verb::Watch {
            let from = request.parameter("resourceVersion").and_then(|version| version.parse().ok());
            let from: u64 = from.unwrap_or(self.version);
            if from < self.oldest {
                return Answer::Refusal(Refusal::new(410, "too old resource version"));
            }
            return Answer::Watch(from);
        }
        self.carry_out(request).map_or_else(Answer::Refusal, Answer::Object)
    }

    /// Does what a request asks for.
    pub(super) fn carry_out(&mut self, request: &Request) -> Result<Value, Refusal> {
        let key = key(request);
        let live = self.objects.get(&key).cloned();
        let missing = || Refusal::new(404, format!("{} {:?} not found", request.resource, key.3));
        match request.verb {
            Verb::List => Ok(self.list(request)),
            Verb::Get => live.ok_or_else(missing),
            Verb::Put => Ok(self.put(key, live, request)),
            Verb::Create if live.is_some() => Err(Refusal {
                reason: "AlreadyExists",
                ..Refusal::new(409, format!("{} {:?} already exists", request.resource, key.3))
            }),
            Verb::Create => Ok(self.create(key, request)),
            Verb::Apply if live.is_none() && request.subresource.is_none() => {
                let object = managers::apply(&json!({}), request)?;
                Ok(self.store(key, None, object))
            }
            Verb::Apply | Verb::Update | Verb::MergePatch | Verb::StrategicPatch | Verb::JsonPatch => {
                let live = live.ok_or_else(missing)?;
                let object = changed(&live, request)?;
                self.rules
                    .iter()
                    .try_for_each(|rule| rule(&object).map_or(Ok(()), |field| Err(invalid(field))))?;
                Ok(self.store(key, Some(live), object))
            }
            Verb::Delete if live.as_ref().is_some_and(|live| !is_meant(live, request)) => {
                Err(Refusal::new(409, format!("Precondition failed: {} {:?}", request.resource, key.3)))
            }
            Verb::Delete => self
                .delete(&key)
                .map(|_| {
                    json!({"kind": "Status", "apiVersion": "v1", "metadata": {},
                "status": "Success"})
                })
                .ok_or_else(missing),
            Verb::Watch | Verb::Unknown => Err(Refusal::new(415, format!("not supported here: {request}"))),
        }
    }

    pub(super) fn object(&self, request: &Request) -> Option<Value> {
        self.objects.get(&key(request)).cloned()
    }

    pub(super) fn names(&self) -> Vec<String> {
        let name = |(key, object): (&Key, &Value)| {
            let kind = object["kind"].as_str().unwrap_or_default();
            if key.2.is_empty() { format!("{kind} {}", key.3) } else { format!("{kind} {}/{}", key.2, key.3) }
        };
        let mut names: Vec<String> = self.objects.iter().map(name).collect();
        names.sort();
        names
    }

    /// The groups of what there is, as a server tells which it serves.
    pub(super) fn groups(&self) -> Value {
        let names: BTreeSet<&String> =
            self.objects.keys().map(|key| &key.0).filter(|name| !name.is_empty()).collect();
        let group = |name: &String| {
            let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
            json!({"name": name, "versions": [version], "preferredVersion": version})
        };
        let groups: Vec<Value> = names.into_iter().map(group).collect();
        json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
    }

    /// The kinds of `/apis/<group>/<version>`; `None` for any other path.
    pub(super) fn kinds_of(&self, path: &str) -> Option<Reply> {
        let version_of_group = path.strip_prefix("/apis/")?;
        let (group, version) = version_of_group.split_once('/').filter(|(_, rest)| !rest.contains('/'))?;
        let is_there = |definition: &&CustomResourceDefinition| {
            let spec = &definition.spec;
            let is_served = spec.versions.iter().any(|served| served.name == version);
            spec.group == group && is_served && !self.unknown_kinds.contains(&spec.names.plural)
        };
        let resource = |definition: &CustomResourceDefinition| {
            let names = &definition.spec.names;
            json!({"name": names.plural, "singularName": "", "namespaced": true, "kind": names.kind, "verbs": []})
        };
        let found: Vec<Value> = self.definitions.iter().filter(is_there).map(resource).collect();
        if found.is_empty() {
            return Some(answer::reply(
                404,
                &Refusal::new(404, "the server could not find the requested resource").status(),
            ));
        }
        let list = json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version_of_group, "resources": found});
        Some(answer::reply(200, &list))
    }

    pub(super) fn contents(&self) -> Vec<Value> {
        self.objects.values().cloned().collect()
    }

    pub(super) fn event_after(&self, version: u64, request: &Request) -> Option<Event> {
        if self.held {
            return None;
        }
        let fits =
            |event: &&Event| event.version > version && selection::fits(&event.key, &event.object, request);
        self.events.iter().find(fits).cloned()
    }

    /// Deletes what belonged to objects that are gone.
    pub(super) fn collect_garbage(&mut self) {
        loop {
            let uids: BTreeSet<&str> =
                self.objects.values().filter_map(|o| o["metadata"]["uid"].as_str()).collect();
            let is_orphan = |object: &Value| {
                let owners = object["metadata"]["ownerReferences"].as_array().map_or(&[][..], Vec::as_slice);
                !owners.is_empty()
                    && !owners.iter().any(|o| o["uid"].as_str().is_some_and(|uid| uids.contains(uid)))
            };
            let orphans = self.objects.iter().filter(|(_, object)| is_orphan(object));
            let orphans: Vec<Key> = orphans.map(|(key, _)| key.clone()).collect();
            if orphans.is_empty() {
                return;
            }
            for key in orphans {
                self.delete(&key);
            }
        }
    }

    fn list(&self, request: &Request) -> Value {
        let chosen = self.objects.iter().filter(|(key, object)| selection::fits(key, object, request));
        let items: Vec<Value> = chosen.map(|(_, object)| selection::as_item(object, request)).collect();
        let api_version = match request.group.as_str() {
            "" => request.version.clone(),
            group => format!("{group}/{}", request.version),
        };
        json!({
            "kind": "List", "apiVersion": api_version,
            "metadata": {"resourceVersion": self.version.to_string()}, "items": items,
        })
    }

    /// As a test wants it; a status given is taken, one not given stays. The rest is the server's business.
    fn put(&mut self, key: Key, live: Option<Value>, request: &Request) -> Value {
        let mut object =
            managers::update(live.as_ref().unwrap_or(&json!({})), request.content.clone(), request);
        let before = live.as_ref().and_then(|live| live.get("status"));
        if let Some(status) = request.content.get("status").or(before) {
            object["status"] = status.clone();
        }
        complete(&mut object, request);
        self.store(key, live, object)
    }

    fn create(&mut self, mut key: Key, request: &Request) -> Value {
        let mut content = request.content.clone();
        if key.3.is_empty() {
            let prefix = content["metadata"]["generateName"].as_str().unwrap_or_default();
            key.3 = format!("{prefix}{}", self.version);
            content["metadata"]["name"] = json!(key.3);
        }
        without_status(&mut content);
        let mut object = managers::update(&json!({}), content, request);
        complete(&mut object, request);
        self.store(key, None, object)
    }

    fn delete(&mut self, key: &Key) -> Option<Value> {
        let mut object = self.objects.remove(key)?;
        let version = self.next_version();
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        self.tell(Event { version, kind: "DELETED", object: object.clone(), key: key.clone() });
        Some(object)
    }

    /// Stores an object with what only the server sets. Nothing happens when nothing changes.
    fn store(&mut self, key: Key, live: Option<Value>, mut object: Value) -> Value {
        self.defaults.iter().for_each(|fill| fill(&mut object));
        let before = live.as_ref().map_or(Value::Null, |live| live["metadata"].clone());
        for name in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
            match before.get(name) {
                Some(value) => object["metadata"][name] = value.clone(),
                None => drop(object["metadata"].as_object_mut().map(|metadata| metadata.remove(name))),
            }
        }
        if live.as_ref() == Some(&object) {
            return object;
        }
        let version = self.next_version();
        self.stamp(&mut object, live.as_ref());
        let kind = if live.is_some() { "MODIFIED" } else { "ADDED" };
        self.objects.insert(key.clone(), object.clone());
        self.tell(Event { version, kind, object: object.clone(), key });
        object
    }

    fn stamp(&self, object: &mut Value, live: Option<&Value>) {
        let version = self.version;
        let generation = live.and_then(|live| live["metadata"]["generation"].as_i64());
        let metadata = &mut object["metadata"];
        metadata["resourceVersion"] = json!(version.to_string());
        if live.is_none() {
            metadata["uid"] = json!(format!("00000000-0000-0000-0000-{version:012}"));
            metadata["creationTimestamp"] = json!(created(version));
        }
        let same = live.is_some_and(|live| content(live) == content(object));
        let generation = generation.map_or(1, |generation| if same { generation } else { generation + 1 });
        object["metadata"]["generation"] = json!(generation);
    }

    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn tell(&mut self, event: Event) {
        let version = event.version;
        self.events.push(event);
        self.news.send_replace(version);
    }
}

/// When an object of this first version was made: each a second or more after those before it.
fn created(version: u64) -> Time {
    let seconds = NEW_YEAR_2026.saturating_add_unsigned(version);
    Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn invalid(field: &'static str) -> Refusal {
    Refusal::new(422, format!("{field}: this test does not allow it")).of_field(field)
}

fn key(request: &Request) -> Key {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    (request.group.clone(), request.resource.clone(), text(&request.namespace), text(&request.name))
}

/// The object as an update, a patch or an apply leaves it.
fn changed(live: &Value, request: &Request) -> Result<Value, Refusal> {
    let asked = request.content.pointer("/metadata/resourceVersion");
    if asked.is_some_and(|asked| *asked != live["metadata"]["resourceVersion"]) {
        return Err(Refusal::new(409, "the object has been modified"));
    }
    if request.verb == Verb::Apply && request.subresource.is_none() {
        return managers::apply(live, request);
    }
    let wanted = patched(live, request)?;
    if request.subresource.as_deref() == Some("status") {
        return Ok(with_status_of(live, wanted, request));
    }
    let before = managers::as_told(live, &wanted)?;
    let mut wanted = managers::update(&before, wanted, request);
    without_status(&mut wanted);
    if let Some(status) = live.get("status") {
        wanted["status"] = status.clone();
    }
    Ok(wanted)
}

fn patched(live: &Value, request: &Request) -> Result<Value, Refusal> {
    let mut object = live.clone();
    match request.verb {
        Verb::Update => object = request.content.clone(),
        Verb::Apply => super::fields::merge(&mut object, &request.content),
        Verb::JsonPatch => {
            let invalid = |error: &dyn std::error::Error| Refusal::new(422, error.to_string());
            let patch = serde_json::from_value(request.content.clone()).map_err(|error| invalid(&error))?;
            let patch: json_patch::Patch = patch;
            json_patch::patch(&mut object, &patch).map_err(|error| invalid(&error))?;
        }
        Verb::StrategicPatch => super::strategic::merge(&mut object, &request.content),
        _ => json_patch::merge(&mut object, &request.content),
    }
    // Only a JSON patch that names them changes them.
    if request.verb != Verb::JsonPatch {
        object["metadata"]["managedFields"] = live["metadata"]["managedFields"].clone();
    }
    Ok(object)
}

/// Only the status changes; for Services what is in `metadata` as well.
fn with_status_of(live: &Value, wanted: Value, request: &Request) -> Value {
    let mut object = live.clone();
    if request.resource == "services" {
        object["metadata"] = wanted["metadata"].clone();
    }
    object["status"] = wanted["status"].clone();
    object
}

fn without_status(object: &mut Value) {
    if let Value::Object(members) = object {
        members.remove("status");
    }
}

/// Typed objects may come without what their address says.
fn complete(object: &mut Value, request: &Request) {
    if let Some(namespace) = &request.namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
}

/// Whether an object is the one, in the state, that a request to delete is about.
fn is_meant(live: &Value, request: &Request) -> bool {
    ["uid", "resourceVersion"].iter().all(|name| {
        let wanted = &request.content["preconditions"][*name];
        wanted.is_null() || *wanted == live["metadata"][*name]
    })
}

/// What counts for the generation: everything but metadata and status.
fn content(object: &Value) -> Map<String, Value> {
    let members = object.as_object().into_iter().flatten();
    let counts = members.filter(|(name, _)| *name != "metadata" && *name != "status");
    counts.map(|(name, value)| (name.clone(), value.clone())).collect()
}
