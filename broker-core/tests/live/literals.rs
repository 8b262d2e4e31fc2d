//! Model values in one line each.

use std::time::Duration;

use broker_core::capability::{Capabilities, ExitFacts, HistoryFacts, ListFacts, ListRows, OrderFacts};
use broker_core::model::{Amount, Asset, Fee, Grade, OrderKind, OrderLeg, OrderLinks, PositionLeg, Void};
use broker_core::{AccountId, Balances, Fill, Money, Order, OrderStatus, Position, Qty, Quote, Side};
use chrono::{DateTime, TimeDelta, Utc};

pub(crate) fn account() -> AccountId {
    "ACC-A1".into()
}

/// Seconds since the run's start.
pub(crate) fn at(seconds: f64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    start + TimeDelta::from_std(Duration::from_secs_f64(seconds)).unwrap()
}

pub(crate) fn qty(units: u32) -> Qty {
    Qty::new(units.into()).unwrap()
}

pub(crate) fn order(id: &str, status: OrderStatus, filled: u32) -> Order {
    Order {
        id: id.into(),
        client_id: None,
        account: account(),
        legs: vec![OrderLeg {
            instrument: "AAPL".into(),
            symbol: "AAPL".into(),
            side: Side::Buy,
            ratio: 1.into(),
            effect: None,
            position: PositionLeg::Net,
            filled_qty: qty(filled),
            average_price: None,
        }],
        kind: OrderKind::Limit,
        amount: Amount::Qty(qty(10)),
        filled_qty: qty(filled),
        average_price: None,
        limit_price: Some("189.50".parse().unwrap()),
        stop_price: None,
        trail: None,
        time_in_force: None,
        expires_at: None,
        extended_hours: false,
        reduce_only: false,
        status,
        reason: None,
        links: OrderLinks::default(),
        created_at: None,
        updated_at: None,
    }
}

pub(crate) fn fill(id: &str, order: &str, units: u32, when: DateTime<Utc>) -> Fill {
    Fill {
        id: id.into(),
        account: account(),
        instrument: "AAPL".into(),
        symbol: "AAPL".into(),
        leg: PositionLeg::Net,
        order: Some(order.into()),
        client_order: None,
        side: Side::Buy,
        qty: qty(units),
        price: "189.50".parse().unwrap(),
        at: when,
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    }
}

pub(crate) fn void(fill: &str, when: DateTime<Utc>) -> Void {
    Void {
        id: format!("void-{fill}").as_str().into(),
        account: account(),
        fill: fill.into(),
        at: when,
    }
}

pub(crate) fn fee(id: &str, when: DateTime<Utc>) -> Fee {
    Fee {
        id: id.into(),
        account: account(),
        label: "TAF".to_owned(),
        asset: Asset::Currency("USD".parse().unwrap()),
        amount: "0.01".parse().unwrap(),
        price: None,
        instrument: None,
        order: None,
        fill: None,
        at: when,
        booked_at: None,
        version: 0,
        canceled: false,
    }
}

pub(crate) fn position(units: u32) -> Position {
    Position {
        account: account(),
        instrument: "AAPL".into(),
        symbol: "AAPL".into(),
        leg: PositionLeg::Net,
        side: Side::Buy,
        qty: qty(units),
        available: None,
        average_price: None,
        mark_price: None,
        market_value: None,
        cost_basis: None,
        unrealized_pnl: None,
        realized_pnl: None,
        at: None,
    }
}

pub(crate) fn balances(equity: &str) -> Balances {
    Balances {
        account: account(),
        balances: Vec::new(),
        equity: Some(Money::new(equity.parse().unwrap(), "USD".parse().unwrap())),
        buying_power: None,
        margin_used: None,
        margin_available: None,
        initial_margin: None,
        maintenance_margin: None,
        unrealized_pnl: None,
        realized_pnl: None,
        accrued_fees: None,
        at: None,
    }
}

pub(crate) fn quote(instrument: &str, bid: &str) -> Quote {
    Quote {
        instrument: instrument.into(),
        symbol: instrument.into(),
        bid: Some(bid.parse().unwrap()),
        bid_size: None,
        ask: None,
        ask_size: None,
        at: None,
    }
}

pub(crate) fn capabilities() -> Capabilities {
    Capabilities {
        environments: Vec::new(),
        asset_classes: Vec::new(),
        orders: OrderFacts {
            kinds: Vec::new(),
            groups: Vec::new(),
            exits: ExitFacts::default(),
            trails: Vec::new(),
            times_in_force: Vec::new(),
            kind_times: Vec::new(),
            fractional_qty: false,
            notional: false,
            extended_hours: false,
            replace: false,
            client_id: None,
            resend_is_safe: false,
            latest_arrival: None,
            visibility_lag: Duration::ZERO,
            one_at_a_time: false,
            reduce_only: false,
            refused_when_closed: Vec::new(),
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: false,
            settles_within: Duration::ZERO,
            positions_cover_fills: true,
            states_pnl: false,
            lists: vec![ListFacts::whole(ListRows::Records, ("requests", 1))],
            orders: Some(ListFacts::whole(ListRows::Orders, ("requests", 1))),
            lookups: Vec::new(),
            read_cost: ("requests", 1),
        },
        limits: Vec::new(),
    }
}
