//! One function an endpoint: build the call, send it, read the answer.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker_core::http::{Call, Http};
use broker_core::limit::{BucketKey, ConnectLimit};
use broker_core::model::Environment;
use broker_core::{Account, AccountId, Balances, BrokerId, Error, Instrument, Position, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::map::{self, Book};
use crate::trades::OpenTrade;
use crate::wire::{
    self, AccountsJson, InstrumentsJson, OneOrderJson, OneTradeJson, OrdersJson, PagesJson, PositionsJson, RowJson,
    SummaryJson, TradesJson, TransactionsJson,
};

/// Where calls go, what they pay to, and what was learned about the accounts.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) http: Http,
    pub(crate) base: Url,
    #[cfg_attr(not(feature = "streaming"), allow(dead_code, reason = "only streams go there"))]
    pub(crate) stream: Url,
    pub(crate) requests: BucketKey,
    pub(crate) in_flight: BucketKey,
    /// What a new connection pays; a stream pays it beforehand, for each has its own.
    pub(crate) connects: ConnectLimit,
    #[cfg_attr(not(feature = "streaming"), allow(dead_code, reason = "only streams pay there"))]
    pub(crate) streams: BucketKey,
    pub(crate) learned: Mutex<Learned>,
    #[cfg(feature = "trading")]
    pub(crate) trails: broker_core::placement::Traces<u64, crate::trail::Word>,
}

/// What does not change, and the newest transaction that each account was seen to have.
#[derive(Debug, Default)]
pub(crate) struct Learned {
    /// Accounts of the token, and whether MetaTrader trades them.
    names: Vec<(AccountId, bool)>,
    books: BTreeMap<AccountId, Book>,
    last: BTreeMap<AccountId, u64>,
}

/// Query parameters of a call.
pub(crate) type Params<'a> = &'a [(&'static str, String)];

/// Transactions of one answer, the most that OANDA gives by a page.
pub(crate) const BLOCK: u64 = 1000;

/// Where the rows of a span of time are: their ids, and how many the venue says there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) ids: Option<RangeInclusive<u64>>,
    pub(crate) count: u64,
    pub(crate) last: u64,
}

/// An order as its own endpoint shows it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) made: map::order::Made,
    pub(crate) filled_by: Option<u64>,
    pub(crate) ended_by: Option<u64>,
    pub(crate) last: u64,
}

impl Rest {
    /// Accounts that the token sees, asked for once.
    pub(crate) async fn names(&self) -> Result<Vec<(AccountId, bool)>> {
        let known = self.learned().names.clone();
        if !known.is_empty() {
            return Ok(known);
        }
        self.all_names().await
    }

    pub(crate) async fn all_names(&self) -> Result<Vec<(AccountId, bool)>> {
        let read = |body: &str| {
            let answer: AccountsJson<'_> = wire::decode(body)?;
            let names = answer.accounts.iter();
            Ok(names
                .map(|one| (AccountId::from(one.id.get()), one.mt4_account_id.is_some()))
                .collect())
        };
        let call = self.read("accounts", "/v3/accounts".to_owned(), &[]);
        let names: Vec<(AccountId, bool)> = self.http.run(call, read).await?;
        self.learned().names.clone_from(&names);
        Ok(names)
    }

    /// What rows of an account need. An account that the token does not see is refused without asking for it.
    pub(crate) async fn book(&self, account: &AccountId) -> Result<Book> {
        if let Some(book) = self.learned().books.get(account) {
            return Ok(book.clone());
        }
        if !self.names().await?.iter().any(|(name, _)| name == account) {
            return Err(Error::invalid(format!("this token does not see account {account}")));
        }
        self.summary(account, map::account::book).await
    }

    pub(crate) async fn account(
        &self,
        account: &AccountId,
        is_mt4: bool,
        broker: &BrokerId,
        environment: Environment,
    ) -> Result<Account> {
        let read = |wire: &wire::AccountJson<'_>| map::account::account(wire, !is_mt4, broker.clone(), environment);
        self.summary(account, read).await
    }

    pub(crate) async fn balances(&self, account: &AccountId) -> Result<Balances> {
        self.summary(account, map::account::balances).await
    }

    /// The newest transaction that the account has, or had a moment ago: what a lookup of an order needs to begin at.
    #[cfg_attr(not(feature = "trading"), allow(dead_code, reason = "only orders are looked up"))]
    pub(crate) async fn mark(&self, account: &AccountId) -> Result<u64> {
        if let Some(last) = self.learned().last.get(account) {
            return Ok(*last);
        }
        self.last(account).await
    }

