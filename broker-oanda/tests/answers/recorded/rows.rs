//! Rows of transactions, and pages of them.

use broker_core::model::{Amount, FlowKind, OrderKind, Window};
use broker_core::{Broker, HistoryQuery, Record, Side};

use super::super::stage::{ACCOUNT, Stage, account, at, dec, money, price, qty, recorded};
use super::{events, fill, orders, part, records};

#[test]
fn rows_that_move_nothing() {
    let rows = [
        part(&body!("account_configure.json"), &["clientConfigureTransaction"]),
        part(
            &body!("order_client_extensions.json"),
            &["orderClientExtensionsModifyTransaction"],
        ),
        part(&body!("transaction_create_account.json"), &["transaction"]),
        part(&body!("transaction_order_cancel_2026_shape.json"), &["transaction"]),
    ];
    assert_eq!(records(&rows), []);
    assert!(events(&rows).is_empty());
}

#[test]
fn rows_of_today() {
    let opened = fill(part(
        &body!("transaction_order_fill_open_2026_shape.json"),
        &["transaction"],
    ));
    assert_eq!((opened.id.get(), opened.order.unwrap().get()), ("52", "51"));
    assert_eq!(
        (opened.qty, opened.price, opened.at),
        (qty("2"), price("1.20021"), at("2026-01-06T10:00:00.2Z"))
    );
    assert_eq!(
        (opened.lots[0].lot.get(), opened.lots[0].price),
        ("52", price("1.20021"))
    );
    assert_eq!(opened.pnl, Some(money("0.0000", "EUR")));
    let close = orders(&[part(
        &body!("transaction_market_order_closeout_2026_shape.json"),
        &["transaction"],
    )])
    .remove(0);
    assert_eq!(
        (close.id.get(), close.client_id.unwrap().get()),
        ("41", "fixture-close-long")
    );
    assert_eq!(
        (close.kind, close.legs[0].side, close.reduce_only),
        (OrderKind::Market, Side::Sell, true)
    );
    assert_eq!(
        (close.amount, close.created_at),
        (Amount::Qty(qty("3")), Some(at("2026-01-05T09:30:00.1Z")))
    );
}

/// Financing is told once: by trade. The balances of the rows are a day's financing apart.
#[test]
fn daily_financing() {
    let body = body!("transactions_idrange_daily_financing.json");
    let rows: Vec<String> = ["0", "1"]
        .iter()
        .map(|place| part(&body, &["transactions", place]))
        .collect();
    let told = records(&rows);
    let [Record::Flow(first), Record::Flow(second)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(
        (first.id.get(), first.kind.clone()),
        ("100:EUR_USD:84", FlowKind::Financing)
    );
    assert_eq!(
        (first.amount, first.lot.as_ref().unwrap().get()),
        (dec("-0.0082"), "84")
    );
    assert_eq!(first.instrument.as_ref().unwrap().get(), "EUR_USD");
    assert_eq!(
        (second.id.get(), second.at),
        ("101:EUR_USD:84", at("2018-04-24T20:00:00Z"))
    );
    assert_eq!(dec("100003.6114") + second.amount, dec("100003.6032"));
}

#[test]
fn pages_of_transactions_are_asked_at_our_own_host() {
    for (name, ids) in [
        ("transactions_pages.json", "from=1&to=414"),
        ("v2016_transactions_pages.json", "from=1&to=1000"),
    ] {
        let Some(pages) = recorded(name) else { return };
        let rows = r#"{"transactions":[],"lastTransactionID":"2124"}"#.to_owned();
        let stage = Stage::usual(vec![("/idrange", 200, rows), ("/transactions?", 200, pages)]);
        let query = HistoryQuery::new(&account(), Window::All);
        let page = stage.runtime.block_on(stage.broker.history(&query, None)).unwrap();
        assert_eq!(
            stage.last_asked(),
            format!("GET /v3/accounts/{ACCOUNT}/transactions/idrange?{ids}")
        );
        // None of the ids came: that is a hole.
        assert_eq!(page.proof, broker_core::Proof::Torn);
    }
}
