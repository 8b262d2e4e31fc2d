//! Each row once, no order backwards.

use broker_core::{OrderStatus, Record};

use super::bench::Bench;
use super::literals::{at, fee, fill, order, qty, void};

#[test]
fn a_repeated_frame_is_delivered_once() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let working = bench.venue.place("o1");
        bench.venue.tell_order(&working);
        bench.venue.tell_order(&working);
        let (record, order) = bench.venue.fill("f1", "o1", 10);
        for _ in 0..3 {
            bench.venue.tell_record(&record);
            bench.venue.tell_order(&order);
        }
        // Fees have identities of their own.
        let charged = Record::Fee(fee("f1", at(10.0)));
        bench.venue.book(charged.clone(), at(10.0));
        bench.venue.tell_record(&charged);
        bench.venue.tell_record(&charged);
        // The audits read all of it again.
        assert_eq!(
            bench.during(&mut events, 200.0).await,
            ["order o1 new 0", "fill f1", "order o1 filled 10", "fee f1"]
        );
        assert!(bench.venue.count("history") > 5);
    });
}

#[test]
fn a_correction_and_a_void_pass() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let mut first = fill("f1", "o1", 4, at(10.0));
        let tell = |fill: &broker_core::Fill| bench.venue.tell_record(&Record::Fill(fill.clone()));
        tell(&first);
        first.version = 2;
        tell(&first);
        first.version = 1;
        tell(&first);
        let taken_back = Record::Void(void("f1", at(11.0)));
        bench.venue.tell_record(&taken_back);
        bench.venue.tell_record(&taken_back);
        assert_eq!(
            bench.during(&mut events, 1.0).await,
            ["fill f1", "fill f1 v2", "void f1"]
        );
    });
}

#[test]
fn a_correction_that_only_the_history_tells_is_found() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let mut first = fill("f1", "o1", 4, at(10.0));
        bench.venue.tell_record(&Record::Fill(first.clone()));
        first.version = 1;
        bench.venue.book(Record::Fill(first), at(20.0));
        assert_eq!(
            bench.during(&mut events, 40.0).await,
            [
                "fill f1",
                "gap 0 to 31",
                "fill f1 v1",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
    });
}

#[test]
fn reordered_frames_never_take_an_order_back() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let tell = |status, filled, second: Option<f64>| {
            let mut state = order("o1", status, filled);
            state.updated_at = second.map(at);
            bench.venue.tell_order(&state);
        };
        tell(OrderStatus::New, 0, Some(1.0));
        tell(OrderStatus::PartiallyFilled, 6, None);
        tell(OrderStatus::PartiallyFilled, 4, None);
        tell(OrderStatus::PendingCancel, 6, Some(3.0));
        // A refused cancel: pending states may go back.
        tell(OrderStatus::PartiallyFilled, 6, Some(4.0));
        tell(OrderStatus::PendingCancel, 6, Some(3.0));
        tell(OrderStatus::Canceled, 6, Some(5.0));
        tell(OrderStatus::PartiallyFilled, 6, Some(6.0));
        tell(OrderStatus::Canceled, 4, Some(7.0));
        tell(OrderStatus::Filled, 6, Some(8.0));
        // A canceled order may still be told of a fill that came before.
        tell(OrderStatus::Canceled, 8, Some(9.0));
        tell(OrderStatus::PartiallyFilled, 9, Some(10.0));
        assert_eq!(
            bench.during(&mut events, 0.5).await,
            [
                "order o1 new 0",
                "order o1 partially_filled 6",
                "order o1 pending_cancel 6",
                "order o1 partially_filled 6",
                "order o1 canceled 6",
                "order o1 canceled 8"
            ]
        );
    });
}

