//! The sockets of the venue: who is connected, and what is told to whom.
//!
//! Nothing is kept for a socket but what it said it wants: without a listener the engine keeps no events, and frames
//! that no shell fetches are counted. A socket with too many of them is closed.

mod event_id;
mod feed;
mod orders;
mod say;
mod updates;

use std::collections::{BTreeMap, BTreeSet};

use broker_core::seam::Frame;
use broker_core::{AccountId, InstrumentId, Quote};
use broker_sim::wire::SocketId;
use broker_sim::{Engine, SimEvent};
use chrono::{DateTime, Utc};

use super::data;
use super::json::array;
use super::keys::Keys;
use super::place::listed;
use super::shapes;

use feed::{Feed, FeedTalk, Trouble, success};
use orders::OrderTalk;
use say::Say;
use updates::Teller;

/// What of the streams can be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamTerms {
    /// `/stream` answers in binary frames, as paper does.
    pub(super) binary: bool,
    /// Most symbols of a market data client; `None` is any number.
    pub(super) symbols: Option<usize>,
    /// Most frames that wait for a shell to fetch them.
    pub(super) backlog: usize,
    /// The cancel of a stop whose target was filled is not told.
    pub(super) hides_stop_cancels: bool,
}

/// Whom a call is for.
pub(super) struct House<'a> {
    pub(super) engine: &'a mut Engine,
    pub(super) account: &'a AccountId,
    pub(super) keys: &'a Keys,
}

/// All open sockets.
#[derive(Debug)]
pub(super) struct Streams {
    terms: StreamTerms,
    sockets: BTreeMap<SocketId, Socket>,
    pushed: Vec<(SocketId, Frame)>,
    teller: Teller,
    /// Markets whose quotes the engine tells because of a client here.
    watched: BTreeSet<InstrumentId>,
    /// Whether somebody listens to order events.
    listened: bool,
}

#[derive(Debug)]
struct Socket {
    talk: Talk,
    /// Frames that wait.
    waiting: usize,
}

#[derive(Debug)]
enum Talk {
    Orders(OrderTalk),
    Feed(FeedTalk),
}

impl Streams {
    pub(super) fn new(terms: StreamTerms) -> Self {
        Self {
            terms,
            sockets: BTreeMap::new(),
            pushed: Vec::new(),
            teller: Teller::new(terms.hides_stop_cancels),
            watched: BTreeSet::new(),
            listened: false,
        }
    }

    /// Opens a socket; false when there is no stream at this path.
    pub(super) fn open(&mut self, path: &str, id: SocketId, now: DateTime<Utc>) -> bool {
        let talk = match (path, Feed::of(path)) {
            ("/stream", _) => Talk::Orders(OrderTalk::default()),
            (_, Some(feed)) => Talk::Feed(FeedTalk::new(feed, now)),
            (_, None) => return false,
        };
        let greets = matches!(talk, Talk::Feed(_));
        self.sockets.insert(id, Socket { talk, waiting: 0 });
        if greets {
            self.say(id, success("connected"));
        }
        true
    }

    /// A frame came in.
    pub(super) fn frame(&mut self, house: &mut House<'_>, id: SocketId, frame: Frame) {
        match frame {
            Frame::Text(text) => self.hear(id, &text, house.keys),
            // Bytes that are no text are no message either.
            Frame::Binary(bytes) => self.hear(id, &String::from_utf8_lossy(&bytes), house.keys),
            // Shells answer pings.
            Frame::Ping(_) | Frame::Pong(_) => {}
            Frame::Close(_) => self.forget(id),
        }
        self.attend(house);
    }

    fn hear(&mut self, id: SocketId, text: &str, keys: &Keys) {
        let taken = |feed: Feed| {
            self.sockets.iter().any(|(other, socket)| {
                let talk = match &socket.talk {
                    Talk::Feed(talk) => talk,
                    Talk::Orders(_) => return false,
                };
                *other != id && talk.feed == feed && talk.signed_in
            })
        };
        let taken = match self.sockets.get(&id) {
            Some(Socket {
                talk: Talk::Feed(talk), ..
            }) => taken(talk.feed),
            Some(_) => false,
            None => return,
        };
        let limit = self.terms.symbols;
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        let said = match &mut socket.talk {
            Talk::Orders(talk) => vec![talk.hear(text, keys)],
            Talk::Feed(talk) => talk.hear(text, keys, taken, limit),
        };
        for said in said {
            self.say(id, said);
        }
    }

    /// Tells what happened by now, and ends what took too long.
    pub(super) fn settle(&mut self, house: &mut House<'_>, now: DateTime<Utc>) {
        self.time_out(now);
        if self.listened || !self.watched.is_empty() {
            let events = house.engine.take_events();
            self.tell_orders(house, &events);
            self.tell_quotes(house.engine, &events);
        }
        self.attend(house);
    }

    /// The frames that are to go out.
    pub(super) fn take(&mut self) -> Vec<(SocketId, Frame)> {
        for socket in self.sockets.values_mut() {
            socket.waiting = 0;
        }
        std::mem::take(&mut self.pushed)
    }

    /// When something is to be said that time alone brings; `None` without sockets.
    pub(super) fn next_due(&self, engine: &Engine) -> Option<DateTime<Utc>> {
        let signs_in = self.sockets.values().filter_map(|socket| match &socket.talk {
            Talk::Feed(talk) => talk.ends_at(),
            Talk::Orders(_) => None,
        });
        let happens = self.listened.then(|| engine.next_timer()).flatten();
        signs_in.chain(happens).min()
    }

