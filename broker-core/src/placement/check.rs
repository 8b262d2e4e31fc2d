//! What is checked before a byte of an order leaves: the broker's abilities, market hours, the user's own rules.

use std::fmt::Debug;

use async_trait::async_trait;
use rust_decimal::Decimal;

use super::steps;
use crate::broker::Broker;
use crate::capability::{LevelKind, OrderFacts, TrailKind};
use crate::context::Context;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::journal::Intent;
use crate::model::{Group, Instrument, Level, OrderKind, OrderRequest, Size, StopExit, TimeInForce, Trail, Trigger};

/// A rule of the user's own: a largest size, a kill switch, a list of what may be traded.
///
/// It runs before each new order and each replacement, after the broker's own rules, in the order of
/// [`Context::with_check`](crate::Context::with_check).
///
/// ```
/// use broker_core::{Error, Intent, PreTradeCheck, Result};
///
/// #[derive(Debug)]
/// struct OnlyStocks;
///
/// #[async_trait::async_trait]
/// impl PreTradeCheck for OnlyStocks {
///     async fn check(&self, intent: &Intent) -> Result<()> {
///         match intent.instrument.option {
///             Some(_) => Err(Error::invalid("options are not allowed here")),
///             None => Ok(()),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait PreTradeCheck: Debug + Send + Sync + 'static {
    /// `Err` is a veto: nothing is sent.
    async fn check(&self, intent: &Intent) -> Result<()>;
}

/// All checks of an intent. An error says that nothing was sent.
pub(super) async fn check(broker: &dyn Broker, intent: &Intent) -> Result<()> {
    let facts = &broker.capabilities().orders;
    let context = broker.context();
    let checked = async {
        abilities(facts, &intent.request, &intent.instrument)?;
        steps::check(&intent.request, &intent.instrument)?;
        hours(broker, facts, intent).await?;
        for own in context.checks() {
            own.check(intent).await?;
        }
        Ok(())
    };
    checked.await.map_err(|error: Error| {
        error
            .with_delivery(Delivery::NotSent)
            .with_broker(broker.id())
            .with_operation("place")
    })
}

/// What the broker cannot do is refused here, by the facts that it states.
fn abilities(facts: &OrderFacts, request: &OrderRequest, instrument: &Instrument) -> Result<()> {
    let lacks = |what: &str| Err(Error::unsupported(format!("this broker takes no {what}")));
    let kind = request.trigger.kind();
    if !facts.kinds.contains(&kind) {
        return lacks(&format!("{kind} orders"));
    }
    if let Some(group) = group(request)
        && !facts.groups.contains(&group)
    {
        return lacks(&format!("{group} orders"));
    }
    exits(facts, request)?;
    if let Some(tif) = &request.time_in_force {
        if !facts.times_in_force.contains(tif) {
            return lacks(&format!("time in force {tif}"));
        }
        if !facts.times_of(&kind).contains(tif) {
            return lacks(&format!("{kind} orders with time in force {tif}"));
        }
        if *tif == TimeInForce::Gtd && request.expires_at.is_none() {
            return Err(Error::invalid("a good-till-date order needs its date: with_expiry"));
        }
    }
    match request.size {
        Size::Notional { .. } if !facts.notional => return lacks("money instead of a quantity"),
        Size::Qty(qty) if !facts.fractional_qty && instrument.lot.is_none() && !qty.get().fract().is_zero() => {
            return lacks("quantity with a fraction");
        }
        Size::Notional { .. } | Size::Qty(_) => {}
    }
    if request.extended_hours && !facts.extended_hours {
        return lacks("orders outside the regular session");
    }
    if request.reduce_only && !facts.reduce_only {
        return lacks("orders that can only reduce a position");
    }
    Ok(())
}

/// The exits of the request, and how far they and it trail.
fn exits(facts: &OrderFacts, request: &OrderRequest) -> Result<()> {
    let lacks = |what: &str| Err(Error::unsupported(format!("this broker takes no {what}")));
    let (target, stop) = match request.trigger {
        Trigger::Oco { target, stop } => (Some(Level::Price(target)), Some(stop)),
        _ => (request.target, request.stop),
    };
    let trail = match request.trigger {
        Trigger::Trailing(trail) => Some(trail),
        _ => None,
    };
    let (kind, levels, exit_trail) = match stop {
        Some(StopExit::Stop { stop, limit: None }) => (Some(OrderKind::Stop), [Some(stop), None], None),
        Some(StopExit::Stop { stop, limit }) => (Some(OrderKind::StopLimit), [Some(stop), limit], None),
        Some(StopExit::Trailing(trail)) => (Some(OrderKind::TrailingStop), [None, None], Some(trail)),
        None => (None, [None, None], None),
    };
    for kind in target.map(|_| OrderKind::Limit).into_iter().chain(kind) {
        if !facts.exits.kinds.contains(&kind) {
            return lacks(&format!("{kind} orders as exits"));
        }
    }
    let is_price = |level: &Level| matches!(level, Level::Price(_));
    if target.iter().chain(levels.iter().flatten()).any(is_price) && !facts.exits.levels.contains(&LevelKind::Price) {
        return lacks("prices of exits, only distances from the entry");
    }
    for trail in trail.iter().chain(&exit_trail) {
        let (kind, word) = match trail {
            Trail::Amount(_) => (TrailKind::Amount, "an amount"),
            Trail::Percent(_) => (TrailKind::Percent, "a percentage"),
        };
        if !facts.trails.contains(&kind) {
            return lacks(&format!("stops that trail by {word}"));
        }
    }
    Ok(())
}

fn group(request: &OrderRequest) -> Option<Group> {
    match (&request.trigger, request.target, request.stop) {
        (Trigger::Oco { .. }, _, _) => Some(Group::Oco),
        (_, Some(_), Some(_)) => Some(Group::Bracket),
        (_, Some(_), None) | (_, None, Some(_)) => Some(Group::Oto),
        (_, None, None) => None,
    }
}

/// Refuses what the venue itself would refuse because its market is closed. Hours that cannot be read are no veto:
/// the venue decides.
async fn hours(broker: &dyn Broker, facts: &OrderFacts, intent: &Intent) -> Result<()> {
    let instrument = &intent.instrument;
    let waits = matches!(
        intent.request.time_in_force,
        Some(TimeInForce::AtOpen | TimeInForce::AtClose)
    );
    if waits || intent.request.extended_hours || !facts.refused_when_closed.contains(&instrument.asset_class) {
        return Ok(());
    }
    let context: &Context = broker.context();
    let Ok(hours) = context.desk().hours(broker, &instrument.id).await else {
        tracing::debug!(broker = broker.id().get(), "trading hours cannot be read");
        return Ok(());
    };
    if hours.is_open(context.clock().now()) == Some(false) {
        return Err(Error::new(ErrorKind::MarketClosed).with_message(format!(
            "the market of {} is closed, and its venue refuses orders then",
            instrument.symbol
        )));
    }
    Ok(())
}

/// Whether a quantity is one.
pub(super) fn positive(what: &str, value: Decimal) -> Result<()> {
    if value > Decimal::ZERO {
        return Ok(());
    }
    Err(Error::invalid(format!("{what} must be more than zero, not {value}")))
}
