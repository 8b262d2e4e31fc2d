//! Tokens: one login for any number of callers, renewed two hours before the 24th, once; a token that was refused is
//! given up, and nothing that was refused with it was done.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::{Broker, ErrorKind, Gate, OrderRequest, Result, Side, Trading};
use broker_topstepx::{TopstepxBroker, TopstepxConfig};
use futures_util::future::join_all;

use super::common::{Stage, enveloped, price, qty};
use super::{ACCOUNTS, PRACTICE, intent, practice};

/// What the gateway does with tokens: it takes those in `good`.
#[derive(Default)]
struct Gateway {
    issued: usize,
    good: Vec<String>,
    /// Renewals are refused.
    stubborn: bool,
}

impl Gateway {
    fn issue(&mut self, member: &str) -> (u16, String) {
        self.issued += 1;
        let token = format!("token-{}", self.issued);
        self.good.push(token.clone());
        (200, enveloped(member, &format!("\"{token}\"")))
    }
}

/// A gateway that looks at nothing but the bearer: the stage's answers do not see headers, so what is good is decided by
/// what was issued last, and refusals are asked for.
struct Desk {
    stage: Stage,
    gateway: Arc<Mutex<Gateway>>,
    refuse: Arc<Mutex<usize>>,
}

fn desk() -> Desk {
    let gateway = Arc::new(Mutex::new(Gateway::default()));
    let refuse = Arc::new(Mutex::new(0));
    let (told, refusals) = (Arc::clone(&gateway), Arc::clone(&refuse));
    let stage = Stage::with(TopstepxConfig::new("a-login", "a-key"), move |path, _| {
        let mut gateway = told.lock().unwrap();
        match path {
            "/api/Auth/loginKey" => return gateway.issue("token"),
            "/api/Auth/validate" if gateway.stubborn => {
                return (
                    200,
                    r#"{"success":false,"errorCode":3,"errorMessage":null,"newToken":null}"#.to_owned(),
                );
            }
            "/api/Auth/validate" => return gateway.issue("newToken"),
            _ => {}
        }
        let mut refusals = refusals.lock().unwrap();
        if *refusals > 0 {
            *refusals -= 1;
            return (401, String::new());
        }
        let body = match path {
            "/api/Account/search" => ACCOUNTS.to_owned(),
            "/api/Order/place" => enveloped("orderId", "9056"),
            _ => enveloped("positions", "[]"),
        };
        (200, body)
    });
    Desk { stage, gateway, refuse }
}

impl Desk {
    /// Paths since the last look, sign-ins too.
    fn paths(&self) -> Vec<String> {
        let sent = std::mem::take(&mut *self.stage.sent.lock().unwrap());
        sent.into_iter().map(|sent| sent.path).collect()
    }

    fn bearers(&self) -> Vec<Option<String>> {
        let sent = self.stage.sent.lock().unwrap();
        sent.iter().map(|sent| sent.bearer.clone()).collect()
    }
}

async fn reads(broker: &TopstepxBroker, callers: usize) -> Vec<Result<usize>> {
    let read = || async { broker.positions(&practice()).await.map(|positions| positions.len()) };
    join_all((0..callers).map(|_| read())).await
}

const LOGIN: &str = "/api/Auth/loginKey";
const RENEWAL: &str = "/api/Auth/validate";

#[test]
fn sixty_four_callers_sign_in_once() {
    let desk = desk();
    let all = desk.stage.run(|broker| async move { reads(&broker, 64).await });
    assert!(all.iter().all(|one| matches!(one, Ok(0))), "{all:?}");
    let paths = desk.paths();
    assert_eq!((paths.len(), paths[0].as_str()), (65, LOGIN));
    assert!(paths[1..].iter().all(|path| path == "/api/Position/searchOpen"));
}

