//! Everything that can go wrong, mixed into one plan.

use std::time::Duration;

use broker_sim::wire::{Fault, FaultPlan, RetryHint, When};

use crate::stage::VenueWords;

/// A fault by the name that reports call it, and its chance in thousandths.
type Row = (&'static str, u16, Fault);

/// All kinds at once: about three requests in ten are harmed, lookups as much as orders. Refusals and bans close a
/// whole bucket, so they are rarer than the rest.
pub(super) fn everything(words: &VenueWords) -> Vec<Row> {
    let second = Duration::from_secs;
    let limited = |hint| Fault::RateLimited(hint, words.limited.clone());
    let (duplicate, duplicate_body) = (words.duplicate.0, || words.duplicate.1.clone());
    vec![
        ("no connection", 14, Fault::RefuseConnection),
        ("request lost", 12, Fault::DropRequest),
        ("answer lost", 14, Fault::DropAnswer),
        ("request late", 10, Fault::DelayRequest(second(3))),
        ("request late, past the time-out", 9, Fault::DelayRequest(second(12))),
        ("request very late", 6, Fault::DelayRequest(second(45))),
        ("answer late", 9, Fault::DelayAnswer(second(3))),
        ("answer late, past the time-out", 9, Fault::DelayAnswer(second(40))),
        ("500 before", 11, Fault::ErrorBefore(500, words.internal.clone())),
        ("503 page before", 11, Fault::ErrorBefore(503, page())),
        ("500 after", 13, Fault::ErrorAfter(500, words.internal.clone())),
        ("502 page after", 13, Fault::ErrorAfter(502, page())),
        ("429 with seconds", 3, limited(RetryHint::Seconds(2))),
        ("429 with a date", 3, limited(RetryHint::Date(3))),
        ("429 without a hint", 1, limited(RetryHint::None)),
        ("ban", 1, Fault::Ban(words.banned.0, words.banned.1.clone(), second(5))),
        ("reset before", 11, Fault::Reset { handled: false }),
        ("reset after", 13, Fault::Reset { handled: true }),
        ("fin before", 11, Fault::Fin { handled: false }),
        ("fin after", 13, Fault::Fin { handled: true }),
        ("body cut", 12, Fault::CutBody(20)),
        ("body stalled", 6, Fault::StallBody(20)),
        (
            "slow drip",
            8,
            Fault::SlowDrip {
                piece: 64,
                every: second(1) / 10,
            },
        ),
        (
            "slow drip, past the time-out",
            5,
            Fault::SlowDrip {
                piece: 8,
                every: second(2),
            },
        ),
        ("JSON truncated", 12, Fault::TruncatedJson),
        ("page with 200", 12, Fault::Html200),
        ("nothing with 200", 12, Fault::Empty200),
        ("duplicate before", 6, Fault::ErrorBefore(duplicate, duplicate_body())),
        ("duplicate after", 8, Fault::ErrorAfter(duplicate, duplicate_body())),
        ("token expired", 10, Fault::ExpiredToken),
        ("clock ahead", 8, Fault::ClockSkew(6_000)),
        ("clock behind", 8, Fault::ClockSkew(-6_000)),
    ]
}

fn page() -> String {
    "<html><body>upstream</body></html>".to_owned()
}

pub(super) fn plan(rows: &[Row], seed: u64) -> FaultPlan {
    rows.iter().fold(FaultPlan::seeded(seed), |plan, (_, chance, fault)| {
        plan.rule(When::always().per_mille(*chance), fault.clone())
    })
}
