//! Real WebSockets on loopback, with the client of the core.

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker_core::net::NetTransport;
use broker_core::seam::{Carrier, Frame, Request, Timeouts, Transport};
use broker_core::{Delivery, ErrorKind, Result};
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::loopback::{Bench, bench};
use super::sockets::web_socket;
use crate::wire::{Fault, FaultPlan, Faults, FrameFault, FrameWhen, SocketId, When};

pub(super) async fn open(bench: &Bench, path: &str) -> Result<Box<dyn Carrier>> {
    let url = format!("ws://{}{path}", bench.server.address());
    NetTransport::new().unwrap().open(web_socket(&url)).await
}

pub(super) async fn post(bench: &Bench, path: &str, text: &str) {
    let http = http::Request::post(format!("{}{path}", bench.server.url()))
        .header("authorization", "Bearer good")
        .body(Bytes::copy_from_slice(text.as_bytes()))
        .unwrap();
    let timeouts = Timeouts::ORDER;
    let transport = NetTransport::new().unwrap();
    let answer = transport.send(Request::new(http, timeouts)).await.unwrap().http;
    assert_eq!(answer.status(), 200);
}

/// Lets the other tasks run until it is so.
pub(super) async fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        tokio::task::yield_now().await;
    }
}

async fn next(carrier: &mut dyn Carrier) -> Frame {
    carrier.receive().await.unwrap().unwrap()
}

fn plan(when: FrameWhen, fault: FrameFault) -> Faults {
    Faults::new(FaultPlan::none().frame_rule(when, fault))
}

fn text(text: &str) -> Frame {
    Frame::Text(text.to_owned())
}

#[tokio::test]
async fn frames_go_both_ways() {
    let bench = bench(Faults::default()).await;
    let mut carrier = open(&bench, "/stream").await.unwrap();
    for frame in [
        text("hé"),
        Frame::Binary(Bytes::from_static(&[0, 255])),
        text(&"x".repeat(1000)),
    ] {
        carrier.send(frame.clone()).await.unwrap();
        assert_eq!(next(&mut *carrier).await, frame);
    }
    carrier.send(Frame::Ping("p".into())).await.unwrap();
    assert_eq!(next(&mut *carrier).await, Frame::Pong("p".into()));
    bench.venue.lock().unwrap().say(&Frame::Ping("q".into()));
    post(&bench, "/say", "b").await;
    assert_eq!(next(&mut *carrier).await, Frame::Ping("q".into()));
    assert_eq!(next(&mut *carrier).await, text("b"));
    // The client's pong goes out with its next frame.
    carrier.send(text("c")).await.unwrap();
    assert_eq!(next(&mut *carrier).await, text("c"));
    let heard = bench.venue.lock().unwrap().heard.clone();
    assert!(
        heard.contains(&Frame::Ping("p".into())) && heard.contains(&Frame::Pong("q".into())),
        "{heard:?}"
    );
    let upgrade = bench.server.recorder().requests().remove(0);
    assert_eq!((upgrade.path.as_str(), upgrade.status), ("/stream", Some(101)));
    let sockets = bench.server.recorder().sockets();
    assert_eq!(sockets[0].frames.len(), heard.len());
}

#[tokio::test]
async fn each_side_can_close_and_says_why() {
    let bench = bench(Faults::default()).await;
    let mut carrier = open(&bench, "/stream").await.unwrap();
    post(&bench, "/close", "key refused").await;
    assert_eq!(
        next(&mut *carrier).await,
        Frame::Close(Some((4001, "key refused".into())))
    );
    assert!(carrier.receive().await.is_none());
    assert_eq!(bench.server.recorder().open_sockets(), 0);

    let mut carrier = open(&bench, "/stream").await.unwrap();
    let why = Frame::Close(Some((1000, "done".into())));
    carrier.send(why.clone()).await.unwrap();
    assert_eq!(next(&mut *carrier).await, why);
    assert!(carrier.receive().await.is_none());
    assert_eq!(bench.venue.lock().unwrap().heard, [why]);

    let carrier = open(&bench, "/stream").await.unwrap();
    drop(carrier);
    until(|| bench.server.recorder().open_sockets() == 0).await;
    assert_eq!(bench.venue.lock().unwrap().closed, [SocketId(2), SocketId(3)]);
}

#[tokio::test]
async fn a_refused_upgrade_is_the_venues_answer() {
    let bench = bench(Faults::default()).await;
    let error = open(&bench, "/full").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::RateLimited, Some(429)));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
    bench
        .server
        .faults()
        .set(FaultPlan::none().rule(When::always(), Fault::ExpiredToken));
    let error = open(&bench, "/nowhere").await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Auth, Some(401)));
    assert_eq!(error.message(), Some(r#"{"message":"forbidden."}"#));
    let reset = Fault::Reset { handled: true };
    bench.server.faults().set(FaultPlan::none().rule(When::always(), reset));
    let error = open(&bench, "/stream").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
    until(|| bench.server.recorder().open_sockets() == 0).await;
    assert_eq!(bench.venue.lock().unwrap().closed, [SocketId(1)]);
    bench.server.faults().set(FaultPlan::none());
    // Without a key it is no upgrade, and the venue is not asked.
    let asked = bench.server.recorder().requests().len();
    let (answer, _) = bench
        .exchange("GET /stream HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{answer}");
    assert_eq!(bench.server.recorder().requests().len(), asked);
}

#[tokio::test]
async fn a_frame_that_came_with_the_upgrade_is_read() {
    let bench = bench(Faults::default()).await;
    let mut stream = bench.connect().await;
    let head = "GET /stream HTTP/1.1\r\nHost: toy\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // "Hello", masked: the example of RFC 6455, section 5.7.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    stream.write_all(&[head.as_bytes(), &hello].concat()).await.unwrap();
    let expected = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n\x81\x05Hello";
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), String::from_utf8_lossy(expected));
}

