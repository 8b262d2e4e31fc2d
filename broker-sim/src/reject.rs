//! Why the venue refuses: typed, so that each wire venue can say it in its broker's words.

use broker_core::model::{OrderStatus, PositionEffect};
use broker_core::{Currency, Delivery, Error, ErrorKind, OrderId};
use rust_decimal::Decimal;

/// A refusal of the venue. [`code`](Self::code) is a stable word for each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SimReject {
    /// There is no such account.
    #[error("there is no such account")]
    UnknownAccount,
    /// An account of this id is there already.
    #[error("an account of this id is there already")]
    AccountExists,
    /// The account may not trade.
    #[error("the account is blocked")]
    AccountBlocked,
    /// There is no such instrument.
    #[error("unknown symbol {symbol}")]
    UnknownSymbol {
        /// What was asked for.
        symbol: String,
    },
    /// Several instruments have this symbol.
    #[error("symbol {symbol} is ambiguous: {ids}")]
    AmbiguousSymbol {
        /// What was asked for.
        symbol: String,
        /// The keys of all of them.
        ids: String,
    },
    /// The instrument is halted, expired, or only to be closed.
    #[error("{symbol} is not tradable")]
    NotTradable {
        /// What was asked for.
        symbol: String,
    },
    /// The market is closed, and does not queue such orders.
    #[error("the market for {symbol} is closed")]
    MarketClosed {
        /// What was asked for.
        symbol: String,
    },
    /// Nobody quotes the instrument: the order cannot be valued.
    #[error("no quote for {symbol}")]
    NoQuote {
        /// What was asked for.
        symbol: String,
    },
    /// The quantity or amount is zero.
    #[error("the quantity must be positive")]
    ZeroQty,
    /// The quantity is no multiple of the lot.
    #[error("quantity {qty} is not a multiple of {lot}")]
    Lot {
        /// What was asked for.
        qty: Decimal,
        /// The step.
        lot: Decimal,
    },
    /// The quantity is too small.
    #[error("quantity {qty} is below the minimum {min}")]
    BelowMinQty {
        /// What was asked for.
        qty: Decimal,
        /// The least.
        min: Decimal,
    },
    /// The quantity is too large.
    #[error("quantity {qty} is above the maximum {max}")]
    AboveMaxQty {
        /// What was asked for.
        qty: Decimal,
        /// The most.
        max: Decimal,
    },
    /// The value is too small.
    #[error("order value {value} is below the minimum {min}")]
    BelowMinNotional {
        /// What was asked for.
        value: Decimal,
        /// The least.
        min: Decimal,
    },
    /// The price is no multiple of the tick.
    #[error("price {price} is not a multiple of {tick}")]
    Tick {
        /// What was asked for.
        price: Decimal,
        /// The step at this price.
        tick: Decimal,
    },
    /// A price that cannot be: not positive where it must be, or beyond what the venue can count.
    #[error("price {price} is out of range")]
    PriceRange {
        /// What was asked for.
        price: Decimal,
    },
    /// The exits of a bracket are on the wrong side of the entry or of each other, or at no distance.
    #[error("exit prices are on the wrong side: {what}")]
    ExitLevels {
        /// Which rule was broken.
        what: &'static str,
    },
    /// A trailing distance that is not positive, or a percentage of 100 and more.
    #[error("trailing distance {distance} is out of range")]
    TrailRange {
        /// What was asked for.
        distance: Decimal,
    },
    /// Not enough cash or margin.
    #[error("insufficient funds: {required} {currency} required, {available} available")]
    InsufficientFunds {
        /// What the order needs.
        required: Decimal,
        /// What is free.
        available: Decimal,
        /// Of what.
        currency: Currency,
    },
    /// Not enough of the position is free.
    #[error("insufficient quantity: {requested} requested, {available} available, {held} held by orders")]
    InsufficientQty {
        /// What was asked for.
        requested: Decimal,
        /// What is free.
        available: Decimal,
        /// What other orders hold.
        held: Decimal,
    },
    /// The account or the instrument cannot be sold short.
    #[error("{symbol} cannot be sold short")]
    NotShortable {
        /// What was asked for.
        symbol: String,
    },
    /// The client order id was used before.
    #[error("the client order id is taken by order {existing}")]
    DuplicateClientId {
        /// The order that has it.
        existing: OrderId,
    },
    /// A reduce-only order with nothing to reduce.
    #[error("reduce-only, and there is nothing to reduce")]
    NothingToReduce,
    /// The stated effect is not the one that the order would have.
    #[error("position effect mismatch: it would be {inferred:?}")]
    EffectMismatch {
        /// What it would do.
        inferred: PositionEffect,
    },
    /// A leg in a netting account.
    #[error("a netting account has no legs")]
    NoLegs,
    /// A `Gtd` order without an expiry in the future, or an expiry on another order.
    #[error("the expiry is missing, past, or not of a gtd order")]
    BadExpiry,
    /// The venue has no such combination.
    #[error("unsupported: {what}")]
    Unsupported {
        /// What it is.
        what: &'static str,
    },
    /// There is no such order in the account.
    #[error("there is no such order")]
    UnknownOrder,
    /// The order is final already.
    #[error("an order that is {status} cannot be canceled")]
    NotCancelable {
        /// Its state.
        status: OrderStatus,
    },
    /// The order is final, or cannot be changed this way.
    #[error("an order that is {status} cannot be replaced")]
    NotReplaceable {
        /// Its state.
        status: OrderStatus,
    },
    /// There is no such fill in the account, or it was voided.
    #[error("there is no such fill")]
    UnknownFill,
    /// There is no such position in the account.
    #[error("there is no such position")]
    UnknownPosition,
    /// A number beyond what the venue can count exactly.
    #[error("{value} is beyond what the venue can count")]
    TooLarge {
        /// The number.
        value: Decimal,
    },
}

