//! As many symbols as Binance trades, of which the account touched some.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_binance::Reach;
use broker_binance::venue::BinanceVenue;
use broker_core::pnl::TradeBook;
use broker_core::{Broker, Currency, InstrumentId, Money, OrderRequest, OrderStatus, Qty, Side};
use broker_sim::{AccountSpec, Catalogue, Engine};
use broker_sync::{MemoryStore, Syncer};
use chrono::Duration;
use rust_decimal::Decimal;

use super::{House, end};

const SYMBOLS: usize = 1_500;
const TOUCHED: usize = 60;

fn pair(index: usize) -> InstrumentId {
    InstrumentId::from(format!("K{index:04}/USD"))
}

/// One purchase a day, of which half is sold half a minute later.
fn engine() -> Engine {
    let standard = Catalogue::standard();
    let model = standard.get(&"SOL/USD".into()).unwrap();
    let catalogue = (0..SYMBOLS).fold(Catalogue::new(), |catalogue, index| {
        let mut listing = model.clone();
        listing.instrument.id = pair(index);
        listing.instrument.symbol = pair(index).get().into();
        listing.instrument.base = Some(format!("K{index:04}").parse().unwrap());
        catalogue.with(listing)
    });
    let begins = end() - Duration::days(89);
    let mut engine = Engine::new(5, &catalogue, begins);
    let account = "354937868".into();
    engine
        .open_account(AccountSpec::cash("354937868", Currency::USD), begins)
        .unwrap();
    let cash = Money::new(10_000_000.into(), Currency::USD);
    engine.deposit(&account, cash, begins).unwrap();
    for day in 1..89 {
        let at = begins + Duration::days(day);
        engine.advance(at);
        let symbol = pair(usize::try_from(day).unwrap() % TOUCHED);
        for (side, qty, at) in [(Side::Buy, "10", at), (Side::Sell, "5", at + Duration::seconds(30))] {
            let qty: Qty = qty.parse().unwrap();
            let request = OrderRequest::market(symbol.get().into(), side, qty);
            let order = engine.place(&account, &request, None, at).unwrap();
            assert_eq!(order.status, OrderStatus::Filled);
        }
    }
    engine
}

#[test]
fn fifteen_hundred_symbols_are_certified_and_cost_what_was_planned() {
    let builder = BinanceVenue::builder().engine(engine(), "354937868".into());
    let house = House::new(builder);
    let account = house.account.clone();
    let (plan, report, history, spent) = house.run(|broker| {
        let venue = house.venue.clone();
        async move {
            let plan = broker.plan_history(&account, 90, Reach::Every).await.unwrap();
            let before = venue.lock().unwrap().weighed();
            let store = Arc::new(MemoryStore::new());
            let syncer = Syncer::new(broker.handle(), store).with_instruments(plan.instruments.clone());
            let report = syncer.sync(&account).await.unwrap();
            let spent = venue.lock().unwrap().weighed() - before;
            let history = syncer.history(&account).await.unwrap();
            (plan, report, history, spent)
        }
    });
    println!(
        "{report}\nplanned {} weight, spent {spent}; {plan:?}",
        plan.weight,
        plan = plan.likely
    );
    assert!(report.is_complete(), "{report}");
    assert_eq!((plan.instruments.len(), plan.likely), (SYMBOLS + 1, TOUCHED));
    assert_eq!(history.fills().count(), 2 * 88);
    let venue = house.venue.lock().unwrap();
    assert_eq!(venue.refused(), 0);
    let near = |planned: u64, spent: u64| spent.abs_diff(planned) * 10 <= planned;
    assert!(near(plan.weight, spent), "planned {}, spent {spent}", plan.weight);
    let effort = report.effort;
    assert!(near(effort.planned.requests, effort.spent.requests), "{effort}");
    assert!(
        near(effort.planned.time.as_secs(), effort.spent.time.as_secs()),
        "{effort}"
    );

    // What it made, by our records and by the venue's own books.
    let books = TradeBook::fifo().fold(&history).unwrap();
    let ours: BTreeMap<String, Decimal> = books
        .instruments
        .iter()
        .map(|(id, book)| (id.get().to_owned(), book.realized.unwrap().amount.normalize()))
        .collect();
    let theirs = venue.engine().books(venue.account()).unwrap().instruments;
    let theirs: BTreeMap<String, Decimal> = theirs
        .into_iter()
        .map(|((id, _), book)| (venue.symbol(&id).unwrap().get().to_owned(), book.gross.normalize()))
        .collect();
    assert_eq!(ours.len(), TOUCHED);
    assert_eq!(ours, theirs);
}
