//! Whether an account can afford an order: holdings first, then cash or margin.

use broker_core::model::{Payoff, PositionEffect, PositionLeg, Size};
use broker_core::{Currency, Money, Side};
use rust_decimal::Decimal;

use crate::check::Plan;
use crate::engine::Engine;
use crate::reject::SimReject;

impl Engine {
    /// Holdings first, then funds. Writes the effect and the reserve into the plan.
    pub(crate) fn check_funds(
        &self,
        account: usize,
        market: usize,
        plan: &mut Plan,
        replaced: Option<usize>,
    ) -> Result<(), SimReject> {
        let listing = &self.markets[market].listing;
        let instrument = &listing.instrument;
        let spec = &self.accounts[account].spec;
        let symbol = || instrument.symbol.to_string();
        let price = self
            .worst_price(market, plan)
            .ok_or_else(|| SimReject::NoQuote { symbol: symbol() })?;
        let multiplier = instrument.multiplier.unwrap_or(Decimal::ONE);
        let qty = match plan.size {
            Size::Qty(qty) => qty.get(),
            Size::Notional { amount, .. } => amount.get().checked_div(price * multiplier).unwrap_or_default(),
        };
        let (position, held) = self.closable(account, market, plan.leg, plan.side, replaced);
        let available = (position - held).max(Decimal::ZERO);
        let inferred = if position > Decimal::ZERO {
            PositionEffect::Close
        } else {
            PositionEffect::Open
        };
        if plan.effect.is_some_and(|effect| effect != inferred) {
            return Err(SimReject::EffectMismatch { inferred });
        }
        if plan.reduce_only && position.is_zero() {
            return Err(SimReject::NothingToReduce);
        }
        // In a hedging account the leg itself says that the order closes.
        let closes_leg = matches!(
            (plan.leg, plan.side),
            (PositionLeg::Long, Side::Sell) | (PositionLeg::Short, Side::Buy)
        );
        let cannot_open = closes_leg
            || plan.effect == Some(PositionEffect::Close)
            || (position > Decimal::ZERO && !spec.flips)
            || (plan.side == Side::Sell
                && (!spec.margin || instrument.shortable != Some(true))
                && position > Decimal::ZERO);
        if cannot_open && qty > available && !plan.reduce_only {
            return Err(SimReject::InsufficientQty {
                requested: qty,
                available,
                held,
            });
        }
        let opening = (qty - available).max(Decimal::ZERO);
        if opening.is_zero() || plan.reduce_only {
            return Ok(());
        }
        if plan.side == Side::Sell && !self.may_short(account, market) {
            return Err(match instrument.shortable {
                Some(true) if spec.margin => SimReject::AccountBlocked,
                _ if instrument.payoff == Payoff::Cash && instrument.base.is_some() => SimReject::InsufficientQty {
                    requested: qty,
                    available,
                    held,
                },
                _ => SimReject::NotShortable { symbol: symbol() },
            });
        }
        let (needed, free) = self.funds(account, market, plan.side, opening, price, replaced);
        if needed.amount > free {
            return Err(SimReject::InsufficientFunds {
                required: needed.amount,
                available: free,
                currency: needed.currency,
            });
        }
        plan.reserve = needed;
        Ok(())
    }

    fn may_short(&self, account: usize, market: usize) -> bool {
        let instrument = &self.markets[market].listing.instrument;
        match instrument.payoff {
            Payoff::Cash => self.accounts[account].spec.margin && instrument.shortable == Some(true),
            Payoff::Margined | Payoff::Inverse => instrument.shortable != Some(false),
        }
    }

    /// The price that an order is valued at before it trades.
    fn worst_price(&self, market: usize, plan: &Plan) -> Option<Decimal> {
        let market = &self.markets[market];
        let price = match (plan.limit, plan.stop) {
            (Some(limit), _) => limit,
            (None, Some(stop)) => stop,
            (None, None) => market
                .price_for(plan.side)
                .or_else(|| market.price_for(plan.side.opposite()))?,
        };
        Some(price.abs())
    }

    /// What an opening needs, and what is free for it: of the instrument's currency where it is paid in full, of the
    /// home currency where it stands on margin.
    fn funds(
        &self,
        account: usize,
        market: usize,
        side: Side,
        qty: Decimal,
        price: Decimal,
        replaced: Option<usize>,
    ) -> (Money, Decimal) {
        let spec = &self.accounts[account].spec;
        let instrument = &self.markets[market].listing.instrument;
        if spec.margin || instrument.payoff != Payoff::Cash {
            let needed = self.requirement(market, side, qty, price, spec.currency);
            return (Money::new(needed, spec.currency), self.free_margin(account, replaced));
        }
        let needed = qty * price * instrument.multiplier.unwrap_or(Decimal::ONE);
        let free =
            self.accounts[account].cash_of(instrument.currency) - self.reserved(account, instrument.currency, replaced);
        (Money::new(needed, instrument.currency), free)
    }

    /// Margin that a position needs, in a currency; what nothing converts counts in full.
    pub(crate) fn requirement(
        &self,
        market: usize,
        side: Side,
        qty: Decimal,
        price: Decimal,
        currency: Currency,
    ) -> Decimal {
        let instrument = &self.markets[market].listing.instrument;
        let margin = instrument.margin.as_ref();
        let rate = margin.and_then(|margin| match side {
            Side::Buy => margin.long_rate,
            Side::Sell => margin.short_rate,
        });
        let initial = margin.and_then(|margin| margin.initial);
        let money = match (rate, initial) {
            (None, Some(initial)) => Money::new(initial.amount * qty, initial.currency),
            (rate, _) => {
                let value = qty * price.abs() * instrument.multiplier.unwrap_or(Decimal::ONE);
                Money::new(value * rate.unwrap_or(Decimal::ONE), instrument.currency)
            }
        };
        self.convert(money.amount, money.currency, currency)
            .unwrap_or(money.amount)
    }
}
