//! What is compared once the pages are read: orders with fills, positions with records.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use broker_core::dedup::{Folded, Row};
use broker_core::model::{Completeness, History, Instrument, LotUse, OrderQuery, Record, RecordKey, Window};
use broker_core::pnl::{Books, TradeBook};
use broker_core::{ErrorKind, InstrumentId, InstrumentQuery, Proof, Result, Symbol};
use chrono::{DateTime, TimeDelta, Utc};

use crate::effort::by_class;
use crate::fold::{counted, fold};
use crate::history::{instruments_of, openings};
use crate::ledger::{Asked, Ledger, Rules};
use crate::orders::{self, Fills};
use crate::planner;
use crate::report::{OrderCheck, PnlCheck, PnlDifference, PositionCheck};
use crate::run::{LEAST_OVERLAP, Run};
use crate::state::{Basis, Holdings};
use crate::store::KnownOrder;

/// What the checks found.
pub(crate) struct Outcome {
    pub(crate) orders: OrderCheck,
    pub(crate) known_orders: Vec<KnownOrder>,
    /// Whether every order was listed.
    pub(crate) orders_whole: bool,
    pub(crate) positions: PositionCheck,
    pub(crate) opening: Option<Holdings>,
    pub(crate) pnl: PnlCheck,
}

impl Outcome {
    /// Whether nothing contradicts the records. What could not be checked contradicts nothing.
    pub(crate) fn agrees(&self) -> bool {
        let orders = match &self.orders {
            OrderCheck::Checked { failed, .. } => failed.is_empty(),
            OrderCheck::Unavailable(_) => true,
        };
        orders && !matches!(self.positions, PositionCheck::Differs(_))
    }
}

/// Orders as the broker lists them.
enum Listed {
    Orders {
        orders: Vec<KnownOrder>,
        since: DateTime<Utc>,
        whole: bool,
    },
    Unavailable(String),
}

