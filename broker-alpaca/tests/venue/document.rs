//! Answers of the venue against Alpaca's published documents, where the corpus has them.

use std::collections::BTreeSet;

use crate::documents::{assert_recordings_show, documents};
use broker_alpaca::venue::AlpacaVenue;
use broker_core::seam::Frame;
use broker_sim::wire::{SocketId, Venue, WireAnswer, WireRequest};
use broker_sim::{Depth, HistoryPlan};
use broker_testkit::openapi::Exchanges;
use chrono::{DateTime, Utc};
use serde_json::Value;

struct Check {
    venue: AlpacaVenue,
    now: DateTime<Utc>,
    exchanges: Exchanges,
    /// Events of the socket that listens.
    events: BTreeSet<String>,
}

impl Check {
    fn ask(&mut self, method: &str, target: &str, body: &str) -> Value {
        let request = WireRequest::new(method, target, "memory")
            .with_header("APCA-API-KEY-ID", AlpacaVenue::KEY_ID)
            .with_header("APCA-API-SECRET-KEY", AlpacaVenue::SECRET_KEY)
            .with_body(body.to_owned());
        let answer = self.venue.handle(&request, self.now);
        self.exchanges.check(&request, &answer);
        self.check_updates();
        serde_json::from_slice(&answer.body).unwrap_or_default()
    }

    fn listen(&mut self) {
        let request = WireRequest::new("GET", "/stream", "memory");
        self.venue.upgrade(&request, SocketId(1), self.now).unwrap();
        let (id, secret) = (AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY);
        for text in [
            format!(r#"{{"action":"auth","key":"{id}","secret":"{secret}"}}"#),
            r#"{"action":"listen","data":{"streams":["trade_updates"]}}"#.to_owned(),
        ] {
            self.venue.frame(SocketId(1), Frame::Text(text), self.now);
        }
        assert_eq!(self.venue.pushed(self.now).len(), 2);
    }

    /// The order of an update is one that a lookup could answer.
    fn check_updates(&mut self) {
        for (_, frame) in self.venue.pushed(self.now) {
            let Frame::Binary(bytes) = frame else {
                panic!("{frame:?}");
            };
            let message: Value = serde_json::from_slice(&bytes).unwrap();
            let order = &message["data"]["order"];
            let target = format!("/v2/orders/{}", order["id"].as_str().unwrap());
            let lookup = WireRequest::new("GET", &target, "memory");
            self.exchanges.check(&lookup, &WireAnswer::json(200, order.to_string()));
            let event = message["data"]["event"].as_str().unwrap().to_owned();
            self.events.insert(event);
        }
    }

    fn get(&mut self, target: &str) -> Value {
        self.ask("GET", target, "")
    }
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
        exchanges: documents(),
        events: BTreeSet::new(),
    };
    read_side(&mut check);
    check.listen();
    orders(&mut check);
    closing(&mut check);
    market_data(&mut check);
    check.exchanges.assert_clean();
    check.exchanges.assert_all_met();
    assert_recordings_show();
    assert!(check.exchanges.count() > 100, "{:?}", check.exchanges);
    let events: Vec<_> = check.events.iter().map(String::as_str).collect();
    assert_eq!(
        events,
        [
            "canceled",
            "fill",
            "held",
            "new",
            "partial_fill",
            "pending_new",
            "replaced"
        ]
    );
}

fn read_side(check: &mut Check) {
    check.get("/v2/account");
    check.get("/v2/account/configurations");
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
    let trailing = check.ask(
        "POST",
        "/v2/orders",
        r#"{"side":"sell","symbol":"SPY","type":"trailing_stop","trail_percent":"5","qty":"1","time_in_force":"day","position_intent":"sell_to_open"}"#,
    );
    let trailing = format!("/v2/orders/{}", trailing["id"].as_str().unwrap());
    check.ask("DELETE", &trailing, "");
    check.ask("DELETE", &trailing, "");
    let placed = check.ask(
        "POST",
        "/v2/orders",
        r#"{"side":"buy","symbol":"SPY","type":"limit","limit_price":"400.00","qty":"10","time_in_force":"day","order_class":"bracket","take_profit":{"limit_price":"660"},"stop_loss":{"stop_price":"330","limit_price":"329.5"},"client_order_id":"doc-1"}"#,
    );
    let id = placed["id"].as_str().unwrap().to_owned();
    check.get(&format!("/v2/orders/{id}?nested=true"));
    check.get("/v2/orders:by_client_order_id?client_order_id=doc-1");
    let unknown = check.get("/v2/orders/0b11f089-722d-4ced-9beb-e2eeed3637dc");
    assert_eq!(unknown["code"], 40_410_000);
    let replaced = check.ask("PATCH", &format!("/v2/orders/{id}"), r#"{"limit_price":"401.00"}"#);
    assert_eq!(replaced["replaces"], placed["id"]);
    check.ask("DELETE", "/v2/orders", "");
    check.ask(
        "POST",
        "/v2/orders",
        r#"{"side":"buy","symbol":"SPY","type":"market","qty":"9000000","time_in_force":"day"}"#,
    );
}

fn closing(check: &mut Check) {
    let held = texts(&check.get("/v2/positions"), "symbol");
    // Little is displayed where a history ends: here one order is filled in part, and all others at once.
    let mut rules = check.venue.engine().rules().clone();
    (rules.depth, rules.partial_per_mille) = (Depth::Unlimited, 1_000);
    check.venue.engine_mut().set_rules(rules.clone());
    let row = check.ask("DELETE", &format!("/v2/positions/{}?percentage=100", held[0]), "");
    assert_eq!(row["order_type"], "market");
    rules.partial_per_mille = 0;
    check.venue.engine_mut().set_rules(rules);
    let rows = check.ask("DELETE", "/v2/positions?cancel_orders=true", "");
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), held.len());
    assert!(rows.iter().all(|row| row["status"] == 200), "{rows:?}");
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
