//! A first sync of 100,000 fills over loopback, real sockets, into a store in memory, beside its floor: the same pages
//! fetched by the bare transport and read by serde_json into structs that borrow all of their text and keep nothing.
//!
//! Both ask the same server for the same pages. The wire venue makes each answer once, in a first sync that is not
//! measured; from then on answers come from a table. The server has a thread of its own, and CPU time is that of the
//! client's thread alone, so the venue's work counts on neither side. Times on the wall hold the server's share on both.
//!
//! A sync reads the history, first as records and then into its store, and then lists all orders and positions to
//! check it. Its reading is measured against a floor that fetches the pages of history, and all of it against a floor
//! that fetches the orders as well. Criterion shows times on the wall; the lines at the end are CPU time, each the
//! median of some rounds.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

mod measure;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::net::NetTransport;
use broker_core::seam::{BoxFuture, Clock, OsRng, Request, Timeouts, TokioSpawn};
use broker_core::{AccountId, Broker, Context, HistoryQuery};
use broker_sim::HistoryPlan;
use broker_sim::wire::{LoopbackServer, Venue, WireAnswer, WireLimit, WireRequest, share};
use broker_sync::{MemoryStore, Progress, ProgressSink, SyncReport, Syncer};
use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeZone, Utc};
use criterion::Criterion;
use futures_util::TryStreamExt;
use measure::{Took, Watch, current_thread, is_measured, median, ratio};
use serde::Deserialize;
use tokio::runtime::Runtime;

const ROUNDS: usize = 7;
/// Enough that nobody waits.
const PER_MINUTE: u32 = 10_000_000;
const HISTORY: &str = "/v2/account/activities?";
const ORDERS: &str = "/v2/orders?";

/// All text of a row of history that any kind has.
#[derive(Deserialize)]
#[allow(dead_code, reason = "reading them is what is measured")]
struct Activity<'a> {
    id: &'a str,
    activity_type: &'a str,
    transaction_time: Option<&'a str>,
    #[serde(rename = "type")]
    kind: Option<&'a str>,
    price: Option<&'a str>,
    qty: Option<&'a str>,
    side: Option<&'a str>,
    symbol: Option<&'a str>,
    leaves_qty: Option<&'a str>,
    order_id: Option<&'a str>,
    cum_qty: Option<&'a str>,
    order_status: Option<&'a str>,
    date: Option<&'a str>,
    created_at: Option<&'a str>,
    net_amount: Option<&'a str>,
    description: Option<&'a str>,
}

/// What the check of an order needs.
#[derive(Deserialize)]
#[allow(dead_code, reason = "reading them is what is measured")]
struct Order<'a> {
    id: &'a str,
    client_order_id: &'a str,
    created_at: &'a str,
    symbol: &'a str,
    side: &'a str,
    status: &'a str,
    qty: Option<&'a str>,
    filled_qty: &'a str,
    filled_avg_price: Option<&'a str>,
    #[serde(borrow)]
    legs: Option<Vec<Order<'a>>>,
}

/// The day stands still, so that every sync asks the same; what has passed is real.
#[derive(Debug)]
struct StillDay(DateTime<Utc>, Instant);

impl Clock for StillDay {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }

    fn elapsed(&self) -> Duration {
        self.1.elapsed()
    }

    #[allow(clippy::disallowed_methods, reason = "this is the Clock")]
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// A venue that keeps its answers.
struct Canned {
    venue: AlpacaVenue,
    answers: HashMap<String, WireAnswer>,
    /// In the order in which they were first asked.
    targets: Vec<String>,
}

impl Venue for Canned {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        assert_eq!(request.method, "GET");
        let target = format!("{}?{}", request.path, request.query);
        if let Some(answer) = self.answers.get(&target) {
            return answer.clone();
        }
        let answer = self.venue.handle(request, now);
        self.targets.push(target.clone());
        self.answers.insert(target, answer.clone());
        answer
    }
}

/// Notes when the last page of history is stored.
struct LastPage {
    pages: u64,
    watch: Watch,
    took: Mutex<Option<Took>>,
}

impl std::fmt::Debug for LastPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LastPage({})", self.pages)
    }
}

impl ProgressSink for LastPage {
    fn progress(&self, progress: Progress) {
        if progress.pages == self.pages {
            *self.took.lock().unwrap() = Some(self.watch.took());
        }
    }
}

struct Bench {
    runtime: Runtime,
    canned: Arc<Mutex<Canned>>,
    url: String,
    context: Context,
    account: AccountId,
    fills: usize,
}

impl Bench {
    #[allow(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
    fn new(fills: usize) -> Self {
        let now: DateTime<Utc> = Utc.with_ymd_and_hms(2026, 6, 30, 21, 0, 0).unwrap();
        let plan = HistoryPlan::new(fills, now).with_days(89).with_symbols(40);
        let (engine, account) = plan.build().unwrap();
        let limit = WireLimit::fixed(PER_MINUTE, Duration::from_secs(60));
        let venue = AlpacaVenue::builder()
            .engine(engine, account)
            .trading_limits(vec![limit])
            .build()
            .unwrap();
        let account = venue.account_id();
        let canned = share(Canned {
            venue,
            answers: HashMap::new(),
            targets: Vec::new(),
        });
        let clock: Arc<dyn Clock> = Arc::new(StillDay(now, Instant::now()));
        let transport = Arc::new(NetTransport::new().unwrap());
        let context = Context::new(Arc::clone(&clock), Arc::new(OsRng), Arc::new(TokioSpawn), transport);
        Self {
            runtime: current_thread(),
            url: serve(Arc::clone(&canned), clock),
            canned,
            context,
            account,
            fills,
        }
    }

