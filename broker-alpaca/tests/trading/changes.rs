//! Changes: what is sent, and what is refused once the order was read.

use broker_core::model::{OrderChange, Trail};
use broker_core::{Delivery, Error, ErrorKind, Gate, Instrument, OrderRef, TimeInForce};

use super::{Wire, changing, coin, spy, trading};
use crate::common::{account, dec, price, qty};

/// An order as it was read, with these fields beside the usual ones.
fn old(fields: &str) -> String {
    format!(
        r#"{{"id":"o-0","client_order_id":"old-1","status":"new","filled_qty":"0","symbol":"SPY","side":"buy",{fields}}}"#
    )
}

fn reference() -> OrderRef {
    OrderRef::by_id(&account(), "o-0".into())
}

fn change(instrument: Instrument, old: &str, change: &OrderChange) -> (Wire, Result<(), Error>) {
    let wire = Wire::new(old);
    let intent = changing(instrument, &reference(), change);
    let done = wire.runtime.block_on(async {
        let trading = trading(&wire.broker);
        trading.replace(&reference(), change, &intent, &Gate::new()).await
    });
    (wire, done.map(|_| ()))
}

#[test]
fn only_what_changes_is_sent() {
    let limit = r#""qty":"10","type":"limit","limit_price":"500""#;
    let by_amount = r#""qty":"10","type":"trailing_stop","trail_price":"2""#;
    let by_percent = r#""qty":"10","type":"trailing_stop","trail_percent":"2""#;
    let stop_limit = r#""qty":"10","type":"stop_limit","limit_price":"500","stop_price":"499""#;
    let mut for_good = OrderChange::new();
    for_good.time_in_force = Some(TimeInForce::Gtc);
    for (instrument, fields, asked, body) in [
        (
            spy(),
            limit,
            OrderChange::new().with_qty(qty("12")).with_limit_price(price("501.50")),
            r#"{"qty":"12","limit_price":"501.5","client_order_id":"ours-1"}"#,
        ),
        (
            spy(),
            stop_limit,
            OrderChange::new().with_stop_price(price("498")),
            r#"{"stop_price":"498","client_order_id":"ours-1"}"#,
        ),
        (
            spy(),
            by_amount,
            OrderChange::new().with_trail(Trail::Amount(dec("3.5"))),
            r#"{"trail":"3.5","client_order_id":"ours-1"}"#,
        ),
        (
            spy(),
            by_percent,
            OrderChange::new().with_trail(Trail::Percent(dec("1"))),
            r#"{"trail":"1","client_order_id":"ours-1"}"#,
        ),
        (
            spy(),
            limit,
            for_good,
            r#"{"time_in_force":"gtc","client_order_id":"ours-1"}"#,
        ),
        (
            coin(),
            r#""qty":"0.5","type":"limit","limit_price":"2000""#,
            OrderChange::new().with_qty(qty("0.25")),
            r#"{"qty":"0.25","client_order_id":"ours-1"}"#,
        ),
    ] {
        let (wire, done) = change(instrument, &old(fields), &asked);
        done.unwrap();
        let sent = [("PATCH".to_owned(), "/v2/orders/o-0".to_owned(), body.to_owned())];
        assert_eq!(wire.writes(), sent);
    }
}

#[test]
fn what_cannot_be_changed_is_not_sent() {
    let limit = r#""qty":"10","type":"limit","limit_price":"500""#;
    let market = r#""qty":"10","type":"market""#;
    let for_money = r#""qty":null,"notional":"500","type":"market""#;
    let in_parts = r#""qty":"1.5","type":"limit","limit_price":"500""#;
    let oto_leg = r#""qty":"10","type":"stop","stop_price":"490","order_class":"oto""#;
    let trailing = r#""qty":"10","type":"trailing_stop","trail_price":"2","stop_price":"490""#;
    let new_limit = || OrderChange::new().with_limit_price(price("501"));
    let new_stop = || OrderChange::new().with_stop_price(price("489"));
    let mut expiring = OrderChange::new();
    expiring.time_in_force = Some(TimeInForce::Gtd);
    let mut for_the_day = OrderChange::new();
    for_the_day.time_in_force = Some(TimeInForce::Day);
    let no = "changes of quantities with parts of a share";
    for (instrument, fields, asked, kind, message) in [
        (
            spy(),
            limit,
            OrderChange::new(),
            ErrorKind::InvalidRequest,
            "the change changes nothing".to_owned(),
        ),
        (
            spy(),
            for_money,
            new_limit(),
            ErrorKind::Unsupported,
            "Alpaca has no changes of orders for money: cancel it and place another".to_owned(),
        ),
        (
            spy(),
            oto_leg,
            new_stop(),
            ErrorKind::Unsupported,
            "Alpaca has no changes of an OTO's exits: cancel it and place another".to_owned(),
        ),
        (
            spy(),
            in_parts,
            OrderChange::new().with_qty(qty("2")),
            ErrorKind::Unsupported,
            format!("Alpaca has no {no}"),
        ),
        (
            spy(),
            limit,
            OrderChange::new().with_qty(qty("2.5")),
            ErrorKind::Unsupported,
            format!("Alpaca has no {no}"),
        ),
        (
            coin(),
            limit,
            OrderChange::new().with_qty(qty("0.1234567891")),
            ErrorKind::InvalidRequest,
            "the quantity has more than 9 decimals".to_owned(),
        ),
        (
            spy(),
            market,
            new_limit(),
            ErrorKind::Unsupported,
            "Alpaca has no limit price in this order: the change would make it another kind".to_owned(),
        ),
        (
            spy(),
            limit,
            new_stop(),
            ErrorKind::Unsupported,
            "Alpaca has no stop price in this order: the change would make it another kind".to_owned(),
        ),
        // Two percent sent to a trail of dollars would be two dollars.
        (
            spy(),
            trailing,
            OrderChange::new().with_trail(Trail::Percent(dec("2"))),
            ErrorKind::Unsupported,
            "Alpaca has no change between a trail in price and one in percent".to_owned(),
        ),
        (
            spy(),
            limit,
            OrderChange::new().with_trail(Trail::Amount(dec("2"))),
            ErrorKind::InvalidRequest,
            "only a trailing stop has a trail to change".to_owned(),
        ),
        (
            spy(),
            limit,
            expiring,
            ErrorKind::Unsupported,
            "Alpaca has no time in force gtd".to_owned(),
        ),
        (
            coin(),
            limit,
            for_the_day,
            ErrorKind::Unsupported,
            "Alpaca has no orders of coins with another time in force than gtc and ioc".to_owned(),
        ),
    ] {
        let (wire, done) = change(instrument, &old(fields), &asked);
        let error = done.unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (kind, Some(message.as_str())),
            "{fields}"
        );
        assert_eq!(
            (error.delivery(), error.operation()),
            (Delivery::NotSent, Some("replace"))
        );
        assert_eq!(wire.writes(), []);
    }
}

#[test]
fn the_entry_of_an_oto_can_be_changed() {
    let leg = r#"{"id":"l-1","status":"held","filled_qty":"0","symbol":"SPY","side":"sell","qty":"10","type":"stop","stop_price":"490"}"#;
    let entry = old(&format!(
        r#""qty":"10","type":"limit","limit_price":"500","order_class":"oto","legs":[{leg}]"#
    ));
    let (wire, done) = change(spy(), &entry, &OrderChange::new().with_limit_price(price("501")));
    done.unwrap();
    assert_eq!(wire.writes().len(), 1);
}
