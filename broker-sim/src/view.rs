//! What can be read of the venue: accounts, orders, instruments, quotes, rates.

use broker_core::model::{Candle, Hours, Interval};
use broker_core::{Account, AccountId, ClientOrderId, Currency, Instrument, InstrumentId, OrderId, Price, Quote};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::account::{Entry, SimAccount};
use crate::engine::Engine;
use crate::hours::Calendar;
use crate::ledger::Listings;
use crate::order::SimOrder;
use crate::reject::SimReject;

impl Engine {
    /// Every account, by its key.
    pub fn accounts(&self) -> Vec<Account> {
        self.account_ids
            .values()
            .map(|index| self.accounts[*index].to_model(&self.broker))
            .collect()
    }

    /// One account.
    pub fn account(&self, account: &AccountId) -> Result<&SimAccount, SimReject> {
        self.account_index(account).map(|index| &self.accounts[index])
    }

    /// All that happened to an account, oldest first.
    pub fn log(&self, account: &AccountId) -> Result<&[Entry], SimReject> {
        self.account(account).map(SimAccount::log)
    }

    /// One order.
    pub fn order(&self, account: &AccountId, id: &OrderId) -> Result<&SimOrder, SimReject> {
        let index = self.order_index(account, id)?;
        Ok(&self.orders[index])
    }

    /// One order by our id: where ids may come again, the last that had it.
    pub fn order_by_client_id(&self, account: &AccountId, id: &ClientOrderId) -> Result<&SimOrder, SimReject> {
        let account = self.account(account)?;
        let index = account.client_ids.get(id).ok_or(SimReject::UnknownOrder)?;
        Ok(&self.orders[*index])
    }

    /// All orders of an account, exits of groups too, in the order in which they were made.
    pub fn orders(&self, account: &AccountId) -> Result<impl DoubleEndedIterator<Item = &SimOrder>, SimReject> {
        let account = self.account(account)?;
        Ok(account.orders.iter().map(|index| &self.orders[*index]))
    }

    /// The orders of an account that were made after its first so many.
    pub fn orders_behind(
        &self,
        account: &AccountId,
        count: usize,
    ) -> Result<impl Iterator<Item = &SimOrder>, SimReject> {
        let newer = self.account(account)?.orders.get(count..).unwrap_or_default();
        Ok(newer.iter().map(|index| &self.orders[*index]))
    }

    /// Orders of an account that can still trade, held ones too.
    pub fn open_orders(&self, account: &AccountId) -> Result<impl Iterator<Item = &SimOrder>, SimReject> {
        let account = self.account(account)?;
        Ok(account.open.iter().map(|index| &self.orders[*index]))
    }

    /// Every instrument, in the order in which they were listed.
    pub fn instruments(&self) -> impl Iterator<Item = &Instrument> {
        self.directory.instruments.iter()
    }

    /// One instrument.
    pub fn instrument(&self, id: &InstrumentId) -> Option<&Instrument> {
        self.directory.find(id).map(|(_, instrument)| instrument)
    }

    /// The quote now.
    pub fn quote(&self, instrument: &InstrumentId) -> Option<Quote> {
        self.directory
            .by_id(instrument)
            .map(|market| self.markets[market].quote())
    }

    /// Value of a unit now: the middle of the quote.
    pub fn mark(&self, instrument: &InstrumentId) -> Option<Price> {
        self.directory
            .by_id(instrument)
            .map(|market| Price::new(self.markets[market].mark()))
    }

    /// The trading hours of an instrument.
    pub fn calendar(&self, instrument: &InstrumentId) -> Option<Calendar> {
        self.directory
            .by_id(instrument)
            .map(|market| self.markets[market].listing.calendar)
    }

    /// When an instrument trades in `since..until`.
    pub fn hours(&self, instrument: &InstrumentId, since: DateTime<Utc>, until: DateTime<Utc>) -> Option<Hours> {
        Some(match self.calendar(instrument)? {
            Calendar::Always => Hours::AlwaysOpen,
            calendar => Hours::Sessions(calendar.sessions(since, until)),
        })
    }

    /// Candles of an instrument that start in `since..until`, oldest first. A minute is the finest.
    pub fn candles(
        &self,
        instrument: &InstrumentId,
        interval: Interval,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Option<Vec<Candle>> {
        let market = self.directory.by_id(instrument)?;
        Some(self.markets[market].candles(interval, since, until, self.now))
    }

    /// What a unit of one currency is worth in another, by the listed pairs; `None` where no pair leads there.
    pub fn rate(&self, from: Currency, to: Currency) -> Option<Decimal> {
        if from == to {
            return Some(Decimal::ONE);
        }
        self.pair(from, to).or_else(|| {
            let dollars = self.pair(from, Currency::USD)?;
            Some(dollars * self.pair(Currency::USD, to)?)
        })
    }

    fn pair(&self, from: Currency, to: Currency) -> Option<Decimal> {
        let mark = |base, quote| {
            let market = self.directory.pairs.get(&(base, quote))?;
            Some(self.markets[*market].mark())
        };
        mark(from, to).or_else(|| Decimal::ONE.checked_div(mark(to, from)?))
    }

    pub(crate) fn convert(&self, amount: Decimal, from: Currency, to: Currency) -> Option<Decimal> {
        amount.checked_mul(self.rate(from, to)?)
    }
}
