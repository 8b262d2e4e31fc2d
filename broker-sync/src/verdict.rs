//! How a run ends: what it can vouch for, and what the next one reads again.

use broker_core::Result;
use broker_core::model::Completeness;
use chrono::{DateTime, Utc};

use crate::check::Outcome;
use crate::report::{OrderCheck, PositionCheck, SyncReport};
use crate::run::Run;
use crate::store::Conclusion;
use crate::windows::back;
use broker_core::proof::Hole;
use broker_core::span::{Moment, Span};

impl Run<'_> {
    /// Stores how the run ended, and reports it.
    pub(crate) async fn conclude(mut self, outcome: Outcome) -> Result<SyncReport> {
        let ended_at = self.syncer.clock().now();
        let covers = self.covers();
        let (asked, totals) = match &self.state.reading {
            Some(reading) => (reading.asked, reading.totals),
            None => (covers, Default::default()),
        };
        let doubts = self.doubts(&outcome, covers);
        let lost = self.out_of_reach();
        let mut holes = self.limits(&outcome, covers);
        let reason = "the broker no longer tells what an earlier sync could not prove";
        holes.extend(lost.iter().map(|span| Hole::new(*span, reason)));
        let mut state = self.state.clone();
        state.reading = None;
        state.checked_rows = state.rows;
        state.covers = Some(covers);
        for part in self.state.reading.iter().flat_map(|reading| &reading.parts) {
            if let Some(id) = &part.instrument {
                let read = state.instruments.entry(id.clone()).or_insert(part.span);
                *read = read.hull(part.span);
            }
        }
        state.unproven = Span::union(doubts.iter().map(|hole| hole.span).chain(lost).collect());
        state.opening.clone_from(&outcome.opening);
        if let PositionCheck::Verified { .. } | PositionCheck::Implied { .. } = outcome.positions {
            state.verified_until = Some(covers.until);
        }
        holes.extend(doubts);
        let report = SyncReport {
            scope: self.scope.clone(),
            asked,
            covers,
            resumed: self.resumed,
            started_at: self.started_at,
            ended_at,
            requests: self.requests,
            effort: self.effort(),
            totals,
            orders: outcome.orders,
            positions: outcome.positions,
            pnl: outcome.pnl,
            verdict: Completeness::of(&holes),
            notes: std::mem::take(&mut self.notes),
        };
        let conclusion = Conclusion {
            state,
            orders: outcome.known_orders,
            report: report.clone(),
        };
        self.syncer.store.conclude(&self.scope, conclusion).await?;
        Ok(report)
    }

    /// What reading again may cure.
    fn doubts(&self, outcome: &Outcome, covers: Span) -> Vec<Hole> {
        let mut doubts = Vec::new();
        let mut silent = Vec::new();
        for part in self.state.reading.iter().flat_map(|reading| &reading.parts) {
            let of = part
                .instrument
                .as_ref()
                .map(|id| format!(" of {id}"))
                .unwrap_or_default();
            let holes = part.proof.holes(part.distinct).into_iter();
            doubts.extend(holes.map(|hole| Hole::new(hole.span, hole.reason + &of)));
            silent.extend(part.proof.silent());
        }
        doubts.extend(undecided(Span::union(silent), outcome));
        if let OrderCheck::Checked { failed, .. } = &outcome.orders {
            doubts.extend(failed.iter().map(|one| Hole::new(one.span, one.to_string())));
        }
        if let PositionCheck::Differs(differences) = &outcome.positions {
            let since = self.differs_since(covers);
            let span = Span::new(since.max(covers.since), covers.until);
            doubts.extend(differences.iter().map(|one| Hole::new(span, one.to_string())));
        }
        if let (PositionCheck::Implied { .. }, OrderCheck::Unavailable(_)) = (&outcome.positions, &outcome.orders) {
            // A row that was not visible yet is taken for a part of the opening.
            let reason = "nothing vouches yet for rows that show late: the next sync checks the positions";
            let since = back(covers.until, self.windows().overlap()).max(covers.since);
            doubts.push(Hole::new(Span::new(since, covers.until), reason));
        }
        doubts
    }

    /// From when on a difference of positions can have come: since they last agreed. Where a sync has read all since
    /// then in vain, a row must have come later than the broker says that rows do: each sync goes back twice as far.
    fn differs_since(&self, covers: Span) -> DateTime<Utc> {
        let agreed = self.state.verified_until.unwrap_or(covers.since);
        if self.state.covers.is_none_or(|before| agreed >= before.until) {
            return agreed;
        }
        let doubted = self.state.unproven.iter().map(|span| span.since).min();
        let doubted = doubted.unwrap_or(agreed).min(agreed);
        back(doubted, covers.until - doubted).max(covers.since)
    }

    /// What the broker cannot tell, however often it is asked.
    fn limits(&self, outcome: &Outcome, covers: Span) -> Vec<Hole> {
        let mut limits = Vec::new();
        if let PositionCheck::Unchecked(reason) = &outcome.positions {
            limits.push(Hole::new(covers, format!("positions were not checked: {reason}")));
        }
        let facts = &self.syncer.broker.capabilities().history;
        if facts.by_instrument && self.syncer.instruments.is_none() {
            let reason = "history is kept by instrument, and only known ones were asked: name all that were traded";
            limits.push(Hole::new(covers, reason));
        }
        let wanted = self.windows().wanted_since(self.planned_at);
        let born = self.account.opened_at.map_or(wanted, |opened_at| opened_at.max(wanted));
        let beyond = Span::new(born, covers.until).uncovered(vec![covers]);
        let reason = "the broker's history does not reach back that far";
        limits.extend(beyond.into_iter().map(|span| Hole::new(span, reason)));
        limits
    }
}

/// Spans of which the broker proves nothing, as far as orders do not decide either.
fn undecided(silent: Vec<Span>, outcome: &Outcome) -> Vec<Hole> {
    let since = match &outcome.orders {
        OrderCheck::Checked { since, .. } if outcome.orders_whole => *since,
        OrderCheck::Checked { .. } => {
            let reason = "the broker proves nothing, and not all of its orders were compared";
            return silent.into_iter().map(|span| Hole::new(span, reason)).collect();
        }
        OrderCheck::Unavailable(reason) => {
            let reason = format!("the broker proves nothing, and orders were not compared: {reason}");
            return silent.into_iter().map(|span| Hole::new(span, reason.clone())).collect();
        }
    };
    let reason = format!(
        "the broker proves nothing, and orders reach back to {} only",
        Moment(since)
    );
    let before = |span: Span| Span::new(span.since, span.until.min(since));
    let undecided = silent.into_iter().map(before).filter(|span| !span.is_empty());
    undecided.map(|span| Hole::new(span, reason.clone())).collect()
}
