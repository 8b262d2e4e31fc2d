//! The per-order check: the fills of an order sum up to what the broker says was filled.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::dedup::{Folded, Row};
use broker_core::model::{Fill, Record};
use broker_core::{ClientOrderId, Error, FillId, InstrumentId, OrderId, Result};
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

use crate::refold::account::FillFacts;
use crate::report::{OrderCheck, OrderDifference};
use crate::store::KnownOrder;
use broker_core::span::Span;

/// The fills of orders, summed up.
#[derive(Debug, Default)]
pub(crate) struct Fills {
    by_order: BTreeMap<OrderId, Sums>,
    /// Rows that name our id alone.
    by_client_id: BTreeMap<ClientOrderId, Sums>,
    /// The account has fills, and none of them names an order.
    name_no_order: bool,
}

#[derive(Debug, Default)]
struct Sums {
    counted: BTreeMap<InstrumentId, Decimal>,
    /// What was taken back: a venue may leave it in the order's filled quantity.
    voided: BTreeMap<InstrumentId, Decimal>,
}

impl Fills {
    /// Of the orders of these records and rows.
    pub(crate) fn of(folded: &Folded, account: FillFacts) -> Result<Self> {
        let mut fills = Self {
            name_no_order: account.count > 0 && !account.name_orders,
            ..Self::default()
        };
        for record in folded.records() {
            if let Record::Fill(fill) = record {
                fills.add(fill, |sums| &mut sums.counted)?;
            }
        }
        for fill in voided(&folded.rows) {
            fills.add(fill, |sums| &mut sums.voided)?;
        }
        Ok(fills)
    }

    fn add(&mut self, fill: &Fill, which: fn(&mut Sums) -> &mut BTreeMap<InstrumentId, Decimal>) -> Result<()> {
        let sums = match (&fill.order, &fill.client_order) {
            (Some(id), _) => self.by_order.entry(id.clone()).or_default(),
            (None, Some(id)) => self.by_client_id.entry(id.clone()).or_default(),
            (None, None) => return Ok(()),
        };
        let sum = which(sums).entry(fill.instrument.clone()).or_default();
        *sum = sum.checked_add(fill.qty.get()).ok_or_else(too_large)?;
        Ok(())
    }

    fn of_order(&self, order: &KnownOrder) -> Option<&Sums> {
        let by_client_id = || self.by_client_id.get(order.client_id.as_ref()?);
        self.by_order.get(&order.id).or_else(by_client_id)
    }
}

/// Fills that were taken back, each by its last row.
fn voided(rows: &[Row]) -> impl Iterator<Item = &Fill> {
    let named: BTreeSet<&FillId> = rows
        .iter()
        .filter_map(|row| match &row.record {
            Record::Void(void) => Some(&void.fill),
            Record::Fill(_) | Record::Fee(_) | Record::Flow(_) => None,
        })
        .collect();
    let mut last: BTreeMap<&FillId, &Fill> = BTreeMap::new();
    for row in rows {
        if let Record::Fill(fill) = &row.record
            && named.contains(&fill.id)
            && last.get(&fill.id).is_none_or(|known| known.version <= fill.version)
        {
            last.insert(&fill.id, fill);
        }
    }
    last.into_values()
}

impl Sums {
    fn counted(&self, instrument: Option<&InstrumentId>) -> Result<Decimal> {
        total(&self.counted, instrument)
    }

    fn with_voided(&self, instrument: Option<&InstrumentId>) -> Result<Decimal> {
        let voided = total(&self.voided, instrument)?;
        self.counted(instrument)?.checked_add(voided).ok_or_else(too_large)
    }
}

fn total(sums: &BTreeMap<InstrumentId, Decimal>, instrument: Option<&InstrumentId>) -> Result<Decimal> {
    match instrument {
        Some(id) => Ok(sums.get(id).copied().unwrap_or_default()),
        None => sums
            .values()
            .try_fold(Decimal::ZERO, |sum, qty| sum.checked_add(*qty))
            .ok_or_else(too_large),
    }
}

fn too_large() -> Error {
    Error::decode("the fills of an order do not fit when summed up")
}

/// Compares orders that were placed inside `covers` with their fills, and marks those that agree.
pub(crate) fn check(
    orders: &mut [KnownOrder],
    fills: &Fills,
    covers: Span,
    since: DateTime<Utc>,
) -> Result<OrderCheck> {
    if fills.name_no_order {
        let reason = "the broker's fills do not name their orders".to_owned();
        return Ok(OrderCheck::Unavailable(reason));
    }
    let mut checked = 0;
    let mut failed = Vec::new();
    // One placed before may have fills before; one whose time is not told is taken to be inside.
    let inside = |order: &&mut KnownOrder| order.created_at.is_none_or(|at| at >= covers.since);
    for order in orders.iter_mut().filter(inside) {
        checked += 1;
        let differences = differences(order, fills, covers)?;
        order.is_settled = differences.is_empty();
        failed.extend(differences);
    }
    Ok(OrderCheck::Checked {
        since,
        orders: checked,
        failed,
    })
}

fn differences(order: &KnownOrder, fills: &Fills, covers: Span) -> Result<Vec<OrderDifference>> {
    let none = Sums::default();
    let sums = fills.of_order(order).unwrap_or(&none);
    let since = order.created_at.unwrap_or(covers.since);
    // A final order's last change may be stamped a moment before its last fill.
    let moment = TimeDelta::minutes(1);
    let until = order.updated_at.filter(|_| order.is_final);
    let until = until.and_then(|at| at.checked_add_signed(moment));
    let span = Span::new(since, until.map_or(covers.until, |until| until.min(covers.until)));
    let mut differences = Vec::new();
    for leg in &order.filled {
        let summed = sums.counted(leg.instrument.as_ref())?;
        if leg.qty == summed || leg.qty == sums.with_voided(leg.instrument.as_ref())? {
            continue;
        }
        differences.push(OrderDifference {
            order: order.id.clone(),
            instrument: leg.instrument.clone(),
            stated: leg.qty,
            summed,
            span,
        });
    }
    Ok(differences)
}
