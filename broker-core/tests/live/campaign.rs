//! Random troubles: in the end the reader knows what the venue knows, each fill once.

use std::collections::BTreeMap;
use std::pin::pin;

use broker_core::model::{Event, Subscription};
use broker_core::seam::{Rng, SeededRng};
use broker_core::{Order, OrderStatus, Record};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use rust_decimal::Decimal;

use super::bench::{Bench, Events, unavailable, words};
use super::literals::account;

const SEEDS: u64 = 200;
const STEPS: u32 = 120;

/// What a run saw.
#[derive(Debug, Default)]
struct Run {
    events: Vec<Event>,
    fills: Vec<String>,
    orders: BTreeMap<String, (OrderStatus, Decimal)>,
}

/// A run whose frames are lost, repeated and reordered, whose connection and readings fail, and whose reader sleeps.
fn run(seed: u64) -> Run {
    let bench = Bench::seeded(seed);
    let rng = SeededRng::new(seed ^ 0x5eed);
    let mut run = Run::default();
    bench.runtime.block_on(async {
        let options = Subscription::account(&account()).with_queue(if rng.below(2) == 0 { 8 } else { 1_024 });
        let mut events = bench.subscribe_with(&options, vec![bench.feed()]).await.unwrap();
        bench.venue.books().page = 3;
        let mut late: Vec<String> = Vec::new();
        let mut orders: Vec<String> = Vec::new();
        for step in 0..STEPS {
            trouble(&bench, &rng);
            for word in act(&bench, &rng, step, &mut orders, &mut run.fills) {
                match rng.below(10) {
                    0..=4 => bench.venue.say(&word),
                    5 => {
                        bench.venue.say(&word);
                        bench.venue.say(&word);
                    }
                    6 => late.push(word),
                    _ => {}
                }
            }
            if rng.below(4) == 0 && !late.is_empty() {
                let index = usize::try_from(rng.below(late.len() as u64)).unwrap();
                bench.venue.say(&late.swap_remove(index));
            }
            let seconds: f64 = [0.0, 0.01, 0.5, 3.0][usize::try_from(rng.below(4)).unwrap()];
            if rng.below(3) == 0 {
                bench.sleep(seconds).await;
            } else {
                read(&bench, &mut events, seconds, &mut run.events).await;
            }
        }
        // Everything heals; the audits find what is left.
        {
            let mut books = bench.venue.books();
            books.refusals.clear();
            books.failures.clear();
        }
        read(&bench, &mut events, 400.0, &mut run.events).await;
        let books = bench.venue.books();
        let states = books.orders.values().map(|order| (order.id.to_string(), state(order)));
        run.orders = states.collect();
    });
    run
}

fn trouble(bench: &Bench, rng: &SeededRng) {
    match rng.below(25) {
        0 => bench.venue.cut(),
        1 => bench.venue.say("gibberish"),
        2 => bench.venue.say("look"),
        3 => bench.venue.say("closed bye"),
        4 => bench.venue.books().refusals.push_back(unavailable("refused")),
        5 => {
            let what = ["history", "open orders", "closed", "order", "positions"];
            let what = what[usize::try_from(rng.below(5)).unwrap()];
            let mut books = bench.venue.books();
            books.failures.entry(what).or_default().push_back(unavailable("down"));
        }
        6 => bench.venue.books().read_takes = std::time::Duration::from_millis(rng.below(1_500)),
        _ => {}
    }
}

/// Something happens at the venue. Gives the frames that tell of it.
fn act(bench: &Bench, rng: &SeededRng, step: u32, orders: &mut Vec<String>, fills: &mut Vec<String>) -> Vec<String> {
    let order_word = |order: &Order| bench.venue.word(Event::Order(Box::new(order.clone())));
    if orders.is_empty() || rng.below(4) == 0 {
        let id = format!("o{step}");
        let order = bench.venue.place(&id);
        orders.push(id);
        return vec![order_word(&order)];
    }
    let index = usize::try_from(rng.below(orders.len() as u64)).unwrap();
    let id = orders[index].clone();
    if rng.below(6) == 0 {
        orders.swap_remove(index);
        return vec![order_word(&bench.venue.change(&id, OrderStatus::Canceled))];
    }
    let fill = format!("f{step}");
    let units = u32::try_from(rng.below(5)).unwrap() + 1;
    let (record, order) = bench.venue.fill(&fill, &id, units);
    fills.push(fill);
    if order.status.is_final() {
        orders.swap_remove(index);
    }
    let record = bench.venue.word(Event::Record(Box::new(record)));
    match rng.below(2) {
        0 => vec![record, order_word(&order)],
        _ => vec![order_word(&order), record],
    }
}

