//! The venue through the traits, in virtual time.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::sync::Arc;

use async_trait::async_trait;
use broker_core::journal::{Gate, Intent};
use broker_core::model::{CandleQuery, Environment, Hours, InstrumentQuery, Interval, OrderChange};
use broker_core::seam::{Answer, Carrier, OpenRequest, Request, SeededRng, Transport, VirtualRuntime};
use broker_core::{
    Broker, Context, Currency, Delivery, Error, ErrorKind, HistoryQuery, InstrumentId, MarketData, Money, OrderQuery,
    OrderRequest, Record, Result, Side, Trading,
};
use broker_sim::{AccountSpec, Catalogue, Engine, HistoryPlan, SimBroker, SimEvent};
use chrono::Duration;
use common::{OPEN, at, d, p, q};

#[derive(Debug)]
struct NoWire;

#[async_trait]
impl Transport for NoWire {
    async fn send(&self, _: Request) -> Result<Answer> {
        Err(Error::unsupported("no wire"))
    }
    async fn open(&self, _: OpenRequest) -> Result<Box<dyn Carrier>> {
        Err(Error::unsupported("no wire"))
    }
}

fn context(runtime: &VirtualRuntime) -> Context {
    let clock = Arc::new(runtime.clock());
    Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(NoWire))
}

fn broker(runtime: &VirtualRuntime) -> SimBroker {
    let mut engine = Engine::new(7, &Catalogue::standard(), at(OPEN));
    engine
        .open_account(AccountSpec::margin("A1", Currency::USD), at(OPEN))
        .unwrap();
    engine
        .deposit(&"A1".into(), Money::new(d("100000"), Currency::USD), at(OPEN))
        .unwrap();
    engine
        .set_quote(
            &"AAPL".into(),
            Some(p("99.98")),
            Some(p("100.00")),
            (q("500"), q("500")),
            at(OPEN),
        )
        .unwrap();
    SimBroker::new(engine, context(runtime))
}

fn intent(id: &str, request: OrderRequest) -> Intent {
    Intent {
        id: id.into(),
        broker: "sim".into(),
        environment: Environment::Paper,
        account: "A1".into(),
        request,
        instrument: Arc::new(Catalogue::standard().get(&"AAPL".into()).unwrap().instrument.clone()),
        replaces: None,
        created_at: at(OPEN),
        mark: None,
    }
}

#[test]
fn an_order_from_place_to_history() {
    let runtime = VirtualRuntime::starting_at(at(OPEN));
    let broker = broker(&runtime);
    runtime.block_on(async {
        let account = broker.accounts().await.unwrap().remove(0).id;
        let buy = intent(
            "c1",
            OrderRequest::limit("AAPL".parse().unwrap(), Side::Buy, q("10"), p("99.00")),
        );
        assert_eq!(broker.trace(&buy).await.unwrap(), []);
        let order = broker.place(&buy, &Gate::new()).await.unwrap();
        assert_eq!(broker.trace(&buy).await.unwrap(), vec![order.clone()]);
        let again = broker.place(&buy, &Gate::new()).await.unwrap_err();
        assert_eq!(
            (again.kind(), again.delivery()),
            (ErrorKind::DuplicateOrder, Delivery::Answered)
        );
        let closed = Gate::new();
        closed.close();
        let unsent = broker
            .place(&intent("c2", buy.request.clone()), &closed)
            .await
            .unwrap_err();
        assert_eq!(unsent.delivery(), Delivery::NotSent);

        let change = OrderChange::new().with_limit_price(p("100.00"));
        let replacement = intent("c3", buy.request.clone());
        let new = broker
            .replace(&order.reference(), &change, &replacement, &Gate::new())
            .await
            .unwrap();
        assert_eq!((new.status.as_str(), new.filled_qty), ("filled", q("10")));
        assert_eq!(
            broker.order(&order.reference()).await.unwrap().status.as_str(),
            "replaced"
        );
        assert_eq!(broker.positions(&account).await.unwrap()[0].qty, q("10"));
        let refused = broker.cancel(&new.reference()).await.unwrap_err();
        assert_eq!(
            (refused.code(), refused.operation()),
            (Some("not_cancelable"), Some("cancel"))
        );

        broker.context().clock().sleep(std::time::Duration::from_secs(1)).await;
        let all = broker
            .history(&HistoryQuery::last_days(&account, 90), None)
            .await
            .unwrap();
        assert_eq!((all.rows.len(), all.next), (2, None));
        let orders = broker.orders(&OrderQuery::open(&account), None).await.unwrap();
        assert_eq!(orders.rows.len(), 0);
        assert_eq!(broker.cancel_all(&account).await.unwrap().len(), 0);
    });
}

