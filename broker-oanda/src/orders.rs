//! Orders, put together: which there are is said by the endpoints of orders, what became of them by transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use broker_core::model::{OrderState, Window};
use broker_core::{
    ClientOrderId, Cursor, Error, ErrorKind, Order, OrderId, OrderQuery, OrderRef, OrderStatus, Page, Proof, Result,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::history::borders;
use crate::map::Book;
use crate::map::order::{Ended, Filled, Lot, Made, Told, parent_of, told};
use crate::rest::{BLOCK, Rest, Shown};
use crate::trades::OpenTrade;
use crate::wire::{self, RowJson};

const VERSION: u32 = 1;

/// Transactions of a page of orders. Its orders come in one answer of 500 at most, however `beforeID` counts.
const ORDERS: u64 = 499;

/// An order's fill and the exits that were made with it: one row, and at most three more.
const WITH_EXITS: u64 = 4;

/// Rows about orders, in the order of their ids, and what they make of the orders.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    made: BTreeMap<u64, Made>,
    filled: Vec<Filled>,
    ended: Vec<Ended>,
    lots: BTreeMap<u64, Lot>,
}

impl Rows {
    /// Takes the rows of an answer.
    pub(crate) fn read(rows: &[RowJson<'_>], book: &Book) -> Result<Self> {
        let mut all = Self::default();
        for row in rows {
            if let Some(told) = told(row, book)? {
                all.take(row.number()?, told);
            }
        }
        Ok(all)
    }

    pub(crate) fn take(&mut self, id: u64, told: Told) {
        match told {
            Told::Made(made) => _ = self.made.insert(id, *made),
            Told::Filled(filled) => {
                if let Some(lot) = &filled.opened {
                    self.lots.insert(lot.id, lot.clone());
                }
                self.filled.push(*filled);
            }
            Told::Ended(ended) => self.ended.push(ended),
        }
    }

    /// What other rows tell of the same orders.
    pub(crate) fn add(&mut self, other: Self) {
        for (id, made) in other.made {
            self.made.entry(id).or_insert(made);
        }
        self.filled.extend(other.filled);
        self.ended.extend(other.ended);
        self.lots.extend(other.lots);
    }

    /// The orders as they are after all rows, by id.
    pub(crate) fn settle(mut self, book: &Book) -> BTreeMap<u64, Made> {
        for made in self.made.values_mut() {
            let lot = made.trade.and_then(|trade| self.lots.get(&trade));
            if let Some(lot) = lot.filter(|_| made.order.legs.is_empty()) {
                made.join(lot, book);
            }
        }
        for filled in &self.filled {
            let order = wire::id(filled.order.get()).ok();
            if let Some(made) = order.and_then(|order| self.made.get_mut(&order)) {
                made.fill(filled);
            }
        }
        for ended in &self.ended {
            let order = wire::id(ended.order.get()).ok();
            if let Some(made) = order.and_then(|order| self.made.get_mut(&order)) {
                made.end(ended);
            }
        }
        self.adopt();
        self.made
    }

    /// Exits that were made with a fill belong to the order that it filled.
    fn adopt(&mut self) {
        let with_fill: Vec<(u64, u64)> = self
            .made
            .iter()
            .filter_map(|(id, made)| Some((*id, made.with_fill?)))
            .collect();
        for (id, fill) in with_fill {
            let filled = self.filled.iter().find(|filled| filled.id == fill);
            let Some(parent) = filled.and_then(|filled| wire::id(filled.order.get()).ok()) else {
                continue;
            };
            if let Some(mut exit) = self.made.remove(&id) {
                if let Some(parent) = self.made.get_mut(&parent) {
                    parent.adopt(&mut exit.order);
                }
                self.made.insert(id, exit);
            }
        }
    }
}

impl Rest {
    /// One order, by OANDA's id, by the id that we gave a held exit, or by ours.
    pub(crate) async fn order_of(&self, book: &Book, order: &OrderRef) -> Result<Order> {
        match (&order.id, &order.client_id) {
            (Some(id), _) => match parent_of(id) {
                Some(parent) => self.held_exit(book, id, &parent).await,
                None => Ok(self.whole(book, id.get()).await?.order),
            },
            (None, Some(id)) => self.by_own_id(book, id).await,
            (None, None) => Err(Error::invalid("an order is named by its id or by its client order id")),
        }
    }