async fn read(bench: &Bench, events: &mut Events, seconds: f64, into: &mut Vec<Event>) {
    let mut time = pin!(bench.sleep(seconds));
    while let Either::Left((event, _)) = select(events.next(), time.as_mut()).await {
        into.push(event.unwrap());
    }
}

fn state(order: &Order) -> (OrderStatus, Decimal) {
    (order.status.clone(), order.filled_qty.get())
}

/// What is wrong with what the reader got; nothing, if all is well.
fn faults(run: &Run) -> Vec<String> {
    let mut faults = Vec::new();
    let mut told: BTreeMap<String, u32> = BTreeMap::new();
    let mut orders: BTreeMap<String, (OrderStatus, Decimal)> = BTreeMap::new();
    let mut is_whole = true;
    for event in &run.events {
        match event {
            Event::Record(record) => {
                if let Record::Fill(fill) = &**record {
                    *told.entry(fill.id.to_string()).or_default() += 1;
                }
            }
            Event::Order(order) => {
                let new = state(order);
                if let Some(old) = orders.insert(order.id.to_string(), new.clone()) {
                    if new.1 < old.1 {
                        faults.push(format!("{} fell from {} to {}", order.id, old.1, new.1));
                    }
                    if old.0.is_final() && !new.0.is_final() {
                        faults.push(format!("{} reopened", order.id));
                    }
                }
            }
            Event::Disconnected { .. } | Event::Gap { .. } => is_whole = false,
            Event::Recovered(coverage) => {
                is_whole = true;
                if !coverage.missing.is_empty() {
                    faults.push(format!("{:?}", coverage.missing));
                }
            }
            Event::Closed(error) => faults.push(error.to_string()),
            _ => {}
        }
    }
    for fill in &run.fills {
        match told.remove(fill) {
            Some(1) => {}
            times => faults.push(format!("{fill} came {} times", times.unwrap_or(0))),
        }
    }
    faults.extend(told.keys().map(|fill| format!("{fill} never happened")));
    if orders != run.orders {
        faults.push(format!("orders end as {orders:?}, the venue's as {:?}", run.orders));
    }
    if !is_whole {
        faults.push("a gap is still open".to_owned());
    }
    faults
}

#[test]
fn in_the_end_the_reader_knows_what_the_venue_knows() {
    let mut met: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..SEEDS {
        let run = run(seed);
        assert_eq!(faults(&run), Vec::<String>::new(), "seed {seed}");
        for event in &run.events {
            let what = match event {
                Event::Disconnected { .. } => "losses",
                Event::Gap { .. } => "gaps",
                Event::Record(_) => "fills",
                _ => "others",
            };
            *met.entry(what).or_default() += 1;
        }
    }
    println!("{SEEDS} seeds met {met:?}");
    assert!(
        met["losses"] > 1_000 && met["gaps"] > 2_000 && met["fills"] > 10_000,
        "{met:?}"
    );
}

#[test]
fn one_seed_replays_the_whole_run() {
    for seed in 0..10 {
        let said = |run: Run| run.events.iter().map(words).collect::<Vec<_>>();
        assert_eq!(said(run(seed)), said(run(seed)), "seed {seed}");
    }
}

#[test]
fn the_check_sees_a_fill_that_is_lost_or_doubled_and_an_order_that_falls() {
    let position = |run: &Run| {
        run.events
            .iter()
            .position(|event| matches!(event, Event::Record(_)))
            .unwrap()
    };
    let mut lost = run(1);
    let first = position(&lost);
    lost.events.remove(first);
    assert_eq!(faults(&lost).len(), 1);
    let mut doubled = run(1);
    let first = position(&doubled);
    doubled.events.push(doubled.events[first].clone());
    assert_eq!(faults(&doubled).len(), 1);
    let mut fallen = run(1);
    let filled = |event: &Event| matches!(event, Event::Order(order) if !order.filled_qty.get().is_zero());
    let last = fallen.events.iter().rfind(|event| filled(event)).cloned().unwrap();
    let Event::Order(mut order) = last else { panic!() };
    order.filled_qty = broker_core::Qty::ZERO;
    fallen.events.push(Event::Order(order));
    assert_eq!(faults(&fallen).len(), 2, "fell, and ends differently");
}
