//! Tags of orders that were read. The gateway finds no order by its tag, so a lookup by our id reads the orders since
//! it was placed; without a memory a hundred lookups read the same orders a hundred times.

use broker_core::placement::{Trace, Traces};
use broker_core::{Order, OrderId};
use chrono::{DateTime, TimeDelta, Utc};

/// An order shows later than it was made: what is made within this of the newest order that was read is read again.
const OVERLAP: TimeDelta = TimeDelta::seconds(15);

/// The tags of the orders made between two moments, by the gateway's clock.
pub(crate) type Tags = Traces<DateTime<Utc>, OrderId>;

/// From when on orders are to be read, so that all since `since` are known.
pub(crate) fn unread(known: &Trace<DateTime<Utc>, OrderId>, since: DateTime<Utc>) -> DateTime<Utc> {
    let read = known.read().filter(|(from, _)| *from <= since);
    read.map_or(since, |(_, to)| since.max(to - OVERLAP))
}

/// Takes in all orders made from `from` on. Where they end is what the newest of them says, for the clocks differ.
pub(crate) fn learn(known: &mut Trace<DateTime<Utc>, OrderId>, from: DateTime<Utc>, orders: &[Order]) {
    let Some(newest) = orders.iter().filter_map(|order| order.created_at).max() else {
        return;
    };
    if known.read().is_none_or(|(first, last)| from > last || newest < first) {
        // What was read is in another place: what is in between is not known.
        known.begin(from);
    }
    let tagged = |order: &Order| Some((order.client_id.clone()?, order.created_at?, order.id.clone()));
    known.take(from, newest, orders.iter().filter_map(tagged));
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

    fn found(known: &mut Trace<DateTime<Utc>, OrderId>, tag: &str) -> Vec<String> {
        let found = known.find(&tag.into(), at(-1_000));
        found.into_iter().map(|(_, id)| id.to_string()).collect()
    }

    #[test]
    fn what_was_read_is_not_read_again() {
        let mut known = Trace::default();
        assert_eq!(unread(&known, at(0)), at(0));
        // An empty answer has no clock in it: how far it reached is not known.
        learn(&mut known, at(0), &[]);
        assert_eq!(unread(&known, at(0)), at(0));
        learn(&mut known, at(0), &[order("1", "a", 10), order("2", "b", 100)]);
        assert_eq!(found(&mut known, "a"), ["1"]);
        assert_eq!(unread(&known, at(0)), at(85), "the newest less the overlap");
        assert_eq!(unread(&known, at(90)), at(90), "never more than is wanted");
        assert_eq!(unread(&known, at(-1)), at(-1), "older ones were not read");
        learn(&mut known, at(85), &[order("2", "b", 100), order("3", "c", 300)]);
        assert_eq!(unread(&known, at(0)), at(285));
        assert_eq!(found(&mut known, "b"), ["2"], "each once");
    }

    #[test]
    fn a_hole_is_never_taken_for_read() {
        let mut known = Trace::default();
        learn(&mut known, at(0), &[order("1", "a", 10)]);
        // Somebody asks for later ones alone: between 10 and 500 nothing was read.
        learn(&mut known, at(500), &[order("9", "z", 600)]);
        assert_eq!(unread(&known, at(0)), at(0));
        assert_eq!(unread(&known, at(500)), at(585));
        assert!(found(&mut known, "a").is_empty());
        // Older ones together with those.
        learn(&mut known, at(-50), &[order("1", "a", 10), order("9", "z", 600)]);
        assert_eq!(unread(&known, at(0)), at(585));
        assert_eq!(found(&mut known, "a"), ["1"]);
    }
}
