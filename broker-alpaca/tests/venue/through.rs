//! The client against the wire venue, in memory and in virtual time: what the engine booked is what the client reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::ext::BrokerExt;
use broker_core::model::{Asset, CandleQuery, Interval, OrderState, Window};
use broker_core::seam::{Clock, SeededRng, VirtualRuntime};
use broker_core::{
    AccountId, Broker, Context, ErrorKind, Fill, HistoryQuery, InstrumentQuery, OrderQuery, OrderRequest, Record, Side,
    Symbol,
};
use broker_sim::HistoryPlan;
use broker_sim::wire::{MemoryTransport, Recorder, Venue, share};
use chrono::{DateTime, Duration, DurationRound, Utc};
use rust_decimal::Decimal;

const END: &str = "2026-11-20T18:00:00Z";

/// A client, and the venue behind it.
struct Stage {
    runtime: VirtualRuntime,
    broker: AlpacaBroker,
    venue: Arc<Mutex<AlpacaVenue>>,
    recorder: Recorder,
    account: AccountId,
}

impl Stage {
    fn new(plan: &HistoryPlan) -> Self {
        let venue = AlpacaVenue::seeded(plan).unwrap();
        let account = venue.account_id();
        let venue = share(venue);
        let runtime = VirtualRuntime::starting_at(plan.ends_at);
        let clock = Arc::new(runtime.clock());
        let rng = Arc::new(SeededRng::new(plan.seed));
        let recorder = Recorder::new();
        let shared: Arc<Mutex<dyn Venue>> = venue.clone();
        let transport =
            MemoryTransport::new(shared, clock.clone(), rng.clone(), clock.clone()).with_recorder(recorder.clone());
        let context = Context::new(clock.clone(), rng, clock, Arc::new(transport));
        let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_context(context);
        Self {
            runtime,
            broker: AlpacaBroker::new(config).unwrap(),
            venue,
            recorder,
            account,
        }
    }

    fn engine<T>(&self, read: impl FnOnce(&broker_sim::Engine, &AccountId) -> T) -> T {
        let venue = self.venue.lock().unwrap();
        read(venue.engine(), venue.account())
    }

    /// Fills of the engine, by id.
    fn booked(&self) -> BTreeMap<String, Fill> {
        self.engine(|engine, account| {
            let fills = engine
                .log(account)
                .unwrap()
                .iter()
                .filter_map(|entry| match &entry.record {
                    Record::Fill(fill) => Some((fill.id.to_string(), fill.clone())),
                    _ => None,
                });
            fills.collect()
        })
    }
}

fn plan(fills: usize) -> HistoryPlan {
    HistoryPlan::new(fills, END.parse().unwrap())
}

#[test]
fn the_account_its_balances_and_positions() {
    let stage = Stage::new(&plan(600));
    stage.runtime.block_on(async {
        let account = stage.broker.accounts().await.unwrap().remove(0);
        assert_eq!(account.id, stage.account);
        assert_eq!(
            account.opened_at,
            Some(END.parse::<DateTime<Utc>>().unwrap() - Duration::days(90))
        );
        let balances = stage.broker.balances(&account.id).await.unwrap();
        let (cash, equity) = stage.engine(|engine, account| {
            (
                engine.account(account).unwrap().cash_of(broker_core::Currency::USD),
                engine.equity(account).unwrap(),
            )
        });
        assert_eq!(balances.balances[0].total, cash);
        assert_eq!(balances.equity, equity);
        let mut seen = stage.broker.positions(&account.id).await.unwrap();
        let mut held = stage.engine(|engine, account| engine.positions(account).unwrap());
        seen.sort_by(|one, other| one.symbol.cmp(&other.symbol));
        held.sort_by(|one, other| one.symbol.cmp(&other.symbol));
        let terms = |position: &broker_core::Position| {
            (
                position.instrument.clone(),
                position.signed_qty(),
                position.mark_price,
                position.available,
            )
        };
        assert!(seen.len() > 5, "{seen:?}");
        assert_eq!(
            seen.iter().map(terms).collect::<Vec<_>>(),
            held.iter().map(terms).collect::<Vec<_>>()
        );
        // Coins are there, spelled with their slash again.
        assert!(
            seen.iter().any(|position| position.symbol.get().ends_with("/USD")),
            "{seen:?}"
        );
    });
}

