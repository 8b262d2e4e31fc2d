//! A broker in a few hundred lines, honest or with one flaw.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::capability::{ClientIdRule, ExitFacts, HistoryFacts, ListFacts, ListRows, OrderFacts};
use broker_core::model::{
    Access, AccountStatus, Amount, AssetClass, Balance, Candle, CandleQuery, Environment, Grade, Hours,
    InstrumentStatus, OrderKind, OrderLeg, OrderLinks, OrderState, Payoff, PositionLeg, PositionMode, Session,
    TickBand,
};
use broker_core::seam::{Carrier, OpenRequest, Request, SeededRng, Transport, VirtualRuntime};
use broker_core::*;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// What is wrong with the toy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    AccountTwice,
    AnyAccount,
    AnyCursor,
    AnyOrder,
    CandleAtEnd,
    ClosedAmongOpen,
    EndInclusive,
    EveryInstrument,
    FlatPosition,
    Forgetful,
    MadeUpQuote,
    NewestFirst,
    StartExclusive,
    WrongEnvironment,
}

#[derive(Debug, Clone)]
pub(crate) struct Toy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    context: Context,
    capabilities: Capabilities,
    records: Vec<Record>,
    orders: Vec<Order>,
    page_size: usize,
    flaw: Flaw,
    reads: AtomicU64,
    /// Each so many reads of history fail; 0 for never.
    fails_each: u64,
}

/// No wire: a toy needs none.
#[derive(Debug)]
struct NoWire;

#[async_trait]
impl Transport for NoWire {
    async fn send(&self, _: Request) -> Result<seam::Answer> {
        Err(Error::unsupported("a toy has no wire"))
    }

    async fn open(&self, _: OpenRequest) -> Result<Box<dyn Carrier>> {
        Err(Error::unsupported("a toy has no wire"))
    }
}

pub(crate) fn account() -> AccountId {
    "TOY-1".into()
}

pub(crate) fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_767_225_600_000 + millis).unwrap()
}

pub(crate) fn fill(number: u32, millis: i64) -> Fill {
    let symbol = if number.is_multiple_of(3) { "BBB" } else { "AAA" };
    Fill {
        id: format!("f{number:05}").into(),
        account: account(),
        instrument: symbol.into(),
        symbol: symbol.into(),
        leg: PositionLeg::Net,
        order: Some("o-1".into()),
        client_order: None,
        side: if number.is_multiple_of(2) {
            Side::Buy
        } else {
            Side::Sell
        },
        qty: "1.5".parse().unwrap(),
        price: Price::new(Decimal::from(number)),
        at: at(millis),
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    }
}

fn order(number: u32, status: OrderStatus) -> Order {
    Order {
        id: format!("o-{number}").into(),
        client_id: Some(format!("mine-{number}").as_str().into()),
        account: account(),
        legs: vec![OrderLeg {
            instrument: "AAA".into(),
            symbol: "AAA".into(),
            side: Side::Buy,
            ratio: Decimal::ONE,
            effect: None,
            position: PositionLeg::Net,
            filled_qty: Qty::ZERO,
            average_price: None,
        }],
        kind: OrderKind::Market,
        amount: Amount::Qty("10".parse().unwrap()),
        filled_qty: Qty::ZERO,
        average_price: None,
        limit_price: None,
        stop_price: None,
        trail: None,
        time_in_force: None,
        expires_at: None,
        extended_hours: false,
        reduce_only: false,
        status,
        reason: None,
        links: OrderLinks::default(),
        created_at: Some(at(i64::from(number) * 1000)),
        updated_at: None,
    }
}

fn capabilities() -> Capabilities {
    Capabilities {
        environments: vec![Environment::Paper],
        asset_classes: vec![AssetClass::Stock],
        orders: OrderFacts {
            kinds: Vec::new(),
            groups: Vec::new(),
            exits: ExitFacts::default(),
            trails: Vec::new(),
            times_in_force: Vec::new(),
            kind_times: Vec::new(),
            fractional_qty: true,
            notional: false,
            extended_hours: false,
            replace: false,
            client_id: Some(ClientIdRule {
                longest: 20,
                extra: "-",
            }),
            resend_is_safe: false,
            latest_arrival: None,
            visibility_lag: Duration::ZERO,
            one_at_a_time: false,
            reduce_only: false,
            refused_when_closed: Vec::new(),
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: false,
            settles_within: Duration::ZERO,
            positions_cover_fills: false,
            states_pnl: false,
            lists: vec![ListFacts::whole(ListRows::Records, ("toy", 1))],
            orders: Some(ListFacts::whole(ListRows::Orders, ("toy", 1))),
            lookups: Vec::new(),
            read_cost: ("toy", 1),
        },
        limits: Vec::new(),
    }
}

