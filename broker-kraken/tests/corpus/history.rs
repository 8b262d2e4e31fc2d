//! Trades and rows of the ledger.

use broker_core::model::{Asset, FlowKind, Liquidity};
use broker_core::{Broker, Currency, ErrorKind, HistoryQuery, Record, Result, Side};

use super::{Stage, at, corpus, dec, qty};

const NO_TRADES: &str = r#"{"error":[],"result":{"trades":{},"count":0}}"#;
const NO_LEDGER: &str = r#"{"error":[],"result":{"ledger":{},"count":0}}"#;

/// Every record of pages that hold the whole history.
fn read(trades: &str, ledger: &str) -> Result<Vec<Record>> {
    let stage = Stage::new(&[("private/TradesHistory", trades), ("private/Ledgers", ledger)]);
    let account = stage.account();
    stage.run(|broker| async move {
        let query = HistoryQuery::between(&account, at("2010-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z"));
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let page = broker.history(&query, next.as_ref()).await?;
            all.extend(page.rows);
            next = page.next;
            if next.is_none() {
                return Ok(all);
            }
        }
    })
}

/// The recorded page has no count, as the documentation's examples lack it.
fn counted(body: &str, list: &str, count: usize) -> String {
    body.replacen(&format!("\"{list}\":"), &format!("\"count\": {count}, \"{list}\":"), 1)
}

#[test]
fn a_page_of_trades() {
    let body = corpus!("trades_history_maker_no_count.json");
    // Without the count nothing proves that the page is whole.
    assert_eq!(read(&body, NO_LEDGER).unwrap_err().kind(), ErrorKind::Decode);
    let rows = body.matches("\"ordertxid\"").count();
    let records = read(&counted(&body, "trades", rows), NO_LEDGER).unwrap();
    assert_eq!(records.len(), rows);
    let named = |id: &str| {
        let fill = records.iter().find_map(|record| match record {
            Record::Fill(fill) if fill.id.get() == id => Some(fill.clone()),
            _ => None,
        });
        fill.unwrap()
    };
    let fill = named("THVRQM-33VKH-UCI7BS");
    assert_eq!(
        (fill.side, fill.qty, fill.price),
        (Side::Buy, qty("0.02"), "30010".parse().unwrap())
    );
    assert_eq!(fill.at, at("2023-07-06T18:23:16.8802Z"));
    assert_eq!(fill.order.unwrap().get(), "OQCLML-BW3P3-BUCMWZ");
    assert_eq!((fill.instrument.get(), fill.symbol.get()), ("XXBTZUSD", "BTC/USD"));
    assert_eq!(fill.liquidity, Some(Liquidity::Maker));
    assert_eq!(named("TCWJEG-FL4SZ-3FKGH6").at, at("2023-07-06T18:22:49.6396Z"));
}

#[test]
fn trades_by_id() {
    let body = corpus!("query_trades.json");
    let body = body.replacen("\"result\":", "\"result\": { \"count\": 2, \"trades\":", 1) + "}";
    let records = read(&body, NO_LEDGER).unwrap();
    let Record::Fill(fill) = &records[0] else {
        panic!("{records:?}")
    };
    // A pair that is not in the lists is cut at its quote.
    assert_eq!((fill.instrument.get(), fill.symbol.get()), ("XXBTZEUR", "BTC/EUR"));
    assert_eq!((fill.qty, fill.price), (qty("0.0002"), "27732".parse().unwrap()));
    assert_eq!(records.len(), 2);
}

