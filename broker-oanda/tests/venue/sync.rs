//! 90 days of forex through `broker-sync`: complete, and our books are the venue's, to the last digit.

use std::sync::Arc;

use broker_core::model::{Asset, Record};
use broker_core::pnl::TradeBook;
use broker_core::seam::Clock;
use broker_core::{AccountId, Broker, BrokerExt, Currency, HistoryQuery};
use broker_oanda::venue::{OandaVenue, OandaVenueBuilder};
use broker_sim::HistoryPlan;
use broker_sync::{MemoryStore, PnlCheck, PositionCheck, Syncer};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::Stage;

fn stage(currency: Currency) -> Stage {
    let now: DateTime<Utc> = "2026-06-30T20:00:00Z".parse().unwrap();
    let spec = OandaVenueBuilder::spec(OandaVenue::ACCOUNT, currency);
    let plan = HistoryPlan::new(3_000, now)
        .with_days(89)
        .with_symbols(8)
        .with_seed(5)
        .with_account(spec);
    Stage::new(OandaVenue::seeded(&plan).unwrap(), now)
}

/// What a record moved of the account's cash, by what OANDA states: profit, financing, fees, flows.
fn moved(record: &Record) -> Decimal {
    match record {
        Record::Fill(fill) => {
            let financing: Decimal = fill
                .lots
                .iter()
                .filter_map(|lot| lot.financing)
                .map(|money| money.amount)
                .sum();
            let fees: Decimal = fill.fees.iter().map(|fee| fee.amount).sum();
            fill.pnl.unwrap().amount + financing - fees
        }
        Record::Flow(flow) => {
            assert!(matches!(flow.asset, Asset::Currency(_)));
            flow.amount
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn ninety_days_are_complete_and_the_pnl_is_the_venues() {
    for currency in [Currency::USD, Currency::EUR] {
        let stage = stage(currency);
        let syncer = Syncer::new(stage.broker.handle(), Arc::new(MemoryStore::new()));
        let report = stage.runtime.block_on(syncer.sync(&stage.account)).unwrap();
        println!("{currency}: {report:?}");
        assert!(
            report.is_complete(),
            "{:?} {:?} {:?}",
            report.verdict,
            report.orders,
            report.positions
        );
        assert!(
            matches!(
                report.positions,
                PositionCheck::Verified { .. } | PositionCheck::Implied { .. }
            ),
            "{:?}",
            report.positions
        );
        match &report.pnl {
            PnlCheck::Compared { trades, differences } => {
                assert!(
                    *trades > 100 && differences.is_empty(),
                    "{trades} trades: {differences:?}"
                );
            }
            other => panic!("{other:?}"),
        }
        // A second run finds nothing new.
        let again = stage.runtime.block_on(syncer.sync(&stage.account)).unwrap();
        assert_eq!(again.totals.new, 0, "{:?}", again.totals);
    }
}

#[test]
fn every_record_together_is_the_balance() {
    for currency in [Currency::USD, Currency::EUR] {
        let stage = stage(currency);
        let query = HistoryQuery::last_days(&stage.account, 90);
        let history = stage.runtime.block_on(stage.broker.all_fills(query)).unwrap();
        assert!(history.completeness.is_complete());
        let fills = history.fills().count();
        let sum: Decimal = history.records.iter().map(moved).sum();
        let venue = stage.venue.lock().unwrap();
        assert_eq!(fills, 3_000);
        assert_eq!(sum, venue.balance(&stage.account), "{currency}");
        // The engine's cash, and a second reading of its log by other code, say the same.
        let engine = venue.engine();
        assert_eq!(sum, engine.account(&stage.account).unwrap().cash_of(currency));
        let books = engine.books(&stage.account).unwrap();
        assert_eq!(books.check(), Ok(()));
        assert_eq!(books.cash[&currency], sum);
        drop(venue);
        let balances = stage.runtime.block_on(stage.broker.balances(&stage.account)).unwrap();
        assert_eq!(balances.balances[0].total, sum);
        // Some of it is financing, at closings and of open trades.
        let financed = history.records.iter().filter(|record| match record {
            Record::Fill(fill) => fill.lots.iter().any(|lot| lot.financing.is_some()),
            Record::Flow(flow) => flow.lot.is_some(),
            _ => false,
        });
        assert!(financed.count() > 100);
        let trades = TradeBook::broker_lots().fold(&history).unwrap().trades;
        assert!(trades.len() > 100, "{} trades", trades.len());
    }
}

/// An account of two: each has a history of its own.
#[test]
fn sub_accounts_are_apart() {
    let now: DateTime<Utc> = "2026-01-07T12:00:00Z".parse().unwrap();
    let mut engine = broker_sim::Engine::new(1, &broker_sim::Catalogue::standard(), now);
    let ids: Vec<AccountId> = vec!["101-004-7654321-001".into(), "101-004-7654321-002".into()];
    engine
        .open_account(OandaVenueBuilder::spec(ids[0].clone(), Currency::USD), now)
        .unwrap();
    engine
        .open_account(
            OandaVenueBuilder::spec(ids[1].clone(), Currency::EUR).with_hedging(),
            now,
        )
        .unwrap();
    let ten = broker_core::Money::new(10.into(), Currency::EUR);
    engine.deposit(&ids[1], ten, now).unwrap();
    let venue = OandaVenue::builder()
        .engine(engine, ids.clone())
        .with_mt4(ids[0].clone())
        .build()
        .unwrap();
    let stage = Stage::new(venue, now + chrono::Duration::minutes(1));
    let accounts = stage.runtime.block_on(stage.broker.accounts()).unwrap();
    let told: Vec<_> = accounts
        .iter()
        .map(|one| (one.currency, one.position_mode, one.access.trade))
        .collect();
    use broker_core::model::PositionMode as M;
    assert_eq!(
        told,
        [
            (Currency::USD, M::Netting, Some(false)),
            (Currency::EUR, M::Hedging, None)
        ]
    );
    let records = |account: &AccountId| {
        let query = HistoryQuery::last_days(account, 1);
        stage
            .runtime
            .block_on(stage.broker.all_fills(query))
            .unwrap()
            .records
            .len()
    };
    assert_eq!((records(&ids[0]), records(&ids[1])), (0, 1));
    // MetaTrader's account takes no orders of ours, and a foreign one is not asked for.
    let request = broker_core::OrderRequest::market("EUR/USD".into(), broker_core::Side::Buy, super::qty("1"));
    let refused = stage
        .runtime
        .block_on(stage.broker.place_once(&ids[0], request))
        .unwrap_err();
    assert_eq!(refused.kind(), broker_core::ErrorKind::Unsupported);
    let asked = stage.recorder.requests().len();
    let foreign = stage
        .runtime
        .block_on(stage.broker.balances(&"101-004-1111111-001".into()))
        .unwrap_err();
    assert_eq!(
        (foreign.kind(), stage.recorder.requests().len()),
        (broker_core::ErrorKind::InvalidRequest, asked)
    );
    let _ = stage.runtime.clock().now();
}
