//! The venue as a broker: the read side and market data.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::broker::{Cursor, Page, Probe, Proof};
use broker_core::capability::{
    Capabilities, ClientIdRule, ExitFacts, HistoryFacts, LevelKind, ListFacts, ListRows, LookupFacts, OrderFacts,
    TrailKind,
};
use broker_core::model::{Asset, AssetClass, Candle, CandleQuery, Environment, Group, Hours, OrderKind, OrderState};
use broker_core::{
    Account, AccountId, Balances, Broker, BrokerId, Context, Error, HistoryQuery, Instrument, InstrumentId,
    InstrumentQuery, MarketData, Order, OrderQuery, OrderRef, Position, Quote, Record, Result, Streaming, TimeInForce,
    Trading,
};
use chrono::{DateTime, Utc};

use crate::engine::Engine;
use crate::order::SimOrder;
use crate::reject::SimReject;
use crate::streaming::{Touched, Venue};

/// Rows of a page.
const PAGE: usize = 500;
const CURSOR_VERSION: u32 = 1;

/// The venue as a broker. A cheap handle: clones share the venue. Its time is the context's clock.
#[derive(Clone)]
pub struct SimBroker {
    inner: Arc<Inner>,
}

struct Inner {
    venue: Mutex<Venue>,
    context: Context,
    capabilities: Capabilities,
}

impl Debug for SimBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimBroker")
    }
}

impl SimBroker {
    /// A broker over a venue.
    pub fn new(engine: Engine, context: Context) -> Self {
        Self {
            inner: Arc::new(Inner {
                venue: Mutex::new(Venue::new(engine)),
                context,
                capabilities: capabilities(),
            }),
        }
    }

    /// Does something with the venue itself, at the time of the clock: sets a quote, pays a dividend. What it tells
    /// goes to the [streams](Streaming) when the work is done; events that the work itself takes do not.
    pub fn with_engine<T>(&self, work: impl FnOnce(&mut Engine, DateTime<Utc>) -> T) -> T {
        let now = self.now();
        work(&mut self.touch(), now)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.inner.context.clock().now()
    }

    /// The venue as it stands.
    pub(crate) fn touch(&self) -> Touched<'_> {
        Touched::new(&self.inner.venue)
    }

    /// The venue, moved to the time of the clock.
    pub(crate) fn engine(&self) -> Touched<'_> {
        let mut engine = self.touch();
        engine.advance(self.now());
        engine
    }

    pub(crate) fn find<'a>(engine: &'a Engine, order: &OrderRef) -> Result<&'a SimOrder> {
        match (&order.id, &order.client_id) {
            (Some(id), _) => engine.order(&order.account, id).map_err(refused("order")),
            (None, Some(id)) => engine.order_by_client_id(&order.account, id).map_err(refused("order")),
            (None, None) => Err(Error::invalid("an order needs its id or our id")),
        }
    }
}

/// Turns a refusal into an error that names the broker and the call.
pub(crate) fn refused(operation: &'static str) -> impl Fn(SimReject) -> Error {
    move |reject| {
        Error::from(reject)
            .with_broker(BrokerId::from("sim"))
            .with_operation(operation)
    }
}

