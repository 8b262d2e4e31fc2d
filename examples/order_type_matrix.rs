//! What orders each broker takes, every cell tried against its venue: `cargo run --example order_type_matrix`.
//!
//! A cell says `yes` where the broker's facts claim it and its venue took the order, and `-` where they do not and
//! placing it was `Unsupported`, with no order sent. Anything else is a contradiction: it is printed, and the program
//! fails.

use std::fmt;
use std::process::ExitCode;

use broker_core::capability::{LevelKind, OrderFacts, TrailKind};
use broker_core::model::{Group, Level, OrderKind, StopExit, Trail};
use broker_core::{BrokerExt, ErrorKind, OrderRequest, Placement, Qty, Side, TimeInForce};
use comfy_table::{Table, presets};
use examples::brokers::{ALL, Desk, Failed, Known};
use rust_decimal::Decimal;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failed> {
    let mut contradictions = 0;
    for known in ALL {
        let tried = Tried::of(known)?;
        contradictions += tried.contradictions.len();
        println!("{tried}");
    }
    match contradictions {
        0 => Ok(()),
        some => Err(format!("{some} cells say otherwise than the venue").into()),
    }
}

const KINDS: [OrderKind; 7] = [
    OrderKind::Market,
    OrderKind::Limit,
    OrderKind::Stop,
    OrderKind::StopLimit,
    OrderKind::MarketIfTouched,
    OrderKind::LimitIfTouched,
    OrderKind::TrailingStop,
];

const TIMES: [TimeInForce; 7] = [
    TimeInForce::Day,
    TimeInForce::Gtc,
    TimeInForce::Gtd,
    TimeInForce::Ioc,
    TimeInForce::Fok,
    TimeInForce::AtOpen,
    TimeInForce::AtClose,
];

/// One broker's table, and what contradicts itself.
struct Tried {
    title: &'static str,
    table: Table,
    more: Vec<String>,
    cells: usize,
    contradictions: Vec<String>,
}

impl Tried {
    fn of(known: &Known) -> Result<Self, Failed> {
        let desk = (known.desk)()?;
        let facts = desk.broker.capabilities().orders.clone();
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        let times = TIMES.iter().map(|time| time.to_string().replace('_', " "));
        table.set_header(["order", "no time"].map(str::to_owned).into_iter().chain(times));
        let mut tried = Self {
            title: known.title,
            table,
            more: Vec::new(),
            cells: 0,
            contradictions: Vec::new(),
        };
        for kind in KINDS {
            let mut row = vec![kind.to_string().replace('_', " ")];
            for time in std::iter::once(None).chain(TIMES.iter().map(Some)) {
                let claimed =
                    facts.kinds.contains(&kind) && time.is_none_or(|time| facts.times_of(&kind).contains(time));
                let request = of_kind(&desk, &facts, &kind);
                let request = match time {
                    Some(TimeInForce::Gtd) => {
                        request.with_expiry(desk.broker.context().clock().now() + chrono::Duration::hours(30))
                    }
                    Some(time) => request.with_time_in_force(time.clone()),
                    None => request,
                };
                let what = format!("{kind} {}", time.map_or("without a time", |time| time.as_str()));
                row.push(tried.cell(&desk, &what, claimed, request));
            }
            tried.table.add_row(row);
        }
        for (what, claimed, request) in others(&desk, &facts) {
            let cell = tried.cell(&desk, what, claimed, request);
            tried.more.push(format!("{what} {cell}"));
        }
        Ok(tried)
    }

    /// Tries one order, and takes it away again.
    fn cell(&mut self, desk: &Desk, what: &str, claimed: bool, request: OrderRequest) -> String {
        self.cells += 1;
        let before = desk.placed();
        let (cell, error) = desk.runtime.block_on(async {
            let placed = desk.broker.place_once(&desk.account, request).await;
            let cell = match &placed {
                Ok(Placement::Accepted(_)) => "yes",
                Ok(Placement::Rejected(_)) => "refused",
                Ok(Placement::InDoubt(_)) => "in doubt",
                Err(error) if error.kind() == ErrorKind::Unsupported && desk.placed() == before => "-",
                Err(_) => "an error",
            };
            let error = match placed {
                Ok(Placement::Rejected(error)) | Err(error) => error.to_string(),
                Ok(Placement::Accepted(_) | Placement::InDoubt(_)) => String::new(),
            };
            if let Some(trading) = desk.broker.trading() {
                let _ = trading.cancel_all(&desk.account).await;
            }
            (cell, error)
        });
        if (cell == "yes") != claimed || !matches!(cell, "yes" | "-") {
            let claim = if claimed { "claimed" } else { "not claimed" };
            self.contradictions.push(format!("{what}: {claim}, {cell}: {error}"));
        }
        cell.to_owned()
    }
}

