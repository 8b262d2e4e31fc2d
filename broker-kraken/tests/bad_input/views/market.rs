//! Quotes and candles.

use broker_core::model::Candle;
use broker_core::{Price, Quote};
use broker_testkit::bad_input::{List, Raw, View};

use super::{decimal, moment_of};

fn side_of(view: View, path: &'static str, price: Option<Price>, size: Option<broker_core::Qty>) -> View {
    let (price, size) = (price.map(Price::get), size.map(|size| size.get()));
    view.fits(path, "price and size", move |raw| {
        let part = |place: usize| raw.and_then(|raw| raw.parts().nth(place));
        match price {
            Some(_) => decimal(part(0)) == price && decimal(part(2)) == size,
            None => decimal(part(0)).is_some_and(|price| price.is_zero()) && size.is_none(),
        }
    })
}

pub(crate) fn quotes(quotes: &[Quote]) -> View {
    let row = |one: &Quote| {
        let view = side_of(pair_key(View::new()), "a", one.ask, one.ask_size);
        side_of(view, "b", one.bid, one.bid_size)
    };
    let rows = List::rows("result", quotes.iter().map(row).collect());
    View::new()
        .list(List::rows("error", Vec::new()))
        .list(rows.skipping(|raw| {
            let key = raw.key().unwrap_or_default();
            !["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD", "BTCUSD"].contains(&key.as_str())
        }))
}

fn pair_key(view: View) -> View {
    view.fits("", "the pair", |raw| {
        let key = raw.and_then(Raw::key).unwrap_or_default();
        ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD", "BTCUSD"].contains(&key.as_str())
    })
}

/// The one list beside `last`, whatever it is called.
pub(crate) fn candles(candles: Vec<Candle>) -> View {
    View::new()
        .list(List::rows("error", Vec::new()))
        .fits("result", "these candles", move |raw| {
            let mut lists = raw
                .into_iter()
                .flat_map(Raw::parts)
                .filter(|part| part.key().as_deref() != Some("last"));
            let (Some(list), None) = (lists.next(), lists.next()) else {
                return false;
            };
            let rows: Vec<_> = list
                .parts()
                .filter(|row| {
                    let at = moment_of(row.parts().next());
                    at.is_some_and(|at| at.timestamp() >= 1_688_600_000 && at.timestamp() < 1_688_700_000)
                })
                .collect();
            rows.len() == candles.len()
                && rows.iter().zip(&candles).all(|(row, candle)| {
                    let part = |place: usize| row.parts().nth(place);
                    let prices = [(1, candle.open), (2, candle.high), (3, candle.low), (4, candle.close)];
                    moment_of(part(0)) == Some(candle.start)
                        && prices
                            .iter()
                            .all(|(place, price)| decimal(part(*place)) == Some(price.get()))
                        && decimal(part(6)) == candle.volume
                })
        })
}
