//! The contracts of every role, case by case: over the client and the wire venue in memory, and over real sockets.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::{Arc, Mutex};
use std::time::Duration as Time;

use broker_binance::venue::{BinanceVenue, BinanceVenueBuilder};
use broker_binance::{BinanceBroker, BinanceConfig};
use broker_core::model::{CandleQuery, Interval};
use broker_core::net::NetTransport;
use broker_core::seam::{OsRng, SeededRng, SystemClock, TokioSpawn, VirtualRuntime};
use broker_core::{AccountId, Context, OrderRef, OrderRequest, Side};
use broker_sim::Engine;
use broker_sim::wire::{LoopbackServer, MemoryTransport, Recorder, share};
use broker_testkit::clock::FastClock;
use broker_testkit::conformance::{Report, Setup, TradeSetup, names, run};
use chrono::{DateTime, Duration, Utc};

/// When the history ends; the suite runs a minute later.
const END: &str = "2026-11-20T18:00:00Z";

fn end() -> DateTime<Utc> {
    END.parse().unwrap()
}

/// An account that has traded, with an order of ours that rests far below the market.
fn lived() -> (Engine, AccountId, broker_core::OrderId) {
    let plan = BinanceVenueBuilder::plan(1_400, end()).with_seed(11).with_tie(130);
    let (mut engine, account) = plan.build().unwrap();
    let request = OrderRequest::limit(
        "ETH/USD".into(),
        Side::Buy,
        "0.3".parse().unwrap(),
        "1000.00".parse().unwrap(),
    )
    .with_client_id("resting-1".into());
    let order = engine.place(&account, &request, None, end()).unwrap();
    (engine, account, order.id)
}

fn venue() -> (Arc<Mutex<BinanceVenue>>, Setup) {
    let (engine, account, order) = lived();
    let venue = BinanceVenue::builder()
        .engine(engine, account)
        .without_limits()
        .walking_markets()
        .build()
        .unwrap();
    let account = venue.account_id();
    let mut order = OrderRef::by_id(&account, venue.order_id(&order).unwrap()).with_instrument("ETHUSD".into());
    order.client_id = Some("resting-1".into());
    let (qty, price) = (|text: &str| text.parse().unwrap(), |text: &str| text.parse().unwrap());
    let trade = TradeSetup::new(
        "LTCUSD".into(),
        "LTC/USD".into(),
        qty("2"),
        price("40.000"),
        price("160.000"),
    )
    .with_fraction(qty("0.5"))
    .with_notional(qty("100"))
    .with_too_much(qty("500000"))
    .with_partly(qty("2000"), price("160.000"));
    let setup = Setup::new(&account, end() - Duration::days(91), end() + Duration::minutes(1))
        .with_instrument("BTCUSD".into(), "BTC/USD".into())
        .with_order(order)
        .with_candles(CandleQuery::new(
            "BTCUSD".into(),
            Interval::Minutes(1),
            end() - Duration::days(10),
            end(),
        ))
        .with_trade(trade);
    (share(venue), setup)
}

fn config() -> BinanceConfig {
    BinanceConfig::new(BinanceVenue::KEY, BinanceVenue::SECRET)
        .with_weight_per_minute(1_000_000_000)
        .with_orders(1_000_000_000, 1_000_000_000)
}

const NOTHING: &str = "the account has nothing to check it with";
const NO_TIME: &str = "the broker takes no such time in force";
const NO_REPLACE: &str = "the broker changes no working orders";
const NO_RESEND: &str = "the broker does not say that a second send is safe";

