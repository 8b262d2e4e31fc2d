//! Settings and equity.

use broker_core::num::{Text, decimal};
use broker_core::{Currency, Error, Money, Result};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::portfolio::{AccountConfigurations, PortfolioHistory, PortfolioPoint};
use crate::wire::{ConfigurationsJson, Maybe, PortfolioJson, filled};

pub(crate) fn configurations(wire: &ConfigurationsJson<'_>) -> Result<AccountConfigurations> {
    let word = |text: &Option<Text<'_>>| filled(text).map(str::to_owned);
    let level = wire.max_options_trading_level.0.map(|level| {
        // The conversion drops what stands behind the point.
        u32::try_from(level)
            .ok()
            .filter(|whole| Decimal::from(*whole) == level)
            .ok_or_else(|| Error::decode(format!("{level} is not a level of options trading")))
    });
    Ok(AccountConfigurations {
        suspend_trade: wire.suspend_trade,
        no_shorting: wire.no_shorting,
        fractional_trading: wire.fractional_trading,
        max_margin_multiplier: wire.max_margin_multiplier.0,
        max_options_trading_level: level.transpose()?,
        trade_confirm_email: word(&wire.trade_confirm_email),
        ptp_no_exception_entry: wire.ptp_no_exception_entry,
        disable_overnight_trading: wire.disable_overnight_trading,
        pdt_check: word(&wire.pdt_check),
        dtbp_check: word(&wire.dtbp_check),
    })
}

pub(crate) fn history(wire: &PortfolioJson<'_>) -> Result<PortfolioHistory> {
    let count = wire.timestamp.len();
    let flows = wire.cashflow.iter().flat_map(|flows| &flows.0);
    let columns = [wire.equity.len(), wire.profit_loss.len(), wire.profit_loss_pct.len()];
    if columns
        .into_iter()
        .chain(flows.clone().map(|(_, column)| column.len()))
        .any(|rows| rows != count)
    {
        return Err(Error::decode(
            "the columns of a portfolio history are not of one length",
        ));
    }
    let points = wire
        .timestamp
        .iter()
        .zip(&wire.equity)
        .zip(wire.profit_loss.iter().zip(&wire.profit_loss_pct));
    let points = points
        .map(|((at, equity), (profit, part))| {
            Ok(PortfolioPoint {
                at: moment(*at)?,
                equity: dollars(*equity),
                profit_loss: dollars(*profit),
                profit_loss_part: quotient(part)?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let cash_flows = flows.map(|(kind, column)| (kind.get().to_owned(), column.iter().copied().map(dollars).collect()));
    Ok(PortfolioHistory {
        points,
        base: dollars(wire.base_value),
        base_on: wire.base_value_asof.map(|day| day.0),
        step: wire.timeframe.get().to_owned(),
        cash_flows: cash_flows.collect(),
    })
}

/// The document says dollars.
fn dollars(number: Maybe) -> Option<Money> {
    number.0.map(|amount| Money::new(amount, Currency::USD))
}

/// A number that has more digits than can be kept is `None`, too; what is no number is an error.
fn quotient(raw: &RawValue) -> Result<Option<Decimal>> {
    let text = raw.get().trim_matches('"');
    // JSON that begins like this is a number.
    let is_number = || text.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let is_json = || serde_json::from_str::<IgnoredAny>(text).is_ok();
    match decimal(text) {
        Ok(part) => Ok(Some(part)),
        Err(_) if text.is_empty() || text == "null" => Ok(None),
        Err(_) if is_number() && is_json() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Seconds today, milliseconds in older answers. Seconds beyond this are 3100 years away; milliseconds short of it are
/// from 1973.
const LEAST_MILLIS: i64 = 100_000_000_000;

fn moment(epoch: i64) -> Result<DateTime<Utc>> {
    let at = if epoch >= LEAST_MILLIS {
        DateTime::from_timestamp_millis(epoch)
    } else {
        DateTime::from_timestamp(epoch, 0)
    };
    at.ok_or_else(|| Error::decode(format!("{epoch} is not a moment")))
}
