//! Live events of the venue, in virtual time: exact lists.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::model::{Coverage, Event, Subscription};
use broker_core::seam::{BoxStream, MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, BrokerExt, Context, Currency, Error, ErrorKind, FillId, HistoryQuery, InstrumentId, Money,
    OrderRequest, Placement, Record, Side, Streaming, Trading,
};
use broker_sim::{AccountSpec, Catalogue, Engine, SimBroker};
use common::{OPEN, at, d, p, q};
use futures_util::{FutureExt, StreamExt};

fn account() -> AccountId {
    "A1".into()
}

fn apple() -> InstrumentId {
    "AAPL".into()
}

/// An account with 100,000 dollars, and Apple at 99.98 to 100.00, 500 of each.
fn stage() -> (VirtualRuntime, SimBroker) {
    let runtime = VirtualRuntime::starting_at(at(OPEN));
    let clock = Arc::new(runtime.clock());
    let wire = MemoryTransport::new(|_| Err(Error::unsupported("no wire")));
    let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(wire));
    let mut engine = Engine::new(7, &Catalogue::standard(), at(OPEN));
    for id in ["A1", "A2"] {
        let spec = AccountSpec::margin(id, Currency::USD);
        engine.open_account(spec, at(OPEN)).unwrap();
        let money = Money::new(d("100000"), Currency::USD);
        engine.deposit(&id.into(), money, at(OPEN)).unwrap();
    }
    let broker = SimBroker::new(engine, context);
    quote(&broker, "99.98", "100.00", "500");
    (runtime, broker)
}

fn quote(broker: &SimBroker, bid: &str, ask: &str, size: &str) {
    broker.with_engine(|engine, now| {
        let (bid, ask, size) = (Some(p(bid)), Some(p(ask)), q(size));
        engine.set_quote(&apple(), bid, ask, (size, size), now).unwrap();
    });
}

async fn place(broker: &SimBroker, request: OrderRequest) -> broker_core::Order {
    match broker.place_once(&account(), request).await.unwrap() {
        Placement::Accepted(order) => *order,
        other => panic!("{other:?}"),
    }
}

fn buy(qty: &str) -> OrderRequest {
    OrderRequest::market("AAPL".into(), Side::Buy, q(qty))
}

fn rest(qty: &str) -> OrderRequest {
    OrderRequest::limit("AAPL".into(), Side::Buy, q(qty), p("90.00"))
}

/// An event in a few words.
fn told(event: &Event) -> String {
    match event {
        Event::Order(order) => format!("{} {} {}", order.kind, order.status, order.filled_qty.get().normalize()),
        Event::Record(record) => match &**record {
            Record::Fill(fill) => format!(
                "fill {} at {} v{}",
                fill.qty.get().normalize(),
                fill.price,
                fill.version
            ),
            Record::Void(_) => "void".to_owned(),
            Record::Fee(fee) => format!("fee {}", fee.amount),
            Record::Flow(flow) => format!("{} {}", flow.kind, flow.amount),
        },
        Event::Position(position) => format!("{} {}", position.symbol, position.signed_qty().normalize()),
        Event::Balances(balances) => format!("cash {}", balances.balances[0].total),
        Event::Quote(quote) => format!("{} {} {}", quote.symbol, quote.bid.unwrap(), quote.ask.unwrap()),
        Event::Gap { from, to } => format!("gap of {} s", (*to - *from).num_seconds()),
        Event::Recovered(coverage) => format!("recovered {}", coverage.accounts.len()),
        other => panic!("{other:?}"),
    }
}

/// What has come by now.
fn waiting(stream: &mut BoxStream<'static, Event>) -> Vec<Event> {
    std::iter::from_fn(|| stream.next().now_or_never().flatten()).collect()
}

fn heard(stream: &mut BoxStream<'static, Event>) -> Vec<String> {
    waiting(stream).iter().map(told).collect()
}