#[test]
fn a_token_is_renewed_once_before_its_day_is_over() {
    let desk = desk();
    desk.stage.run(|broker| async move {
        let clock = Arc::clone(broker.context().clock());
        reads(&broker, 1).await;
        // 21 hours and 59 minutes: it is good enough.
        clock.sleep(Duration::from_secs(21 * 3_600 + 59 * 60)).await;
        reads(&broker, 64).await;
        clock.sleep(Duration::from_secs(61)).await;
        reads(&broker, 64).await;
    });
    let bearers = desk.bearers();
    let paths = desk.paths();
    let sign_ins: Vec<_> = paths
        .iter()
        .enumerate()
        .filter(|(_, path)| path.starts_with("/api/Auth"))
        .collect();
    assert_eq!(
        sign_ins,
        [(0, &LOGIN.to_owned()), (66, &RENEWAL.to_owned())],
        "one login, 65 reads, one renewal with the old token"
    );
    assert_eq!(bearers[0], None);
    assert_eq!(bearers[66].as_deref(), Some("Bearer token-1"));
    assert_eq!(bearers[65].as_deref(), Some("Bearer token-1"));
    assert!(bearers[67..].iter().all(|one| one.as_deref() == Some("Bearer token-2")));
    assert_eq!(bearers.len(), 67 + 64);
}

#[test]
fn a_token_that_nobody_asked_for_in_time_is_not_renewed_but_replaced() {
    let desk = desk();
    desk.stage.run(|broker| async move {
        reads(&broker, 1).await;
        // It has ended: what cannot be renewed is not tried.
        broker.context().clock().sleep(Duration::from_secs(25 * 3_600)).await;
        reads(&broker, 64).await;
    });
    let paths = desk.paths();
    let sign_ins: Vec<_> = paths.iter().filter(|path| path.starts_with("/api/Auth")).collect();
    assert_eq!(sign_ins, [LOGIN, LOGIN]);
}

#[test]
fn a_renewal_that_is_refused_becomes_a_login() {
    let desk = desk();
    desk.gateway.lock().unwrap().stubborn = true;
    desk.stage.run(|broker| async move {
        reads(&broker, 1).await;
        broker.context().clock().sleep(Duration::from_secs(23 * 3_600)).await;
        let all = reads(&broker, 8).await;
        assert!(all.iter().all(Result::is_ok));
    });
    let paths = desk.paths();
    let sign_ins: Vec<_> = paths.iter().filter(|path| path.starts_with("/api/Auth")).collect();
    assert_eq!(sign_ins, [LOGIN, RENEWAL, LOGIN]);
}

#[test]
fn a_refused_token_is_replaced_once_and_the_call_repeated() {
    let desk = desk();
    desk.stage.run(|broker| async move { reads(&broker, 1).await });
    desk.paths();
    // The gateway was started anew: all that are under way are refused.
    *desk.refuse.lock().unwrap() = 16;
    desk.gateway.lock().unwrap().stubborn = true;
    let all = desk.stage.run(|broker| async move { reads(&broker, 16).await });
    assert!(all.iter().all(|one| matches!(one, Ok(0))), "{all:?}");
    let paths = desk.paths();
    let logins = paths.iter().filter(|path| *path == LOGIN).count();
    assert_eq!(logins, 1, "sixteen were refused, one signed in: {paths:?}");
    assert_eq!(paths.iter().filter(|path| path.ends_with("searchOpen")).count(), 32);
}

/// A 401 came before anything was done, so an order may be sent again: once.
#[test]
fn an_order_that_was_refused_with_its_token_is_sent_once_more() {
    let place = |refusals: usize| {
        let desk = desk();
        desk.stage.run(|broker| async move { broker.accounts().await.unwrap() });
        // The guard reads the names first.
        desk.stage.run(|broker| async move {
            let request = OrderRequest::limit("ESU26".into(), Side::Buy, qty("1"), price("6000"));
            let wrong = intent(&broker, super::EVALUATION, request);
            broker.place(&wrong, &Gate::new()).await.unwrap_err();
        });
        desk.paths();
        *desk.refuse.lock().unwrap() = refusals;
        let placed = desk.stage.run(|broker| async move {
            let request = OrderRequest::limit("ESU26".into(), Side::Buy, qty("1"), price("6000"));
            let intent = intent(&broker, PRACTICE, request);
            broker.place(&intent, &Gate::new()).await
        });
        let places = desk.paths().iter().filter(|path| path.ends_with("/place")).count();
        (placed, places)
    };
    let (placed, sends) = place(1);
    assert_eq!((placed.unwrap().id.get(), sends), ("9056", 2));
    let (placed, sends) = place(9);
    assert_eq!((placed.unwrap_err().kind(), sends), (ErrorKind::Auth, 2));
}
