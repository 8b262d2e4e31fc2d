//! What a request says, and the ways in which Binance says no.

use broker_sim::SimReject;
use broker_sim::wire::{WireAnswer, WireRequest};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::json;

/// An error answer: a status, a code, a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: i64,
    pub(super) message: String,
}

/// What an endpoint gives: the text of an answer, or a refusal.
pub(super) type Reply = Result<String, Refusal>;

impl Refusal {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code,
            message: message.into(),
        }
    }

    pub(super) fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(super) fn missing(name: &str) -> Self {
        Self::new(
            -1102,
            format!("Mandatory parameter '{name}' was not sent, was empty/null, or malformed."),
        )
    }

    pub(super) fn not_needed(name: &str) -> Self {
        Self::new(-1106, format!("Parameter '{name}' sent when not required."))
    }

    pub(super) fn no_such_order() -> Self {
        Self::new(-2013, "Order does not exist.")
    }

    pub(super) fn combination() -> Self {
        Self::new(-1128, "Combination of optional parameters invalid.")
    }

    pub(super) fn body(&self) -> String {
        json!({"code": self.code, "msg": self.message}).to_string()
    }
}

impl From<Refusal> for WireAnswer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, refusal.body())
    }
}

/// The engine's refusal in Binance's words.
impl From<SimReject> for Refusal {
    fn from(reject: SimReject) -> Self {
        let filter = |name: &str| Self::new(-1013, format!("Filter failure: {name}"));
        match reject {
            SimReject::DuplicateClientId { .. } => Self::new(-2010, "Duplicate order sent."),
            SimReject::InsufficientFunds { .. }
            | SimReject::InsufficientQty { .. }
            | SimReject::NotShortable { .. } => {
                Self::new(-2010, "Account has insufficient balance for requested action.")
            }
            SimReject::AccountBlocked => Self::new(-2010, "This account may not place or cancel orders."),
            SimReject::NotTradable { .. } | SimReject::MarketClosed { .. } => Self::new(-1013, "Market is closed."),
            SimReject::Tick { .. } | SimReject::PriceRange { .. } => filter("PRICE_FILTER"),
            SimReject::Lot { .. }
            | SimReject::BelowMinQty { .. }
            | SimReject::AboveMaxQty { .. }
            | SimReject::ZeroQty
            | SimReject::TooLarge { .. } => filter("LOT_SIZE"),
            SimReject::BelowMinNotional { .. } => filter("NOTIONAL"),
            SimReject::TrailRange { .. } => filter("TRAILING_DELTA"),
            SimReject::UnknownSymbol { .. } => Self::new(-1121, "Invalid symbol."),
            SimReject::UnknownOrder | SimReject::NotCancelable { .. } => Self::new(-2011, "Unknown order sent."),
            SimReject::ExitLevels { .. } => {
                Self::new(-1158, "The relationship of the prices for the orders is not correct.")
            }
            other => Self::new(-2010, other.to_string()),
        }
    }
}

/// The parameters of a request: those it takes, each once.
pub(super) struct Params<'a>(&'a WireRequest);

/// What every signed request may have.
const SIGNED: [&str; 3] = ["timestamp", "recvWindow", "signature"];

impl<'a> Params<'a> {
    pub(super) fn of(request: &'a WireRequest, known: &[&str]) -> Result<Self, Refusal> {
        for (index, (name, _)) in request.pairs.iter().enumerate() {
            if request.pairs[..index].iter().any(|(other, _)| other == name) {
                return Err(Refusal::new(-1101, "Too many parameters; expected fewer."));
            }
        }
        let read = request
            .pairs
            .iter()
            .filter(|(name, _)| SIGNED.contains(&name.as_str()) || known.contains(&name.as_str()));
        let (read, sent) = (read.count(), request.pairs.len());
        if read < sent {
            return Err(Refusal::new(
                -1104,
                format!("Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'."),
            ));
        }
        Ok(Self(request))
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.param(name).filter(|value| !value.is_empty())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn needed(&self, name: &str) -> Result<&'a str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::missing(name))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let illegal = || {
            Refusal::new(
                -1100,
                format!("Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."),
            )
        };
        self.get(name)
            .map(|text| text.parse().map_err(|_| illegal()))
            .transpose()
    }

    pub(super) fn decimal(&self, name: &str) -> Result<Option<Decimal>, Refusal> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let value = broker_core::num::decimal(text).ok().filter(|_| plain);
        let value = value.ok_or_else(|| {
            Refusal::new(
                -1100,
                format!(
                    "Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'."
                ),
            )
        })?;
        if value.normalize().scale() > 8 {
            return Err(Refusal::new(
                -1111,
                format!("Parameter '{name}' has too much precision."),
            ));
        }
        Ok(Some(value))
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<DateTime<Utc>>, Refusal> {
        let millis = self.number(name)?.and_then(|millis| i64::try_from(millis).ok());
        Ok(millis.and_then(DateTime::from_timestamp_millis))
    }

    /// Rows of a page.
    pub(super) fn limit(&self, usual: usize) -> Result<usize, Refusal> {
        match self.number("limit")? {
            None => Ok(usual),
            Some(0) => Err(Refusal::missing("limit")),
            Some(limit) => Ok(usize::try_from(limit).unwrap_or(1000).min(1000)),
        }
    }
}
