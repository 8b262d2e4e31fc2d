//! Bad input at scale: every answer that the broker reads, mutated by the thousand and taken through the shipped
//! calls. What comes out must be what the body says, by a reader that shares nothing with the decoders.
//!
//! A new endpoint is one line in a list of this file, and a view that says what the model got from which field.
//! `BROKER_BAD_INPUTS=2000000` judges more than the 217,000 of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../common/mod.rs"]
mod common;
mod frames;
mod orders;
mod records;
mod views;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use broker_alpaca::{AlpacaBroker, AlpacaConfig, PortfolioQuery, PortfolioStep};
use broker_core::model::{CandleQuery, Hours, InstrumentQuery, Interval, Window};
use broker_core::seam::{MemoryTransport, VirtualRuntime};
use broker_core::{Broker, HistoryQuery, MarketData, OrderQuery, OrderRef, Result};
use broker_testkit::bad_input::{Subject, View, bad_input};
use broker_testkit::fixtures::corpus;
use bytes::Bytes;
use common::{account, account_body, at, fixture, over};

/// A broker whose every request is answered with one body.
struct Wire {
    runtime: VirtualRuntime,
    broker: AlpacaBroker,
    answer: Arc<Mutex<(u16, Bytes)>>,
}

impl Wire {
    /// Signed in already: the bodies under test are the only answers.
    fn new() -> Self {
        let answer = Arc::new(Mutex::new((200, Bytes::from(account_body()))));
        let told = Arc::clone(&answer);
        let transport = MemoryTransport::new(move |request| {
            let (status, body) = told.lock().unwrap().clone();
            // Shares and coins are listed one after the other; the body under test holds the shares.
            let coins = request
                .uri()
                .query()
                .is_some_and(|query| query.contains("asset_class=crypto"));
            // An order is read before it is changed; the body under test answers the change.
            let old = request.method() == http::Method::GET && request.uri().path().ends_with(orders::OLD);
            let body = match (coins, old) {
                (true, _) => Bytes::from_static(b"[]"),
                (_, true) => Bytes::from_static(orders::OLD_ORDER.as_bytes()),
                _ => body,
            };
            Ok(http::Response::builder().status(status).body(body).unwrap())
        });
        let config = AlpacaConfig::new("PKTESTTESTTESTTEST01", "not-a-secret")
            .with_requests_per_minute(100_000)
            .with_data_requests_per_minute(100_000);
        let (runtime, broker) = over(config, transport);
        runtime.block_on(broker.accounts()).unwrap();
        Self {
            runtime,
            broker,
            answer,
        }
    }

    /// A reader that asks while every answer has this status and the body under test.
    fn reads<'a, F>(&'a self, status: u16, ask: impl Fn(AlpacaBroker) -> F + 'a) -> impl Fn(&[u8]) -> Result<View> + 'a
    where
        F: Future<Output = Result<View>>,
    {
        move |body| {
            if status >= 400 && std::str::from_utf8(body).is_err() {
                // A refusal may be in any encoding, and what is none is replaced in its words.
                return Err(broker_core::Error::decode("no UTF-8"));
            }
            *self.answer.lock().unwrap() = (status, Bytes::copy_from_slice(body));
            self.runtime.block_on(ask(self.broker.clone()))
        }
    }
}

