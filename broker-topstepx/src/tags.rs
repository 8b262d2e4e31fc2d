//! Tags of orders that were read. The gateway finds no order by its tag, so a lookup by our id reads the orders since
//! it was placed; without a memory a hundred lookups read the same orders a hundred times.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker_core::{AccountId, ClientOrderId, Order, OrderId};
use chrono::{DateTime, TimeDelta, Utc};

/// An order shows later than it was made: what is made within this of the newest order that was read is read again.
const OVERLAP: TimeDelta = TimeDelta::seconds(15);

/// With more tags than this all are forgotten, and read again where they are needed.
const MOST: usize = 50_000;

/// What was read of each account.
#[derive(Debug, Default)]
pub(crate) struct Tags(Mutex<BTreeMap<AccountId, Known>>);

/// Every tag of the orders made between two moments, by the gateway's clock.
#[derive(Debug)]
struct Known {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    orders: BTreeMap<ClientOrderId, BTreeSet<OrderId>>,
}

impl Tags {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<AccountId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Orders that carry this tag, as far as they were read.
    pub(crate) fn of(&self, account: &AccountId, tag: &ClientOrderId) -> Vec<OrderId> {
        let all = self.lock();
        let orders = all.get(account).and_then(|known| known.orders.get(tag));
        orders.into_iter().flatten().cloned().collect()
    }

    /// From when on orders are to be read, so that all since `since` are known.
    pub(crate) fn unread(&self, account: &AccountId, since: DateTime<Utc>) -> DateTime<Utc> {
        let all = self.lock();
        let known = all.get(account).filter(|known| known.from <= since);
        known.map_or(since, |known| since.max(known.to - OVERLAP))
    }

    /// Takes in all orders made from `from` on. Where they end is what the newest of them says, for the clocks differ.
    pub(crate) fn learn(&self, account: &AccountId, from: DateTime<Utc>, orders: &[Order]) {
        let Some(newest) = orders.iter().filter_map(|order| order.created_at).max() else {
            return;
        };
        let mut all = self.lock();
        let fresh = || Known {
            from,
            to: from,
            orders: BTreeMap::new(),
        };
        let known = all.entry(account.clone()).or_insert_with(fresh);
        let touches = from <= known.to && from >= known.from;
        if !touches || known.orders.len() > MOST {
            // What was read is older, or in another place: what is in between is not known.
            *known = fresh();
        }
        known.to = known.to.max(newest);
        for order in orders {
            if let Some(tag) = &order.client_id {
                known.orders.entry(tag.clone()).or_default().insert(order.id.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use broker_core::model::OrderStatus;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000_000 + seconds)
    }

    fn order(id: &str, tag: &str, made: i64) -> Order {
        let body = format!(
            r#"{{"id":{id},"accountId":7,"contractId":"CON.F.US.EP.H27","creationTimestamp":"{}","status":1,"type":1,
                "side":0,"size":1,"limitPrice":5000,"customTag":"{tag}"}}"#,
            at(made).to_rfc3339()
        );
        let order = crate::map::order::order(&crate::wire::decode(&body).unwrap()).unwrap();
        assert_eq!(order.status, OrderStatus::New);
        order
    }

    #[test]
    fn what_was_read_is_not_read_again() {
        let (tags, account) = (Tags::default(), AccountId::from("7"));
        assert_eq!(tags.unread(&account, at(0)), at(0));
        // An empty answer has no clock in it: how far it reached is not known.
        tags.learn(&account, at(0), &[]);
        assert_eq!(tags.unread(&account, at(0)), at(0));
        tags.learn(&account, at(0), &[order("1", "a", 10), order("2", "b", 100)]);
        assert_eq!(tags.of(&account, &"a".into()), [OrderId::from("1")]);
        assert_eq!(tags.unread(&account, at(0)), at(85), "the newest less the overlap");
        assert_eq!(tags.unread(&account, at(90)), at(90), "never more than is wanted");
        assert_eq!(tags.unread(&account, at(-1)), at(-1), "older ones were not read");
        tags.learn(&account, at(85), &[order("2", "b", 100), order("3", "c", 300)]);
        assert_eq!(tags.unread(&account, at(0)), at(285));
        assert_eq!(tags.of(&account, &"b".into()), [OrderId::from("2")], "each once");
        assert!(tags.of(&"8".into(), &"a".into()).is_empty(), "each account for itself");
    }

    #[test]
    fn a_hole_is_never_taken_for_read() {
        let (tags, account) = (Tags::default(), AccountId::from("7"));
        tags.learn(&account, at(0), &[order("1", "a", 10)]);
        // Somebody asks for later ones alone: between 10 and 500 nothing was read.
        tags.learn(&account, at(500), &[order("9", "z", 600)]);
        assert_eq!(tags.unread(&account, at(0)), at(0));
        assert_eq!(tags.unread(&account, at(500)), at(585));
        assert!(tags.of(&account, &"a".into()).is_empty());
        // Older ones together with those.
        tags.learn(&account, at(-50), &[order("1", "a", 10), order("9", "z", 600)]);
        assert_eq!(tags.unread(&account, at(0)), at(585));
    }
}
