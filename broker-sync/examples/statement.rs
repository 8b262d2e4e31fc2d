//! Syncs a broker's statement, a text of fills and positions, into a store, and prints the certificate and the PnL.
//!
//! Shows the smallest broker that can be synced, too: a reader of text.
//!
//! ```text
//! cargo run -p broker-sync --example statement
//! ```
#![allow(clippy::print_stdout, reason = "an example talks to people")]

use std::sync::Arc;

use async_trait::async_trait;
use broker_core::capability::{Capabilities, ExitFacts, HistoryFacts, ListFacts, ListRows, OrderFacts};
use broker_core::model::{
    Access, Account, AccountStatus, AssetClass, Balances, Environment, Fill, Grade, HistoryQuery, Instrument,
    InstrumentStatus, OrderQuery, OrderRef, Payoff, Position, PositionLeg, PositionMode, Record,
};
use broker_core::num::decimal;
use broker_core::pnl::TradeBook;
use broker_core::seam::{Answer, Carrier, OpenRequest, Request, SeededRng, Transport, VirtualRuntime};
use broker_core::{
    AccountId, Broker, BrokerId, Context, Currency, Cursor, Error, InstrumentQuery, MarketData, Money, Order, Page,
    Probe, Qty, Result, Side, Streaming, Symbol, Trading,
};
use broker_sync::{MemoryStore, Store, StoreExt, Syncer, summary};
use chrono::{DateTime, Duration, Utc};

/// Fills: time, id, side, symbol, quantity, price, fee. Positions: what was held at the end.
const STATEMENT: &str = "\
fill,2026-01-02T14:30:00Z,1001,buy,AAPL,10,189.50,0.35
fill,2026-01-02T19:55:10.123Z,1002,sell,AAPL,10,191.25,0.36
fill,2026-01-05T15:01:00Z,1003,sell,MSFT,5,402.10,0.35
fill,2026-01-06T15:02:00Z,1004,buy,MSFT,5,405.60,0.35
fill,2026-01-07T16:00:00Z,1005,buy,AAPL,3,190.00,0.35
position,AAPL,3";

fn main() -> Result<()> {
    let runtime = VirtualRuntime::starting_at("2026-01-10T00:00:00Z".parse().unwrap_or_default());
    let broker: Arc<dyn Broker> = Arc::new(Statement::new(&runtime));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let syncer = Syncer::new(Arc::clone(&broker), Arc::clone(&store)).with_everything();
    runtime.block_on(async {
        for account in broker.accounts().await? {
            println!("{}\n", syncer.sync(&account.id).await?);
            let history = store.history(&broker_sync::Scope::of(&account)).await?;
            let books = TradeBook::fifo().fold(&history)?;
            for row in summary::by_symbol(&books)? {
                let net: Vec<String> = row.summary.net()?.iter().map(Money::to_string).collect();
                let (closed, open) = (row.summary.trades, row.summary.open);
                println!("{:<6} {closed} closed, {open} open, net {}", row.symbol, net.join(" "));
            }
        }
        Ok(())
    })
}

/// A broker that is a text: everything on one page.
#[derive(Debug, Clone)]
struct Statement {
    context: Context,
    capabilities: Arc<Capabilities>,
}

impl Statement {
    fn new(runtime: &VirtualRuntime) -> Self {
        let clock = Arc::new(runtime.clock());
        Self {
            context: Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(NoWire)),
            capabilities: Arc::new(capabilities()),
        }
    }

    fn account() -> AccountId {
        AccountId::from("STATEMENT-0001")
    }
}

fn fill(line: &str) -> Option<Result<Fill>> {
    let [at, id, side, symbol, qty, price, fee] = line
        .strip_prefix("fill,")?
        .split(',')
        .collect::<Vec<_>>()
        .try_into()
        .ok()?;
    let read = || {
        Ok(Fill {
            id: id.into(),
            account: Statement::account(),
            instrument: symbol.into(),
            symbol: symbol.into(),
            leg: PositionLeg::Net,
            order: None,
            client_order: None,
            side: if side == "buy" { Side::Buy } else { Side::Sell },
            qty: qty.parse()?,
            price: price.parse()?,
            at: at.parse().map_err(|error| Error::decode("a time").with_source(error))?,
            version: 0,
            grade: Grade::Booked,
            fees: vec![Money::new(decimal(fee)?, Currency::USD)],
            liquidity: None,
            effect: None,
            pnl: None,
            conversion: None,
            lots: Vec::new(),
        })
    };
    Some(read())
}

