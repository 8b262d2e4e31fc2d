//! Every role of the suite over the simulation.

use std::sync::Arc;

use broker_core::model::{CandleQuery, Interval};
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{ClientOrderId, Context, Error, OrderRequest, Price, Qty, Side};
use broker_sim::{Engine, HistoryPlan, SimBroker};
use broker_testkit::conformance::{Report, Setup, TradeSetup, run};
use chrono::{DateTime, Duration, Utc};

/// A Friday, 13:00 in New York: the market is open for three hours more.
fn end() -> DateTime<Utc> {
    "2026-11-20T18:00:00Z".parse().unwrap()
}

/// An account that has lived, with an order of ours.
fn lived() -> (Engine, Setup) {
    let plan = HistoryPlan::new(700, end()).with_seed(11).with_tie(130);
    let (mut engine, account) = plan.build().unwrap();
    let resting = OrderRequest::limit("SPY".into(), Side::Buy, "3".parse().unwrap(), "100.00".parse().unwrap());
    let ours = ClientOrderId::from("resting-1");
    let order = engine.place(&account, &resting, Some(ours), end()).unwrap();
    let since = end() - Duration::days(91);
    let setup = Setup::new(&account, since, end() + Duration::minutes(1))
        .with_instrument("AAPL".into(), "AAPL".into())
        .with_order(order.reference())
        .with_candles(CandleQuery::new(
            "AAPL".into(),
            Interval::Minutes(1),
            end() - Duration::days(10),
            end(),
        ));
    (engine, setup)
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn shares() -> TradeSetup {
    TradeSetup::new("F".into(), "F".into(), qty("2"), price("6.00"), price("24.00"))
        .with_too_much(qty("50000000"))
        .with_partly(qty("2000"), price("24.00"))
}

fn coins() -> TradeSetup {
    let (low, high) = (price("30000.00"), price("150000.00"));
    TradeSetup::new("BTC/USD".into(), "BTC/USD".into(), qty("0.01"), low, high)
        .with_fraction(qty("0.0015"))
        .with_notional(qty("100"))
}

fn suite(trade: TradeSetup) -> Report {
    let (engine, setup) = lived();
    let runtime = VirtualRuntime::starting_at(end() + Duration::minutes(1));
    let clock = Arc::new(runtime.clock());
    let wire = MemoryTransport::new(|_| Err(Error::config("the simulation asks nobody")));
    let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(wire));
    let broker = SimBroker::new(engine, context);
    runtime.block_on(run(&broker, &setup.with_trade(trade)))
}

#[test]
fn the_simulation_passes_with_shares() {
    let report = suite(shares());
    println!("{report}");
    assert!(report.failed.is_empty(), "{report}");
}

#[test]
fn the_simulation_passes_with_coins() {
    let report = suite(coins());
    println!("{report}");
    assert!(report.failed.is_empty(), "{report}");
}
