//! What a case needs.

use broker_core::Broker;
use broker_core::capability::TrailKind;
use broker_core::model::{Environment, OrderKind};

use super::{Setup, TradeSetup};

/// What a case needs of the broker or the setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// The setup names an instrument.
    Instrument,
    /// The setup names an order.
    Order,
    /// The setup's order has our id.
    ClientId,
    /// The setup names candles.
    Candles,
    /// The broker has a market-data side.
    MarketData,
    /// The broker has a trading side.
    Trading,
    /// The broker has a streaming side.
    Streaming,
    /// The money is simulated.
    Paper,
    /// The setup names what may be traded.
    Trade,
    /// Orders carry our id.
    CarriesId,
    /// A second send with the same id cannot make a second order.
    SafeResend,
    /// The broker takes this kind of order.
    Kind(&'static str),
    /// The broker takes this kind of group.
    Group(&'static str),
    /// The broker takes this time in force for limit orders.
    Tif(&'static str),
    /// The broker takes stops that trail by an `amount` or by `percent`.
    Trail(&'static str),
    /// The broker changes working orders.
    Replace,
    /// The broker takes orders that can only reduce a position.
    ReduceOnly,
    /// The broker takes orders for outside the regular session.
    ExtendedHours,
    /// The broker takes quantities with a fraction, and the setup names one.
    Fraction,
    /// The broker takes money instead of a quantity, and the setup names an amount.
    Notional,
    /// The setup names a quantity that the account cannot pay.
    TooMuch,
    /// The setup names an order that fills in part.
    Partly,
}

impl Need {
    /// Why it is not met; `None` if it is.
    pub(super) fn missing(self, broker: &dyn Broker, setup: &Setup) -> Option<&'static str> {
        let facts = &broker.capabilities().orders;
        let trade = |named: fn(&TradeSetup) -> bool| setup.trade.as_ref().is_some_and(named);
        let (met, why) = match self {
            Self::Instrument => (setup.instrument.is_some(), "the setup names no instrument"),
            Self::Order => (setup.order.is_some(), "the setup names no order"),
            Self::ClientId => (
                setup.order.as_ref().is_some_and(|order| order.client_id.is_some()),
                "the setup's order has no id of ours",
            ),
            Self::Candles => (setup.candles.is_some(), "the setup names no candles"),
            Self::MarketData => (broker.market_data().is_some(), "the broker has no market data"),
            Self::Trading => (broker.trading().is_some(), "the broker has no trading side"),
            Self::Streaming => (broker.streaming().is_some(), "the broker has no streaming side"),
            Self::Paper => (
                broker.environment() == Environment::Paper || setup.simulated_money,
                "real money: these cases trade on paper alone",
            ),
            Self::Trade => (setup.trade.is_some(), "the setup names nothing to trade"),
            Self::CarriesId => (facts.client_id.is_some(), "orders do not carry our id"),
            Self::SafeResend => (
                facts.resend_is_safe,
                "the broker does not say that a second send is safe",
            ),
            Self::Kind(word) => (
                facts.kinds.iter().any(|kind| kind.as_str() == word),
                "the broker takes no such kind of order",
            ),
            Self::Group(word) => (
                facts.groups.iter().any(|group| group.as_str() == word),
                "the broker takes no such group",
            ),
            Self::Tif(word) => (
                facts.times_of(&OrderKind::Limit).iter().any(|tif| tif.as_str() == word),
                "the broker takes no such time in force",
            ),
            Self::Trail(word) => (
                facts.trails.iter().any(|trail| match trail {
                    TrailKind::Amount => word == "amount",
                    TrailKind::Percent => word == "percent",
                }),
                "the broker takes no stops that trail so",
            ),
            Self::Replace => (facts.replace, "the broker changes no working orders"),
            Self::ReduceOnly => (facts.reduce_only, "the broker takes no orders that only reduce"),
            Self::ExtendedHours => (facts.extended_hours, "the broker knows the regular session alone"),
            Self::Fraction => (
                facts.fractional_qty && trade(|trade| trade.fraction.is_some()),
                "the broker takes no fractions, or the setup names none",
            ),
            Self::Notional => (
                facts.notional && trade(|trade| trade.notional.is_some()),
                "the broker takes no money for a quantity, or the setup names none",
            ),
            Self::TooMuch => (
                trade(|trade| trade.too_much.is_some()),
                "the setup names nothing that the account cannot pay",
            ),
            Self::Partly => (
                trade(|trade| trade.partly.is_some()),
                "the setup names no order that fills in part",
            ),
        };
        (!met).then_some(why)
    }
}
