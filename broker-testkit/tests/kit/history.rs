use std::sync::Arc;

use broker_core::seam::VirtualRuntime;
use broker_core::{Fill, HistoryQuery};
use broker_testkit::history::{CampaignReport, ExpectedFill, history_campaign};
use broker_testkit::planted::{Planted, PlantedBug};

use crate::toy::{Flaw, Toy, account, at, fill};

/// 200 fills, ten to a millisecond: pages of 7 end within ties.
fn fills() -> Vec<Fill> {
    (0..200).map(|number| fill(number, i64::from(number / 10))).collect()
}

fn campaign(bug: Option<PlantedBug>, flaw: Flaw, fails_each: u64, seed: u64) -> CampaignReport {
    let runtime = VirtualRuntime::new();
    let toy = Toy::new(&runtime, flaw, fills(), 7, fails_each);
    let expected: Vec<ExpectedFill> = fills().iter().map(ExpectedFill::from).collect();
    let query = HistoryQuery::between(&account(), at(0), at(1_000));
    match bug {
        None => runtime.block_on(history_campaign(&toy, &query, &expected, seed)),
        Some(bug) => {
            let planted = Planted::new(Arc::new(toy), bug);
            runtime.block_on(history_campaign(&planted, &query, &expected, seed))
        }
    }
}

#[test]
fn an_honest_broker_loses_nothing_through_kills_and_errors() {
    for seed in 0..20 {
        let report = campaign(None, Flaw::None, 5, seed);
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.fills, report.records, report.duplicates), (200, 200, 0));
        assert!(report.kills > 0 && report.errors > 0, "{report}");
        // Two readings of 29 pages, and one page more for each kill.
        assert_eq!(report.pages, 58 + report.kills);
    }
}

#[test]
fn a_cursor_stored_before_its_rows_is_caught() {
    for seed in 0..20 {
        let report = campaign(Some(PlantedBug::CursorBeforeRows), Flaw::None, 0, seed);
        assert!(
            report.violations.iter().any(|violation| violation.ends_with("is lost")),
            "{report}"
        );
    }
}

#[test]
fn rows_dropped_at_a_border_are_caught() {
    let report = campaign(Some(PlantedBug::BorderMillisecond), Flaw::None, 0, 1);
    let lost = report
        .violations
        .iter()
        .filter(|violation| violation.ends_with("is lost"))
        .count();
    // The first page ends with fill 6 in millisecond 0; fills 7, 8 and 9 share it and open the second page.
    assert!(
        report.violations[..3]
            .iter()
            .all(|violation| violation.ends_with("is lost")),
        "{report}"
    );
    assert!(report.violations[0].contains("f00007"), "{report}");
    assert!(lost > 50, "{report}");
}

#[test]
fn an_error_that_looks_like_an_end_is_caught() {
    let report = campaign(Some(PlantedBug::ErrorAsEnd), Flaw::None, 5, 1);
    assert!(
        report.violations.iter().any(|violation| violation.ends_with("is lost")),
        "{report}"
    );
    assert_eq!(report.errors, 0);
}

#[test]
fn doubled_fills_are_caught() {
    let report = campaign(Some(PlantedBug::RowsDoubled), Flaw::None, 0, 1);
    let doubles = report
        .violations
        .iter()
        .filter(|violation| violation.contains("-again"));
    assert_eq!((doubles.count(), report.fills), (200, 400));
}

#[test]
fn flaws_of_the_broker_itself_are_caught() {
    let report = campaign(None, Flaw::NewestFirst, 0, 1);
    assert!(
        report
            .violations
            .iter()
            .any(|violation| violation == "a page is not oldest first"),
        "{report}"
    );
    let report = campaign(None, Flaw::None, 1, 1);
    assert!(report.violations[0].starts_with("no page after"), "{report}");
    assert_eq!(report.fills, 0);
}

#[test]
fn a_planted_broker_is_its_broker_otherwise() {
    use broker_core::Broker;
    let runtime = VirtualRuntime::new();
    let toy = Toy::new(&runtime, Flaw::None, fills(), 7, 0);
    let planted = Planted::new(toy.handle(), PlantedBug::BorderMillisecond).handle();
    assert_eq!(planted.id(), toy.id());
    let (ours, theirs) = runtime.block_on(async { (planted.accounts().await, toy.accounts().await) });
    assert_eq!(ours.unwrap(), theirs.unwrap());
    assert!(planted.trading().is_none() && planted.market_data().is_some());
}
