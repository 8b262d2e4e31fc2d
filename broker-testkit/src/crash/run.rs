//! One script on one stage, ended at one point.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_core::seam::{BoxFuture, Clock};
use broker_core::{Broker, BrokerExt, ClientOrderId, Delivery, IntentJournal, Placement, Recovery, Result, Settled};
use futures_util::future::{join, select};

use super::CrashReport;
use super::failing::Failing;
use super::life::{End, Life};
use super::script::Script;
use crate::damage::Damage;
use crate::ledger::Ledger;
use crate::stage::{KnownOrder, Process, Stage, sends};

/// By then everything that was under way has arrived.
const ARRIVED: Duration = Duration::from_secs(120);

pub(super) struct Run<'a> {
    stage: &'a dyn Stage,
    script: Script,
    /// How it ended, for reports.
    point: String,
    ledger: Arc<Ledger>,
    journal: Arc<dyn IntentJournal>,
    /// Requests with an intent, and orders at the venue, before it began.
    before: (usize, usize),
    report: &'a mut CrashReport,
}

impl<'a> Run<'a> {
    pub(super) fn new(stage: &'a dyn Stage, script: Script, report: &'a mut CrashReport) -> Self {
        let ledger = Ledger::new();
        Self {
            stage,
            script,
            point: String::new(),
            journal: ledger.clone(),
            ledger,
            before: (0, 0),
            report,
        }
    }

