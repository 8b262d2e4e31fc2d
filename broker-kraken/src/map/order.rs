//! Orders.

use broker_core::model::{Amount, OrderKind, OrderLeg, OrderLinks, PositionLeg, Trail};
use broker_core::num::{Text, decimal};
use broker_core::{
    AccountId, ClientOrderId, Error, Money, Order, OrderId, OrderStatus, Price, Qty, Result, TimeInForce,
};
use rust_decimal::Decimal;

use super::{needed, side};
use crate::directory::{Directory, Held};
use crate::wire::{OrderJson, filled};

pub(crate) fn order(id: &str, wire: &OrderJson<'_>, account: &AccountId, directory: &Directory) -> Result<Order> {
    let descr = &wire.descr;
    let pair = directory.pair_of(needed(filled(&descr.pair), "pair", id)?)?;
    let on_margin = filled(&descr.leverage).is_some_and(|leverage| leverage != "none");
    let (instrument, symbol) = pair.names(if on_margin { Held::OnMargin } else { Held::Outright });
    let (size, filled_qty) = (Qty::new(wire.vol.0)?, Qty::new(wire.vol_exec.0)?);
    let flags = filled(&wire.oflags).unwrap_or_default();
    let in_quote = flags.split(',').any(|flag| flag == "viqc");
    let average_price = wire.price.nonzero().filter(|_| !filled_qty.is_zero()).map(Price::new);
    let expires_at = wire.expiretm.and_then(|at| at.set());
    let word = Some(wire.status.get()).filter(|word| !word.is_empty());
    let status = status(needed(word, "status", id)?, filled_qty, (!in_quote).then_some(size));
    let word = needed(filled(&descr.ordertype), "order type", id)?;
    let prices = Prices::of(word, wire)?;
    Ok(Order {
        id: OrderId::from(id),
        client_id: filled(&wire.cl_ord_id).map(ClientOrderId::from),
        account: account.clone(),
        legs: vec![OrderLeg {
            instrument,
            symbol,
            side: side(needed(filled(&descr.side), "side", id)?)?,
            ratio: Decimal::ONE,
            effect: None,
            position: PositionLeg::Net,
            filled_qty,
            average_price,
        }],
        kind: kind(word),
        amount: match in_quote {
            true => Amount::Notional(Money::new(size.get(), pair.spot.currency)),
            false => Amount::Qty(size),
        },
        filled_qty,
        average_price,
        limit_price: prices.limit,
        stop_price: prices.stop,
        trail: prices.trail,
        // An order that trades at once is not told from one that waits; of those that are open, none trades at once.
        time_in_force: match expires_at {
            Some(_) => Some(TimeInForce::Gtd),
            None => (!status.is_final()).then_some(TimeInForce::Gtc),
        },
        expires_at,
        extended_hours: false,
        // Not told.
        reduce_only: false,
        reason: filled(&wire.reason).map(str::to_owned),
        status,
        links: OrderLinks {
            parent: filled(&wire.refid).map(OrderId::from),
            ..OrderLinks::default()
        },
        created_at: wire.opentm.set(),
        updated_at: wire.closetm.and_then(|at| at.set()),
    })
}

/// A closed order that was not filled whole ended with what it had.
fn status(word: &str, filled_qty: Qty, size: Option<Qty>) -> OrderStatus {
    match word {
        "pending" => OrderStatus::PendingNew,
        "open" if filled_qty.is_zero() => OrderStatus::New,
        "open" => OrderStatus::PartiallyFilled,
        "closed" if size.is_some_and(|size| filled_qty < size) => OrderStatus::Canceled,
        "closed" => OrderStatus::Filled,
        "canceled" => OrderStatus::Canceled,
        "expired" => OrderStatus::Expired,
        other => OrderStatus::Other(other.into()),
    }
}

/// An iceberg order is a limit order that shows less of itself.
pub(crate) fn kind(word: &str) -> OrderKind {
    match word {
        "market" => OrderKind::Market,
        "limit" | "iceberg" => OrderKind::Limit,
        "stop-loss" => OrderKind::Stop,
        "stop-loss-limit" => OrderKind::StopLimit,
        "take-profit" => OrderKind::MarketIfTouched,
        "take-profit-limit" => OrderKind::LimitIfTouched,
        "trailing-stop" => OrderKind::TrailingStop,
        "trailing-stop-limit" => OrderKind::TrailingStopLimit,
        other => OrderKind::Other(other.into()),
    }
}

