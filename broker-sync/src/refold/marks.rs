//! Where marks are set: dense at the end, where most changes are, and ever further apart before it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

/// Moments behind `from` at which marks are set, ascending: one behind the last record, and midnights before it. Rows
/// that are dated by their day fall behind the midnight of that day.
pub(crate) fn schedule(from: Option<DateTime<Utc>>, first: DateTime<Utc>, last: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let Some(end) = last.checked_add_signed(TimeDelta::nanoseconds(1)) else {
        return Vec::new();
    };
    let midnight = last.date_naive().and_time(NaiveTime::MIN).and_utc();
    let mut moments = vec![end, midnight];
    let mut days = 1;
    while let Some(moment) = midnight.checked_sub_signed(TimeDelta::days(days)) {
        let is_behind = from.is_none_or(|from| from < moment) && first < moment;
        if !is_behind {
            break;
        }
        moments.push(moment);
        days *= 2;
    }
    moments.retain(|moment| from.is_none_or(|from| from < *moment));
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// Of all marks those that stay: two of each age from one day to two, from two to four, and so on.
pub(crate) fn thinned(marks: &[DateTime<Utc>]) -> Vec<DateTime<Utc>> {
    let Some(newest) = marks.iter().max() else {
        return Vec::new();
    };
    let mut ages: BTreeMap<u32, (DateTime<Utc>, DateTime<Utc>)> = BTreeMap::new();
    for mark in marks {
        let days = u64::try_from((*newest - *mark).num_days()).unwrap_or_default();
        let age = days.checked_ilog2().map_or(0, |log| log + 1);
        let (first, last) = ages.entry(age).or_insert((*mark, *mark));
        *first = (*first).min(*mark);
        *last = (*last).max(*mark);
    }
    let mut stay: Vec<DateTime<Utc>> = ages.into_values().flat_map(|(first, last)| [first, last]).collect();
    stay.sort_unstable();
    stay.dedup();
    stay
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(days)
    }

    #[test]
    fn marks_lie_ever_further_apart() {
        let last = day(100) + TimeDelta::hours(20);
        let end = last + TimeDelta::nanoseconds(1);
        assert_eq!(
            schedule(None, day(90), last),
            [day(92), day(96), day(98), day(99), day(100), end]
        );
        assert_eq!(schedule(Some(day(99)), day(90), last), [day(100), end]);
        assert_eq!(schedule(Some(last), last, last), [end]);
        assert_eq!(schedule(None, last, last), [day(100), end]);
    }

    /// A mark a day for five years: few stay, and for any late row there is one no more than three times as old.
    #[test]
    fn few_marks_stay_and_none_is_far() {
        let mut marks: Vec<DateTime<Utc>> = Vec::new();
        for today in 0..1826 {
            marks.push(day(today));
            marks = thinned(&marks);
            assert!(marks.len() <= 24, "{}", marks.len());
            assert_eq!(marks.last(), Some(&day(today)));
        }
        for age in 1..1000 {
            let late = day(1825 - age);
            let base = marks.iter().rev().find(|mark| **mark <= late).unwrap();
            assert!((day(1825) - *base).num_days() <= 3 * age + 1, "{age}: {base}");
        }
    }
}
