//! Decimals of activities are strings, and may be numbers: one page may mix them, and the digits stay.

use crate::common::account;
use broker_alpaca::AlpacaBroker;
use broker_core::{ErrorKind, Record};

fn page(qty: &str, price: &str) -> String {
    let row = |id: u8, qty: &str, price: &str| {
        format!(
            r#"{{"id":"20261008111018097::e{id}","activity_type":"FILL","transaction_time":"2026-10-08T15:10:18Z","side":"buy","symbol":"AAPL","qty":{qty},"price":{price},"net_amount":"","leaves_qty":null}}"#
        )
    };
    format!("[{},{}]", row(1, r#""7""#, r#""1.50""#), row(2, qty, price))
}

#[test]
fn numbers_and_strings_read_alike_to_the_digit() {
    let read = |body: &str| AlpacaBroker::read_activities(&account(), body).unwrap();
    let strings = read(&page(r#""0.1234567890123456789""#, r#""123456789012.123450""#));
    assert_eq!(read(&page("0.1234567890123456789", "123456789012.123450")), strings);
    assert_eq!(
        read(&page(r#""0.1234567890123456789""#, "123456789012.123450")),
        strings
    );
    let [Record::Fill(first), Record::Fill(second)] = strings.as_slice() else {
        panic!("{strings:?}");
    };
    assert_eq!((first.id.get(), first.price.to_string()), ("e1", "1.50".to_owned()));
    assert_eq!(second.qty.to_string(), "0.1234567890123456789");
    assert_eq!(second.price.to_string(), "123456789012.123450");
}

#[test]
fn what_cannot_be_kept_or_is_no_number_fails_the_page() {
    for qty in ["1e-40", r#""1_0""#, "true", "[1]", r#"{"a":1}"#, "null", r#""""#] {
        let error = AlpacaBroker::read_activities(&account(), &page(qty, "1")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{qty}");
    }
}
