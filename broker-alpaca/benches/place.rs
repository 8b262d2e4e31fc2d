//! Placing an order with everything in (limit, id, checks, journal in memory, headers, send, classify, map), beside its
//! floor: the same order written by serde_json, sent by hyper over connections that are kept, and its answer read into
//! the same types. Goals, by CPU time a call: 1.25 times the floor alone, 1.6 times with 64 in flight; p99 1.3 times.
//!
//! Both ask the same server on loopback, which answers each order with the same bytes but for its id, and runs on a
//! thread of its own. CPU time is that of the client's thread alone, the kernel's share for its sockets included.
//!
//! Two lines show where the rest goes: the pool of hyper-util, on which every usual client stands, and the transport of
//! the core by itself.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod measure;
mod typed;

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::net::{NetTransport, network};
use broker_core::seam::{Request, Spawn, Timeouts, TokioSpawn, Transport};
use broker_core::{AccountId, Broker, BrokerExt, OrderRequest, Placement, Side, TimeInForce};
use bytes::{Buf, Bytes, BytesMut};
use criterion::Criterion;
use futures_util::TryStreamExt;
use http::Method;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use measure::{current_thread, is_measured, median, micros, ratio};
use rust_decimal::Decimal;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

const ROUNDS: usize = 9;
const CROWD: usize = 64;
/// Enough that nobody waits.
const PER_MINUTE: u32 = 100_000_000;
const KEY: &str = "PKBENCH0000000000000";
const SECRET: &str = "benchbenchbenchbenchbenchbenchbenchbench";
/// Every id has as many characters as those that the core draws.
const ID_LENGTH: usize = 26;

const ACCOUNT: &str = r#"{"id":"7d0f5c1e-0000-4000-8000-00000000be9c","account_number":"PA3BENCH0001","status":"ACTIVE","currency":"USD","cash":"100000","equity":"100000","buying_power":"200000"}"#;
const ASSET: &str = r#"{"id":"b0b6dd9d-8b9b-48a9-ba46-b9d54906e415","class":"us_equity","exchange":"NASDAQ","symbol":"AAPL","name":"Apple Inc. Common Stock","status":"active","tradable":true,"marginable":true,"shortable":true,"easy_to_borrow":true,"fractionable":true}"#;
const ORDER_FRONT: &str = r#"{"id":"61e69015-8549-4bfd-b9c3-01e75843f47d","client_order_id":""#;
const ORDER_BACK: &str = r#"","created_at":"2026-10-08T19:10:18.097465Z","updated_at":"2026-10-08T19:10:18.102317Z","submitted_at":"2026-10-08T19:10:18.096127Z","filled_at":null,"expired_at":null,"expires_at":"2026-10-08T20:00:00Z","canceled_at":null,"failed_at":null,"replaced_at":null,"replaced_by":null,"replaces":null,"asset_id":"b0b6dd9d-8b9b-48a9-ba46-b9d54906e415","symbol":"AAPL","asset_class":"us_equity","notional":null,"qty":"10","filled_qty":"0","filled_avg_price":null,"order_class":"","order_type":"limit","type":"limit","side":"buy","position_intent":"buy_to_open","time_in_force":"day","limit_price":"189.5","stop_price":null,"status":"pending_new","extended_hours":false,"legs":null,"trail_percent":null,"trail_price":null,"hwm":null,"subtag":null,"source":null}"#;

/// The order as the floor writes it.
#[derive(Serialize)]
struct Order<'a> {
    symbol: &'a str,
    qty: Decimal,
    side: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    time_in_force: &'a str,
    limit_price: Decimal,
    client_order_id: &'a str,
}

/// Everything that a call needs, shared by all that are in flight.
struct Bench {
    address: String,
    url: String,
    ids: AtomicU64,
    kept: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    pool: Client<HttpConnector, Full<Bytes>>,
    transport: NetTransport,
    broker: AlpacaBroker,
    account: AccountId,
}

