//! The live engine: runs a broker's [`Feed`] over a WebSocket or an answer that does not end, and makes of it a
//! stream without silent holes.
//!
//! A broker's crate writes a [`Feed`]: where to connect, what to say, what a frame means. It does no I/O, so it is
//! tested on text. All else is done here, once for all brokers.

mod feed;

pub use feed::{Feed, Look, Pulse, Signal, Source};
