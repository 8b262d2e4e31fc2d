//! A venue that takes an id again once its order is closed, and a deadline that bounds how late an order can arrive.

use std::time::Duration;

use broker_core::ClientOrderId;
use broker_kraken::venue::{KrakenVenue, KrakenVenueBuilder};
use broker_testkit::campaign::{self, OrdersStage, seeds};

use super::{connect, engine, house, lines, now, words};

const ORDERS: u64 = 10_000;
/// The facts say five seconds.
const LAG: Duration = Duration::from_millis(900);

fn stage(seed: u64) -> OrdersStage<KrakenVenue> {
    stage_of(seed, |builder| builder)
}

fn stage_of(seed: u64, change: fn(KrakenVenueBuilder) -> KrakenVenueBuilder) -> OrdersStage<KrakenVenue> {
    let builder = KrakenVenue::builder()
        .engine(engine(seed), "A1")
        .without_limits()
        .with_visibility_lag(LAG);
    let venue = change(builder).build().unwrap();
    OrdersStage::new((house(), venue), lines().to_vec(), now(), connect, (intent_of, words()))
}

fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    if method != "POST" || path != "/0/private/AddOrder" {
        return None;
    }
    let field = body.split('&').find_map(|field| field.strip_prefix("cl_ord_id="))?;
    Some(field.into())
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    campaign::orders_are_safe((seeds(20), ORDERS), stage, |report, _| {
        // The deadline bounds the arrival: what did not come by then never does.
        assert!(report.not_placed > 0, "{report}");
    });
}

#[test]
fn every_drop_kill_and_failing_journal_is_survived() {
    campaign::crashes_are_survived(|| stage(1));
}

#[test]
fn planted_bugs_are_caught() {
    let forgetful = stage_of(3, KrakenVenueBuilder::without_client_id_check);
    campaign::planted_bugs_are_caught(|| stage(3), forgetful);
}
