//! Clocks that differ: Binance refuses a time that is a second ahead, or a receive window behind.

use broker_core::{Broker, ErrorKind};
use chrono::Duration;

use super::{House, lived};
use broker_binance::BinanceConfig;
use broker_binance::venue::BinanceVenue;

/// How many calls it takes to read the account three times, and the balances once.
fn calls(ahead: Duration, config: BinanceConfig) -> (usize, u64) {
    let house = House::with(lived(10, 1), config);
    house.venue.lock().unwrap().set_clock_ahead(ahead);
    let account = house.account.clone();
    house.run(|broker| async move {
        for _ in 0..3 {
            broker.accounts().await.unwrap();
        }
        broker.balances(&account).await.unwrap();
    });
    let refused = house.venue.lock().unwrap().refused();
    (house.recorder.sent(), refused)
}

fn config() -> BinanceConfig {
    BinanceConfig::new(BinanceVenue::KEY, BinanceVenue::SECRET)
}

#[test]
fn a_skew_of_five_minutes_costs_one_call() {
    assert_eq!(calls(Duration::zero(), config()), (4, 0));
    for skew in [300, -300, 7, -7] {
        assert_eq!(calls(Duration::seconds(skew), config()), (5, 0), "{skew} s");
    }
    // What is within the window costs nothing.
    assert_eq!(calls(Duration::seconds(3), config()), (4, 0));
}

/// A head tells whole seconds, and with the right guess within the second that is enough for any window.
#[test]
fn a_narrow_window_costs_no_more() {
    for window in [200, 400, 700, 1_000, 2_900] {
        let narrow = config().with_receive_window(std::time::Duration::from_millis(window));
        assert_eq!(calls(Duration::zero(), narrow.clone()), (4, 0));
        for skew in [
            300_000, -300_000, 300_001, 300_333, 300_500, 300_999, -300_250, -300_750,
        ] {
            let skewed = calls(Duration::milliseconds(skew), narrow.clone());
            assert_eq!(skewed, (5, 0), "{skew} ms, a window of {window} ms");
        }
    }
}

/// Many calls that fail by the clock at once learn it once.
#[test]
fn sixty_four_callers_learn_it_together() {
    let narrow = config().with_receive_window(std::time::Duration::from_millis(200));
    let house = House::with(lived(10, 1), narrow);
    house.venue.lock().unwrap().set_clock_ahead(Duration::seconds(300));
    house.run(|broker| async move {
        let calls = (0..64).map(|_| broker.accounts());
        for accounts in futures_util::future::join_all(calls).await {
            assert_eq!(accounts.unwrap().len(), 1);
        }
    });
    let times = house
        .recorder
        .requests()
        .iter()
        .filter(|one| one.path == "/api/v3/time")
        .count();
    assert_eq!(times, 0);
    assert_eq!(house.recorder.sent(), 64 + 64);
}

/// A clock that jumps while the program runs is learned anew.
#[test]
fn a_jump_is_learned_again() {
    let house = House::new(lived(10, 1));
    let venue = house.venue.clone();
    house.run(|broker| async move {
        for ahead in [0, 300, -300, 0] {
            venue.lock().unwrap().set_clock_ahead(Duration::seconds(ahead));
            broker.accounts().await.unwrap();
            broker.context().clock().sleep(std::time::Duration::from_secs(5)).await;
        }
    });
    assert_eq!(house.recorder.sent(), 4 + 3);
}

#[test]
fn the_probe_tells_the_offset() {
    let house = House::new(lived(10, 1));
    house.venue.lock().unwrap().set_clock_ahead(Duration::seconds(300));
    let probe = house.run(|broker| async move { broker.probe().await.unwrap() });
    let off = probe.clock_offset().unwrap() - Duration::seconds(300);
    // The way there and the way back differ by 15 ms at most.
    assert!(off.num_milliseconds().abs() <= 16, "{off}");
}

/// The venue checks what was signed against what came.
#[test]
fn a_wrong_secret_is_refused_and_says_where() {
    let house = House::with(lived(10, 1), BinanceConfig::new(BinanceVenue::KEY, "another secret"));
    let error = house.run(|broker| async move { broker.accounts().await.unwrap_err() });
    assert_eq!((error.kind(), error.code()), (ErrorKind::Auth, Some("-1022")));
    assert!(error.to_string().contains("testnet"), "{error}");
    assert!(!format!("{error:?}").contains("another secret"));
    let house = House::with(lived(10, 1), BinanceConfig::new("no-such-key", BinanceVenue::SECRET));
    let error = house.run(|broker| async move { broker.accounts().await.unwrap_err() });
    assert_eq!((error.kind(), error.code()), (ErrorKind::Auth, Some("-2015")));
}

#[test]
fn an_ed25519_key_signs_too() {
    let key = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";
    let house = House::with(lived(10, 1).key("ed", key), BinanceConfig::new("ed", key));
    let accounts = house.run(|broker| async move { broker.accounts().await.unwrap() });
    assert_eq!(accounts[0].id, house.account);
}
