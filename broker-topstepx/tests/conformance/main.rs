//! The contracts of every role, case by case: over the client and the wire venue in memory, and over real sockets.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod documents;

use std::sync::Arc;

use broker_core::model::{AssetClass, CandleQuery, Interval};
use broker_core::net::NetTransport;
use broker_core::seam::{SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, BrokerExt, Context, Currency, InstrumentId, OrderRef, OrderRequest, Placement, Side,
};
use broker_sim::wire::{MemoryTransport, Recorder, share};
use broker_sim::{AccountSpec, FeeAsset, FeeKind, FeeRule, FeeSchedule, HistoryPlan, Mix, Posting};
use broker_testkit::conformance::{Report, Setup, Sockets, TradeSetup, names, run};
use broker_testkit::openapi::Watched;
use broker_topstepx::venue::TopstepxVenue;
use broker_topstepx::{JoinOrder, JoinSide, TopstepxBroker, TopstepxConfig};
use chrono::{DateTime, Duration, Utc};
use documents::{ASKED, BEYOND, document};
use rust_decimal::Decimal;

/// Friday noon in New York; the suite runs a minute later.
const END: &str = "2026-11-20T17:00:00Z";

fn end() -> DateTime<Utc> {
    END.parse().unwrap()
}

/// The front contract of the micro S&P, and what it is called.
const MES: &str = "CON.F.US.MES.Z26";

/// A venue that counts no requests, with an account that has lived and an order of ours that rests far below.
fn venue() -> (TopstepxVenue, Setup) {
    let spec = AccountSpec::margin("LIVED", Currency::USD)
        .with_stated_pnl()
        .with_fees(fees());
    let mix = Mix {
        shares: 0,
        options: 0,
        crypto: 0,
        forex: 0,
        futures: 1,
    };
    let plan = HistoryPlan::new(700, end())
        .with_seed(11)
        .with_mix(mix)
        .with_account(spec);
    let (mut engine, account) = plan.build().unwrap();
    let resting = |id: &str| {
        OrderRequest::limit(
            "NQZ26".into(),
            Side::Buy,
            "1".parse().unwrap(),
            "15000.00".parse().unwrap(),
        )
        .with_client_id(id.into())
    };
    let order = engine.place(&account, &resting("resting-1"), None, end()).unwrap();
    engine.place(&account, &resting("resting-2"), None, end()).unwrap();
    let venue = TopstepxVenue::builder()
        .engine(engine)
        .practice_account(account.clone())
        .limits(Vec::new(), Vec::new())
        .walking_markets()
        .build()
        .unwrap();
    let number = venue.order_number(&order.id).unwrap();
    let wire = venue.account_id(&account).unwrap();
    let setup = setup(&wire, number, &venue);
    (venue, setup)
}

/// A fee and a commission a contract and side, as they were recorded in August 2026.
fn fees() -> FeeSchedule {
    let rule = |cents: i64| FeeRule {
        class: AssetClass::Future,
        label: "COM".to_owned(),
        kind: FeeKind::PerUnit(Decimal::new(cents, 2)),
        side: None,
        asset: FeeAsset::Quote,
        posting: Posting::OnFill,
        places: 2,
    };
    FeeSchedule::free().with(rule(36)).with(rule(25))
}

fn setup(account: &AccountId, order: i64, venue: &TopstepxVenue) -> Setup {
    let mut known = OrderRef::by_id(account, order.to_string().into());
    known.client_id = Some("resting-1".into());
    let candles = CandleQuery::new(MES.into(), Interval::Minutes(1), end() - Duration::days(10), end());
    let mid = venue.engine().mark(&"MESZ26".into()).unwrap().get().trunc();
    let price = |off: i64| broker_core::Price::new(mid + Decimal::from(off));
    let trade = TradeSetup::new(
        MES.into(),
        "MESZ26".into(),
        "2".parse().unwrap(),
        price(-100),
        price(100),
    )
    .with_too_much("1000000".parse().unwrap())
    .with_partly("200".parse().unwrap(), price(100));
    // From a Monday on: the first page has rows.
    Setup::new(account, end() - Duration::days(81), end() + Duration::minutes(1))
        .with_instrument(MES.into(), "MESZ26".into())
        .with_order(known)
        .with_candles(candles)
        .with_trade(trade)
}

fn assert_all(shell: &str, report: &Report) {
    println!("{shell}: {report}");
    assert!(report.failed.is_empty(), "{shell}: {report}");
    let skipped: Vec<_> = report.skipped.iter().map(|(name, _)| *name).collect();
    assert_eq!(skipped, SKIPPED, "{shell}");
    assert_eq!(report.passed.len(), names().len() - skipped.len(), "{shell}");
}

