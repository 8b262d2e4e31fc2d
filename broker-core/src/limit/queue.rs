//! Who waits, and who goes next.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::task::Waker;

use super::bucket::Bucket;
use super::{BucketKey, Cost, Hold, Holds, Lane, Nanos, Snapshot, too_heavy, unknown_bucket};
use crate::capability::LimitRule;
use crate::error::Result;

/// All buckets, and all who wait for them.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) buckets: Vec<Bucket>,
    names: HashMap<BucketKey, usize>,
    /// Waiting calls that name the same buckets stand in one group, first come, first served in each lane. So a
    /// round looks at a few heads, however many wait.
    groups: Vec<Group>,
    seats: BTreeMap<u64, Seat>,
    next_seat: u64,
    alarm: Alarm,
    /// Kept between rounds to save its allocation.
    heads: Vec<Head>,
}

struct Group {
    buckets: Vec<usize>,
    lanes: [VecDeque<u64>; 3],
}

/// One who waits.
struct Seat {
    group: usize,
    lane: Lane,
    holds: Holds,
    granted_at: Option<Nanos>,
    waker: Option<Waker>,
    /// Grants that went past it from a bucket of its own.
    passed: u32,
}

/// The one seat that sleeps until time alone can let somebody go, for all. Its future may be kept without being
/// polled (in a buffer of futures, say), so the others look after it now and then.
#[derive(Default)]
struct Alarm {
    holder: Option<u64>,
    at: Option<Nanos>,
}

/// The first of a lane of a group, in the order in which heads are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    in_turn: bool,
    lane: Lane,
    seat: u64,
}

/// A lane that was passed over this often goes first. Both lower lanes can be due at once, so that each gets at least
/// every 8th grant.
const DUE: u32 = 6;

/// A call that was passed over this often keeps room in all its buckets: two of them may never be free at once.
const PATIENCE: u32 = 64;

/// So many buckets are looked through before the table of names is asked.
const FEW_BUCKETS: usize = 8;

/// What a seat learns when it looks.
pub(super) enum Look {
    Granted(Holds, Nanos),
    /// It waits until it is woken, or until then: a round is due if the alarm is its own, else it looks again.
    Waits {
        until: Option<Nanos>,
        rings: bool,
    },
}

/// Those who do not hold the alarm look after it this often, and a millisecond later for each who waits: however many
/// wait, that is at most a thousand times a second.
const LOOK_AFTER: Nanos = 1_000_000_000;
const LATER_FOR_EACH: Nanos = 1_000_000;

impl Queue {
    pub(super) fn define(&mut self, key: &BucketKey, rule: LimitRule) {
        if !self.names.contains_key(key) {
            self.names.insert(BucketKey::clone(key), self.buckets.len());
            self.buckets.push(Bucket::new(BucketKey::clone(key), rule));
        }
    }

    pub(super) fn find(&self, key: &BucketKey) -> Option<usize> {
        // Calls mostly name a bucket by the very key that defined it: comparing pointers is cheaper than a hash.
        let first = self.buckets.iter().take(FEW_BUCKETS);
        let same = first
            .map(|bucket| &bucket.key)
            .position(|known| Arc::ptr_eq(known, key));
        same.or_else(|| self.names.get(key).copied())
    }

    pub(super) fn snapshot(&mut self, key: &BucketKey, now: Nanos) -> Option<Snapshot> {
        let at = self.find(key)?;
        Some(self.buckets[at].snapshot(now))
    }

    pub(super) fn resolve(&self, costs: &[Cost]) -> Result<Holds> {
        let mut holds = Holds::default();
        for cost in costs {
            let bucket = self.find(&cost.bucket).ok_or_else(|| unknown_bucket(&cost.bucket))?;
            holds.add(Hold {
                bucket,
                weight: cost.weight,
            });
        }
        for hold in holds.iter() {
            let bucket = &self.buckets[hold.bucket];
            if hold.weight > bucket.limit() {
                return Err(too_heavy(&bucket.key, hold.weight, bucket.limit()));
            }
        }
        Ok(holds)
    }

    /// Takes without waiting if all buckets have room and nobody waits for one of them.
    pub(super) fn take_at_once(&mut self, holds: &Holds, now: Nanos) -> bool {
        let free = holds.iter().all(|hold| {
            let bucket = &mut self.buckets[hold.bucket];
            bucket.waiting == [0; 3] && bucket.has_room(now, hold.weight)
        });
        if free {
            self.take(holds, now);
        }
        free
    }

