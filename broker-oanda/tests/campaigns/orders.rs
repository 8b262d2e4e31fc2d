//! A venue that does not know an id of ours again once its order is done: a market order that is sent twice fills twice.

use std::time::Duration;

use broker_core::ClientOrderId;
use broker_oanda::venue::OandaVenue;
use broker_testkit::campaign::{self, OrdersStage, seeds};

use super::{connect, engine, house, lines, now, words};

const ORDERS: u64 = 10_000;
/// Reads were seen to lag by half a second; the facts say a second.
const LAG: Duration = Duration::from_millis(900);

fn stage(seed: u64) -> OrdersStage<OandaVenue> {
    let venue = OandaVenue::builder()
        .engine(engine(seed), [OandaVenue::ACCOUNT.into()])
        .with_visibility_lag(LAG)
        .build()
        .unwrap();
    OrdersStage::new((house(), venue), lines().to_vec(), now(), connect, (intent_of, words()))
}

fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    let places = method == "POST" && path.ends_with("/orders");
    let replaces = method == "PUT" && path.contains("/orders/") && !path.ends_with("/cancel");
    if !places && !replaces {
        return None;
    }
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body.get("order")?.get("clientExtensions")?.get("id")?.as_str()?.into())
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    campaign::orders_are_safe((seeds(20), ORDERS), stage, |report, venue| {
        assert_eq!(venue.refused(), 0, "120 a second were kept");
        // Nothing bounds the arrival, so nothing is ever told as never arrived; and nothing is sent twice.
        assert_eq!(report.not_placed, 0);
        assert!(report.tickets > report.open && report.open > 0, "{report}");
    });
}

#[test]
fn every_drop_kill_and_failing_journal_is_survived() {
    campaign::crashes_are_survived(|| stage(1));
}

#[test]
fn planted_bugs_are_caught() {
    campaign::planted_bugs_are_caught(|| stage(3), stage(3));
}
