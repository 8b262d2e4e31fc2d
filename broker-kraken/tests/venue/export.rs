//! A history by export reports, against the same history by pages.

use std::collections::BTreeMap;

use broker_core::ext::BrokerExt;
use broker_core::{Broker, ErrorKind, HistoryQuery, Record};
use broker_kraken::venue::KrakenVenue;
use broker_kraken::{ExportReport, ExportState, KrakenBroker};
use broker_sim::HistoryPlan;
use broker_sim::wire::{Fault, FaultPlan, When};
use chrono::{Duration, SubsecRound, TimeDelta};
use futures_util::StreamExt;

use super::{Stage, config, end, unhurried};

fn stage(fills: usize) -> Stage {
    let plan = HistoryPlan::new(fills, end()).with_days(89).with_seed(5).with_tie(60);
    let venue = KrakenVenue::builder()
        .history(&plan)
        .unwrap()
        .without_limits()
        .build()
        .unwrap();
    Stage::new(venue, end() + TimeDelta::minutes(2), unhurried(config()))
}

async fn read(broker: &KrakenBroker, query: HistoryQuery) -> BTreeMap<String, Record> {
    let mut records = BTreeMap::new();
    let mut all = broker.records(&query);
    while let Some(record) = all.next().await {
        let record = record.unwrap();
        records.insert(format!("{:?}", record.key()), record);
    }
    records
}

/// What a report tells of a record: not who waited, nor what opened a position, and of the ledger whole seconds.
fn told(record: Record) -> Record {
    match record {
        Record::Fill(mut fill) => {
            (fill.liquidity, fill.effect, fill.at) = (None, None, fill.at.trunc_subsecs(4));
            Record::Fill(fill)
        }
        Record::Fee(mut fee) => {
            fee.at = fee.at.trunc_subsecs(if fee.fill.is_some() { 4 } else { 0 });
            Record::Fee(fee)
        }
        Record::Flow(mut flow) => {
            flow.at = flow.at.trunc_subsecs(0);
            Record::Flow(flow)
        }
        other => other,
    }
}

#[test]
fn ten_thousand_fills_by_report_are_those_by_pages() {
    let stage = stage(10_000);
    let query = HistoryQuery::between(&stage.account, end() - Duration::days(91), end());
    let by_pages = stage.run(|broker| {
        let query = query.clone();
        async move { read(&broker, query).await }
    });
    let paged = stage.recorder.sent();
    let by_report = stage.run(|broker| {
        let query = query.clone();
        async move { read(&broker.with_reports(), query).await }
    });
    let reported = stage.recorder.sent() - paged;
    let fills = by_pages
        .values()
        .filter(|record| matches!(record, Record::Fill(_)))
        .count();
    println!(
        "{} records, {fills} fills: {paged} requests by pages, {reported} by report",
        by_pages.len()
    );
    assert_eq!(fills, 10_000);
    assert_eq!(by_report.len(), by_pages.len());
    for (key, record) in by_pages {
        assert_eq!(told(by_report[&key].clone()), told(record), "{key}");
    }
    // Two asked for, twice asked after in two rounds, two fetched, two counted, two removed.
    assert!(reported <= 14, "{reported} requests");
    assert!(paged > 400);
}

#[test]
fn a_report_is_asked_for_waited_for_fetched_and_removed() {
    let stage = stage(200);
    stage.run(|broker| async move {
        let report = ExportReport::Trades;
        let (since, until) = (end() - Duration::days(91), end());
        let id = broker.request_export(report, since, until).await.unwrap();
        assert_eq!(broker.export_state(report, &id).await.unwrap(), ExportState::Queued);
        let unready = broker.export(&id).await.unwrap_err();
        assert_eq!(unready.kind(), ErrorKind::Protocol, "{unready}");
        assert!(
            broker.remove_export(&id).await.is_err(),
            "one that waits cannot be deleted"
        );
        broker.context().clock().sleep(std::time::Duration::from_secs(20)).await;
        assert_eq!(broker.export_state(report, &id).await.unwrap(), ExportState::Processing);
        broker.context().clock().sleep(std::time::Duration::from_secs(60)).await;
        assert_eq!(broker.export_state(report, &id).await.unwrap(), ExportState::Processed);
        assert!(broker.export(&id).await.unwrap().starts_with(b"PK"));
        broker.remove_export(&id).await.unwrap();
        let gone = broker.export_state(report, &id).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
        let other = broker.export_state(ExportReport::Ledgers, &id).await.unwrap_err();
        assert_eq!(other.kind(), ErrorKind::NotFound, "{other}");
    });
}

