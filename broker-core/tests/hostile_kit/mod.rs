//! A server of raw sockets that does what no venue should, and a client set up as a broker's would be.
#![allow(dead_code, reason = "each test file uses its part")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::http::{Call, Http, OpClass, Protocol, Reply, Verdict, status_error};
use broker_core::net::network;
use broker_core::retry::RetryPolicy;
use broker_core::seam::{Spawn, Timeouts, TokioSpawn};
use broker_core::{BrokerId, Error, Result};
use http::{HeaderValue, Method};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

/// Never to be seen anywhere but in the request itself.
pub(crate) const SECRET_HEADER: &str = "canary-header-5d1f";
pub(crate) const SECRET_QUERY: &str = "canary-query-7a2e";

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Reads one request from each connection and hands both to `answer`, with the number of the connection.
    pub(crate) async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(TcpStream, usize) -> A + Send + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        TokioSpawn.spawn(Box::pin(async move {
            for number in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(request) = read_request(&mut stream).await else {
                    continue;
                };
                seen.lock().unwrap().push(request);
                TokioSpawn.spawn(Box::pin(answer(stream, number)));
            }
        }));
        Self { address, requests }
    }

    /// Gives every request this text and then closes.
    pub(crate) async fn saying(text: impl Into<Vec<u8>>) -> Self {
        let text: Arc<[u8]> = text.into().into();
        Self::start(move |mut stream, _| {
            let text = Arc::clone(&text);
            async move {
                // The client may hang up before it has read all.
                let _ = stream.write_all(&text).await;
            }
        })
        .await
    }

    pub(crate) fn base(&self) -> Url {
        Url::parse(&format!("http://{}", self.address)).unwrap()
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn get(&self) -> Call {
        quick(Call::get("orders", &self.base(), "/orders"))
    }

    pub(crate) fn post(&self) -> Call {
        quick(Call::new("place", OpClass::Write, Method::POST, &self.base(), "/orders").json("{\"qty\":1}"))
    }
}

/// A whole request, head and body; `None` when the other side leaves before.
pub(crate) async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    let mut piece = [0u8; 4096];
    loop {
        let got = stream.read(&mut piece).await.ok()?;
        if got == 0 {
            return None;
        }
        text.push_str(&String::from_utf8_lossy(&piece[..got]));
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
    }
}

pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Time-outs short enough for a test in real time, long enough for a busy machine.
fn quick(mut call: Call) -> Call {
    call.timeouts = Timeouts {
        connect: Duration::from_secs(5),
        read: Duration::from_secs(10),
        total: Duration::from_secs(20),
    };
    call
}

#[derive(Debug)]
struct Keyed;

#[async_trait]
impl Protocol for Keyed {
    async fn authorize(&self, call: &mut Call) -> Result<()> {
        call.headers
            .insert("x-api-secret", HeaderValue::from_static(SECRET_HEADER));
        *call = call.clone().param("signature", SECRET_QUERY);
        Ok(())
    }

    fn classify(&self, _: &Call, reply: &Reply) -> Verdict {
        if reply.status.is_success() {
            return Verdict::good();
        }
        Verdict::bad(status_error(reply))
    }

    async fn mend(&self, error: &Error) -> Result<()> {
        Err(error.clone())
    }
}

/// The pipeline over the real network. It repeats at once, for these tests run in real time.
pub(crate) fn client() -> Http {
    let policy = RetryPolicy {
        base: Duration::ZERO,
        ..RetryPolicy::default()
    };
    Http::new(network().unwrap(), BrokerId::from("demo"), Arc::new(Keyed), &[]).with_retry(policy)
}

/// A call whose answer must be a JSON list of numbers.
pub(crate) async fn numbers(call: Call) -> Result<Vec<u32>> {
    let read = |body: &str| serde_json::from_str(body).map_err(|error| Error::decode(error.to_string()));
    client().run(call, read).await
}
