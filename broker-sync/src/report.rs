//! What a sync did, what it checked, and what it can vouch for.

use std::fmt;

use broker_core::model::{Asset, Completeness, PositionLeg};
use broker_core::{InstrumentId, Money, OrderId, Symbol};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::plan::Effort;
use crate::state::{Scope, Totals};
use broker_core::span::{Moment, Span};

/// What a sync did and found. Prints like a certificate, with the account masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncReport {
    /// Whose history.
    pub scope: Scope,
    /// What this sync read, from the first to the last moment.
    pub asked: Span,
    /// What the store holds now, by this sync and those before it. The verdict is about this.
    pub covers: Span,
    /// Whether it finished a window that an earlier run had begun; the counts hold that run's pages too.
    pub resumed: bool,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// Requests of this run: pages, orders, positions, instruments.
    pub requests: u64,
    /// What it took, beside what the planner says.
    #[serde(default)]
    pub effort: Effort,
    /// Pages and rows.
    pub totals: Totals,
    /// Whether the fills of each order sum up to what the broker says was filled.
    pub orders: OrderCheck,
    /// Whether opening positions and records make the broker's positions.
    pub positions: PositionCheck,
    /// Whether our realized PnL is the broker's, where it states any. Does not touch the verdict.
    pub pnl: PnlCheck,
    /// Whether all of `covers` is proven.
    #[serde(with = "CompletenessJson")]
    pub verdict: Completeness,
    /// Oddities worth telling.
    pub notes: Vec<String>,
}

/// The per-order check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderCheck {
    /// Orders placed from here on were compared. One that was placed before the stored history is not: part of its
    /// fills may lie outside.
    Checked {
        /// How far back the broker's orders reached, or had to.
        since: DateTime<Utc>,
        /// Orders compared, those without fills too.
        orders: u64,
        /// Orders whose fills do not sum up.
        failed: Vec<OrderDifference>,
    },
    /// Not possible, and why.
    Unavailable(String),
}

/// An order whose fills do not sum up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderDifference {
    /// The order.
    pub order: OrderId,
    /// The leg, where it has several.
    pub instrument: Option<InstrumentId>,
    /// What the broker says was filled.
    #[serde(with = "broker_core::num::exact")]
    pub stated: Decimal,
    /// What our fills sum up to.
    #[serde(with = "broker_core::num::exact")]
    pub summed: Decimal,
    /// When its fills can have happened.
    pub span: Span,
}

/// The position check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionCheck {
    /// Opening plus records is what the broker states now. The opening was known from the account's birth, or was
    /// stored by an earlier sync.
    Verified {
        /// Positions and coins compared.
        compared: u64,
    },
    /// The opening was worked out now, so that it fits; the next sync checks it.
    Implied {
        /// Positions and coins that the account held before.
        opening: u64,
    },
    /// What does not agree.
    Differs(Vec<PositionDifference>),
    /// Not possible, and why.
    Unchecked(String),
}

/// A position that does not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionDifference {
    /// What it is of.
    pub asset: Asset,
    /// Net, or a leg.
    pub leg: PositionLeg,
    /// Opening plus records.
    #[serde(with = "broker_core::num::exact")]
    pub summed: Decimal,
    /// What the broker states.
    #[serde(with = "broker_core::num::exact")]
    pub stated: Decimal,
}

/// Our realized PnL beside the broker's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PnlCheck {
    /// The broker states none.
    NotStated,
    /// Compared trade by trade.
    Compared {
        /// Trades for which the broker states a figure.
        trades: u64,
        /// Those that differ.
        differences: Vec<PnlDifference>,
    },
    /// Not possible, and why.
    Unavailable(String),
}

/// A trade whose PnL is not the broker's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PnlDifference {
    /// What was traded.
    pub symbol: Symbol,
    /// When the trade ended.
    pub closed_at: Option<DateTime<Utc>>,
    /// Ours, before fees; `None` where a price or a multiplier is not known.
    pub ours: Option<Money>,
    /// The broker's.
    pub broker: Money,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Completeness", rename_all = "snake_case")]
enum CompletenessJson {
    Complete,
    Incomplete {
        ranges: Vec<(DateTime<Utc>, DateTime<Utc>)>,
        reason: String,
    },
}

