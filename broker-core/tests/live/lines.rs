//! An answer that does not end.

use broker_core::model::Subscription;

use super::bench::Bench;
use super::literals::account;

#[test]
fn lines_of_an_answer_are_frames() {
    let bench = Bench::new();
    let all = Subscription::account(&account());
    bench.runtime.block_on(async {
        let mut feed = bench.feed();
        feed.lines = true;
        let mut events = bench.subscribe_with(&all, vec![feed]).await.unwrap();
        bench.during(&mut events, 10.0).await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        assert_eq!(bench.during(&mut events, 1.0).await, ["order o1 new 0"]);
        bench.venue.cut();
        bench.venue.fill("f1", "o1", 10);
        let all = bench.during(&mut events, 2.0).await;
        assert_eq!(all[0], "disconnected 11: the stream ended");
        assert_eq!(all[1][..9], *"gap 0 to ");
        let rest = [
            "fill f1",
            "order o1 filled 10",
            "position AAPL 5",
            "balances 100",
            "recovered",
        ];
        assert_eq!(all[2..], rest);
        drop(events);
    });
    assert_eq!(bench.runtime.run_until_idle(), 0);
}

#[test]
fn nothing_can_be_sent_over_an_answer() {
    let bench = Bench::new();
    let all = Subscription::account(&account());
    bench.runtime.block_on(async {
        let mut feed = bench.feed();
        feed.lines = true;
        let mut events = bench.subscribe_with(&all, vec![feed]).await.unwrap();
        bench.during(&mut events, 10.0).await;
        bench.venue.say("send x");
        let all = bench.during(&mut events, 10.0).await;
        assert_eq!(all, ["closed: nothing can be sent over an answer", "end"]);
    });
}
