//! CPU time, times on the wall, and their ratios.

#![allow(dead_code, reason = "each bench uses its own part")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::time::{Duration, Instant};

/// What a piece of work took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Took {
    /// CPU time of this thread; zero where the system does not tell it.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
}

/// Measures from its start on.
pub(crate) struct Watch(Duration, Instant);

impl Watch {
    #[allow(clippy::disallowed_methods, reason = "a benchmark measures the machine's time")]
    pub(crate) fn start() -> Self {
        Self(cpu(), Instant::now())
    }

    pub(crate) fn took(&self) -> Took {
        Took {
            wall: self.1.elapsed(),
            cpu: cpu().saturating_sub(self.0),
        }
    }
}

/// CPU time of this thread in nanoseconds, from Linux's scheduler.
fn cpu() -> Duration {
    // The scheduler brings its account up to date when the thread steps aside.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// The middle one of several.
pub(crate) fn median<T: Ord + Copy>(mut all: Vec<T>) -> T {
    all.sort_unstable();
    all[all.len() / 2]
}

/// How much longer ours took, with two digits.
pub(crate) fn ratio(ours: Duration, floor: Duration) -> String {
    decimal(ours.as_nanos() * 100 / floor.as_nanos().max(1))
}

/// Microseconds, with two digits.
pub(crate) fn micros(time: Duration) -> String {
    format!("{} us", decimal(time.as_nanos() / 10))
}

fn decimal(hundredths: u128) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// `cargo test --benches` only looks whether a bench runs.
pub(crate) fn is_measured() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

/// All tasks of the client on this thread, so that its CPU time is theirs.
pub(crate) fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
