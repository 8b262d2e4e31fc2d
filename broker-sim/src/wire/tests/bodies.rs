//! Answers that do not end, in memory and on loopback.

use std::time::Duration;

use broker_core::net::NetTransport;
use broker_core::seam::{AnswerBody, Clock, Frame, Request, Timeouts, Transport};
use broker_core::{Delivery, Error, Result};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::memory::{Bench, bench, read, request};
use super::{loopback, websocket};
use crate::wire::{Fault, FaultPlan, Faults, FrameFault, FrameWhen, SocketId, When};

fn prices(fault: Fault) -> Faults {
    Faults::new(FaultPlan::none().rule(When::always().path("/prices"), fault))
}

fn frame_fault(nth: u64, fault: FrameFault) -> Faults {
    Faults::new(FaultPlan::none().frame_rule(FrameWhen::always().path("/prices").nth(nth), fault))
}

async fn listen(bench: &Bench) -> Result<AnswerBody> {
    let answer = bench.transport.send(request("GET", "/prices", "")).await?.http;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().get("content-length").is_none());
    Ok(answer.into_body())
}

async fn post(bench: &Bench, path: &str, text: &str) {
    assert_eq!(
        read(&bench.transport, request("POST", path, text)).await.unwrap().0,
        200
    );
}

/// The pieces with their times, and the error at the end if there is one.
async fn heard(bench: &Bench, body: &mut AnswerBody) -> (Vec<(u128, String)>, Option<Error>) {
    let mut pieces = Vec::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => pieces.push((
                bench.clock.elapsed().as_millis(),
                String::from_utf8(piece.to_vec()).unwrap(),
            )),
            Err(error) => return (pieces, Some(error)),
        }
    }
    (pieces, None)
}

/// What a listener hears of two lines and a close.
fn two_lines(faults: Faults) -> (Vec<(u128, String)>, Option<Error>, Bench) {
    let bench = bench(faults);
    let (pieces, error) = bench.runtime.block_on(async {
        let mut body = listen(&bench).await.unwrap();
        post(&bench, "/say", "12.5\n12.75").await;
        post(&bench, "/close", "").await;
        heard(&bench, &mut body).await
    });
    (pieces, error, bench)
}

