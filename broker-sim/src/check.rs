//! What is checked before an order is taken: form, prices, quantity, hours, holdings, funds.

use broker_core::model::{
    InstrumentStatus, Level, OrderChange, OrderKind, PositionEffect, PositionLeg, PositionMode, Size, StopExit, Trail,
    Trigger,
};
use broker_core::{Money, OrderRequest, Qty, Side, TimeInForce};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::engine::{Engine, LARGEST_PRICE, LARGEST_QTY};
use crate::hours::Calendar;
use crate::order::Exit;
use crate::place::{exit_kind, exit_trail, is_immediate, sign};
use crate::reject::SimReject;

/// An order that passed every check.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) side: Side,
    pub(crate) leg: PositionLeg,
    pub(crate) effect: Option<PositionEffect>,
    pub(crate) kind: OrderKind,
    pub(crate) size: Size,
    pub(crate) limit: Option<Decimal>,
    pub(crate) stop: Option<Decimal>,
    pub(crate) trail: Option<Trail>,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) expires_at: Option<DateTime<Utc>>,
    pub(crate) auction_at: Option<DateTime<Utc>>,
    pub(crate) reduce_only: bool,
    pub(crate) reserve: Money,
}

impl Engine {
    /// Checks a request.
    pub(crate) fn plan(&self, account: usize, market: usize, request: &OrderRequest) -> Result<Plan, SimReject> {
        self.check_tradable(market, request)?;
        let (limit, stop, trail) = terms(&request.trigger)?;
        for price in [limit, stop].into_iter().flatten() {
            self.check_price(market, price)?;
        }
        if let Some(trail) = trail {
            check_trail(trail)?;
        }
        self.check_exits(market, request, limit)?;
        let time_in_force = request
            .time_in_force
            .clone()
            .unwrap_or(self.default_time_in_force(market));
        check_combination(request, &time_in_force)?;
        let (expires_at, auction_at) =
            self.times(market, &time_in_force, request.expires_at, request.extended_hours)?;
        self.check_size(market, request.size, limit)?;
        let leg = self.leg(account, request)?;
        let mut plan = Plan {
            side: request.side,
            leg,
            effect: request.effect,
            kind: request.trigger.kind(),
            size: request.size,
            limit,
            stop,
            trail,
            time_in_force,
            expires_at,
            auction_at,
            reduce_only: request.reduce_only,
            reserve: Money::zero(self.accounts[account].spec.currency),
        };
        self.check_funds(account, market, &mut plan, None)?;
        Ok(plan)
    }

    /// Checks a change of a working order.
    pub(crate) fn plan_change(&self, index: usize, qty: Decimal, change: &OrderChange) -> Result<Plan, SimReject> {
        let old = &self.orders[index];
        let (account, market) = (old.account, old.market);
        let refused = || SimReject::NotReplaceable {
            status: old.order.status.clone(),
        };
        let left = qty - old.filled();
        if left <= Decimal::ZERO {
            return Err(refused());
        }
        let pick = |new: Option<broker_core::Price>, old: Option<broker_core::Price>| match (new, old) {
            // A price that the kind does not have cannot be changed.
            (Some(_), None) => Err(refused()),
            (new, old) => Ok(new.or(old).map(broker_core::Price::get)),
        };
        let is_trailing = old.order.trail.is_some();
        let limit = pick(change.limit_price, old.order.limit_price)?;
        let stop = if is_trailing && change.stop_price.is_none() {
            old.order.stop_price.map(broker_core::Price::get)
        } else {
            pick(change.stop_price.filter(|_| !is_trailing), old.order.stop_price)?
        };
        if change.trail.is_some() && !is_trailing {
            return Err(refused());
        }
        let trail = change.trail.or(old.order.trail);
        for price in [change.limit_price, change.stop_price].into_iter().flatten() {
            self.check_price(market, price.get())?;
        }
        if let Some(trail) = change.trail {
            check_trail(trail)?;
        }
        let size = Size::Qty(Qty::new(left).unwrap_or(Qty::ZERO));
        self.check_size(market, size, limit)?;
        let same = old.order.time_in_force.clone().unwrap_or(TimeInForce::Day);
        let time_in_force = change.time_in_force.clone().unwrap_or(same.clone());
        let (expires_at, auction_at) = if time_in_force == same {
            (old.order.expires_at, old.auction_at)
        } else {
            let expires_at = old.order.expires_at.filter(|_| time_in_force == TimeInForce::Gtd);
            self.times(market, &time_in_force, expires_at, old.order.extended_hours)?
        };
        let mut plan = Plan {
            side: old.side(),
            leg: old.leg(),
            effect: old.order.legs.first().and_then(|leg| leg.effect),
            kind: old.order.kind.clone(),
            size,
            limit,
            stop,
            trail,
            time_in_force,
            expires_at,
            auction_at,
            reduce_only: old.order.reduce_only,
            reserve: old.reserve,
        };
        // Exits are covered by their entry and only reduce: they need no funds of their own.
        if old.exit.is_none() {
            self.check_funds(account, market, &mut plan, Some(index))?;
        }
        Ok(plan)
    }

