//! A long history at the real page of 50 rows, more rows of one millisecond than a page holds, three requests in ten
//! harmed; and an account that trades while it is read.

use std::collections::BTreeSet;
use std::time::Duration;

use broker_core::model::{HistoryQuery, Window};
use broker_core::seam::Frame;
use broker_core::{BrokerExt, OrderRequest, Side};
use broker_kraken::venue::KrakenVenue;
use broker_sim::HistoryPlan;
use broker_sim::wire::{SocketId, Venue, WireAnswer, WireRequest};
use broker_testkit::campaign::{HistoryStage, House, seeds};
use broker_testkit::planted::{Planted, PlantedBug};
use chrono::{DateTime, Utc};
use futures_util::TryStreamExt;

use super::{connect, house, words};

const FILLS: usize = 100_000;
/// More than a page of 50.
const TIE: usize = 130;

fn lived(fills: usize, seed: u64) -> (KrakenVenue, DateTime<Utc>) {
    // Within a second: what is booked in the rest of it is among the rows that are asked for.
    let now = "2026-06-30T21:00:00.25Z".parse().unwrap();
    let plan = HistoryPlan::new(fills, now).with_days(89).with_seed(seed).with_tie(TIE);
    let venue = KrakenVenue::builder().history(&plan).unwrap().without_limits();
    (venue.build().unwrap(), now)
}

fn stage(fills: usize, seed: u64) -> HistoryStage<KrakenVenue> {
    let (venue, now) = lived(fills, seed);
    HistoryStage::new((house(), venue), (now, seed), connect)
}

fn is_whole<V: Venue>(stage: &HistoryStage<V>, fills: usize, seed: u64) {
    assert_eq!(stage.expected.len(), fills);
    stage.harm(&words(), seed);
    let report = stage.run(&*stage.broker, seed);
    let (asked, harmed) = stage.asked();
    println!(
        "seed {seed}: {report}  {harmed} faults in {asked} requests, {:?}",
        stage.elapsed()
    );
    assert!(report.is_clean(), "seed {seed}: {report}");
    assert_eq!(report.fills, fills as u64);
    assert!(report.kills > 0 && harmed * 10 >= asked * 3, "{harmed} of {asked}");
}

#[test]
fn nothing_is_lost_and_nothing_doubled() {
    for seed in 1..=seeds(1) {
        is_whole(&stage(FILLS, seed), FILLS, seed);
    }
}

/// A venue whose account trades with each page that is asked for: every row is pushed one place further by it.
struct Busy(KrakenVenue);

impl Venue for Busy {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        if ["/0/private/TradesHistory", "/0/private/Ledgers"].contains(&request.path.as_str()) {
            let price = "94000.0".parse().unwrap();
            let size = "5".parse().unwrap();
            self.0.set_quote("XXBTZUSD", price, price, size, now).unwrap();
            let account = self.0.account().clone();
            let order = OrderRequest::market("margin:BTC/USD".into(), Side::Buy, "0.0001".parse().unwrap());
            self.0.engine_mut().place(&account, &order, None, now).unwrap();
        }
        self.0.handle(request, now)
    }

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        self.0.upgrade(request, socket, now)
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        self.0.frame(socket, frame, now);
    }

    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        self.0.pushed(now)
    }

    fn wake_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.0.wake_at(now)
    }
}

#[test]
fn an_account_that_trades_meanwhile_is_read_whole() {
    let fills = 10_000;
    for seed in 1..=seeds(2) {
        let house = House::new(
            |venue: &Busy| venue.0.engine(),
            |venue| venue.0.engine_mut(),
            |venue| venue.0.account(),
            |venue| venue.0.account_id(),
        );
        let house = house.with_fills(|_, mut fills| {
            for fill in &mut fills {
                fill.id = KrakenVenue::trade_id(&fill.id);
                fill.order = fill.order.as_ref().map(KrakenVenue::txid);
            }
            fills
        });
        let (venue, now) = lived(fills, seed);
        let stage = HistoryStage::new((house, Busy(venue)), (now, seed), connect);
        is_whole(&stage, fills, seed);
        let account = stage.venue().0.account().clone();
        let booked = stage.venue().0.engine().log(&account).unwrap().len();
        assert!(booked > fills + 1_000, "{booked} rows: it traded");
    }
}

/// Each row that is booked in the last second of the window makes the walk begin anew: it waits for the second's end.
#[test]
fn a_window_that_ends_in_this_second_is_read_once_it_is_over() {
    let house = House::new(
        |venue: &Busy| venue.0.engine(),
        |venue| venue.0.engine_mut(),
        |venue| venue.0.account(),
        |venue| venue.0.account_id(),
    );
    let (venue, now) = lived(500, 1);
    let stage = HistoryStage::new((house, Busy(venue)), (now, 1), connect);
    let query = HistoryQuery::new(&stage.account, Window::LastDays(90));
    let fills = stage.broker.fills(&query).try_collect::<Vec<_>>();
    let fills = stage.runtime.block_on(fills).unwrap();
    let before = fills.iter().filter(|fill| fill.at < now).map(|fill| &fill.id);
    assert_eq!(before.collect::<BTreeSet<_>>().len(), 500);
    assert!(stage.elapsed() > Duration::from_secs(1), "{:?}", stage.elapsed());
}

#[test]
fn planted_bugs_are_caught() {
    for bug in [PlantedBug::CursorBeforeRows, PlantedBug::BorderMillisecond] {
        let stage = stage(3_000, 3);
        assert!(stage.run(&*stage.broker, 3).is_clean());
        let report = stage.run(&Planted::new(stage.broker.handle(), bug), 3);
        println!("{bug:?}: {report}");
        assert!(!report.is_clean(), "{bug:?} was not caught");
    }
}
