//! What was told, against what the venue has.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::{Broker, ClientOrderId, Delivery, Error, ErrorKind, Intent, Order, OrderId, Result};

use super::trader::Told;
use super::{OrdersReport, count};
use crate::damage::Damage;
use crate::ledger::Ledger;
use crate::stage::{KnownOrder, Stage, sends};

pub(super) fn judge(
    stage: &dyn Stage,
    broker: &dyn Broker,
    journal: &Ledger,
    told: Vec<Told>,
    unsettled: Result<Vec<Intent>>,
    report: &mut OrdersReport,
) {
    let truth = stage.truth();
    report.at_venue = count(truth.len());
    let (mut accepted, mut open) = (BTreeSet::new(), BTreeSet::new());
    let by_id: BTreeMap<&OrderId, &KnownOrder> = truth.iter().map(|order| (&order.id, order)).collect();
    for one in told {
        match one {
            Told::Accepted(order) => {
                report.accepted += 1;
                accepted.extend(order.client_id.clone());
                alive(&order, &by_id, report);
            }
            Told::Canceled(order) => {
                report.canceled += 1;
                alive(&order, &by_id, report);
            }
            Told::Refused(error) => {
                report.refused += 1;
                if is_by_lookups(&error) {
                    proven(broker, &error.to_string(), report);
                }
            }
            Told::NotPlaced => {
                report.not_placed += 1;
                proven(broker, "by a ticket", report);
            }
            Told::Unsent(error) => {
                report.unsent += 1;
                if error.delivery() != Delivery::NotSent {
                    let what =
                        || format!("an error instead of a placement does not say that nothing was sent: {error}");
                    report.damages.add(Damage::Failed, what);
                }
            }
            Told::Open(ticket) => {
                report.open += 1;
                open.insert(ticket.intent().id.clone());
            }
            Told::CancelFailed => report.cancels_failed += 1,
            Told::Failed(error) => report.damages.add(Damage::Failed, || format!("settle: {error}")),
        }
    }
    report.asked = report.accepted + report.refused + report.not_placed + report.unsent + report.open;
    by_intent(stage, broker, journal, (&truth, &accepted, &open), report);
    held(unsettled, &open, report);
}

/// An order that was told is at the venue, and a final state is the venue's own.
fn alive(order: &Order, by_id: &BTreeMap<&OrderId, &KnownOrder>, report: &mut OrdersReport) {
    let Some(known) = by_id.get(&order.id) else {
        report.damages.add(Damage::FalseAlive, || format!("order {}", order.id));
        return;
    };
    if order.status.is_final() && (&order.status, order.filled_qty) != (&known.status, known.filled_qty) {
        let what = || {
            let (told, is) = (&order.status, &known.status);
            format!(
                "order {} told {told} with {}, is {is} with {}",
                order.id, order.filled_qty, known.filled_qty
            )
        };
        report.damages.add(Damage::FalseFinal, what);
    }
}

/// Whether it is how the core says that lookups proved it. That names no call: what does is an answer of the venue's,
/// such as a 401 on the order, where no new token could be had.
fn is_by_lookups(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
        && error.delivery() == Delivery::Answered
        && error.status().is_none()
        && error.operation().is_none()
}

/// Where nothing bounds the arrival, nobody can know that an order never comes.
fn proven(broker: &dyn Broker, how: &str, report: &mut OrdersReport) {
    if broker.capabilities().orders.latest_arrival.is_none() {
        report.damages.add(Damage::Unproven, || {
            format!("the arrival of a request has no bound here: {how}")
        });
    }
}

type Known<'a> = (
    &'a [KnownOrder],
    &'a BTreeSet<ClientOrderId>,
    &'a BTreeSet<ClientOrderId>,
);

fn by_intent(
    stage: &dyn Stage,
    broker: &dyn Broker,
    journal: &Ledger,
    (truth, accepted, open): Known<'_>,
    report: &mut OrdersReport,
) {
    let facts = &broker.capabilities().orders;
    let mut at_venue: BTreeMap<&ClientOrderId, Vec<&KnownOrder>> = BTreeMap::new();
    for order in truth {
        if let Some(id) = &order.client_id {
            at_venue.entry(id).or_default().push(order);
        }
    }
    let ever = journal.ever();
    at_venue.retain(|id, _| ever.contains_key(*id));
    for (id, orders) in &at_venue {
        if orders.len() > 1 {
            let what = || format!("{id} is {} orders", orders.len());
            report.damages.add(Damage::DoubleOrder, what);
        }
        let lives = orders.iter().any(|order| order.is_alive());
        if open.contains(*id) {
            report
                .damages
                .add(Damage::Unresolved, || format!("{id} is at the venue"));
        } else if lives && !accepted.contains(*id) {
            report.damages.add(Damage::FalseDead, || id.to_string());
        }
    }
    for (id, sends) in sends(stage) {
        let Some(replaces) = ever.get(&id) else {
            report
                .damages
                .add(Damage::Journal, || format!("{id} was sent and never written down"));
            continue;
        };
        if sends.unrefused > 1 && (*replaces || !facts.resend_is_safe) {
            let what = || format!("{id} was sent {} times", sends.unrefused);
            report.damages.add(Damage::BlindResend, what);
        }
    }
    if facts.resend_is_safe {
        // They were sent once more, in a world that was whole again. Replacements never are.
        for id in open.iter().filter(|id| ever.get(*id) == Some(&false)) {
            report
                .damages
                .add(Damage::Unresolved, || format!("{id} was sent again and is still open"));
        }
    }
    if facts.latest_arrival.is_some() {
        for id in open.iter().filter(|id| !at_venue.contains_key(id)) {
            let what = || format!("{id} never arrived, which is provable here");
            report.damages.add(Damage::Unresolved, what);
        }
    }
}

/// The journal holds what is open and nothing else.
fn held(unsettled: Result<Vec<Intent>>, open: &BTreeSet<ClientOrderId>, report: &mut OrdersReport) {
    let held: BTreeSet<_> = match unsettled {
        Ok(intents) => intents.into_iter().map(|intent| intent.id).collect(),
        Err(error) => return report.damages.add(Damage::Failed, || format!("journal: {error}")),
    };
    for id in held.symmetric_difference(open) {
        let what = || match open.contains(id) {
            true => format!("{id} is open and not written down"),
            false => format!("{id} is settled and still written down"),
        };
        report.damages.add(Damage::Journal, what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_token_that_could_not_be_renewed_is_no_proof_by_lookups() {
        let proof = Error::new(ErrorKind::Unavailable).with_delivery(Delivery::Answered);
        assert!(is_by_lookups(&proof));
        assert!(!is_by_lookups(&proof.clone().with_operation("place")));
        assert!(!is_by_lookups(&proof.with_status(503)));
    }
}
