//! One run: a trader, a market, a reader, and the weather.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::time::Duration;

use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Clock, Rng, SeededRng, VirtualClock};
use broker_core::{BrokerExt, Placement};
use futures_util::StreamExt;
use futures_util::future::{Either, join_all, select};

use super::judge::Judge;
use super::{Harm, Stage, StreamsPlan, StreamsReport, Wire, chaos};

/// How much further back a read-back asks. All clocks here are one, and rows are readable at once.
const LOOK_BACK: Duration = Duration::from_secs(2);
/// Orders that rest at most.
const MOST_OPEN: usize = 60;
/// Who place orders at once.
const TRADERS: u64 = 4;
/// Shortest and longest wait between two things that happen at the venue, in milliseconds.
const PACE: (u64, u64) = (2, 40);
/// The reader sleeps behind one event in so many, for 2 to 20 seconds.
const NAP_ONE_IN: u64 = 4_000;
/// Longer than the longest chain of a dead connection, a refused one and an audit.
const REST: Duration = Duration::from_secs(180);
/// All tasks of a dropped stream end within this.
const PARTING: Duration = Duration::from_secs(5);
/// A run that takes longer stands still.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// Runs the plan on the stage, which must be fresh, and judges.
pub fn streams_campaign(stage: &dyn Stage, plan: StreamsPlan) -> StreamsReport {
    let clock = stage.runtime().clock();
    let started = clock.elapsed();
    let run = Run {
        stage,
        plan,
        clock: clock.clone(),
        judge: RefCell::new(Judge::new(stage.broker().capabilities().history.by_instrument)),
        is_calm: Cell::new(false),
    };
    stage.runtime().block_on(run.whole());
    let mut judge = run.judge.into_inner();
    leave_nothing(stage, &mut judge.report);
    judge.report.elapsed = clock.elapsed().saturating_sub(started);
    if let Some(wire) = stage.wire() {
        judge.report.hits = wire.faults.counts();
    }
    judge.compare(&stage.truth(), stage.wire().is_some())
}

/// The stream was dropped: its sockets close and its tasks end.
fn leave_nothing(stage: &dyn Stage, report: &mut StreamsReport) {
    stage.runtime().block_on(stage.runtime().clock().sleep(PARTING));
    let sockets = stage.wire().map_or(0, |wire| wire.recorder.open_sockets());
    // With a socket left there is a task that never rests.
    let tasks = if sockets == 0 {
        stage.runtime().run_until_idle()
    } else {
        1
    };
    if (sockets, tasks) != (0, 0) {
        report.harm(Harm::LeftBehind, || format!("{sockets} sockets, {tasks} tasks"));
    }
}

struct Run<'a> {
    stage: &'a dyn Stage,
    plan: StreamsPlan,
    clock: VirtualClock,
    judge: RefCell<Judge>,
    /// Nothing happens at the venue any more, and the reader does not sleep.
    is_calm: Cell<bool>,
}

impl Run<'_> {
    async fn whole(&self) {
        let broker = self.stage.broker();
        let subscription = Subscription::account(&self.stage.account())
            .with_queue(self.plan.queue)
            .with_look_back(LOOK_BACK);
        let Some(streaming) = broker.streaming() else {
            return self.end("the broker does not stream");
        };
        let events = match streaming.subscribe(&subscription).await {
            Ok(events) => events,
            Err(error) => return self.end(&error.to_string()),
        };
        if let Some(wire) = self.stage.wire() {
            wire.faults.set(chaos::storm(wire, self.plan.seed));
        }
        let traders = join_all((0..TRADERS).map(|number| self.trade(number)));
        let (story, reader) = (pin!(self.story()), pin!(self.read(events)));
        match select(story, select(reader, traders)).await {
            Either::Left(((), _)) => {}
            Either::Right(_) => self.end("the stream ended by itself"),
        }
    }

    /// What happens at the venue, from the storm to the calm.
    async fn story(&self) {
        let rng = SeededRng::new(self.plan.seed ^ 0x4d41_524b);
        while self.judge.borrow().report.events < self.plan.events {
            self.stage.act(&rng, self.clock.now());
            let (least, most) = PACE;
            let wait = least + rng.below(most - least);
            self.clock.sleep(Duration::from_millis(wait)).await;
            if self.clock.elapsed() > LONGEST {
                return self.end("the events did not come within a day");
            }
        }
        self.is_calm.set(true);
        let Some(wire) = self.stage.wire() else {
            return self.clock.sleep(REST).await;
        };
        wire.faults.set(broker_sim::wire::FaultPlan::none());
        self.clock.sleep(REST).await;
        self.last_break(wire, &rng).await;
    }

    /// Once more everything is read back, so that positions are told behind the last fill.
    async fn last_break(&self, wire: &Wire, rng: &SeededRng) {
        wire.faults.set(chaos::last_break(self.plan.seed));
        let before = self.judge.borrow().report.disconnects;
        while self.judge.borrow().report.disconnects == before && self.clock.elapsed() <= LONGEST {
            self.stage.act(rng, self.clock.now());
            self.clock.sleep(Duration::from_millis(100)).await;
        }
        self.clock.sleep(REST).await;
        if self.judge.borrow().has_gap() {
            self.clock.sleep(REST).await;
        }
    }

    /// Takes events, and sleeps now and then. Ends with the stream.
    async fn read(&self, mut events: BoxStream<'static, Event>) {
        let rng = SeededRng::new(self.plan.seed ^ 0x5245_4144);
        while let Some(event) = events.next().await {
            self.judge.borrow_mut().take(&event);
            if !self.is_calm.get() && rng.below(NAP_ONE_IN) == 0 {
                self.judge.borrow_mut().report.naps += 1;
                self.clock.sleep(Duration::from_millis(2_000 + rng.below(18_000))).await;
            }
        }
    }

    /// Places orders as long as there is room for them, one at a time.
    async fn trade(&self, number: u64) {
        let (broker, account) = (self.stage.broker(), self.stage.account());
        let rng = SeededRng::new(self.plan.seed ^ 0x5452_4144 ^ (number << 32));
        loop {
            if self.is_calm.get() || self.stage.open() >= MOST_OPEN {
                self.clock.sleep(Duration::from_millis(50)).await;
                continue;
            }
            let placed = broker.place_once(&account, self.stage.request(&rng)).await;
            // What was refused or is in doubt is another campaign's matter: the venue's truth counts here.
            if let Ok(Placement::Accepted(order)) = placed {
                let came = self.judge.borrow().knows_fill_of(&order.id);
                self.judge.borrow_mut().report.fills_before_answer += u64::from(came);
            }
        }
    }

    fn end(&self, why: &str) {
        self.judge.borrow_mut().report.harm(Harm::Ended, || why.to_owned());
    }
}