/// Pages of a list. None overlaps another.
fn pages(rows: ListRows) -> ListFacts {
    ListFacts {
        page_size: u32::try_from(PAGE).ok(),
        ..ListFacts::whole(rows, ("sim", 1))
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        environments: vec![Environment::Paper],
        asset_classes: vec![
            AssetClass::Stock,
            AssetClass::Etf,
            AssetClass::Option,
            AssetClass::Crypto,
            AssetClass::Forex,
            AssetClass::Metal,
            AssetClass::Future,
        ],
        orders: OrderFacts {
            kinds: vec![
                OrderKind::Market,
                OrderKind::Limit,
                OrderKind::Stop,
                OrderKind::StopLimit,
                OrderKind::MarketIfTouched,
                OrderKind::LimitIfTouched,
                OrderKind::TrailingStop,
            ],
            groups: vec![Group::Bracket, Group::Oco, Group::Oto],
            exits: ExitFacts {
                kinds: vec![
                    OrderKind::Limit,
                    OrderKind::Stop,
                    OrderKind::StopLimit,
                    OrderKind::TrailingStop,
                ],
                levels: vec![LevelKind::Price, LevelKind::Distance],
            },
            trails: vec![TrailKind::Amount, TrailKind::Percent],
            times_in_force: vec![
                TimeInForce::Day,
                TimeInForce::Gtc,
                TimeInForce::Gtd,
                TimeInForce::Ioc,
                TimeInForce::Fok,
                TimeInForce::AtOpen,
                TimeInForce::AtClose,
            ],
            kind_times: Vec::new(),
            fractional_qty: true,
            notional: true,
            extended_hours: true,
            replace: true,
            client_id: Some(ClientIdRule {
                longest: 128,
                extra: "._-",
            }),
            resend_is_safe: true,
            latest_arrival: Some(Duration::ZERO),
            visibility_lag: Duration::ZERO,
            one_at_a_time: false,
            reduce_only: true,
            refused_when_closed: vec![AssetClass::Option],
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: false,
            settles_within: Duration::from_secs(2 * 86_400),
            positions_cover_fills: true,
            states_pnl: false,
            lists: vec![pages(ListRows::Records)],
            orders: Some(pages(ListRows::Orders)),
            lookups: vec![LookupFacts {
                classes: Vec::new(),
                per_request: None,
                whole_list: None,
                cost: ("sim", 1),
            }],
            read_cost: ("sim", 1),
        },
        limits: Vec::new(),
    }
}

/// One page of a list that only grows, from the row that a cursor names.
fn page<R, T>(rows: impl Iterator<Item = (usize, R)>, keep: impl Fn(&R) -> Option<T>) -> Result<Page<T>> {
    let mut out = Vec::new();
    let mut next = None;
    for (place, row) in rows {
        let Some(row) = keep(&row) else { continue };
        if out.len() == PAGE {
            next = Some(Cursor::encode(CURSOR_VERSION, &place)?);
            break;
        }
        out.push(row);
    }
    Ok(Page {
        proof: Proof::Contiguous,
        next,
        ..Page::whole(out)
    })
}

fn place_of(cursor: Option<&Cursor>) -> Result<usize> {
    cursor.map_or(Ok(0), |cursor| cursor.decode(CURSOR_VERSION))
}

#[async_trait]
impl Broker for SimBroker {
    fn id(&self) -> BrokerId {
        BrokerId::from("sim")
    }

    fn environment(&self) -> Environment {
        Environment::Paper
    }

    fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    fn context(&self) -> &Context {
        &self.inner.context
    }

