//! Matching: orders against the quote.

use broker_core::model::{Amount, Liquidity, LotRole, OrderKind, Payoff, Trail};
use broker_core::seam::Rng;
use broker_core::{Currency, Fill, FillId, OrderStatus, Price, Qty, Record, Side, TimeInForce};
use rust_decimal::Decimal;

use crate::engine::{Engine, Timer};
use crate::fees::{Posting, Purse};
use crate::place::{is_immediate, sign};
use crate::rules::Depth;

impl Engine {
    /// Takes a pending order: from now on it works.
    pub(crate) fn accept(&mut self, index: usize) {
        let at = self.now;
        if self.orders[index].order.status != OrderStatus::PendingNew {
            return;
        }
        self.orders[index].become_status(OrderStatus::New, at);
        self.hold_exits(index);
        self.tell_order(index);
        self.schedule(index);
        if self.orders[index].auction_at.is_none() {
            let immediate = self.orders[index]
                .order
                .time_in_force
                .as_ref()
                .is_some_and(is_immediate);
            self.attempt(index, false);
            if immediate {
                self.end(index, OrderStatus::Canceled);
            }
        }
    }

    /// Sets the timers of an order.
    pub(crate) fn schedule(&mut self, index: usize) {
        let order = &self.orders[index];
        let market = order.market;
        let (auction_at, expires_at) = (order.auction_at, order.order.expires_at);
        let extended = order.order.extended_hours;
        if let Some(at) = auction_at {
            self.at(at, Timer::Auction(index));
        }
        if let Some(at) = expires_at {
            self.at(at, Timer::Expire(index));
        }
        let calendar = self.markets[market].listing.calendar;
        if auction_at.is_none() && !calendar.is_open(self.now, extended) {
            let opens_at = calendar.opens_next(self.now, extended);
            self.at(opens_at, Timer::Open(market));
        }
    }

    /// The moment of an order's auction: it trades at the quote, and what is left expires.
    pub(crate) fn auction(&mut self, index: usize) {
        if self.orders[index].auction_at != Some(self.now) {
            return;
        }
        self.attempt(index, true);
        self.end(index, OrderStatus::Expired);
    }

    pub(crate) fn expire_order(&mut self, index: usize) {
        // A replace in place may have moved the moment.
        if self.orders[index].order.expires_at == Some(self.now) {
            self.end(index, OrderStatus::Expired);
        }
    }

    /// Tries every order of a market, oldest first.
    pub(crate) fn work(&mut self, market: usize) {
        if self.markets[market].open.is_empty() {
            return;
        }
        let open: Vec<_> = self.markets[market].open.iter().copied().collect();
        for index in open {
            self.attempt(index, false);
        }
    }

    /// Fills what an order can fill now. In its auction an order trades whatever the hours say.
    pub(crate) fn attempt(&mut self, index: usize, auction: bool) {
        let order = &self.orders[index];
        if !order.is_working() || (order.auction_at.is_some() && !auction) {
            return;
        }
        let market = &self.markets[order.market];
        if market.halted || !(auction || market.listing.calendar.is_open(self.now, order.order.extended_hours)) {
            return;
        }
        self.follow(index);
        if !self.is_triggered_now(index) {
            return;
        }
        let Some((price, liquidity)) = self.price_of(index) else {
            self.orders[index].rested = true;
            return;
        };
        let qty = self.fillable(index, price);
        if qty > Decimal::ZERO {
            self.fill(index, qty, price, liquidity);
        }
        self.orders[index].rested = true;
    }

    /// Moves a trailing stop after the price.
    fn follow(&mut self, index: usize) {
        let order = &self.orders[index];
        let (Some(trail), false, side) = (order.order.trail, order.triggered, order.side()) else {
            return;
        };
        let market = &self.markets[order.market];
        let Some(price) = market.price_for(side) else { return };
        let best = match (order.extreme, side) {
            (None, _) => price,
            (Some(extreme), Side::Sell) => extreme.max(price),
            (Some(extreme), Side::Buy) => extreme.min(price),
        };
        let distance = match trail {
            Trail::Amount(amount) => amount,
            Trail::Percent(percent) => best * percent / Decimal::ONE_HUNDRED,
        };
        let stop = best + distance * sign(side);
        let tick = market.tick(stop);
        let over = stop % tick;
        // Off the grid, the stop is the next step further from the price.
        let stop = match side {
            _ if over.is_zero() => stop,
            Side::Sell => stop - over,
            Side::Buy => stop - over + tick,
        };
        let order = &mut self.orders[index];
        order.extreme = Some(best);
        order.order.stop_price = Some(Price::new(stop));
    }

