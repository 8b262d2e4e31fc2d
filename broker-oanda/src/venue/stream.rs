//! Answers that do not end: the transactions of an account, and prices. Heartbeats every five seconds.
//!
//! Whether the real service beats at once is not known: here the first beat comes after five seconds.

use std::collections::BTreeMap;

use broker_core::seam::Frame;
use broker_sim::Engine;
use broker_sim::wire::SocketId;
use chrono::{DateTime, Duration, Utc};

use super::json::Object;
use super::ledger::Ledger;
use super::reads::price;
use super::render::Page;

const BEAT: Duration = Duration::seconds(5);

/// Prices of an instrument are told at most four times a second.
const BETWEEN: Duration = Duration::milliseconds(250);

/// Streams of one address at a time.
const MOST: usize = 20;

#[derive(Debug)]
enum Talk {
    /// Transactions of the account at this place, told up to this one.
    Transactions { account: usize, told: u64 },
    /// Prices of these instruments, by their text as they were last told, and when.
    Prices(BTreeMap<String, (String, DateTime<Utc>)>),
}

#[derive(Debug)]
struct Stream {
    talk: Talk,
    beats_at: DateTime<Utc>,
}

/// All open streams.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<SocketId, Stream>,
    pushed: Vec<(SocketId, Frame)>,
}

impl Streams {
    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= MOST
    }

    pub(super) fn has_prices(&self) -> bool {
        self.open.values().any(|stream| matches!(stream.talk, Talk::Prices(_)))
    }

    pub(super) fn follow(&mut self, id: SocketId, account: usize, last: u64, now: DateTime<Utc>) {
        let talk = Talk::Transactions { account, told: last };
        self.open.insert(
            id,
            Stream {
                talk,
                beats_at: now + BEAT,
            },
        );
    }

    pub(super) fn watch(&mut self, id: SocketId, names: Vec<String>, now: DateTime<Utc>) {
        let names = names
            .into_iter()
            .map(|name| (name, (String::new(), DateTime::UNIX_EPOCH)))
            .collect();
        let talk = Talk::Prices(names);
        self.open.insert(
            id,
            Stream {
                talk,
                beats_at: now + BEAT,
            },
        );
    }

    pub(super) fn close(&mut self, id: SocketId) {
        self.open.remove(&id);
    }

    pub(super) fn next_due(&self) -> Option<DateTime<Utc>> {
        self.open.values().map(|stream| stream.beats_at).min()
    }

    /// Says what is new.
    pub(super) fn tell(&mut self, engine: &Engine, ledgers: &[Ledger], now: DateTime<Utc>) {
        for (id, stream) in &mut self.open {
            let mut lines = Vec::new();
            match &mut stream.talk {
                Talk::Transactions { account, told } => {
                    let Some(ledger) = ledgers.get(*account) else { continue };
                    let page = Page { engine, ledger };
                    while *told < ledger.last() {
                        *told += 1;
                        lines.extend(page.transaction(*told));
                    }
                    if now >= stream.beats_at {
                        let beat = Object::new()
                            .text("type", "HEARTBEAT")
                            .id("lastTransactionID", ledger.last());
                        lines.push(beat.stamp("time", now).end());
                    }
                }
                Talk::Prices(names) => {
                    for (name, (last, at)) in names {
                        let instrument = ledgers
                            .first()
                            .and_then(|ledger| Page { engine, ledger }.instrument(name));
                        let text = instrument.and_then(|one| price(engine, one, now));
                        if let Some(text) = text.filter(|text| *text != *last && now - *at >= BETWEEN) {
                            (*last, *at) = (text.clone(), now);
                            lines.push(text);
                        }
                    }
                    if now >= stream.beats_at {
                        lines.push(Object::new().text("type", "HEARTBEAT").stamp("time", now).end());
                    }
                }
            }
            if now >= stream.beats_at {
                stream.beats_at = now + BEAT;
            }
            self.pushed
                .extend(lines.into_iter().map(|line| (*id, Frame::Text(line + "\n"))));
        }
    }

    pub(super) fn take(&mut self) -> Vec<(SocketId, Frame)> {
        std::mem::take(&mut self.pushed)
    }
}
