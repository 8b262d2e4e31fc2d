//! The kiosk as a stage of the campaigns.

use std::sync::{Arc, Mutex};

use broker_core::model::{Level, OrderChange, StopExit};
use broker_core::seam::{Rng, VirtualRuntime};
use broker_core::{AccountId, Broker, ClientOrderId, OrderRequest, Price, Qty, Side};
use broker_sim::wire::{Recorder, share};
use broker_testkit::stage::{IntentOf, KnownOrder, Process, Stage, VenueWords, World};
use rust_decimal::Decimal;

use super::broker::Kiosk;
use super::venue::{ACCOUNT, KioskVenue, SYMBOLS, TOKEN_HEADER, error_body};
use super::wire::{PlaceJson, ReplaceJson};

pub(crate) struct KioskStage {
    world: World,
    pub(crate) venue: Arc<Mutex<KioskVenue>>,
}

impl KioskStage {
    pub(crate) fn new(seed: u64) -> Self {
        Self::over(|now| KioskVenue::new(seed, now))
    }

    /// Quotes stay where they are.
    pub(crate) fn quiet() -> Self {
        Self::over(|now| KioskVenue::new(1, now).quiet())
    }

    fn over(venue: impl FnOnce(chrono::DateTime<chrono::Utc>) -> KioskVenue) -> Self {
        use broker_core::seam::Clock;
        let runtime = VirtualRuntime::new();
        let venue = share(venue(runtime.clock().now()));
        let recorder = Recorder::new().with_secret_headers([TOKEN_HEADER]);
        Self {
            world: World::new(runtime, venue.clone()).with_recorder(recorder),
            venue,
        }
    }
}

fn price(cents: i64) -> Price {
    Price::new(Decimal::new(cents, 2))
}

/// Which intent a request of the kiosk's protocol sends.
fn intent_of(method: &str, path: &str, body: &str) -> Option<ClientOrderId> {
    match (method, path) {
        ("POST", "/orders") => serde_json::from_str::<PlaceJson>(body).ok().map(|json| json.client_id),
        ("PATCH", "/order") => serde_json::from_str::<ReplaceJson>(body)
            .ok()
            .map(|json| json.client_id),
        _ => None,
    }
}

impl Stage for KioskStage {
    fn world(&self) -> &World {
        &self.world
    }

    fn account(&self) -> AccountId {
        ACCOUNT.into()
    }

    fn connect(&self, process: &Process) -> Arc<dyn Broker> {
        Arc::new(Kiosk::new(self.world.context(process)))
    }

    fn truth(&self) -> Vec<KnownOrder> {
        let venue = self.venue.lock().unwrap();
        venue.truth().into_iter().map(KnownOrder::from).collect()
    }

    fn intent_of(&self) -> IntentOf {
        intent_of
    }

    fn request(&self, rng: &dyn Rng) -> OrderRequest {
        let symbol = SYMBOLS[usize::try_from(rng.below(3)).unwrap()].parse().unwrap();
        let side = if rng.below(2) == 0 { Side::Buy } else { Side::Sell };
        let qty: Qty = (rng.below(20) + 1).to_string().parse().unwrap();
        let off = 100 + i64::try_from(rng.below(300)).unwrap();
        let (below, above) = (price(10_000 - off), price(10_000 + off));
        let (better, worse) = if side == Side::Buy {
            (below, above)
        } else {
            (above, below)
        };
        match rng.below(10) {
            0..3 => OrderRequest::market(symbol, side, qty),
            3..6 => OrderRequest::limit(symbol, side, qty, better),
            6..8 => OrderRequest::stop(symbol, side, qty, worse),
            8 => OrderRequest::stop_limit(symbol, side, qty, worse, worse),
            _ => {
                let (target, stop) = if side == Side::Buy {
                    (price(10_600), price(9_400))
                } else {
                    (price(9_400), price(10_600))
                };
                OrderRequest::limit(symbol, side, qty, better)
                    .with_target(Level::Price(target))
                    .with_stop(StopExit::Stop {
                        stop: Level::Price(stop),
                        limit: None,
                    })
            }
        }
    }

    fn resting(&self) -> OrderRequest {
        OrderRequest::limit("KO".parse().unwrap(), Side::Buy, "5".parse().unwrap(), price(5_000))
    }

    fn change(&self) -> OrderChange {
        OrderChange::new().with_qty("25".parse().unwrap())
    }

    fn words(&self) -> VenueWords {
        VenueWords {
            internal: error_body("internal", "try again"),
            limited: error_body("limit", "too many requests"),
            banned: (418, error_body("banned", "too many requests for too long")),
            duplicate: (409, error_body("duplicate", "this id was used before")),
        }
    }
}
