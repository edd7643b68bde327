//! Writes conditions, a few at a time.

use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use metallb_announce::CONDITION_ANNOUNCED;
use metallb_cluster::Pace;
use metallb_config::ServiceKey;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::queue::{Outcome, Queue, Write};

/// Services written at the same time: a few, since nothing waits for it and the API server has more urgent things to do
/// when thousands of Services move.
const AT_ONCE: usize = 4;
/// Who owns the condition among those who write to a Service; the same for all speakers.
const FIELD_MANAGER: &str = "metallb-speaker";
/// How long a refusal is taken for granted.
const REFUSED: Duration = Duration::from_secs(600);
/// The API server's words to who lacks the right. Admission may refuse with the same code: then this one Service.
const LACKS_RIGHT: &str = "cannot patch resource \"services/status\"";

/// What the task is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Write this, not before that.
    Write(ServiceKey, Write, Instant),
    /// What is said is right.
    Settled(ServiceKey),
    /// What changed before was not looked at.
    Missed,
}

pub(super) struct Task {
    client: Client,
    queue: Queue,
    writing: FuturesUnordered<BoxFuture<'static, (ServiceKey, Result<(), kube::Error>)>>,
    pace: Pace,
    /// Nothing is begun before: the API server could not be reached, or refused.
    paused_until: Option<Instant>,
    refused: watch::Sender<bool>,
    has_complained: bool,
    has_told_refusal: bool,
}

impl Task {
    pub(super) fn new(client: Client, refused: watch::Sender<bool>) -> Self {
        Self {
            client,
            queue: Queue::default(),
            writing: FuturesUnordered::new(),
            pace: Pace::default(),
            paused_until: None,
            refused,
            has_complained: false,
            has_told_refusal: false,
        }
    }

    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Vec<Order>>) {
        loop {
            let wake = self.begin_writing();
            tokio::select! {
                orders = orders.recv() => match orders {
                    Some(orders) => orders.into_iter().for_each(|order| self.take(order)),
                    None => return,
                },
                Some((service, result)) = self.writing.next(), if !self.writing.is_empty() => {
                    self.finish(service, result);
                }
                () = until(wake) => {}
            }
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            // What was sent before the refusal was known is not kept.
            Order::Write(..) if *self.refused.borrow() => {}
            Order::Write(service, write, at) => self.queue.want(service, write, at),
            Order::Settled(service) => self.queue.settle(&service),
            Order::Missed => self.queue.miss(),
        }
    }

    /// Starts as much as may be done at once; when there is more to do.
    fn begin_writing(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return Some(until);
        }
        self.paused_until = None;
        self.refused.send_if_modified(std::mem::take);
        while self.writing.len() < AT_ONCE
            && let Some((service, write)) = self.queue.begin(now)
        {
            self.writing.push(Box::pin(apply_write(self.client.clone(), service, write)));
        }
        self.queue.deadline().filter(|_| self.writing.len() < AT_ONCE)
    }

    fn finish(&mut self, service: ServiceKey, result: Result<(), kube::Error>) {
        let outcome = match result {
            Ok(()) => {
                self.pace = Pace::default();
                Outcome::Written
            }
            Err(kube::Error::Api(status)) if status.code == 403 && status.message.contains(LACKS_RIGHT) => {
                return self.give_up(&status.message);
            }
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 403 | 422) => {
                self.tell_refusal(&service, &status.message);
                Outcome::Refused(REFUSED)
            }
            // It is gone, or has changed: then it is looked at again.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Outcome::Moot,
            Err(error) => {
                tracing::debug!(%service, %error, "condition metallb.io/Announced not written, trying again");
                let pause = self.pace.next().unwrap_or(REFUSED);
                self.pause(pause);
                Outcome::Failed(pause)
            }
        };
        self.queue.end(service, outcome, Instant::now());
    }

    /// Without the right to write nothing is kept that waits for it.
    fn give_up(&mut self, why: &str) {
        if !std::mem::replace(&mut self.has_complained, true) {
            tracing::warn!(
                error = why,
                "Services have no condition metallb.io/Announced: the role lacks patch on services/status"
            );
        }
        self.queue = Queue::default();
        self.pause(REFUSED);
        self.refused.send_replace(true);
    }

    /// Begins nothing for so long. A longer pause under way stays as long as it is.
    fn pause(&mut self, pause: Duration) {
        self.paused_until = self.paused_until.max(Instant::now().checked_add(pause));
    }

    /// Once aloud: whoever refuses one Service may refuse thousands.
    fn tell_refusal(&mut self, service: &ServiceKey, why: &str) {
        if std::mem::replace(&mut self.has_told_refusal, true) {
            tracing::debug!(%service, error = why, "condition metallb.io/Announced refused");
        } else {
            tracing::warn!(%service, error = why, "condition metallb.io/Announced refused, trying again every ten minutes");
        }
    }
}

