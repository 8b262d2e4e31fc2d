//! Brackets, OCO and OTO: what is held, what cancels what, and what a part filled protects.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use broker_core::model::{Group, Level, OrderChange, StopExit, Trail};
use broker_core::{Order, OrderRequest, Side};
use broker_sim::{Rules, SimReject};
use common::{Venue, d, p, q};

fn stop(price: &str) -> StopExit {
    StopExit::Stop {
        stop: Level::Price(p(price)),
        limit: None,
    }
}

fn bracket(v: &mut Venue, side: Side, target: &str, loss: &str) -> (Order, Order, Order) {
    let request = OrderRequest::limit("AAPL".parse().unwrap(), side, q("10"), p("100.00"))
        .with_target(Level::Price(p(target)))
        .with_stop(stop(loss));
    let entry = v.place(request);
    assert_eq!(entry.links.group, Some(Group::Bracket));
    let [target, loss] = entry.links.children.as_slice() else {
        panic!("two exits")
    };
    (entry.clone(), v.order(target), v.order(loss))
}

fn states(v: &Venue, orders: &(Order, Order, Order)) -> [String; 3] {
    [&orders.0, &orders.1, &orders.2].map(|order| {
        let (status, filled) = v.state(order);
        format!("{status} {filled}")
    })
}

#[test]
fn exits_are_held_until_the_entry_is_whole_and_the_target_cancels_the_stop() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "6");
    let group = bracket(&mut v, Side::Buy, "103.00", "98.00");
    assert_eq!(states(&v, &group), ["partially_filled 6", "held 0", "held 0"]);
    v.quote("AAPL", "103.50", "103.52", "500");
    assert_eq!(
        states(&v, &group),
        ["partially_filled 6", "held 0", "held 0"],
        "a held exit does not trade"
    );
    v.quote("AAPL", "99.98", "100.00", "6");
    assert_eq!(states(&v, &group), ["filled 10", "new 0", "new 0"]);
    v.quote("AAPL", "103.05", "103.07", "500");
    assert_eq!(states(&v, &group), ["filled 10", "filled 10", "canceled 0"]);
    assert_eq!(v.qty("AAPL"), d("0"));
    // Bought ten at 100.00, sold ten at the target's 103.00.
    assert_eq!(v.cash_of("USD"), d("100030.00"));
    v.assert_books();
}

#[test]
fn the_stop_cancels_the_target() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "500");
    let group = bracket(&mut v, Side::Buy, "103.00", "98.00");
    v.quote("AAPL", "97.90", "97.92", "500");
    assert_eq!(states(&v, &group), ["filled 10", "canceled 0", "filled 10"]);
    assert_eq!(v.cash_of("USD"), d("99979.00"));
}

#[test]
fn a_short_bracket_is_the_mirror() {
    let mut v = Venue::margin();
    v.quote("AAPL", "100.00", "100.02", "500");
    let group = bracket(&mut v, Side::Sell, "97.00", "102.00");
    assert_eq!(v.qty("AAPL"), d("-10"));
    v.quote("AAPL", "96.90", "96.95", "500");
    assert_eq!(states(&v, &group), ["filled 10", "filled 10", "canceled 0"]);
    assert_eq!(v.cash_of("USD"), d("100030.00"));
}

#[test]
fn a_part_of_the_target_shrinks_the_stop() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "500");
    let group = bracket(&mut v, Side::Buy, "103.00", "98.00");
    v.quote("AAPL", "103.00", "103.02", "4");
    assert_eq!(states(&v, &group), ["filled 10", "partially_filled 4", "new 0"]);
    assert_eq!(v.order(&group.2.id).remaining_qty(), Some(d("6")));
    v.quote("AAPL", "97.00", "97.02", "500");
    assert_eq!(states(&v, &group), ["filled 10", "canceled 4", "filled 6"]);
    assert_eq!(v.qty("AAPL"), d("0"), "never through zero");
    v.assert_books();
}

#[test]
fn an_entry_that_ends_in_part_takes_its_exits_along_or_is_protected() {
    for protect in [false, true] {
        let mut v = Venue::margin();
        let mut rules = Rules::default();
        rules.protect_partial = protect;
        v.engine.set_rules(rules);
        v.quote("AAPL", "99.98", "100.00", "6");
        let group = bracket(&mut v, Side::Buy, "103.00", "98.00");
        v.engine.cancel(&v.account, &group.0.id, v.now).unwrap();
        let exits = if protect { "new 0" } else { "canceled 0" };
        assert_eq!(states(&v, &group), ["canceled 6", exits, exits]);
        v.quote("AAPL", "97.00", "97.02", "500");
        assert_eq!(v.qty("AAPL"), if protect { d("0") } else { d("6") });
    }
}

