//! The wire venue: closing positions, and what a campaign can choose.

use std::sync::Arc;
use std::time::Duration;

use crate::desk::{Desk, OPEN, at, field};
use broker_alpaca::venue::AlpacaVenue;
use broker_core::seam::{Frame, OpenRequest, Request, SeededRng, Timeouts, Transport, VirtualRuntime};
use broker_core::{OrderStatus, Side};
use broker_sim::wire::{MemoryTransport, Venue, share};
use serde_json::Value;

/// A closing order as it came in, in the words of the answer.
fn closing(row: &Value) -> [String; 6] {
    ["symbol", "side", "qty", "type", "time_in_force", "status"].map(|name| field(row, name))
}

#[test]
fn all_positions_are_closed_one_by_one() {
    let mut desk = Desk::new();
    for symbol in ["AAPL", "MSFT", "SPY"] {
        desk.quote(symbol, "100.00", "100.02");
    }
    desk.quote("BTC/USD", "94250", "94250");
    desk.refuses("DELETE", "/v2/positions", "", 207, "[]");
    desk.trade("AAPL", Side::Buy, "10");
    desk.trade("MSFT", Side::Sell, "4");
    desk.trade("SPY", Side::Buy, "5");
    desk.trade("BTC/USD", Side::Buy, "0.1");
    desk.post(r#"{"symbol":"SPY","side":"sell","qty":"3","type":"limit","limit_price":"120","time_in_force":"gtc"}"#);
    let (status, body) = desk.send("DELETE", "/v2/positions", "");
    let rows: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 207, "{body}");
    let of = |place: usize| (field(&rows[place], "symbol"), rows[place]["status"].as_u64().unwrap());
    assert_eq!(
        [of(0), of(1), of(2), of(3)],
        [
            ("AAPL".to_owned(), 200),
            ("BTCUSD".to_owned(), 200),
            ("MSFT".to_owned(), 200),
            ("SPY".to_owned(), 403)
        ]
    );
    let new = |symbol, side, qty, tif| [symbol, side, qty, "market", tif, "pending_new"];
    assert_eq!(closing(&rows[0]["body"]), new("AAPL", "sell", "10", "day"));
    assert_eq!(field(&rows[0]["body"], "position_intent"), "sell_to_close");
    // What the fee of 0.25 % will take is not sold.
    assert_eq!(closing(&rows[1]["body"]), new("BTC/USD", "sell", "0.09975", "gtc"));
    assert_eq!(closing(&rows[2]["body"]), new("MSFT", "buy", "4", "day"));
    assert_eq!(field(&rows[2]["body"], "position_intent"), "buy_to_close");
    // Its shares are held by an order.
    let held = r#"{"code":40310000,"available":"2","existing_qty":"5","held_for_orders":"3","symbol":"SPY","message":"insufficient qty available for order (requested: 5, available: 2)"}"#;
    assert_eq!(rows[3]["body"], serde_json::from_str::<Value>(held).unwrap());
    // That order goes first when asked to.
    let (status, body) = desk.send("DELETE", "/v2/positions?cancel_orders=true", "");
    let rows: Value = serde_json::from_str(&body).unwrap();
    let spy = rows
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["symbol"] == "SPY")
        .unwrap();
    assert_eq!((status, spy["status"].as_u64()), (207, Some(200)), "{body}");
    assert_eq!(desk.get("/v2/orders"), "[]");
    let left = desk.json("/v2/positions");
    assert!(
        left.as_array().unwrap().iter().all(|row| row["symbol"] == "BTCUSD"),
        "{left}"
    );
}

