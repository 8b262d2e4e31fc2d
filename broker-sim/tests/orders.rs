//! Each kind of order and each time in force, with figures worked out by hand.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use broker_core::model::{OrderChange, Trail};
use broker_core::{ClientOrderId, OrderRequest, OrderStatus, Side, TimeInForce};
use broker_sim::{Depth, ReplaceMode, Rules, SimReject};
use common::{Venue, at, d, p, q};

fn aapl() -> broker_core::Symbol {
    "AAPL".parse().unwrap()
}

fn fill(qty: &str, price: &str, liquidity: &str) -> (String, String, String) {
    (qty.to_owned(), price.to_owned(), liquidity.to_owned())
}

fn state(status: &str, filled: &str) -> (String, String) {
    (status.to_owned(), filled.to_owned())
}

#[test]
fn a_market_order_takes_what_is_displayed_and_waits_for_the_rest() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "30");
    let order = v.place(OrderRequest::market(aapl(), Side::Buy, q("50")));
    assert_eq!(v.state(&order), state("partially_filled", "30"));
    assert_eq!(order.time_in_force, Some(TimeInForce::Day));
    v.quote("AAPL", "100.10", "100.12", "30");
    assert_eq!(
        v.fills(),
        [fill("30", "100.02", "Taker"), fill("20", "100.12", "Taker")]
    );
    assert_eq!(v.state(&order), state("filled", "50"));
    // (30 x 100.02 + 20 x 100.12) / 50 = 100.06
    assert_eq!(v.order(&order.id).average_price, Some(p("100.06")));
    assert_eq!(v.cash_of("USD"), d("94997.00"));
    v.assert_books();
}

#[test]
fn a_limit_order_takes_at_the_quote_or_rests_at_its_price() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    v.place(OrderRequest::limit(aapl(), Side::Buy, q("10"), p("100.50")));
    let rests = v.place(OrderRequest::limit(aapl(), Side::Sell, q("4"), p("101.00")));
    assert_eq!(v.state(&rests), state("new", "0"));
    v.quote("AAPL", "100.99", "101.01", "500");
    assert_eq!(v.state(&rests), state("new", "0"));
    v.quote("AAPL", "101.05", "101.07", "500");
    assert_eq!(v.fills(), [fill("10", "100.02", "Taker"), fill("4", "101", "Maker")]);
    // 4 x (101.00 - 100.02)
    assert_eq!(
        v.engine.books(&v.account).unwrap().gross(broker_core::Currency::USD),
        d("3.92")
    );
    v.assert_books();
}

#[test]
fn stops_wait_for_a_worse_price() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    let buy = v.place(OrderRequest::stop(aapl(), Side::Buy, q("10"), p("101.00")));
    let limited = v.place(OrderRequest::stop_limit(
        aapl(),
        Side::Buy,
        q("5"),
        p("101.00"),
        p("101.05"),
    ));
    v.quote("AAPL", "100.97", "100.99", "500");
    assert_eq!(v.fills(), []);
    v.quote("AAPL", "101.08", "101.10", "500");
    assert_eq!(v.state(&buy), state("filled", "10"));
    assert_eq!(v.state(&limited), state("new", "0"));
    assert!(v.engine.order(&v.account, &limited.id).unwrap().is_triggered());
    v.quote("AAPL", "101.02", "101.04", "500");
    assert_eq!(v.fills(), [fill("10", "101.1", "Taker"), fill("5", "101.05", "Maker")]);
    let sell = v.place(OrderRequest::stop(aapl(), Side::Sell, q("15"), p("100.50")));
    v.quote("AAPL", "100.50", "100.52", "500");
    assert_eq!(v.state(&sell), state("filled", "15"));
    assert_eq!(v.qty("AAPL"), d("0"));
    v.assert_books();
}

