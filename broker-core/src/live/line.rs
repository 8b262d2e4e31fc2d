//! The connection of a feed: frames both ways, or lines one way.

use std::fmt::{self, Debug};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;

use crate::error::{Error, ErrorKind, Result};
use crate::seam::{AnswerBody, Carrier, Frame};

/// Longest line taken.
const LONGEST_LINE: usize = 8 << 20;

/// An open connection. Dropping it closes it.
pub(super) enum Line {
    Socket(Box<dyn Carrier>),
    Lines(Lines),
}

impl Line {
    /// An answer that does not end.
    pub(super) fn lines(body: AnswerBody) -> Self {
        Self::Lines(Lines {
            body,
            buffer: BytesMut::new(),
            searched: 0,
        })
    }

    /// The next frame; `None` at the end. No frame is lost when the wait is dropped.
    pub(super) async fn receive(&mut self) -> Option<Result<Frame>> {
        match self {
            Self::Socket(carrier) => carrier.receive().await,
            Self::Lines(lines) => lines.next().await,
        }
    }

    pub(super) async fn send(&mut self, frame: Frame) -> Result<()> {
        match self {
            Self::Socket(carrier) => carrier.send(frame).await,
            Self::Lines(_) => Err(Error::unsupported("nothing can be sent over an answer")),
        }
    }
}

impl Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Socket(_) => "Socket",
            Self::Lines(_) => "Lines",
        })
    }
}

/// Cuts the pieces of an answer into lines.
pub(super) struct Lines {
    body: AnswerBody,
    buffer: BytesMut,
    /// Bytes of the buffer that hold no line's end.
    searched: usize,
}

impl Lines {
    async fn next(&mut self) -> Option<Result<Frame>> {
        loop {
            if let Some(line) = self.cut() {
                return Some(Ok(line));
            }
            if self.buffer.len() > LONGEST_LINE {
                let long = format!("a line of more than {LONGEST_LINE} bytes");
                return Some(Err(Error::new(ErrorKind::Protocol).with_message(long)));
            }
            match self.body.next().await? {
                Ok(piece) => self.buffer.extend_from_slice(&piece),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The next whole line, without its end.
    fn cut(&mut self) -> Option<Frame> {
        let unsearched = self.buffer.get(self.searched..)?;
        let Some(found) = unsearched.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.buffer.len();
            return None;
        };
        let mut line = self.buffer.split_to(self.searched + found);
        self.buffer.advance(1);
        self.searched = 0;
        if line.last() == Some(&b'\r') {
            line.truncate(line.len() - 1);
        }
        Some(text(line.freeze()))
    }
}

/// What is no text stays as it came: the feed cannot read it and says so.
fn text(line: Bytes) -> Frame {
    match std::str::from_utf8(&line) {
        Ok(text) => Frame::Text(text.to_owned()),
        Err(_) => Frame::Binary(line),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::stream;

    use super::*;

    #[test]
    fn lines_are_cut_whatever_the_pieces() {
        let pieces = [
            &b"{\"a\":1}\r\n\n{\"b\""[..],
            b":\"\xc3",
            b"\xa9\"}\n",
            b"\xff\n",
            b"rest",
        ];
        let mut line = Line::lines(Box::pin(stream::iter(
            pieces.map(|piece| Ok(Bytes::from_static(piece))),
        )));
        let mut next = || line.receive().now_or_never().unwrap();
        for expected in ["{\"a\":1}", "", "{\"b\":\"é\"}"] {
            assert_eq!(next().unwrap().unwrap(), Frame::Text(expected.to_owned()));
        }
        assert_eq!(next().unwrap().unwrap(), Frame::Binary(Bytes::from_static(b"\xff")));
        assert!(next().is_none(), "a line without an end may be half of one");
    }
}
