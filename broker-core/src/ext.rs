//! What users call: whole histories on top of single pages, safe placement on top of single attempts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use rust_decimal::Decimal;

use crate::broker::{Broker, Page};
use crate::dedup::{self, Row};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{AccountId, InstrumentId, Symbol};
use crate::model::{
    Asset, Completeness, Fee, Fill, Flow, History, HistoryQuery, Instrument, InstrumentQuery, InstrumentRef, Opening,
    Order, OrderChange, OrderQuery, OrderRef, OrderRequest, Payoff, Position, PositionLeg, Record,
};
use crate::num::Currency;
use crate::placement::{self, Placement, Recovery, Settled, Ticket};
use crate::proof::{Hole, ProofChain};
use crate::seam::BoxStream;
use crate::span::Span;
use crate::walk::Walk;

/// Conveniences of every [`Broker`], dyn ones too. Futures own what they need, so that they can be spawned.
pub trait BrokerExt: Broker {
    /// The pages of a query, in order, followed to the end. An error is the last item: a partial history never
    /// looks complete.
    fn pages(&self, query: &HistoryQuery) -> BoxStream<'static, Result<Page<Record>>> {
        Walk::records(self.handle(), query.clone()).stream()
    }

    /// The records of a query as they come: repeated where pages overlap, corrections not applied.
    fn records(&self, query: &HistoryQuery) -> BoxStream<'static, Result<Record>> {
        Box::pin(
            self.pages(query)
                .map_ok(|page| stream::iter(page.rows.into_iter().map(Ok)))
                .try_flatten(),
        )
    }

    /// The fills of a query as they come: repeated where pages overlap, corrections not applied.
    fn fills(&self, query: &HistoryQuery) -> BoxStream<'static, Result<Fill>> {
        Box::pin(self.records(query).try_filter_map(async |record| {
            Ok(match record {
                Record::Fill(fill) => Some(fill),
                Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
            })
        }))
    }

    /// Everything that happened in a window: sorted, each record once, with its instruments and the positions that
    /// stood before, and whether the pages prove it whole.
    fn all_fills(&self, query: HistoryQuery) -> impl Future<Output = Result<History>> + Send + use<Self> {
        let broker = self.handle();
        async move { history(broker, query).await }
    }

    /// Every order of a query, oldest first, each once.
    fn all_orders(&self, query: OrderQuery) -> impl Future<Output = Result<Vec<Order>>> + Send + use<Self> {
        let mut pages = Walk::orders(self.handle(), query);
        async move {
            let mut orders: Vec<Order> = Vec::new();
            while let Some(page) = pages.next().await? {
                orders.extend(page.rows);
            }
            Ok(sorted(orders))
        }
    }

    /// Places an order exactly once. See [`placement`] for what each answer means.
    ///
    /// The attempt runs on a task of its own. Dropping this future before the first byte sends nothing; dropping it
    /// later changes nothing: the attempt is finished, settled and written to the journal.
    ///
    /// An id of the user's own ([`OrderRequest::with_client_id`]) that is taken by an order of the same terms gives
    /// that order, so that a program which repeats itself places once.
    ///
    /// # Errors
    /// No byte of the order left us: a veto, an ability that the broker lacks, no connection.
    fn place_once(
        &self,
        account: &AccountId,
        request: OrderRequest,
    ) -> impl Future<Output = Result<Placement>> + Send + use<Self> {
        placement::place_once(self.handle(), account.clone(), request)
    }

    /// Changes a working order exactly once; the answers mean what they mean for [`place_once`](Self::place_once).
    /// Accepted is the order that took its place, or the order itself where the broker changes it in place; the
    /// change is done when the order shows it.
    fn replace_once(
        &self,
        order: &OrderRef,
        change: OrderChange,
    ) -> impl Future<Output = Result<Placement>> + Send + use<Self> {
        placement::replace_once(self.handle(), order.clone(), change)
    }

    /// Asks to cancel an order, and reads it: `PendingCancel` or still at work while the venue is at it, or final,
    /// which may be `Filled`. "Not found" and "already closed" read the order again; a lost answer is asked again.
    ///
    /// # Errors
    /// The venue did not take the cancel, or nobody knows: the order may still be at work.
    fn cancel_once(&self, order: &OrderRef) -> impl Future<Output = Result<Order>> + Send + use<Self> {
        placement::cancel_once(self.handle(), order.clone())
    }

    /// Closes a position with a market order, one for each leg of a hedging account; empty when it is flat. A coin that
    /// is held outright is sold, as much of it as is free. Orders that hold the position are not canceled.
    ///
    /// # Errors
    /// No byte of the order that failed left us; of a hedging account the other leg's order may be at the venue.
    fn close(
        &self,
        account: &AccountId,
        instrument: &InstrumentRef,
    ) -> impl Future<Output = Result<Vec<Placement>>> + Send + use<Self> {
        placement::close(self.handle(), account.clone(), instrument.clone())
    }

    /// Looks for an order in doubt. It is never sent again by this.
    ///
    /// # Errors
    /// A ticket of another broker. What the venue does not answer leaves the ticket open.
    fn settle(&self, ticket: Ticket) -> impl Future<Output = Result<Settled>> + Send + use<Self> {
        placement::settle(self.handle(), ticket)
    }

    /// Sends an order in doubt again, where a second send with the same id cannot make a second order; elsewhere
    /// `Unsupported`.
    fn resend(&self, ticket: Ticket) -> impl Future<Output = Result<Placement>> + Send + use<Self> {
        placement::resend(self.handle(), ticket)
    }

    /// Gives a ticket up: it is no longer looked for. The order may still be at the venue.
    fn abandon(&self, ticket: Ticket) -> impl Future<Output = Result<()>> + Send + use<Self> {
        placement::abandon(self.handle(), ticket)
    }

    /// Settles every intent that the journal holds open and that nobody in this process works on: what a process
    /// that was killed left behind. To be called once at the start, before anything is placed.
    fn recover(&self) -> impl Future<Output = Result<Vec<Recovery>>> + Send + use<Self> {
        placement::recover(self.handle())
    }

    /// Reads an order until it is final, or for this long: then the order as it was read last. Time alone makes no
    /// order final.
    fn wait_until_final(
        &self,
        order: &OrderRef,
        longest: Duration,
    ) -> impl Future<Output = Result<Order>> + Send + use<Self> {
        placement::wait_until_final(self.handle(), order.clone(), longest)
    }
}

