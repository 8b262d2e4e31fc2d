use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_core::journal::MemoryJournal;
use broker_core::model::{CandleQuery, Interval};
use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{BrokerExt, OrderId, OrderRef, Placement};
use broker_testkit::conformance::read::CASES;
use broker_testkit::conformance::{Report, Setup, TradeSetup, run, run_cases};
use broker_testkit::stage::{Process, Stage};

use crate::kiosk::stage::KioskStage;
use crate::toy::{Flaw, Toy, account, at, fill};

fn setup() -> Setup {
    let mut order = OrderRef::by_id(&account(), OrderId::from("o-1"));
    order.client_id = Some("mine-1".into());
    Setup::new(&account(), at(0), at(100_000))
        .with_instrument("AAA".into(), "AAA".into())
        .with_order(order)
        .with_candles(CandleQuery::new("AAA".into(), Interval::Minutes(1), at(0), at(300_000)))
}

fn suite(flaw: Flaw, setup: &Setup) -> Report {
    let runtime = VirtualRuntime::starting_at(at(100_000));
    let fills = (0..20).map(|number| fill(number, i64::from(number) * 500)).collect();
    let toy = Toy::new(&runtime, flaw, fills, 3, 0);
    runtime.block_on(run_cases(CASES, &toy, setup))
}

#[test]
fn an_honest_broker_passes_every_case_of_reading() {
    let report = suite(Flaw::None, &setup());
    assert!(report.failed.is_empty() && report.skipped.is_empty(), "{report}");
    assert_eq!(report.passed.len(), CASES.len());
    assert!(CASES.len() >= 25);
}

#[test]
fn each_flaw_is_found_by_the_cases_that_name_it() {
    for (flaw, expected) in [
        (Flaw::AccountTwice, vec!["accounts_are_listed_once_and_name_the_broker"]),
        (
            Flaw::AnyCursor,
            vec![
                "a_foreign_cursor_of_orders_is_refused",
                "a_foreign_cursor_of_history_is_refused",
            ],
        ),
        (
            Flaw::AnyOrder,
            vec!["an_unknown_order_is_not_found", "an_unknown_id_of_ours_is_not_found"],
        ),
        (
            Flaw::AnyAccount,
            vec![
                "balances_of_an_unknown_account_are_an_error",
                "positions_of_an_unknown_account_are_an_error",
                "orders_of_an_unknown_account_are_an_error",
                "history_of_an_unknown_account_is_an_error",
            ],
        ),
        (
            Flaw::CandleAtEnd,
            vec![
                "candles_come_oldest_first_within_their_borders",
                "candles_start_inclusive_and_end_exclusive",
            ],
        ),
        (Flaw::ClosedAmongOpen, vec!["open_orders_can_trade"]),
        (
            Flaw::EndInclusive,
            vec!["history_ends_exclusive", "an_empty_window_is_empty"],
        ),
        (Flaw::EveryInstrument, vec!["history_keeps_to_its_instrument"]),
        (Flaw::FlatPosition, vec!["positions_are_not_flat"]),
        (Flaw::MadeUpQuote, vec!["an_unknown_instrument_has_no_quote"]),
        (
            Flaw::NewestFirst,
            vec![
                "orders_come_oldest_first",
                "history_comes_oldest_first",
                "candles_come_oldest_first_within_their_borders",
            ],
        ),
        (Flaw::WrongEnvironment, vec!["a_probe_names_the_environment"]),
    ] {
        let report = suite(flaw, &setup());
        let failed: Vec<_> = report.failed.iter().map(|(name, _)| *name).collect();
        assert_eq!(failed, expected, "{flaw:?}: {report}");
    }
    for (flaw, among) in [
        (Flaw::StartExclusive, "history_starts_inclusive"),
        (Flaw::Forgetful, "history_repeats_the_same_set"),
    ] {
        let report = suite(flaw, &setup());
        assert!(
            report.failed.iter().any(|(name, _)| *name == among),
            "{flaw:?}: {report}"
        );
    }
}

#[test]
fn what_cannot_be_checked_is_skipped_aloud() {
    let bare = Setup::new(&account(), at(-1_000), at(0));
    let report = suite(Flaw::None, &bare);
    assert!(report.failed.is_empty(), "{report}");
    let why = |wanted: &str| {
        report
            .skipped
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, why)| *why)
    };
    assert_eq!(
        why("an_order_is_found_by_our_id"),
        Some("the setup's order has no id of ours")
    );
    assert_eq!(
        why("a_known_instrument_has_one_quote"),
        Some("the setup names no instrument")
    );
    assert_eq!(
        why("history_starts_inclusive"),
        Some("the account has nothing to check it with")
    );
    assert!(
        report
            .to_string()
            .contains("SKIPPED history_starts_inclusive: the account has nothing")
    );
    assert_eq!(report.passed.len() + report.skipped.len(), CASES.len());
}

#[test]
fn a_third_party_broker_passes_by_implementing_the_traits_alone() {
    let stage = KioskStage::quiet();
    let runtime = &stage.world().runtime;
    let clock = runtime.clock();
    let broker = stage.connect(&Process {
        seed: 3,
        spawn: Arc::new(clock.clone()),
        journal: Arc::new(MemoryJournal::default()),
    });
    let (began, rng) = (clock.now(), SeededRng::new(3));
    let mut known = None;
    for _ in 0..60 {
        let placed = runtime.block_on(broker.place_once(&stage.account(), stage.request(&rng)));
        if let Ok(Placement::Accepted(order)) = placed {
            known = Some(order.reference());
        }
    }
    runtime.block_on(clock.sleep(Duration::from_secs(5)));
    let setup = Setup::new(&stage.account(), began, clock.now())
        .with_instrument("KO".into(), "KO".into())
        .with_order(known.unwrap())
        .with_trade(
            TradeSetup::new(
                "KO".into(),
                "KO".into(),
                "2".parse().unwrap(),
                "50.00".parse().unwrap(),
                "200.00".parse().unwrap(),
            )
            .with_too_much("50000000".parse().unwrap()),
        );
    let report = runtime.block_on(run(&*broker, &setup));
    assert!(report.failed.is_empty(), "{report}");
    // What it cannot do, and nothing else; its venue takes all that the account can pay, and has no least value.
    let reasons: BTreeSet<_> = report.skipped.iter().map(|(_, why)| *why).collect();
    let others: BTreeSet<_> = reasons
        .into_iter()
        .filter(|why| !why.starts_with("the broker"))
        .collect();
    let expected = [
        "the account has nothing to check it with",
        "the setup names no order that fills in part",
    ];
    assert_eq!(others, BTreeSet::from(expected), "{report}");
    assert!(report.passed.len() >= 85, "{report}");
}
