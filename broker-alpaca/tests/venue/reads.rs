//! The wire venue by raw requests: keys, limits, strictness, the account, assets, the clock and market data.

use crate::desk::{Desk, OPEN, at, field, read};
use broker_alpaca::venue::AlpacaVenue;
use broker_core::Side;
use broker_sim::wire::{Venue, WireAnswer, WireLimit, WireRequest};
use chrono::Duration;
use serde_json::Value;

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
