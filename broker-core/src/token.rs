//! Tokens: renewed before they expire, once for any number of callers, and stored before they are used.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::Shared as Many;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;

use crate::error::{Delivery, Error, ErrorKind, Result};
use crate::seam::{BoxFuture, Clock, Spawn};

/// What a broker issued. `Debug` shows neither secret.
#[derive(Debug, Clone)]
pub struct Token {
    /// Goes with each call.
    pub access: SecretString,
    /// Gets the next one, where the broker has such.
    pub refresh: Option<SecretString>,
    /// When the broker stops to take it; `None` where it does not say.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was issued, by our clock.
    pub issued_at: DateTime<Utc>,
    /// What it permits.
    pub scopes: Vec<String>,
}

impl Token {
    /// Whether it can be used at this time, with so much to spare: never more than a quarter of its life, so that a
    /// short-lived token is not renewed for each call.
    fn lasts(&self, now: DateTime<Utc>, spare: TimeDelta) -> bool {
        self.expires_at.is_none_or(|expires_at| {
            let quarter = (expires_at - self.issued_at) / 4;
            expires_at - now > spare.min(quarter).max(TimeDelta::zero())
        })
    }

    fn is(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.access.expose_secret(), other.access.expose_secret());
        ours.as_bytes().ct_eq(theirs.as_bytes()).into()
    }
}

/// Gets tokens from a broker: the refresh grant, a login with a key, whatever it has.
#[async_trait]
pub trait TokenSource: Debug + Send + Sync + 'static {
    /// One attempt at the next token. `old` is the last one stored.
    ///
    /// An error of kind [`ReauthRequired`](ErrorKind::ReauthRequired) says that the grant is dead. A token without a
    /// refresh token keeps the old one's.
    async fn renew(&self, old: Option<&Token>) -> Result<Token>;
}

/// A token as a store holds it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The token.
    pub token: Token,
    /// Changes with each save.
    pub version: u64,
}

/// What became of a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It is stored, under this version.
    Stored(u64),
    /// Somebody else stored another since: nothing was changed.
    Conflict,
}

/// Where tokens outlive the process. Several processes may share one.
#[async_trait]
pub trait TokenStore: Debug + Send + Sync + 'static {
    /// The stored token, if there is one.
    async fn load(&self) -> Result<Option<Stored>>;

    /// Stores the token if what is stored still has the expected version (`None`: nothing is stored). `Ok` only once
    /// it would survive a crash.
    async fn save(&self, token: &Token, expected: Option<u64>) -> Result<Saved>;
}

/// A store that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryTokenStore(Mutex<Option<Stored>>);

impl MemoryTokenStore {
    /// A store that holds this token.
    pub fn new(token: Token) -> Self {
        Self(Mutex::new(Some(Stored { token, version: 1 })))
    }
}

#[async_trait]
impl TokenStore for MemoryTokenStore {
    async fn load(&self) -> Result<Option<Stored>> {
        Ok(lock(&self.0).clone())
    }

    async fn save(&self, token: &Token, expected: Option<u64>) -> Result<Saved> {
        let mut stored = lock(&self.0);
        let version = stored.as_ref().map(|stored| stored.version);
        if version != expected {
            return Ok(Saved::Conflict);
        }
        let version = version.unwrap_or(0) + 1;
        let token = token.clone();
        *stored = Some(Stored { token, version });
        Ok(Saved::Stored(version))
    }
}

/// The current token of one grant. Cheap to clone; clones share it.
///
/// However many ask at once, one renewal runs, on a task of its own: callers that are dropped change nothing. A
/// renewed token is stored before anybody gets it, so a refresh token that the broker rotates is never lost.
#[derive(Clone)]
pub struct TokenCache(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
    source: Arc<dyn TokenSource>,
    store: Arc<dyn TokenStore>,
    early: TimeDelta,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Token>>,
    /// The broker refused it, whatever its expiry says.
    refused: Option<Arc<Token>>,
    /// Issued, but not stored: the first thing that the next renewal does.
    unsaved: Option<(Token, Option<u64>)>,
    /// The grant of this stored version is dead.
    dead: Option<(Option<u64>, Error)>,
    flight: Option<Flight>,
}

