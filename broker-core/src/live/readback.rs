//! Reads over the read side what the stream did not tell: snapshots, gaps, audits.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;

use super::backoff::Backoff;
use super::book::Way;
use super::feed::Look;
use super::hub::Hub;
use super::sink::{RECORDS, Sink, cannot_be_asked};
use crate::broker::Broker;
use crate::dedup::{KeySpace, Seen, SeenSet};
use crate::error::{Error, ErrorKind, Result};
use crate::ext::BrokerExt;
use crate::id::{AccountId, InstrumentId};
use crate::model::{Event, HistoryQuery, Order, OrderQuery, OrderRef, OrderState, Record, Window};
use crate::proof::ProofChain;
use crate::span::Span;

/// A span is not split below this: venues select by whole seconds or finer.
const SHORTEST_PART: TimeDelta = TimeDelta::seconds(1);

/// How often a reading is repeated because its pages contradict each other, before that is reported.
const MOST_DOUBTS: u32 = 3;

/// What a reading says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announce {
    /// Nothing: the first snapshot.
    Nothing,
    /// A gap, at once. It ended here.
    Gap(DateTime<Utc>),
    /// A gap only if something is found that does not come by a frame within the grace.
    IfFound { grace: Duration },
}

/// One reading: what to ask and how to tell it.
#[derive(Debug)]
pub(super) struct Readback {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) hub: Arc<Hub>,
    pub(super) feed: usize,
    /// Accounts to be read in full.
    pub(super) accounts: Vec<AccountId>,
    /// Orders to be read alone, with the records of their accounts.
    pub(super) orders: Vec<OrderRef>,
    /// Quotes to be read.
    pub(super) quotes: Vec<InstrumentId>,
    /// Up to here everything is known.
    pub(super) from: DateTime<Utc>,
    /// When the subscription began.
    pub(super) since: DateTime<Utc>,
    pub(super) look_back: chrono::Duration,
    pub(super) announce: Announce,
}

/// What a reading leaves known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    /// Nothing before this is missing of the accounts that were read.
    pub(super) complete: DateTime<Utc>,
    /// Count of events when it began.
    pub(super) asked: u64,
    /// To be looked at next.
    pub(super) looks: Vec<Look>,
}

impl Readback {
    /// Reads until it worked.
    pub(super) async fn run(self) -> Done {
        let context = self.broker.context().clone();
        let mut sink = Sink::new(Arc::clone(&self.hub), self.feed, self.from, self.announce);
        sink.begin().await;
        let mut backoff = Backoff::default();
        loop {
            // Pages that contradict each other are believed in the end, and reported.
            let is_last_doubt = backoff.failures() >= MOST_DOUBTS;
            match self.attempt(&mut sink, is_last_doubt).await {
                Ok(done) => return done,
                Err(error) => {
                    let wait = backoff.wait(&error, &**context.rng());
                    tracing::warn!(kind = %error.kind(), wait_ms = %wait.as_millis(), "reading back failed");
                    context.clock().sleep(wait).await;
                }
            }
        }
    }

    async fn attempt(&self, sink: &mut Sink, is_last_doubt: bool) -> Result<Done> {
        let now = self.broker.context().clock().now();
        let way = self.way();
        sink.restart();
        let mut read = Vec::new();
        for account in &self.accounts {
            if self.account(account, sink, is_last_doubt).await? {
                read.push(account.clone());
            }
        }
        for order in &self.orders {
            self.look(order, sink, is_last_doubt).await?;
        }
        for account in &self.accounts {
            let lost = self.hub.guard(|guard| guard.give_up(account, now));
            lost.into_iter().for_each(|what| sink.lose(what));
        }
        sink.settle().await;
        if sink.is_open() {
            for account in &self.accounts {
                self.holdings(account, sink).await?;
            }
            self.quotes(sink).await?;
        }
        sink.end(read).await;
        Ok(Done {
            complete: if sink.is_barred() {
                self.from
            } else {
                self.complete(now)
            },
            asked: way.asked.unwrap_or_default(),
            looks: sink.looks(),
        })
    }

