//! The token cache, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use broker_core::seam::{BoxFuture, Clock, Spawn, VirtualClock, VirtualRuntime};
use broker_core::token::{MemoryTokenStore, Saved, Stored, Token, TokenCache, TokenSource, TokenStore};
use broker_core::{Error, ErrorKind, Result};
use chrono::TimeDelta;
use futures_util::future::join_all;
use futures_util::poll;
use secrecy::{ExposeSecret, SecretString};

/// Answers after a second: `access-N` with `refresh-N`, or the next planned error.
#[derive(Debug)]
struct Source {
    clock: VirtualClock,
    life: TimeDelta,
    asked: AtomicU32,
    errors: Mutex<Vec<ErrorKind>>,
    old: Mutex<Vec<Option<String>>>,
}

#[async_trait]
impl TokenSource for Source {
    async fn renew(&self, old: Option<&Token>) -> Result<Token> {
        let count = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let refresh = old.and_then(|old| old.refresh.as_ref());
        let refresh = refresh.map(|refresh| refresh.expose_secret().to_owned());
        self.old.lock().unwrap().push(refresh);
        self.clock.sleep(Duration::from_secs(1)).await;
        match self.errors.lock().unwrap().pop() {
            Some(kind) => Err(Error::new(kind)),
            None => Ok(token(&self.clock, count, self.life)),
        }
    }
}

fn token(clock: &VirtualClock, number: u32, life: TimeDelta) -> Token {
    Token {
        access: SecretString::from(format!("access-{number}")),
        refresh: Some(SecretString::from(format!("refresh-{number}"))),
        expires_at: Some(clock.now() + life),
        issued_at: clock.now(),
        scopes: vec!["trade".to_owned()],
    }
}

struct Bench {
    runtime: VirtualRuntime,
    clock: VirtualClock,
    source: Arc<Source>,
    store: Arc<MemoryTokenStore>,
    cache: TokenCache,
}

const LIFE: TimeDelta = TimeDelta::minutes(30);

impl Bench {
    fn new() -> Self {
        Self::with_store(Arc::new(MemoryTokenStore::default()), LIFE)
    }

    fn with_store(store: Arc<MemoryTokenStore>, life: TimeDelta) -> Self {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        let source = Arc::new(Source {
            clock: clock.clone(),
            life,
            asked: AtomicU32::new(0),
            errors: Mutex::default(),
            old: Mutex::default(),
        });
        let shared = Arc::new(clock.clone());
        let cache = TokenCache::new(
            shared.clone(),
            shared,
            Arc::clone(&source) as Arc<dyn TokenSource>,
            Arc::clone(&store) as Arc<dyn TokenStore>,
        );
        Self {
            runtime,
            clock,
            source,
            store,
            cache,
        }
    }

    fn fails_with(&self, kinds: &[ErrorKind]) {
        self.source.errors.lock().unwrap().extend(kinds.iter().rev());
    }

    fn asked(&self) -> u32 {
        self.source.asked.load(Ordering::Relaxed)
    }

    async fn access(&self) -> Result<String, ErrorKind> {
        access(self.cache.get().await)
    }

    async fn stored(&self) -> String {
        self.store
            .load()
            .await
            .unwrap()
            .unwrap()
            .token
            .access
            .expose_secret()
            .to_owned()
    }
}

fn access(token: Result<Arc<Token>>) -> Result<String, ErrorKind> {
    token
        .map(|token| token.access.expose_secret().to_owned())
        .map_err(|error| error.kind())
}

#[test]
fn any_number_of_callers_cause_one_renewal() {
    let bench = Bench::new();
    let tokens = bench.runtime.block_on(join_all((0..1000).map(|_| bench.cache.get())));
    assert!(tokens.into_iter().all(|token| access(token).unwrap() == "access-1"));
    assert_eq!(bench.asked(), 1);
    assert_eq!(bench.clock.elapsed(), Duration::from_secs(1));
    // A sequence of callers is served from memory.
    assert_eq!(bench.runtime.block_on(bench.access()).unwrap(), "access-1");
    assert_eq!((bench.asked(), bench.clock.elapsed()), (1, Duration::from_secs(1)));
}

