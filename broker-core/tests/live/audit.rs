//! Holes that no lost connection tells of.

use std::time::Duration;

use broker_core::model::{Grade, Subscription};
use broker_core::seam::Frame;
use broker_core::{OrderStatus, Record};

use super::bench::{Bench, unavailable};
use super::literals::{account, at, fill};

const NOTHING: [&str; 0] = [];

#[test]
fn frames_dropped_while_heartbeats_go_on_are_found() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.place("o1");
        bench.venue.fill("f1", "o1", 4);
        let beats = async {
            for _ in 0..30 {
                bench.venue.say("beat");
                bench.sleep(1.0).await;
            }
        };
        let (all, ()) = futures_util::join!(bench.during(&mut events, 30.0), beats);
        assert_eq!(
            all,
            [
                "gap 0 to 31",
                "fill f1",
                "order o1 partially_filled 4",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
        assert_eq!(bench.venue.count("open"), 1);
    });
}

#[test]
fn an_audit_that_finds_nothing_says_nothing_and_costs_three_requests() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.books().asked.clear();
        assert_eq!(bench.during(&mut events, 600.0).await, NOTHING);
        let asked = bench.venue.books().asked.clone();
        assert_eq!(asked.len(), 60);
        let first: Vec<_> = asked
            .iter()
            .take(4)
            .map(|(at, what)| (at.as_secs(), what.as_str()))
            .collect();
        assert_eq!(
            first,
            [
                (30, "open orders"),
                (30, "closed"),
                (30, "history"),
                (60, "open orders")
            ]
        );
    });
}

#[test]
fn audits_come_as_often_as_asked() {
    let bench = Bench::new();
    let options = Subscription::account(&account()).with_audit_every(Duration::from_secs(120));
    bench.runtime.block_on(async {
        let mut events = bench.subscribe_with(&options, vec![bench.feed()]).await.unwrap();
        bench.during(&mut events, 1_000.0).await;
        // The snapshot, and 8 audits.
        assert_eq!(bench.venue.count("history"), 9);
    });
}

#[test]
fn a_fill_whose_frame_comes_just_behind_is_no_hole() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        bench.sleep(19.9).await;
        // The order 0.1 s before the audit, the fill 0.1 s behind it.
        let (record, order) = bench.venue.fill("f1", "o1", 10);
        bench.venue.tell_order(&order);
        bench.sleep(0.2).await;
        bench.venue.tell_record(&record);
        assert_eq!(
            bench.during(&mut events, 60.0).await,
            ["order o1 new 0", "order o1 filled 10", "fill f1"]
        );
    });
}

#[test]
fn an_order_filled_further_than_its_fills_is_looked_at_after_a_second() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        bench.sleep(2.0).await;
        let (record, _) = bench.venue.fill("f1", "o1", 3);
        bench.venue.tell_record(&record);
        // This one's frame is lost.
        let (_, order) = bench.venue.fill("f2", "o1", 4);
        bench.venue.tell_order(&order);
        assert_eq!(
            bench.during(&mut events, 5.0).await,
            [
                "order o1 new 0",
                "fill f1",
                "order o1 partially_filled 7",
                "gap 0 to 13",
                "fill f2",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
    });
}

#[test]
fn fills_before_the_subscription_are_not_missed() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        bench.venue.place("o1");
        bench.venue.fill("before", "o1", 3);
        bench.sleep(1.0).await;
        let mut events = bench.subscribe().await.unwrap();
        bench.during(&mut events, 9.0).await;
        let (record, order) = bench.venue.fill("f1", "o1", 4);
        bench.venue.tell_record(&record);
        bench.venue.tell_order(&order);
        bench.venue.books().asked.clear();
        assert_eq!(
            bench.during(&mut events, 5.0).await,
            ["fill f1", "order o1 partially_filled 7"]
        );
        assert_eq!(bench.venue.books().asked, []);
    });
}

