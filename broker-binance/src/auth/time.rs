//! What time it is at Binance. A request whose time is a second ahead, or a window behind, is refused.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::http::{Call, Http, Protocol, Reply, Verdict};
use broker_core::{Context, Error, Result};
use chrono::DateTime;
use http::HeaderMap;
use url::Url;

use crate::error;
use crate::map;
use crate::rest::Buckets;
use crate::wire::{self, TimeJson};

/// What was learned this lately is not measured again: calls that were under way then failed by the clock before it.
const FRESH: Duration = Duration::from_secs(2);

/// A head tells the time in whole seconds, cut. A time may be a second ahead of Binance's, and a receive window behind.
const SECOND: i64 = 1_000;

/// Binance's clock, as our clock and a difference.
pub(crate) struct ServerTime {
    http: Http,
    base: Url,
    buckets: Buckets,
    turn: Arc<str>,
    learned: Mutex<Learned>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Learned {
    /// How far Binance's clock is ahead of ours, in milliseconds.
    ahead: i64,
    /// When that was learned, by the time that never jumps.
    at: Option<Duration>,
    /// The same by Binance's clock: who signed since then signed with it.
    since: i64,
    /// It was read off a head, and no call that was signed with it was taken yet.
    is_guess: bool,
}

impl ServerTime {
    pub(crate) fn new(http: Http, base: Url, buckets: Buckets) -> Self {
        let turn = Arc::from(format!("{}:time", buckets.weight));
        Self {
            http: http.clone(),
            base,
            buckets,
            turn,
            learned: Mutex::default(),
        }
    }

    /// A pipeline without key and signature, for asking the time.
    pub(crate) fn pipeline(context: Context, broker: broker_core::BrokerId, buckets: Buckets, hosts: &[&str]) -> Http {
        Http::new(context, broker, Arc::new(Plain(buckets)), hosts)
    }

    /// Now, in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        self.here() + self.lock().ahead
    }

    /// A call of this time was refused, where `window` is the receive window: the head of the answer tells the time. It
    /// is not believed where it finds nothing wrong, nor where what was read off a head is what was refused: then the
    /// time is measured.
    pub(crate) fn refused(&self, headers: &HeaderMap, sent: i64, window: i64) {
        let mut learned = self.lock();
        let signed_since = self.signed_with(&learned, sent);
        if self.is_fresh(&learned) && !signed_since {
            return;
        }
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        let there = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        let there = there.map(|there| there.timestamp_millis()).filter(|there| {
            let finds_fault = sent >= there + SECOND || there + SECOND - 1 - sent > window;
            finds_fault && !(learned.is_guess && signed_since)
        });
        match there {
            // What is guessed of the second is its middle, and with a narrow window so much more that both borders are
            // equally far.
            Some(there) => {
                let guess = there + (SECOND - window / 2).clamp(SECOND / 2, SECOND - 1);
                *learned = self.knowing(guess - self.here(), true);
            }
            None => learned.at = None,
        }
    }

    /// A call of this time was taken.
    pub(crate) fn taken(&self, sent: impl FnOnce() -> Option<i64>) {
        let mut learned = self.lock();
        if learned.is_guess && sent().is_some_and(|sent| self.signed_with(&learned, sent)) {
            learned.is_guess = false;
        }
    }

    /// Measures unless that was done just now; those who come meanwhile wait for the one who does.
    pub(crate) async fn measure_again(&self) -> Result<()> {
        let context = self.http.context();
        let _turn = context.limiter().turn(&self.turn).await;
        let known = *self.lock();
        match self.is_fresh(&known) {
            true => Ok(()),
            false => self.measure().await.map(|_| ()),
        }
    }

    /// Asks, and gives Binance's time and ours halfway between sending and reading, in milliseconds.
    pub(crate) async fn measure(&self) -> Result<(i64, i64)> {
        let clock = Arc::clone(self.http.context().clock());
        let call = Call::get("time", &self.base, "/api/v3/time").costs(&self.buckets.weight, 1);
        let before = clock.now().timestamp_millis();
        let there = self
            .http
            .run(call, |body| {
                let there = wire::decode::<TimeJson>(body)?.server_time;
                map::at(there).map(|_| there)
            })
            .await?;
        let after = clock.now().timestamp_millis();
        let here = before + (after - before) / 2;
        *self.lock() = self.knowing(there - here, false);
        Ok((there, here))
    }

    fn knowing(&self, ahead: i64, is_guess: bool) -> Learned {
        Learned {
            ahead,
            at: Some(self.http.context().clock().elapsed()),
            since: self.here() + ahead,
            is_guess,
        }
    }

    fn is_fresh(&self, learned: &Learned) -> bool {
        let now = self.http.context().clock().elapsed();
        learned.at.is_some_and(|at| now.saturating_sub(at) < FRESH)
    }

    fn signed_with(&self, learned: &Learned, sent: i64) -> bool {
        (learned.since..=self.here() + learned.ahead).contains(&sent)
    }

    /// Now by our clock, in milliseconds.
    fn here(&self) -> i64 {
        self.http.context().clock().now().timestamp_millis()
    }

    fn lock(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServerTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTime({} ms ahead)", self.lock().ahead)
    }
}

/// Asking the time needs no key.
#[derive(Debug)]
struct Plain(Buckets);

#[async_trait]
impl Protocol for Plain {
    async fn authorize(&self, _call: &mut Call) -> Result<()> {
        Ok(())
    }

    fn classify(&self, call: &Call, reply: &Reply) -> Verdict {
        error::verdict(call, reply, &self.0)
    }

    /// Never asked: nothing here depends on the clock.
    async fn mend(&self, error: &Error) -> Result<()> {
        Err(error.clone())
    }
}
