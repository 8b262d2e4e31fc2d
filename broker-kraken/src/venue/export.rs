//! Export reports: made while the client waits, and fetched as a zip file with one file of text in it.
//!
//! Columns and forms of times are those of files that users have from Kraken: trades to a ten thousandth of a second,
//! the ledger to a second. How Kraken refuses a report that is not ready is not documented.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use broker_sim::wire::{WireAnswer, WireRequest};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::value::RawValue;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::KrakenVenue;
use super::history::{Row, between};
use super::ids;
use super::json::{Object, array};
use super::params::Params;
use super::refusal::{Refusal, Reply};

/// A report is begun after this, and done after that.
const WAITS: TimeDelta = TimeDelta::seconds(10);
const TAKES: TimeDelta = TimeDelta::seconds(45);

/// Columns, by report. The id of a row is the first.
const COLUMNS: [(&str, &[&str]); 2] = [
    (
        "trades",
        &[
            "txid",
            "ordertxid",
            "pair",
            "time",
            "type",
            "ordertype",
            "price",
            "cost",
            "fee",
            "vol",
            "margin",
            "misc",
            "ledgers",
        ],
    ),
    (
        "ledgers",
        &[
            "txid", "refid", "time", "type", "subtype", "aclass", "asset", "wallet", "amount", "fee", "balance",
        ],
    ),
];

/// Reports that were asked for.
#[derive(Debug, Default)]
pub(super) struct Exports {
    jobs: BTreeMap<String, Job>,
    made: u64,
    /// Rows that each report leaves out.
    lacks: usize,
}

impl Exports {
    pub(super) fn lacking(rows: usize) -> Self {
        Self {
            lacks: rows,
            ..Self::default()
        }
    }
}

#[derive(Debug)]
struct Job {
    report: String,
    format: String,
    description: String,
    start: i64,
    end: i64,
    asked_at: DateTime<Utc>,
}

impl Job {
    fn state(&self, now: DateTime<Utc>) -> &'static str {
        match now - self.asked_at {
            waited if waited < WAITS => "Queued",
            waited if waited < TAKES => "Processing",
            _ => "Processed",
        }
    }

    fn columns(&self) -> &'static [&'static str] {
        let found = COLUMNS.iter().find(|(report, _)| *report == self.report);
        found.map_or(&[], |(_, columns)| *columns)
    }

    /// The text of the report: every field in quotes, as the real one has them.
    fn text(&self, rows: &[Row]) -> String {
        let mark = if self.format == "TSV" { "\t" } else { "," };
        let line = |fields: Vec<String>| {
            let quoted: Vec<_> = fields
                .iter()
                .map(|field| format!("\"{}\"", field.replace('"', "\"\"")))
                .collect();
            format!("{}\n", quoted.join(mark))
        };
        let mut text = line(self.columns().iter().map(|name| (*name).to_owned()).collect());
        for row in rows {
            let known: BTreeMap<String, &RawValue> = serde_json::from_str(&row.json).unwrap_or_default();
            let field = |name: &&str| match *name {
                "txid" => row.id.clone(),
                "time" if self.report == "trades" => {
                    row.at.trunc_subsecs(4).format("%Y-%m-%d %H:%M:%S%.9f").to_string()[..24].to_owned()
                }
                "time" => row.at.format("%Y-%m-%d %H:%M:%S").to_string(),
                "wallet" => "spot / main".to_owned(),
                name => known
                    .get(name)
                    .map(|value| value.get().trim_matches('"').to_owned())
                    .unwrap_or_default(),
            };
            text.push_str(&line(self.columns().iter().map(field).collect()));
        }
        text
    }
}

impl KrakenVenue {
    pub(super) fn add_export(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&["report", "format", "description", "fields", "starttm", "endtm"])?;
        let report = params.word("report", &["trades", "ledgers"])?;
        let report = report.ok_or_else(|| Refusal::argument("report"))?.to_owned();
        let format = params.word("format", &["CSV", "TSV"])?.unwrap_or("CSV").to_owned();
        params.word("fields", &["all"])?;
        let job = Job {
            report,
            format,
            description: params.needed("description")?.to_owned(),
            start: params.number("starttm")?.unwrap_or_default(),
            end: params.number("endtm")?.unwrap_or_else(|| now.timestamp()),
            asked_at: now,
        };
        let id = loop {
            self.exports.made += 1;
            let id: String = ids::other(&format!("export {}", self.exports.made))
                .chars()
                .skip(1)
                .take(4)
                .collect();
            if !self.exports.jobs.contains_key(&id) {
                break id;
            }
        };
        self.exports.jobs.insert(id.clone(), job);
        Ok(Object::new().text("id", &id).end())
    }

    pub(super) fn export_status(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&["report"])?;
        let report = params.word("report", &["trades", "ledgers"])?;
        let report = report.ok_or_else(|| Refusal::argument("report"))?;
        let rows = self.exports.jobs.iter().filter(|(_, job)| job.report == report);
        Ok(array(rows.map(|(id, job)| {
            let state = job.state(now);
            let (begun, done) = (job.asked_at + WAITS, job.asked_at + TAKES);
            let moment = |at: DateTime<Utc>| if at <= now { at.timestamp() } else { 0 }.to_string();
            Object::new()
                .text("id", id)
                .text("descr", &job.description)
                .text("format", &job.format)
                .text("report", &job.report)
                .text("subtype", "all")
                .text("status", state)
                .text("fields", "all")
                .text("createdtm", &job.asked_at.timestamp().to_string())
                .text("starttm", &moment(begun))
                .text("completedtm", &moment(done))
                .text("datastarttm", &job.start.to_string())
                .text("dataendtm", &job.end.to_string())
                .text("asset", "all")
                .end()
        })))
    }

    pub(super) fn retrieve_export(&mut self, request: &WireRequest, now: DateTime<Utc>) -> Result<WireAnswer, Refusal> {
        let params = self.admit("RetrieveExport", request, now)?;
        params.only(&["id"])?;
        self.read_rows()?;
        let job = self.exports.jobs.get(params.needed("id")?);
        let job = job.filter(|job| job.state(now) == "Processed");
        let job = job.ok_or_else(|| Refusal::argument("id"))?;
        let rows = match job.report.as_str() {
            "trades" => &self.rows.trades,
            _ => &self.rows.ledger,
        };
        let rows = between(rows, (job.start, Some(job.end)), self.query_from);
        let text = job.text(rows.get(self.exports.lacks..).unwrap_or_default());
        let archive = zipped(&format!("{}.csv", job.report), text.as_bytes());
        let archive = archive.map_err(|_| Refusal::new("EGeneral:Internal error"))?;
        Ok(WireAnswer {
            body: archive.into(),
            ..WireAnswer::empty(200).with_header("content-type", "application/octet-stream")
        })
    }

    pub(super) fn remove_export(&mut self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&["id", "type"])?;
        let (id, way) = (params.needed("id")?, params.word("type", &["cancel", "delete"])?);
        let way = way.ok_or_else(|| Refusal::argument("type"))?;
        let job = self.exports.jobs.get(id).ok_or_else(|| Refusal::argument("id"))?;
        let done = job.state(now) == "Processed";
        if (way == "delete") != done {
            return Err(Refusal::argument("type"));
        }
        self.exports.jobs.remove(id);
        Ok(Object::new().raw(way, "true").end())
    }
}

/// An archive of one file.
fn zipped(name: &str, text: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file(name, SimpleFileOptions::default())?;
    archive.write_all(text)?;
    Ok(archive.finish()?.into_inner())
}