    /// Whether a client waits for quotes.
    pub(super) fn has_watchers(&self) -> bool {
        !self.watched.is_empty()
    }

    fn time_out(&mut self, now: DateTime<Utc>) {
        let late: Vec<_> = self
            .sockets
            .iter()
            .filter(|(_, socket)| match &socket.talk {
                Talk::Feed(talk) => talk.ends_at().is_some_and(|ends_at| ends_at <= now),
                Talk::Orders(_) => false,
            })
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.say(id, Trouble::AuthTimeout.say());
            self.say(id, Say::Close(None));
        }
    }

    fn tell_orders(&mut self, house: &House<'_>, events: &[SimEvent]) {
        if !self.listened {
            return;
        }
        let told = self.teller.tell(house.engine, house.account, events);
        let listeners: Vec<_> = self
            .sockets
            .iter()
            .filter(|(_, socket)| matches!(&socket.talk, Talk::Orders(talk) if talk.listens))
            .map(|(id, _)| *id)
            .collect();
        for message in told {
            for id in &listeners {
                self.say(*id, Say::Text(message.clone()));
            }
        }
    }

    /// One frame a client, with all that is new.
    fn tell_quotes(&mut self, engine: &Engine, events: &[SimEvent]) {
        let quotes: Vec<&Quote> = events
            .iter()
            .filter_map(|event| match event {
                SimEvent::Quote(quote) => Some(quote),
                SimEvent::Order { .. } | SimEvent::Record { .. } => None,
            })
            .collect();
        let mut told = Vec::new();
        for (id, socket) in &self.sockets {
            let Talk::Feed(talk) = &socket.talk else { continue };
            let wanted = quotes.iter().filter(|quote| talk.wants_quote(quote.symbol.get()));
            let family = talk.feed.family();
            let rows: Vec<String> = wanted
                .filter_map(|quote| {
                    let instrument = engine.instrument(&quote.instrument)?;
                    let fits = shapes::class(instrument) == Some(family.class());
                    fits.then(|| data::streamed_quote(family, instrument, quote))
                })
                .collect();
            if !rows.is_empty() {
                told.push((*id, array(rows)));
            }
        }
        for (id, text) in told {
            self.say(id, Say::Text(text));
        }
    }

    /// Lets the engine tell what somebody wants to hear, and nothing else.
    fn attend(&mut self, house: &mut House<'_>) {
        let kept = self.listened || !self.watched.is_empty();
        let listened = self
            .sockets
            .values()
            .any(|socket| matches!(&socket.talk, Talk::Orders(talk) if talk.listens));
        let wanted = self.wanted(house.engine);
        // An instrument that is watched or not is always one that the engine lists.
        for gone in self.watched.difference(&wanted) {
            let _ = house.engine.watch(gone, false);
        }
        for new in wanted.difference(&self.watched) {
            let _ = house.engine.watch(new, true);
        }
        self.watched = wanted;
        let keeps = listened || !self.watched.is_empty();
        if keeps != kept {
            house.engine.keep_events(keeps);
        }
        if listened != self.listened {
            self.listened = listened;
            self.teller.end();
            if listened {
                self.teller.begin(house.engine, house.account);
            }
        }
    }

    fn wanted(&self, engine: &Engine) -> BTreeSet<InstrumentId> {
        let mut wanted = BTreeSet::new();
        for socket in self.sockets.values() {
            let Talk::Feed(talk) = &socket.talk else { continue };
            if talk.quotes().next().is_none() {
                continue;
            }
            let class = talk.feed.family().class();
            let instruments = listed(engine)
                .filter(|known| shapes::class(known) == Some(class) && talk.wants_quote(known.symbol.get()));
            wanted.extend(instruments.map(|instrument| instrument.id.clone()));
        }
        wanted
    }

    /// Says something to a socket that is open.
    fn say(&mut self, id: SocketId, said: Say) {
        let Some(socket) = self.sockets.get(&id) else {
            return;
        };
        let binary = self.terms.binary && matches!(socket.talk, Talk::Orders(_));
        match said {
            Say::Text(text) if binary => self.push(id, Frame::Binary(text.into_bytes().into())),
            Say::Text(text) => self.push(id, Frame::Text(text)),
            Say::Close(reason) => {
                let reason = reason.map(|(code, words)| (code, words.to_owned()));
                self.push(id, Frame::Close(reason));
                self.sockets.remove(&id);
            }
        }
    }

    /// A frame more than may wait takes the place of all the others: the client is too slow.
    fn push(&mut self, id: SocketId, frame: Frame) {
        let backlog = self.terms.backlog;
        let Some(socket) = self.sockets.get_mut(&id) else {
            return;
        };
        if socket.waiting < backlog {
            socket.waiting += 1;
            self.pushed.push((id, frame));
            return;
        }
        let warns = matches!(socket.talk, Talk::Feed(_));
        self.forget(id);
        if let Say::Text(text) = Trouble::SlowClient.say()
            && warns
        {
            self.pushed.push((id, Frame::Text(text)));
        }
        self.pushed
            .push((id, Frame::Close(Some((1008, "slow client".to_owned())))));
    }

    /// The client is gone: nothing waits for it any more.
    fn forget(&mut self, id: SocketId) {
        self.sockets.remove(&id);
        self.pushed.retain(|(of, _)| *of != id);
    }
}
