//! What is compared once the pages are read: orders with fills, positions with records.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use broker_core::dedup::{Folded, Row};
use broker_core::model::{Instrument, OrderQuery, Record, RecordKey, Window};
use broker_core::pnl::LotMethod;
use broker_core::{ErrorKind, InstrumentId, InstrumentQuery, OrderId, Proof, Result};
use chrono::{DateTime, TimeDelta, Utc};

use crate::effort::by_class;
use crate::fold::fold;
use crate::history::instruments_of;
use crate::ledger::{Asked, Ledger, Rules};
use crate::orders::{self, Fills};
use crate::planner;
use crate::refold::Reader;
use crate::refold::account::{Account, Begun, FillFacts, Sums};
use crate::refold::trades::Trades;
use crate::report::{OrderCheck, PnlCheck, PositionCheck};
use crate::run::{LEAST_OVERLAP, Run};
use crate::state::{Basis, Holdings};
use crate::store::{KnownOrder, Select, order_of};

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
    /// Compares what is stored with the broker's orders and positions. Only what changed is read.
    pub(crate) async fn check(&mut self) -> Result<Outcome> {
        let account = self.sums().await?;
        let (orders, known_orders, orders_whole) = self.check_orders(account.fills).await?;
        let (positions, opening) = self.check_positions(&account).await?;
        let pnl = self.check_pnl(account.fills, opening.as_ref()).await;
        Ok(Outcome {
            orders,
            known_orders,
            orders_whole,
            positions,
            opening,
            pnl,
        })
    }

    /// Sums of all records; the instruments that are not known are looked up once, and kept.
    async fn sums(&mut self) -> Result<Account> {
        let store = Arc::clone(&self.syncer.store);
        let scope = self.scope.clone();
        let sums = Sums {
            store: &*store,
            scope: &scope,
            rows: self.state.rows,
            positions_cover_fills: self.syncer.broker.capabilities().history.positions_cover_fills,
            counted_from: self.known_opening().map(|opening| opening.at),
        };
        let begun = sums.begin(&BTreeMap::new()).await?;
        let known = self.look_up(&begun).await?;
        if let Some(account) = sums.end(begun, &known).await? {
            return Ok(account);
        }
        // Terms have changed, or are known now.
        let begun = sums.begin(&known).await?;
        let known = store.instruments(&scope, &begun.instruments()).await?;
        let account = sums.end(begun, &known).await?;
        account.ok_or_else(|| {
            self.error(
                ErrorKind::Unavailable,
                "instruments were changed while they were counted",
            )
        })
    }

    /// The instruments of all records: those that are not known, or called otherwise since, are looked up once, and kept.
    async fn look_up(&mut self, begun: &Begun) -> Result<BTreeMap<InstrumentId, Instrument>> {
        let ids = begun.instruments();
        let store = &self.syncer.store;
        let mut known = store.instruments(&self.scope, &ids).await?;
        let renamed = begun.renamed(&known);
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

    async fn check_orders(&mut self, account: FillFacts) -> Result<(OrderCheck, Vec<KnownOrder>, bool)> {
        let (mut orders, since, whole) = match self.list_orders().await? {
            Listed::Orders { orders, since, whole } => (orders, since, whole),
            Listed::Unavailable(reason) => return Ok((OrderCheck::Unavailable(reason), Vec::new(), false)),
        };
        // Fills that name our id alone are found nowhere but among all.
        let folded = if account.lack_ids {
            self.all_rows().await?
        } else {
            let ids = orders.iter().map(|order| order.id.clone()).collect();
            let mut reader = Reader::new(&*self.syncer.store, &self.scope, self.state.rows);
            fold(reader.orders(ids).await?)?
        };
        let fills = Fills::of(&folded, account)?;
        let check = orders::check(&mut orders, &fills, self.covers(), since)?;
        Ok((check, orders, whole))
    }

    async fn all_rows(&self) -> Result<Folded> {
        fold(self.syncer.store.snapshot(&self.scope).await?.rows)
    }

    /// Every order that was placed since the window began, that an earlier sync left open or in doubt, or whose records
    /// are others since.
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
        let mut doubtful = self.syncer.store.doubtful_orders(&self.scope).await?;
        doubtful.extend(self.touched_orders().await?);
        let wanted = doubtful
            .iter()
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

    /// Orders that were compared before, and that rows name which came since: a late fill, a correction, a fee.
    async fn touched_orders(&self) -> Result<Vec<KnownOrder>> {
        let checked = self.state.checked_rows;
        if checked == 0 || checked == self.state.rows {
            return Ok(Vec::new());
        }
        let store = &self.syncer.store;
        let new = store.select(&self.scope, Select::After(checked), None).await?;
        let ids: BTreeSet<OrderId> = new.iter().filter_map(|row| order_of(&row.record)).cloned().collect();
        store.known_orders(&self.scope, &Vec::from_iter(ids)).await
    }

    /// The instruments that history was asked for one by one, or once for all.
    pub(crate) fn asked_instruments(&self) -> BTreeSet<Option<InstrumentId>> {
        let parts = self.state.reading.iter().flat_map(|reading| &reading.parts);
        parts.map(|part| part.instrument.clone()).collect()
    }

    async fn check_positions(&mut self, account: &Account) -> Result<(PositionCheck, Option<Holdings>)> {
        let positions_cover_fills = self.syncer.broker.capabilities().history.positions_cover_fills;
        let asked = if positions_cover_fills {
            Asked::Positions
        } else {
            Asked::PositionsAndBalances
        };
        let Some(stated) = self.stated(asked).await? else {
            let reason = "the broker tells no positions".to_owned();
            return Ok((PositionCheck::Unchecked(reason), self.state.opening.clone()));
        };
        let Some(opening) = self.known_opening() else {
            let opening = stated.minus(&account.ledger)?;
            let opening = self.holdings(Basis::Implied, &opening, asked);
            let count = u64::try_from(opening.holdings.len()).unwrap_or(u64::MAX);
            return Ok((PositionCheck::Implied { opening: count }, Some(opening)));
        };
        let sum = Ledger::held(&opening.holdings)?.plus(&account.ledger)?;
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
        if opening.basis == Basis::Implied
            && let Some(before) = self.opening_without_late_rows(&opening, &sum, &stated, asked).await?
        {
            self.note("rows came late that the opening positions were worked out without: they were worked out again");
            let opening = Holdings {
                holdings: before.holdings(asked),
                ..opening
            };
            return Ok((PositionCheck::Verified { compared }, Some(opening)));
        }
        Ok((PositionCheck::Differs(differences), Some(opening)))
    }

    /// The opening, if rows that came after it was worked out are all that makes `sum` differ.
    async fn opening_without_late_rows(
        &self,
        opening: &Holdings,
        sum: &Ledger,
        stated: &Ledger,
        asked: Asked,
    ) -> Result<Option<Ledger>> {
        let folded = self.all_rows().await?;
        let records = folded.clone().into_booked();
        let instruments = self
            .syncer
            .store
            .instruments(&self.scope, &instruments_of(&records))
            .await?;
        let rules = Rules {
            positions_cover_fills: self.syncer.broker.capabilities().history.positions_cover_fills,
            instruments: &instruments,
        };
        // The venue's clock may be ahead of ours: then what it had counted is stamped later than we asked.
        for ahead in [Duration::ZERO, LEAST_OVERLAP] {
            let late = Ledger::of(late_records(&records, &folded.rows, opening, ahead), rules)?;
            if sum.clone().minus(&late)?.compare(stated, asked).0.is_empty() {
                return Ledger::held(&opening.holdings)?.minus(&late).map(Some);
            }
        }
        Ok(None)
    }

    /// Compares our realized PnL with the broker's, by the broker's lots where it assigns them.
    async fn check_pnl(&self, account: FillFacts, opening: Option<&Holdings>) -> PnlCheck {
        if !account.state_pnl {
            return PnlCheck::NotStated;
        }
        let trades = Trades {
            store: &*self.syncer.store,
            scope: &self.scope,
            method: if account.have_lots {
                LotMethod::BrokerLots
            } else {
                LotMethod::Fifo
            },
            state: &self.state,
            covers: self.covers(),
            opening,
        };
        // Books that cannot be made say nothing about the history.
        let compared = match trades.refold().await {
            Ok(_) => trades.compared().await,
            Err(error) => Err(error),
        };
        match compared {
            Ok((trades, differences)) => PnlCheck::Compared { trades, differences },
            Err(error) => PnlCheck::Unavailable(error.to_string()),
        }
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
