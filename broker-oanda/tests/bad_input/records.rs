//! What the model got from which field: fills and flows, on pages and in lines of streams.

use broker_core::model::{Event, Flow, FlowKind, LotRole};
use broker_core::{Fill, Record, Result, Side};
use broker_testkit::bad_input::{List, Raw, View, Words};
use rust_decimal::Decimal;

use super::orders;
use super::views::{is_id, number, quote, said, signed, word};

/// Types that tell of money; of any other nothing is booked.
const BOOKED: [&str; 4] = ["ORDER_FILL", "DAILY_FINANCING", "DIVIDEND_ADJUSTMENT", "TRANSFER_FUNDS"];

/// The records of a page, by the transactions that tell them.
pub(crate) fn transactions(records: &[Record]) -> View {
    let id = |record: &Record| match record {
        Record::Fill(fill) => fill.id.get().to_owned(),
        Record::Flow(flow) => flow.group.clone().unwrap_or_else(|| flow.id.get().to_owned()),
        other => panic!("OANDA tells no such record: {other:?}"),
    };
    let mut groups: Vec<Vec<&Record>> = Vec::new();
    for record in records {
        let goes_on = groups.last().is_some_and(|group| {
            let both_flows = matches!((group[0], record), (Record::Fill(_) | Record::Flow(_), Record::Flow(_)));
            let alone = matches!(record, Record::Flow(flow) if flow.group.is_none());
            let same = id(group[0]) == id(record) && is_of(group[0], record);
            same && both_flows && !alone && !again(group, record)
        });
        match groups.last_mut() {
            Some(group) if goes_on => group.push(record),
            _ => groups.push(vec![record]),
        }
    }
    let quiet = |raw: Raw<'_>| !said(Some(raw), "type").is_some_and(|kind| BOOKED.contains(&kind.as_str()));
    let rows = groups.iter().map(|group| transaction(group)).collect();
    View::new()
        .list(List::rows("transactions", rows).skipping(quiet))
        .fits("lastTransactionID", "there", |raw| raw.and_then(Raw::number).is_some())
}

/// Whether a flow is of the kind of the row that began: a fill has financing alone.
fn is_of(first: &Record, record: &Record) -> bool {
    match (first, record) {
        (Record::Flow(first), Record::Flow(record)) => first.kind == record.kind,
        (Record::Fill(_), Record::Flow(record)) => record.kind == FlowKind::Financing,
        _ => false,
    }
}

/// The same row a second time.
fn again(group: &[&Record], record: &Record) -> bool {
    let key = |record: &Record| match record {
        Record::Flow(flow) => flow.id.get().to_owned(),
        _ => String::new(),
    };
    group
        .iter()
        .any(|one| matches!(one, Record::Flow(_)) && key(one) == key(record))
}

fn transaction(group: &[&Record]) -> View {
    match group {
        [Record::Fill(one)] => fill(one),
        // Financing that no lot of it holds.
        [Record::Fill(one), Record::Flow(rest)] => fill(one).fits("", "financing of a fill without lots", {
            let rest = rest.amount;
            move |raw| raw.is_some_and(|raw| number(raw, "financing") == Some(rest))
        }),
        [Record::Flow(one)] if one.group.is_none() => transfer(one),
        flows => dated(flows),
    }
}

fn lots(fill: &Fill, role: LotRole) -> Vec<&broker_core::model::LotUse> {
    fill.lots.iter().filter(|lot| lot.role == role).collect()
}

/// What a fill says; its lots count where they add up to it.
pub(crate) fn fill(fill: &Fill) -> View {
    let side = fill.side;
    let row = View::new()
        .one_of("type", ["ORDER_FILL"])
        .one_of("id", [fill.id.get()])
        .text("instrument", fill.instrument.get())
        .magnitude("units", fill.qty.get())
        .fits("units", "the side's sign", move |raw| signed(raw, side))
        .maybe_text("orderID", fill.order.as_ref().map(|id| id.get()))
        .maybe_text("clientOrderID", fill.client_order.as_ref().map(|id| id.get()))
        .time("time", fill.at)
        .maybe_number("pl", fill.pnl.map(|money| money.amount));
    let fees: Decimal = fill.fees.iter().map(|fee| fee.amount).sum();
    let (price, qty) = (fill.price.get(), fill.qty.get());
    let (opened, closed) = (lots(fill, LotRole::Opened), lots(fill, LotRole::Closed));
    let told: Vec<(String, Decimal)> = closed
        .iter()
        .chain(&opened)
        .map(|lot| (lot.lot.get().to_owned(), lot.qty.get()))
        .collect();
    let rates = fill.conversion.as_ref().map(|rates| (rates.gain, rates.loss));
    row.fits("", "its fees", move |raw| {
        let of = |path| raw.and_then(|raw| number(raw, path)).unwrap_or_default();
        fees == of("commission") + of("guaranteedExecutionFee")
    })
    .fits("", "its lots, where they add up to it", move |raw| {
        let Some(raw) = raw else { return false };
        let said = legs(raw);
        let sum: Option<Decimal> = said.iter().map(|(_, units, _)| units.map(|units| units.abs())).sum();
        let said: Vec<_> = said
            .into_iter()
            .filter_map(|(id, units, _)| Some((id?, units?.abs())))
            .collect();
        match sum == Some(qty) {
            true => said == told,
            false => told.is_empty(),
        }
    })
    .fits("", "the price of its lots, or its own", move |raw| {
        raw.is_some_and(|raw| is_price(raw, price, qty))
    })
    .fits("", "its rates of conversion", move |raw| {
        let Some(raw) = raw else { return false };
        let of = |new: &str, old: &str| number(raw, new).or_else(|| number(raw, old));
        let gain = of(
            "homeConversionFactors.gainQuoteHome.factor",
            "gainQuoteHomeConversionFactor",
        );
        let loss = of(
            "homeConversionFactors.lossQuoteHome.factor",
            "lossQuoteHomeConversionFactor",
        );
        rates == gain.zip(loss)
    })
}

