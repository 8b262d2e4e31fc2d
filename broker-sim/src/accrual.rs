//! Fees that are gathered over a day and booked on the next.

use broker_core::model::{Asset, PositionLeg};
use broker_core::{Fee, Money, Price, Record};
use chrono::{Days, Duration, NaiveTime};
use rust_decimal::Decimal;

use crate::account::Accrual;
use crate::engine::{Engine, Timer};
use crate::hours::local_date;

/// Fees are posted this long after the midnight (UTC) that follows their day in New York.
const POSTED_AFTER_HOURS: i64 = 10;

impl Engine {
    /// Gathers a fee that is booked the day after.
    pub(crate) fn accrue(&mut self, account: usize, market: usize, label: String, fee: Money, price: Decimal) {
        let day = local_date(self.now);
        let in_kind = self.markets[market].listing.instrument.base == Some(fee.currency);
        let state = &mut self.accounts[account];
        let is_first_of_day = !state.accruals.keys().any(|key| key.0 == day);
        let accrual = state.accruals.entry((day, label, market, in_kind)).or_insert(Accrual {
            amount: Decimal::ZERO,
            price,
        });
        accrual.amount += fee.amount;
        accrual.price = price;
        if is_first_of_day {
            let next = day.checked_add_days(Days::new(1)).unwrap_or(day);
            let at = next.and_time(NaiveTime::MIN).and_utc() + Duration::hours(POSTED_AFTER_HOURS);
            self.at(at.max(self.now), Timer::PostFees(account));
        }
    }

    /// Books the fees of all days before today.
    pub(crate) fn post_fees(&mut self, account: usize) {
        let today = local_date(self.now);
        let due: Vec<_> = self.accounts[account]
            .accruals
            .keys()
            .filter(|key| key.0 < today)
            .cloned()
            .collect();
        for key in due {
            let Some(accrual) = self.accounts[account].accruals.remove(&key) else {
                continue;
            };
            let (day, label, market, in_kind) = key;
            let instrument = &self.markets[market].listing.instrument;
            let asset = if in_kind {
                self.asset(market)
            } else {
                Asset::Currency(instrument.currency)
            };
            let id = instrument.id.clone();
            let at = day.and_time(NaiveTime::MIN).and_utc();
            let fee = Fee {
                price: in_kind.then(|| Price::new(accrual.price)),
                instrument: Some(id),
                ..self.fee(account, &label, asset, accrual.amount, at)
            };
            let position = in_kind.then_some((market, PositionLeg::Net));
            self.book(account, Record::Fee(fee), None, position);
        }
    }

    /// Fees in kind of a market that are owed and not yet booked.
    pub(crate) fn owed_in_kind(&self, account: usize, market: usize) -> Decimal {
        self.accounts[account]
            .accruals
            .iter()
            .filter(|(key, _)| key.2 == market && key.3)
            .map(|(_, accrual)| accrual.amount)
            .sum()
    }

    /// All fees that are owed and not yet booked, in the account's currency.
    pub(crate) fn owed(&self, account: usize) -> Decimal {
        let state = &self.accounts[account];
        state
            .accruals
            .iter()
            .map(|((_, _, market, in_kind), accrual)| {
                let unit = if *in_kind {
                    self.markets[*market].mark()
                } else {
                    Decimal::ONE
                };
                let currency = self.markets[*market].listing.instrument.currency;
                self.convert(accrual.amount * unit, currency, state.spec.currency)
                    .unwrap_or_default()
            })
            .sum()
    }
}
