//! Answers of the venue against Alpaca's published documents, where the corpus has them.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::Path;

use broker_alpaca::venue::AlpacaVenue;
use broker_sim::HistoryPlan;
use broker_sim::wire::{Venue, WireRequest};
use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::Document;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// What answers have that the document lacks: a path, where in the answer, what is said about it, and the recorded
/// answer that shows it. Dates of activities are called date-times there and are dates; the exchange of a coin is
/// called something else in each source, and never one of the document's words.
const BEYOND: [(&str, &str, &str, &str); 8] = [
    ("/v2/orders", ".subtag", "no such field", "order_equity_accepted.json"),
    ("/v2/orders", ".source", "no such field", "order_equity_accepted.json"),
    (
        "/v2/orders",
        ".body",
        "no such field",
        "cancel_all_207_with_bodies.json",
    ),
    (
        "/v2/account/activities",
        ".description",
        "no such field",
        "activity_cfee.json",
    ),
    (
        "/v2/account/activities",
        ".price",
        "no such field",
        "activity_cfee.json",
    ),
    (
        "/v2/account/activities",
        ".date",
        "is no date-time",
        "activity_cfee.json",
    ),
    (
        "/v2/assets",
        ".exchange",
        "\"CRYPTO\" is none",
        "position_crypto_symbol_without_slash.json",
    ),
    (
        "/v2/positions",
        ".exchange",
        "\"CRYPTO\" is none",
        "position_crypto_symbol_without_slash.json",
    ),
];

struct Check {
    venue: AlpacaVenue,
    now: DateTime<Utc>,
    trading: Document,
    data: Document,
    used: Vec<bool>,
    answers: usize,
    problems: Vec<String>,
}

impl Check {
    fn ask(&mut self, method: &str, target: &str, body: &str) -> Value {
        let request = WireRequest::new(method, target, "memory")
            .with_header("APCA-API-KEY-ID", AlpacaVenue::KEY_ID)
            .with_header("APCA-API-SECRET-KEY", AlpacaVenue::SECRET_KEY)
            .with_body(body.to_owned());
        let answer = self.venue.handle(&request, self.now);
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let document = if target.starts_with("/v2/stocks") || target.starts_with("/v1beta") {
            &self.data
        } else {
            &self.trading
        };
        let sent = Some(body).filter(|body| !body.is_empty());
        let of_request = document.check_request(method, &request.path, &request.pairs, sent);
        let of_answer = document.check_answer(method, &request.path, answer.status, &text);
        for problem in of_request.iter().chain(&of_answer).map(ToString::to_string) {
            let known = BEYOND.iter().position(|(path, place, what, _)| {
                target.starts_with(path) && problem.contains(place) && problem.contains(what)
            });
            match known {
                Some(place) => self.used[place] = true,
                None => self
                    .problems
                    .push(format!("{method} {target} {}: {problem}", answer.status)),
            }
        }
        self.answers += 1;
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn get(&mut self, target: &str) -> Value {
        self.ask("GET", target, "")
    }
}

fn document(folder: &Path, name: &str) -> Document {
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    Document::parse(&text).unwrap().with_unknown_fields()
}

fn texts(rows: &Value, name: &str) -> Vec<String> {
    rows.as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| Some(row[name].as_str()?.to_owned()))
        .collect()
}

#[test]
fn a_seeded_run_answers_as_the_document_says() {
    let Some(folder) = corpus("alpaca") else { return };
    let now: DateTime<Utc> = "2026-11-20T18:00:00Z".parse().unwrap();
    let plan = HistoryPlan::new(2_000, now).with_tie(150);
    let builder = AlpacaVenue::builder().history(&plan).unwrap();
    let mut check = Check {
        venue: builder
            .trading_limits(Vec::new())
            .data_limits(Vec::new())
            .build()
            .unwrap(),
        now,
        trading: document(&folder, "openapi_trading_api.json"),
        data: document(&folder, "openapi_market_data_api.json"),
        used: vec![false; BEYOND.len()],
        answers: 0,
        problems: Vec::new(),
    };
    read_side(&mut check);
    orders(&mut check);
    market_data(&mut check);
    check.problems.sort();
    check.problems.dedup();
    assert!(
        check.problems.is_empty(),
        "{} problems:\n{}",
        check.problems.len(),
        check.problems.join("\n")
    );
    assert!(check.answers > 100, "{}", check.answers);
    for ((path, place, what, recording), used) in BEYOND.iter().zip(&check.used) {
        assert!(used, "{path} {place} {what}: nothing of the kind was answered");
        let text = std::fs::read_to_string(folder.join(recording)).unwrap();
        let key = place.rsplit('.').next().unwrap_or(place);
        assert!(
            text.contains(&format!("\"{key}\"")),
            "{recording} does not show {place}"
        );
    }
}