impl SyncReport {
    /// Whether all that the store covers is proven.
    pub fn is_complete(&self) -> bool {
        self.verdict.is_complete()
    }
}

impl OrderCheck {
    /// Whether it was done and found nothing.
    pub fn passed(&self) -> bool {
        matches!(self, Self::Checked { failed, .. } if failed.is_empty())
    }
}

impl fmt::Display for SyncReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.totals;
        writeln!(f, "History certificate")?;
        writeln!(f, "  account    {}", self.scope)?;
        let resumed = if self.resumed { " (resumed)" } else { "" };
        writeln!(f, "  read       {}{resumed}", self.asked)?;
        writeln!(f, "  covers     {}", self.covers)?;
        let took = (self.ended_at - self.started_at).num_seconds();
        writeln!(
            f,
            "  pages      {} with {} rows, {} fills; {} requests, {took} s",
            totals.pages, totals.rows, totals.fills, self.requests
        )?;
        writeln!(f, "  effort     {}", self.effort)?;
        if totals.new + totals.corrections == 0 {
            writeln!(f, "  stored     nothing new; {} rows were known", totals.duplicates)?;
        } else {
            writeln!(
                f,
                "  stored     {} new, {} corrections, {} voids; {} rows were known",
                totals.new, totals.corrections, totals.voids, totals.duplicates
            )?;
        }
        writeln!(f, "  orders     {}", self.orders)?;
        writeln!(f, "  positions  {}", self.positions)?;
        writeln!(f, "  broker PnL {}", self.pnl)?;
        for note in &self.notes {
            writeln!(f, "  note       {note}")?;
        }
        match &self.verdict {
            Completeness::Complete => write!(f, "  verdict    COMPLETE"),
            Completeness::Incomplete { ranges, reason } => {
                write!(f, "  verdict    INCOMPLETE: {reason}")?;
                for (since, until) in ranges {
                    write!(f, "\n  unproven   {}", Span::new(*since, *until))?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for OrderCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checked { since, orders, failed } if failed.is_empty() => {
                write!(f, "{orders} agree with their fills, placed since {}", Moment(*since))
            }
            Self::Checked { orders, failed, .. } => {
                write!(f, "{} of {orders} do not agree with their fills:", failed.len())?;
                failed.iter().try_for_each(|one| write!(f, " {one};"))
            }
            Self::Unavailable(reason) => write!(f, "not checked: {reason}"),
        }
    }
}

impl fmt::Display for OrderDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {}", self.order)?;
        if let Some(instrument) = &self.instrument {
            write!(f, " in {instrument}")?;
        }
        write!(f, " filled {}, fills sum up to {}", self.stated, self.summed)
    }
}

impl fmt::Display for PositionCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verified { compared } => write!(f, "verified: opening and records make all {compared} of them"),
            Self::Implied { opening } => {
                write!(f, "implied: {opening} stood before; the next sync checks them")
            }
            Self::Differs(differences) => {
                f.write_str("DIFFER:")?;
                differences.iter().try_for_each(|one| write!(f, " {one};"))
            }
            Self::Unchecked(reason) => write!(f, "not checked: {reason}"),
        }
    }
}

impl fmt::Display for PositionDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.asset {
            Asset::Currency(currency) => write!(f, "{currency}")?,
            Asset::Instrument { symbol, .. } => write!(f, "{symbol}")?,
        }
        match self.leg {
            PositionLeg::Net => {}
            PositionLeg::Long => f.write_str(" long")?,
            PositionLeg::Short => f.write_str(" short")?,
        }
        write!(f, " is {} by our records, {} by the broker", self.summed, self.stated)
    }
}

impl fmt::Display for PnlDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ours {
            Some(ours) => write!(f, "{} {ours} by us, {} by the broker", self.symbol, self.broker),
            None => write!(f, "{} unknown to us, {} by the broker", self.symbol, self.broker),
        }
    }
}

impl fmt::Display for PnlCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStated => f.write_str("not stated by the broker"),
            Self::Compared { trades, differences } if differences.is_empty() => {
                write!(f, "{trades} trades compared, difference 0.00")
            }
            Self::Compared { trades, differences } => {
                write!(f, "{} of {trades} trades differ:", differences.len())?;
                differences.iter().try_for_each(|one| write!(f, " {one};"))
            }
            Self::Unavailable(reason) => write!(f, "not compared: {reason}"),
        }
    }
}