/// The price of lots that add up lies between theirs; without such lots it is the fill's own.
pub(crate) fn is_price(fill: Raw<'_>, price: Decimal, qty: Decimal) -> bool {
    let said = legs(fill);
    let sum: Option<Decimal> = said.iter().map(|(_, units, _)| units.map(|units| units.abs())).sum();
    let prices: Option<Vec<Decimal>> = said.iter().map(|(_, _, price)| *price).collect();
    match prices.filter(|prices| sum == Some(qty) && !prices.is_empty()) {
        None => number(fill, "price") == Some(price),
        Some(prices) => {
            let (least, most) = (prices.iter().min().unwrap(), prices.iter().max().unwrap());
            (*least..=*most).contains(&price)
        }
    }
}

type Leg = (Option<String>, Option<Decimal>, Option<Decimal>);

/// Closed, reduced and opened lots: id, units, price.
fn legs(raw: Raw<'_>) -> Vec<Leg> {
    let closed = raw.get("tradesClosed").into_iter().flat_map(Raw::parts);
    let single = [raw.get("tradeReduced"), raw.get("tradeOpened")].into_iter().flatten();
    closed
        .chain(single)
        .map(|leg| {
            (
                said(Some(leg), "tradeID").or_else(|| leg.get("tradeID")?.number()),
                number(leg, "units"),
                number(leg, "price"),
            )
        })
        .collect()
}

const FUNDING: Words = &[
    ("CLIENT_FUNDING", "deposit"),
    ("CLIENT_FUNDING", "withdrawal"),
    ("ACCOUNT_TRANSFER", "transfer"),
    ("DIVISION_MIGRATION", "transfer"),
    ("SITE_MIGRATION", "transfer"),
    ("ADJUSTMENT", "adjustment"),
];

fn transfer(flow: &Flow) -> View {
    let row = View::new()
        .one_of("type", ["TRANSFER_FUNDS"])
        .one_of("id", [flow.id.get()])
        .time("time", flow.at)
        .number("amount", flow.amount)
        .maybe_text("comment", flow.description.as_deref());
    match flow.kind {
        FlowKind::Deposit | FlowKind::Withdrawal => row.fits("fundingReason", "the client's", |raw| {
            raw.is_none_or(|raw| {
                raw.text()
                    .is_some_and(|text| text.is_empty() || text == "CLIENT_FUNDING")
            })
        }),
        _ => row.word(
            "fundingReason",
            word!(&flow.kind, FlowKind::Other(text) => text),
            FUNDING,
        ),
    }
}

/// Financing or a dividend: however it is told, the sum is what the row says, or what its parts say.
fn dated(flows: &[&Record]) -> View {
    let flows: Vec<&Flow> = flows
        .iter()
        .map(|record| match record {
            Record::Flow(flow) => flow,
            other => panic!("{other:?}"),
        })
        .collect();
    let (kind, path) = match flows[0].kind {
        FlowKind::Financing => ("DAILY_FINANCING", "financing"),
        FlowKind::Dividend => ("DIVIDEND_ADJUSTMENT", "dividendAdjustment"),
        ref other => panic!("{other:?}"),
    };
    let sum: Decimal = flows.iter().map(|flow| flow.amount).sum();
    View::new()
        .one_of("type", [kind])
        .one_of("id", [flows[0].group.clone().unwrap()])
        .time("time", flows[0].at)
        .scaled(path, sum, 0)
}

/// The fill of a close.
pub(crate) fn closed(key: &'static str, one: &Fill) -> View {
    // Of what was closed the type is not asked.
    View::new()
        .one_of(format!("{key}.id"), [one.id.get()])
        .text(format!("{key}.instrument"), one.instrument.get())
        .magnitude(format!("{key}.units"), one.qty.get())
        .time(format!("{key}.time"), one.at)
        .maybe_number(format!("{key}.pl"), one.pnl.map(|money| money.amount))
        .fits(format!("{key}.units"), "the side's sign", {
            let side: Side = one.side;
            move |raw| signed(raw, side)
        })
        .fits("lastTransactionID", "an id", is_id)
}

/// What a line of a stream tells.
pub(crate) fn line(events: &[Event]) -> Result<View> {
    let silent = |raw: Option<Raw<'_>>| {
        let kind = said(raw, "type").unwrap_or_default();
        // A cancel tells nothing without its order.
        kind != "PRICE" && !BOOKED.contains(&kind.as_str())
    };
    Ok(match events {
        [] => View::new().fits("", "nothing that happened", silent),
        [Event::Quote(one)] => quote(one).one_of("type", ["PRICE"]),
        [Event::Record(record), rest @ ..] if matches!(**record, Record::Fill(_)) => {
            let mut group = vec![&**record];
            for event in rest {
                match event {
                    Event::Record(record) => group.push(record),
                    other => panic!("{other:?}"),
                }
            }
            transaction(&group)
        }
        [Event::Record(_), ..] => {
            let records = events.iter().map(|event| match event {
                Event::Record(record) => &**record,
                other => panic!("{other:?}"),
            });
            transaction(&records.collect::<Vec<_>>())
        }
        [Event::Order(order), ..] if order.status == broker_core::OrderStatus::Rejected => View::new()
            .one_of("id", [order.id.get()])
            .fits("type", "a reject", |raw| {
                raw.and_then(Raw::text)
                    .is_some_and(|text| text.ends_with("_ORDER_REJECT"))
            }),
        [Event::Order(order), ..] => orders::order(order),
        other => panic!("{other:?}"),
    })
}