    /// OANDA finds pending orders by our id. Whether it finds others is not documented, so the newest transactions are
    /// read for it, too.
    async fn by_own_id(&self, book: &Book, id: &ClientOrderId) -> Result<Order> {
        let missing = match self.whole(book, &format!("@{}", id.get())).await {
            Ok(made) => return Ok(made.order),
            Err(error) if error.kind() == ErrorKind::NotFound => error,
            Err(error) => return Err(error),
        };
        let last = self.last(&book.account).await?;
        let ids = last.saturating_sub(BLOCK - 1).max(1)..=last;
        let rows = self
            .block(&book.account, &ids, |rows, _, _| Rows::read(rows, book))
            .await?;
        let mut found = rows.settle(book).into_values().rev();
        let ours = found.find(|made| made.order.client_id.as_ref() == Some(id) && !made.order.legs.is_empty());
        ours.map(|made| made.order).ok_or_else(|| {
            missing.with_help("by our id only pending orders and the newest are found: read others by OANDA's id")
        })
    }

    async fn held_exit(&self, book: &Book, id: &OrderId, parent: &OrderId) -> Result<Order> {
        let parent = self.whole(book, parent.get()).await?;
        let found = parent.exits.into_iter().find(|exit| exit.id == *id);
        found.ok_or_else(|| {
            Error::new(ErrorKind::NotFound)
                .with_delivery(broker_core::Delivery::Answered)
                .with_operation("order")
                .with_message("the order asked for no such exit")
        })
    }

    /// An order with all that became of it.
    pub(crate) async fn whole(&self, book: &Book, specifier: &str) -> Result<Made> {
        let shown = self.order(book, specifier).await?;
        let id = wire::id(shown.made.order.id.get())?;
        let mut rows = Rows::default();
        if let Some(fill) = shown.filled_by {
            let more = if shown.made.exits.is_empty() { 0 } else { WITH_EXITS - 1 };
            let ids = fill..=fill.saturating_add(more).min(shown.last.max(fill));
            rows.add(
                self.block(&book.account, &ids, |rows, _, _| Rows::read(rows, book))
                    .await?,
            );
        }
        if let Some(end) = shown.ended_by {
            rows.add(
                self.block(&book.account, &(end..=end), |rows, _, _| Rows::read(rows, book))
                    .await?,
            );
        }
        if let Some(trade) = shown.made.trade.filter(|_| shown.filled_by.is_none()) {
            let ids = trade..=trade;
            rows.add(
                self.block(&book.account, &ids, |rows, _, _| Rows::read(rows, book))
                    .await?,
            );
            if shown.ended_by.is_none() {
                let trade = self.trade(book, &trade.to_string()).await?;
                shrink(&mut rows.lots, &[trade])?;
            }
        }
        rows.made.insert(id, shown.made);
        let missing = || Error::decode("an order without its own row");
        rows.settle(book).remove(&id).ok_or_else(missing)
    }

