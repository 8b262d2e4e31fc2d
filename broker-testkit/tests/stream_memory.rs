//! What a subscription holds after a million events: measured at the whole process, over a venue that keeps nothing.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use broker_core::live::{Feed, Pulse, Signal, Source, subscribe};
use broker_core::model::{Amount, Event, Grade, OrderKind, OrderLeg, OrderLinks, PositionLeg, Subscription};
use broker_core::seam::{Clock, Frame, MemoryTransport, SeededRng, VirtualClock, VirtualRuntime};
use broker_core::{Broker, Context, Currency, Error, Fill, Order, OrderStatus, Qty, Record, Result, Side, TimeInForce};
use broker_sim::{AccountSpec, Catalogue, Engine, SimBroker};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};

/// Four events each: taken, two fills, filled.
const ORDERS: u64 = 250_000;
const MOST: u64 = 64 << 20;

/// Tells of orders by their numbers, one event a millisecond.
#[derive(Debug)]
struct Numbers {
    clock: VirtualClock,
    covers: Subscription,
}

fn id(kind: &str, number: u64) -> String {
    format!("{kind}-{number:032}")
}

fn qty(size: u64) -> Qty {
    Qty::new(size.into()).unwrap()
}

fn order(number: u64, status: OrderStatus, filled: u64, at: DateTime<Utc>) -> Event {
    Event::Order(Box::new(Order {
        id: id("order", number).into(),
        client_id: Some(id("ours", number).into()),
        account: "A1".into(),
        legs: vec![OrderLeg {
            instrument: "AAPL".into(),
            symbol: "AAPL".into(),
            side: Side::Buy,
            ratio: 1.into(),
            effect: None,
            position: PositionLeg::Net,
            filled_qty: qty(filled),
            average_price: None,
        }],
        kind: OrderKind::Limit,
        amount: Amount::Qty(qty(2)),
        filled_qty: qty(filled),
        average_price: None,
        limit_price: Some("100".parse().unwrap()),
        stop_price: None,
        trail: None,
        time_in_force: Some(TimeInForce::Day),
        expires_at: None,
        extended_hours: false,
        reduce_only: false,
        status,
        reason: None,
        links: OrderLinks::default(),
        created_at: Some(at),
        updated_at: Some(at),
    }))
}

fn fill(number: u64, order: u64, at: DateTime<Utc>) -> Event {
    Event::Record(Box::new(Record::Fill(Fill {
        id: id("fill", number).into(),
        account: "A1".into(),
        instrument: "AAPL".into(),
        symbol: "AAPL".into(),
        leg: PositionLeg::Net,
        order: Some(id("order", order).into()),
        client_order: Some(id("ours", order).into()),
        side: Side::Buy,
        qty: qty(1),
        price: "100".parse().unwrap(),
        at,
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    })))
}

#[async_trait]
impl Feed for Numbers {
    fn name(&self) -> &'static str {
        "numbers"
    }

    fn covers(&self) -> &Subscription {
        &self.covers
    }

    async fn open(&mut self) -> Result<Source> {
        let clock = self.clock.clone();
        let lines = stream::iter(0..ORDERS * 4).then(move |number| {
            let wait = clock.sleep(Duration::from_millis(1));
            async move {
                wait.await;
                Ok(Bytes::from(format!("{number}\n")))
            }
        });
        let first = stream::iter([Ok(Bytes::from_static(b"ready\n"))]);
        Ok(Source::Lines(Box::pin(first.chain(lines).chain(stream::pending()))))
    }

    fn read(&mut self, frame: &Frame, out: &mut Vec<Signal>) -> Result<()> {
        let Frame::Text(line) = frame else {
            return Err(Error::decode("no line"));
        };
        let Ok(number) = line.parse::<u64>() else {
            out.push(Signal::Ready);
            return Ok(());
        };
        let (one, at) = (number / 4, self.clock.now());
        out.push(Signal::Event(match number % 4 {
            0 => order(one, OrderStatus::New, 0, at),
            1 => fill(one * 2, one, at),
            2 => fill(one * 2 + 1, one, at),
            _ => order(one, OrderStatus::Filled, 2, at),
        }));
        Ok(())
    }

    fn pulse(&self) -> Pulse {
        Pulse {
            send: None,
            silence: Duration::from_secs(3_600),
        }
    }
}

/// Most that the process ever held; `None` where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[test]
fn a_million_events_take_less_than_64_mib() {
    let runtime = VirtualRuntime::new();
    let clock = runtime.clock();
    let shared = Arc::new(clock.clone());
    let wire = MemoryTransport::new(|_| Err(Error::unsupported("no wire")));
    let context = Context::new(shared.clone(), Arc::new(SeededRng::new(1)), shared, Arc::new(wire));
    let mut engine = Engine::new(1, &Catalogue::standard(), clock.now());
    engine
        .open_account(AccountSpec::margin("A1", Currency::USD), clock.now())
        .unwrap();
    let broker = SimBroker::new(engine, context);
    let covers = Subscription::account(&"A1".into());
    let feed = Numbers {
        clock,
        covers: covers.clone(),
    };
    let Some(before) = peak() else {
        eprintln!("SKIPPED: this system does not tell how much a process holds");
        return;
    };
    let counted = runtime.block_on(async {
        let mut events = subscribe(broker.handle(), &covers, vec![Box::new(feed)]).await.unwrap();
        let mut counted = 0;
        while counted < ORDERS * 4 {
            let event = events.next().await.unwrap();
            counted += u64::from(matches!(event, Event::Order(_) | Event::Record(_)));
        }
        counted
    });
    let grown = peak().unwrap() - before;
    println!("{counted} events, the process grew by {} KiB", grown >> 10);
    assert!(grown <= MOST, "{grown} bytes");
}
