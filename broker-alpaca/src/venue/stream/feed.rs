//! The protocol of the market data streams: sign in within ten seconds, then subscribe.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::num::Text;
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;

use super::super::data::Family;
use super::super::ids::is_pair;
use super::super::json::{Object, array, quoted};
use super::super::keys::Keys;
use super::say::Say;

/// How long a client may take to sign in.
const PATIENCE: Duration = Duration::seconds(10);
/// Everything of a channel.
const ALL: &str = "*";

/// The feeds that are streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    Iex,
    Sip,
    DelayedSip,
    Test,
    Crypto,
}

impl Feed {
    /// By the path of the upgrade.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/v2/iex" => Some(Self::Iex),
            "/v2/sip" => Some(Self::Sip),
            "/v2/delayed_sip" => Some(Self::DelayedSip),
            "/v2/test" => Some(Self::Test),
            "/v1beta3/crypto/us" => Some(Self::Crypto),
            _ => None,
        }
    }

    pub(super) fn family(self) -> Family {
        match self {
            Self::Crypto => Family::Crypto,
            Self::Iex | Self::Sip | Self::DelayedSip | Self::Test => Family::Stocks,
        }
    }

    /// Its channels, in the order in which an answer lists them.
    fn channels(self) -> &'static [&'static str] {
        match self.family() {
            Family::Crypto => &["trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars"],
            Family::Stocks | Family::Options => &[
                "trades",
                "quotes",
                "bars",
                "updatedBars",
                "dailyBars",
                "statuses",
                "lulds",
            ],
        }
    }
}

/// One client of a feed.
#[derive(Debug)]
pub(super) struct FeedTalk {
    pub(super) feed: Feed,
    opened_at: DateTime<Utc>,
    pub(super) signed_in: bool,
    channels: BTreeMap<&'static str, BTreeSet<String>>,
}

/// The ways in which a feed says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Syntax,
    NotAuthenticated,
    AuthFailed,
    AlreadyAuthenticated,
    AuthTimeout,
    SymbolLimit,
    ConnectionLimit,
    SlowClient,
    InvalidSubscribe,
}

impl Trouble {
    pub(super) fn say(self) -> Say {
        let (code, words) = match self {
            Self::Syntax => ("400", "invalid syntax"),
            Self::NotAuthenticated => ("401", "not authenticated"),
            Self::AuthFailed => ("402", "auth failed"),
            Self::AlreadyAuthenticated => ("403", "already authenticated"),
            Self::AuthTimeout => ("404", "auth timeout"),
            Self::SymbolLimit => ("405", "symbol limit exceeded"),
            Self::ConnectionLimit => ("406", "connection limit exceeded"),
            Self::SlowClient => ("407", "slow client"),
            Self::InvalidSubscribe => ("410", "invalid subscribe action for this feed"),
        };
        let error = Object::new().text("T", "error").raw("code", code).text("msg", words);
        Say::Text(array([error.end()]))
    }
}

/// What a client can ask for. Channels that it does not name stay as they are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Message<'a> {
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    key: Option<Text<'a>>,
    #[serde(borrow)]
    secret: Option<Text<'a>>,
    #[serde(default)]
    trades: Vec<String>,
    #[serde(default)]
    quotes: Vec<String>,
    #[serde(default)]
    bars: Vec<String>,
    #[serde(default)]
    updated_bars: Vec<String>,
    #[serde(default)]
    daily_bars: Vec<String>,
    #[serde(default)]
    statuses: Vec<String>,
    #[serde(default)]
    lulds: Vec<String>,
    #[serde(default)]
    orderbooks: Vec<String>,
}

impl Message<'_> {
    fn channels(&self) -> [(&'static str, &[String]); 8] {
        [
            ("trades", &self.trades),
            ("quotes", &self.quotes),
            ("bars", &self.bars),
            ("updatedBars", &self.updated_bars),
            ("dailyBars", &self.daily_bars),
            ("statuses", &self.statuses),
            ("lulds", &self.lulds),
            ("orderbooks", &self.orderbooks),
        ]
    }
}

impl FeedTalk {
    pub(super) fn new(feed: Feed, now: DateTime<Utc>) -> Self {
        let channels = feed.channels().iter().map(|channel| (*channel, BTreeSet::new()));
        Self {
            feed,
            opened_at: now,
            signed_in: false,
            channels: channels.collect(),
        }
    }