#[test]
fn rows_of_two_grades_explain_an_order_once() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        let (mut record, _) = bench.venue.fill("f1", "o1", 4);
        bench.venue.tell_record(&record);
        if let Record::Fill(fill) = &mut record {
            (fill.id, fill.grade) = ("booked-1".into(), Grade::Booked);
        }
        bench.venue.tell_record(&record);
        let (_, order) = bench.venue.fill("f2", "o1", 2);
        bench.venue.tell_order(&order);
        let all = bench.during(&mut events, 3.0).await;
        assert_eq!(
            all[..4],
            [
                "order o1 new 0",
                "fill f1",
                "fill booked-1",
                "order o1 partially_filled 6"
            ]
        );
        assert_eq!(all[4..6], ["gap 0 to 11", "fill f2"]);
    });
}

#[test]
fn an_unreadable_frame_is_looked_into_at_once() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.place("o1");
        bench.venue.fill("f1", "o1", 10);
        bench.venue.say("gibberish");
        assert_eq!(
            bench.during(&mut events, 0.5).await,
            [
                "gap 0 to 10",
                "fill f1",
                "order o1 filled 10",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
        // However many there are, one reading at a time and a second between them.
        bench.venue.books().asked.clear();
        let noise = async {
            for _ in 0..1_000 {
                bench.venue.send(&Frame::Binary(bytes::Bytes::from_static(b"\xff")));
                bench.sleep(0.01).await;
            }
        };
        let (all, ()) = futures_util::join!(bench.during(&mut events, 10.0), noise);
        assert_eq!(all, NOTHING);
        assert_eq!(bench.venue.count("history"), 10);
    });
}

#[test]
fn what_stands_before_the_unreadable_part_counts() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let order = bench.venue.place("o1");
        let word = bench.venue.word(broker_core::model::Event::Order(Box::new(order)));
        bench.venue.say(&format!("{word};gibberish"));
        assert_eq!(bench.during(&mut events, 1.0).await, ["order o1 new 0"]);
        assert_eq!(bench.venue.count("history"), 2);
    });
}

#[test]
fn a_look_reads_at_once() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.place("o1");
        bench.venue.say("look");
        assert_eq!(
            bench.during(&mut events, 0.5).await,
            [
                "gap 0 to 10",
                "order o1 new 0",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
        bench.sleep(1.0).await;
        bench.venue.fill("f1", "o1", 10);
        bench.venue.books().asked.clear();
        bench.venue.say("look o1");
        assert_eq!(
            bench.during(&mut events, 0.5).await,
            ["gap 10 to 11.500", "fill f1", "order o1 filled 10", "recovered 0: "]
        );
        let asked: Vec<String> = bench.venue.books().asked.iter().map(|(_, what)| what.clone()).collect();
        assert_eq!(asked, ["order", "history"]);
    });
}

#[test]
fn looks_are_coalesced() {
    let bench = Bench::new();
    bench.venue.books().read_takes = Duration::from_secs(1);
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.books().asked.clear();
        for _ in 0..100 {
            bench.venue.say("look");
        }
        // The first look starts a reading of 3 s; the others wait for its end, and for a second more.
        bench.sleep(1.0).await;
        for _ in 0..100 {
            bench.venue.say("look");
        }
        bench.during(&mut events, 15.0).await;
        let times: Vec<u64> = {
            let books = bench.venue.books();
            let read = books.asked.iter().filter(|(_, what)| what == "open orders");
            read.map(|(at, _)| at.as_secs()).collect()
        };
        assert_eq!(times, [10, 14]);
    });
}

#[test]
fn a_row_that_becomes_readable_late_is_found_by_the_next_audit() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench
            .venue
            .book(Record::Fill(fill("late", "o1", 1, at(25.0))), at(40.0));
        assert_eq!(bench.during(&mut events, 49.0).await, NOTHING);
        assert_eq!(
            bench.during(&mut events, 5.0).await,
            [
                "gap 30 to 61",
                "fill late",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
    });
}

#[test]
fn a_fill_that_an_order_speaks_of_is_looked_for_until_it_is_readable() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        let (_, order) = bench.venue.fill("f1", "o1", 10);
        // Readable after five minutes: far behind the look-back.
        bench.venue.books().records[0].1 = at(310.0);
        bench.venue.tell_order(&order);
        assert_eq!(
            bench.during(&mut events, 300.0).await,
            ["order o1 new 0", "order o1 filled 10"]
        );
        let found = bench.during(&mut events, 60.0).await;
        assert_eq!(found[0][..10], *"gap 10 to ");
        assert_eq!(found[1..], ["fill f1", "position AAPL 5", "balances 100", "recovered"]);
        bench.venue.books().asked.clear();
        bench.during(&mut events, 60.0).await;
        assert_eq!(bench.venue.count("history"), 2);
    });
}

