//! What has cost users of OANDA money: one test a trap, where no other test shows it.

use std::time::Duration;

use broker_core::model::{Event, PositionLeg, Subscription, Window};
use broker_core::seam::{Clock, VirtualRuntime};
use broker_core::{
    Broker, BrokerExt, Currency, InstrumentId, OrderQuery, OrderRequest, OrderStatus, Placement, Record, Side,
    Streaming,
};
use broker_oanda::Closing;
use broker_oanda::venue::OandaVenue;
use broker_sim::wire::{FaultPlan, FrameFault, FrameWhen, Venue, WireRequest};
use chrono::{DateTime, Utc};
use futures_util::future::{Either, select};
use futures_util::{Stream, StreamExt};

use super::dealing::stage;
use super::{Stage, price, qty};

/// What comes within so many seconds.
async fn within(
    runtime: &VirtualRuntime,
    seconds: u64,
    events: &mut (impl Stream<Item = Event> + Unpin),
) -> Vec<Event> {
    let clock = runtime.clock();
    let mut end = clock.sleep(Duration::from_secs(seconds));
    let mut came = Vec::new();
    while let Either::Left((Some(event), sleep)) = select(events.next(), end).await {
        came.push(event);
        end = sleep;
    }
    came
}

fn limit(units: &str) -> OrderRequest {
    OrderRequest::limit("EUR/USD".into(), Side::Buy, qty(units), price("1.00000"))
}

/// A list of orders holds 50 where nobody asks for more, and 500 at most.
#[test]
fn orders_beyond_the_first_fifty_are_listed() {
    let stage = stage(false, Currency::USD);
    for units in 1..=60 {
        stage.place(limit(&units.to_string()));
    }
    let open = OrderQuery::open(&stage.account);
    let open = stage.runtime.block_on(stage.broker.all_orders(open)).unwrap();
    assert_eq!(open.len(), 60);
    let placed = OrderQuery::placed(&stage.account, Window::LastDays(1));
    let placed = stage.runtime.block_on(stage.broker.all_orders(placed)).unwrap();
    // CREATE and TRANSFER_FUNDS are 1 and 2.
    let ids: Vec<u64> = placed.iter().map(|order| order.id.get().parse().unwrap()).collect();
    assert_eq!(ids, (3..=62).collect::<Vec<_>>());
    assert!(placed.iter().all(|order| order.status == OrderStatus::New));
}

/// Units of a short side are negative; those to close are positive, and only the side that is open is named.
#[test]
fn a_short_position_is_closed_by_positive_units() {
    let stage = stage(false, Currency::USD);
    stage.market(Side::Sell, "300");
    stage.quote("EUR/USD", "1.07900", "1.07910");
    let close = |closing| {
        let instrument = InstrumentId::from("EUR_USD");
        let closed = stage
            .broker
            .close_position(&stage.account, &instrument, PositionLeg::Net, closing);
        stage.runtime.block_on(closed).unwrap()
    };
    let part = close(Closing::Part(qty("100")));
    assert_eq!((part.side, part.qty), (Side::Buy, qty("100")));
    let sent = stage.recorder.requests().pop().unwrap();
    assert_eq!(
        (sent.method.as_str(), sent.body.as_str()),
        ("PUT", r#"{"shortUnits":"100"}"#)
    );
    let rest = close(Closing::All);
    // (1.08000 - 1.07910) x 200
    assert_eq!(
        (rest.qty, rest.pnl.unwrap().amount),
        (qty("200"), "0.1800".parse().unwrap())
    );
    assert_eq!(
        stage.runtime.block_on(stage.broker.positions(&stage.account)).unwrap(),
        []
    );
}

/// OANDA's document wants a body for it, in which the units need not be: then all is meant.
#[test]
fn a_trade_is_not_closed_without_a_body() {
    let stage = stage(false, Currency::USD);
    stage.market(Side::Buy, "100");
    let close = |body: Option<&'static str>| {
        let path = format!("/v3/accounts/{}/trades/4/close", stage.account.get());
        let mut request = WireRequest::new("PUT", &path, "test");
        let bearer = format!("Bearer {}", OandaVenue::TOKEN);
        request.headers.push(("authorization".to_owned(), bearer));
        if let Some(body) = body {
            let json = "application/json".to_owned();
            request.headers.push(("content-type".to_owned(), json));
            request.body = body.into();
        }
        let now = stage.runtime.clock().now();
        let answer = stage.venue.lock().unwrap().handle(&request, now);
        let open = stage.runtime.block_on(stage.broker.open_trades(&stage.account));
        (answer.status, open.unwrap().len())
    };
    assert_eq!(close(None), (415, 1));
    assert_eq!(close(Some("")), (400, 1));
    assert_eq!(close(Some("{}")), (200, 0));
}

