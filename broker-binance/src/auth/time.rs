//! What time it is at Binance. A request whose time is a second ahead, or a window behind, is refused.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
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
    /// It was read off a head.
    rough: bool,
    /// A time that was read off a head was refused: heads are not believed any more.
    misled: bool,
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
        let now = self.http.context().clock().now().timestamp_millis();
        now.saturating_add(self.learned().ahead)
    }

    /// Learns from the head of the answer that refused a request of this time, where `window` is the receive window.
    /// What is guessed of the second is its middle, and with a narrow window so much more that both borders are
    /// equally far.
    pub(crate) fn learn_from_head(&self, headers: &HeaderMap, sent: i64, window: i64) {
        let known = self.learned();
        let fresh = i64::try_from(FRESH.as_millis()).unwrap_or(i64::MAX);
        let now = self.http.context().clock().elapsed();
        let lately = known.at.is_some_and(|at| now.saturating_sub(at) < FRESH);
        if known.rough && lately && self.now_ms().abs_diff(sent) < fresh.unsigned_abs() {
            *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = Learned {
                at: None,
                misled: true,
                ..known
            };
        }
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        if let Some(there) = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok())
            && !self.learned().misled
        {
            let here = self.http.context().clock().now().timestamp_millis();
            let guess = (SECOND - window / 2).clamp(SECOND / 2, SECOND - 1);
            self.learn(
                there.timestamp_millis().saturating_add(guess).saturating_sub(here),
                true,
            );
        }
    }

    /// Measures unless that was done just now; those who come meanwhile wait for the one who does.
    pub(crate) async fn measure_again(&self) -> Result<()> {
        let context = self.http.context();
        let _turn = context.limiter().turn(&self.turn).await;
        let now = context.clock().elapsed();
        match self.learned().at {
            Some(at) if now.saturating_sub(at) < FRESH => Ok(()),
            _ => self.measure().await.map(|_| ()),
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
        self.learn(there.saturating_sub(here), false);
        Ok((there, here))
    }

    fn learn(&self, ahead: i64, rough: bool) {
        let at = Some(self.http.context().clock().elapsed());
        let mut learned = self.learned.lock().unwrap_or_else(PoisonError::into_inner);
        let misled = learned.misled;
        *learned = Learned {
            ahead,
            at,
            rough,
            misled,
        };
    }

    fn learned(&self) -> Learned {
        *self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServerTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTime({} ms ahead)", self.learned().ahead)
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
