//! Every reason to refuse an order.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use broker_core::model::{Level, PositionEffect, PositionLeg, StopExit, Trail};
use broker_core::{ClientOrderId, Currency, ErrorKind, InstrumentId, OrderRequest, Side, TimeInForce};
use broker_sim::{AccountSpec, Catalogue, ClientIdPolicy, Rules, SimReject};
use common::{Venue, d, p, q};

fn market(symbol: &str, side: Side, qty: &str) -> OrderRequest {
    OrderRequest::market(symbol.parse().unwrap(), side, q(qty))
}

fn limit(symbol: &str, side: Side, qty: &str, price: &str) -> OrderRequest {
    OrderRequest::limit(symbol.parse().unwrap(), side, q(qty), p(price))
}

fn venue() -> Venue {
    let mut v = Venue::margin();
    v.quote("AAPL", "99.98", "100.00", "100000");
    v.quote("BTC/USD", "29999.00", "30000.00", "100");
    v
}

#[test]
fn form() {
    let mut v = venue();
    let mut refused = |request| v.try_place(request).unwrap_err();
    assert_eq!(
        refused(limit("AAPL", Side::Buy, "1", "99.985")),
        SimReject::Tick {
            price: d("99.985"),
            tick: d("0.01")
        }
    );
    assert_eq!(
        refused(limit("SNDL", Side::Buy, "1", "0.82005")),
        SimReject::Tick {
            price: d("0.82005"),
            tick: d("0.0001")
        }
    );
    assert_eq!(
        refused(limit("AAPL", Side::Buy, "1", "0")),
        SimReject::PriceRange { price: d("0") }
    );
    assert_eq!(
        refused(limit("AAPL", Side::Buy, "1", "1000000000")),
        SimReject::PriceRange { price: d("1000000000") }
    );
    assert_eq!(refused(market("AAPL", Side::Buy, "0")), SimReject::ZeroQty);
    assert_eq!(
        refused(market("AAPL", Side::Buy, "1.5")),
        SimReject::Lot {
            qty: d("1.5"),
            lot: d("1")
        }
    );
    assert_eq!(
        refused(market("BTC/USD", Side::Buy, "0.000000005")).code(),
        "below_min_qty"
    );
    assert_eq!(
        refused(market("BTC/USD", Side::Buy, "0.00001")).code(),
        "below_min_notional"
    );
    assert_eq!(refused(market("AAPL", Side::Buy, "1000000001")).code(), "above_max_qty");
    assert_eq!(
        refused(market("NOPE", Side::Buy, "1")),
        SimReject::UnknownSymbol {
            symbol: "NOPE".to_owned()
        }
    );
    let trail = |trail| OrderRequest::trailing_stop("AAPL".parse().unwrap(), Side::Sell, q("1"), trail);
    assert_eq!(
        refused(trail(Trail::Percent(d("100")))),
        SimReject::TrailRange { distance: d("100") }
    );
    assert_eq!(
        refused(trail(Trail::Amount(d("0")))),
        SimReject::TrailRange { distance: d("0") }
    );
    let stop =
        OrderRequest::stop("AAPL".parse().unwrap(), Side::Buy, q("1"), p("101")).with_time_in_force(TimeInForce::Fok);
    assert_eq!(refused(stop).code(), "unsupported");
    assert_eq!(
        refused(market("BTC/USD", Side::Buy, "1").with_time_in_force(TimeInForce::AtOpen)).code(),
        "unsupported"
    );
    assert_eq!(
        refused(market("AAPL", Side::Buy, "1").with_leg(PositionLeg::Long)),
        SimReject::NoLegs
    );
    let money = market("AAPL", Side::Buy, "1").with_notional(q("50"), Some(Currency::EUR));
    assert_eq!(refused(money).code(), "unsupported");
    let exits = market("AAPL", Side::Buy, "1").with_stop(StopExit::Stop {
        stop: Level::Price(p("90.005")),
        limit: None,
    });
    assert_eq!(refused(exits).code(), "tick");
    assert_eq!(v.records().len(), 1, "nothing but the deposit");
}

