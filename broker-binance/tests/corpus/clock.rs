//! What time it is at Binance, and whom to believe it: the head of an answer, or the time that was asked for.

use broker_core::{Broker, ErrorKind};
use std::time::Duration;

use crate::common::{Exchange, Stage, account_body, get};

fn refused(date: Option<&str>) -> Exchange {
    let body = r#"{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#;
    let refused = get("/api/v3/account", body).status(400);
    match date {
        Some(date) => refused.header("date", format!("Thu, 01 Jan 2026 {date} GMT")),
        None => refused,
    }
}

fn taken() -> Exchange {
    get("/api/v3/account", account_body())
}

/// Five minutes ahead of us.
fn asked() -> Exchange {
    get("/api/v3/time", r#"{"serverTime":1767225900000}"#)
}

/// The times that calls were signed with.
fn signed(stage: &Stage) -> Vec<i64> {
    let sent = stage.sent.lock().unwrap();
    let times = sent
        .iter()
        .filter_map(|one| one.whole.split("timestamp=").nth(1)?.split('&').next()?.parse().ok());
    times.collect()
}

/// One that told a wrong time costs the call that it answered; then the time is asked for, and a later head is believed
/// again.
#[test]
fn a_head_that_misled_is_forgiven() {
    let stage = Stage::new(vec![
        // Ten minutes, and it is five.
        refused(Some("00:10:00")),
        refused(Some("00:10:00")),
        refused(Some("00:10:00")),
        asked(),
        taken(),
        // Ten seconds later, and Binance's clock was put right.
        refused(Some("00:00:10")),
        taken(),
    ]);
    let error = stage.run(|broker| async move {
        let error = broker.accounts().await.unwrap_err();
        broker.accounts().await.unwrap();
        broker.context().clock().sleep(Duration::from_secs(10)).await;
        broker.accounts().await.unwrap();
        error
    });
    assert_eq!((error.kind(), error.code()), (ErrorKind::Auth, Some("-1021")));
    assert_eq!(
        signed(&stage),
        [
            1_767_225_600_000,
            // The middle of the second that the head told.
            1_767_226_200_500,
            1_767_226_200_500,
            1_767_225_900_000,
            1_767_225_910_000,
            1_767_225_610_500,
        ]
    );
}

/// A head that finds nothing wrong with the time that was refused, as one of a proxy with our own clock, is not
/// believed; nor is one that is not there.
#[test]
fn a_head_that_finds_no_fault_is_not_believed() {
    for date in [Some("00:00:00"), Some("00:00:04"), None] {
        let stage = Stage::new(vec![refused(date), asked(), taken()]);
        stage.run(|broker| async move { broker.accounts().await.unwrap() });
        assert_eq!(signed(&stage), [1_767_225_600_000, 1_767_225_900_000], "{date:?}");
    }
    // At its latest the second that it told is more than the five of the receive window behind.
    let stage = Stage::new(vec![refused(Some("00:00:05")), taken()]);
    stage.run(|broker| async move { broker.accounts().await.unwrap() });
    assert_eq!(signed(&stage), [1_767_225_600_000, 1_767_225_605_500]);
}
