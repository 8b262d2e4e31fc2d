//! Nine accounts at three brokers into one SQLite file: one display of progress, one table, a certificate each.
//!
//! `cargo run --example sync_many` needs no account and no network: it starts three wire venues on loopback. Each is a
//! house of three accounts; at Alpaca a key sees one account, so each house has three keys. Another broker joins by a
//! function that starts its venue, in the list of `houses`. A second run finds nothing new and says so.

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
use broker_core::pnl::TradeBook;
use broker_core::seam::{Clock, SeededRng, SystemClock, TokioSpawn};
use broker_core::{Broker, Context, Currency};
use broker_sim::wire::{LoopbackServer, Venue, WireAnswer, WireLimit, WireRequest, share};
use broker_sim::{AccountSpec, FeeSchedule, HistoryPlan};
use broker_sync::{Progress, Scope, SqliteStore, Store, StoreExt, SyncGroup, SyncNews, SyncReport, Syncer};
use chrono::{DateTime, TimeZone, Utc};
use comfy_table::{CellAlignment, Table, presets};
use futures_util::StreamExt;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

const KEYS: [&str; 3] = ["PKMANY00000000000001", "PKMANY00000000000002", "PKMANY00000000000003"];
const SECRET: &str = "venue-secret-of-no-worth";
/// More than Alpaca's 200 a minute: an example need not wait.
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
    Ok(vec![alpaca(1).await?, alpaca(2).await?, alpaca(3).await?])
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
    for house in houses {
        house.server.shutdown().await;
    }
    Ok(())
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
        let books = TradeBook::fifo().fold(&history)?;
        let closed = books.trades.iter().filter(|trade| !trade.is_open()).count();
        // Everything at Alpaca is in dollars.
        let realized = books.instruments.values().filter_map(|book| book.realized);
        let realized: rust_decimal::Decimal = realized.map(|money| money.amount).sum();
        let verdict = match &report.verdict {
            Completeness::Complete => "complete".to_owned(),
            Completeness::Incomplete { .. } => "INCOMPLETE".to_owned(),
        };
        table.add_row([
            scope.to_string(),
            history.fills().count().to_string(),
            closed.to_string(),
            format!("{:.2}", realized.round_dp(2)),
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

/// One server for several Alpaca accounts: the key says whose request it is.
struct ByKey(BTreeMap<&'static str, AlpacaVenue>);

impl Venue for ByKey {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        let key = request.header("apca-api-key-id").unwrap_or_default();
        match self.0.get_mut(key) {
            Some(venue) => venue.handle(request, now),
            None => WireAnswer::json(401, r#"{"message":"forbidden."}"#),
        }
    }
}

/// Three accounts at Alpaca with 90 days of history each, another in every house.
async fn alpaca(house: u64) -> Result<House, Box<dyn Error>> {
    let now = Utc
        .with_ymd_and_hms(2026, 6, 30, 21, 0, 0)
        .single()
        .ok_or("no such moment")?;
    let mut venues = BTreeMap::new();
    for (number, key) in (1..).zip(KEYS) {
        let account = AccountSpec::margin(format!("SIM-{house}{number}"), Currency::USD);
        let plan = HistoryPlan::new(400 + 200 * number, now)
            .with_days(89)
            .with_seed(house * 10 + number as u64)
            .with_account(account.with_fees(FeeSchedule::us_retail()));
        let limit = WireLimit::fixed(PER_MINUTE, Duration::from_secs(60));
        let builder = AlpacaVenue::builder()
            .history(&plan)?
            .key(key, SECRET)
            .trading_limits(vec![limit]);
        venues.insert(key, builder.build()?);
    }
    // The venue's clock starts at the same moment in every run, so that every run meets the same things.
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::starting_at(now));
    let server = LoopbackServer::start(share(ByKey(venues)), Arc::clone(&clock)).await?;
    let url = server.url().parse::<url::Url>()?;
    let context = Context::new(
        clock,
        Arc::new(SeededRng::new(house)),
        Arc::new(TokioSpawn),
        Arc::new(NetTransport::new()?),
    );
    let connect = |key: &str| {
        let config = AlpacaConfig::new(key, SECRET)
            .with_base_url(url.clone())
            .with_requests_per_minute(PER_MINUTE)
            .with_context(context.clone());
        Ok::<_, broker_core::Error>(AlpacaBroker::new(config)?.handle())
    };
    Ok(House {
        name: format!("Alpaca, house {house},"),
        brokers: KEYS.iter().map(|key| connect(key)).collect::<Result<_, _>>()?,
        server,
    })
}
