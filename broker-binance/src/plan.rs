//! Which symbols a sync has to ask, and what that costs.
//!
//! Binance has no list of all trades of an account. What names symbols cheaply is asked first: balances, open orders,
//! order lists, and on a live account the snapshots of the last month and what moved coins without a trade. A coin
//! that was bought and sold in full within the window shows in none of them, so only asking every symbol is complete.

use std::collections::BTreeSet;
use std::time::Duration;

use broker_core::model::{Environment, HistoryQuery};
use broker_core::{AccountId, Broker, Currency, Instrument, InstrumentId, Record, Result};
use serde::Deserialize;

use crate::broker::BinanceBroker;
use crate::map;
use crate::rest::{Rest, weight};
use crate::wire;

/// How far a sync reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Symbols that the account is seen to have touched. Minutes; may miss a coin that was bought and sold in full.
    Likely,
    /// Every symbol: complete. Done once, a later sync needs it for new symbols only.
    Every,
}

/// A plan of a sync: what to ask, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPlan {
    /// The symbols, those first that the account is seen to have touched, and the account's own records.
    pub instruments: Vec<InstrumentId>,
    /// How many of them the account is seen to have touched.
    pub likely: usize,
    /// Requests that a sync of them takes at least: trades and orders of each.
    pub requests: u64,
    /// What they weigh.
    pub weight: u64,
    /// How long that takes at the limit of the address.
    pub takes: Duration,
    /// What making this plan weighed.
    pub spent: u64,
}

/// A symbol without trades is asked for trades once, and for orders once.
const QUIET: (u64, u64) = (2, (weight::TRADES + weight::ALL_ORDERS) as u64);
/// One with trades is asked until a page is empty, and for its last page once more.
const TRADED: (u64, u64) = (4, (3 * weight::TRADES + weight::ALL_ORDERS) as u64);

/// One whose orders may be routed is asked for allocations, too.
const ROUTED: (u64, u64) = (1, weight::ALLOCATIONS as u64);

/// Most pages of order lists that a plan reads.
const MOST_LIST_PAGES: u32 = 10;

impl BinanceBroker {
    /// What making a plan weighs at most, before it is made: two lists of symbols, the balances, the open orders, ten
    /// pages of order lists, and on a live account the snapshots.
    pub fn plan_weight(&self) -> u32 {
        let snapshot = match self.environment() {
            Environment::Live => weight::SNAPSHOT,
            Environment::Paper => 0,
        };
        2 * weight::EXCHANGE
            + weight::ACCOUNT
            + weight::ALL_OPEN_ORDERS
            + MOST_LIST_PAGES * weight::ALL_LISTS
            + snapshot
    }

    /// Finds the symbols that a sync of this account has to ask, for
    /// [`Syncer::with_instruments`](https://docs.rs/broker-sync), and says what that costs.
    pub async fn plan_history(&self, account: &AccountId, days: u32, reach: Reach) -> Result<HistoryPlan> {
        self.check(account).await?;
        let mut spent = u64::from(weight::EXCHANGE + weight::ACCOUNT + weight::ALL_OPEN_ORDERS);
        let all = self.every_symbol(&mut spent).await?;
        let balances = self.balances(account).await?;
        let mut coins: BTreeSet<Currency> = balances.balances.iter().map(|balance| balance.currency).collect();
        let mut touched = BTreeSet::new();
        for order in self.open_orders(account, None).await? {
            touched.extend(order.legs.into_iter().map(|leg| leg.instrument));
        }
        self.listed_symbols(&mut touched, &mut spent).await?;
        if self.environment() == Environment::Live {
            spent += u64::from(weight::SNAPSHOT);
            coins.extend(self.rest().snapshot_coins().await?);
            coins.extend(self.moved_coins(account, days).await?);
        }
        let likely = |one: &Instrument| {
            touched.contains(&one.id)
                || coins.contains(&one.currency) && one.base.is_some_and(|base| coins.contains(&base))
        };
        // A coin that is there was bought with something, which need not be there any more.
        let held = |one: &Instrument| one.base.is_some_and(|base| coins.contains(&base));
        let (first, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| likely(one) || held(one));
        let mut instruments: Vec<InstrumentId> = first.into_iter().map(|one| one.id).collect();
        let likely = instruments.len();
        if reach == Reach::Every {
            instruments.extend(rest.into_iter().map(|one| one.id));
        }
        let quiet = instruments.len().saturating_sub(likely);
        let is_routed = |id: &&InstrumentId| self.known_pair(id.get()).is_some_and(|pair| pair.routed);
        let routed = instruments.iter().filter(is_routed).count();
        let sum = |each: fn((u64, u64)) -> u64| {
            each(TRADED) * count(likely) + each(QUIET) * count(quiet) + each(ROUTED) * count(routed)
        };
        let (requests, weight) = (sum(|(requests, _)| requests), sum(|(_, weight)| weight));
        instruments.push(Self::account_records());
        Ok(HistoryPlan {
            instruments,
            likely,
            requests,
            weight,
            takes: self.time_for(weight),
            spent,
        })
    }