#[derive(Default)]
struct Prices {
    limit: Option<Price>,
    stop: Option<Price>,
    trail: Option<Trail>,
}

impl Prices {
    fn of(word: &str, wire: &OrderJson<'_>) -> Result<Self> {
        let first = level(&wire.descr.price)?;
        let second = level(&wire.descr.price2)?;
        // Filled in while a trailing order follows the price, and once one was triggered.
        let (stop, limit) = (
            wire.stopprice.nonzero().map(Price::new),
            wire.limitprice.nonzero().map(Price::new),
        );
        Ok(match word {
            "limit" | "iceberg" => Self {
                limit: first.price().or(limit),
                ..Self::default()
            },
            "stop-loss" | "take-profit" => Self {
                stop: first.price().or(stop),
                ..Self::default()
            },
            "stop-loss-limit" | "take-profit-limit" => Self {
                stop: first.price().or(stop),
                limit: second.price().or(limit),
                ..Self::default()
            },
            "trailing-stop" | "trailing-stop-limit" => Self {
                stop,
                limit,
                trail: first.trail(),
            },
            _ => Self::default(),
        })
    }
}

/// A price, or a distance: `+100`, `+5%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PriceWord {
    None,
    Price(Decimal),
    Distance(Decimal),
    Percent(Decimal),
}

impl PriceWord {
    fn price(self) -> Option<Price> {
        match self {
            Self::Price(price) => Some(Price::new(price)),
            _ => None,
        }
    }

    fn trail(self) -> Option<Trail> {
        match self {
            // Whether the answer keeps the sign is not documented.
            Self::Price(amount) | Self::Distance(amount) => Some(Trail::Amount(amount)),
            Self::Percent(percent) => Some(Trail::Percent(percent)),
            Self::None => None,
        }
    }
}

fn level(text: &Option<Text<'_>>) -> Result<PriceWord> {
    let Some(text) = filled(text) else {
        return Ok(PriceWord::None);
    };
    let unsigned = text.trim_start_matches(['+', '-', '#']);
    let relative = unsigned.len() < text.len();
    if let Some(percent) = unsigned.strip_suffix('%') {
        return decimal(percent).map(PriceWord::Percent);
    }
    let value = decimal(unsigned).map_err(|_| Error::decode(format!("{text:?} is no price")))?;
    Ok(match (relative, value.is_zero()) {
        (_, true) => PriceWord::None,
        (true, false) => PriceWord::Distance(value),
        (false, false) => PriceWord::Price(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_and_distances() {
        let read = |text: &str| level(&Some(Text::Owned(text.to_owned()))).unwrap();
        let number = |text: &str| decimal(text).unwrap();
        assert_eq!(read("0"), PriceWord::None);
        assert_eq!(read("29500.0"), PriceWord::Price(number("29500.0")));
        assert_eq!(read("+100"), PriceWord::Distance(number("100")));
        assert_eq!(read("-10.5"), PriceWord::Distance(number("10.5")));
        assert_eq!(read("+5.0000%"), PriceWord::Percent(number("5.0000")));
        assert!(level(&Some(Text::Owned("soon".to_owned()))).is_err());
    }

    #[test]
    fn a_closed_order_that_lacks_a_part_was_canceled() {
        let qty = |text: &str| text.parse::<Qty>().unwrap();
        assert_eq!(status("closed", qty("1"), Some(qty("1"))), OrderStatus::Filled);
        assert_eq!(status("closed", qty("0.5"), Some(qty("1"))), OrderStatus::Canceled);
        assert_eq!(
            status("closed", qty("0.5"), None),
            OrderStatus::Filled,
            "in quote units"
        );
        assert_eq!(status("open", qty("0.5"), Some(qty("1"))), OrderStatus::PartiallyFilled);
        assert_eq!(status("odd", qty("0"), None), OrderStatus::Other("odd".into()));
    }
}