#[test]
fn touches_wait_for_a_better_price() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    let market = v.place(OrderRequest::market_if_touched(aapl(), Side::Buy, q("10"), p("99.00")));
    let limit = v.place(OrderRequest::limit_if_touched(
        aapl(),
        Side::Buy,
        q("5"),
        p("99.00"),
        p("98.90"),
    ));
    v.quote("AAPL", "99.01", "99.03", "500");
    assert_eq!(v.fills(), []);
    v.quote("AAPL", "98.96", "98.98", "500");
    assert_eq!(v.state(&market), state("filled", "10"));
    assert_eq!(v.state(&limit), state("new", "0"));
    v.quote("AAPL", "98.80", "98.85", "500");
    assert_eq!(v.fills(), [fill("10", "98.98", "Taker"), fill("5", "98.9", "Maker")]);
    let sell = v.place(OrderRequest::market_if_touched(aapl(), Side::Sell, q("15"), p("99.50")));
    v.quote("AAPL", "99.50", "99.52", "500");
    assert_eq!(v.state(&sell), state("filled", "15"));
}

#[test]
fn a_trailing_stop_follows_by_an_amount() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    v.place(OrderRequest::market(aapl(), Side::Buy, q("10")));
    let trail = v.place(OrderRequest::trailing_stop(
        aapl(),
        Side::Sell,
        q("10"),
        Trail::Amount(d("1.50")),
    ));
    assert_eq!(v.order(&trail.id).stop_price, Some(p("98.50")));
    v.quote("AAPL", "103.00", "103.02", "500");
    assert_eq!(v.order(&trail.id).stop_price, Some(p("101.50")));
    v.quote("AAPL", "102.00", "102.02", "500");
    assert_eq!(v.order(&trail.id).stop_price, Some(p("101.50")), "it never goes back");
    assert_eq!(
        v.engine.order(&v.account, &trail.id).unwrap().extreme(),
        Some(p("103.00"))
    );
    v.quote("AAPL", "101.40", "101.42", "500");
    assert_eq!(v.fills()[1], fill("10", "101.4", "Taker"));
}

#[test]
fn a_trailing_stop_follows_by_percent_on_the_grid() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "500");
    let trail = v.place(OrderRequest::trailing_stop(
        aapl(),
        Side::Buy,
        q("10"),
        Trail::Percent(d("2")),
    ));
    assert_eq!(v.order(&trail.id).stop_price, Some(p("102.00")));
    // 97.33 x 1.02 = 99.2766, up to the next cent.
    v.quote("AAPL", "97.31", "97.33", "500");
    assert_eq!(v.order(&trail.id).stop_price, Some(p("99.28")));
    v.quote("AAPL", "99.26", "99.28", "500");
    assert_eq!(v.fills(), [fill("10", "99.28", "Taker")]);
}

#[test]
fn immediate_orders_never_rest() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "30");
    let ioc = |qty| OrderRequest::limit(aapl(), Side::Buy, q(qty), p("100.02")).with_time_in_force(TimeInForce::Ioc);
    let fok = |qty| OrderRequest::limit(aapl(), Side::Buy, q(qty), p("100.02")).with_time_in_force(TimeInForce::Fok);
    let killed = v.place(fok("31"));
    assert_eq!(v.state(&killed), state("canceled", "0"));
    let part = v.place(ioc("40"));
    assert_eq!(v.state(&part), state("canceled", "30"));
    let nothing = v.place(ioc("1"));
    assert_eq!(v.state(&nothing), state("canceled", "0"));
    v.quote("AAPL", "100.00", "100.02", "30");
    let whole = v.place(fok("30"));
    assert_eq!(v.state(&whole), state("filled", "30"));
}

#[test]
fn a_day_order_expires_at_the_close_and_a_gtc_order_does_not() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    let day = v.place(OrderRequest::limit(aapl(), Side::Buy, q("1"), p("99.00")));
    let gtc = v.place(OrderRequest::limit(aapl(), Side::Buy, q("1"), p("99.00")).with_time_in_force(TimeInForce::Gtc));
    assert_eq!(day.expires_at, Some(at("2026-11-18T21:00:00Z")));
    v.go("2026-11-18T20:59:59Z");
    assert_eq!(v.state(&day), state("new", "0"));
    v.go("2026-11-18T22:00:00Z");
    assert_eq!(v.state(&day), state("expired", "0"));
    let order = v.engine.order(&v.account, &day.id).unwrap();
    assert_eq!(order.first_at(&OrderStatus::Expired), Some(at("2026-11-18T21:00:00Z")));
    // After the close nothing trades, whatever is quoted; at the next opening it does.
    v.quote("AAPL", "98.00", "98.02", "500");
    assert_eq!(v.state(&gtc), state("new", "0"));
    v.go("2026-11-19T15:00:00Z");
    v.quote("AAPL", "98.00", "98.02", "500");
    assert_eq!(v.state(&gtc), state("filled", "1"));
}

