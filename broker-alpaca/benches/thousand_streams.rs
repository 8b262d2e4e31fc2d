//! A thousand streams in one process: as many sockets of 127.0.0.1, each with a venue of its own behind it that sends
//! ten quotes a second. Goal: of the times from the venue's push to the user's event 95 % are below 5 ms, on two cores
//! that client and venues share.
//!
//! The venues have a thread of their own. Quotes are spread over the tenth of a second as a thousand strangers' are.
//! What is printed of memory is what the process grew by, both ends of each socket included. With `--apart` the venues
//! are in a process of their own, and it is the client's end alone.

#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{Event, Subscription};
use broker_core::net::NetTransport;
use broker_core::seam::{BoxStream, Clock, Frame, OsRng, SystemClock, TokioSpawn};
use broker_core::{AccountId, Broker, Context, Currency, InstrumentId, Price, Qty};
use broker_sim::wire::{LoopbackServer, SocketId, Venue, WireAnswer, WireRequest, share};
use broker_sim::{AccountSpec, Calendar, Catalogue, Engine};
use chrono::{DateTime, Utc};
use futures_util::future::{Either, join_all, select};
use futures_util::{StreamExt, stream};
use rust_decimal::Decimal;

const STREAMS: usize = 1_000;
/// Between two quotes of one stream.
const EVERY: Duration = Duration::from_millis(100);
/// Not measured: connections are opened and tables grow.
const WARM_UP: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(8);
const GOAL: Duration = Duration::from_millis(5);
/// Asks this program to be the venues.
const SERVE: &str = "--serve";

/// Many venues at one address: the first part of a path says which.
struct Many {
    venues: Vec<AlpacaVenue>,
    of: BTreeMap<SocketId, usize>,
    /// When each speaks next, soonest first.
    turns: VecDeque<(DateTime<Utc>, usize)>,
    /// Who may have something to say.
    touched: BTreeSet<usize>,
    count: i64,
}

impl Many {
    fn new(now: DateTime<Utc>) -> Self {
        let venue = |number| {
            let mut apple = Catalogue::standard().get(&"AAPL".into()).unwrap().clone();
            apple.calendar = Calendar::Always;
            let mut engine = Engine::new(number, &Catalogue::new().with(apple), now);
            engine
                .open_account(AccountSpec::margin("A1", Currency::USD), now)
                .unwrap();
            AlpacaVenue::builder()
                .engine(engine, AccountId::from("A1"))
                .build()
                .unwrap()
        };
        let apart = EVERY / u32::try_from(STREAMS).unwrap();
        let turn = |number: usize| (now + apart * u32::try_from(number).unwrap(), number);
        Self {
            venues: (0..STREAMS)
                .map(|number| venue(u64::try_from(number).unwrap()))
                .collect(),
            of: BTreeMap::new(),
            turns: (0..STREAMS).map(turn).collect(),
            touched: BTreeSet::new(),
            count: 0,
        }
    }

    /// The venue that a request is for, and the request as that one knows it.
    fn route(&mut self, request: &WireRequest) -> (usize, WireRequest) {
        let (number, rest) = request.path[1..].split_once('/').unwrap();
        let number: usize = number.parse().unwrap();
        self.touched.insert(number);
        let mut request = request.clone();
        request.path = format!("/{rest}");
        (number, request)
    }

    fn quote(&mut self, number: usize, now: DateTime<Utc>) {
        self.count += 1;
        let ask = Some(Price::new(Decimal::new(10_000 + self.count % 500, 2)));
        let size = Qty::new(100.into()).unwrap();
        let engine = self.venues[number].engine_mut();
        engine
            .set_quote(
                &InstrumentId::from("AAPL"),
                Some(Price::new(99.into())),
                ask,
                (size, size),
                now,
            )
            .unwrap();
        self.touched.insert(number);
    }
}

