//! The driver of an election of replicas: carries its requests to the API server, and tells the others who leads.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures::StreamExt;
use kube::Client;
use metallb_leadership::{
    Answer, Candidate, Draft, Election, Input, Moment, Observed, Record, Request, Timings,
};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::lease::{LeaseError, LeaseHandle, LeaseNews, LeaseTerms, LeaseVersion};

/// How long one request may take: a leader has time for a second one before its office ends.
const ANSWER: Duration = Duration::from_secs(4);
/// What the log calls it.
const ELECTION: &str = "leader election";

/// Whether this process leads. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Leadership {
    leader: watch::Receiver<bool>,
    tenure: watch::Receiver<Tenure>,
}

/// How often this process came into office. Decisions of an earlier term are void.
pub type Term = u64;

/// For how long this process may act as the leader without hearing more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tenure {
    /// Not at all.
    None,
    /// Until this moment, in this term.
    Until(Instant, Term),
    /// For as long as it lives, in this term.
    Open(Term),
}

impl Leadership {
    /// Of a process that has nobody beside it.
    #[must_use]
    pub fn always() -> Self {
        // The last value stays when the sender is gone.
        Self { leader: watch::channel(true).1, tenure: watch::channel(Tenure::Open(1)).1 }
    }

    /// As it is told elsewhere.
    #[must_use]
    pub fn told_by(leader: watch::Receiver<bool>, tenure: watch::Receiver<Tenure>) -> Self {
        Self { leader, tenure }
    }

    /// Whether this process leads, with a signal when that changes.
    #[must_use]
    pub fn leader(&self) -> watch::Receiver<bool> {
        self.leader.clone()
    }

    /// Whether it may act as the leader in this moment.
    #[must_use]
    pub fn holds_now(&self) -> bool {
        self.term().is_some()
    }

    /// The term in which it may act as the leader in this moment. Asked before each write: a process that was
    /// stopped for a while learns only here that its time is over.
    #[must_use]
    pub fn term(&self) -> Option<Term> {
        match *self.tenure.borrow() {
            Tenure::None => None,
            Tenure::Until(end, term) => (Instant::now() < end).then_some(term),
            Tenure::Open(term) => Some(term),
        }
    }
}

/// What is run for, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Office<'a> {
    /// Where the Lease is.
    pub namespace: &'a str,
    /// Name of the Lease.
    pub lease: &'static str,
    /// What the candidate is called if its pod is not known.
    pub process: &'static str,
    /// Name of the pod, which is part of the identity; it may be empty.
    pub pod: &'a str,
}

/// Runs for office in a task of its own, which ends when this is dropped.
#[derive(Debug)]
pub struct Campaign {
    leadership: Leadership,
    release: watch::Sender<bool>,
    task: JoinSet<()>,
}

impl Campaign {
    /// Starts to run for an office. `note` hears while this process leads without a Lease, as the only replica, and why.
    #[must_use]
    pub fn start(
        client: Client,
        office: &Office<'_>,
        note: impl Fn(Option<String>) + Send + 'static,
    ) -> Self {
        let (leader, leads) = watch::channel(false);
        let (tenure, holds) = watch::channel(Tenure::None);
        let (release, released) = watch::channel(false);
        let Office { namespace, lease: name, process, pod } = *office;
        let candidate = build_candidate(process, pod, rand::random());
        let timings = Timings::default();
        let jitter = timings.retry.mul_f64(rand::random_range(0.0..1.0));
        let driver = Driver {
            lease: LeaseHandle::new(client, namespace, name),
            name,
            election: Election::new(candidate, timings, jitter),
            origin: Instant::now(),
            leader,
            tenure,
            note: Box::new(note),
            last_error: String::new(),
            alone: false,
            term: 0,
        };
        let mut task = JoinSet::new();
        task.spawn(driver.run(released));
        Self { leadership: Leadership { leader: leads, tenure: holds }, release, task }
    }

    /// Who leads.
    #[must_use]
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Gives up the office, so that another replica takes over at once. Ends when that is done.
    pub async fn release(mut self) {
        self.release.send_replace(true);
        while self.task.join_next().await.is_some() {}
    }
}

/// client-go's way: a name for people, and something that no other process has.
fn build_candidate(process: &str, pod: &str, random: u64) -> Candidate {
    let earlier_lives = if pod.is_empty() { String::new() } else { format!("{pod}_") };
    let name = if pod.is_empty() { format!("{process}_") } else { earlier_lives.clone() };
    Candidate { identity: format!("{name}{random:016x}"), earlier_lives }
}

type Reply = Pin<Box<dyn Future<Output = (Answer, Option<String>)> + Send>>;

