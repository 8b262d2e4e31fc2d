//! Out of the store, into files that other programs read.

mod columns;
mod csv;
mod lines;
mod mask;
mod trades;
mod values;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};

use broker_core::model::{Completeness, Record, Trade};
use broker_core::pnl::{LotMethod, TradeBook};
use broker_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::fold::fold;
use crate::history::{StoreExt, completeness, never_synced};
use crate::state::Scope;
use crate::store::{Snapshot, Store, StoredRow};
use csv::Csv;
use mask::Mask;

pub use lines::{Line, read_lines};

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Table {
    /// Fills, voids, fees and flows in one list.
    Records,
    /// Executions.
    Fills,
    /// What was taken back.
    Voids,
    /// Fees that were posted apart from their fills, and those of fills that were taken back.
    Fees,
    /// What moved without a fill.
    Flows,
    /// Round trips, closed and open.
    Trades,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Comma-separated values by RFC 4180, for spreadsheets: UTF-8, a line of column names, each line ended by CR LF.
    ///
    /// Text that a spreadsheet would take for a formula, or that begins with an apostrophe, has an apostrophe put
    /// before it; numbers are written bare, negative ones too.
    Csv,
    /// One JSON object a line, each line ended by LF: a [`Line`], which [`read_lines`] reads back.
    JsonLines,
}

/// What to write, and how. The default leaves account numbers masked and tells what counts.
///
/// ```
/// use broker_sync::{Export, MemoryStore, StoreExt, Table};
/// # broker_core::seam::VirtualRuntime::new().block_on(async {
/// let store = MemoryStore::new(); // or a SqliteStore, with accounts synced
/// let mut file = Vec::new(); // or a File
/// # let scopes = broker_sync::Store::scopes(&store).await?;
/// let done = store.export(&scopes, Export::csv(Table::Fills), &mut file).await?;
/// assert!(file.starts_with(b"broker,environment,account,id,at,symbol,"));
/// assert!(done.incomplete.is_empty(), "part of the history is not proven");
/// # Ok::<(), broker_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Export {
    /// What.
    pub table: Table,
    /// How.
    pub format: Format,
    /// Whether account numbers are written whole.
    pub whole_accounts: bool,
    /// Whether every stored row is written, and not what counts.
    pub every_row: bool,
    /// How lots are closed, for trades.
    pub lots: LotMethod,
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exported {
    /// Rows, the line of column names not counted.
    pub rows: u64,
    /// Accounts whose history is not proven complete, and why. The file itself does not say so.
    pub incomplete: Vec<(Scope, String)>,
}

impl Export {
    /// A table for a spreadsheet.
    pub fn csv(table: Table) -> Self {
        Self::new(table, Format::Csv)
    }

    /// A table for a program: all that is stored of each row.
    pub fn json_lines(table: Table) -> Self {
        Self::new(table, Format::JsonLines)
    }

    fn new(table: Table, format: Format) -> Self {
        Self {
            table,
            format,
            whole_accounts: false,
            every_row: false,
            lots: LotMethod::Fifo,
        }
    }

    /// Writes account numbers whole. Without it they are masked wherever they stand as a word of a text too.
    #[must_use]
    pub fn with_whole_accounts(mut self) -> Self {
        self.whole_accounts = true;
        self
    }

    /// Writes every stored row, in the order of reading: superseded versions and what was taken back too, with
    /// `read_order` and `read_at`. Do not sum these up. Trades are not touched by it.
    #[must_use]
    pub fn with_every_row(mut self) -> Self {
        self.every_row = true;
        self
    }

    /// Closes the lots of trades by this method; FIFO without it.
    #[must_use]
    pub fn with_lots(mut self, method: LotMethod) -> Self {
        self.lots = method;
        self
    }

    fn has_read_columns(self) -> bool {
        self.every_row && self.table != Table::Trades
    }
}

impl Table {
    /// The columns of its CSV, each with its meaning, in order.
    pub fn columns(self) -> Vec<(&'static str, &'static str)> {
        columns::of(self)
    }

    fn holds(self, record: &Record) -> bool {
        match self {
            Self::Records => true,
            Self::Fills => matches!(record, Record::Fill(_)),
            Self::Voids => matches!(record, Record::Void(_)),
            Self::Fees => matches!(record, Record::Fee(_)),
            Self::Flows => matches!(record, Record::Flow(_)),
            Self::Trades => false,
        }
    }
}

