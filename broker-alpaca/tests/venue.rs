//! The wire venue by raw requests: exact answers, the quirks of paging, limits, strictness.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use broker_alpaca::venue::{AlpacaVenue, AlpacaVenueBuilder};
use broker_core::{AccountId, OrderRequest, Qty, Side};
use broker_sim::wire::{Venue, WireAnswer, WireLimit, WireRequest};
use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

/// Friday, ten in the morning in New York.
const OPEN: &str = "2026-11-20T15:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A venue and what time it is.
struct Desk {
    venue: AlpacaVenue,
    now: DateTime<Utc>,
}

impl Desk {
    fn new() -> Self {
        Self::of(AlpacaVenue::builder())
    }

    fn of(builder: AlpacaVenueBuilder) -> Self {
        let venue = builder
            .starts_at(at(OPEN))
            .trading_limits(Vec::new())
            .data_limits(Vec::new());
        Self {
            venue: venue.build().unwrap(),
            now: at(OPEN),
        }
    }

    fn request(method: &str, target: &str, body: &str) -> WireRequest {
        WireRequest::new(method, target, "memory")
            .with_header("APCA-API-KEY-ID", AlpacaVenue::KEY_ID)
            .with_header("APCA-API-SECRET-KEY", AlpacaVenue::SECRET_KEY)
            .with_body(body.to_owned())
    }

    fn send(&mut self, method: &str, target: &str, body: &str) -> (u16, String) {
        read(&self.venue.handle(&Self::request(method, target, body), self.now))
    }

    fn get(&mut self, target: &str) -> String {
        let (status, body) = self.send("GET", target, "");
        assert_eq!(status, 200, "{target}: {body}");
        body
    }

    fn json(&mut self, target: &str) -> Value {
        serde_json::from_str(&self.get(target)).unwrap()
    }

