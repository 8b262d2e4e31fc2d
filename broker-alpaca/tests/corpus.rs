//! Recorded and published answers of Alpaca, read through the shipped calls and compared with values worked out by
//! hand. The collection is not part of this repository: without it the tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
fn orders_of_one_leg() {
    let body = recorded!("order_equity_accepted.json");
    let order = order(&body);
    assert_eq!(order.id.get(), "7b08df51-c1ac-453c-99f9-323a5f075f0d");
    assert_eq!(
        order.client_id.as_ref().unwrap().get(),
        "5680c4bc-9ac1-4a12-a44c-df427ba53032"
    );
    assert_eq!(order.account.get(), ACCOUNT);
    assert_eq!(
        (order.status, order.reason.as_deref()),
        (OrderStatus::New, Some("accepted"))
    );
    assert_eq!(
        (order.kind, order.time_in_force),
        (OrderKind::Limit, Some(TimeInForce::Gtc))
    );
    assert_eq!(
        (order.amount, order.limit_price),
        (Amount::Qty(qty("2")), Some(price("150")))
    );
    assert_eq!(
        (order.filled_qty, order.average_price, order.stop_price),
        (qty("0"), None, None)
    );
    assert_eq!(order.links, broker_core::model::OrderLinks::default());
    assert_eq!(order.created_at, Some(at("2023-12-12T22:31:24.668464435Z")));
    assert_eq!(order.updated_at, Some(at("2023-12-12T22:31:24.668464435Z")));
    assert_eq!(order.legs.len(), 1);
    assert_eq!((order.legs[0].symbol.get(), order.legs[0].side), ("AAPL", Side::Buy));
    assert_eq!((order.legs[0].ratio, order.legs[0].effect), (dec("1"), None));
}

#[test]
fn orders_for_money() {
    let ipo = order(&recorded!("order_ipo_notional_accepted.json"));
    assert_eq!(ipo.amount, Amount::Notional(usd("500")));
    assert_eq!(ipo.legs[0].symbol.get(), "FI111225");
    assert_eq!(ipo.remaining_qty(), None);
    let swap = order(&recorded!("order_notional_with_swap.json"));
    assert_eq!(swap.amount, Amount::Notional(usd("40")));
    assert_eq!(
        (swap.filled_qty, swap.average_price),
        (qty("0.0016"), Some(price("23717.854")))
    );
    assert_eq!((swap.status, swap.reason), (OrderStatus::Filled, None));
    let close = order(&recorded!("position_close_response_order_notional.json"));
    assert_eq!(close.amount, Amount::Notional(usd("500")));
    assert_eq!(close.legs[0].effect, Some(PositionEffect::Open));
}

#[test]
fn orders_of_crypto_and_options() {
    let btc = order(&recorded!("order_crypto_filled_or_new.json"));
    assert_eq!(
        (btc.legs[0].instrument.get(), btc.amount),
        ("BTC/USD", Amount::Qty(qty("0.0001")))
    );
    assert_eq!((btc.kind, btc.status), (OrderKind::Market, OrderStatus::PendingNew));
    let eth = order(&recorded!("order_crypto_pending_new.json"));
    assert_eq!(
        (eth.legs[0].instrument.get(), eth.limit_price),
        ("ETH/USD", Some(price("2100")))
    );
    assert_eq!(eth.amount, Amount::Qty(qty("0.02")));
    let option = order(&recorded!("order_option_pending_new.json"));
    assert_eq!(option.legs[0].instrument.get(), "AAPL250620C00100000");
    assert_eq!(
        (option.time_in_force, option.amount),
        (Some(TimeInForce::Day), Amount::Qty(qty("2")))
    );
    let sold = order(&recorded!("order_option_sell_to_open_accepted.json"));
    assert_eq!(
        (sold.legs[0].side, sold.legs[0].effect),
        (Side::Sell, Some(PositionEffect::Open))
    );
    assert_eq!(
        (sold.limit_price, sold.amount),
        (Some(price("300")), Amount::Qty(qty("1")))
    );
    // Text that no rule understands stays as it is.
    assert_eq!(sold.legs[0].symbol.get(), "AAPL`");
    let limit = order(&recorded!("order_limit_accepted.json"));
    assert_eq!((limit.kind, limit.limit_price), (OrderKind::Limit, Some(price("300"))));
}

