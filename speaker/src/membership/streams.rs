//! Connections: exchanges of all state, and pings of last resort.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metallb_membership::wire::message::StreamMessage;
use metallb_membership::wire::stream::StreamError;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{error::Elapsed, timeout};

use super::budget::Share;
use super::codec::Codec;

/// Bytes read at a time.
pub(super) const CHUNK: usize = 16 * 1024;

/// An exchange failed.
#[derive(Debug, Error)]
pub(super) enum ExchangeError {
    #[error("connecting")]
    Connect(#[source] io::Error),
    #[error("sending")]
    Send(#[source] io::Error),
    #[error("receiving")]
    Receive(#[source] io::Error),
    #[error("it took too long")]
    Late(#[from] Elapsed),
    #[error("the other side ended the connection; it may have another secret")]
    Ended,
    #[error("not understood")]
    Malformed(#[from] StreamError),
    #[error("the other side refuses: {0}")]
    Refused(String),
    #[error("not what was asked for")]
    Unexpected,
    #[error("others send too much at the moment")]
    Crowded,
}

impl ExchangeError {
    /// Whether somebody is there who does not understand this side, or is not understood.
    pub(super) fn is_from_a_stranger(&self) -> bool {
        matches!(self, Self::Ended | Self::Malformed(_) | Self::Refused(_))
    }
}

/// What somebody wants to know over a connection.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) from: SocketAddr,
    pub(super) message: StreamMessage,
    /// Whether who asks sends with the new secret already.
    pub(super) is_ahead: bool,
    /// Takes the answer; none ends the connection.
    pub(super) answer: oneshot::Sender<Option<StreamMessage>>,
}

/// Answers one connection. The driver knows the answer.
pub(super) async fn serve(
    mut stream: TcpStream,
    from: SocketAddr,
    codec: Arc<Codec>,
    (driver, mut share): (mpsc::Sender<Question>, Share),
) -> Result<(), ExchangeError> {
    let patience = codec.settings.tcp_timeout;
    let received = timeout(patience, receive(&mut stream, &codec, Some(&mut share))).await?;
    let (message, is_ahead) = match received {
        Err(ExchangeError::Malformed(error)) => {
            // As the original does, which then names the reason in its log.
            let refusal = codec.write(&StreamMessage::Error(error.to_string()), false);
            let _said = timeout(patience, stream.write_all(&refusal)).await;
            return Err(error.into());
        }
        received => received?,
    };
    let (answer, answered) = oneshot::channel();
    // A driver that has ended, or has nothing to say, ends the connection.
    let question = Question { from, message, is_ahead, answer };
    if driver.send(question).await.is_err() {
        return Ok(());
    }
    let Ok(Some(answer)) = answered.await else { return Ok(()) };
    drop(share);
    let answer = codec.write(&answer, is_ahead);
    timeout(patience, stream.write_all(&answer)).await?.map_err(ExchangeError::Send)
}

/// Whom to ask, and how.
#[derive(Clone, Debug)]
pub(super) struct Partner {
    pub(super) address: SocketAddr,
    /// Whether it sends with the new secret already.
    pub(super) is_ahead: bool,
    pub(super) codec: Arc<Codec>,
}

/// Asks one question over a connection of its own.
pub(super) async fn ask(
    partner: &Partner,
    message: &StreamMessage,
    within: Duration,
) -> Result<StreamMessage, ExchangeError> {
    let Partner { address, is_ahead, codec } = partner;
    timeout(within, async {
        let mut stream = TcpStream::connect(address).await.map_err(ExchangeError::Connect)?;
        stream.write_all(&codec.write(message, *is_ahead)).await.map_err(ExchangeError::Send)?;
        match receive(&mut stream, codec, None).await?.0 {
            StreamMessage::Error(why) => Err(ExchangeError::Refused(why)),
            answer => Ok(answer),
        }
    })
    .await?
}

/// The next message, and whether its writer is ahead. Its size is bounded by the reader, and by what strangers have
/// left of theirs.
async fn receive(
    stream: &mut TcpStream,
    codec: &Codec,
    mut share: Option<&mut Share>,
) -> Result<(StreamMessage, bool), ExchangeError> {
    let mut reader = codec.reader();
    let mut chunk = vec![0; CHUNK];
    loop {
        if let Some(message) = reader.next_message()? {
            return Ok(message);
        }
        let length = stream.read(&mut chunk).await.map_err(ExchangeError::Receive)?;
        if length == 0 {
            return Err(ExchangeError::Ended);
        }
        if share.as_mut().is_some_and(|share| !share.take(length * reader.copies())) {
            return Err(ExchangeError::Crowded);
        }
        reader.push(chunk.get(..length).unwrap_or_default());
    }
}
