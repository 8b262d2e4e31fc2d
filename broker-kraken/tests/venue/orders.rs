//! What is Kraken's own about orders.

use std::time::Duration;

use broker_core::ext::BrokerExt;
use broker_core::model::{Amount, InstrumentRef, OrderChange, OrderKind, Size, Trail};
use broker_core::{
    Broker, ErrorKind, Instrument, InstrumentQuery, Order, OrderRef, OrderRequest, OrderStatus, Placement, Side,
};
use broker_kraken::venue::KrakenVenue;
use broker_kraken::{KrakenBroker, KrakenConfig, KrakenTerms};
use chrono::{SubsecRound, TimeDelta};

use super::{Stage, config, end, price, qty, unhurried};

fn stage() -> Stage {
    let mut venue = KrakenVenue::builder()
        .starts_at(end())
        .without_limits()
        .build()
        .unwrap();
    let (bid, ask) = (price("94250.0"), price("94251.0"));
    venue.set_quote("XXBTZUSD", bid, ask, qty("5"), end()).unwrap();
    Stage::new(venue, end() + TimeDelta::seconds(1), unhurried(config()))
}

fn resting() -> OrderRequest {
    OrderRequest::limit("BTC/USD".into(), Side::Buy, qty("0.01"), price("50000.0"))
}

async fn place(broker: &KrakenBroker, request: OrderRequest) -> Order {
    let account = broker.account_id().clone();
    match broker.place_once(&account, request).await.unwrap() {
        Placement::Accepted(order) => *order,
        other => panic!("{other:?}"),
    }
}