impl Toy {
    pub(crate) fn new(
        runtime: &VirtualRuntime,
        flaw: Flaw,
        fills: Vec<Fill>,
        page_size: usize,
        fails_each: u64,
    ) -> Self {
        let clock = Arc::new(runtime.clock());
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(NoWire));
        let states = [
            OrderStatus::Filled,
            OrderStatus::Canceled,
            OrderStatus::New,
            OrderStatus::Held,
        ];
        let orders = (1..).zip(states).map(|(number, status)| order(number, status));
        Self(Arc::new(Inner {
            context,
            capabilities: capabilities(),
            records: fills.into_iter().map(Record::Fill).collect(),
            orders: orders.collect(),
            page_size,
            flaw,
            reads: AtomicU64::new(0),
            fails_each,
        }))
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.0.flaw == flaw
    }

    fn knows(&self, id: &AccountId) -> Result<()> {
        if *id == account() || self.has(Flaw::AnyAccount) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound).with_message("no such account"))
    }

    /// A page of these rows, from an offset in the cursor.
    fn page<T: Clone>(&self, all: &[T], from: Option<&Cursor>) -> Result<Page<T>> {
        let start: usize = match from.map(|cursor| cursor.decode(1)) {
            None => 0,
            Some(Err(_)) if self.has(Flaw::AnyCursor) => 0,
            Some(offset) => offset?,
        };
        let end = (start + self.0.page_size).min(all.len());
        let mut rows = all.get(start..end).unwrap_or_default().to_vec();
        if self.has(Flaw::NewestFirst) {
            rows.reverse();
        }
        let next = (end < all.len()).then(|| Cursor::encode(1, &end)).transpose()?;
        Ok(Page {
            next,
            ..Page::whole(rows)
        })
    }

    fn is_within(&self, time: DateTime<Utc>, since: DateTime<Utc>, until: DateTime<Utc>) -> bool {
        (since < time && time < until)
            || (time == since && since < until && !self.has(Flaw::StartExclusive))
            || (time == until && self.has(Flaw::EndInclusive))
    }
}

fn instrument(symbol: &str) -> Instrument {
    Instrument {
        id: symbol.into(),
        symbol: symbol.into(),
        name: None,
        asset_class: AssetClass::Stock,
        exchange: None,
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Cash,
        multiplier: Some(Decimal::ONE),
        ticks: vec![TickBand {
            from: "0".parse().unwrap(),
            tick: "0.01".parse().unwrap(),
        }],
        lot: Some(Decimal::ONE),
        min_qty: None,
        max_qty: None,
        min_notional: None,
        pip_location: None,
        expires_at: None,
        option: None,
        margin: None,
        status: InstrumentStatus::Tradable,
        shortable: None,
    }
}

#[async_trait]
impl Broker for Toy {
    fn id(&self) -> BrokerId {
        "toy".into()
    }

