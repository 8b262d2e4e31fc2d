//! The sync over Alpaca's wire venue, at Alpaca's own limits, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod stage;

use broker_core::seam::Clock;
use stage::{Stage, plan};

#[test]
fn measure() {
    for (fills, symbols) in [
        (1_000, 24),
        (1_000, 40),
        (10_000, 24),
        (10_000, 60),
        (100_000, 24),
        (100_000, 40),
        (100_000, 200),
    ] {
        let stage = Stage::new(&plan(fills, 7).with_symbols(symbols));
        let report = stage.runtime.block_on(stage.syncer().sync(&stage.account)).unwrap();
        let seen = stage.recorder.requests();
        let is = |category: &str| seen.iter().filter(|r| r.query.contains(category)).count();
        println!(
            "{fills}/{symbols}: trades {} of {} others {} of {}, orders {} assets {} contracts {} all {} took {:?} requests {}\n{}",
            is("category=trade"),
            report.totals.fills,
            is("category=non"),
            report.totals.rows - report.totals.fills,
            stage.requests("/v2/orders"),
            stage.requests("/v2/assets"),
            stage.requests("/v2/options"),
            seen.len(),
            stage.runtime.clock().elapsed(),
            report.requests,
            report.orders
        );
    }
}