    /// Every order that can still trade, held exits too.
    async fn open(&self, book: &Book) -> Result<Vec<Order>> {
        let shown = self.orders(book, "pendingOrders", &[]).await?;
        let mut rows = Rows::default();
        for one in shown {
            rows.made.insert(wire::id(one.made.order.id.get())?, one.made);
        }
        if rows.made.values().any(|made| made.trade.is_some()) {
            let trades = self.open_trades(book).await?;
            for trade in &trades {
                let lot = lot(trade)?;
                rows.lots.insert(lot.id, lot);
            }
            let openers: BTreeSet<u64> = rows.made.values().filter_map(|made| made.trade).collect();
            let parents = self.needed(book, &openers).await?;
            for (id, lot) in &mut rows.lots {
                lot.order = parents.lots.get(id).and_then(|known| known.order.clone());
            }
            // An exit whose trade is gone by now goes with it.
            let lots = &rows.lots;
            rows.made
                .retain(|_, made| made.trade.is_none_or(|trade| lots.contains_key(&trade)));
        }
        Ok(rows.settle(book).into_values().flat_map(Made::listed).collect())
    }

    /// Rows by their ids, in as few answers as hold them.
    async fn needed(&self, book: &Book, ids: &BTreeSet<u64>) -> Result<Rows> {
        let mut all = Rows::default();
        let mut left = ids.iter().copied().peekable();
        while let Some(first) = left.next() {
            let mut last = first;
            while let Some(next) = left.next_if(|next| *next - first < BLOCK) {
                last = next;
            }
            all.add(
                self.block(&book.account, &(first..=last), |rows, _, _| Rows::read(rows, book))
                    .await?,
            );
        }
        Ok(all)
    }

    /// One page of orders, oldest first.
    pub(crate) async fn order_page(
        &self,
        query: &OrderQuery,
        from: Option<&Cursor>,
        now: DateTime<Utc>,
    ) -> Result<Page<Order>> {
        let book = self.book(&query.account).await?;
        let (since, until) = query.range(now);
        // Without an end it has none, not even now: the venue's clock may be ahead of ours.
        let until = match query.window {
            Window::Between { until, .. } => until,
            Window::LastDays(_) | Window::All => None,
        }
        .map(|_| until);
        if query.state == OrderState::Open {
            let mut page = Page::whole(self.open(&book).await?);
            page.rows.retain(|order| wanted(order, query, since, until));
            return Ok(page);
        }
        let walk = match from {
            Some(cursor) => cursor.decode(VERSION)?,
            None => {
                let params = borders(since, until.unwrap_or(now), &book, now);
                let span = self.span(&query.account, &params).await?;
                let Some(ids) = span.ids else {
                    return Ok(Page::whole(Vec::new()));
                };
                let (next, last) = ids.into_inner();
                OrderWalk {
                    since,
                    until,
                    next,
                    last,
                }
            }
        };
        let ids = walk.next..=walk.last.min(walk.next.saturating_add(ORDERS - 1));
        let (mut rows, is_whole) = self.placed(&book, &ids).await?;
        rows.retain(|order| wanted(order, query, walk.since, walk.until));
        let end = *ids.end();
        let next = (end < walk.last).then(|| OrderWalk {
            next: end + 1,
            ..walk.clone()
        });
        Ok(Page {
            rows,
            proof: match (is_whole, &next) {
                (false, _) => Proof::Nothing,
                (true, Some(_)) => Proof::Contiguous,
                (true, None) => Proof::Short,
            },
            next: next.map(|walk| Cursor::encode(VERSION, &walk)).transpose()?,
            wait: None,
            raw: None,
            notes: Vec::new(),
        })
    }

