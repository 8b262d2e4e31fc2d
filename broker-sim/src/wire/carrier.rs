//! A client's end of a socket of a venue in memory.

use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::seam::{Carrier, Frame, Spawn};
use broker_core::{Error, ErrorKind, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::desk::Line;
use super::lane::{Arrival, Inbox, Ways};
use super::memory::lost;

/// The way of frames from a client to the venue: a task of its own, so that what was sent arrives although the client
/// goes away. Dropping it is going away.
pub(super) struct Uplink {
    frames: UnboundedSender<(Duration, Frame)>,
    ways: Ways,
    /// When the last frame arrives.
    last: Duration,
}

impl Uplink {
    pub(super) fn start(line: Line, ways: Ways, spawn: &dyn Spawn) -> Self {
        let (frames, receiver) = unbounded_channel();
        spawn.spawn(Box::pin(carry(line, receiver, ways.clone())));
        Self {
            frames,
            ways,
            last: Duration::ZERO,
        }
    }

    fn send(&mut self, frame: Frame) {
        self.last = self.last.max(self.ways.clock.elapsed() + self.ways.one_way());
        // The task ends before its uplink only where its runtime does.
        let _ = self.frames.send((self.last, frame));
    }
}

/// Carries frames one way, and answers pings and closes, as the other end of a real socket does by itself.
async fn carry(line: Line, mut frames: UnboundedReceiver<(Duration, Frame)>, ways: Ways) {
    while let Some((due, frame)) = frames.recv().await {
        ways.clock.sleep(due.saturating_sub(ways.clock.elapsed())).await;
        let answer = match &frame {
            Frame::Ping(bytes) => Some(Frame::Pong(bytes.clone())),
            Frame::Close(why) => Some(Frame::Close(why.clone())),
            Frame::Text(_) | Frame::Binary(_) | Frame::Pong(_) => None,
        };
        line.frame(frame);
        if let Some(answer) = answer {
            line.answer(answer);
        }
    }
    ways.clock.sleep(ways.one_way()).await;
}

/// A socket of a venue in memory.
pub(super) struct MemoryCarrier {
    inbox: Inbox,
    uplink: Uplink,
    largest_message: usize,
    closing: bool,
}

impl MemoryCarrier {
    pub(super) fn new(inbox: Inbox, uplink: Uplink, largest_message: usize) -> Self {
        Self {
            inbox,
            uplink,
            largest_message,
            closing: false,
        }
    }

    /// What the client gets of a frame; a message over its limit ends the socket.
    fn take(&mut self, frame: Frame) -> Result<Frame> {
        let size = match &frame {
            Frame::Text(text) => text.len(),
            Frame::Binary(bytes) => bytes.len(),
            Frame::Ping(bytes) => {
                self.uplink.send(Frame::Pong(bytes.clone()));
                return Ok(frame);
            }
            Frame::Pong(_) | Frame::Close(_) => return Ok(frame),
        };
        if size > self.largest_message {
            self.inbox.end();
            let message = format!(
                "a message of {size} bytes is larger than {} bytes",
                self.largest_message
            );
            return Err(Error::new(ErrorKind::Protocol).with_message(message));
        }
        Ok(frame)
    }
}

#[async_trait]
impl Carrier for MemoryCarrier {
    async fn receive(&mut self) -> Option<Result<Frame>> {
        loop {
            match self.inbox.next().await? {
                Arrival::Frame(frame) => return Some(self.take(frame)),
                Arrival::Reset => return Some(Err(lost("connection reset"))),
                // The inbox keeps its silences itself.
                Arrival::Hush(_) | Arrival::Silence => {}
            }
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<()> {
        if self.closing || self.inbox.has_ended() {
            return Err(lost("the socket is closed"));
        }
        self.closing = matches!(frame, Frame::Close(_));
        self.uplink.send(frame);
        Ok(())
    }
}

impl Debug for MemoryCarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryCarrier")
    }
}
