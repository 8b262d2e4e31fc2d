//! What is done when the process ends, and what the wire does to it.

use std::sync::Arc;
use std::time::Duration;

use broker_core::limit::{BucketKey, Cost, Lane};
use broker_core::seam::{BoxFuture, SeededRng};
use broker_core::{Broker, BrokerExt, IntentJournal, OrderRef, OrderRequest, Placement, Result};
use broker_sim::wire::{Fault, FaultPlan, When};

use crate::stage::{Process, Stage, said};

/// One order, in one situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// Nothing goes wrong.
    Accepted,
    /// The venue takes it, and the answer never comes.
    AnswerLost,
    /// The connection ends after the venue took it.
    FinAfter,
    /// The venue never sees it.
    RequestLost,
    /// It arrives after everybody gave up waiting for an answer.
    RequestLate,
    /// The answer takes three seconds.
    SlowVenue,
    /// It waits for a permit.
    LimiterWait,
    /// A working order is changed.
    Replaced,
    /// A working order is changed, and the answer never comes.
    ReplacedAnswerLost,
}

impl Script {
    pub(super) const ALL: [Self; 9] = [
        Self::Accepted,
        Self::AnswerLost,
        Self::FinAfter,
        Self::RequestLost,
        Self::RequestLate,
        Self::SlowVenue,
        Self::LimiterWait,
        Self::Replaced,
        Self::ReplacedAnswerLost,
    ];

    fn fault(self) -> Option<Fault> {
        match self {
            Self::Accepted | Self::LimiterWait | Self::Replaced => None,
            Self::AnswerLost | Self::ReplacedAnswerLost => Some(Fault::DropAnswer),
            Self::FinAfter => Some(Fault::Fin { handled: true }),
            Self::RequestLost => Some(Fault::DropRequest),
            Self::RequestLate => Some(Fault::DelayRequest(Duration::from_secs(60))),
            Self::SlowVenue => Some(Fault::DelayAnswer(Duration::from_secs(3))),
        }
    }

    fn replaces(self) -> bool {
        matches!(self, Self::Replaced | Self::ReplacedAnswerLost)
    }

    /// Makes ready what the order needs, in the process of this broker.
    pub(super) fn prepare(self, stage: &dyn Stage, broker: &dyn Broker, journal: &Arc<dyn IntentJournal>) -> Action {
        let world = stage.world();
        let order = self.replaces().then(|| {
            let earlier = stage.connect(&Process {
                seed: 1,
                spawn: Arc::new(world.runtime.clock()),
                journal: Arc::clone(journal),
            });
            world.runtime.block_on(working(stage, &*earlier))
        });
        if self == Self::LimiterWait {
            world.runtime.block_on(use_up(stage, broker));
        }
        let intent_of = stage.intent_of();
        let sends = move |method: &str, path: &str, body: &str| intent_of(method, path, body).is_some();
        let when = When::always()
            .matching(move |request| sends(&request.method, &request.path, said(&request.query, &request.text())));
        let plan = self.fault().map(|fault| FaultPlan::none().rule(when.nth(1), fault));
        world.faults.set(plan.unwrap_or_default());
        Action { order: order.flatten() }
    }
}

/// The order that a replacement changes, once the venue shows it.
async fn working(stage: &dyn Stage, broker: &dyn Broker) -> Option<OrderRef> {
    let placed = broker.place_once(&stage.account(), stage.resting()).await;
    let Ok(Placement::Accepted(order)) = placed else {
        return None;
    };
    let lag = broker.capabilities().orders.visibility_lag;
    broker.context().clock().sleep(lag + Duration::from_secs(1)).await;
    Some(order.reference())
}

/// Uses up the first limit, so that the next call must wait. An order goes before, so that all is known that an
/// order needs to know: then it is the order itself that waits. What is left is taken in one piece, and not call by
/// call: a limit can be as high as its user says.
async fn use_up(stage: &dyn Stage, broker: &dyn Broker) {
    // Whatever became of it, its instrument is known.
    let _ = broker.place_once(&stage.account(), request(stage)).await;
    let limiter = broker.context().limiter();
    let first = broker.capabilities().limits.first();
    let room = first.and_then(|limit| Some((BucketKey::clone(&limit.key), limiter.snapshot(&limit.key)?)));
    let Some((bucket, known)) = room else { return };
    let weight = known.limit.saturating_sub(known.used.saturating_add(known.others));
    if let Ok(permit) = limiter.acquire(&[Cost { bucket, weight }], Lane::Read).await {
        permit.finish(&[]);
    }
}

/// What is dropped or killed.
pub(super) struct Action {
    order: Option<OrderRef>,
}

impl Action {
    pub(super) fn start(&self, stage: &dyn Stage, broker: &dyn Broker) -> BoxFuture<'static, Result<Placement>> {
        match &self.order {
            Some(order) => Box::pin(broker.replace_once(order, stage.change())),
            None => Box::pin(broker.place_once(&stage.account(), request(stage))),
        }
    }
}

fn request(stage: &dyn Stage) -> OrderRequest {
    stage.request(&SeededRng::new(11))
}
