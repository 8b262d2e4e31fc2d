//! Bad input at scale: every answer and every message of a stream that the broker reads, mutated by the thousand and
//! taken through the shipped calls. What comes out must be what the body says, by a reader that shares nothing with the
//! decoders.
//!
//! A new endpoint is one line in the list of this file, and a view that says what the model got from which field.
//! `BROKER_BAD_INPUTS=2000000` judges more than the 210,000 of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bodies;
mod frames;
mod markets;
mod own;
mod views;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use broker_binance::{BinanceBroker, BinanceConfig};
use broker_core::model::{CandleQuery, Environment, InstrumentQuery, InstrumentStatus, Interval, OrderState, Window};
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Context, Delivery, Gate, HistoryQuery, Instrument, Intent, MarketData, OrderQuery, OrderRef,
    OrderRequest, Result, Side, Trading,
};
use broker_testkit::bad_input::{Subject, View, bad_input};
use broker_testkit::fixtures::corpus;
use bytes::Bytes;
use chrono::{DateTime, Utc};

/// Ten minutes behind the start of the window.
const NOW: i64 = 1_767_226_200_000;
/// A day in which all rows of the bodies lie.
const WINDOW: Range<i64> = 1_767_225_600_000..1_767_312_000_000;

fn account() -> AccountId {
    "70001234".into()
}

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap()
}

fn day() -> Window {
    Window::Between {
        since: at(WINDOW.start),
        until: Some(at(WINDOW.end)),
    }
}

