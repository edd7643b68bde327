//! What goes over connections at the moment, in both directions: bounded in number and in time.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use metallb_membership::wire::message::{Ping, PushPull, StreamMessage};
use metallb_membership::wire::stream::MOST_BYTES;
use metallb_telemetry::logs;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use super::budget::Budget;
use super::codec::Codec;
use super::streams::{self, CHUNK, ExchangeError, Partner, Question};

/// Connections of others at a time, as many as the original takes.
const MOST_SERVED: usize = 128;
/// Bytes taken from all of them together before it is known whether they may ask: two of the largest messages there are,
/// and beside them what each of a ring of some hundred sends.
const MOST_RECEIVED: usize = 2 * MOST_BYTES;
/// Questions that wait for the driver: one for each connection.
const MOST_QUESTIONS: usize = MOST_SERVED;

/// How an exchange ended that matters to the machine.
#[derive(Debug)]
pub(super) enum Outcome {
    /// We asked to join.
    Joined { address: IpAddr, answer: Result<PushPull, ExchangeError> },
    /// We asked for all state.
    Synced { node: String, answer: Result<PushPull, ExchangeError> },
    /// Our ping was answered.
    Pinged { sequence: u32 },
    /// A connection of somebody else's led to nothing.
    Failed { from: SocketAddr, error: ExchangeError },
    /// Nothing came of it, or nothing that matters.
    Nothing,
}

/// The tasks. Dropping this ends them all.
#[derive(Debug)]
pub(super) struct Exchanges {
    /// Each with the round it was begun in, where only what this one brings counts.
    tasks: JoinSet<(Option<u64>, Outcome)>,
    /// How often all in which we asked for state were given up.
    round: u64,
    /// Those in which we asked for state: as many as their callers have under way, since these end what they forget.
    asking: Vec<AbortHandle>,
    served: Arc<()>,
    received: Budget,
    ask: mpsc::Sender<Question>,
    asked: mpsc::Receiver<Question>,
}

impl Exchanges {
    pub(super) fn new() -> Self {
        let (ask, asked) = mpsc::channel(MOST_QUESTIONS);
        let (tasks, asking, served) = (JoinSet::new(), Vec::new(), Arc::new(()));
        Self { tasks, round: 0, asking, served, received: Budget::of(MOST_RECEIVED), ask, asked }
    }

    /// The next question or outcome. Safe to cancel.
    pub(super) async fn next(&mut self) -> Next {
        tokio::select! {
            Some(question) = self.asked.recv() => Next::Question(question),
            Some(ended) = self.tasks.join_next() => Next::Outcome(match ended {
                Ok((round, outcome)) if round.is_none_or(|round| round == self.round) => outcome,
                // One that had ended when it was given up.
                Ok(_) | Err(_) => Outcome::Nothing,
            }),
            else => std::future::pending().await,
        }
    }

    /// Answers a connection. One too many is closed at once: false.
    pub(super) fn serve(&mut self, stream: TcpStream, from: SocketAddr, codec: Arc<Codec>) -> bool {
        if Arc::strong_count(&self.served) > MOST_SERVED {
            return false;
        }
        let (slot, driver, share) = (self.served.clone(), self.ask.clone(), self.received.share(CHUNK));
        self.tasks.spawn(async move {
            let served = streams::serve(stream, from, codec, (driver, share)).await;
            drop(slot);
            (None, served.map_or_else(|error| Outcome::Failed { from, error }, |()| Outcome::Nothing))
        });
        true
    }

    pub(super) fn join(&mut self, with: Partner, state: PushPull) {
        self.begin(async move {
            Outcome::Joined { address: with.address.ip(), answer: push_pull(with, state).await }
        });
    }

    pub(super) fn sync(&mut self, with: Partner, node: String, state: PushPull) {
        self.begin(async move { Outcome::Synced { node, answer: push_pull(with, state).await } });
    }

    fn begin(&mut self, exchange: impl Future<Output = Outcome> + Send + 'static) {
        self.asking.retain(|task| !task.is_finished());
        let round = self.round;
        self.asking.push(self.tasks.spawn(async move { (Some(round), exchange.await) }));
    }

    /// Ends all in which we asked for state, without an outcome that tells: what they wait for is lost. A cable that comes
    /// and goes would have more and more of them under way.
    pub(super) fn give_up(&mut self) {
        self.round += 1;
        self.asking.drain(..).for_each(|task| task.abort());
    }

