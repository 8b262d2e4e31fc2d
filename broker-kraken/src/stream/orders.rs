//! Orders as reports tell them, put together from what each report leaves out.

use std::collections::{BTreeMap, VecDeque};

use broker_core::model::{Amount, Grade, Liquidity, OrderKind, OrderLeg, OrderLinks, PositionLeg, Trail};
use broker_core::{
    AccountId, ClientOrderId, Error, Fill, FillId, InstrumentId, Money, Order, OrderId, OrderStatus, Price, Qty,
    Record, Result, Side, Symbol, TimeInForce,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::wire::ReportJson;
use crate::directory::{Directory, Held};
use crate::map;
use crate::map::ledger::trade_fee;
use crate::wire::filled;

/// Open orders that are remembered at most.
const MOST_ORDERS: usize = 4_096;

/// Orders that ended and are remembered: the last trade of an order is told before the word that it is filled.
const MOST_ENDED: usize = 256;

/// What the reports of a connection told of orders that are open, or were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Orders {
    known: BTreeMap<OrderId, Order>,
    ended: VecDeque<OrderId>,
}

/// What a report tells.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) records: Vec<Record>,
    pub(super) order: Option<Order>,
    /// It speaks of an order that nobody told before: this one is to be read.
    pub(super) unknown: Option<OrderId>,
}

impl Orders {
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.ended.clear();
    }

    pub(super) fn take(&mut self, report: &ReportJson<'_>, account: &AccountId, directory: &Directory) -> Result<Told> {
        let id = OrderId::from(report.order_id.get());
        let at = time(report.timestamp.get())?;
        let mut told = Told::default();
        let mut order = match (self.known.remove(&id), is_whole(report)) {
            (Some(order), _) => Some(order),
            (None, true) => Some(begun(&id, report, at, account, directory)?),
            (None, false) => None,
        };
        let had_ended = order.as_ref().is_some_and(|order| order.status.is_final());
        if let Some(order) = &mut order {
            apply(order, report, at)?;
        }
        // `filled` tells of the same event once more.
        if report.exec_type.get() == "trade" {
            told.records = records(&id, report, order.as_ref(), at, account, directory)?;
        }
        let Some(order) = order else {
            told.unknown = Some(id);
            return Ok(told);
        };
        if order.status.is_final() && !had_ended {
            self.ended.push_back(id.clone());
        }
        if self.ended.len() > MOST_ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.known.remove(&oldest);
        }
        if self.known.len() < MOST_ORDERS + MOST_ENDED {
            self.known.insert(id, order.clone());
        }
        told.order = Some(order);
        Ok(told)
    }
}

fn is_whole(report: &ReportJson<'_>) -> bool {
    let sized = report.order_qty.0.is_some() || report.cash_order_qty.0.is_some();
    let named = [&report.symbol, &report.side, &report.order_type];
    sized && named.iter().all(|field| filled(field).is_some())
}

fn time(text: &str) -> Result<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(text);
    Ok(at.map_err(|_| Error::decode(format!("{text:?} is no time")))?.to_utc())
}

fn traded(
    report: &ReportJson<'_>,
    on_margin: bool,
    directory: &Directory,
) -> Result<Option<(InstrumentId, Symbol, Side)>> {
    let (Some(symbol), Some(side)) = (filled(&report.symbol), filled(&report.side)) else {
        return Ok(None);
    };
    let held = if on_margin { Held::OnMargin } else { Held::Outright };
    let (instrument, symbol) = directory.pair_of(symbol)?.names(held);
    Ok(Some((instrument, symbol, map::side(side)?)))
}

/// An order of its first report. What can change is put in by [`apply`].
fn begun(
    id: &OrderId,
    report: &ReportJson<'_>,
    at: DateTime<Utc>,
    account: &AccountId,
    directory: &Directory,
) -> Result<Order> {
    let on_margin = report.margin == Some(true);
    let (instrument, symbol, side) = traded(report, on_margin, directory)?.ok_or_else(|| Error::decode("no symbol"))?;
    let cash = report.cash_order_qty.nonzero();
    let quote = directory.instrument(instrument.get()).map(|known| known.currency);
    let amount = match (cash, quote) {
        (Some(cash), Some(quote)) => Amount::Notional(Money::new(cash, quote)),
        _ => Amount::Qty(Qty::new(report.order_qty.0.unwrap_or_default())?),
    };
    Ok(Order {
        id: id.clone(),
        client_id: filled(&report.cl_ord_id).map(ClientOrderId::from),
        account: account.clone(),
        legs: vec![OrderLeg {
            instrument,
            symbol,
            side,
            ratio: Decimal::ONE,
            effect: None,
            position: PositionLeg::Net,
            filled_qty: Qty::ZERO,
            average_price: None,
        }],
        kind: map::order::kind(filled(&report.order_type).unwrap_or_default()),
        amount,
        filled_qty: Qty::ZERO,
        average_price: None,
        limit_price: None,
        stop_price: None,
        trail: None,
        time_in_force: None,
        expires_at: None,
        extended_hours: false,
        reduce_only: report.reduce_only == Some(true),
        status: OrderStatus::PendingNew,
        reason: None,
        links: OrderLinks::default(),
        created_at: matches!(report.exec_type.get(), "pending_new" | "new").then_some(at),
        updated_at: None,
    })
}

