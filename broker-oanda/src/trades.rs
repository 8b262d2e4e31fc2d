//! Open trades: what OANDA calls the lots of a position, each with exits of its own.

use broker_core::model::{OrderKind, TimeInForce};
use broker_core::{
    AccountId, Broker, ClientOrderId, InstrumentId, Money, OrderId, Price, Qty, Record, RecordId, Result, Side, Symbol,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use crate::broker::OandaBroker;
use crate::map::record;
use crate::wire::RowJson;

/// A lot of a position, as OANDA keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTrade {
    /// OANDA's id: that of the fill that opened it.
    pub id: RecordId,
    /// The account.
    pub account: AccountId,
    /// What it is in.
    pub instrument: InstrumentId,
    /// What people call it.
    pub symbol: Symbol,
    /// `Buy` is long, `Sell` is short.
    pub side: Side,
    /// How large it was when it was opened.
    pub initial_qty: Qty,
    /// How large it is now.
    pub qty: Qty,
    /// Its opening price.
    pub price: Price,
    /// When it was opened.
    pub opened_at: DateTime<Utc>,
    /// What was realized by closing parts of it, without financing.
    pub realized_pnl: Money,
    /// Open profit or loss, where stated.
    pub unrealized_pnl: Option<Money>,
    /// Financing so far; negative is paid.
    pub financing: Money,
    /// The trade's own id of ours, if it was given one.
    pub client_id: Option<ClientOrderId>,
    /// Its target.
    pub take_profit: Option<ExitOrder>,
    /// Its stop.
    pub stop_loss: Option<ExitOrder>,
    /// Its stop whose price is guaranteed.
    pub guaranteed_stop_loss: Option<ExitOrder>,
    /// Its stop that follows the price.
    pub trailing_stop: Option<ExitOrder>,
}

/// An exit of a trade: an order that goes when the trade goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitOrder {
    /// The order's id.
    pub id: OrderId,
    /// A limit, a stop or a trailing stop.
    pub kind: OrderKind,
    /// Where it triggers now.
    pub price: Option<Price>,
    /// Its distance, where it was given as one.
    pub distance: Option<Decimal>,
    /// How long it works.
    pub time_in_force: TimeInForce,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
}

impl OandaBroker {
    /// The open trades of an account, newest first.
    pub async fn open_trades(&self, account: &AccountId) -> Result<Vec<OpenTrade>> {
        let book = self.book(account).await?;
        self.rest().open_trades(&book).await
    }

    /// The records behind a transaction, oldest first, and the last transaction that was read for them: where a program
    /// that keeps its place goes on. When that is the one it asked with, there is nothing new.
    ///
    /// # Errors
    /// `InvalidRequest` when the id is out of range; `Decode` when the ids that came leave one out.
    pub async fn records_since(&self, account: &AccountId, id: u64) -> Result<(Vec<Record>, u64)> {
        let book = self.book(account).await?;
        let read = |rows: &[RowJson<'_>], _: u64| {
            let reached = reached(rows, id)?;
            let (mut records, mut notes) = (Vec::new(), Vec::new());
            for row in rows {
                record::records(row, &book, &mut records, &mut notes)?;
            }
            Ok((records, reached))
        };
        self.rest().since(account, id, read).await
    }

    /// The records of a page of transactions, in its order: reads again what a query
    /// [`with_raw`](broker_core::HistoryQuery::with_raw) gave and a program kept.
    pub async fn read_transactions(&self, account: &AccountId, page: &str) -> Result<Vec<Record>> {
        let book = self.book(account).await?;
        let answer: crate::wire::TransactionsJson<'_> = crate::wire::decode(page)?;
        let (mut records, mut notes) = (Vec::new(), Vec::new());
        for raw in &answer.transactions {
            record::records(&RowJson::read(raw)?, &book, &mut records, &mut notes)?;
        }
        Ok(records)
    }

    /// What rows of an account need, under the broker's name.
    pub(crate) async fn book(&self, account: &AccountId) -> Result<crate::map::Book> {
        let book = self.rest().book(account).await;
        book.map_err(|error| error.with_broker(self.id()))
    }
}

/// The last id of rows that follow this one without a hole.
pub(crate) fn reached(rows: &[RowJson<'_>], behind: u64) -> Result<u64> {
    let mut last = behind;
    for row in rows {
        let id = row.number()?;
        if id != last + 1 {
            return Err(broker_core::Error::decode(format!(
                "transaction {} is missing",
                last + 1
            )));
        }
        last = id;
    }
    Ok(last)
}