#[test]
fn an_order_is_found_by_our_id() {
    let body = recorded!("order_by_client_order_id.json");
    let line = "/v2/orders:by_client_order_id?client_order_id=eb9e2aaa-f71a-4f51-b5b4-52a6c565dad4";
    let stage = Stage::signed_in(vec![get(line, body)]);
    let reference = OrderRef::by_client_id(&account(), "eb9e2aaa-f71a-4f51-b5b4-52a6c565dad4".into());
    let order = stage.run(|broker| async move { broker.order(&reference).await.unwrap() });
    assert_eq!(order.id.get(), "61e69015-8549-4bfd-b9c3-01e75843f47d");
    assert_eq!((order.amount, order.kind), (Amount::Qty(qty("1")), OrderKind::Market));
    assert_eq!(order.created_at, Some(at("2021-03-16T18:38:01.942282Z")));
}

#[test]
fn quantities_may_be_json_numbers() {
    let orders = list(&recorded!("orders_list_numeric_quantities.json"));
    assert_eq!(orders.len(), 1);
    let order = &orders[0];
    assert_eq!((order.amount, order.filled_qty), (Amount::Qty(qty("1")), qty("0")));
    assert_eq!((&order.kind, order.average_price), (&OrderKind::Stop, None));
    assert_eq!((&order.status, order.extended_hours), (&OrderStatus::New, true));
    assert_eq!(
        order.links.replaced_by.as_ref().unwrap().get(),
        "0b11f089-722d-4ced-9beb-e2eeed3637dc"
    );
    assert_eq!(
        order.links.replaces.as_ref().unwrap().get(),
        "9f7d75bc-a9a2-40b0-9082-0fc0a09817ff"
    );
}

#[test]
fn a_spread_is_one_order_and_its_legs() {
    let orders = group(&recorded!("order_mleg_filled_nested_legs.json"));
    let ids: Vec<_> = orders.iter().map(|order| order.id.get()).collect();
    assert_eq!(
        ids,
        [
            "83f37e9f-6b1f-49ed-8fc6-3e6af716323f",
            "df4ff24a-c58a-4e37-8b9f-ef32b83a11f2",
            "ecd91110-c34d-4e9d-a7bf-a9c27c40f8b5"
        ]
    );
    let parent = &orders[0];
    assert_eq!(parent.links.group, Some(Group::MultiLeg));
    assert_eq!(parent.links.children, [orders[1].id.clone(), orders[2].id.clone()]);
    assert_eq!(
        (parent.filled_qty, parent.average_price),
        (qty("1"), Some(price("1.28")))
    );
    assert_eq!(
        (parent.limit_price, &parent.status),
        (Some(price("10")), &OrderStatus::Filled)
    );
    let legs: Vec<_> = parent
        .legs
        .iter()
        .map(|leg| (leg.symbol.get(), leg.side, leg.ratio, leg.filled_qty, leg.average_price))
        .collect();
    assert_eq!(
        legs,
        [
            (
                "AAPL241213C00250000",
                Side::Buy,
                dec("3"),
                qty("3"),
                Some(price("0.43"))
            ),
            (
                "AAPL241213C00260000",
                Side::Sell,
                dec("1"),
                qty("1"),
                Some(price("0.01"))
            ),
        ]
    );
    let leg = &orders[1];
    // The leg's own type is empty.
    assert_eq!(
        (&leg.kind, &leg.links.parent),
        (&OrderKind::Limit, &Some(parent.id.clone()))
    );
    assert_eq!((leg.amount, leg.filled_qty), (Amount::Qty(qty("3")), qty("3")));
    assert_eq!(leg.expires_at, Some(at("2024-12-10T21:00:00Z")));
    assert_eq!(leg.links.group, Some(Group::MultiLeg));
}

