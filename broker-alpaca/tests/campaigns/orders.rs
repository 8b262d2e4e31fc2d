//! A venue that takes an id of ours once, where a request may arrive whenever it likes.

use std::time::Duration;

use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_core::ClientOrderId;
use broker_testkit::campaign::{self, OrdersStage, seeds};
use broker_testkit::damage::Damage;

use super::{connect, engine, house, lines, now, words};

const ORDERS: u64 = 10_000;
/// What the real service needs at most is a second; the facts say so.
const LAG: Duration = Duration::from_millis(900);

fn stage(seed: u64) -> OrdersStage<AlpacaVenue> {
    stage_of(seed, |builder| builder)
}

fn stage_of(seed: u64, change: fn(AlpacaVenueBuilder) -> AlpacaVenueBuilder) -> OrdersStage<AlpacaVenue> {
    let builder = AlpacaVenue::builder()
        .engine(engine(seed), "A1")
        .starts_at(now())
        .with_visibility_lag(LAG)
        .allowing_wash_trades();
    let venue = change(builder).build().unwrap();
    // No sale asks for more than is there: a refusal of a second send would prove nothing of the first.
    OrdersStage::new((house(), venue), lines().to_vec(), now(), connect, (intent_of, words())).holding(200_000)
}

fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    if !matches!(method, "POST" | "PATCH") || !path.starts_with("/v2/orders") {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body.get("client_order_id")?.as_str()?.into())
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    campaign::orders_are_safe((seeds(20), ORDERS), stage, |report, _| {
        // Nothing bounds the arrival, so nothing is ever told as never arrived.
        assert_eq!(report.not_placed, 0);
        assert!(report.elapsed > Duration::from_secs(3_600), "200 a minute were kept");
    });
}

#[test]
fn every_drop_kill_and_failing_journal_is_survived() {
    campaign::crashes_are_survived(|| stage(1));
}

#[test]
fn a_venue_that_takes_an_id_twice_is_found_out() {
    // The facts say that a second send is safe. Over a venue where it is not, orders are doubled.
    let report = campaign::harmed(&stage_of(3, AlpacaVenueBuilder::without_client_id_check));
    assert!(report.damages.of(Damage::DoubleOrder) > 0, "{report}");
}

#[test]
fn planted_bugs_are_caught() {
    campaign::planted_bugs_are_caught(|| stage(3), stage_of(3, AlpacaVenueBuilder::without_client_id_check));
}
