//! What the model got from which field: answers about markets.

use broker_core::model::{Candle, InstrumentStatus, Quote};
use broker_core::{Instrument, Price};
use broker_testkit::bad_input::{List, Raw, View, Word, Words};
use rust_decimal::Decimal;

use super::views::{decimal, is_elsewhere, moment, price, word};

/// A rule of zero is switched off, and so is one that is not there.
fn rule(
    kinds: &'static [&'static str],
    name: &'static str,
    value: Option<Decimal>,
) -> impl Fn(Option<Raw<'_>>) -> bool {
    move |raw| {
        let filters = raw.and_then(|raw| raw.get("filters"));
        let mut filters = filters.into_iter().flat_map(Raw::parts);
        let of = |filter: &Raw<'_>| filter.get("filterType").and_then(Raw::text);
        let all: Vec<Raw<'_>> = filters.by_ref().collect();
        let found = kinds
            .iter()
            .find_map(|kind| all.iter().find(|filter| of(filter).as_deref() == Some(kind)));
        match found {
            None => value.is_none(),
            Some(filter) => match decimal(filter.get(name)) {
                None => false,
                Some(number) => value == Some(number).filter(|number| !number.is_zero()),
            },
        }
    }
}

const LISTED: Words = &[
    ("TRADING", "tradable"),
    ("HALT", "halted"),
    ("BREAK", "halted"),
    ("END_OF_DAY", "halted"),
];

fn instrument(one: &Instrument) -> View {
    let status = word!(&one.status, InstrumentStatus::Other(text) => text);
    View::new()
        .text("symbol", one.id.get())
        .word("status", status, LISTED)
        .one_of("baseAsset", [one.base.unwrap().code()])
        .one_of("quoteAsset", [one.currency.code()])
        .fits(
            "",
            "its tick",
            rule(&["PRICE_FILTER"], "tickSize", one.ticks.first().map(|band| band.tick)),
        )
        .fits("", "its lot", rule(&["LOT_SIZE"], "stepSize", one.lot))
        .fits(
            "",
            "its least",
            rule(&["LOT_SIZE"], "minQty", one.min_qty.map(broker_core::Qty::get)),
        )
        .fits(
            "",
            "its most",
            rule(&["LOT_SIZE"], "maxQty", one.max_qty.map(broker_core::Qty::get)),
        )
        .fits("", "its least value", {
            let least = one.min_notional.map(|least| least.amount);
            rule(&["NOTIONAL", "MIN_NOTIONAL"], "minNotional", least)
        })
}

pub(super) fn instruments(all: &[Instrument]) -> View {
    let list = List::rows("symbols", all.iter().map(instrument).collect());
    // Names that are longer than any coin's are left out.
    View::new().list(list.skipping(|raw| {
        ["baseAsset", "quoteAsset"].iter().any(|path| {
            let name = raw.get(path).and_then(Raw::text);
            name.is_some_and(|name| name.parse::<broker_core::Currency>().is_err())
        })
    }))
}

/// A side that nobody quotes is written as zero.
fn quoted(view: View, paths: [&'static str; 2], side: (Option<Price>, Option<broker_core::Qty>)) -> View {
    match side {
        (Some(price), Some(qty)) => view.number(paths[0], price.get()).number(paths[1], qty.get()),
        (None, None) => price(view, paths[0], None).fits(paths[1], "a number", |raw| decimal(raw).is_some()),
        other => panic!("{other:?}"),
    }
}

pub(super) fn quote(one: &Quote, names: [&'static str; 5]) -> View {
    let view = View::new().one_of(names[0], [one.instrument.get()]);
    let view = quoted(view, [names[1], names[2]], (one.bid, one.bid_size));
    quoted(view, [names[3], names[4]], (one.ask, one.ask_size))
}

pub(super) const BOOK: [&str; 5] = ["symbol", "bidPrice", "bidQty", "askPrice", "askQty"];

pub(super) fn candles(candles: &[Candle]) -> View {
    let row = |one: &Candle| {
        let view = View::new()
            .number("[1]", one.open.get())
            .number("[2]", one.high.get())
            .number("[3]", one.low.get())
            .number("[4]", one.close.get())
            .number("[5]", one.volume.unwrap());
        moment(view, "[0]", one.start)
    };
    let rows = List::rows("", candles.iter().map(row).collect());
    View::new().list(rows.skipping(|raw| is_elsewhere(raw, "[0]")))
}