#[test]
fn canceling_one_exit_cancels_the_other() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "500");
    let group = bracket(&mut v, Side::Buy, "103.00", "98.00");
    v.engine.cancel(&v.account, &group.1.id, v.now).unwrap();
    assert_eq!(states(&v, &group), ["filled 10", "canceled 0", "canceled 0"]);
    assert_eq!(v.qty("AAPL"), d("10"));
}

#[test]
fn distances_are_counted_from_the_fill() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.01", "500");
    let request = OrderRequest::market("AAPL".parse().unwrap(), Side::Buy, q("10"))
        .with_target(Level::Distance(q("2.50")))
        .with_stop(StopExit::Stop {
            stop: Level::Distance(q("1.00")),
            limit: Some(Level::Distance(q("1.20"))),
        });
    let entry = v.place(request);
    let [target, loss] = entry.links.children.as_slice() else {
        panic!("two exits")
    };
    assert_eq!(v.order(target).limit_price, Some(p("102.51")));
    assert_eq!(v.order(loss).stop_price, Some(p("99.01")));
    assert_eq!(v.order(loss).limit_price, Some(p("98.81")));
}

#[test]
fn an_oto_has_one_exit_which_may_trail() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "500");
    let request = OrderRequest::market("AAPL".parse().unwrap(), Side::Buy, q("10"))
        .with_stop(StopExit::Trailing(Trail::Amount(d("1"))));
    let entry = v.place(request);
    assert_eq!(entry.links.group, Some(Group::Oto));
    let exit = v.order(&entry.links.children[0]);
    assert_eq!(exit.stop_price, Some(p("98.98")));
    v.quote("AAPL", "105.00", "105.02", "500");
    v.quote("AAPL", "104.00", "104.02", "500");
    assert_eq!(v.state(&exit), ("filled".to_owned(), "10".to_owned()));
}

#[test]
fn an_oco_works_at_once_and_one_fill_cancels_the_other() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "500");
    v.place(OrderRequest::market("AAPL".parse().unwrap(), Side::Buy, q("10")));
    let request = OrderRequest::oco("AAPL".parse().unwrap(), Side::Sell, q("10"), p("102.00"), stop("99.00"));
    let target = v.place(request);
    let loss = v.order(&target.links.children[0]);
    assert_eq!(
        (loss.status.as_str(), loss.links.parent.as_ref()),
        ("new", Some(&target.id))
    );
    assert_eq!(loss.links.siblings, vec![target.id.clone()]);
    v.quote("AAPL", "99.00", "99.02", "500");
    assert_eq!(v.state(&target).0, "canceled");
    assert_eq!(v.state(&loss), ("filled".to_owned(), "10".to_owned()));
}

#[test]
fn two_exits_hold_the_shares_once() {
    let mut v = Venue::cash();
    v.quote("AAPL", "99.98", "100.00", "500");
    v.place(OrderRequest::market("AAPL".parse().unwrap(), Side::Buy, q("10")));
    let oco = |qty| OrderRequest::oco("AAPL".parse().unwrap(), Side::Sell, q(qty), p("102.00"), stop("99.00"));
    v.place(oco("10"));
    assert_eq!(
        v.try_place(OrderRequest::limit(
            "AAPL".parse().unwrap(),
            Side::Sell,
            q("1"),
            p("101.00")
        )),
        Err(SimReject::InsufficientQty {
            requested: d("1"),
            available: d("0"),
            held: d("10")
        })
    );
}

#[test]
fn an_exit_can_be_replaced_and_stays_in_its_group() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "500");
    let group = bracket(&mut v, Side::Buy, "103.00", "98.00");
    let change = OrderChange::new().with_stop_price(p("99.00"));
    let new = v.engine.replace(&v.account, &group.2.id, &change, None, v.now).unwrap();
    assert_eq!(states(&v, &group), ["filled 10", "new 0", "replaced 0"]);
    assert_eq!(v.order(&group.1.id).links.siblings, vec![new.id.clone()]);
    assert_eq!(
        v.order(&group.0.id).links.children,
        vec![group.1.id.clone(), new.id.clone()]
    );
    v.quote("AAPL", "98.90", "98.92", "500");
    assert_eq!(v.state(&new), ("filled".to_owned(), "10".to_owned()));
    assert_eq!(v.state(&group.1).0, "canceled");
}

#[test]
fn exits_on_the_wrong_side_are_refused() {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "500");
    let entry = || OrderRequest::limit("AAPL".parse().unwrap(), Side::Buy, q("10"), p("100.00"));
    for (target, loss) in [
        ("98.00", "99.00"),
        ("99.00", "98.00"),
        ("103.00", "100.00"),
        ("103.00", "104.00"),
    ] {
        let request = entry().with_target(Level::Price(p(target))).with_stop(stop(loss));
        let refused = v.try_place(request).unwrap_err();
        assert_eq!(refused.code(), "exit_levels", "{target} {loss}");
    }
}
