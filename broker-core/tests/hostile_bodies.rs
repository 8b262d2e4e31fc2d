//! The real transport and the pipeline against bodies that are cut, endless, swollen or no data at all.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod hostile_kit;

use std::io::Write;

use broker_core::net::NetTransport;
use broker_core::seam::{Request, Timeouts, Transport};
use broker_core::{Delivery, ErrorKind};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::TryStreamExt;
use hostile_kit::{Server, numbers, ok};
use tokio::io::AsyncWriteExt;

const BOMB: usize = 100 << 20;

fn bomb() -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..BOMB >> 16 {
        packed.write_all(&[b' '; 1 << 16]).unwrap();
    }
    packed.finish().unwrap()
}

fn zipped(packed: &[u8]) -> Vec<u8> {
    let length = packed.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), packed].concat()
}

#[tokio::test]
async fn gzip_bomb_stops_at_the_cap() {
    let packed = bomb();
    assert!(packed.len() < 150_000, "{}", packed.len());
    let venue = Server::saying(zipped(&packed)).await;
    let error = numbers(venue.get()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(error.message(), Some("the body is larger than 8388608 bytes"));
    assert_eq!(venue.requests().len(), 1);
}

#[tokio::test]
async fn gzip_bomb_is_unpacked_only_as_it_is_read() {
    let venue = Server::saying(zipped(&bomb())).await;
    let http = http::Request::get(format!("http://{}/x", venue.address))
        .body(Bytes::new())
        .unwrap();
    let timeouts = Timeouts::READ;
    let answer = NetTransport::new()
        .unwrap()
        .send(Request::new(http, timeouts))
        .await
        .unwrap();
    let mut body = answer.http.into_body();
    let (mut total, mut largest) = (0, 0);
    while let Some(piece) = body.try_next().await.unwrap() {
        total += piece.len();
        largest = largest.max(piece.len());
    }
    assert_eq!(total, BOMB);
    assert!(largest <= 64 << 10, "one piece of {largest} bytes");
}

#[tokio::test]
async fn gzip_is_read() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"[1, 2]").unwrap();
    let packed = packed.finish().unwrap();
    let venue = Server::saying(zipped(&packed)).await;
    assert_eq!(numbers(venue.get()).await.unwrap(), [1, 2]);

    let venue = Server::saying(zipped(&packed[..packed.len() - 9])).await;
    let error = numbers(venue.post()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
}

#[tokio::test]
async fn cut_body_is_a_doubt_for_a_write() {
    let venue = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[1").await;
    let error = numbers(venue.post()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
    assert_eq!(error.status(), Some(200));
    assert!(error.message().unwrap().contains("broke off"), "{error}");
    assert_eq!(venue.requests().len(), 1);
}

#[tokio::test]
async fn cut_body_is_asked_again_for_a_read() {
    let venue = Server::start(|mut stream, number| async move {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n[1";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n";
        let text = [cut, chunked, &ok("[1, 2]")][number].to_owned();
        stream.write_all(text.as_bytes()).await.unwrap();
    })
    .await;
    assert_eq!(numbers(venue.get()).await.unwrap(), [1, 2]);
    assert_eq!(venue.requests().len(), 3);
}

async fn unreadable(body: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let venue = Server::saying([head.as_bytes(), body].concat()).await;
    let error = numbers(venue.get()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Decode, Delivery::Answered)
    );
    assert_eq!(venue.requests().len(), 4, "a read is asked again");
    let error = numbers(venue.post()).await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Decode, Delivery::Unknown));
    assert_eq!(venue.requests().len(), 5, "an order is a doubt");
}

#[tokio::test]
async fn truncated_json() {
    unreadable(b"[1, 2").await;
}

#[tokio::test]
async fn html_with_status_200() {
    unreadable(b"<!doctype html><p>maintenance").await;
}

#[tokio::test]
async fn empty_with_status_200() {
    unreadable(b"").await;
}

#[tokio::test]
async fn body_that_is_not_utf_8() {
    unreadable(&[b'[', 0xc3, 0x28, b']']).await;
}

#[tokio::test]
async fn an_error_page_in_another_encoding_is_still_an_error_of_its_status() {
    let venue = Server::saying(b"HTTP/1.1 403 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nn\xe3o!").await;
    let error = numbers(venue.post()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Permission, Delivery::Answered)
    );
    assert_eq!(error.message(), Some("n\u{fffd}o!"));
}

#[tokio::test]
async fn header_flood() {
    let flood: String = (0..100_000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let venue = Server::saying(format!("HTTP/1.1 200 OK\r\n{flood}\r\n[1]")).await;
    let error = numbers(venue.post()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
    assert_eq!(venue.requests().len(), 1);
}

#[tokio::test]
async fn a_header_that_never_ends() {
    let venue = Server::start(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await.unwrap();
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let error = numbers(venue.post()).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown);
}

#[tokio::test]
async fn endless_body_stops_at_the_cap() {
    let venue = Server::start(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b' '; 4096]).await.is_ok() {}
    })
    .await;
    let error = numbers(venue.get().body_up_to(100_000)).await.unwrap_err();
    assert_eq!(error.message(), Some("the body is larger than 100000 bytes"));
    let error = numbers(venue.post().body_up_to(100_000)).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Protocol, Delivery::Unknown)
    );
    assert_eq!(venue.requests().len(), 2);
}

#[tokio::test]
async fn garbage_instead_of_http() {
    let venue = Server::saying("SSH-2.0-OpenSSH_9.9\r\n").await;
    let error = numbers(venue.post()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unavailable, Delivery::Unknown)
    );
}
