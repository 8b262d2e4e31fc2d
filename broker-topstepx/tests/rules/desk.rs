//! A venue in virtual time, its market set by hand, and a broker that speaks to it.

use std::sync::{Arc, Mutex, MutexGuard};

use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Broker, BrokerExt, Context, Order, OrderRequest, Placement, Side};
use broker_sim::wire::{MemoryTransport, Recorder, share};
use broker_topstepx::venue::{TopstepxVenue, TopstepxVenueBuilder};
use broker_topstepx::{TopstepxBroker, TopstepxConfig};

use super::common::{at, price, qty};

/// Friday, ten in the morning in New York.
pub(super) const NOW: &str = "2026-11-20T15:00:00Z";
/// The micro S&P's front contract, as the engine calls it and as the wire does.
pub(super) const MES: &str = "MESZ26";
pub(super) const MES_ID: &str = "CON.F.US.MES.Z26";

pub(super) struct Desk {
    pub(super) runtime: VirtualRuntime,
    pub(super) broker: TopstepxBroker,
    pub(super) account: AccountId,
    pub(super) recorder: Recorder,
    venue: Arc<Mutex<TopstepxVenue>>,
}

/// The engine's name of the account.
pub(super) fn own() -> AccountId {
    "PRACTICE".into()
}

impl Desk {
    pub(super) fn new(change: impl FnOnce(TopstepxVenueBuilder) -> TopstepxVenueBuilder) -> Self {
        Self::with(
            TopstepxConfig::new(TopstepxVenue::USER_NAME, TopstepxVenue::API_KEY),
            change,
        )
    }

    pub(super) fn with(
        config: TopstepxConfig,
        change: impl FnOnce(TopstepxVenueBuilder) -> TopstepxVenueBuilder,
    ) -> Self {
        let now = at(NOW);
        let venue = change(TopstepxVenue::builder().starts_at(now)).build().unwrap();
        let account = venue.account_id(venue.account()).unwrap();
        let venue = share(venue);
        let runtime = VirtualRuntime::starting_at(now);
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(1));
        let recorder = Recorder::new();
        let transport = MemoryTransport::new(venue.clone(), clock.clone(), rng.clone(), clock.clone())
            .with_recorder(recorder.clone());
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let desk = Self {
            broker: TopstepxBroker::new(config.with_context(context)).unwrap(),
            runtime,
            account,
            recorder,
            venue,
        };
        desk.quote(MES, "5000.00", "5000.25");
        desk
    }

    pub(super) fn venue(&self) -> MutexGuard<'_, TopstepxVenue> {
        self.venue.lock().unwrap()
    }

    /// Bid and ask from now on.
    pub(super) fn quote(&self, contract: &str, bid: &str, ask: &str) {
        let now = self.runtime.clock().now();
        let size = qty("1000");
        let mut venue = self.venue();
        let engine = venue.engine_mut();
        engine
            .set_quote(&contract.into(), Some(price(bid)), Some(price(ask)), (size, size), now)
            .unwrap();
    }

    pub(super) fn run<T, F: Future<Output = T>>(&self, call: impl FnOnce(TopstepxBroker, AccountId) -> F) -> T {
        self.runtime.block_on(call(self.broker.clone(), self.account.clone()))
    }

    pub(super) fn wait(&self, seconds: u64) {
        let clock = self.runtime.clock();
        self.runtime
            .block_on(clock.sleep(std::time::Duration::from_secs(seconds)));
    }

    /// Places what is taken.
    pub(super) fn place(&self, request: OrderRequest) -> Order {
        match self.run(|broker, account| async move { broker.place_once(&account, request).await }) {
            Ok(Placement::Accepted(order)) => *order,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn order(&self, order: &Order) -> Order {
        let order = order.reference();
        self.run(|broker, _| async move { broker.order(&order).await.unwrap() })
    }

    /// The size of the position, with its sign.
    pub(super) fn position(&self) -> String {
        let positions = self.run(|broker, account| async move { broker.positions(&account).await.unwrap() });
        let held = positions.iter().find(|one| one.instrument.get() == MES_ID);
        held.map_or_else(|| "0".to_owned(), |one| one.signed_qty().normalize().to_string())
    }

    /// Bodies that were sent to a path since the last look.
    pub(super) fn sent(&self, path: &str) -> Vec<String> {
        let sent = self.recorder.requests().into_iter();
        let sent = sent.filter(|one| one.path == path).map(|one| one.body).collect();
        self.recorder.clear();
        sent
    }
}

pub(super) fn market(side: Side, count: &str) -> OrderRequest {
    OrderRequest::market(MES.into(), side, qty(count))
}
