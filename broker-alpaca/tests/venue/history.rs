//! The wire venue by raw requests: activities, and what their paging loses.

use crate::desk::{Desk, OPEN, at, field};
use broker_core::Side;
use chrono::Duration;

#[test]
fn fills_are_rows_with_the_time_of_new_york_in_their_id() {
    let mut desk = Desk::new();
    desk.now = at("2026-11-20T15:10:18.097464903Z");
    desk.quote("AAPL", "189.50", "189.52");
    desk.trade("AAPL", Side::Buy, "10");
    let rows = desk.json("/v2/account/activities?category=trade_activity");
    let row = &rows[0];
    let engine = desk.venue.engine();
    let order = engine
        .orders(desk.venue.account())
        .unwrap()
        .next()
        .unwrap()
        .order()
        .id
        .clone();
    let entry = engine.log(desk.venue.account()).unwrap().last().unwrap().clone();
    let broker_core::Record::Fill(fill) = &entry.record else {
        panic!("{entry:?}")
    };
    let expected = format!(
        r#"[{{"id":"20261120101018097::{}","activity_type":"FILL","transaction_time":"2026-11-20T15:10:18.097465Z","type":"fill","price":"189.52","qty":"10","side":"buy","symbol":"AAPL","leaves_qty":"0","order_id":"{order}","cum_qty":"10","order_status":"filled"}}]"#,
        fill.id
    );
    assert_eq!(desk.get("/v2/account/activities/FILL"), expected);
    assert_eq!(row.as_object().unwrap().len(), 12);
    assert_eq!(
        desk.get("/v2/account/activities?category=non_trade_activity&date=2026-11-21"),
        "[]"
    );
}

/// Pages upwards with tokens until a page is short.
fn walk(desk: &mut Desk, query: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    let mut token = String::new();
    loop {
        let page = desk.ids(&format!("/v2/account/activities?page_size=100&{query}{token}"));
        let Some(last) = page.last() else { return ids };
        token = format!("&page_token={last}");
        ids.extend(page);
    }
}

#[test]
fn rows_of_one_millisecond_are_lost_upwards_without_a_date() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "189.50", "189.52");
    for _ in 0..250 {
        desk.trade("AAPL", Side::Buy, "1");
    }
    desk.now += Duration::milliseconds(1);
    desk.quote("AAPL", "189.50", "189.52");
    for _ in 0..30 {
        desk.trade("AAPL", Side::Buy, "1");
    }
    // 100 of the 250 rows of the first millisecond, none of the other 150, and the 30 behind them.
    let naive = walk(&mut desk, "activity_types=FILL&direction=asc");
    assert_eq!(naive.len(), 130);
    let dated = walk(&mut desk, "activity_types=FILL&direction=asc&date=2026-11-20");
    assert_eq!(dated.len(), 280);
    assert!(
        dated.is_sorted(),
        "ids are in order, and with them the UUIDs inside a millisecond"
    );
    let mut downwards = walk(&mut desk, "activity_types=FILL");
    downwards.reverse();
    assert_eq!(downwards, dated);
    // What is lost is all of the millisecond: the naive walk has the first hundred of it and no more.
    assert_eq!(naive[..100], dated[..100]);
    assert_eq!(naive[100..], dated[250..]);
    let order_of_time: Vec<String> = {
        let log = desk.venue.engine().log(desk.venue.account()).unwrap();
        log.iter()
            .filter_map(|entry| match &entry.record {
                broker_core::Record::Fill(fill) => Some(fill.id.to_string()),
                _ => None,
            })
            .collect()
    };
    let uuids: Vec<_> = dated
        .iter()
        .map(|id| id.split_once("::").unwrap().1.to_owned())
        .collect();
    assert_ne!(
        order_of_time, uuids,
        "rows of a millisecond are ordered by UUID, not as they happened"
    );
}

#[test]
fn borders_of_time_are_cut_to_the_millisecond() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "189.50", "189.52");
    for micros in [100, 900, 1_100] {
        desk.now = at(OPEN) + Duration::microseconds(micros);
        desk.trade("AAPL", Side::Buy, "1");
    }
    let count = |desk: &mut Desk, query: &str| {
        desk.ids(&format!("/v2/account/activities?activity_types=FILL&{query}"))
            .len()
    };
    assert_eq!(count(&mut desk, "after=2026-11-20T15:00:00.0005Z"), 3);
    assert_eq!(count(&mut desk, "after=2026-11-20T15:00:00.001Z"), 1);
    // The first two are of the millisecond that `until` lies in, though one is before it.
    assert_eq!(count(&mut desk, "until=2026-11-20T15:00:00.0005Z"), 0);
    assert_eq!(count(&mut desk, "until=2026-11-20T15:00:00.001Z"), 2);
    assert_eq!(count(&mut desk, "date=2026-11-20"), 3);
    assert_eq!(count(&mut desk, "date=2026-11-19"), 0);
    assert_eq!(count(&mut desk, "after=2026-11-20&until=2026-11-21"), 3);
}

