//! Subscribe, then snapshot, then deliver.

use std::time::Duration;

use broker_core::model::{Event, Subscription};
use broker_core::{Error, OrderStatus, Record};

use super::bench::Bench;
use super::literals::{account, at, balances, fee, fill, position, quote};

#[test]
fn open_orders_positions_and_balances_come_first() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        bench.venue.place("o1");
        bench.venue.place("o2");
        bench.venue.fill("f0", "o2", 3);
        bench.venue.place("done");
        bench.venue.change("done", OrderStatus::Canceled);
        bench.sleep(5.0).await;
        let mut events = bench.subscribe().await.unwrap();
        assert_eq!(
            bench.during(&mut events, 1.0).await,
            [
                "order o1 new 0",
                "order o2 partially_filled 3",
                "position AAPL 5",
                "balances 100"
            ]
        );
        let asked: Vec<String> = bench.venue.books().asked.iter().map(|(_, what)| what.clone()).collect();
        assert_eq!(asked, ["open", "open orders", "history", "positions", "balances"]);
    });
}

#[test]
fn the_snapshot_is_asked_only_after_the_confirmation() {
    let bench = Bench::new();
    bench.venue.books().confirms = false;
    bench.runtime.block_on(async {
        let confirm = async {
            bench.sleep(4.0).await;
            assert_eq!(bench.venue.count("open orders"), 0);
            bench.venue.say("ready");
        };
        let (events, ()) = futures_util::join!(bench.subscribe(), confirm);
        bench.during(&mut events.unwrap(), 1.0).await;
        assert_eq!(
            bench.venue.books().asked[1],
            (Duration::from_secs(4), "open orders".to_owned())
        );
    });
}

#[test]
fn fills_before_the_subscription_are_not_delivered() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        bench.venue.place("o1");
        bench.venue.fill("before", "o1", 1);
        // Becomes readable only later.
        bench.venue.book(Record::Fill(fill("late", "o1", 1, at(0.0))), at(20.0));
        bench.sleep(2.0).await;
        let mut events = bench.subscribe().await.unwrap();
        let all = bench.during(&mut events, 100.0).await;
        assert_eq!(all, ["order o1 partially_filled 1", "position AAPL 5", "balances 100"]);
    });
}

#[test]
fn a_fill_between_the_confirmation_and_the_snapshot_is_delivered_once() {
    for is_told in [true, false] {
        let bench = Bench::new();
        bench.venue.books().read_takes = Duration::from_secs(2);
        bench.runtime.block_on(async {
            bench.venue.place("o1");
            let mut events = bench.subscribe().await.unwrap();
            bench.sleep(1.0).await;
            let (record, order) = bench.venue.fill("f1", "o1", 4);
            if is_told {
                bench.venue.tell_record(&record);
                bench.venue.tell_order(&order);
            }
            let expected = match is_told {
                // The open orders, asked for before the fill, come behind it and are old.
                true => [
                    "fill f1",
                    "order o1 partially_filled 4",
                    "position AAPL 5",
                    "balances 100",
                ]
                .as_slice(),
                // The records are asked for after the orders; the first audit finds the order's newer state.
                false => &[
                    "fill f1",
                    "order o1 new 0",
                    "position AAPL 5",
                    "balances 100",
                    "gap 0 to 45",
                    "order o1 partially_filled 4",
                    "position AAPL 5",
                    "balances 100",
                    "recovered",
                ],
            };
            // 8 s of snapshot, 30 s, 8 s of audit and what it found.
            assert_eq!(bench.during(&mut events, 60.0).await, expected, "told: {is_told}");
        });
    }
}

#[test]
fn a_slow_snapshot_does_not_overwrite_what_came_meanwhile() {
    let bench = Bench::new();
    bench.venue.books().read_takes = Duration::from_secs(2);
    bench.runtime.block_on(async {
        bench.venue.place("o1");
        let mut events = bench.subscribe().await.unwrap();
        bench.sleep(1.0).await;
        let mut pending = bench.venue.change("o1", OrderStatus::PendingCancel);
        // No time to compare: only the order of question and event tells which is older.
        pending.updated_at = None;
        bench.venue.tell_order(&pending);
        // Orders 0 to 2, records 2 to 4, positions 4 to 6, balances 6 to 8 s.
        bench.sleep(4.0).await;
        bench.venue.tell(Event::Position(Box::new(position(6))));
        bench.sleep(2.0).await;
        bench.venue.tell(Event::Balances(Box::new(balances("90"))));
        assert_eq!(
            bench.during(&mut events, 10.0).await,
            ["order o1 pending_cancel 0", "position AAPL 6", "balances 90"]
        );
    });
}

#[test]
fn quotes_are_read_unless_newer_ones_came() {
    let bench = Bench::new();
    bench.venue.books().read_takes = Duration::from_secs(2);
    bench.venue.books().quotes = vec![quote("AAPL", "10"), quote("MSFT", "20"), quote("TSLA", "30")];
    let quotes = Subscription::quotes(["AAPL".into(), "MSFT".into()]);
    bench.runtime.block_on(async {
        let feed = super::venue::ScriptedFeed::new(&bench.venue, quotes.clone());
        let mut events = bench.subscribe_with(&quotes, vec![feed]).await.unwrap();
        bench.sleep(1.0).await;
        bench.venue.tell(Event::Quote(Box::new(quote("AAPL", "11"))));
        assert_eq!(
            bench.during(&mut events, 100.0).await,
            ["quote AAPL 11", "quote MSFT 20"]
        );
        assert_eq!(bench.venue.count("quotes"), 1);
        assert_eq!(
            bench.venue.count("history"),
            0,
            "a feed without accounts is not audited"
        );
    });
}

#[test]
fn what_a_snapshot_cannot_ask_is_named() {
    let mut bench = Bench::new();
    bench.has_no_quotes();
    bench.venue.books().balances = None;
    let all = Subscription::account(&account());
    let mut covers = all.clone();
    covers.quotes = vec!["AAPL".into()];
    bench.runtime.block_on(async {
        let feed = super::venue::ScriptedFeed::new(&bench.venue, covers);
        let mut events = bench.subscribe_with(&all, vec![feed]).await.unwrap();
        assert_eq!(
            bench.during(&mut events, 100.0).await,
            [
                "position AAPL 5",
                "recovered 1: balances of …-A1: unsupported: no balances, \
                 quotes: this broker has no market data"
            ]
        );
    });
}

#[test]
fn a_failing_snapshot_is_read_again() {
    let bench = Bench::new();
    let down = || Error::new(broker_core::ErrorKind::Unavailable);
    bench
        .venue
        .books()
        .failures
        .insert("positions", [down(), down()].into());
    bench.runtime.block_on(async {
        bench.venue.place("o1");
        let mut events = bench.subscribe().await.unwrap();
        assert_eq!(
            bench.during(&mut events, 20.0).await,
            ["order o1 new 0", "position AAPL 5", "balances 100"]
        );
        assert_eq!(bench.venue.count("positions"), 3);
    });
}

#[test]
fn events_that_come_before_the_confirmation_are_kept() {
    let bench = Bench::new();
    bench.venue.books().confirms = false;
    bench.runtime.block_on(async {
        let confirm = async {
            bench.sleep(1.0).await;
            bench.venue.tell_record(&Record::Fee(fee("r1", at(1.0))));
            bench.venue.say("ready");
        };
        let (events, ()) = futures_util::join!(bench.subscribe(), confirm);
        let all = bench.during(&mut events.unwrap(), 1.0).await;
        assert_eq!(all, ["fee r1", "position AAPL 5", "balances 100"]);
    });
}
