//! A process that is killed with SIGKILL while it writes its SQLite file: the next one gives what an undisturbed one
//! would have given, and others could read the file meanwhile. 50 kills; more by the variable `BROKER_KILLS`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::ErrorKind;
use broker_core::model::{Completeness, Record};
use broker_core::seam::{Rng, SeededRng, VirtualRuntime};
use broker_sync::{Snapshot, SqliteStore, Store, SyncReport, SyncState, Syncer};
use chrono::Duration as Days;
use common::venue::ProofKind;
use common::watched::{Around, Call, Commits, Watched};
use common::{Book, TempFile, Venue, account, day, fill, scope, void};

/// Names the file to the child, and with it that it is one.
const FILE: &str = "BROKER_KILL_FILE";
/// At which write it is to be killed: 0 is the opening of the file.
const AT: &str = "BROKER_KILL_AT";
const MOMENT: &str = "BROKER_KILL_MOMENT";
const COMMITS: &str = "BROKER_KILL_COMMITS";

/// What the child says when it may be killed.
const READY: &str = "@ready";

/// 160 fills in pages of 30, one corrected, one taken back; an instant broker, so that no clock moves.
fn book() -> Arc<Book> {
    let rows = (0..160).map(|i| {
        let mut fill = fill(&format!("f{i}"), day(0) + Days::hours(i));
        fill.order = Some(format!("o{}", i / 4).into());
        fill
    });
    let book = Book::new(rows.map(Record::Fill).collect());
    let mut corrected = fill("f70", day(0) + Days::hours(70));
    corrected.order = Some("o17".into());
    corrected.version = 1;
    book.add_row(Record::Fill(corrected));
    book.add_row(void("v1", "f90", day(5)));
    book.with(|knobs| {
        knobs.page_size = 30;
        knobs.repeats_rows = true;
        knobs.proof = ProofKind::Count;
        knobs.travel = Duration::ZERO;
    })
}

fn sync(store: Arc<dyn Store>) -> SyncReport {
    let runtime = VirtualRuntime::starting_at(day(20));
    let venue = Arc::new(Venue::new(book(), &runtime));
    runtime.block_on(Syncer::new(venue, store).sync(&account())).unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    During,
    After,
}

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::During, Moment::After];

/// Stops the child at its write.
#[derive(Debug)]
struct Stops {
    at: u64,
    moment: Moment,
    writes: AtomicU64,
}

