use std::io::ErrorKind as Io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::seam::{Request, SeededRng, SystemClock, Timeouts, TokioSpawn, Transport};
use chrono::DateTime;
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Toy, first_post, orders};
use crate::wire::{
    Fate, Fault, FaultPlan, Faults, LoopbackServer, MemoryTransport, When, WireLimit, WireLimiter, share,
};

/// A clock whose time of day starts at 1970.
pub(super) fn clock() -> Arc<SystemClock> {
    Arc::new(SystemClock::starting_at(DateTime::UNIX_EPOCH))
}

/// The shell in memory is not bound to virtual time.
#[tokio::test]
async fn the_shell_in_memory_works_on_tokio() {
    let venue = share(Toy::default());
    let rng = Arc::new(SeededRng::new(1));
    let transport = MemoryTransport::new(venue.clone(), clock(), rng, Arc::new(TokioSpawn))
        .with_latency(Duration::ZERO, Duration::from_millis(1));
    let http = http::Request::post("https://toy.example/orders")
        .header("authorization", "Bearer good")
        .body(bytes::Bytes::from_static(b"a"))
        .unwrap();
    let answer = transport.send(Request::new(http, Timeouts::ORDER)).await.unwrap().http;
    assert_eq!(answer.status(), 200);
    let body: Vec<_> = answer.into_body().map(Result::unwrap).collect().await;
    assert_eq!(body.concat(), br#"{"id":1}"#);
    assert_eq!(orders(&venue), ["a"]);
}

#[tokio::test]
async fn a_venue_with_a_limiter_refuses_by_address() {
    let bench = bench(Faults::default()).await;
    let limiter = WireLimiter::new(vec![WireLimit::sliding(1, Duration::from_secs(60))]);
    bench.venue.lock().unwrap().limiter = Some(limiter);
    let close = |id: &str| post(id).replace("Host: toy", "Connection: close");
    assert!(bench.exchange(&close("a")).await.0.starts_with("HTTP/1.1 200 OK"));
    // Another connection has another port and the same address.
    let (refused, _) = bench.exchange(&close("b")).await;
    assert!(refused.starts_with("HTTP/1.1 429 Too Many Requests"), "{refused}");
    assert!(
        refused.contains("x-ratelimit-limit: 1\r\nx-ratelimit-remaining: 0\r\nx-ratelimit-reset: 60\r\n"),
        "{refused}"
    );
    assert_eq!(orders(&bench.venue), ["a"]);
}

pub(super) struct Bench {
    pub(super) venue: Arc<Mutex<Toy>>,
    pub(super) server: LoopbackServer,
}

pub(super) async fn bench(faults: Faults) -> Bench {
    let venue = share(Toy::default());
    let server = LoopbackServer::start_with(venue.clone(), clock(), faults, Default::default());
    let server = server.await.unwrap();
    Bench { venue, server }
}

fn post(id: &str) -> String {
    format!(
        "POST /orders HTTP/1.1\r\nHost: toy\r\nAuthorization: Bearer good\r\nContent-Length: {}\r\n\r\n{id}",
        id.len()
    )
}

impl Bench {
    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.address()).await.unwrap()
    }

    /// Writes, then reads until the connection ends.
    pub(super) async fn exchange(&self, text: &str) -> (String, Option<Io>) {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        let end = stream.read_to_end(&mut bytes).await;
        (String::from_utf8(bytes).unwrap(), end.err().map(|error| error.kind()))
    }

    async fn damaged(fault: Fault) -> (String, Option<Io>, Vec<String>) {
        let bench = bench(first_post(fault)).await;
        let (text, end) = bench
            .exchange(&post("a").replace("Host: toy", "Connection: close"))
            .await;
        (text, end, orders(&bench.venue))
    }
}