/// What an endpoint's answers are called, and how they are read.
type Endpoint = (&'static str, for<'a> fn(&'a Wire, Named) -> Subject<'a>);

/// A good body and its name.
type Named = (String, String);

/// Every reader of an answer.
const ENDPOINTS: &[Endpoint] = &[
    ("account", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(
                200,
                |broker| async move { Ok(views::account(&broker.accounts().await?[0])) },
            ),
        )
    }),
    ("balances", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                Ok(views::balances(&broker.balances(&account()).await?))
            }),
        )
    }),
    ("positions", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                Ok(views::positions(&broker.positions(&account()).await?))
            }),
        )
    }),
    ("orders", |wire, (name, body)| {
        let query = OrderQuery::placed(&account(), Window::All);
        Subject::new(
            name,
            body,
            wire.reads(200, move |broker| {
                let query = query.clone();
                async move { Ok(records::orders(&broker.orders(&query, None).await?.rows)) }
            }),
        )
    }),
    ("order", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                let order = broker.order(&OrderRef::by_id(&account(), "x".into())).await?;
                Ok(records::order(&order))
            }),
        )
    }),
    ("activities", |_, (name, body)| {
        Subject::new(name, body, |body| {
            let text = std::str::from_utf8(body).map_err(|_| broker_core::Error::decode("no UTF-8"))?;
            Ok(records::activities(&AlpacaBroker::read_activities(&account(), text)?))
        })
    }),
    ("history", |wire, (name, body)| {
        let query = HistoryQuery::between(&account(), at("1970-01-01T00:00:00Z"), at("2200-01-01T00:00:00Z"));
        Subject::new(
            name,
            body,
            wire.reads(200, move |broker| {
                let query = query.clone();
                async move { Ok(records::history(&broker.history(&query, None).await?.rows)) }
            }),
        )
    }),
    ("assets", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                Ok(views::assets(
                    &broker.instruments(&InstrumentQuery::Text(String::new())).await?,
                ))
            }),
        )
    }),
    ("asset", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                let found = broker.instruments(&InstrumentQuery::Ids(vec!["X".into()])).await?;
                Ok(views::asset(&found[0]))
            }),
        )
    }),
    ("option contract", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                let query = InstrumentQuery::Ids(vec!["AAPL260116P00150500".into()]);
                Ok(views::option_contract(&broker.instruments(&query).await?[0]))
            }),
        )
    }),
    ("option contracts", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                let (first, last) = (
                    at("2026-01-01T00:00:00Z").date_naive(),
                    at("2026-02-01T00:00:00Z").date_naive(),
                );
                Ok(views::option_contracts(
                    &broker.option_contracts(&"AAPL".into(), first, last, None).await?,
                ))
            }),
        )
    }),
    ("clock", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                Ok(View::new().time("timestamp", broker.probe().await?.server_time.unwrap()))
            }),
        )
    }),
    ("calendar", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                let (since, until) = (at("1970-01-01T00:00:00Z"), at("2200-01-01T00:00:00Z"));
                match broker.hours(&"AAPL".into(), since, until).await? {
                    Hours::Sessions(sessions) => Ok(views::calendar(&sessions)),
                    other => panic!("{other:?}"),
                }
            }),
        )
    }),
    ("stock quotes", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                Ok(views::quotes(&broker.quotes(&["AAPL".into()]).await?))
            }),
        )
    }),
    ("crypto quotes", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                Ok(views::quotes(&broker.quotes(&["BTC/USD".into()]).await?))
            }),
        )
    }),
    ("bars", |wire, (name, body)| {
        // The instrument is the first that the body has bars of.
        let bars: BTreeMap<String, serde_json::Value> = serde_json::from_str(&body).unwrap();
        let instrument = bars["bars"].as_object().unwrap().keys().next().unwrap().clone();
        let (since, until) = (at("1970-01-01T00:00:00Z"), at("2200-01-01T00:00:00Z"));
        let query = CandleQuery::new(instrument.as_str().into(), Interval::Day, since, until);
        Subject::new(
            name,
            body,
            wire.reads(200, move |broker| {
                let query = query.clone();
                async move { Ok(views::candles(&broker.candles(&query, None).await?, &query.instrument)) }
            }),
        )
    }),
    ("snapshots", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                Ok(views::snapshots(&broker.stock_snapshots(&["AAPL".into()]).await?))
            }),
        )
    }),
    ("portfolio", |wire, (name, body)| {
        let query = PortfolioQuery::last_days(30, PortfolioStep::Hour);
        Subject::new(
            name,
            body,
            wire.reads(200, move |broker| {
                let query = query.clone();
                async move { Ok(views::portfolio(&broker.portfolio_history(&query).await?)) }
            }),
        )
    }),
    ("configurations", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(200, |broker| async move {
                Ok(views::configurations(&broker.configurations().await?))
            }),
        )
    }),
    ("error", |wire, (name, body)| {
        Subject::new(
            name,
            body,
            wire.reads(422, |broker| async move {
                views::error(broker.accounts().await.unwrap_err())
            }),
        )
    }),
    ("place", |wire, (name, body)| {
        let intent = orders::intent(&body);
        Subject::new(
            name,
            body,
            wire.reads(200, move |broker| orders::place(broker, intent.clone())),
        )
    }),
    ("replace", |wire, (name, body)| {
        let intent = orders::intent(&body);
        Subject::new(
            name,
            body,
            wire.reads(200, move |broker| orders::replace(broker, intent.clone())),
        )
    }),
    ("cancel all", |wire, (name, body)| {
        Subject::new(name, body, wire.reads(207, orders::cancel_all))
    }),
    ("trade update", |_, (name, body)| {
        Subject::new(name, body, frames::trade_update)
    }),
    ("market data", |_, (name, body)| {
        Subject::new(name, body, frames::market_data)
    }),
];