impl SimReject {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownAccount => "unknown_account",
            Self::AccountExists => "account_exists",
            Self::AccountBlocked => "account_blocked",
            Self::UnknownSymbol { .. } => "unknown_symbol",
            Self::AmbiguousSymbol { .. } => "ambiguous_symbol",
            Self::NotTradable { .. } => "not_tradable",
            Self::MarketClosed { .. } => "market_closed",
            Self::NoQuote { .. } => "no_quote",
            Self::ZeroQty => "zero_qty",
            Self::Lot { .. } => "lot",
            Self::BelowMinQty { .. } => "below_min_qty",
            Self::AboveMaxQty { .. } => "above_max_qty",
            Self::BelowMinNotional { .. } => "below_min_notional",
            Self::Tick { .. } => "tick",
            Self::PriceRange { .. } => "price_range",
            Self::ExitLevels { .. } => "exit_levels",
            Self::TrailRange { .. } => "trail_range",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::InsufficientQty { .. } => "insufficient_qty",
            Self::NotShortable { .. } => "not_shortable",
            Self::DuplicateClientId { .. } => "duplicate_client_id",
            Self::NothingToReduce => "nothing_to_reduce",
            Self::EffectMismatch { .. } => "effect_mismatch",
            Self::NoLegs => "no_legs",
            Self::BadExpiry => "bad_expiry",
            Self::Unsupported { .. } => "unsupported",
            Self::UnknownOrder => "unknown_order",
            Self::NotCancelable { .. } => "not_cancelable",
            Self::NotReplaceable { .. } => "not_replaceable",
            Self::UnknownFill => "unknown_fill",
            Self::UnknownPosition => "unknown_position",
            Self::TooLarge { .. } => "too_large",
        }
    }

    /// The kind of error that it is to a client.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownAccount
            | Self::UnknownSymbol { .. }
            | Self::UnknownOrder
            | Self::UnknownFill
            | Self::UnknownPosition => ErrorKind::NotFound,
            Self::AccountBlocked => ErrorKind::Permission,
            Self::MarketClosed { .. } => ErrorKind::MarketClosed,
            Self::InsufficientFunds { .. } | Self::InsufficientQty { .. } => ErrorKind::InsufficientFunds,
            Self::DuplicateClientId { .. } => ErrorKind::DuplicateOrder,
            Self::NotTradable { .. }
            | Self::NoQuote { .. }
            | Self::NotShortable { .. }
            | Self::NothingToReduce
            | Self::EffectMismatch { .. }
            | Self::NotCancelable { .. }
            | Self::NotReplaceable { .. } => ErrorKind::OrderRejected,
            Self::AccountExists
            | Self::AmbiguousSymbol { .. }
            | Self::ZeroQty
            | Self::Lot { .. }
            | Self::BelowMinQty { .. }
            | Self::AboveMaxQty { .. }
            | Self::BelowMinNotional { .. }
            | Self::Tick { .. }
            | Self::PriceRange { .. }
            | Self::ExitLevels { .. }
            | Self::TrailRange { .. }
            | Self::NoLegs
            | Self::BadExpiry
            | Self::Unsupported { .. }
            | Self::TooLarge { .. } => ErrorKind::InvalidRequest,
        }
    }
}

impl From<SimReject> for Error {
    fn from(reject: SimReject) -> Self {
        Self::new(reject.kind())
            .with_delivery(Delivery::Answered)
            .with_code(reject.code())
            .with_message(reject.to_string())
    }
}
