//! What the scripted broker says, spelled out.

use std::time::Duration;

use broker_core::capability::{Capabilities, ExitFacts, HistoryFacts, ListFacts, ListRows, LookupFacts, OrderFacts};
use broker_core::model::{
    Amount, Asset, AssetClass, Environment, Fee, Fill, Flow, FlowKind, Instrument, InstrumentStatus, LotRole, LotUse,
    OrderKind, OrderLeg, OrderLinks, OrderStatus, Payoff, Position, PositionLeg, Record,
};
use broker_core::{Currency, InstrumentId, Money, Order, OrderId, Qty, RecordId};
use chrono::{TimeZone, Utc};
use rust_decimal::Decimal;

use super::venue::Knobs;
use super::{account, day, fill, void};

pub fn order(id: OrderId, fill: &Fill) -> Order {
    Order {
        id,
        client_id: None,
        account: account(),
        legs: vec![OrderLeg {
            instrument: fill.instrument.clone(),
            symbol: fill.symbol.clone(),
            side: fill.side,
            ratio: Decimal::ONE,
            effect: None,
            position: PositionLeg::Net,
            filled_qty: Qty::ZERO,
            average_price: None,
        }],
        kind: OrderKind::Market,
        amount: Amount::Qty(fill.qty),
        filled_qty: Qty::ZERO,
        average_price: None,
        limit_price: None,
        stop_price: None,
        trail: None,
        time_in_force: None,
        expires_at: None,
        extended_hours: false,
        reduce_only: false,
        status: OrderStatus::Filled,
        reason: None,
        links: OrderLinks::default(),
        created_at: Some(fill.at),
        updated_at: None,
    }
}

pub fn capabilities(knobs: &Knobs) -> Capabilities {
    Capabilities {
        environments: vec![Environment::Paper],
        asset_classes: vec![AssetClass::Stock],
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
            depth: knobs.depth,
            order_depth: knobs.order_depth,
            by_instrument: knobs.by_instrument,
            settles_within: knobs.settles_within,
            positions_cover_fills: knobs.coins.is_none(),
            states_pnl: false,
            lists: vec![ListFacts {
                page_size: u32::try_from(knobs.page_size).ok(),
                page_span: knobs.page_span,
                closing_pages: knobs.closing_pages,
                ..ListFacts::whole(ListRows::Records, ("reads", 1))
            }],
            orders: (!knobs.orders_unsupported).then(|| ListFacts {
                page_size: Some(2),
                ..ListFacts::whole(ListRows::Orders, ("reads", 1))
            }),
            lookups: vec![LookupFacts {
                classes: Vec::new(),
                per_request: None,
                whole_list: None,
                cost: ("reads", 1),
            }],
            read_cost: ("reads", 1),
        },
        limits: knobs.limits.clone(),
    }
}

pub fn instrument(id: &InstrumentId) -> Instrument {
    Instrument {
        id: id.clone(),
        symbol: id.get().into(),
        name: None,
        asset_class: AssetClass::Stock,
        exchange: None,
        currency: Currency::USD,
        base: id
            .get()
            .trim_start_matches("margin:")
            .split_once('/')
            .map(|(base, _)| base.parse().unwrap()),
        payoff: match id.get().starts_with("margin:") {
            true => Payoff::Margined,
            false => Payoff::Cash,
        },
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

pub fn position(id: &InstrumentId, qty: Decimal) -> Position {
    let (side, qty) = Qty::from_signed(qty);
    Position {
        account: account(),
        instrument: id.clone(),
        symbol: id.get().into(),
        leg: PositionLeg::Net,
        side,
        qty,
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

/// One of each kind of record, with numbers that binary floating point would bend.
pub fn awkward() -> Vec<Record> {
    let mut exact = fill("f-Ω-1", Utc.timestamp_opt(1_767_300_000, 123_456_789).unwrap());
    exact.qty = "0.10000000".parse().unwrap();
    exact.price = "12345678901234567.8900".parse().unwrap();
    exact.fees = vec![
        Money::new("-0.000000000000000001".parse().unwrap(), "BTC".parse().unwrap()),
        Money::new("79228162514264337593543950335".parse().unwrap(), Currency::EUR),
    ];
    exact.pnl = Some(Money::new("0.00".parse().unwrap(), Currency::USD));
    exact.lots = vec![LotUse {
        lot: "L1".into(),
        role: LotRole::Closed,
        qty: "0.1".parse().unwrap(),
        price: "-37.63".parse().unwrap(),
        pnl: Some(Money::new("1e-8".parse().unwrap_or_default(), Currency::USD)),
        financing: None,
    }];
    let fee = Fee {
        id: "fee".into(),
        account: account(),
        label: "TAF".to_owned(),
        asset: Asset::Instrument {
            id: "spot:BTC'\"\n".into(),
            symbol: "BTC/USD".into(),
        },
        amount: "0.0000000000000000000000000001".parse().unwrap(),
        price: Some("100".parse().unwrap()),
        instrument: None,
        order: Some("o7".into()),
        fill: None,
        at: day(2),
        booked_at: Some(day(3)),
        version: 7,
        canceled: true,
    };
    let flow = Flow {
        id: RecordId::from("flow"),
        account: account(),
        kind: FlowKind::Other("JNLC".into()),
        asset: Asset::Currency(Currency::USD),
        amount: "-1000.10".parse().unwrap(),
        price: None,
        cash: None,
        instrument: Some("AAPL".into()),
        lot: None,
        group: Some("g".to_owned()),
        description: Some("über".to_owned()),
        at: day(4),
        booked_at: None,
        version: 0,
        canceled: false,
    };
    vec![
        Record::Fill(exact),
        Record::Fee(fee),
        Record::Flow(flow),
        void("v", "f-Ω-1", day(5)),
    ]
}