#[test]
fn orders_inside_batch_answers() {
    #[derive(serde::Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        body: &'a serde_json::value::RawValue,
    }
    let cancels = recorded!("cancel_all_207_with_bodies.json");
    let cancels: Vec<Item<'_>> = serde_json::from_str(&cancels).unwrap();
    let canceled = order(cancels[0].body.get());
    assert_eq!(canceled.id.get(), "aaeec1f3-4917-4cfd-b89f-bab24495d2ff");
    assert_eq!(
        (canceled.status, canceled.kind),
        (OrderStatus::PendingCancel, OrderKind::StopLimit)
    );
    assert_eq!(
        (canceled.limit_price, canceled.stop_price),
        (Some(price("500")), Some(price("600")))
    );
    assert_eq!(canceled.updated_at, Some(at("2021-06-01T07:50:16.746769274Z")));
    assert_eq!(
        order(cancels[1].body.get()).id.get(),
        "f235da63-19c6-49c5-b179-1680576cf42b"
    );
    let closes = recorded!("positions_close_all_207.json");
    let closes: Vec<Item<'_>> = serde_json::from_str(&closes).unwrap();
    let closing = order(closes[0].body.get());
    assert_eq!(
        (closing.legs[0].side, closing.amount),
        (Side::Sell, Amount::Qty(qty("2")))
    );
    assert_eq!(closing.created_at, Some(at("2022-02-04T16:53:29.53427917Z")));
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

#[test]
fn assets_and_option_contracts() {
    let body = recorded!("assets_list_us_equity.json");
    let stage = Stage::new(vec![
        get("/v2/assets?asset_class=us_equity&status=active", body),
        get("/v2/assets?asset_class=crypto&status=active", "[]"),
    ]);
    let found = stage.run(|broker| async move { broker.instruments(&InstrumentQuery::All).await.unwrap() });
    assert_eq!(found.len(), 1);
    let share = &found[0];
    assert_eq!((share.id.get(), &share.asset_class), ("AAPL", &AssetClass::Stock));
    assert_eq!(share.name.as_deref(), Some("Apple Inc. Common Stock"));
    assert_eq!(
        (share.exchange.as_deref(), share.shortable),
        (Some("NASDAQ"), Some(true))
    );
    assert_eq!(
        (share.lot, share.multiplier),
        (Some(dec("0.000000001")), Some(dec("1")))
    );
    assert_eq!(share.tick_at(price("0.9999")), Some(dec("0.0001")));
    assert_eq!(share.tick_at(price("1.00")), Some(dec("0.01")));

    let line = "/v2/options/contracts/AAPL231103C00170000";
    let option = instrument(line, "AAPL231103C00170000", &recorded!("option_contract_single.json"));
    assert_eq!(
        (&option.asset_class, &option.status),
        (&AssetClass::Option, &InstrumentStatus::Tradable)
    );
    let terms = option.option.as_ref().unwrap();
    assert_eq!((terms.underlying.get(), terms.right), ("AAPL", OptionRight::Call));
    assert_eq!(
        (terms.strike, terms.style),
        (price("170"), Some(ExerciseStyle::American))
    );
    assert_eq!(terms.expires_on.to_string(), "2023-11-03");
    // The answer states `size`, which is no multiplier.
    assert_eq!((option.multiplier, option.lot), (None, Some(dec("1"))));

    let line = "/v2/options/contracts?underlying_symbols=AAPL&expiration_date_gte=2023-11-01\
                &expiration_date_lte=2023-11-30&limit=10000";
    let stage = Stage::new(vec![get(line, recorded!("option_contracts_page.json"))]);
    let page = stage.run(|broker| async move {
        let (first, last) = ("2023-11-01".parse().unwrap(), "2023-11-30".parse().unwrap());
        broker
            .option_contracts(&"AAPL".into(), first, last, None)
            .await
            .unwrap()
    });
    assert_eq!((page.rows, page.next, page.proof), (vec![option], None, Proof::Short));
}

