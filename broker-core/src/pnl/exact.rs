//! Sums and products that lose no digit, or fail; and the one rounded operation, a share of a total.
//!
//! `Decimal`'s own operators panic on overflow, and its `checked_` ones round where 28 digits are not enough.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use crate::error::{Error, Result};

/// Decimal places that a share of a total keeps, if the total has no more itself.
const SHARE_PLACES: u32 = 16;

/// Digits that a share keeps in all, so that sums over it have room for six more.
const SHARE_DIGITS: u32 = 22;

/// Decimal places of a quotient that is summed later: the coins of an inverse contract.
const QUOTIENT_PLACES: u32 = 18;

/// The exact sum.
#[inline(always)]
pub(super) fn add(a: Decimal, b: Decimal) -> Result<Decimal> {
    match a.checked_add(b) {
        Some(sum) if sum.scale() == a.scale().max(b.scale()) => Ok(sum),
        _ => add_slowly(a, b),
    }
}

/// The exact difference.
#[inline(always)]
pub(super) fn sub(a: Decimal, b: Decimal) -> Result<Decimal> {
    add(a, -b)
}

/// The exact product.
#[inline(always)]
pub(super) fn mul(a: Decimal, b: Decimal) -> Result<Decimal> {
    match a.checked_mul(b) {
        Some(product) if product.scale() == a.scale() + b.scale() => Ok(product),
        _ => mul_slowly(a, b),
    }
}

/// A quotient to 18 decimal places, or fewer where 28 digits are not enough.
pub(super) fn quotient(a: Decimal, b: Decimal) -> Result<Decimal> {
    let quotient = a.checked_div(b).ok_or_else(unfit)?;
    Ok(quotient.round_dp(QUOTIENT_PLACES))
}

/// An average, to all digits that fit (28).
pub(super) fn average(total: Decimal, count: Decimal) -> Result<Decimal> {
    total.checked_div(count).ok_or_else(unfit)
}

/// `total * part / whole`, rounded so that the rest, `total - share`, is exact: nothing is lost between the two.
pub(super) fn share(total: Decimal, part: Decimal, whole: Decimal) -> Result<Decimal> {
    if part == whole || total.is_zero() {
        return Ok(total);
    }
    let share = total
        .checked_mul(part)
        .and_then(|product| product.checked_div(whole))
        .ok_or_else(unfit)?;
    let places = SHARE_PLACES.min(SHARE_DIGITS.saturating_sub(whole_digits(total)));
    Ok(share.round_dp(total.scale().max(places)))
}

/// The larger of two sizes.
#[inline]
pub(super) fn larger(a: Decimal, b: Decimal) -> Decimal {
    if a.cmp(&b) == Ordering::Less { b } else { a }
}

#[cold]
fn add_slowly(a: Decimal, b: Decimal) -> Result<Decimal> {
    if a.is_zero() {
        return Ok(b);
    }
    if b.is_zero() {
        return Ok(a);
    }
    let (a, b) = (a.normalize(), b.normalize());
    match a.checked_add(b) {
        Some(sum) if sum.is_zero() || sum.scale() == a.scale().max(b.scale()) => Ok(sum),
        _ => Err(unfit()),
    }
}

#[cold]
fn mul_slowly(a: Decimal, b: Decimal) -> Result<Decimal> {
    if a.is_zero() || b.is_zero() {
        return Ok(Decimal::ZERO);
    }
    let (a, b) = (a.normalize(), b.normalize());
    match a.checked_mul(b) {
        Some(product) if product.scale() == a.scale() + b.scale() => Ok(product),
        _ => Err(unfit()),
    }
}

/// Digits before the point.
fn whole_digits(value: Decimal) -> u32 {
    let whole = value.trunc().mantissa().unsigned_abs();
    whole.checked_ilog10().map_or(0, |log| log + 1)
}

#[cold]
fn unfit() -> Error {
    Error::invalid("a sum of the books does not fit 28 digits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::decimal;

    fn d(text: &str) -> Decimal {
        decimal(text).unwrap()
    }

    #[test]
    fn nothing_is_rounded_in_silence() {
        assert_eq!(
            mul(d("1.000000000000000000"), d("93456.12000000")).unwrap(),
            d("93456.12")
        );
        assert!(mul(d("0.123456789012345678"), d("93456.12345678")).is_err());
        assert_eq!(add(d("0"), d("1.50")).unwrap().to_string(), "1.50");
        assert!(add(d("79228162514264337593543950335"), d("0.1")).is_err());
        assert!(add(d("79228162514264337593543950335"), d("1")).is_err());
        assert!(sub(d("1"), d("1.00")).unwrap().is_zero());
    }

    #[test]
    fn a_share_and_its_rest_are_the_whole() {
        for (total, part, whole) in [("100", "1", "3"), ("0.07", "2", "7"), ("123456789012.34", "1", "9")] {
            let total = d(total);
            let part = share(total, d(part), d(whole)).unwrap();
            let rest = sub(total, part).unwrap();
            assert_eq!(add(part, rest).unwrap(), total);
            assert_ne!(rest, total);
        }
        assert_eq!(share(d("100"), d("1"), d("3")).unwrap(), d("33.3333333333333333"));
    }
}
