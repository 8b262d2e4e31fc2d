//! Orders: what is sent, what the answers mean, and both against the wire venue.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../documents/mod.rs"]
mod documents;

mod answers;
mod bodies;
mod changes;
mod damaged;
mod refused;
mod traced;
mod venue;

use std::sync::{Arc, Mutex};

use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{AssetClass, Environment, InstrumentStatus, OrderChange, Payoff};
use broker_core::seam::{MemoryTransport, VirtualRuntime};
use broker_core::{Broker, Currency, Instrument, Intent, OrderRef, OrderRequest, Side, Trading};
use common::{account, account_body, at, over};
use rust_decimal::Decimal;

/// Our id of the order under test.
const OURS: &str = "ours-1";

fn trading(broker: &AlpacaBroker) -> &dyn Trading {
    broker.trading().unwrap()
}

fn instrument(id: &str, asset_class: AssetClass, currency: Currency) -> Instrument {
    Instrument {
        id: id.into(),
        symbol: id.into(),
        name: None,
        asset_class,
        exchange: None,
        currency,
        base: None,
        payoff: Payoff::Cash,
        multiplier: Some(Decimal::ONE),
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
    }
}

fn spy() -> Instrument {
    instrument("SPY", AssetClass::Stock, Currency::USD)
}

fn call_option() -> Instrument {
    instrument("AAPL250620C00100000", AssetClass::Option, Currency::USD)
}

fn coin() -> Instrument {
    instrument("ETH/USD", AssetClass::Crypto, Currency::USD)
}

/// An intent as the core makes one: by the broker's key.
fn intent(instrument: Instrument, request: OrderRequest) -> Intent {
    Intent {
        id: OURS.into(),
        broker: "alpaca".into(),
        environment: Environment::Paper,
        account: account(),
        request: request.with_instrument(instrument.id.clone()),
        instrument: Arc::new(instrument),
        replaces: None,
        created_at: at("2026-01-01T00:00:00Z"),
        mark: None,
    }
}

/// The intent to change an order.
fn changing(instrument: Instrument, order: &OrderRef, change: &OrderChange) -> Intent {
    let request = OrderRequest::market("any".into(), Side::Buy, "1".parse().unwrap());
    Intent {
        replaces: Some(broker_core::journal::Replacement {
            order: order.clone(),
            change: change.clone(),
        }),
        ..intent(instrument, request)
    }
}

/// A broker whose every write is answered with an order of our id, and the bodies that it sends. Reads of an order
/// are answered with `old`.
struct Wire {
    runtime: VirtualRuntime,
    broker: AlpacaBroker,
    /// Method, path and body of each write.
    writes: Arc<Mutex<Vec<(String, String, String)>>>,
}

impl Wire {
    fn new(old: &str) -> Self {
        let writes = Arc::new(Mutex::new(Vec::new()));
        let (log, old) = (Arc::clone(&writes), old.to_owned());
        let transport = MemoryTransport::new(move |request| {
            let path = request.uri().path_and_query().unwrap().to_string();
            let answer = match (request.method().as_str(), path.as_str()) {
                ("GET", "/v2/account") => account_body(),
                ("GET", _) => old.clone(),
                (method, _) => {
                    let body = String::from_utf8(request.body().to_vec()).unwrap();
                    assert_eq!(request.headers()["content-type"], "application/json");
                    log.lock().unwrap().push((method.to_owned(), path, body));
                    order(OURS)
                }
            };
            Ok(http::Response::new(answer.into()))
        });
        let (runtime, broker) = over(AlpacaConfig::new("PKTESTTESTTESTTEST01", "not-a-secret"), transport);
        Self {
            runtime,
            broker,
            writes,
        }
    }

    fn writes(&self) -> Vec<(String, String, String)> {
        self.writes.lock().unwrap().clone()
    }
}

/// An order of this client id, as an answer has it.
fn order(client_id: &str) -> String {
    format!(
        r#"{{"id":"o-1","client_order_id":"{client_id}","status":"accepted","filled_qty":"0","symbol":"SPY","side":"buy","qty":"1","type":"market"}}"#
    )
}