/// What answers the requests that are not under test.
const OTHERS: [(&str, &str); 18] = [
    ("GET /api/v3/account", bodies::ACCOUNT),
    ("GET /api/v3/exchangeInfo", bodies::EXCHANGE),
    ("GET /api/v3/time", bodies::TIME),
    ("GET /api/v3/order", bodies::LISTED_ORDER),
    ("GET /api/v3/orderList", bodies::LIST),
    ("GET /api/v3/openOrders", bodies::OPEN),
    ("GET /api/v3/allOrders", "[]"),
    ("GET /api/v3/openOrderList", "[]"),
    ("GET /api/v3/allOrderList", "[]"),
    ("GET /api/v3/myTrades", "[]"),
    ("GET /api/v3/myAllocations", "[]"),
    ("GET /sapi/v1/convert/tradeFlow", r#"{"list":[],"moreData":false}"#),
    ("GET /sapi/v1/asset/dribblet", r#"{"userAssetDribblets":[]}"#),
    ("GET /sapi/v1/capital/deposit/hisrec", "[]"),
    ("GET /sapi/v1/capital/withdraw/history", "[]"),
    ("GET /sapi/v1/asset/assetDividend", r#"{"rows":[],"total":0}"#),
    ("GET /sapi/v1/accountSnapshot", r#"{"snapshotVos":[]}"#),
    ("GET /api/v3/ticker/bookTicker", "[]"),
];

/// A broker whose every request of one line is answered with the body under test.
struct Wire {
    runtime: VirtualRuntime,
    broker: BinanceBroker,
    answer: Arc<Mutex<Answer>>,
}

#[derive(Debug, Clone, Default)]
struct Answer {
    line: &'static str,
    status: u16,
    body: Bytes,
    asked: u32,
}

/// How a body is read: the request that it answers, its status, and the call that asks.
type Endpoint = (&'static str, (&'static str, u16), fn(&Wire) -> Result<View>);

impl Wire {
    /// Signed in already, the symbols known.
    fn new(environment: Environment) -> Self {
        let answer = Arc::new(Mutex::new(Answer::default()));
        let told = Arc::clone(&answer);
        let transport = MemoryTransport::new(move |request| {
            let line = format!("{} {}", request.method(), request.uri().path());
            let mut answer = told.lock().unwrap();
            let (status, body) = if line == answer.line {
                answer.asked += 1;
                (answer.status, answer.body.clone())
            } else {
                let other = OTHERS.iter().find(|(other, _)| *other == line);
                let other = other.unwrap_or_else(|| panic!("{line} under {}", answer.line));
                (200, Bytes::from_static(other.1.as_bytes()))
            };
            Ok(http::Response::builder().status(status).body(body).unwrap())
        });
        let runtime = VirtualRuntime::starting_at(at(NOW));
        let clock = Arc::new(runtime.clock());
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
        let config = BinanceConfig::new("a-key", "a-secret")
            .with_weight_per_minute(u32::MAX / 2)
            .with_orders(u32::MAX / 2, u32::MAX / 2);
        let config = match environment {
            Environment::Live => config.live(),
            Environment::Paper => config,
        };
        let broker = BinanceBroker::new(config.with_context(context)).unwrap();
        runtime.block_on(broker.accounts()).unwrap();
        runtime.block_on(broker.instruments(&InstrumentQuery::All)).unwrap();
        Self {
            runtime,
            broker,
            answer,
        }
    }

    fn run<T>(&self, ask: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(ask)
    }

    fn subject(&self, (name, (line, status), ask): Endpoint, what: &str, body: impl Into<String>) -> Subject<'_> {
        let read = move |body: &[u8]| {
            *self.answer.lock().unwrap() = Answer {
                line,
                status,
                body: Bytes::copy_from_slice(body),
                asked: 0,
            };
            ask(self)
        };
        Subject::new(format!("{name}: {what}"), body, read)
    }

    /// Words of a refusal are shown as far as they can be read, and that is no value.
    fn is_text(&self) -> bool {
        std::str::from_utf8(&self.answer.lock().unwrap().body).is_ok()
    }

    fn asked(&self) -> u32 {
        self.answer.lock().unwrap().asked
    }
}

fn order_28() -> OrderRef {
    OrderRef::by_id(&account(), "BTCUSDT:28".into())
}

fn history() -> HistoryQuery {
    HistoryQuery::between(&account(), at(WINDOW.start), at(WINDOW.end)).with_instrument("BTCUSDT".into())
}

const ACCOUNT: Endpoint = ("account", ("GET /api/v3/account", 200), |wire| {
    Ok(views::account(&wire.run(wire.broker.accounts())?[0]))
});
const BALANCES: Endpoint = ("balances", ("GET /api/v3/account", 200), |wire| {
    Ok(views::balances(&wire.run(wire.broker.balances(&account()))?))
});
const INSTRUMENTS: Endpoint = ("instruments", ("GET /api/v3/exchangeInfo", 200), |wire| {
    let all = InstrumentQuery::Text(String::new());
    Ok(markets::instruments(&wire.run(wire.broker.instruments(&all))?))
});
const TIME: Endpoint = ("time", ("GET /api/v3/time", 200), |wire| {
    let there = wire.run(wire.broker.probe())?.server_time.unwrap();
    Ok(views::moment(View::new(), "serverTime", there))
});
const ORDER: Endpoint = ("order", ("GET /api/v3/order", 200), |wire| {
    Ok(views::order(&wire.run(wire.broker.order(&order_28()))?))
});
const LIST: Endpoint = ("list", ("GET /api/v3/orderList", 200), |wire| {
    Ok(views::linked(&wire.run(wire.broker.order(&order_28()))?))
});
const OPEN: Endpoint = ("open orders", ("GET /api/v3/openOrders", 200), |wire| {
    let query = OrderQuery::placed(&account(), day()).with_state(OrderState::Open);
    Ok(views::orders(&wire.run(wire.broker.orders(&query, None))?.rows, true))
});
const ORDERS: Endpoint = ("orders", ("GET /api/v3/allOrders", 200), |wire| {
    let mut query = OrderQuery::placed(&account(), day()).with_state(OrderState::All);
    query.instrument = Some("BTCUSDT".into());
    Ok(views::orders(&wire.run(wire.broker.orders(&query, None))?.rows, false))
});
const TRADES: Endpoint = ("trades", ("GET /api/v3/myTrades", 200), |wire| {
    let page = wire.run(wire.broker.history(&history(), None))?;
    Ok(views::fills(&page.rows, "id", false))
});
const FILLS_OF: Endpoint = ("fills of an order", ("GET /api/v3/myTrades", 200), |wire| {
    let rows = wire.run(wire.broker.fills_of(&account(), &"BTCUSDT:28".into()))?;
    Ok(views::fills(&rows, "id", true))
});
const ALLOCATIONS: Endpoint = ("allocations", ("GET /api/v3/myAllocations", 200), |wire| {
    let trades = wire.run(wire.broker.history(&history(), None))?;
    let page = wire.run(wire.broker.history(&history(), trades.next.as_ref()))?;
    assert_eq!(wire.asked(), 1);
    Ok(views::fills(&page.rows, "allocationId", false))
});
const PLACE: Endpoint = ("place", ("POST /api/v3/order", 200), |wire| {
    let request = OrderRequest::market("BTC/USDT".into(), Side::Buy, "0.5".parse().unwrap());
    let placed = wire.run(wire.broker.place(&intent(request), &Gate::new()));
    or_doubt(placed.map(|order| views::placed(&order)))
});
const PLACE_LIST: Endpoint = ("place a list", ("POST /api/v3/orderList/otoco", 200), |wire| {
    let placed = wire.run(wire.broker.place(&intent(bracket()), &Gate::new()));
    or_doubt(placed.map(|order| {
        let number = order.id.get().rsplit_once(':').unwrap().1.to_owned();
        // Of the reports the one that carries our id.
        let own = views::placed(&order);
        views::linked(&order)
            .fits("orderReports[0].orderId", "its number", move |raw| {
                raw.is_some_and(|raw| raw.source() == number)
            })
            .inside("orderReports[0]", own)
    }))
});
const REFUSED: Endpoint = ("refused", ("POST /api/v3/order", 400), |wire| {
    let request = OrderRequest::market("BTC/USDT".into(), Side::Buy, "0.5".parse().unwrap());
    match wire.run(wire.broker.place(&intent(request), &Gate::new())) {
        Err(error) if error.code().is_some() && wire.is_text() => Ok(views::refused(&error)),
        Err(error) => Err(error),
        Ok(order) => panic!("{order:?}"),
    }
});
const CANCEL_ALL: Endpoint = ("cancel all", ("DELETE /api/v3/openOrders", 200), own::cancel_all);
const CANCEL_REPLACE: Endpoint = (
    "cancel and replace",
    ("POST /api/v3/order/cancelReplace", 200),
    |wire| {
        let old = OrderRef::by_id(&account(), "BTCUSDT:9".into());
        let done = wire.run(wire.broker.cancel_replace(&old, own_request()));
        or_doubt(done.map(|both| views::both(&both.canceled, &both.placed.unwrap())))
    },
);
const HALF: Endpoint = ("half", ("POST /api/v3/order/cancelReplace", 409), |wire| {
    let old = OrderRef::by_id(&account(), "BTCUSDT:28".into());
    match wire.run(wire.broker.cancel_replace(&old, own_request())) {
        Ok(both) if wire.is_text() => Ok(views::half(&both.placed.unwrap_err())),
        Ok(_) => Err(broker_core::Error::decode("no UTF-8")),
        // Another code, or halves that cannot be read: nobody is told that the old one is gone.
        Err(error) => Err(error),
    }
});
const AMEND: Endpoint = ("amend", ("PUT /api/v3/order/amend/keepPriority", 200), |wire| {
    let reduced = wire.run(wire.broker.reduce(&order_28(), "0.3".parse().unwrap()));
    or_doubt(reduced.map(|order| views::amended(&order)))
});
const QUOTE: Endpoint = ("quote", ("GET /api/v3/ticker/bookTicker", 200), |wire| {
    let quotes = wire.run(wire.broker.quotes(&["BTCUSDT".into()]))?;
    Ok(markets::quote(&quotes[0], markets::BOOK))
});
const QUOTES: Endpoint = ("quotes", ("GET /api/v3/ticker/bookTicker", 200), own::quotes);
const PRICE: Endpoint = ("last price", ("GET /api/v3/ticker/price", 200), |wire| {
    let price = wire.run(wire.broker.last_price(&"BTCUSDT".into()))?;
    Ok(View::new().one_of("symbol", ["BTCUSDT"]).number("price", price.get()))
});
const KLINES: Endpoint = ("candles", ("GET /api/v3/klines", 200), |wire| {
    let query = CandleQuery::new("BTCUSDT".into(), Interval::Minutes(1), at(WINDOW.start), at(WINDOW.end));
    Ok(markets::candles(&wire.run(wire.broker.candles(&query, None))?.rows))
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

fn bracket() -> OrderRequest {
    let (price, stop) = ("90000.00".parse().unwrap(), "80000.00".parse().unwrap());
    OrderRequest::limit("BTC/USDT".into(), Side::Buy, "0.5".parse().unwrap(), price)
        .with_target(broker_core::model::Level::Price("99000.00".parse().unwrap()))
        .with_stop(broker_core::model::StopExit::Stop {
            stop: broker_core::model::Level::Price(stop),
            limit: None,
        })
}

fn own_request() -> OrderRequest {
    OrderRequest::market("BTC/USDT".into(), Side::Buy, "0.5".parse().unwrap())
        .with_instrument("BTCUSDT".into())
        .with_client_id("ours-1".into())
}

fn intent(request: OrderRequest) -> Intent {
    let instrument = Instrument {
        id: "BTCUSDT".into(),
        symbol: "BTC/USDT".into(),
        name: None,
        asset_class: broker_core::model::AssetClass::Crypto,
        exchange: None,
        currency: "USDT".parse().unwrap(),
        base: Some("BTC".parse().unwrap()),
        payoff: broker_core::model::Payoff::Cash,
        multiplier: Some(1.into()),
        ticks: Vec::new(),
        lot: None,
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
    Intent {
        id: "ours-1".into(),
        broker: "binance".into(),
        environment: Environment::Paper,
        account: account(),
        request: request.with_instrument("BTCUSDT".into()),
        instrument: Arc::new(instrument),
        replaces: None,
        created_at: at(NOW),
        mark: None,
    }
}

/// The project's own bodies.
fn all<'a>(wire: &'a Wire, live: &'a Wire, (probed, told): (&'a Wire, &'a Wire)) -> Vec<Subject<'a>> {
    let of = |endpoint, what, body: &str| wire.subject(endpoint, what, body);
    let frame = |what: &str, body: &str| {
        Subject::new(format!("stream: {what}"), body, |body| {
            frames::account_frame(told, body)
        })
    };
    let quote =
        |what: &str, body: &str| Subject::new(format!("quotes: {what}"), body, |body| frames::quote_frame(told, body));
    let open = format!("[{},{}]", bodies::ORDER, bodies::TRAILING.replace(":28,", ":29,"));
    let all = format!("[{},{}]", bodies::ORDER, bodies::FOR_MONEY.replace(":28,", ":30,"));
    let mut subjects = vec![
        of(ACCOUNT, "one", bodies::ACCOUNT),
        of(BALANCES, "three coins", bodies::ACCOUNT),
        of(INSTRUMENTS, "two", bodies::EXCHANGE),
        probed.subject(TIME, "one", bodies::TIME),
        of(ORDER, "at a limit", bodies::ORDER),
        of(ORDER, "trailing, expired", bodies::TRAILING),
        of(ORDER, "for money, of old", bodies::FOR_MONEY),
        of(LIST, "a bracket", bodies::LIST),
        of(LIST, "two exits", &bodies::LIST.replace("OTO", "OCO")),
        of(OPEN, "two", &open),
        of(ORDERS, "two", &all),
        of(TRADES, "two", bodies::TRADES),
        of(
            FILLS_OF,
            "one",
            &bodies::TRADES.replace("\"orderId\":31", "\"orderId\":28"),
        ),
        of(ALLOCATIONS, "one", bodies::ALLOCATIONS),
        of(PLACE, "filled", bodies::PLACED),
        of(PLACE_LIST, "a bracket", bodies::PLACED_LIST),
        of(REFUSED, "for funds", bodies::REFUSED),
        of(CANCEL_ALL, "an order and a list", bodies::CANCELED_ALL),
        of(CANCEL_REPLACE, "both", bodies::CANCEL_REPLACED),
        of(HALF, "one", bodies::HALF),
        of(AMEND, "one", bodies::AMENDED),
        of(QUOTE, "one", bodies::BOOK),
        of(QUOTES, "of two", bodies::BOOKS),
        of(PRICE, "one", bodies::PRICE),
        of(KLINES, "two", bodies::KLINES),
        frame("a fill", bodies::FILL),
        frame("a cancel", bodies::CANCELED),
        frame("a list", bodies::LIST_STATUS),
        frame("banned", bodies::STREAM_REFUSED),
        quote("one", bodies::TICK),
        quote("refused", bodies::QUOTES_REFUSED),
    ];
    subjects.extend(own::subjects(wire, live));
    subjects
}

#[test]
fn no_bad_input_is_a_panic_or_a_wrong_value() {
    let wire = Wire::new(Environment::Paper);
    let live = Wire::new(Environment::Live);
    // What it learns of the time is as wrong as the bodies are.
    let probed = Wire::new(Environment::Paper);
    // One code too many asks for the time: what is waited for is counted by a broker that has learned none.
    let told = Wire::new(Environment::Paper);
    let mut subjects = all(&wire, &live, (&probed, &told));
    if let Some(folder) = corpus("binance") {
        // The folder is there, so a missing file is a mistake.
        let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        subjects.push(wire.subject(INSTRUMENTS, "published", file("exchange_info_minimal.json")));
        subjects.push(wire.subject(
            OPEN,
            "published",
            file("open_orders.json").replace("1499827319559", "1767225600111"),
        ));
        subjects.push(wire.subject(own::COMMISSION, "published", file("account_commission.json")));
        subjects.push(wire.subject(own::FILTERS, "published", file("my_filters.json")));
        subjects.push(wire.subject(own::COUNTS, "published", file("rate_limit_order.json")));
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
