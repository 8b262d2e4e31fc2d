//! The contracts of every role, case by case: over the client and the wire venue in memory, and over real sockets.
//! Where there is the published document, each exchange of the runs is checked, too.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod documents;

use std::sync::Arc;

use broker_core::model::{CandleQuery, Interval, Level, Trail};
use broker_core::net::NetTransport;
use broker_core::seam::{SeededRng, VirtualRuntime};
use broker_core::{AccountId, Broker, BrokerExt, Context, Currency, OrderRef, OrderRequest, Placement, Side};
use broker_oanda::venue::{OandaVenue, OandaVenueBuilder};
use broker_oanda::{Closing, ExitChange, OandaBroker, OandaConfig, TradeExits};
use broker_sim::wire::{MemoryTransport, Recorder, share};
use broker_sim::{AccountSpec, HistoryPlan};
use broker_testkit::conformance::{Report, Setup, Sockets, TradeSetup, names, run};
use broker_testkit::openapi::{Exchanges, Watched};
use chrono::{DateTime, Duration, Utc};
use documents::{BEYOND, document};

/// When the history ends; the suite runs a minute later. A Wednesday.
const END: &str = "2026-11-18T15:00:00Z";

fn end() -> DateTime<Utc> {
    END.parse().unwrap()
}

const ACCOUNT: &str = "101-004-7654321-001";

/// An account that has lived, with an order of ours that rests far below the market.
fn venue(spec: AccountSpec) -> (OandaVenue, Setup) {
    let account = spec.id.clone();
    let plan = HistoryPlan::new(700, end())
        .with_seed(11)
        .with_tie(130)
        .with_account(spec);
    let mut venue = OandaVenue::builder()
        .history(&plan)
        .unwrap()
        .limits(Vec::new())
        .walking_markets()
        .build()
        .unwrap();
    let request = OrderRequest::limit(
        "GBP/USD".into(),
        Side::Buy,
        "300".parse().unwrap(),
        "1.00000".parse().unwrap(),
    )
    .with_client_id("resting-1".into());
    venue.engine_mut().place(&account, &request, None, end()).unwrap();
    venue.settle(end());
    let orders = venue
        .engine()
        .orders(&account)
        .unwrap()
        .map(|order| order.order().clone())
        .collect();
    let order = venue.numbered(orders).pop().unwrap();
    let mut reference = OrderRef::by_id(&account, order.id);
    reference.client_id = order.client_id;
    let setup = setup(&account, reference);
    (venue, setup)
}

fn setup(account: &AccountId, order: OrderRef) -> Setup {
    let candles = CandleQuery::new(
        "EUR_USD".into(),
        Interval::Minutes(1),
        end() - Duration::days(10),
        end(),
    );
    let trade = TradeSetup::new(
        "AUD_USD".into(),
        "AUD/USD".into(),
        "1000".parse().unwrap(),
        "0.50000".parse().unwrap(),
        "0.80000".parse().unwrap(),
    );
    Setup::new(account, end() - Duration::days(91), end() + Duration::minutes(1))
        .with_instrument("EUR_USD".into(), "EUR/USD".into())
        .with_order(order)
        .with_candles(candles)
        .with_trade(trade.with_too_much("90000000".parse().unwrap()))
}

const NO_RESEND: &str = "the broker does not say that a second send is safe";
const NOTHING: &str = "the account has nothing to check it with";
const NO_KIND: &str = "the broker takes no such kind of order";
const NO_TIF: &str = "the broker takes no such time in force";
const NO_GROUP: &str = "the broker takes no such group";
const NO_PART: &str = "the setup names no order that fills in part";

/// What OANDA has not.
const SKIPPED: [(&str, &str); 19] = [
    ("sessions_come_in_order", NOTHING),
    ("a_second_send_makes_no_second_order", NO_RESEND),
    ("a_stop_limit_order_keeps_its_words", NO_KIND),
    ("a_limit_if_touched_order_keeps_its_words", NO_KIND),
    ("an_order_trailing_by_an_amount_keeps_its_words", NO_KIND),
    ("an_order_trailing_by_percent_keeps_its_words", NO_KIND),
    ("an_order_for_the_open_says_so", NO_TIF),
    ("an_order_for_the_close_says_so", NO_TIF),
    (
        "a_fraction_is_kept_and_fills",
        "the broker takes no fractions, or the setup names none",
    ),
    (
        "money_for_a_quantity_is_kept_and_fills",
        "the broker takes no money for a quantity, or the setup names none",
    ),
    ("extended_hours_are_kept", "the broker knows the regular session alone"),
    // An order of OANDA fills once, whole or not at all.
    ("a_replaced_quantity_counts_what_is_filled", NO_PART),
    ("a_part_that_fills_is_shown_and_can_be_canceled", NO_PART),
    ("an_oco_is_linked", NO_GROUP),
    ("one_fill_of_an_oco_cancels_the_other", NO_GROUP),
    ("a_canceled_oco_leaves_nothing_open", NO_GROUP),
    ("an_id_of_the_users_places_once", NO_RESEND),
    ("an_id_taken_by_other_terms_is_a_duplicate", NO_RESEND),
    ("too_small_a_value_is_refused_unsent", NOTHING),
];

