//! Rules for the last trading day, with Saturdays and Sundays as the only holidays.

use chrono::{Datelike, Days, Months, NaiveDate, Weekday};

/// When trading of a contract ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LastTrade {
    /// Third Friday of the contract month.
    ThirdFriday,
    /// The business day before the second Friday of the contract month.
    BeforeSecondFriday,
    /// Third business day before the 25th of the month before delivery, or before the last business day that
    /// precedes a 25th which is none; and so many business days earlier.
    CrudeOil(u32),
    /// Three business days before the 1st of the delivery month; and so many business days earlier.
    NaturalGas(u32),
    /// Last business day of the month before delivery.
    LastOfMonthBefore,
    /// Third last business day of the contract month.
    ThirdLast,
    /// Seventh business day before the last business day of the contract month.
    SeventhBeforeLast,
    /// Last business day of the contract month.
    Last,
    /// So many business days before the third Wednesday of the contract month.
    BeforeThirdWednesday(u32),
    /// Last Friday of the contract month.
    LastFriday,
    /// The business day before the 15th of the contract month.
    BeforeFifteenth,
    /// Tenth business day of the contract month.
    Tenth,
}

impl LastTrade {
    /// The day on which most trading customarily moves to the next contract: indices and currencies a week before the
    /// end, energy three business days before it, rates and metals before first notice at the end of the month before.
    /// `None` for the other rules, which products of several customs share.
    pub fn roll_day(self, year: i32, month: u32) -> Option<NaiveDate> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        let last = self.day(year, month)?;
        match self {
            // The Thursday of the week before.
            Self::ThirdFriday => last.checked_sub_days(Days::new(8)),
            Self::BeforeSecondFriday | Self::BeforeThirdWednesday(_) => last.checked_sub_days(Days::new(7)),
            Self::CrudeOil(_) | Self::NaturalGas(_) | Self::LastOfMonthBefore => back(last, 3),
            Self::SeventhBeforeLast | Self::ThirdLast => back(first, 2),
            Self::Last | Self::LastFriday | Self::BeforeFifteenth | Self::Tenth => None,
        }
    }

    /// The day for a contract month; holidays are not known here.
    pub fn day(self, year: i32, month: u32) -> Option<NaiveDate> {
        let first = NaiveDate::from_ymd_opt(year, month, 1)?;
        match self {
            Self::ThirdFriday => NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Fri, 3),
            Self::BeforeSecondFriday => back(NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Fri, 2)?, 1),
            Self::CrudeOil(earlier) => {
                let border = first.checked_sub_months(Months::new(1))?.with_day(25)?;
                back(at_or_before(border)?, 3 + earlier)
            }
            Self::NaturalGas(earlier) => back(first, 3 + earlier),
            Self::LastOfMonthBefore => back(first, 1),
            Self::ThirdLast => back(next_month(first)?, 3),
            Self::SeventhBeforeLast => back(next_month(first)?, 8),
            Self::Last => back(next_month(first)?, 1),
            Self::BeforeThirdWednesday(days) => back(
                NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Wed, 3)?,
                days,
            ),
            Self::LastFriday => next_month(first)?
                .pred_opt()?
                .iter_days()
                .rev()
                .find(|day| day.weekday() == Weekday::Fri),
            Self::BeforeFifteenth => back(first.with_day(15)?, 1),
            Self::Tenth => first.iter_days().filter(|day| is_business_day(*day)).nth(9),
        }
    }
}

fn next_month(first: NaiveDate) -> Option<NaiveDate> {
    first.checked_add_months(Months::new(1))
}

fn is_business_day(day: NaiveDate) -> bool {
    !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

fn at_or_before(mut day: NaiveDate) -> Option<NaiveDate> {
    while !is_business_day(day) {
        day = day.pred_opt()?;
    }
    Some(day)
}

/// The business day so many business days before this day, which may itself be none.
fn back(mut day: NaiveDate, days: u32) -> Option<NaiveDate> {
    for _ in 0..days {
        day = at_or_before(day.checked_sub_days(Days::new(1))?)?;
    }
    Some(day)
}
