//! Answers to writes: what the model got from which field, and that what cannot be read leaves a doubt.

use std::sync::Arc;

use broker_alpaca::AlpacaBroker;
use broker_core::journal::Replacement;
use broker_core::model::{AssetClass, Environment, InstrumentStatus, OrderChange, Payoff};
use broker_core::{
    Broker, CancelOutcome, Currency, Delivery, Error, Gate, Instrument, Intent, Order, OrderRef, OrderRequest, Result,
    Side,
};
use broker_testkit::bad_input::{Found, List, Raw, View};
use rust_decimal::Decimal;

use super::common::{account, at, price};
use super::{records, views};

/// The order that is changed, and how it is read before its change.
pub(crate) const OLD: &str = "old-1";
pub(crate) const OLD_ORDER: &str = r#"{"id":"old-1","client_order_id":"before","status":"new","symbol":"AAPL","asset_class":"us_equity",
  "side":"buy","qty":"1","filled_qty":"0","type":"limit","limit_price":"99","time_in_force":"day"}"#;

/// An intent whose id is the one in this answer.
pub(crate) fn intent(answer: &str) -> Intent {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let instrument = Instrument {
        id: "AAPL".into(),
        symbol: "AAPL".into(),
        name: None,
        asset_class: AssetClass::Stock,
        exchange: None,
        currency: Currency::USD,
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
    };
    let request = OrderRequest::limit("AAPL".into(), Side::Buy, "1".parse().unwrap(), price("100"));
    Intent {
        id: answer["client_order_id"].as_str().unwrap().into(),
        broker: "alpaca".into(),
        environment: Environment::Paper,
        account: account(),
        request: request.with_instrument("AAPL".into()),
        instrument: Arc::new(instrument),
        replaces: None,
        created_at: at("1970-01-01T00:00:00Z"),
        mark: None,
    }
}

pub(crate) async fn place(broker: AlpacaBroker, intent: Intent) -> Result<View> {
    let placed = broker.trading().unwrap().place(&intent, &Gate::new()).await;
    or_doubt(placed.map(|order| ours(&order, &intent)))
}

pub(crate) async fn replace(broker: AlpacaBroker, mut intent: Intent) -> Result<View> {
    let order = OrderRef::by_id(&account(), OLD.into());
    let change = OrderChange::new().with_limit_price(price("100"));
    intent.replaces = Some(Replacement {
        order: order.clone(),
        change: change.clone(),
    });
    let trading = broker.trading().unwrap();
    let replaced = trading.replace(&order, &change, &intent, &Gate::new()).await;
    or_doubt(replaced.map(|order| ours(&order, &intent)))
}

pub(crate) async fn cancel_all(broker: AlpacaBroker) -> Result<View> {
    let outcomes = broker.trading().unwrap().cancel_all(&account()).await;
    or_doubt(outcomes.map(|rows| View::new().list(List::rows("", rows.iter().map(outcome).collect()))))
}

/// An answer that was not understood says nothing of what was done.
fn or_doubt(read: Result<View>) -> Result<View> {
    match read {
        Err(error) if error.delivery() != Delivery::Unknown => {
            Ok(View::new().fits("", "an error that leaves no doubt", |_| false))
        }
        read => read,
    }
}

fn ours(order: &Order, intent: &Intent) -> View {
    let ours = intent.id.get().to_owned();
    records::order(order).fits("client_order_id", "our id", move |raw| {
        raw.and_then(Raw::text) == Some(ours.clone())
    })
}

fn outcome(outcome: &CancelOutcome) -> View {
    let row = View::new().text("id", outcome.order.get());
    match &outcome.result {
        Ok(()) => row.fits("status", "a good status", |raw| {
            status(raw).is_some_and(|one| (200..300).contains(&one))
        }),
        Err(error) => refused(row, error),
    }
}

fn status(raw: Option<Raw<'_>>) -> Option<u16> {
    raw.filter(|raw| raw.is_number())?.source().parse().ok()
}

fn refused(row: View, error: &Error) -> View {
    let (told, code, message) = (
        error.status(),
        error.code().map(str::to_owned),
        error.message().map(str::to_owned),
    );
    row.fits("status", "its status", move |raw| {
        status(raw).is_some() && status(raw) == told
    })
    .fits("", "the code in its body", move |raw| {
        let said = raw
            .and_then(|raw| raw.get("body.code"))
            .map(|raw| raw.source().trim_matches('"').to_owned());
        code.as_ref()
            .is_none_or(|code| said.is_some_and(|said| views::shown_as(&said, code)))
    })
    .fits("", "the message in its body, or all of it", move |raw| {
        let body = raw.and_then(|raw| raw.get("body"));
        let shown = message.clone().unwrap_or_default();
        match body.and_then(|body| body.get("message")?.text()) {
            // Of two codes there is no telling which one counts.
            Some(_) if body.is_some_and(|body| matches!(body.find("code"), Found::Twice)) => shown.starts_with('{'),
            Some(said) => views::shown_as(&said, &shown),
            None => body.is_none() || !shown.is_empty(),
        }
    })
}

pub(crate) const PLACED: &str = r#"{"id":"o-71","client_order_id":"ours.1-a_b","created_at":"2026-03-18T14:33:58.547942111Z",
  "updated_at":"2026-03-18T14:33:58.6Z","submitted_at":"2026-03-18T14:33:58Z","filled_at":null,"replaced_by":null,"replaces":"old-1",
  "asset_class":"us_equity","symbol":"AAPL","qty":"12.5","notional":null,"filled_qty":"2.5","filled_avg_price":"99.995",
  "order_class":"","order_type":"limit","type":"limit","side":"buy","time_in_force":"gtc","limit_price":"100.00","stop_price":null,
  "status":"partially_filled","extended_hours":true,"legs":null,"trail_percent":null,"trail_price":null,"hwm":null}"#;

pub(crate) const CANCELED: &str = r#"[{"id":"o-1","status":200,"body":{"id":"o-1","status":"pending_cancel"}},
  {"id":"o-2","status":500,"body":{"code":50010000,"message":"failed to cancel order"}},
  {"id":"o-3","status":422,"body":{"code":42210000,"message":"order is not cancelable"}},
  {"id":"o-4","status":404,"body":null},{"id":"o-5","status":204}]"#;
