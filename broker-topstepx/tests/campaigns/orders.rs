//! A venue that takes a tag once for ever and finds no order by it, where a request may arrive whenever it likes.

use std::time::Duration;

use broker_core::ClientOrderId;
use broker_sim::ClientIdPolicy;
use broker_testkit::campaign::{self, OrdersStage, seeds};
use broker_testkit::damage::Damage;
use broker_testkit::orders::{OrdersPlan, orders_campaign};
use broker_topstepx::venue::{TopstepxVenue, TopstepxVenueBuilder};

use super::{connect, engine, house, lines, now, words};

const ORDERS: u64 = 10_000;
/// The facts say two seconds.
const LAG: Duration = Duration::from_millis(1_800);

fn stage(seed: u64) -> OrdersStage<TopstepxVenue> {
    stage_of(seed, |builder| builder)
}

fn stage_of(seed: u64, change: fn(TopstepxVenueBuilder) -> TopstepxVenueBuilder) -> OrdersStage<TopstepxVenue> {
    let builder = TopstepxVenue::builder()
        .engine(engine(seed))
        .practice_account("A1")
        .visibility_lag(LAG);
    let venue = change(builder).build().unwrap();
    OrdersStage::new((house(), venue), lines().to_vec(), now(), connect, (intent_of, words()))
}

fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    if method != "POST" || path != "/api/Order/place" {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body.get("customTag")?.as_str()?.into())
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

fn forgetful(builder: TopstepxVenueBuilder) -> TopstepxVenueBuilder {
    builder.client_ids(ClientIdPolicy::None)
}

#[test]
fn a_venue_that_takes_a_tag_twice_is_found_out() {
    // The facts say that a second send is safe. Over a venue where it is not, orders are doubled.
    // Some three in a thousand.
    let report = orders_campaign(&stage_of(3, forgetful), OrdersPlan::new(ORDERS, 3));
    println!("{report}");
    assert!(report.damages.of(Damage::DoubleOrder) > 10, "{report}");
}

#[test]
fn planted_bugs_are_caught() {
    campaign::planted_bugs_are_caught(|| stage(3), stage_of(3, forgetful));
}
