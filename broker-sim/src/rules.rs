//! Rules of a venue that brokers do not agree on.

use broker_core::model::AssetClass;
use chrono::Duration;

/// Within which orders of an account a client order id must be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientIdPolicy {
    /// All, final ones too.
    #[default]
    Forever,
    /// Those that can still trade.
    AmongOpen,
    /// None: a second order takes the same id.
    None,
}

/// What a replace makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplaceMode {
    /// A new order; the old one is `Replaced`.
    #[default]
    NewOrder,
    /// The same order with new terms.
    InPlace,
}

/// How much can trade at the quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// What is displayed; the rest waits for the next quote.
    #[default]
    Displayed,
    /// Everything.
    Unlimited,
}

/// Rules of a venue. The default is what most brokers do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rules {
    /// Where client order ids must be unique.
    pub client_ids: ClientIdPolicy,
    /// What a replace makes.
    pub replace: ReplaceMode,
    /// How much can trade at the quote.
    pub depth: Depth,
    /// Chance, in thousandths, that a match fills only a part of what it could.
    pub partial_per_mille: u64,
    /// Asset classes whose orders are refused while the market is closed; others wait for the opening.
    pub reject_when_closed: Vec<AssetClass>,
    /// An entry that ends with a part filled has its exits activated for that part; else they are canceled.
    pub protect_partial: bool,
    /// How long an order is `PendingNew`.
    pub accept_delay: Duration,
    /// How long a cancel is `PendingCancel`; the order can fill meanwhile.
    pub cancel_delay: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            client_ids: ClientIdPolicy::default(),
            replace: ReplaceMode::default(),
            depth: Depth::default(),
            partial_per_mille: 0,
            reject_when_closed: vec![AssetClass::Option],
            protect_partial: false,
            accept_delay: Duration::zero(),
            cancel_delay: Duration::zero(),
        }
    }
}