/// An order of this kind that does not trade, but for a market order.
fn of_kind(desk: &Desk, facts: &OrderFacts, kind: &OrderKind) -> OrderRequest {
    let line = &desk.line;
    let (symbol, qty) = (line.symbol.clone(), line.lots(2));
    let (below, above) = (line.at(-500), line.at(500));
    let trail = if facts.trails.contains(&TrailKind::Amount) || facts.trails.is_empty() {
        Trail::Amount(line.step * Decimal::from(5))
    } else {
        Trail::Percent(Decimal::from(5))
    };
    match kind {
        OrderKind::Limit => OrderRequest::limit(symbol, Side::Buy, qty, below),
        OrderKind::Stop => OrderRequest::stop(symbol, Side::Buy, qty, above),
        OrderKind::StopLimit => OrderRequest::stop_limit(symbol, Side::Buy, qty, above, above),
        OrderKind::MarketIfTouched => OrderRequest::market_if_touched(symbol, Side::Buy, qty, below),
        OrderKind::LimitIfTouched => OrderRequest::limit_if_touched(symbol, Side::Buy, qty, below, below),
        OrderKind::TrailingStop => OrderRequest::trailing_stop(symbol, Side::Buy, qty, trail),
        _ => OrderRequest::market(symbol, Side::Buy, qty),
    }
}

/// What is no kind and no time: groups, sizes, marks.
fn others(desk: &Desk, facts: &OrderFacts) -> Vec<(&'static str, bool, OrderRequest)> {
    let line = &desk.line;
    let (symbol, qty) = (line.symbol.clone(), line.lots(2));
    let limit = || of_kind(desk, facts, &OrderKind::Limit);
    let distance = |steps: u32| Level::Distance(Qty::new(line.step * Decimal::from(steps)).unwrap_or(Qty::ZERO));
    let stop = |stop: Level| StopExit::Stop { stop, limit: None };
    let group = |group: Group, level: LevelKind| facts.groups.contains(&group) && facts.exits.levels.contains(&level);
    let trails = |kind: TrailKind| facts.kinds.contains(&OrderKind::TrailingStop) && facts.trails.contains(&kind);
    let trailing = |trail| OrderRequest::trailing_stop(symbol.clone(), Side::Buy, qty, trail);
    let exits_trail = facts.exits.kinds.contains(&OrderKind::TrailingStop) && facts.groups.contains(&Group::Oto);
    let five = Decimal::from(5);
    let mut rows = vec![
        (
            "bracket by prices",
            group(Group::Bracket, LevelKind::Price),
            limit()
                .with_target(Level::Price(line.at(900)))
                .with_stop(stop(Level::Price(line.at(-900)))),
        ),
        (
            "oto by price",
            group(Group::Oto, LevelKind::Price),
            limit().with_stop(stop(Level::Price(line.at(-900)))),
        ),
        (
            "trailing exit",
            exits_trail && facts.trails.contains(&TrailKind::Amount),
            limit().with_stop(StopExit::Trailing(Trail::Amount(line.step * five))),
        ),
        (
            "trail by amount",
            trails(TrailKind::Amount),
            trailing(Trail::Amount(line.step * five)),
        ),
        (
            "trail by percent",
            trails(TrailKind::Percent),
            trailing(Trail::Percent(five)),
        ),
        ("reduce only", facts.reduce_only, {
            OrderRequest::limit(symbol.clone(), Side::Sell, qty, line.at(500)).with_reduce_only()
        }),
        ("extended hours", facts.extended_hours, {
            limit().with_time_in_force(TimeInForce::Day).with_extended_hours()
        }),
    ];
    // Where distances are not native they are converted if that is exact, which is no claim of the facts. A target may
    // need a price where a stop takes a distance, too.
    if group(Group::Bracket, LevelKind::Distance) {
        let target = match facts.exits.levels.contains(&LevelKind::Price) {
            true => Level::Price(line.at(900)),
            false => distance(2),
        };
        let bracket = limit().with_target(target).with_stop(stop(distance(1)));
        rows.push(("bracket, stop by distance", true, bracket));
    }
    rows
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.title, self.table)?;
        writeln!(f, "{}", self.more.join(", "))?;
        for contradiction in &self.contradictions {
            writeln!(f, "  contradiction: {contradiction}")?;
        }
        writeln!(
            f,
            "{}: {} cells tried, {} contradictions",
            self.title,
            self.cells,
            self.contradictions.len()
        )
    }
}
