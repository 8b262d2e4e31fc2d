//! What a venue does because time passes.

use std::time::Duration;

use broker_core::seam::{Clock, Frame};

use super::memory::{Bench, bench, read, request};
use super::sockets::open;
use super::{Ticks, loopback, websocket};
use crate::wire::Faults;

fn tick(bench: &Bench, every: Duration, times: usize) {
    bench.venue.lock().unwrap().ticks = Ticks::new(bench.clock.now(), every, times);
}

#[test]
fn a_venue_is_called_when_it_wants_to_be() {
    let bench = bench(Faults::default());
    tick(&bench, Duration::from_millis(250), 3);
    bench.runtime.block_on(async {
        let mut carrier = open(&bench.transport, "/stream").await.unwrap();
        for (spoken, heard) in [("00.250", 260), ("00.500", 510), ("00.750", 760)] {
            assert_eq!(carrier.receive().await.unwrap().unwrap(), Frame::Text(spoken.into()));
            assert_eq!(bench.clock.elapsed().as_millis(), heard);
        }
        // Another appointment is kept as well, and a client that does not listen changes nothing.
        tick(&bench, Duration::from_secs(3600), 2);
        read(&bench.transport, request("GET", "/clock", ""))
            .await
            .unwrap()
            .2
            .unwrap();
        bench.clock.sleep(Duration::from_secs(9000)).await;
        for spoken in ["00.760", "00.760"] {
            assert_eq!(carrier.receive().await.unwrap().unwrap(), Frame::Text(spoken.into()));
        }
    });
}

#[test]
fn appointments_end_with_the_last_socket() {
    let bench = bench(Faults::default());
    tick(&bench, Duration::from_secs(1), usize::MAX);
    // Requests alone start nothing.
    bench.runtime.block_on(async {
        read(&bench.transport, request("GET", "/clock", ""))
            .await
            .unwrap()
            .2
            .unwrap();
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
    assert_eq!(bench.clock.elapsed().as_millis(), 20);
    for turn in 1..=2 {
        bench.runtime.block_on(async {
            let mut first = open(&bench.transport, "/stream").await.unwrap();
            let second = open(&bench.transport, "/stream").await.unwrap();
            first.receive().await.unwrap().unwrap();
            drop(second);
            first.receive().await.unwrap().unwrap();
            assert_eq!(bench.transport.recorder().open_sockets(), 1);
        });
        assert_eq!(bench.runtime.run_until_idle(), 0, "turn {turn}");
        assert_eq!(bench.transport.recorder().open_sockets(), 0);
    }
    // Ticks of 1, 2, 3 and 4 s, heard 10 ms later; the last close arrives 10 ms after that.
    assert_eq!(bench.clock.elapsed().as_millis(), 4020);
}

#[test]
fn a_venue_that_is_always_late_does_not_stop_the_clock() {
    let bench = bench(Faults::default());
    bench.runtime.block_on(async {
        let _carrier = open(&bench.transport, "/stream").await.unwrap();
        let now = bench.clock.now();
        tick(&bench, Duration::ZERO, usize::MAX);
        read(&bench.transport, request("GET", "/clock", ""))
            .await
            .unwrap()
            .2
            .unwrap();
        let before = bench.venue.lock().unwrap().asked;
        bench.clock.sleep(Duration::from_secs(1)).await;
        let asked = bench.venue.lock().unwrap().asked - before;
        assert!((999..=1001).contains(&asked), "{asked} times in a second from {now}");
    });
}

#[tokio::test]
async fn appointments_are_kept_on_loopback() {
    let bench = loopback::bench(Faults::default()).await;
    let mut carrier = websocket::open(&bench, "/stream").await.unwrap();
    let start = chrono::DateTime::UNIX_EPOCH;
    bench.venue.lock().unwrap().ticks = Ticks::new(start, Duration::from_millis(1), 3);
    // The shell asks for the next appointment after each call, and this is one.
    carrier.send(Frame::Pong("".into())).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(carrier.receive().await, Some(Ok(Frame::Text(_)))));
    }
    assert_eq!(bench.venue.lock().unwrap().ticks.as_ref().unwrap().left, 0);
}
