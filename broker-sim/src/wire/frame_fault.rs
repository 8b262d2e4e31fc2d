//! What is to go wrong with frames, as data.

use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use broker_core::seam::Frame;

use super::plan::Turn;

/// One thing that goes wrong with a frame on its way from the venue, or with its socket. A piece of an answer that
/// does not end is a frame, too.
///
/// What the client sends is not hit. A frame that ends or silences its socket is lost with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameFault {
    /// It never comes.
    Drop,
    /// It comes twice.
    Duplicate,
    /// It comes behind the next so many frames of its socket that come at their time. Where there are fewer it comes
    /// before the close, and never on a socket that is not closed.
    Reorder(u32),
    /// It alone comes this much later; the frames behind it overtake it.
    Delay(Duration),
    /// Nothing of the socket comes for so long, pongs neither; then all of it, this frame first.
    Stall(Duration),
    /// Nothing of the socket comes any more, pongs neither, and it stays open. What the client sends still arrives.
    StallForever,
    /// A close in its place, with this code and reason. The body of an answer just ends.
    Close(Option<(u16, String)>),
    /// The connection is reset.
    Reset,
    /// It comes cut in the middle.
    Garble,
}

impl FrameFault {
    /// Its name, for counts.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Drop => "frame_drop",
            Self::Duplicate => "frame_duplicate",
            Self::Reorder(_) => "frame_reorder",
            Self::Delay(_) => "frame_delay",
            Self::Stall(_) => "frame_stall",
            Self::StallForever => "frame_stall_forever",
            Self::Close(_) => "frame_close",
            Self::Reset => "frame_reset",
            Self::Garble => "frame_garble",
        }
    }
}

type Predicate = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// Which frames a rule hits: what is not said hits all that carry data. Closes are never hit.
#[derive(Clone, Default)]
pub struct FrameWhen {
    prefix: Option<String>,
    predicate: Option<Predicate>,
    pings: bool,
    pub(super) turn: Turn,
}

impl FrameWhen {
    /// Every frame that carries data.
    pub fn always() -> Self {
        Self::default()
    }

    /// Frames of sockets that were opened at a path which starts like this.
    #[must_use]
    pub fn path(mut self, prefix: &str) -> Self {
        self.prefix = Some(prefix.to_owned());
        self
    }

    /// Frames whose text passes a test; what is no UTF-8 is replaced.
    #[must_use]
    pub fn matching(mut self, predicate: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// Also the pings and pongs that the venue sends of its own. A shell's answers to pings are never hit, but wait in
    /// a stalled socket as all else does.
    #[must_use]
    pub fn with_pings(mut self) -> Self {
        self.pings = true;
        self
    }

    /// Only the n-th frame that fits, counted from 1.
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.turn.nth = Some(nth);
        self
    }

    /// At most this often.
    #[must_use]
    pub fn at_most(mut self, times: u64) -> Self {
        self.turn.at_most = Some(times);
        self
    }

    /// With this probability, in thousandths.
    #[must_use]
    pub fn per_mille(mut self, chance: u16) -> Self {
        self.turn.per_mille = Some(chance);
        self
    }

    pub(super) fn fits(&self, path: &str, frame: &Frame) -> bool {
        let bytes = match frame {
            Frame::Text(text) => text.as_bytes(),
            Frame::Binary(bytes) => bytes,
            Frame::Ping(bytes) | Frame::Pong(bytes) if self.pings => bytes,
            Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) => return false,
        };
        let passes = |test: &Predicate| test(&String::from_utf8_lossy(bytes));
        self.prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix)) && self.predicate.as_ref().is_none_or(passes)
    }
}

impl Debug for FrameWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameWhen")
            .field("prefix", &self.prefix)
            .field("predicate", &self.predicate.is_some())
            .field("pings", &self.pings)
            .field("turn", &self.turn)
            .finish()
    }
}

/// A fault and the frames that it hits.
#[derive(Debug, Clone)]
pub struct FrameRule {
    /// Which frames.
    pub when: FrameWhen,
    /// What happens to them.
    pub fault: FrameFault,
}

/// The first half of a frame, text at a character's border.
pub(super) fn garbled(frame: Frame) -> Frame {
    match frame {
        Frame::Text(mut text) => {
            let middle = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(middle.unwrap_or_default());
            Frame::Text(text)
        }
        Frame::Binary(bytes) => Frame::Binary(bytes.slice(..bytes.len() / 2)),
        Frame::Ping(bytes) => Frame::Ping(bytes.slice(..bytes.len() / 2)),
        Frame::Pong(bytes) => Frame::Pong(bytes.slice(..bytes.len() / 2)),
        Frame::Close(why) => Frame::Close(why),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_rule_fits_what_it_names() {
        let text = Frame::Text(r#"{"T":"trade_updates"}"#.into());
        let ping = Frame::Ping(Bytes::from_static(b"trade"));
        let always = FrameWhen::always();
        assert!(always.fits("/stream", &text) && !always.fits("/stream", &ping));
        assert!(!always.fits("/stream", &Frame::Close(None)));
        let pings = FrameWhen::always().with_pings();
        assert!(pings.fits("/stream", &ping) && !pings.fits("/stream", &Frame::Close(None)));
        let trades = pings.path("/stream").matching(|text| text.contains("trade"));
        assert!(trades.fits("/stream", &text) && trades.fits("/stream", &ping));
        assert!(!trades.fits("/v2/stream", &text));
        assert!(!trades.fits("/stream", &Frame::Binary(Bytes::from_static(&[0, 255]))));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(garbled(Frame::Text("abcé".into())), Frame::Text("ab".into()));
        assert_eq!(garbled(Frame::Text("aéé".into())), Frame::Text("a".into()));
        let bytes = Frame::Binary(Bytes::from_static(&[1, 2, 3]));
        assert_eq!(garbled(bytes), Frame::Binary(Bytes::from_static(&[1])));
    }
}