/// What the gateway has not: kinds, times in force, an OCO of two own orders, parts of a contract, hours.
#[rustfmt::skip]
const SKIPPED: [&str; 19] = [
    "sessions_come_in_order",
    "a_stop_limit_order_keeps_its_words",
    "a_market_if_touched_order_keeps_its_words",
    "a_limit_if_touched_order_keeps_its_words",
    "an_order_trailing_by_percent_keeps_its_words",
    "a_gtc_order_says_so",
    "a_gtd_order_keeps_its_date",
    "an_ioc_order_that_cannot_fill_ends_unfilled",
    "a_fok_order_that_cannot_fill_ends_unfilled",
    "an_order_for_the_open_says_so",
    "an_order_for_the_close_says_so",
    "a_fraction_is_kept_and_fills",
    "money_for_a_quantity_is_kept_and_fills",
    "extended_hours_are_kept",
    "reduce_only_is_kept",
    "an_oco_is_linked",
    "one_fill_of_an_oco_cancels_the_other",
    "a_canceled_oco_leaves_nothing_open",
    "too_small_a_value_is_refused_unsent",
];

fn config() -> TopstepxConfig {
    TopstepxConfig::new(TopstepxVenue::USER_NAME, TopstepxVenue::API_KEY)
}

#[test]
fn the_client_in_memory() {
    let (venue, setup) = venue();
    let (venue, exchanges) = Watched::new(venue, document(), &BEYOND);
    let runtime = VirtualRuntime::starting_at(end() + Duration::minutes(1));
    let clock = Arc::new(runtime.clock());
    let rng = Arc::new(SeededRng::new(1));
    let recorder = Recorder::new();
    let transport =
        MemoryTransport::new(share(venue), clock.clone(), rng.clone(), clock.clone()).with_recorder(recorder.clone());
    let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
    let broker = TopstepxBroker::new(config().with_limits(1_000_000, 1_000_000).with_context(context)).unwrap();
    let report = runtime.block_on(run(&broker, &setup));
    assert_all("the client in memory", &report);
    runtime.block_on(the_rest(&broker, &setup.account));
    runtime.run_until_idle();
    assert_eq!(recorder.open_sockets(), 0, "a dropped subscription keeps its socket");
    exchanges.assert_clean();
    exchanges.assert_all_met();
    assert_eq!(exchanges.paths(), ASKED.map(str::to_owned).into());
}

/// What no case asks for: what the gateway alone has, and a token that is renewed.
async fn the_rest(broker: &TopstepxBroker, account: &AccountId) {
    let mes = InstrumentId::from(MES);
    if broker
        .positions(account)
        .await
        .unwrap()
        .iter()
        .any(|one| one.instrument == mes)
    {
        broker.close_position(account, &mes).await.unwrap();
    }
    let join = JoinOrder::new(mes.clone(), Side::Buy, "2".parse().unwrap(), JoinSide::Bid, "joins");
    broker.place_join(account, &join).await.unwrap();
    let buy = OrderRequest::market("MESZ26".into(), Side::Buy, "3".parse().unwrap());
    assert!(matches!(
        broker.place_once(account, buy).await.unwrap(),
        Placement::Accepted(_)
    ));
    broker.close_part(account, &mes, "1".parse().unwrap()).await.unwrap();
    broker.close_position(account, &mes).await.unwrap();
    broker
        .context()
        .clock()
        .sleep(std::time::Duration::from_secs(23 * 3_600))
        .await;
    broker.probe().await.unwrap();
}

/// Clients beside each other, a venue behind each.
const STATIONS: usize = 8;

#[tokio::test]
async fn the_client_over_real_sockets() {
    let transport = Arc::new(NetTransport::new().unwrap());
    let mut sockets = Sockets::new(end() + Duration::minutes(1), 20, transport);
    for _ in 0..STATIONS {
        let (venue, setup) = venue();
        let connect = |url: &str, context| {
            let under = |path: &str| format!("{url}{path}").parse().unwrap();
            let config = config()
                .with_context(context)
                .with_urls(under(""), under("/hubs"))
                .with_limits(1_000_000, 1_000_000);
            (TopstepxBroker::new(config).unwrap().handle(), setup)
        };
        sockets.add(share(venue), connect).await.unwrap();
    }
    assert_all("the client over real sockets", &sockets.run().await);
}
