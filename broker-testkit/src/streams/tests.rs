//! The judge sees each harm, and nothing else.

use broker_core::model::{Amount, Coverage, Event, Grade, OrderKind, OrderLinks, PositionLeg};
use broker_core::{Fill, Order, OrderStatus, Qty, Record, Side};
use chrono::DateTime;

use super::judge::Judge;
use super::{Harm, Truth};

fn qty(size: u32) -> Qty {
    Qty::new(size.into()).unwrap()
}

fn order(id: &str, status: OrderStatus, filled: u32) -> Order {
    Order {
        id: id.into(),
        client_id: None,
        account: "A1".into(),
        legs: Vec::new(),
        kind: OrderKind::Limit,
        amount: Amount::Qty(qty(10)),
        filled_qty: qty(filled),
        average_price: None,
        limit_price: None,
        stop_price: None,
        trail: None,
        time_in_force: None,
        expires_at: None,
        extended_hours: false,
        reduce_only: false,
        status,
        reason: None,
        links: OrderLinks::default(),
        created_at: None,
        updated_at: None,
    }
}

fn fill(id: &str, size: u32) -> Fill {
    Fill {
        id: id.into(),
        account: "A1".into(),
        instrument: "AAPL".into(),
        symbol: "AAPL".into(),
        leg: PositionLeg::Net,
        order: Some("o1".into()),
        client_order: None,
        side: Side::Buy,
        qty: qty(size),
        price: "100".parse().unwrap(),
        at: DateTime::UNIX_EPOCH,
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    }
}

fn told(order: Order) -> Event {
    Event::Order(Box::new(order))
}

fn filled(fill: Fill) -> Event {
    Event::Record(Box::new(Record::Fill(fill)))
}

fn gap(from: i64) -> Event {
    let at = |second| DateTime::from_timestamp(second, 0).unwrap();
    Event::Gap {
        from: at(from),
        to: at(100),
    }
}

fn recovered(missing: &[&str]) -> Event {
    Event::Recovered(Coverage {
        accounts: vec!["A1".into()],
        missing: missing.iter().map(|what| (*what).to_owned()).collect(),
    })
}

/// One order of 10, filled by 4 and 6, and another that rests; the position is what the fills make.
fn truth() -> Truth {
    let mut truth = Truth::new(
        &[fill("a", 4), fill("b", 6)],
        &[order("o1", OrderStatus::Filled, 10), order("o2", OrderStatus::New, 0)],
        [],
    );
    truth.positions.insert("AAPL".into(), 10.into());
    truth
}

/// A stream that tells all of it.
fn honest() -> Vec<Event> {
    vec![
        told(order("o1", OrderStatus::New, 0)),
        gap(10),
        filled(fill("a", 4)),
        told(order("o1", OrderStatus::PartiallyFilled, 4)),
        // A connection that is lost while a gap is read back opens another one, which covers the first.
        gap(10),
        filled(fill("b", 6)),
        told(order("o1", OrderStatus::Filled, 10)),
        told(order("o2", OrderStatus::New, 0)),
        recovered(&[]),
    ]
}

fn harms(events: &[Event]) -> Vec<Harm> {
    let mut judge = Judge::default();
    events.iter().for_each(|event| judge.take(event));
    judge.compare(&truth(), false).harms.into_keys().collect()
}

/// What an honest stream tells, changed.
fn changed(change: impl FnOnce(&mut Vec<Event>)) -> Vec<Harm> {
    let mut events = honest();
    change(&mut events);
    harms(&events)
}

#[test]
fn an_honest_stream_is_clean() {
    assert_eq!(harms(&honest()), []);
}

#[test]
fn each_harm_is_seen() {
    assert_eq!(
        changed(|events| drop(events.remove(2))),
        [Harm::FillLost, Harm::PositionWrong]
    );
    assert_eq!(
        changed(|events| events.push(filled(fill("a", 4)))),
        [Harm::FillDoubled, Harm::FillInvented, Harm::PositionWrong]
    );
    // Under another name it is still one too many.
    assert_eq!(
        changed(|events| events.push(filled(fill("c", 4)))),
        [Harm::FillInvented, Harm::PositionWrong]
    );
    assert_eq!(
        changed(|events| events.insert(5, told(order("o1", OrderStatus::PartiallyFilled, 3)))),
        [Harm::FilledFell]
    );
    assert_eq!(
        changed(|events| events.push(told(order("o1", OrderStatus::New, 10)))),
        [Harm::Reopened, Harm::OrderWrong]
    );
    assert_eq!(changed(|events| drop(events.pop())), [Harm::GapOpen]);
    // The later gap begins behind the first one.
    assert_eq!(changed(|events| events[4] = gap(11)), [Harm::GapOpen]);
    assert_eq!(changed(|events| events.push(recovered(&[]))), [Harm::NotCovered]);
    assert_eq!(
        changed(|events| *events.last_mut().unwrap() = recovered(&["records"])),
        [Harm::NotCovered]
    );
    assert_eq!(changed(|events| drop(events.remove(7))), [Harm::OrderWrong]);
    assert_eq!(
        changed(|events| events.push(Event::Closed(broker_core::Error::unsupported("no more")))),
        [Harm::Ended]
    );
}

#[test]
fn what_only_named_instruments_tell_is_covered_as_far_as_it_can_be() {
    let missing = "records of …A1 in instruments that it did not touch while subscribed";
    for (what, by_instrument, harms) in [(missing, true, 0), (missing, false, 1), ("records of …A1", true, 1)] {
        let mut judge = Judge::new(by_instrument);
        honest().iter().for_each(|event| judge.take(event));
        judge.take(&gap(12));
        judge.take(&recovered(&[what]));
        assert_eq!(judge.report.harms.len(), harms, "{what}, {by_instrument}");
    }
}

#[test]
fn what_is_held_outright_is_told_as_no_position() {
    let mut judge = Judge::default();
    honest().iter().for_each(|event| judge.take(event));
    let truth = Truth {
        outright: true,
        ..truth()
    };
    assert!(judge.compare(&truth, true).harms.is_empty());
}

#[test]
fn positions_are_compared_where_they_were_told_last() {
    let mut judge = Judge::default();
    honest().iter().for_each(|event| judge.take(event));
    let report = judge.compare(&truth(), true);
    assert_eq!(report.harms.into_keys().collect::<Vec<_>>(), [Harm::PositionWrong]);
}