fn apply(order: &mut Order, report: &ReportJson<'_>, at: DateTime<Utc>) -> Result<()> {
    if let (Some(qty), Amount::Qty(_)) = (report.order_qty.0, &order.amount) {
        order.amount = Amount::Qty(Qty::new(qty)?);
    }
    if let Some(qty) = report.cum_qty.0 {
        order.filled_qty = Qty::new(qty)?;
    }
    if let Some(price) = report.avg_price.nonzero() {
        order.average_price = Some(Price::new(price));
    }
    if order.filled_qty.is_zero() {
        order.average_price = None;
    }
    for leg in &mut order.legs {
        (leg.filled_qty, leg.average_price) = (order.filled_qty, order.average_price);
    }
    prices(order, report);
    if let Some(tif) = filled(&report.time_in_force) {
        order.time_in_force = Some(match tif {
            "GTC" => TimeInForce::Gtc,
            "GTD" => TimeInForce::Gtd,
            "IOC" => TimeInForce::Ioc,
            other => TimeInForce::Other(other.into()),
        });
    }
    if let Some(expires) = filled(&report.expire_time) {
        order.expires_at = Some(time(expires)?);
    }
    if let Some(reason) = filled(&report.reason) {
        order.reason = Some(reason.to_owned());
    }
    if let Some(word) = filled(&report.order_status) {
        order.status = status(word, order);
    }
    order.updated_at = Some(at);
    Ok(())
}

fn prices(order: &mut Order, report: &ReportJson<'_>) {
    let limited = matches!(
        order.kind,
        OrderKind::Limit | OrderKind::StopLimit | OrderKind::LimitIfTouched | OrderKind::TrailingStopLimit
    );
    if let Some(price) = report.limit_price.nonzero().filter(|_| limited) {
        order.limit_price = Some(Price::new(price));
    }
    let triggers = report.triggers.as_ref();
    let word = triggers
        .and_then(|triggers| filled(&triggers.price_type))
        .unwrap_or("static");
    let level = triggers.and_then(|triggers| triggers.price.nonzero());
    match order.kind {
        OrderKind::Stop | OrderKind::StopLimit | OrderKind::MarketIfTouched | OrderKind::LimitIfTouched => {
            let price = level.filter(|_| word == "static").or(report.stop_price.nonzero());
            if let Some(price) = price {
                order.stop_price = Some(Price::new(price));
            }
        }
        OrderKind::TrailingStop | OrderKind::TrailingStopLimit => {
            if let Some(distance) = level.map(|level| level.abs()) {
                order.trail = Some(match word {
                    "pct" => Trail::Percent(distance),
                    _ => Trail::Amount(distance),
                });
            }
            if let Some(price) = triggers.and_then(|triggers| triggers.actual_price.nonzero()) {
                order.stop_price = Some(Price::new(price));
            }
        }
        _ => {}
    }
}

/// A report of the last fill may still say that a part is missing; one of a change may say `new` of a filled part.
fn status(word: &str, order: &Order) -> OrderStatus {
    let whole = matches!(order.amount, Amount::Qty(qty) if !qty.is_zero() && order.filled_qty >= qty);
    match word {
        "pending_new" => OrderStatus::PendingNew,
        "new" | "partially_filled" | "triggered" if whole => OrderStatus::Filled,
        "new" | "triggered" if order.filled_qty.is_zero() => OrderStatus::New,
        "new" | "triggered" | "partially_filled" => OrderStatus::PartiallyFilled,
        "filled" => OrderStatus::Filled,
        "canceled" => OrderStatus::Canceled,
        "expired" => OrderStatus::Expired,
        other => OrderStatus::Other(other.into()),
    }
}

/// The fill, and what it cost: under the ids that the history has.
fn records(
    id: &OrderId,
    report: &ReportJson<'_>,
    order: Option<&Order>,
    at: DateTime<Utc>,
    account: &AccountId,
    directory: &Directory,
) -> Result<Vec<Record>> {
    let trade = filled(&report.exec_id).ok_or_else(|| Error::decode("a trade without its id"))?;
    let known = order.and_then(|order| order.legs.first());
    let known = known.map(|leg| (leg.instrument.clone(), leg.symbol.clone(), leg.side));
    // Whether it was on margin is not told with a trade of an order that is not known: it is read from the history.
    let Some((instrument, symbol, side)) = known else {
        return Ok(Vec::new());
    };
    let (Some(qty), Some(price)) = (report.last_qty.nonzero(), report.last_price.0) else {
        return Err(Error::decode(format!("trade {trade} has no quantity or no price")));
    };
    let fill = Fill {
        id: FillId::from(trade),
        account: account.clone(),
        instrument,
        symbol,
        leg: PositionLeg::Net,
        order: Some(id.clone()),
        client_order: None,
        side,
        qty: Qty::new(qty)?,
        price: price.into(),
        at,
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: match filled(&report.liquidity_ind) {
            Some("m") => Some(Liquidity::Maker),
            Some("t") => Some(Liquidity::Taker),
            _ => None,
        },
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    };
    let mut records = vec![Record::Fill(fill)];
    for paid in report.fees.iter().flatten().filter(|paid| !paid.qty.0.is_zero()) {
        let (asset, _) = directory.asset(paid.asset.get())?;
        records.push(Record::Fee(trade_fee(trade, asset, paid.qty.0, at, account)));
    }
    Ok(records)
}