    /// The orders that were made by these transactions, as they are now; and whether all of the ids came.
    async fn placed(&self, book: &Book, ids: &RangeInclusive<u64>) -> Result<(Vec<Order>, bool)> {
        let read = |rows: &[RowJson<'_>], last: u64, _: &str| {
            Ok((Rows::read(rows, book)?, crate::history::are_all(rows, ids)?, last))
        };
        let (mut rows, is_whole, last) = self.block(&book.account, ids, read).await?;
        if rows.made.is_empty() {
            return Ok((Vec::new(), is_whole));
        }
        let params = [
            ("state", "ALL".to_owned()),
            ("count", "500".to_owned()),
            ("beforeID", (ids.end() + 1).to_string()),
        ];
        let mut listed = BTreeMap::new();
        for shown in self.orders(book, "orders", &params).await? {
            listed.insert(wire::id(shown.made.order.id.get())?, shown);
        }
        let mut needed = missing(&rows, &listed, ids);
        // Of exits that could stand behind a fill, those that there are.
        let stated = listed
            .values()
            .flat_map(|shown| [shown.filled_by, shown.ended_by])
            .flatten()
            .max();
        let last = stated.map_or(last, |stated| stated.max(last));
        needed.retain(|id| *id <= last);
        rows.add(self.needed(book, &needed).await?);
        let pending = |id: &u64| listed.get(id).is_some_and(is_pending);
        if rows.made.iter().any(|(id, made)| made.trade.is_some() && pending(id)) {
            let trades = self.open_trades(book).await?;
            shrink(&mut rows.lots, &trades)?;
        }
        let mut orders = Vec::new();
        for (id, made) in rows.settle(book) {
            if ids.contains(&id) {
                orders.extend(known(made, listed.contains_key(&id)).listed());
            }
        }
        Ok((orders, is_whole))
    }
}

/// An order of which nothing tells how it is, neither a list nor a row, is in no state that we know.
fn known(mut made: Made, is_listed: bool) -> Made {
    if made.order.status == OrderStatus::New && !is_listed {
        made.order.status = OrderStatus::Other("NOT_LISTED".into());
    }
    made
}

fn is_pending(shown: &Shown) -> bool {
    shown.filled_by.is_none() && shown.ended_by.is_none()
}

/// Rows outside of this block that tell what became of its orders: fills, cancels, and what opened their trades.
fn missing(rows: &Rows, listed: &BTreeMap<u64, Shown>, ids: &RangeInclusive<u64>) -> BTreeSet<u64> {
    let mut needed = BTreeSet::new();
    for (id, made) in &rows.made {
        if let Some(shown) = listed.get(id) {
            let ended = [shown.filled_by, shown.ended_by].into_iter().flatten();
            needed.extend(ended);
            // The exits that were made with the fill stand behind it.
            if let Some(fill) = shown.filled_by.filter(|_| !made.exits.is_empty()) {
                needed.extend(fill..fill.saturating_add(WITH_EXITS));
            }
        }
        needed.extend(made.trade.filter(|trade| !rows.lots.contains_key(trade)));
        needed.extend(made.with_fill);
    }
    needed.retain(|id| !ids.contains(id));
    needed
}

/// A trade of which a part was closed: its exits are for what is left.
fn shrink(lots: &mut BTreeMap<u64, Lot>, trades: &[OpenTrade]) -> Result<()> {
    for trade in trades {
        if let Some(lot) = lots.get_mut(&wire::id(trade.id.get())?) {
            lot.qty = trade.qty;
        }
    }
    Ok(())
}

fn lot(trade: &OpenTrade) -> Result<Lot> {
    Ok(Lot {
        id: wire::id(trade.id.get())?,
        instrument: trade.instrument.clone(),
        side: trade.side,
        qty: trade.qty,
        order: None,
    })
}

/// A walk over the orders that were placed in a span of time, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct OrderWalk {
    since: DateTime<Utc>,
    until: Option<DateTime<Utc>>,
    next: u64,
    last: u64,
}

fn wanted(order: &Order, query: &OrderQuery, since: DateTime<Utc>, until: Option<DateTime<Utc>>) -> bool {
    let state = match query.state {
        OrderState::Open => !order.status.is_final(),
        OrderState::Closed => order.status.is_final(),
        OrderState::All => true,
    };
    let inside = order
        .created_at
        .is_none_or(|at| at >= since && until.is_none_or(|until| at < until));
    let wanted = query.instrument.as_ref();
    state && inside && wanted.is_none_or(|wanted| order.legs.iter().any(|leg| leg.instrument == *wanted))
}
