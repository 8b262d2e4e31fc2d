//! A venue that takes an id again once its order is done: what is sent twice can fill twice. A receive window bounds how
//! late an order can arrive.

use std::sync::Arc;
use std::time::Duration;

use broker_binance::BinanceBroker;
use broker_binance::venue::BinanceVenue;
use broker_core::{Broker, ClientOrderId, Context};
use broker_testkit::campaign::{self, OrdersStage, seeds};
use broker_testkit::damage::Damage;
use broker_testkit::planted::PlantedBug;

use super::{ACCOUNT, config, connect, engine, house, lines, now, words};

const ORDERS: u64 = 10_000;
/// The facts say two seconds.
const LAG: Duration = Duration::from_millis(900);
/// Enough of each coin for all sales.
const HELD: u64 = 200_000;

fn stage(seed: u64, connect: fn(Context) -> Arc<dyn Broker>) -> OrdersStage<BinanceVenue> {
    let builder = BinanceVenue::builder()
        .engine(engine(seed), ACCOUNT.into())
        .without_limits()
        .with_visibility_lag(LAG);
    let venue = builder.build().unwrap();
    OrdersStage::new((house(), venue), lines().to_vec(), now(), connect, (intent_of, words())).holding(HELD)
}

/// With so little weight that it can be used up.
fn connect_slowly(context: Context) -> Arc<dyn Broker> {
    BinanceBroker::new(config(400).with_context(context)).unwrap().handle()
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
    campaign::orders_are_safe(
        (seeds(20), ORDERS),
        |seed| stage(seed, connect),
        |report, _| {
            assert!(report.accepted > ORDERS / 2, "{report}");
            // The receive window bounds the arrival: what did not come by then never does.
            assert!(report.not_placed > 0, "{report}");
        },
    );
}

#[test]
fn every_drop_kill_and_failing_journal_is_survived() {
    campaign::crashes_are_survived(|| stage(1, connect_slowly));
}

#[test]
fn planted_bugs_are_caught() {
    let report = campaign::harmed(&stage(3, connect).flawed(PlantedBug::BlindResend));
    assert!(report.damages.of(Damage::DoubleOrder) > 0, "{report}");
    for bug in [PlantedBug::FinAsNotSent, PlantedBug::ErrorAsRefusal] {
        let report = campaign::harmed(&stage(3, connect).flawed(bug));
        assert!(report.damages.of(Damage::FalseDead) > 0, "{bug:?}: {report}");
    }
}