fn read_side(check: &mut Check) {
    check.get("/v2/account");
    for symbol in texts(&check.get("/v2/positions"), "symbol") {
        check.get(&format!("/v2/positions/{symbol}"));
    }
    for day in 0..=90 {
        let date = (check.now - chrono::Duration::days(day)).date_naive();
        let mut token = String::new();
        loop {
            let page = texts(
                &check.get(&format!("/v2/account/activities?date={date}&direction=asc{token}")),
                "id",
            );
            let Some(last) = page.last().filter(|_| page.len() == 100) else {
                break;
            };
            token = format!("&page_token={last}");
        }
    }
    check.get("/v2/account/activities/FILL?page_size=10");
    check.get("/v2/account/activities?category=non_trade_activity&after=2026-11-01T00:00:00Z");
    check.get("/v2/account/activities?activity_types=FEE,CFEE,OPEXP");
    for class in ["us_equity", "crypto"] {
        for id in texts(
            &check.get(&format!("/v2/assets?asset_class={class}&status=active")),
            "id",
        ) {
            check.get(&format!("/v2/assets/{id}"));
        }
    }
    let contracts = check.get("/v2/options/contracts?expiration_date_gte=2026-11-20&limit=10000");
    for symbol in texts(&contracts["option_contracts"], "symbol") {
        check.get(&format!("/v2/options/contracts/{symbol}"));
    }
    check.get("/v2/clock");
    check.get("/v2/calendar?start=2026-11-01&end=2026-12-31");
}

fn orders(check: &mut Check) {
    let mut after = String::new();
    loop {
        let page = texts(
            &check.get(&format!(
                "/v2/orders?status=all&direction=asc&limit=500&nested=true{after}"
            )),
            "id",
        );
        let Some(last) = page.last() else { break };
        after = format!("&after_order_id={last}");
    }
    let placed = check.ask(
        "POST",
        "/v2/orders",
        r#"{"side":"buy","symbol":"SPY","type":"limit","limit_price":"400.00","qty":"10","time_in_force":"gtc","order_class":"bracket","take_profit":{"limit_price":"660"},"stop_loss":{"stop_price":"330","limit_price":"329.5"},"client_order_id":"doc-1"}"#,
    );
    let id = placed["id"].as_str().unwrap().to_owned();
    check.get(&format!("/v2/orders/{id}?nested=true"));
    check.get("/v2/orders:by_client_order_id?client_order_id=doc-1");
    let trailing = check.ask(
        "POST",
        "/v2/orders",
        r#"{"side":"sell","symbol":"SPY","type":"trailing_stop","trail_percent":"5","qty":"1","time_in_force":"day","position_intent":"sell_to_open"}"#,
    );
    let replaced = check.ask("PATCH", &format!("/v2/orders/{id}"), r#"{"limit_price":"401.00"}"#);
    assert_eq!(replaced["replaces"], placed["id"]);
    check.ask(
        "DELETE",
        &format!("/v2/orders/{}", trailing["id"].as_str().unwrap()),
        "",
    );
    check.ask(
        "DELETE",
        &format!("/v2/orders/{}", trailing["id"].as_str().unwrap()),
        "",
    );
    check.ask("DELETE", "/v2/orders", "");
    check.ask(
        "POST",
        "/v2/orders",
        r#"{"side":"buy","symbol":"SPY","type":"market","qty":"9000000","time_in_force":"day"}"#,
    );
}

fn market_data(check: &mut Check) {
    check.get("/v2/stocks/quotes/latest?symbols=AAPL,MSFT,SPY&feed=iex");
    check.get("/v1beta3/crypto/us/latest/quotes?symbols=BTC%2FUSD,ETH%2FUSD");
    check.get("/v1beta1/options/quotes/latest?symbols=AAPL270219C00190000");
    for (path, symbols) in [
        ("/v2/stocks/bars", "AAPL,MSFT,SPY,TSLA,NVDA,QQQ"),
        ("/v1beta3/crypto/us/bars", "BTC%2FUSD,ETH%2FUSD"),
        ("/v1beta1/options/bars", "AAPL270219C00190000"),
    ] {
        for frame in ["1Min", "1Hour", "1Day", "1Week", "1Month"] {
            check.get(&format!(
                "{path}?symbols={symbols}&timeframe={frame}&start=2026-08-22T00:00:00Z&limit=50&sort=desc"
            ));
        }
    }
}