impl<B: Broker + ?Sized> BrokerExt for B {}

/// Oldest first, each once.
pub(crate) fn sorted(mut orders: Vec<Order>) -> Vec<Order> {
    let mut seen = BTreeSet::new();
    orders.retain(|order| seen.insert(order.id.clone()));
    orders.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    orders
}

/// How often positions are read again because a fill came in between.
const POSITION_TRIES: usize = 4;

/// A span is not split below this: venues select by whole seconds or finer.
const SHORTEST_PART: chrono::Duration = chrono::Duration::seconds(1);

async fn history(broker: Arc<dyn Broker>, query: HistoryQuery) -> Result<History> {
    let (since, until) = query.range(broker.context().clock().now());
    let whole = Span::new(since, until);
    let inside = read(&broker, &query, whole).await?;
    let after = positions_and_later(&broker, &query, until).await?;
    let mut holes = inside.holes;
    holes.extend(after.doubt.map(|reason| Hole::new(whole, reason)));
    let mut instruments = instruments(&broker, inside.rows.iter().chain(&after.rows)).await?;
    let rows = inside.rows.iter().chain(&after.rows).cloned().collect();
    let opening = match &after.positions {
        Some(positions) => opening(&broker, &query, positions, &instruments, rows)?,
        None => Vec::new(),
    };
    let records = counting(inside.rows)?;
    let unknown = opening.iter().filter(|one| !instruments.contains_key(&one.instrument));
    let unknown: BTreeSet<InstrumentId> = unknown.map(|one| one.instrument.clone()).collect();
    instruments.extend(look_up(&broker, unknown).await?);
    Ok(History {
        account: query.account,
        since,
        until,
        records,
        instruments,
        opening,
        pages: inside.pages,
        completeness: Completeness::of(&holes),
    })
}

