//! Own fixtures, worked out by hand: see `fixtures/README.md`.

mod orders;

use std::collections::BTreeMap;

use crate::common::{Stage, account, account_body, at, dec, fixture, get, price, qty};
use broker_alpaca::{AlpacaBroker, AlpacaConfig, Feed};
use broker_core::model::{
    AccountStatus, Amount, Asset, AssetClass, CandleQuery, Environment, FlowKind, Group, Hours, InstrumentStatus,
    Interval, OptionRight, OrderKind, OrderState, PositionEffect, Session, Trail, Window,
};
use broker_core::{
    Broker, Currency, Cursor, ErrorKind, InstrumentQuery, MarketData, Money, Order, OrderQuery, OrderRef, OrderStatus,
    Record, Side, TimeInForce,
};
use rust_decimal::Decimal;

const ORDERS: &str = "/v2/orders?status=all&limit=500&direction=asc&nested=true";

fn orders(body: String) -> Vec<Order> {
    let stage = Stage::signed_in(vec![get(ORDERS, body)]);
    let query = OrderQuery::placed(&account(), Window::All);
    stage.run(|broker| async move { broker.orders(&query, None).await.unwrap().rows })
}

#[test]
fn a_crypto_session_nets_to_its_position_and_cash() {
    let rows = AlpacaBroker::read_activities(&account(), &fixture("crypto_session.json")).unwrap();
    assert_eq!(rows.len(), 12);
    let mut coins: BTreeMap<String, Decimal> = BTreeMap::new();
    let mut cash = Decimal::ZERO;
    for row in &rows {
        match row {
            Record::Fill(fill) => {
                let signed = fill.qty.signed(fill.side);
                *coins.entry(fill.instrument.get().to_owned()).or_default() += signed;
                cash -= signed * fill.price.get();
            }
            Record::Fee(fee) => match &fee.asset {
                Asset::Instrument { id, .. } => *coins.entry(id.get().to_owned()).or_default() -= fee.amount,
                Asset::Currency(currency) => {
                    assert_eq!(*currency, Currency::USD);
                    cash -= fee.amount;
                }
            },
            other => panic!("{other:?}"),
        }
    }
    let expected = BTreeMap::from([
        ("BTC/USD".to_owned(), dec("0.348125")),
        ("ETH/USD".to_owned(), dec("1.245")),
    ]);
    assert_eq!(coins, expected);
    assert_eq!(cash, dec("-23828.51"));
    let Record::Fill(last) = &rows[5] else { panic!() };
    assert_eq!(
        (last.side, last.id.get()),
        (Side::Sell, "5b0e7a10-0001-4c11-9a01-000000000006")
    );
    let Record::Fee(fee) = &rows[6] else { panic!() };
    assert_eq!(fee.booked_at, Some(at("2026-03-11T05:10:00.1Z")));
    // The coin left when the fee was booked, behind the trades of its day.
    assert_eq!(
        (fee.at, fee.amount.to_string()),
        (at("2026-03-11T05:10:00.1Z"), "0.00125".to_owned())
    );
}