impl Bench {
    /// What is asked once an hour or once a process is asked here.
    async fn new(address: String) -> Self {
        let url = format!("http://{address}");
        let config = AlpacaConfig::new(KEY, SECRET)
            .with_base_url(url.parse().unwrap())
            .with_requests_per_minute(PER_MINUTE)
            .with_context(network().unwrap());
        let broker = AlpacaBroker::new(config).unwrap();
        let account = broker.accounts().await.unwrap().remove(0).id;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            url: format!("{url}/v2/orders"),
            address,
            ids: AtomicU64::new(0),
            kept: Mutex::default(),
            pool: Client::builder(TokioExecutor::new()).build(connector),
            transport: NetTransport::new().unwrap(),
            broker,
            account,
        }
    }

    /// The floor: a connection that is kept, an order, an answer.
    async fn hyper(&self) {
        // A bare connection wants the path alone.
        let (id, request) = self.request("/v2/orders");
        let kept = self.kept.lock().unwrap().pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect().await,
        };
        connection.ready().await.unwrap();
        let (head, body) = connection.send_request(request).await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        let body = body.collect().await.unwrap().to_bytes();
        self.kept.lock().unwrap().push(connection);
        read(&body, &id);
    }

    async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        TokioSpawn.spawn(Box::pin(async move { _ = connection.await }));
        sender
    }

    async fn pool(&self) {
        let (id, request) = self.request(&self.url);
        let (head, body) = self.pool.request(request).await.unwrap().into_parts();
        assert_eq!(head.status, 200);
        read(&body.collect().await.unwrap().to_bytes(), &id);
    }

    async fn transport(&self) {
        let (id, request) = self.request(&self.url);
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let request = Request::new(http::Request::from_parts(head, body), Timeouts::ORDER);
        let (head, mut pieces) = self.transport.send(request).await.unwrap().http.into_parts();
        assert_eq!(head.status, 200);
        let mut body = Vec::new();
        while let Some(piece) = pieces.try_next().await.unwrap() {
            body.extend_from_slice(&piece);
        }
        read(&body, &id);
    }

    async fn ours(&self) {
        let (symbol, qty, limit) = ("AAPL".parse(), "10".parse(), "189.50".parse());
        let request = OrderRequest::limit(symbol.unwrap(), Side::Buy, qty.unwrap(), limit.unwrap())
            .with_time_in_force(TimeInForce::Day);
        let placed = self.broker.place_once(&self.account, request).await.unwrap();
        let Placement::Accepted(order) = placed else {
            panic!("{placed:?}")
        };
        assert_eq!(black_box(order).filled_qty, broker_core::Qty::ZERO);
    }

    /// An order of the floor, with an id that nobody else has.
    fn request(&self, uri: &str) -> (String, http::Request<Full<Bytes>>) {
        let id = format!("floor{:021}", self.ids.fetch_add(1, Ordering::Relaxed));
        let order = Order {
            symbol: "AAPL",
            qty: Decimal::TEN,
            side: "buy",
            kind: "limit",
            time_in_force: "day",
            limit_price: Decimal::new(1895, 1),
            client_order_id: &id,
        };
        let body = serde_json::to_vec(&order).unwrap();
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(uri)
            .header("host", &self.address)
            .header("content-type", "application/json")
            .header("apca-api-key-id", KEY)
            .header("apca-api-secret-key", SECRET)
            .header("accept", "*/*")
            .header("user-agent", "floor/1.0.0")
            .header("accept-encoding", "gzip");
        (id, request.body(Full::new(Bytes::from(body))).unwrap())
    }
}

fn read(body: &[u8], id: &str) {
    let answer: typed::Order = serde_json::from_slice(body).unwrap();
    assert_eq!(black_box(answer).client_order_id, id);
}

/// Serves on a thread of its own until the process ends. Gives host and port.
fn serve() -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        current_thread().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap().to_string()).unwrap();
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                connections.spawn(connection(stream));
            }
        });
    });
    receiver.recv().unwrap()
}

