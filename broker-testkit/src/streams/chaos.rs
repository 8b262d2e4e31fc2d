//! What goes wrong in a campaign, as data.

use std::time::Duration;

use broker_sim::wire::{Fault, FaultPlan, FrameFault, FrameWhen, RetryHint, When};

use super::Wire;

/// Four of five frames that tell of a fill are dropped, and every other way to lose one happens now and then. Pings are
/// answered throughout.
pub(super) fn storm(wire: &Wire, seed: u64) -> FaultPlan {
    let (is_fill, is_read) = (wire.is_fill, wire.is_read);
    let fills = FrameWhen::always().matching(is_fill);
    let frames = |chance| FrameWhen::always().per_mille(chance);
    let upgrades = |chance| {
        When::always()
            .matching(|request| request.is_upgrade())
            .per_mille(chance)
    };
    let reads = |chance| {
        When::always()
            .matching(move |request| !request.is_upgrade() && is_read(request))
            .per_mille(chance)
    };
    FaultPlan::seeded(seed)
        .frame_rule(fills.per_mille(800), FrameFault::Drop)
        .frame_rule(frames(40), FrameFault::Duplicate)
        .frame_rule(frames(20), FrameFault::Reorder(1))
        .frame_rule(frames(10), FrameFault::Reorder(5))
        .frame_rule(frames(20), FrameFault::Delay(Duration::from_millis(1_500)))
        .frame_rule(frames(3), FrameFault::Garble)
        .frame_rule(frames(1), FrameFault::Stall(Duration::from_secs(4)))
        .frame_rule(frames(1), FrameFault::Close(Some((1011, "going away".to_owned()))))
        .frame_rule(frames(1), FrameFault::Reset)
        .frame_rule(FrameWhen::always().nth(2_000), FrameFault::StallForever)
        .rule(upgrades(150), Fault::RefuseConnection)
        .rule(upgrades(100), Fault::ErrorBefore(503, "upstream".to_owned()))
        .rule(upgrades(50), Fault::RateLimited(RetryHint::Seconds(2), String::new()))
        .rule(upgrades(50), Fault::Reset { handled: true })
        .rule(upgrades(30), Fault::DropAnswer)
        .rule(reads(30), Fault::RefuseConnection)
        .rule(reads(30), Fault::Reset { handled: true })
        .rule(reads(20), Fault::CutBody(500))
        .rule(reads(20), Fault::TruncatedJson)
        .rule(reads(20), Fault::Html200)
        .rule(reads(30), Fault::ErrorBefore(503, "upstream".to_owned()))
        .rule(reads(20), Fault::DelayAnswer(Duration::from_secs(2)))
        .rule(reads(2), Fault::DropAnswer)
        // The fill comes before the answer to the order.
        .rule(
            When::always()
                .method("POST")
                .matching(move |request| !is_read(request))
                .per_mille(300),
            Fault::DelayAnswer(Duration::from_millis(400)),
        )
}

/// All is well, but the next frame breaks its connection.
pub(super) fn last_break(seed: u64) -> FaultPlan {
    FaultPlan::seeded(seed).frame_rule(FrameWhen::always().nth(1), FrameFault::Reset)
}