impl Run<'_> {
    /// Compares what is stored with the broker's orders and positions.
    pub(crate) async fn check(&mut self) -> Result<Outcome> {
        let folded = fold(self.syncer.store.snapshot(&self.scope).await?.rows)?;
        let records = counted(&folded);
        let instruments = self.look_up(&records).await?;
        let (orders, known_orders, orders_whole) = self.check_orders(&records, &folded).await?;
        let (positions, opening) = self.check_positions(&records, &folded.rows, &instruments).await?;
        let pnl = self.check_pnl(records, instruments, opening.as_ref())?;
        Ok(Outcome {
            orders,
            known_orders,
            orders_whole,
            positions,
            opening,
            pnl,
        })
    }

    /// The instruments of the records: those that are not known are looked up once, and kept.
    async fn look_up(&mut self, records: &[Record]) -> Result<BTreeMap<InstrumentId, Instrument>> {
        let ids = instruments_of(records);
        let store = &self.syncer.store;
        let mut known = store.instruments(&self.scope, &ids).await?;
        let renamed = renamed(records, &known);
        let is_due = |id: &InstrumentId| !known.contains_key(id) || renamed.contains(id);
        let unknown: Vec<InstrumentId> = ids.into_iter().filter(is_due).collect();
        if unknown.is_empty() {
            return Ok(known);
        }
        let asked = unknown.len();
        let found = match self.syncer.broker.instruments(&InstrumentQuery::Ids(unknown)).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => Vec::new(),
            found => {
                let found = found?;
                self.count_lookups(&found, asked);
                found
            }
        };
        store.keep_instruments(&self.scope, &found).await?;
        if found.len() < asked {
            let missing = asked.saturating_sub(found.len());
            self.note(format!(
                "the broker does not know {missing} of the instruments any more"
            ));
        }
        known.extend(found.into_iter().map(|instrument| (instrument.id.clone(), instrument)));
        Ok(known)
    }

    /// One call, but as many requests as the broker's facts say.
    fn count_lookups(&mut self, found: &[Instrument], asked: usize) {
        let facts = &self.syncer.broker.capabilities().history.lookups;
        let classes = by_class(found, asked);
        let requests = planner::lookups(facts, &classes).map(|(requests, _)| requests);
        // A broker that says nothing of it is taken to need one.
        self.requests += requests.sum::<u64>().max(1);
        self.meter.looked_up(classes);
    }

    async fn check_orders(
        &mut self,
        records: &[Record],
        folded: &Folded,
    ) -> Result<(OrderCheck, Vec<KnownOrder>, bool)> {
        let (mut orders, since, whole) = match self.list_orders().await? {
            Listed::Orders { orders, since, whole } => (orders, since, whole),
            Listed::Unavailable(reason) => return Ok((OrderCheck::Unavailable(reason), Vec::new(), false)),
        };
        let fills = Fills::of(records, &folded.rows)?;
        let check = orders::check(&mut orders, &fills, self.covers(), since)?;
        Ok((check, orders, whole))
    }

    /// Every order that was placed since the window began, or that an earlier sync left open or in doubt.
    async fn list_orders(&mut self) -> Result<Listed> {
        let now = self.syncer.clock().now();
        let since = self.orders_since(now).await?;
        let window = Window::Between { since, until: None };
        let mut orders = BTreeMap::new();
        let mut whole = true;
        for instrument in self.asked_instruments() {
            let mut query = OrderQuery::placed(&self.account.id, window);
            query.instrument = instrument;
            let mut cursor = None;
            loop {
                let asked = self.syncer.clock().elapsed();
                let page = self.syncer.broker.orders(&query, cursor.as_ref()).await;
                let page = match page {
                    Err(error) if error.kind() == ErrorKind::Unsupported => {
                        return Ok(Listed::Unavailable("the broker tells no orders".to_owned()));
                    }
                    page => page?,
                };
                self.requests += 1;
                self.answered(asked);
                whole &= page.proof != Proof::Capped;
                orders.extend(page.rows.iter().map(|order| (order.id.clone(), KnownOrder::of(order))));
                if let Some(wait) = page.wait {
                    self.syncer.clock().sleep(wait).await;
                }
                if page.next.is_none() && page.wait.is_none() {
                    break;
                }
                if page.wait.is_none() && page.next == cursor {
                    return Err(self.error(ErrorKind::Protocol, "the cursor of the broker's orders does not move"));
                }
                cursor = page.next.or(cursor);
            }
        }
        if !whole {
            self.note("the broker cut its list of orders short: not all of them were compared");
        }
        self.meter.listed(orders.len(), since);
        Ok(Listed::Orders {
            orders: orders.into_values().collect(),
            since,
            whole,
        })
    }

    async fn orders_since(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>> {
        let covers = self.covers();
        let read = self.state.reading.iter().flat_map(|reading| &reading.parts);
        let first_read = read.map(|part| part.span.since).min().unwrap_or(covers.since);
        let known = self.syncer.store.orders(&self.scope).await?;
        let doubtful = known.iter().filter(|order| !order.is_final || !order.is_settled);
        let wanted = doubtful
            .filter_map(|order| order.created_at)
            .chain([first_read])
            .min()
            .unwrap_or(first_read)
            .max(covers.since);
        let depth = self.syncer.broker.capabilities().history.order_depth;
        let reach = depth
            .and_then(|depth| chrono::Duration::from_std(depth).ok())
            .and_then(|depth| now.checked_sub_signed(depth));
        Ok(reach.map_or(wanted, |reach| wanted.max(reach)))
    }

    /// The instruments that history was asked for one by one, or once for all.
    pub(crate) fn asked_instruments(&self) -> BTreeSet<Option<InstrumentId>> {
        let parts = self.state.reading.iter().flat_map(|reading| &reading.parts);
        parts.map(|part| part.instrument.clone()).collect()
    }

    async fn check_positions(
        &mut self,
        records: &[Record],
        rows: &[Row],
        instruments: &BTreeMap<InstrumentId, Instrument>,
    ) -> Result<(PositionCheck, Option<Holdings>)> {
        let rules = Rules {
            positions_cover_fills: self.syncer.broker.capabilities().history.positions_cover_fills,
            instruments,
        };
        let asked = if rules.positions_cover_fills {
            Asked::Positions
        } else {
            Asked::PositionsAndBalances
        };
        let Some(stated) = self.stated(asked).await? else {
            let reason = "the broker tells no positions".to_owned();
            return Ok((PositionCheck::Unchecked(reason), self.state.opening.clone()));
        };
        let Some(opening) = self.known_opening() else {
            let opening = stated.minus(&Ledger::of(records, rules)?)?;
            let opening = self.holdings(Basis::Implied, &opening, asked);
            let count = u64::try_from(opening.holdings.len()).unwrap_or(u64::MAX);
            return Ok((PositionCheck::Implied { opening: count }, Some(opening)));
        };
        let counts = |record: &&Record| record.booked_at() >= opening.at;
        let changes = Ledger::of(records.iter().filter(counts), rules)?;
        let sum = Ledger::held(&opening.holdings)?.plus(&changes)?;
        let (differences, compared) = sum.compare(&stated, asked);
        let rounded: Vec<&str> = sum.rounded().map(|coin| coin.code()).collect();
        if !rounded.is_empty() {
            let coins = rounded.join(", ");
            self.note(format!(
                "what trades cost is rounded by the venue: the balance of {coins} was not compared"
            ));
        }
        if differences.is_empty() {
            return Ok((PositionCheck::Verified { compared }, Some(opening)));
        }
        // The venue's clock may be ahead of ours: then what it had counted is stamped later than we asked.
        for ahead in [Duration::ZERO, LEAST_OVERLAP] {
            let late = Ledger::of(late_records(records, rows, &opening, ahead), rules)?;
            if opening.basis != Basis::Implied || !sum.clone().minus(&late)?.compare(&stated, asked).0.is_empty() {
                continue;
            }
            self.note("rows came late that the opening positions were worked out without: they were worked out again");
            let before = Ledger::held(&opening.holdings)?.minus(&late)?;
            let opening = Holdings {
                holdings: before.holdings(asked),
                ..opening
            };
            return Ok((PositionCheck::Verified { compared }, Some(opening)));
        }
        Ok((PositionCheck::Differs(differences), Some(opening)))
    }

    /// Compares our realized PnL with the broker's, by the broker's lots where it assigns them.
    fn check_pnl(
        &self,
        records: Vec<Record>,
        instruments: BTreeMap<InstrumentId, Instrument>,
        opening: Option<&Holdings>,
    ) -> Result<PnlCheck> {
        let fills = || {
            records.iter().filter_map(|record| match record {
                Record::Fill(fill) => Some(fill),
                Record::Void(_) | Record::Fee(_) | Record::Flow(_) => None,
            })
        };
        let states = |lots: &[LotUse]| lots.iter().any(|lot| lot.pnl.is_some());
        if !fills().any(|fill| fill.pnl.is_some() || states(&fill.lots)) {
            return Ok(PnlCheck::NotStated);
        }
        let book = if fills().any(|fill| !fill.lots.is_empty()) {
            TradeBook::broker_lots()
        } else {
            TradeBook::fifo()
        };
        let covers = self.covers();
        let history = History {
            account: self.account.id.clone(),
            since: covers.since,
            until: covers.until,
            opening: openings(opening, &records, &instruments)?,
            records,
            instruments,
            pages: self.state.pages,
            completeness: Completeness::Complete,
        };
        // Books that cannot be made say nothing about the history.
        Ok(match book.fold(&history) {
            Ok(books) => compare(&books),
            Err(error) => PnlCheck::Unavailable(error.to_string()),
        })
    }

    /// What the broker says that the account holds now; `None` where it cannot tell.
    async fn stated(&mut self, asked: Asked) -> Result<Option<Ledger>> {
        self.requests += 1;
        let positions = match self.syncer.broker.positions(&self.account.id).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
            positions => positions?,
        };
        let balances = match asked {
            Asked::Positions => None,
            Asked::PositionsAndBalances => {
                self.requests += 1;
                Some(self.syncer.broker.balances(&self.account.id).await?)
            }
        };
        Ledger::stated(&positions, balances.as_ref()).map(Some)
    }

    /// The opening as it is known before this check: nothing, where the account was born inside the window.
    fn known_opening(&self) -> Option<Holdings> {
        let covers = self.covers();
        if self
            .account
            .opened_at
            .is_some_and(|opened_at| covers.contains(opened_at))
        {
            return Some(self.holdings(Basis::Flat, &Ledger::default(), Asked::Positions));
        }
        self.state.opening.clone()
    }

    fn holdings(&self, basis: Basis, ledger: &Ledger, asked: Asked) -> Holdings {
        Holdings {
            at: self.covers().since,
            stated_at: self.syncer.clock().now(),
            rows: self.state.rows,
            basis,
            coins_apart: !self.syncer.broker.capabilities().history.positions_cover_fills,
            holdings: ledger.holdings(asked),
        }
    }
}