/// What Binance has not.
const SKIPPED: &[(&str, &str)] = &[
    ("positions_are_not_flat", NOTHING),
    ("positions_name_their_account_and_come_once", NOTHING),
    ("sessions_come_in_order", NOTHING),
    ("a_second_send_makes_no_second_order", NO_RESEND),
    ("a_closed_gate_replaces_nothing", NO_REPLACE),
    (
        "an_order_trailing_by_an_amount_keeps_its_words",
        "the broker takes no stops that trail so",
    ),
    ("a_day_order_says_so", NO_TIME),
    ("a_gtd_order_keeps_its_date", NO_TIME),
    ("an_order_for_the_open_says_so", NO_TIME),
    ("an_order_for_the_close_says_so", NO_TIME),
    ("extended_hours_are_kept", "the broker knows the regular session alone"),
    ("reduce_only_is_kept", "the broker takes no orders that only reduce"),
    ("a_replaced_price_is_shown", NO_REPLACE),
    ("a_replaced_quantity_is_shown", NO_REPLACE),
    ("a_replacement_is_linked_or_keeps_its_id", NO_REPLACE),
    ("a_replacement_keeps_its_other_words", NO_REPLACE),
    ("a_replaced_quantity_counts_what_is_filled", NO_REPLACE),
    ("a_replacement_is_traced", NO_REPLACE),
    // A target that would trade at once is refused.
    ("one_fill_of_an_oco_cancels_the_other", NOTHING),
    ("an_id_of_the_users_places_once", NO_RESEND),
    ("an_id_taken_by_other_terms_is_a_duplicate", NO_RESEND),
    ("replace_once_of_a_final_order_is_refused_unsent", NO_REPLACE),
    ("a_veto_of_the_users_replaces_nothing", NO_REPLACE),
    ("a_kind_that_it_lacks_is_unsupported_unsent", NOTHING),
    ("a_group_that_it_lacks_is_unsupported_unsent", NOTHING),
    ("a_change_to_a_price_off_the_tick_is_refused_unsent", NO_REPLACE),
    ("the_snapshot_holds_the_positions", NOTHING),
    ("a_replacement_is_told", NO_REPLACE),
];

/// All pass but those that Binance has nothing for, each with its reason.
fn assert_all(shell: &str, report: &Report) {
    println!("{shell}: {report}");
    assert!(report.failed.is_empty(), "{shell}: {report}");
    assert_eq!(report.skipped, SKIPPED, "{shell}");
    assert_eq!(report.passed.len(), names().len() - SKIPPED.len(), "{shell}");
    assert!(report.passed.len() >= 60, "{shell}: {report}");
}

#[test]
fn the_client_in_memory() {
    let (venue, setup) = venue();
    let runtime = VirtualRuntime::starting_at(end() + Duration::minutes(1));
    let clock = Arc::new(runtime.clock());
    let rng = Arc::new(SeededRng::new(1));
    let recorder = Recorder::new();
    let transport =
        MemoryTransport::new(venue, clock.clone(), rng.clone(), clock.clone()).with_recorder(recorder.clone());
    let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
    let broker = BinanceBroker::new(config().with_context(context)).unwrap();
    let report = runtime.block_on(run(&broker, &setup));
    runtime.run_until_idle();
    assert_eq!(recorder.open_sockets(), 0, "a dropped subscription keeps its socket");
    assert_all("the client in memory", &report);
}

#[tokio::test]
async fn the_client_over_real_sockets() {
    let (venue, setup) = venue();
    // Both sides begin a minute after the history's end, whatever the machine's clock says.
    let started = SystemClock::starting_at(end() + Duration::minutes(1));
    // Orders show with a lag of seconds, which hundreds of lookups would wait for in real time.
    let clock = Arc::new(FastClock::over(Arc::new(started), 20));
    let server = LoopbackServer::start(venue, clock.clone()).await.unwrap();
    let transport = Arc::new(NetTransport::new().unwrap());
    let context = Context::new(clock, Arc::new(OsRng), Arc::new(TokioSpawn), transport);
    let config = config()
        .with_context(context)
        .with_base_url(server.url().parse().unwrap())
        // A busy machine takes long in a time that runs so fast.
        .with_receive_window(Time::from_secs(60));
    let broker = BinanceBroker::new(config).unwrap();
    let report = run(&broker, &setup).await;
    server.shutdown().await;
    assert_all("the client over real sockets", &report);
}
