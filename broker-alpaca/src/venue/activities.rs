//! `GET /v2/account/activities` and `/v2/account/activities/{type}`, with what the real endpoint does to paging.
//!
//! * Rows are sorted by id: local time of New York to the millisecond, then the UUID. So inside one millisecond the
//!   order is neither that of time nor that of the cumulative quantity, and in the hour that daylight saving time
//!   gives back two hours are mixed.
//! * `date`, `after` and `until` filter on the time a row was *made*, which for fees is the day after the one in its
//!   id. `date` is a calendar day of New York.
//! * `after` is cut to the millisecond and includes it. `until` is cut to the millisecond and excludes it: a row of
//!   that millisecond is left out, although it may lie before `until`. A date means midnight in New York.
//! * With `direction=asc` and a `page_token` but no `date`, rows that share the millisecond of the token's row are
//!   skipped: they are lost to a client that pages this way. With `date`, and with `direction=desc`, nothing is.

use broker_core::Record;
use broker_sim::Entry;
use broker_sim::wire::{WireAnswer, WireRequest};
use chrono::{DateTime, Days, Duration, DurationRound, NaiveDate, SubsecRound, Utc};

use super::json::array;
use super::params::{Params, local_date};
use super::refusal::{Refusal, Reply};
use super::rows::{self, Row};

/// Every type that the document lists.
const TYPES: [&str; 39] = [
    "FILL", "TRANS", "MISC", "ACATC", "ACATS", "CFEE", "CGD", "CSD", "CSW", "DIV", "DIVCGL", "DIVCGS", "DIVFEE",
    "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX", "FEE", "INT", "INTNRA", "INTTW", "JNL", "JNLC", "JNLS", "MA",
    "NC", "OPASN", "OPCA", "OPCSH", "OPEXC", "OPEXP", "OPTRD", "PTC", "PTR", "REORG", "SPIN", "SPLIT", "FOPT",
];

/// Digits of an id before its UUID.
const CLOCK_DIGITS: usize = 17;

/// All rows, in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    rows: Vec<Row>,
    /// How many entries of the engine's log were read.
    read: usize,
    /// Most days between the date in a row's id and the day that it was made.
    lag: u64,
}

