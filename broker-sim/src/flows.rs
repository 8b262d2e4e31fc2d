//! What happens to an account without a fill: deposits, dividends, interest, splits, options that end.

use broker_core::model::{Asset, FlowKind, OptionRight, Payoff, PositionLeg};
use broker_core::{AccountId, Fee, Flow, InstrumentId, Money, OrderStatus, Price, Record, RecordId};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::engine::{Engine, LARGEST_PRICE};
use crate::reject::SimReject;

impl Engine {
    /// Money comes in; a negative amount goes out.
    pub fn deposit(&mut self, account: &AccountId, money: Money, now: DateTime<Utc>) -> Result<(), SimReject> {
        let kind = if money.amount.is_sign_negative() {
            FlowKind::Withdrawal
        } else {
            FlowKind::Deposit
        };
        self.pay(account, kind, money, None, None, now)
    }

    /// Interest; negative is paid.
    pub fn interest(&mut self, account: &AccountId, money: Money, now: DateTime<Utc>) -> Result<(), SimReject> {
        self.pay(account, FlowKind::Interest, money, None, None, now)
    }

    /// Any other flow of money: financing, tax, an adjustment.
    pub fn pay(
        &mut self,
        account: &AccountId,
        kind: FlowKind,
        money: Money,
        instrument: Option<InstrumentId>,
        description: Option<String>,
        now: DateTime<Utc>,
    ) -> Result<(), SimReject> {
        self.run(now);
        Self::check_money(money.amount)?;
        let account = self.account_index(account)?;
        let flow = Flow {
            instrument,
            description,
            ..self.flow(account, kind, Asset::Currency(money.currency), money.amount)
        };
        self.book(account, Record::Flow(flow), None, None);
        Ok(())
    }

    /// A fee that belongs to no fill, booked now.
    pub fn charge_fee(
        &mut self,
        account: &AccountId,
        label: &str,
        money: Money,
        instrument: Option<InstrumentId>,
        now: DateTime<Utc>,
    ) -> Result<(), SimReject> {
        self.run(now);
        Self::check_money(money.amount)?;
        let account = self.account_index(account)?;
        let at = self.now;
        let fee = Fee {
            instrument,
            ..self.fee(account, label, Asset::Currency(money.currency), money.amount, at)
        };
        self.book(account, Record::Fee(fee), None, None);
        Ok(())
    }

    /// Pays a dividend to all who are long and takes it from all who are short. Gives the number of accounts.
    pub fn dividend(
        &mut self,
        instrument: &InstrumentId,
        per_unit: Decimal,
        now: DateTime<Utc>,
    ) -> Result<usize, SimReject> {
        self.run(now);
        let market = self.market_index(instrument)?;
        if per_unit.abs() > LARGEST_PRICE {
            return Err(SimReject::TooLarge { value: per_unit });
        }
        let currency = self.markets[market].listing.instrument.currency;
        let mut paid = 0;
        for account in 0..self.accounts.len() {
            for (_, qty) in self.legs(account, market) {
                let flow = Flow {
                    instrument: Some(instrument.clone()),
                    price: Some(Price::new(per_unit)),
                    ..self.flow(account, FlowKind::Dividend, Asset::Currency(currency), qty * per_unit)
                };
                self.book(account, Record::Flow(flow), None, None);
                paid += 1;
            }
        }
        Ok(paid)
    }

    /// Splits an instrument: `new` units for every `old` ones. Quotes and open orders stay as they are.
    pub fn split(
        &mut self,
        instrument: &InstrumentId,
        new: u32,
        old: u32,
        now: DateTime<Utc>,
    ) -> Result<usize, SimReject> {
        self.run(now);
        let market = self.market_index(instrument)?;
        if new == 0 || old == 0 {
            return Err(SimReject::ZeroQty);
        }
        let mut changed = 0;
        for account in 0..self.accounts.len() {
            for (leg, qty) in self.legs(account, market) {
                // Nine places: the finest share that an account can hold.
                let after = (qty * Decimal::from(new) / Decimal::from(old)).round_dp(9);
                let flow = Flow {
                    description: Some(format!("split {new} for {old}")),
                    ..self.flow(account, FlowKind::Split, self.asset(market), after - qty)
                };
                self.book(account, Record::Flow(flow), None, Some((market, leg)));
                changed += 1;
            }
        }
        Ok(changed)
    }

