//! The pipeline's steps, in virtual time over a scripted wire.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod http_kit;

use std::sync::Arc;
use std::time::Duration;

use broker_core::http::Call;
use broker_core::journal::Gate;
use broker_core::{Delivery, Error, ErrorKind};
use futures_util::{FutureExt, StreamExt};
use http_kit::{Bench, Piece, Step, answer, fail, get, post, sign_in, with_header};

#[test]
fn every_attempt_takes_all_steps_in_one_order() {
    let bench = Bench::new([answer(503, ""), answer(200, "done")]);
    assert_eq!(bench.run(get().param("symbol", "BTC/USDT")).unwrap(), "done");
    let steps = [
        "authorize 1",
        "send",
        "classify 503",
        "authorize 2",
        "send",
        "classify 200",
        "read",
    ];
    assert_eq!(bench.log.all(), steps);
    let sent = bench.sent();
    assert_eq!(sent[0].uri, "https://api.demo.example/v1/orders?symbol=BTC%2FUSDT");
    assert_eq!(sent[1].uri, sent[0].uri);
    let nonces: Vec<_> = sent.iter().map(|sent| sent.nonce.as_deref()).collect();
    assert_eq!(nonces, [Some("1"), Some("2")]);
}

#[test]
fn a_sign_in_is_never_authorized_nor_mended() {
    let bench = Bench::new([answer(200, "token")]);
    assert_eq!(bench.run(sign_in()).unwrap(), "token");
    assert_eq!(bench.log.all(), ["send", "classify 200", "read"]);

    let bench = Bench::new([answer(401, "bad key")]);
    let error = bench.run(sign_in()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "demo token: authentication refused (HTTP 401): bad key"
    );
    assert_eq!(bench.log.all(), ["send", "classify 401"]);
}

#[test]
fn a_closed_gate_sends_nothing() {
    for class_of in [get, post] {
        let gate = Gate::new();
        gate.close();
        let bench = Bench::new([]);
        let error = bench.run(class_of().gated(&gate)).unwrap_err();
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert_eq!(bench.log.all(), ["authorize 1"], "asked once, after the signature");
        assert_eq!(bench.elapsed_ms(), 0);
    }
}

#[test]
fn the_gate_is_asked_after_the_signature() {
    let gate = Gate::new();
    let bench = Bench::with([], |signer| signer.closes_gate = true);
    let error = bench.run(post().gated(&gate)).unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(bench.sent().is_empty());

    let gate = Gate::new();
    let bench = Bench::new([answer(200, "")]);
    bench.run(post().gated(&gate)).unwrap();
    assert!(gate.is_passed());
}

#[test]
fn a_stranger_gets_no_byte() {
    for base in [
        "https://demo.example.evil.com",
        "http://api.demo.example",
        "https://10.1.2.3",
    ] {
        let bench = Bench::new([]);
        let error = bench.run(Call::get("orders", &base.parse().unwrap(), "/")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{base}");
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert_eq!(error.operation(), Some("orders"));
        assert!(bench.log.all().is_empty(), "not even signed");
    }
    let bench = Bench::new([answer(200, "here")]);
    let call = Call::get("orders", &"https://gateway.example/x".parse().unwrap(), "/y");
    let allowed = bench.http.clone().allowing("gateway.example");
    let body = bench.runtime.block_on(allowed.run(call, |body| Ok(body.to_owned())));
    assert_eq!(body.unwrap(), "here");
    let stranger = "wss://streamer.evil.com".parse().unwrap();
    assert_eq!(allowed.check_url(&stranger).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn a_call_that_cannot_be_signed_was_not_sent() {
    let bench = Bench::with([], |signer| {
        signer.authorize_fails = Some(Error::new(ErrorKind::Unavailable).with_operation("token"));
    });
    let error = bench.run(post()).unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!(error.to_string(), "demo token: unavailable");
    assert_eq!(bench.log.all(), ["authorize 1"], "the sign-in has done its own retries");
}

#[test]
fn what_can_be_mended_is_mended_once() {
    for call in [get(), post()] {
        let bench = Bench::new([answer(401, ""), answer(200, "7")]);
        assert_eq!(bench.run(call.clone()).unwrap(), "7");
        assert_eq!(bench.log.count("mend authentication refused"), 1);
        assert_eq!(bench.elapsed_ms(), 0, "a cure needs no wait");

        let bench = Bench::new([answer(401, ""), answer(401, "still")]);
        let error = bench.run(call).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (ErrorKind::Auth, Delivery::Answered));
        assert_eq!(error.message(), Some("still"));
        assert_eq!((bench.log.count("mend"), bench.sent().len()), (1, 2));
    }
}

#[test]
fn a_cure_that_fails_is_the_error() {
    let bench = Bench::with([answer(401, "")], |signer| {
        signer.mend_fails = Some(Error::new(ErrorKind::ReauthRequired).with_operation("token"));
    });
    let error = bench.run(post()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReauthRequired);
    assert_eq!(error.delivery(), Delivery::Answered);
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn a_redirect_is_an_error_before_anyone_judges_it() {
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let bench = Bench::new([with_header(status, "location", "https://evil.example/?secret")]);
        let error = bench.run(get()).unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(status)));
        assert!(!error.to_string().contains("evil"));
        assert_eq!(bench.log.all(), ["authorize 1", "send"]);
    }
}