    fn take(&mut self, holds: &Holds, now: Nanos) {
        for hold in holds.iter() {
            self.buckets[hold.bucket].take(now, hold.weight);
        }
    }

    pub(super) fn give_back(&mut self, holds: &Holds) {
        for hold in holds.iter() {
            self.buckets[hold.bucket].give_back(hold.weight);
        }
    }

    pub(super) fn is_waited_for(&self) -> bool {
        !self.seats.is_empty()
    }

    /// Queues a call; a round must follow.
    pub(super) fn join(&mut self, holds: Holds, lane: Lane) -> u64 {
        let seat = self.next_seat;
        self.next_seat += 1;
        let group = self.group_of(&holds);
        self.groups[group].lanes[lane.index()].push_back(seat);
        for hold in holds.iter() {
            self.buckets[hold.bucket].join(lane);
        }
        self.seats.insert(
            seat,
            Seat {
                group,
                lane,
                holds,
                granted_at: None,
                waker: None,
                passed: 0,
            },
        );
        seat
    }

    fn group_of(&mut self, holds: &Holds) -> usize {
        let mut buckets: Vec<usize> = holds.iter().map(|hold| hold.bucket).collect();
        buckets.sort_unstable();
        if let Some(at) = self.groups.iter().position(|group| group.buckets == buckets) {
            return at;
        }
        let lanes = [VecDeque::new(), VecDeque::new(), VecDeque::new()];
        let group = Group { buckets, lanes };
        match self.groups.iter().position(Group::is_empty) {
            Some(at) => {
                self.groups[at] = group;
                at
            }
            None => {
                self.groups.push(group);
                self.groups.len() - 1
            }
        }
    }

    /// A seat looks whether it was granted; if not, it will be woken.
    pub(super) fn look(&mut self, seat: u64, waker: &Waker, now: Nanos) -> Look {
        if let Some(granted_at) = self.seats.get(&seat).and_then(|seat| seat.granted_at) {
            let holds = self.seats.remove(&seat).map(|seat| seat.holds);
            return Look::Granted(holds.unwrap_or_default(), granted_at);
        }
        if self.is_neglected(now) {
            self.alarm.holder = Some(seat);
        }
        if let Some(found) = self.seats.get_mut(&seat) {
            match &mut found.waker {
                Some(known) => known.clone_from(waker),
                None => found.waker = Some(waker.clone()),
            }
        }
        let rings = self.alarm.holder == Some(seat);
        let waiting = u64::try_from(self.seats.len()).unwrap_or(u64::MAX);
        let look_after = now.saturating_add(LOOK_AFTER + LATER_FOR_EACH.saturating_mul(waiting));
        Look::Waits {
            until: if rings { self.alarm.at } else { Some(look_after) },
            rings,
        }
    }

    /// Whether the alarm is overdue, or its holder was woken and has not looked.
    fn is_neglected(&self, now: Nanos) -> bool {
        let Some(at) = self.alarm.at else { return false };
        let holder = self.alarm.holder.and_then(|holder| self.seats.get(&holder));
        at <= now || holder.is_none_or(|holder| holder.waker.is_none())
    }

    /// A seat is given up; a round must follow. What it was granted and did not fetch was never sent.
    pub(super) fn leave(&mut self, seat: u64) {
        let Some(left) = self.seats.remove(&seat) else { return };
        if left.granted_at.is_some() {
            self.give_back(&left.holds);
            return;
        }
        let line = &mut self.groups[left.group].lanes[left.lane.index()];
        // Seats are numbered as they come, so a line is sorted.
        if let Ok(at) = line.binary_search(&seat) {
            line.remove(at);
        }
        self.stand_up(seat, &left);
    }

    fn stand_up(&mut self, seat: u64, left: &Seat) {
        for hold in left.holds.iter() {
            self.buckets[hold.bucket].leave(left.lane);
        }
        if self.alarm.holder == Some(seat) {
            self.alarm = Alarm::default();
        }
    }

    /// The alarm of this seat rang: the next round sets it anew. The seat looks again by itself, unwoken.
    pub(super) fn alarm_rang(&mut self, seat: u64) {
        if self.alarm.holder == Some(seat) {
            self.alarm.at = None;
        }
        if let Some(seat) = self.seats.get_mut(&seat) {
            seat.waker = None;
        }
    }