/// So that a run in virtual time can be repeated.
#[test]
fn callers_go_on_in_the_order_of_asking() {
    let bench = Bench::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..100 {
        let (cache, order) = (bench.cache.clone(), Arc::clone(&order));
        bench.clock.spawn(Box::pin(async move {
            access(cache.get().await).unwrap();
            order.lock().unwrap().push(number);
        }));
    }
    bench.runtime.block_on(bench.clock.sleep(Duration::from_secs(2)));
    assert_eq!(*order.lock().unwrap(), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_failure_is_shared_by_those_who_waited_and_then_forgotten() {
    let bench = Bench::new();
    bench.fails_with(&[ErrorKind::Unavailable]);
    bench.runtime.block_on(async {
        for result in join_all((0..10).map(|_| bench.cache.get())).await {
            assert_eq!(access(result), Err(ErrorKind::Unavailable));
        }
        assert_eq!(bench.asked(), 1);
        assert_eq!(bench.access().await.unwrap(), "access-2");
    });
}

#[test]
fn dropping_the_caller_that_started_the_renewal_changes_nothing() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut first = Box::pin(bench.cache.get());
        assert!(poll!(&mut first).is_pending());
        let mut second = Box::pin(bench.cache.get());
        assert!(poll!(&mut second).is_pending());
        drop(first);
        assert_eq!(access(second.await).unwrap(), "access-1");
        assert_eq!(bench.asked(), 1);
        bench.cache.invalidate(&bench.cache.get().await.unwrap());
        // All callers gone: the renewal is finished and stored all the same.
        let mut third = Box::pin(bench.cache.get());
        assert!(poll!(&mut third).is_pending());
        drop(third);
        bench.clock.sleep(Duration::from_secs(2)).await;
        assert_eq!(bench.stored().await, "access-2");
        assert_eq!(bench.access().await.unwrap(), "access-2");
        assert_eq!(bench.asked(), 2);
    });
}

#[test]
fn a_token_is_renewed_a_minute_before_it_expires() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        bench.access().await.unwrap();
        let issued = bench.clock.elapsed();
        bench.clock.sleep(Duration::from_secs(29 * 60 - 1)).await;
        assert_eq!(bench.access().await.unwrap(), "access-1");
        bench.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.clock.elapsed() - issued, Duration::from_secs(29 * 60));
        assert_eq!(bench.access().await.unwrap(), "access-2");
        // The refresh token that was rotated is the one that was used.
        assert_eq!(*bench.source.old.lock().unwrap(), [None, Some("refresh-1".to_owned())]);
    });
}

#[test]
fn a_short_lived_token_is_not_renewed_for_each_call() {
    let bench = Bench::with_store(Arc::default(), TimeDelta::seconds(40));
    bench.runtime.block_on(async {
        // Issued as the answer left, a second ago; a quarter of 40 s is kept to spare.
        bench.access().await.unwrap();
        bench.clock.sleep(Duration::from_secs(29)).await;
        assert_eq!(bench.access().await.unwrap(), "access-1");
        bench.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.access().await.unwrap(), "access-2");
    });
}

#[test]
fn a_failure_while_the_old_token_is_good_is_not_the_callers() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        bench.access().await.unwrap();
        bench.fails_with(&[ErrorKind::Unavailable, ErrorKind::Unavailable]);
        bench.clock.sleep(Duration::from_secs(29 * 60 + 30)).await;
        assert_eq!(bench.access().await.unwrap(), "access-1");
        bench.clock.sleep(Duration::from_secs(29)).await;
        // Expired by the time the renewal failed.
        assert_eq!(bench.access().await, Err(ErrorKind::Unavailable));
        assert_eq!(bench.access().await.unwrap(), "access-4");
    });
}

#[test]
fn only_the_current_token_can_be_invalidated() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let first = bench.cache.get().await.unwrap();
        bench.cache.invalidate(&first);
        // It is stored and has not expired, and still it is not given again.
        let second = bench.cache.get().await.unwrap();
        assert_eq!(second.access.expose_secret(), "access-2");
        // A late 401 for the first one does not cost the second.
        bench.cache.invalidate(&first);
        assert_eq!(bench.access().await.unwrap(), "access-2");
        assert_eq!(bench.asked(), 2);
    });
}

#[test]
fn a_dead_grant_is_not_asked_again_until_another_token_is_stored() {
    let bench = Bench::new();
    bench.fails_with(&[ErrorKind::ReauthRequired]);
    bench.runtime.block_on(async {
        for _ in 0..5 {
            assert_eq!(bench.access().await, Err(ErrorKind::ReauthRequired));
        }
        assert_eq!(bench.asked(), 1);
        bench.cache.install(token(&bench.clock, 77, LIFE)).await.unwrap();
        assert_eq!(bench.access().await.unwrap(), "access-77");
        assert_eq!((bench.stored().await, bench.asked()), ("access-77".to_owned(), 1));
    });
}

#[test]
fn a_sign_in_of_another_process_revives_a_dead_grant() {
    let bench = Bench::new();
    bench.fails_with(&[ErrorKind::ReauthRequired]);
    bench.runtime.block_on(async {
        assert_eq!(bench.access().await, Err(ErrorKind::ReauthRequired));
        bench.store.save(&token(&bench.clock, 50, LIFE), None).await.unwrap();
        assert_eq!(bench.access().await.unwrap(), "access-50");
        assert_eq!(bench.asked(), 1);
    });
}

