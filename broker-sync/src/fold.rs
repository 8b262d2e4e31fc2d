//! Stored rows to the records that count.

use broker_core::Result;
use broker_core::dedup::{self, Folded, Row};

use crate::store::StoredRow;

/// Folds rows; their order of reading decides where the venue gives no version.
pub(crate) fn fold(rows: impl IntoIterator<Item = StoredRow>) -> Result<Folded> {
    dedup::fold(rows.into_iter().map(|row| Row {
        record: row.record,
        read_at: row.read_order,
    }))
}