#[test]
fn a_position_is_closed_in_part_or_whole() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "189.50", "189.52");
    let none = r#"{"code":40410000,"message":"position does not exist"}"#;
    desk.refuses("DELETE", "/v2/positions/AAPL", "", 404, none);
    desk.trade("AAPL", Side::Buy, "10");
    let mut close = |query: &str| {
        let (status, body) = desk.send("DELETE", &format!("/v2/positions/{query}"), "");
        (
            status,
            field(
                &serde_json::from_str(&body).unwrap(),
                if status == 200 { "qty" } else { "message" },
            ),
        )
    };
    assert_eq!(close("AAPL?qty=3"), (200, "3".to_owned()));
    // Half of seven whole shares is three whole shares.
    assert_eq!(close("AAPL?percentage=50"), (200, "3".to_owned()));
    for (query, message) in [
        ("AAPL?qty=1&percentage=50", "only one of qty or percentage is accepted"),
        ("AAPL?percentage=100.5", "percentage must be between 0 and 100"),
        ("AAPL?percentage=0", "percentage must be > 0"),
        ("AAPL?percentage=20", "qty must be > 0"),
        ("AAPL?qty=-1", "qty must be > 0"),
        ("AAPL?qty=0.0000000001", "qty can take up to 9 decimal points"),
    ] {
        assert_eq!(close(query), (422, message.to_owned()), "{query}");
    }
    let more = "insufficient qty available for order (requested: 5, available: 4)";
    assert_eq!(close("AAPL?qty=5"), (403, more.to_owned()));
    assert_eq!(close("AAPL?shares=5").0, 400);
    assert_eq!(close("AAPL"), (200, "4".to_owned()));
    assert_eq!(desk.get("/v2/positions"), "[]");
    // By the id of the asset, and a pair without its slash.
    desk.trade("BTC/USD", Side::Buy, "0.1");
    let (status, body) = desk.send("DELETE", "/v2/positions/BTCUSD?percentage=50", "");
    assert_eq!(
        (status, field(&serde_json::from_str(&body).unwrap(), "qty")),
        (200, "0.05".to_owned())
    );
    desk.refuses(
        "POST",
        "/v2/positions",
        "",
        405,
        r#"{"code":40510000,"message":"method not allowed"}"#,
    );
    desk.refuses(
        "DELETE",
        "/v2/positions/a/b",
        "",
        404,
        r#"{"code":40410000,"message":"endpoint not found."}"#,
    );
}

const ORDER: &str = r#"{"symbol":"AAPL","qty":"1","side":"buy","type":"limit","time_in_force":"day","limit_price":"150","client_order_id":"mine"}"#;
const BY_CLIENT_ID: &str = "/v2/orders:by_client_order_id?client_order_id=mine";

#[test]
fn a_venue_that_takes_an_id_twice_has_two_orders() {
    let mut desk = Desk::of(AlpacaVenue::builder().without_client_id_check());
    let first = field(&desk.post(ORDER), "id");
    let second = field(&desk.post(ORDER), "id");
    assert_ne!(first, second);
    assert_eq!(field(&desk.json(BY_CLIENT_ID), "id"), second);
    let truth = desk.venue.orders();
    let truth: Vec<_> = truth
        .iter()
        .map(|order| (order.id.get(), order.client_id.as_ref().unwrap().get(), &order.status))
        .collect();
    assert_eq!(
        truth,
        [
            (first.as_str(), "mine", &OrderStatus::New),
            (second.as_str(), "mine", &OrderStatus::New)
        ]
    );
}

