//! Numbers, times and days, compared as text with what a model holds.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use rust_decimal::Decimal;

/// Whether the text is this number, each of its digits kept, the whole times ten to the power of `places`.
pub(super) fn is_number(text: &str, number: Decimal, places: i64) -> bool {
    let Some((negative, digits, power)) = canonical(text) else {
        return false;
    };
    canonical(&number.to_string()) == Some((negative, digits, if power == ZERO { ZERO } else { power + places }))
}

/// Whether the model shows as many places as the text; an exponent says nothing of them, nor do more than fit.
pub(super) fn keeps_places(text: &str, number: Decimal) -> bool {
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    text.contains(['e', 'E']) || places > 28 || usize::try_from(number.scale()) == Ok(places)
}

/// The power of zero, which has none.
const ZERO: i64 = i64::MIN;

/// Sign, digits without zeros at either end, and the power of ten of the last one.
fn canonical(text: &str) -> Option<(bool, String, i64)> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, part].concat();
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let kept = all.trim_end_matches('0');
    let dropped = i64::try_from(all.len() - kept.len()).ok()?;
    let digits = kept.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return Some((false, digits, ZERO));
    }
    let power = exponent - i64::try_from(part.len()).ok()? + dropped;
    Some((negative, digits, power))
}

/// Whether the text is this moment by RFC 3339, no digit lost.
pub(super) fn is_time(text: &str, at: DateTime<Utc>) -> bool {
    moment(text) == Some((at.timestamp(), at.timestamp_subsec_nanos()))
}

/// Seconds since 1970 and nanoseconds; a leap second is the second before it and a nanosecond count of a second more.
fn moment(text: &str) -> Option<(i64, u32)> {
    let (day, rest) = text.split_at_checked(10)?;
    let (year, month, day) = ymd(day)?;
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, rest) = rest.split_at_checked(8)?;
    let [hour, minute, second] = fields(clock, ':', [2, 2, 2])?;
    let digits = rest
        .strip_prefix('.')
        .map_or(0, |part| part.bytes().take_while(u8::is_ascii_digit).count());
    let (nanos, zone) = match rest.strip_prefix('.') {
        // More than nine digits cannot be kept, unless they are zeros.
        Some(part) if digits > 0 && part[..digits].bytes().skip(9).all(|byte| byte == b'0') => {
            let padded: String = part[..digits].chars().chain("000000000".chars()).take(9).collect();
            (padded.parse::<u32>().ok()?, &part[digits..])
        }
        Some(_) => return None,
        None => (0, rest),
    };
    let ahead = match zone {
        "Z" | "z" => 0,
        _ => {
            let (sign, offset) = zone.split_at_checked(1)?;
            let [hours, minutes] = fields(offset, ':', [2, 2])?;
            let seconds = (hours * 60 + minutes) * 60;
            match sign {
                "+" if hours < 24 && minutes < 60 => seconds,
                "-" if hours < 24 && minutes < 60 => -seconds,
                _ => return None,
            }
        }
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (second, nanos) = if second == 60 {
        (59, nanos + 1_000_000_000)
    } else {
        (second, nanos)
    };
    Some((
        days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - ahead,
        nanos,
    ))
}

/// Whether the text is this day, perhaps with a time behind it.
pub(super) fn is_day(text: &str, day: NaiveDate) -> bool {
    let (head, tail) = text.split_at_checked(10).unwrap_or((text, ""));
    let read = ymd(head);
    let same = read == Some((i64::from(day.year()), i64::from(day.month()), i64::from(day.day())));
    same && (tail.is_empty() || tail.starts_with(['T', 't', ' ']))
}

fn ymd(text: &str) -> Option<(i64, i64, i64)> {
    let [year, month, day] = fields(text, '-', [4, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    (1..=length).contains(&day).then_some((year, month, day))
}

/// Numbers of these lengths with a mark between them.
fn fields<const N: usize>(text: &str, mark: char, lengths: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(mark);
    let mut out = [0; N];
    for (number, length) in out.iter_mut().zip(lengths) {
        let part = parts.next()?;
        if part.len() != length || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(out)
}

/// Days since 1970, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_digit_for_digit() {
        let of = |text: &str| Decimal::from_str_exact(text).unwrap();
        for (text, number) in [
            ("1.50", "1.50"),
            ("-0.00", "0.00"),
            ("+7", "7"),
            ("1e-3", "0.001"),
            ("12E2", "1200"),
            ("007.10", "7.10"),
            ("12345678901234567.89", "12345678901234567.89"),
        ] {
            assert!(
                is_number(text, of(number), 0) && keeps_places(text, of(number)),
                "{text}"
            );
        }
        assert!(is_number("30", of("0.3"), -2) && is_number("0", of("0"), -2));
        for (text, number) in [
            ("1.5", "1.51"),
            ("1", "-1"),
            ("", "0"),
            ("1_0", "10"),
            ("1.2.3", "1.23"),
            ("0x1", "1"),
            (".", "0"),
        ] {
            assert!(!is_number(text, of(number), 0), "{text}");
        }
        assert!(!keeps_places("1.50", of("1.5")) && keeps_places("15e-1", of("1.5")));
    }

    #[test]
    fn times_are_worked_out_from_their_digits() {
        let at = |seconds, nanos| DateTime::from_timestamp(seconds, nanos).unwrap();
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("2026-01-01T00:00:00Z", 1_767_225_600, 0),
            ("2024-02-29T23:59:59.999999999Z", 1_709_251_199, 999_999_999),
            ("2022-05-16T16:32:24.14373588-04:00", 1_652_733_144, 143_735_880),
            ("2000-03-01t00:00:00.5+05:30", 951_849_000, 500_000_000),
            ("1969-12-31T23:59:59Z", -1, 0),
            ("2016-12-31T23:59:60Z", 1_483_228_799, 1_000_000_000),
        ] {
            assert!(is_time(text, at(seconds, nanos)), "{text}");
            assert_eq!(text.parse::<DateTime<Utc>>().unwrap(), at(seconds, nanos), "{text}");
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00",
            "2026-1-1T00:00:00Z",
            "2026-01-01T00:00:00.Z",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
        assert_eq!(moment("2026-01-01T00:00:00.1234567891Z"), None, "a digit that is lost");
        let day = NaiveDate::from_ymd_opt(2026, 1, 16).unwrap();
        assert!(is_day("2026-01-16", day) && is_day("2026-01-16T05:00:00Z", day));
        assert!(!is_day("2026-01-167", day) && !is_day("2026-01-17", day) && !is_day("2026-1-16", day));
    }
}