/// The head of an answer and the body that its length promises, from an open connection.
async fn read_one(stream: &mut TcpStream) -> (String, String) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(bytes).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.unwrap();
    (head, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn a_connection_serves_request_after_request() {
    let bench = bench(Faults::default()).await;
    let mut stream = bench.connect().await;
    // Two requests in one packet, the second in two pieces.
    let second = post("bb");
    let (first_half, rest) = second.split_at(50);
    stream
        .write_all(format!("{}{first_half}", post("a")).as_bytes())
        .await
        .unwrap();
    let (head, body) = read_one(&mut stream).await;
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("connection: keep-alive"),
        "{head}"
    );
    assert_eq!(body, r#"{"id":1}"#);
    stream.write_all(rest.as_bytes()).await.unwrap();
    assert_eq!(read_one(&mut stream).await.1, r#"{"id":2}"#);
    assert_eq!(orders(&bench.venue), ["a", "bb"]);
    let recorded = bench.server.recorder().requests();
    assert_eq!(recorded[1].headers[1], ("authorization".to_owned(), "***".to_owned()));
    assert_eq!((recorded[1].fate, recorded[1].status), (Fate::Handled, Some(200)));
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let bench = bench(Faults::default()).await;
    for (text, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n", "413"),
        ("GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", "411"),
    ] {
        let (answer, _) = bench.exchange(text).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{text:?}: {answer}");
    }
    assert!(bench.server.recorder().requests().is_empty());
    let head = "HEAD /clock HTTP/1.1\r\nauthorization: Bearer good\r\nconnection: close\r\n\r\n";
    let (answer, _) = bench.exchange(head).await;
    assert!(
        answer.contains("content-length: 23\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn connections_are_reset_and_closed_for_real() {
    let (text, end, placed) = Bench::damaged(Fault::Reset { handled: true }).await;
    assert_eq!((text.as_str(), end, placed.len()), ("", Some(Io::ConnectionReset), 1));
    let (text, end, placed) = Bench::damaged(Fault::Reset { handled: false }).await;
    assert_eq!((text.as_str(), end, placed.len()), ("", Some(Io::ConnectionReset), 0));
    let (text, end, placed) = Bench::damaged(Fault::RefuseConnection).await;
    assert_eq!((text.as_str(), end, placed.len()), ("", Some(Io::ConnectionReset), 0));
    let (text, end, placed) = Bench::damaged(Fault::Fin { handled: true }).await;
    assert_eq!((text.as_str(), end, placed.len()), ("", None, 1));
    let (text, end, placed) = Bench::damaged(Fault::Fin { handled: false }).await;
    assert_eq!((text.as_str(), end, placed.len()), ("", None, 0));
}

#[tokio::test]
async fn bodies_are_cut_and_dripped_for_real() {
    let (text, end, placed) = Bench::damaged(Fault::CutBody(4)).await;
    assert!(
        text.contains("content-length: 8\r\n") && text.ends_with("\r\n\r\n{\"id"),
        "{text}"
    );
    assert_eq!((end, placed.len()), (None, 1));

    let drip = Fault::SlowDrip {
        piece: 3,
        every: Duration::from_millis(5),
    };
    let (text, _, _) = Bench::damaged(drip).await;
    assert!(text.ends_with("\r\n\r\n{\"id\":1}"), "{text}");

    let (text, _, placed) = Bench::damaged(Fault::ErrorAfter(502, "<html></html>".into())).await;
    assert!(
        text.starts_with("HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\n"),
        "{text}"
    );
    assert_eq!(placed.len(), 1);
}

/// Silence is told from slowness without a wait: the other end of the connection closes only when the server stops.
#[tokio::test]
async fn silence_lasts_until_the_server_stops() {
    for (fault, heard, placed) in [
        (Fault::DropRequest, "", 0),
        (Fault::DropAnswer, "", 1),
        (Fault::StallBody(2), "{\"", 1),
    ] {
        let bench = bench(first_post(fault.clone())).await;
        let mut silent = bench.connect().await;
        silent.write_all(post("a").as_bytes()).await.unwrap();
        // Requests of other connections are served meanwhile; their answers prove that the first was read.
        while bench.server.recorder().requests().is_empty() {
            tokio::task::yield_now().await;
        }
        let mut other = bench.connect().await;
        other.write_all(post("b").as_bytes()).await.unwrap();
        assert!(read_one(&mut other).await.1.starts_with("{\"id\":"));
        assert_eq!(orders(&bench.venue).len(), placed + 1, "{fault:?}");
        bench.server.shutdown().await;
        let mut bytes = Vec::new();
        silent.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text.rsplit("\r\n\r\n").next(), Some(heard), "{fault:?}");
    }
}

#[tokio::test]
async fn a_plan_can_be_changed_while_it_runs_and_a_dropped_server_is_gone() {
    let bench = bench(Faults::default()).await;
    let close = |id: &str| post(id).replace("Host: toy", "Connection: close");
    assert!(bench.exchange(&close("a")).await.0.starts_with("HTTP/1.1 200"));
    let down = FaultPlan::none().rule(When::always(), Fault::ErrorBefore(503, String::new()));
    bench.server.faults().set(down);
    assert!(
        bench
            .exchange(&close("b"))
            .await
            .0
            .starts_with("HTTP/1.1 503 Service Unavailable")
    );
    assert_eq!(orders(&bench.venue), ["a"]);
    assert_eq!(bench.server.url(), format!("http://{}", bench.server.address()));
    let mut stream = bench.connect().await;
    drop(bench.server);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    assert!(rest.is_empty());
}
