//! What became of orders at the books: allocations of those that were routed, and trades of the account with itself that
//! were prevented.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_binance::venue::{BinanceVenue, BinanceVenueBuilder};
use broker_binance::{PreventedMatch, Reach};
use broker_core::model::{Completeness, Event, OrderState, Subscription, Window};
use broker_core::pnl::TradeBook;
use broker_core::{
    Broker, BrokerExt, Fill, HistoryQuery, Order, OrderQuery, OrderRequest, OrderStatus, Placement, Record, Side,
};
use broker_sync::{MemoryStore, PositionCheck, Syncer};
use chrono::Duration;
use futures_util::StreamExt;

use super::{House, at, end, now};

/// One order in three of two symbols was routed.
fn routed() -> House {
    let plan = BinanceVenueBuilder::plan(1_300, end()).with_days(89).with_seed(7);
    let builder = BinanceVenue::builder().history(&plan).unwrap();
    House::new(builder.routing(["BTCUSD", "ETHUSD"], 3))
}

fn is_allocation(fill: &&Fill) -> bool {
    fill.id.get().contains(":A")
}

/// What makes a fill unlike all others: its id, order, quantity and price.
fn row(fill: &Fill) -> [String; 4] {
    let order = fill.order.as_ref().unwrap();
    let (qty, price) = (fill.qty.get().normalize(), fill.price.get().normalize());
    [
        fill.id.to_string(),
        order.to_string(),
        qty.to_string(),
        price.to_string(),
    ]
}

#[test]
fn allocations_are_fills_of_the_history() {
    let house = routed();
    let truth = house.venue.lock().unwrap().fills();
    let account = house.account.clone();
    let history = house.run(|broker| async move {
        let query = HistoryQuery::between(&account, now() - Duration::days(91), now());
        broker.all_fills(query).await.unwrap()
    });
    assert_eq!(history.completeness, Completeness::Complete);
    assert_eq!(history.fills().count(), 1_300);
    let told: BTreeSet<_> = history.fills().map(row).collect();
    assert_eq!(told, truth.iter().map(row).collect());
    let allocated: BTreeMap<_, usize> = history
        .fills()
        .filter(is_allocation)
        .fold(BTreeMap::new(), |mut sum, fill| {
            *sum.entry(fill.instrument.to_string()).or_default() += 1;
            sum
        });
    assert_eq!(allocated.keys().collect::<Vec<_>>(), ["BTCUSD", "ETHUSD"]);
    assert!(allocated.values().all(|count| *count > 20), "{allocated:?}");
}

/// Each order's fills are what it filled, the balances are what all of them make, and the profit is the venue's.
#[test]
fn a_sync_with_allocations_is_certified() {
    let house = routed();
    let (planned, first, second, history) = house.run(|broker| async move {
        let account = broker.accounts().await.unwrap().remove(0).id;
        let plan = broker.plan_history(&account, 90, Reach::Every).await.unwrap();
        let syncer =
            Syncer::new(broker.handle(), Arc::new(MemoryStore::new())).with_instruments(plan.instruments.clone());
        let first = syncer.sync(&account).await.unwrap();
        let second = syncer.sync(&account).await.unwrap();
        (
            (plan.likely, plan.requests),
            first,
            second,
            syncer.history(&account).await.unwrap(),
        )
    });
    // Two lists of eleven symbols, of those that look traded two pages more, and allocations of the two that are routed.
    assert_eq!(planned, (10, 10 * 4 + 2 + 2));
    assert!(first.is_complete() && first.totals.new == 1_300, "{first}");
    assert!(second.is_complete() && second.totals.new == 0, "{second}");
    assert!(matches!(second.positions, PositionCheck::Verified { .. }), "{second}");
    assert!(history.fills().filter(is_allocation).count() > 40);

    let ours = TradeBook::fifo().fold(&history).unwrap();
    let venue = house.venue.lock().unwrap();
    let books = venue.engine().books(venue.account()).unwrap();
    let gross = books
        .instruments
        .iter()
        .map(|((id, _), book)| (venue.symbol(id).unwrap(), book.gross.normalize()));
    let realized = ours
        .instruments
        .iter()
        .map(|(id, book)| (id.clone(), book.realized.unwrap().amount.normalize()));
    assert_eq!(realized.collect::<BTreeMap<_, _>>(), gross.collect());
}

fn accepted(placement: Placement) -> Order {
    match placement {
        Placement::Accepted(order) => *order,
        other => panic!("{other:?}"),
    }
}

