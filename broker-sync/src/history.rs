//! From the store to the books.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use broker_core::model::{Asset, Completeness, History, Instrument, Opening, Record};
use broker_core::{Error, ErrorKind, InstrumentId, Result};

use crate::fold::{counted, fold};
use crate::ledger::{Asked, Ledger, Rules};
use crate::state::{Holdings, Scope};
use crate::store::Store;
use broker_core::span::Span;

/// What every [`Store`] can do on top of its own calls.
#[async_trait]
pub trait StoreExt: Store {
    /// The records that count, sorted by time and key: corrections applied, voided fills out, but for their fees,
    /// which were charged all the same.
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
        Ok(counted(&fold(self.snapshot(scope).await?.rows)?))
    }

    async fn history(&self, scope: &Scope) -> Result<History> {
        let snapshot = self.snapshot(scope).await?;
        let state = snapshot.state;
        let read = state.reading.as_ref().map(|reading| reading.asked);
        let Some(covers) = state.covers.into_iter().chain(read).reduce(Span::hull) else {
            return Err(Error::new(ErrorKind::NotFound)
                .with_operation("store")
                .with_message(format!("nothing is stored of {scope}"))
                .with_help("sync the account first"));
        };
        let records = counted(&fold(snapshot.rows)?);
        let instruments = self.instruments(scope, &instruments_of(&records)).await?;
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
            opening: openings(state.opening.as_ref(), &records, &instruments)?,
            records,
            instruments,
            pages: state.pages,
            completeness,
        })
    }
}

/// The instruments that records are about.
pub(crate) fn instruments_of(records: &[Record]) -> Vec<InstrumentId> {
    let ids: BTreeSet<&InstrumentId> = records.iter().filter_map(instrument_of).collect();
    ids.into_iter().cloned().collect()
}

fn instrument_of(record: &Record) -> Option<&InstrumentId> {
    match record {
        Record::Fill(fill) => Some(&fill.instrument),
        Record::Void(_) => None,
        Record::Fee(fee) => of_asset(&fee.asset).or(fee.instrument.as_ref()),
        Record::Flow(flow) => of_asset(&flow.asset).or(flow.instrument.as_ref()),
    }
}

fn of_asset(asset: &Asset) -> Option<&InstrumentId> {
    match asset {
        Asset::Instrument { id, .. } => Some(id),
        Asset::Currency(_) => None,
    }
}

/// Positions before the first record. A price is never known: they were worked out from quantities.
pub(crate) fn openings(
    known: Option<&Holdings>,
    records: &[Record],
    instruments: &BTreeMap<InstrumentId, Instrument>,
) -> Result<Vec<Opening>> {
    let Some(known) = known else {
        return Ok(Vec::new());
    };
    let rules = Rules {
        positions_cover_fills: !known.coins_apart,
        instruments,
    };
    // The window may have been widened to the past since the opening was worked out.
    let earlier = records.iter().filter(|record| record.booked_at() < known.at);
    let opening = Ledger::held(&known.holdings)?.minus(&Ledger::of(earlier, rules)?)?;
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
