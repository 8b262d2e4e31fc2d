//! `GET /v2/assets` and `GET /v2/options/contracts`.

use broker_core::model::{AssetClass, ExerciseStyle, OptionRight, OptionTerms};
use broker_core::{Instrument, InstrumentId};
use broker_sim::Engine;
use broker_sim::wire::{WireAnswer, WireRequest};
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::ids::{from_token, slashless, to_token};
use super::json::{Object, array};
use super::params::{Params, local_date};
use super::place::listed;
use super::refusal::{Refusal, Reply};
use super::shapes;

const ATTRIBUTES: [&str; 8] = [
    "ptp_no_exception",
    "ptp_with_exception",
    "ipo",
    "has_options",
    "options_late_close",
    "fractional_eh_enabled",
    "overnight_tradable",
    "overnight_halted",
];

/// `GET /v2/assets`: shares, unless another class is asked for. Options are listed as contracts only.
pub(super) fn list(engine: &Engine, request: &WireRequest) -> Reply {
    let params = Params::of(request, &["status", "asset_class", "exchange", "attributes"])?;
    let status = params.word("status", &["active", "inactive"])?;
    let class = params
        .word("asset_class", &["us_equity", "us_option", "crypto"])?
        .unwrap_or("us_equity");
    let exchange = params.get("exchange");
    let attributes = params.list("attributes")?;
    if let Some(unknown) = attributes.iter().flatten().find(|word| !ATTRIBUTES.contains(word)) {
        return Err(Refusal::invalid(format!("invalid attributes: {unknown:?}")));
    }
    let rows = listed(engine).filter(|instrument| {
        instrument.asset_class != AssetClass::Option
            && shapes::class(instrument) == Some(class)
            && status.is_none_or(|status| (status == "active") == shapes::is_active(engine, instrument))
            && exchange.is_none_or(|exchange| instrument.exchange.as_deref() == Some(exchange))
            && attributes.as_ref().is_none_or(|asked| {
                let has = shapes::attributes(engine, instrument);
                asked.iter().any(|word| has.contains(word))
            })
    });
    Ok(WireAnswer::json(
        200,
        array(rows.map(|instrument| shapes::asset(engine, instrument))),
    ))
}

/// `GET /v2/assets/{symbol_or_asset_id}`.
pub(super) fn one(engine: &Engine, request: &WireRequest, name: &str) -> Reply {
    Params::of(request, &[])?;
    let found = listed(engine)
        .filter(|instrument| instrument.asset_class != AssetClass::Option)
        .find(|instrument| {
            let symbol = instrument.symbol.get();
            symbol == name || slashless(symbol) == name || shapes::asset_id(instrument) == name
        });
    let found = found.ok_or_else(|| Refusal::not_found(format!("asset not found for {name}")))?;
    Ok(WireAnswer::json(200, shapes::asset(engine, found)))
}

/// `GET /v2/options/contracts/{symbol_or_id}`.
pub(super) fn contract(engine: &Engine, request: &WireRequest, name: &str) -> Reply {
    Params::of(request, &[])?;
    let found = contracts(engine)
        .find(|(instrument, _)| instrument.symbol.get() == name || shapes::asset_id(instrument) == name);
    let json = found.and_then(|(instrument, _)| shapes::contract(engine, instrument));
    let json = json.ok_or_else(|| Refusal::not_found(format!("option contract {name} not found")))?;
    Ok(WireAnswer::json(200, json))
}

fn contracts(engine: &Engine) -> impl Iterator<Item = (&Instrument, &OptionTerms)> {
    listed(engine).filter_map(|instrument| Some((instrument, instrument.option.as_ref()?)))
}

const NAMES: [&str; 12] = [
    "underlying_symbols",
    "status",
    "expiration_date",
    "expiration_date_gte",
    "expiration_date_lte",
    "root_symbol",
    "type",
    "style",
    "strike_price_gte",
    "strike_price_lte",
    "limit",
    "page_token",
];