#[test]
fn every_fill_comes_exactly_once_ties_larger_than_a_page_included() {
    for (seed, tie) in [(1, 0), (2, 250), (3, 1_000)] {
        let stage = Stage::new(&plan(3_000).with_seed(seed).with_tie(tie));
        let query = HistoryQuery::last_days(&stage.account, 92);
        let history = stage.runtime.block_on(stage.broker.all_fills(query)).unwrap();
        let booked = stage.booked();
        assert_eq!(booked.len(), 3_000);
        let read: BTreeMap<String, &Fill> = history.fills().map(|fill| (fill.id.to_string(), fill)).collect();
        assert_eq!(history.fills().count(), booked.len(), "seed {seed}");
        assert_eq!(
            read.keys().collect::<Vec<_>>(),
            booked.keys().collect::<Vec<_>>(),
            "seed {seed}"
        );
        for (id, fill) in &booked {
            let seen = read[id];
            let at = fill.at.duration_round(Duration::microseconds(1)).unwrap();
            assert_eq!(
                (&seen.instrument, seen.side, seen.qty, seen.price, seen.at, &seen.order),
                (&fill.instrument, fill.side, fill.qty, fill.price, at, &fill.order),
                "{id}"
            );
            assert!(seen.fees.is_empty());
        }
        assert_eq!(stage.venue.lock().unwrap().refused(), 0, "no 429 was caused");
    }
}

#[test]
fn fees_and_flows_come_too_and_the_sums_are_the_positions() {
    let stage = Stage::new(&plan(2_000).with_seed(5));
    let query = HistoryQuery::new(&stage.account, Window::All);
    let history = stage.runtime.block_on(stage.broker.all_fills(query)).unwrap();
    let now: DateTime<Utc> = END.parse().unwrap();
    let booked = stage.engine(|engine, account| {
        let log = engine.log(account).unwrap();
        let count = |is: fn(&Record) -> bool| {
            log.iter()
                .filter(|entry| entry.booked_at <= now && is(&entry.record))
                .count()
        };
        (
            count(|record| matches!(record, Record::Fee(_))),
            count(|record| matches!(record, Record::Flow(_))),
        )
    });
    let count = |is: fn(&Record) -> bool| history.records.iter().filter(|record| is(record)).count();
    let read = (
        count(|record| matches!(record, Record::Fee(_))),
        count(|record| matches!(record, Record::Flow(_))),
    );
    assert_eq!(read, booked);
    assert!(read.0 > 50 && read.1 > 0, "{read:?}");
    // From an empty account, all records of an instrument add up to its position.
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for record in &history.records {
        let (instrument, change) = match record {
            Record::Fill(fill) => (fill.instrument.to_string(), fill.qty.signed(fill.side)),
            Record::Fee(fee) => match &fee.asset {
                Asset::Instrument { id, .. } => (id.to_string(), -fee.amount),
                Asset::Currency(_) => continue,
            },
            Record::Flow(flow) => match &flow.asset {
                Asset::Instrument { id, .. } => (id.to_string(), flow.amount),
                Asset::Currency(_) => continue,
            },
            Record::Void(void) => panic!("{void:?}"),
        };
        *sums.entry(instrument).or_default() += change;
    }
    sums.retain(|_, sum| !sum.is_zero());
    let positions = stage.runtime.block_on(stage.broker.positions(&stage.account)).unwrap();
    let held = positions
        .iter()
        .map(|position| (position.instrument.to_string(), position.signed_qty()));
    assert_eq!(sums, held.collect::<BTreeMap<_, _>>());
    assert!(history.opening.is_empty(), "{:?}", history.opening);
}

#[test]
fn all_orders_and_the_open_ones() {
    let stage = Stage::new(&plan(1_500).with_seed(4));
    let now: DateTime<Utc> = END.parse().unwrap();
    // Far below the market: it stays open.
    let request = OrderRequest::limit("SPY".into(), Side::Buy, "3".parse().unwrap(), "100.00".parse().unwrap())
        .with_client_id("resting".into());
    {
        let mut venue = stage.venue.lock().unwrap();
        let account = venue.account().clone();
        venue.engine_mut().place(&account, &request, None, now).unwrap();
    }
    // The window ends now, exclusive.
    stage
        .runtime
        .block_on(stage.runtime.clock().sleep(std::time::Duration::from_secs(1)));
    let orders = stage
        .runtime
        .block_on(stage.broker.all_orders(OrderQuery::placed(&stage.account, Window::All)))
        .unwrap();
    let placed: BTreeMap<String, broker_core::Order> = stage.engine(|engine, account| {
        engine
            .orders(account)
            .unwrap()
            .map(|order| (order.order().id.to_string(), order.order().clone()))
            .collect()
    });
    assert_eq!(orders.len(), placed.len());
    for order in &orders {
        let known = &placed[order.id.get()];
        assert_eq!(
            (
                &order.status,
                order.filled_qty,
                order.average_price,
                &order.kind,
                order.amount,
                order.created_at
            ),
            (
                &known.status,
                known.filled_qty,
                known.average_price,
                &known.kind,
                known.amount,
                known.created_at
            ),
            "{order:?}"
        );
    }
    let open = stage
        .runtime
        .block_on(stage.broker.all_orders(OrderQuery::open(&stage.account)))
        .unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].client_id.as_ref().unwrap().get(), "resting");
    let closed = OrderQuery::placed(&stage.account, Window::All).with_state(OrderState::Closed);
    assert_eq!(
        stage.runtime.block_on(stage.broker.all_orders(closed)).unwrap().len(),
        placed.len() - 1
    );
    let by_client = broker_core::OrderRef::by_client_id(&stage.account, "resting".into());
    let found = stage.runtime.block_on(stage.broker.order(&by_client)).unwrap();
    assert_eq!(found.id, open[0].id);
}

