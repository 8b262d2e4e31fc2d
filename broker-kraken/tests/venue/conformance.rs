//! The contracts of every role, over the client and the wire venue in memory, and over real sockets.

use std::sync::Arc;

use broker_core::model::{CandleQuery, Interval, OrderChange};
use broker_core::net::NetTransport;
use broker_core::seam::{OsRng, SeededRng, SystemClock, TokioSpawn, VirtualRuntime};
use broker_core::{AccountId, BrokerExt, Context, HistoryQuery, OrderRef, OrderRequest, Placement, Side, Trading};
use broker_kraken::venue::{KrakenVenue, catalogue};
use broker_kraken::{ConditionalClose, KrakenBroker, KrakenTerms, SelfTrade, TriggerPrice};
use broker_sim::wire::{LoopbackServer, MemoryTransport, share};
use broker_sim::{AccountSpec, Engine, HistoryPlan};
use broker_testkit::clock::FastClock;
use broker_testkit::conformance::{Report, Setup, TradeSetup, names, run};
use broker_testkit::openapi::Watched;
use chrono::{Duration, TimeDelta};
use futures_util::StreamExt;

use super::document;
use super::{Stage, config, end, price, qty, shared, unhurried};

/// An account that has lived, with an order of ours that rests far below the market.
fn lived() -> (KrakenVenue, OrderRef) {
    let plan = HistoryPlan::new(400, end()).with_seed(11).with_tie(60);
    let mut venue = KrakenVenue::builder()
        .history(&plan)
        .unwrap()
        .without_limits()
        .walking_markets()
        .build()
        .unwrap();
    let account = venue.account().clone();
    let request = OrderRequest::limit("ETH/USD".into(), Side::Buy, qty("0.5"), price("1000.00"))
        .with_client_id("resting-1".into());
    let order = venue.engine_mut().place(&account, &request, None, end()).unwrap();
    let mut reference = OrderRef::by_id(&account, KrakenVenue::txid(&order.id));
    reference.client_id = order.client_id;
    (venue, reference)
}

fn setup(account: &AccountId, mut order: OrderRef) -> Setup {
    order.account = account.clone();
    let (since, until) = (end() - Duration::hours(10), end());
    Setup::new(account, end() - Duration::days(91), end() + Duration::minutes(1))
        .with_instrument("XXBTZUSD".into(), "BTC/USD".into())
        .with_order(order)
        .with_candles(CandleQuery::new("XXBTZUSD".into(), Interval::Minutes(1), since, until))
        .with_trade(
            TradeSetup::new(
                "margin:XXBTZUSD".into(),
                "margin:BTC/USD".into(),
                qty("0.02"),
                price("50000"),
                price("150000"),
            )
            .with_fraction(qty("0.005"))
            .with_too_much(qty("100000"))
            .with_partly(qty("3"), price("150000")),
        )
        .with_simulated_money()
}

fn judge(shell: &str, report: &Report) {
    println!("{shell}: {report}");
    assert!(report.failed.is_empty(), "{shell}: {report}");
    assert_eq!(report.passed.len() + report.skipped.len(), names().len());
    assert!(report.passed.len() >= 60, "{shell}: {} cases", report.passed.len());
}

#[test]
fn in_memory() {
    let (venue, order) = lived();
    let stage = Stage::new(venue, end() + TimeDelta::minutes(1), unhurried(config()));
    let setup = setup(&stage.account, order);
    let report = stage.run(|broker| async move { run(&broker, &setup).await });
    judge("the client in memory", &report);
    stage.runtime.run_until_idle();
    assert_eq!(
        stage.recorder.open_sockets(),
        0,
        "a dropped subscription keeps its socket"
    );
}

