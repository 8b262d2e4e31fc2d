//! Candles, made of the engine's.

use broker_core::InstrumentId;
use broker_core::model::Interval;
use broker_sim::Engine;
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::json::{Object, array, fixed};
use super::params::Params;
use super::reads::{listed, ok};
use super::refusal::{Refusal, Reply};
use super::terms::{id_of, places};

/// Without a first moment the newest candles are meant, and over a weekend none is made.
const LONGEST_BREAK: Duration = Duration::days(4);

/// `GET /v3/instruments/{instrument}/candles`.
pub(super) fn candles(engine: &Engine, request: &WireRequest, name: &str, now: DateTime<Utc>) -> Reply {
    let known = [
        "price",
        "granularity",
        "count",
        "from",
        "to",
        "smooth",
        "includeFirst",
        "dailyAlignment",
        "alignmentTimezone",
        "weeklyAlignment",
    ];
    let params = Params::of(request, &known)?;
    let one = listed(engine).find(|one| id_of(one) == name);
    let one = one.ok_or_else(|| Refusal::invalid("instrument"))?;
    let word = params.get("granularity").unwrap_or("S5");
    let (interval, length) = interval(word).ok_or_else(|| Refusal::invalid("granularity"))?;
    let count = params.count("count", 500, 5000)?;
    let (from, to) = (params.time("from")?, params.time("to")?);
    if from.is_some() && to.is_some() && params.get("count").is_some() {
        return Err(Refusal::new(
            400,
            "'count' cannot be specified when 'to' and 'from' are set",
        ));
    }
    if from.is_some_and(|from| from > now) {
        return Err(Refusal::new(
            400,
            "Invalid value specified for 'from'. Time is in the future",
        ));
    }
    let reach = i32::try_from(count).unwrap_or(5000);
    let newest = from.is_none();
    let from = from.unwrap_or_else(|| to.unwrap_or(now) - length * reach - LONGEST_BREAK);
    let to = to.unwrap_or(now).min(now) + Duration::seconds(1);
    let mut all = find(engine, &one.id, interval, from, to);
    if newest {
        all.drain(..all.len().saturating_sub(count));
    }
    let skip = usize::from(!params.flag("includeFirst", true)? && all.first().is_some_and(|first| first.start <= from));
    let places = places(one);
    let price = params.get("price").unwrap_or("M");
    let rows = all.iter().skip(skip).take(count).map(|candle| {
        let text = |price: broker_core::Price| fixed(price.get(), places);
        let prices = Object::new()
            .text("o", text(candle.open))
            .text("h", text(candle.high))
            .text("l", text(candle.low))
            .text("c", text(candle.close))
            .end();
        let mut out = Object::new()
            .flag("complete", candle.complete)
            .raw(
                "volume",
                &candle
                    .volume
                    .map_or(Decimal::ONE, |volume| volume.trunc())
                    .normalize()
                    .to_string(),
            )
            .stamp("time", candle.start);
        for (letter, key) in [('B', "bid"), ('A', "ask"), ('M', "mid")] {
            if price.contains(letter) {
                out = out.raw(key, &prices);
            }
        }
        out.end()
    });
    let body = Object::new()
        .text("instrument", name)
        .text("granularity", word)
        .raw("candles", &array(rows));
    ok(body)
}

/// The engine's finest candle is a minute: shorter ones are those of their minute, at its first moment.
fn find(
    engine: &Engine,
    id: &InstrumentId,
    interval: Interval,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Vec<broker_core::model::Candle> {
    engine.candles(id, interval, from, to).unwrap_or_default()
}

fn interval(word: &str) -> Option<(Interval, Duration)> {
    let number = |text: &str| text.parse::<u32>().ok();
    Some(match word {
        "D" => (Interval::Day, Duration::days(1)),
        "W" => (Interval::Week, Duration::weeks(1)),
        "M" => (Interval::Month, Duration::days(31)),
        "S5" | "S10" | "S15" | "S30" => (Interval::Minutes(1), Duration::minutes(1)),
        "M1" | "M2" | "M4" | "M5" | "M10" | "M15" | "M30" => {
            let n = number(word.strip_prefix('M')?)?;
            (Interval::Minutes(n), Duration::minutes(n.into()))
        }
        "H1" | "H2" | "H3" | "H4" | "H6" | "H8" | "H12" => {
            let n = number(word.strip_prefix('H')?)?;
            (Interval::Hours(n), Duration::hours(n.into()))
        }
        _ => return None,
    })
}
