//! When markets trade: sessions of a calendar, daylight saving time and holidays included.

use broker_core::model::Session;
use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::America::New_York;

/// The trading hours of a kind of market.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Calendar {
    /// US shares: 9:30 to 16:00 New York, extended from 4:00 to 20:00; weekends and exchange holidays closed.
    UsEquity,
    /// US options: 9:30 to 16:00 New York, no extended session.
    UsOption,
    /// Currencies: Sunday 17:00 to Friday 17:00 New York; a day ends at 17:00.
    Forex,
    /// Futures: Sunday 18:00 to Friday 17:00 New York with an hour's break each day.
    Futures,
    /// Coins: always; a day is a UTC day.
    Always,
}

/// Furthest that the next session can be: over a long weekend with room to spare.
const HORIZON_DAYS: u64 = 12;

impl Calendar {
    /// Whether an order can trade now. `extended` asks for the extended sessions too.
    pub fn is_open(self, at: DateTime<Utc>, extended: bool) -> bool {
        self.session_at(at, extended).is_some()
    }

    /// The session that is open now.
    pub fn session_at(self, at: DateTime<Utc>, extended: bool) -> Option<Session> {
        if self == Self::Always {
            return self.regular(at.date_naive());
        }
        let today = local_date(at);
        [Some(today), today.succ_opt()]
            .into_iter()
            .flatten()
            .flat_map(|date| self.sessions_of(date))
            .find(|session| (extended || !session.extended) && session.opens_at <= at && at < session.closes_at)
    }

    /// The next opening of a regular session after this moment.
    pub fn next_open(self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.upcoming(at)
            .map(|session| session.opens_at)
            .find(|opens_at| *opens_at > at)
            .unwrap_or(at)
    }

    /// The next moment after this one at which an order can trade: `extended` counts the extended sessions too.
    pub fn opens_next(self, at: DateTime<Utc>, extended: bool) -> DateTime<Utc> {
        if !extended {
            return self.next_open(at);
        }
        days_from(local_date(at))
            .flat_map(|date| self.sessions_of(date))
            .map(|session| session.opens_at)
            .find(|opens_at| *opens_at > at)
            .unwrap_or(at)
    }

    /// The next close of a regular session after this moment.
    pub fn next_close(self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.upcoming(at)
            .map(|session| session.closes_at)
            .find(|closes_at| *closes_at > at)
            .unwrap_or(at)
    }

    /// When a day order that is placed now runs out: at the close of the current or next session.
    pub fn day_ends(self, at: DateTime<Utc>, extended: bool) -> DateTime<Utc> {
        if !extended {
            return self.next_close(at);
        }
        days_from(local_date(at))
            .filter_map(|date| self.sessions_of(date).last().map(|session| session.closes_at))
            .find(|closes_at| *closes_at > at)
            .unwrap_or(at)
    }

    /// All sessions that overlap `since..until`, in order.
    pub fn sessions(self, since: DateTime<Utc>, until: DateTime<Utc>) -> Vec<Session> {
        let mut out = Vec::new();
        let mut date = local_date(since);
        while date <= local_date(until).checked_add_days(Days::new(1)).unwrap_or(date) {
            out.extend(
                self.sessions_of(date)
                    .into_iter()
                    .filter(|session| session.opens_at < until && session.closes_at > since),
            );
            let Some(next) = date.succ_opt() else { break };
            date = next;
        }
        out
    }

    fn upcoming(self, at: DateTime<Utc>) -> impl Iterator<Item = Session> {
        let first = if self == Self::Always {
            at.date_naive()
        } else {
            local_date(at)
        };
        days_from(first).filter_map(move |date| self.regular(date))
    }

    /// The regular session that belongs to (and ends on) a date.
    fn regular(self, date: NaiveDate) -> Option<Session> {
        let (opens_at, closes_at) = match self {
            Self::UsEquity | Self::UsOption => {
                if is_weekend(date) || is_us_holiday(date) {
                    return None;
                }
                let close = if closes_early(date) { 13 } else { 16 };
                (new_york(date, 9, 30), new_york(date, close, 0))
            }
            Self::Forex | Self::Futures => {
                if is_weekend(date) || matches!((date.month(), date.day()), (12, 25) | (1, 1)) {
                    return None;
                }
                let open = if self == Self::Forex { 17 } else { 18 };
                (new_york(date.pred_opt()?, open, 0), new_york(date, 17, 0))
            }
            Self::Always => (
                date.and_time(NaiveTime::MIN).and_utc(),
                date.succ_opt()?.and_time(NaiveTime::MIN).and_utc(),
            ),
        };
        Some(Session {
            opens_at,
            closes_at,
            extended: false,
        })
    }

