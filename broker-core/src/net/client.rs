//! Requests.

use std::fmt::{self, Debug};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt;
use url::Url;

use super::carrier;
use super::pace::Pace;
use super::tls::Tls;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::http::is_loopback;
use crate::limit::ConnectLimit;
use crate::seam::{Answer, AnswerBody, Carrier, OpenRequest, Request, Transport};

/// The real network. One a process: its connections are shared by all who hold it.
pub struct NetTransport {
    tls: Tls,
    /// One client for each way of connecting in use, for the library keeps that a client, not a request.
    clients: Mutex<Vec<(Connecting, reqwest::Client)>>,
}

/// How a client makes its connections: its time-out, and what limits new ones.
#[derive(Clone, PartialEq)]
struct Connecting {
    timeout: Duration,
    limit: Option<ConnectLimit>,
}

/// As many ways of connecting as are kept apart.
const MOST_CLIENTS: usize = 8;

/// Load balancers close idle connections after 60 s, and a request that meets the closing is a doubt.
const IDLE: Duration = Duration::from_secs(45);

impl NetTransport {
    /// A transport with TLS as compiled in.
    pub fn new() -> Result<Self> {
        Ok(Self {
            tls: Tls::new()?,
            clients: Mutex::default(),
        })
    }

    fn client(&self, connecting: Connecting) -> Result<reqwest::Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(way, _)| *way == connecting) {
            return Ok(client.clone());
        }
        let client = self.build(&connecting)?;
        if clients.len() == MOST_CLIENTS {
            clients.remove(0);
        }
        clients.push((connecting, client.clone()));
        Ok(client)
    }

    fn build(&self, connecting: &Connecting) -> Result<reqwest::Client> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("broker-core/", env!("CARGO_PKG_VERSION")))
            .gzip(true)
            .no_proxy()
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .tcp_nodelay(true);
        let timeout = connecting.timeout;
        let builder = match connecting.limit.clone() {
            Some(limit) => builder.connector_layer(Pace { limit, timeout }),
            None => builder.connect_timeout(timeout),
        };
        self.tls
            .apply(builder)
            .build()
            .map_err(|error| Error::config(format!("the HTTP client cannot be built: {}", cause(&error))))
    }

    /// TLS, or this machine.
    fn check(&self, url: &Url) -> Result<()> {
        match url.scheme() {
            "https" | "wss" => self.tls.ready(),
            "http" | "ws" if is_loopback(url) => Ok(()),
            _ => Err(Error::config(format!("{} must be asked over TLS", place(url)))
                .with_help("use https (wss for streams); only loopback may go without")),
        }
    }
}

#[async_trait]
impl Transport for NetTransport {
    async fn send(&self, request: Request) -> Result<Answer> {
        let (parts, body) = request.http.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|_| Error::config("a request needs a whole URL"))?;
        self.check(&url)?;
        let uri = parts.uri;
        let mut wire = reqwest::Request::new(parts.method, url);
        *wire.headers_mut() = parts.headers;
        *wire.body_mut() = Some(body.into());
        let client = self.client(Connecting {
            timeout: request.timeouts.connect,
            limit: request.connects,
        })?;
        let mut response = client
            .execute(wire)
            .await
            .map_err(|error| unanswered(error, &place_of(&uri)))?;

        let headers = std::mem::take(response.headers_mut());
        let mut http = ::http::Response::new(());
        *http.status_mut() = response.status();
        *http.headers_mut() = headers;
        let body: AnswerBody = Box::pin(
            response
                .bytes_stream()
                .map_err(move |error| broken_off(error, &place_of(&uri))),
        );
        Ok(Answer {
            http: http.map(|()| body),
        })
    }

    async fn open(&self, request: OpenRequest) -> Result<Box<dyn Carrier>> {
        match request {
            OpenRequest::Tcp { host, port } => carrier::tcp(&host, port).await,
            #[cfg(feature = "live")]
            OpenRequest::WebSocket {
                url,
                headers,
                largest_message,
            } => {
                self.check(&url)?;
                let connector = match url.scheme() {
                    "ws" => tokio_tungstenite::Connector::Plain,
                    _ => self.tls.connector()?,
                };
                super::websocket::open(&url, headers, largest_message, connector).await
            }
            #[cfg(not(feature = "live"))]
            OpenRequest::WebSocket { .. } => {
                Err(Error::unsupported("this build has no WebSocket").with_help("turn on the feature live"))
            }
        }
    }
}

impl Debug for NetTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetTransport")
    }
}

/// Host and port, the only part of a URL that an error may show.
pub(super) fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// The same of a request's address, read only once there is an error.
fn place_of(uri: &::http::Uri) -> String {
    Url::parse(&uri.to_string()).map_or_else(|_| String::new(), |url| place(&url))
}

/// A connection that could not be made: nothing was sent.
pub(super) fn unconnected(at: &str, why: &str) -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_delivery(Delivery::NotSent)
        .with_message(format!("cannot connect to {at}: {why}"))
        .with_help("check the network or the base URL")
}

fn unanswered(error: reqwest::Error, at: &str) -> Error {
    let error = error.without_url();
    if error.is_connect() {
        let why = if error.is_timeout() {
            "no connection in time".to_owned()
        } else {
            cause(&error)
        };
        return unconnected(at, &why);
    }
    if error.is_builder() {
        return Error::config(format!("the request cannot be built: {}", cause(&error)));
    }
    Error::new(ErrorKind::Unavailable)
        .with_message(format!("{at} gave no whole answer: {}", cause(&error)))
        .with_help("the request may have arrived")
}

fn broken_off(error: reqwest::Error, at: &str) -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_message(format!("the answer of {at} broke off: {}", cause(&error.without_url())))
}

/// The innermost reason, in the words of the system where it is the system's.
pub(super) fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<io::Error>() {
        Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
        _ => innermost.to_string(),
    }
}