#[test]
fn every_kind_of_activity_has_its_record() {
    let rows = AlpacaBroker::read_activities(&account(), &fixture("corporate_events.json")).unwrap();
    let usd = Asset::Currency(Currency::USD);
    let of = |name: &str| Asset::Instrument {
        id: name.into(),
        symbol: name.into(),
    };
    let flows: Vec<_> = rows
        .iter()
        .filter_map(|row| match row {
            Record::Flow(flow) => Some((
                flow.kind.as_str(),
                flow.asset.clone(),
                flow.amount.to_string(),
                flow.cash.map(|cash| cash.amount.to_string()),
                flow.group.as_deref(),
                (flow.version, flow.canceled),
            )),
            _ => None,
        })
        .collect();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        flows,
        [
            (
                "exercise",
                of("AAPL260116C00150000"),
                text("-2"),
                None,
                Some("g-1"),
                (0, false)
            ),
            (
                "exercise",
                of("AAPL"),
                text("200"),
                Some(text("-30000")),
                Some("g-1"),
                (0, false)
            ),
            (
                "assignment",
                of("MSFT260116P00400000"),
                text("1"),
                None,
                Some("g-2"),
                (0, false)
            ),
            (
                "expiry",
                of("SPY260116P00500000"),
                text("-3"),
                None,
                Some("g-3"),
                (0, false)
            ),
            ("split", of("NVDA"), text("90"), None, Some("g-4"), (0, false)),
            ("interest", usd.clone(), text("-12.34"), None, None, (1, false)),
            ("tax", usd.clone(), text("-1.50"), None, None, (2, true)),
            ("transfer", of("TSLA"), text("5"), None, None, (0, false)),
            ("withdrawal", usd.clone(), text("-250"), None, None, (0, false)),
            (
                "reorganization",
                of("TWTR"),
                text("-100"),
                Some(text("5400")),
                None,
                (0, false)
            ),
            ("dividend", of("T"), text("4"), None, None, (0, false)),
            ("MOONDUST", usd.clone(), text("7.5"), None, None, (0, false)),
        ]
    );
    let fees: Vec<_> = rows
        .iter()
        .filter_map(|row| match row {
            Record::Fee(fee) => Some((fee.label.as_str(), fee.asset.clone(), fee.amount.to_string(), fee.at)),
            _ => None,
        })
        .collect();
    assert_eq!(
        fees,
        [
            ("TAF", usd.clone(), text("0.02"), at("2026-01-16T00:00:00Z")),
            ("PTR", usd, text("-0.35"), at("2026-01-17T00:00:00Z")),
        ]
    );
    let Record::Flow(shares) = &rows[1] else { panic!() };
    assert_eq!(
        (shares.price, shares.description.as_deref()),
        (Some(price("150")), Some("Option Trade"))
    );
    let Record::Flow(other) = &rows[13] else { panic!() };
    assert_eq!(other.kind, FlowKind::Other("MOONDUST".into()));
}

#[test]
fn an_unknown_activity_is_noted_and_a_broken_one_is_an_error() {
    let line = "/v2/account/activities?after=2026-01-15T23%3A59%3A59Z&until=2026-01-20T00%3A00%3A01Z\
                &category=trade_activity&direction=asc&page_size=100";
    let stage = Stage::signed_in(vec![get(line, fixture("corporate_events.json"))]);
    let query = broker_core::HistoryQuery::between(&account(), at("2026-01-16T00:00:00Z"), at("2026-01-20T00:00:00Z"));
    let page = stage.run(|broker| async move { broker.history(&query, None).await.unwrap() });
    assert_eq!(page.rows.len(), 14);
    assert_eq!(
        page.notes,
        ["20260118000000000::e0000000-0000-4000-8000-00000000000e is of the unknown type \"MOONDUST\""]
    );
    for (broken, message) in [
        (
            r#"[{"id":"1::a","activity_type":"FILL","symbol":"A","side":"hold","qty":"1","price":"1","transaction_time":"2026-01-01T00:00:00Z"}]"#,
            "\"hold\" is not a side",
        ),
        (
            r#"[{"id":"1::a","activity_type":"FILL","symbol":"A","side":"buy","price":"1","transaction_time":"2026-01-01T00:00:00Z"}]"#,
            "1::a has no quantity",
        ),
        (
            r#"[{"id":"1::a","activity_type":"CSD","net_amount":"5"}]"#,
            "1::a has neither date nor time",
        ),
    ] {
        let error = AlpacaBroker::read_activities(&account(), broken).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Decode, Some(message)));
    }
    for broken in [
        r#"{"rows":[]}"#,
        r#"[{"id":"1::a","activity_type":"CSD","date":"2026-13-01","net_amount":"5"}]"#,
        r#"[{"id":"1::a","activity_type":"CSD","date":"2026-01-01","net_amount":"5,0"}]"#,
        r#"[{"id":"1::a","activity_type":"CSD","date":"2026-01-01","net_amount":"1e-40"}]"#,
        r#"[{"id":"1::a","activity_type":"FILL","transaction_time":"2026-01-01 00:00"}]"#,
        r#"[{"id":"1::a","#,
    ] {
        let error = AlpacaBroker::read_activities(&account(), broken).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{broken}");
    }
}