async fn refused(broker: &KrakenBroker, request: OrderRequest) -> ErrorKind {
    let account = broker.account_id().clone();
    match broker.place_once(&account, request).await {
        Ok(Placement::Rejected(error)) | Err(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn there_is_no_paper_account() {
    let error = KrakenBroker::new(KrakenConfig::new(KrakenVenue::KEY, KrakenVenue::SECRET)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("paper"), "{error}");
}

#[test]
fn every_spelling_of_a_pair_is_the_pair() {
    let stage = stage();
    for spelling in ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD"] {
        let query = InstrumentQuery::Symbols(vec![spelling.into()]);
        let found: Vec<Instrument> = stage.run(|broker| async move { broker.instruments(&query).await.unwrap() });
        assert_eq!(found.len(), 1, "{spelling}");
        assert_eq!(
            (found[0].id.get(), found[0].symbol.get()),
            ("XXBTZUSD", "BTC/USD"),
            "{spelling}"
        );
        let margin = InstrumentQuery::Symbols(vec![format!("margin:{spelling}").as_str().into()]);
        let found: Vec<Instrument> = stage.run(|broker| async move { broker.instruments(&margin).await.unwrap() });
        assert_eq!(found[0].id.get(), "margin:XXBTZUSD", "{spelling}");
    }
}

#[test]
fn a_checked_order_is_not_placed() {
    let stage = stage();
    let words = stage.run(|broker| async move { broker.validate(&resting()).await.unwrap() });
    assert!(words.contains("buy 0.01"), "{words}");
    let too_much = OrderRequest::limit("BTC/USD".into(), Side::Buy, qty("1000"), price("50000.0"));
    let checked = stage.run(|broker| async move { broker.validate(&too_much).await });
    println!("more than the account can pay: {checked:?}");
    assert!(stage.venue.lock().unwrap().orders().is_empty());
}

#[test]
fn a_change_keeps_the_order_and_its_id() {
    let stage = stage();
    let (before, after) = stage.run(|broker| async move {
        let order = place(&broker, resting().with_client_id("change-1".into())).await;
        let reference = OrderRef::by_id(&order.account, order.id.clone());
        let change = OrderChange::new()
            .with_limit_price(price("51000.0"))
            .with_qty(qty("0.02"));
        let changed = broker.replace_once(&reference, change).await.unwrap();
        let Placement::Accepted(changed) = changed else {
            panic!("{changed:?}")
        };
        // It is done once the order shows it.
        broker.context().clock().sleep(Duration::from_secs(1)).await;
        let shown = broker
            .order(&OrderRef::by_id(&changed.account, changed.id))
            .await
            .unwrap();
        (order, shown)
    });
    assert_eq!((before.id, before.client_id), (after.id, after.client_id));
    assert_eq!(after.limit_price, Some(price("51000.0")));
}

/// The first is the order as it was placed. Times are the venue's nanoseconds.
#[test]
fn every_amend_of_an_order_is_told() {
    let stage = stage();
    let (placed, amends) = stage.run(|broker| async move {
        let order = place(&broker, resting()).await;
        let reference = OrderRef::by_id(&order.account, order.id.clone());
        let unchanged = broker.order_amends(&order.id).await.unwrap();
        assert_eq!(unchanged.len(), 1);
        for (limit, size) in [("51000.0", "0.02"), ("51500.5", "0.015")] {
            broker.context().clock().sleep(Duration::from_secs(2)).await;
            let change = OrderChange::new().with_limit_price(price(limit)).with_qty(qty(size));
            let changed = broker.replace_once(&reference, change).await.unwrap();
            assert!(!matches!(changed, Placement::Rejected(_)));
        }
        let placed = broker.order(&reference).await.unwrap().created_at.unwrap();
        (placed, broker.order_amends(&order.id).await.unwrap())
    });
    let told: Vec<_> = amends
        .iter()
        .map(|one| (one.kind.as_str(), one.qty, one.remaining, one.limit_price))
        .collect();
    let row = |kind, size: &str, limit: &str| (kind, Some(qty(size)), Some(qty(size)), Some(price(limit)));
    let expected = [
        row("original", "0.01", "50000"),
        row("user", "0.02", "51000"),
        row("user", "0.015", "51500.5"),
    ];
    assert_eq!(told, expected);
    assert_eq!(amends[0].at.trunc_subsecs(4), placed.trunc_subsecs(4));
    assert!(amends[1].at < amends[2].at);
}

/// An edit is another order: the old one is canceled, and our id is gone with it.
#[test]
fn an_edit_makes_another_order() {
    let stage = stage();
    let (old, new) = stage.run(|broker| async move {
        let order = place(&broker, resting().with_client_id("edit-1".into())).await;
        let reference = OrderRef::by_id(&order.account, order.id.clone());
        let change = OrderChange::new().with_qty(qty("0.02"));
        let id = broker.edit(&reference, &change).await.unwrap();
        assert_ne!(id, order.id);
        let new = broker.order(&OrderRef::by_id(&order.account, id)).await.unwrap();
        (broker.order(&reference).await.unwrap(), new)
    });
    assert_eq!(old.status, OrderStatus::Canceled);
    assert_eq!((new.status, new.client_id), (OrderStatus::New, None));
    assert_eq!(
        (new.amount, new.limit_price),
        (Amount::Qty(qty("0.02")), Some(price("50000")))
    );
    let sent = stage.recorder.requests();
    let edit = sent
        .iter()
        .find(|request| request.path == "/0/private/EditOrder")
        .unwrap();
    let names: Vec<&str> = edit
        .body
        .split('&')
        .filter_map(|field| field.split('=').next())
        .collect();
    // A price that stays is said, too; one that comes late is not carried out.
    assert_eq!(names, ["nonce", "txid", "pair", "volume", "price", "deadline"]);
}

#[test]
fn the_distance_of_a_trailing_stop_is_edited() {
    let stage = stage();
    let trailing = |trail| OrderRequest::trailing_stop("margin:BTC/USD".into(), Side::Sell, qty("0.01"), trail);
    let new = stage.run(|broker| async move {
        let order = place(&broker, trailing(Trail::Amount("900".parse().unwrap()))).await;
        let reference = OrderRef::by_id(&order.account, order.id.clone());
        let change = OrderChange::new().with_trail(Trail::Amount("700".parse().unwrap()));
        let id = broker.edit(&reference, &change).await.unwrap();
        broker.order(&OrderRef::by_id(&order.account, id)).await.unwrap()
    });
    assert_eq!(new.trail, Some(Trail::Amount("700".parse().unwrap())));
}

#[test]
fn what_kraken_has_not_is_refused_unsent() {
    let stage = stage();
    let sent = || stage.recorder.sent();
    stage.run(|broker| async move { place(&broker, resting()).await });
    let before = sent();
    let kind = |request| stage.run(|broker| async move { refused(&broker, request).await });
    assert_eq!(
        kind(resting().with_reduce_only()),
        ErrorKind::Unsupported,
        "spot has nothing to reduce"
    );
    assert_eq!(kind(resting().with_extended_hours()), ErrorKind::Unsupported);
    assert_eq!(sent(), before);
}

#[test]
fn an_order_of_ones_own_terms() {
    let stage = stage();
    let order = stage.run(|broker| async move {
        let broker = broker.with_terms(KrakenTerms::new().with_post_only());
        place(&broker, resting()).await
    });
    assert_eq!((order.kind, order.status), (OrderKind::Limit, OrderStatus::PendingNew));
    // One that would trade at once is refused.
    let crossing = OrderRequest::limit("BTC/USD".into(), Side::Buy, qty("0.01"), price("95000.0"));
    let kind = stage.run(|broker| async move {
        let broker = broker.with_terms(KrakenTerms::new().with_post_only());
        refused(&broker, crossing).await
    });
    assert_ne!(kind, ErrorKind::Unsupported);
}

#[test]
fn the_dead_mans_switch() {
    let stage = stage();
    stage.run(|broker| async move {
        place(&broker, resting()).await;
        let at = broker.cancel_all_after(Duration::from_secs(60)).await.unwrap();
        assert!(at.is_some());
        broker.context().clock().sleep(Duration::from_secs(61)).await;
        broker.positions(broker.account_id()).await.unwrap();
    });
    let orders = stage.venue.lock().unwrap().orders();
    assert_eq!(orders[0].status, OrderStatus::Canceled);
}

#[test]
fn money_buys_at_the_market() {
    let stage = stage();
    let request = OrderRequest::market("BTC/USD".into(), Side::Buy, qty("1")).with_notional(qty("500"), None);
    assert!(matches!(request.size, Size::Notional { .. }));
    assert!(matches!(request.instrument, InstrumentRef::Symbol(_)));
    let order = stage.run(|broker| async move {
        let order = place(&broker, request).await;
        broker.order(&OrderRef::by_id(&order.account, order.id)).await.unwrap()
    });
    assert_eq!(order.status, OrderStatus::Filled, "{order:?}");
    let balances = stage.run(|broker| async move { broker.balances(broker.account_id()).await.unwrap() });
    let btc = balances
        .balances
        .iter()
        .find(|balance| balance.currency.code() == "BTC")
        .unwrap();
    assert!(
        btc.total > "0.005".parse().unwrap() && btc.total < "0.0054".parse().unwrap(),
        "{btc:?}"
    );
}
