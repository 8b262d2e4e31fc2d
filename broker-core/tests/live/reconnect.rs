//! What happens when a connection is lost.

use std::time::Duration;

use broker_core::live::Pulse;
use broker_core::model::{Event, Subscription};
use broker_core::seam::Frame;
use broker_core::{Error, ErrorKind, OrderStatus, Record};

use super::bench::{Bench, unavailable};
use super::literals::{account, at, fill, quote};

/// The wait before the second connection for the bench's seed.
const FIRST_WAIT: f64 = 0.25;

#[test]
fn what_was_missed_comes_between_gap_and_recovered() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        for id in ["o1", "o2", "o3"] {
            bench.venue.place(id);
        }
        let mut events = bench.subscribe().await.unwrap();
        assert_eq!(bench.during(&mut events, 20.0).await.len(), 5);
        // The next connection is refused with a word: it is 5 s until the one after.
        let refused = unavailable("restarting").with_retry_after(Duration::from_secs(5));
        bench.venue.books().refusals.push_back(refused);
        bench.venue.say("closed maintenance");
        assert_eq!(bench.during(&mut events, 1.0).await, ["disconnected 20: maintenance"]);
        bench.venue.fill("f1", "o1", 4);
        bench.venue.fill("f2", "o2", 10);
        bench.venue.change("o3", OrderStatus::Canceled);
        bench.venue.place("o4");
        bench.venue.place("o5");
        bench.venue.change("o5", OrderStatus::Rejected);
        let all = bench.during(&mut events, 8.0).await;
        let stood = stood(&bench);
        assert!((25.0..27.0).contains(&stood), "{stood}");
        assert_eq!(
            all,
            [
                &format!("gap 0 to {stood}"),
                "fill f1",
                "fill f2",
                "order o1 partially_filled 4",
                "order o4 new 0",
                // Closed lately; the last one was never here before.
                "order o2 filled 10",
                "order o3 canceled 0",
                "order o5 rejected 0",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
        assert_eq!(bench.during(&mut events, 100.0).await, Vec::<String>::new());
    });
}

/// When the newest connection stood.
fn stood(bench: &Bench) -> f64 {
    let books = bench.venue.books();
    let (at, _) = books.heard.iter().rfind(|(_, word)| word.starts_with("hello")).unwrap();
    Duration::from_millis(u64::try_from(at.as_millis()).unwrap()).as_secs_f64()
}

#[test]
fn the_gap_begins_where_the_last_audit_did() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        // Audits at 30 and 60, found nothing; the grace only waits where something was found.
        assert_eq!(bench.during(&mut events, 60.0).await, Vec::<String>::new());
        bench.venue.cut();
        let all = bench.during(&mut events, 2.0).await;
        let gap = format!("gap 60 to {}", stood(&bench));
        assert_eq!(
            all,
            [
                "disconnected 70: the stream ended",
                &gap,
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
    });
}

#[test]
fn each_connection_is_signed_anew() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        for _ in 0..3 {
            bench.venue.cut();
            bench.during(&mut events, 60.0).await;
        }
        let heard = bench.venue.books().heard.clone();
        let words: Vec<_> = heard.iter().map(|(_, word)| word.as_str()).collect();
        assert_eq!(words, ["hello 1", "hello 2", "hello 3", "hello 4"]);
    });
}

#[test]
fn waits_grow_to_thirty_seconds_with_full_jitter() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let down = (0..60).map(|_| unavailable("down"));
        bench.venue.books().refusals.extend(down);
        bench.venue.cut();
        assert_eq!(
            bench.during(&mut events, 3_600.0).await[0],
            "disconnected 10: the stream ended"
        );
        let asked = bench.venue.books().asked.clone();
        let opened = asked.iter().filter(|(_, what)| what == "open").map(|(at, _)| *at);
        let opened: Vec<Duration> = opened.skip(1).collect();
        assert_eq!(opened.len(), 61, "60 refused, one taken");
        let waits: Vec<u128> = opened.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
        for (count, wait) in waits.iter().enumerate() {
            let longest = (1_000u128 << count.min(5)).min(30_000);
            assert!(*wait <= longest, "wait {count}: {wait} ms");
        }
        let late: u128 = waits.iter().skip(6).sum();
        let count = waits.len() as u128 - 6;
        // Evenly between 0 and 30 s.
        assert!((12_000..18_000).contains(&(late / count)), "{} ms", late / count);
    });
}

