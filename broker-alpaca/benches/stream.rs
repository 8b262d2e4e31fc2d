//! A message of a stream to its events in the user's hand, beside its floor: serde_json into typed values. Goal: 1.35
//! times the floor.
//!
//! Ours is everything between the carrier and the user: the feed's decoder, the guard (each row once, no order
//! backwards), the queue, and both tasks. Frames come from memory, in bursts as a socket gives them, and one by one.
//! The frames of `trade_updates` are executions: each gives a fill and an order.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod measure;
mod typed;

use std::collections::VecDeque;
use std::fmt::{self, Debug};
use std::future::poll_fn;
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{
    Answer, AnswerBody, BoxStream, Carrier, Frame, OpenRequest, OsRng, Request, SystemClock, TokioSpawn, Transport,
};
use broker_core::{Broker, Context, InstrumentId, Record, Result};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use criterion::Criterion;
use futures_util::{StreamExt, stream};
use measure::{Watch, current_thread, is_measured, median, ratio};
use rust_decimal::Decimal;
use serde::Deserialize;
use tokio::runtime::Runtime;

const ROUNDS: usize = 9;
const SYMBOLS: [&str; 16] = [
    "AAPL", "MSFT", "SPY", "NVDA", "AMZN", "GOOG", "META", "TSLA", "F", "T", "QQQ", "IWM", "JPM", "BAC", "XOM", "INTC",
];
const ACCOUNT: &str = r#"{"id":"7d0f5c1e-0000-4000-8000-00000000be9c","account_number":"PA3BENCH0001","status":"ACTIVE","currency":"USD","cash":"100000","equity":"100000","buying_power":"200000"}"#;

/// A message of `trade_updates` as the floor reads it.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "reading them is what is measured")]
struct Message {
    stream: String,
    data: Update,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "reading them is what is measured")]
struct Update {
    event: String,
    execution_id: Option<String>,
    order: typed::Order,
    timestamp: DateTime<Utc>,
    price: Option<Decimal>,
    qty: Option<Decimal>,
    position_qty: Option<Decimal>,
}

/// A message of market data as the floor reads it.
#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "reading them is what is measured")]
struct Quote {
    #[serde(rename = "T")]
    kind: String,
    #[serde(rename = "S")]
    symbol: String,
    #[serde(rename = "bp", with = "broker_core::num::exact")]
    bid: Decimal,
    #[serde(rename = "bs", with = "broker_core::num::exact")]
    bid_size: Decimal,
    #[serde(rename = "ap", with = "broker_core::num::exact")]
    ask: Decimal,
    #[serde(rename = "as", with = "broker_core::num::exact")]
    ask_size: Decimal,
    #[serde(rename = "t")]
    at: DateTime<Utc>,
}

/// What the venue's side of a socket has to say.
#[derive(Default)]
struct Wire {
    frames: VecDeque<Frame>,
    carrier: Option<Waker>,
}

/// Answers every read with as little as there can be, and opens one socket.
#[derive(Default)]
struct Venue(Arc<Mutex<Wire>>);

impl Debug for Venue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Venue")
    }
}

#[async_trait]
impl Transport for Venue {
    async fn send(&self, request: Request) -> Result<Answer> {
        let body = match request.http.uri().path() {
            "/v2/account" => ACCOUNT,
            "/v2/stocks/quotes/latest" => r#"{"quotes":{}}"#,
            _ => "[]",
        };
        let body: AnswerBody = Box::pin(stream::iter([Ok(Bytes::from_static(body.as_bytes()))]));
        Ok(Answer {
            http: http::Response::new(body),
        })
    }

    async fn open(&self, request: OpenRequest) -> Result<Box<dyn Carrier>> {
        let OpenRequest::WebSocket { url, .. } = request else {
            panic!("{request:?}")
        };
        if url.path() != "/stream" {
            say(&self.0, r#"[{"T":"success","msg":"connected"}]"#);
        }
        Ok(Box::new(Socket(Arc::clone(&self.0))))
    }
}

struct Socket(Arc<Mutex<Wire>>);

impl Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket")
    }
}

