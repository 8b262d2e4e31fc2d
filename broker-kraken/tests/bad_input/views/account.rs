//! Pairs, balances and margin positions.

use broker_core::model::InstrumentStatus;
use broker_core::{Balances, Instrument, Position, Price};
use broker_testkit::bad_input::{List, Raw, View};
use rust_decimal::Decimal;

use super::{asset, common, decimal, good, good_rows, pair, seconds, text, unless_zero};

pub(crate) fn instruments(found: &[Instrument]) -> View {
    let spot = found.iter().filter(|one| !one.id.get().starts_with("margin:"));
    let row = |one: &Instrument| {
        let (base, quote) = (one.base.unwrap(), one.currency);
        let margin = found
            .iter()
            .find(|other| other.id.get() == format!("margin:{}", one.id));
        let rates = margin.map(|margin| margin.margin.clone().unwrap());
        let (tick, lot) = (one.ticks[0].tick, one.lot.unwrap());
        let view = View::new().key(one.id.get());
        let view = asset(asset(view, "base", base.code()), "quote", quote.code());
        let view = unless_zero(view, "ordermin", one.min_qty.map(|qty| qty.get()));
        let view = unless_zero(view, "costmin", one.min_notional.map(|money| money.amount));
        let status = one.status.clone();
        view.fits("", "its step", move |raw| {
            let of = |path| raw.and_then(|raw| raw.get(path));
            let places = of("pair_decimals")
                .and_then(Raw::number)
                .and_then(|text| text.parse::<u32>().ok());
            let stated = decimal(of("tick_size")).filter(|tick| !tick.is_zero());
            stated.or_else(|| Some(Decimal::new(1, places.filter(|places| *places <= 28)?))) == Some(tick)
        })
        .fits("lot_decimals", "its lot", move |raw| {
            let places = raw.and_then(Raw::number).and_then(|text| text.parse::<u32>().ok());
            places
                .filter(|places| *places <= 28)
                .map(|places| Decimal::new(1, places))
                == Some(lot)
        })
        .fits("status", "its word", move |raw| match text(raw).as_str() {
            "" | "None" | "online" => status == InstrumentStatus::Tradable,
            "reduce_only" => status == InstrumentStatus::CloseOnly,
            "cancel_only" => status == InstrumentStatus::Halted,
            other => status == InstrumentStatus::Other(other.into()),
        })
        .fits("", "its leverage", move |raw| {
            let most = |path| {
                let steps = raw.and_then(|raw| raw.get(path)).into_iter().flat_map(Raw::parts);
                steps
                    .filter_map(|step| step.number()?.parse::<u32>().ok())
                    .max()
                    .unwrap_or_default()
            };
            let rate = |most: u32| Decimal::ONE.checked_div(most.into());
            let (buy, sell) = (most("leverage_buy"), most("leverage_sell"));
            match &rates {
                Some(rates) => (rates.long_rate, rates.short_rate) == (rate(buy), rate(sell)),
                None => (buy, sell) == (0, 0),
            }
        })
    };
    good_rows(spot.map(row).collect())
}

pub(crate) fn balances(balances: &Balances) -> View {
    let row = |one: &broker_core::model::Balance| {
        let (available, held) = (one.available, one.held);
        let code = one.currency.code().to_owned();
        View::new()
            .fits("", "the asset's id", move |raw| {
                let key = raw.and_then(Raw::key).unwrap_or_default();
                let known = [
                    ("XXBT", "BTC"),
                    ("XETH", "ETH"),
                    ("ZUSD", "USD"),
                    ("ZEUR", "EUR"),
                    ("XXDG", "DOGE"),
                ];
                let name = known
                    .iter()
                    .find(|(id, _)| *id == key)
                    .map_or(common(&key).to_owned(), |(_, name)| (*name).to_owned());
                name == code
            })
            .number("balance", one.total)
            .fits("", "what is held, and what is left", move |raw| {
                let of = |path| match raw.and_then(|raw| raw.get(path)) {
                    None => Some(Decimal::ZERO),
                    Some(raw) if raw.text().is_some_and(|text| text.is_empty()) => Some(Decimal::ZERO),
                    some => decimal(some),
                };
                let sums = || {
                    let (hold, credit) = (of("hold_trade")?, of("credit")?.checked_sub(of("credit_used")?)?);
                    let total = decimal(raw.and_then(|raw| raw.get("balance")))?;
                    Some((total.checked_add(credit)?.checked_sub(hold)?, hold))
                };
                sums().map(|(free, hold)| (Some(free), Some(hold))) == Some((available, held))
            })
    };
    good_rows(balances.balances.iter().map(row).collect())
}

pub(crate) fn margin(balances: &Balances) -> View {
    let amount = |money: Option<broker_core::Money>| money.map(|money| money.amount);
    good(
        View::new()
            .maybe_number("m", amount(balances.margin_used))
            .maybe_number("n", amount(balances.unrealized_pnl))
            .maybe_number("e", amount(balances.equity))
            .maybe_number("mf", amount(balances.margin_available)),
    )
}

pub(crate) fn positions(positions: &[Position]) -> View {
    let row = |one: &Position| {
        let (qty, average) = (one.qty.get(), one.average_price.map(Price::get));
        let view = pair(View::new(), "pair", one.instrument.get()).one_of("type", [one.side.to_string()]);
        seconds(view, "time", one.at)
            .maybe_number("net", one.unrealized_pnl.map(|money| money.amount))
            .fits("", "what is left, and its price", move |raw| {
                let of = |path| decimal(raw.and_then(|raw| raw.get(path)));
                let sums = || {
                    let left = of("vol")?.checked_sub(of("vol_closed")?)?;
                    let price = of("cost")?
                        .checked_mul(left)?
                        .checked_div(of("vol")?)?
                        .checked_div(left)?;
                    Some((left, price))
                };
                sums().is_some_and(|(left, price)| left == qty && Some(price) == average)
            })
    };
    let rows = List::rows("result", positions.iter().map(row).collect());
    let gone =
        |raw: Raw<'_>| decimal(raw.get("vol")).is_some() && decimal(raw.get("vol")) == decimal(raw.get("vol_closed"));
    View::new()
        .list(List::rows("error", Vec::new()))
        .list(rows.skipping(gone))
}
