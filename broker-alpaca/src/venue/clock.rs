//! `GET /v2/clock` and `GET /v2/calendar`: the regular hours of US shares, in New York.

use std::collections::BTreeMap;

use broker_core::model::Session;
use broker_sim::Calendar;
use broker_sim::wire::{WireAnswer, WireRequest};
use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::America::New_York;

use super::json::{Object, array, new_york_second, new_york_stamp};
use super::params::{Params, local_date, midnight};
use super::refusal::{Refusal, Reply};

/// `GET /v2/clock`.
pub(super) fn clock(request: &WireRequest, now: DateTime<Utc>) -> Reply {
    Params::of(request, &[])?;
    let calendar = Calendar::UsEquity;
    let object = Object::new()
        .text("timestamp", &new_york_stamp(now))
        .flag("is_open", calendar.is_open(now, false))
        .text("next_open", &new_york_second(calendar.next_open(now)))
        .text("next_close", &new_york_second(calendar.next_close(now)));
    Ok(WireAnswer::json(200, object.end()))
}

/// The days that are listed when no others are asked for.
const USUAL_DAYS: (Option<NaiveDate>, Option<NaiveDate>) = (
    NaiveDate::from_ymd_opt(1970, 1, 1),
    NaiveDate::from_ymd_opt(2029, 12, 31),
);

/// Furthest that a settlement day can be from its trading day.
const SETTLEMENT_DAYS: u64 = 10;

/// `GET /v2/calendar`: trading days only, borders included.
pub(super) fn calendar(request: &WireRequest) -> Reply {
    let params = Params::of(request, &["start", "end", "date_type"])?;
    let settlement = params.word("date_type", &["TRADING", "SETTLEMENT"])? == Some("SETTLEMENT");
    let start = params.day("start")?.or(USUAL_DAYS.0).unwrap_or_default();
    let end = params.day("end")?.or(USUAL_DAYS.1).unwrap_or_default();
    if end < start {
        return Err(Refusal::invalid("end must not be before start"));
    }
    let margin = Days::new(SETTLEMENT_DAYS);
    let first = if settlement {
        start.checked_sub_days(margin).unwrap_or(start)
    } else {
        start
    };
    let days = days(first, end.checked_add_days(margin).unwrap_or(end));
    let rows = days.iter().zip(days.iter().skip(1)).filter_map(|(day, next)| {
        let filtered = if settlement { next.date } else { day.date };
        (start <= filtered && filtered <= end).then(|| day.render(next.date))
    });
    Ok(WireAnswer::json(200, array(rows)))
}

/// One trading day.
struct Day {
    date: NaiveDate,
    regular: Session,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

impl Day {
    /// A trade settles on the trading day after it.
    fn render(&self, settles_on: NaiveDate) -> String {
        let time = |at: DateTime<Utc>, format: &str| at.with_timezone(&New_York).format(format).to_string();
        Object::new()
            .text("date", &self.date.to_string())
            .text("open", &time(self.regular.opens_at, "%H:%M"))
            .text("close", &time(self.regular.closes_at, "%H:%M"))
            .text("session_open", &time(self.first, "%H%M"))
            .text("session_close", &time(self.last, "%H%M"))
            .text("settlement_date", &settles_on.to_string())
            .end()
    }
}

fn days(first: NaiveDate, last: NaiveDate) -> Vec<Day> {
    let until = last.succ_opt().and_then(midnight);
    let (Some(since), Some(until)) = (midnight(first), until) else {
        return Vec::new();
    };
    let mut days: BTreeMap<NaiveDate, Vec<Session>> = BTreeMap::new();
    for session in Calendar::UsEquity.sessions(since, until) {
        days.entry(local_date(session.opens_at)).or_default().push(session);
    }
    days.into_iter()
        .filter_map(|(date, sessions)| {
            let regular = *sessions.iter().find(|session| !session.extended)?;
            Some(Day {
                date,
                regular,
                first: sessions.first()?.opens_at,
                last: sessions.last()?.closes_at,
            })
        })
        .collect()
}
