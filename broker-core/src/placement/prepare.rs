//! From a request to an attempt.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::attempt::{self, Attempt};
use super::check::check;
use super::{Desk, Placement};
use crate::broker::Broker;
use crate::error::{Error, Result};
use crate::id::{AccountId, ClientOrderId};
use crate::journal::Intent;
use crate::model::{Instrument, InstrumentRef, OrderRequest, Payoff, Position, PositionEffect};
use crate::num::{Qty, Side};
use crate::seam::Rng;

pub(crate) async fn place_once(
    broker: Arc<dyn Broker>,
    account: AccountId,
    mut request: OrderRequest,
) -> Result<Placement> {
    can_trade(&*broker)?;
    let context = broker.context();
    let instrument = context.desk().instrument(&*broker, &request.instrument).await;
    let instrument = instrument.map_err(unsent)?;
    request.instrument = InstrumentRef::Id(instrument.id.clone());
    let id = match &request.client_id {
        Some(id) => own_id(&*broker, id)?,
        None => drawn_id(&*broker),
    };
    let intent = Intent {
        id,
        broker: broker.id(),
        environment: broker.environment(),
        account,
        request,
        instrument,
        replaces: None,
        created_at: context.clock().now(),
        mark: None,
    };
    check(&*broker, &intent).await?;
    attempt::run(Attempt::new(Arc::clone(&broker), intent)?).await
}

pub(crate) async fn close(broker: Arc<dyn Broker>, account: AccountId, name: InstrumentRef) -> Result<Vec<Placement>> {
    can_trade(&*broker)?;
    let instrument = broker
        .context()
        .desk()
        .instrument(&*broker, &name)
        .await
        .map_err(unsent)?;
    let mut positions = broker.positions(&account).await.map_err(unsent)?;
    positions.retain(|position| position.instrument == instrument.id && !position.qty.is_zero());
    let mut placed = Vec::with_capacity(positions.len());
    for position in positions {
        let request = closing(&position, broker.capabilities().orders.reduce_only);
        placed.push(place_once(Arc::clone(&broker), account.clone(), request).await?);
    }
    if placed.is_empty()
        && let Some(request) = selling(&*broker, &account, &instrument).await.map_err(unsent)?
    {
        placed.push(place_once(broker, account, request).await?);
    }
    Ok(placed)
}

/// A coin that is held outright is a balance and no position: as much of it is sold as is free and makes whole lots.
async fn selling(broker: &dyn Broker, account: &AccountId, instrument: &Instrument) -> Result<Option<OrderRequest>> {
    let outright = !broker.capabilities().history.positions_cover_fills && instrument.payoff == Payoff::Cash;
    let Some(base) = instrument.base.filter(|_| outright) else {
        return Ok(None);
    };
    let balances = broker.balances(account).await?.balances;
    let held = balances.iter().find(|balance| balance.currency == base);
    let free = held.map_or(Decimal::ZERO, |held| held.available.unwrap_or(held.total));
    let lot = instrument.lot.filter(|lot| !lot.is_zero());
    let whole = lot
        .and_then(|lot| free.checked_rem(lot))
        .map_or(free, |rest| free - rest);
    let least = instrument.min_qty.map_or(Decimal::ZERO, Qty::get);
    if whole <= Decimal::ZERO || whole < least {
        return Ok(None);
    }
    let request = OrderRequest::market(instrument.symbol.clone(), Side::Sell, Qty::new(whole)?);
    Ok(Some(
        request
            .with_instrument(instrument.id.clone())
            .with_effect(PositionEffect::Close),
    ))
}

fn closing(position: &Position, reduce_only: bool) -> OrderRequest {
    let side = match position.side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    };
    let request = OrderRequest::market(position.symbol.clone(), side, position.qty)
        .with_instrument(position.instrument.clone())
        .with_effect(PositionEffect::Close)
        .with_leg(position.leg);
    if reduce_only {
        request.with_reduce_only()
    } else {
        request
    }
}

pub(super) fn can_trade(broker: &dyn Broker) -> Result<()> {
    match broker.trading() {
        Some(_) => Ok(()),
        None => Err(Error::unsupported("this broker was built without its trading side").with_broker(broker.id())),
    }
}

/// Whatever failed before an attempt, no byte of the order left.
pub(super) fn unsent(error: Error) -> Error {
    error.with_delivery(crate::Delivery::NotSent)
}

fn own_id(broker: &dyn Broker, id: &ClientOrderId) -> Result<ClientOrderId> {
    if let Some(rule) = broker.capabilities().orders.client_id {
        rule.check(id).map_err(|error| error.with_broker(broker.id()))?;
    }
    Ok(id.clone())
}

/// Characters of 130 random bits, five in each.
const LONGEST_ID: usize = 26;

/// Letters of five bits that one random number gives.
const LETTERS_A_DRAW: usize = 12;

/// An id that nobody else draws, of letters and digits only.
pub(super) fn drawn_id(broker: &dyn Broker) -> ClientOrderId {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let rule = broker.capabilities().orders.client_id;
    let length = rule.map_or(LONGEST_ID, |rule| rule.longest.min(LONGEST_ID));
    let rng: &dyn Rng = &**broker.context().rng();
    let mut drawn = [0; LONGEST_ID.div_ceil(LETTERS_A_DRAW)];
    let (drawn, _) = drawn.split_at_mut(length.div_ceil(LETTERS_A_DRAW));
    rng.draw(drawn);
    let mut id = String::with_capacity(length);
    for letter in 0..length {
        let bits = drawn.get(letter / LETTERS_A_DRAW).copied().unwrap_or_default() >> (letter % LETTERS_A_DRAW * 5);
        let letter = LETTERS.get(usize::try_from(bits & 31).unwrap_or_default());
        id.push(char::from(letter.copied().unwrap_or(b'a')));
    }
    ClientOrderId::from(id)
}

/// What every attempt shares: nobody else works on its intent.
pub(super) fn claim(broker: &dyn Broker, intent: &Intent) -> Result<super::desk::Alive> {
    let claimed = broker.context().desk().claim(&intent.broker, &intent.id);
    claimed.ok_or_else(|| Desk::busy().with_broker(broker.id()))
}