fn assert_all(shell: &str, report: &Report) {
    println!("{shell}: {report}");
    assert!(report.failed.is_empty(), "{shell}: {report}");
    assert_eq!(report.skipped, SKIPPED, "{shell}");
    assert_eq!(report.passed.len(), names().len() - SKIPPED.len(), "{shell}");
}

fn in_memory(spec: AccountSpec) -> (Report, Exchanges) {
    let (venue, setup) = venue(spec);
    let (venue, exchanges) = Watched::new(venue, document(), &BEYOND);
    let runtime = VirtualRuntime::starting_at(end() + Duration::minutes(1));
    let clock = Arc::new(runtime.clock());
    let rng = Arc::new(SeededRng::new(1));
    let recorder = Recorder::new();
    let transport =
        MemoryTransport::new(share(venue), clock.clone(), rng.clone(), clock.clone()).with_recorder(recorder.clone());
    let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
    let broker = OandaBroker::new(OandaConfig::new(OandaVenue::TOKEN).with_context(context)).unwrap();
    let report = runtime.block_on(run(&broker, &setup));
    runtime.block_on(the_rest(&broker, &setup.account));
    runtime.run_until_idle();
    assert_eq!(recorder.open_sockets(), 0, "a dropped subscription keeps its stream");
    (report, exchanges)
}

/// What no case asks for: what OANDA alone has.
async fn the_rest(broker: &OandaBroker, account: &AccountId) {
    // Of a short position a purchase would only close a part.
    broker
        .close(account, &broker_core::Symbol::from("EUR/USD").into())
        .await
        .unwrap();
    let buy = OrderRequest::market("EUR/USD".into(), Side::Buy, "1000".parse().unwrap());
    let placed = broker.place_once(account, buy).await.unwrap();
    assert!(matches!(placed, Placement::Accepted(_)));
    let trades = broker.open_trades(account).await.unwrap();
    let is_long = |trade: &&broker_oanda::OpenTrade| trade.instrument.get() == "EUR_USD" && trade.side == Side::Buy;
    let trade = trades.iter().find(is_long).unwrap().clone();
    let exits = TradeExits::new()
        .with_take_profit(ExitChange::Set("1.50000".parse().unwrap()))
        .with_stop_loss(ExitChange::Set(Level::Distance("0.05".parse().unwrap())))
        .with_trailing_stop(ExitChange::Set(Trail::Amount("0.06".parse().unwrap())));
    assert_eq!(broker.set_exits(account, &trade.id, &exits).await.unwrap().len(), 3);
    let exits = TradeExits::new()
        .with_take_profit(ExitChange::Set("1.60000".parse().unwrap()))
        .with_trailing_stop(ExitChange::Cancel);
    assert_eq!(broker.set_exits(account, &trade.id, &exits).await.unwrap().len(), 1);
    let part = Closing::Part("400".parse().unwrap());
    broker.close_trade(account, &trade.id, part).await.unwrap();
    let leg = broker
        .positions(account)
        .await
        .unwrap()
        .into_iter()
        .find(|one| one.instrument.get() == "EUR_USD");
    let leg = leg.unwrap();
    broker
        .close_position(account, &leg.instrument, leg.leg, Closing::All)
        .await
        .unwrap();
    let (_, last) = broker.records_since(account, 1).await.unwrap();
    assert!(last > 1);
}

#[test]
fn the_client_in_memory() {
    let (report, exchanges) = in_memory(OandaVenueBuilder::spec(ACCOUNT, Currency::USD));
    assert_all("netting", &report);
    exchanges.assert_clean();
    exchanges.assert_all_met();
}

#[test]
fn a_hedging_account_in_euros() {
    let (report, exchanges) = in_memory(OandaVenueBuilder::spec(ACCOUNT, Currency::EUR).with_hedging());
    assert_all("hedging", &report);
    exchanges.assert_clean();
}

/// Clients beside each other, a venue behind each.
const STATIONS: usize = 8;

#[tokio::test]
async fn the_client_over_real_sockets() {
    let transport = Arc::new(NetTransport::new().unwrap());
    let mut sockets = Sockets::new(end() + Duration::minutes(1), 10, transport);
    for _ in 0..STATIONS {
        let (venue, setup) = venue(OandaVenueBuilder::spec(ACCOUNT, Currency::USD));
        let connect = |url: &str, context| {
            let config = OandaConfig::new(OandaVenue::TOKEN)
                .with_context(context)
                .with_base_url(url.parse().unwrap())
                .with_requests_per_second(1_000_000);
            (OandaBroker::new(config).unwrap().handle(), setup)
        };
        sockets.add(share(venue), connect).await.unwrap();
    }
    assert_all("real sockets", &sockets.run().await);
}