    /// Whether an order may trade by its stop or touch price; notes it when the price is reached.
    fn is_triggered_now(&mut self, index: usize) -> bool {
        let order = &self.orders[index];
        if !order.waits_for_trigger() {
            return true;
        }
        let side = order.side();
        let touches = matches!(order.order.kind, OrderKind::MarketIfTouched | OrderKind::LimitIfTouched);
        let (Some(level), Some(price)) = (
            order.order.stop_price.map(Price::get),
            self.markets[order.market].price_for(side),
        ) else {
            return false;
        };
        // A stop to buy waits for a higher ask, a touch to buy for a lower one; sales the other way round.
        let reached = if (side == Side::Buy) == touches {
            price <= level
        } else {
            price >= level
        };
        if reached {
            self.orders[index].triggered = true;
            self.orders[index].order.updated_at = Some(self.now);
            self.tell_order(index);
        }
        reached
    }

    /// The price that an order trades at now, if it does.
    fn price_of(&self, index: usize) -> Option<(Decimal, Liquidity)> {
        let order = &self.orders[index];
        let side = order.side();
        let quoted = self.markets[order.market].price_for(side)?;
        match order.order.limit_price.map(Price::get) {
            None => Some((quoted, Liquidity::Taker)),
            Some(limit) if (limit - quoted) * sign(side) < Decimal::ZERO => None,
            // The market came to an order that rested: it trades at its own price.
            Some(limit) if order.rested && order.auction_at.is_none() => Some((limit, Liquidity::Maker)),
            Some(_) => Some((quoted, Liquidity::Taker)),
        }
    }

    /// How much of an order trades at this price now.
    fn fillable(&mut self, index: usize, price: Decimal) -> Decimal {
        let leaves = self.leaves_at(index, price);
        let order = &self.orders[index];
        let side = order.side();
        let mut wanted = leaves;
        if order.order.reduce_only {
            let held = self.accounts[order.account].ledger.qty(order.market, order.leg()) * -sign(side);
            if held <= Decimal::ZERO {
                self.end_with(index, OrderStatus::Canceled, "nothing left to reduce");
                return Decimal::ZERO;
            }
            wanted = wanted.min(held);
        }
        if let Some(lot) = &order.lot {
            let left = self
                .lot_of(order.account, lot)
                .map_or(Decimal::ZERO, |(_, _, left)| left);
            wanted = wanted.min(left);
        }
        let displayed = match self.rules.depth {
            Depth::Displayed => self.markets[order.market].size_for(side),
            Depth::Unlimited => wanted,
        };
        let fill_or_kill = order.order.time_in_force == Some(TimeInForce::Fok);
        if fill_or_kill && displayed < leaves {
            return Decimal::ZERO;
        }
        let lot = self.lot(order.market);
        let most = wanted.min(displayed);
        let draws = self.rules.partial_per_mille > 0 && !fill_or_kill && most > lot;
        if draws && self.chance.below(1000) < self.rules.partial_per_mille {
            let share = Decimal::new(i64::try_from(10 + self.chance.below(81)).unwrap_or(50), 2);
            let part = most * share;
            return (part - part % lot).max(lot);
        }
        // A displayed size off the grid of lots leaves its rest; the rest of the order itself is always taken.
        if most < wanted { most - most % lot } else { most }
    }

    fn lot(&self, market: usize) -> Decimal {
        self.markets[market]
            .listing
            .instrument
            .lot
            .filter(|lot| !lot.is_zero())
            .unwrap_or(Decimal::ONE)
    }

    /// What is left of an order. A notional order learns its quantity here, in whole lots.
    fn leaves_at(&mut self, index: usize, price: Decimal) -> Decimal {
        if let Some(leaves) = self.orders[index].leaves() {
            return leaves;
        }
        let Amount::Notional(money) = self.orders[index].order.amount else {
            return Decimal::ZERO;
        };
        let market = self.orders[index].market;
        let multiplier = self.markets[market]
            .listing
            .instrument
            .multiplier
            .unwrap_or(Decimal::ONE);
        let lot = self.notional_lot(market);
        let qty = money.amount.checked_div(price * multiplier).unwrap_or_default();
        let qty = qty - qty % lot;
        if qty.is_zero() {
            self.end_with(index, OrderStatus::Canceled, "the amount does not buy one lot");
            return Decimal::ZERO;
        }
        self.orders[index].qty = Some(qty);
        qty
    }

