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
///
/// Numbers of one scale, which are nearly all, are added as whole numbers of 97 bits at most; no digit can be lost.
#[inline(always)]
pub(super) fn add(a: Decimal, b: Decimal) -> Result<Decimal> {
    if a.scale() == b.scale()
        && let Some(sum) = of_units(a.mantissa() + b.mantissa(), a.scale())
    {
        return Ok(sum);
    }
    if a.is_zero() {
        return Ok(b);
    }
    add_scaled(a, b)
}

/// The exact difference.
#[inline(always)]
pub(super) fn sub(a: Decimal, b: Decimal) -> Result<Decimal> {
    if a.scale() == b.scale()
        && let Some(difference) = of_units(a.mantissa() - b.mantissa(), a.scale())
    {
        return Ok(difference);
    }
    add_scaled(a, -b)
}

/// The exact product.
#[inline(always)]
pub(super) fn mul(a: Decimal, b: Decimal) -> Result<Decimal> {
    if let (Ok(x), Ok(y)) = (i64::try_from(a.mantissa()), i64::try_from(b.mantissa()))
        && x != 0
        && y != 0
        && let Some(product) = of_units(i128::from(x) * i128::from(y), a.scale() + b.scale())
    {
        return Ok(product);
    }
    mul_large(a, b)
}

/// Which is the larger.
#[inline(always)]
pub(super) fn compare(a: Decimal, b: Decimal) -> Ordering {
    if a.scale() == b.scale() {
        a.mantissa().cmp(&b.mantissa())
    } else {
        a.cmp(&b)
    }
}

/// So many units of 10^-scale, if that is a decimal.
#[inline(always)]
fn of_units(units: i128, scale: u32) -> Option<Decimal> {
    let [a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 0] = units.unsigned_abs().to_le_bytes() else {
        return None;
    };
    if scale > Decimal::MAX_SCALE {
        return None;
    }
    let word = u32::from_le_bytes;
    let (low, mid, high) = (word([a, b, c, d]), word([e, f, g, h]), word([i, j, k, l]));
    Some(Decimal::from_parts(low, mid, high, units < 0, scale))
}

/// A quotient to 18 decimal places, or fewer where 28 digits are not enough.
pub(super) fn quotient(a: Decimal, b: Decimal) -> Result<Decimal> {
    let quotient = a.checked_div(b).ok_or_else(unfit)?;
    Ok(quotient.round_dp(QUOTIENT_PLACES))
}

/// An average, to all digits that fit (28).
pub(super) fn average(total: Decimal, count: Decimal) -> Result<Decimal> {
    if let (Ok(units), Ok(count_units), Some(scale)) = (
        i64::try_from(total.mantissa()),
        i64::try_from(count.mantissa()),
        total.scale().checked_sub(count.scale()),
    ) && units != 0
        && units.checked_rem(count_units) == Some(0)
        && let Some(average) = of_units((units / count_units).into(), scale)
    {
        return Ok(average);
    }
    total.checked_div(count).ok_or_else(unfit)
}

/// `total * part / whole`, rounded so that the rest, `total - share`, is exact: nothing is lost between the two.
pub(super) fn share(total: Decimal, part: Decimal, whole: Decimal) -> Result<Decimal> {
    if compare(part, whole) == Ordering::Equal || total.is_zero() {
        return Ok(total);
    }
    let digits = total
        .mantissa()
        .unsigned_abs()
        .checked_ilog10()
        .map_or(0, |log| log + 1);
    let whole_digits = digits.saturating_sub(total.scale());
    let places = total
        .scale()
        .max(SHARE_PLACES.min(SHARE_DIGITS.saturating_sub(whole_digits)));
    if let Some(share) = share_of_units(total, part, whole, places) {
        return Ok(share);
    }
    let share = total
        .checked_mul(part)
        .and_then(|product| product.checked_div(whole))
        .ok_or_else(unfit)?;
    Ok(share.round_dp(places))
}