async fn apply_write(
    client: Client,
    service: ServiceKey,
    write: Write,
) -> (ServiceKey, Result<(), kube::Error>) {
    let api: Api<Service> = Api::namespaced(client, &service.namespace);
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Strategic(build_patch(&write, Time(Timestamp::now())));
    let result = api.patch_status(&service.name, &params, &patch).await.map(drop);
    (service, result)
}

/// A patch of this one condition, of the version it was decided on: a speaker that comes late changes nothing.
fn build_patch(write: &Write, now: Time) -> Value {
    let condition = match &write.condition {
        Some(condition) => json!({
            "type": CONDITION_ANNOUNCED,
            "status": condition.status.as_str(),
            "reason": condition.reason,
            "message": condition.message,
            "lastTransitionTime": write.since.clone().unwrap_or(now),
        }),
        None => json!({ "$patch": "delete", "type": CONDITION_ANNOUNCED }),
    };
    json!({
        "metadata": { "resourceVersion": write.version.to_string() },
        "status": { "conditions": [condition] },
    })
}

/// Resolves at the moment, or never.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use metallb_testkit::ApiServer;

    use super::*;

    const LACKING: &str = "services \"a\" is forbidden: User \"system:serviceaccount:metallb-system:speaker\" cannot \
                           patch resource \"services/status\" in API group \"\" in the namespace \"default\"";

    fn task() -> (Task, watch::Receiver<bool>) {
        let (refused, is_refused) = watch::channel(false);
        (Task::new(ApiServer::default().client("default"), refused), is_refused)
    }

    fn key(name: &str) -> ServiceKey {
        ServiceKey { namespace: "default".into(), name: name.into() }
    }

    fn error(code: u16, message: &str) -> Result<(), kube::Error> {
        Err(kube::Error::Api(Box::new(Status { code, message: message.to_owned(), ..Status::default() })))
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_lacks_the_right_gives_up_all_services() {
        for (code, message, gives_up) in [
            (403, LACKING, true),
            (403, "services \"a\" is forbidden: unable to create new content in namespace default", false),
            (403, "admission webhook \"policy.example\" denied the request: no", false),
            (400, "admission webhook \"policy.example\" denied the request without explanation", false),
            (422, "services \"a\" is invalid: ValidatingAdmissionPolicy 'p' denied request: no", false),
        ] {
            let (mut task, is_refused) = task();
            task.finish(key("a"), error(code, message));
            assert_eq!(
                (task.begin_writing().is_some(), *is_refused.borrow()),
                (gives_up, gives_up),
                "{message}"
            );
        }
    }

    /// A write under way when the right turns out to be missing may fail for another reason.
    #[tokio::test(start_paused = true)]
    async fn a_pause_is_never_made_shorter() {
        let (mut task, is_refused) = task();
        let refused_until = Instant::now() + REFUSED;
        task.finish(key("a"), error(403, LACKING));
        task.finish(key("b"), error(503, "not now"));
        assert_eq!(task.begin_writing(), Some(refused_until));
        assert!(*is_refused.borrow());
        sleep_until(refused_until).await;
        assert_eq!(task.begin_writing(), None);
        assert!(!*is_refused.borrow());
    }
}
