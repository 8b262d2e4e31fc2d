//! The contracts of the broker traits, checked sentence by sentence over `&dyn Broker`.
//!
//! A file a role: [`read`], [`trading`] (single attempts), [`placement`] (what users call), [`streaming`]. Each case
//! has a name and needs; [`run`] runs all, chosen by the broker's sides, its [`Capabilities`](broker_core::Capabilities)
//! and what the [`Setup`] names, and says aloud what it skipped and why.
//!
//! The cases that trade run on paper alone. Give them an account of its own: they cancel **every** open order of the
//! account and close the position in their instrument, before and behind each case.

/// Cases of the read side.
macro_rules! read_cases {
    ($($(#[$need:ident])* $name:ident,)*) => {
        &[$(Case {
            name: stringify!($name),
            needs: &[$(Need::$need),*],
            run: |broker, setup| Box::pin($name(broker, setup)),
        }),*]
    };
}

/// Cases that trade: each is given a desk at an account without open orders, flat in its instrument.
macro_rules! desk_cases {
    ($($(#[$need:ident $(($word:literal))?])* $name:ident,)*) => {
        &[$(Case {
            name: stringify!($name),
            needs: &[Need::Trading, Need::Paper, Need::Trade $(, Need::$need $(($word))?)*],
            run: |broker, setup| Box::pin(at_desk(broker, setup, |desk| Box::pin($name(desk)))),
        }),*]
    };
}

mod desk;
mod need;
mod overseen;
pub mod placement;
pub mod read;
mod setup;
mod sockets;
pub mod streaming;
pub mod trading;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use broker_core::seam::BoxFuture;
use broker_core::{Broker, Error};
use futures_util::future::join_all;

pub use need::Need;
pub use setup::{Setup, TradeSetup};
pub use sockets::Sockets;

/// Why a case failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed(pub String);

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self(format!("an error: {error}"))
    }
}

/// How a case ended: `Ok(false)` when the account's data gave it nothing to check.
pub type Outcome = Result<bool, Failed>;

/// One sentence of a contract.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What it needs.
    pub needs: &'static [Need],
    /// The check.
    pub run: for<'a> fn(&'a dyn Broker, &'a Setup) -> BoxFuture<'a, Outcome>,
}

/// What a run found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Cases that hold.
    pub passed: Vec<&'static str>,
    /// Cases that do not, and why.
    pub failed: Vec<(&'static str, String)>,
    /// Cases that were not run or had nothing to check, and why.
    pub skipped: Vec<(&'static str, &'static str)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed, skipped) = (self.passed.len(), self.failed.len(), self.skipped.len());
        writeln!(f, "{passed} passed, {failed} failed, {skipped} skipped")?;
        for (name, why) in &self.failed {
            writeln!(f, "  FAILED {name}: {why}")?;
        }
        for (name, why) in &self.skipped {
            writeln!(f, "  SKIPPED {name}: {why}")?;
        }
        Ok(())
    }
}

/// Every case of every role.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    let roles = [read::CASES, trading::CASES, placement::CASES, streaming::CASES];
    roles.into_iter().flatten()
}

/// The names of all cases, in the order in which they run.
pub fn names() -> Vec<&'static str> {
    cases().map(|case| case.name).collect()
}

/// Runs every case, and prints what was skipped.
pub async fn run(broker: &dyn Broker, setup: &Setup) -> Report {
    run_cases(cases(), broker, setup).await
}

/// Runs these cases, and prints what was skipped.
pub async fn run_cases(cases: impl IntoIterator<Item = &Case>, broker: &dyn Broker, setup: &Setup) -> Report {
    let mut ended = Vec::new();
    for case in cases {
        ended.push((case.name, case.end(broker, setup).await));
    }
    Report::of(broker, ended)
}

/// Runs every case once, each at the first of these brokers that is free: over real sockets, where time is real, their
/// waits pass together. Each broker stands before a venue of its own, so that no case meets the orders of another.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use broker_core::Broker;
/// # use broker_testkit::conformance::{Setup, run_side_by_side};
/// # async fn all_hold(stations: Vec<(Arc<dyn Broker>, Setup)>) {
/// let report = run_side_by_side(&stations).await;
/// assert!(report.failed.is_empty(), "{report}");
/// # }
/// ```
pub async fn run_side_by_side(stations: &[(Arc<dyn Broker>, Setup)]) -> Report {
    let Some((broker, _)) = stations.first() else {
        return Report::default();
    };
    let cases: Vec<&Case> = cases().collect();
    let next = AtomicUsize::new(0);
    let stations = stations
        .iter()
        .map(|(broker, setup)| at_station(&cases, &next, &**broker, setup));
    let mut ended: Vec<_> = join_all(stations).await.into_iter().flatten().collect();
    ended.sort_by_key(|(place, ..)| *place);
    Report::of(&**broker, ended.into_iter().map(|(_, name, end)| (name, end)))
}

/// Takes the next case as long as there is one; how each ended, with its place.
async fn at_station(
    cases: &[&Case],
    next: &AtomicUsize,
    broker: &dyn Broker,
    setup: &Setup,
) -> Vec<(usize, &'static str, End)> {
    let mut ended = Vec::new();
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(case) = cases.get(place) else { return ended };
        ended.push((place, case.name, case.end(broker, setup).await));
    }
}

/// How a case ended.
enum End {
    Passed,
    Failed(String),
    Skipped(&'static str),
}

impl Case {
    async fn end(&self, broker: &dyn Broker, setup: &Setup) -> End {
        if let Some(why) = self.needs.iter().find_map(|need| need.missing(broker, setup)) {
            return End::Skipped(why);
        }
        match (self.run)(broker, setup).await {
            Ok(true) => End::Passed,
            Ok(false) => End::Skipped("the account has nothing to check it with"),
            Err(Failed(why)) => End::Failed(why),
        }
    }
}

impl Report {
    /// Prints what was skipped.
    fn of(broker: &dyn Broker, ended: impl IntoIterator<Item = (&'static str, End)>) -> Self {
        let mut report = Self::default();
        for (name, end) in ended {
            match end {
                End::Passed => report.passed.push(name),
                End::Failed(why) => report.failed.push((name, why)),
                End::Skipped(why) => {
                    eprintln!("SKIPPED {} {name}: {why}", broker.id());
                    report.skipped.push((name, why));
                }
            }
        }
        report
    }
}

fn check(holds: bool, why: impl Into<String>) -> Outcome {
    if holds { Ok(true) } else { Err(Failed(why.into())) }
}

/// A name that no broker knows.
const NOBODY: &str = "no-such-thing-7f3a";

/// An id like this one that is made up. The form of an id is the broker's: digits stay digits.
fn made_up(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_digit() { '7' } else { c }).collect()
}