    /// The plan of an exit of a group. Its prices were checked with its entry.
    pub(crate) fn plan_exit(&self, entry: usize, exit: Exit, is_oco: bool) -> Plan {
        let entry = &self.orders[entry];
        let side = if is_oco { entry.side() } else { entry.side().opposite() };
        let price = |level: Level| match level {
            Level::Price(price) => Some(price.get()),
            Level::Distance(_) => None,
        };
        let (limit, stop) = match exit {
            Exit::Target(level) => (price(level), None),
            Exit::Stop(StopExit::Stop { stop, limit }) => (limit.and_then(price), price(stop)),
            Exit::Stop(StopExit::Trailing(_)) => (None, None),
        };
        Plan {
            side,
            leg: entry.leg(),
            effect: entry
                .order
                .legs
                .first()
                .and_then(|leg| leg.effect)
                .map(|effect| if is_oco { effect } else { PositionEffect::Close }),
            kind: exit_kind(exit),
            size: Size::Qty(Qty::new(entry.qty.unwrap_or_default()).unwrap_or(Qty::ZERO)),
            limit,
            stop,
            trail: exit_trail(exit),
            time_in_force: entry.order.time_in_force.clone().unwrap_or(TimeInForce::Gtc),
            expires_at: entry.order.expires_at,
            auction_at: None,
            reduce_only: entry.order.reduce_only || !is_oco,
            reserve: Money::zero(entry.reserve.currency),
        }
    }

    fn check_tradable(&self, market: usize, request: &OrderRequest) -> Result<(), SimReject> {
        let market = &self.markets[market];
        let instrument = &market.listing.instrument;
        let symbol = || instrument.symbol.to_string();
        let expired = instrument.expires_at.is_some_and(|at| at <= self.now);
        if market.halted || expired || instrument.status != InstrumentStatus::Tradable {
            return Err(SimReject::NotTradable { symbol: symbol() });
        }
        let refuses = self.rules.reject_when_closed.contains(&instrument.asset_class);
        if refuses && !market.listing.calendar.is_open(self.now, request.extended_hours) {
            return Err(SimReject::MarketClosed { symbol: symbol() });
        }
        Ok(())
    }

    fn check_price(&self, market: usize, price: Decimal) -> Result<(), SimReject> {
        let market = &self.markets[market];
        let is_future = market.listing.calendar == Calendar::Futures;
        if price.abs() > LARGEST_PRICE || price.scale() > 12 || (price <= Decimal::ZERO && !is_future) {
            return Err(SimReject::PriceRange { price });
        }
        let tick = market.tick(price);
        if !(price % tick).is_zero() {
            return Err(SimReject::Tick { price, tick });
        }
        Ok(())
    }

