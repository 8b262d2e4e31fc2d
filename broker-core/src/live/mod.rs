//! The live engine: runs a broker's [`Feed`] over a WebSocket or an answer that does not end, and makes of it a
//! stream without silent holes.
//!
//! A broker's crate writes a [`Feed`]: where to connect, what to say, what a frame means. It does no I/O, so it is
//! tested on text. All else is done here, once for all brokers, by [`subscribe`].
//!
//! # What the stream promises
//! - **Subscribe, then snapshot, then deliver.** Once the venue has confirmed the subscription, open orders, records
//!   since then, positions, balances and quotes are read and delivered. Live events do not wait for that: the guards
//!   below make their order harmless. What the read side tells of before the subscription, by our clock, is not
//!   delivered; a frame always is.
//! - **Each row once**, whichever way it comes; a correction and a [`Void`](crate::model::Void) are rows of their own.
//!   A row counts as delivered only once it is in the queue.
//! - **No order backwards.** Its filled quantity never falls and a final state never reopens, except behind a
//!   `Void` of one of its fills. An older state, or one that says nothing new, is left out.
//! - **A lost connection is told at once** ([`Event::Disconnected`](crate::model::Event)) and made again for ever:
//!   after 0 to 0.5 s, doubling to 30 s, and not before the time that the venue asks for. Then comes
//!   `Gap { from, to }`, what was missed, and `Recovered`. Between the last two, rows are not in the order of time,
//!   and live events come at once. All open positions of the accounts that `Recovered` names come there too: one that
//!   does not is flat.
//! - **A long read-back ends.** A page that fails is asked for again, and a lost connection leaves what was told: the
//!   next one goes on from there, under the same `Gap`.
//! - **A socket that drops frames is found out.** Every [`Subscription::audit_every`] the accounts are read back;
//!   at once where an order is filled further than its fills explain (after a second), a frame cannot be read, or the
//!   venue only says "look". What the stream did not tell comes between `Gap` and `Recovered`; else nothing is said.
//! - **The socket is always read.** The queue holds [`Subscription::queue`] events of accounts, and of quotes the
//!   newest an instrument. An event that finds no room opens a gap, which is read back once half of the queue is free.
//! - **Dropping the stream unsubscribes**: connections close and all tasks end, whatever they wait for.
//!
//! # Memory
//! A subscription without traffic takes a few KiB. It remembers some 24 MiB at most: 131,072 delivered rows, the orders
//! of 57,344 fills, 28,672 final orders; and open orders, about 1 KiB each. While a gap cannot be read back, rows that
//! are delivered meanwhile are remembered beyond that, in 30 bytes each; so are the rows of the span that is read.

mod backoff;
mod book;
mod feed;
mod guard;
mod hub;
mod line;
mod looks;
mod queue;
mod reached;
mod readback;
mod rows;
mod runner;
mod session;
mod sink;
mod tally;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{AbortHandle, Abortable, Either, select};
use tracing::Instrument;

pub use feed::{Feed, Look, Pulse, Signal, Source};

use crate::broker::Broker;
use crate::error::{Error, Result};
use crate::model::{Event, Subscription};
use crate::seam::BoxStream;
use guard::Guard;
use hub::{Events, Hub};
use runner::Runner;

/// How long feeds may take until each has stood once.
const START: Duration = Duration::from_secs(60);

/// Runs the feeds of a subscription, and gives their events as one stream.
///
/// Ready once each feed has stood. Until then connecting is repeated for 60 s; an error that cannot heal is the result
/// at once. Of `subscription` only the options count here: each feed says itself what it [covers](Feed::covers).
///
/// When the stream ends by itself, [`Event::Closed`] is its last item. Dropping it, or this future, unsubscribes.
pub async fn subscribe(
    broker: Arc<dyn Broker>,
    subscription: &Subscription,
    feeds: Vec<Box<dyn Feed>>,
) -> Result<BoxStream<'static, Event>> {
    if feeds.is_empty() {
        return Err(Error::invalid("a subscription needs accounts or quotes").with_broker(broker.id()));
    }
    let context = broker.context().clone();
    let (stops, starts): (Vec<_>, Vec<_>) = feeds.iter().map(|_| AbortHandle::new_pair()).unzip();
    let by_instrument = broker.capabilities().history.by_instrument;
    let hub = Arc::new(Hub::new(
        Arc::clone(context.clock()),
        Guard::new(broker.id(), broker.environment(), by_instrument),
        subscription.queue,
        runner::look_back(subscription),
        stops,
    ));
    // From here on, dropping this ends every task.
    let events = Events { hub: Arc::clone(&hub) };
    for (index, (feed, start)) in feeds.into_iter().zip(starts).enumerate() {
        let span = tracing::debug_span!("feed", broker = broker.id().get(), name = feed.name());
        let runner = Runner::new(Arc::clone(&broker), Arc::clone(&hub), feed, index, subscription);
        let task = Abortable::new(runner.run().instrument(span), start);
        context.spawn().spawn(Box::pin(async move { _ = task.await }));
    }
    let broker = broker.id();
    match select(pin!(hub.started()), context.clock().sleep(START)).await {
        Either::Left((Ok(()), _)) => Ok(Box::pin(events)),
        Either::Left((Err(error), _)) => Err(named(error, broker)),
        Either::Right(_) => {
            let late = || runner::unavailable("the stream did not stand within 60 s");
            Err(named(hub.first_trouble().unwrap_or_else(late), broker))
        }
    }
}

/// Says which broker, and which call.
fn named(error: Error, broker: crate::BrokerId) -> Error {
    let error = match error.operation() {
        Some(_) => error,
        None => error.with_operation("subscribe"),
    };
    match error.broker() {
        Some(_) => error,
        None => error.with_broker(broker),
    }
}