    /// One round: grants all that can go, and sets the alarm for the next who can.
    pub(super) fn dispatch(&mut self, now: Nanos, wake: &mut Vec<Waker>) {
        let mut heads = std::mem::take(&mut self.heads);
        let next = loop {
            self.line_up(&mut heads);
            match self.pick(&heads, now) {
                Ok(at) => {
                    self.pass_over(&heads, at);
                    wake.extend(self.grant(heads[at].seat, now));
                }
                Err(next) => break next,
            }
        };
        self.heads = heads;
        wake.extend(self.set_alarm(next));
    }

    /// The heads in the order in which they may go: lanes that are due, then by lane, then as they came.
    fn line_up(&self, heads: &mut Vec<Head>) {
        heads.clear();
        for group in &self.groups {
            for lane in Lane::ALL {
                if let Some(&seat) = group.lanes[lane.index()].front() {
                    let due = |at: &usize| self.buckets[*at].passed[lane.index()] >= DUE;
                    let in_turn = !group.buckets.iter().any(due);
                    heads.push(Head { in_turn, lane, seat });
                }
            }
        }
        heads.sort_unstable();
    }

    /// The first head that can go, or the time when one can if nothing happens until then. What a head lacks, nobody
    /// behind it may take.
    fn pick(&mut self, heads: &[Head], now: Nanos) -> Result<usize, Option<Nanos>> {
        let Self { buckets, seats, .. } = self;
        buckets.iter_mut().for_each(|bucket| bucket.kept = false);
        let mut next = None;
        for (at, head) in heads.iter().enumerate() {
            let Some(seat) = seats.get(&head.seat) else { continue };
            let kept = seat.holds.iter().any(|hold| buckets[hold.bucket].kept);
            let closed = seat.holds.iter().any(|hold| buckets[hold.bucket].is_closed(now));
            let keeps_all = seat.passed >= PATIENCE && !closed;
            let mut lacks = false;
            let mut opens = Some(now + 1);
            for hold in seat.holds.iter() {
                let bucket = &mut buckets[hold.bucket];
                if !bucket.has_room(now, hold.weight) {
                    lacks = true;
                    opens = opens.and_then(|opens| Some(opens.max(bucket.opens_at(now, hold.weight)?)));
                    bucket.kept = true;
                }
            }
            if !kept && !lacks {
                return Ok(at);
            }
            if keeps_all {
                seat.holds.iter().for_each(|hold| buckets[hold.bucket].kept = true);
            }
            if !kept {
                next = [next, opens].into_iter().flatten().min();
            }
        }
        Err(next)
    }

    /// Counts a grant for those ahead of it who want a bucket of the same.
    fn pass_over(&mut self, heads: &[Head], granted: usize) {
        let Some(seat) = self.seats.get(&heads[granted].seat) else {
            return;
        };
        let group = seat.group;
        for head in &heads[..granted] {
            if let Some(seat) = self.seats.get_mut(&head.seat) {
                let (ours, theirs) = (&self.groups[group].buckets, &self.groups[seat.group].buckets);
                seat.passed += u32::from(theirs.iter().any(|bucket| ours.contains(bucket)));
            }
        }
    }

    fn grant(&mut self, seat: u64, now: Nanos) -> Option<Waker> {
        let mut granted = self.seats.remove(&seat)?;
        self.groups[granted.group].lanes[granted.lane.index()].pop_front();
        self.stand_up(seat, &granted);
        self.take(&granted.holds, now);
        for hold in granted.holds.iter() {
            self.buckets[hold.bucket].count_grant(granted.lane);
        }
        granted.granted_at = Some(now);
        let waker = granted.waker.take();
        self.seats.insert(seat, granted);
        waker
    }

    /// Somebody who waits sleeps until then. Woken only if it must sleep less long than it does, or is new to it.
    fn set_alarm(&mut self, next: Option<Nanos>) -> Option<Waker> {
        let sooner = match (next, self.alarm.at) {
            (Some(next), Some(set)) => next < set,
            (next, None) => next.is_some(),
            (None, Some(_)) => false,
        };
        if !sooner {
            return None;
        }
        let holder = self.alarm.holder.or_else(|| self.last_to_go())?;
        self.alarm = Alarm {
            holder: Some(holder),
            at: next,
        };
        self.seats.get_mut(&holder)?.waker.take()
    }

    /// Who keeps the alarm the longest before it is granted itself.
    fn last_to_go(&self) -> Option<u64> {
        let last = |lane: Lane| {
            let ends = self.groups.iter().filter_map(|group| group.lanes[lane.index()].back());
            ends.max().copied()
        };
        Lane::ALL.into_iter().rev().find_map(last)
    }
}

impl Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Limiter({} buckets, {} waiting)",
            self.buckets.len(),
            self.seats.len()
        )
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }
}
