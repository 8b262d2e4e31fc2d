//! What an account has: positions, balances, what orders hold, what is free.

use broker_core::model::{Amount, Balance, Payoff, PositionLeg};
use broker_core::{AccountId, Balances, Currency, InstrumentId, Money, OrderStatus, Position, Price, Qty, Side};
use rust_decimal::Decimal;

use crate::engine::Engine;
use crate::ledger::{Holding, Lot};
use crate::place::sign;
use crate::reject::SimReject;

impl Engine {
    /// Open positions of an account, in the order of the list of instruments. Flat ones are not listed.
    pub fn positions(&self, account: &AccountId) -> Result<Vec<Position>, SimReject> {
        let account = self.account_index(account)?;
        Ok(self.accounts[account]
            .ledger
            .holdings
            .iter()
            .filter(|(_, holding)| !holding.qty.is_zero())
            .map(|((market, leg), holding)| self.position_of(account, *market, *leg, holding))
            .collect())
    }

    /// One position, or `None` when it is flat.
    pub fn position(&self, account: &AccountId, instrument: &InstrumentId, leg: PositionLeg) -> Option<Position> {
        let account = self.account_index(account).ok()?;
        let market = self.directory.by_id(instrument)?;
        let holding = self.accounts[account].ledger.holdings.get(&(market, leg))?;
        (!holding.qty.is_zero()).then(|| self.position_of(account, market, leg, holding))
    }

    /// Signed size of a position; zero when flat.
    pub fn position_qty(&self, account: &AccountId, instrument: &InstrumentId, leg: PositionLeg) -> Decimal {
        let found = self.account_index(account).ok().zip(self.directory.by_id(instrument));
        found.map_or(Decimal::ZERO, |(account, market)| {
            self.accounts[account].ledger.qty(market, leg)
        })
    }

    /// The lots of a position, oldest first.
    pub fn lots(&self, account: &AccountId, instrument: &InstrumentId, leg: PositionLeg) -> Vec<Lot> {
        let found = self.account_index(account).ok().zip(self.directory.by_id(instrument));
        found
            .and_then(|(account, market)| self.accounts[account].ledger.holdings.get(&(market, leg)))
            .map(|holding| holding.lots.iter().cloned().collect())
            .unwrap_or_default()
    }

    fn position_of(&self, account: usize, market: usize, leg: PositionLeg, holding: &Holding) -> Position {
        let listing = &self.markets[market].listing;
        let instrument = &listing.instrument;
        let currency = instrument.currency;
        let mark = self.markets[market].mark();
        let (side, qty) = Qty::from_signed(holding.qty);
        let (_, held) = self.closable(account, market, leg, side.opposite(), None);
        let multiplier = instrument.multiplier.unwrap_or(Decimal::ONE);
        let value = |unit: Decimal| Money::new(holding.qty * unit * multiplier, currency);
        let average = holding.average();
        Position {
            account: self.accounts[account].spec.id.clone(),
            instrument: instrument.id.clone(),
            symbol: instrument.symbol.clone(),
            leg,
            side,
            qty,
            available: Qty::new((qty.get() - held).max(Decimal::ZERO)).ok(),
            average_price: average.map(Price::new),
            mark_price: Some(Price::new(mark)),
            market_value: Some(value(mark)),
            cost_basis: Some(Money::new(holding.cost * sign(side) * multiplier, currency)),
            unrealized_pnl: Some(Money::new(self.open_pnl(market, holding), currency)),
            realized_pnl: Some(Money::new(holding.realized, currency)),
            at: Some(holding.at),
        }
    }

    pub(crate) fn open_pnl(&self, market: usize, holding: &Holding) -> Decimal {
        let instrument = &self.markets[market].listing.instrument;
        let mark = self.markets[market].mark();
        let multiplier = instrument.multiplier.unwrap_or(Decimal::ONE);
        let direction = if holding.qty.is_sign_negative() {
            -Decimal::ONE
        } else {
            Decimal::ONE
        };
        match instrument.payoff {
            Payoff::Cash | Payoff::Margined => (holding.qty * mark - holding.cost * direction) * multiplier,
            Payoff::Inverse => holding
                .lots
                .iter()
                .map(|lot| {
                    let entry = lot.qty.checked_div(lot.price).unwrap_or_default();
                    let exit = lot.qty.checked_div(mark).unwrap_or_default();
                    (entry - exit) * direction * multiplier
                })
                .sum(),
        }
    }

