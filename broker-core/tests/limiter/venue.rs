//! A venue that counts by itself, in fixed and in sliding windows, and refuses what is over either.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::capability::LimitRule;
use broker_core::limit::{BucketKey, Cost, Lane, Lesson, Limiter};
use broker_core::seam::{Clock, Rng, SeededRng, Spawn, VirtualClock, VirtualRuntime};
use chrono::{DateTime, Utc};

/// Counts a request when it arrives; refused ones do not count.
pub(crate) struct Venue {
    limit: u32,
    per: Duration,
    window: u128,
    in_window: u32,
    span: VecDeque<(Duration, u32)>,
    in_span: u32,
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
}

impl Venue {
    pub(crate) fn new(limit: u32, per: Duration) -> Self {
        let (window, span) = (0, VecDeque::new());
        Self {
            limit,
            per,
            window,
            in_window: 0,
            span,
            in_span: 0,
            accepted: 0,
            refused: 0,
        }
    }

    /// True when the request is taken.
    pub(crate) fn arrive(&mut self, now: Duration, weight: u32) -> bool {
        let window = now.as_nanos() / self.per.as_nanos();
        if window != self.window {
            (self.window, self.in_window) = (window, 0);
        }
        while self.span.front().is_some_and(|(at, _)| *at + self.per <= now) {
            self.in_span -= self.span.pop_front().unwrap().1;
        }
        let taken = self.in_window + weight <= self.limit && self.in_span + weight <= self.limit;
        if taken {
            self.in_window += weight;
            self.in_span += weight;
            self.span.push_back((now, weight));
            self.accepted += u64::from(weight);
        } else {
            self.refused += u64::from(weight);
        }
        taken
    }

    /// The header of an answer: what its fixed window still permits, and when that turns.
    pub(crate) fn header(&self, origin: DateTime<Utc>) -> Lesson {
        let turn = self.per * u32::try_from(self.window + 1).unwrap();
        Lesson::Remaining {
            limit: Some(self.limit),
            remaining: self.limit.saturating_sub(self.in_window),
            resets_at: Some(origin + turn),
        }
    }
}

/// How long a request takes, each way.
#[derive(Clone, Copy)]
pub(crate) struct Latency {
    pub(crate) each_way: Duration,
    pub(crate) jitter: Duration,
}

impl Latency {
    pub(crate) const NONE: Self = Self {
        each_way: Duration::ZERO,
        jitter: Duration::ZERO,
    };
    /// 40 ms both ways, and up to 20 ms more.
    pub(crate) const USUAL: Self = Self {
        each_way: Duration::from_millis(20),
        jitter: Duration::from_millis(10),
    };

    pub(crate) fn draw(&self, rng: &SeededRng) -> Duration {
        let jitter = u64::try_from(self.jitter.as_nanos()).unwrap();
        self.each_way + Duration::from_nanos(rng.below(jitter + 1))
    }

    /// The mean of a round trip, in nanoseconds.
    fn round_trip(&self) -> u128 {
        (self.each_way * 2 + self.jitter).as_nanos()
    }
}

/// A load that asks for more than the limit permits.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) limit: u32,
    pub(crate) per: Duration,
    pub(crate) tasks: u32,
    pub(crate) latency: Latency,
    pub(crate) headers: bool,
}

const HOUR: Duration = Duration::from_secs(3600);

impl Load {
    /// Runs it for an hour of virtual time, and gives the venue and the used share of what was reachable, in 1/100 %.
    pub(crate) fn run(self) -> (Venue, u64) {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        let limiter = Limiter::new(Arc::new(clock.clone()));
        let bucket = BucketKey::from("venue:paper:key");
        limiter.define(
            &bucket,
            LimitRule::Window {
                limit: self.limit,
                per: self.per,
            },
        );
        let venue = Arc::new(Mutex::new(Venue::new(self.limit, self.per)));
        let rng = Arc::new(SeededRng::new(11));
        // The hour starts in the middle of a window.
        let start = self.per * 2 / 7;
        for _ in 0..self.tasks {
            let call = Call {
                limiter: limiter.clone(),
                cost: [Cost {
                    bucket: Arc::clone(&bucket),
                    weight: 1,
                }],
                venue: Arc::clone(&venue),
                rng: Arc::clone(&rng),
                clock: clock.clone(),
                load: self,
            };
            clock.spawn(Box::pin(async move {
                call.clock.sleep(start).await;
                while call.clock.elapsed() < start + HOUR {
                    call.once().await;
                }
            }));
        }
        runtime.block_on(clock.sleep(start + HOUR));
        // What still waits is dropped with the runtime.
        let venue = std::mem::replace(&mut *venue.lock().unwrap(), Venue::new(1, HOUR));
        let share = u64::try_from(u128::from(venue.accepted) * 10_000 / self.reachable()).unwrap();
        (venue, share)
    }

    /// Calls that the limit permits in an hour, or fewer where the round trips of so few tasks take longer than that.
    fn reachable(self) -> u128 {
        let permitted = HOUR.as_nanos() * u128::from(self.limit) / self.per.as_nanos();
        match self.latency.round_trip() {
            0 => permitted,
            trip => permitted.min(HOUR.as_nanos() * u128::from(self.tasks) / trip),
        }
    }

    /// Prints what was used, and checks it: at least 95 %, and nothing refused.
    pub(crate) fn holds(self) {
        let (venue, share) = self.run();
        let Self {
            limit,
            per,
            tasks,
            latency,
            headers,
        } = self;
        println!(
            "{limit} per {per:?}, {tasks} tasks, round trip {:?} + up to {:?}{}: {} taken, {} refused, {}.{:02} % of {} reachable",
            latency.each_way * 2,
            latency.jitter * 2,
            if headers { ", headers" } else { "" },
            venue.accepted,
            venue.refused,
            share / 100,
            share % 100,
            self.reachable(),
        );
        assert_eq!(venue.refused, 0);
        assert!(share >= 9_500, "only {share} of 10,000");
    }
}

struct Call {
    limiter: Limiter,
    cost: [Cost; 1],
    venue: Arc<Mutex<Venue>>,
    rng: Arc<SeededRng>,
    clock: VirtualClock,
    load: Load,
}

impl Call {
    async fn once(&self) {
        let mut permit = self.limiter.acquire(&self.cost, Lane::Read).await.unwrap();
        let Load { latency, headers, .. } = self.load;
        if latency.round_trip() > 0 {
            self.clock.sleep(latency.draw(&self.rng)).await;
        }
        let lesson = {
            let mut venue = self.venue.lock().unwrap();
            venue.arrive(self.clock.elapsed(), 1);
            venue.header(DateTime::from_timestamp(1_767_225_600, 0).unwrap())
        };
        if latency.round_trip() > 0 {
            self.clock.sleep(latency.draw(&self.rng)).await;
        }
        permit.answered();
        let lessons = [(Arc::clone(&self.cost[0].bucket), lesson)];
        permit.finish(if headers { &lessons } else { &[] });
    }
}
