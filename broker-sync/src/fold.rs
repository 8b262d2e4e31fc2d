//! Stored rows to the records that count.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::FillId;
use broker_core::model::{Record, RecordKey};

use crate::store::StoredRow;

pub(crate) fn fold(rows: &[StoredRow]) -> Vec<Record> {
    let mut best: BTreeMap<RecordKey, &StoredRow> = BTreeMap::new();
    let mut voided: BTreeSet<&FillId> = BTreeSet::new();
    for row in rows {
        if let Record::Void(void) = &row.record {
            voided.insert(&void.fill);
        }
        let rank = |row: &StoredRow| (row.version(), row.grade(), row.read_at, row.read_order);
        let known = best.entry(row.key()).or_insert(row);
        if rank(row) > rank(known) {
            *known = row;
        }
    }
    let counts = |record: &Record| match record {
        Record::Fill(fill) => !voided.contains(&fill.id),
        Record::Void(_) => false,
        Record::Fee(fee) => !fee.canceled,
        Record::Flow(flow) => !flow.canceled,
    };
    let mut records: Vec<Record> = best
        .into_values()
        .map(|row| row.record.clone())
        .filter(counts)
        .collect();
    records.sort_by_cached_key(|record| (record.at(), record.key()));
    records
}
