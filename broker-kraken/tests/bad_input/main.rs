//! Bad input at scale: every answer and every frame that the broker reads, mutated by the thousand and taken through the
//! shipped calls. What comes out must be what the body says, by a reader that shares nothing with the decoders.
//!
//! A new endpoint is one line in the list of this file, and a view that says what the model got from which field.
//! `BROKER_BAD_INPUTS=2000000` judges more than the 210,000 of every day.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod bodies;
mod sockets;
mod views;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::journal::Replacement;
use broker_core::model::{
    CandleQuery, Environment, InstrumentQuery, Interval, OrderChange, OrderState, Subscription, Window,
};
use broker_core::seam::{Clock, Frame, MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Context, Cursor, Delivery, Error, Gate, HistoryQuery, Intent, MarketData, OrderQuery, OrderRef,
    OrderRequest, Result, Side, Streaming, Trading,
};
use broker_kraken::{ExportReport, ExportState, KrakenBroker, KrakenConfig};
use broker_testkit::bad_input::{List, Raw, Subject, View, bad_input};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use sockets::Said;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A broker whose every request to one path is answered with the body under test.
struct Wire {
    runtime: VirtualRuntime,
    broker: KrakenBroker,
    answer: Arc<Mutex<(&'static str, Bytes)>>,
    /// What was said on sockets.
    said: Said,
    /// Where the history goes over to the ledger.
    ledger: Option<Cursor>,
}

/// How a body is read: the path that it answers, and the call that asks.
type Endpoint = (&'static str, &'static str, fn(&Wire) -> Result<View>);

impl Wire {
    fn new() -> Self {
        let answer = Arc::new(Mutex::new(("", Bytes::new())));
        let told = Arc::clone(&answer);
        let transport = MemoryTransport::new(move |request| {
            let (path, body) = told.lock().unwrap().clone();
            let body = match request.uri().path() {
                asked if asked == path => body,
                "/0/public/Assets" => bodies::ASSETS.into(),
                "/0/public/AssetPairs" => bodies::PAIRS.into(),
                "/0/public/Time" => bodies::TIME.into(),
                "/0/private/GetApiKeyInfo" => bodies::ANY_KEY.into(),
                "/0/private/TradeBalance" => bodies::MARGIN.into(),
                "/0/private/BalanceEx" => bodies::BALANCES.into(),
                "/0/private/TradesHistory" => bodies::NO_TRADES.into(),
                "/0/private/OpenOrders" => r#"{"error":[],"result":{"open":{}}}"#.into(),
                "/0/private/QueryOrders" => bodies::RESTING.into(),
                other => panic!("{other} under {path}"),
            };
            Ok(http::Response::builder().status(200).body(body).unwrap())
        });
        let runtime = VirtualRuntime::starting_at(at("2023-07-07T00:00:00Z"));
        let clock = Arc::new(runtime.clock());
        let said = Said::default();
        let transport = Arc::new(sockets::Sockets::over(transport, &said));
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, transport);
        let point = Duration::from_millis(1);
        let config = KrakenConfig::new("key", "c2VjcmV0")
            .live()
            .with_call_counter(1_000_000, point)
            .with_order_counter(1_000_000, point)
            .with_public_counter(1_000_000, point);
        let broker = KrakenBroker::new(config.with_context(context)).unwrap();
        let mut wire = Self {
            runtime,
            broker,
            answer,
            said,
            ledger: None,
        };
        wire.ledger = wire.run(wire.broker.history(&wire.history(), None)).unwrap().next;
        wire
    }

    fn account(&self) -> AccountId {
        self.broker.account_id().clone()
    }

    fn history(&self) -> HistoryQuery {
        HistoryQuery::between(&self.account(), DateTime::UNIX_EPOCH, at("2300-01-01T00:00:00Z"))
    }

    fn run<T>(&self, ask: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(ask)
    }

    /// The lists are read anew.
    fn later(&self) {
        self.runtime
            .block_on(self.runtime.clock().sleep(Duration::from_secs(4_000)));
    }

    fn order(&self) -> OrderRef {
        OrderRef::by_id(&self.account(), "OAAAAA-AAAAA-AAAAA1".into())
    }

