//! A broker over the wire venue whose wire is watched.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::journal::{IntentJournal, MemoryJournal};
use broker_core::seam::{
    Answer, Carrier, Clock, Frame, OpenRequest, Request, SeededRng, Transport, VirtualClock, VirtualRuntime,
};
use broker_core::{Broker, Context, OrderRequest, Result, Side};
use broker_sim::wire::{Faults, MemoryTransport, Recorder, share};

use super::{Looking, builder, now};

pub(crate) struct Stage {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) clock: VirtualClock,
    pub(crate) venue: Arc<Mutex<AlpacaVenue>>,
    pub(crate) context: Context,
    pub(crate) config: AlpacaConfig,
    pub(crate) broker: AlpacaBroker,
    pub(crate) account: broker_core::AccountId,
    pub(crate) looking: Looking,
    pub(crate) faults: Faults,
    pub(crate) recorder: Recorder,
    watched: Watched,
}

/// What was seen of the wire.
#[derive(Clone, Default)]
struct Watched {
    /// What requests, answers and sockets show of themselves.
    shown: Arc<Mutex<Vec<String>>>,
    /// What really went out on sockets.
    said: Arc<Mutex<String>>,
}

/// What was said holds the secrets.
impl Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

impl Stage {
    pub(crate) fn new(config: AlpacaConfig) -> Self {
        Self::with(config, Arc::new(MemoryJournal::default()))
    }

    pub(crate) fn with(config: AlpacaConfig, journal: Arc<dyn IntentJournal>) -> Self {
        let runtime = VirtualRuntime::starting_at(now());
        let clock = runtime.clock();
        let shared = Arc::new(clock.clone());
        let rng = Arc::new(SeededRng::new(1));
        let venue = share(builder().build().unwrap());
        let inner = MemoryTransport::new(venue.clone(), shared.clone(), rng.clone(), shared.clone());
        let (faults, recorder) = (inner.faults().clone(), inner.recorder().clone());
        let watched = Watched::default();
        let transport = Arc::new(Watching {
            inner,
            watched: watched.clone(),
        });
        let context = Context::new(shared.clone(), rng, shared, transport).with_journal(journal);
        let config = config
            .with_context(context.clone())
            .with_requests_per_minute(100_000)
            .with_data_requests_per_minute(100_000);
        let broker = AlpacaBroker::new(config.clone()).unwrap();
        let account = runtime.block_on(broker.accounts()).unwrap().remove(0);
        let stage = Self {
            looking: Looking::new(&account.id, account.name.as_ref().unwrap().get()),
            account: account.id,
            runtime,
            clock,
            venue,
            context,
            config,
            broker,
            faults,
            recorder,
            watched,
        };
        stage.quote("100.00");
        stage
    }

    /// The market in AAPL and in bitcoin.
    pub(crate) fn quote(&self, bid: &str) {
        let (bid, size) = (bid.parse().unwrap(), "500".parse().unwrap());
        let mut venue = self.venue.lock().unwrap();
        let engine = venue.engine_mut();
        for symbol in ["AAPL", "BTC/USD"] {
            engine
                .set_quote(&symbol.into(), Some(bid), Some(bid), (size, size), self.clock.now())
                .unwrap();
        }
    }

    /// The account holds some AAPL.
    pub(crate) fn buy(&self) {
        let mut venue = self.venue.lock().unwrap();
        let request = OrderRequest::market("AAPL".into(), Side::Buy, "2".parse().unwrap());
        let account = venue.account().clone();
        venue
            .engine_mut()
            .place(&account, &request, None, self.clock.now())
            .unwrap();
    }

    /// Orders that the journal holds open.
    pub(crate) fn open_intents(&self) -> usize {
        let broker = self.broker.id();
        let open = self.context.journal().unsettled(&broker);
        self.runtime.block_on(open).unwrap().len()
    }

    /// Looks at all that stands around the calls.
    pub(crate) fn look_around(&mut self) {
        let values: [(&str, &dyn Debug); 9] = [
            ("config", &self.config),
            ("broker", &self.broker),
            ("context", &self.context),
            ("journal", self.context.journal()),
            ("limiter", self.context.limiter()),
            ("capabilities", self.broker.capabilities()),
            ("recorder", &self.recorder),
            ("records", &self.recorder.requests()),
            ("sockets", &self.recorder.sockets()),
        ];
        for (what, value) in values {
            self.looking.secrets.look_at(what, value);
            self.looking.numbers.look_at(what, value);
        }
        for text in self.watched.shown.lock().unwrap().iter() {
            self.looking.log("the wire as it shows itself", text);
        }
    }

    /// All that our side said on sockets.
    pub(crate) fn said(&self) -> String {
        self.watched.said.lock().unwrap().clone()
    }
}

/// Looks at what passes, and passes it on.
#[derive(Debug)]
struct Watching<T> {
    inner: T,
    watched: Watched,
}

impl<T> Watching<T> {
    fn show(&self, text: String) {
        self.watched.shown.lock().unwrap().push(text);
    }
}

#[async_trait]
impl Transport for Watching<MemoryTransport> {
    async fn send(&self, request: Request) -> Result<Answer> {
        self.show(format!("{request:?} {request:#?} {:?}", request.http));
        let answer = self.inner.send(request).await;
        self.show(format!("{answer:?}"));
        answer
    }

    async fn open(&self, request: OpenRequest) -> Result<Box<dyn Carrier>> {
        self.show(format!("{request:?} {request:#?}"));
        let opened = self.inner.open(request).await;
        self.show(format!("{opened:?}"));
        let watched = self.watched.clone();
        opened.map(|inner| Box::new(Watching { inner, watched }) as Box<dyn Carrier>)
    }
}

#[async_trait]
impl Carrier for Watching<Box<dyn Carrier>> {
    async fn receive(&mut self) -> Option<Result<Frame>> {
        self.inner.receive().await
    }

    async fn send(&mut self, frame: Frame) -> Result<()> {
        if let Frame::Text(text) = &frame {
            self.watched.said.lock().unwrap().push_str(text);
        }
        self.inner.send(frame).await
    }
}
