//! A reader that is too slow.

use std::time::Duration;

use broker_core::model::{Event, Subscription};
use futures_util::StreamExt;

use super::bench::{Bench, Events, words};
use super::literals::{account, quote};

/// A subscription with room for this many events, whose snapshot was read.
async fn narrow(bench: &Bench, room: usize) -> Events {
    let options = Subscription::account(&account()).with_queue(room);
    let mut events = bench.subscribe_with(&options, vec![bench.feed()]).await.unwrap();
    assert_eq!(bench.during(&mut events, 10.0).await.len(), 2);
    bench.venue.place("o1");
    events
}

fn fill(bench: &Bench, from: u32, until: u32) {
    for number in from..until {
        let (record, _) = bench.venue.fill(&format!("f{number}"), "o1", 0);
        bench.venue.tell_record(&record);
    }
}

fn fills(from: u32, until: u32) -> Vec<String> {
    (from..until).map(|number| format!("fill f{number}")).collect()
}

#[test]
fn what_found_no_room_is_read_back_once() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = narrow(&bench, 4).await;
        fill(&bench, 0, 7);
        bench.sleep(1.0).await;
        // Not even where there is one place left: the gap comes first.
        fill(&bench, 7, 10);
        bench.sleep(1.0).await;
        let mut expected = fills(0, 4);
        expected.push("gap 0 to 12".to_owned());
        expected.extend(fills(4, 10));
        expected.extend(
            [
                "order o1 partially_filled 0",
                "position AAPL 5",
                "balances 100",
                "recovered",
            ]
            .map(str::to_owned),
        );
        assert_eq!(bench.during(&mut events, 100.0).await, expected);
    });
}

#[test]
fn the_read_back_begins_when_half_of_the_queue_is_free() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = narrow(&bench, 8).await;
        fill(&bench, 0, 9);
        bench.sleep(1.0).await;
        bench.venue.books().asked.clear();
        for taken in 1..=4 {
            assert_eq!(bench.venue.count("history"), 0, "{taken}");
            assert!(events.next().await.is_some());
            bench.sleep(0.1).await;
        }
        assert_eq!(bench.venue.count("history"), 1);
        // No audit begins while there is no room.
        drop(events);
    });
}

#[test]
fn a_full_queue_is_not_audited() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let events = narrow(&bench, 4).await;
        fill(&bench, 0, 9);
        bench.venue.books().asked.clear();
        bench.sleep(1_000.0).await;
        assert_eq!(bench.venue.books().asked, []);
        drop(events);
    });
}

#[test]
fn a_read_back_longer_than_the_queue_waits_for_room() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = narrow(&bench, 4).await;
        bench.venue.books().page = 7;
        fill(&bench, 0, 300);
        bench.sleep(1.0).await;
        let mut all = Vec::new();
        let mut live = 300;
        while all.len() < 1_000 {
            // A reader that takes one event a second, while new ones come.
            bench.sleep(1.0).await;
            if live < 320 {
                fill(&bench, live, live + 1);
                live += 1;
            }
            match bench.during(&mut events, 0.0).await.as_slice() {
                [] if live == 320 => break,
                some => all.extend(some.to_vec()),
            }
        }
        all.extend(bench.during(&mut events, 200.0).await);
        let mut told: Vec<_> = all.iter().filter(|what| what.starts_with("fill")).cloned().collect();
        assert_eq!(told[..4], fills(0, 4));
        told.sort();
        let mut expected = fills(0, 320);
        expected.sort();
        assert_eq!(told, expected);
        let last = all
            .iter()
            .rfind(|what| what.starts_with("gap") || what.starts_with("recovered"));
        assert_eq!(last.unwrap(), "recovered");
    });
}

#[test]
fn quotes_are_conflated_and_never_in_the_way() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = narrow(&bench, 4).await;
        for bid in 1..=100 {
            bench
                .venue
                .tell(Event::Quote(Box::new(quote("MSFT", &bid.to_string()))));
            bench
                .venue
                .tell(Event::Quote(Box::new(quote("AAPL", &bid.to_string()))));
        }
        fill(&bench, 0, 4);
        bench.sleep(1.0).await;
        let mut expected = fills(0, 4);
        expected.extend(["quote MSFT 100", "quote AAPL 100"].map(str::to_owned));
        assert_eq!(bench.during(&mut events, 1.0).await, expected);
    });
}

#[test]
fn the_socket_is_read_while_the_queue_is_full() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = narrow(&bench, 4).await;
        fill(&bench, 0, 9);
        bench.sleep(1.0).await;
        bench.venue.say("send pong");
        bench.sleep(1.0).await;
        let heard = bench.venue.books().heard.clone();
        assert_eq!(heard.last().unwrap(), &(Duration::from_secs(11), "pong".to_owned()));
        bench.venue.say("fatal over");
        bench.sleep(1.0).await;
        let all = bench.during(&mut events, 5.0).await;
        let mut expected = fills(0, 4);
        expected.extend(["closed: over", "end"].map(str::to_owned));
        assert_eq!(all, expected, "what waits comes before the end");
    });
}

#[test]
fn losses_that_nobody_reads_do_not_pile_up() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = narrow(&bench, 16).await;
        bench.venue.books().orders.clear();
        for _ in 0..200 {
            bench.venue.cut();
            bench.sleep(60.0).await;
        }
        let mut waiting = 0;
        while let Some(Some(event)) = futures_util::FutureExt::now_or_never(events.next()) {
            waiting += 1;
            assert!(waiting <= 33, "{}", words(&event));
        }
        assert!(waiting >= 16);
        assert_eq!(bench.during(&mut events, 100.0).await.last().unwrap(), "recovered");
    });
}

#[test]
fn the_feeds_of_a_subscription_share_queue_and_guards() {
    let bench = Bench::new();
    let all = Subscription::account(&account());
    bench.runtime.block_on(async {
        let mut events = bench
            .subscribe_with(&all, vec![bench.feed(), bench.feed()])
            .await
            .unwrap();
        bench.during(&mut events, 10.0).await;
        bench.venue.place("o1");
        fill(&bench, 0, 3);
        // Each feed tells of each fill.
        assert_eq!(bench.during(&mut events, 1.0).await, fills(0, 3));
    });
}