/// Instruments whose fills changed their symbol to one that is not the kept one. One that the broker always spells
/// differently on fills is none of them.
fn renamed(records: &[Record], known: &BTreeMap<InstrumentId, Instrument>) -> BTreeSet<InstrumentId> {
    let mut names: BTreeMap<&InstrumentId, (&Symbol, bool)> = BTreeMap::new();
    for record in records {
        if let Record::Fill(fill) = record {
            let name = names.entry(&fill.instrument).or_insert((&fill.symbol, false));
            if *name.0 != fill.symbol {
                *name = (&fill.symbol, true);
            }
        }
    }
    let is_new = |(id, (symbol, changed)): &(&InstrumentId, (&Symbol, bool))| {
        *changed && known.get(*id).is_some_and(|instrument| instrument.symbol != **symbol)
    };
    names.into_iter().filter(is_new).map(|(id, _)| id.clone()).collect()
}

/// Records of the time before the opening was worked out that were only read after it.
fn late_records<'a>(records: &'a [Record], rows: &[Row], opening: &Holdings, ahead: Duration) -> Vec<&'a Record> {
    let stated_at = opening
        .stated_at
        .checked_add_signed(TimeDelta::from_std(ahead).unwrap_or_default());
    let stated_at = stated_at.unwrap_or(opening.stated_at);
    let in_time: HashSet<RecordKey> = rows
        .iter()
        .filter(|row| row.read_at <= opening.rows)
        .map(|row| row.record.key())
        .collect();
    let is_late = |record: &&Record| {
        let at = record.booked_at();
        opening.at <= at && at < stated_at && !in_time.contains(&record.key())
    };
    records.iter().filter(is_late).collect()
}

fn compare(books: &Books) -> PnlCheck {
    let differences = books.disagreements().filter_map(|row| {
        let trade = books.trades.get(row.trade)?;
        Some(PnlDifference {
            symbol: trade.symbol.clone(),
            closed_at: trade.closed_at,
            ours: row.ours,
            broker: row.broker,
        })
    });
    PnlCheck::Compared {
        trades: u64::try_from(books.broker_pnl.len()).unwrap_or(u64::MAX),
        differences: differences.collect(),
    }
}
