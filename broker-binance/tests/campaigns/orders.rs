//! A venue that takes an id again once its order is done: what is sent twice can fill twice. A receive window bounds how
//! late an order can arrive.

use std::time::Duration;

use broker_binance::venue::BinanceVenue;
use broker_core::ClientOrderId;
use broker_testkit::campaign::{self, OrdersStage, seeds};

use super::{ACCOUNT, connect, engine, house, lines, now, words};

const ORDERS: u64 = 10_000;
/// The facts say two seconds.
const LAG: Duration = Duration::from_millis(900);
/// Enough of each coin for all sales.
const HELD: u64 = 200_000;

fn stage(seed: u64) -> OrdersStage<BinanceVenue> {
    let builder = BinanceVenue::builder()
        .engine(engine(seed), ACCOUNT.into())
        .without_limits()
        .with_visibility_lag(LAG);
    let venue = builder.build().unwrap();
    OrdersStage::new((house(), venue), lines().to_vec(), now(), connect, (intent_of, words())).holding(HELD)
}

/// All is in the query.
fn intent_of(method: &str, path: &str, query: &str) -> Option<ClientOrderId> {
    let places = path == "/api/v3/order" || path.starts_with("/api/v3/orderList/");
    if method != "POST" || !places {
        return None;
    }
    let names = ["newClientOrderId=", "workingClientOrderId="];
    let mut params = query.split('&');
    let id = params.find_map(|param| names.iter().find_map(|name| param.strip_prefix(name)))?;
    Some(id.into())
}

#[test]
fn nothing_is_doubled_and_nothing_falsely_dead() {
    campaign::orders_are_safe((seeds(20), ORDERS), stage, |report, _| {
        assert!(report.accepted > ORDERS / 2, "{report}");
        // The receive window bounds the arrival: what did not come by then never does.
        assert!(report.not_placed > 0, "{report}");
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
