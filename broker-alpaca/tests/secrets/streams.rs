//! Streams: nothing is shown by events, by the ends of connections, or by the record of sockets.

use std::collections::BTreeSet;
use std::pin::pin;
use std::time::Duration;

use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{Event, Subscription};
use broker_core::seam::{BoxStream, Clock};
use broker_core::{Broker, ErrorKind, Gate};
use broker_sim::wire::{FaultPlan, FrameFault, FrameWhen, When};
use broker_testkit::canary::TraceLog;
use futures_util::StreamExt;
use futures_util::future::{Either, select};

use super::stage::Stage;
use super::{KEY_ID, SECRET, TOKEN, calls, configs, faults, secrets};

/// Every kind of damage to frames.
fn frame_faults() -> Vec<FrameFault> {
    let all = vec![
        FrameFault::Drop,
        FrameFault::Duplicate,
        FrameFault::Reorder(2),
        FrameFault::Delay(Duration::from_secs(3)),
        FrameFault::Stall(Duration::from_secs(5)),
        FrameFault::StallForever,
        FrameFault::Close(Some((1008, "slow client".to_owned()))),
        FrameFault::Reset,
        FrameFault::Garble,
    ];
    // A kind that is added is to be added here.
    for fault in &all {
        match fault {
            FrameFault::Drop | FrameFault::Duplicate | FrameFault::Reorder(_) | FrameFault::Delay(_) => {}
            FrameFault::Stall(_) | FrameFault::StallForever | FrameFault::Close(_) => {}
            FrameFault::Reset | FrameFault::Garble => {}
            other => panic!("{other:?} is not among the faults"),
        }
    }
    all
}

/// What goes wrong: requests while a socket is closed once, then frames, all of them or one in the middle.
fn plans() -> Vec<(String, FaultPlan)> {
    let third = || FrameWhen::always().path("/stream").nth(3);
    let closed = FrameFault::Close(Some((1001, "going away".to_owned())));
    let requests = faults().into_iter().map(|fault| {
        let plan = FaultPlan::none().frame_rule(third(), closed.clone());
        let name = format!("{fault:?}");
        match fault {
            Some(fault) => (name, plan.rule(When::always().method("POST"), fault)),
            None => (name, plan),
        }
    });
    let every = faults().into_iter().flatten();
    let every = every.map(|fault| {
        (
            format!("always {fault:?}"),
            FaultPlan::none().rule(When::always(), fault),
        )
    });
    let frames = frame_faults().into_iter().flat_map(|fault| {
        [("all", FrameWhen::always()), ("one", third())].map(|(which, when)| {
            let plan = FaultPlan::none().frame_rule(when, fault.clone());
            (format!("{which} {fault:?}"), plan)
        })
    });
    requests.chain(every).chain(frames).collect()
}

impl Stage {
    /// Subscribes, places orders and moves the market, and looks at what comes for some seconds.
    fn follow(&mut self) {
        let mut subscription = Subscription::account(&self.account);
        subscription.quotes = vec!["AAPL".into(), "BTC/USD".into()];
        self.looking.value(&subscription);
        let (broker, clock) = (self.broker.clone(), self.clock.clone());
        let opened = self.runtime.block_on(async {
            let opening = broker.streaming().unwrap().subscribe(&subscription);
            match select(opening, pin!(clock.sleep(Duration::from_secs(90)))).await {
                Either::Left((opened, _)) => Some(opened),
                Either::Right(_) => None,
            }
        });
        match opened {
            Some(Ok(mut events)) => {
                self.take(&mut events, 3);
                let intent = calls::intent(
                    &self.account,
                    format!("streamed-{}", self.clock.elapsed().as_nanos()).into(),
                );
                let placing = broker.trading().unwrap();
                let gate = Gate::new();
                let placed = self.runtime.block_on(placing.place(&intent, &gate));
                self.looking.result("place", &placed);
                self.buy();
                self.quote("101.00");
                self.take(&mut events, 15);
                self.quote("100.00");
                self.take(&mut events, 15);
            }
            Some(Err(error)) => self.looking.error(&error),
            None => {}
        }
    }

    fn take(&mut self, events: &mut BoxStream<'static, Event>, seconds: u64) {
        let clock = self.clock.clone();
        let looking = &mut self.looking;
        self.runtime.block_on(async {
            let mut time = pin!(clock.sleep(Duration::from_secs(seconds)));
            while let Either::Left((Some(event), _)) = select(events.next(), time.as_mut()).await {
                looking.value(&event);
                if let Event::Disconnected { reason: error, .. } | Event::Closed(error) = &event {
                    looking.error(error);
                }
            }
        });
    }
}

#[test]
fn no_stream_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    for (credentials, config) in configs() {
        let mut stage = Stage::new(config);
        for (name, plan) in plans() {
            stage.faults.set(FaultPlan::none());
            let (broker, account) = (stage.broker.clone(), stage.account.clone());
            stage.runtime.block_on(calls::stand(&broker, &account));
            stage.looking.what = format!("{credentials}, {name}, a stream");
            stage.faults.set(plan);
            stage.follow();
        }
        stage.look_around();
        stage.looking.log("tracing", &log.text());
        println!("{credentials}: {:?} {:?}", stage.looking.words, stage.faults.counts());
        stage.looking.nothing_was_seen();
        stage.looking.has_shown(&[
            "Order(",
            "Record(",
            "Balances(",
            "Quote(",
            "Disconnected {",
            "Gap {",
            "Recovered(",
        ]);
        let counts = stage.faults.counts();
        for fault in frame_faults() {
            assert!(counts.contains_key(fault.name()), "{fault:?} never hit: {counts:?}");
        }
        // Our side said them on its sockets, else the record would have had nothing to mask.
        let mut wire = secrets();
        wire.look("the wire", &stage.said());
        let seen: BTreeSet<&str> = wire.hits().iter().map(|hit| hit.secret.as_str()).collect();
        match credentials {
            "key" => assert!(seen.contains("key id"), "{seen:?}"),
            _ => assert_eq!(seen, BTreeSet::from(["token"])),
        }
        assert!(stage.said().contains(if credentials == "key" { KEY_ID } else { TOKEN }));
        assert!(stage.recorder.sockets().len() > 60);
        log.clear();
    }
}

#[test]
fn a_stream_that_refuses_the_key_does_not_show_it() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    let mut stage = Stage::new(AlpacaConfig::new(KEY_ID, SECRET));
    let wrong = [
        ("secret", AlpacaConfig::new(KEY_ID, TOKEN), ErrorKind::Auth),
        ("key", AlpacaConfig::new(TOKEN, SECRET), ErrorKind::Auth),
        ("token", AlpacaConfig::oauth(SECRET), ErrorKind::ReauthRequired),
    ];
    for (what, config, kind) in wrong {
        let broker = AlpacaBroker::new(config.with_context(stage.context.clone())).unwrap();
        stage.looking.what = format!("a wrong {what}");
        for subscription in [
            Subscription::quotes(["AAPL".into()]),
            Subscription::quotes(["BTC/USD".into()]),
            Subscription::account(&stage.account),
        ] {
            let subscribed = stage
                .runtime
                .block_on(broker.streaming().unwrap().subscribe(&subscription));
            let error = subscribed.err().unwrap();
            assert_eq!(error.kind(), kind, "{error}");
            stage.looking.error(&error);
            stage.looking.value(&broker);
        }
    }
    stage.look_around();
    stage.looking.log("tracing", &log.text());
    stage.looking.nothing_was_seen();
    assert_eq!(stage.looking.errors, 9);
    assert!(stage.said().contains(TOKEN));
}
