//! TCP byte pipes.

use std::fmt::{self, Debug};
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::future::{Either, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{cause, unconnected};
use crate::error::{Error, ErrorKind, Result};
use crate::seam::{Carrier, Clock, Frame, SystemClock, Timeouts};

/// Bytes of a pipe taken at once.
const PIECE: usize = 8 << 10;

pub(super) async fn tcp(host: &str, port: u16) -> Result<Box<dyn Carrier>> {
    let stream = connect(host, port).await?;
    Ok(Box::new(TcpCarrier { stream, ended: false }))
}

/// A connection, within the usual connect time-out.
pub(super) async fn connect(host: &str, port: u16) -> Result<TcpStream> {
    let at = format!("{host}:{port}");
    // A URL writes IPv6 addresses in brackets, the resolver does not.
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let connected = within(Timeouts::READ.connect, TcpStream::connect((name, port))).await;
    let stream = connected
        .ok_or_else(|| unconnected(&at, "no connection in time"))?
        .map_err(|error| unconnected(&at, &cause(&error)))?;
    stream
        .set_nodelay(true)
        .map_err(|error| unconnected(&at, &cause(&error)))?;
    Ok(stream)
}

/// The work's result, unless the time passes first.
pub(super) async fn within<T>(wait: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), SystemClock::new().sleep(wait)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

struct TcpCarrier {
    stream: TcpStream,
    ended: bool,
}

#[async_trait]
impl Carrier for TcpCarrier {
    async fn receive(&mut self) -> Option<Result<Frame>> {
        if self.ended {
            return None;
        }
        let mut piece = BytesMut::with_capacity(PIECE);
        match self.stream.read_buf(&mut piece).await {
            Ok(0) => {
                self.ended = true;
                None
            }
            Ok(_) => Some(Ok(Frame::Binary(piece.freeze()))),
            Err(error) => {
                self.ended = true;
                Some(Err(lost(&cause(&error))))
            }
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<()> {
        let sent = match frame {
            Frame::Binary(bytes) => self.stream.write_all(&bytes).await,
            Frame::Text(text) => self.stream.write_all(text.as_bytes()).await,
            Frame::Close(_) => self.stream.shutdown().await,
            Frame::Ping(_) | Frame::Pong(_) => return Err(Error::unsupported("a byte pipe has no pings")),
        };
        sent.map_err(|error| lost(&cause(&error)))
    }
}

impl Debug for TcpCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TcpCarrier")
    }
}

/// A connection that was there and is lost.
pub(super) fn lost(why: &str) -> Error {
    Error::new(ErrorKind::Unavailable).with_message(format!("the connection was lost: {why}"))
}
