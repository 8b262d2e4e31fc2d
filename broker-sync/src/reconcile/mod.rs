//! Store and broker side by side, now: what differs is named, and what history can repair is read again.

mod cash;
mod compare;
mod report;

use std::sync::Arc;

use broker_core::dedup::{self, Folded, Row};
use broker_core::model::{Account, Balances, Completeness, Record};
use broker_core::{AccountId, Error, ErrorKind, Result};
use chrono::{DateTime, TimeDelta, Utc};

use crate::fold::fold;
use crate::history::{history_of, instruments_of, never_synced};
use crate::ledger::Rules;
use crate::report::OrderCheck;
use crate::state::{Scope, SyncState};
use crate::store::{KnownOrder, MemoryStore, Store};
use crate::syncer::Syncer;
use broker_core::span::Span;

pub use cash::CashCheck;
pub use report::{Difference, FieldDifference, Kind, Reconciliation};

impl Syncer {
    /// Compares what is stored of an account with what the broker says now: records, orders, positions, cash. Every
    /// difference is named; where history can repair it, the span that holds it is read again as a sync reads it. Rows
    /// are never removed and never changed: what the broker tells otherwise is a row beside the old one, and counts.
    ///
    /// The broker is asked for the whole window that the store covers, into memory. What happened since the last sync
    /// is no difference; a sync reads it. A row that the broker does not tell stays, and is named again the next time.
    ///
    /// # Errors
    /// `NotFound`: the account was never synced. `InvalidRequest`: a sync of it was interrupted; sync it first.
    pub async fn reconcile(&self, account: &AccountId) -> Result<Reconciliation> {
        let found = self.account(account).await?;
        let before = self.look(&found).await?;
        let again: Vec<Span> = before.differences.iter().filter_map(|one| one.repair).collect();
        if again.is_empty() {
            return Ok(before.into_reconciliation());
        }
        let repair = self.sync_again(account, Span::union(again)).await?;
        let after = self.look(&found).await?;
        Ok(Reconciliation {
            found: before.differences,
            repair: Some(repair),
            ..after.into_reconciliation()
        })
    }

    /// Reads the broker's side into memory, and compares.
    async fn look(&self, account: &Account) -> Result<Look> {
        let scope = Scope::of(account);
        let state = self.store.progress(&scope).await?;
        let Some(covers) = state.covers.filter(|_| state.reading.is_none()) else {
            return Err(match state.seen() {
                None => never_synced(&scope),
                Some(_) => Error::invalid("a sync of this account was interrupted, or is running")
                    .with_operation("reconcile")
                    .with_help("sync the account to its end, then run this again"),
            });
        };
        let fresh: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut reader = self.clone().with_since(covers.since);
        reader.store = Arc::clone(&fresh);
        reader.sink = None;
        reader.raw = false;
        // A store that knows nothing names no instruments.
        if self.broker.capabilities().history.by_instrument && self.instruments.is_none() {
            reader.instruments = Some(state.instruments.keys().cloned().collect());
        }
        let before = self.balances(account).await?;
        let report = reader.sync(&account.id).await?;
        let balances = cash::still(before, self.balances(account).await?);
        let compared = Span::new(covers.since.max(report.covers.since), covers.until);
        let here = Side::of(&*self.store, &scope).await?;
        let there = Side::of(&*fresh, &scope).await?;
        let mut differences = compare::records(&here.folded, &there.folded, compared);
        differences.extend(compare::orders(&here, &there, &report, compared));
        if let OrderCheck::Checked { failed, .. } = &report.orders {
            differences.extend(failed.iter().map(compare::unfilled));
        }
        let now = now(&here.folded, &there.folded, covers.until)?;
        let theirs = there.folded.into_booked();
        let mut history = history_of(&*self.store, &scope, &here.state, here.folded.into_booked()).await?;
        history.records = now;
        let instruments = fresh.instruments(&scope, &instruments_of(&theirs)).await?;
        history.instruments.extend(instruments);
        let positions_cover_fills = self.broker.capabilities().history.positions_cover_fills;
        let rules = Rules {
            positions_cover_fills,
            instruments: &history.instruments,
        };
        if let (Some(ours), Some(begun)) = (&here.state.opening, &there.state.opening) {
            let (ours, theirs) = ((ours, &*history.records), (begun, &*theirs));
            differences.extend(compare::positions(ours, theirs, rules, &report)?);
        }
        let cash = cash::check(balances, !positions_cover_fills, account, &history, covers);
        differences.extend(cash.iter().filter_map(cash::difference));
        Ok(Look {
            scope,
            compared,
            differences,
            cash,
            unproven: match report.verdict {
                Completeness::Complete => None,
                Completeness::Incomplete { reason, .. } => Some(reason),
            },
        })
    }

    async fn balances(&self, account: &Account) -> Result<Option<Balances>> {
        match self.broker.balances(&account.id).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
            balances => balances.map(Some),
        }
    }
}

/// What one comparison found.
struct Look {
    scope: Scope,
    compared: Span,
    differences: Vec<Difference>,
    cash: Vec<CashCheck>,
    unproven: Option<String>,
}

impl Look {
    fn into_reconciliation(self) -> Reconciliation {
        Reconciliation {
            scope: self.scope,
            compared: self.compared,
            found: self.differences.clone(),
            left: self.differences,
            cash: self.cash,
            unproven: self.unproven,
            repair: None,
        }
    }
}

/// What one side says of the account.
struct Side {
    state: SyncState,
    folded: Folded,
    orders: Vec<KnownOrder>,
}

impl Side {
    async fn of(store: &dyn Store, scope: &Scope) -> Result<Self> {
        let snapshot = store.snapshot(scope).await?;
        Ok(Self {
            state: snapshot.state,
            folded: fold(snapshot.rows)?,
            orders: store.orders(scope).await?,
        })
    }
}

/// The store's rows up to where it ends, and from there on the broker's, which can take back some of the store's:
/// what counts of them.
fn now(here: &Folded, there: &Folded, ends: DateTime<Utc>) -> Result<Vec<Record>> {
    let last = here.rows.iter().map(|row| row.read_at).max().unwrap_or_default();
    let known = here.rows.iter().filter(|row| row.record.booked_at() < ends).cloned();
    let news = there.rows.iter().filter(|row| row.record.booked_at() >= ends);
    let news = news.map(|row| Row {
        record: row.record.clone(),
        read_at: row.read_at.saturating_add(last),
    });
    Ok(dedup::fold(known.chain(news))?.into_booked())
}

/// Whether a record was booked in a span.
fn lies_in(record: &Record, span: Span) -> bool {
    span.contains(record.booked_at())
}

/// A second around a moment.
fn around(at: DateTime<Utc>) -> Span {
    let second = TimeDelta::seconds(1);
    let since = at.checked_sub_signed(second).unwrap_or(at);
    Span::new(since, at.checked_add_signed(second).unwrap_or(at))
}