#[test]
fn fees_come_as_rows_of_their_own_on_the_next_day() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "200.00", "200.00");
    desk.quote("BTC/USD", "94250", "94250");
    desk.trade("AAPL", Side::Buy, "100");
    desk.trade("AAPL", Side::Sell, "100");
    desk.trade("BTC/USD", Side::Buy, "0.1");
    assert_eq!(desk.get("/v2/account/activities?activity_types=FEE,CFEE"), "[]");
    desk.now = at("2026-11-21T12:00:00Z");
    let rows = desk.json("/v2/account/activities?activity_types=FEE,CFEE&direction=asc");
    let mut fees: Vec<Vec<String>> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let names = [
                "activity_type",
                "activity_sub_type",
                "date",
                "symbol",
                "qty",
                "price",
                "net_amount",
                "status",
            ];
            names.iter().map(|name| field(row, name)).collect()
        })
        .collect();
    fees.sort();
    // 0.25 % of 0.1 coins; 0.00278 % of 20,000 dollars; 100 shares at 0.000166.
    assert_eq!(
        fees,
        [
            ["CFEE", "", "2026-11-20", "BTCUSD", "-0.00025", "94250", "0", "executed"],
            ["FEE", "REG", "2026-11-20", "", "", "", "-0.556", "executed"],
            ["FEE", "TAF", "2026-11-20", "", "", "", "-0.0166", "executed"],
        ]
    );
    for row in rows.as_array().unwrap() {
        assert!(field(row, "id").starts_with("20261120000000000::"), "{row}");
    }
    // They are found by the day on which they were made.
    assert_eq!(
        desk.ids("/v2/account/activities?activity_types=FEE,CFEE&date=2026-11-20")
            .len(),
        0
    );
    assert_eq!(
        desk.ids("/v2/account/activities?activity_types=FEE,CFEE&date=2026-11-21")
            .len(),
        3
    );
    assert_eq!(field(&desk.json("/v2/positions/BTCUSD"), "qty"), "0.09975");
}

#[test]
fn what_is_no_trade_has_rows_of_its_own_kinds() {
    let mut desk = Desk::new();
    let option = "AAPL261218C00190000";
    desk.quote("AAPL", "189.00", "189.00");
    desk.quote(option, "1.00", "1.00");
    desk.trade("AAPL", Side::Buy, "10");
    desk.trade(option, Side::Buy, "2");
    let (account, now) = (desk.account(), at("2026-11-23T15:00:00Z"));
    desk.now = now;
    let usd = |text: &str| broker_core::Money::new(text.parse().unwrap(), broker_core::Currency::USD);
    let engine = desk.venue.engine_mut();
    engine.dividend(&"AAPL".into(), "0.26".parse().unwrap(), now).unwrap();
    engine.interest(&account, usd("-1.5"), now).unwrap();
    engine.deposit(&account, usd("-250"), now).unwrap();
    engine
        .exercise(&account, &option.into(), "1".parse().unwrap(), now)
        .unwrap();
    engine.split(&"AAPL".into(), 2, 1, now).unwrap();
    // The other contract expires out of the money on 18 December at 16:00.
    desk.now = at("2026-12-18T21:00:00Z");
    desk.get("/v2/clock");
    let rows = desk.json("/v2/account/activities?category=non_trade_activity&after=2026-11-23&direction=asc");
    let names = [
        "activity_type",
        "activity_sub_type",
        "date",
        "symbol",
        "qty",
        "price",
        "per_share_amount",
        "net_amount",
    ];
    let mut seen: Vec<Vec<String>> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| names.iter().map(|name| field(row, name)).collect())
        .collect();
    seen.retain(|row| row[0] != "FEE");
    seen.sort();
    // The deposit of 20 November is not of this window; 110 shares become 220.
    assert_eq!(
        seen,
        [
            ["CSW", "", "2026-11-23", "", "", "", "", "-250"],
            ["DIV", "CDIV", "2026-11-23", "AAPL", "10", "", "0.26", "2.6"],
            ["INT", "MGN", "2026-11-23", "", "", "", "", "-1.5"],
            ["OPEXC", "", "2026-11-23", option, "-1", "0", "", "0"],
            ["OPEXP", "", "2026-12-18", option, "-1", "0", "", "0"],
            ["OPTRD", "", "2026-11-23", "AAPL", "100", "190", "", "-19000"],
            ["SPLIT", "FSPLIT", "2026-11-23", "AAPL", "110", "", "", "0"],
        ]
    );
    let group = |kind: &str| {
        rows.as_array()
            .unwrap()
            .iter()
            .find(|row| row["activity_type"] == kind)
            .unwrap()["group_id"]
            .clone()
    };
    assert!(group("OPEXC").is_string());
    assert_eq!(group("OPEXC"), group("OPTRD"));
    assert_eq!(desk.ids("/v2/account/activities?activity_types=TRANS").len(), 2);
    assert_eq!(field(&desk.json("/v2/positions/AAPL"), "qty"), "220");
    assert_eq!(
        desk.json(&format!("/v2/options/contracts/{option}"))["status"],
        "inactive"
    );
}
