//! Frames on their way, in virtual time: latency, order, and each fault. One way takes 10 ms.

use std::time::Duration;

use broker_core::seam::{Carrier, Clock, Frame};
use futures_util::future::{Either, join, select};

use super::memory::{Bench, bench, read, request};
use super::sockets::open;
use crate::wire::{Fault, FaultPlan, Faults, FrameFault, FrameWhen, When};

/// When something arrived, in milliseconds, and what: a frame's text, `close 4001 why`, `error`.
type Seen = (u128, String);

async fn arrival(bench: &Bench, carrier: &mut dyn Carrier) -> Option<Seen> {
    let what = match carrier.receive().await? {
        Ok(Frame::Text(text)) => text,
        Ok(Frame::Close(Some((code, why)))) => format!("close {code} {why}"),
        Ok(other) => format!("{other:?}"),
        Err(_) => "error".to_owned(),
    };
    Some((bench.clock.elapsed().as_millis(), what))
}

/// All that comes within ten seconds, and whether the socket has ended then.
async fn arrivals(bench: &Bench, carrier: &mut dyn Carrier) -> (Vec<Seen>, bool) {
    let mut seen = Vec::new();
    let patience = bench.clock.elapsed() + Duration::from_secs(10);
    loop {
        let rest = bench.clock.sleep(patience.saturating_sub(bench.clock.elapsed()));
        match select(Box::pin(arrival(bench, carrier)), rest).await {
            Either::Left((Some(one), _)) => seen.push(one),
            Either::Left((None, _)) => return (seen, true),
            Either::Right(_) => return (seen, false),
        }
    }
}

fn plan(when: FrameWhen, fault: FrameFault) -> Faults {
    Faults::new(FaultPlan::none().frame_rule(when, fault))
}

async fn say(bench: &Bench, lines: &str) {
    let said = read(&bench.transport, request("POST", "/say", lines)).await;
    assert_eq!(said.unwrap().0, 200);
}

/// Four frames said at 30 ms, the second hit.
fn second_of_four(fault: FrameFault) -> (Bench, Vec<Seen>, bool) {
    let name = fault.name();
    let bench = bench(plan(FrameWhen::always().nth(2), fault));
    let (seen, ended) = bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream").await.unwrap();
        say(&bench, "one\ntwo2\nthree\nfour").await;
        arrivals(&bench, &mut *carrier).await
    });
    assert_eq!(bench.transport.faults().counts(), [(name, 1)].into());
    (bench, seen, ended)
}

#[test]
fn each_fault_does_what_it_says_and_no_more() {
    let second = Duration::from_secs(1);
    let at = |ms: u128, text: &str| (ms, text.to_owned());
    let (one, three, four) = (at(40, "one"), at(40, "three"), at(40, "four"));
    for (fault, expected, ends) in [
        (FrameFault::Drop, vec![one.clone(), three.clone(), four.clone()], false),
        (
            FrameFault::Duplicate,
            vec![one.clone(), at(40, "two2"), at(40, "two2"), three.clone(), four.clone()],
            false,
        ),
        (
            FrameFault::Reorder(1),
            vec![one.clone(), three.clone(), at(40, "two2"), four.clone()],
            false,
        ),
        (
            FrameFault::Reorder(2),
            vec![one.clone(), three.clone(), four.clone(), at(40, "two2")],
            false,
        ),
        (
            FrameFault::Reorder(3),
            vec![one.clone(), three.clone(), four.clone()],
            false,
        ),
        (
            FrameFault::Delay(second),
            vec![one.clone(), three.clone(), four.clone(), at(1040, "two2")],
            false,
        ),
        (
            FrameFault::Stall(second),
            vec![one.clone(), at(1040, "two2"), at(1040, "three"), at(1040, "four")],
            false,
        ),
        (FrameFault::StallForever, vec![one.clone()], false),
        (
            FrameFault::Garble,
            vec![one.clone(), at(40, "tw"), three.clone(), four.clone()],
            false,
        ),
        (
            FrameFault::Close(Some((4000, "no more".into()))),
            vec![one.clone(), at(40, "close 4000 no more")],
            true,
        ),
        (FrameFault::Reset, vec![one, at(40, "error")], true),
    ] {
        let (bench, seen, ended) = second_of_four(fault.clone());
        assert_eq!((seen, ended), (expected, ends), "{fault:?}");
        // The venue hears of a broken socket once, and of no other.
        let heard = &bench.venue.lock().unwrap().heard;
        let close = if ends { vec![Frame::Close(None)] } else { Vec::new() };
        assert_eq!(*heard, close, "{fault:?}");
    }
}