#[test]
fn fees_of_trades() {
    let body = corpus!("ledgers_trade.json");
    let records = read(NO_TRADES, &body).unwrap();
    let fees: Vec<_> = records
        .iter()
        .map(|record| match record {
            Record::Fee(fee) => fee,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(fees.len(), 2);
    let (usd, gbp) = (fees[0], fees[1]);
    assert_eq!(
        (&usd.asset, usd.amount),
        (&Asset::Currency(Currency::USD), dec("0.0010"))
    );
    assert_eq!(usd.fill.as_ref().unwrap().get(), "TBZIP2-F6QOU-TMB6FY");
    assert_eq!(usd.at, at("2023-07-04T04:17:42.8888Z"));
    assert_eq!(
        (&gbp.asset, gbp.amount),
        (&Asset::Currency(Currency::constant("GBP")), dec("0.0490"))
    );
    assert_eq!(gbp.at, at("2023-07-04T09:54:44.1787Z"));
}

#[test]
fn rows_of_the_ledger_by_id() {
    let body = corpus!("query_ledgers.json");
    let body = body.replacen("\"result\":", "\"result\": { \"count\": 1, \"ledger\":", 1) + "}";
    let records = read(NO_TRADES, &body).unwrap();
    let [Record::Fee(fee)] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!(fee.amount, dec("0.049"));
}

#[test]
fn deposits() {
    let body = corpus!("ledgers_deposits.json");
    let records = read(NO_TRADES, &counted(&body, "ledger", 4)).unwrap();
    assert_eq!(records.len(), 4);
    let Record::Flow(first) = &records[0] else {
        panic!("{records:?}")
    };
    assert_eq!(
        (first.id.get(), first.kind.clone()),
        ("LILCPJ-DKJ53-CZIG5E", FlowKind::Deposit)
    );
    assert_eq!(
        (&first.asset, first.amount),
        (&Asset::Currency("BTC".parse().unwrap()), dec("0.78125"))
    );
    assert_eq!(first.at, at("2019-01-09T00:15:21.753Z"));
    assert_eq!(first.group.as_deref(), Some("QGB5XCB-NS67CW-D34ZKM"));
    let sum: rust_decimal::Decimal = records
        .iter()
        .map(|record| match record {
            Record::Flow(flow) => flow.amount,
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(sum, dec("3.125"));
}

fn row(refid: &str, kind: &str, asset: &str, amount: &str, fee: &str) -> serde_json::Value {
    serde_json::json!({
        "refid": refid, "time": 1_688_464_484.178_7, "type": kind, "subtype": "", "aclass": "currency",
        "asset": asset, "amount": amount, "fee": fee, "balance": "1",
    })
}

fn ledger(rows: &[serde_json::Value]) -> String {
    let named: serde_json::Map<_, _> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| (format!("L{place}"), row.clone()))
        .collect();
    let result = serde_json::json!({ "ledger": named, "count": rows.len() });
    serde_json::json!({ "error": [], "result": result }).to_string()
}

/// A fee is what the ledger says was taken: the base, a third currency, fee credits.
#[test]
fn fees_in_any_asset() {
    if super::recorded("assets_official.json").is_none() {
        return;
    }
    let body = ledger(&[
        row("T1", "trade", "XXBT", "0.01", "0.00004"),
        row("T1", "trade", "ZUSD", "-300", "0"),
        row("T2", "trade", "XXBT", "0.01", "0"),
        row("T2", "trade", "ZEUR", "-280", "0"),
        row("T2", "trade", "USDT", "0", "1.2"),
        row("T3", "trade", "KFEE", "-12.00", "0"),
        row("T4", "margin", "ZUSD", "55.5", "0.30"),
    ]);
    let mut fees: Vec<_> = read(NO_TRADES, &body)
        .unwrap()
        .into_iter()
        .map(|record| match record {
            Record::Fee(fee) => (fee.id.to_string(), fee.amount),
            other => panic!("{other:?}"),
        })
        .collect();
    fees.sort();
    let expected = [
        ("fee:T1:BTC", "0.00004"),
        ("fee:T2:USDT", "1.2"),
        ("fee:T3:KFEE", "12.00"),
        ("fee:T4:USD", "0.30"),
    ];
    assert_eq!(fees, expected.map(|(id, amount)| (id.to_owned(), dec(amount))));
}

#[test]
fn what_is_no_trade() {
    if super::recorded("assets_official.json").is_none() {
        return;
    }
    let body = ledger(&[
        row("R1", "rollover", "ZUSD", "0", "0.25"),
        row("S1", "staking", "XTZ", "0.5", "0"),
        row("W1", "withdrawal", "XXBT", "-0.5", "0.0002"),
        row("X1", "transfer", "DOT.S", "-3", "0"),
        row("N1", "somethingnew", "ZUSD", "7", "0"),
    ]);
    let records = read(NO_TRADES, &body).unwrap();
    let flows: Vec<_> = records
        .iter()
        .filter_map(|record| match record {
            Record::Flow(flow) => Some((flow.kind.clone(), flow.amount)),
            _ => None,
        })
        .collect();
    let has = |kind: FlowKind, amount: &str| assert!(flows.contains(&(kind, dec(amount))), "{flows:?}");
    has(FlowKind::Financing, "-0.25");
    has(FlowKind::Reward, "0.5");
    has(FlowKind::Withdrawal, "-0.5");
    has(FlowKind::Transfer, "-3");
    has(FlowKind::Other("somethingnew".into()), "7");
    let fee = records.iter().find_map(|record| match record {
        Record::Fee(fee) => Some(fee),
        _ => None,
    });
    assert_eq!(fee.unwrap().amount, dec("0.0002"));
}