#[test]
fn instruments_quotes_candles_and_hours() {
    let stage = Stage::new(&plan(300).with_seed(6));
    let market = stage.broker.market_data().unwrap();
    stage.runtime.block_on(async {
        let symbols: Vec<Symbol> = ["AAPL", "BTC/USD"].map(Symbol::from).to_vec();
        let found = stage
            .broker
            .instruments(&InstrumentQuery::Symbols(symbols))
            .await
            .unwrap();
        assert_eq!(found.len(), 2);
        let ids: Vec<_> = found.iter().map(|instrument| instrument.id.clone()).collect();
        for quote in market.quotes(&ids).await.unwrap() {
            let shown = stage.engine(|engine, _| engine.quote(&quote.instrument)).unwrap();
            assert_eq!(
                (quote.bid, quote.ask, quote.bid_size, quote.ask_size, quote.at),
                (shown.bid, shown.ask, shown.bid_size, shown.ask_size, shown.at)
            );
        }
        let until: DateTime<Utc> = END.parse().unwrap();
        let since = until - Duration::days(30);
        for id in &ids {
            let query = CandleQuery::new(id.clone(), Interval::Minutes(1), since, until);
            let page = market.candles(&query, None).await.unwrap();
            let kept = stage
                .engine(|engine, _| engine.candles(id, Interval::Minutes(1), since, until))
                .unwrap();
            let terms = |candle: &broker_core::model::Candle| {
                (candle.start, candle.open, candle.high, candle.low, candle.close)
            };
            assert_eq!(
                page.rows.iter().map(terms).collect::<Vec<_>>(),
                kept.iter().map(terms).collect::<Vec<_>>()
            );
        }
        let hours = market
            .hours(&"AAPL".into(), until, until + Duration::days(7))
            .await
            .unwrap();
        assert_eq!(hours.is_open(until), Some(true));
        assert_eq!(hours.is_open("2026-11-26T16:00:00Z".parse().unwrap()), Some(false));
    });
    assert!(stage.recorder.sent() > 4);
}

#[test]
fn a_wrong_key_is_an_error_of_authentication() {
    let plan = plan(1);
    let runtime = VirtualRuntime::starting_at(plan.ends_at);
    let clock = Arc::new(runtime.clock());
    let rng = Arc::new(SeededRng::new(1));
    let venue = AlpacaVenue::seeded(&plan).unwrap();
    let transport = venue.transport(clock.clone(), rng.clone(), clock.clone());
    let context = Context::new(clock.clone(), rng, clock, transport);
    let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, "guess").with_context(context);
    let error = runtime
        .block_on(AlpacaBroker::new(config).unwrap().accounts())
        .unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Auth, Some(403)));
    assert_eq!(error.message(), Some("forbidden."));
}

#[tokio::test]
async fn the_same_over_a_real_socket() {
    let plan = plan(400).with_seed(8).with_tie(120);
    let venue = AlpacaVenue::seeded(&plan).unwrap();
    let account = venue.account_id();
    let server = venue.serve().await.unwrap();
    let config =
        AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_base_url(server.url().parse().unwrap());
    let broker = AlpacaBroker::new(config).unwrap();
    assert_eq!(broker.accounts().await.unwrap()[0].id, account);
    // The machine's clock is not the plan's: the window is named.
    let query = HistoryQuery::between(&account, plan.ends_at - Duration::days(91), plan.ends_at);
    let history = broker.all_fills(query).await.unwrap();
    assert_eq!(history.fills().count(), 400);
    server.shutdown().await;
}