    /// The newest transaction now.
    pub(crate) async fn last(&self, account: &AccountId) -> Result<u64> {
        self.summary(account, |_| Ok(())).await?;
        let last = self.learned().last.get(account).copied();
        last.ok_or_else(|| Error::decode("an account without transactions"))
    }

    async fn summary<T>(
        &self,
        account: &AccountId,
        read: impl Fn(&wire::AccountJson<'_>) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let call = self.read("account", path(account, "summary"), &[]);
        let read = |body: &str| {
            let answer: SummaryJson<'_> = wire::decode(body)?;
            if answer.account.id.get() != account.get() {
                return Err(Error::decode("asked for one account, answered with another"));
            }
            let book = map::account::book(&answer.account)?;
            let value = read(&answer.account)?;
            self.saw(account, answer.last.get())?;
            self.learned().books.insert(account.clone(), book);
            Ok(value)
        };
        self.http.run(call, read).await
    }

    pub(crate) async fn positions(&self, book: &Book) -> Result<Vec<Position>> {
        let read = |body: &str| {
            let answer: PositionsJson<'_> = wire::decode(body)?;
            let mut open = Vec::with_capacity(answer.positions.len());
            for position in &answer.positions {
                open.extend(map::account::positions(position, book)?);
            }
            Ok(open)
        };
        let call = self.read("positions", path(&book.account, "openPositions"), &[]);
        self.http.run(call, read).await
    }

    pub(crate) async fn instruments(&self, account: &AccountId) -> Result<Vec<Instrument>> {
        let read = |body: &str| {
            let answer: InstrumentsJson<'_> = wire::decode(body)?;
            answer.instruments.iter().map(map::instrument::instrument).collect()
        };
        let call = self.read("instruments", path(account, "instruments"), &[]);
        self.http.run(call, read).await
    }

    pub(crate) async fn open_trades(&self, book: &Book) -> Result<Vec<OpenTrade>> {
        let read = |body: &str| {
            let answer: TradesJson<'_> = wire::decode(body)?;
            answer
                .trades
                .iter()
                .map(|trade| map::trade::trade(trade, book))
                .collect()
        };
        let call = self.read("trades", path(&book.account, "openTrades"), &[]);
        self.http.run(call, read).await
    }

    pub(crate) async fn trade(&self, book: &Book, id: &str) -> Result<OpenTrade> {
        let read = |body: &str| map::trade::trade(&wire::decode::<OneTradeJson<'_>>(body)?.trade, book);
        let call = self.read("trade", path(&book.account, &format!("trades/{}", segment(id))), &[]);
        self.http.run(call, read).await
    }

    /// Where the rows of a span of time are. The answer names pages by their addresses: only the ids in them count.
    pub(crate) async fn span(&self, account: &AccountId, params: Params<'_>) -> Result<Span> {
        let read = |body: &str| {
            let answer: PagesJson<'_> = wire::decode(body)?;
            let mut ids: Option<RangeInclusive<u64>> = None;
            for page in &answer.pages {
                let page = ids_of(page.get())?;
                ids = Some(match ids {
                    None => page,
                    Some(all) => *all.start().min(page.start())..=*all.end().max(page.end()),
                });
            }
            Ok(Span {
                ids,
                count: answer.count,
                last: self.saw(account, answer.last.get())?,
            })
        };
        let call = self.read("history", path(account, "transactions"), params);
        self.http.run(call, read).await
    }

    /// The rows of these ids, in one answer; `read` gets the newest id and the answer's text, too.
    pub(crate) async fn block<T>(
        &self,
        account: &AccountId,
        ids: &RangeInclusive<u64>,
        read: impl Fn(&[RowJson<'_>], u64, &str) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let params = [("from", ids.start().to_string()), ("to", ids.end().to_string())];
        let call = self.read("history", path(account, "transactions/idrange"), &params);
        self.transactions(call, account, read).await
    }

    /// The rows behind this id: all of them, or as many as one answer holds. `read` gets the newest id, too.
    pub(crate) async fn since<T>(
        &self,
        account: &AccountId,
        id: u64,
        read: impl Fn(&[RowJson<'_>], u64) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let params = [("id", id.to_string())];
        let call = self.read("transactions", path(account, "transactions/sinceid"), &params);
        self.transactions(call.body_up_to(LARGEST_LIST), account, |rows, last, _| read(rows, last))
            .await
    }

    async fn transactions<T>(
        &self,
        call: Call,
        account: &AccountId,
        read: impl Fn(&[RowJson<'_>], u64, &str) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let read = |body: &str| {
            let answer: TransactionsJson<'_> = wire::decode(body)?;
            let rows = answer.transactions.iter().map(|raw| RowJson::read(raw));
            let rows: Vec<RowJson<'_>> = rows.collect::<Result<_>>()?;
            let last = self.saw(account, answer.last.get())?;
            read(&rows, last, body)
        };
        self.http.run(call, read).await
    }

    /// Orders by these parameters, and which transactions filled or ended each.
    pub(crate) async fn orders(&self, book: &Book, tail: &str, params: Params<'_>) -> Result<Vec<Shown>> {
        let read = |body: &str| {
            let answer: OrdersJson<'_> = wire::decode(body)?;
            answer.orders.iter().map(|row| shown(row, 0, book)).collect()
        };
        let call = self.read("orders", path(&book.account, tail), params);
        self.http.run(call, read).await
    }

    /// One order, by OANDA's id or by `@` and ours.
    pub(crate) async fn order(&self, book: &Book, specifier: &str) -> Result<Shown> {
        self.order_row(&book.account, specifier, |row, last| shown(row, last, book))
            .await
    }

    pub(crate) async fn order_row<T>(
        &self,
        account: &AccountId,
        specifier: &str,
        read: impl Fn(&RowJson<'_>, u64) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let call = self.read("order", order_path(account, specifier)?, &[]);
        let read = |body: &str| {
            let answer: OneOrderJson<'_> = wire::decode(body)?;
            read(&answer.order, wire::id(answer.last.get())?)
        };
        self.http.run(call, read).await
    }

    /// A read of the REST API.
    pub(crate) fn read(&self, op: &'static str, path: String, params: Params<'_>) -> Call {
        let call = Call::get(op, &self.base, path);
        let call = params.iter().fold(call, |call, (name, value)| call.param(name, value));
        self.limited(call)
    }

    /// What every request pays. As few are in flight as keep the rate, for each that finds no connection free opens one.
    pub(crate) fn limited(&self, call: Call) -> Call {
        call.costs(&self.requests, 1)
            .costs(&self.in_flight, 1)
            .connects(&self.connects)
    }

    /// Notes the newest transaction of an account: every answer tells it.
    pub(crate) fn saw(&self, account: &AccountId, last: &str) -> Result<u64> {
        let last = wire::id(last)?;
        let mut learned = self.learned();
        let known = learned.last.entry(account.clone()).or_default();
        *known = last.max(*known);
        Ok(last)
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was missed since a mark that is a while old.
const LARGEST_LIST: usize = 64 << 20;

fn shown(row: &RowJson<'_>, last: u64, book: &Book) -> Result<Shown> {
    let number = |id: &Option<broker_core::num::Text<'_>>| id.as_ref().map(|id| wire::id(id.get())).transpose();
    Ok(Shown {
        made: map::order::made(row, book)?,
        filled_by: number(&row.filling_transaction_id)?,
        ended_by: number(&row.cancelling_transaction_id)?,
        last,
    })
}

/// The ids in the address of a page. Its host is not asked: it need not be the one that was configured.
fn ids_of(page: &str) -> Result<RangeInclusive<u64>> {
    let bad = || Error::decode("a page of transactions without ids");
    let (_, query) = page.split_once('?').ok_or_else(bad)?;
    let of = |name: &str| {
        let pair = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pair.into_iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| wire::id(value)).ok_or_else(bad)?
    };
    let (from, to) = (of("from")?, of("to")?);
    match from <= to {
        true => Ok(from..=to),
        false => Err(bad()),
    }
}

/// A path below an account.
pub(crate) fn path(account: &AccountId, tail: &str) -> String {
    format!("/v3/accounts/{}/{tail}", segment(account.get()))
}

/// Where one order is. Without an id it would be the path of all orders.
pub(crate) fn order_path(account: &AccountId, specifier: &str) -> Result<String> {
    match specifier {
        "" | "@" => Err(Error::invalid("an order's id is empty")),
        specifier => Ok(path(account, &format!("orders/{}", segment(specifier)))),
    }
}

/// One part of a path: `@my id` is `%40my%20id`.
pub(crate) fn segment(text: &str) -> impl Display {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_pages_address_only_the_ids_count() {
        let page = "https://evil.example/v3/accounts/101-004-1234567-001/transactions/idrange?from=101&to=200";
        assert_eq!(ids_of(page).unwrap(), 101..=200);
        for broken in [
            "https://x/idrange",
            "https://x/?from=1",
            "https://x/?from=2&to=1",
            "https://x/?from=a&to=1",
        ] {
            assert!(ids_of(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn ids_are_encoded_in_paths() {
        let account = AccountId::from("101-004-1234567-001");
        assert_eq!(
            order_path(&account, "@my id/1").unwrap(),
            "/v3/accounts/101-004-1234567-001/orders/%40my%20id%2F1"
        );
        assert!(order_path(&account, "").is_err() && order_path(&account, "@").is_err());
    }
}
