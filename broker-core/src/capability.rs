//! What a broker can do, and its limits, as data. Effective values only; nothing that an accessor of
//! [`Broker`](crate::Broker) already says.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{AssetClass, Environment, Group, OrderKind, TimeInForce};
use crate::{ClientOrderId, Error, Result};

/// Facts of one broker, with units, from its documentation. Each broker crate writes one full literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Where it can be used.
    pub environments: Vec<Environment>,
    /// What can be traded or read there.
    pub asset_classes: Vec<AssetClass>,
    /// Facts for placing orders.
    pub orders: OrderFacts,
    /// Facts of its history.
    pub history: HistoryFacts,
    /// Published limits, by bucket.
    pub limits: Vec<Limit>,
}

/// What orders a broker takes, and what is known when an answer is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFacts {
    /// Kinds it takes natively.
    pub kinds: Vec<OrderKind>,
    /// Groups it takes natively.
    pub groups: Vec<Group>,
    /// The exits that its groups take.
    pub exits: ExitFacts,
    /// How the distance of a trailing stop can be given; empty where there are none.
    pub trails: Vec<TrailKind>,
    /// Times in force it takes.
    pub times_in_force: Vec<TimeInForce>,
    /// Kinds that do not take all of these, and what they take.
    pub kind_times: Vec<(OrderKind, Vec<TimeInForce>)>,
    /// Takes quantities with a fraction, for at least one asset class.
    pub fractional_qty: bool,
    /// Takes money instead of a quantity.
    pub notional: bool,
    /// Can work outside the regular session.
    pub extended_hours: bool,
    /// Changes a working order natively.
    pub replace: bool,
    /// Carries our id, and under which rules; `None` where orders do not.
    pub client_id: Option<ClientIdRule>,
    /// A second send with the same id cannot make a second order.
    pub resend_is_safe: bool,
    /// After this long a request still under way cannot become an order; `None` where the page gives no bound.
    pub latest_arrival: Option<Duration>,
    /// A placed order shows in lookups at most this long after it was taken.
    pub visibility_lag: Duration,
    /// Placements of one account and instrument must go one after another.
    pub one_at_a_time: bool,
    /// Takes orders that can only reduce a position.
    pub reduce_only: bool,
    /// Orders for these are refused while their market is closed; for others they wait for the opening.
    pub refused_when_closed: Vec<AssetClass>,
}

impl OrderFacts {
    /// The times in force that orders of this kind take.
    pub fn times_of(&self, kind: &OrderKind) -> &[TimeInForce] {
        let own = self.kind_times.iter().find(|(narrow, _)| narrow == kind);
        own.map_or(&self.times_in_force, |(_, times)| times)
    }
}

/// What exits of an entry, or of a position, a broker takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExitFacts {
    /// Their kinds: often others than those of orders that stand alone.
    pub kinds: Vec<OrderKind>,
    /// How their levels are given. What is not among these is converted where that is exact, else refused; where
    /// prices are not, an exit's price is always refused, for the entry may fill at another one than it asked for.
    pub levels: Vec<LevelKind>,
}

/// How the level of an exit is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LevelKind {
    /// As a price.
    Price,
    /// As a distance from the price at which the entry fills.
    Distance,
}

/// How the distance of a trailing stop is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrailKind {
    /// In price.
    Amount,
    /// In percent of the price.
    Percent,
}

/// Rules of our own order ids at a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientIdRule {
    /// Longest id, in characters.
    pub longest: usize,
    /// Characters that it takes beside ASCII letters and digits.
    pub extra: &'static str,
}

impl ClientIdRule {
    /// Whether this text can be an id there.
    pub fn allows(&self, text: &str) -> bool {
        !text.is_empty()
            && text.len() <= self.longest
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || self.extra.contains(c))
    }

    /// The same in words.
    ///
    /// # Errors
    /// `InvalidRequest`, saying what an id can be.
    pub fn check(&self, id: &ClientOrderId) -> Result<()> {
        if self.allows(id.get()) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "{id} cannot be an order id: at most {} letters, digits and {:?}",
            self.longest, self.extra
        )))
    }
}

/// How far and how exactly a broker tells its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryFacts {
    /// How far back records reach; `None` where no limit is documented.
    pub depth: Option<Duration>,
    /// How far back orders reach; `None` where no limit is documented.
    pub order_depth: Option<Duration>,
    /// History must be asked instrument by instrument, and orders with it.
    pub by_instrument: bool,
    /// Rows can still be booked or corrected this long after they happened: what each sync reads again.
    pub settles_within: Duration,
    /// Positions are stated for everything that fills can be in, so that fills can be checked against them.
    pub positions_cover_fills: bool,
    /// Fills state their realized profit or loss.
    pub states_pnl: bool,
    /// The lists in which history is told: each is read to its end, one behind the other.
    pub lists: Vec<ListFacts>,
    /// The list of orders; `None` where the broker has none.
    pub orders: Option<ListFacts>,
    /// What it takes to look instruments up by their ids. The first that names the asset class counts, or that names
    /// none.
    pub lookups: Vec<LookupFacts>,
    /// What any other read pays: accounts, balances, positions.
    pub read_cost: (&'static str, u32),
}

