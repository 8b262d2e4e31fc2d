//! Orders through the wire venue, in memory and in virtual time; each exchange is checked against Alpaca's published
//! document, where there is one.

use std::sync::Arc;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{Amount, Environment, Group, Level, OrderChange, OrderKind, StopExit, Trail};
use broker_core::seam::{SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, BrokerExt, ClientOrderId, Context, Delivery, ErrorKind, Gate, Instrument, InstrumentQuery,
    Intent, Order, OrderQuery, OrderRef, OrderRequest, OrderStatus, Side, Symbol, TimeInForce,
};
use broker_sim::wire::{FaultPlan, Faults, MemoryTransport, Recorder, share};
use broker_testkit::openapi::{Exchanges, Watched};

use super::trading;
use crate::common::{at, dec, price, qty};
use crate::documents::documents;

/// Friday, ten in the morning in New York.
const OPEN: &str = "2026-11-20T15:00:00Z";

pub(crate) struct Stage {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) broker: AlpacaBroker,
    pub(crate) account: AccountId,
    pub(crate) recorder: Recorder,
    exchanges: Exchanges,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(FaultPlan::none())
    }

    pub(crate) fn with(plan: FaultPlan) -> Self {
        let venue = AlpacaVenue::builder().starts_at(at(OPEN)).trading_limits(Vec::new());
        let venue = venue.build().unwrap();
        let account = venue.account_id();
        let exchanges = documents();
        let venue = Watched::among(venue, &exchanges);
        let runtime = VirtualRuntime::starting_at(at(OPEN));
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(1));
        let recorder = Recorder::new();
        let transport = MemoryTransport::new(share(venue), clock.clone(), rng.clone(), clock.clone())
            .with_recorder(recorder.clone())
            .with_faults(Faults::new(plan));
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_context(context);
        Self {
            runtime,
            broker: AlpacaBroker::new(config).unwrap(),
            account,
            recorder,
            exchanges,
        }
    }

    fn assert_as_documented(&self) {
        self.exchanges.assert_clean();
        assert!(self.exchanges.count() > 0);
    }

    async fn instrument(&self, symbol: &Symbol) -> Instrument {
        let query = InstrumentQuery::Symbols(vec![symbol.clone()]);
        self.broker.instruments(&query).await.unwrap().remove(0)
    }

    pub(crate) async fn intent(&self, id: &str, request: OrderRequest) -> Intent {
        let broker_core::model::InstrumentRef::Symbol(symbol) = &request.instrument else {
            panic!("by symbol")
        };
        let instrument = self.instrument(&symbol.clone()).await;
        Intent {
            id: ClientOrderId::from(id),
            broker: self.broker.id(),
            environment: Environment::Paper,
            account: self.account.clone(),
            request: request.with_instrument(instrument.id.clone()),
            instrument: Arc::new(instrument),
            replaces: None,
            created_at: at(OPEN),
            mark: None,
        }
    }

    /// Places an order and finds it again in each way there is.
    pub(crate) async fn place(&self, id: &str, request: OrderRequest) -> Order {
        let intent = self.intent(id, request).await;
        let trading = trading(&self.broker);
        assert_eq!(trading.trace(&intent).await.unwrap(), []);
        assert_eq!(trading.mark(&self.account).await.unwrap(), None);
        let placed = trading.place(&intent, &Gate::new()).await.unwrap();
        assert_eq!(placed.client_id.as_ref(), Some(&intent.id));
        assert_eq!(placed.status, OrderStatus::PendingNew);
        let read = self.read(&placed).await;
        let traced = trading.trace(&intent).await.unwrap();
        assert_eq!(traced, std::slice::from_ref(&read), "{id}");
        let by_ours = OrderRef::by_client_id(&self.account, intent.id.clone());
        assert_eq!(self.broker.order(&by_ours).await.unwrap(), read);
        read
    }

    pub(crate) async fn read(&self, order: &Order) -> Order {
        self.broker
            .order(&OrderRef::by_id(&self.account, order.id.clone()))
            .await
            .unwrap()
    }

    async fn replace(&self, order: &Order, id: &str, change: &OrderChange) -> broker_core::Result<Order> {
        let symbol = order.legs[0].symbol.clone();
        let mut intent = self.intent(id, OrderRequest::market(symbol, Side::Buy, qty("1"))).await;
        intent.replaces = Some(broker_core::journal::Replacement {
            order: order.reference(),
            change: change.clone(),
        });
        let trading = trading(&self.broker);
        let new = trading
            .replace(&order.reference(), change, &intent, &Gate::new())
            .await?;
        assert_eq!(new.links.replaces.as_ref(), Some(&order.id));
        let old = self.read(order).await;
        assert_eq!(
            (&old.status, old.links.replaced_by.as_ref()),
            (&OrderStatus::Replaced, Some(&new.id))
        );
        let read = self.read(&new).await;
        assert_eq!(trading.trace(&intent).await.unwrap(), std::slice::from_ref(&read));
        Ok(read)
    }

    async fn cancel(&self, order: &Order) {
        trading(&self.broker).cancel(&order.reference()).await.unwrap();
        assert_eq!(self.read(order).await.status, OrderStatus::Canceled);
    }
}