    fn environment(&self) -> Environment {
        Environment::Paper
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    fn context(&self) -> &Context {
        &self.0.context
    }

    fn handle(&self) -> Arc<dyn Broker> {
        Arc::new(self.clone())
    }

    async fn probe(&self) -> Result<Probe> {
        Ok(Probe {
            environment: if self.has(Flaw::WrongEnvironment) {
                Environment::Live
            } else {
                Environment::Paper
            },
            server_time: None,
            local_time: self.0.context.clock().now(),
            round_trip: Duration::ZERO,
        })
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        let one = Account {
            id: account(),
            broker: self.id(),
            environment: Environment::Paper,
            name: None,
            currency: Currency::USD,
            status: AccountStatus::Active,
            position_mode: PositionMode::Netting,
            access: Access::default(),
            opened_at: None,
        };
        Ok(vec![one; if self.has(Flaw::AccountTwice) { 2 } else { 1 }])
    }

    async fn balances(&self, id: &AccountId) -> Result<Balances> {
        self.knows(id)?;
        Ok(Balances {
            account: id.clone(),
            balances: vec![Balance {
                currency: Currency::USD,
                total: Decimal::TEN,
                available: None,
                held: None,
                parts: Vec::new(),
            }],
            equity: None,
            buying_power: None,
            margin_used: None,
            margin_available: None,
            initial_margin: None,
            maintenance_margin: None,
            unrealized_pnl: None,
            realized_pnl: None,
            accrued_fees: None,
            at: None,
        })
    }

    async fn positions(&self, id: &AccountId) -> Result<Vec<Position>> {
        self.knows(id)?;
        Ok(vec![Position {
            account: id.clone(),
            instrument: "AAA".into(),
            symbol: "AAA".into(),
            leg: PositionLeg::Net,
            side: Side::Buy,
            qty: if self.has(Flaw::FlatPosition) {
                Qty::ZERO
            } else {
                "3".parse()?
            },
            available: None,
            average_price: None,
            mark_price: None,
            market_value: None,
            cost_basis: None,
            unrealized_pnl: None,
            realized_pnl: None,
            at: None,
        }])
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        let all = ["AAA", "BBB"].map(instrument);
        let wanted = |instrument: &Instrument| match query {
            InstrumentQuery::Ids(ids) => ids.contains(&instrument.id),
            InstrumentQuery::Symbols(symbols) => symbols.contains(&instrument.symbol),
            InstrumentQuery::Text(text) => instrument.symbol.get().contains(text.as_str()),
            _ => true,
        };
        Ok(all.into_iter().filter(wanted).collect())
    }

    async fn order(&self, wanted: &OrderRef) -> Result<Order> {
        let is = |order: &&Order| match &wanted.id {
            Some(id) => order.id == *id,
            None => order.client_id == wanted.client_id,
        };
        let found = self.0.orders.iter().find(is);
        let found = found.or(self.0.orders.first().filter(|_| self.has(Flaw::AnyOrder)));
        found.cloned().ok_or_else(|| Error::new(ErrorKind::NotFound))
    }

    async fn orders(&self, query: &OrderQuery, from: Option<&Cursor>) -> Result<Page<Order>> {
        self.knows(&query.account)?;
        let (since, until) = query.range(self.0.context.clock().now());
        let wanted = |order: &&Order| {
            let state = match query.state {
                OrderState::Open => !order.status.is_final() || self.has(Flaw::ClosedAmongOpen),
                OrderState::Closed => order.status.is_final(),
                OrderState::All => true,
            };
            state && order.created_at.is_some_and(|at| self.is_within(at, since, until))
        };
        let all: Vec<_> = self.0.orders.iter().filter(wanted).cloned().collect();
        self.page(&all, from)
    }

    async fn history(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        self.knows(&query.account)?;
        let reads = self.0.reads.fetch_add(1, Ordering::Relaxed) + 1;
        if self.0.fails_each > 0 && reads.is_multiple_of(self.0.fails_each) {
            return Err(Error::new(ErrorKind::Unavailable));
        }
        let (since, until) = query.range(self.0.context.clock().now());
        let of_instrument = |record: &Record| match (&query.instrument, record) {
            (Some(wanted), Record::Fill(fill)) => fill.instrument == *wanted || self.has(Flaw::EveryInstrument),
            _ => true,
        };
        let wanted = |record: &&Record| self.is_within(record.at(), since, until) && of_instrument(record);
        let mut all: Vec<_> = self.0.records.iter().filter(wanted).cloned().collect();
        if self.has(Flaw::Forgetful) && reads.is_multiple_of(2) {
            all.pop();
        }
        self.page(&all, from)
    }

    fn trading(&self) -> Option<&dyn Trading> {
        None
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        Some(self)
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        None
    }
}

#[async_trait]
impl MarketData for Toy {
    async fn quotes(&self, instruments: &[InstrumentId]) -> Result<Vec<Quote>> {
        let known = |id: &&InstrumentId| matches!(id.get(), "AAA" | "BBB") || self.has(Flaw::MadeUpQuote);
        let quote = |id: &InstrumentId| Quote {
            instrument: id.clone(),
            symbol: id.get().into(),
            bid: None,
            bid_size: None,
            ask: None,
            ask_size: None,
            at: None,
        };
        Ok(instruments.iter().filter(known).map(quote).collect())
    }

    async fn candles(&self, query: &CandleQuery, from: Option<&Cursor>) -> Result<Page<Candle>> {
        let price = |text: &str| text.parse::<Price>();
        let (open, high, low, close) = (price("10")?, price("12")?, price("9")?, price("11")?);
        let candle = |minute: i64| Candle {
            instrument: query.instrument.clone(),
            start: at(minute * 60_000),
            open,
            high,
            low,
            close,
            volume: None,
            complete: true,
        };
        let within = |candle: &Candle| {
            (query.since..query.until).contains(&candle.start)
                || (self.has(Flaw::CandleAtEnd) && candle.start == query.until)
        };
        let all: Vec<_> = (0..10).map(candle).filter(within).collect();
        self.page(&all, from)
    }

    async fn hours(&self, _: &InstrumentId, since: DateTime<Utc>, until: DateTime<Utc>) -> Result<Hours> {
        let session = Session {
            opens_at: since,
            closes_at: until,
            extended: false,
        };
        Ok(Hours::Sessions(vec![session]))
    }
}
