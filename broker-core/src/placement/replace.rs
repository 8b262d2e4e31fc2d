//! Changing a working order once.

use std::sync::Arc;

use super::attempt::{self, Attempt};
use super::prepare::{can_trade, drawn_id, unsent};
use super::{Placement, steps};
use crate::broker::Broker;
use crate::error::{Delivery, Error, Result};
use crate::journal::{Intent, Replacement};
use crate::model::{Amount, InstrumentRef, Order, OrderChange, OrderKind, OrderRef, OrderRequest, Size, Trigger};

pub(crate) async fn replace_once(broker: Arc<dyn Broker>, order: OrderRef, change: OrderChange) -> Result<Placement> {
    can_trade(&*broker)?;
    if !broker.capabilities().orders.replace {
        return Err(Error::unsupported("this broker changes no working orders").with_broker(broker.id()));
    }
    let now = broker.order(&order).await.map_err(unsent)?;
    if now.status.is_final() {
        return Err(Error::invalid(format!("order {} is {} already", now.id, now.status)).with_broker(broker.id()));
    }
    let request = request_of(&now, &change).map_err(|error| error.with_broker(broker.id()))?;
    let context = broker.context();
    let instrument = context
        .desk()
        .instrument(&*broker, &request.instrument)
        .await
        .map_err(unsent)?;
    let intent = Intent {
        id: drawn_id(&*broker),
        broker: broker.id(),
        environment: broker.environment(),
        account: order.account.clone(),
        request,
        instrument,
        replaces: Some(Replacement {
            order: now.reference(),
            change,
        }),
        created_at: context.clock().now(),
        mark: None,
    };
    checked(&*broker, &intent)
        .await
        .map_err(|error| error.with_delivery(Delivery::NotSent))?;
    attempt::run(Attempt::new(broker, intent)?).await
}

async fn checked(broker: &dyn Broker, intent: &Intent) -> Result<()> {
    if let Some(one) = &intent.replaces {
        steps::check_change(&one.change, &intent.instrument)?;
    }
    for own in broker.context().checks() {
        own.check(intent).await?;
    }
    Ok(())
}

/// The order as it would be asked for, the change made: what the user's checks and the journal see.
fn request_of(order: &Order, change: &OrderChange) -> Result<OrderRequest> {
    let unknown = |what: &str| Error::unsupported(format!("changing an order {what}"));
    let [leg] = order.legs.as_slice() else {
        return Err(unknown("of several legs"));
    };
    let limit = change.limit_price.or(order.limit_price);
    let stop = change.stop_price.or(order.stop_price);
    let trail = change.trail.or(order.trail);
    let trigger = match (&order.kind, limit, stop, trail) {
        (OrderKind::Market, ..) => Trigger::Market,
        (OrderKind::Limit, Some(limit), ..) => Trigger::Limit { limit },
        (OrderKind::Stop, _, Some(stop), _) => Trigger::Stop { stop },
        (OrderKind::StopLimit, Some(limit), Some(stop), _) => Trigger::StopLimit { stop, limit },
        (OrderKind::MarketIfTouched, _, Some(trigger), _) => Trigger::MarketIfTouched { trigger },
        (OrderKind::LimitIfTouched, Some(limit), Some(trigger), _) => Trigger::LimitIfTouched { trigger, limit },
        (OrderKind::TrailingStop, _, _, Some(trail)) => Trigger::Trailing(trail),
        (kind, ..) => return Err(unknown(&format!("of kind {kind} that names too few prices"))),
    };
    let size = match (change.qty, order.amount) {
        (Some(qty), _) | (None, Amount::Qty(qty)) => Size::Qty(qty),
        (None, Amount::Notional(money)) => Size::Notional {
            amount: crate::num::Qty::new(money.amount)?,
            currency: Some(money.currency),
        },
    };
    let mut request = OrderRequest::market(leg.symbol.clone(), leg.side, crate::num::Qty::ZERO);
    request.instrument = InstrumentRef::Id(leg.instrument.clone());
    request.size = size;
    request.trigger = trigger;
    request.time_in_force = change.time_in_force.clone().or_else(|| order.time_in_force.clone());
    request.expires_at = order.expires_at;
    request.extended_hours = order.extended_hours;
    request.reduce_only = order.reduce_only;
    request.effect = leg.effect;
    request.leg = leg.position;
    Ok(request)
}