    /// When its patience with a client that does not sign in ends.
    pub(super) fn ends_at(&self) -> Option<DateTime<Utc>> {
        (!self.signed_in).then(|| self.opened_at + PATIENCE)
    }

    /// Answers a message. `taken` says that another client has this feed already, `limit` how many symbols there may
    /// be.
    pub(super) fn hear(&mut self, text: &str, keys: &Keys, taken: bool, limit: Option<usize>) -> Vec<Say> {
        match self.answer(text, keys, taken, limit) {
            Ok(said) => vec![said],
            Err(Trouble::ConnectionLimit) => vec![Trouble::ConnectionLimit.say(), Say::Close(None)],
            Err(trouble) => vec![trouble.say()],
        }
    }

    fn answer(&mut self, text: &str, keys: &Keys, taken: bool, limit: Option<usize>) -> Result<Say, Trouble> {
        let message: Message<'_> = serde_json::from_str(text).map_err(|_| Trouble::Syntax)?;
        match message.action.get() {
            "auth" => self.sign_in(&message, keys, taken),
            "subscribe" | "unsubscribe" if !self.signed_in => Err(Trouble::NotAuthenticated),
            "subscribe" => self.change(&message, true, limit),
            "unsubscribe" => self.change(&message, false, None),
            _ => Err(Trouble::Syntax),
        }
    }

    /// By key and secret, or by `oauth` and a token.
    fn sign_in(&mut self, message: &Message<'_>, keys: &Keys, taken: bool) -> Result<Say, Trouble> {
        if self.signed_in {
            return Err(Trouble::AlreadyAuthenticated);
        }
        let (Some(key), Some(secret)) = (&message.key, &message.secret) else {
            return Err(Trouble::Syntax);
        };
        let known = match key.get() {
            "oauth" => keys.knows_token(secret.get()),
            key => keys.knows_key(key, secret.get()),
        };
        if !known {
            return Err(Trouble::AuthFailed);
        }
        if taken {
            return Err(Trouble::ConnectionLimit);
        }
        self.signed_in = true;
        Ok(success("authenticated"))
    }

    /// All or nothing; the answer is the full set.
    fn change(&mut self, message: &Message<'_>, adds: bool, limit: Option<usize>) -> Result<Say, Trouble> {
        let asked: Vec<_> = message
            .channels()
            .into_iter()
            .filter(|(_, symbols)| !symbols.is_empty())
            .collect();
        if asked.is_empty() {
            return Err(Trouble::Syntax);
        }
        let mut changed = self.channels.clone();
        for (channel, symbols) in asked {
            let set = changed.get_mut(channel).ok_or(Trouble::InvalidSubscribe)?;
            for symbol in symbols {
                if symbol.is_empty() || (symbol != ALL && is_pair(symbol) != (self.feed == Feed::Crypto)) {
                    return Err(Trouble::Syntax);
                }
                if adds {
                    set.insert(symbol.clone());
                } else {
                    set.remove(symbol);
                }
            }
        }
        let symbols: BTreeSet<_> = changed.values().flatten().collect();
        let too_many = |limit: usize| symbols.len() > limit || symbols.iter().any(|symbol| *symbol == ALL);
        if limit.is_some_and(too_many) {
            return Err(Trouble::SymbolLimit);
        }
        self.channels = changed;
        Ok(self.subscription())
    }

    fn subscription(&self) -> Say {
        let list = |channel: &str| {
            array(
                self.channels
                    .get(channel)
                    .into_iter()
                    .flatten()
                    .map(|text| quoted(text)),
            )
        };
        let mut object = Object::new().text("T", "subscription");
        for channel in self.feed.channels() {
            object = object.raw(channel, &list(channel));
        }
        if self.feed != Feed::Crypto {
            // Corrections of trades come with the trades.
            object = object
                .raw("corrections", &list("trades"))
                .raw("cancelErrors", &list("trades"));
        }
        Say::Text(array([object.end()]))
    }

    /// The symbols whose quotes it wants; `*` is every symbol of the feed.
    pub(super) fn quotes(&self) -> impl Iterator<Item = &str> {
        self.channels.get("quotes").into_iter().flatten().map(String::as_str)
    }

    pub(super) fn wants_quote(&self, symbol: &str) -> bool {
        self.channels
            .get("quotes")
            .is_some_and(|symbols| symbols.contains(symbol) || symbols.contains(ALL))
    }
}

/// `connected` and `authenticated`.
pub(super) fn success(words: &str) -> Say {
    let object = Object::new().text("T", "success").text("msg", words);
    Say::Text(array([object.end()]))
}
