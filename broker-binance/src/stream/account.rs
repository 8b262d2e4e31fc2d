//! The account's stream. No event carries a number: what was missed is found by reading back alone.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::limit::{Cost, Lane};
use broker_core::live::{Feed, Look, Pulse, Signal, Source};
use broker_core::model::{Event, OrderRef, Subscription};
use broker_core::seam::Frame;
use broker_core::{AccountId, Broker, Error, ErrorKind, Record, Result};
use secrecy::ExposeSecret;

use super::wire::{EventJson, ListStatusJson, MessageJson, RefusalJson, ReportJson};
use super::{pulse, text};
use crate::auth::ServerTime;
use crate::broker::BinanceBroker;
use crate::error::{self, CLOCK};
use crate::map::order::List;
use crate::map::{self, Pair, order_id};
use crate::rest::Buckets;
use crate::wire;

/// Connecting weighs two, and so does the subscription.
const WEIGHT: u32 = 4;

/// A limiter that is closed for longer is waited for before a connection is made, and not within it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lists of orders that are remembered at most; of others each order is read.
const MOST_LISTS: usize = 1_024;

impl BinanceBroker {
    /// What a frame of the account's stream tells, in its order: reads again what a program kept of one.
    ///
    /// # Errors
    /// `Decode`: the frame cannot be read. Else what it says itself: a close, a subscription that is refused.
    pub async fn read_account_frame(&self, account: &AccountId, frame: &Frame) -> Result<Vec<Event>> {
        self.check(account).await?;
        self.names().await?;
        let mut feed = AccountFeed::new(self, account, &Subscription::account(account));
        let mut signals = Vec::new();
        feed.read(frame, &mut signals)?;
        Signal::events(signals)
    }
}

/// The feed of the key's account.
pub(super) struct AccountFeed {
    broker: BinanceBroker,
    account: AccountId,
    covers: Subscription,
    lists: BTreeMap<i64, List>,
    /// The last subscription was refused for its time.
    clock_is_off: bool,
}

/// Shows no key.
impl std::fmt::Debug for AccountFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountFeed({})", self.account)
    }
}

impl AccountFeed {
    /// All accounts of the subscription were checked to be the one of the key.
    pub(super) fn new(broker: &BinanceBroker, account: &AccountId, subscription: &Subscription) -> Self {
        let mut covers = subscription.clone();
        covers.accounts = vec![account.clone()];
        covers.quotes.clear();
        Self {
            broker: broker.clone(),
            account: account.clone(),
            covers,
            lists: BTreeMap::new(),
            clock_is_off: false,
        }
    }

    /// Signed over the parameters in the order of their names, as they are and not encoded.
    fn subscription(&self) -> Result<Frame> {
        let streams = self.broker.streams();
        let key = streams.key.expose_secret();
        let (window, now) = (streams.window.as_millis(), self.broker.time().now_ms());
        let payload = format!("apiKey={key}&recvWindow={window}&timestamp={now}");
        let signature = streams.signer.sign(&payload)?;
        let window = u64::try_from(window).unwrap_or(u64::MAX);
        let request = serde_json::json!({
            "id": "subscribe",
            "method": "userDataStream.subscribe.signature",
            "params": { "apiKey": key, "recvWindow": window, "timestamp": now, "signature": signature },
        });
        Ok(Frame::Text(request.to_string()))
    }

    fn pair(&self, symbol: &str) -> Pair {
        self.broker.known_pair(symbol).unwrap_or_else(|| Pair::unlisted(symbol))
    }

    fn report(&self, report: &ReportJson<'_>, out: &mut Vec<Signal>) -> Result<()> {
        let pair = self.pair(report.symbol.get());
        // The record first: an order that is filled further than its fills say looks like a hole.
        if report.happened.get() == "TRADE" {
            let fill = map::trade::reported(report, &pair, &self.account)?;
            out.push(Signal::Event(Event::Record(Box::new(Record::Fill(fill)))));
        }
        let mut order = map::order::reported(report, &pair, &self.account)?;
        let links = match report.list.filter(|list| *list >= 0) {
            None => None,
            Some(number) => match self.lists.get(&number).and_then(|list| list.links_of(&order.id)) {
                Some(links) => Some(links),
                None => {
                    // What it hangs together with is told when it is read.
                    let reference = OrderRef::by_id(&self.account, order.id).with_instrument(pair.id);
                    out.push(Signal::Look(Look::Order(reference)));
                    return Ok(());
                }
            },
        };
        if let Some(links) = links {
            order.links = links;
        }
        out.push(Signal::Event(Event::Order(Box::new(order))));
        Ok(())
    }

