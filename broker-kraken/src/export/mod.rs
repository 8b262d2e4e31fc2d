//! Export reports: what happened to the account as one file, made on request. Of a large history a report costs some
//! ten points where its pages cost thousands.

mod archive;
mod table;
mod walk;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use broker_core::http::OpClass;
use broker_core::{Broker, Error, ErrorKind, Result};
use chrono::{DateTime, Utc};

use crate::broker::KrakenBroker;
use crate::rest::Form;
use crate::wire::{self, ExportJson, ExportRemovedJson, ExportStatusJson};

/// Which report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExportReport {
    /// Trades.
    Trades,
    /// The ledger.
    Ledgers,
}

impl ExportReport {
    fn as_str(self) -> &'static str {
        match self {
            Self::Trades => "trades",
            Self::Ledgers => "ledgers",
        }
    }
}

/// How far a report is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExportState {
    /// Waits.
    Queued,
    /// Is made.
    Processing,
    /// Can be fetched.
    Processed,
    /// Another word of Kraken's.
    Other(String),
}

/// Largest report that is fetched: 256 MiB.
const LARGEST_REPORT: usize = 256 << 20;
/// A download that says nothing for so long has stopped.
const SILENCE: Duration = Duration::from_secs(30);

impl KrakenBroker {
    /// Asks for a report of `since..until` as CSV. Beyond some 3,000 trades this costs far less than
    /// [`history`](Broker::history). Gives its id.
    ///
    /// # Errors
    /// As every read. Asked twice, two reports are made: no harm is done.
    pub async fn request_export(
        &self,
        report: ExportReport,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<String> {
        let read = |body: &str| Ok(wire::result::<ExportJson<'_>>(body)?.id.get().to_owned());
        let form = Form::new()
            .with("report", report.as_str())
            .with("format", "CSV")
            .with(
                "description",
                format!("{} from {}", report.as_str(), since.date_naive()),
            )
            .with("starttm", since.timestamp().to_string())
            .with("endtm", until.timestamp().to_string());
        self.rest().ask(("request export", "AddExport"), form, read).await
    }

    /// How far a report is; ask every half minute.
    ///
    /// # Errors
    /// `NotFound` when there is no such report; else as every read.
    pub async fn export_state(&self, report: ExportReport, id: &str) -> Result<ExportState> {
        let read = |body: &str| {
            let rows: Vec<ExportStatusJson<'_>> = wire::result(body)?;
            let row = rows.iter().find(|row| row.id.get() == id);
            let missing = || Error::new(ErrorKind::NotFound).with_message("there is no such report");
            Ok(match row.ok_or_else(missing)?.status.get() {
                "Queued" => ExportState::Queued,
                "Processing" => ExportState::Processing,
                "Processed" => ExportState::Processed,
                other => ExportState::Other(other.to_owned()),
            })
        };
        let form = Form::new().with("report", report.as_str());
        self.rest().ask(("export state", "ExportStatus"), form, read).await
    }

    /// A report that is processed: a zip archive with one CSV file.
    ///
    /// # Errors
    /// `Protocol` when it is larger than 256 MiB, or is no archive; `Unavailable` when it stops on its way; else as every
    /// read.
    pub async fn export(&self, id: &str) -> Result<Vec<u8>> {
        let form = Form::new().with("id", id);
        let call = self
            .rest()
            .private("export report", OpClass::Read, "RetrieveExport", 1, form);
        let mut pieces = self.rest().http.stream(call).await?;
        let mut archive = Vec::new();
        loop {
            let mut silence = self.context().clock().sleep(SILENCE);
            let piece = poll_fn(|context| match pieces.as_mut().poll_next(context) {
                Poll::Pending => silence.as_mut().poll(context).map(|()| Some(Err(stalled()))),
                ready => ready,
            });
            let Some(piece) = piece.await else { break };
            archive.extend_from_slice(&piece.map_err(|error| error.with_broker(self.id()))?);
            if archive.len() > LARGEST_REPORT {
                return Err(odd("the report is larger than 256 MiB").with_broker(self.id()));
            }
        }
        match archive.starts_with(b"PK") {
            true => Ok(archive),
            false => Err(odd("the report is no archive: it may not be ready, or be gone").with_broker(self.id())),
        }
    }

    /// Removes a report that is processed.
    ///
    /// # Errors
    /// `Protocol` when Kraken says that it did not; else as every read.
    pub async fn remove_export(&self, id: &str) -> Result<()> {
        let read = |body: &str| match wire::result::<ExportRemovedJson>(body)?.delete {
            true => Ok(()),
            false => Err(odd("the report was not removed")),
        };
        let form = Form::new().with("id", id).with("type", "delete");
        self.rest().ask(("remove export", "RemoveExport"), form, read).await
    }
}

fn stalled() -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_operation("export report")
        .with_message("the report stopped on its way for 30 s")
}

fn odd(what: &str) -> Error {
    Error::new(ErrorKind::Protocol)
        .with_operation("export report")
        .with_message(what)
}