    /// Exercises a long option position, whole or in part: the option leaves, the shares come at the strike.
    pub fn exercise(
        &mut self,
        account: &AccountId,
        instrument: &InstrumentId,
        qty: Decimal,
        now: DateTime<Utc>,
    ) -> Result<(), SimReject> {
        self.end_option(account, instrument, qty, FlowKind::Exercise, now)
    }

    /// Assigns a short option position, whole or in part.
    pub fn assign(
        &mut self,
        account: &AccountId,
        instrument: &InstrumentId,
        qty: Decimal,
        now: DateTime<Utc>,
    ) -> Result<(), SimReject> {
        self.end_option(account, instrument, qty, FlowKind::Assignment, now)
    }

    fn end_option(
        &mut self,
        account: &AccountId,
        instrument: &InstrumentId,
        qty: Decimal,
        kind: FlowKind,
        now: DateTime<Utc>,
    ) -> Result<(), SimReject> {
        self.run(now);
        let account = self.account_index(account)?;
        let market = self.market_index(instrument)?;
        let wants_long = kind == FlowKind::Exercise;
        let (leg, held) = self
            .legs(account, market)
            .into_iter()
            .find(|(_, held)| held.is_sign_positive() == wants_long)
            .ok_or(SimReject::UnknownPosition)?;
        if self.markets[market].listing.instrument.option.is_none() {
            return Err(SimReject::Unsupported {
                what: "exercise of what is no option",
            });
        }
        if qty <= Decimal::ZERO || qty > held.abs() {
            return Err(SimReject::InsufficientQty {
                requested: qty,
                available: held.abs(),
                held: Decimal::ZERO,
            });
        }
        let signed = if wants_long { qty } else { -qty };
        self.settle_option(account, market, leg, signed, kind);
        Ok(())
    }

    /// What happens to every position when an instrument expires.
    pub(crate) fn mature(&mut self, market: usize) {
        let orders: Vec<_> = self.markets[market].open.iter().copied().collect();
        for order in orders {
            self.end_with(order, OrderStatus::Expired, "the instrument expired");
        }
        for account in 0..self.accounts.len() {
            for (leg, qty) in self.legs(account, market) {
                match self.intrinsic(market) {
                    Some(value) if value > Decimal::ZERO => {
                        let kind = if qty.is_sign_positive() {
                            FlowKind::Exercise
                        } else {
                            FlowKind::Assignment
                        };
                        self.settle_option(account, market, leg, qty, kind);
                    }
                    Some(_) => {
                        self.leave_position(account, market, leg, qty, FlowKind::Expiry, Decimal::ZERO, None, None)
                    }
                    None => self.settle_cash(account, market, leg, qty),
                }
            }
        }
    }

    /// What an option is worth when it is exercised now; `None` for what is no option.
    fn intrinsic(&self, market: usize) -> Option<Decimal> {
        let terms = self.markets[market].listing.instrument.option.as_ref()?;
        let strike = terms.strike.get();
        let spot = match self.directory.by_symbol(&terms.underlying) {
            [underlying] => self.markets[*underlying].mark(),
            // Without a market of the underlying nothing says that it is worth anything.
            _ => strike,
        };
        Some(match terms.right {
            OptionRight::Call => (spot - strike).max(Decimal::ZERO),
            OptionRight::Put => (strike - spot).max(Decimal::ZERO),
        })
    }

