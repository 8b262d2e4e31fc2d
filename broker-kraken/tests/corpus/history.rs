//! Trades and rows of the ledger.

use broker_core::model::{Asset, FlowKind, Liquidity};
use broker_core::{Broker, Currency, ErrorKind, HistoryQuery, Record, Result, Side};

use super::{Stage, at, dec, qty, corpus};

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
    assert_eq!((fill.side, fill.qty, fill.price), (Side::Buy, qty("0.02"), "30010".parse().unwrap()));
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
    let Record::Fill(fill) = &records[0] else { panic!("{records:?}") };
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
    assert_eq!((&usd.asset, usd.amount), (&Asset::Currency(Currency::USD), dec("0.0010")));
    assert_eq!(usd.fill.as_ref().unwrap().get(), "TBZIP2-F6QOU-TMB6FY");
    assert_eq!(usd.at, at("2023-07-04T04:17:42.8888Z"));
    assert_eq!((&gbp.asset, gbp.amount), (&Asset::Currency(Currency::constant("GBP")), dec("0.0490")));
    assert_eq!(gbp.at, at("2023-07-04T09:54:44.1787Z"));
}

#[test]
fn rows_of_the_ledger_by_id() {
    let body = corpus!("query_ledgers.json");
    let body = body.replacen("\"result\":", "\"result\": { \"count\": 1, \"ledger\":", 1) + "}";
    let records = read(NO_TRADES, &body).unwrap();
    let [Record::Fee(fee)] = records.as_slice() else { panic!("{records:?}") };
    assert_eq!(fee.amount, dec("0.049"));
}

#[test]
fn deposits() {
    let body = corpus!("ledgers_deposits.json");
    let records = read(NO_TRADES, &counted(&body, "ledger", 4)).unwrap();
    assert_eq!(records.len(), 4);
    let Record::Flow(first) = &records[0] else { panic!("{records:?}") };
    assert_eq!((first.id.get(), first.kind.clone()), ("LILCPJ-DKJ53-CZIG5E", FlowKind::Deposit));
    assert_eq!((&first.asset, first.amount), (&Asset::Currency("BTC".parse().unwrap()), dec("0.78125")));
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
