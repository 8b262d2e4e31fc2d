//! Nine accounts at three brokers into one SQLite file: one display of progress, one table, a certificate each.
//!
//! `cargo run --example sync_many` needs no account and no network: it starts three wire venues on loopback, of Alpaca,
//! OANDA and Kraken. Each is a house of three accounts with a key each. Another broker joins by a function that starts
//! its venue, in the list of `houses`. A second run finds nothing new and says so.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::Completeness;
use broker_core::net::NetTransport;
use broker_core::pnl::LotMethod;
use broker_core::seam::{Clock, SeededRng, SystemClock, TokioSpawn};
use broker_core::{Broker, Context, Currency, Money};
use broker_kraken::venue::KrakenVenue;
use broker_kraken::{KrakenBroker, KrakenConfig};
use broker_oanda::venue::{OandaVenue, OandaVenueBuilder};
use broker_oanda::{OandaBroker, OandaConfig};
use broker_sim::wire::{LoopbackServer, Venue, WireAnswer, WireLimit, WireRequest, share};
use broker_sim::{AccountSpec, FeeSchedule, HistoryPlan};
use broker_sync::{Progress, Scope, SqliteStore, Store, StoreExt, SyncGroup, SyncNews, SyncReport, Syncer, summary};
use chrono::{DateTime, TimeZone, Utc};
use comfy_table::{CellAlignment, Table, presets};
use futures_util::StreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const SECRET: &str = "venue-secret-of-no-worth";
/// More than Alpaca's 200 a minute and Kraken's counters: an example need not wait.
const PER_MINUTE: u32 = 6_000;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A venue on loopback, and the connections to its accounts.
struct House {
    name: String,
    server: LoopbackServer,
    brokers: Vec<Arc<dyn Broker>>,
}

async fn houses() -> Result<Vec<House>, Box<dyn Error>> {
    Ok(vec![alpaca().await?, oanda().await?, kraken().await?])
}