/// No time-out of the request holds for what comes in pieces.
#[test]
fn a_report_that_stops_on_its_way_is_an_error_in_time() {
    let stage = stage(200);
    let stalls = FaultPlan::none().rule(When::always().path("/0/private/RetrieveExport"), Fault::StallBody(100));
    let faults = stage.faults.clone();
    let (error, took) = stage.run(|broker| async move {
        let (since, until) = (end() - Duration::days(91), end());
        let id = broker.request_export(ExportReport::Trades, since, until).await.unwrap();
        broker.context().clock().sleep(std::time::Duration::from_secs(60)).await;
        faults.set(stalls);
        let asked = broker.context().clock().elapsed();
        let error = broker.export(&id).await.unwrap_err();
        (error, broker.context().clock().elapsed() - asked)
    });
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert_eq!(took.as_secs(), 30);
}

/// Rows that are missing from a report are noticed by their number.
#[test]
fn a_report_that_lacks_rows_is_an_error() {
    let stage = stage(300);
    let query = HistoryQuery::between(&stage.account, end() - Duration::days(91), end());
    // The archive is the venue's own of a later beginning.
    let later = HistoryQuery::between(&stage.account, end() - Duration::days(30), end());
    let (whole, part) = stage.run(|broker| async move {
        let reports = broker.with_reports();
        (read(&reports, query).await.len(), read(&reports, later).await.len())
    });
    assert!(part < whole && part > 0, "{part} of {whole}");
    let venue = KrakenVenue::builder()
        .history(&HistoryPlan::new(300, end()).with_days(89).with_seed(5))
        .unwrap()
        .without_limits()
        .reports_lack(1)
        .build()
        .unwrap();
    let stage = Stage::new(venue, end() + TimeDelta::minutes(2), unhurried(config()));
    let query = HistoryQuery::between(&stage.account, end() - Duration::days(91), end());
    let error = stage.run(|broker| async move {
        let mut all = broker.with_reports().records(&query);
        let mut failed = None;
        while let Some(record) = all.next().await {
            failed = record.err().or(failed);
        }
        failed
    });
    let error = error.expect("a row is missing");
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("299"), "{error}");
}

/// Three requests in ten fail.
#[test]
fn faults_cost_time_only() {
    let stage = stage(500);
    let often = || When::always().per_mille(60);
    let plan = FaultPlan::seeded(9)
        .rule(often(), Fault::RefuseConnection)
        .rule(often(), Fault::Reset { handled: true })
        .rule(often(), Fault::CutBody(500))
        .rule(often(), Fault::Html200)
        .rule(often(), Fault::ErrorBefore(503, "upstream".to_owned()));
    let query = HistoryQuery::between(&stage.account, end() - Duration::days(91), end());
    let good = stage.run(|broker| {
        let query = query.clone();
        async move { read(&broker.with_reports(), query).await }
    });
    stage.faults.set(plan);
    for round in 0..20 {
        let query = query.clone();
        let again = stage.run(|broker| async move {
            let mut records = BTreeMap::new();
            let mut all = broker.with_reports().records(&query);
            while let Some(record) = all.next().await {
                let record = record?;
                records.insert(format!("{:?}", record.key()), record);
            }
            Ok::<_, broker_core::Error>(records)
        });
        // What a fault leaves is an error, and never less.
        match again {
            Ok(again) => assert_eq!(again, good, "round {round}"),
            Err(error) => println!("round {round}: {error}"),
        }
    }
    assert!(stage.faults.counts().values().sum::<u64>() > 20);
}
