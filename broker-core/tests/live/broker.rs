//! The read side of the scripted venue.

use std::fmt::{self, Debug};
use std::sync::Arc;

use async_trait::async_trait;
use broker_core::model::{Candle, CandleQuery, Environment, Hours, OrderRef, OrderState};
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, Capabilities, Context, Cursor, Error, ErrorKind, HistoryQuery,
    Instrument, InstrumentId, InstrumentQuery, MarketData, Order, OrderQuery, Page, Position, Probe, Proof, Quote,
    Record, Result, Streaming, Trading,
};
use chrono::{DateTime, Utc};

use super::venue::Venue;

#[derive(Clone)]
pub(crate) struct ScriptedBroker {
    pub(crate) venue: Venue,
    pub(crate) context: Context,
    pub(crate) capabilities: Arc<Capabilities>,
    pub(crate) has_quotes: bool,
}

impl Debug for ScriptedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScriptedBroker")
    }
}

#[async_trait]
impl Broker for ScriptedBroker {
    fn id(&self) -> BrokerId {
        "scripted".into()
    }

    fn environment(&self) -> Environment {
        Environment::Paper
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn handle(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    async fn probe(&self) -> Result<Probe> {
        Err(Error::unsupported("probe"))
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        Err(Error::unsupported("accounts"))
    }

    async fn balances(&self, _account: &AccountId) -> Result<Balances> {
        let balances = self.venue.books().balances.clone();
        self.venue.reading("balances").await?;
        balances.ok_or_else(|| Error::unsupported("no balances"))
    }

    async fn positions(&self, _account: &AccountId) -> Result<Vec<Position>> {
        let positions = self.venue.books().positions.clone();
        self.venue.reading("positions").await?;
        Ok(positions)
    }

    async fn instruments(&self, _query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        Err(Error::unsupported("instruments"))
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        let id = order.id.clone().unwrap();
        let found = self.venue.books().orders.get(&id).cloned();
        self.venue.reading("order").await?;
        found.ok_or_else(|| Error::new(ErrorKind::NotFound))
    }

    /// Answers what was so when it was asked, however long it takes.
    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let begin: usize = from.map_or(0, |cursor| cursor.as_str().parse().unwrap());
        let (since, _) = query.range(self.context.clock().now());
        let is_asked = |order: &&Order| {
            let is_placed = order.created_at.is_none_or(|at| at >= since);
            is_placed && order.status.is_final() == (query.state == OrderState::Closed)
        };
        let (orders, page) = {
            let books = self.venue.books();
            let asked = books.orders.values().filter(is_asked).skip(begin);
            let orders: Vec<Order> = asked.take(books.page + 1).cloned().collect();
            (orders, books.page)
        };
        let name = match query.state {
            OrderState::Closed => "closed",
            _ => "open orders",
        };
        self.venue.reading(name).await?;
        let next = (orders.len() > page).then(|| Cursor::from_text((begin + page).to_string()));
        let orders = orders.into_iter().take(page).collect();
        Ok(Page {
            next,
            ..Page::whole(orders)
        })
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        let now = self.context.clock().now();
        let (since, until) = query.range(now);
        let begin: usize = from.map_or(0, |cursor| cursor.as_str().parse().unwrap());
        let (mut rows, page, cap) = {
            let books = self.venue.books();
            let readable = books.records.iter().filter(|(_, readable_at)| *readable_at <= now);
            // The end is inclusive, as at venues that count in whole seconds: a row of this very moment is told.
            let inside = |record: &&Record| {
                let instrument = match record {
                    Record::Fill(fill) => Some(&fill.instrument),
                    _ => None,
                };
                let is_asked = query.instrument.is_none() || instrument == query.instrument.as_ref();
                since <= record.booked_at() && record.booked_at() <= until && is_asked
            };
            let rows: Vec<Record> = readable.map(|(record, _)| record).filter(inside).cloned().collect();
            (rows, books.page, books.cap)
        };
        self.venue.reading("history").await?;
        rows.sort_by_key(Record::booked_at);
        if let Some(cap) = cap
            && rows.len() > cap
        {
            rows.truncate(cap);
            return Ok(Page {
                proof: Proof::Capped,
                ..Page::whole(rows)
            });
        }
        let rest = rows.split_off(begin.min(rows.len()));
        let next = (rest.len() > page).then(|| Cursor::from_text((begin + page).to_string()));
        let rows: Vec<Record> = rest.into_iter().take(page).collect();
        Ok(Page {
            next,
            proof: Proof::Contiguous,
            ..Page::whole(rows)
        })
    }

    fn trading(&self) -> Option<&dyn Trading> {
        None
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        self.has_quotes.then_some(self as &dyn MarketData)
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        None
    }
}

#[async_trait]
impl MarketData for ScriptedBroker {
    async fn quotes(&self, instruments: &[InstrumentId]) -> Result<Vec<Quote>> {
        let mut quotes = self.venue.books().quotes.clone();
        self.venue.reading("quotes").await?;
        quotes.retain(|quote| instruments.contains(&quote.instrument));
        Ok(quotes)
    }

    async fn candles(&self, _query: &CandleQuery, _from: Option<&Cursor>) -> Result<Page<Candle>> {
        Err(Error::unsupported("candles"))
    }

    async fn hours(&self, _instrument: &InstrumentId, _since: DateTime<Utc>, _until: DateTime<Utc>) -> Result<Hours> {
        Err(Error::unsupported("hours"))
    }
}
