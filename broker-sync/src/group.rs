//! Many accounts, side by side.

use std::collections::VecDeque;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use broker_core::limit::Limiter;
use broker_core::seam::BoxFuture;
use broker_core::{AccountId, Error, ErrorKind, Result};
use futures_core::Stream;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};

use crate::plan::{Plan, least_time_together};
use crate::progress::{Progress, ProgressSink};
use crate::report::SyncReport;
use crate::state::Scope;
use crate::syncer::Syncer;

/// Syncs many accounts at once: of one broker or of several, into one store or into several.
///
/// Each member ends for itself. One that fails, even by a panic of a broker's crate, is reported and stops nobody.
/// Members of one and the same account go one after another, whichever connection each has. Brokers that share a
/// [`Context`](broker_core::Context) share its limits here as everywhere.
///
/// ```no_run
/// use std::sync::Arc;
/// use broker_core::{AccountId, Broker, Result};
/// use broker_sync::{Store, SyncGroup, SyncNews, Syncer};
/// use futures_util::StreamExt;
///
/// async fn all(brokers: Vec<Arc<dyn Broker>>, store: Arc<dyn Store>) -> Result<()> {
///     let mut group = SyncGroup::new().with_at_once(4);
///     for broker in brokers {
///         group.add_all(&Syncer::new(broker, Arc::clone(&store))).await?;
///     }
///     println!("at least {:?}", group.plan().await?.least_time());
///     let mut run = group.run();
///     while let Some(event) = run.next().await {
///         match event.news {
///             SyncNews::Started => println!("{} began", event.scope),
///             SyncNews::Progress(progress) => println!("{} has {} fills", event.scope, progress.fills),
///             SyncNews::Done(report) => println!("{report}"),
///             SyncNews::Failed(error) => eprintln!("{} failed: {error}", event.scope),
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SyncGroup {
    members: Vec<Arc<Member>>,
    at_once: usize,
}

#[derive(Debug)]
struct Member {
    syncer: Syncer,
    account: AccountId,
    scope: Scope,
}

/// So many are synced at once, unless told otherwise.
const USUAL_AT_ONCE: usize = 8;

impl Default for SyncGroup {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            at_once: USUAL_AT_ONCE,
        }
    }
}

impl SyncGroup {
    /// A group of nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// So many at once: 8 unless told otherwise.
    #[must_use]
    pub fn with_at_once(mut self, members: usize) -> Self {
        self.at_once = members.max(1);
        self
    }

    /// Adds an account. Its number in [`SyncEvent::member`] is how many were added before it.
    pub fn add(&mut self, syncer: &Syncer, account: &AccountId) {
        self.members.push(Arc::new(Member {
            syncer: syncer.clone(),
            account: account.clone(),
            scope: syncer.scope(account),
        }));
    }

    /// Adds every account that the broker's key sees; gives how many.
    ///
    /// # Errors
    /// The broker's, when it is asked for its accounts; then none was added.
    pub async fn add_all(&mut self, syncer: &Syncer) -> Result<usize> {
        let accounts = syncer.broker.accounts().await?;
        accounts.iter().for_each(|account| self.add(syncer, &account.id));
        Ok(accounts.len())
    }

    /// What it takes at least. Reads the stores, and asks no broker.
    ///
    /// # Errors
    /// Any error of a store.
    pub async fn plan(&self) -> Result<GroupPlan> {
        let mut plans = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let planner = member.syncer.planner(&member.account).await?;
            plans.push((member.scope.clone(), planner.lower_bound()));
        }
        Ok(GroupPlan {
            apart: self.apart(&plans),
            plans,
        })
    }

    /// Limits that several members use up, and that a limiter of its own counts for each.
    fn apart(&self, plans: &[(Scope, Plan)]) -> Vec<Arc<str>> {
        let mut seen: Vec<(Arc<str>, &Limiter)> = Vec::new();
        let mut apart: Vec<Arc<str>> = Vec::new();
        for (member, (_, plan)) in self.members.iter().zip(plans) {
            let limiter = member.syncer.broker.context().limiter();
            for key in plan.spending.iter().map(|one| &one.limit.key) {
                match seen.iter().find(|(known, _)| known == key) {
                    Some((_, first)) if !first.is_same(limiter) && !apart.contains(key) => apart.push(Arc::clone(key)),
                    Some(_) => {}
                    None => seen.push((Arc::clone(key), limiter)),
                }
            }
        }
        apart
    }

    /// Syncs them all. Nothing happens until the stream is polled; it ends when the last member has ended.
    ///
    /// Dropping it cancels what is under way. What was stored is whole pages with their cursors, and the next run goes
    /// on from there.
    pub fn run(&self) -> SyncRun {
        SyncRun {
            desks: self.members.iter().map(|_| Arc::default()).collect(),
            members: self.members.clone(),
            at_once: self.at_once,
            waiting: (0..self.members.len()).collect(),
            busy: Vec::new(),
            running: FuturesUnordered::new(),
            events: VecDeque::new(),
        }
    }

    /// Syncs them all, and gives how each ended, in the order in which they were added.
    pub async fn sync(&self) -> Vec<(Scope, Result<SyncReport>)> {
        let mut ended: Vec<(usize, Scope, Result<SyncReport>)> = Vec::with_capacity(self.members.len());
        let mut run = self.run();
        while let Some(SyncEvent { member, scope, news }) = run.next().await {
            match news {
                SyncNews::Done(report) => ended.push((member, scope, Ok(*report))),
                SyncNews::Failed(error) => ended.push((member, scope, Err(error))),
                SyncNews::Started | SyncNews::Progress(_) => {}
            }
        }
        ended.sort_by_key(|(member, ..)| *member);
        ended.into_iter().map(|(_, scope, outcome)| (scope, outcome)).collect()
    }
}

