//! Bad input at scale: every answer and every line of a stream that the broker reads, mutated by the thousand and taken
//! through the shipped calls. What comes out must be what the body says, by a reader that shares nothing with the
//! decoders.
//!
//! A new endpoint is one line in the list of this file, and a view that says what the model got from which field.
//! `BROKER_BAD_INPUTS=2000000` judges more than the 205,000 of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bodies;
mod orders;
mod records;
mod views;

use std::sync::{Arc, Mutex};

use broker_core::model::{CandleQuery, Environment, InstrumentQuery, Interval, PositionLeg};
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Context, Delivery, Error, Gate, Instrument, Intent, MarketData, OrderRef, OrderRequest,
    RecordId, Result, Side,
};
use broker_oanda::{Closing, OandaBroker, OandaConfig};
use broker_testkit::bad_input::{Subject, View, bad_input};
use broker_testkit::fixtures::corpus;
use bytes::Bytes;

const ACCOUNT: &str = "101-004-7654321-001";

fn account() -> AccountId {
    ACCOUNT.into()
}

/// What is asked, and which request of it the body under test answers.
struct Endpoint {
    name: &'static str,
    part: &'static str,
    status: u16,
    ask: fn(&Wire, &[u8]) -> Result<View>,
}

/// A broker whose every request is answered with a good body, but for one part of paths.
struct Wire {
    runtime: VirtualRuntime,
    broker: OandaBroker,
    answer: Arc<Mutex<(&'static str, u16, Bytes)>>,
    account: AccountId,
    trade: RecordId,
    intent: Intent,
}

impl Wire {
    /// Signed in already.
    fn new() -> Self {
        let answer = Arc::new(Mutex::new(("nothing", 200, Bytes::new())));
        let told = Arc::clone(&answer);
        let transport = MemoryTransport::new(move |request| {
            let line = format!("{} {}", request.method(), request.uri().path());
            let (part, status, body) = told.lock().unwrap().clone();
            let (status, body) = match line.contains(part) {
                true => (status, body),
                false => (200, Bytes::from_static(bodies::usual(&line).as_bytes())),
            };
            Ok(http::Response::builder().status(status).body(body).unwrap())
        });
        let runtime = VirtualRuntime::starting_at("2026-01-07T12:00:00Z".parse().unwrap());
        let clock = Arc::new(runtime.clock());
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
        let config = OandaConfig::new("token-of-no-worth")
            .with_requests_per_second(1_000_000)
            .with_context(context);
        let broker = OandaBroker::new(config).unwrap();
        let query = InstrumentQuery::Ids(vec!["EUR_USD".into()]);
        let listed = runtime.block_on(broker.instruments(&query)).unwrap().remove(0);
        runtime.block_on(broker.balances(&account())).unwrap();
        Self {
            runtime,
            broker,
            answer,
            account: account(),
            trade: "31".into(),
            intent: intent(listed),
        }
    }

    fn run<T>(&self, ask: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(ask)
    }