#[test]
fn a_fill_that_is_never_told_is_reported() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        let (_, order) = bench.venue.fill("f1", "o1", 10);
        bench.venue.books().records.clear();
        bench.venue.tell_order(&order);
        let all = bench.during(&mut events, 1_000.0).await;
        assert_eq!(all[..2], ["order o1 new 0", "order o1 filled 10"]);
        assert_eq!(all[2][..10], *"gap 10 to ");
        assert_eq!(
            all[3..],
            [
                "position AAPL 5",
                "balances 100",
                "recovered 1: fills of order o1: the history does not tell them"
            ]
        );
    });
}

#[test]
fn an_order_that_is_not_listed_any_more_is_read_alone() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        bench.venue.place("o1");
        bench.venue.place("o2");
        // Placed long before the window that is asked for.
        bench.sleep(500.0).await;
        let mut events = bench.subscribe().await.unwrap();
        bench.during(&mut events, 10.0).await;
        bench.venue.change("o1", OrderStatus::Expired);
        bench.venue.books().orders.remove("o2");
        assert_eq!(
            bench.during(&mut events, 30.0).await,
            [
                "gap 500 to 531",
                "order o1 expired 0",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
        // The venue does not know the other one: believed at the third time.
        let all = bench.during(&mut events, 100.0).await;
        assert_eq!(
            all.last().unwrap(),
            "recovered 1: an order of …-A1: the venue does not know it any more"
        );
        assert_eq!(all.iter().filter(|what| what.starts_with("gap")).count(), 1);
        assert_eq!(bench.venue.count("order"), 4);
    });
}

#[test]
fn an_audit_that_fails_is_repeated_in_silence() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.place("o1");
        let down = (0..3).map(|_| unavailable("down")).collect();
        bench.venue.books().failures.insert("history", down);
        let all = bench.during(&mut events, 60.0).await;
        assert_eq!(all[0][..9], *"gap 0 to ");
        assert_eq!(
            all[1..],
            ["order o1 new 0", "position AAPL 5", "balances 100", "recovered"]
        );
    });
}

#[test]
fn a_capped_answer_is_split() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.place("o1");
        for count in 0..20 {
            bench.sleep(0.9).await;
            bench.venue.fill(&format!("f{count}"), "o1", 0);
        }
        bench.venue.books().cap = Some(3);
        let all = bench.during(&mut events, 10.0).await;
        let fills: Vec<_> = all.iter().filter(|what| what.starts_with("fill")).cloned().collect();
        let expected: Vec<String> = (0..20).map(|count| format!("fill f{count}")).collect();
        assert_eq!(fills, expected);
        assert_eq!(all.last().unwrap(), "recovered");
    });
}

#[test]
fn all_pages_are_read() {
    let bench = Bench::new();
    bench.venue.books().page = 2;
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.place("o1");
        for count in 0..7 {
            bench.venue.fill(&format!("f{count}"), "o1", 1);
        }
        let all = bench.during(&mut events, 30.0).await;
        assert_eq!(all.iter().filter(|what| what.starts_with("fill")).count(), 7);
        assert_eq!(bench.venue.count("history"), 1 + 4);
    });
}

#[test]
fn history_is_asked_by_instrument_where_it_must_be() {
    let mut bench = Bench::new();
    bench.by_instrument();
    bench.venue.books().positions.clear();
    bench.runtime.block_on(async {
        let mut events = bench.subscribe().await.unwrap();
        let unknown = "recovered 1: records of …-A1 in instruments that it did not touch while subscribed";
        assert_eq!(bench.during(&mut events, 10.0).await, ["balances 100", unknown]);
        assert_eq!(bench.venue.count("history"), 0);
        bench.venue.place("o1");
        bench.venue.fill("f1", "o1", 10);
        assert_eq!(
            bench.during(&mut events, 30.0).await,
            ["gap 0 to 31", "fill f1", "order o1 filled 10", "balances 100", unknown]
        );
        assert_eq!(bench.venue.count("history"), 1);
    });
}