#[test]
fn a_refresh_token_that_another_process_used_first_is_no_dead_grant() {
    let bench = Bench::new();
    bench.fails_with(&[ErrorKind::ReauthRequired]);
    bench.runtime.block_on(async {
        let mut waiting = Box::pin(bench.cache.get());
        assert!(poll!(&mut waiting).is_pending());
        bench.clock.sleep(Duration::from_millis(500)).await;
        bench.store.save(&token(&bench.clock, 60, LIFE), None).await.unwrap();
        assert_eq!(access(waiting.await).unwrap(), "access-60");
    });
}

#[test]
fn a_stored_token_is_taken_up_and_the_later_of_two_renewals_stays() {
    let runtime = VirtualRuntime::new();
    let store = Arc::new(MemoryTokenStore::new(token(&runtime.clock(), 9, LIFE)));
    let bench = Bench::with_store(store, LIFE);
    bench.runtime.block_on(async {
        assert_eq!(bench.access().await.unwrap(), "access-9");
        assert_eq!(bench.asked(), 0);
        bench.clock.sleep(Duration::from_secs(29 * 60)).await;
        let mut waiting = Box::pin(bench.cache.get());
        assert!(poll!(&mut waiting).is_pending());
        bench.clock.sleep(Duration::from_millis(500)).await;
        // Issued half a second before ours: ours replaces it.
        bench.store.save(&token(&bench.clock, 60, LIFE), Some(1)).await.unwrap();
        assert_eq!(access(waiting.await).unwrap(), "access-1");
        assert_eq!(bench.stored().await, "access-1");
    });
}

/// Fails to save until told otherwise.
#[derive(Debug, Default)]
struct FullDisk {
    inner: MemoryTokenStore,
    broken: Mutex<bool>,
}

#[async_trait]
impl TokenStore for FullDisk {
    async fn load(&self) -> Result<Option<Stored>> {
        self.inner.load().await
    }

    async fn save(&self, token: &Token, expected: Option<u64>) -> Result<Saved> {
        if *self.broken.lock().unwrap() {
            return Err(Error::new(ErrorKind::Unavailable).with_message("disk full"));
        }
        self.inner.save(token, expected).await
    }
}

#[test]
fn a_token_that_could_not_be_stored_is_neither_used_nor_lost() {
    let bench = Bench::new();
    let store = Arc::new(FullDisk::default());
    let shared = Arc::new(bench.clock.clone());
    let source = Arc::clone(&bench.source) as Arc<dyn TokenSource>;
    let cache = TokenCache::new(
        shared.clone(),
        shared,
        source,
        Arc::clone(&store) as Arc<dyn TokenStore>,
    );
    *store.broken.lock().unwrap() = true;
    bench.runtime.block_on(async {
        assert_eq!(access(cache.get().await), Err(ErrorKind::Unavailable));
        assert_eq!(access(cache.get().await), Err(ErrorKind::Unavailable));
        *store.broken.lock().unwrap() = false;
        // The first one issued: its refresh token is the only good one.
        assert_eq!(access(cache.get().await).unwrap(), "access-1");
        assert_eq!(bench.asked(), 1);
        assert_eq!(
            store.load().await.unwrap().unwrap().token.access.expose_secret(),
            "access-1"
        );
    });
}

/// Drops what it should run, as a runtime does that shuts down.
#[derive(Debug)]
struct NoTasks;

impl Spawn for NoTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(task);
    }
}

#[test]
fn a_renewal_whose_task_is_lost_is_an_error_and_no_hang() {
    let bench = Bench::new();
    let cache = TokenCache::new(
        Arc::new(bench.clock.clone()),
        Arc::new(NoTasks),
        Arc::clone(&bench.source) as Arc<dyn TokenSource>,
        Arc::clone(&bench.store) as Arc<dyn TokenStore>,
    );
    for _ in 0..2 {
        let error = bench.runtime.block_on(cache.get()).unwrap_err();
        assert_eq!(
            (error.kind(), error.message().unwrap()),
            (
                ErrorKind::Unavailable,
                "the renewal of the token was ended before it was done"
            )
        );
    }
}

#[test]
fn a_save_is_refused_when_another_came_first() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let token = token(&bench.clock, 1, LIFE);
        assert_eq!(bench.store.save(&token, None).await.unwrap(), Saved::Stored(1));
        assert_eq!(bench.store.save(&token, None).await.unwrap(), Saved::Conflict);
        assert_eq!(bench.store.save(&token, Some(1)).await.unwrap(), Saved::Stored(2));
        assert_eq!(bench.store.save(&token, Some(1)).await.unwrap(), Saved::Conflict);
    });
}

#[test]
fn debug_shows_no_secret() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let token = bench.cache.get().await.unwrap();
        let text = format!("{token:?} {:?} {:?}", bench.cache, bench.store);
        assert!(!text.contains("access-1") && !text.contains("refresh-1"), "{text}");
        assert!(text.contains("2026-01-01T00:30:01Z"), "{text}");
    });
}
