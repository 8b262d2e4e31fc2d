//! `GET /v2/account` and `GET /v2/positions`.

use broker_core::model::Environment;
use broker_core::{AccountId, Balances, Currency, Instrument, Position, Price};
use broker_sim::Engine;
use broker_sim::wire::{WireAnswer, WireRequest};
use chrono::{DateTime, Days, Duration, Utc};
use rust_decimal::Decimal;

use super::ids::{slashless, uuid};
use super::json::{Object, array};
use super::params::{Params, local_date, midnight};
use super::place;
use super::refusal::{Refusal, Reply};
use super::shapes::{self, PositionFacts};

/// `GET /v2/account`, with the fields of an answer of late 2026: those of the old day-trade rule are gone. What the
/// engine does not know (`sma`, pending transfers) is left out; the document promises `id` and `status` only.
pub(super) fn account(
    engine: &Engine,
    account: &AccountId,
    environment: Environment,
    request: &WireRequest,
    now: DateTime<Utc>,
) -> Reply {
    Params::of(request, &[])?;
    let state = engine
        .account(account)
        .map_err(|reject| place::refusal(&reject, None))?;
    let balances = engine
        .balances(account)
        .map_err(|reject| place::refusal(&reject, None))?;
    let held = held(engine, account, now)?;
    let value = |short: bool| -> Decimal {
        let of_side = held
            .iter()
            .filter(|held| held.position.signed_qty().is_sign_negative() == short);
        of_side.map(Held::value).sum()
    };
    let (long, short) = (value(false), value(true));
    let today: Decimal = held.iter().map(Held::today).sum();
    let cash = state.cash_of(Currency::USD);
    let equity = balances.equity.map_or(cash + long + short, |money| money.amount);
    let amount = |money: Option<broker_core::Money>| money.map(|money| money.amount).unwrap_or_default();
    let free = available(&balances).unwrap_or(cash);
    let id = uuid("account", account.get());
    let margin = state.spec().margin;
    let level = if margin { "3" } else { "2" };
    let object = Object::new()
        .text("id", &id)
        .text("account_number", &number(&id, environment))
        .text("status", "ACTIVE")
        .text("crypto_status", "ACTIVE")
        .text("currency", "USD")
        .decimal("cash", cash)
        .decimal("equity", equity)
        .decimal("last_equity", equity - today)
        .decimal("portfolio_value", equity)
        .decimal("buying_power", balances.buying_power.map_or(free, |money| money.amount))
        .decimal(
            "regt_buying_power",
            balances.buying_power.map_or(free, |money| money.amount),
        )
        .decimal("non_marginable_buying_power", free)
        .decimal("options_buying_power", free)
        .decimal("long_market_value", long)
        .decimal("short_market_value", short)
        .decimal("initial_margin", amount(balances.initial_margin))
        .decimal("maintenance_margin", amount(balances.maintenance_margin))
        .text("multiplier", if margin { "2" } else { "1" })
        .decimal("accrued_fees", amount(balances.accrued_fees))
        .stamp("created_at", state.opened_at())
        .flag("shorting_enabled", margin)
        .flag("trading_blocked", state.is_blocked())
        .flag("account_blocked", state.is_blocked())
        .flag("transfers_blocked", false)
        .flag("trade_suspended_by_user", false)
        .raw("options_approved_level", level)
        .raw("options_trading_level", level);
    let object = match local_date(now).pred_opt() {
        Some(date) => object.text("balance_asof", &date.to_string()),
        None => object,
    };
    Ok(WireAnswer::json(200, object.end()))
}

