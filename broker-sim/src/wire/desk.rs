//! What both shells do with a request: decide its fault, ask the venue, write it down.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker_core::seam::Frame;
use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::fault::{Fault, RetryHint};
use super::flow::{Damage, Flow};
use super::frame_fault::{FrameFault, garbled};
use super::lane::{Inbox, Lane, Ways};
use super::message::{WireAnswer, WireRequest};
use super::plan::Faults;
use super::record::{Fate, Recorder};
use super::timekeeper::Timekeeper;
use super::venue::{SharedVenue, SocketId, Venue};

/// The middle of a shell. Clones share all of it.
#[derive(Clone)]
pub(super) struct Desk {
    venue: SharedVenue,
    pub(super) faults: Faults,
    pub(super) recorder: Recorder,
    sockets: Arc<Mutex<Sockets>>,
    pub(super) timekeeper: Arc<Timekeeper>,
}

#[derive(Default)]
struct Sockets {
    last: u64,
    open: BTreeMap<SocketId, Socket>,
}

/// An open socket, with the faults and the record of the shell that opened it: clones of a shell may have others.
#[derive(Clone)]
struct Socket {
    lane: Arc<Lane>,
    faults: Faults,
    recorder: Recorder,
    place: u64,
}

/// A socket that was opened: the shell tells the venue through the line, and the client from the inbox.
pub(super) struct Opening {
    pub(super) line: Line,
    pub(super) inbox: Inbox,
}

/// The way of frames from the client to the venue. Dropping it tells the venue that the client went away.
pub(super) struct Line {
    id: SocketId,
    desk: Desk,
    lane: Arc<Lane>,
    ways: Ways,
}

/// A request that is under way: what will hit it, and where its end is recorded.
pub(super) struct Passage {
    request: WireRequest,
    fault: Option<Fault>,
    place: usize,
}

/// What a shell does with the answer.
pub(super) struct Outcome {
    /// Wait before anything goes back.
    pub(super) delay: Duration,
    /// What goes back.
    pub(super) back: Back,
}

/// What goes back to the client.
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
    /// The head of an answer whose body goes on. The line lasts as long as the client listens.
    Flowing(WireAnswer, Flow, Line),
    /// A socket.
    Opened(Opening),
    /// Nothing, ever.
    Silence,
    /// A reset connection.
    Reset,
    /// A closed connection.
    Fin,
}

/// What the venue gave.
enum Reply {
    Answer(WireAnswer),
    Flowing(WireAnswer, Opening),
    Opened(Opening),
}