    /// The option leaves at nothing, and the shares come or go at the strike: two rows of one group.
    fn settle_option(&mut self, account: usize, market: usize, leg: PositionLeg, qty: Decimal, kind: FlowKind) {
        let instrument = self.markets[market].listing.instrument.clone();
        let Some(terms) = instrument.option else { return };
        let group = self.uuid();
        self.leave_position(
            account,
            market,
            leg,
            qty,
            kind.clone(),
            Decimal::ZERO,
            None,
            Some(group.clone()),
        );
        let [underlying] = *self.directory.by_symbol(&terms.underlying) else {
            return;
        };
        let direction = match terms.right {
            OptionRight::Call => Decimal::ONE,
            OptionRight::Put => -Decimal::ONE,
        };
        let shares = qty * direction * instrument.multiplier.unwrap_or(Decimal::ONE);
        let cash = Money::new(-shares * terms.strike.get(), instrument.currency);
        let flow = Flow {
            price: Some(terms.strike),
            cash: Some(cash),
            group: Some(group),
            instrument: Some(instrument.id),
            ..self.flow(account, kind, self.asset(underlying), shares)
        };
        let leg = self.accounts[account].ledger.leg_of_flow(underlying, shares);
        self.book(account, Record::Flow(flow), None, Some((underlying, leg)));
    }

    /// A future or another margined contract ends at its last mark, in money.
    fn settle_cash(&mut self, account: usize, market: usize, leg: PositionLeg, qty: Decimal) {
        let mark = self.markets[market].mark();
        let instrument = &self.markets[market].listing.instrument;
        let (currency, payoff) = (instrument.currency, instrument.payoff);
        let multiplier = instrument.multiplier.unwrap_or(Decimal::ONE);
        let amount = match payoff {
            Payoff::Cash => qty * mark * multiplier,
            Payoff::Margined | Payoff::Inverse => {
                let state = &self.accounts[account];
                state
                    .ledger
                    .holdings
                    .get(&(market, leg))
                    .map_or(Decimal::ZERO, |holding| self.open_pnl(market, holding))
            }
        };
        let cash = Some(Money::new(amount, currency));
        self.leave_position(account, market, leg, qty, FlowKind::Expiry, mark, cash, None);
    }

    #[allow(clippy::too_many_arguments, reason = "the terms of one row")]
    fn leave_position(
        &mut self,
        account: usize,
        market: usize,
        leg: PositionLeg,
        qty: Decimal,
        kind: FlowKind,
        price: Decimal,
        cash: Option<Money>,
        group: Option<String>,
    ) {
        let flow = Flow {
            price: Some(Price::new(price)),
            cash,
            group,
            ..self.flow(account, kind, self.asset(market), -qty)
        };
        self.book(account, Record::Flow(flow), None, Some((market, leg)));
    }

    /// The open legs of an account in a market, with their signed sizes.
    fn legs(&self, account: usize, market: usize) -> Vec<(PositionLeg, Decimal)> {
        [PositionLeg::Net, PositionLeg::Long, PositionLeg::Short]
            .into_iter()
            .map(|leg| (leg, self.accounts[account].ledger.qty(market, leg)))
            .filter(|(_, qty)| !qty.is_zero())
            .collect()
    }

    pub(crate) fn asset(&self, market: usize) -> Asset {
        let instrument = &self.markets[market].listing.instrument;
        Asset::Instrument {
            id: instrument.id.clone(),
            symbol: instrument.symbol.clone(),
        }
    }

    pub(crate) fn record_id(&mut self, account: usize) -> RecordId {
        let state = &mut self.accounts[account];
        state.next_record += 1;
        RecordId::from(format!("r{:08}", state.next_record - 1))
    }

    pub(crate) fn flow(&mut self, account: usize, kind: FlowKind, asset: Asset, amount: Decimal) -> Flow {
        Flow {
            id: self.record_id(account),
            account: self.accounts[account].spec.id.clone(),
            kind,
            asset,
            amount,
            price: None,
            cash: None,
            instrument: None,
            lot: None,
            group: None,
            description: None,
            at: self.now,
            booked_at: Some(self.now),
            version: 0,
            canceled: false,
        }
    }

    pub(crate) fn fee(&mut self, account: usize, label: &str, asset: Asset, amount: Decimal, at: DateTime<Utc>) -> Fee {
        Fee {
            id: self.record_id(account),
            account: self.accounts[account].spec.id.clone(),
            label: label.to_owned(),
            asset,
            amount,
            price: None,
            instrument: None,
            order: None,
            fill: None,
            at,
            booked_at: Some(self.now),
            version: 0,
            canceled: false,
        }
    }
}
