//! Our PnL in the account's currency, as the broker converts it: closing part by closing part, each rounded by itself.

use rust_decimal::{Decimal, RoundingStrategy};

use super::exact::{mul, sub};
use super::round::value;
use super::slot::Slot;
use crate::error::{Error, Result};
use crate::model::{Conversion, Payoff};
use crate::num::{Money, Side};

/// Places that are kept where the broker rounds nothing, so that sums have room.
const UNROUNDED_PLACES: u32 = 16;

impl Slot {
    /// Takes lots as any closing fill does, and notes what each part brought.
    pub(super) fn take_converted(&mut self, qty: Decimal, price: Decimal, conversion: &Conversion) -> Result<()> {
        let mut parts = Vec::new();
        self.lots.take_each(qty, |part, cost| {
            parts.push((part, cost));
            Ok(())
        })?;
        parts
            .into_iter()
            .try_for_each(|(part, cost)| self.convert_part(part, cost, price, conversion))
    }

    /// Notes what a closing part brought, where its cost and the multiplier are known.
    pub(super) fn convert_part(
        &mut self,
        part: Decimal,
        cost: Decimal,
        price: Decimal,
        conversion: &Conversion,
    ) -> Result<()> {
        let payoff = self.payoff();
        let Some(round) = &mut self.open else { return Ok(()) };
        let Some(multiplier) = self.terms.as_ref().and_then(|terms| terms.multiplier) else {
            return Ok(());
        };
        if round.unknown || part.is_zero() {
            return Ok(());
        }
        let gain = sub(value(part, price, payoff)?, cost)?;
        let flipped = (round.side == Side::Sell) != (payoff == Payoff::Inverse);
        let gain = mul(if flipped { -gain } else { gain }, multiplier)?;
        round.add_converted(Money::new(converted(gain, conversion)?, conversion.to), part)
    }
}

/// What brokers round by is not published; halves go away from zero, as money is rounded by hand.
fn converted(gain: Decimal, conversion: &Conversion) -> Result<Decimal> {
    let rate = if gain.is_sign_negative() {
        conversion.loss
    } else {
        conversion.gain
    };
    let amount = gain
        .checked_mul(rate)
        .ok_or_else(|| Error::invalid("a converted PnL does not fit 28 digits"))?;
    Ok(match conversion.places {
        Some(places) => amount.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero),
        None => amount.round_dp(UNROUNDED_PLACES),
    })
}
