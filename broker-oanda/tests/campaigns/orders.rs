//! A venue that does not know an id of ours again once its order is done: a market order that is sent twice fills twice.

use std::time::Duration;

use broker_core::ClientOrderId;
use broker_oanda::venue::OandaVenue;
use broker_testkit::campaign::OrdersStage;
use broker_testkit::crash::crash_campaign;
use broker_testkit::stage::Stage;

use super::{connect, engine, house, lines, now, words};

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
fn every_drop_kill_and_failing_journal_is_survived() {
    let report = crash_campaign(&|| Box::new(stage(1)) as Box<dyn Stage>);
    println!("{report}");
    assert!(report.is_clean(), "{report}");
    assert!(report.drops_before_send > 20 && report.recovered > 20, "{report}");
}
