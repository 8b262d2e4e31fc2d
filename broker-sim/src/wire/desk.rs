//! What both shells do with a request: decide its fault, ask the venue, write it down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_core::seam::Frame;
use chrono::{DateTime, Utc};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::fault::{Fault, Faults, RetryHint};
use super::message::{WireAnswer, WireRequest};
use super::record::{Fate, Recorder};
use super::venue::{SharedVenue, SocketId, Venue};

/// The middle of a shell. Clones share all of it.
#[derive(Clone)]
pub(super) struct Desk {
    venue: SharedVenue,
    pub(super) faults: Faults,
    pub(super) recorder: Recorder,
    sockets: Arc<Mutex<Sockets>>,
}

#[derive(Default)]
struct Sockets {
    last: u64,
    open: BTreeMap<SocketId, UnboundedSender<Frame>>,
}

/// A request that is under way: what will hit it, and where its end is recorded.
pub(super) struct Passage {
    request: WireRequest,
    fault: Option<Fault>,
    place: usize,
}

/// What a shell does with the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Wait before anything goes back.
    pub(super) delay: Duration,
    /// What goes back.
    pub(super) back: Back,
}

/// What goes back to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Back {
    /// The answer, in one piece.
    Whole(WireAnswer),
    /// The answer, then a closed connection after so many bytes of its body.
    Cut(WireAnswer, usize),
    /// The answer, then silence after so many bytes of its body.
    Stalled(WireAnswer, usize),
    /// The answer, its body in pieces.
    Dripped {
        answer: WireAnswer,
        piece: usize,
        every: Duration,
    },
    /// Nothing, ever.
    Silence,
    /// A reset connection.
    Reset,
    /// A closed connection.
    Fin,
}

impl Desk {
    pub(super) fn new(venue: SharedVenue) -> Self {
        Self {
            venue,
            faults: Faults::default(),
            recorder: Recorder::default(),
            sockets: Arc::default(),
        }
    }

    /// The client sends: what will hit this request is decided now, in the order of sending.
    pub(super) fn accept(&self, request: WireRequest, now: DateTime<Utc>) -> Passage {
        let fault = self.faults.decide(&request, now);
        let fate = if fault == Some(Fault::RefuseConnection) {
            Fate::NotSent
        } else {
            Fate::UnderWay
        };
        let place = self
            .recorder
            .begin(&request, fate, fault.as_ref().map(Fault::name), now);
        Passage { request, fault, place }
    }

    /// Records a request that never finds a connection.
    pub(super) fn unreachable(&self, request: &WireRequest, now: DateTime<Utc>) {
        self.recorder.begin(request, Fate::NotSent, None, now);
    }

    /// The request arrives.
    pub(super) fn serve(&self, passage: Passage, now: DateTime<Utc>) -> Outcome {
        let Passage {
            mut request,
            fault,
            place,
        } = passage;
        let whole = |back| Outcome {
            delay: Duration::ZERO,
            back,
        };
        let Some(fault) = fault else {
            return whole(Back::Whole(self.ask(&request, place, now)));
        };
        let intercept = |answer: WireAnswer| {
            self.recorder.end(place, Fate::Intercepted, Some(answer.status));
            whole(Back::Whole(answer))
        };
        let lose = |back| {
            self.recorder.end(place, Fate::Lost, None);
            whole(back)
        };
        match fault {
            Fault::RefuseConnection => lose(Back::Reset),
            Fault::DropRequest => lose(Back::Silence),
            Fault::Reset { handled: false } => lose(Back::Reset),
            Fault::Fin { handled: false } => lose(Back::Fin),
            Fault::ErrorBefore(status, body) => intercept(error(status, body)),
            Fault::RateLimited(hint, body) => intercept(rate_limited(hint, body, now)),
            Fault::Ban(status, body, lasts) => {
                intercept(error(status, body).with_header("retry-after", lasts.as_secs()))
            }
            Fault::ExpiredToken => {
                request.headers.retain(|(name, _)| !self.recorder.is_secret(name));
                whole(Back::Whole(self.ask(&request, place, now)))
            }
            Fault::ClockSkew(millis) => {
                let skewed = now + chrono::Duration::milliseconds(millis);
                whole(Back::Whole(self.ask(&request, place, skewed)))
            }
            Fault::DelayAnswer(delay) => Outcome {
                delay,
                back: Back::Whole(self.ask(&request, place, now)),
            },
            Fault::DelayRequest(_) => whole(Back::Whole(self.ask(&request, place, now))),
            after => whole(damage(after, self.ask(&request, place, now))),
        }
    }

