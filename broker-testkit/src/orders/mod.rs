//! The fault campaign of orders: thousands are placed, changed and canceled while everything goes wrong that can;
//! then the venue heals, every ticket is settled, and what was told is held against what the venue has.
//!
//! ```no_run
//! use broker_testkit::orders::{OrdersPlan, orders_campaign};
//! use broker_testkit::stage::Stage;
//! fn nothing_is_doubled(stage: &dyn Stage) {
//!     let report = orders_campaign(stage, OrdersPlan::new(10_000, 1));
//!     assert!(report.is_clean(), "{report}");
//! }
//! ```

mod judge;
mod mix;
mod trader;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use broker_core::seam::{Clock, SeededRng};
use broker_core::{Broker, BrokerExt, Settled, Ticket};
use broker_sim::wire::FaultPlan;
use futures_util::{StreamExt, stream};

use crate::damage::{Damage, Damages};
use crate::ledger::Ledger;
use crate::stage::{Process, Stage};
use trader::{Told, Trader};

/// How much is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrdersPlan {
    /// Orders.
    pub orders: u64,
    /// Of all chance.
    pub seed: u64,
    /// Orders under way at once.
    pub at_once: usize,
}

impl OrdersPlan {
    /// So many orders, sixteen at once.
    pub fn new(orders: u64, seed: u64) -> Self {
        Self {
            orders,
            seed,
            at_once: 16,
        }
    }
}

/// What a campaign saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrdersReport {
    /// Orders and replacements that were asked for.
    pub asked: u64,
    /// Told as accepted, after settling too.
    pub accepted: u64,
    /// Told as refused, after settling too.
    pub refused: u64,
    /// Ended before the first byte.
    pub unsent: u64,
    /// Told as never arrived.
    pub not_placed: u64,
    /// Tickets that were given out.
    pub tickets: u64,
    /// Tickets still open at the end.
    pub open: u64,
    /// Cancels that were taken.
    pub canceled: u64,
    /// Cancels that nobody knows about, or that the venue refused.
    pub cancels_failed: u64,
    /// Orders that the venue has, exits of groups too.
    pub at_venue: u64,
    /// Requests that left us or tried to, while things went wrong.
    pub requests: u64,
    /// Those that were harmed.
    pub harmed: u64,
    /// How often each kind of fault hit.
    pub hits: Vec<(&'static str, u64)>,
    /// Virtual time that it took.
    pub elapsed: Duration,
    /// What went wrong; empty for an honest broker.
    pub damages: Damages,
}

impl OrdersReport {
    /// Whether nothing went wrong.
    pub fn is_clean(&self) -> bool {
        self.damages.is_empty()
    }
}

impl fmt::Display for OrdersReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} asked: {} accepted, {} refused, {} never arrived, {} unsent, {} open; {} tickets; {} canceled, {} cancels failed; {} at the venue",
            self.asked,
            self.accepted,
            self.refused,
            self.not_placed,
            self.unsent,
            self.open,
            self.tickets,
            self.canceled,
            self.cancels_failed,
            self.at_venue
        )?;
        writeln!(
            f,
            "{} of {} requests harmed in {:?} of virtual time",
            self.harmed, self.requests, self.elapsed
        )?;
        write!(f, "{}", self.damages)
    }
}

/// Bans and refusals are over by then, and requests that were held up have arrived.
const HEALING: Duration = Duration::from_secs(180);
const SETTLE_ROUNDS: u32 = 2;
/// Few enough that their lookups do not wait for each other at the limiter until their time is over.
const SETTLED_AT_ONCE: usize = 8;
const BETWEEN_ROUNDS: Duration = Duration::from_secs(30);
/// Of a hundred requests so many must be harmed, at least.
const LEAST_HARM: u64 = 20;

/// Places the plan's orders on the stage, which must be fresh, and judges.
pub fn orders_campaign(stage: &dyn Stage, plan: OrdersPlan) -> OrdersReport {
    let world = stage.world();
    let clock = world.runtime.clock();
    let started = clock.elapsed();
    let journal = Ledger::new();
    let broker = stage.connect(&Process {
        seed: plan.seed,
        spawn: Arc::new(clock.clone()),
        journal: journal.clone(),
    });
    let rows = mix::everything(&stage.words());
    world.faults.set(mix::plan(&rows, plan.seed));

    let trader = Trader::new(stage, &*broker, plan.seed);
    let told = world.runtime.block_on(async {
        let orders = stream::iter(0..plan.orders).map(|number| trader.trade(number));
        orders.buffer_unordered(plan.at_once).concat().await
    });
    let mut report = OrdersReport {
        requests: count(world.recorder.requests().len()),
        ..OrdersReport::default()
    };
    let hits = rows.iter().map(|(name, ..)| *name).zip(world.faults.hits());
    report.hits = hits.collect();
    report.harmed = world.faults.counts().values().sum();
    if report.harmed * 100 < report.requests * LEAST_HARM {
        let (harmed, requests) = (report.harmed, report.requests);
        report
            .damages
            .add(Damage::TooMild, || format!("{harmed} of {requests} requests harmed"));
    }

    report.tickets = count(told.iter().filter(|one| matches!(one, Told::Open(_))).count());
    world.faults.set(FaultPlan::none());
    let told = world.runtime.block_on(async {
        clock.sleep(HEALING).await;
        settle_all(&*broker, told).await
    });
    report.elapsed = clock.elapsed().saturating_sub(started);
    let unsettled = world
        .runtime
        .block_on(broker.context().journal().unsettled(&broker.id()));
    judge::judge(stage, &*broker, &journal, told, unsettled, &mut report);
    report
}

/// Settles tickets in rounds, until none is left or no more can be known; what is open then is sent again where that
/// is safe.
async fn settle_all(broker: &dyn Broker, told: Vec<Told>) -> Vec<Told> {
    let (mut done, mut open) = (Vec::with_capacity(told.len()), Vec::new());
    for one in told {
        match one {
            Told::Open(ticket) => open.push(ticket),
            other => done.push(other),
        }
    }
    for round in 0..SETTLE_ROUNDS {
        if open.is_empty() {
            break;
        }
        if round > 0 {
            broker.context().clock().sleep(BETWEEN_ROUNDS).await;
        }
        let settling = stream::iter(std::mem::take(&mut open)).map(|ticket: Ticket| broker.settle(ticket));
        let settled: Vec<_> = settling.buffered(SETTLED_AT_ONCE).collect().await;
        for one in settled {
            match one {
                Ok(Settled::InDoubt(ticket)) => open.push(ticket),
                Ok(Settled::Accepted(order)) => done.push(Told::Accepted(order)),
                Ok(Settled::Rejected(error)) => done.push(Told::Refused(error)),
                Ok(Settled::NotPlaced) => done.push(Told::NotPlaced),
                Err(error) => done.push(Told::Failed(error)),
            }
        }
    }
    for ticket in open {
        let safe = broker.capabilities().orders.resend_is_safe && ticket.intent().replaces.is_none();
        done.push(match safe {
            true => trader::placed(broker.resend(ticket).await),
            false => Told::Open(ticket),
        });
    }
    done
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Chance of one order: the same whatever the others do.
fn own_chance(seed: u64, number: u64) -> SeededRng {
    SeededRng::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number)
}