#[test]
fn funds_are_checked_with_what_open_orders_reserve() {
    let mut v = Venue::cash();
    v.quote("AAPL", "99.98", "100.00", "100000");
    v.place(limit("AAPL", Side::Buy, "600", "99.00"));
    // 100,000 less 600 x 99.00 leaves 40,600.
    assert_eq!(
        v.try_place(market("AAPL", Side::Buy, "407")),
        Err(SimReject::InsufficientFunds {
            required: d("40700.00"),
            available: d("40600.00"),
            currency: Currency::USD
        })
    );
    v.place(market("AAPL", Side::Buy, "406"));
    let mut v = venue();
    // Half the value on margin: 2,000 shares of 100.00 need 100,000.
    assert_eq!(
        v.try_place(market("AAPL", Side::Buy, "2001")).unwrap_err().code(),
        "insufficient_funds"
    );
    v.place(market("AAPL", Side::Buy, "2000"));
    // Valued at the middle, 20 dollars are lost: nothing is free for another share.
    assert_eq!(
        v.try_place(market("AAPL", Side::Buy, "1")).unwrap_err().code(),
        "insufficient_funds"
    );
}

#[test]
fn holdings_are_checked_with_what_open_orders_hold() {
    let mut v = Venue::cash();
    v.quote("AAPL", "99.98", "100.00", "100000");
    v.place(market("AAPL", Side::Buy, "10"));
    v.place(limit("AAPL", Side::Sell, "7", "105.00"));
    assert_eq!(
        v.try_place(market("AAPL", Side::Sell, "4")),
        Err(SimReject::InsufficientQty {
            requested: d("4"),
            available: d("3"),
            held: d("7")
        })
    );
    let position = v.engine.positions(&v.account).unwrap().remove(0);
    assert_eq!(position.available, Some(q("3")));
    v.place(market("AAPL", Side::Sell, "3"));
    let mut v = Venue::new(AccountSpec::margin("A1", Currency::USD).without_flips());
    v.quote("AAPL", "99.98", "100.00", "100000");
    v.place(market("AAPL", Side::Buy, "10"));
    assert_eq!(
        v.try_place(market("AAPL", Side::Sell, "15")).unwrap_err().code(),
        "insufficient_qty"
    );
}

#[test]
fn short_sales() {
    let mut v = Venue::cash();
    v.quote("AAPL", "99.98", "100.00", "100000");
    let refused = v.try_place(market("AAPL", Side::Sell, "1")).unwrap_err();
    assert_eq!(
        refused,
        SimReject::NotShortable {
            symbol: "AAPL".to_owned()
        }
    );
    let mut v = venue();
    assert_eq!(
        v.try_place(market("SNDL", Side::Sell, "1")).unwrap_err().code(),
        "not_shortable"
    );
    assert_eq!(
        v.try_place(market("BTC/USD", Side::Sell, "1")).unwrap_err().code(),
        "insufficient_qty"
    );
    v.place(market("AAPL", Side::Sell, "1"));
}

#[test]
fn effects_and_reductions() {
    let mut v = venue();
    assert_eq!(
        v.try_place(market("AAPL", Side::Sell, "1").with_effect(PositionEffect::Close)),
        Err(SimReject::EffectMismatch {
            inferred: PositionEffect::Open
        })
    );
    assert_eq!(
        v.try_place(market("AAPL", Side::Sell, "1").with_reduce_only()),
        Err(SimReject::NothingToReduce)
    );
    v.place(market("AAPL", Side::Buy, "5").with_effect(PositionEffect::Open));
    assert_eq!(
        v.try_place(market("AAPL", Side::Sell, "1").with_effect(PositionEffect::Open)),
        Err(SimReject::EffectMismatch {
            inferred: PositionEffect::Close
        })
    );
    assert_eq!(
        v.try_place(market("AAPL", Side::Sell, "6").with_effect(PositionEffect::Close))
            .unwrap_err()
            .code(),
        "insufficient_qty"
    );
}