#[test]
fn clock_and_calendar() {
    let stage = Stage::new(vec![get("/v2/clock", recorded!("clock_closed.json"))]);
    let probe = stage.run(|broker| async move { broker.probe().await.unwrap() });
    assert_eq!(probe.server_time, Some(at("2022-05-16T20:32:24.14373588Z")));

    let line = "/v2/calendar?start=2022-05-15&end=2022-05-18";
    let stage = Stage::new(vec![get(line, recorded!("calendar_days.json"))]);
    let (since, until) = (at("2022-05-16T00:00:00Z"), at("2022-05-18T00:00:00Z"));
    let hours = stage.run(|broker| async move { broker.hours(&"AAPL".into(), since, until).await.unwrap() });
    let session = |opens: &str, closes: &str, extended| Session {
        opens_at: at(opens),
        closes_at: at(closes),
        extended,
    };
    assert_eq!(
        hours,
        Hours::Sessions(vec![
            session("2022-05-16T08:00:00Z", "2022-05-16T13:30:00Z", true),
            session("2022-05-16T13:30:00Z", "2022-05-16T20:00:00Z", false),
            session("2022-05-16T20:00:00Z", "2022-05-17T00:00:00Z", true),
            session("2022-05-17T08:00:00Z", "2022-05-17T13:30:00Z", true),
            session("2022-05-17T13:30:00Z", "2022-05-17T20:00:00Z", false),
            session("2022-05-17T20:00:00Z", "2022-05-18T00:00:00Z", true),
        ])
    );
}

#[test]
fn quotes_of_each_kind() {
    let line = "/v2/stocks/quotes/latest?symbols=AAPL";
    let found = quotes(line, "AAPL", &recorded!("data_stock_latest_quote.json"));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].bid, found[0].ask),
        (Some(price("161.1")), Some(price("161.11")))
    );
    assert_eq!(found[0].at, Some(at("2022-03-18T14:02:43.651613184Z")));
    // Round lots of an unknown size, in those days.
    assert_eq!((found[0].bid_size, found[0].ask_size), (None, None));

    let line = "/v1beta3/crypto/us/latest/quotes?symbols=BTC%2FUSD";
    let found = quotes(line, "BTC/USD", &recorded!("data_crypto_latest_quote.json"));
    assert_eq!(
        (found[0].instrument.get(), found[0].bid),
        ("BTC/USD", Some(price("40517.08")))
    );
    assert_eq!(
        (found[0].bid_size, found[0].ask_size),
        (Some(qty("4.0178")), Some(qty("1.5516")))
    );

    let line = "/v1beta1/options/quotes/latest?symbols=AAPL240126P00050000";
    let found = quotes(line, "AAPL240126P00050000", &recorded!("data_option_latest_quote.json"));
    assert_eq!(
        (found[0].bid, found[0].bid_size),
        (Some(price("0.05")), Some(qty("1344")))
    );
    assert_eq!(
        (found[0].ask, found[0].ask_size),
        (Some(price("0.06")), Some(qty("1593")))
    );

    let line = "/v1beta1/options/quotes/latest?symbols=SPXW240327P04925000";
    let found = quotes(
        line,
        "SPXW240327P04925000",
        &recorded!("data_option_latest_quote_index.json"),
    );
    assert_eq!((found[0].bid, found[0].ask), (Some(price("11.4")), Some(price("11.7"))));

    let line = "/v2/stocks/quotes/latest?symbols=NONE";
    assert_eq!(quotes(line, "NONE", &recorded!("data_stock_quotes_empty.json")), []);
}

type Bar = (&'static str, [&'static str; 4], &'static str);

