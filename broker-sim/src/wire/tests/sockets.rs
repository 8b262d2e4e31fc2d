//! Sockets in memory: opening, closing, the record.

use std::time::Duration;

use broker_core::seam::{Carrier, Clock, Frame, OpenRequest, Transport};
use broker_core::{Delivery, ErrorKind, Result};

use super::memory::{bench, read, request};
use crate::wire::{
    Fault, FaultPlan, Faults, FrameFault, FrameWhen, MemoryTransport, Recorder, RetryHint, SocketId, When,
};

pub(super) fn web_socket(url: &str) -> OpenRequest {
    OpenRequest::WebSocket {
        url: url.parse().unwrap(),
        headers: http::HeaderMap::from_iter([(
            http::header::AUTHORIZATION,
            http::HeaderValue::from_static("Bearer good"),
        )]),
        largest_message: 1000,
    }
}

pub(super) async fn open(transport: &MemoryTransport, path: &str) -> Result<Box<dyn Carrier>> {
    transport.open(web_socket(&format!("wss://toy.example{path}"))).await
}

#[test]
fn sockets_carry_frames_both_ways() {
    let bench = bench(Faults::default());
    bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream").await.unwrap();
        let hello = Frame::Text("hello".into());
        carrier.send(hello.clone()).await.unwrap();
        assert_eq!(carrier.receive().await.unwrap().unwrap(), hello);
        assert_eq!(bench.clock.elapsed().as_millis(), 40);
        let placed = read(&bench.transport, request("POST", "/orders", "a")).await;
        assert_eq!(placed.unwrap().0, 200);
        assert_eq!(carrier.receive().await.unwrap().unwrap(), Frame::Text("new a".into()));
        drop(carrier);
        bench.clock.sleep(Duration::from_millis(11)).await;
        assert_eq!(bench.venue.lock().unwrap().closed, [SocketId(1)]);

        let mut second = open(&bench.transport, "/stream").await.unwrap();
        second.send(Frame::Text("bye".into())).await.unwrap();
        assert_eq!(second.receive().await.unwrap().unwrap(), Frame::Close(None));
        assert!(second.receive().await.is_none());
        assert!(second.send(hello).await.is_err());
        drop(second);
    });
    // Nothing is left running, and the venue was not told of the close that was its own.
    assert_eq!(bench.runtime.run_until_idle(), 0);
    assert_eq!(bench.venue.lock().unwrap().closed, [SocketId(1)]);
}

#[test]
fn a_client_that_closes_is_answered() {
    let bench = bench(Faults::default());
    let why = Frame::Close(Some((1000, "done".into())));
    bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream").await.unwrap();
        carrier.send(why.clone()).await.unwrap();
        assert!(carrier.send(Frame::Text("too late".into())).await.is_err());
        assert_eq!(carrier.receive().await.unwrap().unwrap(), why);
        assert!(carrier.receive().await.is_none());
        assert_eq!(bench.clock.elapsed().as_millis(), 40);
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
    assert_eq!(bench.venue.lock().unwrap().heard, [why]);
}

#[test]
fn a_message_over_the_limit_ends_the_socket() {
    let bench = bench(Faults::default());
    bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream").await.unwrap();
        for size in [1000, 1001] {
            carrier.send(Frame::Text("x".repeat(size))).await.unwrap();
        }
        assert_eq!(carrier.receive().await.unwrap().unwrap(), Frame::Text("x".repeat(1000)));
        let error = carrier.receive().await.unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            "protocol violation: a message of 1001 bytes is larger than 1000 bytes"
        );
        assert!(carrier.receive().await.is_none());
    });
}

#[test]
fn a_refusal_is_the_venues_own_answer() {
    let bench = bench(Faults::default());
    bench.runtime.block_on(async {
        let error = open(&bench.transport, "/nowhere").await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::NotFound, Some(404)));
        let error = open(&bench.transport, "/full").await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::RateLimited, Some(429)));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(7)));
        let bare = OpenRequest::WebSocket {
            url: "wss://toy.example/nowhere".parse().unwrap(),
            headers: http::HeaderMap::new(),
            largest_message: 1,
        };
        let error = bench.transport.open(bare).await.unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Auth, Delivery::Answered));
    });
    assert_eq!(bench.transport.recorder().sockets(), []);
}

