//! The judge of bad input, shown decoders with the mistakes that it is there for: it finds each, and passes the one
//! without.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::collections::BTreeMap;

use broker_core::num::{Num, Text, decimal};
use broker_core::{Error, Result};
use broker_testkit::bad_input::{List, Report, Subject, View, Word, Words, bad_input};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

const BODY: &str = r#"{"id":"a-1","status":"open","qty":12.5,"at":"2026-01-02T03:04:05Z",
    "note":null,"legs":[{"side":"buy","price":"189.1"},{"side":"sell","price":"190"}]}"#;

const STATUS: Words = &[("open", "new"), ("done", "filled")];

#[derive(Deserialize)]
struct Order<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    qty: Num,
    #[serde(borrow)]
    legs: Vec<Leg<'a>>,
}

#[derive(Deserialize)]
struct Leg<'a> {
    #[serde(borrow)]
    side: Text<'a>,
    price: Num,
}

fn text(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body).map_err(|_| Error::decode("no UTF-8"))
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::decode(error.to_string())
}

fn word(sent: &str) -> Word {
    match sent {
        "open" => Word::Known("new".to_owned()),
        "done" => Word::Known("filled".to_owned()),
        other => Word::Other(other.to_owned()),
    }
}

fn view(id: &str, status: Word, qty: Decimal, legs: Vec<View>) -> View {
    let legs = List::rows("legs", legs);
    View::new()
        .text("id", id)
        .word("status", status, STATUS)
        .number("qty", qty)
        .list(legs)
}

fn honest(body: &[u8]) -> Result<View> {
    let order: Order<'_> = serde_json::from_str(text(body)?).map_err(refused)?;
    let legs = order
        .legs
        .iter()
        .map(|leg| View::new().text("side", leg.side.get()).number("price", leg.price.0));
    Ok(view(
        order.id.get(),
        word(order.status.get()),
        order.qty.0,
        legs.collect(),
    ))
}

type Fields = BTreeMap<String, Box<RawValue>>;

/// Reads through maps of fields, with one mistake.
fn loose(body: &[u8], mistake: &str) -> Result<View> {
    let body = match mistake {
        "garbage" => text(body)?.trim_end_matches(['x', ']', ',']),
        _ => text(body)?,
    };
    let order: Fields = serde_json::from_str(body).map_err(refused)?;
    let status = match (words(&order, "status")?.as_str(), mistake) {
        (other, "word") if other != "open" => Word::Known("filled".to_owned()),
        (other, "strict") if !["open", "done"].contains(&other) => return Err(refused("an unknown word")),
        (other, _) => word(other),
    };
    let legs: Vec<Fields> = match order.get("legs") {
        None if mistake == "list" => Vec::new(),
        None if mistake == "panic" => panic!("no legs"),
        found => serde_json::from_str(found.ok_or(refused("no legs"))?.get()).map_err(refused)?,
    };
    let of_leg = |leg: &Fields| {
        let price = number(leg, "price", mistake)?;
        Ok(View::new().text("side", words(leg, "side")?).number("price", price))
    };
    let legs: Vec<Result<View>> = legs.iter().map(of_leg).collect();
    let legs = legs.into_iter().filter(|leg| mistake != "rows" || leg.is_ok());
    let legs = legs.collect::<Result<_>>()?;
    Ok(view(
        &words(&order, "id")?,
        status,
        number(&order, "qty", mistake)?,
        legs,
    ))
}

fn words(fields: &Fields, name: &str) -> Result<String> {
    let raw = fields.get(name).ok_or(refused("a field is missing"))?;
    serde_json::from_str(raw.get()).map_err(refused)
}

fn number(fields: &Fields, name: &str, mistake: &str) -> Result<Decimal> {
    match fields.get(name).map(|raw| raw.get().trim_matches('"')) {
        None if mistake == "default" => Ok(Decimal::ZERO),
        Some(number) if mistake == "double" => {
            Decimal::try_from(number.parse::<f64>().map_err(refused)?).map_err(refused)
        }
        found => decimal(found.ok_or(refused("a number is missing"))?),
    }
}

fn judged<'a>(read: impl Fn(&[u8]) -> Result<View> + 'a) -> Report {
    bad_input(&[Subject::new("order", BODY, read)], 3_000, 1)
}

#[test]
fn a_decoder_without_a_mistake_passes() {
    let report = judged(honest);
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.total(), 3_000);
    let read: u64 = report.by_mutation.values().map(|tally| tally.read).sum();
    assert!((500..2_500).contains(&read), "{read} of 3000 were read");
}

/// The mutations that found a mistake, by what is said of them.
fn finds(mistake: &str, reason: &str) {
    let report = judged(|body| loose(body, mistake));
    let found = report.failures.iter().any(|failure| failure.contains(reason));
    assert!(found, "{mistake}: {report}");
}

#[test]
fn each_mistake_is_found() {
    finds("double", "and was read as the number");
    finds("default", "was read as the number 0");
    finds("word", "was read as the word Known(\"filled\")");
    finds("strict", "refused without need");
    finds("list", "is missing, and was read");
    finds("rows", "it was left out");
    finds("panic", "a panic");
    finds("garbage", "it is no JSON, and was read");
    // Two fields of one name are two answers.
    finds("", "is two fields of that name");
}

#[test]
fn a_good_body_that_is_read_wrong_ends_the_run() {
    let report = judged(|body| Ok(honest(body)?.text("note", "")));
    assert_eq!(
        report.failures,
        ["order: the good body is not read right: $.note is \"null\", and was read as the text \"\""]
    );
    assert_eq!(report.total(), 0);
    let report = bad_input(&[Subject::new("broken", "{", honest)], 10, 1);
    assert_eq!(report.failures, ["broken: the good body is no JSON"]);
}