fn texts(pieces: Vec<(u128, String)>) -> Vec<String> {
    pieces.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn a_body_goes_on_until_the_venue_ends_it() {
    let (pieces, error, bench) = two_lines(Faults::default());
    // All of it had arrived when it was read.
    assert_eq!(texts(pieces), ["hello\n", "12.5", "12.75"]);
    assert!(error.is_none());
    assert_eq!(bench.venue.lock().unwrap().heard, []);
    assert_eq!(bench.transport.recorder().sockets()[0].path, "/prices");
    assert_eq!(bench.transport.recorder().open_sockets(), 0);
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn a_client_that_stops_listening_is_told_to_the_venue() {
    let bench = bench(Faults::default());
    bench.runtime.block_on(async {
        let mut body = listen(&bench).await.unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "hello\n");
        post(&bench, "/say", "12.5").await;
        assert_eq!(body.next().await.unwrap().unwrap(), "12.5");
        assert_eq!(bench.transport.recorder().open_sockets(), 1);
        drop(body);
        bench.clock.sleep(Duration::from_millis(11)).await;
        assert_eq!(bench.venue.lock().unwrap().closed, [SocketId(1)]);
        assert_eq!(bench.transport.recorder().open_sockets(), 0);
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn a_body_is_cut_reset_and_dripped_in_the_middle() {
    let (pieces, error, _) = two_lines(prices(Fault::CutBody(8)));
    assert_eq!(texts(pieces), ["hello\n", "12"]);
    assert_eq!(error.unwrap().message(), Some("connection closed within the answer"));

    let (pieces, error, bench) = two_lines(frame_fault(2, FrameFault::Reset));
    assert_eq!(texts(pieces), ["hello\n", "12.5"]);
    assert_eq!(error.unwrap().message(), Some("connection reset"));
    assert_eq!(bench.venue.lock().unwrap().heard, [Frame::Close(None)]);

    let (pieces, error, _) = two_lines(frame_fault(2, FrameFault::Garble));
    assert_eq!(
        (texts(pieces), error.is_none()),
        (vec!["hello\n".into(), "12.5".into(), "12".into()], true)
    );

    let (pieces, error, _) = two_lines(frame_fault(1, FrameFault::Close(None)));
    assert_eq!((texts(pieces), error.is_none()), (vec!["hello\n".to_owned()], true));

    let drip = Fault::SlowDrip {
        piece: 4,
        every: Duration::from_secs(1),
    };
    let (pieces, error, _) = two_lines(prices(drip));
    let expected = [
        (1060, "hell"),
        (2060, "o\n"),
        (3060, "12.5"),
        (4060, "12.7"),
        (5060, "5"),
    ];
    assert_eq!(pieces, expected.map(|(ms, text)| (ms, text.to_owned())));
    assert!(error.is_none());
}

#[test]
fn a_stalled_body_stays_open() {
    for (faults, heard) in [
        (prices(Fault::StallBody(8)), "hello\n12"),
        (frame_fault(2, FrameFault::StallForever), "hello\n12.5"),
    ] {
        let bench = bench(faults);
        bench.runtime.block_on(async {
            let mut body = listen(&bench).await.unwrap();
            post(&bench, "/say", "12.5\n12.75").await;
            let mut text = Vec::new();
            loop {
                let next = select(body.next(), bench.clock.sleep(Duration::from_secs(60)));
                match next.await {
                    Either::Left((piece, _)) => text.extend_from_slice(&piece.unwrap().unwrap()),
                    Either::Right(_) => break,
                }
            }
            assert_eq!(String::from_utf8(text).unwrap(), heard);
            assert_eq!(bench.transport.recorder().open_sockets(), 1);
        });
    }
}

#[test]
fn a_body_that_the_client_never_gets_is_closed() {
    for (fault, status, text) in [
        (Fault::ErrorAfter(500, "{}".into()), 500, "{}"),
        (Fault::TruncatedJson, 200, "hel"),
        (Fault::Empty200, 200, ""),
    ] {
        let bench = bench(prices(fault.clone()));
        let (got, body, end) = bench
            .runtime
            .block_on(read(&bench.transport, request("GET", "/prices", "")))
            .unwrap();
        assert_eq!((got, body.as_str(), end.is_ok()), (status, text, true), "{fault:?}");
        assert_eq!(bench.venue.lock().unwrap().heard, [Frame::Close(None)], "{fault:?}");
    }
}

async fn net_prices(bench: &loopback::Bench) -> AnswerBody {
    let http = http::Request::get(format!("{}/prices", bench.server.url())).body(Bytes::new());
    let request = Request::new(http.unwrap(), Timeouts::READ);
    let answer = NetTransport::new().unwrap().send(request).await.unwrap().http;
    assert_eq!(answer.headers()["transfer-encoding"], "chunked");
    answer.into_body()
}

#[tokio::test]
async fn chunks_on_loopback_are_what_http_says() {
    let bench = loopback::bench(Faults::default()).await;
    let mut stream = bench.connect().await;
    let get = "GET /prices HTTP/1.1\r\nHost: toy\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, get.as_bytes())
        .await
        .unwrap();
    websocket::until(|| bench.server.recorder().open_sockets() == 1).await;
    websocket::post(&bench, "/say", "12.5\n0123456789abcdef").await;
    websocket::post(&bench, "/close", "").await;
    let mut bytes = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut bytes)
        .await
        .unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.ends_with("transfer-encoding: chunked\r\nconnection: close"),
        "{head}"
    );
    let (answer, end) = bench.exchange(&get.replace("GET", "HEAD")).await;
    assert!(
        answer.ends_with("connection: close\r\n\r\n") && end.is_none(),
        "{answer}"
    );
    assert_eq!(body, "6\r\nhello\n\r\n4\r\n12.5\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_body_on_loopback_goes_on_and_its_listener_may_leave() {
    let bench = loopback::bench(Faults::default()).await;
    let mut body = net_prices(&bench).await;
    assert_eq!(body.next().await.unwrap().unwrap(), "hello\n");
    websocket::post(&bench, "/say", "12.5").await;
    assert_eq!(body.next().await.unwrap().unwrap(), "12.5");
    drop(body);
    websocket::until(|| bench.server.recorder().open_sockets() == 0).await;
    assert_eq!(bench.venue.lock().unwrap().closed, [SocketId(1)]);
}

#[tokio::test]
async fn a_body_on_loopback_is_cut_and_reset_for_real() {
    for (faults, expected) in [
        (prices(Fault::CutBody(8)), "hello\n12"),
        (frame_fault(2, FrameFault::Reset), "hello\n12.5"),
    ] {
        let bench = loopback::bench(faults).await;
        let mut body = net_prices(&bench).await;
        let mut text = Vec::new();
        text.extend_from_slice(&body.next().await.unwrap().unwrap());
        websocket::post(&bench, "/say", "12.5").await;
        text.extend_from_slice(&body.next().await.unwrap().unwrap());
        websocket::post(&bench, "/say", "12.75").await;
        let error = body.next().await.unwrap().unwrap_err();
        assert_eq!(error.delivery(), Delivery::Unknown);
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        websocket::until(|| bench.server.recorder().open_sockets() == 0).await;
    }
}