async fn connection(mut stream: TcpStream) {
    let mut buffer = BytesMut::with_capacity(4096);
    let mut answer = Vec::with_capacity(2048);
    loop {
        while let Some(request) = whole(&buffer) {
            answer.clear();
            reply(&buffer[..request], &mut answer);
            buffer.advance(request);
            if stream.write_all(&answer).await.is_err() {
                return;
            }
        }
        match stream.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// How long the first request in the buffer is, once all of it is there.
fn whole(buffer: &[u8]) -> Option<usize> {
    let head = find(buffer, b"\r\n\r\n")? + 4;
    let body = find(&buffer[..head], b"content-length: ").map_or(0, |at| {
        let digits = buffer[at + 16..].iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
    });
    (buffer.len() >= head + body).then_some(head + body)
}

fn reply(request: &[u8], answer: &mut Vec<u8>) {
    const NAME: &[u8] = br#""client_order_id":""#;
    let body: [&[u8]; 3] = if request.starts_with(b"POST /v2/orders ") {
        let id = find(request, NAME).unwrap() + NAME.len();
        let id = &request[id..id + ID_LENGTH];
        [ORDER_FRONT.as_bytes(), id, ORDER_BACK.as_bytes()]
    } else if request.starts_with(b"GET /v2/assets/AAPL ") {
        [ASSET.as_bytes(), b"", b""]
    } else {
        assert!(request.starts_with(b"GET /v2/account "));
        [ACCOUNT.as_bytes(), b"", b""]
    };
    let length: usize = body.iter().map(|part| part.len()).sum();
    // The window of the limit turns long after this bench.
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\ncontent-length: {length}\r\n\
         date: Thu, 08 Oct 2026 19:10:18 GMT\r\nx-ratelimit-limit: {PER_MINUTE}\r\n\
         x-ratelimit-remaining: {}\r\nx-ratelimit-reset: 4102444800\r\n\
         x-request-id: 649c5a79da1ab9cb20742ffdada0a7bb\r\n\r\n",
        PER_MINUTE - 1,
    );
    answer.extend_from_slice(head.as_bytes());
    body.iter().for_each(|part| answer.extend_from_slice(part));
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// One way to place an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Hyper,
    Pool,
    Transport,
    Ours,
}

const WAYS: [(Way, &str); 4] = [
    (Way::Hyper, "floor: hyper"),
    (Way::Pool, "hyper-util's pool"),
    (Way::Transport, "the core's transport"),
    (Way::Ours, "place_once"),
];

async fn call(bench: &Bench, way: Way) {
    match way {
        Way::Hyper => bench.hyper().await,
        Way::Pool => bench.pool().await,
        Way::Transport => bench.transport().await,
        Way::Ours => bench.ours().await,
    }
}

/// CPU time a call, and how long calls took on the wall.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Took {
    cpu: Duration,
    p50: Duration,
    p99: Duration,
}

/// So many at once, each this often.
#[allow(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
fn round(runtime: &Runtime, bench: &Arc<Bench>, way: Way, at_once: usize, calls: usize) -> Took {
    let watch = measure::Watch::start();
    let mut times = runtime.block_on(async {
        let mut callers = JoinSet::new();
        for _ in 0..at_once {
            let bench = Arc::clone(bench);
            callers.spawn(async move {
                let mut times = Vec::with_capacity(calls);
                for _ in 0..calls {
                    let start = Instant::now();
                    call(&bench, way).await;
                    times.push(start.elapsed());
                }
                times
            });
        }
        callers.join_all().await.concat()
    });
    let cpu = watch.took().cpu / u32::try_from(times.len()).unwrap();
    times.sort_unstable();
    Took {
        cpu,
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
    }
}

/// Rounds of each way in turn, so that all meet the same machine.
fn compare(runtime: &Runtime, bench: &Arc<Bench>, at_once: usize, calls: usize, rounds: usize) {
    let mut took = WAYS.map(|_| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        for ((way, _), took) in WAYS.iter().zip(&mut took) {
            took.push(round(runtime, bench, *way, at_once, calls));
        }
    }
    let middle = took.each_ref().map(|all| Took {
        cpu: median(all.iter().map(|one| one.cpu).collect()),
        p50: median(all.iter().map(|one| one.p50).collect()),
        p99: median(all.iter().map(|one| one.p99).collect()),
    });
    let floor = middle[0];
    for ((_, name), took) in WAYS.iter().zip(middle) {
        println!(
            "{at_once} in flight, {name}: CPU a call {}, ratio {}; on the wall p50 {}, p99 {}, ratio {}",
            micros(took.cpu),
            ratio(took.cpu, floor.cpu),
            micros(took.p50),
            micros(took.p99),
            ratio(took.p99, floor.p99),
        );
    }
}

fn main() {
    let (alone, crowd, rounds) = if is_measured() {
        (2_000, 100, ROUNDS)
    } else {
        (20, 2, 1)
    };
    let runtime = current_thread();
    let bench = Arc::new(runtime.block_on(Bench::new(serve())));
    // Connections stand, and facts are known.
    for (way, _) in WAYS {
        round(&runtime, &bench, way, CROWD, 2);
    }
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    for (way, name) in WAYS {
        criterion.bench_function(name, |bencher| bencher.iter(|| runtime.block_on(call(&bench, way))));
    }
    criterion.final_summary();
    compare(&runtime, &bench, 1, alone, rounds);
    compare(&runtime, &bench, CROWD, crowd, rounds);
}