async fn run() -> Result<(), Box<dyn Error>> {
    let folder = std::env::var_os("BROKER_EXAMPLE_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("sync_many.sqlite");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path)?);
    let houses = houses().await?;
    let mut group = SyncGroup::new().with_at_once(4);
    for house in &houses {
        println!("{} speaks on {}", house.name, house.server.url());
        for broker in &house.brokers {
            group
                .add_all(&Syncer::new(Arc::clone(broker), Arc::clone(&store)).with_days(90))
                .await?;
        }
    }
    let plan = group.plan().await?;
    println!(
        "{} accounts: at least {} requests, at least {} s by the brokers' limits\n",
        plan.plans.len(),
        plan.requests(),
        plan.least_time().as_secs()
    );
    let ended = sync(&group).await;
    println!("{}", table(&ended, store.as_ref()).await?);
    for (scope, outcome) in &ended {
        match outcome {
            Ok(report) => println!("{report}\n"),
            Err(error) => println!("{scope} failed: {error}\n"),
        }
    }
    let new: u64 = ended
        .iter()
        .flat_map(|(_, outcome)| outcome)
        .map(|report| report.totals.new)
        .sum();
    let complete = ended
        .iter()
        .flat_map(|(_, outcome)| outcome)
        .filter(|report| report.is_complete())
        .count();
    println!(
        "{complete} of {} accounts complete: {new} new, in {}",
        ended.len(),
        path.display()
    );
    let agreeing = reconciled(&houses, &store).await?;
    println!(
        "{agreeing} of {} agree with their brokers: records, orders, positions, and cash where it can be compared",
        ended.len()
    );
    for house in houses {
        house.server.shutdown().await;
    }
    Ok(())
}

/// Asks the brokers once more for everything, and counts the accounts of which the store holds the same.
async fn reconciled(houses: &[House], store: &Arc<dyn Store>) -> Result<usize, Box<dyn Error>> {
    let mut agreeing = 0;
    for broker in houses.iter().flat_map(|house| &house.brokers) {
        let syncer = Syncer::new(Arc::clone(broker), Arc::clone(store)).with_days(90);
        for account in broker.accounts().await? {
            let compared = syncer.reconcile(&account.id).await?;
            agreeing += usize::from(compared.agrees());
            if !compared.agrees() {
                println!("{compared}\n");
            }
        }
    }
    Ok(agreeing)
}

type Ended = Vec<(Scope, Result<SyncReport, broker_core::Error>)>;

/// Runs the group, and shows each account on a line.
async fn sync(group: &SyncGroup) -> Ended {
    let style = ProgressStyle::with_template("{prefix:24} {bar:30} {percent:>3}% {msg}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let display = MultiProgress::new();
    let mut bars: BTreeMap<usize, ProgressBar> = BTreeMap::new();
    let mut ended: BTreeMap<usize, (Scope, Result<SyncReport, broker_core::Error>)> = BTreeMap::new();
    let mut run = group.run();
    while let Some(event) = run.next().await {
        let bar = bars.entry(event.member).or_insert_with(|| {
            let bar = ProgressBar::new(100)
                .with_style(style.clone())
                .with_prefix(event.scope.to_string());
            display.add(bar)
        });
        match event.news {
            SyncNews::Started => bar.set_message("started"),
            SyncNews::Progress(progress) => show(bar, &progress),
            SyncNews::Done(report) => {
                bar.set_position(bar.length().unwrap_or_default());
                bar.finish_with_message(format!("{} pages, {} new", report.totals.pages, report.totals.new));
                ended.insert(event.member, (event.scope, Ok(*report)));
            }
            SyncNews::Failed(error) => {
                bar.abandon_with_message(error.kind().to_string());
                ended.insert(event.member, (event.scope, Err(error)));
            }
        }
    }
    ended.into_values().collect()
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let span = |from: DateTime<Utc>, to: DateTime<Utc>| u64::try_from((to - from).num_seconds()).unwrap_or_default();
    bar.set_length(span(progress.window.since, progress.window.until));
    bar.set_position(span(progress.window.since, progress.reached));
    let eta = progress
        .eta
        .map_or_else(String::new, |eta| format!(", {:.1} s left", eta.as_secs_f32()));
    bar.set_message(format!(
        "{} pages, {} fills, {} rows a second{eta}",
        progress.pages, progress.fills, progress.rate
    ));
}

fn cents(money: &Money) -> String {
    format!("{:.2} {}", money.amount.round_dp(2), money.currency)
}

/// A line an account: what it holds by the store, what was new, what is proven.
async fn table(ended: &Ended, store: &dyn Store) -> Result<Table, Box<dyn Error>> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "account",
        "fills",
        "round trips",
        "realized PnL",
        "new",
        "requests",
        "verdict",
    ]);
    for (scope, outcome) in ended {
        let Ok(report) = outcome else {
            table.add_row([
                scope.to_string(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                "failed".to_owned(),
            ]);
            continue;
        };
        let history = store.history(scope).await?;
        let books = store.books(scope, LotMethod::Fifo).await?;
        let [row] = summary::by_account([(scope, &books)])?
            .try_into()
            .map_err(|_| "one account makes one row")?;
        let gross: Vec<String> = row.summary.gross.iter().map(cents).collect();
        let verdict = match &report.verdict {
            Completeness::Complete => "complete".to_owned(),
            Completeness::Incomplete { .. } => "INCOMPLETE".to_owned(),
        };
        table.add_row([
            scope.to_string(),
            history.fills().count().to_string(),
            row.summary.trades.to_string(),
            gross.join(", "),
            report.totals.new.to_string(),
            report.requests.to_string(),
            verdict,
        ]);
    }
    for column in 1..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    Ok(table)
}

/// One server for three accounts: what a request signs in with says whose it is.
struct ByKey {
    header: &'static str,
    venues: BTreeMap<String, Box<dyn Venue>>,
}

impl Venue for ByKey {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        // What is public is asked without a key, and is the same everywhere.
        let venue = match request.header(self.header) {
            Some(key) => self.venues.get_mut(key),
            None => self.venues.values_mut().next(),
        };
        match venue {
            Some(venue) => venue.handle(request, now),
            None => WireAnswer::json(401, r#"{"message":"no such key"}"#),
        }
    }
}

/// Connects a client to the venue at this address, with the key of that number.
type Connect<'a> = dyn Fn(usize, url::Url, Context) -> broker_core::Result<Arc<dyn Broker>> + 'a;