#[test]
fn pages_join_without_a_hole() {
    let end = at("2026-11-20T19:00:00Z");
    let runtime = VirtualRuntime::starting_at(end);
    let (engine, account) = HistoryPlan::new(1_300, end).build().unwrap();
    let log: Vec<_> = engine
        .log(&account)
        .unwrap()
        .iter()
        .map(|entry| entry.record.clone())
        .collect();
    let broker = SimBroker::new(engine, context(&runtime));
    runtime.block_on(async {
        let query = HistoryQuery::between(&account, at("2026-08-01T00:00:00Z"), end);
        let (mut rows, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = broker.history(&query, cursor.as_ref()).await.unwrap();
            rows.extend(page.rows);
            pages += 1;
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        // 500 rows a page in the order of booking, and each page oldest first.
        let mut expected = log.clone();
        for page in expected.chunks_mut(500) {
            page.sort_by_key(Record::at);
        }
        assert_eq!(rows, expected);
        assert_eq!(pages, log.len().div_ceil(500));
        let one = query.clone().with_instrument("AAPL".into());
        let only = broker.history(&one, None).await.unwrap().rows;
        assert!(!only.is_empty() && only.len() < log.len());
    });
}

#[test]
fn market_data() {
    let runtime = VirtualRuntime::starting_at(at(OPEN));
    let broker = broker(&runtime);
    runtime.block_on(async {
        let apple = InstrumentId::from("AAPL");
        let found = broker
            .instruments(&InstrumentQuery::Text("apple".to_owned()))
            .await
            .unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            broker.quotes(&[apple.clone(), "NOPE".into()]).await.unwrap()[0].bid,
            Some(p("99.98"))
        );
        let now = at(OPEN);
        let hours = broker.hours(&apple, now, now + Duration::hours(1)).await.unwrap();
        assert_eq!(hours.is_open(now), Some(true));
        assert_eq!(
            broker.hours(&"BTC/USD".into(), now, now).await.unwrap(),
            Hours::AlwaysOpen
        );
        assert_eq!(
            broker.hours(&"NOPE".into(), now, now).await.unwrap_err().kind(),
            ErrorKind::NotFound
        );
        for (seconds, price) in [(0, "99.00"), (70, "101.00"), (80, "98.50"), (130, "100.00")] {
            broker.with_engine(|engine, _| {
                let at = now + Duration::seconds(seconds);
                engine
                    .set_quote(&apple, Some(p(price)), None, (q("1"), q("0")), at)
                    .unwrap();
            });
        }
        let query = CandleQuery::new(
            apple.clone(),
            Interval::Minutes(1),
            now + Duration::seconds(60),
            now + Duration::hours(1),
        );
        let candles = broker.candles(&query, None).await.unwrap().rows;
        assert_eq!(candles.len(), 2);
        assert_eq!(
            (candles[0].open, candles[0].high, candles[0].low, candles[0].close),
            (p("101.00"), p("101.00"), p("98.50"), p("98.50"))
        );
        assert!(candles[0].complete && !candles[1].complete);
    });
}

#[test]
fn markets_walk_with_the_clock_and_events_tell_it() {
    let mut engine = Engine::new(7, &Catalogue::standard(), at(OPEN));
    let coin = InstrumentId::from("BTC/USD");
    engine.watch(&coin, true).unwrap();
    engine
        .open_account(AccountSpec::margin("A1", Currency::USD), at(OPEN))
        .unwrap();
    engine
        .deposit(&"A1".into(), Money::new(d("100000"), Currency::USD), at(OPEN))
        .unwrap();
    let request = OrderRequest::market("BTC/USD".parse().unwrap(), Side::Buy, q("0.01"));
    engine.place(&"A1".into(), &request, None, at(OPEN)).unwrap();
    let mut now = at(OPEN);
    for _ in 0..200 {
        now += Duration::seconds(1);
        engine.advance(now);
        let quote = engine.quote(&coin).unwrap();
        assert!(quote.bid.unwrap() < quote.ask.unwrap());
    }
    let told: Vec<_> = engine
        .take_events()
        .into_iter()
        .map(|event| match event {
            SimEvent::Order { order, .. } => order.status.to_string(),
            SimEvent::Record { entry, .. } => format!("record {}", entry.seq),
            SimEvent::Quote(_) => "quote".to_owned(),
        })
        .collect();
    assert_eq!(told[..5], ["record 1", "pending_new", "new", "record 2", "filled"]);
    assert_eq!(told.len(), 205);
    assert_eq!(engine.take_events().len(), 0);
}