impl Stops {
    fn say(&self) {
        // Not by `print!`, which the test harness catches.
        let mut out = std::io::stdout();
        out.write_all(format!("\n{READY}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }

    /// Waits for the kill; ends where the parent is gone.
    fn wait(&self) {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(3);
    }

    fn about_to_write(&self, number: u64) {
        if number == self.at && self.moment != Moment::After {
            self.say();
        }
        if number == self.at && self.moment == Moment::Before {
            self.wait();
        }
    }

    fn has_written(&self, number: u64) {
        if number == self.at {
            if self.moment == Moment::After {
                self.say();
            }
            self.wait();
        }
    }
}

#[async_trait]
impl Around for Stops {
    async fn before(&self, call: Call) {
        if call == Call::Write {
            self.about_to_write(self.writes.fetch_add(1, Ordering::Relaxed) + 1);
        }
    }

    async fn after(&self, call: Call) {
        if call == Call::Write {
            self.has_written(self.writes.load(Ordering::Relaxed));
        }
    }
}

/// The process that is killed. Run as a test of its own it has nothing to do.
#[test]
fn child() {
    let Ok(file) = std::env::var(FILE) else { return };
    let word = |name: &str| std::env::var(name).unwrap();
    let stops = Stops {
        at: word(AT).parse().unwrap(),
        moment: *MOMENTS
            .iter()
            .find(|moment| format!("{moment:?}") == word(MOMENT))
            .unwrap(),
        writes: AtomicU64::new(0),
    };
    let commits = match word(COMMITS).as_str() {
        "CursorFirst" => Commits::CursorFirst,
        _ => Commits::AtOnce,
    };
    stops.about_to_write(0);
    let inner = Arc::new(SqliteStore::open(file).unwrap());
    stops.has_written(0);
    let around = Arc::new(stops);
    sync(Arc::new(Watched { inner, around, commits }));
}

/// A child that runs up to its place to be killed at; `None` when it ended before that.
fn start(file: &Path, at: u64, moment: Moment, commits: Commits) -> Option<Child> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(FILE, file)
        .env(AT, at.to_string())
        .env(MOMENT, format!("{moment:?}"))
        .env(COMMITS, format!("{commits:?}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.as_mut().unwrap())
        .lines()
        .any(|line| line.unwrap() == READY);
    if said {
        return Some(child);
    }
    assert!(child.wait().unwrap().success());
    None
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
}

/// What a second process reads; `None` where the file is not one yet.
fn read_only(file: &Path) -> Option<Snapshot> {
    match SqliteStore::open_read_only(file) {
        Ok(store) => {
            let snapshot = VirtualRuntime::new().block_on(store.snapshot(&scope())).unwrap();
            assert_eq!(
                u64::try_from(snapshot.rows.len()).unwrap(),
                snapshot.state.rows,
                "half a page"
            );
            Some(snapshot)
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            None
        }
    }
}

/// Rows in the order of reading, as text.
fn rows(snapshot: &Snapshot) -> Vec<String> {
    let text = |row: &broker_sync::StoredRow| serde_json::to_string(&row.record).unwrap();
    snapshot.rows.iter().map(text).collect()
}

/// What a state says once a sync has ended, less what counts how it got there.
fn ended(state: &SyncState) -> String {
    assert_eq!(state.reading, None);
    let SyncState {
        rows,
        covers,
        unproven,
        opening,
        verified_until,
        ..
    } = state;
    format!("{rows} {covers:?} {unproven:?} {opening:?} {verified_until:?}")
}

/// What a report vouches for, less what counts how it got there.
fn certificate(report: &SyncReport) -> String {
    let SyncReport {
        scope,
        covers,
        orders,
        positions,
        pnl,
        verdict,
        notes,
        ..
    } = report;
    format!("{scope:?} {covers} {orders:?} {positions:?} {pnl:?} {verdict:?} {notes:?}")
}

/// Notes what is stored after each write.
#[derive(Debug)]
struct Notes {
    store: Arc<dyn Store>,
    states: Mutex<Vec<(SyncState, Vec<String>)>>,
}

#[async_trait]
impl Around for Notes {
    async fn before(&self, _: Call) {}

    async fn after(&self, call: Call) {
        if call == Call::Write {
            let snapshot = self.store.snapshot(&scope()).await.unwrap();
            let noted = (snapshot.state.clone(), rows(&snapshot));
            self.states.lock().unwrap().push(noted);
        }
    }
}

/// How it goes when nobody kills anything.
struct Undisturbed {
    /// What is stored after so many writes; opening the file is write 0.
    states: Vec<(SyncState, Vec<String>)>,
    rows: Vec<String>,
    ended: String,
    certificate: String,
    /// That of a second run.
    second: String,
}

fn undisturbed() -> Undisturbed {
    let file = TempFile::new();
    let inner: Arc<dyn Store> = Arc::new(SqliteStore::open(file.path()).unwrap());
    let notes = Arc::new(Notes {
        store: Arc::clone(&inner),
        states: Mutex::new(vec![(SyncState::default(), Vec::new())]),
    });
    let watched = Watched {
        inner: Arc::clone(&inner),
        around: notes.clone(),
        commits: Commits::AtOnce,
    };
    let report = sync(Arc::new(watched));
    assert_eq!(report.verdict, Completeness::Complete);
    let snapshot = read_only(file.path()).unwrap();
    let ended = ended(&snapshot.state);
    let second = sync(inner);
    Undisturbed {
        states: std::mem::take(&mut notes.states.lock().unwrap()),
        rows: rows(&snapshot),
        ended,
        certificate: certificate(&report),
        second: certificate(&second),
    }
}

impl Undisturbed {
    /// Whether a file holds what it holds after a kill at this write.
    fn expect_cut(&self, at: u64, moment: Moment, snapshot: Option<&Snapshot>) {
        let at = usize::try_from(at).unwrap();
        let Some(snapshot) = snapshot else {
            assert!(at == 0 && moment != Moment::After, "the file is gone");
            return;
        };
        let found = (&snapshot.state, &rows(snapshot));
        let is = |number: usize| {
            self.states
                .get(number)
                .is_some_and(|(state, rows)| (state, rows) == found)
        };
        let as_it_was = at > 0 && is(at - 1);
        let done = is(at);
        let holds = match moment {
            Moment::Before => as_it_was,
            Moment::During => as_it_was || done,
            Moment::After => done,
        };
        assert!(holds, "killed {moment:?} write {at}: {:?}", snapshot.state);
    }

    /// Whether the run behind the last kill has given what it must.
    fn expect_same(&self, file: &Path, had_ended: bool) {
        let report = sync(Arc::new(SqliteStore::open(file).unwrap()));
        let snapshot = read_only(file).unwrap();
        assert_eq!(rows(&snapshot), self.rows);
        assert_eq!(ended(&snapshot.state), self.ended);
        let expected = if had_ended { &self.second } else { &self.certificate };
        assert_eq!(certificate(&report), *expected);
    }
}

#[test]
fn killed_at_any_write_the_next_run_gives_the_same() {
    let kills: u32 = std::env::var("BROKER_KILLS").map_or(50, |kills| kills.parse().unwrap());
    let undisturbed = undisturbed();
    let writes = u64::try_from(undisturbed.states.len()).unwrap() - 1;
    // Six pages, the instruments, the sums, the end.
    assert_eq!((writes, undisturbed.rows.len()), (9, 162));
    let rng = SeededRng::new(9);
    let (mut killed, mut cut, mut done, mut read_meanwhile) = (0, 0, 0, 0);
    while killed < kills {
        let file = TempFile::new();
        let at = rng.below(writes + 1);
        let moment = MOMENTS[usize::try_from(rng.below(3)).unwrap()];
        let child = start(file.path(), at, moment, Commits::AtOnce).unwrap();
        if rng.below(2) == 0 {
            undisturbed.expect_cut(
                at,
                if at == 0 { Moment::During } else { moment },
                read_only(file.path()).as_ref(),
            );
            read_meanwhile += 1;
        } else if moment == Moment::During {
            // Now or a little later: somewhere in the write.
            (0..rng.below(400_000)).for_each(|_| std::hint::spin_loop());
        }
        kill(child);
        killed += 1;
        let left = read_only(file.path());
        undisturbed.expect_cut(at, moment, left.as_ref());
        if moment == Moment::During {
            let (before, after) = (at == 0 && left.is_none(), at > 0);
            let is_before =
                after && left.as_ref().unwrap().state == undisturbed.states[usize::try_from(at).unwrap() - 1].0;
            match before || is_before {
                true => cut += 1,
                false => done += 1,
            }
        }
        // Every third is killed once more, where it can be.
        if killed < kills && rng.below(3) == 0 {
            let again = rng.below(5);
            if let Some(child) = start(file.path(), again, Moment::During, Commits::AtOnce) {
                kill(child);
                killed += 1;
            }
        }
        // Then the run behind it is a second one, whether begun by the process that was killed or not.
        let had_ended = read_only(file.path()).is_some_and(|left| left.state.covers.is_some());
        undisturbed.expect_same(file.path(), had_ended);
    }
    println!(
        "{killed} kills; in the midst of a write: {cut} came to nothing, {done} to the whole; {read_meanwhile} read meanwhile"
    );
    assert!(read_meanwhile > 0);
}

#[test]
fn a_cursor_that_is_written_before_its_rows_is_caught() {
    let undisturbed = undisturbed();
    let lost = (1..=4).filter(|at| {
        let file = TempFile::new();
        kill(start(file.path(), *at, Moment::After, Commits::CursorFirst).unwrap());
        let report = sync(Arc::new(SqliteStore::open(file.path()).unwrap()));
        let is_lost = rows(&read_only(file.path()).unwrap()) != undisturbed.rows;
        assert!(!is_lost || !report.is_complete(), "vouched for lost rows");
        is_lost
    });
    assert_eq!(lost.count(), 2, "between a cursor and its rows");
}