/// An answer of rows behind an id may hold a part of them: where it ends is where to go on.
#[test]
fn records_behind_an_id_are_read_to_the_end() {
    let stage = stage(false, Currency::USD);
    for _ in 0..600 {
        stage.market(Side::Buy, "1");
    }
    // An order and a fill each: 3 to 1202.
    let since = |id| {
        let read = stage.broker.records_since(&stage.account, id);
        stage.runtime.block_on(read).unwrap()
    };
    let (first, reached) = since(2);
    assert_eq!((first.len(), reached), (500, 1002));
    let (rest, reached) = since(reached);
    assert_eq!((rest.len(), reached), (100, 1202));
    let (none, reached) = since(reached);
    assert_eq!((none.len(), reached), (0, 1202));
}

/// Over the weekend the stream of prices has one snapshot and then heartbeats: that is no dead connection.
#[test]
fn a_weekend_of_heartbeats_is_no_gap() {
    let saturday: DateTime<Utc> = "2026-01-10T12:00:00Z".parse().unwrap();
    let stage = Stage::new(OandaVenue::builder().build().unwrap(), saturday);
    stage.quote("EUR/USD", "1.08000", "1.08010");
    let came = stage.runtime.block_on(async {
        let subscription = Subscription::quotes(["EUR_USD".into()]);
        let mut events = stage.broker.subscribe(&subscription).await.unwrap();
        within(&stage.runtime, 120, &mut events).await
    });
    // Read once, and told by the stream once.
    let [Event::Quote(read), Event::Quote(quote)] = came.as_slice() else {
        panic!("{came:?}")
    };
    assert_eq!(read, quote);
    assert_eq!((quote.bid, quote.ask), (Some(price("1.08000")), Some(price("1.08010"))));
    // As much as the market offers, no round number.
    assert_eq!(
        (quote.bid_size, quote.ask_size),
        (Some(qty("1000000")), Some(qty("1000000")))
    );
    assert_eq!(stage.recorder.sockets().len(), 1, "one connection all the while");
}

/// A connection dies without a word, an order fills meanwhile, and the first line of the next one is a heartbeat.
#[test]
fn a_fill_before_the_first_heartbeat_of_a_new_connection_is_read_back() {
    let stage = stage(false, Currency::USD);
    let dies = FrameWhen::always().nth(2);
    stage
        .faults
        .set(FaultPlan::none().frame_rule(dies, FrameFault::StallForever));
    let came = stage.runtime.block_on(async {
        let subscription = Subscription::account(&stage.account);
        let mut events = stage.broker.subscribe(&subscription).await.unwrap();
        // Heartbeats come every five seconds: the first made it ready, the second never comes. Before: a snapshot.
        within(&stage.runtime, 7, &mut events).await;
        let buy = OrderRequest::market("EUR/USD".into(), Side::Buy, qty("100"));
        let placed = stage.broker.place_once(&stage.account, buy).await.unwrap();
        assert!(matches!(placed, Placement::Accepted(_)));
        within(&stage.runtime, 60, &mut events).await
    });
    let fills: Vec<_> = came
        .iter()
        .filter_map(|event| match event {
            Event::Record(record) => match &**record {
                Record::Fill(fill) => Some((fill.id.get(), fill.qty)),
                _ => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(fills, [("4", qty("100"))], "{came:?}");
    assert!(matches!(came[0], Event::Disconnected { .. }), "{came:?}");
    assert!(came.iter().any(|event| matches!(event, Event::Gap { .. })), "{came:?}");
    assert!(
        came.iter().any(|event| matches!(event, Event::Recovered(_))),
        "{came:?}"
    );
    assert_eq!(stage.recorder.sockets().len(), 2);
}