/// What it takes to read a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFacts {
    /// What is in it.
    pub rows: ListRows,
    /// Rows a page holds at most; `None` where there are no pages.
    pub page_size: Option<u32>,
    /// How much of a page is new as a rule, in percent of its size, where a list is longer than a page: pages overlap,
    /// and a page that ends with its span is not full.
    pub page_yield: u32,
    /// Longest span of time that one page can be asked for; `None` without a limit.
    pub page_span: Option<Duration>,
    /// The bucket that a page pays to, and its weight.
    pub page_cost: (&'static str, u32),
    /// Requests that a list with rows takes behind its last page, to see that it ends there.
    pub closing_pages: u32,
}

impl ListFacts {
    /// A list that one answer brings whole.
    pub const fn whole(rows: ListRows, cost: (&'static str, u32)) -> Self {
        Self {
            rows,
            page_size: None,
            page_yield: 100,
            page_span: None,
            page_cost: cost,
            closing_pages: 0,
        }
    }
}

/// What is in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListRows {
    /// Fills and voids.
    Fills,
    /// Fees and flows.
    Others,
    /// All records of the account.
    Records,
    /// Orders.
    Orders,
}

/// What it takes to look instruments up by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookupFacts {
    /// Which ones; empty for all.
    pub classes: Vec<AssetClass>,
    /// How many a request names at most; `None` where one request brings any number.
    pub per_request: Option<u32>,
    /// More than so many are looked up in the whole list, which takes so many requests.
    pub whole_list: Option<(u32, u32)>,
    /// The bucket that a request pays to, and its weight.
    pub cost: (&'static str, u32),
}

impl LookupFacts {
    /// Requests that so many instruments take.
    pub fn requests(&self, instruments: u64) -> u64 {
        match (self.whole_list, self.per_request) {
            (Some((above, requests)), _) if instruments > above.into() => requests.into(),
            (_, Some(size)) => instruments.div_ceil(u64::from(size.max(1))),
            (_, None) => instruments.min(1),
        }
    }
}

/// A limit of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Name of the bucket; calls name it in their cost.
    pub bucket: &'static str,
    /// Its key at the limiter, made whole by its scope. Two brokers whose keys are equal use up the same limit.
    pub key: Arc<str>,
    /// Who shares it.
    pub scope: LimitScope,
    /// The rule.
    pub rule: LimitRule,
}

/// Who shares a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitScope {
    /// All calls with one key.
    Key,
    /// All calls of one account.
    Account,
    /// All calls from one address.
    Address,
}

/// How a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitRule {
    /// At most this much weight in any span of this length. Serves venues that count in sliding and in fixed windows.
    Window {
        /// Weight permitted.
        limit: u32,
        /// Length of the span.
        per: Duration,
    },
    /// A counter that every call adds its weight to, that falls evenly, and that may not pass the limit.
    Decay {
        /// Highest count.
        limit: u32,
        /// By how much it falls ...
        falls: u32,
        /// ... in this time: 33 in 100 s is 0.33 a second.
        per: Duration,
    },
    /// At most this many open at once: streams, sessions, calls under way.
    Open {
        /// How many.
        limit: u32,
    },
}

impl LimitRule {
    /// How long so much weight takes at least where nobody else uses the bucket: from an empty bucket to the moment at
    /// which the last of it is permitted.
    pub fn least_time(self, weight: u64) -> Duration {
        match self {
            Self::Window { limit, per } => {
                let turns = weight.saturating_sub(1) / u64::from(limit.max(1));
                per.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
            }
            Self::Decay { limit, falls, per } => {
                let excess = u128::from(weight.saturating_sub(limit.into()));
                let nanos = excess.saturating_mul(per.as_nanos()) / u128::from(falls.max(1));
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
            // What is open is closed again: how fast is not a matter of the limit.
            Self::Open { .. } => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_above_a_limit_takes_whole_spans() {
        let rule = LimitRule::Window {
            limit: 200,
            per: Duration::from_secs(60),
        };
        for (weight, seconds) in [(0, 0), (200, 0), (201, 60), (400, 60), (401, 120), (1_600, 420)] {
            assert_eq!(rule.least_time(weight), Duration::from_secs(seconds), "{weight}");
        }
        assert_eq!(LimitRule::Open { limit: 1 }.least_time(9), Duration::ZERO);
    }

    #[test]
    fn weight_above_a_counter_waits_until_it_has_fallen() {
        let rule = LimitRule::Decay {
            limit: 15,
            falls: 33,
            per: Duration::from_secs(100),
        };
        // 1,400 points of which 15 are free: 1,385 at 0.33 a second.
        for (weight, millis) in [(0, 0), (15, 0), (16, 3_030), (1_400, 4_196_969)] {
            let took = rule.least_time(weight);
            assert_eq!(took.as_millis(), millis, "{weight}");
        }
    }

    #[test]
    fn many_instruments_are_looked_up_in_the_whole_list() {
        let lookup = |per_request, whole_list| LookupFacts {
            classes: Vec::new(),
            per_request,
            whole_list,
            cost: ("reads", 1),
        };
        let singly = lookup(Some(1), Some((20, 2)));
        assert_eq!([0, 1, 20, 21, 500].map(|n| singly.requests(n)), [0, 1, 20, 2, 2]);
        let batches = lookup(Some(50), None);
        assert_eq!([0, 1, 50, 51].map(|n| batches.requests(n)), [0, 1, 1, 2]);
        assert_eq!([0, 1, 500].map(|n| lookup(None, None).requests(n)), [0, 1, 1]);
    }
}
