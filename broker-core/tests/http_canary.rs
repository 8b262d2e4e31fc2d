//! A secret in a header and in the query is in the request and nowhere else.
#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod hostile_kit;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use broker_core::http::Reply;
use broker_core::net::NetTransport;
use broker_core::seam::{OpenRequest, Transport};
use hostile_kit::{SECRET_HEADER, SECRET_QUERY, Server, client, ok};
use http::{HeaderMap, HeaderValue, StatusCode};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn clean(what: &str, text: &str) {
    assert!(!text.contains("canary"), "{what} shows a secret: {text}");
}

#[tokio::test]
async fn no_secret_is_shown_by_errors_debug_or_traces() {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);

    let hang_up = Server::start(|stream, _| async move { drop(stream) }).await;
    let refusing = Server::saying("HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    let redirecting = Server::saying("HTTP/1.1 302 Go\r\nLocation: /?canary\r\nContent-Length: 0\r\n\r\n").await;
    let cut = Server::saying("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[").await;
    let good = Server::saying(ok("[1]")).await;
    let http = client();
    clean("Http", &format!("{http:?}"));
    for server in [&hang_up, &refusing, &redirecting, &cut, &good] {
        for call in [server.get(), server.post()] {
            let mut call = call.param("listenKey", SECRET_QUERY);
            let secret = HeaderValue::from_static(SECRET_HEADER);
            call.headers.insert("authorization", secret);
            clean("Call", &format!("{call:?}"));
            let request = call.request().unwrap();
            clean("Request", &format!("{request:?}"));
            clean("its headers", &format!("{:?}", request.http.headers()));
            if let Err(error) = http.run(call, |_| Ok(())).await {
                clean("Display", &error.to_string());
                clean("Debug", &format!("{error:?} {error:#?}"));
                let source = std::error::Error::source(&error);
                assert!(source.is_none(), "{source:?}");
            }
        }
        let seen = server.requests();
        assert!(
            seen.iter()
                .all(|request| request.contains(SECRET_HEADER) && request.contains(SECRET_QUERY))
        );
    }
    let url = format!("ws://{}/?listenKey={SECRET_QUERY}", refusing.address)
        .parse()
        .unwrap();
    let open = OpenRequest::WebSocket {
        url,
        headers: HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static(SECRET_HEADER))]),
        largest_message: 1,
    };
    clean("OpenRequest", &format!("{open:?}"));
    let error = NetTransport::new().unwrap().open(open).await.unwrap_err();
    clean("a refused socket", &format!("{error} {error:?}"));
    drop(guard);

    let headers = HeaderMap::from_iter([(http::header::SET_COOKIE, HeaderValue::from_static("canary"))]);
    let reply = Reply {
        status: StatusCode::OK,
        headers,
        body: "canary".into(),
    };
    clean("Reply", &format!("{reply:?}"));

    let text = captured.text();
    assert!(text.contains("op=\"orders\"") && text.contains("attempt=2"), "{text}");
    clean("tracing", &text);
}
