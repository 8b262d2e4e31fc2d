//! Recorded answers, each to the values that its text has.

use broker_core::model::Event;
use broker_core::{Broker, Fill, Order, OrderQuery, Record};

use super::stage::{Stage, account};

macro_rules! body {
    ($name:literal) => {
        match recorded($name) {
            Some(body) => body,
            None => return,
        }
    };
}

mod accounts;
mod market;
mod orders;
mod rows;

/// One value of a recorded object, as its text.
pub(super) fn part(body: &str, keys: &[&str]) -> String {
    let mut value: serde_json::Value = serde_json::from_str(body).unwrap();
    for key in keys {
        value = match key.parse::<usize>() {
            Ok(place) => value[place].take(),
            Err(_) => value[*key].take(),
        };
    }
    assert!(!value.is_null(), "{keys:?}");
    value.to_string()
}

/// Rows as a page of transactions, read for records.
pub(super) fn records(rows: &[String]) -> Vec<Record> {
    let page = format!(r#"{{"transactions":[{}],"lastTransactionID":"1"}}"#, rows.join(","));
    let stage = Stage::usual(Vec::new());
    stage
        .runtime
        .block_on(stage.broker.read_transactions(&account(), &page))
        .unwrap()
}

/// Rows as lines of a stream.
pub(super) fn events(rows: &[String]) -> Vec<Event> {
    let stage = Stage::usual(Vec::new());
    stage
        .runtime
        .block_on(stage.broker.read_stream(&account(), &rows.join("\n")))
        .unwrap()
}

pub(super) fn orders(rows: &[String]) -> Vec<Order> {
    let orders = events(rows).into_iter().filter_map(|event| match event {
        Event::Order(order) => Some(*order),
        _ => None,
    });
    orders.collect()
}

pub(super) fn fill(row: String) -> Fill {
    match records(&[row]).remove(0) {
        Record::Fill(fill) => fill,
        other => panic!("{other:?}"),
    }
}

pub(super) fn pending(body: String) -> Vec<Order> {
    let stage = Stage::usual(vec![("/pendingOrders", 200, body)]);
    let page = stage
        .runtime
        .block_on(stage.broker.orders(&OrderQuery::open(&account()), None));
    page.unwrap().rows
}