    fn list(&mut self, status: &ListStatusJson<'_>) -> Result<()> {
        let rows = status.orders.iter().map(|row| order_id(row.symbol.get(), row.order));
        let list = List::of(status.number, rows.collect(), status.contingency.get())?;
        self.lists.insert(status.number, list);
        if self.lists.len() > MOST_LISTS {
            self.lists.pop_first();
        }
        Ok(())
    }

    fn event(&mut self, text: &str, out: &mut Vec<Signal>) -> Result<()> {
        let event: EventJson<'_> = wire::decode(text)?;
        match event.kind.get() {
            "executionReport" => return self.report(&wire::decode(text)?, out),
            "listStatus" => {
                self.list(&wire::decode(text)?)?;
                out.push(Signal::Beat);
            }
            // Only the coins that an order moved, and the order is told.
            "outboundAccountPosition" => out.push(Signal::Beat),
            kind @ ("serverShutdown" | "eventStreamTerminated") => {
                let error = Error::new(ErrorKind::Unavailable).with_message(kind);
                out.push(Signal::Closed { error, fatal: false });
            }
            // Coins came or went without a trade, were locked elsewhere, or something that is not known yet happened.
            _ => out.push(Signal::Look(Look::Account(self.account.clone()))),
        }
        Ok(())
    }

    fn refused(&mut self, status: u16, refusal: &RefusalJson<'_>) -> Signal {
        let words = refusal.msg.as_ref().map_or("", |words| words.get());
        let mut error = error::said(status, refusal.code, words);
        if let Some(until) = refusal.data.as_ref().and_then(|data| data.retry_after) {
            let wait = until.saturating_sub(self.broker.time().now_ms());
            error = error.with_retry_after(Duration::from_millis(u64::try_from(wait).unwrap_or_default()));
        }
        self.clock_is_off = error.code() == Some(CLOCK);
        if self.clock_is_off {
            // The next connection measures the time: no key is at fault.
            error = error.with_kind(ErrorKind::Unavailable);
        }
        let fatal = matches!(error.kind(), ErrorKind::Auth | ErrorKind::Permission);
        Signal::Closed { error, fatal }
    }
}

#[async_trait]
impl Feed for AccountFeed {
    fn name(&self) -> &'static str {
        "user data"
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    async fn open(&mut self) -> Result<Source> {
        self.lists.clear();
        let time: &ServerTime = self.broker.time();
        if std::mem::take(&mut self.clock_is_off) {
            time.measure_again().await?;
        }
        // Reports name symbols, and coins cannot be told from those.
        self.broker.names().await?;
        let buckets: &Buckets = &self.broker.rest().buckets;
        let cost = Cost {
            bucket: buckets.weight.clone(),
            weight: WEIGHT,
        };
        let context = self.broker.context();
        let (limiter, now) = (context.limiter(), context.clock().elapsed());
        let closed = limiter.snapshot(&cost.bucket).and_then(|bucket| bucket.closed_until);
        if let Some(wait) = closed
            .map(|until| until.saturating_sub(now))
            .filter(|wait| *wait > PATIENCE)
        {
            let banned =
                Error::new(ErrorKind::RateLimited).with_message("the address must not ask before its ban is over");
            return Err(banned.with_retry_after(wait));
        }
        let paid = limiter.acquire(&[cost], Lane::Read).await?;
        Ok(Source::Socket {
            request: self.broker.socket(&self.broker.streams().urls[0])?,
            first: vec![self.subscription()?],
            paid: Some(paid),
        })
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Some(text) = text(frame, out)? else {
            return Ok(());
        };
        let message: MessageJson<'_> = wire::decode(text)?;
        match (message.status, message.event, &message.error) {
            (_, Some(event), _) => self.event(event.get(), out),
            (Some(200), None, None) => {
                out.push(Signal::Ready);
                Ok(())
            }
            (Some(status), None, Some(refusal)) => {
                let signal = self.refused(status, refusal);
                out.push(signal);
                Ok(())
            }
            _ => Err(Error::decode("a message that is neither an answer nor an event")),
        }
    }

    fn pulse(&self) -> Pulse {
        pulse()
    }
}