    fn subject(&self, (name, path, ask): Endpoint, what: &str, body: impl Into<String>) -> Subject<'_> {
        let read = move |body: &[u8]| {
            *self.answer.lock().unwrap() = (path, Bytes::copy_from_slice(body));
            ask(self)
        };
        Subject::new(format!("{name}: {what}"), body, read)
    }

    /// A frame of an account's stream, or of quotes.
    fn frame(&self, what: &str, body: &str, quotes: bool) -> Subject<'_> {
        Subject::new(format!("frame: {what}"), body, move |body| {
            let text = std::str::from_utf8(body).map_err(|_| Error::decode("no UTF-8"))?;
            let frame = Frame::Text(text.to_owned());
            let ids = ["XXBTZUSD".into()];
            let events = match quotes {
                true => self.run(self.broker.read_quote_frame(&ids, &frame))?,
                false => self.run(self.broker.read_account_frame(&self.account(), &frame))?,
            };
            Ok(if quotes {
                views::ticker(&events)
            } else {
                views::executions(&events)
            })
        })
    }
}

/// An answer to a write that was not understood says nothing of what was done.
fn or_doubt(read: Result<View>) -> Result<View> {
    match read {
        Err(error) if error.delivery() == Delivery::NotSent => {
            Ok(View::new().fits("", "an error that leaves no doubt", |_| false))
        }
        Err(error) if error.code().is_some() => Ok(views::refused(&error)),
        read => read,
    }
}

fn intent(wire: &Wire) -> Intent {
    let query = InstrumentQuery::Ids(vec!["XXBTZUSD".into()]);
    let instrument = wire.run(wire.broker.instruments(&query)).unwrap().remove(0);
    let request = OrderRequest::market("BTC/USD".into(), Side::Buy, "0.01".parse().unwrap());
    Intent {
        id: views::OURS.into(),
        broker: "kraken".into(),
        environment: Environment::Live,
        account: wire.account(),
        request: request.with_instrument("XXBTZUSD".into()),
        instrument: Arc::new(instrument),
        replaces: None,
        created_at: at("2023-07-07T00:00:00Z"),
        mark: None,
    }
}

