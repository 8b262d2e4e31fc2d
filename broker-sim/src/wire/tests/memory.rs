use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::seam::{Clock, Request, SeededRng, Timeouts, Transport, VirtualClock, VirtualRuntime};
use broker_core::{Delivery, Error, ErrorKind, Result};
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Toy, first_post, orders};
use crate::wire::{
    Fate, Fault, FaultPlan, Faults, MemoryTransport, Recorder, RetryHint, When, WireLimit, WireLimiter, share,
};

type End = (Fate, Option<u16>);

pub(super) struct Bench {
    pub(super) runtime: VirtualRuntime,
    pub(super) clock: VirtualClock,
    pub(super) venue: Arc<Mutex<Toy>>,
    pub(super) transport: MemoryTransport,
}

/// 10 ms there, 10 ms back.
pub(super) fn bench(faults: Faults) -> Bench {
    let runtime = VirtualRuntime::new();
    let clock = runtime.clock();
    let venue = share(Toy::default());
    let seams = (
        Arc::new(clock.clone()),
        Arc::new(SeededRng::new(1)),
        Arc::new(clock.clone()),
    );
    let way = Duration::from_millis(10);
    let transport = MemoryTransport::new(venue.clone(), seams.0, seams.1, seams.2)
        .with_latency(way, way)
        .with_faults(faults);
    Bench {
        runtime,
        clock,
        venue,
        transport,
    }
}

pub(super) fn request(method: &str, path: &str, body: &str) -> Request {
    let http = http::Request::builder()
        .method(method)
        .uri(format!("https://toy.example{path}"))
        .header("authorization", "Bearer good")
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .unwrap();
    Request::new(http, Timeouts::ORDER)
}

/// Status, the body's text as far as it came, and how it ended.
pub(super) async fn read(transport: &MemoryTransport, request: Request) -> Result<(u16, String, Result<()>)> {
    let (head, mut pieces) = transport.send(request).await?.http.into_parts();
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => text.extend_from_slice(&piece),
            Err(error) => return Ok((head.status.as_u16(), String::from_utf8(text).unwrap(), Err(error))),
        }
    }
    Ok((head.status.as_u16(), String::from_utf8(text).unwrap(), Ok(())))
}

impl Bench {
    fn post(&self, id: &str) -> Result<(u16, String, Result<()>)> {
        self.runtime
            .block_on(read(&self.transport, request("POST", "/orders", id)))
    }

    /// Posts under one fault: what the client saw, and what the venue has.
    fn doubt(fault: Fault) -> (Error, Vec<String>, u128, Vec<End>) {
        let bench = bench(first_post(fault));
        let error = bench.post("a").unwrap_err();
        let fates = bench.transport.recorder().requests();
        let fates = fates.iter().map(|request| (request.fate, request.status)).collect();
        (error, orders(&bench.venue), bench.clock.elapsed().as_millis(), fates)
    }
}

#[test]
fn an_answer_takes_its_two_ways() {
    let bench = bench(Faults::default());
    let (status, text, end) = bench.post("a").unwrap();
    assert_eq!((status, text.as_str(), end.is_ok()), (200, r#"{"id":1}"#, true));
    assert_eq!(bench.clock.elapsed(), Duration::from_millis(20));
    let seen = bench.venue.lock().unwrap().seen[0];
    assert_eq!(seen.to_rfc3339(), "2026-01-01T00:00:00.010+00:00");
    let empty = bench
        .runtime
        .block_on(read(&bench.transport, request("DELETE", "/orders", "")));
    assert_eq!(empty.unwrap().0, 204);
}

#[test]
fn losses_say_whether_a_byte_left() {
    let handled = |fates: &[End]| fates == [(Fate::Handled, Some(200))];
    let (error, orders, at, fates) = Bench::doubt(Fault::RefuseConnection);
    assert_eq!((error.delivery(), orders.len(), at), (Delivery::NotSent, 0, 0));
    assert_eq!(fates, [(Fate::NotSent, None)]);

    let (error, orders, at, fates) = Bench::doubt(Fault::DropRequest);
    assert_eq!((error.delivery(), orders.len(), at), (Delivery::Unknown, 0, 10_000));
    assert_eq!(fates, [(Fate::Lost, None)]);

    let (error, orders, at, fates) = Bench::doubt(Fault::DropAnswer);
    assert_eq!((error.delivery(), orders.len(), at), (Delivery::Unknown, 1, 10_000));
    assert!(handled(&fates));

    for fault in [Fault::Reset { handled: true }, Fault::Fin { handled: true }] {
        let (error, orders, at, fates) = Bench::doubt(fault);
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Unavailable, Delivery::Unknown)
        );
        assert_eq!((orders.len(), at), (1, 20));
        assert!(handled(&fates));
    }
    for fault in [Fault::Reset { handled: false }, Fault::Fin { handled: false }] {
        let (error, orders, _, fates) = Bench::doubt(fault);
        assert_eq!((error.delivery(), orders.len()), (Delivery::Unknown, 0));
        assert_eq!(fates, [(Fate::Lost, None)]);
    }
}

