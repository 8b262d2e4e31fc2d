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

use crate::damage::Damages;
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
            "{} drops ({} before the send), {} kills ({} with an open intent), {} journal failures, {} recovered beside",
            self.drops, self.drops_before_send, self.kills, self.recovered, self.journal_failures, self.alive
        )?;
        write!(f, "{}", self.damages)
    }
}

/// A run with more polls than this is none: the order never ends.
const MOST_POLLS: u64 = 2_000;
/// No order asks its journal so often.
const MOST_CALLS: u64 = 20;

/// Runs every script to every point at which it can end, each on a fresh stage.
pub fn crash_campaign(fresh: &dyn Fn() -> Box<dyn Stage>) -> CrashReport {
    let mut report = CrashReport::default();
    for script in Script::ALL {
        let ended = (0..MOST_POLLS).any(|polls| !Run::new(&*fresh(), script, &mut report).dropped_after(polls));
        Run::new(&*fresh(), script, &mut report).must(ended, "a dropped order never ends");
        let ended = (0..MOST_POLLS).any(|polls| !Run::new(&*fresh(), script, &mut report).killed_after(polls));
        Run::new(&*fresh(), script, &mut report).must(ended, "an order never ends");
        let ended = (1..MOST_CALLS).any(|call| !Run::new(&*fresh(), script, &mut report).journal_fails_at(call));
        Run::new(&*fresh(), script, &mut report).must(ended, "the journal is asked without end");
        Run::new(&*fresh(), script, &mut report).recover_beside();
    }
    report
}