#[test]
fn upgrades_are_hit_as_other_requests_are() {
    for (fault, ms, delivery, status) in [
        (Fault::RefuseConnection, 0, Delivery::NotSent, None),
        (Fault::DropRequest, 15_000, Delivery::Unknown, None),
        (Fault::DropAnswer, 15_000, Delivery::Unknown, None),
        (Fault::Reset { handled: true }, 20, Delivery::Unknown, None),
        (Fault::Fin { handled: false }, 20, Delivery::Unknown, None),
        (
            Fault::ErrorBefore(503, "down".into()),
            20,
            Delivery::Answered,
            Some(503),
        ),
        (Fault::ErrorAfter(500, "{}".into()), 20, Delivery::Answered, Some(500)),
        (
            Fault::RateLimited(RetryHint::Date(30), "{}".into()),
            20,
            Delivery::Answered,
            Some(429),
        ),
    ] {
        let bench = bench(Faults::new(
            FaultPlan::none().rule(When::always().path("/stream"), fault.clone()),
        ));
        let error = bench.runtime.block_on(open(&bench.transport, "/stream")).unwrap_err();
        let seen = (bench.clock.elapsed().as_millis(), error.delivery(), error.status());
        assert_eq!(seen, (ms, delivery, status), "{fault:?}");
        // The date is 30 s from when the venue wrote it, in whole seconds, and was read 10 ms later.
        let hint = (status == Some(429)).then(|| Duration::from_millis(29_980));
        assert_eq!(error.retry_after(), hint, "{fault:?}");
        // A socket that the client never got is closed.
        assert_eq!(bench.runtime.run_until_idle(), 0);
        let opened = usize::from(matches!(
            fault,
            Fault::DropAnswer | Fault::Reset { .. } | Fault::ErrorAfter(..)
        ));
        assert_eq!(bench.venue.lock().unwrap().closed.len(), opened, "{fault:?}");
        assert_eq!(bench.transport.recorder().open_sockets(), 0);
        assert_eq!(bench.transport.recorder().sockets().len(), opened);
    }
}

#[test]
fn a_caller_who_gives_up_opening_leaves_no_socket() {
    let bench = bench(Faults::default());
    bench.runtime.block_on(async {
        let opening = Box::pin(open(&bench.transport, "/stream"));
        let patience = bench.clock.sleep(Duration::from_millis(15));
        assert!(matches!(
            futures_util::future::select(opening, patience).await,
            futures_util::future::Either::Right(_)
        ));
        assert_eq!(bench.transport.recorder().open_sockets(), 1);
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
    assert_eq!(bench.venue.lock().unwrap().heard, [Frame::Close(None)]);
    assert_eq!(bench.transport.recorder().open_sockets(), 0);
}

#[test]
fn the_record_keeps_sockets_without_their_secrets() {
    let mut bench = bench(Faults::default());
    bench.transport = bench.transport.with_recorder(Recorder::new().with_secret_keys(["pin"]));
    bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream?v=2").await.unwrap();
        let sign_in = r#"{"action":"auth","key":"K1","secret":"S1","pin":1}"#;
        carrier.send(Frame::Text(sign_in.into())).await.unwrap();
        carrier
            .send(Frame::Binary(sign_in.as_bytes().to_vec().into()))
            .await
            .unwrap();
        bench.clock.sleep(Duration::from_millis(30)).await;
        drop(carrier);
        bench.clock.sleep(Duration::from_millis(30)).await;
    });
    let recorder = bench.transport.recorder();
    let socket = recorder.sockets().remove(0);
    let at = |moment: chrono::DateTime<chrono::Utc>| moment.format("%S%.3f").to_string();
    assert_eq!((socket.id, socket.path.as_str()), (SocketId(1), "/stream"));
    assert_eq!(
        (at(socket.at), socket.closed_at.map(at)),
        ("00.010".into(), Some("00.060".into()))
    );
    let masked = r#"{"action":"auth","key":"***","secret":"***","pin":"***"}"#;
    let (times, frames): (Vec<_>, Vec<_>) = socket.frames.into_iter().unzip();
    assert_eq!(frames, [Frame::Text(masked.into()), Frame::Binary(masked.into())]);
    assert_eq!(at(times[0]), "00.030");
    let upgrade = recorder.requests().remove(0);
    assert_eq!((upgrade.path.as_str(), upgrade.status), ("/stream", Some(101)));
    assert!(!format!("{recorder:?}").contains("S1"));
}

#[test]
fn clones_of_a_shell_share_sockets_and_not_records_or_faults() {
    let bench = bench(Faults::default());
    let drop_all = FaultPlan::none().frame_rule(FrameWhen::always(), FrameFault::Drop);
    let other = bench
        .transport
        .clone()
        .with_recorder(Recorder::new())
        .with_faults(Faults::new(drop_all));
    bench.runtime.block_on(async {
        let mut deaf = open(&other, "/stream").await.unwrap();
        let mut sound = open(&bench.transport, "/stream").await.unwrap();
        deaf.send(Frame::Pong("".into())).await.unwrap();
        // Said through one shell, heard by the sockets of both, each with its own faults.
        let said = read(&other, request("POST", "/say", "a")).await;
        assert_eq!(said.unwrap().0, 200);
        assert_eq!(sound.receive().await.unwrap().unwrap(), Frame::Text("a".into()));
        assert_eq!(other.faults().counts(), [("frame_drop", 1)].into());
        let (ours, theirs) = (bench.transport.recorder(), other.recorder());
        assert_eq!((ours.sockets()[0].id, ours.sockets()[0].frames.len()), (SocketId(2), 0));
        assert_eq!(
            (theirs.sockets()[0].id, theirs.sockets()[0].frames.len()),
            (SocketId(1), 1)
        );
        drop(deaf);
        bench.clock.sleep(Duration::from_millis(11)).await;
        assert_eq!((ours.open_sockets(), theirs.open_sockets()), (1, 0));
    });
}