/// What the pages of a span gave.
#[derive(Default)]
struct Read {
    rows: Vec<Record>,
    pages: u64,
    holes: Vec<Hole>,
}

/// Reads a span to its end. One with more rows than the venue ever gives is read in halves.
async fn read(broker: &Arc<dyn Broker>, query: &HistoryQuery, whole: Span) -> Result<Read> {
    let mut read = Read::default();
    let mut left = vec![whole];
    'spans: while let Some(span) = left.pop() {
        let query = HistoryQuery {
            window: span.window(),
            ..query.clone()
        };
        let mut chain = ProofChain::new(span);
        let mut rows = Vec::new();
        let mut pages = broker.pages(&query);
        while let Some(page) = pages.next().await {
            let page = page?;
            read.pages += 1;
            chain.page(&page, Record::booked_at);
            if chain.is_capped() && span.until - span.since > SHORTEST_PART {
                let (first, second) = span.halves();
                left.extend([second, first]);
                continue 'spans;
            }
            rows.extend(page.rows);
        }
        // A venue that lists a correction as a row of its own counts it as one.
        let different: BTreeSet<_> = rows.iter().map(|row| (row.key(), row.version())).collect();
        read.holes.extend(chain.all_holes(different.len() as u64));
        read.rows.extend(rows);
    }
    Ok(read)
}

fn counting(rows: Vec<Record>) -> Result<Vec<Record>> {
    let rows = (0..).zip(rows).map(|(read_at, record)| Row { record, read_at });
    Ok(dedup::fold(rows)?.into_booked())
}

/// Today's positions, and the records between the window's end and them.
struct Later {
    /// `None` where the broker tells none.
    positions: Option<Vec<Position>>,
    rows: Vec<Record>,
    /// Why positions at the start of the window cannot be vouched for.
    doubt: Option<&'static str>,
}

/// Reads positions with the records before them. Positions that move while being read are read again.
async fn positions_and_later(
    broker: &Arc<dyn Broker>,
    query: &HistoryQuery,
    until: chrono::DateTime<chrono::Utc>,
) -> Result<Later> {
    let mut positions = match broker.positions(&query.account).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            return Ok(Later {
                positions: None,
                rows: Vec::new(),
                doubt: Some("the broker tells no positions: those at the start are not known"),
            });
        }
        positions => positions?,
    };
    for _ in 0..POSITION_TRIES {
        let now = broker.context().clock().now();
        let rest = match now > until {
            true => read(broker, query, Span::new(until, now)).await?,
            false => Read::default(),
        };
        let again = broker.positions(&query.account).await?;
        if quantities(&again) == quantities(&positions) {
            return Ok(Later {
                positions: Some(again),
                rows: rest.rows,
                doubt: (!rest.holes.is_empty())
                    .then_some("what came after the window is not proven, nor are the positions at its start"),
            });
        }
        positions = again;
    }
    Err(Error::new(ErrorKind::Unavailable)
        .with_broker(broker.id())
        .with_operation("positions")
        .with_message("positions kept changing while they were compared with the history")
        .with_help("ask again when the account trades less"))
}

type PositionKey = (InstrumentId, PositionLeg);

fn quantities(positions: &[Position]) -> BTreeMap<PositionKey, Decimal> {
    positions
        .iter()
        .map(|p| ((p.instrument.clone(), p.leg), p.signed_qty()))
        .collect()
}

