//! Option codes of the Options Clearing Corporation.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use rust_decimal::Decimal;

use super::{is_root, not_a};
use crate::error::{Error, Result};
use crate::model::OptionRight;
use crate::num::Price;

/// An OCC code: a root of up to six characters, `YYMMDD`, `C` or `P`, and the strike in thousandths, eight digits.
/// The root may be padded with spaces to six.
///
/// ```
/// use broker_core::symbol::Occ;
/// let occ: Occ = "SPXW  240327P04925000".parse()?;
/// assert_eq!((occ.root(), occ.expires_on().to_string().as_str()), ("SPXW", "2024-03-27"));
/// assert_eq!(occ.strike().to_string(), "4925.000");
/// assert_eq!(occ.to_string(), "SPXW  240327P04925000");
/// assert_eq!(occ.compact(), "SPXW240327P04925000");
/// # Ok::<(), broker_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Occ {
    root: String,
    spaces: usize,
    expires_on: NaiveDate,
    right: OptionRight,
    strike_thousandths: u32,
}

impl Occ {
    /// The root, without padding. Of an adjusted option it is not the ticker of the share: `AAPL1`.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Last day.
    pub fn expires_on(&self) -> NaiveDate {
        self.expires_on
    }

    /// Call or put.
    pub fn right(&self) -> OptionRight {
        self.right
    }

    /// Strike, to thousandths.
    pub fn strike(&self) -> Price {
        Price::new(Decimal::from_parts(self.strike_thousandths, 0, 0, false, 3))
    }

    /// The code without padding.
    pub fn compact(&self) -> String {
        Self {
            spaces: 0,
            ..self.clone()
        }
        .to_string()
    }
}

impl FromStr for Occ {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| not_a("an OCC option code", text))
    }
}

fn parse(text: &str) -> Option<Occ> {
    if !text.is_ascii() || text.len() > 21 {
        return None;
    }
    let (root, rest) = text.split_at_checked(text.len().checked_sub(15)?)?;
    let trimmed = root.trim_end_matches(' ');
    if !is_root(trimmed, 6) {
        return None;
    }
    let (date, rest) = rest.split_at_checked(6)?;
    let (right, strike) = rest.split_at_checked(1)?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(date) || !digits(strike) {
        return None;
    }
    Some(Occ {
        root: trimmed.to_owned(),
        spaces: root.len() - trimmed.len(),
        expires_on: NaiveDate::from_ymd_opt(
            2000 + date[..2].parse::<i32>().ok()?,
            date[2..4].parse().ok()?,
            date[4..].parse().ok()?,
        )?,
        right: match right {
            "C" => OptionRight::Call,
            "P" => OptionRight::Put,
            _ => return None,
        },
        strike_thousandths: strike.parse().ok()?,
    })
}

impl fmt::Display for Occ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.expires_on;
        let right = match self.right {
            OptionRight::Call => 'C',
            OptionRight::Put => 'P',
        };
        write!(
            f,
            "{}{:spaces$}{:02}{:02}{:02}{right}{:08}",
            self.root,
            "",
            day.year() - 2000,
            day.month(),
            day.day(),
            self.strike_thousandths,
            spaces = self.spaces,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_compact_code() {
        let occ: Occ = "AAPL250620C00100000".parse().unwrap();
        assert_eq!(occ.root(), "AAPL");
        assert_eq!(occ.expires_on(), NaiveDate::from_ymd_opt(2025, 6, 20).unwrap());
        assert_eq!((occ.right(), occ.strike()), (OptionRight::Call, "100".parse().unwrap()));
        assert_eq!(occ.to_string(), "AAPL250620C00100000");
    }

    #[test]
    fn a_root_may_end_in_a_digit_and_a_strike_in_half_cents() {
        let occ: Occ = "AAPL1250620P00012505".parse().unwrap();
        assert_eq!((occ.root(), occ.strike().to_string()), ("AAPL1", "12.505".to_owned()));
    }

    #[test]
    fn what_is_not_a_code_is_refused() {
        for text in [
            "",
            "AAPL",
            "250620C00100000",
            "AAPL250632C00100000",
            "AAPL250620X00100000",
            "AAPL250620C0010000",
            "AAPLABC250620C00100000",
            " AAPL 250620C00100000",
            "AAPL250620C001+0000",
            "ÄAPL250620C00100000",
        ] {
            assert!(text.parse::<Occ>().is_err(), "{text}");
        }
    }
}
