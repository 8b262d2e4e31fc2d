//! Practice, evaluation and funded accounts stand behind one key. Without `.live()` nothing is written for any but those
//! to practice on: not a byte.

use broker_core::model::{Environment, OrderChange};
use broker_core::{
    Broker, BrokerExt, Delivery, Error, ErrorKind, Gate, InstrumentId, OrderRef, OrderRequest, Side, Trading,
};
use broker_topstepx::{JoinOrder, JoinSide, TopstepxBroker, TopstepxConfig};

use super::common::{Stage, enveloped, price, qty};
use super::errors::WORKING;
use super::{ACCOUNTS, EVALUATION, FUNDED, PRACTICE, intent};

const ES: &str = r#"[{"id":"CON.F.US.EP.U26","name":"ESU6","description":"E-Mini S&P 500","tickSize":0.25,"tickValue":12.5,
  "activeContract":true,"symbolId":"F.US.EP"}]"#;

fn stage(config: TopstepxConfig) -> Stage {
    let (orders, contracts) = (enveloped("orders", "[]"), enveloped("contracts", ES));
    let done = r#"{"success":true,"errorCode":0,"errorMessage":null}"#;
    Stage::with(config, move |path, _| {
        let body = match path {
            "/api/Auth/loginKey" => super::common::LOGIN.to_owned(),
            "/api/Account/search" => ACCOUNTS.to_owned(),
            "/api/Order/searchById" => WORKING.replace("1001", FUNDED),
            "/api/Order/v2/query" => orders.clone(),
            "/api/Contract/available" => contracts.clone(),
            "/api/Order/place" => enveloped("orderId", "9057"),
            _ => done.to_owned(),
        };
        (200, body)
    })
}

/// Every way to write for an account, and what each says.
async fn writes(broker: &TopstepxBroker, account: &str) -> Vec<(&'static str, Option<Error>)> {
    let contract = InstrumentId::from("CON.F.US.EP.U26");
    let request = OrderRequest::limit("ESU26".into(), Side::Buy, qty("1"), price("6000"));
    let intent = intent(broker, account, request.clone());
    let account = account.into();
    let order = OrderRef::by_id(&account, "9056".into());
    let join = JoinOrder::new(contract.clone(), Side::Buy, qty("1"), JoinSide::Bid, "a-join");
    let change = OrderChange::new().with_limit_price(price("6001"));
    vec![
        ("place", broker.place(&intent, &Gate::new()).await.err()),
        ("place_once", broker.place_once(&account, request).await.err()),
        (
            "replace",
            broker.replace(&order, &change, &intent, &Gate::new()).await.err(),
        ),
        ("cancel", broker.cancel(&order).await.err()),
        ("cancel_all", broker.cancel_all(&account).await.err()),
        ("place_join", broker.place_join(&account, &join).await.err()),
        ("close_position", broker.close_position(&account, &contract).await.err()),
        (
            "close_part",
            broker.close_part(&account, &contract, qty("1")).await.err(),
        ),
    ]
}

/// Paths that write.
fn written(sent: Vec<(String, String)>) -> Vec<String> {
    const WRITES: [&str; 5] = [
        "/api/Order/place",
        "/api/Order/modify",
        "/api/Order/cancel",
        "/api/Position/closeContract",
        "/api/Position/partialCloseContract",
    ];
    let paths = sent.into_iter().map(|(path, _)| path);
    paths.filter(|path| WRITES.contains(&path.as_str())).collect()
}

#[test]
fn on_paper_nothing_is_written_for_another_account() {
    for account in [EVALUATION, FUNDED] {
        let stage = stage(TopstepxConfig::new("a-login", "a-key"));
        let outcomes = stage.run(|broker| async move { writes(&broker, account).await });
        assert_eq!(outcomes.len(), 8);
        for (name, error) in outcomes {
            let error = error.unwrap_or_else(|| panic!("{name} was done for {account}"));
            assert_eq!(
                (error.kind(), error.delivery()),
                (ErrorKind::Permission, Delivery::NotSent),
                "{name}: {error}"
            );
            assert!(error.help().unwrap().contains(".live()"), "{name}: {error}");
            assert!(!error.to_string().contains(account), "{error}");
        }
        assert!(written(stage.sent()).is_empty());
    }
}

#[test]
fn an_account_that_the_key_does_not_have_is_refused_unsent() {
    for (account, kind) in [
        ("999", ErrorKind::NotFound),
        ("somebody", ErrorKind::InvalidRequest),
        ("", ErrorKind::InvalidRequest),
    ] {
        for config in [
            TopstepxConfig::new("a-login", "a-key"),
            TopstepxConfig::new("a-login", "a-key").live(),
        ] {
            let stage = stage(config);
            let outcomes = stage.run(|broker| async move { writes(&broker, account).await });
            for (name, error) in outcomes {
                let error = error.unwrap();
                assert_eq!(
                    (error.kind(), error.delivery()),
                    (kind, Delivery::NotSent),
                    "{name}: {error}"
                );
            }
            assert!(written(stage.sent()).is_empty(), "{account}");
        }
    }
}

#[test]
fn a_practice_account_is_traded_and_live_all_are() {
    for (config, account) in [
        (TopstepxConfig::new("a-login", "a-key"), PRACTICE),
        (TopstepxConfig::new("a-login", "a-key").live(), PRACTICE),
        (TopstepxConfig::new("a-login", "a-key").live(), EVALUATION),
        (TopstepxConfig::new("a-login", "a-key").live(), FUNDED),
    ] {
        let stage = stage(config);
        let outcomes = stage.run(|broker| async move { writes(&broker, account).await });
        for (name, error) in outcomes {
            // The order that is changed here is one of the funded account.
            if name != "replace" || account == FUNDED {
                assert!(error.is_none(), "{name} for {account}: {error:?}");
            }
        }
        let written = written(stage.sent());
        let count = |path: &str| written.iter().filter(|sent| sent.as_str() == path).count();
        assert_eq!(count("/api/Order/place"), 3, "place, place_once, place_join");
        assert_eq!(
            (count("/api/Order/cancel"), count("/api/Order/modify")),
            (1, usize::from(account == FUNDED))
        );
        assert_eq!(
            (
                count("/api/Position/closeContract"),
                count("/api/Position/partialCloseContract")
            ),
            (1, 1)
        );
    }
}

/// `simulated` is true for all three: it is the name that tells them apart, and what the account says of itself.
#[test]
fn accounts_say_what_may_be_done_with_them() {
    let access = |config| {
        let stage = stage(config);
        let accounts = stage.run(|broker| async move {
            let environment = broker.environment();
            let accounts = broker.accounts().await.unwrap();
            assert!(accounts.iter().all(|one| one.environment == environment));
            (environment, accounts)
        });
        (
            accounts.0,
            accounts.1.iter().map(|one| one.access.trade).collect::<Vec<_>>(),
        )
    };
    assert_eq!(
        access(TopstepxConfig::new("a-login", "a-key")),
        (Environment::Paper, vec![Some(true), Some(false), Some(false)])
    );
    assert_eq!(
        access(TopstepxConfig::new("a-login", "a-key").live()),
        (Environment::Live, vec![Some(true); 3])
    );
}
