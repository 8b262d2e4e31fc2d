//! The ways in which Kraken says no: strings, under HTTP 200.

use broker_sim::SimReject;
use broker_sim::wire::WireAnswer;

use super::json::{array, quoted};

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal(String);

/// What an endpoint gives: the result as JSON, or a refusal.
pub(super) type Reply = Result<String, Refusal>;

impl Refusal {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn argument(name: &str) -> Self {
        Self(format!("EGeneral:Invalid arguments:{name}"))
    }
}

impl From<Refusal> for WireAnswer {
    fn from(refusal: Refusal) -> Self {
        Self::json(200, format!(r#"{{"error":{}}}"#, array([quoted(&refusal.0)])))
    }
}

/// The engine's refusal in Kraken's words.
impl From<SimReject> for Refusal {
    fn from(reject: SimReject) -> Self {
        Self::new(match reject {
            SimReject::DuplicateClientId { .. } => "EGeneral:Invalid arguments:cl_ord_id not unique",
            SimReject::InsufficientFunds { .. }
            | SimReject::InsufficientQty { .. }
            | SimReject::NotShortable { .. } => "EOrder:Insufficient funds",
            SimReject::Lot { .. } | SimReject::ZeroQty | SimReject::AboveMaxQty { .. } | SimReject::TooLarge { .. } => {
                "EGeneral:Invalid arguments:volume"
            }
            SimReject::BelowMinQty { .. } => "EOrder:Order minimum not met",
            SimReject::BelowMinNotional { .. } => "EOrder:Cost minimum not met",
            SimReject::Tick { .. } => "EOrder:Tick size check failed",
            SimReject::PriceRange { .. } | SimReject::TrailRange { .. } | SimReject::ExitLevels { .. } => {
                "EOrder:Invalid price"
            }
            SimReject::UnknownOrder | SimReject::NotCancelable { .. } | SimReject::NotReplaceable { .. } => {
                "EOrder:Unknown order"
            }
            SimReject::NotTradable { .. } | SimReject::MarketClosed { .. } | SimReject::NoQuote { .. } => {
                "EService:Market in cancel_only mode"
            }
            SimReject::AccountBlocked => "ETrade:Locked",
            SimReject::NothingToReduce => "EOrder:Reduce only:No position exists",
            SimReject::BadExpiry => "EGeneral:Invalid arguments:expiretm",
            SimReject::UnknownSymbol { .. } | SimReject::AmbiguousSymbol { .. } => "EQuery:Unknown asset pair",
            _ => "EOrder:Invalid order",
        })
    }
}
