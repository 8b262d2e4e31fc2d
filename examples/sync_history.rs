//! 90 days of an account into SQLite: trades, PnL by symbol, a certificate, an equity curve.
//!
//! `cargo run --example sync_history` needs no account and no network: it starts Alpaca's wire venue on loopback
//! with 90 days of seeded history; with a broker's name behind `--` it starts that one's. With the broker's variables
//! set (`APCA_API_KEY_ID` and `APCA_API_SECRET_KEY`) it asks the real paper host. A second run finds nothing new and
//! says so.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use broker_core::model::Trade;
use broker_core::pnl::{Books, TradeBook};
use broker_core::{History, InstrumentId, InstrumentQuery, Record};
use broker_sync::{Progress, ProgressSink, SqliteStore, SyncReport, Syncer};
use chrono::{DateTime, Utc};
use comfy_table::{CellAlignment, Table, presets};
use examples::brokers::Local;
use indicatif::{ProgressBar, ProgressStyle};
use rust_decimal::Decimal;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As it reads, not as it is built: it says what to do.
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let known = examples::brokers::named()?;
    let (venue, broker) = if known.has_credentials() {
        println!("asking {}'s paper host with the key of the environment", known.title);
        (None, (known.from_env)()?)
    } else {
        let venue = (known.lived)().await?;
        println!("{}'s wire venue speaks on {}", known.title, venue.url());
        let broker = Arc::clone(&venue.broker);
        (Some(venue), broker)
    };
    let account = broker.accounts().await?.remove(0).id;

    let folder = std::env::var_os("BROKER_EXAMPLE_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let store = Arc::new(SqliteStore::open(folder.join("sync_history.sqlite"))?);
    let bar = Arc::new(Bar::new());
    let sink: Arc<dyn ProgressSink> = Arc::clone(&bar) as _;
    let mut syncer = Syncer::new(Arc::clone(&broker), store)
        .with_days(90)
        .with_progress(sink);
    if broker.capabilities().history.by_instrument {
        // Nobody else knows what was ever traded: everything is asked.
        let all = broker.instruments(&InstrumentQuery::All).await?;
        syncer = syncer.with_instruments(all.into_iter().map(|instrument| instrument.id).collect());
    }
    let report = syncer.sync(&account).await?;
    bar.0.finish_and_clear();

    let history = syncer.history(&account).await?;
    let books = TradeBook::fifo().fold(&history)?;
    let stated = venue.as_ref().map(Local::realized);
    println!("{}", by_symbol(&books, stated.as_ref()));
    let open = books.trades.iter().filter(|trade| trade.is_open()).count();
    println!(
        "{} fills make {} round trips; {open} are still open",
        history.fills().count(),
        books.trades.len() - open
    );
    for row in &books.unpriced {
        println!(
            "not priced: {} ({:?}, {} records)",
            row.instrument,
            row.reason,
            row.records.len()
        );
    }
    let curve = folder.join("sync_history.svg");
    let realized = realized(&books.trades);
    if realized.is_empty() {
        // Coins whose fees are taken in kind leave a rest, and are never flat again.
        println!("equity curve: no round trip is closed\n\n{report}\n");
    } else {
        examples::curve::draw(&curve, "Realized PnL after fees, USD", &realized)?;
        println!("equity curve: {}\n\n{report}\n", curve.display());
    }
    println!("{}", summary(&report, &history));
    if let Some(venue) = venue {
        venue.stop().await;
    }
    Ok(())
}

/// Realized PnL, fees and round trips by symbol; beside it what the venue's own books state.
fn by_symbol(books: &Books, stated: Option<&BTreeMap<InstrumentId, Decimal>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header([
        "symbol",
        "round trips",
        "won",
        "realized PnL",
        "fees",
        "venue states",
        "difference",
    ]);
    let mut total = Row::default();
    for (instrument, book) in &books.instruments {
        let trades: Vec<_> = books
            .trades
            .iter()
            .filter(|t| t.instrument == *instrument && !t.is_open())
            .collect();
        let symbol = books
            .trades
            .iter()
            .find(|trade| trade.instrument == *instrument)
            .map(|trade| &trade.symbol);
        let row = Row {
            trades: trades.len(),
            won: trades
                .iter()
                .filter(|trade| trade.gross_pnl.is_some_and(|pnl| pnl.amount > Decimal::ZERO))
                .count(),
            realized: book.realized.map_or(Decimal::ZERO, |pnl| pnl.amount),
            fees: book.fees.iter().map(|fee| fee.amount).sum(),
            stated: stated.map(|stated| stated.get(instrument).copied().unwrap_or_default()),
        };
        table.add_row(row.cells(symbol.map_or(instrument.get(), |symbol| symbol.get())));
        total = total.plus(&row);
    }
    table.add_row(total.cells("all"));
    for column in 1..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A line of the table. Amounts are in dollars: the currency of every instrument at Alpaca.
#[derive(Default)]
struct Row {
    trades: usize,
    won: usize,
    realized: Decimal,
    fees: Decimal,
    stated: Option<Decimal>,
}

impl Row {
    fn plus(&self, other: &Self) -> Self {
        Self {
            trades: self.trades + other.trades,
            won: self.won + other.won,
            realized: self.realized + other.realized,
            fees: self.fees + other.fees,
            stated: other.stated.map(|stated| self.stated.unwrap_or_default() + stated),
        }
    }

    fn cells(&self, symbol: &str) -> Vec<String> {
        let cents = |amount: Decimal| format!("{:.2}", amount.round_dp(2));
        vec![
            symbol.to_owned(),
            self.trades.to_string(),
            self.won.to_string(),
            cents(self.realized),
            cents(self.fees),
            self.stated.map_or_else(|| "-".to_owned(), cents),
            self.stated
                .map_or_else(|| "-".to_owned(), |stated| cents(self.realized - stated)),
        ]
    }
}

/// Realized PnL after fees, added up over the closed trades.
fn realized(trades: &[Trade]) -> Vec<(DateTime<Utc>, Decimal)> {
    let mut closed: Vec<_> = trades
        .iter()
        .filter_map(|trade| Some((trade.closed_at?, trade.net_pnl()?.amount)))
        .collect();
    closed.sort_unstable();
    let mut sum = Decimal::ZERO;
    closed
        .into_iter()
        .map(|(at, pnl)| {
            sum += pnl;
            (at, sum)
        })
        .collect()
}

/// The line to look for. Duplicates are counted in what the store gives, not in what was read: pages overlap on purpose.
fn summary(report: &SyncReport, history: &History) -> String {
    let verdict = if report.is_complete() { "Complete" } else { "Incomplete" };
    let different: BTreeSet<_> = history.records.iter().map(Record::key).collect();
    let duplicates = history.records.len() - different.len();
    format!(
        "{verdict}: {} new, {} corrections, {duplicates} duplicates",
        report.totals.new, report.totals.corrections
    )
}

/// The progress bar: how much of the window is read.
#[derive(Debug)]
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:40} {percent}% {msg}");
        Self(ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

impl ProgressSink for Bar {
    fn progress(&self, progress: Progress) {
        let span =
            |from: DateTime<Utc>, to: DateTime<Utc>| u64::try_from((to - from).num_seconds()).unwrap_or_default();
        self.0.set_length(span(progress.window.since, progress.window.until));
        self.0.set_position(span(progress.window.since, progress.reached));
        self.0.set_message(format!(
            "{} pages, {} fills, {} rows a second",
            progress.pages, progress.fills, progress.rate
        ));
    }
}
