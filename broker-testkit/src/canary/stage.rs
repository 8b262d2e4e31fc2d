//! A broker whose wire is watched, taken through everything that can go wrong.

use std::fmt::{self, Debug};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use broker_core::journal::{IntentJournal, MemoryJournal};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Clock, SeededRng, VirtualRuntime};
use broker_core::{Broker, BrokerExt, Context, Gate};
use broker_sim::wire::{
    FaultPlan, Faults, FrameFault, FrameWhen, MemoryTransport, Recorder, SharedVenue, When, WireRequest,
};
use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::{CallSetup, Caller, Canaries, Looking, Watched, Watching};
use crate::faults::{frame_faults, request_faults};

/// A broker over a wire venue in virtual time.
pub struct SecretsStage {
    /// The time of all.
    pub runtime: VirtualRuntime,
    /// What the broker holds.
    pub context: Context,
    /// The broker.
    pub broker: Arc<dyn Broker>,
    /// What its calls are about.
    pub setup: CallSetup,
    /// What goes wrong.
    pub faults: Faults,
    /// What was sent.
    pub recorder: Recorder,
    /// What was seen.
    pub looking: Looking,
    /// The broker's paths name accounts, and so does what the recorder keeps of them, which no user meets.
    pub paths_name_accounts: bool,
    /// Whether a request only reads; a `GET` does, if nothing else is said.
    pub is_read: fn(&WireRequest) -> bool,
    watched: Watched,
    /// What a gateway says in the venue's place.
    words: String,
    act: Box<dyn Fn()>,
}

impl SecretsStage {
    /// A broker that is connected to this venue, from `now` on. `words` is what a gateway says in the venue's place.
    pub fn new(
        (venue, now): (SharedVenue, DateTime<Utc>),
        setup: CallSetup,
        (secrets, number): (Canaries, Option<&str>),
        connect: impl FnOnce(Context) -> Arc<dyn Broker>,
        words: &str,
    ) -> Self {
        Self::with_journal(
            (venue, now),
            setup,
            (secrets, number),
            connect,
            (words, Arc::new(MemoryJournal::default())),
        )
    }