#[test]
fn too_many_requests_waits_at_least_what_is_asked() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let limited = || Error::new(ErrorKind::RateLimited);
        let hinted = limited().with_retry_after(Duration::from_secs(40));
        bench.venue.books().refusals.extend([limited(), hinted]);
        bench.venue.cut();
        bench.during(&mut events, 100.0).await;
        let asked = bench.venue.books().asked.clone();
        let opened: Vec<_> = asked
            .iter()
            .filter(|(_, what)| what == "open")
            .map(|(at, _)| *at)
            .collect();
        let first = (opened[2] - opened[1]).as_millis();
        let second = (opened[3] - opened[2]).as_millis();
        assert!((5_000..=6_000).contains(&first), "{first}");
        assert!((40_000..=42_000).contains(&second), "{second}");
    });
}

#[test]
fn a_venue_that_takes_and_drops_at_once_is_not_stormed() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let venue = bench.venue.clone();
        let storm = async {
            for _ in 0..3_000 {
                venue.cut();
                bench.sleep(0.1).await;
            }
        };
        let (all, ()) = futures_util::join!(bench.during(&mut events, 300.0), storm);
        let opened = bench.venue.count("open");
        assert!((12..60).contains(&opened), "{opened} connections in 300 s");
        assert!(all.len() < 400, "{}", all.len());
        // Then it stands, and nothing was lost.
        bench.venue.place("o1");
        bench.venue.fill("f1", "o1", 10);
        let after = bench.during(&mut events, 100.0).await;
        assert_eq!(after.iter().filter(|what| *what == "fill f1").count(), 1);
        assert_eq!(after.last().unwrap(), "recovered");
    });
}

#[test]
fn a_lost_connection_is_told_once_however_often_connecting_fails() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let down = (0..20).map(|_| unavailable("down"));
        bench.venue.books().refusals.extend(down);
        bench.venue.cut();
        let all = bench.during(&mut events, 2_000.0).await;
        let lost = all.iter().filter(|what| what.starts_with("disconnected")).count();
        assert_eq!((lost, all.last().unwrap().as_str()), (1, "recovered"));
    });
}

#[test]
fn a_failing_read_back_is_repeated_and_the_gap_stays_open() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.place("o1");
        let down = (0..4).map(|_| unavailable("down")).collect();
        bench.venue.books().failures.insert("history", down);
        bench.venue.cut();
        bench.venue.fill("f1", "o1", 4);
        let first = bench.during(&mut events, FIRST_WAIT + 0.3).await;
        assert_eq!(first.len(), 2);
        assert!(first[1].starts_with("gap 0 to 10."), "{}", first[1]);
        // Live events do not wait for it.
        let (record, order) = bench.venue.fill("f2", "o1", 6);
        bench.venue.tell_record(&record);
        bench.venue.tell_order(&order);
        assert_eq!(
            bench.during(&mut events, 60.0).await,
            [
                "fill f2",
                "order o1 filled 10",
                "fill f1",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
    });
}

#[test]
fn what_cannot_be_asked_is_named() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let not_told = || Error::unsupported("orders are not listed");
        bench.venue.books().failures.insert("open orders", [not_told()].into());
        bench
            .venue
            .books()
            .failures
            .insert("history", [Error::new(ErrorKind::Permission)].into());
        bench.venue.cut();
        let all = bench.during(&mut events, 2.0).await;
        assert_eq!(
            all.last().unwrap(),
            "recovered 0: open orders of …-A1: unsupported: orders are not listed, records of …-A1: not permitted"
        );
        // What a later answer may tell is asked for again from the same moment on.
        bench.venue.place("o1");
        bench.venue.fill("f1", "o1", 10);
        let found = bench.during(&mut events, 40.0).await;
        assert_eq!(found[0][..9], *"gap 0 to ");
        assert_eq!(found[1], "fill f1");
    });
}