    fn check_exits(&self, market: usize, request: &OrderRequest, entry: Option<Decimal>) -> Result<(), SimReject> {
        let (target, stop, side) = match (&request.trigger, request.target, request.stop) {
            (Trigger::Oco { .. }, None, None) => {
                let Trigger::Oco { target, stop } = &request.trigger else {
                    return Ok(());
                };
                (Some(Level::Price(*target)), Some(*stop), request.side.opposite())
            }
            (Trigger::Oco { .. }, _, _) => {
                return Err(SimReject::Unsupported {
                    what: "exits of an oco",
                });
            }
            (_, target, stop) => (target, stop, request.side),
        };
        let is_oco = matches!(request.trigger, Trigger::Oco { .. });
        let entry = entry.filter(|_| !is_oco);
        let (stop_level, limit_level) = match stop {
            Some(StopExit::Stop { stop, limit }) => (Some(stop), limit),
            Some(StopExit::Trailing(trail)) => {
                check_trail(trail)?;
                (None, None)
            }
            None => (None, None),
        };
        for level in [target, stop_level, limit_level].into_iter().flatten() {
            match level {
                Level::Price(price) => self.check_price(market, price.get())?,
                Level::Distance(_) if is_oco => {
                    return Err(SimReject::ExitLevels {
                        what: "an oco has no entry to be distant from",
                    });
                }
                Level::Distance(distance) if distance.is_zero() || distance.get() > LARGEST_PRICE => {
                    return Err(SimReject::ExitLevels {
                        what: "a distance must be positive",
                    });
                }
                Level::Distance(_) => {}
            }
        }
        // Seen from a long entry: the stop below, the target above.
        let above = |high: Option<Decimal>, low: Option<Decimal>| match (high, low) {
            (Some(high), Some(low)) => (high - low) * sign(side) > Decimal::ZERO,
            _ => true,
        };
        let absolute = |level: Option<Level>| match level {
            Some(Level::Price(price)) => Some(price.get()),
            Some(Level::Distance(_)) | None => None,
        };
        let (target, stop) = (absolute(target), absolute(stop_level));
        if !above(target, stop) {
            return Err(SimReject::ExitLevels {
                what: "the stop is beyond the target",
            });
        }
        if !above(target, entry) {
            return Err(SimReject::ExitLevels {
                what: "the target is worse than the entry",
            });
        }
        if !above(entry, stop) {
            return Err(SimReject::ExitLevels {
                what: "the stop is better than the entry",
            });
        }
        Ok(())
    }

    fn default_time_in_force(&self, market: usize) -> TimeInForce {
        match self.markets[market].listing.calendar {
            Calendar::Always | Calendar::Forex => TimeInForce::Gtc,
            Calendar::UsEquity | Calendar::UsOption | Calendar::Futures => TimeInForce::Day,
        }
    }

    /// When an order runs out, and when its auction is.
    #[allow(clippy::type_complexity, reason = "two moments that belong together")]
    fn times(
        &self,
        market: usize,
        time_in_force: &TimeInForce,
        expires_at: Option<DateTime<Utc>>,
        extended: bool,
    ) -> Result<(Option<DateTime<Utc>>, Option<DateTime<Utc>>), SimReject> {
        let calendar = self.markets[market].listing.calendar;
        if expires_at.is_some() && *time_in_force != TimeInForce::Gtd {
            return Err(SimReject::BadExpiry);
        }
        Ok(match time_in_force {
            TimeInForce::Day => (Some(calendar.day_ends(self.now, extended)), None),
            TimeInForce::Gtd => match expires_at {
                Some(at) if at > self.now => (Some(at), None),
                _ => return Err(SimReject::BadExpiry),
            },
            TimeInForce::AtOpen | TimeInForce::AtClose if calendar == Calendar::Always => {
                return Err(SimReject::Unsupported {
                    what: "auctions of a market that never closes",
                });
            }
            TimeInForce::AtOpen => (None, Some(calendar.next_open(self.now))),
            TimeInForce::AtClose => (None, Some(calendar.next_close(self.now))),
            TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok => (None, None),
            _ => {
                return Err(SimReject::Unsupported { what: "time in force" });
            }
        })
    }

    fn check_size(&self, market: usize, size: Size, limit: Option<Decimal>) -> Result<(), SimReject> {
        let market = &self.markets[market];
        let instrument = &market.listing.instrument;
        let least_value = instrument.min_notional.map(|money| money.amount);
        let qty = match size {
            Size::Qty(qty) => qty.get(),
            Size::Notional { amount, currency } => {
                let value = amount.get();
                Self::check_money(value)?;
                if currency.is_some_and(|currency| currency != instrument.currency) {
                    return Err(SimReject::Unsupported {
                        what: "a notional in another currency than the instrument's",
                    });
                }
                if value.is_zero() {
                    return Err(SimReject::ZeroQty);
                }
                return match least_value.filter(|min| value < *min) {
                    Some(min) => Err(SimReject::BelowMinNotional { value, min }),
                    None => Ok(()),
                };
            }
        };
        if qty.is_zero() {
            return Err(SimReject::ZeroQty);
        }
        let max = instrument.max_qty.map_or(LARGEST_QTY, Qty::get).min(LARGEST_QTY);
        if qty > max {
            return Err(SimReject::AboveMaxQty { qty, max });
        }
        if let Some(min) = instrument.min_qty.map(Qty::get).filter(|min| qty < *min) {
            return Err(SimReject::BelowMinQty { qty, min });
        }
        if let Some(lot) = instrument.lot.filter(|lot| !lot.is_zero() && !(qty % lot).is_zero()) {
            return Err(SimReject::Lot { qty, lot });
        }
        let price = limit.unwrap_or_else(|| market.mark());
        let value = qty * price * instrument.multiplier.unwrap_or(Decimal::ONE);
        if let Some(min) = least_value.filter(|min| value < *min) {
            return Err(SimReject::BelowMinNotional { value, min });
        }
        Ok(())
    }

