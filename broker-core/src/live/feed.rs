//! What a broker's crate writes of a stream.

use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::limit::Permit;
use crate::model::{Event, OrderRef, Subscription};
use crate::seam::{AnswerBody, Frame, OpenRequest};

/// One connection's worth of a subscription: where to connect, what to say, and what each frame means. It keeps the
/// state of its handshake; [`open`](Self::open) starts anew.
#[async_trait]
pub trait Feed: Debug + Send + 'static {
    /// Its name, for errors and spans: `trade_updates`.
    fn name(&self) -> &'static str;

    /// The accounts and quotes that it tells of. The runner reads back and audits these accounts, and no others.
    fn covers(&self) -> &Subscription;

    /// Where to connect and what to say first, signed anew. Called once for each connection; may ask the broker for a
    /// token, a ticket or a host.
    async fn open(&mut self) -> Result<Source>;

    /// Reads one frame, and says what follows from it, in order. An error is a frame that cannot be read: the runner
    /// then reads back at once what it may have told.
    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()>;

    /// How the connection is kept alive, and when it counts as dead.
    fn pulse(&self) -> Pulse;
}

/// Where frames come from.
#[expect(clippy::large_enum_variant, reason = "one a connection, taken apart at once")]
pub enum Source {
    /// A WebSocket, and the frames to send at once.
    Socket {
        /// Where.
        request: OpenRequest,
        /// Sent as soon as it is open.
        first: Vec<Frame>,
        /// What the connection paid at the limiter, where the venue counts it with its calls: acquired before the first
        /// frames were signed. Held until the connection ends; one that a limit refused, by the answer to the upgrade or
        /// in a frame, closes its buckets for all who share them.
        paid: Option<Permit>,
    },
    /// An answer that does not end: each line, without its end, is a [`Frame::Text`].
    Lines(AnswerBody),
}

/// Says what kind it is.
impl Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket { request, first, .. } => write!(f, "Socket({request:?}, {} first frames)", first.len()),
            Self::Lines(_) => f.write_str("Lines"),
        }
    }
}

/// What follows from a frame.
#[non_exhaustive]
pub enum Signal {
    /// Something to deliver: an order, a record, a position, balances, a quote.
    Event(Event),
    /// The next step of the handshake, or an answer that the venue waits for.
    Send(Frame),
    /// The venue confirmed the whole subscription: from here on nothing is missed.
    Ready,
    /// A sign of life.
    Beat,
    /// The frame says that something happened, but not what.
    Look(Look),
    /// The venue closes the stream.
    Closed {
        /// Why.
        error: Error,
        /// Connecting again cannot help: a dead key, a missing permission.
        fatal: bool,
    },
}

impl Signal {
    /// The events among what a kept frame was read to.
    ///
    /// # Errors
    /// The close that it is.
    pub fn events(signals: impl IntoIterator<Item = Self>) -> Result<Vec<Event>> {
        let told = signals.into_iter().filter_map(|signal| match signal {
            Self::Event(event) => Some(Ok(event)),
            Self::Closed { error, .. } => Some(Err(error)),
            _ => None,
        });
        told.collect()
    }
}

/// Shows of a frame to be sent nothing: it may hold the key.
impl Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(event) => f.debug_tuple("Event").field(event).finish(),
            Self::Send(_) => f.write_str("Send(…)"),
            Self::Ready => f.write_str("Ready"),
            Self::Beat => f.write_str("Beat"),
            Self::Look(look) => f.debug_tuple("Look").field(look).finish(),
            Self::Closed { error, fatal } => {
                let mut shown = f.debug_struct("Closed");
                shown.field("error", error).field("fatal", fatal).finish()
            }
        }
    }
}

/// What is to be read back at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Look {
    /// Records and orders of an account.
    Account(AccountId),
    /// One order.
    Order(OrderRef),
}

/// How a connection is kept alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// Sent this often; `None` where the venue beats by itself.
    pub send: Option<(Duration, Frame)>,
    /// A connection on which nothing came for this long is dead.
    pub silence: Duration,
}