/// The project's own bodies.
fn own() -> Vec<(&'static str, Named)> {
    let file = |endpoint, name: &str| (endpoint, (format!("{endpoint}: {name}"), fixture(name)));
    let text = |endpoint, name: &str, body: &str| (endpoint, (format!("{endpoint}: {name}"), body.to_owned()));
    vec![
        text("account", "whole", ACCOUNT),
        text("balances", "whole", ACCOUNT),
        file("positions", "positions.json"),
        file("orders", "orders_states.json"),
        text("orders", "bracket.json", &format!("[{}]", fixture("bracket.json"))),
        text("orders", "oco.json", &format!("[{}]", fixture("oco.json"))),
        text("orders", "legs", &format!("[{MULTI_LEG}]")),
        file("order", "bracket.json"),
        text("order", "legs", MULTI_LEG),
        file("activities", "crypto_session.json"),
        file("activities", "corporate_events.json"),
        file("activities", "dst_day.json"),
        file("history", "crypto_session.json"),
        file("history", "corporate_events.json"),
        text("assets", "shares", ASSETS),
        file("asset", "crypto_asset.json"),
        file("option contract", "option_contract.json"),
        text(
            "option contracts",
            "page",
            &format!(
                r#"{{"option_contracts":[{}],"next_page_token":"MTAw"}}"#,
                fixture("option_contract.json")
            ),
        ),
        text(
            "clock",
            "closed",
            r#"{"timestamp":"2026-05-16T16:32:24.14373588-04:00","is_open":false}"#,
        ),
        file("calendar", "calendar_dst.json"),
        text("stock quotes", "two", STOCK_QUOTES),
        text("crypto quotes", "one", CRYPTO_QUOTES),
        text("bars", "two shares", BARS),
        text("snapshots", "one", SNAPSHOT),
        text("portfolio", "with flows", PORTFOLIO),
        text("configurations", "all", CONFIGURATIONS),
        text(
            "error",
            "number",
            r#"{"code":42210000,"message":"invalid limit_price 290.123","x":[1]}"#,
        ),
        text(
            "error",
            "text",
            r#"{"message":"client_order_id must be unique","code":"40010001"}"#,
        ),
        text("place", "whole", orders::PLACED),
        file("place", "bracket.json"),
        text("replace", "whole", orders::PLACED),
        text("cancel all", "each end", orders::CANCELED),
        text("trade update", "fill", &frames::event("fill", orders::PLACED, FILLED)),
        text(
            "trade update",
            "part",
            &frames::event("partial_fill", orders::PLACED, FILLED),
        ),
        text("trade update", "cancel", &frames::event("canceled", orders::PLACED, "")),
        text(
            "trade update",
            "replaced",
            &frames::event("replaced", &fixture("oco.json"), ""),
        ),
        text(
            "trade update",
            "bust",
            &frames::event("trade_bust", orders::PLACED, TAKEN_BACK),
        ),
        text(
            "trade update",
            "correction",
            &frames::event("trade_correct", orders::PLACED, CORRECTED),
        ),
        text(
            "trade update",
            "bracket",
            &frames::event("new", &fixture("bracket.json"), ""),
        ),
        text("trade update", "legs", &frames::event("fill", MULTI_LEG, FILLED)),
        text("trade update", "authorized", frames::AUTHORIZED),
        text("trade update", "unauthorized", frames::UNAUTHORIZED),
        text("trade update", "listening", frames::LISTENING),
        text("market data", "quotes", frames::QUOTES),
        text("market data", "subscribed", frames::SUBSCRIBED),
        text("market data", "wrong key", frames::TROUBLES[0]),
        text("market data", "taken", frames::TROUBLES[1]),
        text("market data", "slow", frames::TROUBLES[2]),
    ]
}

/// What events have beside their order.
const FILLED: &str = r#","price":"99.995","qty":2.5,"position_qty":"2.5""#;
const TAKEN_BACK: &str = r#","previous_execution_id":"e-16","price":"99.995","qty":"2.5""#;
const CORRECTED: &str = r#","previous_execution_id":"e-16","price":"99.99","qty":"2.5""#;