#[test]
fn times_keep_their_digits_and_offsets() {
    let time = |text: &str| {
        let row = format!(
            r#"[{{"id":"1::a","activity_type":"FILL","symbol":"A","side":"buy","qty":1,"price":2.50,"transaction_time":"{text}"}}]"#
        );
        match AlpacaBroker::read_activities(&account(), &row).unwrap().remove(0) {
            Record::Fill(fill) => {
                assert_eq!(
                    (fill.qty.to_string(), fill.price.to_string()),
                    ("1".to_owned(), "2.50".to_owned())
                );
                fill.at
            }
            other => panic!("{other:?}"),
        }
    };
    for (text, same) in [
        ("2026-10-08T15:10:18Z", "2026-10-08T15:10:18Z"),
        ("2026-10-08T15:10:18.097464903Z", "2026-10-08T15:10:18.097464903Z"),
        ("2026-10-08T11:10:18.097464903-04:00", "2026-10-08T15:10:18.097464903Z"),
        ("2026-10-08T15:10:18.1Z", "2026-10-08T15:10:18.100Z"),
        ("2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59.999999Z"),
        ("2026-10-08t15:10:18z", "2026-10-08T15:10:18Z"),
    ] {
        assert_eq!(time(text), at(same), "{text}");
    }
}

