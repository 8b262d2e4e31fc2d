//! The crash campaign: the future of an order is dropped after each poll, the process is killed after each poll, the
//! journal fails at each of its calls; then client and venue must agree, and nothing may be there twice.
//!
//! ```no_run
//! use broker_testkit::crash::crash_campaign;
//! use broker_testkit::stage::Stage;
//! fn survives(fresh: &dyn Fn() -> Box<dyn Stage>) {
//!     let report = crash_campaign(fresh);
//!     assert!(report.is_clean(), "{report}");
//! }
//! ```

mod failing;
mod life;
mod run;
mod script;

use std::fmt;

use crate::damage::{Damage, Damages};
use crate::stage::Stage;
use run::Run;
use script::Script;

/// What a campaign saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrashReport {
    /// Futures that were dropped while they ran.
    pub drops: u64,
    /// Those dropped before the first byte.
    pub drops_before_send: u64,
    /// Processes that were killed.
    pub kills: u64,
    /// Those killed with an intent open, which a later process settled or kept.
    pub recovered: u64,
    /// Processes that were killed while they recovered what an earlier one left.
    pub recoveries_killed: u64,
    /// Calls of the journal that failed.
    pub journal_failures: u64,
    /// Orders that were under way while `recover` ran beside them.
    pub alive: u64,
    /// What went wrong; empty for an honest broker.
    pub damages: Damages,
}

impl CrashReport {
    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.damages.is_empty()
    }
}

impl fmt::Display for CrashReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} drops ({} before the send), {} kills ({} with an open intent), {} recoveries killed, {} journal failures, {} recovered beside",
            self.drops,
            self.drops_before_send,
            self.kills,
            self.recovered,
            self.recoveries_killed,
            self.journal_failures,
            self.alive
        )?;
        write!(f, "{}", self.damages)
    }
}

/// A run with more polls or calls than this never ends.
const MOST_POINTS: u64 = 2_000;

/// Runs every script to every point at which it can end, each on a fresh stage.
pub fn crash_campaign(fresh: &dyn Fn() -> Box<dyn Stage>) -> CrashReport {
    let mut report = CrashReport::default();
    for script in Script::ALL {
        let ways: [(&str, Way); 4] = [
            ("drop", |run, point| run.dropped_after(point)),
            ("kill", |run, point| run.killed_after(point)),
            ("kill while recovering", |run, point| run.recovery_killed_after(point)),
            ("failing journal", |run, point| run.journal_fails_at(point)),
        ];
        for (name, way) in ways {
            if (0..MOST_POINTS).all(|point| way(Run::new(&*fresh(), script, &mut report), point)) {
                let what = || format!("{script:?}, {name}: never ends");
                report.damages.add(Damage::Failed, what);
            }
        }
        Run::new(&*fresh(), script, &mut report).recover_beside();
    }
    report
}

/// Ends a run at a point; false when it had ended before.
type Way = fn(Run<'_>, u64) -> bool;
