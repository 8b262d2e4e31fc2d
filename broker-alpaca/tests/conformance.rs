//! The contracts of every role, case by case: over the simulation itself, over the client and the wire venue in
//! memory, and over real sockets. Where there are published documents, each exchange of the runs is checked, too.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod documents;

use std::sync::Arc;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::model::{CandleQuery, Interval, Window};
use broker_core::net::NetTransport;
use broker_core::seam::{MemoryTransport as Unplugged, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Context, Cursor, Error, HistoryQuery, InstrumentId, InstrumentQuery, OrderQuery, OrderRef,
    OrderRequest, Qty, Side,
};
use broker_sim::wire::{MemoryTransport, Recorder, share};
use broker_sim::{Catalogue, Engine, HistoryPlan, Listing, SimBroker};
use broker_testkit::conformance::{Report, Setup, Sockets, TradeSetup, names, run};
use broker_testkit::openapi::{Exchanges, Watched};
use chrono::{DateTime, Duration, Utc};
use documents::documents;

/// When the history ends; the suite runs a minute later.
const END: &str = "2026-11-20T18:00:00Z";

fn end() -> DateTime<Utc> {
    END.parse().unwrap()
}

/// An account that has lived, with an order of ours that rests far below the market.
fn lived() -> (Engine, AccountId, OrderRef) {
    let (mut engine, account) = HistoryPlan::new(700, end())
        .with_seed(11)
        .with_tie(130)
        .build()
        .unwrap();
    engine.list(fractional());
    let request = OrderRequest::limit("SPY".into(), Side::Buy, "3".parse().unwrap(), "100.00".parse().unwrap())
        .with_client_id("resting-1".into());
    let order = engine.place(&account, &request, None, end()).unwrap();
    let mut reference = OrderRef::by_id(&account, order.id);
    reference.client_id = order.client_id;
    (engine, account, reference)
}

fn setup(account: &AccountId, mut order: OrderRef) -> Setup {
    order.account = account.clone();
    let candles = CandleQuery::new("AAPL".into(), Interval::Minutes(1), end() - Duration::days(10), end());
    Setup::new(account, end() - Duration::days(91), end() + Duration::minutes(1))
        .with_instrument("AAPL".into(), "AAPL".into())
        .with_order(order)
        .with_candles(candles)
        .with_trade(
            shares()
                .with_fraction("0.5".parse().unwrap())
                .with_notional("100".parse().unwrap()),
        )
}

const NOTHING: &str = "the account has nothing to check it with";

/// What Alpaca has not, or has only at night: orders for the open are taken from 19:00 to 9:28.
const SKIPPED: [(&str, &str); 7] = [
    (
        "a_market_if_touched_order_keeps_its_words",
        "the broker takes no such kind of order",
    ),
    (
        "a_limit_if_touched_order_keeps_its_words",
        "the broker takes no such kind of order",
    ),
    ("a_gtd_order_keeps_its_date", "the broker takes no such time in force"),
    ("an_order_for_the_open_says_so", NOTHING),
    ("reduce_only_is_kept", "the broker takes no orders that only reduce"),
    ("a_group_that_it_lacks_is_unsupported_unsent", NOTHING),
    ("too_small_a_value_is_refused_unsent", NOTHING),
];

/// A share of about 12 dollars that can be had in parts.
fn fractional() -> Listing {
    let mut listing = Catalogue::standard().get(&"F".into()).unwrap().clone();
    listing.instrument.id = "PART".into();
    listing.instrument.symbol = "PART".into();
    let smallest: Qty = "0.000000001".parse().unwrap();
    (listing.instrument.lot, listing.instrument.min_qty) = (Some(smallest.get()), Some(smallest));
    listing
}

fn shares() -> TradeSetup {
    let qty = |text: &str| text.parse().unwrap();
    let price = |text: &str| text.parse().unwrap();
    TradeSetup::new("PART".into(), "PART".into(), qty("2"), price("6.00"), price("24.00"))
        .with_fraction(qty("0.5"))
        .with_notional(qty("100"))
        .with_too_much(qty("50000000"))
        .with_partly(qty("2000"), price("24.00"))
}

/// All pass but those that the account gives nothing for, each with its reason.
fn assert_all(shell: &str, report: &Report, skipped: &[(&str, &str)]) {
    println!("{shell}: {report}");
    assert!(report.failed.is_empty(), "{shell}: {report}");
    assert_eq!(report.skipped, skipped, "{shell}");
    assert_eq!(report.passed.len(), names().len() - skipped.len(), "{shell}");
}

#[test]
fn the_simulation() {
    let (engine, account, order) = lived();
    let runtime = VirtualRuntime::starting_at(end() + Duration::minutes(1));
    let clock = Arc::new(runtime.clock());
    let rng = Arc::new(SeededRng::new(1));
    let unplugged = Unplugged::new(|_| Err(Error::config("the simulation asks nobody")));
    let context = Context::new(clock.clone(), rng, clock, Arc::new(unplugged));
    let broker = SimBroker::new(engine, context);
    let report = runtime.block_on(run(&broker, &setup(&account, order)));
    let skipped = [
        // It lacks nothing.
        ("a_kind_that_it_lacks_is_unsupported_unsent", NOTHING),
        ("a_group_that_it_lacks_is_unsupported_unsent", NOTHING),
        ("an_ability_that_it_lacks_is_unsupported_unsent", NOTHING),
        ("too_small_a_value_is_refused_unsent", NOTHING),
    ];
    assert_all("the simulation", &report, &skipped);
}