#[test]
fn short_positions_and_old_spellings() {
    let stage = Stage::signed_in(vec![get("/v2/positions", fixture("positions.json"))]);
    let positions = stage.run(|broker| async move { broker.positions(&account()).await.unwrap() });
    let seen: Vec<_> = positions
        .iter()
        .map(|p| {
            (
                p.instrument.get(),
                p.side,
                p.signed_qty().to_string(),
                p.available,
                p.mark_price,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (
                "TSLA",
                Side::Sell,
                "-10".to_owned(),
                Some(qty("4")),
                Some(price("248.00"))
            ),
            ("GME", Side::Sell, "-3".to_owned(), Some(qty("3")), None),
            (
                "ETH/BTC",
                Side::Buy,
                "0.000000001".to_owned(),
                None,
                Some(price("0.0312"))
            ),
            (
                "AAPL260116C00150000",
                Side::Buy,
                "2".to_owned(),
                Some(qty("2")),
                Some(price("1.30"))
            ),
        ]
    );
    assert_eq!(
        positions[0].market_value,
        Some(Money::new(dec("-2480.00"), Currency::USD))
    );
    assert_eq!(
        positions[0].cost_basis,
        Some(Money::new(dec("-2501.00"), Currency::USD))
    );
    assert_eq!(
        positions[0].unrealized_pnl,
        Some(Money::new(dec("21.00"), Currency::USD))
    );
}

#[test]
fn legacy_symbols_are_pairs_and_shares_are_not() {
    let row = |symbol: &str| {
        let row = format!(
            r#"[{{"id":"1::a","activity_type":"FILL","symbol":"{symbol}","side":"buy","qty":"1","price":"1","transaction_time":"2026-01-01T00:00:00Z"}}]"#
        );
        match AlpacaBroker::read_activities(&account(), &row).unwrap().remove(0) {
            Record::Fill(fill) => fill.symbol.get().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    for (sent, ours) in [
        ("BTCUSD", "BTC/USD"),
        ("SHIBUSDT", "SHIB/USDT"),
        ("USDTUSD", "USDT/USD"),
        ("ETHBTC", "ETH/BTC"),
        ("BTC/USD", "BTC/USD"),
        ("1INCHUSD", "1INCH/USD"),
        ("USD", "USD"),
        ("BUSD", "BUSD"),
        ("BRK.B", "BRK.B"),
        ("SUSD.WS", "SUSD.WS"),
        ("AAPL250620C00100000", "AAPL250620C00100000"),
        ("FI111225", "FI111225"),
    ] {
        assert_eq!(row(sent), ours);
    }
}

#[test]
fn instruments_by_id_are_asked_one_by_one_and_the_unknown_left_out() {
    let missing = r#"{"code":40410000,"message":"asset not found for NOPE"}"#;
    let stage = Stage::new(vec![
        get(
            "/v2/options/contracts/AAPL260116P00150500",
            fixture("option_contract.json"),
        ),
        get("/v2/assets/BTC%2FUSD", fixture("crypto_asset.json")),
        get("/v2/assets/NOPE", missing).status(404),
    ]);
    let names = ["BTCUSD", "AAPL260116P00150500", "BTC/USD", "NOPE"];
    let query = InstrumentQuery::Symbols(names.iter().map(|name| (*name).into()).collect());
    let found = stage.run(|broker| async move { broker.instruments(&query).await.unwrap() });
    let [option, pair] = found.as_slice() else {
        panic!("{found:?}")
    };
    let terms = option.option.as_ref().unwrap();
    assert_eq!(
        (option.multiplier, &option.status),
        (Some(dec("100")), &InstrumentStatus::Delisted)
    );
    assert_eq!((terms.strike, terms.right), (price("150.5"), OptionRight::Put));
    assert_eq!(terms.expires_on.to_string(), "2026-01-16");
    assert_eq!((pair.id.get(), &pair.asset_class), ("BTC/USD", &AssetClass::Crypto));
    assert_eq!((pair.base.unwrap().code(), pair.currency), ("BTC", Currency::USD));
    assert_eq!(
        (pair.min_qty, pair.lot),
        (Some(qty("0.000016")), Some(dec("0.000000001")))
    );
    assert_eq!(pair.tick_at(price("60000")), Some(dec("0.01")));
}

#[test]
fn many_instruments_are_picked_from_the_list() {
    let share = |symbol: &str| {
        format!(
            r#"{{"class":"us_equity","exchange":"NYSE","symbol":"{symbol}","name":"{symbol} Inc","status":"inactive","tradable":false,"fractionable":false,"margin_requirement_long":"30","margin_requirement_short":"100"}}"#
        )
    };
    let stage = Stage::new(vec![
        get(
            "/v2/assets?asset_class=us_equity",
            format!("[{},{}]", share("S3"), share("OTHER")),
        ),
        get("/v2/assets?asset_class=crypto", "[]"),
    ]);
    let query = InstrumentQuery::Ids((0..21).map(|n| format!("S{n}").into()).collect());
    let found = stage.run(|broker| async move { broker.instruments(&query).await.unwrap() });
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.get(), found[0].lot), ("S3", Some(dec("1"))));
    let margin = found[0].margin.as_ref().unwrap();
    assert_eq!(
        (margin.long_rate, margin.short_rate),
        (Some(dec("0.3")), Some(dec("1")))
    );
}

#[test]
fn hours_follow_new_york_through_a_change_of_the_clocks() {
    let line = "/v2/calendar?start=2026-03-06&end=2026-11-28";
    let stage = Stage::new(vec![get(line, fixture("calendar_dst.json"))]);
    let (since, until) = (at("2026-03-06T10:00:00Z"), at("2026-11-27T20:00:00Z"));
    let option = "AAPL260116P00150500".into();
    let hours = stage.run(|broker| async move {
        assert_eq!(
            broker.hours(&"BTC/USD".into(), since, until).await.unwrap(),
            Hours::AlwaysOpen
        );
        broker.hours(&option, since, until).await.unwrap()
    });
    let session = |opens: &str, closes: &str| Session {
        opens_at: at(opens),
        closes_at: at(closes),
        extended: false,
    };
    assert_eq!(
        hours,
        Hours::Sessions(vec![
            session("2026-03-06T14:30:00Z", "2026-03-06T21:00:00Z"),
            session("2026-03-09T13:30:00Z", "2026-03-09T20:00:00Z"),
            session("2026-11-27T14:30:00Z", "2026-11-27T18:00:00Z"),
        ])
    );
}

#[test]
fn candles_go_on_by_token_and_say_whether_they_are_complete() {
    let span = "symbols=AAPL&timeframe=1Day&start=2025-12-30T00%3A00%3A00Z&end=2026-01-01T05%3A00%3A00Z&limit=10000\
                &sort=asc&adjustment=raw&feed=iex";
    let bar = |start: &str| format!(r#"{{"t":"{start}","o":1,"h":2,"l":0.5,"c":1.5,"v":10}}"#);
    let stage = Stage::with(
        AlpacaConfig::new("PKTESTTESTTESTTEST01", "not-a-secret").with_feed(Feed::Iex),
        vec![
            get(
                &format!("/v2/stocks/bars?{span}"),
                format!(
                    r#"{{"bars":{{"AAPL":[{}]}},"next_page_token":"tok=="}}"#,
                    bar("2025-12-30T05:00:00Z")
                ),
            ),
            get(
                &format!("/v2/stocks/bars?{span}&page_token=tok%3D%3D"),
                format!(
                    r#"{{"bars":{{"AAPL":[{},{}]}},"next_page_token":null}}"#,
                    bar("2025-12-31T05:00:00Z"),
                    bar("2026-01-01T05:00:00Z")
                ),
            ),
        ],
    );
    let query = CandleQuery::new(
        "AAPL".into(),
        Interval::Day,
        at("2025-12-30T00:00:00Z"),
        at("2026-01-01T05:00:00Z"),
    );
    let (one, two, three) = stage.run(|broker| async move {
        let one = broker.candles(&query, None).await.unwrap();
        let two = broker.candles(&query, one.next.as_ref()).await.unwrap();
        let hours = CandleQuery::new(query.instrument, Interval::Seconds(5), query.since, query.until);
        (one, two, broker.candles(&hours, None).await.unwrap_err())
    });
    assert_eq!((one.rows.len(), one.rows[0].complete), (1, true));
    // It is midnight UTC: the New York day of 31 December goes on for five hours. The last bar is beyond the border.
    assert_eq!((two.rows.len(), two.rows[0].complete), (1, false));
    assert_eq!((three.kind(), two.next), (ErrorKind::Unsupported, None));
}

#[test]
fn quotes_are_asked_by_kind_and_a_missing_side_is_none() {
    let share = r#"{"quotes":{"AAPL":{"t":"2025-11-03T15:00:00Z","bp":0,"bs":0,"ap":161.11,"as":1300}}}"#;
    let stage = Stage::new(vec![
        get("/v2/stocks/quotes/latest?symbols=AAPL%2CMSFT", share),
        get("/v1beta3/crypto/us/latest/quotes?symbols=ETH%2FUSD", r#"{"quotes":{}}"#),
    ]);
    let quotes = stage.run(|broker| async move {
        let all = ["AAPL".into(), "ETH/USD".into(), "MSFT".into()];
        broker.quotes(&all).await.unwrap()
    });
    assert_eq!(quotes.len(), 1);
    assert_eq!((quotes[0].bid, quotes[0].bid_size), (None, None));
    assert_eq!(
        (quotes[0].ask, quotes[0].ask_size),
        (Some(price("161.11")), Some(qty("1300")))
    );
}

#[test]
fn account_states_and_missing_fields() {
    let account = |fields: &str| {
        let stage = Stage::new(vec![get("/v2/account", format!(r#"{{"id":"x",{fields}}}"#))]);
        stage.run(|broker| async move { broker.accounts().await.unwrap().remove(0) })
    };
    for (fields, status, trade) in [
        (r#""status":"ACTIVE""#, AccountStatus::Active, None),
        (
            r#""status":"ACTIVE","trading_blocked":true"#,
            AccountStatus::Restricted,
            Some(false),
        ),
        (
            r#""status":"ACTIVE","trade_suspended_by_user":false"#,
            AccountStatus::Active,
            Some(true),
        ),
        (r#""status":"PAPER_ONLY""#, AccountStatus::Active, None),
        (r#""status":"ONBOARDING""#, AccountStatus::Pending, None),
        (r#""status":"ACCOUNT_CLOSED""#, AccountStatus::Closed, None),
        (r#""status":"NEW_WORD""#, AccountStatus::Other("NEW_WORD".into()), None),
    ] {
        let account = account(fields);
        assert_eq!((&account.status, account.access.trade), (&status, trade), "{fields}");
        assert_eq!(
            (account.currency, account.environment),
            (Currency::USD, Environment::Paper)
        );
    }
}

#[test]
fn a_foreign_account_is_refused() {
    let stage = Stage::new(vec![get("/v2/account", account_body())]);
    let error = stage.run(|broker| async move {
        let foreign = "ffffffff-0000-4000-8000-00000000beef".into();
        broker.positions(&foreign).await.unwrap_err()
    });
    assert_eq!(
        error.to_string(),
        "alpaca invalid request: this key belongs to account …9e10, not …beef"
    );
}