const ASSETS: Endpoint = ("assets", "/0/public/Assets", |wire| {
    wire.later();
    let found = wire.run(wire.broker.instruments(&InstrumentQuery::Text(String::new())))?;
    let names: Vec<(String, String)> = found
        .iter()
        .map(|one| {
            (
                one.base.unwrap().code().to_owned(),
                one.id.get().trim_start_matches("margin:")[..4].to_owned(),
            )
        })
        .collect();
    Ok(View::new()
        .list(List::rows("error", Vec::new()))
        .fits("result", "the names of its assets", move |raw| {
            names.iter().all(|(name, id)| {
                let row = raw.and_then(|raw| raw.parts().find(|part| part.key().as_deref() == Some(id)));
                let said = match row {
                    Some(row) => row.get("altname").and_then(Raw::text),
                    // One that is not listed keeps its name.
                    None => Some(id.clone()),
                };
                said.map(|said| {
                    if said == "XBT" {
                        "BTC".to_owned()
                    } else {
                        said.replace("XDG", "DOGE")
                    }
                }) == Some(name.clone())
            })
        }))
});
const PAIRS: Endpoint = ("pairs", "/0/public/AssetPairs", |wire| {
    wire.later();
    Ok(views::instruments(
        &wire.run(wire.broker.instruments(&InstrumentQuery::Text(String::new())))?,
    ))
});
const KEY: Endpoint = ("key", "/0/private/GetApiKeyInfo", |wire| {
    let info = wire.run(wire.broker.key_info())?;
    let rows = info
        .permissions
        .iter()
        .map(|word| View::new().text("", word.as_str()))
        .collect();
    let view = View::new().list(List::rows("permissions", rows));
    let view = views::seconds(
        views::seconds(view, "queryFrom", info.query_from),
        "queryTo",
        info.query_to,
    );
    Ok(views::good(views::seconds(view, "validUntil", info.valid_until)))
});
const BALANCES: Endpoint = ("balances", "/0/private/BalanceEx", |wire| {
    Ok(views::balances(&wire.run(wire.broker.balances(&wire.account()))?))
});
const MARGIN: Endpoint = ("margin", "/0/private/TradeBalance", |wire| {
    Ok(views::margin(&wire.run(wire.broker.balances(&wire.account()))?))
});
const POSITIONS: Endpoint = ("positions", "/0/private/OpenPositions", |wire| {
    Ok(views::positions(&wire.run(wire.broker.positions(&wire.account()))?))
});
const ORDER: Endpoint = ("order", "/0/private/QueryOrders", |wire| {
    match wire.run(wire.broker.order(&wire.order())) {
        Err(error) if error.code().is_some() => Ok(views::refused(&error)),
        read => Ok(views::good_rows(vec![views::order(&read?)])),
    }
});
const OPEN: Endpoint = ("open orders", "/0/private/OpenOrders", |wire| {
    let query = OrderQuery::placed(&wire.account(), Window::All).with_state(OrderState::Open);
    Ok(views::orders("open", &wire.run(wire.broker.orders(&query, None))?.rows))
});
const CLOSED: Endpoint = ("closed orders", "/0/private/ClosedOrders", |wire| {
    let query = OrderQuery::placed(&wire.account(), Window::All).with_state(OrderState::Closed);
    let page = wire.run(wire.broker.orders(&query, None))?;
    match page.next {
        // The first page of several only counts them.
        Some(_) => Ok(View::new()),
        None => Ok(views::closed(&page.rows)),
    }
});
const TRADES: Endpoint = ("trades", "/0/private/TradesHistory", |wire| {
    // What the key may see is asked for anew.
    wire.later();
    let page = wire.run(wire.broker.history(&wire.history(), None))?;
    match page.rows.is_empty() {
        true => Ok(View::new()),
        false => Ok(views::trades(&page.rows)),
    }
});
const LEDGER: Endpoint = ("ledger", "/0/private/Ledgers", |wire| {
    let page = wire.run(wire.broker.history(&wire.history(), wire.ledger.as_ref()))?;
    match page.next {
        // Of more rows than came the first page only tells how many there are.
        Some(_) => Ok(View::new()),
        None => Ok(views::ledger(&page.rows)),
    }
});
const TIME: Endpoint = ("time", "/0/public/Time", |wire| {
    let told = wire.run(wire.broker.probe())?;
    let at = told.server_time.unwrap();
    let whole = move |raw: Option<Raw<'_>>| {
        raw.and_then(Raw::number)
            .is_some_and(|text| text.split('.').next() == Some(&at.timestamp().to_string()))
    };
    Ok(views::good(View::new().fits("unixtime", "its moment", whole)))
});
const STATUS: Endpoint = ("status", "/0/public/SystemStatus", |wire| {
    Ok(views::good(
        View::new().text("status", wire.run(wire.broker.system_status())?),
    ))
});
const TICKER: Endpoint = ("quotes", "/0/public/Ticker", |wire| {
    Ok(views::quotes(&wire.run(wire.broker.quotes(&["XXBTZUSD".into()]))?))
});
const CANDLES: Endpoint = ("candles", "/0/public/OHLC", |wire| {
    let (since, until) = (
        DateTime::from_timestamp(1_688_600_000, 0).unwrap(),
        DateTime::from_timestamp(1_688_700_000, 0).unwrap(),
    );
    let query = CandleQuery::new("XXBTZUSD".into(), Interval::Minutes(1), since, until);
    Ok(views::candles(wire.run(wire.broker.candles(&query, None))?.rows))
});
const PLACE: Endpoint = ("place", "/0/private/AddOrder", |wire| {
    let placed = wire.run(wire.broker.place(&intent(wire), &Gate::new()));
    or_doubt(placed.map(|order| {
        let id = View::new().text("", order.id.get());
        views::good(View::new().list(List::rows("txid", vec![id])))
    }))
});
const CHECK: Endpoint = ("validate", "/0/private/AddOrder", |wire| {
    let request = OrderRequest::market("BTC/USD".into(), Side::Buy, "0.01".parse().unwrap());
    let words = wire.run(wire.broker.validate(&request))?;
    Ok(views::good(View::new().fits("descr", "its words", move |raw| {
        let of = |path| {
            raw.and_then(|raw| raw.get(path))
                .and_then(Raw::text)
                .filter(|text| text != "None")
                .unwrap_or_default()
        };
        let (order, close) = (of("order"), of("close"));
        words
            == if close.is_empty() {
                order
            } else {
                format!("{order}; {close}")
            }
    })))
});
const CANCEL: Endpoint = ("cancel", "/0/private/CancelOrder", |wire| {
    let done = wire.run(wire.broker.cancel(&wire.order()));
    or_doubt(done.map(|()| {
        views::good(View::new().fits("count", "at least one", |raw| {
            raw.is_some_and(|raw| raw.is_number() && raw.source() != "0")
        }))
    }))
});
const CANCEL_ALL: Endpoint = ("cancel all", "/0/private/CancelAll", |wire| {
    let done = wire.run(wire.broker.cancel_all(&wire.account()));
    or_doubt(done.map(|_| views::good(View::new().fits("count", "a number", |raw| raw.is_some_and(Raw::is_number)))))
});
const DEAD_MAN: Endpoint = ("dead man's switch", "/0/private/CancelAllOrdersAfter", |wire| {
    let at = wire.run(wire.broker.cancel_all_after(Duration::from_secs(60)))?;
    Ok(views::good(View::new().fits("triggerTime", "its moment", move |raw| {
        let said = raw
            .and_then(Raw::text)
            .filter(|text| !matches!(text.as_str(), "" | "0" | "None"));
        said.map(|text| DateTime::parse_from_rfc3339(&text).unwrap().to_utc()) == at
    })))
});
/// A change in place. What names it is not kept, but it must be there.
fn changed(wire: &Wire) -> Result<View> {
    let mut intent = intent(wire);
    let change = OrderChange::new().with_limit_price("29000".parse().unwrap());
    intent.replaces = Some(Replacement {
        order: wire.order(),
        change: change.clone(),
    });
    let changed = wire.run(wire.broker.replace(&wire.order(), &change, &intent, &Gate::new()));
    or_doubt(changed.map(|_| {
        let named = |raw: Option<Raw<'_>>| raw.and_then(Raw::text).is_some_and(|text| !text.is_empty());
        views::good(View::new().fits("amend_id", "a name", named))
    }))
}
const AMEND: Endpoint = ("change", "/0/private/AmendOrder", changed);
const EDIT: Endpoint = ("edit", "/0/private/EditOrder", |wire| {
    let change = OrderChange::new().with_limit_price("29000".parse().unwrap());
    let edited = wire.run(wire.broker.edit(&wire.order(), &change));
    or_doubt(edited.map(|id| views::good(View::new().text("txid", id.get()))))
});
const TRACE: Endpoint = ("trace", "/0/private/ClosedOrders", |wire| {
    let found = wire.run(wire.broker.trace(&intent(wire)))?;
    Ok(views::of_client_id(&found))
});
const TOKEN: Endpoint = ("token of a stream", "/0/private/GetWebSocketsToken", |wire| {
    wire.said.lock().unwrap().clear();
    let refused = wire.run(wire.broker.subscribe(&Subscription::account(&wire.account())));
    let said = wire.said.lock().unwrap();
    match (said.first(), refused) {
        (Some(first), _) => {
            let first: serde_json::Value = serde_json::from_str(first).unwrap();
            let token = first["params"]["token"].as_str().unwrap();
            assert!(!token.is_empty());
            Ok(views::good(View::new().text("token", token)))
        }
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => panic!("subscribed, and nothing was said"),
    }
});
const AMENDS: Endpoint = ("amends", "/0/private/OrderAmends", |wire| {
    let amends = wire.run(wire.broker.order_amends(&"OAAAAA-AAAAA-AAAAA1".into()))?;
    let row = |one: &broker_kraken::OrderAmend| {
        let at = one.at;
        View::new()
            .text("amend_id", one.id.as_str())
            .text("amend_type", one.kind.as_str())
            .fits("order_qty", "its quantity", {
                let qty = one.qty.map(|qty| qty.get());
                move |raw| views::decimal(raw) == qty
            })
            .fits("timestamp", "its moment", move |raw| {
                let stamp: Option<i64> = raw.and_then(Raw::number).and_then(|text| text.parse().ok());
                let expected = stamp.and_then(|stamp| match stamp >= 1_000_000_000_000_000_000 {
                    true => Some(DateTime::from_timestamp_nanos(stamp)),
                    false => DateTime::from_timestamp_millis(stamp),
                });
                expected == Some(at)
            })
    };
    Ok(views::good(
        View::new().list(List::rows("amends", amends.iter().map(row).collect())),
    ))
});
const RATES: Endpoint = ("fee rates", "/0/private/TradeVolume", |wire| {
    let rates = wire.run(wire.broker.fee_rates(&["XXBTZUSD".into()]))?;
    let (taker, maker) = (rates.percent[0].1, rates.percent[0].2);
    let of = |path: &'static str, fee: Option<rust_decimal::Decimal>| {
        move |view: View| {
            view.fits(path, "the pair's fee, if it is there", move |raw| {
                let row = raw.into_iter().flat_map(Raw::parts).find(|part| {
                    ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD", "BTCUSD"]
                        .contains(&part.key().unwrap_or_default().as_str())
                });
                row.and_then(|row| views::decimal(row.get("fee"))) == fee
            })
        }
    };
    let view = of("fees_maker", maker)(of("fees", taker)(View::new()));
    Ok(views::good(view.number("volume", rates.volume.amount)))
});
const ASK: Endpoint = ("ask for a report", "/0/private/AddExport", |wire| {
    let ask = wire.broker.request_export(
        ExportReport::Trades,
        at("2023-01-01T00:00:00Z"),
        at("2023-02-01T00:00:00Z"),
    );
    Ok(views::good(View::new().text("id", wire.run(ask)?)))
});
const STATES: Endpoint = ("state of a report", "/0/private/ExportStatus", |wire| {
    let state = wire.run(wire.broker.export_state(ExportReport::Trades, "TCJA"))?;
    Ok(View::new().list(List::rows("error", Vec::new())).fits(
        "result",
        "the state of the first of that id",
        move |raw| {
            let mut rows = raw.into_iter().flat_map(Raw::parts);
            let own = rows.find(|row| row.get("id").and_then(Raw::text).as_deref() == Some("TCJA"));
            match own.and_then(|own| own.get("status")).and_then(Raw::text).as_deref() {
                Some("Queued") => state == ExportState::Queued,
                Some("Processing") => state == ExportState::Processing,
                Some("Processed") => state == ExportState::Processed,
                Some(other) => state == ExportState::Other(other.to_owned()),
                None => false,
            }
        },
    ))
});
const REMOVE: Endpoint = ("remove a report", "/0/private/RemoveExport", |wire| {
    wire.run(wire.broker.remove_export("TCJA"))?;
    Ok(views::good(View::new().maybe_flag("delete", Some(true))))
});