/// A venue that counts no requests, under watch where there are documents.
fn watched(exchanges: &Exchanges) -> (Watched<AlpacaVenue>, Setup) {
    let (engine, account, order) = lived();
    let venue = AlpacaVenue::builder()
        .engine(engine, account)
        .trading_limits(Vec::new())
        .data_limits(Vec::new())
        .walking_markets()
        .build()
        .unwrap();
    let setup = setup(&venue.account_id(), order);
    (Watched::among(venue, exchanges), setup)
}

fn config() -> AlpacaConfig {
    AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY)
}

#[test]
fn the_client_in_memory() {
    let exchanges = documents();
    let (venue, setup) = watched(&exchanges);
    let runtime = VirtualRuntime::starting_at(end() + Duration::minutes(1));
    let clock = Arc::new(runtime.clock());
    let rng = Arc::new(SeededRng::new(1));
    let recorder = Recorder::new();
    let transport =
        MemoryTransport::new(share(venue), clock.clone(), rng.clone(), clock.clone()).with_recorder(recorder.clone());
    let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
    let broker = AlpacaBroker::new(config().with_context(context)).unwrap();
    let report = runtime.block_on(run(&broker, &setup));
    assert_all("the client in memory", &report, &SKIPPED);
    runtime.block_on(the_rest(&broker, &setup));
    runtime.run_until_idle();
    assert_eq!(recorder.open_sockets(), 0, "a dropped subscription keeps its socket");
    exchanges.assert_clean();
    assert_eq!(exchanges.count() + recorder.sockets().len(), recorder.sent());
    let asked = exchanges.operations();
    assert!(asked.is_empty() || asked == OPERATIONS.map(str::to_owned).into());
}

/// Everything that the client asks, by the documents' words, but what the venue does not serve.
const OPERATIONS: [&str; 23] = [
    "DELETE /v2/orders",
    "DELETE /v2/orders/{order_id}",
    "GET /v1beta1/options/bars",
    "GET /v1beta1/options/quotes/latest",
    "GET /v1beta3/crypto/{loc}/bars",
    "GET /v1beta3/crypto/{loc}/latest/quotes",
    "GET /v2/account",
    "GET /v2/account/activities",
    "GET /v2/account/configurations",
    "GET /v2/assets",
    "GET /v2/assets/{symbol_or_asset_id}",
    "GET /v2/calendar",
    "GET /v2/clock",
    "GET /v2/options/contracts",
    "GET /v2/options/contracts/{symbol_or_id}",
    "GET /v2/orders",
    "GET /v2/orders/{order_id}",
    "GET /v2/orders:by_client_order_id",
    "GET /v2/positions",
    "GET /v2/stocks/bars",
    "GET /v2/stocks/quotes/latest",
    "PATCH /v2/orders/{order_id}",
    "POST /v2/orders",
];

/// What no case asks for: lists, options, coins.
async fn the_rest(broker: &AlpacaBroker, setup: &Setup) {
    let market = broker.market_data().unwrap();
    broker.configurations().await.unwrap();
    broker.instruments(&InstrumentQuery::All).await.unwrap();
    let ids = ["AAPL", "BTC/USD", "AAPL270219C00190000"].map(InstrumentId::from);
    broker.instruments(&InstrumentQuery::Ids(ids.to_vec())).await.unwrap();
    let (first, last) = ("2026-11-20".parse().unwrap(), "2027-12-31".parse().unwrap());
    broker
        .option_contracts(&"AAPL".into(), first, last, None::<&Cursor>)
        .await
        .unwrap();
    broker
        .history(&HistoryQuery::new(&setup.account, Window::All), None)
        .await
        .unwrap();
    broker
        .orders(&OrderQuery::placed(&setup.account, Window::All), None)
        .await
        .unwrap();
    market.quotes(&ids).await.unwrap();
    for id in &ids {
        let query = CandleQuery::new(id.clone(), Interval::Hours(1), end() - Duration::days(5), end());
        market.candles(&query, None).await.unwrap();
        market.hours(id, end(), end() + Duration::days(3)).await.unwrap();
    }
}

/// Clients beside each other, a venue behind each.
const STATIONS: usize = 8;

#[tokio::test]
async fn the_client_over_real_sockets() {
    let exchanges = documents();
    let transport = Arc::new(NetTransport::new().unwrap());
    let mut sockets = Sockets::new(end() + Duration::minutes(1), 10, transport);
    for _ in 0..STATIONS {
        let (venue, setup) = watched(&exchanges);
        let connect = |url: &str, context| {
            let config = config()
                .with_context(context)
                .with_base_url(url.parse().unwrap())
                .with_requests_per_minute(1_000_000)
                .with_data_requests_per_minute(1_000_000);
            (AlpacaBroker::new(config).unwrap().handle(), setup)
        };
        sockets.add(share(venue), connect).await.unwrap();
    }
    let recorders = sockets.recorders();
    assert_all("the client over real sockets", &sockets.run().await, &SKIPPED);
    exchanges.assert_clean();
    let sent = recorders.iter().map(|one| one.sent() - one.sockets().len());
    assert_eq!(exchanges.count(), sent.sum::<usize>());
}
