//! The real transport against a server that redirects, hangs up, resets and stays silent.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod hostile_kit;

use std::time::Duration;

use broker_core::http::Call;
use broker_core::net::NetTransport;
use broker_core::seam::{Clock, Request, Spawn, SystemClock, Timeouts, TokioSpawn, Transport};
use broker_core::{Delivery, ErrorKind};
use bytes::Bytes;
use hostile_kit::{SECRET_HEADER, SECRET_QUERY, Server, client, numbers, ok, read_request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

async fn redirect_is_not_followed(status: u16) {
    let evil = Server::saying(ok("[666]")).await;
    let location = format!("http://localhost:{}/steal", evil.address.port());
    let head = format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    let venue = Server::saying(head).await;
    for call in [venue.get(), venue.post()] {
        let error = numbers(call).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(status)));
        assert!(!format!("{error} {error:?}").contains("steal"));
    }
    assert_eq!(venue.requests().len(), 2, "one request a call");
    assert!(
        venue.requests()[0].contains(SECRET_HEADER),
        "the venue itself gets the key"
    );
    assert!(evil.requests().is_empty(), "{:?}", evil.requests());
}

#[tokio::test]
async fn redirect_301_to_another_origin() {
    redirect_is_not_followed(301).await;
}

#[tokio::test]
async fn redirect_302_to_another_origin() {
    redirect_is_not_followed(302).await;
}

#[tokio::test]
async fn redirect_307_to_another_origin() {
    redirect_is_not_followed(307).await;
}

#[tokio::test]
async fn redirect_308_to_another_origin() {
    redirect_is_not_followed(308).await;
}

#[tokio::test]
async fn a_request_is_sent_as_it_was_signed_and_without_referer() {
    let venue = Server::saying(ok("[1]")).await;
    assert_eq!(numbers(venue.get().param("symbol", "A/B c~")).await.unwrap(), [1]);
    numbers(venue.post()).await.unwrap();
    let requests = venue.requests();
    let line = format!("GET /orders?symbol=A%2FB%20c~&signature={SECRET_QUERY} HTTP/1.1");
    assert_eq!(requests[0].lines().next(), Some(line.as_str()));
    for request in requests {
        let request = request.to_ascii_lowercase();
        assert!(!request.contains("referer"), "{request}");
        assert!(request.contains(&format!("user-agent: broker-core/{}", env!("CARGO_PKG_VERSION"))));
        assert!(request.contains("accept-encoding: gzip\r\n"));
    }
}

#[tokio::test]
async fn connection_refused_is_not_sent_and_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let base = format!("http://{address}").parse().unwrap();
    let error = numbers(Call::get("orders", &base, "/orders")).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!(
        error.to_string(),
        format!(
            "demo orders: unavailable: cannot connect to {address}: connection refused; check the network or the base URL"
        )
    );
}

#[tokio::test]
async fn reset_after_reading_is_unknown_and_a_write_is_not_repeated() {
    let venue = Server::start(|stream, _| async move {
        stream.set_zero_linger().unwrap();
    })
    .await;
    let error = numbers(venue.post()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
    assert!(error.to_string().contains("connection reset"), "{error}");
    assert_eq!(venue.requests().len(), 1);
}

#[tokio::test]
async fn fin_after_reading_is_unknown_and_a_write_is_not_repeated() {
    let venue = Server::start(|stream, _| async move { drop(stream) }).await;
    let error = numbers(venue.post()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
    assert_eq!(venue.requests().len(), 1);
}

#[tokio::test]
async fn a_read_is_repeated_after_a_reset() {
    let venue = Server::start(|mut stream, number| async move {
        if number == 0 {
            stream.set_zero_linger().unwrap();
        } else {
            stream.write_all(ok("[7]").as_bytes()).await.unwrap();
        }
    })
    .await;
    assert_eq!(numbers(venue.get()).await.unwrap(), [7]);
    assert_eq!(venue.requests().len(), 2);
}

#[tokio::test]
async fn an_order_on_a_kept_connection_that_dies_is_sent_once() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let venue = Server::start(move |mut stream, number| {
        let tell = tell.clone();
        async move {
            assert_eq!(number, 0, "the dead connection is not replaced by a second sending");
            let kept = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]";
            stream.write_all(kept.as_bytes()).await.unwrap();
            let second = read_request(&mut stream).await;
            tell.send(second).unwrap();
        }
    })
    .await;
    let http = client();
    http.run(venue.get(), |_| Ok(())).await.unwrap();
    let error = http.run(venue.post(), |_| Ok(())).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert!(told.recv().await.unwrap().unwrap().starts_with("POST /orders?"));
    assert_eq!(venue.requests().len(), 1);
}

#[tokio::test]
async fn silence_ends_with_the_total_deadline() {
    let venue = Server::start(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let mut call = venue.post();
    call.timeouts.total = Duration::from_millis(200);
    let error = numbers(call).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
    assert_eq!(venue.requests().len(), 1);
}

#[tokio::test]
async fn tls_to_a_plain_server_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    TokioSpawn.spawn(Box::pin(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            // Answers the TLS greeting as a plain server does.
            let mut greeting = [0; 1];
            stream.read_exact(&mut greeting).await.unwrap();
            assert_eq!(greeting[0], 22, "a TLS record, no request");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    }));
    let base = format!("https://{address}").parse().unwrap();
    let error = numbers(Call::get("orders", &base, "/orders")).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    if cfg!(any(feature = "aws-lc-rs", feature = "ring")) {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let message = error.message().unwrap();
        assert!(message.contains("received corrupt message"), "{message}");
    } else {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.help().unwrap().contains("aws-lc-rs or ring"));
    }
}

#[tokio::test]
async fn plain_http_leaves_this_machine_never() {
    let http = http::Request::get("http://198.51.100.1/x").body(Bytes::new()).unwrap();
    let timeouts = Timeouts::READ;
    let error = NetTransport::new()
        .unwrap()
        .send(Request::new(http, timeouts))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent));
}

#[tokio::test]
async fn each_connect_time_out_is_the_requests_own() {
    let venue = Server::saying(ok("[1]")).await;
    let net = NetTransport::new().unwrap();
    for seconds in 1..=20 {
        let http = http::Request::get(format!("http://{}/x", venue.address));
        let timeouts = Timeouts {
            connect: Duration::from_secs(seconds),
            ..Timeouts::READ
        };
        let request = Request::new(http.body(Bytes::new()).unwrap(), timeouts);
        assert_eq!(net.send(request).await.unwrap().http.status(), 200);
    }
    assert_eq!(venue.requests().len(), 20);
}

#[tokio::test]
async fn slow_drip_ends_with_the_total_deadline() {
    let venue = Server::start(|mut stream, _| async move {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(b" ").await.is_ok() {
            SystemClock::new().sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let mut call = venue.post();
    call.timeouts.total = Duration::from_millis(300);
    let error = numbers(call).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
    assert_eq!(error.status(), Some(200));
}

#[tokio::test]
async fn a_body_that_stalls_ends_with_the_read_time_out() {
    let venue = Server::start(|mut stream, _| async move {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1")
            .await
            .unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let mut call = venue.post();
    call.timeouts.read = Duration::from_millis(200);
    let error = numbers(call).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert!(error.to_string().contains("nothing came for 200 ms"), "{error}");
}
