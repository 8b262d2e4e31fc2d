//! What the model got from which field: accounts, instruments, markets.

use broker_alpaca::{AccountConfigurations, PortfolioHistory, StockSnapshot};
use broker_core::model::{
    Account, AccountStatus, AssetClass, Candle, ExerciseStyle, InstrumentStatus, Margin, OptionRight, Quote, Session,
};
use broker_core::{Balances, Error, Instrument, InstrumentId, Money, Page, Position, Price, Result, Side};
use broker_testkit::bad_input::{List, Raw, View, Words};
use chrono_tz::America::New_York;

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

/// A symbol in our spelling, or as Alpaca's older answers spell it.
pub(crate) fn symbol(name: &str) -> Vec<String> {
    vec![name.to_owned(), name.replace('/', "")]
}

fn amount(money: Option<Money>) -> Option<rust_decimal::Decimal> {
    money.map(|money| money.amount)
}

fn said(raw: Raw<'_>, path: &str) -> Option<String> {
    raw.get(path).and_then(Raw::text).filter(|text| !text.is_empty())
}

const ACCOUNT_STATUS: Words = &[
    ("ACTIVE", "active"),
    ("ACTIVE", "restricted"),
    ("PAPER_ONLY", "active"),
    ("PAPER_ONLY", "restricted"),
    ("LIMITED", "restricted"),
    ("INACTIVE", "restricted"),
    ("ACCOUNT_CLOSED_PENDING", "restricted"),
    ("ONBOARDING", "pending"),
    ("SUBMITTED", "pending"),
    ("ACCOUNT_UPDATED", "pending"),
    ("APPROVAL_PENDING", "pending"),
    ("APPROVED", "pending"),
    ("ACTION_REQUIRED", "pending"),
    ("ACCOUNT_CLOSED", "closed"),
    ("REJECTED", "closed"),
    ("SUBMISSION_FAILED", "closed"),
];

pub(crate) fn account(account: &Account) -> View {
    let (access, currency) = (account.access, account.currency);
    let status = word!(&account.status, AccountStatus::Other(text) => text);
    let restricted = account.status == AccountStatus::Restricted;
    View::new()
        .text("id", account.id.get())
        .maybe_text("account_number", account.name.as_ref().map(|name| name.get()))
        .word("status", status, ACCOUNT_STATUS)
        .maybe_time("created_at", account.opened_at)
        .maybe_flag("shorting_enabled", access.short)
        .maybe_flag("account_blocked", access.cancel.map(|cancel| !cancel))
        .fits("", "the currency, or dollars", move |raw| {
            raw.is_some_and(|raw| said(raw, "currency").as_deref().unwrap_or("USD") == currency.code())
        })
        .fits("", "blocked or not", move |raw| {
            let flags = ["trading_blocked", "account_blocked", "trade_suspended_by_user"];
            let flags = flags.map(|name| raw.and_then(|raw| raw.get(name)).map(Raw::flag));
            let active = raw.and_then(|raw| said(raw, "status")).as_deref() == Some("ACTIVE");
            let expected = flags
                .iter()
                .any(Option::is_some)
                .then(|| !flags.contains(&Some(Some(true))));
            expected == access.trade
                && !flags.contains(&Some(None))
                && (!active || restricted == (expected == Some(false)))
        })
        .fits("options_trading_level", "a level above none", move |raw| {
            let above = |text: String| text.contains(|digit| ('1'..='9').contains(&digit));
            raw.and_then(Raw::number).map(above) == access.options
        })
}

pub(crate) fn balances(balances: &Balances) -> View {
    let (row, currency) = (&balances.balances[0], balances.balances[0].currency);
    View::new()
        .text("id", balances.account.get())
        .number("cash", row.total)
        .maybe_number("non_marginable_buying_power", row.available)
        .maybe_number("equity", amount(balances.equity))
        .maybe_number("buying_power", amount(balances.buying_power))
        .maybe_number("initial_margin", amount(balances.initial_margin))
        .maybe_number("maintenance_margin", amount(balances.maintenance_margin))
        .maybe_number("accrued_fees", amount(balances.accrued_fees))
        .fits("", "the currency, or dollars", move |raw| {
            raw.is_some_and(|raw| said(raw, "currency").as_deref().unwrap_or("USD") == currency.code())
        })
}

pub(crate) fn positions(positions: &[Position]) -> View {
    let flat = |raw: Raw<'_>| raw.get("qty").and_then(Raw::number).is_some_and(|qty| is_zero(&qty));
    View::new().list(List::rows("", positions.iter().map(position).collect()).skipping(flat))
}