impl House {
    /// Three accounts with 90 days of history each behind one address. A house has one connection pool and one limiter.
    async fn of(
        name: &str,
        seed: u64,
        header: &'static str,
        venue: impl Fn(usize, HistoryPlan) -> broker_core::Result<(String, Box<dyn Venue>)>,
        connect: &Connect<'_>,
    ) -> Result<Self, Box<dyn Error>> {
        let now = Utc.with_ymd_and_hms(2026, 6, 30, 21, 0, 0).single();
        let now = now.ok_or("no such moment")?;
        let plan = |number: usize| {
            let plan = HistoryPlan::new(400 + 200 * number, now).with_days(89);
            plan.with_seed(seed * 10 + number as u64)
        };
        let venues = (1..=3).map(|number| venue(number, plan(number)));
        let venues = venues.collect::<broker_core::Result<BTreeMap<_, _>>>()?;
        // The venue's clock starts at the same moment in every run, so that every run meets the same things.
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(now));
        let server = LoopbackServer::start(share(ByKey { header, venues }), Arc::clone(&clock)).await?;
        let url = server.url().parse::<url::Url>()?;
        let rng = Arc::new(SeededRng::new(seed));
        let context = Context::new(clock, rng, Arc::new(TokioSpawn), Arc::new(NetTransport::new()?));
        let brokers = (1..=3).map(|number| connect(number, url.clone(), context.clone()));
        Ok(Self {
            name: name.to_owned(),
            brokers: brokers.collect::<broker_core::Result<_>>()?,
            server,
        })
    }
}

async fn alpaca() -> Result<House, Box<dyn Error>> {
    let key = |number: usize| format!("PKMANY0000000000000{number}");
    let venue = move |number: usize, plan: HistoryPlan| {
        let account = AccountSpec::margin(format!("SIM-{number}"), Currency::USD);
        let limit = WireLimit::fixed(PER_MINUTE, Duration::from_secs(60));
        let venue = AlpacaVenue::builder()
            .history(&plan.with_account(account.with_fees(FeeSchedule::us_retail())))?
            .key(key(number), SECRET)
            .trading_limits(vec![limit])
            .build()?;
        Ok((key(number), Box::new(venue) as Box<dyn Venue>))
    };
    let connect = |number: usize, url, context| {
        let config = AlpacaConfig::new(key(number), SECRET)
            .with_base_url(url)
            .with_requests_per_minute(PER_MINUTE)
            .with_context(context);
        Ok(AlpacaBroker::new(config)?.handle())
    };
    House::of("Alpaca", 1, "apca-api-key-id", venue, &connect).await
}

async fn oanda() -> Result<House, Box<dyn Error>> {
    let token = |number: usize| format!("venue-token-of-no-worth-{number}");
    let venue = move |number: usize, plan: HistoryPlan| {
        let account = OandaVenueBuilder::spec(format!("101-004-1000000-00{number}"), Currency::USD);
        let venue = OandaVenue::builder()
            .history(&plan.with_symbols(8).with_account(account))?
            .token(token(number))
            .build()?;
        Ok((format!("Bearer {}", token(number)), Box::new(venue) as Box<dyn Venue>))
    };
    let connect = |number: usize, url: url::Url, context| {
        let config = OandaConfig::new(token(number)).with_base_url(url.clone());
        let config = config.with_stream_url(url).with_context(context);
        Ok(OandaBroker::new(config)?.handle())
    };
    House::of("OANDA", 2, "authorization", venue, &connect).await
}

async fn kraken() -> Result<House, Box<dyn Error>> {
    let key = |number: usize| format!("{}{number}", KrakenVenue::KEY);
    let venue = move |number: usize, plan: HistoryPlan| {
        let venue = KrakenVenue::builder()
            .history(&plan)?
            .key(key(number), KrakenVenue::SECRET)
            .without_limits()
            .build()?;
        Ok((key(number), Box::new(venue) as Box<dyn Venue>))
    };
    let connect = |number: usize, url, context| {
        let point = Duration::from_millis(1);
        let config = KrakenConfig::new(key(number), KrakenVenue::SECRET)
            .live()
            .with_call_counter(PER_MINUTE, point)
            .with_public_counter(PER_MINUTE, point)
            .with_base_url(url)
            .with_context(context);
        Ok(KrakenBroker::new(config)?.handle())
    };
    House::of("Kraken", 3, "api-key", venue, &connect).await
}