    /// Records are complete up to when they were asked for; where an order's fills are missing, up to then.
    fn complete(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let short = |account| self.hub.guard(|guard| guard.short_since(account));
        let short = self.accounts.iter().filter_map(short).min();
        short.map_or(now, |short| short.min(now))
    }

    /// Orders and records of an account. True when its records could be asked.
    ///
    /// Orders are asked for first and told last: so the fills that they speak of are in the records.
    async fn account(&self, account: &AccountId, sink: &mut Sink, is_last_doubt: bool) -> Result<bool> {
        let way = self.way();
        let open = self.broker.all_orders(OrderQuery::open(account)).await;
        let mut listed = sink.asked(open, "open orders", account)?.unwrap_or_default();
        if self.announce != Announce::Nothing {
            let lately = Window::Between {
                since: self.earliest(),
                until: None,
            };
            let placed = OrderQuery::placed(account, lately).with_state(OrderState::Closed);
            let closed = self.broker.all_orders(placed).await;
            listed.extend(sink.asked(closed, "closed orders", account)?.unwrap_or_default());
        }
        let is_read = self.records(account, &listed, sink, is_last_doubt).await?;
        let asked_at = way.asked.unwrap_or_default();
        let unlisted = self.hub.guard(|guard| guard.unlisted(account, &listed, asked_at));
        for order in listed {
            sink.take(Event::Order(Box::new(order)), way).await;
        }
        for (key, order) in unlisted {
            if !self.alone(&order, sink).await? && self.hub.guard(|guard| guard.absent(key)) {
                sink.lose(format!("an order of {account}: the venue does not know it any more"));
            }
        }
        Ok(is_read)
    }

    /// The instruments to ask for, where the history must be asked by instrument.
    fn by_instrument(&self, account: &AccountId, listed: &[Order]) -> Option<Vec<InstrumentId>> {
        if !self.broker.capabilities().history.by_instrument {
            return None;
        }
        let mut all = self.hub.guard(|guard| guard.instruments(account));
        let legs = listed.iter().flat_map(|order| &order.legs);
        all.extend(legs.map(|leg| leg.instrument.clone()));
        Some(all.into_iter().collect())
    }

