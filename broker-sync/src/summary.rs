//! What the books say, by symbol, by day and by account.

use std::collections::BTreeMap;

use broker_core::model::Trade;
use broker_core::pnl::Books;
use broker_core::{Currency, InstrumentId, Money, Result, Symbol};
use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::state::Scope;

/// Trades and money of a group. Each list of money has one row a currency.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// Round trips that came back to flat.
    pub trades: u64,
    /// Round trips that are still open.
    pub open: u64,
    /// Closed ones that made money after their fees.
    pub wins: u64,
    /// Closed ones that lost money after their fees.
    pub losses: u64,
    /// Trades whose PnL is not known, for want of an opening price or a multiplier. They are in no sum.
    pub unknown: u64,
    /// Realized profit or loss before fees.
    pub gross: Vec<Money>,
    /// Fees; positive is a cost.
    pub fees: Vec<Money>,
    /// Financing; negative is paid.
    pub financing: Vec<Money>,
}

/// What one instrument brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymbolSummary {
    /// The broker's key.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// Its trades, and what they brought. Open trades with what they realized so far.
    pub summary: Summary,
}

/// What the trades of one day brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySummary {
    /// The day on which they came back to flat, UTC.
    pub day: NaiveDate,
    /// Its trades, and what they brought from their first fill to their last.
    pub summary: Summary,
}

/// What one account brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSummary {
    /// Whose.
    pub scope: Scope,
    /// Its trades, and what they brought. Open trades with what they realized so far; fees and financing that belong
    /// to no instrument too.
    pub summary: Summary,
}

impl Summary {
    /// Gross less fees plus financing, a row for each currency in any of them; nothing is converted.
    ///
    /// # Errors
    /// A sum that does not fit.
    pub fn net(&self) -> Result<Vec<Money>> {
        let mut net = Vec::new();
        for money in self.gross.iter().chain(&self.financing) {
            add(&mut net, *money)?;
        }
        for fee in &self.fees {
            add(&mut net, -*fee)?;
        }
        net.sort_by_key(|money| money.currency);
        Ok(net)
    }

    fn count(&mut self, trade: &Trade) {
        if trade.gross_pnl.is_none() {
            self.unknown += 1;
        }
        if trade.is_open() {
            self.open += 1;
            return;
        }
        self.trades += 1;
        // A fee in another currency cannot be taken off without a rate.
        let result = trade.net_pnl().or(trade.gross_pnl);
        let amount = result.map(|money| money.amount).unwrap_or_default();
        self.wins += u64::from(amount.is_sign_positive() && !amount.is_zero());
        self.losses += u64::from(amount.is_sign_negative() && !amount.is_zero());
    }
}

/// By instrument, in the order of their symbols.
///
/// # Errors
/// A sum that does not fit.
pub fn by_symbol(books: &Books) -> Result<Vec<SymbolSummary>> {
    let mut symbols: BTreeMap<&InstrumentId, &Symbol> = BTreeMap::new();
    symbols.extend(
        books
            .positions
            .iter()
            .map(|position| (&position.instrument, &position.symbol)),
    );
    symbols.extend(books.trades.iter().map(|trade| (&trade.instrument, &trade.symbol)));
    let mut found: BTreeMap<&InstrumentId, Summary> = BTreeMap::new();
    for trade in &books.trades {
        found.entry(&trade.instrument).or_default().count(trade);
    }
    for (instrument, book) in &books.instruments {
        let summary = found.entry(instrument).or_default();
        book.realized
            .iter()
            .try_for_each(|money| add(&mut summary.gross, *money))?;
        book.fees.iter().try_for_each(|money| add(&mut summary.fees, *money))?;
        let mut financing = book.financing.iter();
        financing.try_for_each(|money| add(&mut summary.financing, *money))?;
    }
    let mut rows: Vec<SymbolSummary> = found
        .into_iter()
        .map(|(instrument, summary)| SymbolSummary {
            instrument: instrument.clone(),
            symbol: match symbols.get(instrument) {
                Some(symbol) => (*symbol).clone(),
                None => instrument.get().into(),
            },
            summary,
        })
        .collect();
    rows.sort_by(|a, b| (&a.symbol, &a.instrument).cmp(&(&b.symbol, &b.instrument)));
    Ok(rows)
}

/// By the day on which trades came back to flat, oldest first. Open trades are in none.
///
/// # Errors
/// A sum that does not fit.
pub fn by_day(books: &Books) -> Result<Vec<DaySummary>> {
    let mut days: BTreeMap<NaiveDate, Summary> = BTreeMap::new();
    for trade in &books.trades {
        let Some(closed_at) = trade.closed_at else { continue };
        let summary = days.entry(closed_at.date_naive()).or_default();
        summary.count(trade);
        trade
            .gross_pnl
            .iter()
            .try_for_each(|money| add(&mut summary.gross, *money))?;
        trade.fees.iter().try_for_each(|money| add(&mut summary.fees, *money))?;
        let mut financing = trade.financing.iter();
        financing.try_for_each(|money| add(&mut summary.financing, *money))?;
    }
    let days = days.into_iter();
    Ok(days.map(|(day, summary)| DaySummary { day, summary }).collect())
}

/// By account, in the order given: one row for the books of each.
///
/// # Errors
/// A sum that does not fit.
pub fn by_account<'a>(books: impl IntoIterator<Item = (&'a Scope, &'a Books)>) -> Result<Vec<AccountSummary>> {
    books
        .into_iter()
        .map(|(scope, books)| of_account(scope, books))
        .collect()
}

fn of_account(scope: &Scope, books: &Books) -> Result<AccountSummary> {
    let mut summary = Summary::default();
    books.trades.iter().for_each(|trade| summary.count(trade));
    let mut realized = books.instruments.values().filter_map(|book| book.realized);
    realized.try_for_each(|money| add(&mut summary.gross, money))?;
    summary.gross.sort_by_key(|money| money.currency);
    let rows = |sums: &BTreeMap<Currency, Decimal>| {
        let rows = sums.iter().filter(|(_, amount)| !amount.is_zero());
        rows.map(|(currency, amount)| Money::new(*amount, *currency)).collect()
    };
    summary.fees = rows(&books.fees);
    summary.financing = rows(&books.financing);
    Ok(AccountSummary {
        scope: scope.clone(),
        summary,
    })
}

fn add(sums: &mut Vec<Money>, money: Money) -> Result<()> {
    match sums.iter_mut().find(|sum| sum.currency == money.currency) {
        Some(sum) => *sum = sum.checked_add(money)?,
        None => sums.push(money),
    }
    Ok(())
}
