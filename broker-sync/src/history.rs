//! From the store to the books.

use async_trait::async_trait;
use broker_core::model::{Asset, Completeness, History, Instrument, Opening, Record};
use broker_core::{Error, ErrorKind, InstrumentId, Result};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

use crate::fold::fold;
use crate::ledger::{Asked, Ledger, Rules};
use crate::proof::booked_at;
use crate::state::{Scope, SyncState};
use crate::store::Store;

/// What every [`Store`] can do on top of its own calls.
#[async_trait]
pub trait StoreExt: Store {
    /// The records that count: corrections applied, voided fills out, each once, sorted by time and key.
    async fn records(&self, scope: &Scope) -> Result<Vec<Record>>;

    /// All that is stored of an account, for the books: records, instruments, opening positions, and whether the
    /// last sync could vouch for it.
    ///
    /// # Errors
    /// `NotFound` when nothing of the account is stored.
    async fn history(&self, scope: &Scope) -> Result<History>;
}

#[async_trait]
impl<S: Store + ?Sized> StoreExt for S {
    async fn records(&self, scope: &Scope) -> Result<Vec<Record>> {
        Ok(fold(&self.snapshot(scope).await?.rows))
    }

    async fn history(&self, scope: &Scope) -> Result<History> {
        let snapshot = self.snapshot(scope).await?;
        let state = snapshot.state;
        let read = state.reading.as_ref().map(|reading| reading.asked);
        let Some(covers) = state.covers.into_iter().chain(read).reduce(crate::span::Span::hull) else {
            return Err(Error::new(ErrorKind::NotFound)
                .with_operation("store")
                .with_message(format!("nothing is stored of {scope}"))
                .with_help("sync the account first"));
        };
        let records = fold(&snapshot.rows);
        let ids: BTreeSet<InstrumentId> = records
            .iter()
            .filter_map(crate::check::instrument_of)
            .cloned()
            .collect();
        let ids: Vec<InstrumentId> = ids.into_iter().collect();
        let instruments = self.instruments(scope, &ids).await?;
        let last = self.reports(scope).await?.pop();
        let completeness = match last.filter(|_| state.reading.is_none()) {
            Some(report) => report.verdict,
            None => Completeness::Incomplete {
                ranges: vec![(covers.since, covers.until)],
                reason: "the sync was interrupted".to_owned(),
            },
        };
        Ok(History {
            account: scope.account.clone(),
            since: covers.since,
            until: covers.until,
            opening: opening(&state, &records, &instruments)?,
            records,
            instruments,
            pages: 0,
            completeness,
        })
    }
}

/// Positions before the first record. A price is never known: they were worked out from quantities.
fn opening(
    state: &SyncState,
    records: &[Record],
    instruments: &BTreeMap<InstrumentId, Instrument>,
) -> Result<Vec<Opening>> {
    let Some(known) = &state.opening else {
        return Ok(Vec::new());
    };
    let rules = Rules {
        positions_cover_fills: true,
        instruments,
    };
    // The window may have been widened to the past since the opening was worked out.
    let at: DateTime<Utc> = known.at;
    let earlier = Ledger::of(records.iter().filter(|record| booked_at(record) < at), rules)?;
    let opening = Ledger::held(&known.holdings)?.minus(&earlier)?;
    let positions = opening.holdings(Asked::Positions).into_iter();
    Ok(positions
        .filter_map(|holding| match holding.asset {
            Asset::Instrument { id, symbol } => Some(Opening {
                instrument: id,
                symbol,
                leg: holding.leg,
                qty: holding.qty,
                price: None,
            }),
            Asset::Currency(_) => None,
        })
        .collect())
}
