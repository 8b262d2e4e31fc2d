//! New connections no faster than their limit, over real sockets.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod hostile_kit;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::capability::LimitRule;
use broker_core::http::Call;
use broker_core::limit::{BucketKey, ConnectLimit, Limiter};
use broker_core::net::NetTransport;
use broker_core::seam::{Clock, Request, SystemClock, Transport};
use broker_core::{Delivery, ErrorKind};
use futures_util::StreamExt;
use futures_util::future::join_all;
use hostile_kit::{Server, read_request};
use tokio::io::AsyncWriteExt;
use tokio::sync::Barrier;

const PER: Duration = Duration::from_secs(1);

fn limited(limit: u32) -> (Limiter, ConnectLimit) {
    let limiter = Limiter::new(Arc::new(SystemClock::new()));
    let bucket = BucketKey::from("venue:connections");
    limiter.define(&bucket, LimitRule::Window { limit, per: PER });
    let connects = ConnectLimit::new(&limiter, &bucket);
    (limiter, connects)
}

fn request(call: Call, connects: &ConnectLimit) -> Request {
    call.connects(connects).request().unwrap()
}

async fn body(net: &NetTransport, request: Request) -> Vec<u8> {
    let pieces: Vec<_> = net.send(request).await.unwrap().http.into_body().collect().await;
    pieces.into_iter().flat_map(Result::unwrap).collect()
}

const KEPT_OPEN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]";

/// Answers every request of a connection, the first once `all` of the connections have one.
async fn serve(opened: Arc<Mutex<Vec<Duration>>>, all: Arc<Barrier>) -> Server {
    let clock = SystemClock::new();
    Server::start(move |mut stream, _| {
        opened.lock().unwrap().push(clock.elapsed());
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            loop {
                stream.write_all(KEPT_OPEN).await.unwrap();
                if read_request(&mut stream).await.is_none() {
                    return;
                }
            }
        }
    })
    .await
}

#[tokio::test]
async fn six_requests_at_once_open_two_connections_a_span() {
    let opened = Arc::default();
    let venue = serve(Arc::clone(&opened), Arc::new(Barrier::new(6))).await;
    let net = NetTransport::new().unwrap();
    let (_, connects) = limited(2);
    // None is answered before the sixth has come, so that each needs a connection of its own.
    let bodies = join_all((0..6).map(|_| body(&net, request(venue.get(), &connects)))).await;
    assert_eq!(bodies, vec![b"[1]".to_vec(); 6]);
    let opened = opened.lock().unwrap().clone();
    assert_eq!(opened.len(), 6);
    // A connection is seen here somewhat after it was opened, never before: hence the fifth.
    for three in opened.windows(3) {
        let span = three[2] - three[0];
        assert!(span >= PER.mul_f64(0.8), "three connections within {span:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_there_costs_nothing() {
    let opened = Arc::default();
    let venue = serve(Arc::clone(&opened), Arc::new(Barrier::new(1))).await;
    let net = NetTransport::new().unwrap();
    let (_, connects) = limited(2);
    for _ in 0..50 {
        assert_eq!(body(&net, request(venue.get(), &connects)).await, b"[1]");
    }
    assert_eq!(opened.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_request_that_waits_takes_a_connection_that_is_given_back() {
    let opened: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let venue = serve(Arc::clone(&opened), Arc::new(Barrier::new(1))).await;
    let net = NetTransport::new().unwrap();
    let limiter = Limiter::new(Arc::new(SystemClock::new()));
    let bucket = BucketKey::from("venue:connections");
    let per = Duration::from_secs(3600);
    limiter.define(&bucket, LimitRule::Window { limit: 1, per });
    let connects = ConnectLimit::new(&limiter, &bucket);
    // An hour would pass before the second connection.
    let bodies = join_all((0..8).map(|_| body(&net, request(venue.get(), &connects)))).await;
    assert_eq!(bodies, vec![b"[1]".to_vec(); 8]);
    assert_eq!(opened.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_dead_host_is_told_as_without_a_limit() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let net = NetTransport::new().unwrap();
    let (limiter, connects) = limited(1);
    let base = format!("http://{address}").parse().unwrap();
    let error = net
        .send(request(Call::get("orders", &base, "/orders"), &connects))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::NotSent)
    );
    assert!(
        error
            .to_string()
            .contains(&format!("cannot connect to {address}: connection refused")),
        "{error}"
    );
    // The venue may have counted the attempt.
    assert_eq!(limiter.snapshot(&BucketKey::from("venue:connections")).unwrap().used, 1);
}

#[tokio::test]
async fn a_bucket_that_nobody_defined_is_an_error_with_nothing_sent() {
    let venue = Server::saying("").await;
    let limiter = Limiter::new(Arc::new(SystemClock::new()));
    let connects = ConnectLimit::new(&limiter, &BucketKey::from("nobody's"));
    let net = NetTransport::new().unwrap();
    let error = net.send(request(venue.get(), &connects)).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(venue.requests().is_empty());
}
