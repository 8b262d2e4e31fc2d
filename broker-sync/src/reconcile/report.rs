//! What a comparison of store and broker found.

use std::fmt;

use broker_core::model::RecordKey;
use broker_core::{Currency, OrderId};
use rust_decimal::Decimal;

use super::cash::CashCheck;
use crate::report::{OrderDifference, PositionDifference, SyncReport};
use crate::state::Scope;
use broker_core::span::Span;

/// Store and broker side by side. Prints with the account masked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciliation {
    /// Whose.
    pub scope: Scope,
    /// What was compared: the window that the store covers, as far as the broker still tells of it.
    pub compared: Span,
    /// What differed.
    pub found: Vec<Difference>,
    /// What still differs after what history can repair was read again; the same where nothing can.
    pub left: Vec<Difference>,
    /// Cash, by currency.
    pub cash: Vec<CashCheck>,
    /// Why the broker's own history is not proven, so that what it does not tell may exist all the same.
    pub unproven: Option<String>,
    /// The sync that read again.
    pub repair: Option<SyncReport>,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What, and how.
    pub kind: Kind,
    /// The span that history is read again in to repair it; `None` where history cannot.
    pub repair: Option<Span>,
}

/// How store and broker differ. "Here" is the store, "there" the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The broker tells a record that the store does not have, or does not count.
    MissingHere(RecordKey),
    /// The store counts a record that the broker does not tell.
    MissingThere(RecordKey),
    /// Both have it, and say different things.
    Differs {
        /// Which record.
        record: RecordKey,
        /// In what.
        fields: Vec<FieldDifference>,
    },
    /// The broker lists an order that the store does not know.
    OrderMissingHere(OrderId),
    /// The store knows an order that the broker does not list.
    OrderMissingThere(OrderId),
    /// Both know it, and say different things.
    OrderDiffers {
        /// Which order.
        order: OrderId,
        /// In what.
        fields: Vec<FieldDifference>,
    },
    /// The broker's own fills of an order do not sum up to what it says was filled: some are missing here and there.
    OrderFills(OrderDifference),
    /// Opening and records make another position than the broker states.
    Position(PositionDifference),
    /// Opening and records make another balance than the broker states.
    Cash {
        /// Of what.
        currency: Currency,
        /// By our records.
        here: Decimal,
        /// By the broker.
        there: Decimal,
    },
}

/// A value that differs, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDifference {
    /// Its name.
    pub field: &'static str,
    /// In the store.
    pub here: String,
    /// At the broker.
    pub there: String,
}

impl Reconciliation {
    /// Whether nothing differs any more, and the broker's own history is proven.
    pub fn agrees(&self) -> bool {
        self.left.is_empty() && self.unproven.is_none()
    }
}

impl fmt::Display for Reconciliation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Reconciliation")?;
        writeln!(f, "  account    {}", self.scope)?;
        writeln!(f, "  compared   {}", self.compared)?;
        for one in &self.found {
            let state = if self.left.iter().any(|left| left.kind == one.kind) {
                "differs "
            } else {
                "repaired"
            };
            writeln!(f, "  {state}   {one}")?;
        }
        for one in self.left.iter().filter(|left| !self.found.contains(left)) {
            writeln!(f, "  differs    {one}")?;
        }
        for one in &self.cash {
            writeln!(f, "  cash       {one}")?;
        }
        match (&self.unproven, self.left.len()) {
            (None, 0) => write!(f, "  verdict    AGREES"),
            (Some(reason), 0) => write!(f, "  verdict    agrees with a history that is not proven: {reason}"),
            (_, count) => write!(f, "  verdict    {count} DIFFERENCES"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, fields: &[FieldDifference]| {
            fields
                .iter()
                .try_for_each(|one| write!(f, " {} is {} here, {} there;", one.field, one.here, one.there))
        };
        match &self.kind {
            Kind::MissingHere(key) => write!(f, "{} is missing here", Named(key)),
            Kind::MissingThere(key) => write!(f, "{} is missing there", Named(key)),
            Kind::Differs { record, fields } => {
                write!(f, "{}:", Named(record))?;
                list(f, fields)
            }
            Kind::OrderMissingHere(order) => write!(f, "order {order} is missing here"),
            Kind::OrderMissingThere(order) => write!(f, "order {order} is missing there"),
            Kind::OrderDiffers { order, fields } => {
                write!(f, "order {order}:")?;
                list(f, fields)
            }
            Kind::OrderFills(difference) => difference.fmt(f),
            Kind::Position(difference) => difference.fmt(f),
            Kind::Cash { currency, here, there } => {
                write!(f, "cash of {currency} is {here} by our records, {there} by the broker")
            }
        }
    }
}

struct Named<'a>(&'a RecordKey);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RecordKey::Fill(id) => write!(f, "fill {id}"),
            RecordKey::Void(id) => write!(f, "void {id}"),
            RecordKey::Fee(id) => write!(f, "fee {id}"),
            RecordKey::Flow(id) => write!(f, "flow {id}"),
        }
    }
}
