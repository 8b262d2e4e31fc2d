//! Instruments and market data.

use broker_core::model::{Candle, Hours};
use broker_core::{Broker, Instrument, InstrumentId, InstrumentQuery, MarketData, Symbol};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::MOST_PAGES;
use crate::conformance::{Failed, NOBODY, Outcome, Setup, check};

fn known_instrument(setup: &Setup) -> Result<(&InstrumentId, &Symbol), Failed> {
    let known = setup.instrument.as_ref().map(|(id, symbol)| (id, symbol));
    known.ok_or_else(|| Failed("the setup names no instrument".to_owned()))
}

async fn found(broker: &dyn Broker, query: InstrumentQuery) -> Result<Vec<Instrument>, Failed> {
    Ok(broker.instruments(&query).await?)
}

pub(super) async fn an_instrument_is_found_by_id(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let (id, _) = known_instrument(setup)?;
    let found = found(broker, InstrumentQuery::Ids(vec![id.clone()])).await?;
    check(
        found.len() == 1 && found[0].id == *id,
        format!("{} instruments for the id {id}", found.len()),
    )
}

pub(super) async fn an_instrument_is_found_by_symbol(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let (id, symbol) = known_instrument(setup)?;
    let found = found(broker, InstrumentQuery::Symbols(vec![symbol.clone()])).await?;
    let listed = found.iter().any(|instrument| instrument.id == *id);
    let all_hits = found.iter().all(|instrument| instrument.symbol == *symbol);
    check(
        listed && all_hits,
        format!("{symbol} finds {} instruments, {id} among them: {listed}", found.len()),
    )
}

pub(super) async fn an_unknown_instrument_is_left_out(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let (id, _) = known_instrument(setup)?;
    let found = found(broker, InstrumentQuery::Ids(vec![NOBODY.into(), id.clone()])).await?;
    let ids: Vec<_> = found.iter().map(|instrument| &instrument.id).collect();
    check(ids == [id], format!("{ids:?} for one unknown id and {id}"))
}

pub(super) async fn an_unknown_symbol_is_left_out(broker: &dyn Broker, _: &Setup) -> Outcome {
    let found = found(broker, InstrumentQuery::Symbols(vec![NOBODY.into()])).await?;
    check(
        found.is_empty(),
        format!("{} instruments for a symbol that is not there", found.len()),
    )
}

pub(super) async fn steps_of_an_instrument_are_positive(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let (id, _) = known_instrument(setup)?;
    for instrument in found(broker, InstrumentQuery::Ids(vec![id.clone()])).await? {
        let steps = instrument.ticks.iter().map(|band| band.tick);
        let mut steps = steps.chain(instrument.lot).chain(instrument.multiplier);
        check(
            steps.all(|step| step > Decimal::ZERO),
            "a tick, lot or multiplier is not positive",
        )?;
        let borders: Vec<_> = instrument.ticks.iter().map(|band| band.from).collect();
        check(borders.is_sorted(), "price bands are not ascending")?;
    }
    Ok(true)
}

fn market_data(broker: &dyn Broker) -> Result<&dyn MarketData, Failed> {
    broker
        .market_data()
        .ok_or_else(|| Failed("the broker has no market data".to_owned()))
}

pub(super) async fn a_known_instrument_has_one_quote(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let (id, symbol) = known_instrument(setup)?;
    let quotes = market_data(broker)?.quotes(std::slice::from_ref(id)).await?;
    let [quote] = quotes.as_slice() else {
        return Err(Failed(format!("{} quotes for one instrument", quotes.len())));
    };
    check(
        quote.instrument == *id && quote.symbol == *symbol,
        format!("a quote of {}", quote.instrument),
    )
}

pub(super) async fn an_unknown_instrument_has_no_quote(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let (id, _) = known_instrument(setup)?;
    let quotes = market_data(broker)?.quotes(&[NOBODY.into(), id.clone()]).await?;
    let named: Vec<_> = quotes.iter().map(|quote| &quote.instrument).collect();
    check(
        named == [id],
        format!("quotes of {named:?} for one unknown instrument and {id}"),
    )
}

/// Candles of a query, with its borders as they are, or put elsewhere.
async fn candles(
    broker: &dyn Broker,
    setup: &Setup,
    borders: Option<(DateTime<Utc>, DateTime<Utc>)>,
) -> Result<Vec<Candle>, Failed> {
    let query = setup.candles.clone();
    let mut query = query.ok_or_else(|| Failed("the setup names no candles".to_owned()))?;
    (query.since, query.until) = borders.unwrap_or((query.since, query.until));
    let (mut all, mut cursor) = (Vec::new(), None);
    for _ in 0..MOST_PAGES {
        let page = market_data(broker)?.candles(&query, cursor.as_ref()).await?;
        all.extend(page.rows);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(all),
        }
    }
    Err(Failed("the pages of the candles have no end".to_owned()))
}

pub(super) async fn candles_come_oldest_first_within_their_borders(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let all = candles(broker, setup, None).await?;
    let starts: Vec<_> = all.iter().map(|candle| candle.start).collect();
    let query = setup.candles.as_ref();
    let inside = |start: &DateTime<Utc>| query.is_some_and(|query| (query.since..query.until).contains(start));
    check(starts.is_sorted(), "candles are not oldest first")?;
    check(starts.iter().all(inside), "a candle starts outside the window")?;
    Ok(!starts.is_empty())
}

pub(super) async fn candles_hold_their_prices(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let all = candles(broker, setup, None).await?;
    for candle in &all {
        let range = candle.low..=candle.high;
        let holds = range.contains(&candle.open) && range.contains(&candle.close);
        check(
            holds,
            format!("the candle of {} does not hold its open and close", candle.start),
        )?;
    }
    Ok(!all.is_empty())
}

pub(super) async fn candles_start_inclusive_and_end_exclusive(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let starts: Vec<_> = candles(broker, setup, None)
        .await?
        .iter()
        .map(|candle| candle.start)
        .collect();
    let (Some(first), Some(last)) = (starts.first(), starts.last()) else {
        return Ok(false);
    };
    let inner = candles(broker, setup, Some((*first, *last))).await?;
    let inner: Vec<_> = inner.iter().map(|candle| candle.start).collect();
    check(
        first == last || inner.first() == Some(first),
        "the candle at the start is missing",
    )?;
    check(!inner.contains(last), "the candle at the end is there")
}

pub(super) async fn sessions_come_in_order(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let (id, _) = known_instrument(setup)?;
    let week = setup.since + Duration::days(7);
    match market_data(broker)?.hours(id, setup.since, week).await? {
        Hours::Sessions(sessions) => {
            check(
                sessions.iter().all(|session| session.opens_at < session.closes_at),
                "a session without length",
            )?;
            check(
                sessions.is_sorted_by_key(|session| session.opens_at),
                "sessions are not in order",
            )
        }
        _ => Ok(false),
    }
}
