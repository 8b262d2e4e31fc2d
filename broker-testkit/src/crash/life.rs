//! A process that ends between two polls of its tasks.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use broker_core::seam::{BoxFuture, Spawn, VirtualClock};

/// What ends when the polls are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The future that was waited for is dropped; its tasks go on.
    Drop,
    /// Nothing of the process is ever polled again. No destructor runs before what is left is thrown away.
    Kill,
}

/// Runs the tasks of a process in the world's runtime, and counts their polls once it is armed.
#[derive(Clone)]
pub(super) struct Life {
    spawn: VirtualClock,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// How it ends, and after how many more polls.
    armed: Option<(End, u64)>,
    over: Option<End>,
    polls: u64,
    root: Option<Waker>,
}

impl Life {
    pub(super) fn new(spawn: VirtualClock) -> Self {
        Self {
            spawn,
            state: Arc::default(),
        }
    }

    /// Polls a future as the process's own until it ends, or until so many polls of the process are used up: then
    /// `None`.
    pub(super) fn run<T>(&self, end: End, polls: u64, future: BoxFuture<'_, T>) -> impl Future<Output = Option<T>> {
        let mut state = self.lock();
        (state.armed, state.polls) = (Some((end, polls)), 0);
        state.over = (polls == 0).then_some(end);
        drop(state);
        Root {
            life: self.clone(),
            future: Some(future),
        }
    }

    /// Kills the process now.
    pub(super) fn kill(&self) {
        self.lock().over = Some(End::Kill);
    }

    /// One poll is used up.
    fn polled(&self) {
        let mut state = self.lock();
        let Some((end, most)) = state.armed else { return };
        state.polls += 1;
        if state.polls < most || state.over.is_some() {
            return;
        }
        state.over = Some(end);
        if let Some(root) = state.root.take() {
            drop(state);
            root.wake();
        }
    }

    fn over(&self) -> Option<End> {
        self.lock().over
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        write!(f, "Life({} polls, over: {:?})", state.polls, state.over)
    }
}

impl Spawn for Life {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let life = self.clone();
        self.spawn.spawn(Box::pin(Task { life, task }));
    }
}

struct Root<'a, T> {
    life: Life,
    future: Option<BoxFuture<'a, T>>,
}

impl<T> Future for Root<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let life = self.life.clone();
        let Some(future) = self.future.as_mut().filter(|_| life.over().is_none()) else {
            self.future = None;
            return Poll::Ready(None);
        };
        let polled = future.as_mut().poll(context);
        life.lock().root = Some(context.waker().clone());
        if let Poll::Ready(value) = polled {
            return Poll::Ready(Some(value));
        }
        life.polled();
        Poll::Pending
    }
}

struct Task {
    life: Life,
    task: BoxFuture<'static, ()>,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.life.over() == Some(End::Kill) {
            return Poll::Ready(());
        }
        let polled = self.task.as_mut().poll(context);
        self.life.polled();
        polled
    }
}
