use broker_core::model::{CandleQuery, Interval};
use broker_core::seam::VirtualRuntime;
use broker_core::{OrderId, OrderRef};
use broker_testkit::conformance::read::CASES;
use broker_testkit::conformance::{Report, Setup, run_cases};

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
