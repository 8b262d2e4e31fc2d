//! Time that jumps: a single-threaded runtime whose clock moves only when every task waits.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::fmt::{self, Debug};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{BoxFuture, Clock, Spawn};

/// Runs futures in virtual time. When all tasks wait, the clock jumps to the next timer; when there is none, the run
/// can never end and panics with a message. The same program gives the same order of events each time.
///
/// ```
/// use std::time::Duration;
/// use broker_core::seam::{Clock, VirtualRuntime};
/// let runtime = VirtualRuntime::new();
/// let clock = runtime.clock();
/// runtime.block_on(clock.sleep(Duration::from_secs(86_400)));
/// assert_eq!(clock.elapsed(), Duration::from_secs(86_400));
/// ```
#[derive(Clone, Default)]
pub struct VirtualRuntime {
    shared: Arc<Shared>,
}

/// The clock of a [`VirtualRuntime`]; it also starts tasks there.
#[derive(Clone)]
pub struct VirtualClock {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    ready: Mutex<VecDeque<u64>>,
}

struct State {
    origin: DateTime<Utc>,
    elapsed: Duration,
    timers: BinaryHeap<Reverse<(Duration, u64)>>,
    waiting: HashMap<u64, Waker>,
    next_timer: u64,
    next_task: u64,
    /// Tasks that wait; the one being polled is out of the map.
    tasks: HashMap<u64, BoxFuture<'static, ()>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            origin: DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default(),
            elapsed: Duration::ZERO,
            timers: BinaryHeap::new(),
            waiting: HashMap::new(),
            next_timer: 0,
            next_task: 1,
            tasks: HashMap::new(),
        }
    }
}

/// The future given to `block_on`; spawned tasks count from 1.
const ROOT: u64 = 0;

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let mut state = self.state();
        let id = state.next_task;
        state.next_task += 1;
        state.tasks.insert(id, task);
        drop(state);
        self.ready().push_back(id);
    }

    /// Moves to the next timer and wakes it. False when there is none.
    fn jump(&self) -> bool {
        let mut state = self.state();
        while let Some(Reverse((at, id))) = state.timers.pop() {
            // A dropped sleep has no waker any more.
            if let Some(waker) = state.waiting.remove(&id) {
                state.elapsed = state.elapsed.max(at);
                drop(state);
                waker.wake();
                return true;
            }
        }
        false
    }
}

impl VirtualRuntime {
    /// A runtime whose time of day starts at 2026-01-01 00:00 UTC.
    pub fn new() -> Self {
        Self::default()
    }

    /// A runtime whose time of day starts here.
    pub fn starting_at(origin: DateTime<Utc>) -> Self {
        let runtime = Self::default();
        runtime.shared.state().origin = origin;
        runtime
    }

    /// The clock, which is also the way to start tasks.
    pub fn clock(&self) -> VirtualClock {
        VirtualClock {
            shared: Arc::clone(&self.shared),
        }
    }

    /// Runs the future to its end, and all tasks beside it as far as they get until then. Tasks that are left go on
    /// in the next `block_on`.
    ///
    /// # Panics
    /// When everything waits and no timer is set: the run could never end.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut root = Box::pin(future);
        self.shared.ready().push_back(ROOT);
        loop {
            let next = self.shared.ready().pop_front();
            match next {
                Some(ROOT) => {
                    let waker = self.waker(ROOT);
                    if let Poll::Ready(output) = root.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return output;
                    }
                }
                Some(id) => self.poll_task(id),
                None if self.shared.jump() => {}
                None => panic!("virtual time stands still: every task waits and no timer is set"),
            }
        }
    }

    /// Runs what is left until every task has ended or waits for something that is no timer. Gives the number of
    /// tasks that still wait.
    pub fn run_until_idle(&self) -> usize {
        loop {
            let next = self.shared.ready().pop_front();
            match next {
                Some(ROOT) => {}
                Some(id) => self.poll_task(id),
                None if self.shared.jump() => {}
                None => return self.shared.state().tasks.len(),
            }
        }
    }

    fn poll_task(&self, id: u64) {
        let Some(mut task) = self.shared.state().tasks.remove(&id) else {
            return;
        };
        let waker = self.waker(id);
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.shared.state().tasks.insert(id, task);
        }
    }

    fn waker(&self, id: u64) -> Waker {
        Waker::from(Arc::new(TaskWaker {
            id,
            shared: Arc::clone(&self.shared),
        }))
    }
}

struct TaskWaker {
    id: u64,
    shared: Arc<Shared>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut ready = self.shared.ready();
        if !ready.contains(&self.id) {
            ready.push_back(self.id);
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> DateTime<Utc> {
        let state = self.shared.state();
        state.origin + chrono::Duration::from_std(state.elapsed).unwrap_or_default()
    }

    fn elapsed(&self) -> Duration {
        self.shared.state().elapsed
    }

    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.shared.state();
        let id = state.next_timer;
        state.next_timer += 1;
        let at = state.elapsed + wait;
        drop(state);
        Box::pin(Sleep {
            id,
            at,
            set: false,
            shared: Arc::clone(&self.shared),
        })
    }
}

impl Spawn for VirtualClock {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.shared.spawn(task);
    }
}

struct Sleep {
    id: u64,
    at: Duration,
    set: bool,
    shared: Arc<Shared>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        if state.elapsed >= self.at {
            state.waiting.remove(&self.id);
            return Poll::Ready(());
        }
        if !self.set {
            state.timers.push(Reverse((self.at, self.id)));
            self.set = true;
        }
        state.waiting.insert(self.id, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.shared.state().waiting.remove(&self.id);
    }
}

impl Debug for VirtualRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtualRuntime({:?})", self.shared.state().elapsed)
    }
}

impl Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VirtualClock({:?})", self.shared.state().elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_interleave_in_the_order_of_their_timers() {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        let log = Arc::new(Mutex::new(Vec::new()));
        for (name, seconds) in [("late", 3u64), ("early", 1), ("middle", 2)] {
            let (clock, log) = (clock.clone(), Arc::clone(&log));
            runtime.clock().spawn(Box::pin(async move {
                clock.sleep(Duration::from_secs(seconds)).await;
                log.lock().unwrap().push((name, clock.elapsed().as_secs()));
            }));
        }
        runtime.block_on(clock.sleep(Duration::from_secs(10)));
        assert_eq!(*log.lock().unwrap(), [("early", 1), ("middle", 2), ("late", 3)]);
        assert_eq!(clock.now().to_rfc3339(), "2026-01-01T00:00:10+00:00");
    }

    #[test]
    fn a_dropped_sleep_does_not_move_time() {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        let long = clock.sleep(Duration::from_secs(100));
        runtime.block_on(async {
            let mut long = long;
            assert!(futures_util::poll!(&mut long).is_pending());
            drop(long);
            clock.sleep(Duration::from_secs(1)).await;
        });
        assert_eq!(runtime.run_until_idle(), 0);
        assert_eq!(clock.elapsed(), Duration::from_secs(1));
    }

    #[test]
    #[should_panic(expected = "virtual time stands still")]
    fn a_run_that_can_never_end_says_so() {
        VirtualRuntime::new().block_on(std::future::pending::<()>());
    }
}
