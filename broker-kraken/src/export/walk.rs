//! A history by reports: both are asked for, waited for, fetched, counted against what the pages state, and removed.

use std::collections::BTreeMap;
use std::time::Duration;

use broker_core::{AccountId, Broker, Cursor, Error, ErrorKind, FillId, HistoryQuery, Page, Proof, Record, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::archive::unpack;
use super::table::Table;
use super::{ExportReport, ExportState, odd};
use crate::broker::KrakenBroker;
use crate::map::{self, ledger};
use crate::walk::HistoryWalk;

const VERSION: u32 = 1_001;

/// A report is asked after so often.
const POLL: Duration = Duration::from_secs(30);

/// Where a history by reports stands.
#[derive(Debug, Serialize, Deserialize)]
struct Job {
    walk: HistoryWalk,
    trades: Option<String>,
    ledgers: Option<String>,
    taken: bool,
}

impl KrakenBroker {
    /// A handle that reads [`history`](Broker::history) by export reports: for some thousand trades and more, where
    /// pages would cost minutes to hours of the key's counter. One history costs some twelve points, whatever its size.
    ///
    /// Kraken makes the reports within minutes; the pages of the history wait for it, so read it with
    /// [`BrokerExt`](broker_core::BrokerExt). What the reports hold must be as many rows as the pages would have, or
    /// it is an error. The key needs the permission to export data.
    ///
    /// The reports do not say who waited and what opened a position, and the times of what is no trade are whole
    /// seconds there: ids are the same, so that what was read by pages stays what it was. With tokenized assets it is
    /// `Unsupported`: no report says whether it is in shares or in tokens.
    #[must_use]
    pub fn with_reports(&self) -> Self {
        let mut handle = self.clone();
        handle.by_report = true;
        handle
    }

    pub(crate) async fn history_by_report(&self, query: &HistoryQuery, from: Option<&Cursor>) -> Result<Page<Record>> {
        if self.rest().tokenized {
            // Pages can be asked for shares; a report cannot, and does not say what it is in.
            return Err(
                Error::unsupported("reports of tokenized shares, which may be in tokens")
                    .with_broker(self.id())
                    .with_help("read the history by pages"),
            );
        }
        let mut job: Job = match from {
            Some(cursor) => cursor.decode(VERSION)?,
            None => {
                let now = self.context().clock().now();
                let (since, until) = query.range(now);
                self.check_reach(since, until).await?;
                Job {
                    walk: HistoryWalk::new(since, until, now),
                    trades: None,
                    ledgers: None,
                    taken: false,
                }
            }
        };
        let mut page = Page::whole(Vec::new());
        match (&job.trades, &job.ledgers, job.taken) {
            (None, ..) => job.trades = Some(self.ask(ExportReport::Trades, &job.walk).await?),
            (_, None, _) => {
                job.ledgers = Some(self.ask(ExportReport::Ledgers, &job.walk.clone().of_ledger()).await?);
                page.wait = Some(POLL);
            }
            (Some(trades), Some(ledgers), false) => {
                let both = [(ExportReport::Trades, trades), (ExportReport::Ledgers, ledgers)];
                for (report, id) in both {
                    match self.export_state(report, id).await? {
                        ExportState::Processed => {}
                        ExportState::Queued | ExportState::Processing => page.wait = Some(POLL),
                        ExportState::Other(word) => {
                            return Err(odd(&format!("a report of the unknown state {word:?}")).with_broker(self.id()));
                        }
                    }
                }
                if page.wait.is_none() {
                    self.take(query, &job, &mut page).await?;
                    job.taken = true;
                }
            }
            (Some(trades), Some(ledgers), true) => {
                // The rows are told: what cannot be removed ends by itself.
                for id in [trades, ledgers] {
                    if let Err(error) = self.remove_export(id).await {
                        page.notes.push(format!("a report was not removed: {error}"));
                    }
                }
                page.proof = Proof::Short;
                return Ok(page);
            }
        }
        page.proof = Proof::Contiguous;
        page.next = Some(Cursor::encode(VERSION, &job)?);
        Ok(page)
    }

    async fn ask(&self, report: ExportReport, walk: &HistoryWalk) -> Result<String> {
        // Whether the borders belong to it is not documented: a second more, which is left out again.
        let (start, end) = walk.window();
        let moment = |second: i64| DateTime::from_timestamp(second, 0).ok_or_else(|| Error::invalid("no such time"));
        self.request_export(report, moment(start)?, moment(end)? + TimeDelta::seconds(1))
            .await
    }

    /// Both reports, row by row as the pages tell them.
    async fn take(&self, query: &HistoryQuery, job: &Job, page: &mut Page<Record>) -> Result<()> {
        let (Some(trades), Some(ledgers)) = (&job.trades, &job.ledgers) else {
            return Err(odd("a report that was not asked for").with_broker(self.id()));
        };
        let texts = [
            unpack(&self.export(trades).await?)?,
            unpack(&self.export(ledgers).await?)?,
        ];
        let (trades, ledgers) = (Table::read(&texts[0])?, Table::read(&texts[1])?);
        let (walk, in_ledger) = (&job.walk, job.walk.clone().of_ledger());
        let stated = self.rest().trades(&query.account, walk, false).await?.count;
        counted(&trades, walk.window(), stated)?;
        let stated = self.rest().ledger(&query.account, &in_ledger, false).await?.0.count;
        counted(&ledgers, in_ledger.window(), stated)?;
        let mut records = self
            .records(&query.account, &trades, &ledgers, in_ledger, &mut page.notes)
            .await?;
        let window = walk.since..walk.until;
        records.retain(|record| {
            let wanted = query.instrument.as_ref();
            window.contains(&record.at()) && wanted.is_none_or(|wanted| record.instrument() == Some(wanted))
        });
        records.sort_by_key(Record::at);
        page.rows = records;
        page.raw = query.raw.then(|| texts.concat());
        Ok(())
    }

    async fn records(
        &self,
        account: &AccountId,
        trades: &Table,
        ledgers: &Table,
        mut walk: HistoryWalk,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Record>> {
        let directory = self.rest().known().await?;
        let (mut records, mut halves) = (Vec::new(), Vec::new());
        let mut traded: BTreeMap<FillId, DateTime<Utc>> = BTreeMap::new();
        for row in trades.rows() {
            let fill = map::trade::fill(row.id()?, &row.trade()?, account, &directory)?;
            traded.insert(fill.id.clone(), fill.at);
            records.push(Record::Fill(fill));
        }
        for row in ledgers.rows() {
            match ledger::row(row.id()?, &row.ledger()?, account, &directory, notes)? {
                ledger::Read::Records(read) => records.extend(read),
                ledger::Read::Half(half) => halves.push(half),
            }
        }
        for group in walk.complete(halves, None, true) {
            records.extend(ledger::joined(&group, account, &directory)?);
        }
        for record in &mut records {
            // The ledger of a report knows whole seconds only.
            if let Record::Fee(fee) = record
                && let Some(at) = fee.fill.as_ref().and_then(|fill| traded.get(fill))
            {
                fee.at = *at;
            }
        }
        Ok(records)
    }
}

/// Whether the report has as many rows as the pages state for their window: behind its first second, and not behind its
/// last. Times of a report are cut, so rows of those two seconds may be on either side.
fn counted(table: &Table, (start, end): (i64, i64), stated: Option<u64>) -> Result<()> {
    let stated = stated.ok_or_else(|| Error::decode("a page that does not say how many rows there are"))?;
    let (mut within, mut doubtful) = (0, 0);
    for row in table.rows() {
        let second = row.at()?.timestamp();
        within += u64::from(second > start && second < end);
        doubtful += u64::from(second == start || second == end);
    }
    match (within..=within + doubtful).contains(&stated) {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Protocol)
            .with_operation("export report")
            .with_message(format!(
                "the report has {within} to {} rows, and there are {stated}",
                within + doubtful
            ))
            .with_help("read the history by pages")),
    }
}
