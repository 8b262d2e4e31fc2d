//! WebSocket and TCP carriers of the real transport, over loopback.
#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod hostile_kit;

use broker_core::net::NetTransport;
use broker_core::seam::{Carrier, Frame, OpenRequest, Spawn, TokioSpawn, Transport};
use broker_core::{Delivery, ErrorKind, Result};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hostile_kit::Server;
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame as WireFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{WebSocketStream, accept_async};

/// A listener that hands its first connection, upgraded, to `play`.
async fn socket<A>(play: impl FnOnce(WebSocketStream<TcpStream>) -> A + Send + 'static) -> Box<dyn Carrier>
where
    A: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    TokioSpawn.spawn(Box::pin(async move {
        let (stream, _) = listener.accept().await.unwrap();
        play(accept_async(stream).await.unwrap()).await;
    }));
    open(&format!("ws://{address}/stream?key=1")).await.unwrap()
}

async fn open(url: &str) -> Result<Box<dyn Carrier>> {
    let request = OpenRequest::WebSocket {
        url: url.parse().unwrap(),
        headers: HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer token"))]),
        largest_message: 1000,
    };
    NetTransport::new().unwrap().open(request).await
}

async fn echo(mut socket: WebSocketStream<TcpStream>) {
    while let Some(Ok(message)) = socket.next().await {
        if message.is_text() || message.is_binary() {
            socket.send(message).await.unwrap();
        }
    }
}

#[tokio::test]
async fn messages_go_both_ways() {
    let mut carrier = socket(echo).await;
    for frame in [
        Frame::Text("{\"a\":\"é\"}".into()),
        Frame::Binary(Bytes::from_static(&[0, 255])),
        Frame::Text("x".repeat(1000)),
    ] {
        carrier.send(frame.clone()).await.unwrap();
        assert_eq!(carrier.receive().await.unwrap().unwrap(), frame);
    }
}

#[tokio::test]
async fn pings_are_answered_both_ways() {
    let mut carrier = socket(|mut socket| async move {
        let ping = Message::Ping(Bytes::from_static(b"are you there"));
        socket.send(ping).await.unwrap();
        // The pong of the client, then its own ping, which is answered while the next message is read.
        let pong = socket.next().await.unwrap().unwrap();
        socket.send(Message::text(format!("{pong:?}"))).await.unwrap();
        while socket.next().await.is_some_and(|message| message.is_ok()) {}
    })
    .await;
    let ping = carrier.receive().await.unwrap().unwrap();
    assert_eq!(ping, Frame::Ping(Bytes::from_static(b"are you there")));
    let Some(Ok(Frame::Text(heard))) = carrier.receive().await else {
        panic!("the server tells what it heard");
    };
    assert!(heard.starts_with("Pong("), "{heard}");
    carrier.send(Frame::Ping(Bytes::from_static(b"me"))).await.unwrap();
    let pong = carrier.receive().await.unwrap().unwrap();
    assert_eq!(pong, Frame::Pong(Bytes::from_static(b"me")));
}

#[tokio::test]
async fn a_message_over_the_limit_is_an_error_and_the_end() {
    let mut carrier = socket(|mut socket| async move {
        socket.send(Message::text("x".repeat(1001))).await.unwrap();
        socket.next().await;
    })
    .await;
    let error = carrier.receive().await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "protocol violation: a message of 1001 bytes is larger than 1000 bytes"
    );
    assert!(carrier.receive().await.is_none());
}

#[tokio::test]
async fn a_message_in_pieces_is_limited_as_a_whole() {
    let mut carrier = socket(|mut socket| async move {
        let piece = |opcode, last| Message::Frame(WireFrame::message(vec![b'x'; 600], OpCode::Data(opcode), last));
        socket.send(piece(Data::Text, false)).await.unwrap();
        socket.send(piece(Data::Continue, true)).await.unwrap();
        socket.next().await;
    })
    .await;
    let error = carrier.receive().await.unwrap().unwrap_err();
    assert_eq!(
        error.message(),
        Some("a message of 1200 bytes is larger than 1000 bytes")
    );
}

#[tokio::test]
async fn a_close_says_why_and_then_it_ends() {
    let mut carrier = socket(|mut socket| async move {
        let frame = CloseFrame {
            code: 4003.into(),
            reason: "key refused".into(),
        };
        socket.close(Some(frame)).await.unwrap();
        while socket.next().await.is_some() {}
    })
    .await;
    let close = carrier.receive().await.unwrap().unwrap();
    assert_eq!(close, Frame::Close(Some((4003, "key refused".into()))));
    assert!(carrier.receive().await.is_none());
    assert!(carrier.receive().await.is_none());
}

#[tokio::test]
async fn a_lost_connection_is_one_error_and_the_end() {
    let mut carrier = socket(|socket| async move { drop(socket) }).await;
    let error = carrier.receive().await.unwrap().unwrap_err();
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert!(carrier.receive().await.is_none());
}

#[tokio::test]
async fn a_refused_upgrade_says_the_status() {
    let venue =
        Server::saying("HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\nConnection: close\r\n\r\nbad key").await;
    let error = open(&format!("ws://{}/stream", venue.address)).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Auth, Some(401)));
    let sent = venue.requests()[0].to_ascii_lowercase();
    assert!(sent.contains("authorization: bearer token\r\n"), "{sent}");
    assert_eq!(venue.requests().len(), 1);
}

#[tokio::test]
async fn a_redirected_upgrade_is_not_followed() {
    let evil = Server::saying("").await;
    let head = format!(
        "HTTP/1.1 302 Go\r\nLocation: ws://{}/\r\nContent-Length: 0\r\n\r\n",
        evil.address
    );
    let venue = Server::saying(head).await;
    let error = open(&format!("ws://{}/stream", venue.address)).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Protocol, Some(302)));
    assert!(evil.requests().is_empty());
}

#[tokio::test]
async fn a_socket_needs_tls_or_this_machine() {
    let error = open("ws://198.51.100.1/").await.unwrap_err();
    assert_eq!((error.kind(), error.delivery()), (ErrorKind::Config, Delivery::NotSent));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = open(&format!("ws://{address}/")).await.unwrap_err();
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert_eq!(
        error.to_string(),
        format!("unavailable: cannot connect to {address}: connection refused; check the network or the base URL")
    );
}

#[tokio::test]
async fn a_byte_pipe_goes_both_ways() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    TokioSpawn.spawn(Box::pin(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = [0; 5];
        stream.read_exact(&mut heard).await.unwrap();
        stream.write_all(&heard).await.unwrap();
    }));
    let request = OpenRequest::Tcp {
        host: "127.0.0.1".into(),
        port,
    };
    let mut pipe = NetTransport::new().unwrap().open(request).await.unwrap();
    let ping = pipe.send(Frame::Ping(Bytes::new())).await.unwrap_err();
    assert_eq!(ping.kind(), ErrorKind::Unsupported);
    pipe.send(Frame::Binary(Bytes::from_static(b"hel"))).await.unwrap();
    pipe.send(Frame::Text("lo".into())).await.unwrap();
    let mut heard = Vec::new();
    while let Some(frame) = pipe.receive().await {
        match frame.unwrap() {
            Frame::Binary(piece) => heard.extend_from_slice(&piece),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(heard, b"hello");
}