#[test]
fn a_write_is_refused_only_by_a_refusal() {
    let cut = || Step::Answer(200, vec![], vec![Piece::Data(b"{\"id\""), Piece::Break]);
    let cut_refusal = || Step::Answer(400, vec![], vec![Piece::Break]);
    let garbled = || Step::Answer(200, vec![], vec![Piece::Data(&[0xff])]);
    let table = [
        (answer(400, ""), ErrorKind::InvalidRequest, Delivery::Answered),
        (answer(403, ""), ErrorKind::Permission, Delivery::Answered),
        (answer(429, ""), ErrorKind::RateLimited, Delivery::Unknown),
        (answer(500, ""), ErrorKind::Unavailable, Delivery::Unknown),
        (answer(504, ""), ErrorKind::Unavailable, Delivery::Unknown),
        (answer(307, ""), ErrorKind::Protocol, Delivery::Unknown),
        (cut(), ErrorKind::Unavailable, Delivery::Unknown),
        (cut_refusal(), ErrorKind::Unavailable, Delivery::Unknown),
        (garbled(), ErrorKind::Decode, Delivery::Unknown),
        (answer(200, "{"), ErrorKind::Decode, Delivery::Unknown),
        (answer(200, ""), ErrorKind::Decode, Delivery::Unknown),
        (fail(Delivery::Unknown), ErrorKind::Unavailable, Delivery::Unknown),
        (fail(Delivery::Answered), ErrorKind::Unavailable, Delivery::Unknown),
    ];
    for (row, (step, kind, delivery)) in table.into_iter().enumerate() {
        let bench = Bench::new([step]);
        let error = bench.run_number(post()).unwrap_err();
        assert_eq!((error.kind(), error.delivery()), (kind, delivery), "row {row}: {error}");
        assert_eq!(bench.sent().len(), 1, "row {row}: an order is not sent twice");
        assert_eq!(error.operation(), Some("place"));
    }
}

#[test]
fn what_read_says_about_a_write() {
    let table = [
        (Error::invalid("bad symbol"), Delivery::Unknown),
        (Error::config("no such zone"), Delivery::Unknown),
        (Error::new(ErrorKind::OrderRejected), Delivery::Unknown),
        (
            Error::new(ErrorKind::OrderRejected).with_delivery(Delivery::Answered),
            Delivery::Answered,
        ),
        (
            Error::decode("no id").with_delivery(Delivery::Answered),
            Delivery::Unknown,
        ),
    ];
    for (said, delivery) in table {
        let bench = Bench::new([answer(200, "{}")]);
        let read = |_: &str| Err::<(), _>(said.clone());
        let error = bench.runtime.block_on(bench.http.run(post(), read)).unwrap_err();
        assert_eq!(error.delivery(), delivery, "{said:?}");
        assert_eq!(error.status(), Some(200));
    }
}