impl Venue for Many {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        let (number, request) = self.route(request);
        self.venues[number].handle(&request, now)
    }

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        let (number, request) = self.route(request);
        self.of.insert(socket, number);
        self.venues[number].upgrade(&request, socket, now)
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        let number = self.of[&socket];
        self.touched.insert(number);
        self.venues[number].frame(socket, frame, now);
    }

    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        while let Some((at, number)) = self.turns.front().copied().filter(|(at, _)| *at <= now) {
            self.turns.pop_front();
            self.quote(number, now);
            self.turns.push_back((at.max(now - EVERY) + EVERY, number));
        }
        let touched = std::mem::take(&mut self.touched);
        touched
            .into_iter()
            .flat_map(|number| self.venues[number].pushed(now))
            .collect()
    }

    fn wake_at(&self, _now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.turns.front().map(|(at, _)| *at)
    }
}

/// Serves for ever, and tells the address.
fn serve(tell: impl FnOnce(String)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = Arc::new(SystemClock::new());
        let many = share(Many::new(clock.now()));
        let server = LoopbackServer::start(many, clock).await.unwrap();
        tell(server.url());
        std::future::pending::<()>().await;
    });
}

/// Starts the venues: on a thread, which ends with the process, or in a process that is killed with the second item.
fn start(apart: bool) -> (String, Option<Kill>) {
    if !apart {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || serve(|url| tell.send(url).unwrap()));
        return (told.recv().unwrap(), None);
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(SERVE)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    let output = child.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut url).unwrap();
    (url.trim().to_owned(), Some(Kill(child)))
}

struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the process holds, in bytes.
fn held() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

async fn subscribe(url: String, context: Context) -> BoxStream<'static, Event> {
    let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY)
        .with_base_url(url.parse().unwrap())
        .with_context(context);
    let broker = AlpacaBroker::new(config).unwrap();
    let apple = Subscription::quotes(["AAPL".into()]);
    broker.streaming().unwrap().subscribe(&apple).await.unwrap()
}

/// From the venue's push to here, of every quote that came in time.
async fn measure(mut events: BoxStream<'static, Event>, clock: Arc<dyn Clock>) -> Vec<Duration> {
    let mut all = Vec::new();
    let started = clock.elapsed();
    let mut end = clock.sleep(WARM_UP + MEASURED);
    loop {
        let event = match select(events.next(), &mut end).await {
            Either::Left((event, _)) => event.unwrap(),
            Either::Right(_) => return all,
        };
        let now = clock.now();
        match event {
            Event::Quote(quote) if clock.elapsed() - started >= WARM_UP => {
                all.push((now - quote.at.unwrap()).to_std().unwrap_or_default());
            }
            Event::Quote(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn main() {
    let is_asked = |what: &str| std::env::args().any(|argument| argument == what);
    if is_asked(SERVE) {
        return serve(|url| println!("{url}"));
    }
    let apart = is_asked("--apart");
    let (url, venues) = start(apart);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let transport = Arc::new(NetTransport::new().unwrap());
    let empty = held();
    let context = || Context::new(clock.clone(), Arc::new(OsRng), Arc::new(TokioSpawn), transport.clone());
    let mut all = runtime.block_on(async {
        let opened = stream::iter(0..STREAMS).map(|number| subscribe(format!("{url}/{number}"), context()));
        let streams: Vec<_> = opened.buffer_unordered(50).collect().await;
        let standing = held();
        let measured = streams.into_iter().map(|events| measure(events, clock.clone()));
        let all = join_all(measured).await.concat();
        let busy = held();
        let each = |held: u64| held.saturating_sub(empty) / 1_024 / u64::try_from(STREAMS).unwrap();
        println!(
            "{STREAMS} streams: {} KiB each, {} KiB under traffic; {}",
            each(standing),
            each(busy),
            if apart {
                "the client's end alone"
            } else {
                "both ends of each socket and its venue's"
            }
        );
        all
    });
    drop(venues);
    all.sort();
    let of = |percent: usize| all[(all.len() - 1) * percent / 100];
    println!(
        "{} events in {MEASURED:?}: p50 {:?}, p95 {:?}, p99 {:?}, most {:?}; the goal is p95 below {GOAL:?}",
        all.len(),
        of(50),
        of(95),
        of(99),
        of(100)
    );
    let expected = STREAMS * 10 * usize::try_from(MEASURED.as_secs()).unwrap();
    assert!(all.len() * 100 >= expected * 95, "{} of {expected} events", all.len());
    assert!(of(95) < GOAL, "{:?}", of(95));
}
