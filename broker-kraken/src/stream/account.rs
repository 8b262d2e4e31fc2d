//! The account's stream: `executions` tell orders and fills, `balances` tell that something else was booked.

use std::sync::Arc;

use async_trait::async_trait;
use broker_core::http::OpClass;
use broker_core::live::{Feed, Look, Pulse, Signal, Source};
use broker_core::model::{Event, OrderRef, Subscription};
use broker_core::seam::Frame;
use broker_core::{AccountId, Error, Result};

use super::orders::Orders;
use super::sequence::Sequence;
use super::wire::{ChangeJson, MessageJson, ReportJson};
use super::{answered, message, pulse, subscribe};
use crate::broker::KrakenBroker;
use crate::directory::Directory;
use crate::rest::Form;
use crate::wire::{self, TokenJson, filled};

/// Channels, in the order in which they are asked for.
const CHANNELS: [&str; 2] = ["executions", "balances"];

impl KrakenBroker {
    /// What a frame of an account's stream tells, in its order, as if it were the first of its connection: reads again
    /// what a program kept of one.
    ///
    /// # Errors
    /// `Decode`: the frame cannot be read. Else what it says itself: a close, a subscription that is refused.
    pub async fn read_account_frame(&self, account: &AccountId, frame: &Frame) -> Result<Vec<Event>> {
        self.check(account)?;
        let mut feed = AccountFeed::new(self, &Subscription::account(account));
        feed.directory = Some(self.rest().known().await?);
        let mut signals = Vec::new();
        feed.read(frame, &mut signals)?;
        Signal::events(signals)
    }
}

/// The feed of the key's account.
pub(super) struct AccountFeed {
    broker: KrakenBroker,
    account: AccountId,
    covers: Subscription,
    directory: Option<Arc<Directory>>,
    orders: Orders,
    sequence: Sequence,
    /// Subscriptions that were answered.
    answers: usize,
}

/// Shows no key.
impl std::fmt::Debug for AccountFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountFeed({})", self.account)
    }
}

impl AccountFeed {
    /// All accounts of the subscription were checked to be the one of the key.
    pub(super) fn new(broker: &KrakenBroker, subscription: &Subscription) -> Self {
        let account = broker.account_id().clone();
        let mut covers = subscription.clone();
        covers.accounts = vec![account.clone()];
        covers.quotes.clear();
        Self {
            broker: broker.clone(),
            account,
            covers,
            directory: None,
            orders: Orders::default(),
            sequence: Sequence::default(),
            answers: 0,
        }
    }

    fn report(&mut self, report: &ReportJson<'_>, out: &mut Vec<Signal>) -> Result<()> {
        let directory = self
            .directory
            .as_ref()
            .ok_or_else(|| Error::decode("a report before the lists"))?;
        let told = self.orders.take(report, &self.account, directory)?;
        // The records first: an order that is filled further than its fills say looks like a hole.
        for record in told.records {
            out.push(Signal::Event(Event::Record(Box::new(record))));
        }
        if let Some(order) = told.order {
            let order = self.broker.complete(order);
            out.push(Signal::Event(Event::Order(Box::new(order))));
        }
        if let Some(id) = told.unknown {
            // A fill of an order that was not told is in the history.
            let trade = report.exec_type.get() == "trade";
            out.push(Signal::Look(match trade {
                true => Look::Account(self.account.clone()),
                false => Look::Order(OrderRef::by_id(&self.account, id)),
            }));
        }
        Ok(())
    }

    fn told(&mut self, message: &MessageJson<'_>, out: &mut Vec<Signal>) -> Result<()> {
        let Some(channel) = CHANNELS.iter().position(|known| *known == message.channel()) else {
            // Status and heartbeats.
            out.push(Signal::Beat);
            return Ok(());
        };
        if let Some(number) = message.sequence
            && !self.sequence.take(channel, number)
        {
            // What the missing message said of orders is not known: sparse reports would build on it.
            self.orders.clear();
            out.push(Signal::Look(Look::Account(self.account.clone())));
        }
        let data = message
            .data
            .ok_or_else(|| Error::decode("a message without data"))?
            .get();
        if channel == 0 {
            let reports: Vec<ReportJson<'_>> = wire::decode(data)?;
            return reports.iter().try_for_each(|report| self.report(report, out));
        }
        let rows: Vec<ChangeJson<'_>> = wire::decode(data)?;
        let booked = rows.iter().filter_map(|row| filled(&row.kind));
        // Rows of trades are told with the trade.
        let other = booked.into_iter().any(|kind| !matches!(kind, "trade" | "margin"));
        out.push(match other {
            true => Signal::Look(Look::Account(self.account.clone())),
            false => Signal::Beat,
        });
        Ok(())
    }
}

#[async_trait]
impl Feed for AccountFeed {
    fn name(&self) -> &'static str {
        "executions"
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    /// A token lives for fifteen minutes before it is used, and then as long as its connection: each connection gets
    /// its own.
    async fn open(&mut self) -> Result<Source> {
        (self.orders, self.sequence, self.answers) = (Orders::default(), Sequence::default(), 0);
        let rest = self.broker.rest();
        self.directory = Some(rest.known().await?);
        let read = |body: &str| match wire::result::<TokenJson<'_>>(body)?.token.get() {
            "" => Err(Error::decode("a token of no letter")),
            token => Ok(token.to_owned()),
        };
        let call = rest.private("stream token", OpClass::Read, "GetWebSocketsToken", 1, Form::new());
        let token = rest.http.run(call, read).await?;
        let executions = serde_json::json!({
            "token": token, "snap_orders": true, "snap_trades": false, "order_status": true,
        });
        let balances = serde_json::json!({ "token": token, "snapshot": true });
        Ok(Source::Socket {
            request: self.broker.socket(true)?,
            first: vec![subscribe("executions", &executions), subscribe("balances", &balances)],
            paid: None,
        })
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Some(message) = message(frame, out)? else {
            return Ok(());
        };
        match answered(&message) {
            Some(Ok(())) => {
                self.answers += 1;
                out.push(if self.answers == CHANNELS.len() {
                    Signal::Ready
                } else {
                    Signal::Beat
                });
                Ok(())
            }
            Some(Err(signal)) => {
                out.push(signal);
                Ok(())
            }
            None => self.told(&message, out),
        }
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}