#[test]
fn a_gtd_order_expires_at_its_moment() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    let order =
        v.place(OrderRequest::limit(aapl(), Side::Buy, q("1"), p("99.00")).with_expiry(at("2026-11-18T15:30:00Z")));
    v.go("2026-11-18T15:29:59.999Z");
    assert_eq!(v.state(&order), state("new", "0"));
    v.go("2026-11-18T15:30:00Z");
    assert_eq!(v.state(&order), state("expired", "0"));
    let past = OrderRequest::limit(aapl(), Side::Buy, q("1"), p("99.00")).with_expiry(v.now);
    assert_eq!(v.try_place(past), Err(SimReject::BadExpiry));
}

#[test]
fn auction_orders_trade_at_the_open_and_at_the_close() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    let with = |tif| OrderRequest::market(aapl(), Side::Buy, q("3")).with_time_in_force(tif);
    let close = v.place(with(TimeInForce::AtClose));
    let open = v.place(with(TimeInForce::AtOpen));
    let far =
        v.place(OrderRequest::limit(aapl(), Side::Buy, q("3"), p("90.00")).with_time_in_force(TimeInForce::AtClose));
    v.quote("AAPL", "101.00", "101.02", "500");
    assert_eq!(v.fills(), []);
    v.go("2026-11-18T21:00:00Z");
    assert_eq!(v.state(&close), state("filled", "3"));
    assert_eq!(v.state(&far), state("expired", "0"));
    v.go("2026-11-19T14:29:59Z");
    assert_eq!(v.state(&open), state("new", "0"));
    v.go("2026-11-19T14:30:00Z");
    assert_eq!(v.state(&open), state("filled", "3"));
}

#[test]
fn orders_of_a_closed_market_wait_for_the_opening() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    v.go("2026-11-21T15:00:00Z");
    let order = v.place(OrderRequest::market(aapl(), Side::Buy, q("3")));
    assert_eq!(v.state(&order), state("new", "0"));
    v.go("2026-11-23T14:30:00Z");
    assert_eq!(v.state(&order), state("filled", "3"));
    assert_eq!(
        v.engine
            .order(&v.account, &order.id)
            .unwrap()
            .first_at(&OrderStatus::Filled),
        Some(at("2026-11-23T14:30:00Z"))
    );
    // Before the opening, extended hours trade at once.
    v.go("2026-11-24T12:00:00Z");
    let early = v.place(OrderRequest::limit(aapl(), Side::Buy, q("3"), p("100.02")).with_extended_hours());
    assert_eq!(v.state(&early), state("filled", "3"));
}

#[test]
fn money_buys_whole_lots() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "500");
    let request = OrderRequest::market(aapl(), Side::Buy, q("1")).with_notional(q("250"), None);
    let order = v.place(request);
    assert_eq!(v.state(&order), state("filled", "2.5"));
    v.quote("BTC/USD", "29999.00", "30000.00", "2");
    let coins = OrderRequest::market("BTC/USD".parse().unwrap(), Side::Buy, q("1")).with_notional(q("100"), None);
    let order = v.place(coins);
    // 100 / 30000 = 0.00333333 in lots of a hundred millionth; 0.01 cents are left.
    assert_eq!(v.state(&order), state("filled", "0.00333333"));
    assert_eq!(v.cash_of("USD"), d("100000") - d("250.00") - d("99.9999"));
}

#[test]
fn a_reduce_only_order_stops_at_flat() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    v.place(OrderRequest::market(aapl(), Side::Buy, q("10")));
    let order = v.place(OrderRequest::market(aapl(), Side::Sell, q("25")).with_reduce_only());
    assert_eq!(v.qty("AAPL"), d("0"));
    v.quote("AAPL", "100.00", "100.02", "500");
    assert_eq!(v.state(&order), state("canceled", "10"));
    assert_eq!(v.qty("AAPL"), d("0"));
}