fn position(position: &Position) -> View {
    let side = position.side;
    let row = View::new()
        .one_of("symbol", symbol(position.symbol.get()))
        .magnitude("qty", position.qty.get())
        .maybe_number("avg_entry_price", position.average_price.map(Price::get))
        .maybe_number("current_price", position.mark_price.map(Price::get))
        .maybe_number("market_value", amount(position.market_value))
        .maybe_number("cost_basis", amount(position.cost_basis))
        .maybe_number("unrealized_pl", amount(position.unrealized_pnl))
        .fits("", "the side, else the sign", move |raw| {
            let negative = raw
                .and_then(|raw| raw.get("qty")?.number())
                .is_some_and(|qty| qty.starts_with('-'));
            let expected = match raw.and_then(|raw| said(raw, "side")).as_deref() {
                Some("short") => Side::Sell,
                Some("long") | None if negative => Side::Sell,
                Some("long") | None => Side::Buy,
                Some(_) => return false,
            };
            side == expected
        });
    match position.available {
        Some(qty) => row.magnitude("qty_available", qty.get()),
        None => row.nothing("qty_available"),
    }
}

/// Whether a number's text has no digit but zeros in front of its exponent.
pub(crate) fn is_zero(text: &str) -> bool {
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    !mantissa.is_empty() && !mantissa.contains(|digit| ('1'..='9').contains(&digit))
}

const CLASS: Words = &[("us_equity", "stock"), ("us_option", "option"), ("crypto", "crypto")];
const INSTRUMENT_STATUS: Words = &[("active", "tradable"), ("active", "halted"), ("inactive", "delisted")];

pub(crate) fn assets(found: &[Instrument]) -> View {
    View::new().list(List::rows("", found.iter().map(asset).collect()))
}

pub(crate) fn asset(asset: &Instrument) -> View {
    let name = asset.symbol.get();
    let row = View::new()
        .one_of("symbol", symbol(name))
        .word(
            "class",
            word!(&asset.asset_class, AssetClass::Other(text) => text),
            CLASS,
        )
        .maybe_text("name", asset.name.as_deref())
        .maybe_text("exchange", asset.exchange.as_deref())
        .maybe_flag("shortable", asset.shortable)
        .maybe_number("min_order_size", asset.min_qty.map(|qty| qty.get()));
    let row = match &asset.margin {
        Some(Margin {
            long_rate, short_rate, ..
        }) => {
            let rate = |row: View, path, rate: &Option<_>| match rate {
                Some(rate) => row.scaled(path, *rate, -2),
                None => row.nothing(path),
            };
            let row = rate(row, "margin_requirement_long", long_rate);
            rate(row, "margin_requirement_short", short_rate)
        }
        None => row
            .nothing("margin_requirement_long")
            .nothing("margin_requirement_short"),
    };
    let row = match asset.asset_class {
        AssetClass::Stock => row,
        _ => row
            .maybe_number("min_trade_increment", asset.lot)
            .maybe_number("price_increment", asset.ticks.first().map(|band| band.tick)),
    };
    tradable(row, &asset.status)
}

fn tradable(row: View, status: &InstrumentStatus) -> View {
    let row = row.word(
        "status",
        word!(status, InstrumentStatus::Other(text) => text),
        INSTRUMENT_STATUS,
    );
    match status {
        InstrumentStatus::Tradable => row.maybe_flag("tradable", Some(true)),
        InstrumentStatus::Halted => row.maybe_flag("tradable", Some(false)),
        _ => row.fits("tradable", "a flag", |raw| raw.is_some_and(|raw| raw.flag().is_some())),
    }
}

pub(crate) fn option_contracts(page: &Page<Instrument>) -> View {
    let token: Option<String> = page.next.as_ref().map(|cursor| cursor.decode(1).unwrap());
    View::new()
        .list(List::rows(
            "option_contracts",
            page.rows.iter().map(option_contract).collect(),
        ))
        .maybe_text("next_page_token", token.as_deref())
}

pub(crate) fn option_contract(contract: &Instrument) -> View {
    let terms = contract.option.as_ref().unwrap();
    let right = match terms.right {
        OptionRight::Call => "call",
        OptionRight::Put => "put",
    };
    let row = View::new()
        .text("symbol", contract.symbol.get())
        .maybe_text("name", contract.name.as_deref())
        .maybe_number("multiplier", contract.multiplier)
        .text("underlying_symbol", terms.underlying.get())
        .one_of("type", [right])
        .number("strike_price", terms.strike.get())
        .day("expiration_date", terms.expires_on);
    let row = match terms.style {
        Some(ExerciseStyle::American) => row.one_of("style", ["american"]),
        Some(ExerciseStyle::European) => row.one_of("style", ["european"]),
        None => row.fits("style", "neither style", |raw| {
            raw.is_none_or(|raw| raw.text().is_some_and(|text| text != "american" && text != "european"))
        }),
    };
    tradable(row, &contract.status)
}

