//! The campaigns over the wire venue: orders and crashes, history, streams. `BROKER_SEEDS` runs more seeds than those
//! of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod history;
mod orders;
mod streams;

use std::sync::Arc;

use broker_core::{Broker, Context, Currency, Money};
use broker_sim::{AccountSpec, Engine, FeeSchedule};
use broker_testkit::campaign::{House, Line, open_market};
use broker_testkit::stage::VenueWords;
use broker_topstepx::venue::TopstepxVenue;
use broker_topstepx::{TopstepxBroker, TopstepxConfig};
use chrono::{DateTime, Utc};

fn house() -> House<TopstepxVenue> {
    House::new(
        TopstepxVenue::engine,
        TopstepxVenue::engine_mut,
        TopstepxVenue::account,
        |venue| venue.account_id(venue.account()).unwrap(),
    )
    .with_orders(TopstepxVenue::numbered)
    .with_fills(|venue, fills| venue.numbered_fills(venue.account(), fills))
    .with_positions(|venue, mut positions| {
        for position in &mut positions {
            position.instrument = venue.contract_id(&position.instrument).unwrap();
        }
        positions
    })
}

fn config() -> TopstepxConfig {
    TopstepxConfig::new(TopstepxVenue::USER_NAME, TopstepxVenue::API_KEY)
}

fn connect(context: Context) -> Arc<dyn Broker> {
    TopstepxBroker::new(config().with_context(context)).unwrap().handle()
}

/// With as many requests as are asked for.
fn connect_freely(context: Context) -> Arc<dyn Broker> {
    let config = config().with_limits(1_000_000, 1_000_000).with_context(context);
    TopstepxBroker::new(config).unwrap().handle()
}

fn words() -> VenueWords {
    VenueWords {
        internal: r#"{"title":"An error occurred while processing your request.","status":500}"#.to_owned(),
        limited: String::new(),
        banned: (429, String::new()),
        duplicate: (
            200,
            concat!(
                r#"{"orderId":null,"success":false,"errorCode":2,"#,
                r#""errorMessage":"Custom tag must be unique across the account."}"#
            )
            .to_owned(),
        ),
    }
}

/// A Thursday evening in Chicago.
fn now() -> DateTime<Utc> {
    "2026-11-20T00:10:00Z".parse().unwrap()
}

/// Three futures at 5,000 points; a hundredth of a step is two ticks.
fn lines() -> [Line; 3] {
    ["ESH27", "NQH27", "MESH27"].map(|symbol| Line::new(symbol, "5000.00", "50.00", "1"))
}

fn engine(seed: u64) -> Engine {
    let mut engine = open_market(&lines(), seed, now());
    let spec = AccountSpec::margin("A1", Currency::USD)
        .with_stated_pnl()
        .with_fees(FeeSchedule::us_retail());
    engine.open_account(spec, now()).unwrap();
    let cash = Money::new(100_000_000_000_i64.into(), Currency::USD);
    engine.deposit(&"A1".into(), cash, now()).unwrap();
    engine
}
