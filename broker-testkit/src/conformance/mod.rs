//! The contracts of the broker traits, checked sentence by sentence over `&dyn Broker`.
//!
//! Each case has a name and needs; [`run`] runs all, and says aloud what it skipped and why.

pub mod read;

use std::fmt;

use broker_core::model::CandleQuery;
use broker_core::seam::BoxFuture;
use broker_core::{AccountId, Broker, Error, InstrumentId, OrderRef, Symbol};
use chrono::{DateTime, Utc};

/// What the suite is told about the account that it reads. The account should be quiet while it runs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Setup {
    /// The account.
    pub account: AccountId,
    /// Inclusive start of a window that holds its records and orders.
    pub since: DateTime<Utc>,
    /// Exclusive end of it.
    pub until: DateTime<Utc>,
    /// An instrument that the broker has.
    pub instrument: Option<(InstrumentId, Symbol)>,
    /// An order that the account has, placed in the window; with our id if the broker carries it.
    pub order: Option<OrderRef>,
    /// Candles that the broker has.
    pub candles: Option<CandleQuery>,
}

impl Setup {
    /// An account, and a window that holds what happened to it.
    pub fn new(account: &AccountId, since: DateTime<Utc>, until: DateTime<Utc>) -> Self {
        Self {
            account: account.clone(),
            since,
            until,
            instrument: None,
            order: None,
            candles: None,
        }
    }

    /// An instrument that the broker has.
    #[must_use]
    pub fn with_instrument(mut self, id: InstrumentId, symbol: Symbol) -> Self {
        self.instrument = Some((id, symbol));
        self
    }

    /// An order that the account has.
    #[must_use]
    pub fn with_order(mut self, order: OrderRef) -> Self {
        self.order = Some(order);
        self
    }

    /// Candles that the broker has.
    #[must_use]
    pub fn with_candles(mut self, candles: CandleQuery) -> Self {
        self.candles = Some(candles);
        self
    }
}

/// What a case needs of the broker or the setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// The setup names an instrument.
    Instrument,
    /// The setup names an order.
    Order,
    /// The setup's order has our id.
    ClientId,
    /// The setup names candles.
    Candles,
    /// The broker has a market-data side.
    MarketData,
}

impl Need {
    /// Why it is not met; `None` if it is.
    fn missing(self, broker: &dyn Broker, setup: &Setup) -> Option<&'static str> {
        let (met, why) = match self {
            Self::Instrument => (setup.instrument.is_some(), "the setup names no instrument"),
            Self::Order => (setup.order.is_some(), "the setup names no order"),
            Self::ClientId => (
                setup.order.as_ref().is_some_and(|order| order.client_id.is_some()),
                "the setup's order has no id of ours",
            ),
            Self::Candles => (setup.candles.is_some(), "the setup names no candles"),
            Self::MarketData => (broker.market_data().is_some(), "the broker has no market data"),
        };
        (!met).then_some(why)
    }
}

/// Why a case failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed(pub String);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(format!("an error: {error}"))
    }
}

/// How a case ended: `Ok(false)` when the account's data gave it nothing to check.
pub type Outcome = Result<bool, Failed>;

/// One sentence of a contract.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What it needs.
    pub needs: &'static [Need],
    /// The check.
    pub run: for<'a> fn(&'a dyn Broker, &'a Setup) -> BoxFuture<'a, Outcome>,
}

/// What a run found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Cases that hold.
    pub passed: Vec<&'static str>,
    /// Cases that do not, and why.
    pub failed: Vec<(&'static str, String)>,
    /// Cases that were not run or had nothing to check, and why.
    pub skipped: Vec<(&'static str, &'static str)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed, skipped) = (self.passed.len(), self.failed.len(), self.skipped.len());
        writeln!(f, "{passed} passed, {failed} failed, {skipped} skipped")?;
        for (name, why) in &self.failed {
            writeln!(f, "  FAILED {name}: {why}")?;
        }
        for (name, why) in &self.skipped {
            writeln!(f, "  SKIPPED {name}: {why}")?;
        }
        Ok(())
    }
}

/// Runs every case, and prints what was skipped.
pub async fn run(broker: &dyn Broker, setup: &Setup) -> Report {
    run_cases(read::CASES, broker, setup).await
}

/// Runs these cases, and prints what was skipped.
pub async fn run_cases(cases: &[Case], broker: &dyn Broker, setup: &Setup) -> Report {
    let mut report = Report::default();
    for case in cases {
        let missing = case.needs.iter().find_map(|need| need.missing(broker, setup));
        match missing {
            Some(why) => report.skipped.push((case.name, why)),
            None => match (case.run)(broker, setup).await {
                Ok(true) => report.passed.push(case.name),
                Ok(false) => report
                    .skipped
                    .push((case.name, "the account has nothing to check it with")),
                Err(Failed(why)) => report.failed.push((case.name, why)),
            },
        }
    }
    for (name, why) in &report.skipped {
        eprintln!("SKIPPED {} {name}: {why}", broker.id());
    }
    report
}