pub(crate) fn calendar(sessions: &[Session]) -> View {
    let mut days: Vec<[Option<&Session>; 3]> = Vec::new();
    for session in sessions {
        match days.last_mut() {
            Some([_, Some(_), late @ None]) if session.extended && !begins(session, sessions) => *late = Some(session),
            Some([Some(_), regular @ None, _]) if !session.extended => *regular = Some(session),
            _ if session.extended => days.push([Some(session), None, None]),
            _ => days.push([None, Some(session), None]),
        }
    }
    // A day outside of what was asked for is left out, in whole or in part.
    let outside = |raw: Raw<'_>| {
        said(raw, "date").is_some_and(|date| date.as_str() < "1970-01-03" || date.as_str() > "2199-12-30")
    };
    View::new().list(List::rows("", days.iter().map(day).collect()).skipping(outside))
}

/// Whether an extended session comes before its day's regular one, as the one behind it in the list says.
fn begins(session: &Session, sessions: &[Session]) -> bool {
    let place = sessions.iter().position(|one| std::ptr::eq(one, session)).unwrap();
    let before = place.checked_sub(1).map(|place| &sessions[place]);
    !before.is_some_and(|before| !before.extended && before.closes_at == session.opens_at)
}

fn day(parts: &[Option<&Session>; 3]) -> View {
    let [early, Some(regular), late] = parts else {
        panic!("a day without a regular session: {parts:?}")
    };
    let clock = |at: chrono::DateTime<chrono::Utc>| {
        let local = at.with_timezone(&New_York);
        vec![local.format("%H:%M").to_string(), local.format("%H%M").to_string()]
    };
    let row = View::new()
        .day("date", regular.opens_at.with_timezone(&New_York).date_naive())
        .one_of("open", clock(regular.opens_at))
        .one_of("close", clock(regular.closes_at));
    let row = match early {
        Some(early) => row.one_of("session_open", clock(early.opens_at)),
        None => row.nothing("session_open"),
    };
    match late {
        Some(late) => row.one_of("session_close", clock(late.closes_at)),
        None => row.nothing("session_close"),
    }
}

pub(crate) fn quotes(quotes: &[Quote]) -> View {
    let row = |one: &Quote| quote(View::new().key(one.symbol.get()), one);
    View::new().list(List::rows("quotes", quotes.iter().map(row).collect()).in_any_order())
}

pub(crate) fn quote(row: View, quote: &Quote) -> View {
    let price = |row: View, path: &'static str, price: Option<Price>| match price {
        Some(price) => row.number(path, price.get()),
        None => row.fits(path, "no price", |raw| {
            raw.is_none_or(|raw| raw.number().is_some_and(|text| text.is_empty() || is_zero(&text)))
        }),
    };
    let row = price(price(row, "bp", quote.bid), "ap", quote.ask).maybe_time("t", quote.at);
    let row = match quote.bid_size {
        Some(size) => row.number("bs", size.get()),
        None => row,
    };
    match quote.ask_size {
        Some(size) => row.number("as", size.get()),
        None => row,
    }
}

pub(crate) fn candles(page: &Page<Candle>, instrument: &InstrumentId) -> View {
    let token: Option<String> = page.next.as_ref().map(|cursor| cursor.decode(1).unwrap());
    // What starts behind the end that was asked for is left out.
    let late = |raw: Raw<'_>| said(raw, "t").is_some_and(|at| at.as_str() >= "2199-12-30");
    let rows = List::rows(
        format!("bars.{instrument}"),
        page.rows.iter().map(|one| candle(View::new(), one)).collect(),
    );
    View::new()
        .fits("bars", "bars by symbol", |raw| raw.is_some_and(Raw::is_container))
        .list(rows.or_nothing().skipping(late))
        .maybe_text("next_page_token", token.as_deref())
}

fn candle(row: View, candle: &Candle) -> View {
    row.time("t", candle.start)
        .number("o", candle.open.get())
        .number("h", candle.high.get())
        .number("l", candle.low.get())
        .number("c", candle.close.get())
        .maybe_number("v", candle.volume)
}