    /// At so much a minute, the first of which is there at once.
    fn time_for(&self, weight: u64) -> Duration {
        let limit = self.context().limiter().snapshot(&self.rest().buckets.weight);
        let limit = limit.map_or(1, |bucket| u64::from(bucket.limit.max(1)));
        Duration::from_secs(60 * (weight.div_ceil(limit).saturating_sub(1)))
    }

    /// Symbols that are halted or gone from trading, too, and those that only some accounts may trade.
    async fn every_symbol(&self, spent: &mut u64) -> Result<Vec<Instrument>> {
        let listed = self.rest().exchange(&[]).await?;
        self.learn(&listed).await?;
        let listed = listed.instruments;
        *spent += u64::from(weight::EXCHANGE);
        let groups = (2..=25).map(|group| format!("TRD_GRP_{group:03}"));
        let names: Vec<String> = ["SPOT", "MARGIN", "LEVERAGED"]
            .map(str::to_owned)
            .into_iter()
            .chain(groups)
            .collect();
        let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let params = [("permissions", format!("[{}]", quoted.join(",")))];
        let permitted = self.rest().exchange(&params).await?;
        self.learn(&permitted).await?;
        let permitted = permitted.instruments;
        let known: BTreeSet<InstrumentId> = listed.iter().map(|one| one.id.clone()).collect();
        let more = permitted.into_iter().filter(|one| !known.contains(&one.id));
        Ok(listed.iter().cloned().chain(more).collect())
    }

    /// Symbols of the account's order lists: the one list that is not told symbol by symbol.
    async fn listed_symbols(&self, touched: &mut BTreeSet<InstrumentId>, spent: &mut u64) -> Result<()> {
        let mut from = 0;
        for _ in 0..MOST_LIST_PAGES {
            let params = [("fromId", from.to_string()), ("limit", "1000".to_owned())];
            let lists = self
                .rest()
                .order_lists("/api/v3/allOrderList", &params, weight::ALL_LISTS)
                .await?;
            *spent += u64::from(weight::ALL_LISTS);
            touched.extend(lists.iter().map(|(_, symbol)| InstrumentId::from(symbol.as_str())));
            match lists.iter().map(|(list, _)| list.number).max() {
                Some(last) if lists.len() >= 1000 => from = last.saturating_add(1),
                _ => break,
            }
        }
        Ok(())
    }

    /// Coins that came or went without a trade.
    async fn moved_coins(&self, account: &AccountId, days: u32) -> Result<BTreeSet<Currency>> {
        let query = HistoryQuery::last_days(account, days)
            .with_instrument(Self::account_records())
            .resolved(self.context().clock().now());
        let (mut coins, mut cursor) = (BTreeSet::new(), None);
        loop {
            let page = self.history(&query, cursor.as_ref()).await?;
            for row in &page.rows {
                if let Record::Flow(flow) = row
                    && let broker_core::model::Asset::Currency(coin) = &flow.asset
                {
                    coins.insert(*coin);
                }
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(coins),
            }
        }
    }
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SnapshotsJson<'a> {
    #[serde(borrow)]
    snapshot_vos: Vec<SnapshotJson<'a>>,
}

#[derive(Debug, Deserialize)]
struct SnapshotJson<'a> {
    #[serde(borrow)]
    data: SnapshotDataJson<'a>,
}

#[derive(Debug, Deserialize)]
struct SnapshotDataJson<'a> {
    #[serde(borrow)]
    balances: Vec<wire::BalanceJson<'a>>,
}

impl Rest {
    /// Coins of the daily snapshots of the last month.
    async fn snapshot_coins(&self) -> Result<BTreeSet<Currency>> {
        let params = [("type", "SPOT".to_owned()), ("limit", "30".to_owned())];
        let call = self.wallet("snapshots", "/sapi/v1/accountSnapshot", &params, 0);
        let read = |body: &str| {
            let wire: SnapshotsJson<'_> = wire::decode(body)?;
            let balances = wire.snapshot_vos.iter().flat_map(|day| &day.data.balances);
            let held = balances.filter(|row| !row.free.0.is_zero() || !row.locked.0.is_zero());
            held.map(|row| map::currency(row.asset.get())).collect()
        };
        self.http.run(call, read).await
    }
}