pub(crate) fn limit(symbol: &str, side: Side, size: &str, at: &str) -> OrderRequest {
    OrderRequest::limit(symbol.into(), side, qty(size), price(at))
}

#[test]
fn each_kind_is_placed_read_traced_replaced_and_canceled() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let order = stage
            .place("market", OrderRequest::market("AAPL".into(), Side::Buy, qty("10")))
            .await;
        assert_eq!((order.status, order.filled_qty), (OrderStatus::Filled, qty("10")));
        assert_eq!(order.time_in_force, Some(TimeInForce::Day));

        let order = stage.place("limit", limit("AAPL", Side::Buy, "10", "150.00")).await;
        assert_eq!(
            (&order.kind, order.limit_price),
            (&OrderKind::Limit, Some(price("150")))
        );
        let change = OrderChange::new().with_qty(qty("12")).with_limit_price(price("151.50"));
        let new = stage.replace(&order, "limit-2", &change).await.unwrap();
        assert_eq!(
            (new.amount, new.limit_price),
            (Amount::Qty(qty("12")), Some(price("151.5")))
        );
        stage.cancel(&new).await;

        let stop = OrderRequest::stop("AAPL".into(), Side::Buy, qty("1"), price("250"));
        let order = stage.place("stop", stop.with_time_in_force(TimeInForce::Gtc)).await;
        assert_eq!(
            (&order.kind, order.time_in_force.clone()),
            (&OrderKind::Stop, Some(TimeInForce::Gtc))
        );
        let new = stage
            .replace(&order, "stop-2", &OrderChange::new().with_stop_price(price("251")))
            .await;
        let new = new.unwrap();
        assert_eq!(new.stop_price, Some(price("251")));
        stage.cancel(&new).await;

        let stop = OrderRequest::stop_limit("AAPL".into(), Side::Buy, qty("1"), price("250"), price("250.25"));
        let order = stage.place("stop-limit", stop).await;
        assert_eq!(
            (order.stop_price, order.limit_price),
            (Some(price("250")), Some(price("250.25")))
        );
        stage.cancel(&order).await;

        for (id, trail, other) in [
            ("trail-amount", Trail::Amount(dec("5")), Trail::Amount(dec("6.5"))),
            ("trail-percent", Trail::Percent(dec("5")), Trail::Percent(dec("7"))),
        ] {
            let order = OrderRequest::trailing_stop("AAPL".into(), Side::Sell, qty("1"), trail);
            let order = stage.place(id, order).await;
            assert_eq!((&order.kind, order.trail), (&OrderKind::TrailingStop, Some(trail)));
            let change = OrderChange::new().with_trail(other);
            let new = stage.replace(&order, &format!("{id}-2"), &change).await.unwrap();
            assert_eq!(new.trail, Some(other));
            stage.cancel(&new).await;
        }

        let early = limit("AAPL", Side::Buy, "1", "150").with_extended_hours();
        let order = stage.place("extended", early).await;
        assert!(order.extended_hours);
        stage.cancel(&order).await;
    });
    stage.assert_as_documented();
}

#[test]
fn options_and_coins() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let option = "AAPL261218C00190000";
        let order = stage.place("option", limit(option, Side::Buy, "1", "0.05")).await;
        assert_eq!(order.legs[0].instrument.get(), option);
        stage.cancel(&order).await;
        let order = stage.place("coin", limit("BTC/USD", Side::Buy, "0.01", "20000")).await;
        assert_eq!(
            (order.time_in_force.clone(), order.amount),
            (Some(TimeInForce::Gtc), Amount::Qty(qty("0.01")))
        );
        let change = OrderChange::new()
            .with_limit_price(price("20001"))
            .with_qty(qty("0.02"));
        let new = stage.replace(&order, "coin-2", &change).await.unwrap();
        assert_eq!(
            (new.amount, new.limit_price),
            (Amount::Qty(qty("0.02")), Some(price("20001")))
        );
        stage.cancel(&new).await;
        let money = OrderRequest::market("BTC/USD".into(), Side::Buy, qty("1")).with_notional(qty("500"), None);
        let order = stage.place("money", money).await;
        assert_eq!(order.status, OrderStatus::Filled);
        assert!(
            matches!(order.amount, Amount::Notional(money) if money.amount == dec("500")),
            "{order:?}"
        );
    });
    stage.assert_as_documented();
}