/// Recorded and published bodies, and by what they are read.
const RECORDED: &[(&str, &str)] = &[
    ("account", "account_margin_negative_cash"),
    ("balances", "account_margin_negative_cash"),
    ("positions", "positions_list_long_with_usd_block"),
    ("orders", "orders_list_numeric_quantities"),
    ("order", "order_mleg_filled_nested_legs"),
    ("order", "order_notional_with_swap"),
    ("order", "order_crypto_filled_or_new"),
    ("order", "order_option_sell_to_open_accepted"),
    ("order", "position_close_response_order_notional"),
    ("activities", "activities_csd_page_1"),
    ("activities", "activities_csd_page_2"),
    ("assets", "assets_list_us_equity"),
    ("option contract", "option_contract_single"),
    ("option contracts", "option_contracts_page"),
    ("clock", "clock_closed"),
    ("calendar", "calendar_days"),
    ("stock quotes", "data_stock_latest_quote"),
    ("stock quotes", "data_option_latest_quote"),
    ("crypto quotes", "data_crypto_latest_quote"),
    ("bars", "data_stock_bars_multi_symbol"),
    ("bars", "data_crypto_bars"),
    ("bars", "data_option_bars_page_with_token"),
    ("snapshots", "data_stock_snapshot"),
    ("portfolio", "portfolio_history"),
    ("configurations", "account_configurations"),
    ("error", "error_body_with_extra_field"),
    ("error", "error_422_subpenny_limit_price"),
    ("place", "order_limit_accepted"),
    ("place", "order_option_pending_new"),
    ("cancel all", "cancel_all_207_with_bodies"),
    ("trade update", "stream_trade_update_fill_crypto"),
    ("trade update", "stream_authorization_authorized_authenticate"),
    ("trade update", "stream_authorization_unauthorized_authenticate"),
    ("trade update", "stream_listening_ack"),
];

#[test]
fn no_bad_input_is_a_panic_or_a_wrong_value() {
    let mut bodies = own();
    if let Some(folder) = corpus("alpaca") {
        for (endpoint, name) in RECORDED {
            // The folder is there, so a missing file is a mistake.
            let body = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
            bodies.push((*endpoint, (format!("{endpoint}: recorded {name}"), body)));
        }
    }
    let wire = Wire::new();
    let endpoints: BTreeMap<_, _> = ENDPOINTS.iter().copied().collect();
    let subjects: Vec<Subject<'_>> = bodies
        .into_iter()
        .map(|(endpoint, named)| endpoints[endpoint](&wire, named))
        .collect();
    let total = std::env::var("BROKER_BAD_INPUTS").map_or(217_000, |text| text.parse().unwrap());
    let report = bad_input(&subjects, total, 20_261_120);
    println!("{report}");
    assert!(report.is_clean(), "{} failures", report.failures.len());
    assert!(report.total() >= 200_000, "{}", report.total());
    for (mutation, tally) in &report.by_mutation {
        assert!(tally.read + tally.refused > 500, "{mutation:?}: {tally:?}");
    }
}

const ACCOUNT: &str = r#"{"id":"0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10","account_number":"PA3TEST00017","status":"ACTIVE",
  "currency":"USD","cash":"-23140.20","equity":"103820.56","buying_power":"262113.632","non_marginable_buying_power":"98945.02",
  "initial_margin":"63480.38","maintenance_margin":"38088.228","accrued_fees":"0","created_at":"2019-06-12T22:47:07.99658Z",
  "shorting_enabled":true,"trading_blocked":false,"account_blocked":false,"trade_suspended_by_user":false,
  "options_trading_level":2,"multiplier":"4","pattern_day_trader":false}"#;