    /// Shares bought for an amount of money come in billionths, other things in their lots.
    fn notional_lot(&self, market: usize) -> Decimal {
        match self.markets[market].listing.calendar {
            crate::hours::Calendar::UsEquity => self.lot(market).min(Decimal::new(1, 9)),
            _ => self.lot(market),
        }
    }

    /// Executes a part of an order.
    fn fill(&mut self, index: usize, qty: Decimal, price: Decimal, liquidity: Liquidity) {
        let at = self.now;
        let id = FillId::from(self.uuid());
        let order = &mut self.orders[index];
        let (account, market, side, leg) = (order.account, order.market, order.side(), order.leg());
        let (filled, cost) = (order.filled() + qty, order.cost + qty * price);
        order.set_filled(filled, cost);
        let done = order.qty.is_some_and(|whole| filled >= whole);
        let next = match (done, &order.order.status) {
            (true, _) => OrderStatus::Filled,
            (false, OrderStatus::PendingCancel) => OrderStatus::PendingCancel,
            (false, OrderStatus::PendingReplace) => OrderStatus::PendingReplace,
            (false, _) => OrderStatus::PartiallyFilled,
        };
        order.become_status(next, at);
        self.markets[market].take(side, qty, price, at);
        let fees = self.charge(account, market, side, qty, price, liquidity);
        let dealt = self.deal(index, &id, qty, price);
        let (pnl, conversion, lots) = match dealt {
            Some(dealt) => (Some(dealt.pnl), Some(dealt.conversion), dealt.lots),
            None => (self.stated_pnl(account, market, index, qty, price), None, Vec::new()),
        };
        let opened = lots.iter().find(|lot| lot.role == LotRole::Opened);
        self.orders[index].opened = opened.map(|lot| lot.lot.clone());
        let order = &self.orders[index];
        let instrument = &self.markets[market].listing.instrument;
        let record = Record::Fill(Fill {
            id,
            account: self.accounts[account].spec.id.clone(),
            instrument: instrument.id.clone(),
            symbol: instrument.symbol.clone(),
            leg,
            order: Some(order.order.id.clone()),
            client_order: order.order.client_id.clone(),
            side,
            qty: Qty::new(qty).unwrap_or(Qty::ZERO),
            price: Price::new(price),
            at,
            version: 0,
            grade: broker_core::model::Grade::Reported,
            fees,
            liquidity: Some(liquidity),
            effect: order.order.legs.first().and_then(|leg| leg.effect),
            pnl,
            conversion,
            lots,
        });
        self.book(account, record, Some(index), Some((market, leg)));
        if done {
            self.leave(index);
        }
        self.tell_order(index);
        self.after_fill(index, qty);
        if self.accounts[account].spec.dealing.is_some() {
            self.follow_lots(account);
        }
    }

    /// Fees of a fill that go on its own row; the others are gathered for the next day.
    fn charge(
        &mut self,
        account: usize,
        market: usize,
        side: Side,
        qty: Decimal,
        price: Decimal,
        liquidity: Liquidity,
    ) -> Vec<broker_core::Money> {
        let instrument = &self.markets[market].listing.instrument;
        let purse = AccountPurse { engine: self, account };
        let mut on_fill = Vec::new();
        let mut later = Vec::new();
        for rule in &self.accounts[account].spec.fees.rules {
            let Some(fee) = rule.charge(instrument, side, qty, price, liquidity, &purse) else {
                continue;
            };
            match rule.posting {
                Posting::OnFill => on_fill.push(fee),
                Posting::NextDay => later.push((rule.label.clone(), fee)),
            }
        }
        for (label, fee) in later {
            self.accrue(account, market, label, fee, price);
        }
        on_fill
    }
}

struct AccountPurse<'a> {
    engine: &'a Engine,
    account: usize,
}

impl Purse for AccountPurse<'_> {
    fn rate(&self, from: Currency, to: Currency) -> Option<Decimal> {
        self.engine.rate(from, to)
    }

    /// Cash, and what was bought of it.
    fn held(&self, coin: Currency) -> Decimal {
        let state = &self.engine.accounts[self.account];
        let bought = state.ledger.holdings.iter().filter_map(|((market, _), holding)| {
            let instrument = &self.engine.markets[*market].listing.instrument;
            (instrument.base == Some(coin) && instrument.payoff == Payoff::Cash).then_some(holding.qty)
        });
        state.cash_of(coin) + bought.sum::<Decimal>()
    }
}