#[test]
fn client_ids_by_policy() {
    let mut v = venue();
    let order = v.place_as(market("AAPL", Side::Buy, "1"), "c1").unwrap();
    let again = v.place_as(market("AAPL", Side::Buy, "1"), "c1");
    assert_eq!(
        again,
        Err(SimReject::DuplicateClientId {
            existing: order.id.clone()
        })
    );
    assert_eq!(
        v.engine
            .order_by_client_id(&v.account, &ClientOrderId::from("c1"))
            .unwrap()
            .order()
            .id,
        order.id
    );
    let mut rules = Rules::default();
    rules.client_ids = ClientIdPolicy::AmongOpen;
    v.engine.set_rules(rules.clone());
    v.place_as(limit("AAPL", Side::Buy, "1", "90.00"), "c1").unwrap();
    assert_eq!(
        v.place_as(market("AAPL", Side::Buy, "1"), "c1").unwrap_err().code(),
        "duplicate_client_id"
    );
    rules.client_ids = ClientIdPolicy::None;
    v.engine.set_rules(rules);
    v.place_as(market("AAPL", Side::Buy, "1"), "c1").unwrap();
    // A refused order leaves no trace: its id can be used.
    assert!(v.place_as(market("AAPL", Side::Buy, "1.5"), "c2").is_err());
    v.place_as(market("AAPL", Side::Buy, "1"), "c2").unwrap();
}

#[test]
fn accounts_and_markets_that_do_not_trade() {
    let mut v = venue();
    v.engine.set_blocked(&v.account, true).unwrap();
    assert_eq!(
        v.try_place(market("AAPL", Side::Buy, "1")),
        Err(SimReject::AccountBlocked)
    );
    v.engine.set_blocked(&v.account, false).unwrap();
    v.engine.set_halted(&InstrumentId::from("AAPL"), true).unwrap();
    assert_eq!(
        v.try_place(market("AAPL", Side::Buy, "1")).unwrap_err().code(),
        "not_tradable"
    );
    v.account = "A2".into();
    assert_eq!(
        v.try_place(market("AAPL", Side::Buy, "1")),
        Err(SimReject::UnknownAccount)
    );
    v.account = "A1".into();
    v.go("2026-11-21T15:00:00Z");
    let option = market("AAPL261218C00190000", Side::Buy, "1");
    let refused = v.try_place(option).unwrap_err();
    assert_eq!(
        (refused.code(), refused.kind()),
        ("market_closed", ErrorKind::MarketClosed)
    );
    v.go("2027-01-05T15:00:00Z");
    assert_eq!(
        v.try_place(market("AAPL261218C00190000", Side::Buy, "1"))
            .unwrap_err()
            .code(),
        "not_tradable"
    );
}

#[test]
fn a_symbol_of_two_instruments_is_refused_with_both() {
    let mut v = venue();
    let mut twin = Catalogue::standard().get(&InstrumentId::from("AAPL")).unwrap().clone();
    twin.instrument.id = "AAPL.B".into();
    v.engine.list(twin);
    let refused = v.try_place(market("AAPL", Side::Buy, "1")).unwrap_err();
    assert_eq!(
        refused,
        SimReject::AmbiguousSymbol {
            symbol: "AAPL".to_owned(),
            ids: "AAPL, AAPL.B".to_owned()
        }
    );
    v.place(market("AAPL", Side::Buy, "1").with_instrument("AAPL.B".into()));
}

#[test]
fn nobody_quotes() {
    let mut v = venue();
    v.engine
        .set_quote(&InstrumentId::from("AAPL"), None, None, (q("0"), q("0")), v.now)
        .unwrap();
    assert_eq!(
        v.try_place(market("AAPL", Side::Buy, "1")),
        Err(SimReject::NoQuote {
            symbol: "AAPL".to_owned()
        })
    );
}
