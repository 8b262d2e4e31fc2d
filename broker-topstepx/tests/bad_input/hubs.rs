//! What the model got from which field: records of the hubs.

use broker_core::model::Event;
use broker_core::seam::Frame;
use broker_core::{Error, Price, Result};
use broker_testkit::bad_input::{List, Raw, View};
use broker_topstepx::TopstepxBroker;
use chrono::DateTime;

use super::{ACCOUNT, account, views};

pub(super) const ORDER: &str = "GatewayUserOrder";
pub(super) const TRADE: &str = "GatewayUserTrade";
pub(super) const POSITION: &str = "GatewayUserPosition";
pub(super) const BALANCE: &str = "GatewayUserAccount";

/// A row as the user hub tells it.
pub(super) fn wrapped(target: &str, row: &str) -> String {
    format!(r#"{{"type":1,"target":"{target}","arguments":[{{"action":1,"data":{row}}}]}}"#)
}

pub(super) const QUOTE: &str = r#"{"type":1,"target":"GatewayQuote","arguments":["CON.F.US.MNQ.U26",{"symbol":"F.US.MNQ","lastPrice":29547.5,
  "bestBid":29547.25,"bestAsk":29547.500,"lastUpdated":"2026-08-20T14:16:01.4061289+00:00","timestamp":"2026-08-20T14:16:01+00:00"}]}"#;

fn frame(body: &[u8]) -> Result<Frame> {
    let text = std::str::from_utf8(body).map_err(|_| Error::decode("no UTF-8"))?;
    Ok(Frame::Text(format!("{text}\u{1e}")))
}

/// A frame of the user hub.
pub(super) fn read(target: &'static str, body: &[u8]) -> Result<View> {
    let events = TopstepxBroker::read_user_hub(&[account()], &frame(body)?)?;
    if events.is_empty() {
        return Ok(View::new().fits("", "nothing of ours", move |raw| tells_nothing(raw, target)));
    }
    let (mut rows, mut records) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            Event::Order(order) => rows.push(views::order(&order)),
            Event::Position(position) => rows.push(views::position(&position)),
            Event::Balances(balances) => rows.push(views::balance(&balances)),
            Event::Record(record) => records.push(*record),
            other => panic!("{other:?}"),
        }
    }
    rows.extend(views::fills(&records));
    let rows = rows.into_iter().map(|row| View::new().inside("data", row)).collect();
    let list = List::rows("arguments", rows).skipping(|raw| {
        let number = raw.get("data.accountId").or_else(|| raw.get("data.id"));
        number.is_none_or(|number| number.source() != ACCOUNT)
    });
    Ok(View::new().one_of("target", [target]).list(list))
}

/// Another kind of message, another event, another account's, or an event without a row.
fn tells_nothing(raw: Option<Raw<'_>>, target: &str) -> bool {
    let Some(raw) = raw else { return false };
    let is_event = raw.get("type").is_some_and(|kind| kind.source() == "1");
    let is_ours = raw.get("target").and_then(Raw::text).as_deref() == Some(target);
    let row = raw.get("arguments[0].data").or_else(|| raw.get("arguments[0]"));
    let number = row.and_then(|row| row.get("accountId").or_else(|| row.get("id")));
    !is_event || !is_ours || number.is_none_or(|number| number.source() != account().get())
}

/// A frame of the market hub.
pub(super) fn quote(body: &[u8]) -> Result<View> {
    let events = TopstepxBroker::read_market_hub(&frame(body)?)?;
    match events.as_slice() {
        [] => Ok(View::new().fits("", "no quote", |raw| {
            let Some(raw) = raw else { return false };
            let is_event = raw.get("type").is_some_and(|kind| kind.source() == "1");
            let is_quote = raw.get("target").and_then(Raw::text).as_deref() == Some("GatewayQuote");
            // An empty list of changes changes nothing.
            let changes = raw.get("arguments[1]");
            let is_empty = changes.is_none_or(|list| list.source().starts_with('[') && list.parts().all(Raw::is_null));
            !is_event || !is_quote || is_empty
        })),
        [Event::Quote(quote)] => {
            let at = quote.at;
            let row = View::new()
                .maybe_number("bestBid", quote.bid.map(Price::get))
                .maybe_number("bestAsk", quote.ask.map(Price::get))
                .fits("", "when it was updated, else its time", move |raw| {
                    let of = |path| raw.and_then(|raw| raw.get(path)).and_then(Raw::text);
                    let said = of("lastUpdated").or(of("timestamp"));
                    said.and_then(|text| DateTime::parse_from_rfc3339(&text).ok())
                        .map(|at| at.to_utc())
                        == at
                });
            Ok(View::new()
                .one_of("target", ["GatewayQuote"])
                .text("arguments[0]", quote.instrument.get())
                .inside("arguments[1]", row))
        }
        other => panic!("{other:?}"),
    }
}
