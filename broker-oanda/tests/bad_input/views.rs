//! What the model got from which field: accounts, instruments, markets.

use broker_core::model::{AssetClass, Candle, OrderKind, PositionMode, Quote, TimeInForce};
use broker_core::{Account, Balances, Error, Instrument, Money, Position, Price, Qty, Result, Side};
use broker_oanda::{ExitOrder, OpenTrade};
use broker_testkit::bad_input::{List, Raw, View, Words};
use rust_decimal::Decimal;

/// A model's word: one of its own, or what was sent.
macro_rules! word {
    ($word:expr, $other:pat => $text:expr) => {
        match $word {
            $other => broker_testkit::bad_input::Word::Other($text.to_string()),
            known => broker_testkit::bad_input::Word::Known(known.as_str().to_owned()),
        }
    };
}
pub(crate) use word;

pub(crate) fn said(raw: Option<Raw<'_>>, path: &str) -> Option<String> {
    raw?.get(path)?.text()
}

/// The number at a path, by a reader of the test's own.
pub(crate) fn number(raw: Raw<'_>, path: &str) -> Option<Decimal> {
    let text = raw.get(path)?.number()?;
    Decimal::from_str_exact(&text)
        .or_else(|_| Decimal::from_scientific(&text))
        .ok()
}

fn is_zero(raw: Option<Raw<'_>>) -> bool {
    let text = raw.and_then(Raw::number).unwrap_or_default();
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    mantissa.contains('0') && !mantissa.contains(|digit| ('1'..='9').contains(&digit))
}

/// Ids are numbers without anything around them.
pub(crate) fn is_id(raw: Option<Raw<'_>>) -> bool {
    raw.and_then(Raw::number)
        .is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(crate) fn amount(money: Option<Money>) -> Option<Decimal> {
    money.map(|money| money.amount)
}

pub(crate) fn account(account: &Account) -> View {
    View::new()
        .one_of("account.id", [account.id.get()])
        .maybe_text("account.alias", account.name.as_ref().map(|name| name.get()))
        .one_of("account.currency", [account.currency.code()])
        .maybe_time("account.createdTime", account.opened_at)
        .maybe_flag(
            "account.hedgingEnabled",
            Some(account.position_mode == PositionMode::Hedging),
        )
        .fits("lastTransactionID", "an id", is_id)
}

pub(crate) fn balances(balances: &Balances) -> View {
    let row = &balances.balances[0];
    assert_eq!(row.available, amount(balances.margin_available));
    View::new()
        .one_of("account.id", [balances.account.get()])
        .one_of("account.currency", [row.currency.code()])
        .number("account.balance", row.total)
        .maybe_number("account.NAV", amount(balances.equity))
        .maybe_number("account.marginAvailable", row.available)
        .maybe_number("account.marginUsed", amount(balances.margin_used))
        .maybe_number("account.unrealizedPL", amount(balances.unrealized_pnl))
        .maybe_number("account.pl", amount(balances.realized_pnl))
        .fits("lastTransactionID", "an id", is_id)
}

/// Up to two of an instrument, long before short.
pub(crate) fn positions(positions: &[Position]) -> View {
    let mut groups: Vec<Vec<&Position>> = Vec::new();
    for position in positions {
        match groups.last_mut() {
            Some(group)
                if group.len() == 1
                    && group[0].instrument == position.instrument
                    && (group[0].side, position.side) == (Side::Buy, Side::Sell) =>
            {
                group.push(position);
            }
            _ => groups.push(vec![position]),
        }
    }
    let flat = |raw: Raw<'_>| is_zero(raw.get("long.units")) && is_zero(raw.get("short.units"));
    View::new().list(List::rows("positions", groups.iter().map(|group| position(group)).collect()).skipping(flat))
}

fn position(group: &[&Position]) -> View {
    let row = View::new().text("instrument", group[0].instrument.get());
    [("long", Side::Buy), ("short", Side::Sell)]
        .into_iter()
        .fold(row, |row, (key, side)| {
            let inner = match group.iter().find(|one| one.side == side) {
                // On the other side of zero it is refused, so not every number can be read.
                Some(open) => View::new()
                    .scaled("units", open.qty.signed(side), 0)
                    .maybe_number("averagePrice", open.average_price.map(Price::get))
                    .maybe_number("pl", amount(open.realized_pnl))
                    .maybe_number("unrealizedPL", amount(open.unrealized_pnl)),
                None => View::new().fits("units", "no units", is_zero),
            };
            row.inside(key, inner)
        })
}

const CLASS: Words = &[("CURRENCY", "forex"), ("CFD", "cfd"), ("METAL", "metal")];

pub(crate) fn instruments(found: &[Instrument]) -> View {
    View::new().list(List::rows("instruments", found.iter().map(instrument).collect()))
}

fn instrument(one: &Instrument) -> View {
    let step = |value: Decimal| {
        move |raw: Option<Raw<'_>>| {
            let places = raw.and_then(Raw::number).and_then(|text| text.parse::<i64>().ok());
            places.is_some_and(|places| match u32::try_from(places) {
                Ok(places) => value == Decimal::new(1, places),
                Err(_) => value == Decimal::from(10_i128.pow(u32::try_from(-places).unwrap())),
            })
        }
    };
    let (currency, margin) = (one.currency, one.margin.as_ref());
    let rate = margin.and_then(|margin| margin.long_rate);
    assert_eq!(rate, margin.and_then(|margin| margin.short_rate));
    View::new()
        .one_of("name", [one.id.get()])
        .fits("name", "a name that ends in the currency of its price", move |raw| {
            let name = raw.and_then(Raw::text).unwrap_or_default();
            name.split_once('_').is_some_and(|(_, quote)| quote == currency.code())
        })
        .maybe_text("displayName", one.name.as_deref())
        .word("type", word!(&one.asset_class, AssetClass::Other(text) => text), CLASS)
        .fits("displayPrecision", "the tick's places", step(one.ticks[0].tick))
        .fits("tradeUnitsPrecision", "the lot's places", step(one.lot.unwrap()))
        .scaled("pipLocation", Decimal::from(one.pip_location.unwrap()), 0)
        .maybe_number("minimumTradeSize", one.min_qty.map(Qty::get))
        .maybe_number("maximumOrderUnits", one.max_qty.map(Qty::get))
        .maybe_number("marginRate", rate)
}