/// The same in whole numbers, rounded once, to even; `None` where 127 bits are not enough, or for odd scales.
fn share_of_units(total: Decimal, part: Decimal, whole: Decimal, places: u32) -> Option<Decimal> {
    if part.scale() != whole.scale() || whole.is_zero() {
        return None;
    }
    let raised = 10_u128.checked_pow(places - total.scale())?;
    let product = total
        .mantissa()
        .unsigned_abs()
        .checked_mul(raised)?
        .checked_mul(part.mantissa().unsigned_abs())?;
    let divisor = whole.mantissa().unsigned_abs();
    let down = product / divisor;
    let rest = product - down * divisor;
    let up = match (rest * 2).cmp(&divisor) {
        Ordering::Less => false,
        Ordering::Equal => down % 2 == 1,
        Ordering::Greater => true,
    };
    let units = i128::try_from(down + u128::from(up)).ok()?;
    let negative = total.is_sign_negative() != (part.is_sign_negative() != whole.is_sign_negative());
    of_units(if negative { -units } else { units }, places)
}

/// The larger of two sizes.
#[inline]
pub(super) fn larger(a: Decimal, b: Decimal) -> Decimal {
    if compare(a, b) == Ordering::Less { b } else { a }
}

fn add_scaled(a: Decimal, b: Decimal) -> Result<Decimal> {
    if a.is_zero() {
        return Ok(b);
    }
    if b.is_zero() {
        return Ok(a);
    }
    match a.checked_add(b) {
        Some(sum) if sum.scale() == a.scale().max(b.scale()) => Ok(sum),
        _ => add_slowly(a, b),
    }
}

fn mul_large(a: Decimal, b: Decimal) -> Result<Decimal> {
    match a.checked_mul(b) {
        Some(product) if product.scale() == a.scale() + b.scale() => Ok(product),
        _ => mul_slowly(a, b),
    }
}

#[cold]
fn add_slowly(a: Decimal, b: Decimal) -> Result<Decimal> {
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
    fn whole_numbers_say_what_decimals_say() {
        let numbers = [
            "0",
            "0.00",
            "1",
            "-1",
            "3",
            "7.00",
            "0.07",
            "-2.5",
            "2.50",
            "6064.25",
            "93456.12345678",
            "-0.0000000000000001",
            "9223372036854775807",
            "-9223372036854775808",
            "123456789012.1234567890123456",
            "79228162514264337593543950335",
            "-79228162514264337593543950335",
            "7922816251426433759354395033.5",
        ]
        .map(d);
        for (a, b) in numbers.iter().flat_map(|a| numbers.iter().map(move |b| (*a, *b))) {
            assert_eq!(compare(a, b), a.cmp(&b), "{a} {b}");
            let same = |ours: Result<Decimal>, theirs: Result<Decimal>| match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => assert_eq!((ours, ours.scale()), (theirs, theirs.scale()), "{a} {b}"),
                (ours, theirs) => assert_eq!(ours.is_err(), theirs.is_err(), "{a} {b}"),
            };
            same(add(a, b), add_scaled(a, b));
            same(sub(a, b), add_scaled(a, -b));
            same(mul(a, b), mul_large(a, b));
            same(average(a, b), a.checked_div(b).ok_or_else(unfit));
        }
    }

    #[test]
    fn a_share_is_rounded_once_and_to_even() {
        for (total, part, whole, is) in [
            ("100", "2", "3", "66.6666666666666667"),
            ("-100", "2", "3", "-66.6666666666666667"),
            ("0.0000000000000005", "1", "2", "0.0000000000000002"),
            ("0.0000000000000007", "1", "2", "0.0000000000000004"),
            ("0.00000000000000000005", "1", "2", "0.00000000000000000002"),
            ("12128.50", "1", "4", "3032.125"),
            ("12128.50", "1.0", "4", "3032.125"),
            ("123456789012.34", "1", "9", "13717421001.3711111111"),
            ("123456789012.34", "1.0", "9", "13717421001.3711111111"),
        ] {
            assert_eq!(
                share(d(total), d(part), d(whole)).unwrap(),
                d(is),
                "{total} {part} {whole}"
            );
        }
        assert!(share(d("1"), d("1"), d("0")).is_err());
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
