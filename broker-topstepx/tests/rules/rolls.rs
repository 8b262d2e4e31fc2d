//! Futures: what a tick is worth, when contracts end and roll, and that a roll is two trades.

use std::sync::Arc;

use broker_core::pnl::TradeBook;
use broker_core::{Broker, OrderRequest, Side};
use broker_sync::{MemoryStore, Syncer};
use broker_topstepx::TopstepxBroker;
use rust_decimal::Decimal;

use super::common::{dec, price, qty};
use super::desk::{Desk, own};

fn day(text: &str) -> Option<chrono::NaiveDate> {
    Some(text.parse().unwrap())
}

/// From the table of specifications: by the exchange's rule, holidays not known.
#[test]
fn contracts_end_and_roll_by_the_quarter_or_by_the_month() {
    for (contract, root, year, month, last, roll, next) in [
        // Third Friday; the Thursday of the week before.
        (
            "CON.F.US.EP.H27",
            "ES",
            2027,
            3,
            "2027-03-19",
            Some("2027-03-11"),
            (2027, 6),
        ),
        (
            "CON.F.US.ENQ.Z26",
            "NQ",
            2026,
            12,
            "2026-12-18",
            Some("2026-12-10"),
            (2027, 3),
        ),
        // The 25th of December 2026 is a Friday: 24, 23, 22; holidays are not known here.
        (
            "CON.F.US.CLE.F27",
            "CL",
            2027,
            1,
            "2026-12-22",
            Some("2026-12-17"),
            (2027, 2),
        ),
        (
            "CON.F.US.MCLE.Z26",
            "MCL",
            2026,
            12,
            "2026-11-19",
            Some("2026-11-16"),
            (2027, 1),
        ),
        // Third last business day of February; two business days before the month.
        (
            "CON.F.US.GCE.G27",
            "GC",
            2027,
            2,
            "2027-02-24",
            Some("2027-01-28"),
            (2027, 4),
        ),
        // Two business days before the third Wednesday, the 17th.
        (
            "CON.F.US.EU6.H27",
            "6E",
            2027,
            3,
            "2027-03-15",
            Some("2027-03-08"),
            (2027, 6),
        ),
        (
            "CON.F.US.TYA.H27",
            "ZN",
            2027,
            3,
            "2027-03-19",
            Some("2027-02-25"),
            (2027, 6),
        ),
        // No custom is known.
        ("CON.F.US.GMET.F27", "MET", 2027, 1, "2027-01-29", None, (2027, 2)),
    ] {
        let spec = TopstepxBroker::spec(&contract.into()).unwrap();
        assert_eq!(spec.root, root);
        assert_eq!(spec.estimated_last_trading_day(year, month), day(last), "{contract}");
        assert_eq!(spec.estimated_roll_day(year, month), roll.and_then(day), "{contract}");
        assert_eq!(spec.month_after(year, month), Some(next), "{contract}");
    }
    // The vendor's root is another than the exchange's: neither is taken for the other.
    for unknown in ["CON.F.US.ES.H27", "ESH27", "CON.F.EU.EP.H27", "CON.F.US.EP", ""] {
        assert!(TopstepxBroker::spec(&unknown.into()).is_none(), "{unknown}");
    }
}

