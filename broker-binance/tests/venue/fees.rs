//! Fees in a third coin: BNB, as long as the account holds enough of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_binance::Reach;
use broker_binance::venue::BinanceVenue;
use broker_core::model::AssetClass;
use broker_core::pnl::TradeBook;
use broker_core::{
    Broker, BrokerExt, Currency, InstrumentId, Money, OrderRequest, OrderStatus, Placement, Price, Qty, Record, Side,
};
use broker_sim::{AccountSpec, Catalogue, Engine, FeeAsset, FeeKind, FeeRule, FeeSchedule, Posting};
use broker_sync::{MemoryStore, PositionCheck, Syncer};
use chrono::{DateTime, Duration, Utc};
use rust_decimal::Decimal;

use super::{House, end};

fn bnb() -> Currency {
    "BNB".parse().unwrap()
}

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A tenth of a percent, of which three quarters are charged where they are paid in BNB.
fn fees() -> FeeSchedule {
    let rate = dec("0.001");
    FeeSchedule::free().with(FeeRule {
        class: AssetClass::Crypto,
        label: "COMMISSION".to_owned(),
        kind: FeeKind::Rate {
            maker: rate,
            taker: rate,
        },
        side: None,
        asset: FeeAsset::Coin {
            coin: bnb(),
            part: dec("0.75"),
        },
        posting: Posting::OnFill,
        places: 8,
    })
}

fn quote(engine: &mut Engine, instrument: &str, bid: &str, ask: &str, now: DateTime<Utc>) {
    let price = |text: &str| Some(text.parse::<Price>().unwrap());
    let size: Qty = "1000000".parse().unwrap();
    engine
        .set_quote(&instrument.into(), price(bid), price(ask), (size, size), now)
        .unwrap();
}

fn trade(engine: &mut Engine, symbol: &str, side: Side, qty: &str, at: DateTime<Utc>) {
    let request = OrderRequest::market(symbol.into(), side, qty.parse().unwrap());
    let order = engine.place(&"354937868".into(), &request, None, at).unwrap();
    assert_eq!(order.status, OrderStatus::Filled, "{symbol} at {at}");
}

/// 88 days: BNB first, and bought again now and then; every day a coin is bought, and half of it sold.
fn engine() -> Engine {
    let standard = Catalogue::standard();
    let mut listing = standard.get(&"SOL/USD".into()).unwrap().clone();
    listing.instrument.id = "BNB/USD".into();
    listing.instrument.symbol = "BNB/USD".into();
    listing.instrument.base = Some(bnb());
    let begins = end() - Duration::days(89);
    let mut engine = Engine::new(11, &standard.clone().with(listing), begins);
    engine
        .open_account(AccountSpec::cash("354937868", Currency::USD).with_fees(fees()), begins)
        .unwrap();
    let cash = Money::new(1_000_000.into(), Currency::USD);
    engine.deposit(&"354937868".into(), cash, begins).unwrap();
    for day in 1..89 {
        let at = begins + Duration::days(day);
        engine.advance(at);
        if day % 20 == 1 {
            trade(&mut engine, "BNB/USD", Side::Buy, "3", at);
        }
        let (symbol, whole, half) = match day % 3 {
            0 => ("BTC/USD", "0.02", "0.01"),
            1 => ("ETH/USD", "0.3", "0.15"),
            _ => ("SOL/USD", "5", "2.5"),
        };
        trade(&mut engine, symbol, Side::Buy, whole, at);
        trade(&mut engine, symbol, Side::Sell, half, at + Duration::seconds(30));
    }
    engine
}

/// The venue's own fees by coin, the part of BNB's that BNB paid of itself, and its realized PnL by symbol.
type Stated = (BTreeMap<Currency, Decimal>, Decimal, BTreeMap<InstrumentId, Decimal>);

fn stated(venue: &BinanceVenue) -> Stated {
    let books = venue.engine().books(venue.account()).unwrap();
    assert_eq!(books.check(), Ok(()));
    let gross = books
        .instruments
        .iter()
        .filter_map(|((id, _), book)| Some((venue.symbol(id)?, book.gross.normalize())));
    let fees = books.fees.iter().map(|(coin, fee)| (*coin, fee.normalize()));
    let in_kind = books.fees_in_kind.get(&bnb()).copied().unwrap_or_default();
    (fees.collect(), in_kind, gross.collect())
}