const MULTI_LEG: &str = r#"{"id":"83f3","client_order_id":"spread-1","created_at":"2026-01-10T16:15:53.677230742Z",
  "updated_at":"2026-01-10T16:15:54Z","expires_at":"2026-01-10T21:00:00Z","asset_class":"","symbol":"","side":"","qty":"1",
  "filled_qty":"1","filled_avg_price":"1.28","order_class":"mleg","type":"limit","limit_price":"10","time_in_force":"day",
  "status":"filled","extended_hours":false,"replaced_by":null,"replaces":"82f2","legs":[
  {"id":"df4f","client_order_id":"l-1","created_at":"2026-01-10T16:15:53.677230742Z","asset_class":"us_option",
   "symbol":"AAPL260213C00250000","side":"buy","qty":"3","filled_qty":"3","filled_avg_price":"0.43","order_class":"mleg",
   "type":"","position_intent":"buy_to_open","ratio_qty":"3","time_in_force":"day","status":"filled","legs":null},
  {"id":"ecd9","client_order_id":"l-2","created_at":"2026-01-10T16:15:53.677230742Z","asset_class":"us_option",
   "symbol":"AAPL260213C00260000","side":"sell","qty":"1","filled_qty":"1","filled_avg_price":"0.01","order_class":"mleg",
   "type":"","position_intent":"sell_to_close","ratio_qty":"1","time_in_force":"day","status":"filled","legs":null}]}"#;

const ASSETS: &str = r#"[
  {"id":"a1","class":"us_equity","exchange":"NYSE","symbol":"BRK.B","name":"Berkshire \"B\"","status":"active","tradable":true,
   "shortable":true,"fractionable":true,"margin_requirement_long":"30","margin_requirement_short":"100.5"},
  {"id":"a2","class":"us_equity","exchange":"OTC","symbol":"GONE","name":"","status":"inactive","tradable":false,
   "shortable":null,"fractionable":false,"maintenance_margin_requirement":30},
  {"id":"a3","class":"crypto","exchange":"CRYPTO","symbol":"ETH/BTC","name":"Ether","status":"active","tradable":false,
   "shortable":false,"min_order_size":"0.001","min_trade_increment":0.000000001,"price_increment":"0.000001"}]"#;

const STOCK_QUOTES: &str = r#"{"quotes":{
  "AAPL":{"t":"2026-03-18T14:33:58.547942111Z","ax":"K","ap":161.20,"as":2,"bx":"K","bp":161.19,"bs":5,"c":["R"],"z":"C"},
  "MSFT":{"t":"2026-03-18T14:33:57Z","ax":" ","ap":0,"as":0,"bx":"Q","bp":402.5,"bs":1,"c":["R"],"z":"C"}}}"#;

const CRYPTO_QUOTES: &str =
    r#"{"quotes":{"BTC/USD":{"ap":67890.12345678,"as":0.3,"bp":"67880.1","bs":1e-3,"t":"2026-03-18T14:33:58Z"}}}"#;

const BARS: &str = r#"{"bars":{"AAPL":[
  {"t":"2026-03-18T04:00:00Z","o":160.59,"h":161.92,"l":159.76,"c":161.365,"v":31749988,"n":186143,"vw":160.683364},
  {"t":"2026-03-19T04:00:00Z","o":161,"h":162.00,"l":160.5,"c":160.7,"v":12345678.5,"n":1,"vw":161}],
  "MSFT":[{"t":"2026-03-18T04:00:00Z","o":400,"h":401,"l":399,"c":400.5,"v":1}]},"next_page_token":"QUFQTHxE"}"#;

const SNAPSHOT: &str = r#"{"AAPL":{"latestTrade":{"t":"2026-03-18T14:33:58.448432206Z","x":"D","p":161.1998,"s":200,"c":["@"]},
  "latestQuote":{"t":"2026-03-18T14:33:58.5Z","ap":161.2,"as":2,"bp":161.19,"bs":5},
  "minuteBar":{"t":"2026-03-18T14:32:00Z","o":161.595,"h":161.63,"l":161.31,"c":161.365,"v":195503},
  "dailyBar":{"t":"2026-03-18T04:00:00Z","o":160.59,"h":161.92,"l":159.76,"c":161.365,"v":31749988},"prevDailyBar":null}}"#;

const PORTFOLIO: &str = r#"{"timestamp":[1769767800,1769854200,1769940600],"equity":[100000.10,null,"101250.55"],
  "profit_loss":[0.10,null,1250.45],"profit_loss_pct":[0.000001,null,0.0125044999999999999999999999999],
  "base_value":100000,"base_value_asof":"2026-01-29","timeframe":"1D","cashflow":{"CSD":[0,0,"500.25"],"DIV":[null,1.02,0]}}"#;

const CONFIGURATIONS: &str = r#"{"suspend_trade":false,"no_shorting":true,"fractional_trading":true,"max_margin_multiplier":"4",
  "max_options_trading_level":3,"trade_confirm_email":"all","ptp_no_exception_entry":false,"disable_overnight_trading":null,
  "pdt_check":"entry","dtbp_check":""}"#;
