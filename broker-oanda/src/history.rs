//! The walk over an account's transactions. A file of its own, for here the completeness of the history is decided.
//!
//! Ids of transactions count from 1 without a hole. The span of time is turned into ids once; then blocks of ids are
//! read, without a filter, and each block must hold every id: that is the proof.

use std::ops::RangeInclusive;

use broker_core::{Cursor, HistoryQuery, Page, Proof, Record, Result};
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::map::Book;
use crate::map::record;
use crate::rest::{BLOCK, Rest};
use crate::wire::RowJson;

const VERSION: u32 = 1;

/// What is left of a walk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Walk {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    next: u64,
    last: u64,
    /// As many rows as the venue counts in the span have ids in it.
    counted: bool,
}

/// One page of records.
pub(crate) async fn page(
    rest: &Rest,
    query: &HistoryQuery,
    from: Option<&Cursor>,
    now: DateTime<Utc>,
) -> Result<Page<Record>> {
    let book = rest.book(&query.account).await?;
    let walk = match from {
        Some(cursor) => cursor.decode(VERSION)?,
        None => match begin(rest, query, &book, now).await? {
            Some(walk) => walk,
            None => return Ok(Page::whole(Vec::new())),
        },
    };
    let ids = walk.next..=walk.last.min(walk.next.saturating_add(BLOCK - 1));
    let read = |rows: &[RowJson<'_>], _: u64, body: &str| {
        let mut found = Found::of(rows, &ids, &book)?;
        found.raw = query.raw.then(|| body.to_owned());
        Ok(found)
    };
    let found = rest.block(&query.account, &ids, read).await?;
    let end = *ids.end();
    let next = (end < walk.last).then(|| Walk {
        next: end + 1,
        ..walk.clone()
    });
    let mut notes = found.notes;
    if !walk.counted {
        notes.push("the venue counts other rows than the ids of the span have".to_owned());
    }
    let proof = match (found.is_whole && walk.counted, &next) {
        (false, _) => Proof::Torn,
        (true, Some(_)) => Proof::Contiguous,
        (true, None) => Proof::Short,
    };
    let mut rows = found.records;
    rows.retain(|record| {
        let inside = (walk.since..walk.until).contains(&record.booked_at());
        inside && query.instrument.as_ref().is_none_or(|wanted| is_of(record, wanted))
    });
    Ok(Page {
        rows,
        next: next.map(|walk| Cursor::encode(VERSION, &walk)).transpose()?,
        wait: None,
        proof,
        raw: found.raw,
        notes,
    })
}

/// Where the span of time lies in ids; `None` where nothing happened in it.
async fn begin(rest: &Rest, query: &HistoryQuery, book: &Book, now: DateTime<Utc>) -> Result<Option<Walk>> {
    let (since, until) = query.range(now);
    let span = rest.span(&query.account, &borders(since, until, book, now)).await?;
    Ok(span.ids.map(|ids| Walk {
        since,
        until,
        next: *ids.start(),
        last: *ids.end(),
        counted: ids.end().saturating_sub(*ids.start()).saturating_add(1) == span.count,
    }))
}

/// Parameters of a span of time, a second wider than asked. What lies before the account was opened, or ahead of now,
/// is left to the venue's own borders.
pub(crate) fn borders(
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    book: &Book,
    now: DateTime<Utc>,
) -> Vec<(&'static str, String)> {
    let second = Duration::seconds(1);
    let mut params = Vec::new();
    if since > book.created_at + second {
        params.push(("from", stamp(since - second)));
    }
    if until < now - second {
        params.push(("to", stamp(until + second)));
    }
    params.push(("pageSize", BLOCK.to_string()));
    params
}

/// RFC 3339 with nine digits, as OANDA writes times.
pub(crate) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// What a block held.
struct Found {
    records: Vec<Record>,
    /// Every id was there.
    is_whole: bool,
    notes: Vec<String>,
    raw: Option<String>,
}

impl Found {
    fn of(rows: &[RowJson<'_>], ids: &RangeInclusive<u64>, book: &Book) -> Result<Self> {
        let (mut records, mut notes) = (Vec::with_capacity(rows.len()), Vec::new());
        let is_whole = are_all(rows, ids)?;
        for row in rows {
            record::records(row, book, &mut records, &mut notes)?;
        }
        if !is_whole {
            notes.push(format!("ids of {}..={} are missing", ids.start(), ids.end()));
        }
        Ok(Self {
            records,
            is_whole,
            notes,
            raw: None,
        })
    }
}

/// Whether the rows have these ids, each once and in order.
pub(crate) fn are_all(rows: &[RowJson<'_>], ids: &RangeInclusive<u64>) -> Result<bool> {
    let mut expected = ids.clone();
    for row in rows {
        if expected.next() != Some(row.number()?) {
            return Ok(false);
        }
    }
    Ok(expected.next().is_none())
}

fn is_of(record: &Record, wanted: &broker_core::InstrumentId) -> bool {
    match record {
        Record::Fill(fill) => fill.instrument == *wanted,
        Record::Fee(fee) => fee.instrument.as_ref() == Some(wanted),
        Record::Flow(flow) => flow.instrument.as_ref() == Some(wanted),
        Record::Void(_) => false,
    }
}