    /// Lets the venue answer a request.
    fn ask(&self, request: &WireRequest, place: usize, now: DateTime<Utc>) -> WireAnswer {
        let answer = self.with_venue(now, |venue| venue.handle(request, now));
        self.recorder.end(place, Fate::Handled, Some(answer.status));
        answer
    }

    /// Lets the venue take a socket, or refuse it.
    pub(super) fn upgrade(
        &self,
        request: &WireRequest,
        now: DateTime<Utc>,
    ) -> Result<(SocketId, UnboundedReceiver<Frame>), WireAnswer> {
        let place = self.recorder.begin(request, Fate::UnderWay, None, now);
        let (sender, receiver) = unbounded_channel();
        let id = {
            let mut sockets = self.sockets();
            sockets.last += 1;
            let id = SocketId(sockets.last);
            sockets.open.insert(id, sender);
            id
        };
        let taken = self.with_venue(now, |venue| venue.upgrade(request, id, now));
        let status = taken.as_ref().err().map_or(101, |answer| answer.status);
        self.recorder.end(place, Fate::Handled, Some(status));
        match taken {
            Ok(()) => Ok((id, receiver)),
            Err(answer) => {
                self.sockets().open.remove(&id);
                Err(answer)
            }
        }
    }

    /// A frame of a socket arrives; `Close` ends it.
    pub(super) fn frame(&self, id: SocketId, frame: Frame, now: DateTime<Utc>) {
        let closes = matches!(frame, Frame::Close(_));
        if closes && self.sockets().open.remove(&id).is_none() {
            return;
        }
        self.with_venue(now, |venue| venue.frame(id, frame, now));
    }

    /// Calls the venue, then hands out what it pushes.
    fn with_venue<T>(&self, now: DateTime<Utc>, call: impl FnOnce(&mut dyn Venue) -> T) -> T {
        let mut venue = self.venue.lock().unwrap_or_else(PoisonError::into_inner);
        let result = call(&mut *venue);
        let pushed = venue.pushed(now);
        let mut sockets = self.sockets();
        for (id, frame) in pushed {
            let closes = matches!(frame, Frame::Close(_));
            // A client that is gone reads no more; its close frame will tell the venue.
            let _ = sockets.open.get(&id).map(|sender| sender.send(frame));
            if closes {
                sockets.open.remove(&id);
            }
        }
        result
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Passage {
    /// How long the request is held up on its way to the venue.
    pub(super) fn hold_up(&self) -> Duration {
        if let Some(Fault::DelayRequest(delay)) = &self.fault {
            return *delay;
        }
        Duration::ZERO
    }

    /// Whether no connection stands.
    pub(super) fn is_refused(&self) -> bool {
        self.fault == Some(Fault::RefuseConnection)
    }
}

/// What the client gets of an answer that the venue gave.
fn damage(fault: Fault, answer: WireAnswer) -> Back {
    match fault {
        Fault::DropAnswer => Back::Silence,
        Fault::Reset { .. } => Back::Reset,
        Fault::Fin { .. } => Back::Fin,
        Fault::ErrorAfter(status, body) => Back::Whole(error(status, body)),
        Fault::CutBody(at) => Back::Cut(answer, at),
        Fault::StallBody(at) => Back::Stalled(answer, at),
        Fault::SlowDrip { piece, every } => Back::Dripped {
            answer,
            piece: piece.max(1),
            every,
        },
        Fault::TruncatedJson => Back::Whole(WireAnswer {
            body: answer.body.slice(..answer.body.len() / 2),
            ..answer
        }),
        Fault::Html200 => Back::Whole(WireAnswer::html(
            200,
            "<html><body>Please try again later.</body></html>",
        )),
        Fault::Empty200 => Back::Whole(WireAnswer::empty(200)),
        // The faults that come before the venue never get here.
        _ => Back::Whole(answer),
    }
}

/// An error body in the form that it has.
fn error(status: u16, body: String) -> WireAnswer {
    match body.as_bytes().first() {
        None => WireAnswer::empty(status),
        Some(b'{' | b'[') => WireAnswer::json(status, body),
        Some(b'<') => WireAnswer::html(status, body),
        Some(_) => WireAnswer::text(status, body),
    }
}

fn rate_limited(hint: RetryHint, body: String, now: DateTime<Utc>) -> WireAnswer {
    let answer = error(429, body);
    match hint {
        RetryHint::None => answer,
        RetryHint::Seconds(seconds) => answer.with_header("retry-after", seconds),
        RetryHint::Date(seconds) => {
            let date = now + chrono::Duration::seconds(seconds.into());
            answer.with_header("retry-after", date.format("%a, %d %b %Y %H:%M:%S GMT"))
        }
    }
}
