//! Holds what a stream tells against its promises, and in the end against the venue.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::model::Event;
use broker_core::{Fill, FillId, InstrumentId, Order, OrderId, OrderStatus, Qty, Record, Side};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::{FillFacts, Harm, StreamsReport, Truth};

/// What a read-back says of instruments that it cannot know of.
const UNTOUCHED: &str = "in instruments that it did not touch while subscribed";

/// What the reader of a stream knows.
#[derive(Debug, Default)]
pub(super) struct Judge {
    pub(super) report: StreamsReport,
    ids: BTreeSet<FillId>,
    filled: BTreeSet<OrderId>,
    told: Truth,
    /// Since when something is missing that was not recovered yet.
    gap: Option<DateTime<Utc>>,
    /// History is asked instrument by instrument: of others than those that were seen nothing can be known.
    by_instrument: bool,
}

impl Judge {
    /// Of a broker whose history is asked instrument by instrument, or not.
    pub(super) fn new(by_instrument: bool) -> Self {
        Self {
            by_instrument,
            ..Self::default()
        }
    }

    /// Takes the next event.
    pub(super) fn take(&mut self, event: &Event) {
        self.report.events += 1;
        match event {
            Event::Order(order) => self.order(order),
            Event::Record(record) => self.record(record),
            Event::Position(position) => {
                let instrument = position.instrument.clone();
                self.told.positions.insert(instrument, position.signed_qty());
            }
            Event::Disconnected { .. } => self.report.disconnects += 1,
            Event::Gap { from, .. } => self.gap(*from),
            Event::Recovered(coverage) => {
                let came = self.gap.take().is_some();
                let beyond = |what: &String| self.by_instrument && what.ends_with(UNTOUCHED);
                let whole = coverage.missing.iter().all(beyond);
                // A first snapshot that leaves something out says so, too.
                if !(came || self.by_instrument) || !whole || coverage.accounts.is_empty() {
                    let report = &mut self.report;
                    report.harm(Harm::NotCovered, || format!("{coverage:?}, behind a gap: {came}"));
                }
            }
            Event::Closed(error) => self.report.harm(Harm::Ended, || error.to_string()),
            // Balances and quotes: nothing is promised of them here.
            _ => {}
        }
    }

    /// Whether a fill of this order came.
    pub(super) fn knows_fill_of(&self, order: &OrderId) -> bool {
        self.filled.contains(order)
    }

    /// Whether a gap waits for its recovery.
    pub(super) fn has_gap(&self) -> bool {
        self.gap.is_some()
    }

    fn order(&mut self, order: &Order) {
        self.report.orders += 1;
        let facts = (order.status.clone(), order.filled_qty);
        let before = self.told.orders.insert(order.id.clone(), facts);
        let Some((status, filled)) = before else { return };
        if order.filled_qty < filled {
            let report = &mut self.report;
            report.harm(Harm::FilledFell, || {
                format!("{} from {filled} to {}", order.id, order.filled_qty)
            });
        }
        if status.is_final() && !order.status.is_final() {
            let report = &mut self.report;
            report.harm(Harm::Reopened, || {
                format!("{} from {status} to {}", order.id, order.status)
            });
        }
    }

    fn record(&mut self, record: &Record) {
        let Record::Fill(fill) = record else { return };
        self.report.fills += 1;
        if !self.ids.insert(fill.id.clone()) {
            self.report.harm(Harm::FillDoubled, || shown(fill));
        }
        self.filled.extend(fill.order.clone());
        *self.told.fills.entry(fill.into()).or_default() += 1;
    }

    /// A connection that is lost while a gap is read back opens another one, which covers the first.
    fn gap(&mut self, from: DateTime<Utc>) {
        self.report.gaps += 1;
        if let Some(before) = self.gap
            && from > before
        {
            let report = &mut self.report;
            report.harm(Harm::GapOpen, || {
                format!("a gap since {before} was forgotten for one since {from}")
            });
        }
        self.gap = Some(self.gap.map_or(from, |before| before.min(from)));
    }

    /// The end, at rest. Positions are told by the stream only with a snapshot: `told_last` says that one came after
    /// the last fill.
    pub(super) fn compare(mut self, truth: &Truth, told_last: bool) -> StreamsReport {
        let report = &mut self.report;
        report.at_venue = u64::try_from(truth.orders.len()).unwrap_or(u64::MAX);
        if let Some(since) = self.gap {
            report.harm(Harm::GapOpen, || format!("a gap since {since} was never recovered"));
        }
        compare_fills(report, &self.told, truth);
        compare_orders(report, &self.told, truth);
        let folded = positions(&self.told.fills);
        if folded != truth.positions {
            report.harm(Harm::PositionWrong, || {
                format!("the fills make {folded:?}, the venue has {:?}", truth.positions)
            });
        }
        let told: BTreeMap<_, _> = self
            .told
            .positions
            .into_iter()
            .filter(|(_, qty)| !qty.is_zero())
            .collect();
        let positions = if truth.outright {
            BTreeMap::new()
        } else {
            truth.positions.clone()
        };
        if told_last && told != positions {
            report.harm(Harm::PositionWrong, || {
                format!("told {told:?}, the venue has {positions:?}")
            });
        }
        self.report
    }
}

fn compare_fills(report: &mut StreamsReport, told: &Truth, truth: &Truth) {
    let facts: BTreeSet<&FillFacts> = told.fills.keys().chain(truth.fills.keys()).collect();
    for fill in facts {
        let count = |of: &Truth| of.fills.get(fill).copied().unwrap_or_default();
        let (came, happened) = (count(told), count(truth));
        (came..happened).for_each(|_| report.harm(Harm::FillLost, || format!("{fill:?}")));
        (happened..came).for_each(|_| report.harm(Harm::FillInvented, || format!("{fill:?}")));
    }
}

fn compare_orders(report: &mut StreamsReport, told: &Truth, truth: &Truth) {
    let ids: BTreeSet<&OrderId> = told.orders.keys().chain(truth.orders.keys()).collect();
    for id in ids {
        let (came, is) = (told.orders.get(id), truth.orders.get(id));
        if came.map(seen) != is.map(seen) {
            report.harm(Harm::OrderWrong, || {
                format!("{id}: told {came:?}, the venue has {is:?}")
            });
        }
    }
}

/// Quantities are equal whatever their trailing zeros.
fn seen(facts: &(OrderStatus, Qty)) -> (&OrderStatus, Decimal) {
    (&facts.0, facts.1.get().normalize())
}

/// What an account holds that was flat before these fills.
fn positions(fills: &BTreeMap<FillFacts, u64>) -> BTreeMap<InstrumentId, Decimal> {
    let mut held: BTreeMap<InstrumentId, Decimal> = BTreeMap::new();
    for (fill, count) in fills {
        let qty = fill.qty.get() * Decimal::from(*count);
        let signed = if fill.side == Side::Buy { qty } else { -qty };
        *held.entry(fill.instrument.clone()).or_default() += signed;
    }
    held.retain(|_, qty| !qty.is_zero());
    held
}

fn shown(fill: &Fill) -> String {
    format!(
        "{} of {:?}: {} {} at {}",
        fill.id, fill.order, fill.side, fill.qty, fill.price
    )
}