#[test]
fn what_is_held_up_comes_before_the_close() {
    for fault in [FrameFault::Reorder(9), FrameFault::Delay(Duration::from_secs(2))] {
        let bench = bench(plan(FrameWhen::always().nth(1), fault.clone()));
        let (seen, ended) = bench.runtime.block_on(async {
            let mut carrier = open(&bench.transport, "/stream").await.unwrap();
            say(&bench, "held\nfree").await;
            let _ = read(&bench.transport, request("POST", "/close", "late")).await.unwrap();
            arrivals(&bench, &mut *carrier).await
        });
        let texts: Vec<_> = seen.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            (texts, ended),
            (vec!["free", "held", "close 4001 late"], true),
            "{fault:?}"
        );
        let last = if matches!(fault, FrameFault::Delay(_)) {
            2040
        } else {
            60
        };
        assert_eq!((seen[1].0, seen[2].0), (last, last), "{fault:?}");
    }
}

#[test]
fn a_silent_socket_stays_open_and_its_pings_go_unanswered() {
    let bench = bench(plan(FrameWhen::always().nth(1), FrameFault::StallForever));
    bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream").await.unwrap();
        carrier.send(Frame::Ping("a".into())).await.unwrap();
        assert_eq!(
            arrival(&bench, &mut *carrier).await.unwrap().0,
            40,
            "the pong of a sound socket"
        );
        say(&bench, "lost").await;
        carrier.send(Frame::Ping("b".into())).await.unwrap();
        carrier.send(Frame::Text("hi".into())).await.unwrap();
        assert_eq!(arrivals(&bench, &mut *carrier).await, (vec![], false));
        assert_eq!(bench.transport.recorder().open_sockets(), 1);
        let heard = bench.venue.lock().unwrap().heard.clone();
        let pings = [Frame::Ping("a".into()), Frame::Ping("b".into())];
        assert_eq!(heard, [&pings[..], &[Frame::Text("hi".into())]].concat());
        drop(carrier);
        bench.clock.sleep(Duration::from_millis(11)).await;
        assert_eq!(bench.transport.recorder().open_sockets(), 0);
    });
}

#[test]
fn pongs_wait_in_a_stalled_socket() {
    let stall = FrameFault::Stall(Duration::from_secs(1));
    let bench = bench(plan(FrameWhen::always().nth(1), stall));
    bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream").await.unwrap();
        say(&bench, "late").await;
        carrier.send(Frame::Ping("p".into())).await.unwrap();
        let pong = format!("{:?}", Frame::Pong("p".into()));
        let expected = vec![(1040, "late".to_owned()), (1040, pong)];
        assert_eq!(arrivals(&bench, &mut *carrier).await, (expected, false));
    });
}

#[test]
fn heartbeats_go_on_unless_a_rule_names_them() {
    let heartbeats = |when| {
        let bench = bench(plan(when, FrameFault::Drop));
        let (seen, _) = bench.runtime.block_on(async {
            let mut carrier = open(&bench.transport, "/stream").await.unwrap();
            bench.venue.lock().unwrap().say(&Frame::Ping("up?".into()));
            say(&bench, "a\nb").await;
            arrivals(&bench, &mut *carrier).await
        });
        // A client's carrier answers pings by itself.
        let pongs = bench.venue.lock().unwrap().heard.clone();
        assert_eq!(pongs, vec![Frame::Pong("up?".into()); seen.len()]);
        (seen.len(), bench.transport.faults().counts()["frame_drop"])
    };
    assert_eq!(heartbeats(FrameWhen::always()), (1, 2));
    assert_eq!(heartbeats(FrameWhen::always().with_pings()), (0, 3));
}

