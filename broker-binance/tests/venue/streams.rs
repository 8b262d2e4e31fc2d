//! The account's stream: signed in the venue's time, and made again when the venue goes down.

use broker_core::model::{Event, Subscription};
use broker_core::{Broker, BrokerExt, ErrorKind, OrderRequest, OrderStatus, Side};
use chrono::Duration;
use futures_util::StreamExt;

use super::{House, lived, now};
use broker_binance::BinanceConfig;
use broker_binance::venue::BinanceVenue;

fn resting() -> OrderRequest {
    OrderRequest::limit(
        "BTC/USD".into(),
        Side::Buy,
        "0.1".parse().unwrap(),
        "50000".parse().unwrap(),
    )
}

/// A clock that is five minutes off is learned from the first refusal, of a call or of the subscription.
#[test]
fn a_clock_that_jumps_costs_a_connection_at_most() {
    for ahead in [0, 300, -300] {
        let house = House::new(lived(10, 1));
        let (account, venue) = (house.account.clone(), house.venue.clone());
        let refused = house.run(|broker| async move {
            broker.accounts().await.unwrap();
            broker.instruments(&broker_core::InstrumentQuery::All).await.unwrap();
            venue.lock().unwrap().set_clock_ahead(Duration::seconds(ahead));
            let streaming = broker.streaming().unwrap();
            let mut events = streaming.subscribe(&Subscription::account(&account)).await.unwrap();
            let _placed = broker.place_once(&account, resting()).await.unwrap();
            loop {
                if let Event::Order(order) = events.next().await.unwrap()
                    && order.status == OrderStatus::New
                {
                    break;
                }
            }
            venue.lock().unwrap().refused()
        });
        assert_eq!(refused, 0, "{ahead}");
        let made = house.recorder.sockets().len();
        assert_eq!(made, if ahead == 0 { 1 } else { 2 }, "{ahead} s");
    }
}

#[test]
fn a_venue_that_goes_down_is_connected_to_again() {
    let house = House::new(lived(10, 1));
    let (account, venue) = (house.account.clone(), house.venue.clone());
    house.run(|broker| async move {
        let streaming = broker.streaming().unwrap();
        let mut events = streaming.subscribe(&Subscription::account(&account)).await.unwrap();
        venue.lock().unwrap().shut_streams_down(now());
        let _placed = broker.place_once(&account, resting()).await.unwrap();
        let (mut lost, mut gaps, mut told) = (0, 0, 0);
        while told == 0 || gaps == 0 {
            match events.next().await.unwrap() {
                Event::Disconnected { reason, .. } => {
                    assert_eq!(reason.message(), Some("serverShutdown"));
                    lost += 1;
                }
                Event::Gap { .. } => gaps += 1,
                Event::Order(order) if order.status == OrderStatus::New => told += 1,
                _ => {}
            }
        }
        assert_eq!((lost, gaps, told), (1, 1, 1));
    });
}

#[test]
fn a_wrong_secret_ends_at_once() {
    let house = House::new(lived(10, 1));
    let account = house.account.clone();
    // The right secret for the calls, and then another for the stream: the venue's key changes in between.
    let error = house.run(|broker| async move {
        broker.accounts().await.unwrap();
        let other = BinanceConfig::new(BinanceVenue::KEY, "another secret").with_context(broker.context().clone());
        let other = broker_binance::BinanceBroker::new(other).unwrap();
        let streaming = other.streaming().unwrap();
        let subscribed = streaming.subscribe(&Subscription::account(&account)).await;
        subscribed.err().unwrap()
    });
    assert_eq!((error.kind(), error.code()), (ErrorKind::Auth, Some("-1022")));
    assert!(!format!("{error:?}").contains("another secret"));
}
