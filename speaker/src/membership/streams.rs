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

use super::codec::Codec;

/// Bytes read at a time.
const CHUNK: usize = 16 * 1024;

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
}

/// What somebody wants to know over a connection.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) from: SocketAddr,
    pub(super) message: StreamMessage,
    /// Takes the answer; none ends the connection.
    pub(super) answer: oneshot::Sender<Option<StreamMessage>>,
}

/// Answers one connection. The driver knows the answer.
pub(super) async fn serve(
    mut stream: TcpStream,
    from: SocketAddr,
    codec: Arc<Codec>,
    driver: mpsc::Sender<Question>,
) -> Result<(), ExchangeError> {
    let patience = codec.settings.tcp_timeout;
    let message = match timeout(patience, receive(&mut stream, &codec)).await? {
        Err(ExchangeError::Malformed(error)) => {
            // As the original does, which then names the reason in its log.
            let refusal = codec.write(&StreamMessage::Error(error.to_string()));
            let _said = timeout(patience, stream.write_all(&refusal)).await;
            return Err(error.into());
        }
        received => received?,
    };
    let (answer, answered) = oneshot::channel();
    // A driver that has ended, or has nothing to say, ends the connection.
    let question = Question { from, message, answer };
    if driver.send(question).await.is_err() {
        return Ok(());
    }
    let Ok(Some(answer)) = answered.await else { return Ok(()) };
    timeout(patience, stream.write_all(&codec.write(&answer))).await?.map_err(ExchangeError::Send)
}

/// Asks one question over a connection of its own.
pub(super) async fn ask(
    to: SocketAddr,
    message: &StreamMessage,
    codec: Arc<Codec>,
    within: Duration,
) -> Result<StreamMessage, ExchangeError> {
    timeout(within, async {
        let mut stream = TcpStream::connect(to).await.map_err(ExchangeError::Connect)?;
        stream.write_all(&codec.write(message)).await.map_err(ExchangeError::Send)?;
        match receive(&mut stream, &codec).await? {
            StreamMessage::Error(why) => Err(ExchangeError::Refused(why)),
            answer => Ok(answer),
        }
    })
    .await?
}

/// The next message; its size is bounded by the reader.
async fn receive(stream: &mut TcpStream, codec: &Codec) -> Result<StreamMessage, ExchangeError> {
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
        reader.push(chunk.get(..length).unwrap_or_default());
    }
}
