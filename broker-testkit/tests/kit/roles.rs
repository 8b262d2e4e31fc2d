//! Every role of the suite over the simulation.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_core::model::{CandleQuery, Interval};
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{ClientOrderId, Context, Error, OrderRequest, Price, Qty, Side};
use broker_sim::{Catalogue, Engine, HistoryPlan, Listing, SimBroker};
use broker_testkit::conformance::{Report, Setup, TradeSetup, names, placement, read, run, streaming, trading};
use chrono::{DateTime, Duration, Utc};

use crate::flawed::{Flaw, Flawed};

/// A Friday, 13:00 in New York: the market is open for three hours more.
fn end() -> DateTime<Utc> {
    "2026-11-20T18:00:00Z".parse().unwrap()
}

/// An account that has lived, with an order of ours.
fn lived() -> (Engine, Setup) {
    let plan = HistoryPlan::new(700, end()).with_seed(11).with_tie(130);
    let (mut engine, account) = plan.build().unwrap();
    engine.list(fractional());
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

/// A share of about 12 dollars that can be had in parts.
fn fractional() -> Listing {
    let mut listing = Catalogue::standard().get(&"F".into()).unwrap().clone();
    listing.instrument.id = "PART".into();
    listing.instrument.symbol = "PART".into();
    let smallest: Qty = "0.000000001".parse().unwrap();
    (listing.instrument.lot, listing.instrument.min_qty) = (Some(smallest.get()), Some(smallest));
    listing
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn shares() -> TradeSetup {
    TradeSetup::new("PART".into(), "PART".into(), qty("2"), price("6.00"), price("24.00"))
        .with_fraction(qty("0.5"))
        .with_notional(qty("100"))
        .with_too_much(qty("50000000"))
        .with_partly(qty("2000"), price("24.00"))
}

fn coins() -> TradeSetup {
    let (low, high) = (price("30000.00"), price("150000.00"));
    TradeSetup::new("BTC/USD".into(), "BTC/USD".into(), qty("0.01"), low, high)
        .with_fraction(qty("0.0015"))
        .with_notional(qty("100"))
}

/// The simulation, and a setup that trades this.
fn stage(trade: TradeSetup) -> (VirtualRuntime, SimBroker, Setup) {
    let (engine, setup) = lived();
    let runtime = VirtualRuntime::starting_at(end() + Duration::minutes(1));
    let clock = Arc::new(runtime.clock());
    let wire = MemoryTransport::new(|_| Err(Error::config("the simulation asks nobody")));
    let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(wire));
    (runtime, SimBroker::new(engine, context), setup.with_trade(trade))
}

/// Every case passes but these, which are skipped.
fn assert_all_but(report: &Report, skipped: &[&str]) {
    assert!(report.failed.is_empty(), "{report}");
    let names_of: Vec<_> = report.skipped.iter().map(|(name, _)| *name).collect();
    assert_eq!(names_of, skipped, "{report}");
    assert_eq!(report.passed.len() + skipped.len(), names().len());
}

#[test]
fn cases_have_names_of_their_own() {
    let all = names();
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    let sizes = [read::CASES, trading::CASES, placement::CASES, streaming::CASES].map(<[_]>::len);
    assert_eq!(sizes, [53, 63, 31, 12]);
    assert_eq!(all.len(), 159);
}

/// Nothing is traded with real money. A venue of a broker that has nothing else says that its money is none.
#[test]
fn only_simulated_money_is_traded() {
    let traded = |simulated: bool| {
        let (runtime, broker, setup) = stage(shares());
        let setup = if simulated { setup.with_simulated_money() } else { setup };
        let broker = Flawed::new(broker, Flaw::RealMoney);
        let report = runtime.block_on(run(&broker, &setup));
        let real = report.skipped.iter().filter(|(_, why)| why.contains("real money"));
        (real.count(), report.passed.contains(&"a_market_order_fills"))
    };
    assert_eq!(
        traded(false),
        (
            trading::CASES.len() + placement::CASES.len() + streaming::CASES.len(),
            false
        )
    );
    assert_eq!(traded(true), (0, true));
}

#[test]
fn the_simulation_passes_with_shares() {
    let (runtime, broker, setup) = stage(shares());
    let report = runtime.block_on(run(&broker, &setup));
    assert_all_but(
        &report,
        &[
            "a_kind_that_it_lacks_is_unsupported_unsent",
            "a_group_that_it_lacks_is_unsupported_unsent",
            "an_ability_that_it_lacks_is_unsupported_unsent",
            "too_small_a_value_is_refused_unsent",
        ],
    );
}

#[test]
fn the_simulation_passes_with_coins() {
    let (runtime, broker, setup) = stage(coins());
    let report = runtime.block_on(run(&broker, &setup));
    assert_all_but(
        &report,
        &[
            "an_order_for_the_open_says_so",
            "an_order_for_the_close_says_so",
            "a_replaced_quantity_counts_what_is_filled",
            "a_part_that_fills_is_shown_and_can_be_canceled",
            "a_kind_that_it_lacks_is_unsupported_unsent",
            "a_group_that_it_lacks_is_unsupported_unsent",
            "an_ability_that_it_lacks_is_unsupported_unsent",
            "insufficient_funds_are_the_venues_own_answer",
            "a_refused_order_leaves_the_journal_empty",
        ],
    );
}

fn flawed(flaw: Flaw) -> Report {
    let (runtime, broker, setup) = stage(shares());
    runtime.block_on(run(&Flawed::new(broker, flaw), &setup))
}

#[test]
fn what_a_broker_lacks_is_refused_unsent() {
    let report = flawed(Flaw::FewAbilities);
    assert!(report.failed.is_empty(), "{report}");
    for case in [
        "a_kind_that_it_lacks_is_unsupported_unsent",
        "a_group_that_it_lacks_is_unsupported_unsent",
        "a_time_in_force_that_it_lacks_is_unsupported_unsent",
        "an_ability_that_it_lacks_is_unsupported_unsent",
    ] {
        assert!(report.passed.contains(&case), "{case}: {report}");
    }
    let skipped = ("a_stop_order_keeps_its_words", "the broker takes no such kind of order");
    assert!(report.skipped.contains(&skipped), "{report}");
}

#[test]
fn each_flaw_of_trading_or_streams_is_found() {
    for (flaw, found_by) in [
        (Flaw::AnotherId, "our_id_is_kept_to_the_letter"),
        (Flaw::AnotherTimeInForce, "a_day_order_says_so"),
        (Flaw::CancelDoesNothing, "a_cancel_ends_in_canceled"),
        (Flaw::GateIgnored, "a_closed_gate_places_nothing"),
        (Flaw::GateIgnored, "a_closed_gate_replaces_nothing"),
        (Flaw::NoLinks, "a_bracket_is_linked"),
        (Flaw::NoLinks, "a_replacement_is_linked_or_keeps_its_id"),
        (Flaw::ReplaceDoesNothing, "a_replaced_price_is_shown"),
        (Flaw::ReplaceDoesNothing, "a_replaced_quantity_counts_what_is_filled"),
        (Flaw::SecondOrder, "a_second_send_makes_no_second_order"),
        (Flaw::SecondOrder, "an_id_of_the_users_places_once"),
        (Flaw::TraceFindsAll, "an_unsent_intent_has_no_trace"),
        (Flaw::TraceFindsNothing, "a_sent_intent_is_traced_to_its_order_alone"),
        (Flaw::UnknownCancelTaken, "a_cancel_of_an_unknown_order_is_not_found"),
        (Flaw::UnknownCancelTaken, "a_cancel_of_a_filled_order_is_refused"),
        (Flaw::BackwardsOrders, "orders_never_go_back"),
        (Flaw::CrossedQuotes, "quotes_come_and_do_not_cross"),
        (Flaw::FillTwice, "a_fill_is_told_once_and_as_the_history_has_it"),
        (Flaw::OldFills, "fills_before_the_subscription_are_not_told"),
        (Flaw::Silent, "a_placed_order_is_told"),
        (Flaw::Silent, "the_snapshot_holds_the_open_orders"),
    ] {
        let report = flawed(flaw);
        let is_found = report.failed.iter().any(|(name, _)| *name == found_by);
        assert!(is_found, "{flaw:?} passes {found_by}: {report}");
    }
}