/// The outcome of a renewal. Who waits for it goes on in the order of asking, so that a run can be repeated.
type Flight = Many<BoxFuture<'static, Result<Arc<Token>>>>;

/// Tokens are renewed this long before they expire: one minute.
const EARLY: TimeDelta = TimeDelta::minutes(1);

/// Others can store a token between our look and our save so often, and no oftener.
const SAVES: u32 = 5;

impl TokenCache {
    /// A cache over this source and store. Nothing is loaded or renewed yet.
    pub fn new(
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
        source: Arc<dyn TokenSource>,
        store: Arc<dyn TokenStore>,
    ) -> Self {
        Self(Arc::new(Shared {
            clock,
            spawn,
            source,
            store,
            early: EARLY,
            state: Mutex::default(),
        }))
    }

    /// Renews tokens this long before they expire, instead of a minute; a quarter of their life at most.
    #[must_use]
    pub fn with_early(self, early: Duration) -> Self {
        let shared = &self.0;
        Self(Arc::new(Shared {
            clock: Arc::clone(&shared.clock),
            spawn: Arc::clone(&shared.spawn),
            source: Arc::clone(&shared.source),
            store: Arc::clone(&shared.store),
            early: TimeDelta::from_std(early).unwrap_or(TimeDelta::MAX),
            state: Mutex::default(),
        }))
    }

    /// A token that can be used now. When a renewal fails while the old token is still good, that one is given.
    ///
    /// # Errors
    /// That of the renewal, shared by all who waited for it; the next call tries again. Only a dead grant
    /// ([`ReauthRequired`](ErrorKind::ReauthRequired)) is not tried again until another token is stored.
    pub async fn get(&self) -> Result<Arc<Token>> {
        match self.0.held_or_flight() {
            Ok(token) => Ok(token),
            Err(flight) => flight.await,
        }
    }

    /// The broker refused this token (401): the next call renews it. Nothing happens if another is current by now.
    pub fn invalidate(&self, token: &Token) {
        let mut state = self.0.state();
        if state.held.as_ref().is_some_and(|held| held.is(token)) {
            state.refused = state.held.take();
        }
    }

