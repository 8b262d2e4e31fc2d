//! WebSocket carriers.

use std::fmt::{self, Debug};

use ::http::HeaderMap;
use async_trait::async_trait;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};
use url::Url;

use super::carrier::{connect, lost, within};
use super::client::{cause, place, unconnected};
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::http::{Reply, retry_after, status_error};
use crate::seam::{Carrier, Clock, Frame, SystemClock, Timeouts};

/// The library's own is 128 KiB a socket, too much for a thousand of them.
const BUFFER: usize = 8 << 10;

pub(super) async fn open(
    url: &Url,
    headers: HeaderMap,
    largest_message: usize,
    connector: Connector,
) -> Result<Box<dyn Carrier>> {
    let at = place(url);
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(Error::config("a WebSocket URL needs a host and a port"));
    };
    let mut request = url
        .as_str()
        .into_client_request()
        .map_err(|_| Error::config(format!("the WebSocket URL at {at} cannot be used")))?;
    request.headers_mut().extend(headers);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(largest_message))
        .max_frame_size(Some(largest_message));

    let stream = connect(host, port).await?;
    let upgrade = client_async_tls_with_config(request, stream, Some(config), Some(connector));
    let upgraded = within(Timeouts::READ.read, upgrade).await;
    let (socket, _) = upgraded
        .ok_or_else(|| unupgraded(&at, "no answer in time"))?
        .map_err(|error| refused(error, &at))?;
    Ok(Box::new(WebSocket { socket, ended: false }))
}

struct WebSocket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    ended: bool,
}

#[async_trait]
impl Carrier for WebSocket {
    async fn receive(&mut self) -> Option<Result<Frame>> {
        loop {
            if self.ended {
                return None;
            }
            return match self.socket.next().await {
                Some(Ok(Message::Text(text))) => Some(Ok(Frame::Text(text.as_str().to_owned()))),
                Some(Ok(Message::Binary(bytes))) => Some(Ok(Frame::Binary(bytes))),
                Some(Ok(Message::Ping(bytes))) => Some(Ok(Frame::Ping(bytes))),
                Some(Ok(Message::Pong(bytes))) => Some(Ok(Frame::Pong(bytes))),
                Some(Ok(Message::Close(frame))) => {
                    let why = frame.map(|frame| (frame.code.into(), frame.reason.as_str().to_owned()));
                    Some(Ok(Frame::Close(why)))
                }
                // Never read, only written.
                Some(Ok(Message::Frame(_))) => continue,
                Some(Err(error)) => {
                    self.ended = true;
                    Some(Err(broken(error)))
                }
                None => {
                    self.ended = true;
                    None
                }
            };
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<()> {
        let message = match frame {
            Frame::Text(text) => Message::text(text),
            Frame::Binary(bytes) => Message::binary(bytes),
            Frame::Ping(bytes) => Message::Ping(bytes),
            Frame::Pong(bytes) => Message::Pong(bytes),
            Frame::Close(why) => Message::Close(why.map(|(code, reason)| CloseFrame {
                code: code.into(),
                reason: reason.into(),
            })),
        };
        self.socket.send(message).await.map_err(broken)
    }
}

impl Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebSocket")
    }
}

/// The upgrade failed. Its request may carry a subscription, so only a TLS failure is known to have sent nothing.
fn refused(error: tungstenite::Error, at: &str) -> Error {
    match error {
        tungstenite::Error::Http(response) => {
            let (parts, body) = response.into_parts();
            let reply = Reply {
                status: parts.status,
                headers: parts.headers,
                body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
            };
            let error = status_error(&reply);
            match retry_after(&reply.headers, SystemClock::new().now()) {
                Some(wait) => error.with_retry_after(wait),
                None => error,
            }
        }
        tungstenite::Error::Tls(error) => unconnected(at, &cause(&error)),
        error => unupgraded(at, &cause(&error)),
    }
}

fn unupgraded(at: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_delivery(Delivery::Unknown)
        .with_message(format!("{at} did not open a WebSocket: {why}"))
        .with_help("check the network or the stream's URL")
}

fn broken(error: tungstenite::Error) -> Error {
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            Error::new(ErrorKind::Protocol)
                .with_message(format!("a message of {size} bytes is larger than {max_size} bytes"))
        }
        tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_) => {
            Error::new(ErrorKind::Protocol).with_message(cause(&error))
        }
        error => lost(&cause(&error)),
    }
}
