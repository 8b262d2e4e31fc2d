//! What Alpaca alone tells of an account: its settings, and how its equity went.

use std::collections::BTreeMap;

use broker_core::{Broker, Error, Money, Result};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use rust_decimal::Decimal;

use crate::broker::AlpacaBroker;
use crate::map;
use crate::wire::{self, ConfigurationsJson, PortfolioJson};

/// Settings that the owner of an account chose. Alpaca promises none of them: what an answer lacks is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountConfigurations {
    /// Whether new orders are refused.
    pub suspend_trade: Option<bool>,
    /// Whether sales beyond the position are refused.
    pub no_shorting: Option<bool>,
    /// Whether fractions of shares may be traded.
    pub fractional_trading: Option<bool>,
    /// Buying power as a multiple of equity: 1, 2 or 4.
    pub max_margin_multiplier: Option<Decimal>,
    /// Highest level of options trading that is wanted: 0 none, 1 covered, 2 long options, 3 spreads.
    pub max_options_trading_level: Option<u32>,
    /// Whether fills are told by mail: `all` or `none`.
    pub trade_confirm_email: Option<String>,
    /// Whether publicly traded partnerships may be bought, whatever tax that costs.
    pub ptp_no_exception_entry: Option<bool>,
    /// Whether the overnight session is closed to the account.
    pub disable_overnight_trading: Option<bool>,
    /// Day-trade check of orders: `both`, `entry` or `exit`. The rule, and with it the field, ended in July 2026.
    pub pdt_check: Option<String>,
    /// Day-trade margin check of orders: `both`, `entry` or `exit`. Ended with the rule, too.
    pub dtbp_check: Option<String>,
}

/// Distance of the points of a [`PortfolioHistory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PortfolioStep {
    /// One minute.
    Minute,
    /// Five minutes.
    FiveMinutes,
    /// A quarter of an hour.
    QuarterHour,
    /// One hour.
    Hour,
    /// One trading day.
    Day,
}

impl PortfolioStep {
    fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "1Min",
            Self::FiveMinutes => "5Min",
            Self::QuarterHour => "15Min",
            Self::Hour => "1H",
            Self::Day => "1D",
        }
    }
}

/// Which hours a [`PortfolioHistory`] of steps shorter than a day has points for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PortfolioHours {
    /// The regular session of US shares.
    Market,
    /// The extended session, too.
    Extended,
    /// Day and night: for accounts that hold coins.
    Continuous,
}

impl PortfolioHours {
    fn as_str(self) -> &'static str {
        match self {
            Self::Market => "market_hours",
            Self::Extended => "extended_hours",
            Self::Continuous => "continuous",
        }
    }
}

/// Which part of an account's [`PortfolioHistory`]. Steps shorter than a day reach 30 days at most.
///
/// ```
/// use broker_alpaca::{PortfolioHours, PortfolioQuery, PortfolioStep};
/// let query = PortfolioQuery::last_days(30, PortfolioStep::Hour).with_hours(PortfolioHours::Continuous);
/// assert_eq!(query.step, PortfolioStep::Hour);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortfolioQuery {
    /// First and last moment, which Alpaca brings to its own steps.
    pub span: PortfolioSpan,
    /// Distance of the points.
    pub step: PortfolioStep,
    /// Hours that have points; without, the regular session.
    pub hours: Option<PortfolioHours>,
    /// Whether deposits, dividends and the like are told with each point.
    pub cash_flows: bool,
}

/// The span of a [`PortfolioQuery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortfolioSpan {
    /// From here to there.
    Between {
        /// Start.
        since: DateTime<Utc>,
        /// End.
        until: DateTime<Utc>,
    },
    /// The last days, as Alpaca counts them.
    LastDays(u32),
}

impl PortfolioQuery {
    /// Points from here to there.
    pub fn between(since: DateTime<Utc>, until: DateTime<Utc>, step: PortfolioStep) -> Self {
        Self::new(PortfolioSpan::Between { since, until }, step)
    }

    /// Points of the last days.
    pub fn last_days(days: u32, step: PortfolioStep) -> Self {
        Self::new(PortfolioSpan::LastDays(days), step)
    }

    fn new(span: PortfolioSpan, step: PortfolioStep) -> Self {
        Self {
            span,
            step,
            hours: None,
            cash_flows: false,
        }
    }

    /// Points of these hours.
    #[must_use]
    pub fn with_hours(mut self, hours: PortfolioHours) -> Self {
        self.hours = Some(hours);
        self
    }

    /// With the money that came and went.
    #[must_use]
    pub fn with_cash_flows(mut self) -> Self {
        self.cash_flows = true;
        self
    }

    fn params(&self) -> Result<Vec<(&'static str, String)>> {
        let mut params = match self.span {
            PortfolioSpan::Between { since, until } if since < until => {
                let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
                vec![("start", text(since)), ("end", text(until))]
            }
            PortfolioSpan::LastDays(days @ 1..) => vec![("period", format!("{days}D"))],
            PortfolioSpan::Between { .. } | PortfolioSpan::LastDays(0) => {
                return Err(Error::invalid(
                    "a portfolio history is asked of a span that ends after it begins",
                ));
            }
        };
        params.push(("timeframe", self.step.as_str().to_owned()));
        params.extend(
            self.hours
                .map(|hours| ("intraday_reporting", hours.as_str().to_owned())),
        );
        if self.cash_flows {
            params.push(("cashflow_types", "ALL".to_owned()));
        }
        Ok(params)
    }
}

/// How the equity of an account went, by Alpaca's own reckoning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortfolioHistory {
    /// Points, oldest first.
    pub points: Vec<PortfolioPoint>,
    /// The equity that profits are counted from.
    pub base: Option<Money>,
    /// The trading day at whose close `base` was the equity; without one it is that of the first point.
    pub base_on: Option<NaiveDate>,
    /// Distance of the points in Alpaca's words: `15Min`, `1D`.
    pub step: String,
    /// Money that came and went, by type of activity; one entry a point. Empty unless asked for.
    pub cash_flows: BTreeMap<String, Vec<Option<Money>>>,
}

/// One point of a [`PortfolioHistory`]. What Alpaca has no value for is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortfolioPoint {
    /// Start of the step.
    pub at: DateTime<Utc>,
    /// Equity at its end.
    pub equity: Option<Money>,
    /// Profit or loss at its end.
    pub profit_loss: Option<Money>,
    /// The same as a part of the base: 0.01 is one percent. It is a quotient; one with more than 28 digits behind the
    /// point is `None`, too.
    pub profit_loss_part: Option<Decimal>,
}

impl AlpacaBroker {
    /// The settings of the account.
    ///
    /// # Errors
    /// As every read.
    pub async fn configurations(&self) -> Result<AccountConfigurations> {
        let read = |body: &str| map::portfolio::configurations(&wire::decode::<ConfigurationsJson<'_>>(body)?);
        let call = self.rest().read("configurations", "/v2/account/configurations", &[]);
        self.rest().http.run(call, read).await
    }

    /// How the equity of the account went.
    ///
    /// # Errors
    /// `InvalidRequest` for a span without length, with nothing sent; else as every read.
    pub async fn portfolio_history(&self, query: &PortfolioQuery) -> Result<PortfolioHistory> {
        let params = query.params().map_err(|error| error.with_broker(self.id()))?;
        let read = |body: &str| map::portfolio::history(&wire::decode::<PortfolioJson<'_>>(body)?);
        let path = "/v2/account/portfolio/history";
        let call = self.rest().read("portfolio history", path, &params);
        self.rest().http.run(call, read).await
    }
}
