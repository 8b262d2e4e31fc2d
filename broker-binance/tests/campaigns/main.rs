//! The campaigns over the wire venue: orders and crashes, history, streams. `BROKER_SEEDS` runs more seeds than those
//! of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod history;
mod orders;
mod streams;

use std::sync::Arc;

use broker_binance::venue::BinanceVenue;
use broker_binance::{BinanceBroker, BinanceConfig};
use broker_core::{Broker, Context, Currency, Money, Position};
use broker_sim::{AccountSpec, Engine};
use broker_testkit::campaign::{House, Line, open_market};
use broker_testkit::stage::VenueWords;
use chrono::{DateTime, Utc};

const ACCOUNT: &str = "354937868";

/// Coins are held outright: they are balances, and no positions.
fn house() -> House<BinanceVenue> {
    let house = House::new(
        BinanceVenue::engine,
        BinanceVenue::engine_mut,
        BinanceVenue::account,
        BinanceVenue::account_id,
    );
    house
        .with_orders(|venue, _| venue.orders())
        .with_fills(|venue, _| venue.fills())
        .with_positions(|venue, positions| {
            let named = positions.into_iter().map(|position| Position {
                instrument: venue.symbol(&position.instrument).unwrap(),
                ..position
            });
            named.collect()
        })
        .outright()
}

/// With as many requests as are asked for.
fn connect(context: Context) -> Arc<dyn Broker> {
    let config = BinanceConfig::new(BinanceVenue::KEY, BinanceVenue::SECRET)
        .with_weight_per_minute(100_000_000)
        .with_orders(1_000_000, 1_000_000)
        .with_context(context);
    BinanceBroker::new(config).unwrap().handle()
}

fn words() -> VenueWords {
    let words = |code: i64, text: &str| format!(r#"{{"code":{code},"msg":"{text}"}}"#);
    VenueWords {
        internal: words(-1000, "An unknown error occurred while processing the request."),
        limited: words(
            -1003,
            "Too many requests; current limit of IP is 6000 requests per minute.",
        ),
        banned: (418, words(-1003, "Way too much request weight used; IP banned.")),
        duplicate: (400, words(-2010, "Duplicate order sent.")),
    }
}

fn now() -> DateTime<Utc> {
    "2026-11-20T15:00:00Z".parse().unwrap()
}

fn lines() -> [Line; 3] {
    [
        Line::new("BTC/USD", "90000.00", "900.00", "0.001"),
        Line::new("ETH/USD", "3000.00", "30.00", "0.01"),
        Line::new("LTC/USD", "100.000", "1.000", "0.1"),
    ]
}

fn engine(seed: u64) -> Engine {
    let mut engine = open_market(&lines(), seed, now());
    engine
        .open_account(AccountSpec::cash(ACCOUNT, Currency::USD), now())
        .unwrap();
    let cash = Money::new(1_000_000_000.into(), Currency::USD);
    engine.deposit(&ACCOUNT.into(), cash, now()).unwrap();
    engine
}