#[test]
fn an_order_is_seen_late_and_streamed_at_once() {
    let lag = Duration::from_millis(1_500);
    let builder = AlpacaVenue::builder()
        .with_visibility_lag(lag)
        .without_client_id_check();
    let mut desk = Desk::of(builder);
    let socket = desk.listener();
    let first = field(&desk.post(ORDER), "id");
    assert_eq!(desk.updates(socket).len(), 2);
    let path = format!("/v2/orders/{first}");
    desk.now = at("2026-11-20T15:00:01.499999Z");
    for target in [path.as_str(), BY_CLIENT_ID] {
        assert_eq!(desk.send("GET", target, "").0, 404, "{target}");
    }
    assert_eq!(desk.get("/v2/orders?status=all"), "[]");
    desk.now = at("2026-11-20T15:00:01.5Z");
    assert_eq!(field(&desk.json(&path), "created_at"), OPEN);
    assert_eq!(desk.ids("/v2/orders"), std::slice::from_ref(&first));
    // Of two orders of an id, the newest that can be seen.
    let second = field(&desk.post(ORDER), "id");
    assert_eq!(field(&desk.json(BY_CLIENT_ID), "id"), first);
    desk.now = at("2026-11-20T15:00:03Z");
    assert_eq!(field(&desk.json(BY_CLIENT_ID), "id"), second);
    // It can be canceled all along: only reading is behind.
    let third = field(&desk.post(ORDER), "id");
    desk.refuses("DELETE", &format!("/v2/orders/{third}"), "", 204, "");
}

#[test]
fn both_hosts_take_so_many_requests_a_minute() {
    let builder = AlpacaVenue::builder().starts_at(at(OPEN)).with_limits(1);
    let mut venue = builder.build().unwrap();
    let mut ask = |target: &str| venue.handle(&Desk::request("GET", target, ""), at(OPEN)).status;
    assert_eq!([ask("/v2/clock"), ask("/v2/clock")], [200, 429]);
    let quotes = "/v2/stocks/quotes/latest?symbols=AAPL";
    assert_eq!([ask(quotes), ask(quotes)], [200, 429]);
}

#[test]
fn a_request_of_one_client_reaches_the_socket_of_another() {
    let runtime = VirtualRuntime::new();
    let clock = Arc::new(runtime.clock());
    let venue = share(AlpacaVenue::builder().build().unwrap());
    let transport = MemoryTransport::new(venue, clock.clone(), Arc::new(SeededRng::new(1)), clock);
    let heard = runtime.block_on(async {
        let open = OpenRequest::WebSocket {
            url: "wss://paper-api.alpaca.markets/stream".parse().unwrap(),
            headers: http::HeaderMap::new(),
            largest_message: 1 << 20,
        };
        let mut socket = transport.open(open).await.unwrap();
        let sign_in = format!(
            r#"{{"action":"auth","key":"{}","secret":"{}"}}"#,
            AlpacaVenue::KEY_ID,
            AlpacaVenue::SECRET_KEY
        );
        let listen = r#"{"action":"listen","data":{"streams":["trade_updates"]}}"#;
        for text in [sign_in.as_str(), listen] {
            socket.send(Frame::Text(text.to_owned())).await.unwrap();
        }
        let mut heard = Vec::new();
        // Frames and requests travel on their own: the order waits until the stream listens.
        for count in [2, 4] {
            while heard.len() < count {
                let Some(Ok(Frame::Binary(bytes))) = socket.receive().await else {
                    panic!("a binary frame was to come");
                };
                heard.push(serde_json::from_slice::<Value>(&bytes).unwrap());
            }
            if count == 2 {
                let place = http::Request::post("https://paper-api.alpaca.markets/v2/orders")
                    .header("APCA-API-KEY-ID", AlpacaVenue::KEY_ID)
                    .header("APCA-API-SECRET-KEY", AlpacaVenue::SECRET_KEY)
                    .body(bytes::Bytes::from_static(ORDER.as_bytes()))
                    .unwrap();
                let timeouts = Timeouts::ORDER;
                let answer = transport.send(Request::new(place, timeouts)).await.unwrap();
                assert_eq!(answer.http.status(), 200);
            }
        }
        heard
    });
    let streams: Vec<_> = heard.iter().map(|message| field(message, "stream")).collect();
    assert_eq!(
        streams,
        ["authorization", "listening", "trade_updates", "trade_updates"]
    );
    let events: Vec<_> = heard[2..]
        .iter()
        .map(|message| field(&message["data"], "event"))
        .collect();
    assert_eq!(events, ["pending_new", "new"]);
}