/// Writes the table of each scope, one after another.
pub(crate) async fn export<S: Store + ?Sized>(
    store: &S,
    scopes: &[Scope],
    export: Export,
    writer: &mut (dyn Write + Send),
) -> Result<Exported> {
    let mut file = File::begin(export, writer)?;
    for scope in scopes {
        if export.table == Table::Trades {
            let history = store.history(scope).await?;
            let verdict = history.completeness.clone();
            let books = TradeBook::new(export.lots).fold(&history)?;
            drop(history);
            file.trades(scope, books.trades)?;
            file.vouch(scope, verdict);
            continue;
        }
        let Snapshot { state, rows } = store.snapshot(scope).await?;
        if state.revision == 0 {
            return Err(never_synced(scope));
        }
        file.vouch(scope, completeness(&state, store.reports(scope).await?.pop()));
        if export.every_row {
            file.stored(scope, rows)?;
        } else {
            file.counting(scope, rows)?;
        }
    }
    file.end()
}

/// The file while it is written: a row at a time.
struct File<'a> {
    export: Export,
    csv: Csv,
    writer: BufWriter<&'a mut (dyn Write + Send)>,
    done: Exported,
}

impl<'a> File<'a> {
    fn begin(export: Export, writer: &'a mut (dyn Write + Send)) -> Result<Self> {
        let mut file = Self {
            export,
            csv: Csv::new(export.table, export.has_read_columns()),
            writer: BufWriter::new(writer),
            done: Exported::default(),
        };
        if export.format == Format::Csv {
            let head = file.csv.head();
            file.write(head.as_bytes())?;
        }
        Ok(file)
    }

    fn vouch(&mut self, scope: &Scope, verdict: Completeness) {
        match verdict {
            Completeness::Complete => {}
            Completeness::Incomplete { reason, .. } => self.done.incomplete.push((scope.clone(), reason)),
        }
    }

    /// Every row, as it was read.
    fn stored(&mut self, scope: &Scope, rows: Vec<StoredRow>) -> Result<()> {
        let mask = self.mask(scope);
        for row in rows {
            let read = Some((row.read_order, row.read_at));
            self.record(&mask, row.record, read)?;
        }
        Ok(())
    }

    /// What counts, and what took back the rest, by time.
    fn counting(&mut self, scope: &Scope, rows: Vec<StoredRow>) -> Result<()> {
        let folded = fold(rows)?;
        let is_void = |record: &&Record| matches!(record, Record::Void(_));
        let voids: Vec<Record> = folded
            .rows
            .iter()
            .map(|row| &row.record)
            .filter(is_void)
            .cloned()
            .collect();
        let mut records = folded.into_booked();
        // The same void may have been read in several words; by its key it is one.
        let mut known = BTreeSet::new();
        let voids = voids.into_iter().rev().filter(|void| known.insert(void.key()));
        let before = records.len();
        records.extend(voids);
        if records.len() > before {
            records.sort_by_cached_key(|record| (record.at(), record.key()));
        }
        let mask = self.mask(scope);
        records
            .into_iter()
            .try_for_each(|record| self.record(&mask, record, None))
    }

    fn mask(&self, scope: &Scope) -> Mask {
        Mask::new(scope, self.export.whole_accounts)
    }

    fn record(&mut self, mask: &Mask, record: Record, read: Option<lines::Read>) -> Result<()> {
        if !self.export.table.holds(&record) {
            return Ok(());
        }
        match self.export.format {
            Format::Csv => {
                let line = self.csv.record(mask, &record, read);
                self.row(line.as_bytes())
            }
            Format::JsonLines => self.line(Line::new(mask.scope(), read, mask.record(record))),
        }
    }

    fn trades(&mut self, scope: &Scope, trades: Vec<Trade>) -> Result<()> {
        let mask = self.mask(scope);
        for trade in trades {
            match self.export.format {
                Format::Csv => {
                    let line = self.csv.trade(&mask, &trade);
                    self.row(line.as_bytes())?;
                }
                Format::JsonLines => self.line(Line::new(mask.scope(), None, mask.trade(trade)))?,
            }
        }
        Ok(())
    }

    fn line<T: Serialize>(&mut self, line: Line<T>) -> Result<()> {
        let mut text =
            serde_json::to_string(&line).map_err(|error| Error::decode("what is to be exported").with_source(error))?;
        text.push('\n');
        self.row(text.as_bytes())
    }

    fn row(&mut self, line: &[u8]) -> Result<()> {
        self.done.rows += 1;
        self.write(line)
    }

    fn write(&mut self, text: &[u8]) -> Result<()> {
        self.writer.write_all(text).map_err(unwritten)
    }

    fn end(mut self) -> Result<Exported> {
        self.writer.flush().map_err(unwritten)?;
        Ok(self.done)
    }
}

fn unwritten(error: io::Error) -> Error {
    Error::new(ErrorKind::Unknown)
        .with_operation("export")
        .with_message("the file cannot be written")
        .with_help("make room on the disk or check the permissions, then export again into a new file")
        .with_source(error)
}
