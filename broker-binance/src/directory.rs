//! What is known of the symbols: pairs and instruments, looked up one by one while there are few, and else all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use broker_core::capability::LimitRule;
use broker_core::{Broker, Error, ErrorKind, Instrument, Result};

use crate::broker::BinanceBroker;
use crate::error::{ILLEGAL_CHARACTERS, NO_SUCH_SYMBOL};
use crate::facts::{DAY, FEW_SYMBOLS, MINUTE, TEN_SECONDS};
use crate::map::{self, Pair};
use crate::rest::Exchange;

/// How long the list of all symbols is good for.
const LIST_LIFE: Duration = Duration::from_secs(3_600);

impl BinanceBroker {
    /// What is known of a symbol already.
    pub(crate) fn known_pair(&self, symbol: &str) -> Option<Pair> {
        self.pairs().get(symbol).cloned()
    }

    /// What is known of a symbol; asks for one that is not known yet.
    pub(crate) async fn pair(&self, symbol: &str) -> Result<Pair> {
        if let Some(known) = self.pairs().get(symbol) {
            return Ok(known.clone());
        }
        // The whole list costs as much as one symbol of it.
        if self.inner.asked_singly.fetch_add(1, Ordering::Relaxed) >= FEW_SYMBOLS {
            self.names().await?;
            if let Some(known) = self.pairs().get(symbol) {
                return Ok(known.clone());
            }
        }
        self.one(symbol).await?;
        Ok(self
            .pairs()
            .get(symbol)
            .cloned()
            .unwrap_or_else(|| Pair::unlisted(symbol)))
    }

    /// The same of several.
    pub(crate) async fn pairs_of(&self, symbols: BTreeSet<String>) -> Result<BTreeMap<String, Pair>> {
        let unknown = {
            let known = self.pairs();
            symbols.iter().filter(|symbol| !known.contains_key(*symbol)).count()
        };
        if unknown > FEW_SYMBOLS as usize {
            self.list().await?;
        }
        let mut found = BTreeMap::new();
        for symbol in symbols {
            let pair = self.pair(&symbol).await?;
            found.insert(symbol, pair);
        }
        Ok(found)
    }

    /// One instrument; `None` when Binance lists none of this name.
    pub(crate) async fn one(&self, symbol: &str) -> Result<Option<Instrument>> {
        let found = self.rest().exchange(&[("symbol", symbol.to_owned())]).await;
        let exchange = match found {
            Err(error) if is_unknown_symbol(&error) => return Ok(None),
            found => found?,
        };
        self.learn(&exchange).await?;
        Ok(exchange.instruments.into_iter().find(|one| one.id.get() == symbol))
    }

    /// All that Binance lists, what is halted too.
    pub(crate) async fn list(&self) -> Result<Vec<Instrument>> {
        let exchange = self.rest().exchange(&[]).await?;
        self.learn(&exchange).await?;
        let names: BTreeSet<String> = exchange.instruments.iter().map(|one| one.id.get().to_owned()).collect();
        let read = self.context().clock().elapsed();
        *self.inner.names.lock().unwrap_or_else(PoisonError::into_inner) = Some((read, names.into_iter().collect()));
        Ok(exchange.instruments)
    }

    /// The names of all symbols, sorted.
    pub(crate) async fn names(&self) -> Result<Arc<[String]>> {
        let now = self.context().clock().elapsed();
        let known = || self.inner.names.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, names)) = known()
            && now.saturating_sub(read) < LIST_LIFE
        {
            return Ok(names);
        }
        self.list().await?;
        Ok(known().map(|(_, names)| names).unwrap_or_default())
    }

    /// Remembers pairs, and takes over the limits that Binance announces.
    pub(crate) async fn learn(&self, exchange: &Exchange) -> Result<()> {
        {
            let mut pairs = self.pairs();
            for one in &exchange.instruments {
                let routed = exchange.routed.iter().any(|symbol| symbol == one.id.get());
                pairs.insert(one.id.get().to_owned(), map::instrument::pair(one, routed));
            }
        }
        let buckets = &self.rest().buckets;
        for limit in &exchange.limits {
            let LimitRule::Window { limit: weight, per } = limit.rule else {
                continue;
            };
            let bucket = match (limit.kind.as_str(), per) {
                ("REQUEST_WEIGHT", MINUTE) if !self.inner.own_limits.0 => &buckets.weight,
                ("ORDERS", TEN_SECONDS) if !self.inner.own_limits.1 => &buckets.orders,
                ("ORDERS", DAY) if !self.inner.own_limits.1 => &buckets.orders_a_day,
                _ => continue,
            };
            let limiter = self.context().limiter();
            let Some(known) = limiter.snapshot(bucket).filter(|known| known.limit != weight) else {
                continue;
            };
            let used = known.used.saturating_add(known.others);
            let lesson = broker_core::limit::Lesson::Remaining {
                limit: Some(weight),
                remaining: weight.saturating_sub(used),
                resets_at: None,
            };
            let permit = limiter.acquire(&[], broker_core::limit::Lane::Read).await?;
            permit.finish(&[(Arc::clone(bucket), lesson)]);
        }
        Ok(())
    }

    pub(crate) fn pairs(&self) -> MutexGuard<'_, BTreeMap<String, Pair>> {
        self.inner.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn look_up(&self, symbols: BTreeSet<String>) -> Result<Vec<Instrument>> {
        if symbols.len() > FEW_SYMBOLS as usize {
            let mut all = self.list().await?;
            all.retain(|one| symbols.contains(one.id.get()));
            return Ok(all);
        }
        let mut found = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            found.extend(self.one(&symbol).await?);
        }
        Ok(found)
    }
}

pub(crate) fn is_unknown_symbol(error: &Error) -> bool {
    error.kind() == ErrorKind::InvalidRequest
        && error
            .code()
            .is_some_and(|code| [NO_SUCH_SYMBOL, ILLEGAL_CHARACTERS].contains(&code))
}