    /// Value of everything an account has, in its currency; `None` where no pair converts a part of it.
    pub fn equity(&self, account: &AccountId) -> Result<Option<Money>, SimReject> {
        let account = self.account_index(account)?;
        let currency = self.accounts[account].spec.currency;
        Ok(self
            .equity_parts(account)
            .map(|parts| Money::new(parts.iter().sum(), currency)))
    }

    /// Cash and positions, each in the account's currency; `None` where one cannot be converted.
    fn equity_parts(&self, account: usize) -> Option<Vec<Decimal>> {
        let state = &self.accounts[account];
        let home = state.spec.currency;
        let mut parts = Vec::new();
        for (currency, amount) in &state.ledger.cash {
            if !amount.is_zero() {
                parts.push(self.convert(*amount, *currency, home)?);
            }
        }
        for ((market, _), holding) in &state.ledger.holdings {
            if !holding.qty.is_zero() {
                let value = self.worth(*market, holding);
                parts.push(self.convert(value, self.markets[*market].listing.instrument.currency, home)?);
            }
        }
        Some(parts)
    }

    /// What a position adds to the equity: its value where it was paid, its open profit where it stands on margin.
    fn worth(&self, market: usize, holding: &Holding) -> Decimal {
        let instrument = &self.markets[market].listing.instrument;
        match instrument.payoff {
            Payoff::Cash => holding.qty * self.markets[market].mark() * instrument.multiplier.unwrap_or(Decimal::ONE),
            Payoff::Margined | Payoff::Inverse => self.open_pnl(market, holding),
        }
    }

    /// Margin that the open positions need, in the account's currency.
    pub(crate) fn used_margin(&self, account: usize) -> Decimal {
        let state = &self.accounts[account];
        state
            .ledger
            .holdings
            .iter()
            .filter(|(_, holding)| !holding.qty.is_zero())
            .map(|((market, _), holding)| {
                let (side, qty) = Qty::from_signed(holding.qty);
                let mark = self.markets[*market].mark();
                self.requirement(*market, side, qty.get(), mark, state.spec.currency)
            })
            .sum()
    }

    /// Equity less margin in use and what open orders reserve; what cannot be converted counts nothing.
    pub(crate) fn free_margin(&self, account: usize, except: Option<usize>) -> Decimal {
        let home = self.accounts[account].spec.currency;
        let equity: Decimal = match self.equity_parts(account) {
            Some(parts) => parts.iter().sum(),
            None => self.accounts[account].cash_of(home),
        };
        equity - self.used_margin(account) - self.reserved(account, home, except)
    }

    /// What open orders reserve of a currency, in proportion to what is left of them.
    pub(crate) fn reserved(&self, account: usize, currency: Currency, except: Option<usize>) -> Decimal {
        self.accounts[account]
            .open
            .iter()
            .filter(|index| Some(**index) != except)
            .map(|index| &self.orders[*index])
            .filter(|order| order.reserve.currency == currency && !order.reserve.amount.is_zero())
            .map(|order| match (order.leaves(), order.qty) {
                (Some(leaves), Some(qty)) => (order.reserve.amount * leaves).checked_div(qty).unwrap_or_default(),
                _ => order.reserve.amount,
            })
            .sum()
    }

