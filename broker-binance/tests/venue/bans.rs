//! An address that is banned (418), and a firewall that answers in markup (403): who waits, and what is told.

use std::sync::Mutex;
use std::time::Duration;

use broker_binance::BinanceBroker;
use broker_binance::venue::BinanceVenue;
use broker_core::model::{Event, Subscription};
use broker_core::seam::BoxStream;
use broker_core::{AccountId, OrderRef};
use broker_core::{Broker, BrokerExt, Delivery, ErrorKind, OrderRequest, OrderStatus, Placement, Settled, Side};
use broker_sim::wire::{Fault, FaultPlan, When};
use futures_util::StreamExt;

use super::{House, lived};

type Events = BoxStream<'static, Event>;

const BANNED: &str = r#"{"code":-1003,"msg":"Way too much request weight used; IP banned until 1795197999000."}"#;
const MARKUP: &str = "<html><head><title>403 Forbidden</title></head><body>Request blocked.</body></html>";

fn house() -> House {
    let house = House::new(lived(10, 1));
    let account = house.account.clone();
    // What is asked once is known.
    house.run(|broker| async move {
        broker.accounts().await.unwrap();
        broker.instruments(&broker_core::InstrumentQuery::All).await.unwrap();
        broker.balances(&account).await.unwrap();
    });
    house.recorder.clear();
    house
}

fn resting() -> OrderRequest {
    OrderRequest::limit(
        "BTC/USD".into(),
        Side::Buy,
        "0.1".parse().unwrap(),
        "50000".parse().unwrap(),
    )
    .with_client_id("mine".into())
}

/// Orders of ours at the venue.
fn orders(house: &House) -> usize {
    let venue = house.venue.lock().unwrap();
    let own = venue
        .orders()
        .into_iter()
        .filter(|order| order.client_id.as_ref().is_some_and(|id| id.get() == "mine"));
    own.count()
}

/// A read waits as long as it is told to, once, and then is answered.
#[test]
fn a_read_waits_out_a_ban() {
    let house = house();
    let when = When::always().path("/api/v3/account");
    let ban = Fault::Ban(418, BANNED.to_owned(), Duration::from_secs(60));
    house.faults.set(FaultPlan::none().rule(when.at_most(1), ban));
    let took = house.run(|broker| async move {
        let started = broker.context().clock().elapsed();
        broker.accounts().await.unwrap();
        broker.context().clock().elapsed() - started
    });
    assert!((60..=61).contains(&took.as_secs()), "{took:?}");
    assert_eq!(house.recorder.sent(), 2);
}

/// A ban that is longer than a read may take is told at once, and until its end nobody of that address asks anything.
#[test]
fn a_long_ban_is_told_and_kept_by_all() {
    let house = house();
    let when = When::always().path("/api/v3/account").at_most(1);
    let ban = Fault::Ban(418, BANNED.to_owned(), Duration::from_secs(600));
    house.faults.set(FaultPlan::none().rule(when, ban));
    let account = house.account.clone();
    let (error, waited, rejected) = house.run(|broker| async move {
        let clock = broker.context().clock().clone();
        let error = broker.accounts().await.unwrap_err();
        let started = clock.elapsed();
        let other = broker.clone();
        let placed = other.place_once(&account, resting()).await;
        let quoted = broker.market_data().unwrap().quotes(&["BTCUSD".into()]).await;
        (error, clock.elapsed() - started, (placed, quoted))
    });
    assert_eq!(
        (error.kind(), error.code(), error.status()),
        (ErrorKind::RateLimited, Some("-1003"), Some(418))
    );
    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(600));
    println!("{waited:?} {rejected:?}");
    // Nothing was sent while the ban lasted.
    let sent = house.recorder.requests();
    let banned = sent[0].at;
    let early = sent[1..].iter().filter(|one| (one.at - banned).num_seconds() < 599);
    assert_eq!(early.count(), 0, "{sent:?}");
    let (placed, _) = rejected;
    match placed {
        Ok(Placement::Accepted(_)) => assert_eq!(orders(&house), 1),
        Err(error) => assert_eq!((error.delivery(), orders(&house)), (Delivery::NotSent, 0)),
        other => panic!("{other:?}"),
    }
}