    fn sessions_of(self, date: NaiveDate) -> Vec<Session> {
        let Some(regular) = self.regular(date) else {
            return Vec::new();
        };
        if self != Self::UsEquity {
            return vec![regular];
        }
        let extended = |opens_at, closes_at| Session {
            opens_at,
            closes_at,
            extended: true,
        };
        let last = if closes_early(date) { 17 } else { 20 };
        vec![
            extended(new_york(date, 4, 0), regular.opens_at),
            regular,
            extended(regular.closes_at, new_york(date, last, 0)),
        ]
    }
}

/// The date in New York.
pub(crate) fn local_date(at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&New_York).date_naive()
}

/// A time of day in New York. The hours used here exist once on every day.
pub(crate) fn new_york(date: NaiveDate, hour: u32, minute: u32) -> DateTime<Utc> {
    let time = NaiveTime::from_hms_opt(hour, minute, 0).unwrap_or(NaiveTime::MIN);
    let local = date.and_time(time);
    New_York
        .from_local_datetime(&local)
        .earliest()
        .map_or_else(|| local.and_utc(), |zoned| zoned.with_timezone(&Utc))
}

/// The third Friday of a month: the day of monthly options and index futures.
pub(crate) fn third_friday(year: i32, month: u32) -> NaiveDate {
    NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Fri, 3).unwrap_or(NaiveDate::MIN)
}

fn days_from(first: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    (0..HORIZON_DAYS).filter_map(move |days| first.checked_add_days(Days::new(days)))
}

fn is_weekend(date: NaiveDate) -> bool {
    matches!(date.weekday(), Weekday::Sat | Weekday::Sun)
}

fn is_us_holiday(date: NaiveDate) -> bool {
    let nth = |month, weekday, n| NaiveDate::from_weekday_of_month_opt(date.year(), month, weekday, n) == Some(date);
    let last_monday_of_may = date.month() == 5 && date.weekday() == Weekday::Mon && date.day() > 24;
    nth(1, Weekday::Mon, 3)
        || nth(2, Weekday::Mon, 3)
        || good_friday(date.year()) == Some(date)
        || last_monday_of_may
        || nth(9, Weekday::Mon, 1)
        || nth(11, Weekday::Thu, 4)
        || is_observed(date, 1, 1)
        || is_observed(date, 6, 19)
        || is_observed(date, 7, 4)
        || is_observed(date, 12, 25)
}

/// A fixed holiday: on its day, on the Friday before a Saturday, on the Monday after a Sunday. New Year on a Saturday
/// is not kept in the old year.
fn is_observed(date: NaiveDate, month: u32, day: u32) -> bool {
    let is_day = |date: NaiveDate| date.month() == month && date.day() == day;
    is_day(date)
        || (date.weekday() == Weekday::Mon && date.pred_opt().is_some_and(is_day))
        || (date.weekday() == Weekday::Fri && month != 1 && date.succ_opt().is_some_and(is_day))
}

/// Closes at 13:00: the day after Thanksgiving, Christmas Eve, the day before Independence Day.
fn closes_early(date: NaiveDate) -> bool {
    let thanksgiving = NaiveDate::from_weekday_of_month_opt(date.year(), 11, Weekday::Thu, 4);
    date.pred_opt() == thanksgiving || matches!((date.month(), date.day()), (12, 24) | (7, 3))
}