    fn handle(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    async fn probe(&self) -> Result<Probe> {
        let now = self.now();
        Ok(Probe {
            environment: Environment::Paper,
            server_time: Some(self.engine().now()),
            local_time: now,
            round_trip: Duration::ZERO,
        })
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        Ok(self.engine().accounts())
    }

    async fn balances(&self, account: &AccountId) -> Result<Balances> {
        self.engine().balances(account).map_err(refused("balances"))
    }

    async fn positions(&self, account: &AccountId) -> Result<Vec<Position>> {
        self.engine().positions(account).map_err(refused("positions"))
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        let engine = self.engine();
        let keep = |wanted: &dyn Fn(&Instrument) -> bool| engine.instruments().filter(|i| wanted(i)).cloned().collect();
        Ok(match query {
            InstrumentQuery::Ids(ids) => keep(&|i| ids.contains(&i.id)),
            InstrumentQuery::Symbols(symbols) => keep(&|i| symbols.contains(&i.symbol)),
            InstrumentQuery::Text(text) => {
                let text = text.to_lowercase();
                let has = |name: &str| name.to_lowercase().contains(&text);
                keep(&|i| has(i.symbol.get()) || i.name.as_deref().is_some_and(has))
            }
            InstrumentQuery::All => keep(&|i| i.expires_at.is_none_or(|at| at > engine.now())),
            // The query is open to ways of asking that this venue does not know.
            _ => return Err(Error::unsupported("this way of asking for instruments")),
        })
    }

    async fn order(&self, order: &OrderRef) -> Result<Order> {
        let engine = self.engine();
        Self::find(&engine, order).map(|order| order.order().clone())
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        let first = place_of(from)?;
        let engine = self.engine();
        let (since, until) = query.range(self.now());
        let rows = engine.orders(&query.account).map_err(refused("orders"))?;
        page(rows.enumerate().skip(first), |order: &&SimOrder| {
            let order = order.order();
            let at = order.created_at?;
            let state = match query.state {
                OrderState::Open => !order.status.is_final(),
                OrderState::Closed => order.status.is_final(),
                OrderState::All => true,
            };
            let instrument = query
                .instrument
                .as_ref()
                .is_none_or(|wanted| order.legs.iter().any(|leg| leg.instrument == *wanted));
            // Without an end the window reaches to now, orders of this very moment included.
            let in_window = at >= since && (at < until || until >= engine.now());
            (state && instrument && in_window).then(|| order.clone())
        })
    }

    /// The venue keeps records, not text: `raw` is always empty.
    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        let first = place_of(from)?;
        let engine = self.engine();
        let (since, until) = query.range(self.now());
        let log = engine.log(&query.account).map_err(refused("history"))?;
        let mut page = page(log.iter().enumerate().skip(first), |entry| {
            let instrument = query
                .instrument
                .as_ref()
                .is_none_or(|wanted| concerns(&entry.record, wanted));
            (instrument && entry.booked_at >= since && entry.booked_at < until).then(|| entry.record.clone())
        })?;
        // The log is in the order of booking: a fee of yesterday stands behind the fills of this morning.
        page.rows.sort_by_key(Record::at);
        Ok(page)
    }

    fn trading(&self) -> Option<&dyn Trading> {
        Some(self)
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        Some(self)
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        Some(self)
    }
}

/// Whether a record moves or is about an instrument. A void names only its fill, and so may concern any.
fn concerns(record: &Record, instrument: &InstrumentId) -> bool {
    let is_of = |asset: &Asset| matches!(asset, Asset::Instrument { id, .. } if id == instrument);
    match record {
        Record::Fill(fill) => fill.instrument == *instrument,
        Record::Void(_) => true,
        Record::Fee(fee) => is_of(&fee.asset) || fee.instrument.as_ref() == Some(instrument),
        Record::Flow(flow) => is_of(&flow.asset) || flow.instrument.as_ref() == Some(instrument),
    }
}

#[async_trait]
impl MarketData for SimBroker {
    async fn quotes(&self, instruments: &[InstrumentId]) -> Result<Vec<Quote>> {
        let engine = self.engine();
        Ok(instruments.iter().filter_map(|id| engine.quote(id)).collect())
    }

    async fn candles(&self, query: &CandleQuery, from: Option<&Cursor>) -> Result<Page<Candle>> {
        let first = place_of(from)?;
        let candles = self
            .engine()
            .candles(&query.instrument, query.interval, query.since, query.until)
            .ok_or_else(|| unknown(&query.instrument, "candles"))?;
        page(candles.into_iter().enumerate().skip(first), |candle| {
            Some(candle.clone())
        })
    }

    async fn hours(&self, instrument: &InstrumentId, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Hours> {
        self.engine()
            .hours(instrument, since, until)
            .ok_or_else(|| unknown(instrument, "hours"))
    }
}

fn unknown(instrument: &InstrumentId, operation: &'static str) -> Error {
    refused(operation)(SimReject::UnknownSymbol {
        symbol: instrument.to_string(),
    })
}