    /// Makes ready, and gives what is to be ended.
    fn start(&mut self, broker: &dyn Broker) -> BoxFuture<'static, Result<Placement>> {
        let action = self.script.prepare(self.stage, broker, &self.journal);
        self.before = (self.sent(), self.stage.truth().len());
        action.start(self.stage, broker)
    }

    /// Drops the future after so many polls of the process. False when it had ended before.
    pub(super) fn dropped_after(mut self, polls: u64) -> bool {
        self.point = format!("dropped after {polls} polls");
        let (life, broker) = self.mortal(2);
        let future = self.start(&*broker);
        let runtime = &self.stage.world().runtime;
        let ended = runtime.block_on(life.run(End::Drop, polls, future));
        if let Some(result) = ended {
            self.told(&result);
            return false;
        }
        self.report.drops += 1;
        let before_send = self.sent() == self.before.0;
        runtime.run_until_idle();
        if before_send {
            self.report.drops_before_send += 1;
            if !self.nothing_came() {
                self.damage(Damage::SentAfterDrop, "an order that was given up");
            }
            if !self.open().is_empty() {
                self.damage(
                    Damage::Journal,
                    "given up before the first byte, and still written down",
                );
            }
        } else if self.is_bounded(&*broker) && !self.open().is_empty() {
            self.damage(Damage::Unresolved, "dropped after the first byte, and not settled");
        }
        let recovered = self.recover(&*broker);
        self.agree(&*broker, recovered);
        true
    }

    /// Kills the process after so many polls; another one takes over its journal. False when the order had ended
    /// before.
    pub(super) fn killed_after(mut self, polls: u64) -> bool {
        self.point = format!("killed after {polls} polls");
        let (life, broker) = self.mortal(2);
        let future = self.start(&*broker);
        let runtime = &self.stage.world().runtime;
        let ended = runtime.block_on(life.run(End::Kill, polls, future));
        if let Some(result) = ended {
            self.told(&result);
            return false;
        }
        self.report.kills += 1;
        let left = self.open();
        self.report.recovered += u64::from(!left.is_empty());
        self.take_over(left);
        true
    }

    /// Kills a process with an order under way, and the one that recovers it after so many polls; a third takes over.
    /// False when the second had ended before.
    pub(super) fn recovery_killed_after(mut self, polls: u64) -> bool {
        self.point = format!("killed, then killed after {polls} polls of recover");
        let (life, broker) = self.mortal(2);
        let future = self.start(&*broker);
        let runtime = self.stage.world().runtime.clone();
        let clock = runtime.clock();
        runtime.block_on(async {
            let under_way = life.run(End::Kill, u64::MAX, future);
            select(Box::pin(under_way), clock.sleep(Duration::from_secs(1))).await;
        });
        life.kill();
        let (second, broker) = self.mortal(4);
        if runtime
            .block_on(second.run(End::Kill, polls, Box::pin(broker.recover())))
            .is_some()
        {
            return false;
        }
        self.report.recoveries_killed += 1;
        let left = self.open();
        self.take_over(left);
        true
    }

    /// A later process recovers what is left, at once and once more when everything has arrived.
    fn take_over(&mut self, left: BTreeSet<ClientOrderId>) {
        let runtime = &self.stage.world().runtime;
        let later = self.connect(3);
        let recovered = self.recover(&*later);
        if ids(&recovered) != left {
            self.damage(Damage::Journal, "recover does not tell of what the dead process left");
        }
        runtime.run_until_idle();
        runtime.block_on(runtime.clock().sleep(ARRIVED));
        let last = self.recover(&*later);
        if ids(&last) != in_doubt(&recovered) {
            self.damage(
                Damage::Journal,
                "a second recover tells of something else than what stayed in doubt",
            );
        }
        let known = recovered.into_iter().filter(|one| one.settled.is_settled());
        let all = known.chain(last).collect();
        self.agree(&*later, all);
    }

    /// Fails one call of the journal. False when there were fewer calls.
    pub(super) fn journal_fails_at(mut self, call: u64) -> bool {
        self.point = format!("journal failed at call {call}");
        let failing = Arc::new(Failing::new(self.journal.clone()));
        let broker = self.stage.connect(&Process {
            seed: 2,
            spawn: Arc::new(self.stage.world().runtime.clock()),
            journal: failing.clone(),
        });
        let future = self.start(&*broker);
        failing.fail_at(call);
        let result = self.stage.world().runtime.block_on(future);
        self.told(&result);
        if !failing.has_failed() {
            return false;
        }
        self.report.journal_failures += 1;
        let recovered = self.recover(&*broker);
        self.agree(&*broker, recovered);
        true
    }

    /// Calls `recover` in the same process while the order is under way.
    pub(super) fn recover_beside(mut self) {
        self.point = "recovered beside".to_owned();
        let broker = self.connect(2);
        let placing = self.start(&*broker);
        let clock = self.stage.world().runtime.clock();
        let beside = async {
            clock.sleep(Duration::from_millis(200)).await;
            (self.open_now().await, broker.recover().await)
        };
        let (result, (open, recovered)) = self.stage.world().runtime.block_on(join(placing, beside));
        self.told(&result);
        match recovered {
            Ok(recovered) if open.is_empty() || recovered.is_empty() => {
                self.report.alive += u64::from(!open.is_empty())
            }
            Ok(_) => self.damage(Damage::Journal, "recover took what is alive"),
            Err(error) => self.damage(Damage::Failed, &format!("recover: {error}")),
        }
    }

    fn mortal(&self, seed: u64) -> (Life, Arc<dyn Broker>) {
        let life = Life::new(self.stage.world().runtime.clock());
        let broker = self.stage.connect(&Process {
            seed,
            spawn: Arc::new(life.clone()),
            journal: Arc::clone(&self.journal),
        });
        (life, broker)
    }

    fn connect(&self, seed: u64) -> Arc<dyn Broker> {
        self.stage.connect(&Process {
            seed,
            spawn: Arc::new(self.stage.world().runtime.clock()),
            journal: Arc::clone(&self.journal),
        })
    }

    fn recover(&mut self, broker: &dyn Broker) -> Vec<Recovery> {
        match self.stage.world().runtime.block_on(broker.recover()) {
            Ok(recovered) => recovered,
            Err(error) => {
                self.damage(Damage::Failed, &format!("recover: {error}"));
                Vec::new()
            }
        }
    }

    /// Whether nothing was sent, and nothing is at the venue, since it began.
    fn nothing_came(&self) -> bool {
        (self.sent(), self.stage.truth().len()) == self.before
    }

    /// What a placement told, against the venue once everything has arrived.
    fn told(&mut self, result: &Result<Placement>) {
        self.stage.world().runtime.run_until_idle();
        let truth = self.stage.truth();
        let may_be_lost = matches!(self.script, Script::RequestLate | Script::RequestLost);
        match result {
            Ok(Placement::Accepted(order)) if !truth.iter().any(|known| known.id == order.id) => {
                self.damage(Damage::FalseAlive, "accepted");
            }
            Ok(Placement::Rejected(error)) if truth.len() != self.before.1 => {
                self.damage(Damage::FalseDead, &error.to_string());
            }
            Ok(Placement::Rejected(error)) if !may_be_lost => {
                self.damage(Damage::Failed, &format!("refused without a cause: {error}"));
            }
            Err(error) if !self.nothing_came() => {
                self.damage(Damage::FalseDead, &format!("an error, but it was sent: {error}"));
            }
            Err(error) if error.delivery() != Delivery::NotSent => {
                self.damage(
                    Damage::Failed,
                    &format!("an error that does not say that nothing was sent: {error}"),
                );
            }
            Ok(Placement::Accepted(_) | Placement::InDoubt(_) | Placement::Rejected(_)) | Err(_) => {}
        }
    }

    /// The end of it: each intent is one order at most, and what was told last is so.
    fn agree(&mut self, broker: &dyn Broker, told: Vec<Recovery>) {
        self.stage.world().runtime.run_until_idle();
        let truth = self.stage.truth();
        let of = |id: &ClientOrderId| -> Vec<&KnownOrder> {
            truth
                .iter()
                .filter(|order| order.client_id.as_ref() == Some(id))
                .collect()
        };
        let ever: Vec<_> = self.ledger.ever().keys().cloned().collect();
        for id in &ever {
            if of(id).len() > 1 {
                self.damage(Damage::DoubleOrder, &format!("{id} is {} orders", of(id).len()));
            }
        }
        let resend_is_safe = broker.capabilities().orders.resend_is_safe;
        for (id, sends) in sends(self.stage) {
            if sends.unrefused > 1 && !resend_is_safe {
                self.damage(Damage::BlindResend, &format!("{id} was sent {} times", sends.unrefused));
            }
            if !ever.contains(&id) {
                self.damage(Damage::Journal, &format!("{id} was sent and never written down"));
            }
        }
        for one in &told {
            let id = &one.intent.id;
            let there = of(id).iter().any(|order| order.is_alive());
            match &one.settled {
                Settled::Accepted(order) if !truth.iter().any(|known| known.id == order.id) => {
                    self.damage(Damage::FalseAlive, &format!("{id} was recovered as accepted"));
                }
                Settled::Rejected(_) | Settled::NotPlaced if there => {
                    self.damage(Damage::FalseDead, &format!("{id} was recovered as dead"));
                }
                Settled::NotPlaced if !self.is_bounded(broker) => {
                    self.damage(Damage::Unproven, &format!("{id}"));
                }
                Settled::InDoubt(_) if there || self.is_bounded(broker) => {
                    self.damage(Damage::Unresolved, &format!("{id}"));
                }
                Settled::Accepted(_) | Settled::Rejected(_) | Settled::NotPlaced | Settled::InDoubt(_) => {}
            }
        }
        let doubtful = in_doubt(&told);
        if self.open() != doubtful {
            self.damage(Damage::Journal, "the journal does not hold exactly what is in doubt");
        }
    }

    fn is_bounded(&self, broker: &dyn Broker) -> bool {
        broker.capabilities().orders.latest_arrival.is_some()
    }

    /// How many requests with an intent left.
    fn sent(&self) -> usize {
        sends(self.stage).values().map(|sends| sends.all).sum()
    }

    fn open(&self) -> BTreeSet<ClientOrderId> {
        self.stage.world().runtime.block_on(self.open_now())
    }

    async fn open_now(&self) -> BTreeSet<ClientOrderId> {
        // Every broker has a name of its own, and a stage has one broker.
        let broker = self.connect(9);
        let open = self.ledger.unsettled(&broker.id()).await.unwrap_or_default();
        open.into_iter().map(|intent| intent.id).collect()
    }

    fn damage(&mut self, damage: Damage, what: &str) {
        let (script, point) = (self.script, &self.point);
        self.report
            .damages
            .add(damage, || format!("{script:?}, {point}: {what}"));
    }
}

fn ids(recovered: &[Recovery]) -> BTreeSet<ClientOrderId> {
    recovered.iter().map(|one| one.intent.id.clone()).collect()
}

fn in_doubt(recovered: &[Recovery]) -> BTreeSet<ClientOrderId> {
    let open = recovered.iter().filter(|one| !one.settled.is_settled());
    open.map(|one| one.intent.id.clone()).collect()
}
