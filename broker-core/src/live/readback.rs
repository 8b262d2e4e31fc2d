//! Reads over the read side what the stream did not tell: snapshots, gaps, audits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::backoff::Backoff;
use super::book::Way;
use super::feed::Look;
use super::hub::Hub;
use super::reached::{Legacy, OrderWalk, RecordWalk, Whose};
use super::sink::{RECORDS, Sink, cannot_be_asked};
use crate::broker::Broker;
use crate::dedup::KeySpace;
use crate::error::{Error, ErrorKind, Result};
use crate::ext::{BrokerExt, sorted};
use crate::id::{AccountId, InstrumentId};
use crate::model::{Event, HistoryQuery, Order, OrderQuery, OrderRef, OrderState, Record};
use crate::retry;
use crate::span::Span;
use crate::walk::Walk;

/// A span is not split below this: venues select by whole seconds or finer.
const SHORTEST_PART: TimeDelta = TimeDelta::seconds(1);

/// Pages of closed orders that are read before they are told, with the records until then. A reading that fails after
/// so many pages did not fail in vain.
const PAGES_AT_ONCE: u64 = 16;

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
    pub(super) look_back: TimeDelta,
    /// Where a reading before this one was broken off.
    pub(super) legacy: Legacy,
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
        let (hub, legacy) = (Arc::clone(&self.hub), self.legacy.clone());
        let mut sink = Sink::new(hub, self.feed, self.from, self.announce, legacy);
        sink.begin().await;
        let mut backoff = Backoff::default();
        loop {
            let pages = sink.reached(|reached| reached.pages);
            match self.attempt(&mut sink).await {
                Ok(done) => return done,
                Err(error) => {
                    if sink.reached(|reached| reached.pages) >= pages + PAGES_AT_ONCE {
                        // It came on: the next failure is the first one.
                        backoff.reset();
                    }
                    let wait = backoff.wait(&error, &**context.rng());
                    tracing::warn!(kind = %error.kind(), wait_ms = %wait.as_millis(), "reading back failed");
                    context.clock().sleep(wait).await;
                }
            }
        }
    }

    async fn attempt(&self, sink: &mut Sink) -> Result<Done> {
        let now = self.broker.context().clock().now();
        let way = self.way();
        sink.restart();
        let mut read = Vec::new();
        for account in &self.accounts {
            if self.account(account, sink).await? {
                read.push(account.clone());
            }
        }
        for order in &self.orders {
            self.look(order, sink).await?;
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
    async fn account(&self, account: &AccountId, sink: &mut Sink) -> Result<bool> {
        let way = self.way();
        let now = self.hub.clock().now();
        let open = self.broker.all_orders(OrderQuery::open(account)).await;
        let mut listed = sink.asked(open, "open orders", account)?.unwrap_or_default();
        let mut walks = match self.announce {
            Announce::Nothing => Vec::new(),
            Announce::Gap(_) | Announce::IfFound { .. } => self.closed(account, now, sink),
        };
        let mut keys = BTreeSet::new();
        let mut is_read = true;
        loop {
            let walk = match walks.pop() {
                Some(walk) => self.listed(account, walk, &mut listed, sink).await?,
                None => None,
            };
            is_read &= self.records(account, &listed, sink).await?;
            for order in listed.drain(..) {
                keys.insert(self.hub.guard(|guard| guard.order_key(&order)));
                sink.take(Event::Order(Box::new(order)), way).await;
            }
            if let Some(walk) = walk {
                sink.reached(|reached| reached.told_orders(account, &walk));
                walks.extend((!walk.walk.is_done()).then_some(walk));
            }
            if walks.is_empty() {
                break;
            }
        }
        let asked_at = way.asked.unwrap_or_default();
        let unlisted = self.hub.guard(|guard| guard.unlisted(account, &keys, asked_at));
        for (key, order) in unlisted {
            if !self.alone(&order, sink).await? && self.hub.guard(|guard| guard.absent(key)) {
                sink.lose(format!("an order of {account}: the venue does not know it any more"));
            }
        }
        Ok(is_read)
    }

    /// What is to be read of an account's closed orders: last in the list is what was broken off. `listed` is when open
    /// ones were asked for: one that was placed later can be in neither list.
    fn closed(&self, account: &AccountId, listed: DateTime<Utc>, sink: &Sink) -> Vec<OrderWalk> {
        let (to, broken) = sink.reached(|reached| {
            let progress = reached.orders.get(account);
            progress.map_or((None, None), |one| (one.to, one.walk.clone()))
        });
        let known = broken.as_ref().map(|walk| walk.to).or(to).unwrap_or(self.from);
        let span = Span::new(self.before(known), self.hub.clock().now());
        let new = self.walk_closed(account, span, listed);
        let old = broken.map(|walk| OrderWalk { is_old: true, ..walk });
        std::iter::once(new).chain(old).collect()
    }

    fn walk_closed(&self, account: &AccountId, span: Span, to: DateTime<Utc>) -> OrderWalk {
        let query = OrderQuery::placed(account, span.window()).with_state(OrderState::Closed);
        OrderWalk {
            span,
            to,
            walk: Walk::orders(self.broker.handle(), query),
            is_old: false,
        }
    }

    /// Reads on in closed orders. `None` when they cannot be asked.
    async fn listed(
        &self,
        account: &AccountId,
        mut walk: OrderWalk,
        listed: &mut Vec<Order>,
        sink: &mut Sink,
    ) -> Result<Option<OrderWalk>> {
        let mut closed = Vec::new();
        for _ in 0..PAGES_AT_ONCE {
            let page = match walk.walk.next().await {
                Err(error) if walk.is_old && retry::is_final(error.kind()) => {
                    walk = self.walk_closed(account, walk.span, walk.to);
                    walk.walk.next().await
                }
                page => page,
            };
            if page.is_err() {
                sink.reached(|reached| reached.failed_orders(account));
            }
            walk.is_old = false;
            match sink.asked(page, "closed orders", account)? {
                None => return Ok(None),
                Some(None) => break,
                Some(Some(page)) => closed.extend(page.rows),
            }
        }
        listed.extend(sorted(closed));
        Ok(Some(walk))
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
    async fn look(&self, order: &OrderRef, sink: &mut Sink) -> Result<()> {
        let way = self.way();
        let found = match self.broker.order(order).await {
            Ok(found) => Some(found),
            Err(error) if error.kind() == ErrorKind::NotFound || cannot_be_asked(&error) => None,
            Err(error) => return Err(error),
        };
        if !self.accounts.contains(&order.account) {
            let listed = found.as_slice();
            self.records(&order.account, listed, sink).await?;
        }
        if let Some(found) = found {
            sink.take(Event::Order(Box::new(found)), way).await;
        }
        Ok(())
    }

    /// Records of an account, instrument by instrument where that is how they are kept. True when they could be asked.
    async fn records(&self, account: &AccountId, listed: &[Order], sink: &mut Sink) -> Result<bool> {
        let Some(instruments) = self.by_instrument(account, listed) else {
            return self.all(&(account.clone(), None), sink).await;
        };
        sink.miss(format!(
            "records of {account} in instruments that it did not touch while subscribed"
        ));
        let mut is_read = true;
        for instrument in instruments {
            is_read &= self.all(&(account.clone(), Some(instrument)), sink).await?;
        }
        Ok(is_read)
    }

    /// All that is to be read of these records. A span with more rows than the venue ever gives is read in halves.
    async fn all(&self, whose: &Whose, sink: &mut Sink) -> Result<bool> {
        let (to, broken) = sink.reached(|reached| {
            let progress = reached.records.get(whose);
            progress.map_or((None, None), |one| (one.to, one.walk.as_ref().map(|walk| walk.span)))
        });
        let known = broken.map(|span| span.until).or(to).unwrap_or(self.from);
        let short = self.hub.guard(|guard| guard.short_since(&whose.0));
        let since = self.before(short.map_or(known, |short| short.min(known)));
        // Up to now, not to when the reading began: for the orders that were listed meanwhile.
        let mut left = vec![Span::new(since, self.hub.clock().now())];
        left.extend(broken);
        while let Some(span) = left.pop() {
            let before = sink.reached(|reached| reached.pages);
            let read = self.span(whose, span, sink).await;
            let Some(pages) = sink.asked(read, RECORDS, &whose.0)? else {
                return Ok(false);
            };
            let is_whole = matches!(pages, Pages::Whole);
            sink.reached(|reached| reached.read_records(whose, is_whole.then_some(span.until)));
            match pages {
                Pages::Whole => {}
                Pages::Capped => {
                    let (first, second) = span.halves();
                    left.extend([second, first]);
                }
                // In the end it is believed, and reported.
                Pages::Doubtful(reason) if sink.doubt() => {
                    sink.lose(format!("records of {}: {reason}", whose.0));
                }
                Pages::Doubtful(reason) => {
                    sink.reached(|reached| reached.pages = before);
                    return Err(Error::new(ErrorKind::Unavailable).with_message(reason));
                }
            }
        }
        Ok(true)
    }

    /// Tells the records of a span as they come, from where that was broken off.
    async fn span(&self, whose: &Whose, span: Span, sink: &mut Sink) -> Result<Pages> {
        let keys = KeySpace::new(&self.broker.id(), self.broker.environment(), &whose.0);
        let way = self.way();
        let begin = || {
            let query = HistoryQuery {
                instrument: whose.1.clone(),
                ..HistoryQuery::new(&whose.0, span.window())
            };
            RecordWalk::new(span, Walk::records(self.broker.handle(), query))
        };
        let mut may_be_stale = sink.reached(|reached| reached.walk_of(whose, begin).at.0.is_under_way());
        loop {
            let (mut walk, mut chain) = sink.reached(|reached| reached.walk_of(whose, begin).at.clone());
            let page = match walk.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                // The broker may have forgotten where an older reading was.
                Err(error) if may_be_stale && retry::is_final(error.kind()) => {
                    may_be_stale = false;
                    sink.reached(|reached| reached.read_records(whose, None));
                    continue;
                }
                Err(error) => {
                    sink.reached(|reached| reached.failed_records(whose));
                    return Err(error);
                }
            };
            may_be_stale = false;
            chain.page(&page, Record::booked_at);
            sink.reached(|reached| {
                let walk = reached.walk_of(whose, begin);
                walk.count(&page, |record| keys.key_of(&record.key()));
            });
            let is_capped = chain.is_capped();
            for record in page.rows {
                sink.take(Event::Record(Box::new(record)), way).await;
            }
            if is_capped && span.until - span.since > SHORTEST_PART {
                return Ok(Pages::Capped);
            }
            sink.reached(|reached| reached.told_records(whose, (walk, chain)));
        }
        // What the broker proves nothing about, the sums of the orders' fills decide.
        let hole = sink.reached(|reached| reached.walk_of(whose, begin).hole());
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

    /// How far back it asks where everything is known up to then. The first snapshot, too, asks for a while before:
    /// clocks differ.
    fn before(&self, known: DateTime<Utc>) -> DateTime<Utc> {
        known.checked_sub_signed(self.look_back).unwrap_or_default()
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