#[test]
fn a_stale_snapshot_is_dropped() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        let mut old = bench.venue.place("o1");
        bench.venue.tell_order(&old);
        bench.sleep(1.0).await;
        let (record, newer) = bench.venue.fill("f1", "o1", 4);
        bench.venue.tell_record(&record);
        bench.venue.tell_order(&newer);
        // The read side lags behind the stream.
        bench.venue.books().orders.insert(old.id.clone(), old.clone());
        assert_eq!(
            bench.during(&mut events, 60.0).await,
            ["order o1 new 0", "fill f1", "order o1 partially_filled 4"]
        );
        // Another state of the same age and quantity is no older one.
        old.filled_qty = qty(4);
        old.status = OrderStatus::PendingReplace;
        old.updated_at = newer.updated_at;
        bench.venue.books().orders.insert(old.id.clone(), old);
        assert_eq!(
            bench.during(&mut events, 30.0).await,
            [
                "gap 60 to 91",
                "order o1 pending_replace 4",
                "position AAPL 5",
                "balances 100",
                "recovered"
            ]
        );
    });
}

#[test]
fn a_bust_takes_the_quantity_back_and_reopens_the_order() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        for (id, units) in [("f1", 6), ("f2", 4)] {
            let (record, order) = bench.venue.fill(id, "o1", units);
            bench.venue.tell_record(&record);
            bench.venue.tell_order(&order);
        }
        assert_eq!(
            bench.during(&mut events, 1.0).await,
            [
                "order o1 new 0",
                "fill f1",
                "order o1 partially_filled 6",
                "fill f2",
                "order o1 filled 10"
            ]
        );
        let mut reopened = bench.venue.change("o1", OrderStatus::PartiallyFilled);
        reopened.filled_qty = qty(6);
        reopened.legs[0].filled_qty = qty(6);
        bench.venue.books().orders.insert(reopened.id.clone(), reopened.clone());
        let taken_back = Record::Void(void("f2", at(11.0)));
        bench.venue.book(taken_back.clone(), at(11.0));
        // Without the void the order may not fall.
        bench.venue.tell_order(&reopened);
        assert_eq!(bench.during(&mut events, 1.0).await, Vec::<String>::new());
        bench.venue.tell_record(&taken_back);
        // Its order is looked at a second later.
        assert_eq!(
            bench.during(&mut events, 3.0).await,
            ["void f2", "gap 0 to 13", "order o1 partially_filled 6", "recovered 0: "]
        );
        assert_eq!(bench.venue.count("order"), 1);
        // Only once: the state before the bust is old now.
        bench.venue.tell_order(&order("o1", OrderStatus::New, 2));
        assert_eq!(bench.during(&mut events, 60.0).await, Vec::<String>::new());
    });
}

#[test]
fn a_bust_that_only_the_history_tells_has_its_order_read() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = bench.standing().await;
        bench.venue.tell_order(&bench.venue.place("o1"));
        let (record, order) = bench.venue.fill("f1", "o1", 10);
        bench.venue.tell_record(&record);
        bench.venue.tell_order(&order);
        // Long after it was placed, so that it is in no window.
        assert_eq!(bench.during(&mut events, 500.0).await.len(), 3);
        let mut fallen = bench.venue.change("o1", OrderStatus::Canceled);
        fallen.filled_qty = qty(0);
        bench.venue.books().orders.insert(fallen.id.clone(), fallen);
        bench.venue.book(Record::Void(void("f1", at(510.0))), at(510.0));
        assert_eq!(
            bench.during(&mut events, 35.0).await,
            [
                "gap 480 to 511",
                "void f1",
                "position AAPL 5",
                "balances 100",
                "recovered",
                "gap 510 to 512",
                "order o1 canceled 0",
                "recovered 0: "
            ]
        );
    });
}

#[test]
fn a_bust_of_a_fill_before_the_subscription_takes_the_quantity_back_too() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        bench.venue.place("o1");
        bench.venue.fill("before", "o1", 6);
        bench.sleep(1.0).await;
        let mut events = bench.subscribe().await.unwrap();
        assert_eq!(bench.during(&mut events, 9.0).await[0], "order o1 partially_filled 6");
        bench.venue.tell_record(&Record::Void(void("before", at(10.0))));
        let mut fallen = bench.venue.change("o1", OrderStatus::New);
        fallen.filled_qty = qty(0);
        bench.venue.tell_order(&fallen);
        bench.venue.tell_order(&order("o1", OrderStatus::PartiallyFilled, 6));
        assert_eq!(
            bench.during(&mut events, 0.5).await,
            ["void before", "order o1 new 0", "order o1 partially_filled 6"]
        );
    });
}
