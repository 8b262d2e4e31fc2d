//! Stored rows to the records that count.

use broker_core::Result;
use broker_core::dedup::{self, Folded, Row};
use broker_core::model::Record;

use crate::store::StoredRow;

/// Folds rows; their order of reading decides where the venue gives no version.
pub(crate) fn fold(rows: impl IntoIterator<Item = StoredRow>) -> Result<Folded> {
    dedup::fold(rows.into_iter().map(|row| Row {
        record: row.record,
        read_at: row.read_order,
    }))
}

/// What counts, by time and key: the fees of voided fills too, for they were charged all the same.
pub(crate) fn counted(folded: &Folded) -> Vec<Record> {
    let fees = folded.voided_fees.iter().cloned().map(Record::Fee);
    let mut records: Vec<Record> = folded.records().cloned().chain(fees).collect();
    if !folded.voided_fees.is_empty() {
        records.sort_by_cached_key(|record| (record.at(), record.key()));
    }
    records
}
