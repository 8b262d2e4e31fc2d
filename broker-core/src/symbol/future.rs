//! Codes of futures contracts. `ESH6`, `ESH26`, `ESH2026`, `/ESH26` and `CON.F.US.EP.H26` are one contract.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, Months, NaiveDate};

use super::{is_root, not_a};
use crate::error::{Error, Result};
use crate::futures;

/// Letters of the months, January first.
pub const MONTH_LETTERS: &str = "FGHJKMNQUVXZ";

/// How a code is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    /// `ESH6`
    Plain,
    /// `/ESH6`
    Slash,
    /// `CON.F.US.EP.H26`: the root is the vendor's.
    Gateway,
}

const GATEWAY: &str = "CON.F.US.";

/// The code of a futures contract as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FuturesCode {
    form: Form,
    root: String,
    month: u32,
    /// One, two or four digits.
    year: String,
}

/// A contract, however it was written: equal ones are one contract.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Contract {
    /// Root at the exchange.
    pub root: String,
    /// Year of the contract month.
    pub year: i32,
    /// Contract month, 1 to 12.
    pub month: u32,
}

/// How many months before the given date the month of a one-digit year may lie.
const LOOK_BACK: u32 = 24;

impl FuturesCode {
    /// Root at the exchange: `ES`, of `CON.F.US.EP.H26` too. A gateway's root that our table does not know is left
    /// as it is.
    pub fn root(&self) -> &str {
        match self.form {
            Form::Gateway => futures::by_vendor_root(&self.root).map_or(&self.root, |spec| spec.root),
            Form::Plain | Form::Slash => &self.root,
        }
    }

    /// Contract month, 1 to 12.
    pub fn month(&self) -> u32 {
        self.month
    }

    /// Year of the contract month.
    ///
    /// Two digits are of this century. One digit is read beside a date on which the contract was traded or looked
    /// at: it is the first such year whose month lies at most two years before that date, so a code is right from
    /// eight years before its month until two years after it.
    pub fn year(&self, on: NaiveDate) -> i32 {
        let digits = self.year.parse::<i32>().unwrap_or_default();
        match self.year.len() {
            1 => {
                let from = on.checked_sub_months(Months::new(LOOK_BACK)).unwrap_or(on);
                let year = from.year() - from.year().rem_euclid(10) + digits;
                if (year, self.month) < (from.year(), from.month()) {
                    year + 10
                } else {
                    year
                }
            }
            2 => 2000 + digits,
            _ => digits,
        }
    }

    /// The contract; a one-digit year is read beside this date, see [`year`](Self::year).
    pub fn contract(&self, on: NaiveDate) -> Contract {
        Contract {
            root: self.root().to_owned(),
            year: self.year(on),
            month: self.month,
        }
    }
}

impl FromStr for FuturesCode {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        parse(text).ok_or_else(|| not_a("the code of a futures contract", text))
    }
}

fn parse(text: &str) -> Option<FuturesCode> {
    let (form, body) = if let Some(body) = text.strip_prefix(GATEWAY) {
        (Form::Gateway, body)
    } else if let Some(body) = text.strip_prefix('/') {
        (Form::Slash, body)
    } else {
        (Form::Plain, text)
    };
    // The root may hold digits (`6E`, `M2K`), so the year is what stands behind the last letter.
    let at = body.rfind(|c: char| c.is_ascii_uppercase())?;
    let (head, year) = (body.get(..=at)?, body.get(at + 1..)?);
    if !matches!(year.len(), 1 | 2 | 4) || !year.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (root, letter) = head.split_at_checked(head.len().checked_sub(1)?)?;
    let month = MONTH_LETTERS.find(letter)?;
    let root = match form {
        Form::Gateway => root.strip_suffix('.')?,
        Form::Plain | Form::Slash => root,
    };
    if !is_root(root, 5) {
        return None;
    }
    Some(FuturesCode {
        form,
        root: root.to_owned(),
        month: u32::try_from(month).ok()? + 1,
        year: year.to_owned(),
    })
}

fn letter(month: u32) -> char {
    let place = usize::try_from(month).unwrap_or_default().wrapping_sub(1);
    MONTH_LETTERS.chars().nth(place).unwrap_or('?')
}

impl fmt::Display for FuturesCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = letter(self.month);
        match self.form {
            Form::Plain => write!(f, "{}{letter}{}", self.root, self.year),
            Form::Slash => write!(f, "/{}{letter}{}", self.root, self.year),
            Form::Gateway => write!(f, "{GATEWAY}{}.{letter}{}", self.root, self.year),
        }
    }
}

/// With a two-digit year: `ESH26`.
impl fmt::Display for Contract {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:02}", self.root, letter(self.month), self.year.rem_euclid(100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn one_contract_in_five_forms() {
        let h26 = Contract {
            root: "ES".into(),
            year: 2026,
            month: 3,
        };
        for text in ["ESH6", "ESH26", "ESH2026", "/ESH26", "CON.F.US.EP.H26"] {
            let code: FuturesCode = text.parse().unwrap();
            assert_eq!(code.contract(day("2026-01-15")), h26, "{text}");
            assert_eq!(code.to_string(), text);
        }
        assert_eq!(h26.to_string(), "ESH26");
    }

    #[test]
    fn one_digit_years_are_read_beside_a_date() {
        for (text, on, year) in [
            ("ESH6", "2026-01-15", 2026),
            ("ESH6", "2026-11-20", 2026), // expired this spring
            ("ESZ5", "2026-11-20", 2025),
            ("ESX4", "2026-11-20", 2024), // two years ago, this very month
            ("ESV4", "2026-11-20", 2034),
            ("CLZ2", "2026-11-20", 2032), // listed years ahead
            ("ESH0", "2019-12-01", 2020),
            ("ESZ9", "2020-01-02", 2019),
        ] {
            assert_eq!(
                text.parse::<FuturesCode>().unwrap().year(day(on)),
                year,
                "{text} on {on}"
            );
        }
    }

    #[test]
    fn roots_with_digits() {
        for (text, root, month) in [("6EZ5", "6E", 12), ("M2KM26", "M2K", 6), ("CON.F.US.EU6.U25", "6E", 9)] {
            let code: FuturesCode = text.parse().unwrap();
            assert_eq!((code.root(), code.month()), (root, month));
        }
    }

    #[test]
    fn what_is_not_a_code_is_refused() {
        for text in [
            "",
            "ES",
            "ESH",
            "ESH026",
            "ESA6",
            "H6",
            "CON.F.US.EP.",
            "CON.F.US..H26",
            "esh6",
            "ESH6 ",
            "123456H6",
        ] {
            assert!(text.parse::<FuturesCode>().is_err(), "{text}");
        }
    }
}