/// Positions at the start: those of today less all that moved since. What the broker holds as coins in its balances
/// is no position.
fn opening(
    broker: &Arc<dyn Broker>,
    query: &HistoryQuery,
    positions: &[Position],
    instruments: &BTreeMap<InstrumentId, Instrument>,
    rows: Vec<Record>,
) -> Result<Vec<Opening>> {
    let covers_fills = broker.capabilities().history.positions_cover_fills;
    let mut openings = Openings::default();
    for one in positions {
        openings.add(&one.instrument, &one.symbol, one.leg, one.signed_qty())?;
    }
    for record in counting(rows)? {
        match record {
            Record::Fill(fill) => {
                let base = base_of(instruments.get(&fill.instrument));
                if base.is_some() && !covers_fills {
                    continue;
                }
                openings.add(&fill.instrument, &fill.symbol, fill.leg, -fill.qty.signed(fill.side))?;
                for fee in fill.fees.iter().filter(|fee| Some(fee.currency) == base) {
                    openings.add(&fill.instrument, &fill.symbol, fill.leg, fee.amount)?;
                }
            }
            Record::Fee(Fee {
                asset: Asset::Instrument { id, symbol },
                amount,
                ..
            }) => openings.add(&id, &symbol, PositionLeg::Net, amount)?,
            Record::Flow(Flow {
                asset: Asset::Instrument { id, symbol },
                amount,
                ..
            }) => openings.add(&id, &symbol, PositionLeg::Net, -amount)?,
            Record::Void(_) | Record::Fee(_) | Record::Flow(_) => {}
        }
    }
    let asked = |opening: &Opening| query.instrument.as_ref().is_none_or(|one| *one == opening.instrument);
    let openings = openings.0.into_values();
    Ok(openings
        .filter(|opening| !opening.qty.is_zero() && asked(opening))
        .collect())
}

/// The coin that a pair held outright is kept in; fees in it leave less of the position.
fn base_of(instrument: Option<&Instrument>) -> Option<Currency> {
    instrument.filter(|one| one.payoff == Payoff::Cash)?.base
}

#[derive(Default)]
struct Openings(BTreeMap<PositionKey, Opening>);

impl Openings {
    fn add(&mut self, instrument: &InstrumentId, symbol: &Symbol, leg: PositionLeg, change: Decimal) -> Result<()> {
        let opening = self.0.entry((instrument.clone(), leg)).or_insert_with(|| Opening {
            instrument: instrument.clone(),
            symbol: symbol.clone(),
            leg,
            qty: Decimal::ZERO,
            price: None,
        });
        let qty = opening.qty.checked_add(change);
        opening.qty = qty.ok_or_else(|| Error::decode(format!("the position in {symbol} does not fit")))?;
        Ok(())
    }
}

/// The instruments of records, as far as the broker knows them.
async fn instruments(
    broker: &Arc<dyn Broker>,
    records: impl Iterator<Item = &Record>,
) -> Result<BTreeMap<InstrumentId, Instrument>> {
    let mut ids = BTreeSet::new();
    for record in records {
        match record {
            Record::Fill(fill) => _ = ids.insert(fill.instrument.clone()),
            Record::Fee(Fee {
                asset: Asset::Instrument { id, .. },
                ..
            })
            | Record::Flow(Flow {
                asset: Asset::Instrument { id, .. },
                ..
            }) => _ = ids.insert(id.clone()),
            Record::Void(_) | Record::Fee(_) | Record::Flow(_) => {}
        }
    }
    look_up(broker, ids).await
}

async fn look_up(broker: &Arc<dyn Broker>, ids: BTreeSet<InstrumentId>) -> Result<BTreeMap<InstrumentId, Instrument>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = InstrumentQuery::Ids(ids.into_iter().collect());
    let known = match broker.instruments(&query).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => Vec::new(),
        known => known?,
    };
    Ok(known.into_iter().map(|one| (one.id.clone(), one)).collect())
}
