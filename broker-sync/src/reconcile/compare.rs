//! Two sides of an account, side by side.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::dedup::Folded;
use broker_core::model::{Fee, Fill, Flow, Record, RecordKey, Void};
use broker_core::{OrderId, Result};

use super::report::{Difference, FieldDifference, Kind};
use super::{Side, around, lies_in};
use crate::ledger::{Asked, Ledger, Rules};
use crate::report::{OrderCheck, OrderDifference, PositionCheck, SyncReport};
use crate::state::Holdings;
use crate::store::KnownOrder;
use broker_core::span::Span;

/// The fields of two values that are not the same.
macro_rules! fields {
    ($here:expr, $there:expr, $($field:ident),+) => {{
        let mut fields = Vec::new();
        $(if $here.$field != $there.$field {
            fields.push(FieldDifference {
                field: stringify!($field),
                here: format!("{:?}", $here.$field),
                there: format!("{:?}", $there.$field),
            });
        })+
        fields
    }};
}

/// Records that lie in the span on the side that has them.
pub(super) fn records(here: &Folded, there: &Folded, compared: Span) -> Vec<Difference> {
    let (here, there) = (by_key(here), by_key(there));
    // What the broker took back since then is news, and no difference.
    let voided_since: BTreeSet<RecordKey> = there
        .values()
        .copied()
        .filter(|record| record.booked_at() >= compared.until)
        .filter_map(|record| match record {
            Record::Void(void) => Some(RecordKey::Fill(void.fill.clone())),
            Record::Fill(_) | Record::Fee(_) | Record::Flow(_) => None,
        })
        .collect();
    let mut found = Vec::new();
    for (key, record) in there.iter().filter(|(_, record)| lies_in(record, compared)) {
        let kind = match here.get(key) {
            None => Kind::MissingHere(key.clone()),
            Some(ours) if ours == record => continue,
            Some(ours) => Kind::Differs {
                record: key.clone(),
                fields: differing(ours, record),
            },
        };
        found.push(Difference {
            kind,
            repair: Some(around(record.booked_at())),
        });
    }
    let is_gone = |key: &RecordKey| !there.contains_key(key) && !voided_since.contains(key);
    for (key, _) in here
        .iter()
        .filter(|(key, record)| lies_in(record, compared) && is_gone(key))
    {
        found.push(Difference {
            kind: Kind::MissingThere(key.clone()),
            repair: None,
        });
    }
    found
}

/// What counts, and voids as they are.
fn by_key(folded: &Folded) -> BTreeMap<RecordKey, &Record> {
    let voids = folded.rows.iter().map(|row| &row.record);
    let voids = voids.filter(|record| matches!(record, Record::Void(_)));
    voids
        .chain(folded.records())
        .map(|record| (record.key(), record))
        .collect()
}

fn differing(here: &Record, there: &Record) -> Vec<FieldDifference> {
    match (here, there) {
        (Record::Fill(here), Record::Fill(there)) => fills(here, there),
        (Record::Void(here), Record::Void(there)) => voids(here, there),
        (Record::Fee(here), Record::Fee(there)) => fees(here, there),
        (Record::Flow(here), Record::Flow(there)) => flows(here, there),
        // Keys of different kinds are never the same.
        _ => Vec::new(),
    }
}

fn fills(here: &Fill, there: &Fill) -> Vec<FieldDifference> {
    fields!(
        here,
        there,
        instrument,
        symbol,
        leg,
        order,
        client_order,
        side,
        qty,
        price,
        at,
        version,
        grade,
        fees,
        liquidity,
        effect,
        pnl,
        conversion,
        lots
    )
}

fn voids(here: &Void, there: &Void) -> Vec<FieldDifference> {
    fields!(here, there, fill, at)
}

fn fees(here: &Fee, there: &Fee) -> Vec<FieldDifference> {
    fields!(
        here, there, label, asset, amount, price, instrument, order, fill, at, booked_at, version, canceled
    )
}

fn flows(here: &Flow, there: &Flow) -> Vec<FieldDifference> {
    fields!(
        here,
        there,
        kind,
        asset,
        amount,
        price,
        cash,
        instrument,
        lot,
        group,
        description,
        at,
        booked_at,
        version,
        canceled
    )
}

/// Orders that were placed in the span, as far as the broker still lists them.
pub(super) fn orders(here: &Side, there: &Side, report: &SyncReport, compared: Span) -> Vec<Difference> {
    let OrderCheck::Checked { since, .. } = &report.orders else {
        return Vec::new();
    };
    let since = compared.since.max(*since);
    let placed = |order: &KnownOrder| order.created_at.is_some_and(|at| since <= at && at < compared.until);
    // What changed since then is news.
    let is_news = |order: &KnownOrder| {
        let changed_at = order.updated_at.or(order.created_at);
        changed_at.is_none_or(|at| at >= compared.until)
    };
    let by_id = |side: &'_ Side| -> BTreeMap<OrderId, KnownOrder> {
        side.orders
            .iter()
            .map(|order| (order.id.clone(), order.clone()))
            .collect()
    };
    let (ours, theirs) = (by_id(here), by_id(there));
    let mut found = Vec::new();
    for (id, order) in theirs.iter().filter(|(_, order)| placed(order)) {
        let kind = match ours.get(id) {
            None => Kind::OrderMissingHere(id.clone()),
            Some(_) if is_news(order) => continue,
            Some(known) => {
                let fields = fields!(known, order, client_id, filled, is_final, created_at, updated_at);
                if fields.is_empty() {
                    continue;
                }
                Kind::OrderDiffers {
                    order: id.clone(),
                    fields,
                }
            }
        };
        found.push(Difference {
            kind,
            repair: order.created_at.map(around),
        });
    }
    for (id, _) in ours
        .iter()
        .filter(|(id, order)| placed(order) && !theirs.contains_key(*id))
    {
        found.push(Difference {
            kind: Kind::OrderMissingThere(id.clone()),
            repair: None,
        });
    }
    found
}

/// An order whose fills do not even sum up at the broker.
pub(super) fn unfilled(difference: &OrderDifference) -> Difference {
    Difference {
        kind: Kind::OrderFills(difference.clone()),
        repair: None,
    }
}

/// Openings and records beside what the broker states. Our records are what counts now by the store and what came since.
pub(super) fn positions(
    (opening, ours): (&Holdings, &[Record]),
    (begun, theirs): (&Holdings, &[Record]),
    rules: Rules<'_>,
    report: &SyncReport,
) -> Result<Vec<Difference>> {
    let asked = if rules.positions_cover_fills {
        Asked::Positions
    } else {
        Asked::PositionsAndBalances
    };
    if matches!(report.positions, PositionCheck::Unchecked(_)) {
        return Ok(Vec::new());
    }
    let sum = |opening: &Holdings, records: &[Record]| {
        let counted = records.iter().filter(|record| record.booked_at() >= opening.at);
        Ledger::held(&opening.holdings)?.plus(&Ledger::of(counted, rules)?)
    };
    let mut stated = sum(begun, theirs)?;
    if let PositionCheck::Differs(differences) = &report.positions {
        for one in differences {
            stated = stated.corrected(one);
        }
    }
    let (differences, _) = sum(opening, ours)?.compare(&stated, asked);
    let named = differences.into_iter().map(|difference| Difference {
        kind: Kind::Position(difference),
        repair: None,
    });
    Ok(named.collect())
}