#[async_trait]
impl Carrier for Socket {
    async fn receive(&mut self) -> Option<Result<Frame>> {
        poll_fn(|context| {
            let mut wire = self.0.lock().unwrap();
            match wire.frames.pop_front() {
                Some(frame) => Poll::Ready(Some(Ok(frame))),
                None => {
                    wire.carrier = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// The handshakes of both streams.
    async fn send(&mut self, frame: Frame) -> Result<()> {
        let Frame::Text(text) = frame else { return Ok(()) };
        let quotes = SYMBOLS.join(r#"",""#);
        let subscribed = format!(r#"[{{"T":"subscription","trades":[],"quotes":["{quotes}"],"bars":[]}}]"#);
        say(
            &self.0,
            match text.as_str() {
                text if text.contains(r#""listen""#) => {
                    r#"{"stream":"listening","data":{"streams":["trade_updates"]}}"#
                }
                text if text.contains(r#""subscribe""#) => &subscribed,
                text if text.contains("PKACCOUNT") => {
                    r#"{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}"#
                }
                _ => r#"[{"T":"success","msg":"authenticated"}]"#,
            },
        );
        Ok(())
    }
}

fn say(wire: &Mutex<Wire>, text: &str) {
    wire.lock().unwrap().frames.push_back(Frame::Text(text.to_owned()));
}

/// One subscription, and the frames that it is given.
struct Bench {
    runtime: Runtime,
    wire: Arc<Mutex<Wire>>,
    events: BoxStream<'static, Event>,
    /// Frames made so far: no execution comes twice.
    made: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Executions,
    Quotes,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Executions => "trade_updates",
            Self::Quotes => "quotes",
        }
    }

    /// Events that a frame gives.
    fn events(self) -> usize {
        match self {
            Self::Executions => 2,
            Self::Quotes => 1,
        }
    }

    fn frame(self, number: usize) -> String {
        match self {
            Self::Executions => execution(number),
            Self::Quotes => quote(number),
        }
    }

    fn floor(self, text: &str) {
        match self {
            Self::Executions => _ = black_box(serde_json::from_str::<Message>(black_box(text)).unwrap()),
            Self::Quotes => _ = black_box(serde_json::from_str::<Vec<Quote>>(black_box(text)).unwrap()),
        }
    }
}

impl Bench {
    fn new(kind: Kind) -> Self {
        let runtime = current_thread();
        let venue = Arc::new(Venue::default());
        let wire = Arc::clone(&venue.0);
        let clock = Arc::new(SystemClock::new());
        let context = Context::new(clock, Arc::new(OsRng), Arc::new(TokioSpawn), venue);
        let key = match kind {
            Kind::Executions => "PKACCOUNT",
            Kind::Quotes => "PKQUOTES",
        };
        let broker = AlpacaBroker::new(AlpacaConfig::new(key, "secret").with_context(context)).unwrap();
        let events = runtime.block_on(async {
            let wanted = match kind {
                Kind::Executions => Subscription::account(&broker.accounts().await.unwrap().remove(0).id),
                Kind::Quotes => Subscription::quotes(SYMBOLS.map(InstrumentId::from)),
            };
            let wanted = wanted.with_audit_every(Duration::from_secs(86_400));
            let mut events = broker.streaming().unwrap().subscribe(&wanted).await.unwrap();
            if kind == Kind::Executions {
                // The end of the first snapshot.
                while !matches!(events.next().await.unwrap(), Event::Balances(_)) {}
            }
            events
        });
        Self {
            runtime,
            wire,
            events,
            made: 0,
            kind,
        }
    }

    fn frames(&mut self, count: usize) -> Vec<String> {
        let first = self.made;
        self.made += count;
        (first..self.made).map(|number| self.kind.frame(number)).collect()
    }

    /// CPU time a frame of the floor, over frames like those of ours.
    fn floor(&mut self, count: usize) -> Duration {
        let frames = self.frames(count);
        let watch = Watch::start();
        for text in frames {
            self.kind.floor(&text);
        }
        watch.took().cpu / u32::try_from(count).unwrap()
    }

    /// CPU time a frame from the carrier to the user's hand.
    fn ours(&mut self, count: usize, burst: usize) -> Duration {
        let mut frames: VecDeque<Frame> = self.frames(count).into_iter().map(Frame::Text).collect();
        let watch = Watch::start();
        self.runtime.block_on(async {
            while !frames.is_empty() {
                let size = burst.min(frames.len());
                {
                    let mut wire = self.wire.lock().unwrap();
                    wire.frames.extend(frames.drain(..size));
                    wire.carrier.take().into_iter().for_each(Waker::wake);
                }
                for number in 0..size * self.kind.events() {
                    let event = black_box(self.events.next().await.unwrap());
                    check(self.kind, number, &event);
                }
            }
        });
        watch.took().cpu / u32::try_from(count).unwrap()
    }
}

/// A fill comes before the order that it fills.
fn check(kind: Kind, number: usize, event: &Event) {
    let is_expected = match (kind, number % 2) {
        (Kind::Quotes, _) => matches!(event, Event::Quote(_)),
        (Kind::Executions, 0) => matches!(event, Event::Record(record) if matches!(**record, Record::Fill(_))),
        (Kind::Executions, _) => matches!(event, Event::Order(_)),
    };
    assert!(is_expected, "{event:?}");
}

/// Every order is filled in two executions.
fn execution(number: usize) -> String {
    let (order, symbol) = (number / 2, SYMBOLS[number / 2 % SYMBOLS.len()]);
    let (event, status, filled) = match number % 2 {
        0 => ("partial_fill", "partially_filled", "4"),
        _ => ("fill", "filled", "10"),
    };
    let qty = if number.is_multiple_of(2) { "4" } else { "6" };
    let (price, second, micros) = (100 + number % 200, number % 60, 100_000 + number % 800_000);
    let filled_at = match number % 2 {
        0 => "null".to_owned(),
        _ => format!(r#""2026-10-08T19:10:{second:02}.{micros}Z""#),
    };
    format!(
        r#"{{"stream":"trade_updates","data":{{"event":"{event}","execution_id":"{number:08x}-5f19-4c2e-9a31-7b0d5b1f2c4e","order":{{"id":"{order:08x}-1a2b-4c3d-8e4f-5a6b7c8d9e0f","client_order_id":"{order:08x}-9f8e-4d7c-a6b5-1c2d3e4f5a6b","created_at":"2026-10-08T19:09:58.097465Z","updated_at":"2026-10-08T19:10:{second:02}.{micros}Z","submitted_at":"2026-10-08T19:09:58.096127Z","filled_at":{filled_at},"expired_at":null,"expires_at":"2026-10-08T20:00:00Z","canceled_at":null,"failed_at":null,"replaced_at":null,"replaced_by":null,"replaces":null,"asset_id":"b0b6dd9d-8b9b-48a9-ba46-b9d54906e415","symbol":"{symbol}","asset_class":"us_equity","notional":null,"qty":"10","filled_qty":"{filled}","filled_avg_price":"{price}.25","order_class":"","order_type":"limit","type":"limit","side":"buy","position_intent":"buy_to_open","time_in_force":"day","limit_price":"{price}.5","stop_price":null,"status":"{status}","extended_hours":false,"legs":null,"trail_percent":null,"trail_price":null,"hwm":null,"subtag":null,"source":null}},"timestamp":"2026-10-08T19:10:{second:02}.{micros}812Z","price":"{price}.25","qty":"{qty}","position_qty":"{filled}","at":"2026-10-08T19:10:{second:02}.{micros}812Z","event_id":"01K73{number:021}"}}}}"#
    )
}

fn quote(number: usize) -> String {
    let (symbol, price) = (SYMBOLS[number % SYMBOLS.len()], 100 + number % 200);
    let nanos = 100_000_000 + number % 800_000_000;
    format!(
        r#"[{{"T":"q","S":"{symbol}","bx":"V","bp":{price}.05,"bs":{},"ax":"V","ap":{price}.09,"as":{},"c":["R"],"z":"C","t":"2026-10-08T19:10:18.{nanos}Z"}}]"#,
        100 + number % 7 * 100,
        100 + number % 5 * 100,
    )
}

/// A burst: what lies in a socket's buffer at once. Not more than there are instruments, for quotes are conflated.
const BURST: usize = 16;

fn main() {
    let (count, rounds) = if is_measured() { (20_000, ROUNDS) } else { (200, 1) };
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let mut lines = Vec::new();
    for kind in [Kind::Executions, Kind::Quotes] {
        let mut bench = Bench::new(kind);
        let text = kind.frame(0);
        criterion.bench_function(&format!("floor: {} decoded", kind.name()), |bencher| {
            bencher.iter(|| kind.floor(&text));
        });
        let mut took = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..rounds {
            took[0].push(bench.floor(count));
            took[1].push(bench.ours(count, BURST));
            took[2].push(bench.ours(count, 1));
        }
        let [floor, bursts, single] = took.map(median);
        for (how, ours) in [("in bursts", bursts), ("one by one", single)] {
            lines.push(format!(
                "{} {how}: CPU a frame: floor {} ns, ours {} ns, ratio {}",
                kind.name(),
                floor.as_nanos(),
                ours.as_nanos(),
                ratio(ours, floor),
            ));
        }
    }
    criterion.final_summary();
    lines.iter().for_each(|line| println!("{line}"));
}