#[test]
fn a_fatal_close_is_the_last_item() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        bench.venue.say("fatal the key was revoked");
        assert_eq!(
            bench.during(&mut events, 100.0).await,
            ["order o1 new 0", "closed: the key was revoked", "end"]
        );
        assert_eq!(bench.venue.wires(), 0);
        assert_eq!(bench.venue.count("open"), 1);
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn the_feed_reads_the_code_of_a_close() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.send(&Frame::Close(Some((1_001, "bye".to_owned()))));
        let all = bench.during(&mut events, 5.0).await;
        assert_eq!(all[0], "disconnected 10: the venue closed the stream: bye");
        assert_eq!(all.last().unwrap(), "recovered");
        bench.venue.send(&Frame::Close(Some((4_001, "revoked".to_owned()))));
        let all = bench.during(&mut events, 5.0).await;
        assert_eq!(all, ["closed: the key was revoked", "end"]);
    });
}

#[test]
fn a_dead_grant_ends_the_stream_and_a_refused_key_does_not() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.books().refusals.extend([
            Error::new(ErrorKind::Auth),
            Error::new(ErrorKind::ReauthRequired).with_message("authorize again"),
        ]);
        bench.venue.cut();
        let all = bench.during(&mut events, 100.0).await;
        assert_eq!(
            all,
            ["disconnected 10: the stream ended", "closed: authorize again", "end"]
        );
        assert_eq!(bench.venue.count("open"), 3);
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn a_connection_is_kept_alive_and_silence_is_death() {
    let bench = Bench::new();
    let all = Subscription::account(&account());
    bench.runtime.block_on(async {
        let mut feed = bench.feed();
        feed.pulse = Pulse {
            send: Some((Duration::from_secs(10), Frame::Text("beat".to_owned()))),
            silence: Duration::from_secs(25),
        };
        let mut events = bench.subscribe_with(&all, vec![feed]).await.unwrap();
        bench.during(&mut events, 20.0).await;
        // Any frame is a sign of life, pings too.
        bench.venue.send(&Frame::Ping(bytes::Bytes::new()));
        assert_eq!(bench.during(&mut events, 24.0).await, Vec::<String>::new());
        let heard = bench.venue.books().heard.clone();
        let beats: Vec<u64> = heard
            .iter()
            .filter(|(_, word)| word == "beat")
            .map(|(at, _)| at.as_secs())
            .collect();
        assert_eq!(beats, [10, 20, 30, 40]);
        let all = bench.during(&mut events, 3.0).await;
        assert_eq!(
            all[0],
            "disconnected 45: the connection is dead: nothing came for too long"
        );
        assert_eq!(all.last().unwrap(), "recovered");
        assert_eq!(bench.venue.count("open"), 2);
    });
}

#[test]
fn a_feed_of_quotes_has_gaps_too() {
    let bench = Bench::new();
    bench.venue.books().quotes = vec![quote("AAPL", "10")];
    let quotes = Subscription::quotes(["AAPL".into()]);
    bench.runtime.block_on(async {
        let feed = super::venue::ScriptedFeed::new(&bench.venue, quotes.clone());
        let mut events = bench.subscribe_with(&quotes, vec![feed]).await.unwrap();
        assert_eq!(bench.during(&mut events, 500.0).await, ["quote AAPL 10"]);
        bench.venue.tell(Event::Quote(Box::new(quote("AAPL", "11"))));
        assert_eq!(bench.during(&mut events, 100.0).await, ["quote AAPL 11"]);
        bench.venue.books().quotes = vec![quote("AAPL", "12")];
        bench.venue.cut();
        let all = bench.during(&mut events, 5.0).await;
        let gap = format!("gap 500 to {}", stood(&bench));
        let lost = "disconnected 600: the stream ended";
        assert_eq!(all, [lost, &gap, "recovered 0: ", "quote AAPL 12"]);
    });
}

#[test]
fn a_row_of_the_look_back_is_delivered_too() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.sleep(90.0).await;
        // Happened at 50, readable only from 101 on: before the last audit, but within the look-back.
        bench
            .venue
            .book(Record::Fill(fill("late", "o1", 1, at(50.0))), at(101.0));
        bench.venue.cut();
        let all = bench.during(&mut events, 40.0).await;
        assert!(all.contains(&"fill late".to_owned()), "{all:?}");
    });
}
