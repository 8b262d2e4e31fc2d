//! JSON Lines, and the way back.

use std::io::BufRead;

use broker_core::{Error, Result};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::state::Scope;

/// Place in the order of reading, and when.
pub(super) type Read = (u64, DateTime<Utc>);

/// One line: a [`Record`](broker_core::model::Record), or a [`Trade`](broker_core::model::Trade) in a file of
/// trades.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line<T> {
    /// Whose it is; the account is masked unless the export was asked for whole ones.
    pub scope: Scope,
    /// Place in the order of reading, from 1, where every row was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_order: Option<u64>,
    /// When it was first read, where every row was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<DateTime<Utc>>,
    /// What it holds.
    pub row: T,
}

impl<T> Line<T> {
    pub(super) fn new(scope: &Scope, read: Option<Read>, row: T) -> Self {
        Self {
            scope: scope.clone(),
            read_order: read.map(|(order, _)| order),
            read_at: read.map(|(_, at)| at),
            row,
        }
    }
}

/// Reads JSON Lines that an export wrote, a line at a time. An error names its line, and is the last item.
///
/// ```
/// use broker_core::model::Record;
/// use broker_sync::{Line, read_lines};
/// let file = br#"{"scope":{"broker":"alpaca","environment":"paper","account":"PA123"},"row":{"void":{"id":"v1","account":"PA123","fill":"f1","at":"2026-01-05T15:00:00.123456789Z"}}}
/// "#;
/// let lines: Vec<Line<Record>> = read_lines(&file[..]).collect::<broker_core::Result<_>>()?;
/// assert_eq!(lines[0].scope.broker.get(), "alpaca");
/// assert_eq!(lines[0].row.at().timestamp_subsec_nanos(), 123_456_789);
/// # Ok::<(), broker_core::Error>(())
/// ```
pub fn read_lines<T: DeserializeOwned>(reader: impl BufRead) -> impl Iterator<Item = Result<Line<T>>> {
    let mut failed = false;
    reader.lines().zip(1_u64..).map_while(move |(text, number)| {
        if failed {
            return None;
        }
        let line = text
            .map_err(|error| unreadable(number, error))
            .and_then(|text| serde_json::from_str(&text).map_err(|error| unreadable(number, error)));
        failed = line.is_err();
        Some(line)
    })
}

fn unreadable(number: u64, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::decode(format!("line {number} is not one that this export writes"))
        .with_operation("export")
        .with_source(error)
}
