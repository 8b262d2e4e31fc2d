//! Recorded and published answers of Alpaca, read through the shipped calls and compared with values worked out by
//! hand. The collection is not part of this repository: without it the tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

use std::path::PathBuf;

use broker_core::model::{
    Amount, Asset, AssetClass, CandleQuery, ExerciseStyle, FlowKind, Grade, Group, Hours, InstrumentStatus, Interval,
    OptionRight, OrderKind, PositionEffect, PositionLeg, Session,
};
use broker_core::{
    AccountId, Broker, Currency, ErrorKind, Fill, HistoryQuery, Instrument, InstrumentQuery, MarketData, Money, Order,
    OrderRef, OrderStatus, Position, Proof, Quote, Record, Side, TimeInForce,
};
use common::{ACCOUNT, Exchange, Stage, account, at, dec, get, price, qty};

/// The file's text; `None` where there is no collection.
fn recorded(name: &str) -> Option<String> {
    let folder = std::env::var_os("BROKER_CORPUS")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
            PathBuf::from,
        )
        .join("alpaca");
    if !folder.is_dir() {
        println!(
            "SKIPPED {name}: no recorded answers at {} (set BROKER_CORPUS)",
            folder.display()
        );
        return None;
    }
    // The folder is there, so a missing file is a mistake.
    Some(std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

macro_rules! recorded {
    ($name:literal) => {
        match recorded($name) {
            Some(body) => body,
            None => return,
        }
    };
}

// Behind the macro, which they use.
mod market;
mod orders;

fn usd(amount: &str) -> Money {
    Money::new(dec(amount), Currency::USD)
}

fn read(page: &str) -> Vec<Record> {
    broker_alpaca::AlpacaBroker::read_activities(&account(), page).unwrap()
}

fn one(row: &str) -> Record {
    let mut rows = read(&format!("[{row}]"));
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}

fn fill(row: &str) -> Fill {
    match one(row) {
        Record::Fill(fill) => fill,
        other => panic!("{other:?}"),
    }
}

/// The order of an answer, asked by id.
fn order(body: &str) -> Order {
    let stage = Stage::signed_in(vec![get("/v2/orders/x?nested=true", body)]);
    stage.run(|broker| async move { broker.order(&OrderRef::by_id(&account(), "x".into())).await.unwrap() })
}

/// All orders of one group, as the list gives them.
fn group(body: &str) -> Vec<Order> {
    list(&format!("[{body}]"))
}

fn list(body: &str) -> Vec<Order> {
    let line = "/v2/orders?status=all&limit=500&direction=asc&nested=true";
    let stage = Stage::signed_in(vec![get(line, body)]);
    let query = broker_core::OrderQuery::placed(&account(), broker_core::model::Window::All);
    let page = stage.run(|broker| async move { broker.orders(&query, None).await.unwrap() });
    assert_eq!((page.proof, page.next), (Proof::Short, None));
    page.rows
}

fn positions(body: &str) -> Vec<Position> {
    let stage = Stage::signed_in(vec![get("/v2/positions", body)]);
    stage.run(|broker| async move { broker.positions(&account()).await.unwrap() })
}

fn quotes(line: &str, instrument: &str, body: &str) -> Vec<Quote> {
    let stage = Stage::new(vec![get(line, body)]);
    stage.run(|broker| async move { broker.quotes(&[instrument.into()]).await.unwrap() })
}

fn instrument(line: &str, id: &str, body: &str) -> Instrument {
    let stage = Stage::new(vec![get(line, body)]);
    let query = InstrumentQuery::Ids(vec![id.into()]);
    let mut found = stage.run(|broker| async move { broker.instruments(&query).await.unwrap() });
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn refused(exchange: Exchange) -> broker_core::Error {
    let stage = Stage::new(vec![exchange]);
    stage.run(|broker| async move { broker.accounts().await.unwrap_err() })
}

#[test]
fn account_with_negative_cash() {
    let body = recorded!("account_margin_negative_cash.json");
    let stage = Stage::new(vec![get("/v2/account", body.clone()), get("/v2/account", body)]);
    let id = AccountId::from("e6fe16f3-64a4-4921-8928-cadf02f92f98");
    let (account, balances) = stage.run(|broker| async move {
        let account = broker.accounts().await.unwrap().remove(0);
        (account, broker.balances(&id).await.unwrap())
    });
    assert_eq!(account.id.get(), "e6fe16f3-64a4-4921-8928-cadf02f92f98");
    assert_eq!(account.name.as_ref().unwrap().get(), "010203ABCD");
    assert_eq!(account.status, broker_core::model::AccountStatus::Active);
    assert_eq!(account.access.trade, Some(true));
    assert_eq!(account.access.short, Some(true));
    assert_eq!(account.access.options, Some(true));
    assert_eq!(account.opened_at, Some(at("2019-06-12T22:47:07.99658Z")));
    assert_eq!(balances.balances.len(), 1);
    assert_eq!(balances.balances[0].currency, Currency::USD);
    assert_eq!(balances.balances[0].total, dec("-23140.2"));
    assert_eq!(balances.balances[0].available, Some(dec("98945.02")));
    assert_eq!(balances.equity, Some(usd("103820.56")));
    assert_eq!(balances.buying_power, Some(usd("262113.632")));
    assert_eq!(balances.initial_margin, Some(usd("63480.38")));
    assert_eq!(balances.maintenance_margin, Some(usd("38088.228")));
    assert_eq!(balances.accrued_fees, Some(usd("0")));
}

#[test]
fn fill_of_a_share() {
    let expected = Fill {
        id: "2d7be4ff-d1f3-43e9-856a-0f5cf5c5088e".into(),
        account: account(),
        instrument: "AAPL".into(),
        symbol: "AAPL".into(),
        leg: PositionLeg::Net,
        order: Some("b5abe576-6a8a-49f3-a353-46b72c1ccae9".into()),
        client_order: None,
        side: Side::Buy,
        qty: qty("2"),
        price: price("174.78"),
        at: at("2022-02-02T18:55:09.981482Z"),
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    };
    assert_eq!(fill(&recorded!("activity_fill_equity.json")), expected);
}

#[test]
fn fill_of_a_fraction() {
    let fill = fill(&recorded!("activity_fill_broker_example.json"));
    assert_eq!(fill.id.get(), "88b5f678-fef5-447b-af15-f21e367e6d8c");
    assert_eq!((fill.qty, fill.price), (qty("0.38962051"), price("128.33")));
    assert_eq!(fill.at, at("2021-05-10T14:01:04.650275Z"));
    assert_eq!(fill.order.unwrap().get(), "fe060a1b-5b45-4eba-ba46-c3a3345d8255");
}

#[test]
fn both_spellings_of_a_pair_are_one_instrument() {
    let old = fill(&recorded!("activity_fill_crypto_legacy_symbol.json"));
    assert_eq!((old.instrument.get(), old.symbol.get()), ("BTC/USD", "BTC/USD"));
    assert_eq!((old.qty, old.price), (qty("1"), price("22577.555")));
    assert_eq!(old.id.get(), "8abc16a3-dc77-407e-9b2f-72eea5884d05");
    let new = fill(&recorded!("activity_fill_crypto_pair_symbol.json"));
    assert_eq!(new.instrument, old.instrument);
    assert_eq!((new.qty, new.price), (qty("0.0001"), price("21596.575")));
    assert_eq!(new.at, at("2022-08-25T23:23:47.582801Z"));
}

#[test]
fn crypto_fee_is_charged_in_the_coin() {
    let Record::Fee(fee) = one(&recorded!("activity_cfee.json")) else {
        panic!("not a fee")
    };
    assert_eq!(fee.id.get(), "20220812000000000::53be51ba-46f9-43de-b81f-576f241dc680");
    assert_eq!(fee.label, "CFEE");
    assert_eq!(
        fee.asset,
        Asset::Instrument {
            id: "ETH/USD".into(),
            symbol: "ETH/USD".into()
        }
    );
    assert_eq!((fee.amount, fee.price), (dec("0.000195"), Some(price("1884.5"))));
    assert_eq!(fee.instrument.unwrap().get(), "ETH/USD");
    assert_eq!((fee.at, fee.booked_at), (at("2022-08-12T23:59:59.999999999Z"), None));
    assert_eq!((fee.version, fee.canceled), (0, false));
}

#[test]
fn dividend_counts_its_money_and_not_its_shares() {
    let Record::Flow(flow) = one(&recorded!("activity_dividend.json")) else {
        panic!("not a flow")
    };
    assert_eq!(flow.kind, FlowKind::Dividend);
    assert_eq!((flow.asset, flow.amount), (Asset::Currency(Currency::USD), dec("1.02")));
    assert_eq!(flow.instrument.unwrap().get(), "T");
    assert_eq!(flow.at, at("2019-08-01T00:00:00Z"));
    assert_eq!(flow.booked_at, Some(at("2021-05-10T14:01:04.650275Z")));
}

#[test]
fn deposits_and_a_fill_in_one_page() {
    let rows = read(&recorded!("activities_csd_page_1.json"));
    let amounts: Vec<_> = rows
        .iter()
        .map(|row| match row {
            Record::Flow(flow) => {
                assert_eq!(flow.kind, FlowKind::Deposit);
                assert_eq!(flow.asset, Asset::Currency(Currency::USD));
                assert_eq!(flow.at, at("2022-04-19T00:00:00Z"));
                flow.amount
            }
            Record::Fill(fill) => {
                assert_eq!(fill.symbol.get(), "GOOGL");
                assert_eq!(
                    (fill.side, fill.qty, fill.price),
                    (Side::Buy, qty("9"), price("2630.95"))
                );
                assert_eq!(fill.at, at("2022-03-04T14:53:18.500245Z"));
                dec("0")
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(amounts, ["33324.35", "29161.91", "0", "45850.47"].map(dec));
    let rows = read(&recorded!("activities_csd_page_2.json"));
    let amounts: Vec<_> = rows
        .iter()
        .map(|row| match row {
            Record::Flow(flow) => flow.amount,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(amounts, ["43864.18", "32155.97", "20979.69", "22386.64"].map(dec));
}

#[test]
fn empty_page_ends_the_history() {
    let body = recorded!("activities_empty_page.json");
    let line = |category: &str| {
        format!(
            "/v2/account/activities?after=2025-12-30T23%3A59%3A59Z&until=2026-01-01T00%3A00%3A01Z\
             &category={category}&direction=asc&page_size=100"
        )
    };
    let stage = Stage::signed_in(vec![
        get(&line("trade_activity"), body.clone()),
        get(&line("non_trade_activity"), body.clone()),
    ]);
    let query = HistoryQuery::last_days(&account(), 1).with_raw();
    let (trades, others) = stage.run(|broker| async move {
        let trades = broker.history(&query, None).await.unwrap();
        let others = broker.history(&query, trades.next.as_ref()).await.unwrap();
        (trades, others)
    });
    assert_eq!((trades.rows.len(), trades.proof), (0, Proof::Contiguous));
    assert_eq!((others.rows.len(), others.next, others.proof), (0, None, Proof::Short));
    assert_eq!((trades.raw, others.raw), (Some(body.clone()), Some(body)));
}

#[test]
fn positions_long_and_crypto() {
    let shares = positions(&recorded!("positions_list_long_with_usd_block.json"));
    let expected = Position {
        account: account(),
        instrument: "AAPL".into(),
        symbol: "AAPL".into(),
        leg: PositionLeg::Net,
        side: Side::Buy,
        qty: qty("5"),
        available: None,
        average_price: Some(price("100.0")),
        mark_price: Some(price("120.0")),
        market_value: Some(usd("600.0")),
        cost_basis: Some(usd("500.0")),
        unrealized_pnl: Some(usd("100.0")),
        realized_pnl: None,
        at: None,
    };
    assert_eq!(shares, [expected]);
    let coins = positions(&format!("[{}]", recorded!("position_crypto_symbol_without_slash.json")));
    assert_eq!(
        (coins[0].instrument.get(), coins[0].signed_qty()),
        ("BTC/USD", dec("1.0002997"))
    );
    assert_eq!(coins[0].average_price, Some(price("22577.2578201313066474")));
    assert_eq!(coins[0].available, Some(qty("1.0002997")));
    assert_eq!(coins[0].unrealized_pnl, Some(usd("-973.5495055")));
}

type Bar = (&'static str, [&'static str; 4], &'static str);

#[test]
fn error_bodies_keep_code_and_message() {
    let error = refused(get("/v2/account", recorded!("error_422_subpenny_limit_price.json")).status(422));
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::InvalidRequest, Some("42210000"))
    );
    assert_eq!(
        error.message(),
        Some("invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria")
    );
    let error = refused(get("/v2/account", recorded!("error_body_with_extra_field.json")).status(418));
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unknown, Some("1234567")));
    assert_eq!(
        (error.message(), error.status()),
        (Some("custom error message"), Some(418))
    );
}
