//! The campaigns over the wire venue: orders and crashes, history, streams. `BROKER_SEEDS` runs more seeds than those
//! of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod history;
mod orders;
mod streams;

use std::sync::Arc;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::{Broker, Context, Currency, Money};
use broker_sim::{AccountSpec, Engine};
use broker_testkit::campaign::{House, Line, open_market};
use broker_testkit::stage::VenueWords;
use chrono::{DateTime, Utc};

fn house() -> House<AlpacaVenue> {
    House::new(
        AlpacaVenue::engine,
        AlpacaVenue::engine_mut,
        AlpacaVenue::account,
        AlpacaVenue::account_id,
    )
}

fn connect(context: Context) -> Arc<dyn Broker> {
    let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_context(context);
    AlpacaBroker::new(config).unwrap().handle()
}

fn words() -> VenueWords {
    let limited = r#"{"code":42910000,"message":"too many requests."}"#;
    VenueWords {
        internal: r#"{"code":50010000,"message":"internal server error occurred"}"#.to_owned(),
        limited: limited.to_owned(),
        banned: (429, limited.to_owned()),
        duplicate: (
            422,
            r#"{"code":40010001,"message":"client_order_id must be unique"}"#.to_owned(),
        ),
    }
}

/// A Friday, ten in the morning in New York.
fn now() -> DateTime<Utc> {
    "2026-11-20T15:00:00Z".parse().unwrap()
}

/// Three shares at 100 dollars, and a billion of them.
fn lines() -> [Line; 3] {
    ["AAPL", "MSFT", "KO"].map(|symbol| Line::new(symbol, "100.00", "1.00", "1"))
}

fn engine(seed: u64) -> Engine {
    let mut engine = open_market(&lines(), seed, now());
    engine
        .open_account(AccountSpec::margin("A1", Currency::USD), now())
        .unwrap();
    let cash = Money::new(1_000_000_000.into(), Currency::USD);
    engine.deposit(&"A1".into(), cash, now()).unwrap();
    engine
}
