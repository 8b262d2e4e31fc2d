//! Orders and histories, page by page.

use std::collections::BTreeMap;

use broker_core::model::Environment;
use broker_core::{AccountId, Broker, Error, HistoryQuery, Order, OrderQuery, OrderRef, Page, Proof, Record, Result};

use crate::broker::{ACCOUNT_RECORDS, BinanceBroker};
use crate::directory::is_unknown_symbol;
use crate::flows::FlowWalk;
use crate::map::{self, order::List};
use crate::rest::{Came, weight};
use crate::walk::{self, Behind, HistoryWalk, OrderWalk, Source, SymbolWalk};
use crate::wire::{self, OrderJson};

impl BinanceBroker {
    /// The symbol and the number or our id of an order.
    pub(crate) fn named(&self, order: &OrderRef) -> Result<(String, (&'static str, String))> {
        if let Some(id) = &order.id {
            if let Some((symbol, number)) = map::order_parts(id) {
                return Ok((symbol.to_owned(), ("orderId", number.to_string())));
            }
            return Err(Error::invalid(format!(
                "{id} is no order id of Binance's: they are written SYMBOL:NUMBER"
            ))
            .with_broker(self.id()));
        }
        match (&order.client_id, &order.instrument) {
            (Some(id), Some(instrument)) => {
                Ok((instrument.get().to_owned(), ("origClientOrderId", id.get().to_owned())))
            }
            (Some(_), None) => Err(Error::invalid(
                "Binance finds an order by our id within its instrument only: name the instrument",
            )
            .with_broker(self.id())),
            (None, _) => {
                Err(Error::invalid("an order is named by its id or by its client order id").with_broker(self.id()))
            }
        }
    }

    /// An order, with what it hangs together with.
    pub(crate) async fn find(&self, order: &OrderRef) -> Result<Order> {
        let (symbol, name) = self.named(order)?;
        let pair = self.pair(&symbol).await?;
        let params = [("symbol", symbol), name];
        let (mut found, list) = self.rest().order(&params, &pair, &order.account).await?;
        expect_same(order, &found)?;
        if list >= 0 {
            let told = self.rest().order_list(list).await?;
            let links = told.links_of(&found.id).filter(|_| told.number == list);
            found.links = links.ok_or_else(|| Error::decode("answered with another list than that of the order"))?;
        }
        Ok(found)
    }

    /// Reads orders out of a page's text; the lists that they are in are asked with one call.
    pub(crate) async fn read_orders(&self, body: &str, account: &AccountId, open: bool) -> Result<Vec<Order>> {
        let rows: Vec<OrderJson<'_>> = wire::decode(body)?;
        let symbols = rows.iter().map(|row| row.symbol.get().to_owned()).collect();
        let pairs = self.pairs_of(symbols).await?;
        let lists: Vec<i64> = rows
            .iter()
            .filter_map(|row| row.order_list_id.filter(|list| *list >= 0))
            .collect();
        let lists: BTreeMap<i64, List> = match lists.iter().min() {
            None => BTreeMap::new(),
            Some(first) => self.lists_from(*first, open).await?,
        };
        let mut orders = Vec::with_capacity(rows.len());
        for row in &rows {
            let Some(pair) = pairs.get(row.symbol.get()) else {
                continue;
            };
            let mut order = map::order::order(row, pair, account)?;
            let list = row.order_list_id.and_then(|list| lists.get(&list));
            if let Some(links) = list.and_then(|list| list.links_of(&order.id)) {
                order.links = links;
            }
            orders.push(order);
        }
        Ok(orders)
    }

    /// The lists of open orders, or up to a thousand from this number on. What lies behind them is told when an order
    /// is read alone.
    pub(crate) async fn lists_from(&self, first: i64, open: bool) -> Result<BTreeMap<i64, List>> {
        let lists = match open {
            true => {
                self.rest()
                    .order_lists("/api/v3/openOrderList", &[], weight::OPEN_LISTS)
                    .await?
            }
            false => {
                let params = [("fromId", first.to_string()), ("limit", "1000".to_owned())];
                self.rest()
                    .order_lists("/api/v3/allOrderList", &params, weight::ALL_LISTS)
                    .await?
            }
        };
        Ok(lists.into_iter().map(|(list, _)| (list.number, list)).collect())
    }

    /// All open orders, or those of a symbol.
    pub(crate) async fn open_orders(&self, account: &AccountId, symbol: Option<&str>) -> Result<Vec<Order>> {
        let (params, cost) = match symbol {
            Some(symbol) => (vec![("symbol", symbol.to_owned())], weight::OPEN_ORDERS),
            None => (Vec::new(), weight::ALL_OPEN_ORDERS),
        };
        let body = self.rest().orders_text("/api/v3/openOrders", &params, cost).await;
        let body = match body {
            Err(error) if is_unknown_symbol(&error) && symbol.is_some() => return Ok(Vec::new()),
            body => body?,
        };
        let mut orders = self.read_orders(&body, account, true).await?;
        orders.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(orders)
    }

    /// The next symbol of a sweep.
    pub(crate) async fn next_name(&self, behind: &str) -> Result<Option<String>> {
        let names = self.names().await?;
        let at = names.partition_point(|name| name.as_str() <= behind);
        Ok(names.get(at).cloned())
    }

    pub(crate) async fn walk_symbol(&self, walk: SymbolWalk, query: &HistoryQuery) -> Result<Page<Record>> {
        let pair = self.pair(&walk.symbol).await?;
        let params = walk.params();
        let whose = (&query.account, query.raw);
        let came = self.rest().executions(walk.source, &params, &pair, whose).await;
        let came = match came {
            // Trades of a symbol that is gone are told by statements alone.
            Err(error) if is_unknown_symbol(&error) => {
                let next = self.behind_symbol(&walk).await?;
                let mut page = walk::page(Vec::new(), Proof::Nothing, next, None)?;
                let note = format!(
                    "Binance lists no {} any more: its trades are in statements only",
                    walk.symbol
                );
                page.notes.push(note);
                return Ok(page);
            }
            came => came?,
        };
        let (proof, behind) = walk.behind(&came);
        let (next, wait) = match behind {
            Behind::Here(next, wait) => (Some(HistoryWalk::Symbol(next)), wait),
            Behind::Done if walk.source == Source::Trades && pair.routed => {
                let next = walk.begin(walk.symbol.clone(), Source::Allocations);
                (Some(HistoryWalk::Symbol(next)), None)
            }
            Behind::Done => (self.behind_symbol(&walk).await?, None),
        };
        let Came { rows, raw } = came;
        let rows = walk.inside(Came { rows, raw: None });
        let mut page = walk::page(rows, proof, next, wait)?;
        page.raw = raw;
        Ok(page)
    }

    pub(crate) async fn behind_symbol(&self, walk: &SymbolWalk) -> Result<Option<HistoryWalk>> {
        if !walk.sweeps {
            return Ok(None);
        }
        Ok(match self.next_name(&walk.symbol).await? {
            Some(name) => Some(HistoryWalk::Symbol(walk.begin(name, Source::Trades))),
            None => self
                .has_wallet()
                .then(|| HistoryWalk::Flows(FlowWalk::new(walk.since, walk.until))),
        })
    }

    /// The testnet and the demo mode have no `/sapi`.
    pub(crate) fn has_wallet(&self) -> bool {
        self.inner.environment == Environment::Live
    }

    /// Where a history begins; `None` where there is nothing to ask.
    pub(crate) async fn history_walk(&self, query: &HistoryQuery) -> Result<Option<HistoryWalk>> {
        let (since, until) = query.range(self.context().clock().now());
        if since >= until {
            return Ok(None);
        }
        let symbol = match &query.instrument {
            Some(id) if id.get() == ACCOUNT_RECORDS => {
                let flows = || HistoryWalk::Flows(FlowWalk::new(since, until));
                return Ok(self.has_wallet().then(flows));
            }
            Some(id) => Some(id.get().to_owned()),
            None => self.names().await?.first().cloned(),
        };
        let sweeps = query.instrument.is_none();
        Ok(symbol.map(|symbol| HistoryWalk::Symbol(SymbolWalk::new(since, until, symbol, sweeps))))
    }

    pub(crate) async fn order_walk(&self, query: &OrderQuery) -> Result<Option<OrderWalk>> {
        let symbol = match &query.instrument {
            Some(id) if id.get() == ACCOUNT_RECORDS => return Ok(None),
            Some(id) => Some(id.get().to_owned()),
            None => self.names().await?.first().cloned(),
        };
        let sweeps = query.instrument.is_none();
        Ok(symbol.map(|symbol| OrderWalk::new(query, self.context().clock().now(), symbol, sweeps)))
    }

    pub(crate) async fn walk_orders(&self, walk: OrderWalk, query: &OrderQuery) -> Result<Page<Order>> {
        let body = self
            .rest()
            .orders_text("/api/v3/allOrders", &walk.params(), weight::ALL_ORDERS)
            .await;
        let (orders, known) = match body {
            Err(error) if is_unknown_symbol(&error) => (Vec::new(), false),
            body => (self.read_orders(&body?, &query.account, false).await?, true),
        };
        let number = |order: &Order| map::order_parts(&order.id).map(|(_, number)| (number, order.created_at));
        let next = match walk.behind(orders.len(), orders.last().and_then(number)) {
            None if walk.sweeps => self.next_name(&walk.symbol).await?.map(|name| walk.begin(name)),
            next => next,
        };
        let proof = match (known, &next) {
            (false, _) => Proof::Capped,
            (true, Some(_)) => Proof::Contiguous,
            (true, None) => Proof::Short,
        };
        let mut rows: Vec<Order> = orders.into_iter().filter(|order| walk.has(order.created_at)).collect();
        rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(Page {
            next: next.map(|walk| walk.cursor()).transpose()?,
            proof,
            ..Page::whole(rows)
        })
    }
}

/// Whether an answer is about the order that was asked for.
pub(crate) fn expect_same(asked: &OrderRef, answered: &Order) -> Result<()> {
    let same = match (&asked.id, &asked.client_id) {
        (Some(id), _) => *id == answered.id,
        (None, id) => *id == answered.client_id,
    };
    match same {
        true => Ok(()),
        false => Err(Error::decode(
            "answered with another order than the one that was asked for",
        )),
    }
}
