//! Streams: nothing is shown by events, by the ends of connections, or by the record of sockets.

use std::collections::BTreeSet;
use std::sync::Arc;

use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::journal::MemoryJournal;
use broker_core::model::Subscription;
use broker_core::{Broker, ErrorKind};
use broker_sim::wire::{FaultPlan, FrameWhen};
use broker_testkit::canary::{EVENTS, TraceLog};
use broker_testkit::faults::frame_faults;

use super::{KEY_ID, SECRET, TOKEN, configs, secrets, stage};

#[test]
fn no_stream_shows_a_secret_whatever_goes_wrong() {
    let log = TraceLog::new();
    let _traced = tracing::subscriber::set_default(log.subscriber());
    for (credentials, config) in configs() {
        let (mut stage, _, _) = stage(config, Arc::new(MemoryJournal::default()));
        stage.streams(credentials, &FrameWhen::always().path("/stream"));
        stage.looking.log("tracing", &log.text());
        let counts = stage.faults.counts();
        println!("{credentials}: {:?} {counts:?}", stage.looking.words);
        stage.looking.nothing_was_seen();
        stage.looking.has_shown(&EVENTS);
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
    let config = AlpacaConfig::new(KEY_ID, SECRET);
    let (mut stage, _, _) = stage(config, Arc::new(MemoryJournal::default()));
    stage.faults.set(FaultPlan::none());
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
            Subscription::account(&stage.setup.account),
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
