//! A stream with a planted bug.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use async_trait::async_trait;
use broker_core::model::{Coverage, Event, Subscription, Window};
use broker_core::seam::BoxStream;
use broker_core::{Broker, BrokerExt, Error, Fill, FillId, HistoryQuery, Record, Result, Streaming};
use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt, stream};

use super::Planted;

#[async_trait]
impl Streaming for Planted {
    async fn subscribe(&self, subscription: &Subscription) -> Result<BoxStream<'static, Event>> {
        let Some(inner) = self.inner.streaming() else {
            return Err(Error::unsupported("streams"));
        };
        let relay = Relay {
            events: inner.subscribe(subscription).await?,
            broker: self.inner.handle(),
            subscription: subscription.clone(),
            seen: BTreeSet::new(),
            queue: VecDeque::new(),
            lost_since: None,
            since: self.inner.context().clock().now(),
        };
        Ok(Box::pin(stream::unfold(relay, Relay::next)))
    }
}

/// A second queue, half as long, behind the broker's own. What finds no room in it is read back; but it was marked as
/// seen before, so the read-back leaves it out.
struct Relay {
    events: BoxStream<'static, Event>,
    broker: Arc<dyn Broker>,
    subscription: Subscription,
    seen: BTreeSet<FillId>,
    queue: VecDeque<Event>,
    lost_since: Option<DateTime<Utc>>,
    since: DateTime<Utc>,
}

impl Relay {
    async fn next(mut self) -> Option<(Event, Self)> {
        loop {
            while let Some(Some(event)) = self.events.next().now_or_never() {
                self.offer(event);
            }
            if let Some(event) = self.queue.pop_front() {
                return Some((event, self));
            }
            if let Some(from) = self.lost_since.take() {
                self.read_back(from).await;
                continue;
            }
            let event = self.events.next().await?;
            self.offer(event);
        }
    }

    fn offer(&mut self, event: Event) {
        let Some(fill) = fill(&event) else {
            return self.queue.push_back(event);
        };
        // The bug: seen although it may find no room.
        let (is_new, at) = (self.seen.insert(fill.id.clone()), fill.at);
        if self.queue.len() >= self.subscription.queue / 2 {
            self.lost_since = Some(self.lost_since.map_or(at, |since| since.min(at)));
        } else if is_new {
            self.queue.push_back(event);
        }
    }

    /// Tells what was lost, as far as it was not seen.
    async fn read_back(&mut self, from: DateTime<Utc>) {
        let to = self.broker.context().clock().now();
        self.queue.push_back(Event::Gap { from, to });
        for account in self.subscription.accounts.clone() {
            let window = Window::Between {
                since: from.max(self.since),
                until: None,
            };
            let mut records = Box::pin(self.broker.records(&HistoryQuery::new(&account, window)));
            while let Some(Ok(record)) = records.next().await {
                let event = Event::Record(Box::new(record));
                if fill(&event).is_some_and(|fill| self.seen.insert(fill.id.clone())) {
                    self.queue.push_back(event);
                }
            }
        }
        self.queue.push_back(Event::Recovered(Coverage {
            accounts: self.subscription.accounts.clone(),
            missing: Vec::new(),
        }));
    }
}

fn fill(event: &Event) -> Option<&Fill> {
    match event {
        Event::Record(record) => match &**record {
            Record::Fill(fill) => Some(fill),
            Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
        },
        _ => None,
    }
}
