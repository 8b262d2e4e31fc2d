//! What the model got from which field.

use broker_core::model::{
    Amount, Candle, Event, FlowKind, InstrumentStatus, Liquidity, OrderStatus, PositionEffect, Trail,
};
use broker_core::{Balances, Error, Fill, Flow, Instrument, Order, Position, Price, Quote, Record};
use broker_testkit::bad_input::{List, Raw, View};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

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

pub(super) fn instruments(found: &[Instrument]) -> View {
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

pub(super) fn balances(balances: &Balances) -> View {
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

pub(super) fn margin(balances: &Balances) -> View {
    let amount = |money: Option<broker_core::Money>| money.map(|money| money.amount);
    good(
        View::new()
            .maybe_number("m", amount(balances.margin_used))
            .maybe_number("n", amount(balances.unrealized_pnl))
            .maybe_number("e", amount(balances.equity))
            .maybe_number("mf", amount(balances.margin_available)),
    )
}

pub(super) fn positions(positions: &[Position]) -> View {
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

pub(super) fn order(one: &Order) -> View {
    let leg = &one.legs[0];
    let (status, filled, amount) = (one.status.clone(), one.filled_qty, one.amount);
    let kind = one.kind.as_str().to_owned();
    let view = View::new()
        .key(one.id.get())
        .one_of("descr.type", [leg.side.to_string()]);
    let view = pair(view, "descr.pair", leg.instrument.get());
    let view = maybe_said(view, "cl_ord_id", one.client_id.as_ref().map(|id| id.get()));
    let view = maybe_said(view, "refid", one.links.parent.as_ref().map(|id| id.get()));
    let view = maybe_said(view, "reason", one.reason.as_deref());
    let view = seconds(view, "opentm", one.created_at);
    let view = seconds(view, "closetm", one.updated_at);
    let view = seconds(view, "expiretm", one.expires_at);
    let on_margin = leg.instrument.get().starts_with("margin:");
    let (limit, stop, trail) = (
        one.limit_price.map(Price::get),
        one.stop_price.map(Price::get),
        one.trail,
    );
    let average = one.average_price.map(Price::get);
    view.scaled("vol_exec", filled.get(), 0)
        .fits("vol", "its size", move |raw| {
            let size = match amount {
                Amount::Qty(qty) => qty.get(),
                Amount::Notional(money) => money.amount,
            };
            decimal(raw) == Some(size)
        })
        .fits("oflags", "whether its size is money", move |raw| {
            text(raw).split(',').any(|flag| flag == "viqc") == matches!(amount, Amount::Notional(_))
        })
        .fits("descr.leverage", "whether it is on margin", move |raw| {
            !matches!(text(raw).as_str(), "" | "None" | "none") == on_margin
        })
        .fits("price", "the average, where something filled", move |raw| {
            decimal(raw).filter(|price| !price.is_zero() && !filled.is_zero()) == average
        })
        .fits("status", "its state", move |raw| {
            let whole = match amount {
                Amount::Qty(qty) => filled >= qty,
                _ => true,
            };
            let said = text(raw);
            let known = match (said.as_str(), filled.is_zero()) {
                ("pending", _) => OrderStatus::PendingNew,
                ("open", true) => OrderStatus::New,
                ("open", false) => OrderStatus::PartiallyFilled,
                ("closed", _) if !whole => OrderStatus::Canceled,
                ("closed", _) => OrderStatus::Filled,
                ("canceled", _) => OrderStatus::Canceled,
                ("expired", _) => OrderStatus::Expired,
                (other, _) => OrderStatus::Other(other.into()),
            };
            raw.and_then(Raw::text).is_some() && status == known
        })
        .fits("descr.ordertype", "its kind", move |raw| {
            kind == kind_of(&text(raw)) && !kind.is_empty()
        })
        .fits("", "its prices", move |raw| {
            let of = |path| raw.and_then(|raw| raw.get(path));
            let nonzero = |path| decimal(of(path)).filter(|number| !number.is_zero());
            let level = |path| {
                Some(of(path))
                    .filter(|raw| !text(*raw).starts_with(['+', '-', '#']))
                    .and_then(decimal)
                    .filter(|number| !number.is_zero())
            };
            let expected = match text(of("descr.ordertype")).as_str() {
                "limit" | "iceberg" => (level("descr.price").or(nonzero("limitprice")), None),
                "stop-loss" | "take-profit" => (None, level("descr.price").or(nonzero("stopprice"))),
                "stop-loss-limit" | "take-profit-limit" => (
                    level("descr.price2").or(nonzero("limitprice")),
                    level("descr.price").or(nonzero("stopprice")),
                ),
                "trailing-stop" | "trailing-stop-limit" => (nonzero("limitprice"), nonzero("stopprice")),
                _ => (None, None),
            };
            let distance = text(of("descr.price"));
            let magnitude = |text: &str| {
                Decimal::from_str_exact(text.trim_start_matches(['+', '-', '#']))
                    .ok()
                    .or_else(|| Decimal::from_scientific(text.trim_start_matches(['+', '-', '#'])).ok())
            };
            let trails = match trail {
                None => true,
                Some(Trail::Percent(percent)) => distance.strip_suffix('%').and_then(magnitude) == Some(percent),
                Some(Trail::Amount(amount)) => magnitude(&distance) == Some(amount),
            };
            expected == (limit, stop) && trails
        })
}

fn kind_of(word: &str) -> &str {
    match word {
        "market" => "market",
        "limit" | "iceberg" => "limit",
        "stop-loss" => "stop",
        "stop-loss-limit" => "stop_limit",
        "take-profit" => "market_if_touched",
        "take-profit-limit" => "limit_if_touched",
        "trailing-stop" => "trailing_stop",
        "trailing-stop-limit" => "trailing_stop_limit",
        other => other,
    }
}

pub(super) fn orders(path: &'static str, orders: &[Order]) -> View {
    good(View::new().list(List::rows(path, orders.iter().map(order).collect()).in_any_order()))
}

fn count(view: View) -> View {
    view.fits("count", "a number", |raw| raw.is_some_and(Raw::is_number))
}

pub(super) fn closed(orders: &[Order]) -> View {
    let rows = List::rows("closed", orders.iter().map(order).collect()).in_any_order();
    // Not closed by its own word.
    let open = |raw: Raw<'_>| matches!(text(raw.get("status")).as_str(), "open" | "pending");
    good(count(View::new().list(rows.skipping(open))))
}

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

pub(super) fn trades(records: &[Record]) -> View {
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
pub(super) fn ledger(records: &[Record]) -> View {
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

pub(super) fn quotes(quotes: &[Quote]) -> View {
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
pub(super) fn candles(candles: Vec<Candle>) -> View {
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
pub(super) fn executions(events: &[Event]) -> View {
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

pub(super) fn ticker(events: &[Event]) -> View {
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