#[test]
fn a_cancel_is_final_and_a_second_one_is_refused() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    let order = v.place(OrderRequest::limit(aapl(), Side::Buy, q("1"), p("99.00")));
    v.engine.cancel(&v.account, &order.id, v.now).unwrap();
    assert_eq!(
        v.engine.cancel(&v.account, &order.id, v.now),
        Err(SimReject::NotCancelable {
            status: OrderStatus::Canceled
        })
    );
    v.quote("AAPL", "98.00", "98.02", "500");
    assert_eq!(v.state(&order), state("canceled", "0"));
}

#[test]
fn a_delayed_cancel_can_still_fill() {
    let mut v = Venue::margin();
    v.engine.set_rules({
        let mut rules = Rules::default();
        rules.cancel_delay = chrono::Duration::seconds(1);
        rules.accept_delay = chrono::Duration::seconds(1);
        rules
    });
    v.quote("AAPL", "100.00", "100.02", "500");
    let one = v.place(OrderRequest::limit(aapl(), Side::Buy, q("5"), p("99.00")));
    let two = v.place(OrderRequest::limit(aapl(), Side::Buy, q("5"), p("98.00")));
    assert_eq!(v.state(&one), state("pending_new", "0"));
    v.go("2026-11-18T15:00:01Z");
    assert_eq!(v.state(&one), state("new", "0"));
    assert_eq!(v.engine.cancel_all(&v.account, v.now).unwrap().len(), 2);
    assert_eq!(v.state(&one), state("pending_cancel", "0"));
    v.quote("AAPL", "98.97", "98.99", "2");
    assert_eq!(v.state(&one), state("pending_cancel", "2"));
    v.quote("AAPL", "98.97", "98.99", "500");
    assert_eq!(v.state(&one), state("filled", "5"));
    v.go("2026-11-18T15:00:02Z");
    assert_eq!(v.state(&one), state("filled", "5"));
    assert_eq!(v.state(&two), state("canceled", "0"));
}

#[test]
fn a_replace_makes_a_new_order_that_counts_what_was_filled() {
    let mut v = Venue::margin();
    v.quote("AAPL", "98.97", "99.00", "4");
    let old = v.place(OrderRequest::limit(aapl(), Side::Buy, q("10"), p("99.00")));
    assert_eq!(v.state(&old), state("partially_filled", "4"));
    let change = OrderChange::new().with_qty(q("12")).with_limit_price(p("98.50"));
    let new = v
        .engine
        .replace(&v.account, &old.id, &change, Some(ClientOrderId::from("r1")), v.now)
        .unwrap();
    assert_eq!(v.state(&old), state("replaced", "4"));
    assert_eq!(new.remaining_qty(), Some(d("8")));
    assert_eq!(new.links.replaces.as_ref(), Some(&old.id));
    assert_eq!(v.order(&old.id).links.replaced_by.as_ref(), Some(&new.id));
    v.quote("AAPL", "98.40", "98.45", "500");
    assert_eq!(v.state(&new), state("filled", "8"));
    assert_eq!(v.qty("AAPL"), d("12"));
    let again = v.engine.replace(&v.account, &old.id, &change, None, v.now);
    assert_eq!(
        again,
        Err(SimReject::NotReplaceable {
            status: OrderStatus::Replaced
        })
    );
}

#[test]
fn a_replace_in_place_keeps_the_id() {
    let mut v = Venue::margin();
    let mut rules = Rules::default();
    rules.replace = ReplaceMode::InPlace;
    rules.depth = Depth::Unlimited;
    v.engine.set_rules(rules);
    v.quote("AAPL", "100.00", "100.02", "1");
    let order = v.place(OrderRequest::limit(aapl(), Side::Buy, q("10"), p("99.00")));
    let change = OrderChange::new().with_limit_price(p("100.02"));
    let changed = v.engine.replace(&v.account, &order.id, &change, None, v.now).unwrap();
    assert_eq!(changed.id, order.id);
    assert_eq!(v.state(&order), state("filled", "10"));
}