    fn subject(&self, endpoint: &'static Endpoint, name: &str, body: String) -> Subject<'_> {
        let read = move |body: &[u8]| {
            if endpoint.status >= 400 && std::str::from_utf8(body).is_err() {
                // A refusal may be in any encoding, and what is none is replaced in its words.
                return Err(Error::decode("no UTF-8"));
            }
            *self.answer.lock().unwrap() = (endpoint.part, endpoint.status, Bytes::copy_from_slice(body));
            (endpoint.ask)(self, body)
        };
        Subject::new(format!("{}: {name}", endpoint.name), body, read)
    }
}

fn intent(instrument: Instrument) -> Intent {
    let (qty, price) = ("1200".parse().unwrap(), "1.0850".parse().unwrap());
    Intent {
        id: "ours-1".into(),
        broker: "oanda".into(),
        environment: Environment::Paper,
        account: account(),
        request: OrderRequest::limit("EUR/USD".into(), Side::Buy, qty, price),
        instrument: Arc::new(instrument),
        replaces: None,
        created_at: "2026-01-07T12:00:00Z".parse().unwrap(),
        mark: None,
    }
}

/// An answer to a write that was not understood says nothing of what was done.
fn or_doubt(read: Result<View>) -> Result<View> {
    match read {
        Err(error) if error.delivery() != Delivery::Unknown => {
            Ok(View::new().fits("", "an error that leaves no doubt", |_| false))
        }
        read => read,
    }
}

fn text(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body).map_err(|_| Error::decode("no UTF-8"))
}

fn repeats(body: &[u8]) -> bool {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let orders = body["orders"].as_array().cloned().unwrap_or_default();
    let mut ids: Vec<_> = orders.iter().map(|order| order["id"].to_string()).collect();
    ids.sort();
    ids.windows(2).any(|pair| pair[0] == pair[1])
}

/// Every reader of an answer.
static ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        name: "accounts",
        part: "GET /v3/accounts/101-004-7654321-001/summary",
        status: 200,
        ask: |wire, _| Ok(views::account(&wire.run(wire.broker.accounts())?[0])),
    },
    Endpoint {
        name: "balances",
        part: "/summary",
        status: 200,
        ask: |wire, _| Ok(views::balances(&wire.run(wire.broker.balances(&account()))?)),
    },
    Endpoint {
        name: "positions",
        part: "/openPositions",
        status: 200,
        ask: |wire, _| Ok(views::positions(&wire.run(wire.broker.positions(&account()))?)),
    },
    Endpoint {
        name: "instruments",
        part: "/instruments",
        status: 200,
        ask: |wire, _| {
            let found = wire.run(wire.broker.instruments(&InstrumentQuery::All))?;
            Ok(views::instruments(&found))
        },
    },
    Endpoint {
        name: "open trades",
        part: "/openTrades",
        status: 200,
        ask: |wire, _| Ok(views::trades(&wire.run(wire.broker.open_trades(&account()))?)),
    },
    Endpoint {
        name: "order",
        part: "/orders/",
        status: 200,
        ask: |wire, _| {
            let order = OrderRef::by_id(&account(), "71".into());
            Ok(View::new().inside("order", orders::order(&wire.run(wire.broker.order(&order))?)))
        },
    },
    Endpoint {
        name: "open orders",
        part: "/pendingOrders",
        status: 200,
        ask: |wire, body| {
            // A row that stands there twice is one order, which a list of rows cannot say.
            if repeats(body) {
                return Err(Error::decode("an order stands there twice"));
            }
            let query = broker_core::OrderQuery::open(&account());
            Ok(orders::orders(&wire.run(wire.broker.orders(&query, None))?.rows))
        },
    },
    Endpoint {
        name: "transactions",
        part: "nothing",
        status: 200,
        ask: |wire, body| {
            let page = wire.broker.read_transactions(&wire.account, text(body)?);
            Ok(records::transactions(&wire.run(page)?))
        },
    },
    Endpoint {
        name: "quotes",
        part: "/pricing",
        status: 200,
        ask: |wire, _| {
            let asked = ["EUR_USD".into()];
            Ok(views::quotes(&wire.run(wire.broker.quotes(&asked))?))
        },
    },
    Endpoint {
        name: "candles",
        part: "/candles",
        status: 200,
        ask: |wire, _| {
            let (since, until) = ("1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z");
            let (since, until) = (since.parse().unwrap(), until.parse().unwrap());
            let query = CandleQuery::new("EUR_USD".into(), Interval::Day, since, until);
            Ok(views::candles(&wire.run(wire.broker.candles(&query, None))?.rows))
        },
    },
    Endpoint {
        name: "error",
        part: "/summary",
        status: 400,
        ask: |wire, _| views::error(wire.run(wire.broker.balances(&account())).unwrap_err()),
    },
    Endpoint {
        name: "place",
        part: "POST /v3/accounts/101-004-7654321-001/orders",
        status: 201,
        ask: |wire, _| {
            let gate = Gate::new();
            let placed = wire.run(wire.broker.trading().unwrap().place(&wire.intent, &gate));
            or_doubt(placed.map(|order| orders::placed(&order)))
        },
    },
    Endpoint {
        name: "cancel",
        part: "/cancel",
        status: 200,
        ask: |wire, _| {
            let order = OrderRef::by_id(&account(), "71".into());
            let canceled = wire.run(wire.broker.trading().unwrap().cancel(&order));
            or_doubt(canceled.map(|()| {
                View::new()
                    .fits("orderCancelTransaction", "a cancel", |raw| raw.is_some())
                    .fits("lastTransactionID", "an id", views::is_id)
            }))
        },
    },
    Endpoint {
        name: "close a trade",
        part: "/close",
        status: 200,
        ask: |wire, _| {
            let closed = wire.broker.close_trade(&wire.account, &wire.trade, Closing::All);
            or_doubt(
                wire.run(closed)
                    .map(|fill| records::closed("orderFillTransaction", &fill)),
            )
        },
    },
    Endpoint {
        name: "close a position",
        part: "/close",
        status: 200,
        ask: |wire, _| {
            let instrument = "EUR_USD".into();
            let closed = wire
                .broker
                .close_position(&wire.account, &instrument, PositionLeg::Net, Closing::All);
            or_doubt(
                wire.run(closed)
                    .map(|fill| records::closed("longOrderFillTransaction", &fill)),
            )
        },
    },
    Endpoint {
        name: "stream",
        part: "nothing",
        status: 200,
        ask: |wire, body| {
            // Line ends between the parts of a value would be ends of lines.
            let is_whole = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
            let line = match is_whole {
                true => text(body)?.replace(['\n', '\r'], " "),
                false => text(body)?.to_owned(),
            };
            if line.trim().is_empty() {
                return Err(Error::decode("an empty line is none"));
            }
            let events = wire.run(wire.broker.read_stream(&wire.account, &line))?;
            records::line(&events)
        },
    },
];

#[test]
fn no_bad_input_is_a_panic_or_a_wrong_value() {
    let mut all = bodies::own();
    if let Some(folder) = corpus("oanda") {
        for (endpoint, file) in bodies::RECORDED {
            // The folder is there, so a missing file is a mistake.
            let body = std::fs::read_to_string(folder.join(format!("{file}.json"))).unwrap();
            // The recorded accounts are not ours.
            let body = ["000-000-0000000-000", "101-004-1435156-001"]
                .into_iter()
                .fold(body, |body, recorded| body.replace(recorded, ACCOUNT));
            all.push((endpoint, file, body));
        }
    }
    let wire = Wire::new();
    let subjects: Vec<Subject<'_>> = all
        .into_iter()
        .map(|(name, what, body)| {
            let endpoint = ENDPOINTS.iter().find(|one| one.name == name).unwrap();
            wire.subject(endpoint, what, body)
        })
        .collect();
    let total = std::env::var("BROKER_BAD_INPUTS").map_or(205_000, |text| text.parse().unwrap());
    let report = bad_input(&subjects, total, 20_261_128);
    println!("{report}");
    assert!(report.is_clean(), "{} failures", report.failures.len());
    assert!(report.total() >= 200_000, "{}", report.total());
    for (mutation, tally) in &report.by_mutation {
        assert!(tally.read + tally.refused > 300, "{mutation:?}: {tally:?}");
    }
}
