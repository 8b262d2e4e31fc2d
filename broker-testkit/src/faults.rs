//! Every kind of damage, once each: what tests go through that must hold whatever goes wrong.

use std::time::Duration;

use broker_sim::wire::{Fault, FrameFault, RetryHint};

/// Every kind of damage to a request or its answer. `words` is what a gateway says in the venue's place.
pub fn request_faults(words: &str) -> Vec<Fault> {
    let words = || words.to_owned();
    vec![
        Fault::RefuseConnection,
        Fault::DropRequest,
        Fault::DropAnswer,
        Fault::DelayRequest(Duration::from_secs(60)),
        Fault::DelayAnswer(Duration::from_secs(60)),
        Fault::ErrorBefore(503, "upstream".to_owned()),
        Fault::ErrorAfter(500, words()),
        Fault::RateLimited(RetryHint::Seconds(1), words()),
        Fault::Ban(418, words(), Duration::from_secs(5)),
        Fault::Reset { handled: true },
        Fault::Reset { handled: false },
        Fault::Fin { handled: true },
        Fault::Fin { handled: false },
        Fault::CutBody(40),
        Fault::StallBody(40),
        Fault::SlowDrip {
            piece: 1,
            every: Duration::from_secs(20),
        },
        Fault::TruncatedJson,
        Fault::Html200,
        Fault::Empty200,
        Fault::ExpiredToken,
        Fault::ClockSkew(3_600_000),
    ]
}

/// Every kind of damage to a frame.
pub fn frame_faults() -> Vec<FrameFault> {
    vec![
        FrameFault::Drop,
        FrameFault::Duplicate,
        FrameFault::Reorder(2),
        FrameFault::Delay(Duration::from_secs(3)),
        FrameFault::Stall(Duration::from_secs(5)),
        FrameFault::StallForever,
        FrameFault::Close(Some((1008, "slow client".to_owned()))),
        FrameFault::Reset,
        FrameFault::Garble,
    ]
}