#[test]
fn a_fill_comes_before_the_acknowledgement() {
    let late = FaultPlan::none().rule(
        When::always().method("POST"),
        Fault::DelayAnswer(Duration::from_secs(5)),
    );
    let bench = bench(Faults::new(late));
    let (answered, fill) = bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream").await.unwrap();
        let post = async {
            let (status, _, _) = read(&bench.transport, request("POST", "/orders", "a")).await.unwrap();
            (bench.clock.elapsed().as_millis(), status)
        };
        join(post, arrival(&bench, &mut *carrier)).await
    });
    assert_eq!((answered, fill), ((5040, 200), Some((40, "new a".to_owned()))));
}

#[test]
fn nothing_overtakes_on_one_socket() {
    let bench = bench(Faults::default());
    let transport = bench
        .transport
        .clone()
        .with_latency(Duration::ZERO, Duration::from_millis(50));
    let texts: Vec<_> = (0..50).map(|n| n.to_string()).collect();
    bench.runtime.block_on(async {
        let mut carrier = open(&transport, "/stream").await.unwrap();
        for text in &texts {
            carrier.send(Frame::Text(text.clone())).await.unwrap();
        }
        let (seen, _) = arrivals(&bench, &mut *carrier).await;
        let (times, echoed): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
        assert_eq!(echoed, texts);
        assert!(times.is_sorted() && times.first() < times.last(), "{times:?}");
        // What was sent before the client went away arrives before the close.
        carrier.send(Frame::Text("last".into())).await.unwrap();
        drop(carrier);
        bench.clock.sleep(Duration::from_millis(100)).await;
        let heard = bench.venue.lock().unwrap().heard.split_off(50);
        assert_eq!(heard, [Frame::Text("last".into()), Frame::Close(None)]);
    });
}

#[test]
fn a_receive_that_is_given_up_loses_nothing() {
    let bench = bench(plan(
        FrameWhen::always().nth(3),
        FrameFault::Stall(Duration::from_millis(7)),
    ));
    bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream").await.unwrap();
        let mut texts = Vec::new();
        let mut given_up = 0;
        for turn in 0..4 {
            say(&bench, &format!("{turn}a\n{turn}b")).await;
            for _ in 0..20 {
                match select(carrier.receive(), bench.clock.sleep(Duration::from_millis(1))).await {
                    Either::Left((Some(Ok(Frame::Text(text))), _)) => texts.push(text),
                    Either::Left((other, _)) => panic!("{other:?}"),
                    Either::Right(_) => given_up += 1,
                }
            }
        }
        assert_eq!(texts, ["0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b"]);
        assert_eq!(given_up, 72);
    });
}

#[test]
fn one_seed_hits_the_same_frames() {
    let run = |seed| {
        let plan = FaultPlan::seeded(seed)
            .frame_rule(FrameWhen::always().per_mille(200), FrameFault::Drop)
            .frame_rule(FrameWhen::always().per_mille(200), FrameFault::Reorder(2))
            .frame_rule(
                FrameWhen::always().per_mille(200),
                FrameFault::Delay(Duration::from_millis(3)),
            );
        let bench = bench(Faults::new(plan));
        let lines: Vec<_> = (0..100).map(|n| n.to_string()).collect();
        let seen = bench.runtime.block_on(async {
            let mut carrier = open(&bench.transport, "/stream").await.unwrap();
            say(&bench, &lines.join("\n")).await;
            arrivals(&bench, &mut *carrier).await
        });
        (seen, bench.transport.faults().counts())
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