impl Ledger {
    /// Takes in what the engine booked since the last call.
    pub(super) fn read(&mut self, log: &[Entry]) {
        let new = log.get(self.read..).unwrap_or_default();
        if new.is_empty() {
            return;
        }
        self.read = log.len();
        for entry in new {
            let row = match &entry.record {
                Record::Fill(fill) => rows::fill(fill, entry),
                Record::Fee(fee) => rows::fee(fee, entry),
                Record::Flow(flow) => rows::flow(flow, entry),
                // A bust is told on the event stream only: here the fill stays.
                Record::Void(_) => continue,
            };
            self.lag = self.lag.max(lag(&row));
            self.rows.push(row);
        }
        self.rows.sort_by(|one, other| one.id.cmp(&other.id));
        // The sort is stable, so of two versions of a row the later one is the second.
        self.rows.dedup_by(|later, earlier| {
            let same = later.id == earlier.id;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
    }

    /// One page of the rows that are made by now.
    pub(super) fn page(&self, query: &Query<'_>, now: DateTime<Utc>) -> Vec<&str> {
        // Times of rows are rounded to the microsecond, and so may lie behind the clock.
        let now = now.duration_round(Duration::microseconds(1)).unwrap_or(now);
        let wanted = |row: &&Row| row.created_at <= now && query.wants(row);
        let (from, to) = query.span(self.lag);
        let start = from.map_or(0, |from| self.rows.partition_point(|row| row.id < from));
        let end = to.map_or(self.rows.len(), |to| self.rows.partition_point(|row| row.id < to));
        let rows = self.rows.get(start..end.max(start)).unwrap_or_default();
        let size = query.page_size;
        if query.ascending {
            let rest = match query.page_token {
                // The millisecond of the token's row counts as read, whatever else is in it.
                Some(token) if query.date.is_none() => rows.partition_point(|row| clock(&row.id) <= clock(token)),
                Some(token) => rows.partition_point(|row| row.id.as_str() <= token),
                None => 0,
            };
            rows[rest..]
                .iter()
                .filter(wanted)
                .take(size)
                .map(|row| row.json.as_str())
                .collect()
        } else {
            let rest = query
                .page_token
                .map_or(rows.len(), |token| rows.partition_point(|row| row.id.as_str() < token));
            rows[..rest]
                .iter()
                .rev()
                .filter(wanted)
                .take(size)
                .map(|row| row.json.as_str())
                .collect()
        }
    }
}

fn clock(id: &str) -> &str {
    id.get(..CLOCK_DIGITS).unwrap_or(id)
}

fn lag(row: &Row) -> u64 {
    let dated = row
        .id
        .get(..8)
        .and_then(|text| NaiveDate::parse_from_str(text, "%Y%m%d").ok());
    let days = dated.map_or(0, |dated| {
        local_date(row.created_at).signed_duration_since(dated).num_days()
    });
    u64::try_from(days).unwrap_or(0)
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Query<'a> {
    types: Option<Vec<&'a str>>,
    category: Option<&'static str>,
    date: Option<NaiveDate>,
    after: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    ascending: bool,
    page_size: usize,
    page_token: Option<&'a str>,
}

const NAMES: [&str; 8] = [
    "activity_types",
    "category",
    "date",
    "after",
    "until",
    "direction",
    "page_size",
    "page_token",
];

impl<'a> Query<'a> {
    /// Reads a request. `kind` is the type in the path, where it is there.
    pub(super) fn of(request: &'a WireRequest, kind: Option<&'a str>) -> Result<Self, Refusal> {
        let known = if kind.is_some() { &NAMES[2..] } else { &NAMES[..] };
        let params = Params::of(request, known)?;
        let category = params.word("category", &["trade_activity", "non_trade_activity"])?;
        let types = match kind {
            Some(kind) => Some(vec![kind]),
            None => params.list("activity_types")?,
        };
        if category.is_some() && types.is_some() {
            return Err(Refusal::invalid("category and activity_types are mutually exclusive"));
        }
        if let Some(unknown) = types.iter().flatten().find(|kind| !TYPES.contains(kind)) {
            return Err(Refusal::invalid(format!("invalid activity type: {unknown:?}")));
        }
        let date = params.day("date")?;
        let (after, until) = (params.time("after")?, params.time("until")?);
        if date.is_some() && (after.is_some() || until.is_some()) {
            return Err(Refusal::invalid("date cannot be combined with after or until"));
        }
        let page_token = params.get("page_token");
        if page_token.is_some_and(|token| !is_id(token)) {
            return Err(Refusal::invalid("invalid page_token"));
        }
        Ok(Self {
            types,
            category,
            date,
            after: after.map(|after| after.trunc_subsecs(3)),
            until: until.map(|until| until.trunc_subsecs(3)),
            ascending: params.word("direction", &["asc", "desc"])? == Some("asc"),
            page_size: params.count("page_size", 100, 100)?,
            page_token,
        })
    }

    fn wants(&self, row: &Row) -> bool {
        let made = row.created_at.trunc_subsecs(3);
        let trade = row.kind == "FILL";
        self.date.is_none_or(|date| local_date(row.created_at) == date)
            && self.after.is_none_or(|after| made >= after)
            && self.until.is_none_or(|until| made < until)
            && self
                .category
                .is_none_or(|category| (category == "trade_activity") == trade)
            && self
                .types
                .as_ref()
                .is_none_or(|types| types.iter().any(|kind| covers(kind, row.kind)))
    }

    /// Ids between which all rows lie that can be wanted: a row's id is of the day that it was made, or up to `lag`
    /// days before. A day more on either side covers the hours that daylight saving time moves.
    fn span(&self, lag: u64) -> (Option<String>, Option<String>) {
        let first = self.date.or(self.after.map(local_date));
        let last = self.date.or(self.until.map(local_date));
        let digits = |date: NaiveDate| date.format("%Y%m%d").to_string();
        (
            first
                .and_then(|date| date.checked_sub_days(Days::new(lag + 1)))
                .map(digits),
            last.and_then(|date| date.checked_add_signed(Duration::days(2)))
                .map(digits),
        )
    }
}

fn covers(asked: &str, kind: &str) -> bool {
    asked == kind || (asked == "TRANS" && matches!(kind, "CSD" | "CSW"))
}

fn is_id(token: &str) -> bool {
    let Some((digits, id)) = token.split_once("::") else {
        return false;
    };
    digits.len() == CLOCK_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()) && super::ids::is_uuid(id)
}

/// Answers a request.
pub(super) fn list(ledger: &Ledger, request: &WireRequest, kind: Option<&str>, now: DateTime<Utc>) -> Reply {
    let query = Query::of(request, kind)?;
    Ok(WireAnswer::json(200, array(ledger.page(&query, now))))
}
