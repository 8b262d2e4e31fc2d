//! What is traded, and the orders that are asked of it.

use std::sync::atomic::{AtomicU64, Ordering};

use broker_core::capability::{LevelKind, OrderFacts};
use broker_core::model::{Group, Level, OrderKind, StopExit};
use broker_core::seam::Rng;
use broker_core::{InstrumentId, OrderRequest, Price, Qty, Side, Symbol, TimeInForce};
use broker_sim::{Calendar, Catalogue, Engine};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// An instrument whose market moves around one price.
///
/// ```
/// use broker_testkit::campaign::Line;
/// let line = Line::new("AAPL", "100.00", "1.00", "1");
/// assert_eq!(line.at(-250).to_string(), "97.5000"); // two and a half steps below
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The engine's key.
    pub instrument: InstrumentId,
    /// What requests call it.
    pub symbol: Symbol,
    /// What the market moves around.
    pub mid: Decimal,
    /// A step of the market, some 1 % of `mid`; a hundredth of it is a price that orders can have.
    pub step: Decimal,
    /// Smallest quantity of an order.
    pub lot: Decimal,
}

impl Line {
    /// An instrument that requests call by the engine's key.
    ///
    /// # Panics
    /// When a text is no number: it is written in a test.
    pub fn new(instrument: &str, mid: &str, step: &str, lot: &str) -> Self {
        Self {
            instrument: instrument.into(),
            symbol: instrument.into(),
            mid: number(mid),
            step: number(step),
            lot: number(lot),
        }
    }

    /// The same, called otherwise in requests.
    #[must_use]
    pub fn called(mut self, symbol: &str) -> Self {
        self.symbol = symbol.into();
        self
    }

    /// So many hundredths of a step off the middle.
    pub fn at(&self, hundredths: i64) -> Price {
        Price::new(self.mid + self.step * Decimal::new(hundredths, 2))
    }

    /// So many lots.
    pub fn lots(&self, count: u64) -> Qty {
        Qty::new(self.lot * Decimal::from(count)).unwrap_or(Qty::ZERO)
    }

    /// Bid and ask at so many hundredths of a step off the middle, with this much on each side.
    ///
    /// # Panics
    /// When the engine refuses the quote.
    #[allow(clippy::expect_used, reason = "a test stops at what it did not expect")]
    pub fn quote(&self, engine: &mut Engine, (bid, ask): (i64, i64), size: Qty, now: DateTime<Utc>) {
        engine
            .set_quote(
                &self.instrument,
                Some(self.at(bid)),
                Some(self.at(ask)),
                (size, size),
                now,
            )
            .expect("the engine takes the quote");
    }

    /// An order of any kind that a broker with these facts takes: four in ten trade at once, the others lie one to four
    /// steps off.
    pub fn request(&self, facts: &OrderFacts, rng: &dyn Rng) -> OrderRequest {
        let side = if rng.below(2) == 0 { Side::Buy } else { Side::Sell };
        let (symbol, qty) = (self.symbol.clone(), self.lots(rng.below(20) + 1));
        let off = 100 + i64::try_from(rng.below(300)).unwrap_or_default();
        let (better, worse) = match side {
            Side::Buy => (self.at(-off), self.at(off)),
            Side::Sell => (self.at(off), self.at(-off)),
        };
        let takes = |kind: &OrderKind| facts.kinds.contains(kind);
        let limit = |symbol| OrderRequest::limit(symbol, side, qty, better);
        let request = match rng.below(10) {
            0..4 if takes(&OrderKind::Market) => OrderRequest::market(symbol, side, qty),
            6..8 if takes(&OrderKind::Stop) => OrderRequest::stop(symbol, side, qty, worse),
            8 if takes(&OrderKind::StopLimit) => OrderRequest::stop_limit(symbol, side, qty, worse, worse),
            9 if facts.groups.contains(&Group::Bracket) => self.bracket(facts, limit(symbol)),
            _ => limit(symbol),
        };
        lasting(facts, request)
    }

    /// A purchase so far below the market that it rests.
    pub fn resting(&self, facts: &OrderFacts) -> OrderRequest {
        lasting(
            facts,
            OrderRequest::limit(self.symbol.clone(), Side::Buy, self.lots(5), self.at(-1_000)),
        )
    }

    /// With exits six steps off the middle, or at six steps from the entry.
    fn bracket(&self, facts: &OrderFacts, entry: OrderRequest) -> OrderRequest {
        let (above, below) = if facts.exits.levels.contains(&LevelKind::Price) {
            (Level::Price(self.at(600)), Level::Price(self.at(-600)))
        } else {
            let distance = Level::Distance(Qty::new(self.step * Decimal::from(6)).unwrap_or(Qty::ZERO));
            (distance, distance)
        };
        let (target, stop) = match entry.side {
            Side::Buy => (above, below),
            Side::Sell => (below, above),
        };
        entry
            .with_target(target)
            .with_stop(StopExit::Stop { stop, limit: None })
    }
}

/// Until canceled where its kind takes that, else as the venue has it.
fn lasting(facts: &OrderFacts, request: OrderRequest) -> OrderRequest {
    match facts.times_of(&request.trigger.kind()).contains(&TimeInForce::Gtc) {
        true => request.with_time_in_force(TimeInForce::Gtc),
        false => request,
    }
}

/// An engine whose list is these lines of the standard list, open around the clock.
///
/// # Panics
/// When the standard list lacks one.
#[allow(clippy::expect_used, reason = "a test stops at what it did not expect")]
pub fn open_market(lines: &[Line], seed: u64, now: DateTime<Utc>) -> Engine {
    let standard = Catalogue::standard();
    let catalogue = lines.iter().fold(Catalogue::new(), |catalogue, line| {
        let mut listing = standard
            .get(&line.instrument)
            .expect("the standard list has the line")
            .clone();
        listing.calendar = Calendar::Always;
        catalogue.with(listing)
    });
    Engine::new(seed, &catalogue, now)
}

/// How many seeds a campaign runs: those of every day, or `BROKER_SEEDS`.
pub fn seeds(usual: u64) -> u64 {
    let asked = std::env::var("BROKER_SEEDS").ok();
    asked.and_then(|seeds| seeds.parse().ok()).unwrap_or(usual)
}

/// Runs each seed once, on all cores, for seeds have nothing in common.
///
/// # Panics
/// When a run does.
pub fn each_seed(seeds: u64, run: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(1);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > seeds {
                        return;
                    }
                    run(seed);
                }
            });
        }
    });
}

#[allow(clippy::expect_used, reason = "a test stops at what it did not expect")]
fn number(text: &str) -> Decimal {
    text.parse().expect("a number")
}