/// The stream tells an allocation under the id that the history has, and so do the fills of its order alone.
#[test]
fn stream_history_and_order_call_an_allocation_the_same() {
    let house = House::new(BinanceVenue::builder().starts_at(end()).routing(["BTCUSD"], 1));
    let account = house.account.clone();
    let (streamed, read) = house.run(|broker| async move {
        let mut events = broker
            .streaming()
            .unwrap()
            .subscribe(&Subscription::account(&account))
            .await
            .unwrap();
        let mut one_by_one = Vec::new();
        for symbol in ["BTC/USD", "ETH/USD"] {
            let buy = OrderRequest::market(symbol.into(), Side::Buy, "0.01".parse().unwrap());
            let order = accepted(broker.place_once(&account, buy).await.unwrap());
            one_by_one.extend(broker.fills_of(&account, &order.id).await.unwrap());
        }
        let mut streamed = Vec::new();
        while streamed.len() < 2 {
            if let Event::Record(record) = events.next().await.unwrap()
                && let Record::Fill(fill) = *record
            {
                streamed.push(fill.id.to_string());
            }
        }
        let history = broker.all_fills(HistoryQuery::last_days(&account, 1)).await.unwrap();
        let read: Vec<_> = history.fills().map(|fill| fill.id.to_string()).collect();
        let one_by_one = one_by_one.iter().map(|record| match record {
            Record::Fill(fill) => fill.id.to_string(),
            other => panic!("{other:?}"),
        });
        assert_eq!(one_by_one.collect::<Vec<_>>(), read);
        (streamed, read)
    });
    // The first order of each, and the first trade that anybody made there; allocations are counted from nought.
    assert_eq!(streamed, ["BTCUSD:A0", "ETHUSD:100000:1000"]);
    assert_eq!(read, streamed);
}

#[test]
fn a_trade_with_oneself_is_prevented_and_told() {
    let house = House::new(BinanceVenue::builder().starts_at(end()).preventing_self_trades());
    let account = house.account.clone();
    {
        let (size, mut venue) = ("10".parse().unwrap(), house.venue.lock().unwrap());
        let (bid, ask) = ("90000".parse().unwrap(), "90100".parse().unwrap());
        venue
            .engine_mut()
            .set_quote(&"BTC/USD".into(), Some(bid), Some(ask), (size, size), now())
            .unwrap();
    }
    let limit = |side, qty: &str, price: &str| {
        OrderRequest::limit("BTC/USD".into(), side, qty.parse().unwrap(), price.parse().unwrap())
    };
    house.run(|broker| async move {
        let mut events = broker
            .streaming()
            .unwrap()
            .subscribe(&Subscription::account(&account))
            .await
            .unwrap();
        let buy = OrderRequest::market("BTC/USD".into(), Side::Buy, "0.3".parse().unwrap());
        accepted(broker.place_once(&account, buy).await.unwrap());
        // One before the market's own bid, and one behind it.
        let before = accepted(
            broker
                .place_once(&account, limit(Side::Buy, "0.2", "90050"))
                .await
                .unwrap(),
        );
        let behind = accepted(
            broker
                .place_once(&account, limit(Side::Buy, "0.2", "89000"))
                .await
                .unwrap(),
        );
        let taker = accepted(
            broker
                .place_once(&account, limit(Side::Sell, "0.1", "90000"))
                .await
                .unwrap(),
        );
        // It went on, to the market.
        assert_eq!(
            (&taker.status, taker.average_price),
            (&OrderStatus::Filled, Some("90000".parse().unwrap()))
        );
        let read = broker.order(&before.reference()).await.unwrap();
        assert_eq!((&read.status, read.filled_qty.is_zero()), (&OrderStatus::Expired, true));
        let read = broker.order(&behind.reference()).await.unwrap();
        assert_eq!(read.status, OrderStatus::New);

        let expected = [PreventedMatch {
            id: 1,
            taker: taker.id.clone(),
            maker: before.id.clone(),
            price: "90050".parse().unwrap(),
            maker_qty: Some("0.2".parse().unwrap()),
            at: at(&taker.created_at.unwrap().to_rfc3339()),
        }];
        // By the order of either side.
        assert_eq!(broker.prevented_matches(&taker.reference()).await.unwrap(), expected);
        assert_eq!(broker.prevented_matches(&before.reference()).await.unwrap(), expected);
        assert!(broker.prevented_matches(&behind.reference()).await.unwrap().is_empty());

        loop {
            if let Event::Order(order) = events.next().await.unwrap()
                && order.id == before.id
                && order.status.is_final()
            {
                break assert_eq!(order.status, OrderStatus::Expired);
            }
        }
        let closed = OrderQuery::placed(&account, Window::LastDays(1)).with_state(OrderState::Closed);
        let closed = broker.all_orders(closed).await.unwrap();
        let expired = closed.iter().filter(|order| order.status == OrderStatus::Expired);
        assert_eq!(expired.map(|order| &order.id).collect::<Vec<_>>(), [&before.id]);
    });
}
