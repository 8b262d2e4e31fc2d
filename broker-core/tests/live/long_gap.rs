//! A gap that takes longer to read than connections last.

use std::time::Duration;

use broker_core::model::Subscription;
use broker_core::{Error, ErrorKind};

use super::bench::{Bench, Events, unavailable};
use super::literals::account;

/// What the stream does not tell: 40 orders of a fill each, on pages of so many rows. The next connection is made 5 s
/// later, further from them than a reading looks back.
async fn missed(bench: &Bench, page: usize) -> Events {
    let options = Subscription::account(&account()).with_look_back(Duration::from_secs(1));
    let mut events = bench.subscribe_with(&options, vec![bench.feed()]).await.unwrap();
    assert_eq!(bench.during(&mut events, 10.0).await.len(), 2);
    let refused = unavailable("restarting").with_retry_after(Duration::from_secs(5));
    bench.venue.books().refusals.push_back(refused);
    bench.venue.cut();
    for number in 0..40 {
        let order = format!("o{number:02}");
        bench.venue.place(&order);
        bench.venue.fill(&format!("f{number:02}"), &order, 10);
    }
    let mut books = bench.venue.books();
    books.page = page;
    books.asked.clear();
    events
}

/// The 40 fills, and behind them the 40 orders.
fn everything() -> Vec<String> {
    let fills = (0..40).map(|number| format!("fill f{number:02}"));
    let orders = (0..40).map(|number| format!("order o{number:02} filled 10"));
    fills.chain(orders).collect()
}

fn told(all: &[String]) -> Vec<String> {
    let is_told = |what: &&String| what.starts_with("fill") || what.starts_with("order");
    all.iter().filter(is_told).cloned().collect()
}

fn count(all: &[String], what: &str) -> usize {
    all.iter().filter(|one| one.starts_with(what)).count()
}

/// Open orders and 14 pages of closed ones take 30 s, as many pages of records 28 s more; connections last for 40 s.
#[test]
fn a_reading_goes_on_where_its_connection_was_lost() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = missed(&bench, 3).await;
        bench.venue.books().read_takes = Duration::from_secs(2);
        let mut all = bench.during(&mut events, 46.0).await;
        for _ in 0..3 {
            bench.venue.cut();
            all.extend(bench.during(&mut events, 40.5).await);
        }
        assert_eq!(told(&all), everything());
        // However often it is announced, it is one gap.
        assert_eq!(count(&all, "gap 0 to "), count(&all, "gap"));
        bench.venue.books().read_takes = Duration::ZERO;
        all.extend(bench.during(&mut events, 60.0).await);
        assert_eq!(told(&all), everything());
        assert_eq!(all.last().unwrap(), "recovered");
    });
}

/// Each page of records fails once.
#[test]
fn a_page_that_fails_is_asked_for_again_and_those_before_it_are_not() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = missed(&bench, 5).await;
        for page in 0..8 {
            let trouble = (("history", 2 * page + 1), unavailable("down"));
            bench.venue.books().troubles.extend([trouble]);
        }
        let all = bench.during(&mut events, 100.0).await;
        assert_eq!(told(&all), everything());
        assert_eq!((count(&all, "gap"), count(&all, "recovered")), (1, 1));
        let read = bench.venue.books().asked.clone();
        let last = read.iter().position(|(_, what)| what == "positions").unwrap();
        // 8 pages, asked for twice, and what was booked meanwhile: nothing.
        assert_eq!(read[..last].iter().filter(|(_, what)| what == "history").count(), 17);
    });
}

/// The broker forgot where the reading was: it begins anew, and tells nothing twice.
#[test]
fn a_place_that_is_not_known_any_more_is_left() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = missed(&bench, 5).await;
        let gone = Error::new(ErrorKind::InvalidRequest).with_message("no such page");
        let troubles = [(("history", 4), unavailable("down")), (("history", 5), gone)];
        bench.venue.books().troubles.extend(troubles);
        let all = bench.during(&mut events, 100.0).await;
        assert_eq!(told(&all), everything());
        assert_eq!(all.last().unwrap(), "recovered");
        let read = bench.venue.books().asked.clone();
        let last = read.iter().position(|(_, what)| what == "positions").unwrap();
        // 3 pages, 2 troubles, all 8 pages anew, and what was booked meanwhile: nothing.
        assert_eq!(read[..last].iter().filter(|(_, what)| what == "history").count(), 14);
    });
}

/// A place from which the broker can never go on, whatever it says: after 12 tries it is left.
#[test]
fn a_place_that_leads_nowhere_is_left_in_the_end() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        let mut events = missed(&bench, 5).await;
        let troubles = (4..16).map(|number| (("history", number), unavailable("the rows kept changing")));
        bench.venue.books().troubles.extend(troubles);
        let all = bench.during(&mut events, 600.0).await;
        assert_eq!(told(&all), everything());
        let read = bench.venue.books().asked.clone();
        let last = read.iter().position(|(_, what)| what == "positions").unwrap();
        // 3 pages, 12 troubles, all 8 pages anew.
        assert_eq!(read[..last].iter().filter(|(_, what)| what == "history").count(), 23);
    });
}

/// What is missing for good is known before the connection is lost, and told behind the next one.
#[test]
fn what_is_missing_for_good_is_told_by_the_next_reading() {
    let bench = Bench::new();
    bench.runtime.block_on(async {
        bench.venue.place("o1");
        bench.sleep(500.0).await;
        let mut events = bench.subscribe().await.unwrap();
        bench.during(&mut events, 10.0).await;
        bench.venue.books().orders.clear();
        // Not known any more: believed at the third time. Then positions cannot be read.
        bench.during(&mut events, 80.0).await;
        let down = (0..100).map(|_| unavailable("down")).collect();
        bench.venue.books().failures.insert("positions", down);
        let all = bench.during(&mut events, 30.0).await;
        assert_eq!((count(&all, "gap"), count(&all, "recovered")), (1, 0), "{all:?}");
        bench.venue.cut();
        bench.venue.books().failures.clear();
        let all = bench.during(&mut events, 60.0).await;
        assert_eq!(
            all.last().unwrap(),
            "recovered 1: an order of …-A1: the venue does not know it any more"
        );
    });
}
