//! Trades and rows of the ledger.

use broker_core::model::{FlowKind, Liquidity, PositionEffect};
use broker_core::{Fill, Flow, Record};
use broker_testkit::bad_input::{List, Raw, View};

use super::{asset, count, decimal, good, maybe_said, pair, seconds, text};

fn fill(one: &Fill) -> View {
    let view = View::new()
        .key(one.id.get())
        .text("ordertxid", one.order.as_ref().unwrap().get());
    let view = pair(view, "pair", one.instrument.get()).one_of("type", [one.side.to_string()]);
    let (effect, margin) = (one.effect, one.instrument.get().starts_with("margin:"));
    seconds(view, "time", Some(one.at))
        .number("price", one.price.get())
        // A fill of nothing is refused.
        .scaled("vol", one.qty.get(), 0)
        .maybe_flag("maker", one.liquidity.map(|who| who == Liquidity::Maker))
        .fits("", "whether it opens, closes, and is on margin", move |raw| {
            let of = |path| raw.and_then(|raw| raw.get(path));
            let opens = of("posstatus").is_some();
            let closes = text(of("misc")).split(',').any(|word| word.trim() == "closing");
            let lent = decimal(of("margin")).is_some_and(|number| !number.is_zero());
            let expected = match (opens, closes) {
                (true, _) => Some(PositionEffect::Open),
                (false, true) => Some(PositionEffect::Close),
                (false, false) => None,
            };
            effect == expected && margin == (opens || closes || lent)
        })
}

pub(crate) fn trades(records: &[Record]) -> View {
    let rows = records.iter().map(|record| match record {
        Record::Fill(one) => fill(one),
        other => panic!("{other:?}"),
    });
    good(count(
        View::new().list(List::rows("trades", rows.collect()).in_any_order()),
    ))
}

fn flow(one: &Flow) -> View {
    let broker_core::model::Asset::Currency(currency) = one.asset else {
        panic!("{one:?}")
    };
    let (kind, amount) = (one.kind.clone(), one.amount);
    let view = View::new()
        .key(one.id.get())
        .text("refid", one.group.clone().unwrap_or_default());
    let view = maybe_said(view, "subtype", one.description.as_deref());
    seconds(asset(view, "asset", currency.code()), "time", Some(one.at))
        .fits("", "its amount", move |raw| {
            let of = |path| decimal(raw.and_then(|raw| raw.get(path)));
            match text(raw.and_then(|raw| raw.get("type"))).as_str() {
                "rollover" => of("amount").zip(of("fee")).and_then(|(a, b)| a.checked_sub(b)) == Some(amount),
                _ => of("amount") == Some(amount),
            }
        })
        .fits("", "its kind", move |raw| {
            let of = |path| raw.and_then(|raw| raw.get(path));
            let rewards = text(of("subtype"));
            let known = match text(of("type")).as_str() {
                "deposit" => FlowKind::Deposit,
                "withdrawal" => FlowKind::Withdrawal,
                "staking" | "reward" => FlowKind::Reward,
                "earn" if rewards.is_empty() || rewards.contains("reward") => FlowKind::Reward,
                "transfer" | "earn" => FlowKind::Transfer,
                "rollover" => FlowKind::Financing,
                "dividend" => FlowKind::Dividend,
                "conversion" | "spend" | "receive" => FlowKind::Conversion,
                "adjustment" => FlowKind::Adjustment,
                other => FlowKind::Other(other.into()),
            };
            kind == known
        })
}

/// Each row is its flow, or the fee of a trade, or both; rows of trades without a fee tell nothing.
pub(crate) fn ledger(records: &[Record]) -> View {
    let own_fee = |id: &str| {
        records.iter().find_map(|record| match record {
            Record::Fee(fee) if fee.id.get() == format!("fee:{id}") => Some(fee.amount),
            _ => None,
        })
    };
    let rows = records.iter().filter_map(|record| match record {
        Record::Flow(one) => {
            let row = flow(one);
            Some(match own_fee(one.id.get()) {
                Some(fee) => row.number("fee", fee),
                None => row.fits("", "no fee of its own", |raw| {
                    let is_rollover = text(raw.and_then(|raw| raw.get("type"))) == "rollover";
                    is_rollover || decimal(raw.and_then(|raw| raw.get("fee"))).is_some_and(|fee| fee.is_zero())
                }),
            })
        }
        Record::Fee(fee) if fee.fill.is_some() => {
            let broker_core::model::Asset::Currency(currency) = fee.asset else {
                panic!("{fee:?}")
            };
            let (amount, trade) = (fee.amount, fee.fill.clone().unwrap());
            let view = View::new()
                .text("refid", trade.get())
                .one_of("type", ["trade", "margin"]);
            let view = seconds(asset(view, "asset", currency.code()), "time", Some(fee.at));
            Some(view.number("fee", amount))
        }
        Record::Fee(_) => None,
        other => panic!("{other:?}"),
    });
    let rows = List::rows("ledger", rows.collect()).in_any_order();
    let tells_nothing = |raw: Raw<'_>| {
        matches!(text(raw.get("type")).as_str(), "trade" | "margin")
            && decimal(raw.get("fee")).is_some_and(|fee| fee.is_zero())
    };
    good(count(View::new().list(rows.skipping(tells_nothing))))
}