/// A ban says that nothing was done: the order is refused, and sent once.
#[test]
fn an_order_under_a_ban_is_refused() {
    let house = house();
    let when = When::always().method("POST").at_most(1);
    let ban = Fault::Ban(418, BANNED.to_owned(), Duration::from_secs(120));
    house.faults.set(FaultPlan::none().rule(when, ban));
    let account = house.account.clone();
    let placed = house.run(|broker| async move { broker.place_once(&account, resting()).await.unwrap() });
    let Placement::Rejected(error) = placed else {
        panic!("{placed:?}")
    };
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::RateLimited, Delivery::Answered)
    );
    assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(120));
    let posts = house
        .recorder
        .requests()
        .iter()
        .filter(|one| one.method == "POST")
        .count();
    assert_eq!((posts, orders(&house)), (1, 0));
}

/// A firewall's page says nothing of the order behind it: it may have been taken, and is looked up.
#[test]
fn an_order_behind_a_firewall_is_a_doubt() {
    for handled in [true, false] {
        let house = house();
        let when = When::always().method("POST").at_most(1);
        let page = MARKUP.to_owned();
        let fault = if handled {
            Fault::ErrorAfter(403, page)
        } else {
            Fault::ErrorBefore(403, page)
        };
        house.faults.set(FaultPlan::none().rule(when, fault));
        let account = house.account.clone();
        let placed = house.run(|broker| async move { broker.place_once(&account, resting()).await.unwrap() });
        let posts = house.recorder.requests();
        let posts = posts.iter().filter(|one| one.method == "POST").count();
        assert_eq!((posts, orders(&house)), (1, usize::from(handled)));
        match placed {
            Placement::Accepted(order) => assert!(handled && order.status == OrderStatus::New, "{order:?}"),
            Placement::Rejected(error) => assert!(!handled, "{error:?}"),
            // The firewall kept lookups off, too: it is found out later.
            Placement::InDoubt(ticket) => {
                let settled = house.run(|broker| async move {
                    broker.context().clock().sleep(Duration::from_secs(60)).await;
                    broker.settle(ticket).await.unwrap()
                });
                match settled {
                    Settled::Accepted(order) => assert!(handled && order.status == OrderStatus::New, "{order:?}"),
                    Settled::NotPlaced => assert!(!handled),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

/// The first connection's refusal is the caller's to know at once. Later ones are waited out as long as they say, and
/// end no stream.
#[test]
fn a_refused_upgrade_is_waited_out() {
    for (status, body, kind) in [
        (418, BANNED, ErrorKind::RateLimited),
        (429, BANNED, ErrorKind::RateLimited),
        (403, MARKUP, ErrorKind::Permission),
    ] {
        let house = house();
        let ban = || {
            let when = When::always().path("/ws-api/v3").at_most(1);
            let ban = Fault::Ban(status, body.to_owned(), Duration::from_secs(90));
            FaultPlan::none().rule(when, ban)
        };
        let (account, faults, venue) = (house.account.clone(), house.faults.clone(), house.venue.clone());
        let (error, lost) = house.run(|broker| async move {
            let clock = broker.context().clock().clone();
            let streaming = broker.streaming().unwrap();
            let subscription = Subscription::account(&account);
            let mut events = streaming.subscribe(&subscription).await.unwrap();
            faults.set(ban());
            let error = streaming.subscribe(&subscription).await.err().unwrap();
            clock.sleep(Duration::from_secs(100)).await;
            faults.set(ban());
            let lost = clock.now();
            venue.lock().unwrap().shut_streams_down(lost);
            loop {
                match events.next().await.unwrap() {
                    Event::Gap { .. } => break (error, lost),
                    Event::Closed(error) => panic!("{error}"),
                    _ => {}
                }
            }
        });
        assert_eq!((error.kind(), error.status()), (kind, Some(status)));
        assert_eq!(error.retry_after().map(|wait| wait.as_secs()), Some(90));
        let sockets = house.recorder.sockets();
        let again = sockets.last().unwrap();
        let waited = (again.at - lost).num_seconds();
        assert!((90..=120).contains(&waited), "{status}: {waited} s");
        assert_eq!(sockets.len(), 2, "{status}");
    }
}

/// A stream that stands and is shut down, and a ban of the whole address that only this path tells of.
async fn loses_its_stream(broker: &BinanceBroker, account: &AccountId, venue: &Mutex<BinanceVenue>) -> Events {
    let streaming = broker.streaming().unwrap();
    let mut events = streaming.subscribe(&Subscription::account(account)).await.unwrap();
    venue.lock().unwrap().shut_streams_down(broker.context().clock().now());
    loop {
        match events.next().await.unwrap() {
            Event::Disconnected { .. } => return events,
            Event::Closed(error) => panic!("{error}"),
            _ => {}
        }
    }
}

async fn stands_again(events: &mut Events) {
    while !matches!(events.next().await.unwrap(), Event::Recovered(_)) {}
}

/// The ban is of the address: calls keep away from what the stream was told.
#[test]
fn a_refused_upgrade_is_waited_out_by_calls_too() {
    for status in [418, 429] {
        let house = house();
        let (account, faults, venue) = (house.account.clone(), house.faults.clone(), house.venue.clone());
        let (lost, asked) = house.run(|broker| async move {
            let clock = broker.context().clock().clone();
            let ban = Fault::Ban(status, BANNED.to_owned(), Duration::from_secs(90));
            let when = When::always().path("/ws-api/v3").at_most(1).nth(2);
            faults.set(FaultPlan::none().rule(when, ban));
            let mut events = loses_its_stream(&broker, &account, &venue).await;
            let lost = clock.now();
            clock.sleep(Duration::from_secs(2)).await;
            let asked = clock.now();
            broker.balances(&account).await.unwrap();
            stands_again(&mut events).await;
            (lost, asked)
        });
        let calls = house.recorder.requests();
        let sent = calls.iter().find(|one| one.at >= asked).unwrap();
        assert_eq!(sent.path, "/api/v3/account");
        let waited = (sent.at - lost).num_milliseconds();
        // It was refused within the first half second.
        assert!((90_000..91_000).contains(&waited), "{status}: {waited} ms");
        assert_eq!(house.recorder.sockets().len(), 2);
    }
}

/// And the stream from what a call was told: no connection is tried before the ban is over, and one soon after.
#[test]
fn a_refused_call_is_waited_out_by_the_stream_too() {
    let house = house();
    let (account, faults, venue) = (house.account.clone(), house.faults.clone(), house.venue.clone());
    let banned = house.run(|broker| async move {
        let streaming = broker.streaming().unwrap();
        let mut events = streaming.subscribe(&Subscription::account(&account)).await.unwrap();
        let ban = Fault::Ban(418, BANNED.to_owned(), Duration::from_secs(300));
        let when = When::always().path("/api/v3/order").at_most(1);
        faults.set(FaultPlan::none().rule(when, ban));
        let banned = broker.context().clock().now();
        let read = OrderRef::by_id(&account, "BTCUSD:1000".into());
        let error = broker.order(&read).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::RateLimited, Some(418)));
        venue.lock().unwrap().shut_streams_down(banned);
        stands_again(&mut events).await;
        banned
    });
    let sockets = house.recorder.sockets();
    assert_eq!(sockets.len(), 2);
    let waited = (sockets[1].at - banned).num_milliseconds();
    assert!((300_000..302_000).contains(&waited), "{waited} ms");
    let early = house.recorder.requests();
    let early = early
        .iter()
        .filter(|one| one.at > banned)
        .min_by_key(|one| one.at)
        .unwrap();
    assert!(
        (early.at - banned).num_seconds() < 1 || (early.at - banned).num_seconds() >= 300,
        "{early:?}"
    );
}