impl Desk {
    pub(super) fn new(venue: SharedVenue) -> Self {
        Self {
            venue,
            faults: Faults::default(),
            recorder: Recorder::default(),
            sockets: Arc::default(),
            timekeeper: Arc::default(),
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
    pub(super) fn serve(&self, passage: Passage, ways: &Ways) -> Outcome {
        let now = ways.clock.now();
        let Passage {
            mut request,
            fault,
            place,
        } = passage;
        let whole = |back| Outcome {
            delay: Duration::ZERO,
            back,
        };
        let ask = |request: &WireRequest, now| self.ask(request, place, ways, now);
        let Some(fault) = fault else {
            return whole(ask(&request, now).unharmed(ways));
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
                whole(ask(&request, now).unharmed(ways))
            }
            Fault::ClockSkew(millis) => {
                let skewed = now + chrono::Duration::milliseconds(millis);
                whole(ask(&request, skewed).unharmed(ways))
            }
            Fault::DelayAnswer(delay) => Outcome {
                delay,
                back: ask(&request, now).unharmed(ways),
            },
            Fault::DelayRequest(_) => whole(ask(&request, now).unharmed(ways)),
            after => whole(damage(after, ask(&request, now), ways)),
        }
    }

    /// Lets the venue answer a request, or take a socket.
    fn ask(&self, request: &WireRequest, place: usize, ways: &Ways, now: DateTime<Utc>) -> Reply {
        let reply = self.with_venue(now, |venue| {
            let id = SocketId(self.sockets().last + 1);
            if request.is_upgrade() {
                return match venue.upgrade(request, id, now) {
                    Ok(()) => Reply::Opened(self.open(id, request, ways, now)),
                    Err(answer) => Reply::Answer(answer),
                };
            }
            match venue.stream(request, id, now) {
                Some(answer) => Reply::Flowing(answer, self.open(id, request, ways, now)),
                None => Reply::Answer(venue.handle(request, now)),
            }
        });
        let status = match &reply {
            Reply::Answer(answer) | Reply::Flowing(answer, _) => answer.status,
            Reply::Opened(_) => 101,
        };
        self.recorder.end(place, Fate::Handled, Some(status));
        reply
    }

    fn open(&self, id: SocketId, request: &WireRequest, ways: &Ways, now: DateTime<Utc>) -> Opening {
        let lane = Arc::new(Lane::new(request.path.clone(), ways.clone()));
        let place = self.recorder.opened(id, &request.path, now);
        let socket = Socket {
            lane: Arc::clone(&lane),
            faults: self.faults.clone(),
            recorder: self.recorder.clone(),
            place,
        };
        let mut sockets = self.sockets();
        sockets.last = id.0;
        sockets.open.insert(id, socket);
        self.timekeeper.look();
        Opening {
            inbox: Inbox::new(Arc::clone(&lane)),
            line: Line {
                id,
                desk: self.clone(),
                lane,
                ways: ways.clone(),
            },
        }
    }

    /// A frame of a socket arrives; `Close` ends it. Sockets that the venue or a fault closed are told nothing more.
    fn frame(&self, id: SocketId, frame: Frame, now: DateTime<Utc>) {
        let Some(socket) = self.socket(id) else { return };
        if matches!(frame, Frame::Close(_)) {
            self.forget(id, now);
        } else {
            socket.recorder.frame(socket.place, &frame, now);
        }
        self.with_venue(now, |venue| venue.frame(id, frame, now));
    }

    /// The venue's own time has come.
    pub(super) fn tick(&self, now: DateTime<Utc>) {
        self.with_venue(now, |_| ());
    }

    pub(super) fn has_sockets(&self) -> bool {
        !self.sockets().open.is_empty()
    }

    /// Calls the venue, then hands out what it pushes, and asks when it wants to be called next.
    fn with_venue<T>(&self, now: DateTime<Utc>, call: impl FnOnce(&mut dyn Venue) -> T) -> T {
        let mut venue = self.venue.lock().unwrap_or_else(PoisonError::into_inner);
        let result = call(&mut *venue);
        loop {
            let broken = self.deliver(venue.pushed(now), now);
            if broken.is_empty() {
                break;
            }
            for id in broken {
                venue.frame(id, Frame::Close(None), now);
            }
        }
        self.timekeeper.appoint(venue.wake_at(now));
        result
    }

    /// Sends frames on their way. Gives the sockets that a fault ended, which the venue does not know yet.
    fn deliver(&self, pushed: Vec<(SocketId, Frame)>, now: DateTime<Utc>) -> Vec<SocketId> {
        let mut broken = Vec::new();
        for (id, frame) in pushed {
            // A client that is gone reads no more.
            let Some(socket) = self.socket(id) else { continue };
            if let Frame::Close(why) = frame {
                socket.lane.close(why);
                self.forget(id, now);
            } else if socket.send(frame) == After::Ended {
                self.forget(id, now);
                broken.push(id);
            }
        }
        broken
    }

    fn forget(&self, id: SocketId, now: DateTime<Utc>) {
        let removed = self.sockets().open.remove(&id);
        if let Some(socket) = removed {
            socket.recorder.closed(socket.place, now);
            self.timekeeper.look();
        }
    }

    fn socket(&self, id: SocketId) -> Option<Socket> {
        self.sockets().open.get(&id).cloned()
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a socket is after a frame.
#[derive(PartialEq, Eq)]
enum After {
    Open,
    Ended,
}

impl Socket {
    /// Sends one frame on its way, or does to it what the plan says.
    fn send(&self, frame: Frame) -> After {
        let lane = &self.lane;
        match self.faults.decide_frame(&lane.path, &frame) {
            None => lane.put(frame),
            Some(FrameFault::Drop) => {}
            Some(FrameFault::Duplicate) => {
                lane.put(frame.clone());
                lane.put(frame);
            }
            Some(FrameFault::Reorder(behind)) => lane.hold(frame, behind),
            Some(FrameFault::Delay(delay)) => lane.put_late(frame, delay),
            Some(FrameFault::Stall(lasts)) => {
                lane.hush(lasts);
                lane.put(frame);
            }
            Some(FrameFault::StallForever) => lane.silence(),
            Some(FrameFault::Garble) => lane.put(garbled(frame)),
            Some(FrameFault::Close(why)) => {
                lane.close(why);
                return After::Ended;
            }
            Some(FrameFault::Reset) => {
                lane.reset();
                return After::Ended;
            }
        }
        After::Open
    }
}

impl Line {
    /// A frame of the client arrives.
    pub(super) fn frame(&self, frame: Frame) {
        self.desk.frame(self.id, frame, self.ways.clock.now());
    }

    /// The shell's own answer to a ping, or to a close.
    pub(super) fn answer(&self, frame: Frame) {
        match frame {
            Frame::Close(why) => self.lane.close(why),
            other => self.lane.put(other),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.frame(Frame::Close(None));
    }
}

impl Reply {
    /// What goes back where nothing goes wrong.
    fn unharmed(self, ways: &Ways) -> Back {
        match self {
            Self::Answer(answer) => Back::Whole(answer),
            Self::Flowing(answer, opening) => flowing(answer, opening, ways, Damage::None),
            Self::Opened(opening) => Back::Opened(opening),
        }
    }
}

fn flowing(mut answer: WireAnswer, opening: Opening, ways: &Ways, damage: Damage) -> Back {
    let first = std::mem::take(&mut answer.body);
    let flow = Flow::new(opening.inbox, ways.clone(), damage).starting_with(first);
    Back::Flowing(answer, flow, opening.line)
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

/// What the client gets of what the venue gave. A socket, or a body that goes on, is closed where the client does not
/// get it.
fn damage(fault: Fault, reply: Reply, ways: &Ways) -> Back {
    match (fault, reply) {
        (Fault::DropAnswer, _) => Back::Silence,
        (Fault::Reset { .. }, _) => Back::Reset,
        (Fault::Fin { .. }, _) => Back::Fin,
        (Fault::ErrorAfter(status, body), _) => Back::Whole(error(status, body)),
        (Fault::Html200, _) => Back::Whole(WireAnswer::html(
            200,
            "<html><body>Please try again later.</body></html>",
        )),
        (Fault::Empty200, _) => Back::Whole(WireAnswer::empty(200)),
        (Fault::CutBody(at), Reply::Answer(answer)) => Back::Cut(answer, at),
        (Fault::StallBody(at), Reply::Answer(answer)) => Back::Stalled(answer, at),
        (Fault::SlowDrip { piece, every }, Reply::Answer(answer)) => Back::Dripped {
            answer,
            piece: piece.max(1),
            every,
        },
        (Fault::TruncatedJson, Reply::Answer(answer)) => Back::Whole(half(answer)),
        (Fault::CutBody(at), Reply::Flowing(answer, opening)) => flowing(answer, opening, ways, Damage::CutAt(at)),
        (Fault::StallBody(at), Reply::Flowing(answer, opening)) => flowing(answer, opening, ways, Damage::StallAt(at)),
        (Fault::SlowDrip { piece, every }, Reply::Flowing(answer, opening)) => {
            flowing(answer, opening, ways, Damage::Drip(piece.max(1), every))
        }
        // A body that goes on has no middle: it ends with what came with its head.
        (Fault::TruncatedJson, Reply::Flowing(answer, _)) => Back::Whole(half(answer)),
        // The faults that come before the venue never get here, and a socket has no body to harm.
        (_, reply) => reply.unharmed(ways),
    }
}

fn half(answer: WireAnswer) -> WireAnswer {
    let body: Bytes = answer.body.slice(..answer.body.len() / 2);
    WireAnswer { body, ..answer }
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