fn all(wire: &Wire) -> Vec<Subject<'_>> {
    vec![
        wire.subject(ASSETS, "five", bodies::ASSETS),
        wire.subject(PAIRS, "two", bodies::PAIRS),
        wire.subject(KEY, "limited", bodies::KEY),
        wire.subject(BALANCES, "three", bodies::BALANCES),
        wire.subject(MARGIN, "with positions", bodies::MARGIN),
        wire.subject(POSITIONS, "one", bodies::POSITIONS),
        wire.subject(ORDER, "filled", bodies::ORDER),
        wire.subject(ORDER, "refused", bodies::REFUSED),
        wire.subject(OPEN, "two", bodies::open()),
        wire.subject(CLOSED, "two", bodies::closed()),
        wire.subject(TRADES, "two", bodies::TRADES),
        wire.subject(LEDGER, "three", bodies::LEDGER),
        wire.subject(TIME, "now", bodies::TIME),
        wire.subject(STATUS, "online", bodies::STATUS),
        wire.subject(TICKER, "one", bodies::TICKER),
        wire.subject(CANDLES, "two", bodies::CANDLES),
        wire.subject(PLACE, "taken", bodies::PLACED),
        wire.subject(PLACE, "refused", bodies::REFUSED),
        wire.subject(CHECK, "good", bodies::CHECKED),
        wire.subject(CANCEL, "taken", bodies::CANCELED),
        wire.subject(CANCEL_ALL, "taken", bodies::CANCELED),
        wire.subject(DEAD_MAN, "set", bodies::DEAD_MAN),
        wire.subject(AMEND, "taken", bodies::AMENDED),
        wire.subject(AMEND, "refused", bodies::REFUSED),
        wire.subject(EDIT, "taken", bodies::EDITED),
        wire.subject(TRACE, "two", bodies::closed_of(views::OURS)),
        wire.subject(TOKEN, "good", bodies::TOKEN),
        wire.subject(AMENDS, "two", bodies::AMENDS),
        wire.subject(RATES, "one", bodies::RATES),
        wire.subject(ASK, "taken", bodies::ASKED),
        wire.subject(STATES, "two", bodies::STATES),
        wire.subject(REMOVE, "done", bodies::REMOVED),
        wire.frame("a new order", bodies::NEW_ORDER, false),
        wire.frame("a trade", bodies::TRADE, false),
        wire.frame("a row of the ledger", bodies::BOOKED, false),
        wire.frame("a quote", bodies::QUOTE, true),
    ]
}

#[test]
fn no_bad_input_is_a_panic_or_a_wrong_value() {
    let wire = Wire::new();
    let total = std::env::var("BROKER_BAD_INPUTS").map_or(210_000, |text| text.parse().unwrap());
    let report = bad_input(&all(&wire), total, 20_261_128);
    println!("{report}");
    assert!(report.is_clean(), "{} failures", report.failures.len());
    assert!(report.total() >= total as u64, "{}", report.total());
    for (mutation, tally) in &report.by_mutation {
        assert!(tally.read + tally.refused > 500, "{mutation:?}: {tally:?}");
    }
}
