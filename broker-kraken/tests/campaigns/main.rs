//! The campaigns over the wire venue: orders and crashes, history, streams. `BROKER_SEEDS` runs more seeds than those
//! of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod history;
mod orders;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use broker_core::{Broker, Context, Currency, Money, Order};
use broker_kraken::venue::{KrakenVenue, catalogue};
use broker_kraken::{KrakenBroker, KrakenConfig};
use broker_sim::{AccountSpec, Engine};
use broker_testkit::campaign::{House, Line};
use broker_testkit::stage::VenueWords;
use chrono::{DateTime, Utc};

fn house() -> House<KrakenVenue> {
    let house = House::new(
        KrakenVenue::engine,
        KrakenVenue::engine_mut,
        KrakenVenue::account,
        KrakenVenue::account_id,
    );
    house
        .with_orders(|_, orders| {
            let named = orders.into_iter().map(|order| Order {
                id: KrakenVenue::txid(&order.id),
                ..order
            });
            named.collect()
        })
        .with_fills(|_, mut fills| {
            for fill in &mut fills {
                fill.id = KrakenVenue::trade_id(&fill.id);
                fill.order = fill.order.as_ref().map(KrakenVenue::txid);
            }
            fills
        })
}

fn config() -> KrakenConfig {
    KrakenConfig::new(KrakenVenue::KEY, KrakenVenue::SECRET).live()
}

/// With as many requests as are asked for.
fn connect(context: Context) -> Arc<dyn Broker> {
    let point = Duration::from_millis(1);
    let config = config()
        .with_call_counter(1_000_000, point)
        .with_order_counter(1_000_000, point)
        .with_public_counter(1_000_000, point);
    KrakenBroker::new(config.with_context(context)).unwrap().handle()
}

fn words() -> VenueWords {
    let limited = r#"{"error":["EAPI:Rate limit exceeded"]}"#;
    VenueWords {
        internal: r#"{"error":["EGeneral:Internal error"]}"#.to_owned(),
        limited: limited.to_owned(),
        banned: (200, r#"{"error":["EGeneral:Temporary lockout"]}"#.to_owned()),
        duplicate: (
            200,
            r#"{"error":["EGeneral:Invalid arguments:cl_ord_id not unique"]}"#.to_owned(),
        ),
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-20T15:00:00Z".parse().unwrap()
}

/// On margin, so that what is traded is a position.
fn lines() -> [Line; 3] {
    [
        Line::new("margin:XXBTZUSD", "90000.0", "900.0", "0.001").called("margin:BTC/USD"),
        Line::new("margin:XETHZUSD", "3000.00", "30.00", "0.01").called("margin:ETH/USD"),
        Line::new("margin:XLTCZUSD", "100.00", "1.00", "0.1").called("margin:LTC/USD"),
    ]
}

fn engine(seed: u64) -> Engine {
    let mut engine = Engine::new(seed, &catalogue(), now());
    engine
        .open_account(AccountSpec::margin("A1", Currency::USD), now())
        .unwrap();
    let cash = Money::new(1_000_000_000.into(), Currency::USD);
    engine.deposit(&"A1".into(), cash, now()).unwrap();
    engine
}
