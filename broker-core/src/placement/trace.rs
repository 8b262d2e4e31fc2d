//! Which orders carry ids of ours, where a venue finds none by them. What happened at it is read instead, and each part
//! of that once, however many orders are looked for, and however often: a doubt that stays open for days costs what
//! happened in them, not its square.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::id::{AccountId, ClientOrderId};

/// Ids that are kept once a lookup is done; with more, the older half is forgotten, and read again when asked for.
const KEPT: usize = 100_000;

/// What was read of each account.
#[derive(Debug)]
pub struct Traces<P, T>(Mutex<BTreeMap<AccountId, Trace<P, T>>>);

impl<P, T> Traces<P, T> {
    /// Looks into an account's, or adds to it.
    pub fn with<R>(&self, account: &AccountId, look: impl FnOnce(&mut Trace<P, T>) -> R) -> R {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(all.entry(account.clone()).or_default())
    }
}

/// A stretch of what happened in an account, read without a hole, and the ids of ours in it. `P` is a place in it, such
/// as a row's number or its time; `T` is what a row says.
///
/// ```
/// use broker_core::placement::Trace;
/// let mut trace = Trace::default();
/// trace.begin(100);
/// assert!(trace.take(100, 140, [("mine".into(), 120, "made")]));
/// assert!(!trace.take(150, 160, [("other".into(), 155, "made")]), "141 to 149 were not read");
/// assert_eq!(trace.read(), Some((100, 140)));
/// assert_eq!(trace.find(&"mine".into(), 101), [(120, "made")]);
/// ```
#[derive(Debug)]
pub struct Trace<P, T> {
    read: Option<(P, P)>,
    own: BTreeMap<ClientOrderId, BTreeSet<(P, T)>>,
}

impl<P: Copy + Ord, T: Clone + Ord> Trace<P, T> {
    /// From where and up to where it was read.
    pub fn read(&self) -> Option<(P, P)> {
        self.read
    }

    /// Forgets all: nothing is read yet, and it begins here.
    pub fn begin(&mut self, at: P) {
        self.read = Some((at, at));
        self.own.clear();
    }

    /// Takes a stretch that was read, with all that carries an id of ours in it. One that does not touch what was read
    /// before is left out: what lies between is not known.
    pub fn take(&mut self, from: P, to: P, own: impl IntoIterator<Item = (ClientOrderId, P, T)>) -> bool {
        match self.read {
            Some((first, last)) if from <= last && to >= first => {
                self.read = Some((first.min(from), last.max(to)));
                for (id, at, what) in own {
                    self.own.entry(id).or_default().insert((at, what));
                }
                true
            }
            _ => false,
        }
    }

    /// What carries this id, from here on. A lookup ends with it: what is too much is forgotten then, and not before,
    /// for a lookup that reads far back must come to its end.
    pub fn find(&mut self, id: &ClientOrderId, from: P) -> Vec<(P, T)> {
        let of_id = self.own.get(id).into_iter().flatten();
        let found = of_id.filter(|(at, _)| *at >= from).cloned().collect();
        self.forget();
        found
    }

    fn forget(&mut self) {
        if let Some((first, last)) = self.read
            && self.own.len() > KEPT
        {
            let mut places: Vec<P> = self.own.values().flatten().map(|(at, _)| *at).collect();
            let middle = places.len() / 2;
            let first = first.max(*places.select_nth_unstable(middle).1);
            self.read = Some((first, last));
            self.own.retain(|_, rows| {
                rows.retain(|(at, _)| *at >= first);
                !rows.is_empty()
            });
        }
    }
}

impl<P, T> Default for Traces<P, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<P, T> Default for Trace<P, T> {
    fn default() -> Self {
        Self {
            read: None,
            own: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(rows: &[(&str, u64)]) -> Trace<u64, ()> {
        let mut trace = Trace::default();
        trace.begin(5_000);
        assert!(trace.take(5_000, 5_300, own(rows)));
        trace
    }

    fn own(rows: &[(&str, u64)]) -> Vec<(ClientOrderId, u64, ())> {
        rows.iter().map(|(id, at)| ((*id).into(), *at, ())).collect()
    }

    fn places(trace: &mut Trace<u64, ()>, id: &str, from: u64) -> Vec<u64> {
        trace.find(&id.into(), from).into_iter().map(|(at, ())| at).collect()
    }

    #[test]
    fn it_grows_both_ways_and_has_no_holes() {
        let mut trace = trace(&[("a", 5_001), ("b", 5_200)]);
        assert!(!trace.take(5_301, 5_400, own(&[("c", 5_350)])));
        assert!(!trace.take(4_000, 4_999, own(&[("c", 4_500)])));
        assert_eq!(trace.read(), Some((5_000, 5_300)));
        assert!(places(&mut trace, "c", 0).is_empty());
        assert!(trace.take(4_000, 5_000, own(&[("a", 4_100)])));
        assert!(trace.take(5_200, 5_400, own(&[("b", 5_200), ("c", 5_350)])));
        assert_eq!(trace.read(), Some((4_000, 5_400)));
        // What stands before is an older order with the same id; what is read twice counts once.
        assert_eq!(places(&mut trace, "a", 0), [4_100, 5_001]);
        assert_eq!(places(&mut trace, "a", 4_101), [5_001]);
        assert_eq!(places(&mut trace, "b", 0), [5_200]);
    }

    #[test]
    fn nothing_is_taken_before_it_begins_and_a_new_beginning_forgets() {
        let mut fresh = Trace::<u64, ()>::default();
        assert!(!fresh.take(0, u64::MAX, own(&[("a", 1)])));
        assert_eq!(fresh.read(), None);
        let mut trace = trace(&[("a", 5_001)]);
        trace.begin(9_000);
        assert_eq!(trace.read(), Some((9_000, 9_000)));
        assert!(places(&mut trace, "a", 0).is_empty());
    }

    #[test]
    fn of_too_many_ids_the_older_half_is_forgotten_once_the_lookup_is_done() {
        let mut trace = trace(&[]);
        let many = (0..=100_000_u64).map(|at| (at.to_string().into(), 5_001 + at, ()));
        assert!(trace.take(5_000, 200_000, many));
        assert_eq!(trace.read(), Some((5_000, 200_000)), "not before");
        assert_eq!(places(&mut trace, "0", 0), [5_001], "it is still found");
        // 100,001 places from 5,001 on: the middle one is 5,001 + 50,000.
        assert_eq!(trace.read(), Some((55_001, 200_000)));
        assert!(places(&mut trace, "49999", 0).is_empty());
        assert_eq!(places(&mut trace, "50000", 0), [55_001]);
        assert_eq!(trace.own.len(), 50_001);
        assert_eq!(trace.read(), Some((55_001, 200_000)), "half of it is not too much");
    }

    #[test]
    fn each_account_has_its_own() {
        let traces = Traces::default();
        let (one, other) = (AccountId::from("1"), AccountId::from("2"));
        traces.with(&one, |trace| {
            trace.begin(0);
            trace.take(0, 10, own(&[("a", 5)]))
        });
        assert_eq!(traces.with(&one, |trace| trace.find(&"a".into(), 0)), [(5, ())]);
        assert_eq!(traces.with(&other, |trace| trace.read()), None);
    }
}
