//! Bad input at scale: every answer and every record of a hub that the broker reads, mutated by the thousand and taken
//! through the shipped calls. What comes out must be what the body says, by a reader that shares nothing with the
//! decoders.
//!
//! A new endpoint is one line in the list of this file, and a view that says what the model got from which field.
//! `BROKER_BAD_INPUTS=2000000` judges more than the 210,000 of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bodies;
mod hubs;
mod views;

use std::sync::{Arc, Mutex};

use broker_core::model::{
    AssetClass, CandleQuery, Environment, InstrumentQuery, InstrumentStatus, Interval, OrderState, Payoff, TickBand,
    Window,
};
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Context, Currency, Delivery, Gate, Instrument, Intent, MarketData, OrderQuery, OrderRef,
    OrderRequest, Result, Side, Trading,
};
use broker_testkit::bad_input::{Subject, View, bad_input};
use broker_testkit::fixtures::corpus;
use broker_topstepx::{TopstepxBroker, TopstepxConfig};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

const ACCOUNT: &str = "1001";

fn account() -> AccountId {
    ACCOUNT.into()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A day in which all rows of the bodies lie.
fn day() -> Window {
    Window::Between {
        since: at("2026-08-20T00:00:00Z"),
        until: Some(at("2026-08-21T00:00:00Z")),
    }
}

/// A broker whose every request to one path is answered with the body under test.
struct Wire {
    runtime: VirtualRuntime,
    broker: TopstepxBroker,
    answer: Arc<Mutex<(&'static str, Bytes)>>,
}

/// How a body is read: the path that it answers, and the call that asks.
type Endpoint = (&'static str, &'static str, fn(&Wire) -> Result<View>);

impl Wire {
    /// Signed in already, the names of the accounts known.
    fn new() -> Self {
        let answer = Arc::new(Mutex::new(("", Bytes::new())));
        let told = Arc::clone(&answer);
        let transport = MemoryTransport::new(move |request| {
            let (path, body) = told.lock().unwrap().clone();
            let asked = request.uri().path();
            let body = match asked {
                asked if asked == path => body,
                "/api/Auth/loginKey" => Bytes::from_static(bodies::LOGIN.as_bytes()),
                "/api/Account/search" => Bytes::from_static(bodies::ACCOUNTS.as_bytes()),
                other => panic!("{other} under {path}"),
            };
            Ok(http::Response::builder().status(200).body(body).unwrap())
        });
        let runtime = VirtualRuntime::starting_at(at("2026-08-21T00:00:00Z"));
        let clock = Arc::new(runtime.clock());
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
        let config = TopstepxConfig::new("a-login", "a-key").with_limits(1_000_000, 1_000_000);
        let broker = TopstepxBroker::new(config.with_context(context)).unwrap();
        runtime.block_on(broker.accounts()).unwrap();
        // The guard reads the names, once.
        let gone = OrderRef::by_id(&"1002".into(), "1".into());
        runtime.block_on(broker.cancel(&gone)).unwrap_err();
        Self {
            runtime,
            broker,
            answer,
        }
    }

    fn run<T>(&self, ask: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(ask)
    }

    fn subject(&self, (name, path, ask): Endpoint, what: &str, body: String) -> Subject<'_> {
        let read = move |body: &[u8]| {
            *self.answer.lock().unwrap() = (path, Bytes::copy_from_slice(body));
            ask(self)
        };
        Subject::new(format!("{name}: {what}"), body, read)
    }
}

const ACCOUNTS: Endpoint = ("accounts", "/api/Account/search", |wire| {
    Ok(views::accounts(&wire.run(wire.broker.accounts())?))
});
const BALANCES: Endpoint = ("balances", "/api/Account/search", |wire| {
    Ok(views::balances(&wire.run(wire.broker.balances(&account()))?))
});
const CONTRACTS: Endpoint = ("contracts", "/api/Contract/available", |wire| {
    let all = InstrumentQuery::Text(String::new());
    Ok(views::contracts(&wire.run(wire.broker.instruments(&all))?))
});
const CONTRACT: Endpoint = ("contract", "/api/Contract/searchById", |wire| {
    let one = InstrumentQuery::Ids(vec!["CON.F.US.ENQ.H25".into()]);
    let found = wire.run(wire.broker.instruments(&one))?;
    Ok(views::one_contract(found.first()))
});
const BARS: Endpoint = ("bars", "/api/History/retrieveBars", |wire| {
    let (since, until) = (at("2026-08-20T00:00:00Z"), at("2026-08-21T00:00:00Z"));
    let query = CandleQuery::new("CON.F.US.RTY.U26".into(), Interval::Hours(1), since, until);
    Ok(views::bars(&wire.run(wire.broker.candles(&query, None))?.rows))
});
const PLACED: Endpoint = ("orders", "/api/Order/search", |wire| {
    let query = OrderQuery::placed(&account(), day()).with_state(OrderState::Closed);
    Ok(views::orders(&wire.run(wire.broker.orders(&query, None))?.rows, true))
});
const OPEN: Endpoint = ("open orders", "/api/Order/v2/query", |wire| {
    let query = OrderQuery::placed(&account(), day()).with_state(OrderState::All);
    Ok(views::orders(&wire.run(wire.broker.orders(&query, None))?.rows, false))
});
const ORDER: Endpoint = ("order", "/api/Order/searchById", |wire| {
    let order = OrderRef::by_id(&account(), "9056".into());
    Ok(views::one_order(&wire.run(wire.broker.order(&order))?))
});
const POSITIONS: Endpoint = ("positions", "/api/Position/searchOpen", |wire| {
    Ok(views::positions(&wire.run(wire.broker.positions(&account()))?))
});
const TRADES: Endpoint = ("trades", "/api/Trade/search", |wire| {
    let Window::Between { since, until } = day() else {
        panic!()
    };
    let query = broker_core::HistoryQuery::between(&account(), since, until.unwrap());
    Ok(views::trades(&wire.run(wire.broker.history(&query, None))?.rows))
});
const PLACE: Endpoint = ("place", "/api/Order/place", |wire| {
    let intent = intent();
    let placed = wire.run(wire.broker.place(&intent, &Gate::new()));
    match placed {
        Err(error) if error.code().is_some() => Ok(views::refused(&error)),
        placed => or_doubt(placed.map(|order| views::placed(&order))),
    }
});
const CANCEL: Endpoint = ("cancel", "/api/Order/cancel", |wire| {
    let order = OrderRef::by_id(&account(), "9056".into());
    match wire.run(wire.broker.cancel(&order)) {
        Err(error) if error.code().is_some() => Ok(views::refused(&error)),
        done => or_doubt(done.map(|()| views::succeeded())),
    }
});

/// An answer to a write that was not understood says nothing of what was done.
fn or_doubt(read: Result<View>) -> Result<View> {
    match read {
        Err(error) if error.delivery() != Delivery::Unknown => {
            Ok(View::new().fits("", "an error that leaves no doubt", |_| false))
        }
        read => read,
    }
}

fn intent() -> Intent {
    let instrument = Instrument {
        id: "CON.F.US.EP.U26".into(),
        symbol: "ESU26".into(),
        name: None,
        asset_class: AssetClass::Future,
        exchange: None,
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Margined,
        multiplier: Some(50.into()),
        ticks: vec![TickBand {
            from: broker_core::Price::new(Decimal::ZERO),
            tick: Decimal::new(25, 2),
        }],
        lot: Some(Decimal::ONE),
        min_qty: None,
        max_qty: None,
        min_notional: None,
        pip_location: None,
        expires_at: None,
        option: None,
        margin: None,
        status: InstrumentStatus::Tradable,
        shortable: None,
    };
    let request = OrderRequest::market("ESU26".into(), Side::Buy, "1".parse().unwrap());
    Intent {
        id: "a-tag".into(),
        broker: "topstepx".into(),
        environment: Environment::Paper,
        account: account(),
        request: request.with_instrument("CON.F.US.EP.U26".into()),
        instrument: Arc::new(instrument),
        replaces: None,
        created_at: at("2026-08-20T12:00:00Z"),
        mark: None,
    }
}

/// The project's own bodies.
fn own(wire: &Wire) -> Vec<Subject<'_>> {
    let of = |endpoint, what, body: &str| wire.subject(endpoint, what, body.to_owned());
    let hub = |what: &str, target: &'static str, body: String| {
        Subject::new(format!("hub: {what}"), body, move |body| hubs::read(target, body))
    };
    let first = |list: &str| bodies::first_of(list);
    vec![
        of(ACCOUNTS, "three", bodies::ACCOUNTS),
        of(BALANCES, "three", bodies::ACCOUNTS),
        of(CONTRACTS, "three", bodies::CONTRACTS),
        of(CONTRACT, "expired", bodies::CONTRACT),
        of(BARS, "three", bodies::BARS),
        of(PLACED, "a bracket and others", bodies::ORDERS),
        of(OPEN, "with a count", bodies::OPEN),
        of(ORDER, "trailing", bodies::ORDER),
        of(POSITIONS, "two", bodies::POSITIONS),
        of(TRADES, "opening, closing, voided", bodies::TRADES),
        of(PLACE, "taken", bodies::PLACED),
        of(PLACE, "refused, with a number", bodies::REFUSED),
        of(CANCEL, "taken", bodies::DONE),
        of(CANCEL, "refused", bodies::NOT_CANCELED),
        hub(
            "an order",
            hubs::ORDER,
            hubs::wrapped(hubs::ORDER, &first(bodies::ORDERS)),
        ),
        hub(
            "a trade",
            hubs::TRADE,
            hubs::wrapped(hubs::TRADE, &first(bodies::TRADES)),
        ),
        hub(
            "a position",
            hubs::POSITION,
            hubs::wrapped(hubs::POSITION, &first(bodies::POSITIONS)),
        ),
        hub(
            "a balance",
            hubs::BALANCE,
            hubs::wrapped(hubs::BALANCE, &first(bodies::ACCOUNTS)),
        ),
        Subject::new("hub: a quote", hubs::QUOTE, hubs::quote),
    ]
}

