//! The history campaign: reads all pages of a history as a sync does, is killed and started again from its stored
//! cursor, meets errors, and must end with exactly what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use broker_core::model::RecordKey;
use broker_core::seam::{Rng, SeededRng};
use broker_core::{Broker, Cursor, Fill, FillId, HistoryQuery, Page, Price, Qty, Record, Side};

/// A fill that the venue is known to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedFill {
    /// Its id.
    pub id: FillId,
    /// Bought or sold.
    pub side: Side,
    /// How much.
    pub qty: Qty,
    /// Price a unit.
    pub price: Price,
}

impl From<&Fill> for ExpectedFill {
    fn from(fill: &Fill) -> Self {
        Self {
            id: fill.id.clone(),
            side: fill.side,
            qty: fill.qty,
            price: fill.price,
        }
    }
}

/// What a campaign saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CampaignReport {
    /// Pages that were read, those lost in a kill included.
    pub pages: u64,
    /// Rows of these pages.
    pub rows: u64,
    /// Rows that came again.
    pub duplicates: u64,
    /// Kills between a page and its commit.
    pub kills: u64,
    /// Errors that were met and asked again after.
    pub errors: u64,
    /// Different records in the end.
    pub records: u64,
    /// Different fills in the end.
    pub fills: u64,
    /// What went wrong; empty for an honest broker.
    pub violations: Vec<String>,
}

impl CampaignReport {
    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for CampaignReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} pages, {} rows, {} duplicates, {} kills, {} errors, {} records, {} fills",
            self.pages, self.rows, self.duplicates, self.kills, self.errors, self.records, self.fills
        )?;
        self.violations
            .iter()
            .try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

/// A page in this many is lost in a kill, about.
const KILL_ONE_IN: u64 = 4;
/// Errors in a row after which a history is given up.
const MOST_ERRORS: u32 = 50;
/// Wait after an error.
const PAUSE: Duration = Duration::from_secs(1);

/// Reads the history twice: with kills at random points, from the seed, and then once more in one go. Nothing may be
/// lost, doubled or changed; the second reading finds nothing new.
///
/// Works in the time of the broker's context; give it a virtual one.
pub async fn history_campaign(
    broker: &dyn Broker,
    query: &HistoryQuery,
    expected: &[ExpectedFill],
    seed: u64,
) -> CampaignReport {
    let mut campaign = Campaign {
        broker,
        query: query.clone().resolved(broker.context().clock().now()),
        report: CampaignReport::default(),
    };
    let rng = SeededRng::new(seed);
    let first = campaign.read(Some(&rng)).await;
    let second = campaign.read(None).await;
    campaign.compare(expected, &first);
    if first.keys().ne(second.keys()) {
        let news = second.keys().filter(|key| !first.contains_key(key)).count();
        let gone = first.keys().filter(|key| !second.contains_key(key)).count();
        campaign.violate(format!("the second reading has {news} new records and lacks {gone}"));
    }
    let mut report = campaign.report;
    report.records = count(first.len());
    report.fills = count(first.keys().filter(|key| matches!(key, RecordKey::Fill(_))).count());
    report
}

struct Campaign<'a> {
    broker: &'a dyn Broker,
    query: HistoryQuery,
    report: CampaignReport,
}

type Store = BTreeMap<RecordKey, Record>;

impl Campaign<'_> {
    /// Reads to the end; a page and the cursor behind it are committed together, or lost together in a kill.
    async fn read(&mut self, kills: Option<&SeededRng>) -> Store {
        let (mut store, mut cursor) = (Store::new(), None);
        let mut seen = BTreeSet::new();
        loop {
            let Some(page) = self.page(cursor.as_ref()).await else {
                return store;
            };
            self.check_page(&page);
            if let Some(wait) = page.wait {
                self.broker.context().clock().sleep(wait).await;
            } else if kills.is_some_and(|rng| rng.below(KILL_ONE_IN) == 0) {
                self.report.kills += 1;
                continue;
            }
            let waits = page.wait.is_some();
            self.commit(&mut store, page.rows);
            let Some(next) = page.next else {
                return store;
            };
            if !waits && !seen.insert(next.as_str().to_owned()) {
                self.violate("a cursor came twice: the pages go in a circle".to_owned());
                return store;
            }
            // What a later process would read back.
            cursor = Some(Cursor::from_text(next.as_str()));
        }
    }

    /// The page at a cursor, asked again after errors. `None` when it never comes.
    async fn page(&mut self, cursor: Option<&Cursor>) -> Option<Page<Record>> {
        for _ in 0..MOST_ERRORS {
            match self.broker.history(&self.query, cursor).await {
                Ok(page) => {
                    self.report.pages += 1;
                    self.report.rows += count(page.rows.len());
                    return Some(page);
                }
                Err(_) => {
                    self.report.errors += 1;
                    self.broker.context().clock().sleep(PAUSE).await;
                }
            }
        }
        self.violate(format!("no page after {MOST_ERRORS} errors"));
        None
    }

    fn check_page(&mut self, page: &Page<Record>) {
        if !page.rows.is_sorted_by_key(Record::at) {
            self.violate("a page is not oldest first".to_owned());
        }
        if page.rows.iter().any(|record| *record.account() != self.query.account) {
            self.violate("a row of another account".to_owned());
        }
    }

    fn commit(&mut self, store: &mut Store, rows: Vec<Record>) {
        for record in rows {
            let key = record.key();
            match store.get(&key) {
                None => {
                    store.insert(key, record);
                }
                Some(old) => {
                    self.report.duplicates += 1;
                    if old.version() == record.version() && *old != record {
                        self.violate(format!("{key:?} came again with the same version and other content"));
                    }
                    if record.version() > old.version() {
                        store.insert(key, record);
                    }
                }
            }
        }
    }

    fn compare(&mut self, expected: &[ExpectedFill], store: &Store) {
        let mut missing: BTreeMap<&FillId, &ExpectedFill> = expected.iter().map(|fill| (&fill.id, fill)).collect();
        for record in store.values() {
            let Record::Fill(fill) = record else { continue };
            match missing.remove(&fill.id) {
                None => self.violate(format!("{:?} is a fill that never was", fill.id)),
                Some(known) if *known != ExpectedFill::from(fill) => {
                    self.violate(format!("{:?} is {} {} at {}", fill.id, fill.side, fill.qty, fill.price));
                }
                Some(_) => {}
            }
        }
        for id in missing.keys() {
            self.violate(format!("{id:?} is lost"));
        }
    }

    fn violate(&mut self, what: String) {
        self.report.violations.push(what);
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