    pub(super) fn ping(&mut self, whom: Partner, ping: Ping, within: Duration) {
        self.tasks.spawn(async move {
            let (sequence, to) = (ping.sequence, whom.address);
            let outcome = match streams::ask(&whom, &StreamMessage::Ping(ping), within).await {
                Ok(StreamMessage::Ack { sequence: acked, .. }) if acked == sequence => {
                    Outcome::Pinged { sequence }
                }
                Ok(_) => Outcome::Nothing,
                Err(error) => {
                    tracing::debug!(%to, error = logs::chain(&error), "ping over a connection failed");
                    Outcome::Nothing
                }
            };
            (None, outcome)
        });
    }
}

/// What [`Exchanges::next`] brings.
#[derive(Debug)]
pub(super) enum Next {
    Question(Question),
    Outcome(Outcome),
}

async fn push_pull(with: Partner, state: PushPull) -> Result<PushPull, ExchangeError> {
    let within = with.codec.settings.tcp_timeout;
    match streams::ask(&with, &StreamMessage::PushPull(state), within).await? {
        StreamMessage::PushPull(theirs) => Ok(theirs),
        _ => Err(ExchangeError::Unexpected),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use metallb_membership::Settings;
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::super::secret::Secret;
    use super::*;

    /// One that takes connections and never answers, and how it is spoken to.
    async fn silent(settings: &Settings) -> (TcpListener, Arc<Codec>) {
        let secret = Secret::read(None, Duration::from_secs(1)).unwrap();
        let codec = Arc::new(Codec::new(&secret, settings));
        (TcpListener::bind("127.0.0.1:0").await.unwrap(), codec)
    }

    fn state() -> PushPull {
        PushPull { is_join: true, peers: vec![], user_state: vec![] }
    }

    async fn next(exchanges: &mut Exchanges) -> Next {
        timeout(Duration::from_secs(5), exchanges.next()).await.expect("still under way")
    }

    #[tokio::test]
    async fn what_is_given_up_ends_at_once_however_often_and_what_others_ask_goes_on() {
        let (listener, codec) = silent(&Settings::lan()).await;
        let address = listener.local_addr().unwrap();
        let mut exchanges = Exchanges::new();
        let theirs = TcpStream::connect(address).await.unwrap();
        assert!(exchanges.serve(theirs, address, codec.clone()));
        for _ in 0..100 {
            let with = || Partner { address, is_ahead: false, codec: codec.clone() };
            exchanges.join(with(), state());
            exchanges.sync(with(), "n2".to_owned(), state());
            exchanges.give_up();
            for _ in 0..2 {
                let ended = next(&mut exchanges).await;
                assert!(matches!(ended, Next::Outcome(Outcome::Nothing)), "{ended:?}");
            }
        }
        assert_eq!((exchanges.tasks.len(), exchanges.asking.len()), (1, 0));
    }

    /// What it brings is from before.
    #[tokio::test]
    async fn one_that_had_ended_when_it_was_given_up_brings_nothing() {
        let mut exchanges = Exchanges::new();
        exchanges.begin(async { Outcome::Pinged { sequence: 1 } });
        while !exchanges.asking[0].is_finished() {
            tokio::task::yield_now().await;
        }
        exchanges.give_up();
        let ended = next(&mut exchanges).await;
        assert!(matches!(ended, Next::Outcome(Outcome::Nothing)), "{ended:?}");
        exchanges.begin(async { Outcome::Pinged { sequence: 2 } });
        let ended = next(&mut exchanges).await;
        assert!(matches!(ended, Next::Outcome(Outcome::Pinged { sequence: 2 })), "{ended:?}");
    }

    /// Contract 02 §1.3, `TCPTimeout`.
    #[tokio::test]
    async fn nobody_is_waited_for_longer_than_the_settings_say() {
        let settings = Settings { tcp_timeout: Duration::from_millis(50), ..Settings::lan() };
        let (listener, codec) = silent(&settings).await;
        let address = listener.local_addr().unwrap();
        let with = || Partner { address, is_ahead: false, codec: codec.clone() };
        let mut exchanges = Exchanges::new();
        exchanges.join(with(), state());
        exchanges.sync(with(), "n2".to_owned(), state());
        let theirs = TcpStream::connect(address).await.unwrap();
        assert!(exchanges.serve(theirs, address, codec.clone()));
        for _ in 0..3 {
            let error = match next(&mut exchanges).await {
                Next::Outcome(
                    Outcome::Joined { answer: Err(error), .. }
                    | Outcome::Synced { answer: Err(error), .. }
                    | Outcome::Failed { error, .. },
                ) => error,
                other => panic!("{other:?}"),
            };
            assert!(matches!(error, ExchangeError::Late(_)), "{error:?}");
        }
    }
}