struct Driver {
    lease: LeaseHandle,
    name: &'static str,
    election: Election,
    origin: Instant,
    leader: watch::Sender<bool>,
    tenure: watch::Sender<Tenure>,
    note: Box<dyn Fn(Option<String>) + Send>,
    last_error: String,
    alone: bool,
    term: Term,
}

impl Driver {
    async fn run(mut self, mut released: watch::Receiver<bool>) {
        let mut news = pin!(self.lease.watch());
        let mut reply: Option<Reply> = None;
        while !self.election.is_released() {
            if let Some(request) = self.election.poll_output(self.now()) {
                reply = Some(Box::pin(ask(self.lease.clone(), request)));
            }
            self.publish();
            let deadline = self.election.next_deadline(self.now());
            let input = tokio::select! {
                answer = wait_for(&mut reply) => {
                    reply = None;
                    Input::Answered(self.tell(answer))
                }
                Some(news) = news.next() => build_input(news),
                () = until(deadline.map(|moment| self.origin + moment)) => Input::Tick,
                // Only once: after that the channel says nothing new.
                Ok(()) = released.changed() => Input::Release,
            };
            self.election.handle(self.now(), input);
        }
        self.publish();
    }

    fn now(&self) -> Moment {
        self.origin.elapsed()
    }

    fn publish(&mut self) {
        let leads = self.election.is_leader(self.now());
        if leads && !*self.leader.borrow() {
            self.term = self.term.saturating_add(1);
        }
        let tenure = match self.election.leads_until() {
            _ if self.election.is_alone() => Tenure::Open(self.term),
            Some(end) if leads => Tenure::Until(self.origin + end, self.term),
            _ => Tenure::None,
        };
        self.tenure.send_replace(tenure);
        let changed = self.leader.send_if_modified(|before| std::mem::replace(before, leads) != leads);
        if changed {
            let (lease, holder) = (self.name, self.election.holder());
            tracing::info!(
                lease,
                leads,
                holder,
                "{}",
                if leads { "leading" } else { "not leading any more" }
            );
        }
        let alone = self.election.is_alone();
        if alone != std::mem::replace(&mut self.alone, alone) {
            let text = format!("leading without a Lease, as the only replica: {}", self.last_error);
            if alone {
                tracing::warn!(lease = self.name, "{ELECTION}: {text}");
            }
            (self.note)(alone.then_some(text));
        }
    }

    /// Says what went wrong, once.
    fn tell(&mut self, (answer, error): (Answer, Option<String>)) -> Answer {
        let error = error.unwrap_or_default();
        if error != self.last_error && !error.is_empty() {
            tracing::info!(lease = self.name, error, "{ELECTION}: Lease not used, trying again");
        }
        self.last_error = error;
        answer
    }
}

async fn ask(lease: LeaseHandle, request: Request) -> (Answer, Option<String>) {
    let asked = async {
        match request {
            Request::Read => lease.read().await.map(|version| Answer::Read(version.map(build_observed))),
            Request::Write(draft) => {
                let written = lease.write(draft.over.as_deref(), &build_terms(&draft)).await;
                written.map(|version| Answer::Written(build_observed(version)))
            }
        }
    };
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(answer)) => (answer, None),
        Ok(Err(LeaseError::Conflict)) => (Answer::Conflict, None),
        Ok(Err(LeaseError::Forbidden(why))) => (Answer::Forbidden, Some(why)),
        Ok(Err(LeaseError::Failed(error))) => (Answer::Failed, Some(brief(&error))),
        Err(_) => (Answer::Failed, Some(format!("no answer for {} s", ANSWER.as_secs()))),
    }
}

/// The answer to the request under way; pending for ever while there is none. Safe to cancel: it stays under way.
async fn wait_for(reply: &mut Option<Reply>) -> (Answer, Option<String>) {
    match reply {
        Some(reply) => reply.await,
        None => std::future::pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn build_input(news: LeaseNews) -> Input {
    match news {
        LeaseNews::Is(version) => Input::Seen(build_observed(version)),
        LeaseNews::Gone => Input::Vanished,
    }
}

fn build_observed(LeaseVersion { version, terms }: LeaseVersion) -> Observed {
    let LeaseTerms { holder, seconds, acquired, transitions } = terms;
    let respected = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    Observed { version, record: Record { holder, respected, acquired, transitions } }
}

fn build_terms(Draft { over: _, holder, respected, acquired, transitions }: &Draft) -> LeaseTerms {
    let seconds = i32::try_from(respected.as_secs()).unwrap_or(i32::MAX);
    LeaseTerms { holder: holder.clone(), seconds, acquired: *acquired, transitions: *transitions }
}

/// What the API server said, without the structure it came in.
fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => {
            let causes = std::iter::successors(Some(other as &dyn std::error::Error), |error| error.source());
            causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
        }
    }
}