#[test]
fn groups() {
    let stage = Stage::new();
    let exit = |stop: &str, limit: Option<&str>| StopExit::Stop {
        stop: Level::Price(price(stop)),
        limit: limit.map(|limit| Level::Price(price(limit))),
    };
    // Recorded legs tell when they expire; the document does not know that, and legs until canceled do not.
    let gtc = |order: OrderRequest| order.with_time_in_force(TimeInForce::Gtc);
    stage.runtime.block_on(async {
        let entry = gtc(limit("SPY", Side::Buy, "10", "500"));
        let distance = Level::Distance(qty("20"));
        let order = stage
            .place(
                "bracket",
                entry.with_target(distance).with_stop(exit("490", Some("489.5"))),
            )
            .await;
        assert_eq!(
            (&order.links.group, order.links.children.len()),
            (&Some(Group::Bracket), 2)
        );
        let target = stage
            .broker
            .order(&OrderRef::by_id(&stage.account, order.links.children[0].clone()))
            .await
            .unwrap();
        assert_eq!(
            (target.limit_price, &target.status),
            (Some(price("520")), &OrderStatus::Held)
        );
        stage.cancel(&order).await;
        assert_eq!(stage.read(&target).await.status, OrderStatus::Canceled);

        let order = stage
            .place(
                "oto",
                gtc(limit("SPY", Side::Buy, "10", "500")).with_stop(exit("490", None)),
            )
            .await;
        assert_eq!((&order.links.group, order.links.children.len()), (&Some(Group::Oto), 1));
        // Its exit cannot be changed; the entry can.
        let leg = OrderRef::by_id(&stage.account, order.links.children[0].clone());
        let leg = stage.broker.order(&leg).await.unwrap();
        let change = OrderChange::new().with_stop_price(price("480"));
        let error = stage.replace(&leg, "oto-leg", &change).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::Unsupported, Delivery::NotSent)
        );
        stage.cancel(&order).await;

        stage
            .place("held", OrderRequest::market("SPY".into(), Side::Buy, qty("10")))
            .await;
        let oco = OrderRequest::oco("SPY".into(), Side::Sell, qty("10"), price("600"), exit("400", None));
        let order = stage.place("oco", gtc(oco)).await;
        assert_eq!((&order.links.group, order.links.siblings.len()), (&Some(Group::Oco), 1));
        assert_eq!(order.limit_price, Some(price("600")));
        stage.cancel(&order).await;
    });
    assert!(
        stage
            .recorder
            .requests()
            .iter()
            .all(|request| request.method != "PATCH")
    );
    stage.assert_as_documented();
}

#[test]
fn all_open_orders_are_canceled_at_once() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let mut open = Vec::new();
        for id in ["a", "b", "c"] {
            open.push(stage.place(id, limit("AAPL", Side::Buy, "1", "150")).await.id);
        }
        let outcomes = trading(&stage.broker).cancel_all(&stage.account).await.unwrap();
        let mut canceled: Vec<_> = outcomes.iter().map(|outcome| outcome.order.clone()).collect();
        assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()));
        open.sort();
        canceled.sort();
        assert_eq!(canceled, open);
        let left = stage.broker.all_orders(OrderQuery::open(&stage.account)).await.unwrap();
        assert_eq!(left, []);
        assert_eq!(
            trading(&stage.broker).cancel_all(&stage.account).await.unwrap().len(),
            0
        );
    });
    stage.assert_as_documented();
}

#[test]
fn refusals_of_the_venue() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        let trading = trading(&stage.broker);
        let order = stage.place("once", limit("AAPL", Side::Buy, "1", "150")).await;
        let place = async |id: &str, request: OrderRequest| {
            let intent = stage.intent(id, request).await;
            trading.place(&intent, &Gate::new()).await.unwrap_err()
        };
        let error = place("once", limit("AAPL", Side::Buy, "1", "150")).await;
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::DuplicateOrder, Delivery::Answered)
        );
        // Ten thousand shares are two million dollars.
        let error = place("rich", limit("AAPL", Side::Buy, "10000", "190")).await;
        assert_eq!(
            (error.kind(), error.status()),
            (ErrorKind::InsufficientFunds, Some(403))
        );
        let error = place("penny", limit("AAPL", Side::Buy, "1", "150.123")).await;
        assert_eq!((error.kind(), error.status()), (ErrorKind::InvalidRequest, Some(422)));
        stage.cancel(&order).await;
        let error = trading.cancel(&order.reference()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::OrderRejected, Some(422)));
        let unknown = OrderRef::by_id(&stage.account, "904837e3-3b76-47ec-b432-046db621571b".into());
        let error = trading.cancel(&unknown).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::NotFound, Some(404)));
    });
    let sends = stage.recorder.sends("POST", "/v2/orders", |body| {
        let sent: serde_json::Value = serde_json::from_str(body).unwrap();
        Some(sent["client_order_id"].as_str().unwrap().to_owned())
    });
    let sends: Vec<_> = sends.iter().map(|(id, count)| (id.as_str(), *count)).collect();
    assert_eq!(sends, [("once", 2), ("penny", 1), ("rich", 1)]);
    stage.assert_as_documented();
}

#[test]
fn a_closed_gate_leaves_nothing_at_the_venue() {
    let stage = Stage::new();
    stage.runtime.block_on(async {
        stage.broker.accounts().await.unwrap();
        let intent = stage.intent("never", limit("AAPL", Side::Buy, "1", "150")).await;
        stage.recorder.clear();
        let gate = Gate::new();
        assert!(gate.close());
        let error = trading(&stage.broker).place(&intent, &gate).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::NotSent);
        assert_eq!(stage.recorder.requests(), []);
        assert_eq!(trading(&stage.broker).trace(&intent).await.unwrap(), []);
    });
}
