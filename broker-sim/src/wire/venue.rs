//! The venue's side of the wire.

use std::sync::{Arc, Mutex};

use broker_core::seam::Frame;
use chrono::{DateTime, Utc};

use super::message::{WireAnswer, WireRequest};

/// One socket of a venue, or the body of one answer that does not end, numbered by the shell that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u64);

/// A venue that speaks a broker's wire protocol: one synchronous function from request to answer. It never waits,
/// never reads a clock and never damages an answer; the shells do that.
///
/// The other methods have bodies because most venues answer requests only. A shell calls [`pushed`](Self::pushed)
/// after each of the other calls and delivers what it gives, in its order.
pub trait Venue: Send + 'static {
    /// Answers one request.
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer;

    /// A socket wants to open. `Err` is the answer that refuses it; a venue without sockets answers the request as
    /// any other. A number that was refused is given to the next socket.
    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        let _ = socket;
        Err(self.handle(request, now))
    }

    /// A request whose answer may not end. `Some` is its head, with the first bytes of its body if there are any: what
    /// is pushed to `socket` as text or binary goes on with the body, and a `Close` ends it. `None` is for
    /// [`handle`](Self::handle). The venue hears of the client only when it goes away: a `Close`.
    fn stream(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Option<WireAnswer> {
        let _ = (request, socket, now);
        None
    }

    /// A frame came in. Pings are answered by the shell, and told. The last frame of a socket is `Close`, also when
    /// the other side just went away or a fault broke the connection. What the venue closed itself is not told.
    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        let _ = (socket, frame, now);
    }

    /// Frames that are to go out now. After a `Close` the shell forgets the socket.
    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        let _ = now;
        Vec::new()
    }

    /// When [`pushed`](Self::pushed) is to be called next although nothing comes in: a market moves, an order expires,
    /// a heartbeat is due. The shell asks after each call and keeps the appointment as long as a socket is open. A
    /// moment that is not ahead of `now` is taken as one millisecond ahead.
    fn wake_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let _ = now;
        None
    }
}

/// A venue that several shells and a test can hold.
pub type SharedVenue = Arc<Mutex<dyn Venue>>;

/// Puts a venue where shells and the test can share it.
pub fn share<V: Venue>(venue: V) -> Arc<Mutex<V>> {
    Arc::new(Mutex::new(venue))
}