#[test]
fn the_snapshot_comes_first_and_then_what_happens() {
    let (runtime, broker) = stage();
    runtime.block_on(async {
        place(&broker, buy("10")).await;
        let resting = place(&broker, rest("3")).await;
        let mut follow = Subscription::account(&account());
        follow.quotes.push(apple());
        let mut stream = broker.subscribe(&follow).await.unwrap();
        assert_eq!(
            heard(&mut stream),
            ["limit new 0", "AAPL 10", "cash 99000.00", "AAPL 99.98 100.00"]
        );
        place(&broker, buy("5")).await;
        broker.cancel(&resting.reference()).await.unwrap();
        assert_eq!(
            heard(&mut stream),
            [
                "market pending_new 0",
                "market new 0",
                "fill 5 at 100.00 v0",
                "market filled 5",
                "AAPL 15",
                "limit canceled 0",
            ]
        );
        let side = OrderRequest::market("AAPL".into(), Side::Sell, q("15"));
        place(&broker, side).await;
        assert_eq!(
            heard(&mut stream)[2..],
            ["fill 15 at 99.98 v0", "market filled 15", "AAPL 0"]
        );
    });
}

#[test]
fn an_order_that_fills_in_parts_tells_each_part_once() {
    let (runtime, broker) = stage();
    runtime.block_on(async {
        let mut stream = broker.subscribe(&Subscription::account(&account())).await.unwrap();
        place(
            &broker,
            OrderRequest::limit("AAPL".into(), Side::Buy, q("700"), p("100.00")),
        )
        .await;
        quote(&broker, "99.98", "100.00", "150");
        quote(&broker, "99.98", "100.00", "500");
        let events = waiting(&mut stream);
        let words: Vec<_> = events.iter().map(told).collect();
        assert_eq!(
            words[1..],
            [
                "limit pending_new 0",
                "limit new 0",
                "fill 500 at 100.00 v0",
                "limit partially_filled 500",
                "AAPL 500",
                "fill 150 at 100.00 v0",
                "limit partially_filled 650",
                "AAPL 650",
                "fill 50 at 100.00 v0",
                "limit filled 700",
                "AAPL 700",
            ]
        );
        let live: Vec<_> = events.iter().filter_map(record).cloned().collect();
        broker.context().clock().sleep(Duration::from_secs(1)).await;
        let query = HistoryQuery::last_days(&account(), 1);
        let history = broker.history(&query, None).await.unwrap().rows;
        assert_eq!(live, history[1..], "the deposit was before");
    });
}

fn record(event: &Event) -> Option<&Record> {
    match event {
        Event::Record(record) => Some(record),
        _ => None,
    }
}

#[test]
fn busts_and_corrections_come_through() {
    let (runtime, broker) = stage();
    runtime.block_on(async {
        let mut stream = broker.subscribe(&Subscription::account(&account())).await.unwrap();
        place(&broker, buy("10")).await;
        let ids: Vec<FillId> = waiting(&mut stream).iter().filter_map(record).map(fill_id).collect();
        broker.with_engine(|engine, now| engine.correct(&account(), &ids[0], p("99.50"), now).unwrap());
        assert_eq!(
            heard(&mut stream),
            ["fill 10 at 99.50 v1", "market filled 10", "AAPL 10"]
        );
        broker.with_engine(|engine, now| engine.bust(&account(), &ids[0], now).unwrap());
        assert_eq!(heard(&mut stream), ["void", "market canceled 0", "AAPL 0"]);
    });
}

