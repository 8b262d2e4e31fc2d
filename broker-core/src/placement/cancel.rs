//! Canceling once, whatever the answer.

use std::sync::Arc;
use std::time::Duration;

use super::prepare::can_trade;
use crate::broker::Broker;
use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::model::{Order, OrderRef, OrderStatus};

/// A cancel that is asked again changes nothing, so one whose answer is lost is repeated.
const MOST_ASKS: u32 = 3;

const WAIT: Duration = Duration::from_millis(500);

pub(crate) async fn cancel_once(broker: Arc<dyn Broker>, order: OrderRef) -> Result<Order> {
    can_trade(&*broker)?;
    let Some(trading) = broker.trading() else {
        return Err(Error::unsupported("trading"));
    };
    let mut asks = 0;
    loop {
        asks += 1;
        let error = match trading.cancel(&order).await {
            Ok(()) => return shown(&*broker, &order).await.map_err(unread),
            Err(error) => error,
        };
        let doubtful = error.delivery() == Delivery::Unknown;
        if !doubtful && !may_be_over(&error) {
            return Err(error);
        }
        match broker.order(&order).await {
            Ok(now) if now.status.is_final() || now.status == OrderStatus::PendingCancel => return Ok(now),
            Ok(_) | Err(_) if doubtful && asks < MOST_ASKS => broker.context().clock().sleep(WAIT).await,
            Ok(_) | Err(_) => return Err(error),
        }
    }
}

/// The order that took the cancel. A young one may not show yet.
async fn shown(broker: &dyn Broker, order: &OrderRef) -> Result<Order> {
    let clock = broker.context().clock();
    let shows_by = clock
        .elapsed()
        .saturating_add(broker.capabilities().orders.visibility_lag);
    loop {
        let asked = clock.elapsed();
        match broker.order(order).await {
            Err(error) if error.kind() == ErrorKind::NotFound && asked < shows_by => clock.sleep(WAIT).await,
            other => return other,
        }
    }
}

/// "Not found" and "already closed" may mean that it filled.
fn may_be_over(error: &Error) -> bool {
    error.delivery() == Delivery::Answered
        && matches!(
            error.kind(),
            ErrorKind::NotFound | ErrorKind::InvalidRequest | ErrorKind::OrderRejected | ErrorKind::Unknown
        )
}

fn unread(error: Error) -> Error {
    error.with_help("the venue took the cancel; read the order to see what became of it")
}
