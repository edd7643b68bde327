//! An API server in memory: a `tower` service under a real `kube::Client`.
//!
//! It serves get, list, watch, create, update, delete and the patches (apply, merge, strategic merge, JSON) for any kind, keeps
//! `resourceVersion`, `generation` and `managedFields` as a real one does, records every request, and fails when
//! told to. It knows no schemas: a kind exists as soon as it is used, and a group when there is an object of it. What a real server fills in by default is
//! given by the test, with [`ApiServer::default_fields`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::BodyExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::client::Body;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

mod answer;
mod fields;
mod request;
mod schema;
mod state;
mod strategic;
mod target;
mod watch;

pub use request::{Request, Verb};

use answer::{Answer, Refusal, Reply};
use state::State;

#[cfg(test)]
mod tests;

/// How a request fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The server answers with this HTTP status and does nothing.
    Status(u16),
    /// The server says that this field is not as it may be, and does nothing.
    Invalid(&'static str),
    /// The connection breaks before the server sees the request.
    Unreachable,
    /// The server does what it is asked, and the connection breaks before it can say so.
    AnswerLost,
}

/// An API server in memory. Clones are the same server.
#[derive(Clone, Default)]
pub struct ApiServer {
    state: Arc<Mutex<State>>,
}

impl ApiServer {
    /// A client of this server. Needs a tokio runtime.
    #[must_use]
    pub fn client(&self, default_namespace: &str) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| server.clone().serve(request));
        Client::new(service, default_namespace)
    }

    async fn serve(self, request: http::Request<Body>) -> Result<Reply, std::io::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
        if parts.uri.path() == "/apis" {
            return Ok(answer::reply(200, &self.lock().groups()));
        }
        if let Some(listed) = self.lock().kinds_of(parts.uri.path()) {
            return Ok(listed);
        }
        let request = Request::parse(&parts, &body);
        let answer = self.lock().answer(&request);
        match answer {
            Answer::Lost => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            Answer::Object(object) => Ok(answer::reply(200, &object)),
            Answer::Refusal(refusal) => Ok(answer::reply(refusal.code, &refusal.status())),
            Answer::Watch(from) => Ok(watch::reply(self.state.clone(), request, from)),
        }
    }

    /// Puts an object there as somebody else would, without a recorded request. `K` names kind and place.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn put<K>(&self, object: &K)
    where
        K: kube::Resource<DynamicType = ()> + Serialize,
    {
        let request = Request::about::<K>(Verb::Put, object.meta()).with(object);
        self.must(&request);
    }

    /// Puts an object there as [`ApiServer::put`] does, by this field manager.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn put_as<K>(&self, manager: &str, object: &K)
    where
        K: kube::Resource<DynamicType = ()> + Serialize,
    {
        let mut request = Request::about::<K>(Verb::Put, object.meta()).with(object);
        request.manager = Some(manager.to_owned());
        self.must(&request);
    }

    /// Puts an object of the whole cluster there whose content has no Rust type; `K` names its kind.
    ///
    /// # Panics
    /// When the server refuses it.
    pub fn put_raw<K>(&self, name: &str, object: &Value)
    where
        K: kube::Resource<DynamicType = ()>,
    {
        self.must(&Request::named::<K>(Verb::Put, None, name).with(object));
    }

    /// Changes an object as somebody else would: a merge patch by the field manager `kubectl-edit`.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn edit<K>(&self, namespace: Option<&str>, name: &str, patch: &Value)
    where
        K: kube::Resource<DynamicType = ()>,
    {
        let mut request = Request::named::<K>(Verb::MergePatch, namespace, name).with(patch);
        request.manager = Some("kubectl-edit".to_owned());
        self.must(&request);
    }

    /// Replaces an object's status, as the controller in charge of it would.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn set_status<K>(&self, namespace: Option<&str>, name: &str, status: &Value)
    where
        K: kube::Resource<DynamicType = ()>,
    {
        let patch = json!({"status": status});
        let mut request = Request::named::<K>(Verb::MergePatch, namespace, name).with(&patch);
        request.subresource = Some("status".to_owned());
        self.must(&request);
    }

    /// Deletes an object as somebody else would, and then what belonged to it.
    ///
    /// # Panics
    /// When there is no such object.
    pub fn remove<K>(&self, namespace: Option<&str>, name: &str)
    where
        K: kube::Resource<DynamicType = ()>,
    {
        self.must(&Request::named::<K>(Verb::Delete, namespace, name));
        self.lock().collect_garbage();
    }

    /// An object as the server has it.
    ///
    /// # Panics
    /// When it can't be read as a `K`.
    #[must_use]
    #[expect(clippy::panic, reason = "misuse of a test double fails the test")]
    pub fn get<K>(&self, namespace: Option<&str>, name: &str) -> Option<K>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned,
    {
        let object = self.lock().object(&Request::named::<K>(Verb::Get, namespace, name))?;
        Some(serde_json::from_value(object).unwrap_or_else(|error| panic!("{name}: {error}")))
    }

    /// Kind, namespace and name of every object, sorted.
    #[must_use]
    pub fn objects(&self) -> Vec<String> {
        self.lock().names()
    }

    /// Every object as the server has it.
    #[must_use]
    pub fn contents(&self) -> Vec<Value> {
        self.lock().contents()
    }

    /// The requests since the last call, in order; also to forget them.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.lock().requests)
    }

    /// Adds what a real server fills in by default: `fill` is called for every object before it is stored.
    pub fn default_fields(&self, fill: impl Fn(&mut Value) + Send + 'static) {
        self.lock().defaults.push(Box::new(fill));
    }

    /// Adds what a real server would not allow: `rule` is asked about every object that a client changes, as it would be
    /// stored, and names the field that is wrong.
    pub fn refuse(&self, rule: impl Fn(&Value) -> Option<&'static str> + Send + 'static) {
        self.lock().rules.push(Box::new(rule));
    }

    /// Lets the `nth` request from now (0 is the next one) fail.
    pub fn fail_nth(&self, nth: usize, failure: Failure) {
        self.lock().failures.add_nth(nth, failure);
    }

    /// Lets the next request fail whose text begins like this (`create secrets`), however many come before it. Said
    /// twice, the next two.
    pub fn fail_next(&self, what: &str, failure: Failure) {
        self.lock().failures.add_next(what, failure);
    }

    /// Lets every request fail until told otherwise. Ends what [`ApiServer::cut_off_at_write`] began.
    pub fn fail_all(&self, failure: Option<Failure>) {
        let mut state = self.lock();
        state.fail_all = failure;
        state.cut_off = None;
    }

    /// Ends every watch, and lets every one that is begun fail, until told otherwise. Afterwards a watch goes on where it
    /// ended: nobody hears that it does.
    pub fn fail_watches(&self, failure: Option<Failure>) {
        self.lock().fail_watches(failure);
    }

    /// Cuts the server off at the `nth` write from now (0 is the next one), which fails like this, and so does
    /// everything after it, as for a process that is killed. Ends with [`ApiServer::fail_all`].
    pub fn cut_off_at_write(&self, nth: usize, failure: Failure) {
        self.lock().cut_off = Some((nth, failure));
    }

    /// Whether the write given to [`ApiServer::cut_off_at_write`] has come.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        let state = self.lock();
        state.fail_all.is_some() && state.cut_off.is_none()
    }

    /// Answers 403 to requests whose text begins like this (`list services`, `update leases`), or that are about
    /// this resource (`leases`), as for an account without the right.
    pub fn forbid(&self, what: &str) {
        self.lock().forbidden.insert(what.to_owned());
    }

    /// Answers 403 to such requests as an admission webhook does that refuses what is asked for, whoever asks.
    pub fn deny(&self, what: &str) {
        self.lock().denied.insert(what.to_owned());
    }

    /// Takes back [`ApiServer::forbid`] and [`ApiServer::deny`].
    pub fn allow(&self, what: &str) {
        let mut state = self.lock();
        state.forbidden.remove(what);
        state.denied.remove(what);
    }

    /// Forgets what happened so far, as etcd does by compaction, and tells nobody: watches end with `410 Gone`.
    pub fn compact(&self) {
        self.lock().compact();
    }

    /// Whether watches hear nothing for the time being, as of a server that is slow.
    pub fn hold_watches(&self, hold: bool) {
        self.lock().hold_watches(hold);
    }

    /// Tells whoever asks which kinds there are (`/apis/<group>/<version>`) of these.
    pub fn list_kinds(&self, definitions: &[CustomResourceDefinition]) {
        self.lock().definitions.extend_from_slice(definitions);
    }

    /// Lets the server not know a kind (by its plural), as before its CRD is installed.
    pub fn forget_kind(&self, plural: &str) {
        self.lock().unknown_kinds.insert(plural.to_owned());
    }

    /// Lets the server know a kind again.
    pub fn learn_kind(&self, plural: &str) {
        self.lock().unknown_kinds.remove(plural);
    }

    /// From now on every write is refused, and remembered for [`ApiServer::forbidden_writes`].
    pub fn forbid_writes(&self) {
        self.lock().writes_forbidden = true;
    }

    /// The writes that came although they were forbidden.
    #[must_use]
    pub fn forbidden_writes(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    #[expect(clippy::panic, reason = "misuse of a test double fails the test")]
    fn must(&self, request: &Request) {
        match self.lock().carry_out(request) {
            Ok(_) => {}
            Err(Refusal { code, message, .. }) => panic!("{request}: {message} ({code})"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A failed test may have panicked with the lock held; the others get on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