fn fill_id(record: &Record) -> FillId {
    match record {
        Record::Fill(fill) => fill.id.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_waiting_subscriber_wakes_when_the_venue_is_touched() {
    let (runtime, broker) = stage();
    let clock = broker.context().clock().clone();
    let log = Arc::new(Mutex::new(Vec::new()));
    runtime.block_on(async {
        let mut stream = broker.subscribe(&Subscription::quotes([apple()])).await.unwrap();
        let (ours, times) = (Arc::clone(&log), Arc::clone(&clock));
        broker.context().spawn().spawn(Box::pin(async move {
            while let Some(event) = stream.next().await {
                ours.lock().unwrap().push((times.elapsed().as_secs(), told(&event)));
            }
        }));
        clock.sleep(Duration::from_secs(5)).await;
        quote(&broker, "99.00", "99.02", "1");
        clock.sleep(Duration::from_secs(2)).await;
        // Nobody reads between these two: the older is left out.
        quote(&broker, "98.00", "98.02", "1");
        quote(&broker, "97.00", "97.02", "1");
        clock.sleep(Duration::from_secs(1)).await;
    });
    let expected = [
        (0, "AAPL 99.98 100.00"),
        (5, "AAPL 99.00 99.02"),
        (7, "AAPL 97.00 97.02"),
    ];
    let log = log.lock().unwrap();
    let log: Vec<_> = log.iter().map(|(at, text)| (*at, text.as_str())).collect();
    assert_eq!(log, expected);
}

#[test]
fn what_does_not_fit_is_read_back_and_comes_once() {
    let (runtime, broker) = stage();
    quote(&broker, "99.98", "100.00", "1000000");
    runtime.block_on(async {
        let mut stream = broker.subscribe(&Subscription::account(&account())).await.unwrap();
        // Three order events, a fill and a position each: 204 of these and three events fit behind the balances.
        for number in 0..600 {
            if number == 300 {
                broker.context().clock().sleep(Duration::from_secs(60)).await;
            }
            place(&broker, buy("1")).await;
        }
        let events = waiting(&mut stream);
        let words: Vec<_> = events.iter().map(told).collect();
        let gap = words.iter().position(|word| word.starts_with("gap")).unwrap();
        assert_eq!((gap, words[gap].as_str()), (1024, "gap of 60 s"));
        assert_eq!(words.last().unwrap(), "recovered 1");
        let fills: Vec<_> = events.iter().filter_map(record).map(fill_id).collect();
        assert_eq!(fills.len(), 600);
        assert_eq!(fills.iter().collect::<BTreeSet<_>>().len(), 600);
        let behind: Vec<_> = words[gap + 1..].iter().map(String::as_str).collect();
        let orders = behind.iter().filter(|word| **word == "market filled 1").count();
        let before = words[..gap].iter().filter(|word| *word == "market filled 1").count();
        assert_eq!((before, orders), (204, 396));
        assert_eq!(behind[behind.len() - 2], "AAPL 600");
        // And it goes on.
        place(&broker, buy("1")).await;
        assert_eq!(
            heard(&mut stream)[2..],
            ["fill 1 at 100.00 v0", "market filled 1", "AAPL 601"]
        );
        let covered = events.last().unwrap();
        let whole = Coverage {
            accounts: vec![account()],
            missing: Vec::new(),
        };
        assert!(matches!(covered, Event::Recovered(coverage) if *coverage == whole));
    });
}

#[test]
fn subscriptions_see_their_own_and_end_when_they_are_dropped() {
    let (runtime, broker) = stage();
    runtime.block_on(async {
        let mut one = broker.subscribe(&Subscription::account(&account())).await.unwrap();
        let mut other = broker.subscribe(&Subscription::account(&"A2".into())).await.unwrap();
        let quotes = broker.subscribe(&Subscription::quotes([apple()])).await.unwrap();
        assert_eq!((waiting(&mut one).len(), waiting(&mut other).len()), (1, 1));
        place(&broker, rest("1")).await;
        assert_eq!(heard(&mut one), ["limit pending_new 0", "limit new 0"]);
        assert_eq!(heard(&mut other), [""; 0]);

        let watched = |broker: &SimBroker| {
            broker.with_engine(|engine, now| {
                let size = (q("1"), q("1"));
                engine
                    .set_quote(&apple(), Some(p("98.00")), Some(p("98.02")), size, now)
                    .unwrap();
                engine.take_events().len()
            })
        };
        assert_eq!(watched(&broker), 1);
        drop(quotes);
        broker.with_engine(|_, _| ());
        assert_eq!(watched(&broker), 0, "nobody listens to quotes any more");
        drop(one);
        drop(other);
        place(&broker, rest("1")).await;
        let mut late = broker.subscribe(&Subscription::account(&account())).await.unwrap();
        assert_eq!(heard(&mut late), ["limit new 0", "limit new 0", "cash 100000"]);
    });
}

#[test]
fn what_is_not_there_cannot_be_followed() {
    let (runtime, broker) = stage();
    runtime.block_on(async {
        for (subscription, kind) in [
            (Subscription::account(&"A9".into()), ErrorKind::NotFound),
            (Subscription::quotes(["NOPE".into()]), ErrorKind::NotFound),
            (Subscription::default(), ErrorKind::InvalidRequest),
        ] {
            let error = broker.subscribe(&subscription).await.err().unwrap();
            assert_eq!((error.kind(), error.operation()), (kind, Some("subscribe")), "{error}");
        }
    });
}
