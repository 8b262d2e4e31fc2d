//! What users call: whole histories on top of single pages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use rust_decimal::Decimal;

use crate::broker::{Broker, Cursor, Page};
use crate::dedup::{self, Row};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{InstrumentId, Symbol};
use crate::model::{
    Asset, Fee, Fill, Flow, History, HistoryQuery, Instrument, InstrumentQuery, Opening, Order, OrderQuery, Position,
    PositionLeg, Record, Window,
};
use crate::proof::ProofChain;
use crate::seam::{BoxFuture, BoxStream};

/// Conveniences of every [`Broker`], dyn ones too. Futures own what they need, so that they can be spawned.
pub trait BrokerExt: Broker {
    /// The pages of a query, in order, followed to the end. An error is the last item: a partial history never
    /// looks complete.
    fn pages(&self, query: &HistoryQuery) -> BoxStream<'static, Result<Page<Record>>> {
        let query = query.clone().resolved(self.context().clock().now());
        walk(self.handle(), query, |broker, query, cursor| {
            Box::pin(async move { broker.history(&query, cursor.as_ref()).await })
        })
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
        let query = query.resolved(self.context().clock().now());
        let pages = walk(self.handle(), query, |broker, query, cursor| {
            Box::pin(async move { broker.orders(&query, cursor.as_ref()).await })
        });
        async move {
            let mut seen = BTreeSet::new();
            let mut orders: Vec<Order> = Vec::new();
            let mut pages = pages;
            while let Some(page) = pages.next().await {
                orders.extend(page?.rows.into_iter().filter(|order| seen.insert(order.id.clone())));
            }
            orders.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
            Ok(orders)
        }
    }
}

impl<B: Broker + ?Sized> BrokerExt for B {}

type Ask<Q, T> = fn(Arc<dyn Broker>, Q, Option<Cursor>) -> BoxFuture<'static, Result<Page<T>>>;

/// Asks page after page until there is no next one.
fn walk<Q, T>(broker: Arc<dyn Broker>, query: Q, ask: Ask<Q, T>) -> BoxStream<'static, Result<Page<T>>>
where
    Q: Clone + Send + 'static,
    T: Send + 'static,
{
    struct Walk<Q> {
        broker: Arc<dyn Broker>,
        query: Q,
        cursor: Option<Cursor>,
    }
    let start = Walk {
        broker,
        query,
        cursor: None,
    };
    Box::pin(stream::try_unfold(Some(start), move |state| async move {
        let Some(walk) = state else { return Ok(None) };
        let page = ask(Arc::clone(&walk.broker), walk.query.clone(), walk.cursor.clone()).await?;
        if let Some(wait) = page.wait {
            walk.broker.context().clock().sleep(wait).await;
        } else if page.next.is_some() && page.next == walk.cursor {
            return Err(Error::new(ErrorKind::Protocol)
                .with_broker(walk.broker.id())
                .with_message("the cursor does not move: the history would never end"));
        }
        let next = page.next.clone().map(|cursor| Walk {
            cursor: Some(cursor),
            ..walk
        });
        Ok(Some((page, next)))
    }))
}

/// How often positions are read again because a fill came in between.
const POSITION_TRIES: usize = 4;

async fn history(broker: Arc<dyn Broker>, query: HistoryQuery) -> Result<History> {
    let clock = Arc::clone(broker.context().clock());
    let (since, until) = query.range(clock.now());
    let query = HistoryQuery {
        window: Window::Between {
            since,
            until: Some(until),
        },
        ..query
    };
    let mut chain = ProofChain::new(since, until);
    let mut rows = Vec::new();
    let mut pages = 0;
    let mut stream = broker.pages(&query);
    while let Some(page) = stream.next().await {
        let page = page?;
        pages += 1;
        chain.page(&page, Record::at);
        rows.extend(page.rows);
    }
    let different: BTreeSet<_> = rows.iter().map(Record::key).collect();
    let completeness = chain.finish(different.len() as u64);
    let later = positions_and_later(&broker, &query, until).await?;
    let opening = opening(&later.positions, rows.iter().chain(&later.records).cloned().collect())?;
    let records = counting(rows)?;
    let instruments = instruments(&broker, &records, &opening).await?;
    Ok(History {
        account: query.account,
        since,
        until,
        records,
        instruments,
        opening,
        pages,
        completeness,
    })
}

fn counting(rows: Vec<Record>) -> Result<Vec<Record>> {
    let rows = (0..).zip(rows).map(|(read_at, record)| Row { record, read_at });
    Ok(dedup::fold(rows)?.into_booked())
}

struct Later {
    positions: Vec<Position>,
    records: Vec<Record>,
}

/// Today's positions, and the records between the window's end and them. Positions that move while being read are
/// read again.
async fn positions_and_later(
    broker: &Arc<dyn Broker>,
    query: &HistoryQuery,
    until: chrono::DateTime<chrono::Utc>,
) -> Result<Later> {
    let mut positions = broker.positions(&query.account).await?;
    for _ in 0..POSITION_TRIES {
        let now = broker.context().clock().now();
        let mut records = Vec::new();
        if now > until {
            let rest = HistoryQuery {
                window: Window::Between {
                    since: until,
                    until: Some(now),
                },
                ..query.clone()
            };
            records = broker.records(&rest).try_collect().await?;
        }
        let again = broker.positions(&query.account).await?;
        if quantities(&again) == quantities(&positions) {
            return Ok(Later {
                positions: again,
                records,
            });
        }
        positions = again;
    }
    Err(Error::new(ErrorKind::Unavailable)
        .with_broker(broker.id())
        .with_operation("positions")
        .with_message("positions kept changing while they were compared with the history; ask again"))
}

type PositionKey = (InstrumentId, PositionLeg);

fn quantities(positions: &[Position]) -> BTreeMap<PositionKey, Decimal> {
    positions
        .iter()
        .map(|p| ((p.instrument.clone(), p.leg), p.signed_qty()))
        .collect()
}

/// Positions at the start: those of today less all that moved since.
fn opening(positions: &[Position], rows: Vec<Record>) -> Result<Vec<Opening>> {
    let mut openings = Openings::default();
    for position in positions {
        openings.add(
            &position.instrument,
            &position.symbol,
            position.leg,
            position.signed_qty(),
        )?;
    }
    for record in counting(rows)? {
        match record {
            Record::Fill(fill) => {
                openings.add(&fill.instrument, &fill.symbol, fill.leg, -fill.qty.signed(fill.side))?;
            }
            Record::Fee(Fee {
                asset: Asset::Instrument { id, symbol },
                amount,
                ..
            }) => {
                openings.add(&id, &symbol, PositionLeg::Net, amount)?;
            }
            Record::Flow(Flow {
                asset: Asset::Instrument { id, symbol },
                amount,
                ..
            }) => {
                openings.add(&id, &symbol, PositionLeg::Net, -amount)?;
            }
            Record::Void(_) | Record::Fee(_) | Record::Flow(_) => {}
        }
    }
    Ok(openings
        .0
        .into_values()
        .filter(|opening| !opening.qty.is_zero())
        .collect())
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

async fn instruments(
    broker: &Arc<dyn Broker>,
    records: &[Record],
    opening: &[Opening],
) -> Result<BTreeMap<InstrumentId, Instrument>> {
    let mut ids: BTreeSet<InstrumentId> = opening.iter().map(|opening| opening.instrument.clone()).collect();
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
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let known = broker
        .instruments(&InstrumentQuery::Ids(ids.into_iter().collect()))
        .await?;
    Ok(known
        .into_iter()
        .map(|instrument| (instrument.id.clone(), instrument))
        .collect())
}