/// Two days before Easter Sunday, by the Gregorian computus of Meeus, Jones and Butcher.
fn good_friday(year: i32) -> Option<NaiveDate> {
    let a = year % 19;
    let (b, c) = (year / 100, year % 100);
    let (d, e) = (b / 4, b % 4);
    let g = (8 * b + 13) / 25;
    let h = (19 * a + b - d - g + 15) % 30;
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 19 * l) / 433;
    let month = (h + l - 7 * m + 90) / 25;
    let day = (h + l - 7 * m + 33 * month + 19) % 32;
    let easter = NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    easter.checked_sub_days(Days::new(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn equities_follow_new_york_through_daylight_saving() {
        let open = |text| Calendar::UsEquity.is_open(at(text), false);
        // New York is four hours behind UTC in October 2026 and five from 1 November.
        assert!(!open("2026-10-30T13:29:59Z") && open("2026-10-30T13:30:00Z"));
        assert!(open("2026-10-30T19:59:59Z") && !open("2026-10-30T20:00:00Z"));
        assert!(!open("2026-11-02T14:29:59Z") && open("2026-11-02T14:30:00Z"));
        assert!(open("2026-11-02T20:59:59Z") && !open("2026-11-02T21:00:00Z"));
        assert!(Calendar::UsEquity.is_open(at("2026-11-02T09:00:00Z"), true));
        assert!(!Calendar::UsEquity.is_open(at("2026-11-03T01:00:00Z"), true));
        assert!(!Calendar::UsOption.is_open(at("2026-11-02T09:00:00Z"), true));
    }

    #[test]
    fn holidays_and_short_days() {
        for day in [
            "2026-01-01",
            "2026-01-19",
            "2026-02-16",
            "2026-04-03",
            "2026-05-25",
            "2026-06-19",
            "2026-07-03",
            "2026-09-07",
            "2026-11-26",
            "2026-12-25",
            "2026-11-21",
            "2027-07-05",
            "2027-12-24",
        ] {
            assert!(
                !Calendar::UsEquity.is_open(at(&format!("{day}T16:00:00Z")), false),
                "{day}"
            );
        }
        assert!(Calendar::UsEquity.is_open(at("2026-11-27T17:59:59Z"), false));
        assert!(!Calendar::UsEquity.is_open(at("2026-11-27T18:00:00Z"), false));
        // New Year's Day 2028 is a Saturday: the Friday before is a trading day.
        assert!(Calendar::UsEquity.is_open(at("2027-12-31T16:00:00Z"), false));
    }

    #[test]
    fn forex_and_futures_keep_their_week() {
        assert!(!Calendar::Forex.is_open(at("2026-11-22T21:59:59Z"), false));
        assert!(Calendar::Forex.is_open(at("2026-11-22T22:00:00Z"), false));
        assert!(Calendar::Forex.is_open(at("2026-11-20T21:59:59Z"), false));
        assert!(!Calendar::Forex.is_open(at("2026-11-20T22:00:00Z"), false));
        assert!(!Calendar::Futures.is_open(at("2026-11-18T22:30:00Z"), false));
        assert!(Calendar::Futures.is_open(at("2026-11-18T23:00:00Z"), false));
        assert!(Calendar::Always.is_open(at("2026-11-21T03:00:00Z"), false));
    }

    #[test]
    fn days_end_where_the_session_ends() {
        let friday = at("2026-11-20T15:00:00Z");
        assert_eq!(Calendar::UsEquity.day_ends(friday, false), at("2026-11-20T21:00:00Z"));
        assert_eq!(Calendar::UsEquity.day_ends(friday, true), at("2026-11-21T01:00:00Z"));
        let saturday = at("2026-11-21T15:00:00Z");
        assert_eq!(Calendar::UsEquity.day_ends(saturday, false), at("2026-11-23T21:00:00Z"));
        assert_eq!(Calendar::UsEquity.next_open(saturday), at("2026-11-23T14:30:00Z"));
        assert_eq!(Calendar::Always.day_ends(saturday, false), at("2026-11-22T00:00:00Z"));
    }

    #[test]
    fn sessions_of_a_week() {
        let week = Calendar::UsOption.sessions(at("2026-11-23T00:00:00Z"), at("2026-11-30T00:00:00Z"));
        assert_eq!(week.len(), 4);
        assert_eq!(
            Calendar::UsEquity
                .sessions(at("2026-11-23T00:00:00Z"), at("2026-11-24T00:00:00Z"))
                .len(),
            3
        );
    }
}
