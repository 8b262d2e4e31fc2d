//! Bars.

use broker_core::model::{Candle, Interval};
use broker_core::{InstrumentId, Result};
use chrono::{DateTime, Duration, Months, Utc};

use crate::wire::BarJson;

pub(crate) fn candle(
    wire: &BarJson,
    instrument: &InstrumentId,
    interval: Interval,
    now: DateTime<Utc>,
) -> Result<Candle> {
    let start = wire.t.0;
    let ends_at = match interval {
        Interval::Month => start.checked_add_months(Months::new(1)),
        other => start.checked_add_signed(length(other)),
    };
    Ok(Candle {
        instrument: instrument.clone(),
        start,
        open: wire.o.0.into(),
        high: wire.h.0.into(),
        low: wire.l.0.into(),
        close: wire.c.0.into(),
        volume: Some(wire.v.0),
        complete: ends_at.is_some_and(|ends_at| ends_at <= now),
    })
}

/// The shortest that an interval is: days and weeks as the clock counts them.
pub(crate) fn length(interval: Interval) -> Duration {
    let fixed = interval.length().and_then(|length| Duration::from_std(length).ok());
    fixed.unwrap_or(match interval {
        Interval::Week => Duration::weeks(1),
        Interval::Month => Duration::days(28),
        _ => Duration::days(1),
    })
}