pub(crate) fn snapshots(found: &[StockSnapshot]) -> View {
    let row = |one: &StockSnapshot| {
        let row = View::new().key(one.symbol.get());
        let row = match &one.trade {
            Some(trade) => row.inside(
                "latestTrade",
                View::new()
                    .number("p", trade.price.get())
                    .number("s", trade.qty.get())
                    .time("t", trade.at),
            ),
            None => row.nothing("latestTrade"),
        };
        let row = match &one.quote {
            Some(one) => row.inside("latestQuote", quote(View::new(), one)),
            None => row.nothing("latestQuote"),
        };
        [
            ("minuteBar", &one.minute),
            ("dailyBar", &one.day),
            ("prevDailyBar", &one.previous_day),
        ]
        .into_iter()
        .fold(row, |row, (path, bar)| match bar {
            Some(bar) => row.inside(path, candle(View::new(), bar)),
            None => row.nothing(path),
        })
    };
    View::new().list(
        List::rows("", found.iter().map(row).collect())
            .in_any_order()
            .skipping(|raw| raw.is_null()),
    )
}

pub(crate) fn portfolio(history: &PortfolioHistory) -> View {
    let column = |path: &'static str, values: Vec<Option<Money>>| {
        let rows = values
            .into_iter()
            .map(|value| View::new().maybe_number("", amount(value)));
        List::rows(path, rows.collect())
    };
    let points = &history.points;
    let times = points.iter().map(|point| {
        let at = point.at;
        View::new().fits("", "seconds or milliseconds", move |raw| {
            let number = raw
                .filter(|raw| raw.is_number())
                .and_then(|raw| raw.source().parse::<i64>().ok());
            number.is_some_and(|number| number == at.timestamp() || number == at.timestamp_millis())
        })
    });
    let parts = points.iter().map(|point| match point.profit_loss_part {
        Some(part) => View::new().number("", part),
        None => View::new().fits("", "more digits than are kept", |raw| {
            raw.is_none_or(|raw| {
                raw.number()
                    .is_some_and(|text| text.is_empty() || text.len() > 26 || text.contains(['e', 'E']))
            })
        }),
    });
    let flows = history
        .cash_flows
        .iter()
        .map(|(kind, values)| View::new().key(kind).list(column("", values.clone())));
    View::new()
        .list(List::rows("timestamp", times.collect()))
        .list(column("equity", points.iter().map(|point| point.equity).collect()))
        .list(column(
            "profit_loss",
            points.iter().map(|point| point.profit_loss).collect(),
        ))
        .list(List::rows("profit_loss_pct", parts.collect()))
        .maybe_number("base_value", amount(history.base))
        .maybe_day("base_value_asof", history.base_on)
        .text("timeframe", &history.step)
        .list(List::rows("cashflow", flows.collect()).in_any_order().or_nothing())
}

pub(crate) fn configurations(settings: &AccountConfigurations) -> View {
    let view = match settings.max_options_trading_level {
        Some(level) => View::new().scaled("max_options_trading_level", level.into(), 0),
        None => View::new().nothing("max_options_trading_level"),
    };
    view.maybe_flag("suspend_trade", settings.suspend_trade)
        .maybe_flag("no_shorting", settings.no_shorting)
        .maybe_flag("fractional_trading", settings.fractional_trading)
        .maybe_number("max_margin_multiplier", settings.max_margin_multiplier)
        .maybe_text("trade_confirm_email", settings.trade_confirm_email.as_deref())
        .maybe_flag("ptp_no_exception_entry", settings.ptp_no_exception_entry)
        .maybe_flag("disable_overnight_trading", settings.disable_overnight_trading)
        .maybe_text("pdt_check", settings.pdt_check.as_deref())
        .maybe_text("dtbp_check", settings.dtbp_check.as_deref())
}

/// The code and the words of a refusal. A body that has no code is a refusal without one, whatever it holds.
pub(crate) fn error(error: Error) -> Result<View> {
    let (Some(code), Some(message)) = (error.code().map(str::to_owned), error.message().map(str::to_owned)) else {
        return Err(error);
    };
    Ok(View::new()
        .fits("code", "the code", move |raw| {
            raw.is_some_and(|raw| shown_as(raw.source().trim_matches('"'), &code))
        })
        .fits("", "the message, or all", move |raw| {
            let said = raw.and_then(|raw| raw.get("message")?.text());
            said.map_or(message.starts_with('{'), |text| shown_as(&text, &message))
        }))
}

/// Whether a text begins as an error shows it, which cuts what is longer than 400 characters.
pub(crate) fn shown_as(text: &str, shown: &str) -> bool {
    text.chars().take(390).eq(shown.chars().take(390))
}
