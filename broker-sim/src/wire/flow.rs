//! The body of an answer that does not end, as it comes to the client.

use std::time::Duration;

use broker_core::seam::Frame;
use bytes::Bytes;

use super::lane::{Arrival, Inbox, Ways};

/// What comes next of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes; never none.
    Bytes(Bytes),
    /// The body is whole.
    End,
    /// The connection is closed within the body.
    Cut,
    /// The connection is reset within the body.
    Reset,
}

/// What becomes of a body on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    None,
    /// The connection is closed after so many bytes.
    CutAt(usize),
    /// Nothing comes after so many bytes.
    StallAt(usize),
    /// Pieces of this size, one after each wait.
    Drip(usize, Duration),
}

/// A body that goes on, and its damage.
pub(super) struct Flow {
    inbox: Inbox,
    ways: Ways,
    damage: Damage,
    /// Arrived and not yet given on.
    rest: Bytes,
    given: usize,
}

impl Flow {
    pub(super) fn new(inbox: Inbox, ways: Ways, damage: Damage) -> Self {
        Self {
            inbox,
            ways,
            damage,
            rest: Bytes::new(),
            given: 0,
        }
    }

    /// Gives the bytes that came with the head.
    #[must_use]
    pub(super) fn starting_with(mut self, body: Bytes) -> Self {
        self.rest = body;
        self
    }

    /// The next piece.
    pub(super) async fn next(&mut self) -> Piece {
        match self.damage {
            Damage::CutAt(at) if self.given >= at => return Piece::Cut,
            Damage::StallAt(at) if self.given >= at => return std::future::pending().await,
            Damage::None | Damage::CutAt(_) | Damage::StallAt(_) | Damage::Drip(..) => {}
        }
        while self.rest.is_empty() {
            match self.inbox.next().await {
                Some(Arrival::Frame(Frame::Binary(bytes))) => self.rest = bytes,
                Some(Arrival::Frame(Frame::Text(text))) => self.rest = text.into(),
                // A body knows no pings, and the inbox keeps its silences itself.
                Some(Arrival::Frame(Frame::Ping(_) | Frame::Pong(_)) | Arrival::Hush(_) | Arrival::Silence) => {}
                Some(Arrival::Reset) => return Piece::Reset,
                Some(Arrival::Frame(Frame::Close(_))) | None => return Piece::End,
            }
        }
        let most = match self.damage {
            Damage::None => self.rest.len(),
            Damage::CutAt(at) | Damage::StallAt(at) => at - self.given,
            Damage::Drip(piece, every) => {
                self.ways.clock.sleep(every).await;
                piece
            }
        };
        let piece = self.rest.split_to(most.min(self.rest.len()));
        self.given += piece.len();
        Piece::Bytes(piece)
    }
}
