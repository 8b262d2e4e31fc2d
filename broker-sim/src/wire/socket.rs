//! A WebSocket on loopback.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use broker_core::seam::{Clock, Frame};
use futures_util::future::{Either, select};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::desk::Opening;
use super::lane::Arrival;
use super::loopback::Then;
use super::message::WireRequest;

/// The library's own is 128 KiB a socket, too much for a thousand of them.
const BUFFER: usize = 4 << 10;

/// What proves to the client that its upgrade was understood; `None` for a request that is no right upgrade.
pub(super) fn acceptance(request: &WireRequest) -> Option<String> {
    let connection = request.header("connection").unwrap_or_default();
    let upgrades = connection
        .split(',')
        .any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    let right = request.method == "GET"
        && request.is_upgrade()
        && upgrades
        && request.header("sec-websocket-version") == Some("13");
    let key = request.header("sec-websocket-key").filter(|_| right)?;
    Some(derive_accept_key(key.as_bytes()))
}

/// The head that opens the socket.
pub(super) fn head(accepts: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {accepts}\r\n\r\n"
    )
}

/// Carries frames both ways until one side ends it. `part` is what came behind the upgrade's head.
pub(super) async fn talk(
    stream: &mut TcpStream,
    part: Vec<u8>,
    opening: Opening,
    clock: Arc<dyn Clock>,
) -> io::Result<Then> {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER);
    let valve = Valve {
        stream,
        clock,
        shut_until: Duration::ZERO,
        lost: false,
    };
    let mut socket = WebSocketStream::from_partially_read(valve, part, Role::Server, Some(config)).await;
    let Opening { line, mut inbox } = opening;
    loop {
        let next = match select(pin!(inbox.next()), socket.next()).await {
            Either::Left((arrival, _)) => Next::Out(arrival),
            Either::Right((message, _)) => Next::In(message),
        };
        match next {
            Next::Out(Some(Arrival::Frame(frame))) => {
                let closes = matches!(frame, Frame::Close(_));
                socket.send(message(frame)).await.map_err(io_error)?;
                if closes {
                    return goodbye(socket).await;
                }
            }
            Next::Out(Some(Arrival::Hush(until))) => socket.get_mut().shut_until = until,
            Next::Out(Some(Arrival::Silence)) => socket.get_mut().lost = true,
            Next::Out(Some(Arrival::Reset)) => return Ok(Then::Reset),
            Next::In(Some(Ok(message))) => {
                if let Some(frame) = frame(message) {
                    line.frame(frame);
                }
            }
            // A client whose socket is silent gets no answer to its close either.
            Next::In(_) if socket.get_ref().lost => return Ok(Then::Hang),
            Next::In(_) | Next::Out(None) => return Ok(Then::Close),
        }
    }
}

enum Next {
    Out(Option<Arrival>),
    In(Option<Result<Message, Error>>),
}

/// The venue closed: what the client still sends is for nobody, until it answers or goes away.
async fn goodbye(mut socket: WebSocketStream<Valve<'_>>) -> io::Result<Then> {
    while let Some(Ok(_)) = socket.next().await {}
    Ok(Then::Close)
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::text(text),
        Frame::Binary(bytes) => Message::binary(bytes),
        Frame::Ping(bytes) => Message::Ping(bytes),
        Frame::Pong(bytes) => Message::Pong(bytes),
        Frame::Close(why) => Message::Close(why.map(|(code, reason)| CloseFrame {
            code: code.into(),
            reason: reason.into(),
        })),
    }
}

fn frame(message: Message) -> Option<Frame> {
    match message {
        Message::Text(text) => Some(Frame::Text(text.as_str().to_owned())),
        Message::Binary(bytes) => Some(Frame::Binary(bytes)),
        Message::Ping(bytes) => Some(Frame::Ping(bytes)),
        Message::Pong(bytes) => Some(Frame::Pong(bytes)),
        Message::Close(why) => Some(Frame::Close(
            why.map(|why| (why.code.into(), why.reason.as_str().to_owned())),
        )),
        // Never read, only written.
        Message::Frame(_) => None,
    }
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

/// The connection, of which the way to the client can be stopped: the library answers pings by itself, also on a
/// socket that is to be silent.
struct Valve<'a> {
    stream: &'a mut TcpStream,
    clock: Arc<dyn Clock>,
    /// Nothing is written before this moment. Nobody is woken then: the loop writes again with the next arrival.
    shut_until: Duration,
    /// What is written never arrives.
    lost: bool,
}

impl Valve<'_> {
    fn is_shut(&self) -> bool {
        self.clock.elapsed() < self.shut_until
    }
}

impl AsyncRead for Valve<'_> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Valve<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.lost {
            return Poll::Ready(Ok(bytes.len()));
        }
        if self.is_shut() {
            return Poll::Pending;
        }
        Pin::new(&mut *self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_is_proven_understood() {
        let request = WireRequest::new("GET", "/stream", "p")
            .with_header("Connection", "keep-alive, Upgrade")
            .with_header("Upgrade", "WebSocket")
            .with_header("Sec-WebSocket-Version", "13");
        assert_eq!(acceptance(&request), None);
        // Key and answer are those of RFC 6455, section 1.3.
        let request = request.with_header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(acceptance(&request).as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let mut post = request.clone();
        post.method = "POST".into();
        assert_eq!(acceptance(&post), None);
        let plain =
            WireRequest::new("GET", "/stream", "p").with_header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(acceptance(&plain), None);
    }
}
