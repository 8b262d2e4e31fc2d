//! The campaigns over the wire venue: orders and crashes, history, streams. `BROKER_SEEDS` runs more seeds than those
//! of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod history;
mod orders;
mod streams;

use std::sync::Arc;

use broker_core::{Broker, Context, Currency, Money};
use broker_oanda::venue::{OandaVenue, OandaVenueBuilder};
use broker_oanda::{OandaBroker, OandaConfig};
use broker_sim::Engine;
use broker_testkit::campaign::{House, Line, open_market};
use broker_testkit::stage::VenueWords;
use chrono::{DateTime, Utc};

fn house() -> House<OandaVenue> {
    House::new(
        OandaVenue::engine,
        OandaVenue::engine_mut,
        OandaVenue::account,
        |venue| venue.account().clone(),
    )
    .with_orders(OandaVenue::numbered)
    .with_fills(|venue, fills| venue.numbered_fills(venue.account(), fills))
    .with_positions(|_, mut positions| {
        for position in &mut positions {
            position.instrument = position.instrument.get().replace('/', "_").into();
        }
        positions
    })
}

fn connect(context: Context) -> Arc<dyn Broker> {
    let config = OandaConfig::new(OandaVenue::TOKEN).with_context(context);
    OandaBroker::new(config).unwrap().handle()
}

fn words() -> VenueWords {
    let limited = r#"{"errorMessage":"Too many requests"}"#;
    VenueWords {
        internal: r#"{"errorCode":"INTERNAL_SERVER_ERROR","errorMessage":"An internal server error has occurred"}"#
            .to_owned(),
        limited: limited.to_owned(),
        banned: (429, limited.to_owned()),
        duplicate: (
            400,
            r#"{"errorCode":"CLIENT_ORDER_ID_ALREADY_EXISTS","errorMessage":"The client order ID is taken"}"#
                .to_owned(),
        ),
    }
}

/// A Wednesday.
fn now() -> DateTime<Utc> {
    "2026-11-18T15:00:00Z".parse().unwrap()
}

fn lines() -> [Line; 3] {
    [
        Line::new("EUR/USD", "1.08000", "0.01000", "100"),
        Line::new("USD/JPY", "151.000", "1.000", "100"),
        Line::new("GBP/USD", "1.27000", "0.01000", "100"),
    ]
}

fn engine(seed: u64) -> Engine {
    let mut engine = open_market(&lines(), seed, now());
    let account = OandaVenue::ACCOUNT;
    engine
        .open_account(OandaVenueBuilder::spec(account, Currency::USD), now())
        .unwrap();
    let cash = Money::new(1_000_000_000.into(), Currency::USD);
    engine.deposit(&account.into(), cash, now()).unwrap();
    engine
}