/// Through `broker-sync`, as a journal would see it: one tick of the S&P is 12.50 dollars, of the micro 1.25.
#[test]
fn a_tick_is_worth_what_the_exchange_says() {
    let desk = Desk::new(|builder| builder);
    let trade = |contract: &str, bid: &str, ask: &str, side: Side| {
        desk.quote(contract, bid, ask);
        desk.wait(1);
        let now = desk.runtime.block_on(async { desk.broker.context().clock().now() });
        let request = OrderRequest::market(contract.into(), side, qty("1"));
        let mut venue = desk.venue();
        venue.engine_mut().place(&own(), &request, None, now).unwrap();
    };
    for contract in ["ESZ26", "MESZ26"] {
        trade(contract, "4999.75", "5000.00", Side::Buy);
        trade(contract, "5000.25", "5000.50", Side::Sell);
    }
    let syncer = Syncer::new(desk.broker.handle(), Arc::new(MemoryStore::default())).with_days(1);
    let report = desk.runtime.block_on(syncer.sync(&desk.account)).unwrap();
    assert!(report.is_complete(), "{report}");
    let history = desk.runtime.block_on(syncer.history(&desk.account)).unwrap();
    let trades = TradeBook::fifo().fold(&history).unwrap();
    assert_eq!(
        trades.disagreements().count(),
        0,
        "the gateway's own profit is the same"
    );
    let told: Vec<_> = trades
        .trades
        .iter()
        .map(|trade| {
            let (gross, fees) = (trade.gross_pnl.unwrap().amount, &trade.fees);
            let fees: Decimal = fees.iter().map(|fee| fee.amount).sum();
            (trade.symbol.get(), gross, fees, trade.net_pnl().unwrap().amount)
        })
        .collect();
    // 1.40 a contract and side is what this venue takes.
    assert_eq!(
        told,
        [
            ("ESZ26", dec("12.50"), dec("2.80"), dec("9.70")),
            ("MESZ26", dec("1.25"), dec("2.80"), dec("-1.55"))
        ]
    );
}

/// The old contract is closed and the new one opened, each at its own price: 40 points between them are nobody's profit.
#[test]
fn a_roll_is_two_trades() {
    let desk = Desk::new(|builder| builder);
    let trade = |contract: &str, bid: &str, ask: &str, side: Side| {
        desk.quote(contract, bid, ask);
        desk.wait(1);
        let now = desk.runtime.block_on(async { desk.broker.context().clock().now() });
        let request = OrderRequest::market(contract.into(), side, qty("1"));
        let mut venue = desk.venue();
        venue.engine_mut().place(&own(), &request, None, now).unwrap();
    };
    trade("MESZ26", "4999.75", "5000.00", Side::Buy);
    trade("MESZ26", "5010.00", "5010.25", Side::Sell);
    trade("MESH27", "5049.75", "5050.00", Side::Buy);
    trade("MESH27", "5052.00", "5052.25", Side::Sell);
    let syncer = Syncer::new(desk.broker.handle(), Arc::new(MemoryStore::default())).with_days(1);
    let report = desk.runtime.block_on(syncer.sync(&desk.account)).unwrap();
    assert!(report.is_complete(), "{report}");
    let history = desk.runtime.block_on(syncer.history(&desk.account)).unwrap();
    let trades = TradeBook::fifo().fold(&history).unwrap().trades;
    let told: Vec<_> = trades
        .iter()
        .map(|trade| (trade.instrument.get(), trade.gross_pnl.unwrap().amount))
        .collect();
    assert_eq!(
        told,
        [("CON.F.US.MES.Z26", dec("50.00")), ("CON.F.US.MES.H27", dec("10.00"))]
    );
    // What is traded is the front contract; the gateway says which one that is, and takes no order for another.
    let front = desk.run(|broker, _| async move { broker.front_contract("MES").await.unwrap().unwrap() });
    assert_eq!((front.id.get(), front.symbol.get()), ("CON.F.US.MES.Z26", "MESZ26"));
    desk.quote("MESH27", "5049.75", "5050.00");
    let request = OrderRequest::limit("MESH27".into(), Side::Buy, qty("1"), price("5000"));
    let placed = desk.run(|broker, account| async move {
        use broker_core::BrokerExt;
        broker.place_once(&account, request).await
    });
    let error = match placed {
        Ok(broker_core::Placement::Rejected(error)) | Err(error) => error,
        other => panic!("{other:?}"),
    };
    println!("{error}");
    assert!(
        error.code() == Some("9") || error.delivery() == broker_core::Delivery::NotSent,
        "{error:?}"
    );
}
