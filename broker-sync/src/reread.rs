//! What a later version of a broker crate understands of pages that an earlier one has read.

use std::collections::{BTreeMap, HashMap, HashSet};

use broker_core::model::{Grade, Record, RecordKey};
use broker_core::{Error, ErrorKind, Result};
use chrono::{DateTime, Utc};

use crate::history::never_synced;
use crate::state::{Scope, SyncState};
use crate::store::{PageWrite, RawPage, Store, StoredRow, grade};

/// Reads the records of a page's text, as the broker's crate does: for Alpaca
/// `|page| AlpacaBroker::read_activities(&account, &page.text)`.
pub type ReadPage<'a> = dyn Fn(&RawPage) -> Result<Vec<Record>> + Send + Sync + 'a;

/// What reading the texts again brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reread {
    /// Pages whose text was kept, and was read again.
    pub pages: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rows stored whose key was not known.
    pub new: u64,
    /// Rows stored beside another row of their key.
    pub corrections: u64,
}

/// What the newest word about a row is asked by: two of one key, version and grade are two words about one thing.
type Topic = (RecordKey, u64, Option<Grade>);

fn topic(record: &Record) -> Topic {
    (record.key(), record.version(), grade(record))
}

/// The newest word of the texts about a topic.
struct Word {
    page: u64,
    record: Record,
}

struct Head {
    part: u64,
    read_at: DateTime<Utc>,
}

pub(crate) async fn reread<S: Store + ?Sized>(store: &S, scope: &Scope, read: &ReadPage<'_>) -> Result<Reread> {
    let snapshot = store.snapshot(scope).await?;
    let mut state = snapshot.state;
    expect_whole(scope, &state)?;
    let mut done = Reread::default();
    let mut heads: BTreeMap<u64, Head> = BTreeMap::new();
    let mut words: HashMap<Topic, Word> = HashMap::new();
    let mut after = 0;
    while let Some(page) = store.raw_page(scope, after).await? {
        after = page.number;
        let records = read(&page)?;
        expect_own(scope, &records)?;
        done.pages += 1;
        done.rows += u64::try_from(records.len()).unwrap_or(u64::MAX);
        let (part, read_at) = (page.part, page.read_at);
        heads.insert(page.number, Head { part, read_at });
        for record in records {
            let word = Word {
                page: page.number,
                record,
            };
            words.insert(topic(&word.record), word);
        }
    }
    let known: HashSet<RecordKey> = snapshot.rows.iter().map(StoredRow::key).collect();
    // A page may hold more than its window: new rows beside what was asked for belong to no sync.
    words.retain(|(key, ..), word| known.contains(key) || is_covered(&state, &word.record));
    drop_known(&mut words, &heads, snapshot.rows);
    let mut pages: BTreeMap<u64, Vec<Record>> = BTreeMap::new();
    for word in words.into_values() {
        pages.entry(word.page).or_default().push(word.record);
    }
    for (number, mut rows) in pages {
        let Some(head) = heads.get(&number) else { continue };
        rows.sort_by_cached_key(|record| (record.at(), record.key()));
        // No page was read from the broker: the one that the store is about to count is taken off before.
        state.pages = state.pages.saturating_sub(1);
        let write = PageWrite {
            part: head.part,
            rows,
            read_at: head.read_at,
            raw: None,
            state: state.clone(),
        };
        let written = store.commit(scope, write).await?;
        state.apply(head.part, &written);
        done.new += written.new;
        done.corrections += written.corrections;
    }
    Ok(done)
}

/// Takes out what is stored already, and what a page without text has replaced since.
fn drop_known(words: &mut HashMap<Topic, Word>, heads: &BTreeMap<u64, Head>, rows: Vec<StoredRow>) {
    // In the order of reading: the last row of a topic decides.
    let latest: HashMap<Topic, StoredRow> = rows.into_iter().map(|row| (topic(&row.record), row)).collect();
    words.retain(|topic, word| {
        let (Some(row), Some(head)) = (latest.get(topic), heads.get(&word.page)) else {
            return true;
        };
        row.read_at <= head.read_at && row.record != word.record
    });
}

fn is_covered(state: &SyncState, record: &Record) -> bool {
    state.covers.is_some_and(|covers| covers.contains(record.booked_at()))
}

fn expect_whole(scope: &Scope, state: &SyncState) -> Result<()> {
    if state.revision == 0 {
        return Err(never_synced(scope));
    }
    if state.reading.is_some() {
        return Err(Error::invalid("a sync of this account was interrupted, or is running")
            .with_operation("reread")
            .with_help("sync the account to its end, then run this again"));
    }
    Ok(())
}

fn expect_own(scope: &Scope, records: &[Record]) -> Result<()> {
    match records.iter().find(|record| *record.account() != scope.account) {
        Some(record) => Err(Error::new(ErrorKind::Protocol)
            .with_broker(scope.broker.clone())
            .with_operation("reread")
            .with_message(format!(
                "a row of account {} was read from a page of {}",
                record.account(),
                scope.account
            ))
            .with_help("give the reader the account of the scope")),
        None => Ok(()),
    }
}