/// `GET /v2/options/contracts`: active ones that expire by the coming weekend, unless an expiry is asked for.
pub(super) fn contract_list(engine: &Engine, request: &WireRequest, now: DateTime<Utc>) -> Reply {
    let params = Params::of(request, &NAMES)?;
    let filter = Filter::of(&params, local_date(now))?;
    let limit = params.count("limit", 100, 10_000)?;
    let behind = params.get("page_token").map(from_token).transpose()?;
    let mut found: Vec<(&Instrument, &OptionTerms)> = contracts(engine)
        .filter(|(instrument, terms)| filter.wants(engine, instrument, terms))
        .filter(|(instrument, _)| {
            behind
                .as_ref()
                .is_none_or(|behind| instrument.symbol.get() > behind.as_str())
        })
        .collect();
    found.sort_by(|(one, _), (other, _)| one.symbol.cmp(&other.symbol));
    let more = found.len() > limit;
    found.truncate(limit);
    let token = found
        .last()
        .filter(|_| more)
        .map(|(last, _)| to_token(last.symbol.get()));
    let rows: Vec<String> = found
        .iter()
        .filter_map(|(instrument, _)| shapes::contract(engine, instrument))
        .collect();
    let object = Object::new()
        .raw("option_contracts", &array(rows))
        .text_or_null("next_page_token", token.as_deref());
    Ok(WireAnswer::json(200, object.end()))
}

struct Filter<'a> {
    underlyings: Option<Vec<&'a str>>,
    active: bool,
    expires: (Option<NaiveDate>, Option<NaiveDate>),
    root: Option<&'a str>,
    right: Option<OptionRight>,
    style: Option<ExerciseStyle>,
    strikes: (Option<Decimal>, Option<Decimal>),
}

impl<'a> Filter<'a> {
    fn of(params: &Params<'a>, today: NaiveDate) -> Result<Self, Refusal> {
        let on = params.date("expiration_date")?;
        let (from, to) = (params.date("expiration_date_gte")?, params.date("expiration_date_lte")?);
        if on.is_some() && (from.is_some() || to.is_some()) {
            return Err(Refusal::invalid("expiration_date cannot be combined with its borders"));
        }
        let expires = match (on, from, to) {
            (Some(on), _, _) => (Some(on), Some(on)),
            (None, None, None) => (None, Some(coming_sunday(today))),
            (None, from, to) => (from, to),
        };
        Ok(Self {
            underlyings: params.list("underlying_symbols")?,
            active: params.word("status", &["active", "inactive"])? != Some("inactive"),
            expires,
            root: params.get("root_symbol"),
            right: params.word("type", &["call", "put"])?.map(|word| match word {
                "call" => OptionRight::Call,
                _ => OptionRight::Put,
            }),
            style: params.word("style", &["american", "european"])?.map(|word| match word {
                "european" => ExerciseStyle::European,
                _ => ExerciseStyle::American,
            }),
            strikes: (params.decimal("strike_price_gte")?, params.decimal("strike_price_lte")?),
        })
    }

    fn wants(&self, engine: &Engine, instrument: &Instrument, terms: &OptionTerms) -> bool {
        let (from, to) = self.expires;
        let (least, most) = self.strikes;
        let strike = terms.strike.get();
        shapes::is_active(engine, instrument) == self.active
            && self
                .underlyings
                .as_ref()
                .is_none_or(|asked| asked.contains(&terms.underlying.get()))
            && from.is_none_or(|from| terms.expires_on >= from)
            && to.is_none_or(|to| terms.expires_on <= to)
            && self.root.is_none_or(|root| shapes::root(instrument) == root)
            && self.right.is_none_or(|right| right == terms.right)
            && self
                .style
                .is_none_or(|style| terms.style.unwrap_or(ExerciseStyle::American) == style)
            && least.is_none_or(|least| strike >= least)
            && most.is_none_or(|most| strike <= most)
    }
}

fn coming_sunday(today: NaiveDate) -> NaiveDate {
    let days = 7 - u64::from(today.weekday().num_days_from_sunday());
    today.checked_add_days(Days::new(days % 7)).unwrap_or(today)
}

/// Whether some option is written on it.
pub(super) fn has_options(engine: &Engine, id: &InstrumentId) -> bool {
    contracts(engine).any(|(_, terms)| terms.underlying.get() == id.get())
}