pub(crate) fn trades(trades: &[OpenTrade]) -> View {
    View::new().list(List::rows("trades", trades.iter().map(trade).collect()))
}

fn trade(trade: &OpenTrade) -> View {
    let side = trade.side;
    let row = View::new()
        .text("id", trade.id.get())
        .text("instrument", trade.instrument.get())
        .number("price", trade.price.get())
        .time("openTime", trade.opened_at)
        .magnitude("initialUnits", trade.initial_qty.get())
        .fits("initialUnits", "the side's sign", move |raw| signed(raw, side))
        .magnitude("currentUnits", trade.qty.get())
        .number("realizedPL", trade.realized_pnl.amount)
        .maybe_number("unrealizedPL", amount(trade.unrealized_pnl))
        .number("financing", trade.financing.amount)
        .maybe_text("clientExtensions.id", trade.client_id.as_ref().map(|id| id.get()));
    [
        ("takeProfitOrder", &trade.take_profit),
        ("stopLossOrder", &trade.stop_loss),
        ("guaranteedStopLossOrder", &trade.guaranteed_stop_loss),
        ("trailingStopLossOrder", &trade.trailing_stop),
    ]
    .into_iter()
    .fold(row, |row, (key, order)| match order {
        Some(order) => row.inside(key, exit(order)),
        None => row.nothing(key),
    })
}

/// Whether a number has this side's sign; zero has that of a purchase.
pub(crate) fn signed(raw: Option<Raw<'_>>, side: Side) -> bool {
    let negative = raw.and_then(Raw::number).is_some_and(|text| text.starts_with('-')) && !is_zero(raw);
    negative == (side == Side::Sell)
}

const EXIT: Words = &[
    ("TAKE_PROFIT", "limit"),
    ("TAKE_PROFIT_ORDER", "limit"),
    ("STOP_LOSS", "stop"),
    ("GUARANTEED_STOP_LOSS", "stop"),
    ("TRAILING_STOP_LOSS", "trailing_stop"),
];

pub(crate) const TIME_IN_FORCE: Words = &[
    ("GTC", "gtc"),
    ("GTD", "gtd"),
    ("GFD", "day"),
    ("FOK", "fok"),
    ("IOC", "ioc"),
];