#[test]
fn ninety_days_with_fees_in_bnb_equal_the_venues_books() {
    let house = House::new(BinanceVenue::builder().engine(engine(), "354937868".into()));
    let account = house.account.clone();
    let (first, second, history, balance) = house.run(|broker| async move {
        let plan = broker.plan_history(&account, 90, Reach::Every).await.unwrap();
        let syncer = Syncer::new(broker.handle(), Arc::new(MemoryStore::new())).with_instruments(plan.instruments);
        let first = syncer.sync(&account).await.unwrap();
        let second = syncer.sync(&account).await.unwrap();
        let balances = broker.balances(&account).await.unwrap();
        let balance = balances.balances.into_iter().find(|one| one.currency == bnb()).unwrap();
        (first, second, syncer.history(&account).await.unwrap(), balance.total)
    });
    assert!(first.is_complete(), "{first}");
    // Nothing is left over that would have to have been there before: of BNB, too, all is bought and paid.
    assert!(
        matches!(first.positions, PositionCheck::Implied { opening: 0 }),
        "{first}"
    );
    assert_eq!(first.totals.new, 88 * 2 + 5, "{first}");
    assert!(second.is_complete() && second.totals.new == 0, "{second}");
    // BNB, BTC, ETH and SOL.
    assert!(
        matches!(second.positions, PositionCheck::Verified { compared: 4 }),
        "{second}"
    );

    let books = TradeBook::fifo().fold(&history).unwrap();
    let (fees, in_kind, gross) = stated(&house.venue.lock().unwrap());
    // What BNB that was bought paid of itself is valued in dollars by our books, and counted in BNB by the venue's.
    assert_eq!(books.fees[&bnb()], fees[&bnb()] - in_kind);
    assert_eq!(books.fees[&Currency::USD], books.fees_in_kind[&Currency::USD]);
    let ours = books
        .instruments
        .iter()
        .map(|(id, book)| (id.clone(), book.realized.unwrap().amount.normalize()));
    assert_eq!(ours.collect::<BTreeMap<_, _>>(), gross);
    assert_eq!(gross.len(), 4);
    assert!(gross.values().any(|pnl| !pnl.is_zero()), "{gross:?}");

    // The first purchase finds no BNB, and is charged whole, of what it brings; from then on all is paid with BNB.
    let mut paid = Decimal::ZERO;
    for (index, fill) in history.fills().enumerate() {
        let [fee] = fill.fees.as_slice() else {
            panic!("{fill:?}")
        };
        assert_eq!(fee.currency, bnb(), "{fill:?}");
        paid += fee.amount;
        if index == 0 {
            assert_eq!((fill.symbol.get(), fee.amount.normalize()), ("BNB/USD", dec("0.003")));
        }
    }
    assert_eq!(fees, BTreeMap::from([(bnb(), paid.normalize())]));
    assert_eq!(balance, dec("15") - paid);
}

/// 0.1 x 90,000 x 0.1 % are 9 dollars; three quarters of it, 6.75, are 0.01125 coins at 600. By the answer, by the
/// history and by the balance.
#[test]
fn a_fee_in_bnb_is_told_as_it_is_taken() {
    let mut engine = engine();
    let at = end();
    quote(&mut engine, "BNB/USD", "600.000", "600.000", at);
    quote(&mut engine, "BTC/USD", "90000.00", "90000.00", at);
    let house = House::new(BinanceVenue::builder().engine(engine, "354937868".into()));
    let account = house.account.clone();
    house.run(|broker| async move {
        let total = |balances: &broker_core::Balances| {
            let found = balances.balances.iter().find(|one| one.currency == bnb());
            found.unwrap().total
        };
        let before = total(&broker.balances(&account).await.unwrap());
        let request = OrderRequest::market("BTC/USD".into(), Side::Buy, "0.1".parse().unwrap());
        let Placement::Accepted(order) = broker.place_once(&account, request).await.unwrap() else {
            panic!()
        };
        assert_eq!(order.status, OrderStatus::Filled);
        let fills = broker.fills_of(&account, &order.id).await.unwrap();
        let [Record::Fill(fill)] = fills.as_slice() else {
            panic!("{fills:?}")
        };
        assert_eq!(fill.fees, [Money::new(dec("0.01125000"), bnb())]);
        assert_eq!(fill.price, "90000.00".parse().unwrap());
        let after = total(&broker.balances(&account).await.unwrap());
        assert_eq!(before - after, dec("0.01125"));
    });
}
