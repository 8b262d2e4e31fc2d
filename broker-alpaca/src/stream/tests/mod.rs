//! The feeds on text: no socket, no time.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod account;
mod quotes;

use std::sync::Arc;

use broker_core::live::{Feed, Signal, Source};
use broker_core::model::Event;
use broker_core::seam::{Frame, MemoryTransport, OpenRequest, SeededRng, VirtualRuntime};
use broker_core::{Context, ErrorKind};
use futures_util::FutureExt;

use crate::{AlpacaBroker, AlpacaConfig};

fn config() -> AlpacaConfig {
    AlpacaConfig::new("PKTESTTESTTESTTEST01", "not-a-secret")
}

/// A broker that nobody asks for anything.
fn broker(config: AlpacaConfig) -> AlpacaBroker {
    let clock = Arc::new(VirtualRuntime::new().clock());
    let wire = MemoryTransport::new(|request| panic!("a feed sent {}", request.uri()));
    let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(wire));
    AlpacaBroker::new(config.with_context(context)).unwrap()
}

/// Where it connects, and what it says first.
fn opened(feed: &mut dyn Feed) -> (String, Vec<String>) {
    match feed.open().now_or_never().unwrap().unwrap() {
        Source::Socket {
            request:
                OpenRequest::WebSocket {
                    url,
                    headers,
                    largest_message,
                },
            first,
            paid: None,
        } => {
            assert!(headers.is_empty());
            assert_eq!(largest_message, 1 << 20);
            (url.to_string(), first.iter().map(text).collect())
        }
        other => panic!("{other:?}"),
    }
}

fn text(frame: &Frame) -> String {
    match frame {
        Frame::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

/// What a text says; the same in a binary frame.
fn said(feed: &mut dyn Feed, text: &str) -> Vec<Signal> {
    let (mut signals, mut binary) = (Vec::new(), Vec::new());
    feed.read(&Frame::Text(text.to_owned()), &mut signals).unwrap();
    let bytes = Frame::Binary(text.to_owned().into_bytes().into());
    feed.read(&bytes, &mut binary).unwrap();
    assert_eq!(format!("{signals:?}"), format!("{binary:?}"));
    signals
}

fn events(signals: Vec<Signal>) -> Vec<Event> {
    let event = |signal| match signal {
        Signal::Event(event) => event,
        other => panic!("{other:?}"),
    };
    signals.into_iter().map(event).collect()
}

/// Kind, code, message, and whether it is fatal.
type End = (ErrorKind, Option<String>, Option<String>, bool);

/// The one signal that ends the connection.
fn end(signals: &[Signal]) -> (End, String) {
    match signals {
        [Signal::Closed { error, fatal }] => {
            let text = |text: Option<&str>| text.map(str::to_owned);
            let end = (error.kind(), text(error.code()), text(error.message()), *fatal);
            (end, error.to_string())
        }
        other => panic!("{other:?}"),
    }
}

/// Frames that are no message at all, for any feed.
fn breaks_on_broken_frames(feed: &mut dyn Feed, whole: &str) {
    let mut out = Vec::new();
    let mut fails = |frame: Frame| assert!(feed.read(&frame, &mut out).is_err(), "{frame:?}");
    fails(Frame::Binary(bytes::Bytes::from_static(b"\xff{}")));
    fails(Frame::Text(String::new()));
    fails(Frame::Text("null".to_owned()));
    // Every cut of a whole message.
    (1..whole.len()).for_each(|at| fails(Frame::Text(whole[..at].to_owned())));
    assert!(out.is_empty());
    for frame in [Frame::Ping("p".into()), Frame::Pong("p".into())] {
        feed.read(&frame, &mut out).unwrap();
    }
    assert!(matches!(out.as_slice(), [Signal::Beat, Signal::Beat]));
    for (frame, code, message) in [
        (Frame::Close(None), None, "closed without a reason"),
        (
            Frame::Close(Some((1008, "slow client".into()))),
            Some("1008".to_owned()),
            "slow client",
        ),
    ] {
        let mut out = Vec::new();
        feed.read(&frame, &mut out).unwrap();
        let (end, _) = end(&out);
        assert_eq!(end, (ErrorKind::Unavailable, code, Some(message.to_owned()), false));
    }
    let pulse = feed.pulse();
    assert_eq!(pulse.silence.as_secs(), 35);
    assert_eq!(
        pulse.send,
        Some((std::time::Duration::from_secs(10), Frame::Ping(bytes::Bytes::new())))
    );
}
