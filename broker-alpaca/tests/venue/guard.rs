//! The wire venue: what it refuses by the state of the account and of the market.

use crate::desk::{Desk, at, field};
use broker_alpaca::venue::AlpacaVenue;
use broker_core::Side;
use broker_sim::Catalogue;
use serde_json::Value;

fn order(symbol: &str, side: &str, qty: &str, rest: &str) -> String {
    format!(r#"{{"symbol":"{symbol}","side":"{side}","qty":"{qty}","time_in_force":"day",{rest}}}"#)
}

fn limit(symbol: &str, side: &str, qty: &str, price: &str) -> String {
    order(symbol, side, qty, &format!(r#""type":"limit","limit_price":"{price}""#))
}

fn market(symbol: &str, side: &str, qty: &str) -> String {
    order(symbol, side, qty, r#""type":"market""#)
}

fn wash(existing: &str, kind: &str) -> String {
    format!(
        r#"{{"code":40310000,"existing_order_id":"{existing}","reject_reason":"opposite side {kind} order exists","message":"potential wash trade detected. use complex orders"}}"#
    )
}

#[test]
fn orders_that_could_trade_with_each_other_are_refused() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "189.50", "189.52");
    let resting = field(&desk.post(&limit("AAPL", "buy", "1", "150")), "id");
    let refused = wash(&resting, "limit");
    for body in [
        market("AAPL", "sell", "1"),
        limit("AAPL", "sell", "1", "150"),
        limit("AAPL", "sell", "1", "149.99"),
        order("AAPL", "sell", "1", r#""type":"stop","stop_price":"140""#),
        order("AAPL", "sell", "1", r#""type":"trailing_stop","trail_price":"5""#),
        order(
            "AAPL",
            "sell",
            "1",
            r#""type":"stop_limit","stop_price":"155","limit_price":"150""#,
        ),
    ] {
        desk.refuses("POST", "/v2/orders", &body, 403, &refused);
    }
    // A cent above it cannot meet it, and another instrument is another matter.
    let above = field(&desk.post(&limit("AAPL", "sell", "1", "190.01")), "id");
    let buy = limit("AAPL", "buy", "1", "190.01");
    desk.refuses("POST", "/v2/orders", &buy, 403, &wash(&above, "limit"));
    desk.post(&limit("AAPL", "buy", "1", "190.00"));
    desk.post(&market("MSFT", "sell", "1"));
    // Opposite of a stop that protects a position: whatever it asks.
    desk.trade("SPY", Side::Buy, "10");
    let stop = order("SPY", "sell", "10", r#""type":"stop","stop_price":"500""#);
    let stop = field(&desk.post(&stop), "id");
    let refused = wash(&stop, "market/stop");
    desk.refuses("POST", "/v2/orders", &market("SPY", "buy", "1"), 403, &refused);
    desk.refuses("POST", "/v2/orders", &limit("SPY", "buy", "1", "400"), 403, &refused);
    desk.refuses("DELETE", &format!("/v2/orders/{stop}"), "", 204, "");
    desk.post(&market("SPY", "buy", "1"));
}

#[test]
fn held_legs_and_ocos_are_no_wash_trades() {
    let mut desk = Desk::new();
    desk.quote("SPY", "544.60", "544.62");
    let bracket = desk.post(
        r#"{"side":"buy","symbol":"SPY","type":"market","qty":"10","time_in_force":"gtc","order_class":"bracket","take_profit":{"limit_price":"560"},"stop_loss":{"stop_price":"530"}}"#,
    );
    // Its target works at 560, its stop is held.
    desk.post(&limit("SPY", "buy", "1", "540"));
    let target = field(&bracket["legs"][0], "id");
    desk.refuses(
        "POST",
        "/v2/orders",
        &market("SPY", "buy", "1"),
        403,
        &wash(&target, "limit"),
    );
    desk.trade("SPY", Side::Buy, "5");
    desk.post(
        r#"{"side":"sell","symbol":"SPY","type":"limit","qty":"5","time_in_force":"day","order_class":"oco","take_profit":{"limit_price":"561"},"stop_loss":{"stop_price":"531"}}"#,
    );
    // A venue that is told to looks away.
    let mut desk = Desk::of(AlpacaVenue::builder().allowing_wash_trades());
    desk.post(&limit("SPY", "buy", "1", "540"));
    desk.post(&market("SPY", "sell", "1"));
}

#[test]
fn a_repeated_order_is_a_duplicate_before_all_else() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "189.50", "189.52");
    let taken = r#"{"code":40010001,"message":"client_order_id must be unique"}"#;
    // It was filled; meanwhile an order of the other side rests.
    let sold = order("AAPL", "sell", "5", r#""type":"market","client_order_id":"once""#);
    desk.post(&sold);
    desk.post(&limit("AAPL", "buy", "1", "150"));
    desk.refuses("POST", "/v2/orders", &sold, 422, taken);
    // It was taken in its window, and the window is over.
    let close =
        r#"{"symbol":"MSFT","side":"buy","qty":"1","type":"market","time_in_force":"cls","client_order_id":"late"}"#;
    desk.post(close);
    desk.now = at("2026-11-20T20:55:00Z");
    desk.refuses("POST", "/v2/orders", close, 422, taken);
}

#[test]
fn what_orders_hold_is_not_sold_twice_and_no_position_turns() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "189.50", "189.52");
    desk.trade("AAPL", Side::Buy, "10");
    let short = |symbol: &str, asked: u8, available: u8, held: u8| {
        format!(
            r#"{{"code":40310000,"available":"{available}","existing_qty":"{}","held_for_orders":"{held}","symbol":"{symbol}","message":"insufficient qty available for order (requested: {asked}, available: {available})"}}"#,
            available + held
        )
    };
    desk.refuses(
        "POST",
        "/v2/orders",
        &market("AAPL", "sell", "11"),
        403,
        &short("AAPL", 11, 10, 0),
    );
    let resting = field(&desk.post(&limit("AAPL", "sell", "8", "200")), "id");
    desk.refuses(
        "POST",
        "/v2/orders",
        &market("AAPL", "sell", "5"),
        403,
        &short("AAPL", 5, 2, 8),
    );
    let target = format!("/v2/orders/{resting}");
    desk.refuses("PATCH", &target, r#"{"qty":"11"}"#, 403, &short("AAPL", 11, 10, 0));
    desk.post(&market("AAPL", "sell", "2"));
    let (status, body) = desk.send("PATCH", &target, r#"{"qty":"7"}"#);
    assert_eq!(status, 200, "{body}");
    // Short: no more is bought back than was sold.
    desk.trade("MSFT", Side::Sell, "4");
    desk.refuses(
        "POST",
        "/v2/orders",
        &market("MSFT", "buy", "5"),
        403,
        &short("MSFT", 5, 4, 0),
    );
    desk.post(&market("MSFT", "buy", "4"));
}

#[test]
fn a_stop_is_a_cent_from_what_it_protects() {
    let mut desk = Desk::new();
    desk.quote("SPY", "544.60", "544.62");
    let bracket = |side: &str, entry: &str, target: &str, stop: &str| {
        format!(
            r#"{{"symbol":"SPY","side":"{side}","qty":"1","time_in_force":"gtc",{entry},"order_class":"bracket","take_profit":{{"limit_price":"{target}"}},"stop_loss":{{"stop_price":"{stop}"}}}}"#
        )
    };
    let refused = |base: &str, border: &str| {
        format!(r#"{{"code":42210000,"base_price":"{base}","message":"stop_loss.stop_price must be {border} 0.01"}}"#)
    };
    let market = r#""type":"market""#;
    for (body, answer) in [
        (bracket("buy", market, "560", "544.62"), refused("544.62", "<= base_price -")),
        (
            bracket("buy", r#""type":"limit","limit_price":"540""#, "560", "540"),
            refused("540", "<= base_price -"),
        ),
        (bracket("sell", market, "530", "544.60"), refused("544.6", ">= base_price +")),
        (
            r#"{"symbol":"SPY","side":"sell","qty":"1","type":"limit","time_in_force":"gtc","order_class":"oco","take_profit":{"limit_price":"560"},"stop_loss":{"stop_price":"544.60"}}"#.to_owned(),
            refused("544.6", "<= base_price -"),
        ),
    ] {
        desk.refuses("POST", "/v2/orders", &body, 422, &answer);
    }
    desk.post(&bracket(
        "buy",
        r#""type":"limit","limit_price":"540""#,
        "560",
        "539.99",
    ));
    let missing = r#"{"code":42210000,"message":"bracket orders require take_profit.limit_price"}"#;
    let alone = r#"{"symbol":"SPY","side":"buy","qty":"1","type":"market","time_in_force":"gtc","order_class":"bracket","stop_loss":{"stop_price":"530"}}"#;
    desk.refuses("POST", "/v2/orders", alone, 422, missing);
}

#[test]
fn auctions_have_their_hours() {
    let refused = |word: &str, last: &str| {
        format!(
            r#"{{"code":42210000,"message":"{word} orders are not accepted from {last} to 19:00 ET: market closed for this auction"}}"#
        )
    };
    let body =
        |word: &str| format!(r#"{{"symbol":"AAPL","side":"buy","qty":"1","type":"market","time_in_force":"{word}"}}"#);
    // New York is five hours behind. 27 November closes at 13:00; 21 November is a Saturday.
    for (now, word, last) in [
        ("2026-11-20T14:27:59Z", "opg", None),
        ("2026-11-20T14:28:00Z", "opg", Some("09:28")),
        ("2026-11-20T20:49:59Z", "cls", None),
        ("2026-11-20T20:50:00Z", "cls", Some("15:50")),
        ("2026-11-20T23:59:59Z", "opg", Some("09:28")),
        ("2026-11-20T23:59:59Z", "cls", Some("15:50")),
        ("2026-11-21T00:00:00Z", "opg", None),
        ("2026-11-21T00:00:00Z", "cls", None),
        ("2026-11-21T18:00:00Z", "opg", None),
        ("2026-11-27T17:49:59Z", "cls", None),
        ("2026-11-27T17:50:00Z", "cls", Some("12:50")),
    ] {
        let mut desk = Desk::new();
        desk.now = at(now);
        match last {
            Some(last) => desk.refuses("POST", "/v2/orders", &body(word), 422, &refused(word, last)),
            None => assert_eq!(field(&desk.post(&body(word)), "time_in_force"), word, "{now}"),
        }
    }
}

#[test]
fn multi_leg_orders_are_not_served() {
    let mut desk = Desk::new();
    let body = r#"{"order_class":"mleg","qty":"1","type":"limit","limit_price":"1.00","time_in_force":"day","legs":[{"symbol":"AAPL270219C00190000","ratio_qty":"1","side":"buy","position_intent":"buy_to_open"},{"symbol":"AAPL270219C00200000","ratio_qty":"1","side":"sell","position_intent":"sell_to_open"}]}"#;
    let refused = r#"{"code":42210000,"message":"order_class \"mleg\" is not served by this venue"}"#;
    desk.refuses("POST", "/v2/orders", body, 422, refused);
}

#[test]
fn parts_of_shares_and_amounts_cannot_be_replaced() {
    let mut desk = Desk::new();
    let mut listing = Catalogue::standard().get(&"AAPL".into()).unwrap().clone();
    (listing.instrument.id, listing.instrument.symbol) = ("PART".into(), "PART".into());
    listing.instrument.lot = Some("0.000000001".parse().unwrap());
    desk.venue.engine_mut().list(listing);
    let part = field(&desk.post(&limit("PART", "buy", "1.5", "150")), "id");
    let refused = |what: &str| format!(r#"{{"code":42210000,"message":"{what} cannot be replaced"}}"#);
    let change = r#"{"limit_price":"151"}"#;
    desk.refuses(
        "PATCH",
        &format!("/v2/orders/{part}"),
        change,
        422,
        &refused("fractional orders"),
    );
    let whole = field(&desk.post(&limit("PART", "buy", "2", "150")), "id");
    desk.refuses(
        "PATCH",
        &format!("/v2/orders/{whole}"),
        r#"{"qty":"1.5"}"#,
        422,
        &refused("fractional quantities"),
    );
    let amount =
        r#"{"symbol":"PART","side":"buy","notional":"500","type":"limit","limit_price":"150","time_in_force":"day"}"#;
    let amount = field(&desk.post(amount), "id");
    desk.refuses(
        "PATCH",
        &format!("/v2/orders/{amount}"),
        change,
        422,
        &refused("notional orders"),
    );
    // Coins are parts always.
    let coin =
        r#"{"symbol":"BTC/USD","side":"buy","qty":"0.01","type":"limit","limit_price":"50000","time_in_force":"gtc"}"#;
    let coin = field(&desk.post(coin), "id");
    let (status, body) = desk.send("PATCH", &format!("/v2/orders/{coin}"), r#"{"limit_price":"51000"}"#);
    assert_eq!(status, 200, "{body}");
}

#[test]
fn nine_decimals_and_no_more() {
    let mut desk = Desk::new();
    let body = r#"{"symbol":"BTC/USD","side":"buy","qty":"0.0123456789","type":"market","time_in_force":"gtc"}"#;
    let refused = r#"{"code":42210000,"message":"qty can take up to 9 decimal points"}"#;
    desk.refuses("POST", "/v2/orders", body, 422, refused);
    let orders: Value = desk.json("/v2/orders?status=all");
    assert_eq!(orders.as_array().unwrap().len(), 0);
}