fn position(line: &str) -> Option<Result<Position>> {
    let (symbol, qty) = line.strip_prefix("position,")?.split_once(',')?;
    let read = || {
        let (side, qty) = Qty::from_signed(decimal(qty)?);
        Ok(Position {
            account: Statement::account(),
            instrument: symbol.into(),
            symbol: Symbol::from(symbol),
            leg: PositionLeg::Net,
            side,
            qty,
            available: None,
            average_price: None,
            mark_price: None,
            market_value: None,
            cost_basis: None,
            unrealized_pnl: None,
            realized_pnl: None,
            at: None,
        })
    };
    Some(read())
}

#[async_trait]
impl Broker for Statement {
    fn id(&self) -> BrokerId {
        BrokerId::from("statement")
    }

    fn environment(&self) -> Environment {
        Environment::Live
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
        Err(Error::unsupported("a text has no clock"))
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        let opened_at: DateTime<Utc> = self.context.clock().now() - Duration::days(10);
        Ok(vec![Account {
            id: Self::account(),
            broker: self.id(),
            environment: self.environment(),
            name: None,
            currency: Currency::USD,
            status: AccountStatus::Active,
            position_mode: PositionMode::Netting,
            access: Access::default(),
            opened_at: Some(opened_at),
        }])
    }

    async fn balances(&self, _: &AccountId) -> Result<Balances> {
        Err(Error::unsupported("the statement has no balances"))
    }

    async fn positions(&self, _: &AccountId) -> Result<Vec<Position>> {
        STATEMENT.lines().filter_map(position).collect()
    }

    async fn instruments(&self, query: &InstrumentQuery) -> Result<Vec<Instrument>> {
        let InstrumentQuery::Ids(ids) = query else {
            return Err(Error::unsupported("instruments by anything but their key"));
        };
        Ok(ids.iter().map(share).collect())
    }

    async fn order(&self, _: &OrderRef) -> Result<Order> {
        Err(Error::unsupported("the statement has no orders"))
    }

    async fn orders(&self, _: &OrderQuery, _: Option<&Cursor>) -> Result<Page<Order>> {
        Err(Error::unsupported("the statement has no orders"))
    }

    async fn history(&self, query: &HistoryQuery, _: Option<&Cursor>) -> Result<Page<Record>> {
        let (since, until) = query.range(self.context.clock().now());
        let fills: Vec<Fill> = STATEMENT.lines().filter_map(fill).collect::<Result<_>>()?;
        let asked = fills.into_iter().filter(|fill| since <= fill.at && fill.at < until);
        Ok(Page::whole(asked.map(Record::Fill).collect()))
    }

    fn trading(&self) -> Option<&dyn Trading> {
        None
    }

    fn market_data(&self) -> Option<&dyn MarketData> {
        None
    }

    fn streaming(&self) -> Option<&dyn Streaming> {
        None
    }
}

fn share(id: &broker_core::InstrumentId) -> Instrument {
    Instrument {
        id: id.clone(),
        symbol: id.get().into(),
        name: None,
        asset_class: AssetClass::Stock,
        exchange: None,
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Cash,
        multiplier: Some(1.into()),
        ticks: Vec::new(),
        lot: None,
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

fn capabilities() -> Capabilities {
    Capabilities {
        environments: vec![Environment::Live],
        asset_classes: vec![AssetClass::Stock],
        orders: OrderFacts {
            kinds: Vec::new(),
            groups: Vec::new(),
            exits: ExitFacts::default(),
            trails: Vec::new(),
            times_in_force: Vec::new(),
            kind_times: Vec::new(),
            fractional_qty: false,
            notional: false,
            extended_hours: false,
            replace: false,
            client_id: None,
            resend_is_safe: false,
            latest_arrival: None,
            visibility_lag: std::time::Duration::ZERO,
            one_at_a_time: false,
            reduce_only: false,
            refused_when_closed: Vec::new(),
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: false,
            settles_within: std::time::Duration::ZERO,
            positions_cover_fills: true,
            states_pnl: false,
            lists: vec![ListFacts::whole(ListRows::Records, ("none", 0))],
            orders: None,
            lookups: Vec::new(),
            read_cost: ("none", 0),
        },
        limits: Vec::new(),
    }
}

#[derive(Debug)]
struct NoWire;

#[async_trait]
impl Transport for NoWire {
    async fn send(&self, _: Request) -> Result<Answer> {
        Err(Error::unsupported("a text needs no wire"))
    }

    async fn open(&self, _: OpenRequest) -> Result<Box<dyn Carrier>> {
        Err(Error::unsupported("a text needs no wire"))
    }
}
