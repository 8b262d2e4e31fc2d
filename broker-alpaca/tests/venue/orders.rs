//! The wire venue by raw requests: placing, reading, replacing and canceling orders.

use crate::desk::{Desk, OPEN, at, field};
use broker_core::Side;
use chrono::Duration;
use serde_json::Value;

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
    // As Alpaca's own Python client spells it.
    assert_eq!(desk.json("/v2/orders?nested=True"), nested);
    assert_eq!(desk.json("/v2/orders?nested=False"), desk.json("/v2/orders"));
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