fn exit(order: &ExitOrder) -> View {
    let row = View::new()
        .one_of("id", [order.id.get()])
        .word("type", word!(&order.kind, OrderKind::Other(text) => text), EXIT)
        .maybe_number("distance", order.distance)
        .maybe_time("gtdTime", order.expires_at);
    let price = order.price.map(Price::get);
    let row = row.fits("", "its price, or where it trails", move |raw| {
        raw.is_some_and(|raw| number(raw, "price").or_else(|| number(raw, "trailingStopValue")) == price)
    });
    match &order.time_in_force {
        // Without a word it works until it is canceled.
        TimeInForce::Gtc => row.fits("timeInForce", "GTC or nothing", |raw| {
            raw.is_none_or(|raw| raw.text().is_some_and(|text| text.is_empty() || text == "GTC"))
        }),
        time => row.word(
            "timeInForce",
            word!(time, TimeInForce::Other(text) => text),
            TIME_IN_FORCE,
        ),
    }
}

pub(crate) fn quotes(quotes: &[Quote]) -> View {
    View::new().list(List::rows("prices", quotes.iter().map(quote).collect()))
}

/// The first level, else the price at which positions are valued.
pub(crate) fn quote(quote: &Quote) -> View {
    let row = View::new()
        .text("instrument", quote.instrument.get())
        .maybe_time("time", quote.at);
    let sides = [
        ("bids", "closeoutBid", quote.bid, quote.bid_size),
        ("asks", "closeoutAsk", quote.ask, quote.ask_size),
    ];
    sides.into_iter().fold(row, |row, (levels, closeout, price, size)| {
        let row = row.fits(levels, "a list", |raw| raw.is_some_and(Raw::is_container));
        match (price, size) {
            (Some(price), Some(size)) => row
                .number(format!("{levels}[0].price"), price.get())
                .number(format!("{levels}[0].liquidity"), size.get()),
            (price, _) => row.fits("", "a level without a size, or none", move |raw| {
                let Some(raw) = raw else { return false };
                let first = raw.get(&format!("{levels}[0]"));
                let said = match first {
                    Some(first) => number(first, "price"),
                    None => number(raw, closeout),
                };
                said == price.map(Price::get) && first.is_none_or(|first| first.get("liquidity").is_none())
            }),
        }
    })
}

pub(crate) fn candles(rows: &[Candle]) -> View {
    let outside = |raw: Raw<'_>| {
        raw.get("time")
            .and_then(Raw::text)
            .is_some_and(|at| at.as_str() < "1970-01-02" || at.as_str() > "2199-12-30")
    };
    View::new().list(List::rows("candles", rows.iter().map(candle).collect()).skipping(outside))
}

fn candle(candle: &Candle) -> View {
    View::new()
        .time("time", candle.start)
        .maybe_flag("complete", Some(candle.complete))
        .number("mid.o", candle.open.get())
        .number("mid.h", candle.high.get())
        .number("mid.l", candle.low.get())
        .number("mid.c", candle.close.get())
        .maybe_number("volume", candle.volume)
}

/// A refusal's code and words, as far as its body has them.
pub(crate) fn error(error: Error) -> Result<View> {
    let (code, message) = (error.code().map(str::to_owned), error.message().map(str::to_owned));
    if code.is_none() {
        // Not OANDA's: nothing is said about it.
        return Err(error);
    }
    assert_eq!(error.status(), Some(400));
    Ok(View::new()
        .fits("", "its code, or the reason of its reject", move |raw| {
            let paths = [
                "errorCode",
                "orderRejectTransaction.rejectReason",
                "orderCancelRejectTransaction.rejectReason",
                "longOrderRejectTransaction.rejectReason",
                "shortOrderRejectTransaction.rejectReason",
            ];
            let said = paths.into_iter().find_map(|path| said(raw, path));
            said.zip(code.clone())
                .is_some_and(|(said, code)| shown_as(&said, &code))
        })
        .fits("", "its words", move |raw| {
            let said = said(raw, "errorMessage").unwrap_or_default();
            shown_as(&said, message.as_deref().unwrap_or_default())
        }))
}

/// Words of errors are cut and their escapes shown: the start is the same.
fn shown_as(text: &str, shown: &str) -> bool {
    let plain = |text: &str| text.chars().all(|one| (' '..='~').contains(&one) && one != '\\');
    !plain(text) || text.chars().take(100).eq(shown.chars().take(100))
}