    /// Reads one order. False when the venue says that there is none.
    async fn alone(&self, order: &OrderRef, sink: &mut Sink) -> Result<bool> {
        let way = self.way();
        match self.broker.order(order).await {
            Ok(order) => {
                sink.take(Event::Order(Box::new(order)), way).await;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            // Another answer will not come: the order stays as it is known, and the account's records decide.
            Err(error) if cannot_be_asked(&error) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Reads one order, and the records of its account, which are told first.
    async fn look(&self, order: &OrderRef, sink: &mut Sink, is_last_doubt: bool) -> Result<()> {
        let way = self.way();
        let found = match self.broker.order(order).await {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound || cannot_be_asked(&error) => None,
            Err(error) => return Err(error),
        };
        if !self.accounts.contains(&order.account) {
            let listed = found.as_slice();
            self.records(&order.account, listed, sink, is_last_doubt).await?;
        }
        if let Some(found) = found {
            sink.take(Event::Order(Box::new(found)), way).await;
        }
        Ok(())
    }

    /// Records of an account, instrument by instrument where that is how they are kept. True when they could be asked.
    async fn records(
        &self,
        account: &AccountId,
        listed: &[Order],
        sink: &mut Sink,
        is_last_doubt: bool,
    ) -> Result<bool> {
        // Up to now, not to when the reading began: for the orders that were listed meanwhile.
        let span = Span::new(self.earliest(), self.hub.clock().now());
        let query = HistoryQuery::new(account, span.window());
        let Some(instruments) = self.by_instrument(account, listed) else {
            return self.query(query, span, sink, is_last_doubt).await;
        };
        sink.miss(format!(
            "records of {account} in instruments that it did not touch while subscribed"
        ));
        let mut is_read = true;
        for instrument in instruments {
            let query = query.clone().with_instrument(instrument);
            is_read &= self.query(query, span, sink, is_last_doubt).await?;
        }
        Ok(is_read)
    }

    /// The records of a query. A span with more rows than the venue ever gives is read in halves.
    async fn query(&self, query: HistoryQuery, whole: Span, sink: &mut Sink, is_last_doubt: bool) -> Result<bool> {
        let mut left = vec![whole];
        while let Some(span) = left.pop() {
            let query = HistoryQuery {
                window: span.window(),
                ..query.clone()
            };
            let read = self.span(&query, span, sink).await;
            match sink.asked(read, RECORDS, &query.account)? {
                None => return Ok(false),
                Some(Pages::Whole) => {}
                Some(Pages::Capped) => {
                    let (first, second) = span.halves();
                    left.extend([second, first]);
                }
                Some(Pages::Doubtful(reason)) if is_last_doubt => {
                    sink.lose(format!("records of {}: {reason}", query.account));
                }
                Some(Pages::Doubtful(reason)) => {
                    return Err(Error::new(ErrorKind::Unavailable).with_message(reason));
                }
            }
        }
        Ok(true)
    }

    /// Tells the records of a span as they come.
    async fn span(&self, query: &HistoryQuery, span: Span, sink: &mut Sink) -> Result<Pages> {
        let keys = KeySpace::new(&self.broker.id(), self.broker.environment(), &query.account);
        let mut different = SeenSet::new();
        let mut versions = 0;
        let mut chain = ProofChain::new(span);
        let way = self.way();
        let mut pages = self.broker.pages(query);
        while let Some(page) = pages.next().await {
            let page = page?;
            chain.page(&page, Record::booked_at);
            for record in page.rows {
                let seen = different.insert(keys.key_of(&record.key()), record.version());
                versions += u64::from(seen != Seen::Duplicate);
                sink.take(Event::Record(Box::new(record)), way).await;
            }
            if chain.is_capped() && span.until - span.since > SHORTEST_PART {
                return Ok(Pages::Capped);
            }
        }
        // What the broker proves nothing about, the sums of the orders' fills decide.
        let hole = chain.holes(versions).into_iter().next();
        Ok(hole.map_or(Pages::Whole, |hole| Pages::Doubtful(hole.reason)))
    }

    /// Positions and balances of an account.
    async fn holdings(&self, account: &AccountId, sink: &mut Sink) -> Result<()> {
        let way = self.way();
        let positions = self.broker.positions(account).await;
        for position in sink.asked(positions, "positions", account)?.unwrap_or_default() {
            sink.take(Event::Position(Box::new(position)), way).await;
        }
        let way = self.way();
        let balances = self.broker.balances(account).await;
        if let Some(balances) = sink.asked(balances, "balances", account)? {
            sink.take(Event::Balances(Box::new(balances)), way).await;
        }
        Ok(())
    }

    async fn quotes(&self, sink: &mut Sink) -> Result<()> {
        if self.quotes.is_empty() {
            return Ok(());
        }
        let Some(market_data) = self.broker.market_data() else {
            sink.miss("quotes: this broker has no market data".to_owned());
            return Ok(());
        };
        self.hub.watch_quotes(self.feed);
        match market_data.quotes(&self.quotes).await {
            Ok(quotes) => self.hub.read_quotes(self.feed, quotes),
            Err(error) if cannot_be_asked(&error) => sink.miss(format!("quotes: {error}")),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// How far back it asks. The first snapshot, too, asks for a while before: clocks differ.
    fn earliest(&self) -> DateTime<Utc> {
        self.from.checked_sub_signed(self.look_back).unwrap_or_default()
    }

    /// Of what is asked for from now on.
    fn way(&self) -> Way {
        Way {
            asked: Some(self.hub.guard(|guard| guard.tick())),
            since: Some(self.since),
            first: self.announce == Announce::Nothing,
        }
    }
}

/// What the pages of a span proved.
enum Pages {
    Whole,
    /// As many as the venue ever gives: the span is to be split.
    Capped,
    /// They contradict each other.
    Doubtful(String),
}
