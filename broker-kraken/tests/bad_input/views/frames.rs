//! Messages of the streams.

use broker_core::model::{Amount, Event};
use broker_core::{Order, Price, Record};
use broker_testkit::bad_input::{List, Raw, View};
use chrono::DateTime;
use rust_decimal::Decimal;

use super::orders::kind_of;
use super::{decimal, maybe_said, pair, text, unless_zero};

fn frame_order(one: &Order) -> View {
    let leg = &one.legs[0];
    let view = View::new().text("order_id", one.id.get());
    let view = pair(view, "symbol", leg.instrument.get()).one_of("side", [leg.side.to_string()]);
    let view = maybe_said(view, "cl_ord_id", one.client_id.as_ref().map(|id| id.get()));
    let kind = one.kind.as_str().to_owned();
    let Amount::Qty(size) = one.amount else {
        panic!("{one:?}")
    };
    let filled = one.filled_qty.get();
    view.time("timestamp", one.updated_at.unwrap())
        .fits("order_type", "its kind", move |raw| kind == kind_of(&text(raw)))
        .fits("order_qty", "its size", move |raw| decimal(raw) == Some(size.get()))
        .fits("cum_qty", "what filled", move |raw| {
            decimal(raw).unwrap_or_default() == filled
        })
}

/// A frame of executions, of one report.
pub(crate) fn executions(events: &[Event]) -> View {
    let told = || View::new().one_of("channel", ["executions"]);
    match events {
        [] => View::new().fits("", "nothing that is told", |raw| {
            let Some(raw) = raw else { return false };
            let row = raw.get("data[0]");
            let whole = row.is_some_and(|row| {
                let sized = row
                    .get("order_qty")
                    .is_some_and(|qty| qty.text().is_none_or(|text| !text.is_empty()));
                let named = ["symbol", "side", "order_type"]
                    .iter()
                    .all(|name| !text(row.get(name)).is_empty());
                sized && named
            });
            text(raw.get("channel")) != "executions"
                || !whole
                || raw.get("method").is_some()
                || raw.get("success").is_some()
        }),
        [Event::Order(order)] => told().list(List::rows("data", vec![frame_order(order)])),
        [Event::Record(record), rest @ .., Event::Order(order)]
            if rest
                .iter()
                .all(|event| matches!(event, Event::Record(record) if matches!(**record, Record::Fee(_)))) =>
        {
            let Record::Fill(one) = &**record else {
                panic!("{record:?}")
            };
            let fees: Vec<Decimal> = rest
                .iter()
                .map(|event| match event {
                    Event::Record(record) => match &**record {
                        Record::Fee(fee) => fee.amount,
                        other => panic!("{other:?}"),
                    },
                    other => panic!("{other:?}"),
                })
                .collect();
            let row = frame_order(order)
                .one_of("exec_type", ["trade"])
                .text("exec_id", one.id.get())
                .scaled("last_qty", one.qty.get(), 0)
                .number("last_price", one.price.get())
                .fits("fees", "what it cost", move |raw| {
                    let said: Option<Vec<Decimal>> = raw
                        .into_iter()
                        .flat_map(Raw::parts)
                        .map(|paid| decimal(paid.get("qty")))
                        .collect();
                    said.map(|said| said.into_iter().filter(|fee| !fee.is_zero()).collect::<Vec<_>>())
                        == Some(fees.clone())
                });
            told().list(List::rows("data", vec![row]))
        }
        // A report that comes twice, and the like.
        _ => told(),
    }
}

pub(crate) fn ticker(events: &[Event]) -> View {
    match events {
        [] => View::new().fits("", "no quote of ours", |raw| {
            let Some(raw) = raw else { return false };
            text(raw.get("channel")) != "ticker"
                || raw.get("method").is_some()
                || raw.get("success").is_some()
                || raw
                    .get("data")
                    .is_none_or(|data| data.parts().all(|row| text(row.get("symbol")) != "BTC/USD"))
        }),
        [Event::Quote(quote)] => {
            let at = quote.at;
            let row = View::new().text("symbol", "BTC/USD");
            let row = unless_zero(row, "bid", quote.bid.map(Price::get));
            let row = unless_zero(row, "ask", quote.ask.map(Price::get));
            let row = row.fits("timestamp", "its moment", move |raw| {
                raw.and_then(Raw::text)
                    .and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
                    .map(|at| at.to_utc())
                    == at
            });
            View::new()
                .one_of("channel", ["ticker"])
                .list(List::rows("data", vec![row]).skipping(|raw| text(raw.get("symbol")) != "BTC/USD"))
        }
        _ => View::new().one_of("channel", ["ticker"]),
    }
}
