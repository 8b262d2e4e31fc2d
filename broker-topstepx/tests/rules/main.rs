//! The gateway's rules, one by one: its codes, its traps, who may trade on what, tokens, and what it alone has.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

#[path = "../common/mod.rs"]
mod common;
mod desk;
mod errors;
mod firms;
mod groups;
mod guard;
mod limits;
mod own;
mod rolls;
mod tokens;
mod traps;

use std::sync::Arc;

use broker_core::model::{AssetClass, InstrumentStatus, Payoff, TickBand};
use broker_core::{AccountId, Broker, Currency, Instrument, Intent, OrderRequest, Price};
use broker_topstepx::TopstepxBroker;
use rust_decimal::Decimal;

/// A practice account, an evaluation, and a funded account: all three are simulated.
const PRACTICE: &str = "1001";
const EVALUATION: &str = "1002";
const FUNDED: &str = "1003";

const ACCOUNTS: &str = r#"{"accounts":[
  {"id":1001,"name":"PRAC-V2-000001-00000001","balance":150000.00,"canTrade":true,"isVisible":true,"simulated":true},
  {"id":1002,"name":"50KTC-V2-000001-00000002","balance":50000.00,"canTrade":true,"isVisible":true,"simulated":true},
  {"id":1003,"name":"EXPRESS-V2-000001-00000003","balance":1000.00,"canTrade":true,"isVisible":true,"simulated":true}],
  "success":true,"errorCode":0,"errorMessage":null}"#;

fn practice_account() -> AccountId {
    PRACTICE.into()
}

/// The front contract of the S&P.
fn es() -> Instrument {
    Instrument {
        id: "CON.F.US.EP.U26".into(),
        symbol: "ESU26".into(),
        name: None,
        asset_class: AssetClass::Future,
        exchange: Some("CME".into()),
        currency: Currency::USD,
        base: None,
        payoff: Payoff::Margined,
        multiplier: Some(50.into()),
        ticks: vec![TickBand {
            from: Price::new(Decimal::ZERO),
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
        shortable: Some(true),
    }
}

fn intent(broker: &TopstepxBroker, account: &str, request: OrderRequest) -> Intent {
    Intent {
        id: "a-tag".into(),
        broker: broker.id(),
        environment: broker.environment(),
        account: account.into(),
        request: request.with_instrument("CON.F.US.EP.U26".into()),
        instrument: Arc::new(es()),
        replaces: None,
        created_at: common::at(common::START),
        mark: None,
    }
}
