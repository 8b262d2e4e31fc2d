//! From the store to the books.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use async_trait::async_trait;
use broker_core::model::{Asset, Completeness, History, Instrument, Opening, Record, Trade};
use broker_core::pnl::{Books, LotMethod};
use broker_core::span::Span;
use broker_core::{Error, ErrorKind, InstrumentId, Result};

use crate::export::{self, Export, Exported};
use crate::fold::fold;
use crate::ledger::{Asked, Ledger, Rules};
use crate::refold::{Refolded, trades};
use crate::report::SyncReport;
use crate::reread::{self, ReadPage, Reread};
use crate::state::{Holdings, Scope, SyncState};
use crate::store::Store;

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

    /// Brings the trades that are kept of an account up to date with its rows: only records from where something
    /// changed are folded again, so that a day more costs what a day holds, and not what five years hold. A late row, a
    /// correction or a void is folded from the last mark before the time of what it changes; other opening positions
    /// from the start, and other terms of an instrument from before its first record. Trades of several methods are
    /// kept side by side.
    ///
    /// # Errors
    /// `NotFound`: nothing of the account is stored. `Unavailable`: it is being folded elsewhere; run this again.
    async fn refold(&self, scope: &Scope, method: LotMethod) -> Result<Refolded>;

    /// The trades that were closed in a span, or all that were closed, by the time they were: up to date, see
    /// [`refold`](Self::refold).
    async fn closed_trades_in(&self, scope: &Scope, method: LotMethod, span: Option<Span>) -> Result<Vec<Trade>>;

    /// The books without trades that are closed: what is open, and all sums. Up to date, see [`refold`](Self::refold).
    async fn open_books(&self, scope: &Scope, method: LotMethod) -> Result<Books>;

    /// The whole books, up to date, see [`refold`](Self::refold): what folding [`history`](Self::history) gives.
    async fn books(&self, scope: &Scope, method: LotMethod) -> Result<Books>;

    /// Writes what is stored of these accounts, one after another, as CSV or JSON Lines.
    ///
    /// Rows are written as they come: what is held in memory is what [`Store::snapshot`] gives of one account at a
    /// time, its records without page texts; for trades, what [`history`](Self::history) and the books need. Nothing
    /// of the file is.
    ///
    /// # Errors
    /// `NotFound`: an account was never synced. An error leaves the file cut off.
    async fn export(&self, scopes: &[Scope], export: Export, writer: &mut (dyn Write + Send)) -> Result<Exported>;

    /// Reads the texts of stored pages again, with a version of the broker's crate that understands more, and stores
    /// what is new or reads otherwise. The rows from before stay, and count no more. Texts are kept where the syncer
    /// was told [`with_raw`](crate::Syncer::with_raw).
    ///
    /// Nothing that a later page has replaced comes back, whether or not that page's text was kept. A row that its
    /// text no longer gives stays, for rows are never removed. Run twice, or dropped and run again, it comes to the
    /// same set. The next sync checks orders and positions against it.
    ///
    /// # Errors
    /// `NotFound`: the account was never synced. `InvalidRequest`: a sync of it was interrupted, or is running. An
    /// error of the reader ends it before anything is stored.
    async fn reread(&self, scope: &Scope, read: &ReadPage<'_>) -> Result<Reread>;
}

#[async_trait]
impl<S: Store + ?Sized> StoreExt for S {
    async fn records(&self, scope: &Scope) -> Result<Vec<Record>> {
        Ok(fold(self.snapshot(scope).await?.rows)?.into_booked())
    }

    async fn history(&self, scope: &Scope) -> Result<History> {
        let snapshot = self.snapshot(scope).await?;
        history_of(self, scope, &snapshot.state, fold(snapshot.rows)?.into_booked()).await
    }

    async fn refold(&self, scope: &Scope, method: LotMethod) -> Result<Refolded> {
        let state = self.progress(scope).await?;
        trades::of_store(self, scope, method, &state)?.refold().await
    }

    async fn closed_trades_in(&self, scope: &Scope, method: LotMethod, span: Option<Span>) -> Result<Vec<Trade>> {
        let state = self.progress(scope).await?;
        let trades = trades::of_store(self, scope, method, &state)?;
        trades.refold().await?;
        let closed = trades.closed(span).await?.into_iter();
        Ok(closed.map(|closed| closed.trade).collect())
    }

    async fn open_books(&self, scope: &Scope, method: LotMethod) -> Result<Books> {
        let state = self.progress(scope).await?;
        let trades = trades::of_store(self, scope, method, &state)?;
        trades.refold().await?;
        trades.books(Vec::new()).await
    }

    async fn books(&self, scope: &Scope, method: LotMethod) -> Result<Books> {
        let state = self.progress(scope).await?;
        let trades = trades::of_store(self, scope, method, &state)?;
        trades.refold().await?;
        trades.books(trades.closed(None).await?).await
    }

    async fn export(&self, scopes: &[Scope], export: Export, writer: &mut (dyn Write + Send)) -> Result<Exported> {
        export::export(self, scopes, export, writer).await
    }

    async fn reread(&self, scope: &Scope, read: &ReadPage<'_>) -> Result<Reread> {
        reread::reread(self, scope, read).await
    }
}

/// The records that count of an account whose sync stands there, with all that the store knows about them.
pub(crate) async fn history_of<S: Store + ?Sized>(
    store: &S,
    scope: &Scope,
    state: &SyncState,
    records: Vec<Record>,
) -> Result<History> {
    let covers = state.seen().ok_or_else(|| never_synced(scope))?;
    let instruments = store.instruments(scope, &instruments_of(&records)).await?;
    Ok(History {
        account: scope.account.clone(),
        since: covers.since,
        until: covers.until,
        opening: openings(state.opening.as_ref(), &records, &instruments)?,
        records,
        instruments,
        pages: state.pages,
        completeness: completeness(state, store.reports(scope).await?.pop()),
    })
}

pub(crate) fn never_synced(scope: &Scope) -> Error {
    Error::new(ErrorKind::NotFound)
        .with_operation("store")
        .with_message(format!("nothing is stored of {scope}"))
        .with_help("sync the account first")
}

/// What the last sync could vouch for; nothing, where it was interrupted.
pub(crate) fn completeness(state: &SyncState, last: Option<SyncReport>) -> Completeness {
    match last.filter(|_| state.reading.is_none()) {
        Some(report) => report.verdict,
        None => Completeness::Incomplete {
            ranges: state.seen().map(|seen| (seen.since, seen.until)).into_iter().collect(),
            reason: "the sync was interrupted".to_owned(),
        },
    }
}

/// The instruments that records are about.
pub(crate) fn instruments_of(records: &[Record]) -> Vec<InstrumentId> {
    let ids: BTreeSet<&InstrumentId> = records.iter().filter_map(Record::instrument).collect();
    ids.into_iter().cloned().collect()
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
