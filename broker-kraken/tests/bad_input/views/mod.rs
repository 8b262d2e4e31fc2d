//! What the model got from which field.

mod account;
mod frames;
mod market;
mod orders;
mod records;

use broker_core::Error;
use broker_testkit::bad_input::{List, Raw, View};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

pub(super) use account::{balances, instruments, margin, positions};
pub(super) use frames::{executions, ticker};
pub(super) use market::{candles, quotes};
pub(super) use orders::{OURS, closed, of_client_id, order, orders};
pub(super) use records::{ledger, trades};

/// A good answer: no errors, and this result.
pub(super) fn good(result: View) -> View {
    View::new()
        .list(List::rows("error", Vec::new()))
        .inside("result", result)
}

pub(super) fn good_rows(rows: Vec<View>) -> View {
    let result = List::rows("result", rows).in_any_order();
    View::new().list(List::rows("error", Vec::new())).list(result)
}

/// A number by plain arithmetic: not by the reader that is tested.
pub(super) fn decimal(raw: Option<Raw<'_>>) -> Option<Decimal> {
    let text = raw?.number()?;
    let plain = text.strip_prefix('+').unwrap_or(&text);
    Decimal::from_scientific(plain)
        .or_else(|_| Decimal::from_str_exact(plain))
        .ok()
}

fn text(raw: Option<Raw<'_>>) -> String {
    raw.and_then(Raw::text).unwrap_or_default()
}

/// Zero says that there is none.
fn unless_zero(view: View, path: &'static str, value: Option<Decimal>) -> View {
    match value {
        Some(value) => view.number(path, value),
        None => view.fits(path, "nothing, or zero", |raw| {
            raw.is_none_or(|raw| {
                raw.text().is_some_and(|text| text.is_empty())
                    || decimal(Some(raw)).is_some_and(|number| number.is_zero())
            })
        }),
    }
}

/// Seconds with their fraction; 0 says that there is no such moment.
fn moment_of(raw: Option<Raw<'_>>) -> Option<DateTime<Utc>> {
    let text = raw?.number()?;
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let nanos = format!("{part:0<9}").parse().ok()?;
    DateTime::from_timestamp(whole.parse().ok()?, nanos)
}

pub(super) fn seconds(view: View, path: &'static str, at: Option<DateTime<Utc>>) -> View {
    view.fits(path, "its moment", move |raw| {
        moment_of(raw).filter(|said| *said != DateTime::UNIX_EPOCH) == at
    })
}

/// Text that may be missing, and then empty, or "None".
fn maybe_said(view: View, path: &'static str, said: Option<&str>) -> View {
    let said = said.unwrap_or_default().to_owned();
    view.fits(path, "its text, or none", move |raw| match text(raw).as_str() {
        "None" => said.is_empty(),
        text => text == said && raw.is_none_or(|raw| raw.text().is_some()),
    })
}

fn asset(view: View, path: &'static str, code: &str) -> View {
    let code = code.to_owned();
    view.fits(path, "the asset's id", move |raw| {
        let text = text(raw);
        let known = [
            ("XXBT", "BTC"),
            ("XETH", "ETH"),
            ("ZUSD", "USD"),
            ("ZEUR", "EUR"),
            ("XXDG", "DOGE"),
        ];
        let listed = known.iter().find(|(id, _)| *id == text);
        let part = [".S", ".M", ".B", ".F", ".T"]
            .iter()
            .find_map(|suffix| text.strip_suffix(suffix));
        match (listed, part) {
            (Some((_, name)), _) => *name == code,
            // One that is not listed keeps its name, but for the two that the world calls otherwise.
            (None, None) => code == common(&text),
            (None, Some(_)) => true,
        }
    })
}

fn common(name: &str) -> &str {
    match name {
        "XBT" => "BTC",
        "XDG" => "DOGE",
        other => other,
    }
}

/// A pair by any of its names; one that is not listed by its own.
fn pair(view: View, path: &'static str, instrument: &str) -> View {
    let id = instrument.strip_prefix("margin:").unwrap_or(instrument).to_owned();
    view.fits(path, "the pair's name", move |raw| {
        let said = text(raw);
        let names: [(&str, &[&str]); 2] = [
            ("XXBTZUSD", &["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD", "BTCUSD"]),
            ("XETHZUSD", &["XETHZUSD", "ETHUSD", "ETH/USD"]),
        ];
        match names.iter().find(|(_, names)| names.contains(&said.as_str())) {
            Some((key, _)) => id == *key,
            None => id == said && !said.is_empty(),
        }
    })
}

fn count(view: View) -> View {
    view.fits("count", "a number", |raw| raw.is_some_and(Raw::is_number))
}

/// A refusal: of several errors one counts.
pub(super) fn refused(error: &Error) -> View {
    let (code, message) = (
        error.code().unwrap().to_owned(),
        error.message().unwrap_or_default().to_owned(),
    );
    View::new().fits("error", "its words", move |raw| {
        raw.into_iter().flat_map(Raw::parts).any(|one| {
            let said = one.text().unwrap_or_default();
            let (name, words) = said.split_once(':').unwrap_or((&said, &said));
            let plain = words.len() < 100 && said.chars().all(|c| c == ' ' || c.is_ascii_graphic());
            !plain || (name == code && message.contains(words.trim()))
        })
    })
}