#[test]
fn no_bad_input_is_a_panic_or_a_wrong_value() {
    let wire = Wire::new();
    let mut subjects = own(&wire);
    if let Some(folder) = corpus("topstepx") {
        // The folder is there, so a missing file is a mistake.
        let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let list =
            |name, rows: &str| format!(r#"{{"{name}":{rows},"success":true,"errorCode":0,"errorMessage":null}}"#);
        let contracts = list("contracts", &file("contracts_available_live_array.json"));
        subjects.push(wire.subject(CONTRACTS, "recorded", contracts));
        subjects.push(wire.subject(CONTRACT, "published", file("contract_search_by_id_doc.json")));
        subjects.push(wire.subject(PLACE, "published", file("order_place_ok_doc.json")));
        subjects.push(wire.subject(
            PLACE,
            "published refusal",
            file("order_place_rejected_with_order_id_doc.json"),
        ));
        subjects.push(wire.subject(
            CANCEL,
            "published refusal",
            file("order_cancel_account_rejected_doc.json"),
        ));
    }
    let total = std::env::var("BROKER_BAD_INPUTS").map_or(210_000, |text| text.parse().unwrap());
    let report = bad_input(&subjects, total, 20_261_128);
    println!("{report}");
    assert!(report.is_clean(), "{} failures", report.failures.len());
    assert!(report.total() >= total as u64, "{}", report.total());
    for (mutation, tally) in &report.by_mutation {
        assert!(tally.read + tally.refused > 500, "{mutation:?}: {tally:?}");
    }
}
