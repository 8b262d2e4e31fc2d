//! What placing remembers: intents that are alive in this process, and facts of instruments.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::broker::Broker;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{BrokerId, ClientOrderId, InstrumentId};
use crate::model::{Environment, Hours, Instrument, InstrumentQuery, InstrumentRef};

/// State of placing, shared by all that share a context.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    alive: Mutex<BTreeSet<(BrokerId, ClientOrderId)>>,
    instruments: Mutex<HashMap<InstrumentKey, Kept<Arc<Instrument>>>>,
    hours: Mutex<HashMap<InstrumentKey, Kept<Arc<Hours>>>>,
}

type InstrumentKey = (BrokerId, Environment, InstrumentRef);

#[derive(Debug)]
struct Kept<T> {
    value: T,
    until: Duration,
}

/// Facts are asked again after this long: venues change steps and sessions seldom, and announce it.
const FACTS_LAST: Duration = Duration::from_secs(3600);

/// More facts than this are forgotten at once.
const MOST_FACTS: usize = 20_000;

/// An intent that this process works on. [`recover`](crate::BrokerExt::recover) leaves it alone.
#[derive(Debug)]
pub(crate) struct Alive {
    desk: Arc<Desk>,
    key: (BrokerId, ClientOrderId),
}

impl Drop for Alive {
    fn drop(&mut self) {
        lock(&self.desk.alive).remove(&self.key);
    }
}

impl Desk {
    /// Claims an intent; `None` when it is being worked on already.
    pub(crate) fn claim(self: &Arc<Self>, broker: &BrokerId, id: &ClientOrderId) -> Option<Alive> {
        let key = (broker.clone(), id.clone());
        lock(&self.alive).insert(key.clone()).then(|| Alive {
            desk: Arc::clone(self),
            key,
        })
    }

    /// The one instrument of this name, from memory or from the broker.
    pub(crate) async fn instrument(&self, broker: &dyn Broker, name: &InstrumentRef) -> Result<Arc<Instrument>> {
        let key = (broker.id(), broker.environment(), name.clone());
        let now = broker.context().clock().elapsed();
        if let Some(known) = recall(&self.instruments, &key, now) {
            return Ok(known);
        }
        let query = match name {
            InstrumentRef::Id(id) => InstrumentQuery::Ids(vec![id.clone()]),
            InstrumentRef::Symbol(symbol) => InstrumentQuery::Symbols(vec![symbol.clone()]),
        };
        let found = broker.instruments(&query).await?;
        let one = Arc::new(only(found, name).map_err(|error| error.with_broker(broker.id()))?);
        keep(&self.instruments, key, Arc::clone(&one), now);
        Ok(one)
    }

    /// When an instrument trades around now, from memory or from the broker.
    pub(crate) async fn hours(&self, broker: &dyn Broker, id: &InstrumentId) -> Result<Arc<Hours>> {
        let Some(market) = broker.market_data() else {
            return Ok(Arc::new(Hours::Unknown));
        };
        let key = (broker.id(), broker.environment(), InstrumentRef::Id(id.clone()));
        let clock = broker.context().clock();
        let now = clock.elapsed();
        if let Some(known) = recall(&self.hours, &key, now) {
            return Ok(known);
        }
        let day = chrono::Duration::days(1);
        let hours = Arc::new(market.hours(id, clock.now() - day, clock.now() + day).await?);
        keep(&self.hours, key, Arc::clone(&hours), now);
        Ok(hours)
    }
}

fn only(mut found: Vec<Instrument>, name: &InstrumentRef) -> Result<Instrument> {
    let named = match name {
        InstrumentRef::Id(id) => id.get(),
        InstrumentRef::Symbol(symbol) => symbol.get(),
    };
    match (found.pop(), found.as_slice()) {
        (Some(one), []) => Ok(one),
        (None, _) => Err(Error::invalid(format!("there is no instrument {named}"))
            .with_help("look it up with instruments(), by symbol or by text")),
        (Some(last), others) => {
            let ids: Vec<_> = others.iter().chain([&last]).map(|one| one.id.get()).collect();
            Err(
                Error::invalid(format!("{named} names several instruments: {}", ids.join(", ")))
                    .with_help("name one with OrderRequest::with_instrument"),
            )
        }
    }
}

fn recall<T: Clone>(facts: &Mutex<HashMap<InstrumentKey, Kept<T>>>, key: &InstrumentKey, now: Duration) -> Option<T> {
    let facts = lock(facts);
    facts
        .get(key)
        .filter(|kept| now < kept.until)
        .map(|kept| kept.value.clone())
}

fn keep<T>(facts: &Mutex<HashMap<InstrumentKey, Kept<T>>>, key: InstrumentKey, value: T, now: Duration) {
    let mut facts = lock(facts);
    if facts.len() >= MOST_FACTS {
        facts.clear();
    }
    let until = now.saturating_add(FACTS_LAST);
    facts.insert(key, Kept { value, until });
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// A refusal of an intent that is being worked on.
    pub(crate) fn busy() -> Error {
        Error::new(ErrorKind::DuplicateOrder)
            .with_delivery(crate::Delivery::NotSent)
            .with_message("an order with this id of ours is being placed or settled now")
    }
}