    /// The same with this journal of intents.
    pub fn with_journal(
        (venue, now): (SharedVenue, DateTime<Utc>),
        setup: CallSetup,
        (secrets, number): (Canaries, Option<&str>),
        connect: impl FnOnce(Context) -> Arc<dyn Broker>,
        (words, journal): (&str, Arc<dyn IntentJournal>),
    ) -> Self {
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(1));
        let inner = MemoryTransport::new(venue, clock.clone(), rng.clone(), clock.clone());
        let (faults, recorder) = (inner.faults().clone(), inner.recorder().clone());
        let watched = Watched::default();
        let transport = Arc::new(Watching::new(inner, &watched));
        let context = Context::new(clock.clone(), rng, clock, transport).with_journal(journal);
        Self {
            runtime,
            broker: connect(context.clone()),
            context,
            looking: Looking::new(secrets, &setup.account, number),
            setup,
            faults,
            recorder,
            paths_name_accounts: false,
            is_read: |request| request.method == "GET",
            watched,
            words: words.to_owned(),
            act: Box::new(|| {}),
        }
    }

    /// What happens at the venue meanwhile: something fills, the market moves.
    #[must_use]
    pub fn acting(mut self, act: impl Fn() + 'static) -> Self {
        self.act = Box::new(act);
        self
    }

    /// Makes every call under every fault: of all requests, then of those that write alone, for with every request
    /// harmed nothing in doubt is ever settled.
    ///
    /// # Panics
    /// When the broker cannot work while nothing goes wrong.
    #[allow(clippy::expect_used, reason = "a test stops at what it did not expect")]
    pub fn calls(&mut self, name: &str) {
        let faults = || request_faults(&self.words).into_iter();
        let is_read = self.is_read;
        let writes = |fault| FaultPlan::none().rule(When::always().matching(move |request| !is_read(request)), fault);
        let plans: Vec<_> = std::iter::once(("nothing".to_owned(), FaultPlan::none(), true))
            .chain(faults().map(|fault| {
                (
                    format!("{fault:?}"),
                    FaultPlan::none().rule(When::always(), fault),
                    true,
                )
            }))
            .chain(faults().map(|fault| (format!("of writes {fault:?}"), writes(fault), false)))
            .collect();
        let (broker, setup) = (Arc::clone(&self.broker), self.setup.clone());
        self.faults.set(FaultPlan::none());
        let caller = self.runtime.block_on(Caller::new(&*broker, &setup));
        let mut caller = caller.expect("the instrument is known");
        for (fault, plan, reads) in plans {
            self.faults.set(FaultPlan::none());
            self.runtime.block_on(caller.stand()).expect("the orders stand");
            (self.act)();
            self.faults.set(plan);
            self.looking.what = format!("{name}, {fault}");
            let looking = &mut self.looking;
            self.runtime.block_on(async {
                if reads {
                    caller.reads(looking).await;
                }
                caller.writes(looking).await;
            });
        }
        // A last one, so that the journal has something to show.
        self.faults
            .set(FaultPlan::none().rule(When::always(), broker_sim::wire::Fault::DropAnswer));
        if broker.trading().is_some() {
            let placing = broker.place_once(&setup.account, setup.request.clone());
            let last = self.runtime.block_on(placing);
            self.looking.result("place_once", &last);
        }
        self.look_around();
    }

    /// Follows the account and the quotes under every fault of requests and of frames. `on_account` are the frames of the
    /// account's stream, of which the third is harmed alone.
    ///
    /// # Panics
    /// When the broker cannot work while nothing goes wrong.
    #[allow(clippy::expect_used, reason = "a test stops at what it did not expect")]
    pub fn streams(&mut self, name: &str, on_account: &FrameWhen) {
        let (broker, setup) = (Arc::clone(&self.broker), self.setup.clone());
        self.faults.set(FaultPlan::none());
        let caller = self.runtime.block_on(Caller::new(&*broker, &setup));
        let mut caller = caller.expect("the instrument is known");
        for (fault, plan) in self.stream_plans(on_account) {
            self.faults.set(FaultPlan::none());
            self.runtime.block_on(caller.stand()).expect("the orders stand");
            self.looking.what = format!("{name}, {fault}, a stream");
            self.faults.set(plan);
            self.follow(&mut caller);
        }
        self.look_around();
    }

    /// What goes wrong: requests while a connection is closed once, all requests, then frames, all of them or one in the
    /// middle.
    fn stream_plans(&self, on_account: &FrameWhen) -> Vec<(String, FaultPlan)> {
        let faults = || request_faults(&self.words).into_iter();
        let is_read = self.is_read;
        let third = || on_account.clone().nth(3);
        let closed = || {
            let close = FrameFault::Close(Some((1001, "going away".to_owned())));
            FaultPlan::none().frame_rule(third(), close)
        };
        let one = std::iter::once(("nothing".to_owned(), closed()));
        let written = faults().map(|fault| {
            let name = format!("{fault:?}");
            let writes = When::always().method("POST").matching(move |request| !is_read(request));
            (name, closed().rule(writes, fault))
        });
        let every = faults().map(|fault| {
            let name = format!("always {fault:?}");
            (name, FaultPlan::none().rule(When::always(), fault))
        });
        let frames = frame_faults().into_iter().flat_map(|fault| {
            [("all", FrameWhen::always()), ("one", third())].map(|(which, when)| {
                let plan = FaultPlan::none().frame_rule(when, fault.clone());
                (format!("{which} {fault:?}"), plan)
            })
        });
        one.chain(written).chain(every).chain(frames).collect()
    }

    /// Subscribes, places an order, lets something happen, and looks at what comes for some seconds.
    fn follow(&mut self, caller: &mut Caller<'_>) {
        let mut subscription = Subscription::account(&self.setup.account);
        subscription.quotes.clone_from(&self.setup.instruments);
        self.looking.value(&subscription);
        let (broker, clock) = (Arc::clone(&self.broker), self.runtime.clock());
        let Some(streaming) = broker.streaming() else { return };
        let opened = self.runtime.block_on(async {
            let opening = streaming.subscribe(&subscription);
            match select(opening, pin!(clock.sleep(Duration::from_secs(90)))).await {
                Either::Left((opened, _)) => Some(opened),
                Either::Right(_) => None,
            }
        });
        match opened {
            Some(Ok(mut events)) => {
                self.take(&mut events, 3);
                if let Some(trading) = broker.trading() {
                    let intent = caller.intent("streamed");
                    let gate = Gate::new();
                    let placed = self.runtime.block_on(trading.place(&intent, &gate));
                    self.looking.result("place", &placed);
                }
                (self.act)();
                self.take(&mut events, 15);
                (self.act)();
                self.take(&mut events, 15);
            }
            Some(Err(error)) => self.looking.error(&error),
            None => {}
        }
    }

    fn take(&mut self, events: &mut BoxStream<'static, Event>, seconds: u64) {
        let clock = self.runtime.clock();
        let looking = &mut self.looking;
        self.runtime.block_on(async {
            let mut time = pin!(clock.sleep(Duration::from_secs(seconds)));
            while let Either::Left((Some(event), _)) = select(events.next(), time.as_mut()).await {
                looking.value(&event);
                if let Event::Disconnected { reason: error, .. } | Event::Closed(error) = &event {
                    looking.error(error);
                }
            }
        });
    }

    /// Looks at all that stands around the calls.
    pub fn look_around(&mut self) {
        let requests = self.recorder.requests();
        let sockets = self.recorder.sockets();
        let values: [(&str, &dyn Debug); 8] = [
            ("broker", &self.broker),
            ("context", &self.context),
            ("journal", self.context.journal()),
            ("limiter", self.context.limiter()),
            ("capabilities", self.broker.capabilities()),
            ("recorder", &self.recorder),
            ("records", &requests),
            ("sockets", &sockets),
        ];
        for (what, value) in values {
            self.looking.secrets.look_at(what, value);
            let is_record = matches!(what, "recorder" | "records" | "sockets");
            if !(is_record && self.paths_name_accounts) {
                self.looking.numbers.look_at(what, value);
            }
        }
        for text in self.watched.shown() {
            self.looking.log("the wire as it shows itself", &text);
        }
    }

    /// Orders that the journal holds open.
    ///
    /// # Panics
    /// When the journal cannot be read.
    #[allow(clippy::expect_used, reason = "a test stops at what it did not expect")]
    pub fn open_intents(&self) -> usize {
        let broker = self.broker.id();
        let open = self.context.journal().unsettled(&broker);
        self.runtime.block_on(open).expect("the journal is read").len()
    }

    /// All that our side said on sockets: this holds the secrets.
    pub fn said(&self) -> String {
        self.watched.said()
    }
}

impl Debug for SecretsStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretsStage")
            .field("broker", &self.broker)
            .field("setup", &self.setup)
            .finish_non_exhaustive()
    }
}