#[tokio::test]
async fn frames_are_harmed_as_in_memory() {
    let tokens = Arc::new(["one", "two2", "three", "four"].map(text));
    let [one, two, three, four] = &*tokens;
    for (fault, expected) in [
        (FrameFault::Drop, vec![one, three, four]),
        (FrameFault::Duplicate, vec![one, two, two, three, four]),
        (FrameFault::Reorder(1), vec![one, three, two, four]),
        (
            FrameFault::Delay(Duration::from_millis(20)),
            vec![one, three, four, two],
        ),
        (FrameFault::Garble, vec![one, &text("tw"), three, four]),
        (
            FrameFault::Close(Some((4000, "no more".into()))),
            vec![one, &Frame::Close(Some((4000, "no more".into())))],
        ),
    ] {
        let bench = bench(plan(FrameWhen::always().nth(2), fault.clone())).await;
        let mut carrier = open(&bench, "/stream").await.unwrap();
        post(&bench, "/say", "one\ntwo2\nthree\nfour").await;
        for frame in expected {
            assert_eq!(next(&mut *carrier).await, *frame, "{fault:?}");
        }
        assert_eq!(bench.server.faults().counts(), [(fault.name(), 1)].into());
    }
}

#[tokio::test]
async fn a_socket_is_reset_for_real() {
    let bench = bench(plan(FrameWhen::always().nth(2), FrameFault::Reset)).await;
    let mut carrier = open(&bench, "/stream").await.unwrap();
    post(&bench, "/say", "one\ntwo").await;
    let mut last = carrier.receive().await.unwrap();
    // A reset may overtake what was sent before it.
    if matches!(&last, Ok(frame) if *frame == text("one")) {
        last = carrier.receive().await.unwrap();
    }
    let message = last.unwrap_err().to_string();
    assert!(message.contains("connection reset"), "{message}");
    assert!(carrier.receive().await.is_none());
    assert_eq!(bench.venue.lock().unwrap().heard, [Frame::Close(None)]);
}

#[tokio::test]
async fn a_stalled_socket_holds_its_pongs_back() {
    let stall = Duration::from_millis(60);
    let bench = bench(plan(FrameWhen::always().nth(2), FrameFault::Stall(stall))).await;
    let mut carrier = open(&bench, "/stream").await.unwrap();
    #[allow(clippy::disallowed_methods, reason = "how long a real socket was silent")]
    let started = Instant::now();
    post(&bench, "/say", "one\ntwo\nthree").await;
    assert_eq!(next(&mut *carrier).await, text("one"));
    carrier.send(Frame::Ping("p".into())).await.unwrap();
    let mut late = vec![next(&mut *carrier).await];
    assert!(started.elapsed() >= stall, "{:?}", started.elapsed());
    for _ in 0..2 {
        late.push(next(&mut *carrier).await);
    }
    assert!(late.contains(&Frame::Pong("p".into())));
    late.retain(|frame| matches!(frame, Frame::Text(_)));
    assert_eq!(late, [text("two"), text("three")]);
}

#[tokio::test]
async fn a_silent_socket_answers_nothing_and_still_hears() {
    let bench = bench(plan(FrameWhen::always().nth(1), FrameFault::StallForever)).await;
    let mut carrier = open(&bench, "/stream").await.unwrap();
    post(&bench, "/say", "lost").await;
    let sent = [Frame::Ping("p".into()), text("echo me"), Frame::Close(None)];
    for frame in sent.clone() {
        carrier.send(frame).await.unwrap();
    }
    until(|| bench.venue.lock().unwrap().heard.len() == 3).await;
    assert_eq!(bench.venue.lock().unwrap().heard, sent);
    // Requests are served meanwhile; the socket ends only with the server, without a word.
    post(&bench, "/say", "nobody").await;
    bench.server.shutdown().await;
    assert!(!matches!(carrier.receive().await, Some(Ok(_))));
}

#[tokio::test]
async fn two_hundred_sockets_at_once() {
    let bench = bench(Faults::default()).await;
    let mut carriers = Vec::new();
    for _ in 0..200 {
        carriers.push(open(&bench, "/stream").await.unwrap());
    }
    assert_eq!(bench.server.recorder().open_sockets(), 200);
    post(&bench, "/say", "all").await;
    for carrier in &mut carriers {
        assert_eq!(next(&mut **carrier).await, text("all"));
    }
    for (number, carrier) in carriers.iter_mut().enumerate() {
        carrier.send(text(&number.to_string())).await.unwrap();
    }
    for (number, carrier) in carriers.iter_mut().enumerate() {
        assert_eq!(next(&mut **carrier).await, text(&number.to_string()));
    }
    drop(carriers);
    until(|| bench.server.recorder().open_sockets() == 0).await;
    assert_eq!(bench.venue.lock().unwrap().closed.len(), 200);
}

#[tokio::test]
async fn a_server_that_stops_tells_the_venue() {
    let bench = bench(Faults::default()).await;
    let mut carrier = open(&bench, "/stream").await.unwrap();
    bench.server.shutdown().await;
    assert!(carrier.receive().await.unwrap().is_err());
    assert_eq!(bench.venue.lock().unwrap().heard, [Frame::Close(None)]);
}