/// What Kraken alone has, and orders of every kind.
async fn own_calls(broker: &KrakenBroker) {
    let account = broker.account_id().clone();
    let limit = || OrderRequest::limit("margin:BTC/USD".into(), Side::Buy, qty("0.02"), price("50000"));
    let terms = [
        KrakenTerms::new().with_post_only().with_leverage(3),
        KrakenTerms::new()
            .with_display(qty("0.005"))
            .with_self_trade(SelfTrade::CancelBoth),
        KrakenTerms::new()
            .with_fee_in_base(false)
            .with_trigger(TriggerPrice::Index),
        KrakenTerms::new().with_close(ConditionalClose::StopLossLimit {
            stop: price("40000"),
            limit: price("39000"),
        }),
    ];
    for terms in terms {
        let placed = broker.with_terms(terms).place_once(&account, limit()).await.unwrap();
        assert!(matches!(placed, Placement::Accepted(_)), "{placed:?}");
    }
    let Placement::Accepted(order) = broker.place_once(&account, limit()).await.unwrap() else {
        panic!("not accepted")
    };
    let reference = OrderRef::by_id(&account, order.id);
    let change = OrderChange::new().with_limit_price(price("51000"));
    broker.edit(&reference, &change).await.unwrap();
    broker.order_amends(reference.id.as_ref().unwrap()).await.unwrap();
    broker.validate(&limit()).await.unwrap();
    broker
        .cancel_all_after(std::time::Duration::from_secs(60))
        .await
        .unwrap();
    broker.cancel_all_after(std::time::Duration::ZERO).await.unwrap();
    broker.fee_rates(&["XXBTZUSD".into()]).await.unwrap();
    broker.system_status().await.unwrap();
    let query = HistoryQuery::between(&account, end() - Duration::days(30), end());
    let mut records = broker.with_reports().records(&query);
    while let Some(record) = records.next().await {
        record.unwrap();
    }
    drop(records);
    assert!(!broker.cancel_all(&account).await.unwrap().is_empty());
}

/// The same once more, with each request and answer compared with the published document.
#[test]
fn as_documented() {
    let (venue, order) = lived();
    let (venue, exchanges) = Watched::new(venue, document::document(), &document::BEYOND);
    let runtime = VirtualRuntime::starting_at(end() + TimeDelta::minutes(1));
    let clock = Arc::new(runtime.clock());
    let rng = Arc::new(SeededRng::new(1));
    let transport = MemoryTransport::new(share(venue), clock.clone(), rng.clone(), clock.clone());
    let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
    let broker = KrakenBroker::new(unhurried(config()).with_context(context)).unwrap();
    let setup = setup(broker.account_id(), order);
    runtime.block_on(async {
        judge("as documented", &run(&broker, &setup).await);
        own_calls(&broker).await;
    });
    let asked = document::ASKED.map(str::to_owned);
    assert_eq!(exchanges.paths(), asked.into());
    exchanges.assert_clean();
    exchanges.assert_all_met();
}

#[tokio::test]
async fn over_real_sockets() {
    let (venue, order) = lived();
    let started = SystemClock::starting_at(end() + Duration::minutes(1));
    let clock = Arc::new(FastClock::over(Arc::new(started), 20));
    let server = LoopbackServer::start(shared(venue), clock.clone()).await.unwrap();
    let transport = Arc::new(NetTransport::new().unwrap());
    let context = Context::new(clock, Arc::new(OsRng), Arc::new(TokioSpawn), transport);
    let config = unhurried(config())
        .with_context(context)
        .with_base_url(server.url().parse().unwrap());
    let broker = KrakenBroker::new(config).unwrap();
    let setup = setup(broker.account_id(), order);
    let report = run(&broker, &setup).await;
    server.shutdown().await;
    judge("the client over real sockets", &report);
}

/// The catalogue alone is enough for an engine of one's own.
#[test]
fn the_catalogue_makes_an_engine() {
    let mut engine = Engine::new(1, &catalogue(), end());
    let spec = AccountSpec::margin("OWN", broker_core::Currency::USD);
    engine.open_account(spec, end()).unwrap();
    assert!(engine.instrument(&"margin:XXBTZUSD".into()).is_some());
    KrakenVenue::builder().engine(engine, "OWN").build().unwrap();
}