    /// How much an order of this side could close, and how much of that other orders (and fees owed in kind) hold.
    /// Two exits of a group hold it once; exits that wait for their entry hold nothing.
    pub(crate) fn closable(
        &self,
        account: usize,
        market: usize,
        leg: PositionLeg,
        side: Side,
        except: Option<usize>,
    ) -> (Decimal, Decimal) {
        let state = &self.accounts[account];
        let position = (state.ledger.qty(market, leg) * -sign(side)).max(Decimal::ZERO);
        if position.is_zero() {
            return (Decimal::ZERO, Decimal::ZERO);
        }
        let mut held = Decimal::ZERO;
        for index in &state.open {
            let order = &self.orders[*index];
            let counts = order.market == market
                && order.leg() == leg
                && order.side() == side
                && order.order.status != OrderStatus::Held
                && Some(*index) != except
                && !(order.parent.is_some() && order.order.status == OrderStatus::PendingNew);
            let counted_by_sibling = order
                .sibling
                .is_some_and(|sibling| sibling < *index && state.open.contains(&sibling));
            if !counts || counted_by_sibling {
                continue;
            }
            held += match order.leaves() {
                Some(leaves) => leaves,
                None => self.expected_qty(*index),
            };
        }
        if side == Side::Sell {
            held += self.owed_in_kind(account, market);
        }
        (position, held)
    }

    /// What a fill realizes, FIFO, for accounts whose fills state it; `None` where it only opens.
    pub(crate) fn stated_pnl(
        &self,
        account: usize,
        market: usize,
        index: usize,
        qty: Decimal,
        price: Decimal,
    ) -> Option<Money> {
        let state = &self.accounts[account];
        if !state.spec.states_pnl {
            return None;
        }
        let order = &self.orders[index];
        let holding = state.ledger.holdings.get(&(market, order.leg()))?;
        let instrument = &self.markets[market].listing.instrument;
        let realized = holding.would_realize(instrument, qty * sign(order.side()), price)?;
        Some(Money::new(realized, instrument.currency))
    }

    /// About what a notional order that has not traded yet will trade.
    fn expected_qty(&self, index: usize) -> Decimal {
        let order = &self.orders[index];
        let market = &self.markets[order.market];
        let unit = market.mark() * market.listing.instrument.multiplier.unwrap_or(Decimal::ONE);
        match order.order.amount {
            Amount::Qty(qty) => qty.get(),
            Amount::Notional(money) => money.amount.checked_div(unit).unwrap_or_default(),
        }
    }

    /// Balances of an account.
    pub fn balances(&self, account: &AccountId) -> Result<Balances, SimReject> {
        let index = self.account_index(account)?;
        let state = &self.accounts[index];
        let home = state.spec.currency;
        let money = |amount: Decimal| Some(Money::new(amount, home));
        let mut balances: Vec<_> = state
            .ledger
            .cash
            .iter()
            .filter(|(currency, amount)| !amount.is_zero() || **currency == home)
            .map(|(currency, total)| {
                let held = self.reserved(index, *currency, None);
                Balance {
                    currency: *currency,
                    total: *total,
                    available: Some((*total - held).max(Decimal::ZERO)),
                    held: Some(held),
                    parts: Vec::new(),
                }
            })
            .collect();
        if balances.is_empty() {
            balances.push(Balance {
                currency: home,
                total: Decimal::ZERO,
                available: Some(Decimal::ZERO),
                held: Some(Decimal::ZERO),
                parts: Vec::new(),
            });
        }
        let equity = self.equity(account)?;
        let used = self.used_margin(index);
        let free = self.free_margin(index, None).max(Decimal::ZERO);
        let sum = |of: &dyn Fn(usize, &Holding) -> Decimal| {
            let mut total = Some(Decimal::ZERO);
            for ((market, _), holding) in &state.ledger.holdings {
                let currency = self.markets[*market].listing.instrument.currency;
                let part = of(*market, holding);
                if !part.is_zero() {
                    total = total.zip(self.convert(part, currency, home)).map(|(a, b)| a + b);
                }
            }
            total.map(|amount| Money::new(amount, home))
        };
        let buying_power = if state.spec.margin {
            free
        } else {
            (state.cash_of(home) - self.reserved(index, home, None)).max(Decimal::ZERO)
        };
        Ok(Balances {
            account: account.clone(),
            balances,
            equity,
            buying_power: money(buying_power),
            margin_used: money(used),
            margin_available: money(free),
            initial_margin: money(used),
            maintenance_margin: None,
            unrealized_pnl: sum(&|market, holding| self.open_pnl(market, holding)),
            realized_pnl: sum(&|_, holding| holding.realized),
            accrued_fees: money(self.owed(index)),
            at: Some(self.now),
        })
    }
}