    fn post(&mut self, body: &str) -> Value {
        let (status, answer) = self.send("POST", "/v2/orders", body);
        assert_eq!(status, 200, "{body}: {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Refused, with this answer.
    fn refuses(&mut self, method: &str, target: &str, body: &str, status: u16, answer: &str) {
        assert_eq!(
            self.send(method, target, body),
            (status, answer.to_owned()),
            "{method} {target} {body}"
        );
    }

    fn account(&self) -> AccountId {
        self.venue.account().clone()
    }

    /// Buys or sells at the market, behind the wire's back.
    fn trade(&mut self, symbol: &str, side: Side, qty: &str) {
        let request = OrderRequest::market(symbol.into(), side, qty.parse().unwrap());
        let (account, now) = (self.account(), self.now);
        self.venue.engine_mut().place(&account, &request, None, now).unwrap();
    }

    fn quote(&mut self, symbol: &str, bid: &str, ask: &str) {
        let size: Qty = "10000".parse().unwrap();
        let (bid, ask, now) = (bid.parse().unwrap(), ask.parse().unwrap(), self.now);
        let engine = self.venue.engine_mut();
        engine
            .set_quote(&symbol.into(), Some(bid), Some(ask), (size, size), now)
            .unwrap();
    }

    fn ids(&mut self, target: &str) -> Vec<String> {
        let rows = self.json(target);
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn read(answer: &WireAnswer) -> (u16, String) {
    (answer.status, String::from_utf8(answer.body.to_vec()).unwrap())
}

fn field(row: &Value, name: &str) -> String {
    row[name].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_wrong_key_is_forbidden_and_costs_nothing() {
    let mut desk = Desk::of(AlpacaVenue::builder().token("grant"));
    let now = desk.now;
    let mut ask = |request: WireRequest| read(&desk.venue.handle(&request, now));
    let wrong = |path: &str| {
        WireRequest::new("GET", path, "memory")
            .with_header("APCA-API-KEY-ID", AlpacaVenue::KEY_ID)
            .with_header("APCA-API-SECRET-KEY", "guess")
    };
    assert_eq!(
        ask(wrong("/v2/account")),
        (403, r#"{"message":"forbidden."}"#.to_owned())
    );
    assert_eq!(ask(WireRequest::new("GET", "/v2/account", "memory")).0, 403);
    assert_eq!(ask(wrong("/v2/stocks/bars")).0, 401);
    let bearer = |token: &str| WireRequest::new("GET", "/v2/clock", "memory").with_header("Authorization", token);
    assert_eq!(ask(bearer("Bearer grant")).0, 200);
    assert_eq!(ask(bearer("Bearer other")).0, 401);
    assert_eq!(ask(bearer("grant")).0, 401);
    assert!(!format!("{:?} {:?}", desk.venue, AlpacaVenue::builder().key("PK1", "hush")).contains("hush"));
}

#[test]
fn each_host_has_a_bucket_of_its_own() {
    let limit = |count| vec![WireLimit::fixed(count, std::time::Duration::from_secs(60))];
    let builder = AlpacaVenue::builder()
        .starts_at(at(OPEN))
        .trading_limits(limit(2))
        .data_limits(limit(1));
    let mut venue = builder.build().unwrap();
    let mut ask = |target: &str, now: &str| venue.handle(&Desk::request("GET", target, ""), at(now));
    let headers = |answer: &WireAnswer| {
        ["limit", "remaining", "reset"].map(|name| {
            answer
                .header(&format!("x-ratelimit-{name}"))
                .unwrap_or_default()
                .to_owned()
        })
    };
    // 15:01:00 UTC on 20 November 2026.
    let reset = "1795186860";
    let first = ask("/v2/clock", "2026-11-20T15:00:01Z");
    assert_eq!(
        (first.status, headers(&first)),
        (200, ["2", "1", reset].map(str::to_owned))
    );
    // An error answer costs as much as any other.
    let second = ask("/v2/nothing", "2026-11-20T15:00:02Z");
    assert_eq!(
        (second.status, headers(&second)),
        (404, ["2", "0", reset].map(str::to_owned))
    );
    let third = ask("/v2/clock", "2026-11-20T15:00:59.999Z");
    assert_eq!(
        (third.status, headers(&third)),
        (429, ["2", "0", reset].map(str::to_owned))
    );
    assert_eq!(read(&third).1, r#"{"code":42910000,"message":"too many requests."}"#);
    assert_eq!(
        ask("/v2/stocks/quotes/latest?symbols=AAPL", "2026-11-20T15:00:59.999Z").status,
        200
    );
    assert_eq!(ask("/v2/clock", "2026-11-20T15:01:00Z").status, 200);
    assert_eq!(venue.refused(), 1);
}

#[test]
fn what_there_is_not_is_refused() {
    let mut desk = Desk::new();
    let unknown = r#"{"code":40410000,"message":"endpoint not found."}"#;
    for path in [
        "/",
        "/v2",
        "/v3/clock",
        "/v2/account/x",
        "/v2/assets/BTC/USD",
        "/v2/stocks/trades",
        "/v2/orders/a/b",
    ] {
        desk.refuses("GET", path, "", 404, unknown);
    }
    desk.refuses(
        "POST",
        "/v2/account",
        "",
        405,
        r#"{"code":40510000,"message":"method not allowed"}"#,
    );
    desk.refuses(
        "PUT",
        "/v2/orders",
        "",
        405,
        r#"{"code":40510000,"message":"method not allowed"}"#,
    );
    let parameter = |name: &str| format!(r#"{{"code":40010000,"message":"unknown query parameter \"{name}\""}}"#);
    for (path, name) in [
        ("/v2/account?x=1", "x"),
        ("/v2/positions?symbols=A", "symbols"),
        ("/v2/orders?symbol=A", "symbol"),
        ("/v2/orders/1?limit=1", "limit"),
        ("/v2/account/activities?activity_type=FILL", "activity_type"),
        ("/v2/account/activities/FILL?category=trade_activity", "category"),
        ("/v2/assets?class=crypto", "class"),
        ("/v2/options/contracts?underlying=AAPL", "underlying"),
        ("/v2/clock?x=", "x"),
        ("/v2/calendar?from=2026-01-01", "from"),
        ("/v1beta3/crypto/us/bars?symbols=BTC/USD&timeframe=1D&feed=us", "feed"),
        ("/v2/stocks/quotes/latest?symbols=A&limit=1", "limit"),
    ] {
        desk.refuses("GET", path, "", 400, &parameter(name));
    }
    for path in [
        "/v2/orders?status=new",
        "/v2/orders?limit=501",
        "/v2/orders?after=now",
        "/v2/orders?nested=yes",
        "/v2/orders?side=BUY",
        "/v2/orders?after_order_id=a&before_order_id=b",
        "/v2/orders?after_order_id=a&after=2026-01-01",
        "/v2/account/activities?page_size=101",
        "/v2/account/activities?activity_types=FILLS",
        "/v2/account/activities?activity_types=FILL&category=trade_activity",
        "/v2/account/activities?date=2026-11-20&after=2026-11-20",
        "/v2/account/activities?page_token=20261120",
        "/v2/account/activities/SWAP",
        "/v2/assets?status=dead",
        "/v2/assets?asset_class=forex",
        "/v2/options/contracts?type=straddle",
        "/v2/calendar?start=2026-13-01",
        "/v2/stocks/bars?symbols=AAPL&timeframe=1Day&feed=nyse",
        "/v2/stocks/bars?symbols=AAPL&timeframe=1Day&limit=10001",
    ] {
        assert_eq!(desk.send("GET", path, "").0, 422, "{path}");
    }
    for path in [
        "/v2/stocks/bars?timeframe=1Day",
        "/v2/stocks/bars?symbols=AAPL",
        "/v2/stocks/bars?symbols=AAPL&timeframe=2Day",
        "/v2/stocks/bars?symbols=AAPL&timeframe=1Day&page_token=%21",
        "/v1beta3/crypto/us/latest/quotes?symbols=BTCUSD",
        "/v2/orders:by_client_order_id",
    ] {
        assert_eq!(desk.send("GET", path, "").0, 400, "{path}");
    }
}

#[test]
fn the_account_and_its_positions() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "189.50", "189.50");
    desk.quote("MSFT", "415.20", "415.20");
    desk.quote("BTC/USD", "94250", "94250");
    desk.trade("AAPL", Side::Buy, "10");
    desk.trade("MSFT", Side::Sell, "4");
    desk.trade("BTC/USD", Side::Buy, "0.1");
    desk.quote("AAPL", "190.50", "190.50");
    desk.quote("MSFT", "416.20", "416.20");
    let account = desk.json("/v2/account");
    // 100,000 - 1,895 + 1,660.80 - 9,425 in cash; + 1,905 - 1,664.80 + 9,425 in positions.
    for (name, value) in [
        ("status", "ACTIVE"),
        ("currency", "USD"),
        ("cash", "90340.8"),
        ("equity", "100006"),
        ("portfolio_value", "100006"),
        ("long_market_value", "11330"),
        ("short_market_value", "-1664.8"),
        ("created_at", OPEN),
    ] {
        assert_eq!(field(&account, name), value, "{name}");
    }
    assert_eq!(field(&account, "id"), desk.venue.account_id().get());
    assert!(account.get("pattern_day_trader").is_none());
    let positions = desk.json("/v2/positions");
    let row = |place: usize, names: &[&str]| -> Vec<String> {
        names.iter().map(|name| field(&positions[place], name)).collect()
    };
    let names = [
        "symbol",
        "asset_class",
        "side",
        "qty",
        "avg_entry_price",
        "cost_basis",
        "market_value",
        "unrealized_pl",
    ];
    assert_eq!(
        row(0, &names),
        ["AAPL", "us_equity", "long", "10", "189.5", "1895", "1905", "10"]
    );
    assert_eq!(
        row(1, &names),
        ["BTCUSD", "crypto", "long", "0.1", "94250", "9425", "9425", "0"]
    );
    assert_eq!(
        row(2, &names),
        ["MSFT", "us_equity", "short", "-4", "415.2", "-1660.8", "-1664.8", "-4"]
    );
    assert_eq!(field(&positions[2], "qty_available"), "-4");
    let asset = field(&positions[1], "asset_id");
    for name in ["BTCUSD", "BTC%2FUSD", &asset] {
        assert_eq!(field(&desk.json(&format!("/v2/positions/{name}")), "qty"), "0.1");
    }
    desk.refuses(
        "GET",
        "/v2/positions/TSLA",
        "",
        404,
        r#"{"code":40410000,"message":"position does not exist"}"#,
    );
}

#[test]
fn an_order_placed_read_and_canceled() {
    let mut desk = Desk::new();
    let placed = desk.post(
        r#"{"symbol":"AAPL","qty":"10","side":"buy","type":"limit","time_in_force":"day","limit_price":"150.00","client_order_id":"mine-1"}"#,
    );
    let id = field(&placed, "id");
    let asset = field(&placed, "asset_id");
    // The answer to a placed order is the order as it came in; a day order ends with the session at 16:00.
    let order = |status: &str, canceled: &str| {
        format!(
            r#"{{"id":"{id}","client_order_id":"mine-1","created_at":"{OPEN}","updated_at":"{OPEN}","submitted_at":"{OPEN}","filled_at":null,"expired_at":null,"expires_at":"2026-11-20T21:00:00Z","canceled_at":{canceled},"failed_at":null,"replaced_at":null,"replaced_by":null,"replaces":null,"asset_id":"{asset}","symbol":"AAPL","asset_class":"us_equity","notional":null,"qty":"10","filled_qty":"0","filled_avg_price":null,"order_class":"","order_type":"limit","type":"limit","side":"buy","time_in_force":"day","limit_price":"150","stop_price":null,"status":"{status}","extended_hours":false,"legs":null,"trail_percent":null,"trail_price":null,"hwm":null,"subtag":null,"source":null}}"#
        )
    };
    assert_eq!(desk.get(&format!("/v2/orders/{id}")), order("new", "null"));
    assert_eq!(
        placed.to_string(),
        serde_json::from_str::<Value>(&order("pending_new", "null"))
            .unwrap()
            .to_string()
    );
    assert_eq!(desk.get("/v2/orders"), format!("[{}]", order("new", "null")));
    assert_eq!(
        desk.get("/v2/orders:by_client_order_id?client_order_id=mine-1"),
        order("new", "null")
    );
    desk.refuses("DELETE", &format!("/v2/orders/{id}"), "", 204, "");
    assert_eq!(
        desk.get(&format!("/v2/orders/{id}")),
        order("canceled", &format!("\"{OPEN}\""))
    );
    assert_eq!(desk.get("/v2/orders"), "[]");
    let late = r#"{"code":42210000,"message":"order is already in \"canceled\" state"}"#;
    desk.refuses("DELETE", &format!("/v2/orders/{id}"), "", 422, late);
    let unknown = r#"{"code":40410000,"message":"order not found"}"#;
    desk.refuses(
        "DELETE",
        "/v2/orders/904837e3-3b76-47ec-b432-046db621571b",
        "",
        404,
        unknown,
    );
    assert_eq!(
        desk.send("GET", "/v2/orders:by_client_order_id?client_order_id=other", "")
            .0,
        404
    );
}

#[test]
fn a_client_order_id_is_taken_for_ever() {
    let mut desk = Desk::new();
    let body =
        r#"{"symbol":"AAPL","qty":"1","side":"buy","type":"market","time_in_force":"day","client_order_id":"once"}"#;
    let placed = desk.post(body);
    assert_eq!(field(&placed, "status"), "pending_new");
    let read = desk.json(&format!("/v2/orders/{}", field(&placed, "id")));
    assert_eq!(
        (field(&read, "status"), field(&read, "filled_avg_price")),
        ("filled".into(), "189.52".into())
    );
    assert_eq!(field(&read, "filled_at"), OPEN);
    desk.refuses(
        "POST",
        "/v2/orders",
        body,
        422,
        r#"{"code":40010001,"message":"client_order_id must be unique"}"#,
    );
    // Without one, the venue makes one, and finds the order by it.
    let placed = desk.post(r#"{"symbol":"AAPL","qty":"1","side":"buy","type":"market","time_in_force":"day"}"#);
    let made = field(&placed, "client_order_id");
    let found = desk.json(&format!("/v2/orders:by_client_order_id?client_order_id={made}"));
    assert_eq!(found["id"], placed["id"]);
}

#[test]
fn orders_that_alpaca_refuses() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "189.50", "189.52");
    let long = "x".repeat(129);
    let order = |rest: &str| format!(r#"{{"symbol":"AAPL",{rest}}}"#);
    let limit = r#""qty":"1","side":"buy","type":"limit","time_in_force":"day""#;
    let market = r#""qty":"1","side":"buy","type":"market","time_in_force":"day""#;
    for (body, status, code, message) in [
        ("{".to_owned(), 400, 40_010_000, "request body format is invalid"),
        (
            order(&format!(r#"{limit},"limit_price":"290.123""#)),
            422,
            42_210_000,
            "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
        ),
        (order(limit), 422, 42_210_000, "limit orders require only limit price"),
        (
            order(&format!(r#"{market},"limit_price":"1""#)),
            422,
            42_210_000,
            "market orders require no stop or limit price",
        ),
        (
            order(r#""qty":"1","side":"buy","type":"market""#),
            422,
            42_210_000,
            "time_in_force is required",
        ),
        (
            order(r#""qty":"1","side":"long","type":"market","time_in_force":"day""#),
            422,
            42_210_000,
            "invalid side: \"long\"",
        ),
        (
            order(r#""qty":"1","side":"buy","type":"mit","time_in_force":"day""#),
            422,
            42_210_000,
            "invalid type: \"mit\"",
        ),
        (
            order(r#""qty":"1","side":"buy","type":"market","time_in_force":"gtd""#),
            422,
            42_210_000,
            "invalid time_in_force: \"gtd\"",
        ),
        (
            order(r#""side":"buy","type":"market","time_in_force":"day""#),
            422,
            42_210_000,
            "qty or notional is required",
        ),
        (
            order(&format!(r#"{market},"notional":"5""#)),
            422,
            42_210_000,
            "only one of qty or notional is accepted",
        ),
        (
            order(r#""qty":"0","side":"buy","type":"market","time_in_force":"day""#),
            422,
            42_210_000,
            "qty must be > 0",
        ),
        (
            order(r#""qty":"0.5","side":"buy","type":"market","time_in_force":"day""#),
            403,
            40_310_000,
            "asset \"AAPL\" is not fractionable",
        ),
        (
            order(&format!(r#"{market},"extended_hours":true"#)),
            422,
            42_210_000,
            "extended hours order must be DAY or GTC limit orders",
        ),
        (
            order(&format!(r#"{market},"client_order_id":"{long}""#)),
            422,
            42_210_000,
            "client_order_id must be no more than 128 characters",
        ),
        (
            order(&format!(
                r#"{market},"order_class":"bracket","stop_loss":{{"stop_price":"180"}}"#
            )),
            422,
            42_210_000,
            "bracket orders require take_profit.limit_price",
        ),
        (
            order(&format!(r#"{market},"order_class":"oto""#)),
            422,
            42_210_000,
            "oto orders require either take_profit or stop_loss",
        ),
        (
            order(&format!(r#"{market},"position_intent":"sell_to_open""#)),
            422,
            42_210_000,
            "position intent mismatch, sell_to_open on a buy order",
        ),
        (
            r#"{"symbol":"BTCUSD","qty":"1","side":"buy","type":"market","time_in_force":"gtc"}"#.to_owned(),
            422,
            42_210_000,
            "invalid symbol BTCUSD: coin pairs are written BTC/USD",
        ),
        (
            r#"{"symbol":"BTC/USD","qty":"0.01","side":"buy","type":"market","time_in_force":"day"}"#.to_owned(),
            422,
            42_210_000,
            "invalid crypto time_in_force",
        ),
        (
            r#"{"symbol":"BTC/USD","qty":"0.01","side":"buy","type":"stop","stop_price":"1","time_in_force":"gtc"}"#
                .to_owned(),
            422,
            42_210_000,
            "invalid order type for crypto order: stop",
        ),
        (
            r#"{"symbol":"AAPL270219C00190000","qty":"1","side":"buy","type":"market","time_in_force":"gtc"}"#
                .to_owned(),
            422,
            42_210_000,
            "order_time_in_force provided not supported for options trading",
        ),
        (
            r#"{"symbol":"EUR/USD","qty":"1","side":"buy","type":"market","time_in_force":"day"}"#.to_owned(),
            422,
            42_210_000,
            "asset \"EUR/USD\" not found",
        ),
        (
            r#"{"symbol":"SNDL","qty":"1","side":"sell","type":"market","time_in_force":"day"}"#.to_owned(),
            403,
            40_310_000,
            "asset \"SNDL\" cannot be sold short",
        ),
    ] {
        let message = Value::from(message);
        desk.refuses(
            "POST",
            "/v2/orders",
            &body,
            status,
            &format!(r#"{{"code":{code},"message":{message}}}"#),
        );
    }
    let (status, body) = desk.send("POST", "/v2/orders", &order(&format!(r#"{market},"stop_los":1"#)));
    assert_eq!(status, 422, "{body}");
    // Ten thousand shares cost 1,895,200 dollars.
    let rich = r#"{"symbol":"AAPL","qty":"10000","side":"buy","type":"market","time_in_force":"day"}"#;
    let (status, body) = desk.send("POST", "/v2/orders", rich);
    let refused: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, field(&refused, "message")),
        (403, "insufficient buying power".to_owned())
    );
    assert!(
        refused["buying_power"].is_string() && refused["cost_basis"].is_string(),
        "{body}"
    );
    desk.trade("BTC/USD", Side::Buy, "0.1");
    let body = r#"{"symbol":"BTC/USD","qty":"0.2","side":"sell","type":"market","time_in_force":"gtc"}"#;
    // The fee that is still to be booked is held already: 0.25 % of the coins.
    let refused = r#"{"code":40310000,"available":"0.09975","existing_qty":"0.1","held_for_orders":"0.00025","symbol":"BTC/USD","message":"insufficient qty available for order (requested: 0.2, available: 0.09975)"}"#;
    desk.refuses("POST", "/v2/orders", body, 403, refused);
    assert_eq!(desk.json("/v2/orders?status=all").as_array().unwrap().len(), 1);
}

#[test]
fn groups_are_rolled_up_when_asked() {
    let mut desk = Desk::new();
    desk.quote("SPY", "544.60", "544.62");
    let bracket = desk.post(
        r#"{"side":"buy","symbol":"SPY","type":"limit","limit_price":"540","qty":"10","time_in_force":"gtc","order_class":"bracket","take_profit":{"limit_price":"560"},"stop_loss":{"stop_price":"530","limit_price":"529.5"}}"#,
    );
    let legs = bracket["legs"].as_array().unwrap();
    let terms = |leg: &Value| {
        ["type", "side", "limit_price", "stop_price", "status", "order_class"].map(|name| field(leg, name))
    };
    assert_eq!(terms(&legs[0]), ["limit", "sell", "560", "", "held", "bracket"]);
    assert_eq!(
        terms(&legs[1]),
        ["stop_limit", "sell", "529.5", "530", "held", "bracket"]
    );
    // Held legs are seen through their parent only.
    assert_eq!(desk.json("/v2/orders").as_array().unwrap().len(), 1);
    let nested = desk.json("/v2/orders?nested=true");
    assert_eq!(nested.as_array().unwrap().len(), 1);
    assert_eq!(nested[0]["legs"].as_array().unwrap().len(), 2);
    assert_eq!(desk.json("/v2/orders?status=all").as_array().unwrap().len(), 3);
    // The entry fills: its target works, its stop waits, and both stay under their parent.
    desk.quote("SPY", "539.90", "540.00");
    let nested = desk.json("/v2/orders?nested=true");
    assert_eq!(field(&nested[0], "status"), "filled");
    assert_eq!(field(&nested[0]["legs"][0], "status"), "new");
    assert_eq!(field(&nested[0]["legs"][1], "status"), "held");
    assert_eq!(desk.ids("/v2/orders"), [field(&legs[0], "id")]);
    // Canceling one of them cancels the other.
    desk.refuses("DELETE", &format!("/v2/orders/{}", field(&legs[0], "id")), "", 204, "");
    assert_eq!(desk.get("/v2/orders?nested=true"), "[]");
    let oco = desk.post(
        r#"{"side":"sell","symbol":"SPY","type":"limit","qty":"10","time_in_force":"gtc","order_class":"oco","take_profit":{"limit_price":"561"},"stop_loss":{"stop_price":"531"}}"#,
    );
    assert_eq!(terms(&oco), ["limit", "sell", "561", "", "pending_new", "oco"]);
    assert_eq!(field(&oco["legs"][0], "type"), "stop");
    let (status, body) = desk.send("DELETE", "/v2/orders", "");
    let rows: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, rows[0]["status"].as_u64()), (207, Some(200)));
    assert_eq!(rows[0]["id"], oco["id"]);
    assert_eq!(field(&rows[0]["body"], "status"), "canceled");
}

#[test]
fn a_replaced_order_is_a_new_one() {
    let mut desk = Desk::new();
    let body = r#"{"symbol":"AAPL","qty":"10","side":"buy","type":"limit","time_in_force":"day","limit_price":"150","client_order_id":"a"}"#;
    let old = field(&desk.post(body), "id");
    let target = format!("/v2/orders/{old}");
    let (status, body) = desk.send(
        "PATCH",
        &target,
        r#"{"limit_price":"151.00","qty":"12","client_order_id":"b"}"#,
    );
    assert_eq!(status, 200, "{body}");
    let new: Value = serde_json::from_str(&body).unwrap();
    let read = desk.json(&target);
    assert_eq!(
        (field(&read, "status"), &read["replaced_by"]),
        ("replaced".to_owned(), &new["id"])
    );
    let terms = ["replaces", "qty", "limit_price", "client_order_id"].map(|name| field(&new, name));
    assert_eq!(terms, [old.as_str(), "12", "151", "b"]);
    let oto = desk.post(
        r#"{"symbol":"AAPL","qty":"1","side":"buy","type":"limit","limit_price":"150","time_in_force":"gtc","order_class":"oto","stop_loss":{"stop_price":"140"}}"#,
    );
    let leg = format!("/v2/orders/{}", field(&oto["legs"][0], "id"));
    let fixed = r#"{"code":42210000,"message":"unable to replace order, legs of oto orders cannot be replaced"}"#;
    desk.refuses("PATCH", &leg, r#"{"stop_price":"141"}"#, 422, fixed);
    let gone = r#"{"code":42210000,"message":"unable to replace order, order is not open"}"#;
    desk.refuses("PATCH", &target, r#"{"qty":"5"}"#, 422, gone);
    let taken = r#"{"code":40010001,"message":"client_order_id must be unique"}"#;
    desk.refuses(
        "PATCH",
        &format!("/v2/orders/{}", field(&new, "id")),
        r#"{"qty":"5","client_order_id":"a"}"#,
        422,
        taken,
    );
}

#[test]
fn orders_are_paged_by_id_and_by_time() {
    let mut desk = Desk::new();
    let mut placed = Vec::new();
    for second in 0..5 {
        desk.now = at(OPEN) + Duration::seconds(second);
        let body =
            r#"{"symbol":"AAPL","qty":"1","side":"buy","type":"limit","time_in_force":"day","limit_price":"150"}"#;
        placed.push(field(&desk.post(body), "id"));
    }
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let page = desk.ids(&format!("/v2/orders?status=all&direction=asc&limit=2{after}"));
        let Some(last) = page.last() else { break };
        after = format!("&after_order_id={last}");
        pages.push(page);
    }
    assert_eq!(pages, [&placed[..2], &placed[2..4], &placed[4..]]);
    assert_eq!(
        desk.ids(&format!("/v2/orders?limit=2&before_order_id={}", placed[2])),
        [placed[1].clone(), placed[0].clone()]
    );
    // Both borders are exclusive.
    let window = "/v2/orders?direction=asc&after=2026-11-20T15:00:01Z&until=2026-11-20T15:00:03Z";
    assert_eq!(desk.ids(window), [placed[2].clone()]);
    assert_eq!(desk.ids("/v2/orders?symbols=MSFT"), Vec::<String>::new());
    assert_eq!(desk.ids("/v2/orders?side=sell"), Vec::<String>::new());
    assert_eq!(
        desk.ids("/v2/orders?asset_class=us_equity,crypto&symbols=AAPL").len(),
        5
    );
}

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

#[test]
fn assets_and_contracts() {
    let mut desk = Desk::new();
    let shares = desk.json("/v2/assets");
    assert_eq!(shares.as_array().unwrap().len(), 44);
    let coins = desk.json("/v2/assets?asset_class=crypto&status=active");
    assert_eq!(coins.as_array().unwrap().len(), 11);
    assert_eq!(desk.get("/v2/assets?status=inactive"), "[]");
    assert_eq!(desk.json("/v2/assets?exchange=ARCA").as_array().unwrap().len(), 4);
    assert_eq!(
        desk.json("/v2/assets?attributes=has_options").as_array().unwrap().len(),
        4
    );
    let coin = desk.json("/v2/assets/BTC%2FUSD");
    let terms = [
        "class",
        "symbol",
        "status",
        "min_order_size",
        "min_trade_increment",
        "price_increment",
    ];
    assert_eq!(
        terms.map(|name| field(&coin, name)),
        ["crypto", "BTC/USD", "active", "0.000001", "0.00000001", "0.01"]
    );
    let id = field(&coin, "id");
    assert_eq!(desk.json(&format!("/v2/assets/{id}")), coin);
    desk.refuses(
        "GET",
        "/v2/assets/NOPE",
        "",
        404,
        r#"{"code":40410000,"message":"asset not found for NOPE"}"#,
    );
    // By default only what expires by the coming Sunday, the 22nd.
    assert_eq!(
        desk.get("/v2/options/contracts?underlying_symbols=AAPL"),
        r#"{"option_contracts":[],"next_page_token":null}"#
    );
    let mut symbols = Vec::new();
    let mut token = String::new();
    loop {
        let page = desk.json(&format!(
            "/v2/options/contracts?underlying_symbols=AAPL&expiration_date_gte=2026-11-20&limit=5{token}"
        ));
        let rows = page["option_contracts"].as_array().unwrap();
        symbols.extend(rows.iter().map(|row| field(row, "symbol")));
        let Some(next) = page["next_page_token"].as_str() else {
            break;
        };
        assert_eq!(rows.len(), 5);
        token = format!(
            "&page_token={}",
            next.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F")
        );
    }
    // Two expiries, three strikes, calls and puts: 18 December 2026 and 19 February 2027.
    assert_eq!(symbols.len(), 12);
    assert!(
        symbols.is_sorted() && symbols[0] == "AAPL261218C00180000",
        "{symbols:?}"
    );
    let contract = desk.json("/v2/options/contracts/AAPL270219P00200000");
    let terms = [
        "underlying_symbol",
        "root_symbol",
        "type",
        "style",
        "strike_price",
        "multiplier",
        "expiration_date",
    ];
    assert_eq!(
        terms.map(|name| field(&contract, name)),
        ["AAPL", "AAPL", "put", "american", "200", "100", "2027-02-19"]
    );
    assert_eq!(contract["underlying_asset_id"], desk.json("/v2/assets/AAPL")["id"]);
}

#[test]
fn the_clock_and_the_calendar_of_new_york() {
    let mut desk = Desk::new();
    desk.now = at("2026-11-20T15:00:00.123456789Z");
    assert_eq!(
        desk.get("/v2/clock"),
        r#"{"timestamp":"2026-11-20T10:00:00.123456789-05:00","is_open":true,"next_open":"2026-11-23T09:30:00-05:00","next_close":"2026-11-20T16:00:00-05:00"}"#
    );
    // Thanksgiving is closed, the Friday after it short.
    assert_eq!(
        desk.get("/v2/calendar?start=2026-11-25&end=2026-11-29"),
        r#"[{"date":"2026-11-25","open":"09:30","close":"16:00","session_open":"0400","session_close":"2000","settlement_date":"2026-11-27"},{"date":"2026-11-27","open":"09:30","close":"13:00","session_open":"0400","session_close":"1700","settlement_date":"2026-11-30"}]"#
    );
    assert_eq!(
        desk.json("/v2/calendar?start=2026-11-27&end=2026-11-27&date_type=SETTLEMENT")[0]["date"],
        "2026-11-25"
    );
}

#[test]
fn quotes_have_the_numbers_of_the_data_host() {
    let mut desk = Desk::new();
    desk.now = at("2026-11-20T15:00:00.000000001Z");
    desk.quote("AAPL", "189.50", "189.52");
    assert_eq!(
        desk.get("/v2/stocks/quotes/latest?symbols=AAPL,NOPE&feed=iex"),
        r#"{"quotes":{"AAPL":{"t":"2026-11-20T15:00:00.000000001Z","bp":189.5,"bs":10000,"ap":189.52,"as":10000,"bx":"V","ax":"V","c":["R"],"z":"C"}}}"#
    );
    let (one, now) = ("1".parse().unwrap(), desk.now);
    let bid = Some("94250.01".parse().unwrap());
    desk.venue
        .engine_mut()
        .set_quote(&"BTC/USD".into(), bid, None, (one, one), now)
        .unwrap();
    assert_eq!(
        desk.get("/v1beta3/crypto/us/latest/quotes?symbols=BTC%2FUSD"),
        r#"{"quotes":{"BTC/USD":{"t":"2026-11-20T15:00:00.000000001Z","bp":94250.01,"bs":1,"ap":0,"as":0}}}"#
    );
    let option = desk.json("/v1beta1/options/quotes/latest?symbols=AAPL261218C00190000");
    assert_eq!(option["quotes"]["AAPL261218C00190000"]["c"], "A");
}

#[test]
fn bars_are_paged_over_all_symbols() {
    let mut desk = Desk::new();
    for minute in 1..=3 {
        desk.now = at(OPEN) + Duration::minutes(minute);
        desk.quote("AAPL", &format!("19{minute}.00"), "195.00");
        desk.quote("MSFT", &format!("41{minute}.00"), "420.00");
    }
    desk.quote("AAPL", "194.50", "195.00");
    let query = "/v2/stocks/bars?symbols=MSFT,AAPL&timeframe=1Min&start=2026-11-20T15:01:00Z&end=2026-11-20T15:03:00Z";
    let first = desk.json(&format!("{query}&limit=4"));
    let starts = |page: &Value, symbol: &str| -> Vec<String> {
        let bars = page["bars"].get(symbol).and_then(Value::as_array);
        bars.into_iter()
            .flatten()
            .map(|bar| field(bar, "t")[14..16].to_owned())
            .collect()
    };
    assert_eq!(
        (starts(&first, "AAPL"), starts(&first, "MSFT")),
        (vec!["01".into(), "02".into(), "03".into()], vec!["01".to_owned()])
    );
    assert_eq!(
        first["bars"]["AAPL"][2].to_string(),
        r#"{"c":194.5,"h":194.5,"l":193,"n":1,"o":193,"t":"2026-11-20T15:03:00Z","v":0,"vw":194}"#
    );
    let token = first["next_page_token"].as_str().unwrap();
    let escaped = token.replace('=', "%3D").replace('+', "%2B").replace('/', "%2F");
    let second = desk.json(&format!("{query}&limit=4&page_token={escaped}"));
    assert_eq!(
        (starts(&second, "AAPL"), starts(&second, "MSFT")),
        (Vec::new(), vec!["02".to_owned(), "03".to_owned()])
    );
    assert!(second["next_page_token"].is_null());
    let down = desk.json(&format!("{query}&sort=desc&limit=10000"));
    assert_eq!(starts(&down, "MSFT"), ["03", "02", "01"]);
    // A day is New York's: it began at five in the morning in UTC.
    let day = desk.json("/v2/stocks/bars?symbols=AAPL&timeframe=1Day&start=2026-11-20&end=2026-11-20");
    assert_eq!(day["bars"]["AAPL"][0]["t"], "2026-11-20T05:00:00Z");
    assert_eq!(day["bars"]["AAPL"][0]["c"].to_string(), "194.5");
}