#[test]
fn calls_of_one_turn_go_one_after_another() {
    let slow = || {
        Step::Answer(
            200,
            vec![],
            vec![Piece::Wait(Duration::from_secs(1)), Piece::Data(b"x")],
        )
    };
    let turn = |name: &str| {
        let mut call = get();
        call.turn = Some(Arc::from(name));
        call
    };
    let read = |body: &str| Ok(body.to_owned());

    let bench = Bench::new([slow(), slow()]);
    let both = async {
        let calls = (bench.http.run(turn("key"), read), bench.http.run(turn("key"), read));
        futures_util::future::join(calls.0, calls.1).await
    };
    let (one, two) = bench.runtime.block_on(both);
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(bench.times(), [0, 1000]);
    let order = [
        "authorize 1",
        "send",
        "classify 200",
        "authorize 2",
        "send",
        "classify 200",
    ];
    assert_eq!(bench.log.all(), order);

    let bench = Bench::new([slow(), slow()]);
    let both = async {
        let calls = (bench.http.run(turn("a"), read), bench.http.run(turn("b"), read));
        futures_util::future::join(calls.0, calls.1).await
    };
    bench.runtime.block_on(both).0.unwrap();
    assert_eq!(bench.times(), [0, 0]);
}

#[test]
fn a_dropped_run_leaves_nothing() {
    let bench = Bench::new([Step::Silence, answer(200, "second")]);
    let mut call = get();
    call.turn = Some(Arc::from("key"));
    bench.runtime.block_on(async {
        let mut first = Box::pin(bench.http.run(call.clone(), |_| Ok(())));
        assert!((&mut first).now_or_never().is_none());
        assert_eq!(bench.sent().len(), 1);
        drop(first);
    });
    assert_eq!(bench.runtime.run_until_idle(), 0, "no task is left");
    assert_eq!(bench.elapsed_ms(), 0, "no timer is left");
    assert_eq!(bench.run(call).unwrap(), "second", "the turn is free");
}

#[test]
fn silence_ends_with_the_read_time_out_and_a_drip_with_the_total() {
    let drip = || {
        let five = [Piece::Wait(Duration::from_secs(5)), Piece::Data(b"x")];
        Step::Answer(200, vec![], five.into_iter().cycle().take(40).collect())
    };
    let gap = || {
        Step::Answer(
            200,
            vec![],
            vec![Piece::Data(b"x"), Piece::Wait(Duration::from_secs(16))],
        )
    };
    // Connect 5 s and read 15 s until the head; 15 s between pieces; 30 s (orders: 10 s) in all.
    let table = [
        (get(), Step::Silence, 20_000),
        (get(), gap(), 15_000),
        (get(), drip(), 30_000),
        (post(), Step::Silence, 10_000),
        (post(), drip(), 10_000),
    ];
    for (call, step, ends) in table {
        let bench = Bench::new([step]);
        let http = bench.http.clone().with_retry(broker_core::retry::RetryPolicy::never());
        let error = bench.runtime.block_on(http.run(call, |_| Ok(()))).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Unavailable, Delivery::Unknown)
        );
        assert_eq!(bench.elapsed_ms(), ends);
    }
}

#[test]
fn a_body_stops_at_its_cap() {
    let three = || Step::Answer(200, vec![], vec![Piece::Data(b"abc"); 3]);
    let bench = Bench::new([three()]);
    assert_eq!(bench.run(get().body_up_to(9)).unwrap(), "abcabcabc");

    let endless = Step::Answer(
        200,
        vec![],
        vec![Piece::Data(b"abc"), Piece::Data(b"abc"), Piece::Break],
    );
    let bench = Bench::new([endless]);
    let error = bench.run(get().body_up_to(5)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.message(), Some("the body is larger than 5 bytes"));
    assert_eq!(bench.sent().len(), 1, "it would be as large again");
}

#[test]
fn a_stream_outlives_every_time_out() {
    let hour = Piece::Wait(Duration::from_secs(3600));
    let steps = [
        answer(503, ""),
        Step::Answer(
            200,
            vec![],
            vec![Piece::Data(b"a"), hour, Piece::Data(b"b"), Piece::Break],
        ),
    ];
    let bench = Bench::new(steps);
    let items: Vec<_> = bench.runtime.block_on(async {
        let body = bench.http.stream(get()).await.unwrap();
        body.collect().await
    });
    assert_eq!(items[0].as_ref().unwrap(), "a");
    assert_eq!(items[1].as_ref().unwrap(), "b");
    assert!(items[2].is_err());
    assert_eq!(bench.elapsed_ms(), 3_600_250);

    let bench = Bench::new([answer(403, "no stream for you")]);
    let Err(error) = bench.runtime.block_on(bench.http.stream(get())) else {
        panic!("a refused stream is an error");
    };
    assert_eq!(
        error.to_string(),
        "demo orders: not permitted (HTTP 403): no stream for you"
    );
    assert_eq!(bench.log.all(), ["authorize 1", "send", "classify 403"]);
}