    /// The leg that an order of a hedging account is for.
    fn leg(&self, account: usize, request: &OrderRequest) -> Result<PositionLeg, SimReject> {
        let own = match request.side {
            Side::Buy => PositionLeg::Long,
            Side::Sell => PositionLeg::Short,
        };
        let other = match own {
            PositionLeg::Long => PositionLeg::Short,
            PositionLeg::Short | PositionLeg::Net => PositionLeg::Long,
        };
        match (self.accounts[account].spec.mode, request.leg) {
            (PositionMode::Netting, PositionLeg::Net) => Ok(PositionLeg::Net),
            (PositionMode::Netting, PositionLeg::Long | PositionLeg::Short) => Err(SimReject::NoLegs),
            (PositionMode::Hedging, PositionLeg::Net) => Ok(
                if request.reduce_only
                    || request.effect == Some(PositionEffect::Close)
                    || matches!(request.trigger, Trigger::Oco { .. })
                {
                    other
                } else {
                    own
                },
            ),
            (PositionMode::Hedging, leg) => Ok(leg),
        }
    }
}

/// Limit, stop and trail of a trigger.
#[allow(clippy::type_complexity, reason = "three terms that belong together")]
fn terms(trigger: &Trigger) -> Result<(Option<Decimal>, Option<Decimal>, Option<Trail>), SimReject> {
    Ok(match trigger {
        Trigger::Market => (None, None, None),
        Trigger::Limit { limit } => (Some(limit.get()), None, None),
        Trigger::Stop { stop } => (None, Some(stop.get()), None),
        Trigger::StopLimit { stop, limit } => (Some(limit.get()), Some(stop.get()), None),
        Trigger::MarketIfTouched { trigger } => (None, Some(trigger.get()), None),
        Trigger::LimitIfTouched { trigger, limit } => (Some(limit.get()), Some(trigger.get()), None),
        Trigger::Trailing(trail) => (None, None, Some(*trail)),
        Trigger::Oco { target, .. } => (Some(target.get()), None, None),
        // The enum is open to kinds that this venue does not know.
        _ => return Err(SimReject::Unsupported { what: "order kind" }),
    })
}

fn check_trail(trail: Trail) -> Result<(), SimReject> {
    let (distance, largest) = match trail {
        Trail::Amount(amount) => (amount, LARGEST_PRICE),
        Trail::Percent(percent) => (percent, Decimal::ONE_HUNDRED),
    };
    if distance <= Decimal::ZERO || distance >= largest {
        return Err(SimReject::TrailRange { distance });
    }
    Ok(())
}

fn check_combination(request: &OrderRequest, time_in_force: &TimeInForce) -> Result<(), SimReject> {
    let refuse = |what| Err(SimReject::Unsupported { what });
    let is_auction = matches!(time_in_force, TimeInForce::AtOpen | TimeInForce::AtClose);
    let is_group = request.target.is_some() || request.stop.is_some() || matches!(request.trigger, Trigger::Oco { .. });
    let is_plain = matches!(request.trigger, Trigger::Market | Trigger::Limit { .. });
    if (is_immediate(time_in_force) || is_auction) && !is_plain {
        return refuse("a time in force that trades at once, for an order that waits for a price");
    }
    if (is_immediate(time_in_force) || is_auction) && is_group {
        return refuse("a group that trades at once");
    }
    if matches!(request.size, Size::Notional { .. }) && (is_group || !is_plain) {
        return refuse("a notional of an order that waits for a price or has exits");
    }
    Ok(())
}