/// `GET /v2/account/configurations`: what the engine's account may do, and the usual answer for the rest.
pub(super) fn configurations(engine: &Engine, account: &AccountId, request: &WireRequest) -> Reply {
    Params::of(request, &[])?;
    let state = engine
        .account(account)
        .map_err(|reject| place::refusal(&reject, None))?;
    let margin = state.spec().margin;
    let object = Object::new()
        .flag("no_shorting", !margin)
        .flag("suspend_trade", state.is_blocked())
        .flag("fractional_trading", true)
        .text("max_margin_multiplier", if margin { "2" } else { "1" })
        .text("trade_confirm_email", "all")
        .flag("ptp_no_exception_entry", false)
        .raw("max_options_trading_level", if margin { "3" } else { "2" });
    Ok(WireAnswer::json(200, object.end()))
}

/// The number for people: `PA` on paper, digits on a live account.
fn number(id: &str, environment: Environment) -> String {
    let digits: String = id
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .take(10)
        .map(char::from)
        .collect();
    match environment {
        Environment::Paper => format!("PA{}", digits.to_ascii_uppercase()),
        Environment::Live => digits.bytes().map(|byte| char::from(b'0' + byte % 10)).collect(),
    }
}

fn available(balances: &Balances) -> Option<Decimal> {
    let dollars = balances
        .balances
        .iter()
        .find(|balance| balance.currency == Currency::USD)?;
    dollars.available
}

/// `GET /v2/positions`, all at once.
pub(super) fn positions(engine: &Engine, account: &AccountId, request: &WireRequest, now: DateTime<Utc>) -> Reply {
    Params::of(request, &[])?;
    let rows = held(engine, account, now)?;
    Ok(WireAnswer::json(200, array(rows.iter().map(Held::render))))
}

/// `GET /v2/positions/{symbol_or_asset_id}`.
pub(super) fn position(
    engine: &Engine,
    account: &AccountId,
    request: &WireRequest,
    name: &str,
    now: DateTime<Utc>,
) -> Reply {
    Params::of(request, &[])?;
    let rows = held(engine, account, now)?;
    let found = rows.iter().find(|held| {
        let symbol = held.instrument.symbol.get();
        symbol == name || slashless(symbol) == name || shapes::asset_id(held.instrument) == name
    });
    let found = found.ok_or_else(|| Refusal::not_found("position does not exist"))?;
    Ok(WireAnswer::json(200, found.render()))
}

/// A position with what it is in.
struct Held<'a> {
    position: Position,
    instrument: &'a Instrument,
    facts: PositionFacts,
}

impl Held<'_> {
    fn render(&self) -> String {
        shapes::position(&self.position, self.instrument, self.facts)
    }

    fn value(&self) -> Decimal {
        shapes::market_value(&self.position, self.instrument, self.facts)
    }

    fn today(&self) -> Decimal {
        shapes::profit_today(&self.position, self.instrument, self.facts)
    }
}

fn held<'a>(engine: &'a Engine, account: &AccountId, now: DateTime<Utc>) -> Result<Vec<Held<'a>>, Refusal> {
    let positions = engine
        .positions(account)
        .map_err(|reject| place::refusal(&reject, None))?;
    let mut held: Vec<Held<'a>> = positions
        .into_iter()
        .filter_map(|position| {
            let instrument = engine.instrument(&position.instrument)?;
            shapes::class(instrument)?;
            let facts = PositionFacts {
                last_day: last_close(engine, instrument, now),
                mark: engine.mark(&instrument.id),
            };
            Some(Held {
                position,
                instrument,
                facts,
            })
        })
        .collect();
    held.sort_by(|one, other| one.position.symbol.cmp(&other.position.symbol));
    Ok(held)
}

/// The last price before today, a week back at most.
fn last_close(engine: &Engine, instrument: &Instrument, now: DateTime<Utc>) -> Option<Price> {
    let today = local_date(now);
    let since = midnight(today.checked_sub_days(Days::new(7))?)?;
    let until = midnight(today)?.min(now) + Duration::nanoseconds(1);
    let minute = broker_core::model::Interval::Minutes(1);
    let candles = engine.candles(&instrument.id, minute, since, until)?;
    candles.last().map(|candle| candle.close)
}
