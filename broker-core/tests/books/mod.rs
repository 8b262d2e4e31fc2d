//! Instruments and records for the tests of the books.

#![allow(dead_code)] // each test file uses its part

use broker_core::model::{
    Asset, AssetClass, Completeness, FlowKind, Grade, InstrumentStatus, LotUse, Payoff, PositionLeg,
};
use broker_core::num::decimal;
use broker_core::pnl::{Books, LotMethod, TradeBook};
use broker_core::{Currency, Fee, Fill, Flow, History, Instrument, Money, Price, Qty, Record, Side};
use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;

pub(crate) const METHODS: [LotMethod; 4] = [
    LotMethod::Fifo,
    LotMethod::Lifo,
    LotMethod::Average,
    LotMethod::BrokerLots,
];

pub(crate) fn d(text: &str) -> Decimal {
    decimal(text).unwrap()
}

pub(crate) fn usd(text: &str) -> Money {
    Money::new(d(text), Currency::USD)
}

pub(crate) fn at(minute: i64) -> DateTime<Utc> {
    "2026-03-02T14:30:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

pub(crate) fn instrument(id: &str, payoff: Payoff, multiplier: Option<&str>) -> Instrument {
    Instrument {
        id: id.into(),
        symbol: id.into(),
        name: None,
        asset_class: AssetClass::Stock,
        exchange: None,
        currency: Currency::USD,
        base: None,
        payoff,
        multiplier: multiplier.map(d),
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

pub(crate) fn share(id: &str) -> Instrument {
    instrument(id, Payoff::Cash, Some("1"))
}

pub(crate) fn fill(minute: i64, side: Side, id: &str, qty: &str, price: &str) -> Fill {
    fill_of(minute, side, id, d(qty), d(price))
}

pub(crate) fn fill_of(minute: i64, side: Side, id: &str, qty: Decimal, price: Decimal) -> Fill {
    Fill {
        id: format!("f{minute}").into(),
        account: "A1".into(),
        instrument: id.into(),
        symbol: id.into(),
        leg: PositionLeg::Net,
        order: None,
        client_order: None,
        side,
        qty: Qty::new(qty).unwrap(),
        price: Price::new(price),
        at: at(minute),
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::<LotUse>::new(),
    }
}

pub(crate) fn buy(minute: i64, id: &str, qty: &str, price: &str) -> Record {
    Record::Fill(fill(minute, Side::Buy, id, qty, price))
}

pub(crate) fn sell(minute: i64, id: &str, qty: &str, price: &str) -> Record {
    Record::Fill(fill(minute, Side::Sell, id, qty, price))
}

/// The same fill with a fee in dollars.
pub(crate) fn with_fee(record: Record, fee: &str) -> Record {
    match record {
        Record::Fill(mut fill) => {
            fill.fees.push(usd(fee));
            Record::Fill(fill)
        }
        other => other,
    }
}

pub(crate) fn asset(id: &str) -> Asset {
    Asset::Instrument {
        id: id.into(),
        symbol: id.into(),
    }
}

pub(crate) fn fee(minute: i64, asset: Asset, amount: Decimal) -> Fee {
    Fee {
        id: format!("fee{minute}").into(),
        account: "A1".into(),
        label: "FEE".into(),
        asset,
        amount,
        price: None,
        instrument: None,
        order: None,
        fill: None,
        at: at(minute),
        booked_at: None,
        version: 0,
        canceled: false,
    }
}

pub(crate) fn flow(minute: i64, kind: FlowKind, asset: Asset, amount: Decimal) -> Flow {
    Flow {
        id: format!("flow{minute}").into(),
        account: "A1".into(),
        kind,
        asset,
        amount,
        price: None,
        cash: None,
        instrument: None,
        lot: None,
        group: None,
        description: None,
        at: at(minute),
        booked_at: None,
        version: 0,
        canceled: false,
    }
}

pub(crate) fn history(instruments: &[Instrument], records: &[Record]) -> History {
    History {
        account: "A1".into(),
        since: at(-10),
        until: at(100_000),
        records: records.to_vec(),
        instruments: instruments
            .iter()
            .map(|instrument| (instrument.id.clone(), instrument.clone()))
            .collect(),
        opening: Vec::new(),
        pages: 1,
        completeness: Completeness::Complete,
    }
}

pub(crate) fn books(method: LotMethod, instruments: &[Instrument], records: &[Record]) -> Books {
    TradeBook::new(method).fold(&history(instruments, records)).unwrap()
}

pub(crate) fn cash(books: &Books) -> Decimal {
    books.cash.get(&Currency::USD).copied().unwrap_or_default()
}

pub(crate) fn position(books: &Books, id: &str) -> Decimal {
    books
        .positions
        .iter()
        .filter(|position| position.instrument.get() == id)
        .map(|position| position.qty)
        .sum()
}