#[test]
fn answers_are_replaced_and_the_orders_stand() {
    for (fault, status, text, placed) in [
        (Fault::ErrorBefore(503, "down".into()), 503, "down", 0),
        (Fault::ErrorAfter(500, "{}".into()), 500, "{}", 1),
        (Fault::TruncatedJson, 200, r#"{"id"#, 1),
        (
            Fault::Html200,
            200,
            "<html><body>Please try again later.</body></html>",
            1,
        ),
        (Fault::Empty200, 200, "", 1),
        (Fault::ExpiredToken, 401, r#"{"message":"forbidden."}"#, 0),
    ] {
        let bench = bench(first_post(fault.clone()));
        let (got_status, got, end) = bench.post("a").unwrap();
        assert_eq!(
            (got_status, got.as_str(), end.is_ok()),
            (status, text, true),
            "{fault:?}"
        );
        assert_eq!(orders(&bench.venue).len(), placed, "{fault:?}");
        assert_eq!(bench.transport.faults().counts()[fault.name()], 1);
        assert_eq!(bench.transport.recorder().requests()[0].fault, Some(fault.name()));
        // The fault is over.
        assert_eq!(bench.post("b").unwrap().0, 200, "{fault:?}");
    }
}

#[test]
fn bodies_break_where_they_should() {
    let cut = bench(first_post(Fault::CutBody(4)));
    let (status, text, end) = cut.post("a").unwrap();
    assert_eq!((status, text.as_str()), (200, r#"{"id"#));
    assert_eq!(end.unwrap_err().delivery(), Delivery::Unknown);

    let drip = bench(first_post(Fault::SlowDrip {
        piece: 3,
        every: Duration::from_secs(1),
    }));
    let (_, text, end) = drip.post("a").unwrap();
    assert_eq!((text.as_str(), end.is_ok()), (r#"{"id":1}"#, true));
    assert_eq!(drip.clock.elapsed(), Duration::from_millis(3_020));

    let stall = bench(first_post(Fault::StallBody(2)));
    let first = stall.runtime.block_on(async {
        let mut body = stall
            .transport
            .send(request("POST", "/orders", "a"))
            .await
            .unwrap()
            .http
            .into_body();
        let first = body.next().await.unwrap().unwrap();
        let patience = stall.clock.sleep(Duration::from_secs(15));
        let ended = futures_util::future::select(body.next(), patience).await;
        assert!(matches!(ended, futures_util::future::Either::Right(_)));
        first
    });
    assert_eq!(&first[..], b"{\"");
}

#[test]
fn a_request_that_was_given_up_still_arrives() {
    let bench = bench(first_post(Fault::DelayRequest(Duration::from_secs(60))));
    bench.runtime.block_on(async {
        let call = Box::pin(bench.transport.send(request("POST", "/orders", "late")));
        let patience = bench.clock.sleep(Duration::from_secs(10));
        assert!(matches!(
            futures_util::future::select(call, patience).await,
            futures_util::future::Either::Right(_)
        ));
        assert!(orders(&bench.venue).is_empty());
        bench.clock.sleep(Duration::from_secs(51)).await;
    });
    assert_eq!(orders(&bench.venue), ["late"]);
}

#[test]
fn delays_and_skews_are_the_shells() {
    let late = bench(first_post(Fault::DelayAnswer(Duration::from_secs(5))));
    assert_eq!(late.post("a").unwrap().0, 200);
    assert_eq!(late.clock.elapsed(), Duration::from_millis(5_020));
    assert_eq!(
        late.venue.lock().unwrap().seen[0].to_rfc3339(),
        "2026-01-01T00:00:00.010+00:00"
    );

    let skewed = bench(Faults::new(
        FaultPlan::none().rule(When::always(), Fault::ClockSkew(-90_000)),
    ));
    let (_, text, _) = skewed
        .runtime
        .block_on(read(&skewed.transport, request("GET", "/clock", "")))
        .unwrap();
    assert_eq!(text, "23:58:30");
}

#[test]
fn limits_are_announced_in_three_forms() {
    let hint = |hint| {
        let bench = bench(first_post(Fault::RateLimited(hint, r#"{"code":42910000}"#.into())));
        let answer = bench
            .runtime
            .block_on(bench.transport.send(request("POST", "/orders", "a")))
            .unwrap()
            .http;
        assert_eq!(answer.status(), 429);
        assert!(orders(&bench.venue).is_empty());
        answer
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(hint(RetryHint::None), None);
    assert_eq!(hint(RetryHint::Seconds(30)).as_deref(), Some("30"));
    assert_eq!(
        hint(RetryHint::Date(30)).as_deref(),
        Some("Thu, 01 Jan 2026 00:00:30 GMT")
    );
}

#[test]
fn a_ban_is_answered_by_the_shell() {
    let ban = Fault::Ban(418, "{}".into(), Duration::from_secs(60));
    let bench = bench(first_post(ban));
    assert_eq!(bench.post("a").unwrap().0, 418);
    bench.runtime.block_on(bench.clock.sleep(Duration::from_secs(20)));
    let answer = bench
        .runtime
        .block_on(bench.transport.send(request("GET", "/orders", "")));
    let answer = answer.unwrap().http;
    assert_eq!(answer.status(), 418);
    // Of 60 s, 20.02 s are over when it is sent.
    assert_eq!(answer.headers().get("retry-after").unwrap(), "39");
    bench.runtime.block_on(bench.clock.sleep(Duration::from_secs(40)));
    assert_eq!(bench.post("c").unwrap().0, 200);
    assert_eq!(orders(&bench.venue), ["c"]);
}

#[test]
fn sends_are_counted_and_unknown_hosts_get_none() {
    let bench = bench(first_post(Fault::DropAnswer));
    for id in ["a", "a", "b"] {
        let _ = bench.post(id);
    }
    let sends = bench
        .transport
        .recorder()
        .sends("POST", "/orders", |body| Some(body.to_owned()));
    assert_eq!((sends["a"], sends["b"]), (2, 1));
    assert_eq!(
        orders(&bench.venue),
        ["a", "a", "b"],
        "a venue that does not deduplicate shows a blind re-send"
    );

    let strict = bench
        .transport
        .clone()
        .with_recorder(Recorder::new())
        .with_hosts(["api.example"]);
    let error = bench
        .runtime
        .block_on(strict.send(request("POST", "/orders", "x")))
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::NotSent)
    );
    assert_eq!(strict.recorder().sent(), 0);
}

#[test]
fn one_seed_replays_a_run() {
    let run = |seed| {
        let plan = FaultPlan::seeded(seed)
            .rule(When::always().per_mille(300), Fault::DropAnswer)
            .rule(
                When::always().per_mille(300),
                Fault::DelayAnswer(Duration::from_secs(1)),
            );
        let bench = bench(Faults::new(plan));
        let transport = bench
            .transport
            .clone()
            .with_latency(Duration::ZERO, Duration::from_millis(50));
        for id in 0..50 {
            let _ = bench
                .runtime
                .block_on(read(&transport, request("POST", "/orders", &id.to_string())));
        }
        (transport.recorder().requests(), bench.clock.elapsed())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn a_venue_with_a_limiter_refuses_by_its_own_clock() {
    let bench = bench(Faults::default());
    let limiter = WireLimiter::new(vec![WireLimit::fixed(2, Duration::from_secs(60))]);
    bench.venue.lock().unwrap().limiter = Some(limiter);
    let status = |id| bench.post(id).unwrap().0;
    assert_eq!([status("a"), status("b"), status("c")], [200, 200, 429]);
    let answer = bench
        .runtime
        .block_on(bench.transport.send(request("GET", "/orders", "")));
    let answer = answer.unwrap().http;
    let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(
        (header("x-ratelimit-limit"), header("x-ratelimit-remaining")),
        ("2".into(), "0".into())
    );
    // 2026-01-01 00:01:00 UTC.
    assert_eq!(header("x-ratelimit-reset"), "1767225660");
    bench.runtime.block_on(bench.clock.sleep(Duration::from_secs(60)));
    assert_eq!(status("d"), 200);
    let limiter = bench.venue.lock().unwrap().limiter.take().unwrap();
    assert_eq!((limiter.granted(), limiter.refused()), (3, 2));
}