    /// Takes over a token that a person's sign-in gave: stores it, and forgets a dead grant.
    ///
    /// # Errors
    /// That of the store.
    pub async fn install(&self, token: Token) -> Result<()> {
        let version = self.0.store.load().await?.map(|stored| stored.version);
        let token = self.0.save(token, version).await?;
        let mut state = self.0.state();
        (state.dead, state.refused) = (None, None);
        state.held = Some(token);
        Ok(())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The token in hand, or the renewal to wait for: the one under way, or one that starts now.
    fn held_or_flight(self: &Arc<Self>) -> std::result::Result<Arc<Token>, Flight> {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(held) = state.held.as_ref().filter(|held| held.lasts(now, self.early)) {
            return Ok(Arc::clone(held));
        }
        if let Some(flight) = &state.flight {
            return Err(flight.clone());
        }
        let (sender, landed) = oneshot::channel();
        let flight = async { landed.await.unwrap_or_else(|_| Err(lost())) }.boxed().shared();
        state.flight = Some(flight.clone());
        drop(state);
        let landing = Landing {
            shared: Arc::clone(self),
            flight: flight.clone(),
            sender: Some(sender),
        };
        self.spawn.spawn(Box::pin(landing.fly()));
        Err(flight)
    }

    /// One renewal. While the token in hand is still good, a failure is not the caller's.
    async fn renew(&self) -> Result<Arc<Token>> {
        let renewed = self.renew_once().await;
        let now = self.clock.now();
        let mut state = self.state();
        match renewed {
            Ok(token) => {
                (state.refused, state.dead) = (None, None);
                state.held = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(error) if error.kind() == ErrorKind::ReauthRequired => Err(error),
            Err(error) => {
                let held = state.held.as_ref().filter(|held| held.lasts(now, TimeDelta::zero()));
                held.map(Arc::clone).ok_or(error)
            }
        }
    }

    async fn renew_once(&self) -> Result<Arc<Token>> {
        let unsaved = self.state().unsaved.clone();
        if let Some((token, expected)) = unsaved {
            let token = self.save(token, expected).await?;
            if self.is_fresh(&token) {
                return Ok(token);
            }
        }
        let stored = self.store.load().await?;
        if let Some(token) = self.fresh(stored.as_ref()) {
            return Ok(token);
        }
        self.check_alive(stored.as_ref())?;
        match self.ask(stored.as_ref()).await {
            Err(error) if error.kind() == ErrorKind::ReauthRequired => self.bury(stored, error).await,
            asked => asked,
        }
    }

    /// Asks the source, and stores what it gave.
    async fn ask(&self, old: Option<&Stored>) -> Result<Arc<Token>> {
        let mut token = self.source.renew(old.map(|old| &old.token)).await?;
        if token.refresh.is_none() {
            token.refresh = old.and_then(|old| old.token.refresh.clone());
        }
        self.save(token, old.map(|old| old.version)).await
    }

    /// The grant is dead, unless another process renewed it in the meantime: then its refresh token counts.
    async fn bury(&self, tried: Option<Stored>, error: Error) -> Result<Arc<Token>> {
        let stored = self.store.load().await?;
        let (tried, version) = (version(tried.as_ref()), version(stored.as_ref()));
        if version == tried {
            self.state().dead = Some((version, error.clone()));
            return Err(error);
        }
        if let Some(token) = self.fresh(stored.as_ref()) {
            return Ok(token);
        }
        let asked = self.ask(stored.as_ref()).await;
        if let Err(error) = &asked
            && error.kind() == ErrorKind::ReauthRequired
        {
            self.state().dead = Some((version, error.clone()));
        }
        asked
    }

    fn check_alive(&self, stored: Option<&Stored>) -> Result<()> {
        match &self.state().dead {
            Some((dead, error)) if *dead == version(stored) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Stores a token that was issued just now. If another was stored in between, the later one stays. Until the
    /// token is stored it is remembered as unsaved, for its refresh token may be the only good one.
    async fn save(&self, token: Token, mut expected: Option<u64>) -> Result<Arc<Token>> {
        for _ in 0..SAVES {
            self.state().unsaved = Some((token.clone(), expected));
            if let Saved::Stored(_) = self.store.save(&token, expected).await? {
                self.state().unsaved = None;
                return Ok(Arc::new(token));
            }
            let stored = self.store.load().await?;
            expected = version(stored.as_ref());
            if let Some(stored) = stored.filter(|stored| stored.token.issued_at > token.issued_at) {
                self.state().unsaved = None;
                return Ok(Arc::new(stored.token));
            }
        }
        Err(Error::new(ErrorKind::Unavailable)
            .with_delivery(Delivery::NotSent)
            .with_message("the token store changes with every look"))
    }

    fn fresh(&self, stored: Option<&Stored>) -> Option<Arc<Token>> {
        let token = &stored?.token;
        self.is_fresh(token).then(|| Arc::new(token.clone()))
    }

    fn is_fresh(&self, token: &Token) -> bool {
        let refused = self.state().refused.as_ref().is_some_and(|refused| refused.is(token));
        !refused && token.lasts(self.clock.now(), self.early)
    }
}

/// A renewal under way. If its task is dropped, the next caller starts another.
struct Landing {
    shared: Arc<Shared>,
    flight: Flight,
    sender: Option<oneshot::Sender<Result<Arc<Token>>>>,
}

impl Landing {
    async fn fly(mut self) {
        let outcome = self.shared.renew().await;
        self.shared.state().flight = None;
        if let Some(sender) = self.sender.take() {
            // Nobody may wait for it any more.
            _ = sender.send(outcome);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        if state.flight.as_ref().is_some_and(|flight| flight.ptr_eq(&self.flight)) {
            state.flight = None;
        }
    }
}

fn version(stored: Option<&Stored>) -> Option<u64> {
    stored.map(|stored| stored.version)
}

fn lost() -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_delivery(Delivery::NotSent)
        .with_message("the renewal of the token was ended before it was done")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("TokenCache")
            .field("source", &self.0.source)
            .field("expires_at", &state.held.as_ref().map(|held| held.expires_at))
            .field("renewing", &state.flight.is_some())
            .finish_non_exhaustive()
    }
}
