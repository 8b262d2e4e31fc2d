//! Waiting for an order's end.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::Broker;
use crate::error::{ErrorKind, Result};
use crate::model::{Order, OrderRef};

const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(crate) async fn wait_until_final(broker: Arc<dyn Broker>, order: OrderRef, longest: Duration) -> Result<Order> {
    let clock = broker.context().clock();
    let started = clock.elapsed();
    let until = started.saturating_add(longest);
    let shows_by = started.saturating_add(broker.capabilities().orders.visibility_lag);
    let mut last = None;
    let mut wait = FIRST_WAIT;
    loop {
        match broker.order(&order).await {
            Ok(now) if now.status.is_final() => return Ok(now),
            Ok(now) => last = Some(now),
            Err(error) => {
                let now = clock.elapsed();
                let heals = match error.kind() {
                    ErrorKind::Unavailable | ErrorKind::RateLimited | ErrorKind::Decode | ErrorKind::Protocol => true,
                    ErrorKind::NotFound => now <= shows_by,
                    _ => false,
                };
                if !heals || (now >= until && last.is_none()) {
                    return Err(error);
                }
            }
        }
        let left = until.saturating_sub(clock.elapsed());
        match (left.is_zero(), last.take()) {
            (true, Some(order)) => return Ok(order),
            (_, known) => last = known,
        }
        clock.sleep(wait.min(left.max(FIRST_WAIT))).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