/// What the syncs of a group take at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlan {
    /// Each member's own plan.
    pub plans: Vec<(Scope, Plan)>,
    /// Limits that members use up together, but whose brokers have no [`Context`](broker_core::Context) in common:
    /// each believes to have all of it. Give them one context, or the venue will refuse some calls.
    pub apart: Vec<Arc<str>>,
}

impl GroupPlan {
    /// All requests.
    pub fn requests(&self) -> u64 {
        self.plans.iter().map(|(_, plan)| plan.requests()).sum()
    }

    /// How long the limits make it take, side by side: what members use of one limit adds up.
    pub fn least_time(&self) -> Duration {
        least_time_together(self.plans.iter().map(|(_, plan)| plan))
    }
}

/// Something that happened to a member of a group.
#[derive(Debug, Clone)]
pub struct SyncEvent {
    /// Its number, from 0, in the order in which members were added.
    pub member: usize,
    /// Whose history it syncs; prints masked.
    pub scope: Scope,
    /// What happened.
    pub news: SyncNews,
}

/// What happens to a member of a group: it starts, makes progress, and is done or fails.
#[derive(Debug, Clone)]
pub enum SyncNews {
    /// Its sync began.
    Started,
    /// How far it is. Who reads late gets the latest alone.
    Progress(Progress),
    /// It ended, and reports.
    Done(Box<SyncReport>),
    /// It ended with an error. What it had stored stays.
    Failed(Error),
}

/// A running group: a stream of what happens to its members.
#[must_use = "nothing happens until it is polled"]
pub struct SyncRun {
    members: Vec<Arc<Member>>,
    desks: Vec<Arc<Desk>>,
    at_once: usize,
    waiting: VecDeque<usize>,
    /// Members whose sync is under way.
    busy: Vec<usize>,
    running: FuturesUnordered<BoxFuture<'static, (usize, Result<SyncReport>)>>,
    events: VecDeque<SyncEvent>,
}

/// Where a member leaves its latest progress.
#[derive(Debug, Default)]
struct Desk(Mutex<Option<Progress>>);

impl Desk {
    fn take(&self) -> Option<Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Tells the group, and whoever the syncer was told to tell.
#[derive(Debug)]
struct Both {
    desk: Arc<Desk>,
    other: Option<Arc<dyn ProgressSink>>,
}

impl ProgressSink for Both {
    fn progress(&self, progress: Progress) {
        if let Some(other) = &self.other {
            other.progress(progress.clone());
        }
        *self.desk.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress);
    }
}

impl SyncRun {
    /// Starts whom there is room for. An account is never read by two at once.
    fn start(&mut self) {
        while self.busy.len() < self.at_once {
            let is_free = |index: &&usize| {
                let scope = &self.members[**index].scope;
                !self.busy.iter().any(|busy| self.members[*busy].scope == *scope)
            };
            let Some(index) = self.waiting.iter().find(is_free).copied() else {
                return;
            };
            self.waiting.retain(|other| *other != index);
            self.busy.push(index);
            self.tell(index, SyncNews::Started);
            self.running.push(self.sync(index).boxed());
        }
    }

    fn sync(&self, index: usize) -> impl Future<Output = (usize, Result<SyncReport>)> + Send + use<> {
        let member = Arc::clone(&self.members[index]);
        let sink = Both {
            desk: Arc::clone(&self.desks[index]),
            other: member.syncer.sink.clone(),
        };
        let syncer = member.syncer.clone().with_progress(Arc::new(sink));
        async move {
            // What a panic leaves behind is what a drop would: stores and brokers are safe to use again.
            let sync = AssertUnwindSafe(syncer.sync(&member.account)).catch_unwind();
            (index, sync.await.unwrap_or_else(|_| Err(panicked(&member.scope))))
        }
    }

    fn tell(&mut self, member: usize, news: SyncNews) {
        let scope = self.members[member].scope.clone();
        self.events.push_back(SyncEvent { member, scope, news });
    }

    fn tell_progress(&mut self, member: usize) {
        if let Some(progress) = self.desks[member].take() {
            self.tell(member, SyncNews::Progress(progress));
        }
    }
}

impl Stream for SyncRun {
    type Item = SyncEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let run = &mut *self;
        loop {
            run.start();
            if let Some(event) = run.events.pop_front() {
                return Poll::Ready(Some(event));
            }
            match run.running.poll_next_unpin(context) {
                Poll::Ready(Some((member, outcome))) => {
                    run.busy.retain(|busy| *busy != member);
                    run.tell_progress(member);
                    let done = outcome.map(Box::new).map(SyncNews::Done);
                    run.tell(member, done.unwrap_or_else(SyncNews::Failed));
                }
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    for member in run.busy.clone() {
                        run.tell_progress(member);
                    }
                    if run.events.is_empty() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}

impl fmt::Debug for SyncRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncRun")
            .field("members", &self.members.len())
            .field("waiting", &self.waiting)
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
}

/// The panic's own words may hold anything; its hook has told them to the process already.
fn panicked(scope: &Scope) -> Error {
    Error::new(ErrorKind::Unknown)
        .with_broker(scope.broker.clone())
        .with_operation("sync")
        .with_message("the sync of this account panicked")
        .with_help("what was stored stays; report it to the broker crate, with the words of the panic")
}