    fn broker(&self) -> AlpacaBroker {
        let url: url::Url = self.url.parse().unwrap();
        let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY)
            .with_base_url(url.clone())
            .with_data_url(url)
            .with_requests_per_minute(PER_MINUTE)
            .with_context(self.context.clone());
        AlpacaBroker::new(config).unwrap()
    }

    /// The pages as records that nobody keeps: the broker's share of a sync.
    fn walk(&self) -> (usize, Took) {
        let watch = Watch::start();
        let rows = self.runtime.block_on(async {
            let broker = self.broker();
            let query = HistoryQuery::last_days(&self.account, 90).resolved(broker.context().clock().now());
            let (mut rows, mut cursor) = (0, None);
            loop {
                let page = broker.history(&query, cursor.as_ref()).await.unwrap();
                rows += black_box(page.rows).len();
                cursor = page.next;
                if cursor.is_none() {
                    return rows;
                }
            }
        });
        (rows, watch.took())
    }

    /// One sync into an empty store; `pages` is how many it is known to read.
    fn sync(&self, pages: u64) -> (SyncReport, Option<Took>, Took) {
        let sink = Arc::new(LastPage {
            pages,
            watch: Watch::start(),
            took: Mutex::default(),
        });
        let syncer =
            Syncer::new(Arc::new(self.broker()), Arc::new(MemoryStore::new())).with_progress(Arc::clone(&sink) as _);
        let report = self.runtime.block_on(syncer.sync(&self.account)).unwrap();
        let all = sink.watch.took();
        let reading = *sink.took.lock().unwrap();
        (report, reading, all)
    }

    /// Fetches these, each behind the one before as a sync must, and reads rows of history and orders.
    fn fetch(&self, targets: &[String]) -> (usize, Took) {
        let watch = Watch::start();
        let rows = self.runtime.block_on(async {
            let mut rows = 0;
            for target in targets {
                let body = self.body(target).await;
                let text = std::str::from_utf8(&body).unwrap();
                if target.starts_with(HISTORY) {
                    rows += black_box(serde_json::from_str::<Vec<Activity<'_>>>(text).unwrap()).len();
                } else if target.starts_with(ORDERS) {
                    black_box(serde_json::from_str::<Vec<Order<'_>>>(text).unwrap());
                }
            }
            rows
        });
        (rows, watch.took())
    }

    async fn body(&self, target: &str) -> Bytes {
        let http = http::Request::get(format!("{}{target}", self.url));
        let request = Request::new(http.body(Bytes::new()).unwrap(), Timeouts::READ);
        let answer = self.context.transport().send(request).await.unwrap();
        assert_eq!(answer.http.status(), 200);
        let mut body = answer.http.into_body();
        let mut whole = BytesMut::new();
        while let Some(piece) = body.try_next().await.unwrap() {
            whole.extend_from_slice(&piece);
        }
        whole.freeze()
    }

    fn targets(&self) -> Vec<String> {
        self.canned.lock().unwrap().targets.clone()
    }

    /// Microseconds of CPU a fill, with two digits.
    fn a_fill(&self, took: Took) -> String {
        let hundredths = took.cpu.as_nanos() / 10 / self.fills as u128;
        format!("{}.{:02} us", hundredths / 100, hundredths % 100)
    }
}

/// Serves on a thread of its own until the process ends.
fn serve(canned: Arc<Mutex<Canned>>, clock: Arc<dyn Clock>) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        current_thread().block_on(async {
            let server = LoopbackServer::start(canned, clock).await.unwrap();
            sender.send(server.url()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

fn main() {
    let (fills, rounds) = if is_measured() { (100_000, ROUNDS) } else { (2_000, 1) };
    let bench = Bench::new(fills);
    let (report, _, _) = bench.sync(0);
    assert!(report.is_complete(), "{report}");
    assert!(report.totals.fills >= fills as u64);
    let all = bench.targets();
    let history: Vec<_> = all
        .iter()
        .filter(|target| target.starts_with(HISTORY))
        .cloned()
        .collect();
    let pages = report.totals.pages;
    assert_eq!(history.len() as u64, pages, "each page is asked once");

    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    criterion.bench_function("floor: history fetched and decoded", |bencher| {
        bencher.iter(|| bench.fetch(&history));
    });
    criterion.bench_function("sync, checks in", |bencher| bencher.iter(|| bench.sync(pages)));
    criterion.final_summary();

    let (mut floors, mut walks, mut readings) = (Vec::new(), Vec::new(), Vec::new());
    let (mut whole_floors, mut syncs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (rows, floor) = bench.fetch(&history);
        assert!(rows >= fills);
        floors.push(floor);
        let (rows, walk) = bench.walk();
        assert!(rows >= fills);
        walks.push(walk);
        whole_floors.push(bench.fetch(&all).1);
        let (again, reading, sync) = bench.sync(pages);
        assert_eq!((again.totals, again.is_complete()), (report.totals, true));
        readings.push(reading.unwrap());
        syncs.push(sync);
    }
    assert_eq!(bench.targets(), all, "every answer came from the table");
    let [floor, walk, reading] = [floors, walks, readings].map(median);
    let [whole_floor, sync] = [whole_floors, syncs].map(median);
    println!("{fills} fills, {pages} pages, {} requests in all", all.len());
    for (name, floor, ours) in [
        ("history as records", floor, walk),
        ("history into the store", floor, reading),
        ("sync, checks in", whole_floor, sync),
    ] {
        println!(
            "{name}: CPU a fill: floor {}, ours {}, ratio {}; on the wall {:?} and {:?}",
            bench.a_fill(floor),
            bench.a_fill(ours),
            ratio(ours.cpu, floor.cpu),
            floor.wall,
            ours.wall,
        );
    }
}