/// Reads one page of bars and compares it.
fn bars(line: &str, query: &CandleQuery, body: String, expected: &[Bar], token: Option<&str>) {
    let stage = Stage::new(vec![get(line, body)]);
    let page = stage.run(|broker| async move { broker.candles(query, None).await.unwrap() });
    assert_eq!(page.rows.len(), expected.len());
    for (candle, (start, [open, high, low, close], volume)) in page.rows.iter().zip(expected) {
        assert_eq!((&candle.instrument, candle.start), (&query.instrument, at(start)));
        assert_eq!((candle.open, candle.high), (price(open), price(high)));
        assert_eq!((candle.low, candle.close), (price(low), price(close)));
        assert_eq!((candle.volume, candle.complete), (Some(dec(volume)), true));
    }
    let next = token.map(|token| format!("1:{token:?}"));
    assert_eq!(page.next.as_ref().map(|cursor| cursor.as_str()), next.as_deref());
    assert_eq!(
        page.proof,
        if token.is_some() {
            Proof::Contiguous
        } else {
            Proof::Short
        }
    );
}

#[test]
fn bars_of_each_kind() {
    let day = |id: &str| {
        let (since, until) = (at("2022-02-01T00:00:00Z"), at("2022-04-01T00:00:00Z"));
        CandleQuery::new(id.into(), Interval::Day, since, until)
    };
    let span = "timeframe=1Day&start=2022-02-01T00%3A00%3A00Z&end=2022-04-01T00%3A00%3A00Z&limit=10000&sort=asc";
    let stock = |symbol: &str| format!("/v2/stocks/bars?symbols={symbol}&{span}&adjustment=raw");
    let crypto = |symbol: &str| format!("/v1beta3/crypto/us/bars?symbols={symbol}&{span}");
    let two: &[Bar] = &[
        (
            "2022-02-01T05:00:00Z",
            ["174", "174.84", "172.31", "174.61"],
            "85998033",
        ),
        (
            "2022-02-02T05:00:00Z",
            ["174.64", "175.88", "173.33", "175.84"],
            "84817432",
        ),
    ];
    let body = recorded!("data_stock_bars_single_symbol.json");
    let token = "QUFQTHxEfDIwMjItMDItMDJUMDU6MDA6MDAuMDAwMDAwMDAwWg==";
    bars(&stock("AAPL"), &day("AAPL"), body, two, Some(token));
    let apple: &[Bar] = &[(
        "2022-03-09T05:00:00Z",
        ["161.51", "163.41", "159.41", "162.95"],
        "88496480",
    )];
    let tesla: &[Bar] = &[(
        "2022-03-09T05:00:00Z",
        ["839", "860.56", "832.01", "858.97"],
        "19227323",
    )];
    let body = recorded!("data_stock_bars_multi_symbol.json");
    bars(&stock("AAPL"), &day("AAPL"), body.clone(), apple, None);
    bars(&stock("TSLA"), &day("TSLA"), body, tesla, None);
    let body = recorded!("data_crypto_bars.json");
    bars(&crypto("BTC%2FUSD"), &day("BTC/USD"), body.clone(), apple, None);
    bars(&crypto("ETH%2FUSD"), &day("ETH/USD"), body, tesla, None);

    let (since, until) = (at("2024-03-12T13:00:00Z"), at("2024-03-12T15:00:00Z"));
    let query = CandleQuery::new("SPY240426C00555000".into(), Interval::Hours(1), since, until);
    let line = "/v1beta1/options/bars?symbols=SPY240426C00555000&timeframe=1Hour&start=2024-03-12T13%3A00%3A00Z\
                &end=2024-03-12T15%3A00%3A00Z&limit=10000&sort=asc";
    let two: &[Bar] = &[
        ("2024-03-12T13:00:00Z", ["0.24", "0.24", "0.21", "0.21"], "21"),
        ("2024-03-12T14:00:00Z", ["0.25", "0.3", "0.25", "0.3"], "3"),
    ];
    let token = "U1BZMjQwNDI2QzAwNTU1MDAwfE18MTcxMDI1NDM0MDAwMDAwMDAwMA==";
    bars(
        line,
        &query,
        recorded!("data_option_bars_page_with_token.json"),
        two,
        Some(token),
    );
}

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
