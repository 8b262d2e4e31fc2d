//! Lots, closings and exits: what OANDA alone has, with every figure worked out by hand.

use std::time::Duration;

use broker_core::model::{Level, LotRole, PositionLeg, StopExit, Trail};
use broker_core::seam::Clock;
use broker_core::{
    Broker, BrokerExt, Currency, ErrorKind, Fill, Money, Order, OrderQuery, OrderRequest, OrderStatus, Placement, Side,
};
use broker_oanda::venue::{OandaVenue, OandaVenueBuilder};
use broker_oanda::{Closing, ExitChange, TradeExits};
use broker_sim::{Catalogue, Engine};
use chrono::{DateTime, Utc};

use super::{Stage, dec, price, qty};

/// A Wednesday noon, with EUR/USD at 1.08000 to 1.08010.
pub(super) fn stage(hedging: bool, currency: Currency) -> Stage {
    stage_of(hedging, currency, |builder| builder)
}

fn stage_of(hedging: bool, currency: Currency, change: fn(OandaVenueBuilder) -> OandaVenueBuilder) -> Stage {
    let now: DateTime<Utc> = "2026-01-07T12:00:00Z".parse().unwrap();
    let mut engine = Engine::new(1, &Catalogue::standard(), now);
    let spec = OandaVenueBuilder::spec(OandaVenue::ACCOUNT, currency);
    let spec = if hedging { spec.with_hedging() } else { spec };
    engine.open_account(spec, now).unwrap();
    engine
        .deposit(&OandaVenue::ACCOUNT.into(), Money::new(10_000.into(), currency), now)
        .unwrap();
    let builder = OandaVenue::builder().engine(engine, [OandaVenue::ACCOUNT.into()]);
    let stage = Stage::new(change(builder).build().unwrap(), now);
    stage.quote("EUR/USD", "1.08000", "1.08010");
    stage
}

impl Stage {
    pub(super) fn place(&self, request: OrderRequest) -> Order {
        let placed = self
            .runtime
            .block_on(self.broker.place_once(&self.account, request))
            .unwrap();
        match placed {
            Placement::Accepted(order) => *order,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn market(&self, side: Side, units: &str) -> Order {
        self.place(OrderRequest::market("EUR/USD".into(), side, qty(units)))
    }

    fn open(&self) -> Vec<(String, String)> {
        let trades = self.runtime.block_on(self.broker.open_trades(&self.account)).unwrap();
        trades
            .iter()
            .map(|trade| (trade.id.get().to_owned(), trade.qty.to_string()))
            .collect()
    }

    fn fills(&self) -> Vec<Fill> {
        let query = broker_core::HistoryQuery::last_days(&self.account, 1);
        let history = self.runtime.block_on(self.broker.all_fills(query)).unwrap();
        history.fills().cloned().collect()
    }

    fn orders(&self) -> Vec<(String, String, OrderStatus)> {
        let query = OrderQuery::placed(&self.account, broker_core::model::Window::LastDays(1));
        let orders = self.runtime.block_on(self.broker.all_orders(query)).unwrap();
        let told = orders
            .into_iter()
            .map(|one| (one.id.get().to_owned(), one.kind.as_str().to_owned(), one.status));
        told.collect()
    }
}

#[test]
fn a_named_lot_is_closed_and_not_the_oldest() {
    let stage = stage(false, Currency::USD);
    stage.market(Side::Buy, "300");
    stage.quote("EUR/USD", "1.09000", "1.09010");
    stage.market(Side::Buy, "200");
    // Transactions: CREATE, TRANSFER_FUNDS, then an order and a fill each.
    assert_eq!(
        stage.open(),
        [("6".to_owned(), "200".to_owned()), ("4".to_owned(), "300".to_owned())]
    );
    let part = Closing::Part(qty("150"));
    let fill = stage
        .runtime
        .block_on(stage.broker.close_trade(&stage.account, &"6".into(), part))
        .unwrap();
    assert_eq!(
        (fill.side, fill.qty, fill.price),
        (Side::Sell, qty("150"), price("1.09000"))
    );
    assert_eq!((fill.lots[0].lot.get(), fill.lots[0].role), ("6", LotRole::Closed));
    // (1.09000 - 1.09010) x 150
    assert_eq!(fill.pnl, Some(Money::new(dec("-0.0150"), Currency::USD)));
    assert_eq!(
        stage.open(),
        [("6".to_owned(), "50".to_owned()), ("4".to_owned(), "300".to_owned())]
    );
    let all = stage
        .runtime
        .block_on(stage.broker.close_trade(&stage.account, &"4".into(), Closing::All))
        .unwrap();
    // (1.09000 - 1.08010) x 300
    assert_eq!(all.pnl, Some(Money::new(dec("2.9700"), Currency::USD)));
    let again = stage
        .runtime
        .block_on(stage.broker.close_trade(&stage.account, &"4".into(), Closing::All))
        .unwrap_err();
    assert_eq!(
        (again.kind(), again.code()),
        (ErrorKind::NotFound, Some("TRADE_DOESNT_EXIST"))
    );
    let too_much = Closing::Part(qty("51"));
    let refused = stage
        .runtime
        .block_on(stage.broker.close_trade(&stage.account, &"6".into(), too_much))
        .unwrap_err();
    assert_eq!(refused.code(), Some("CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE"));
}

/// A reversal closes the oldest first, reduces the next, and opens what is left: one fill.
#[test]
fn an_order_that_crosses_zero_is_one_fill_of_three_lots() {
    let stage = stage(false, Currency::USD);
    stage.market(Side::Buy, "300");
    stage.market(Side::Buy, "200");
    stage.market(Side::Sell, "1000");
    let fill = stage.fills().pop().unwrap();
    let lots: Vec<_> = fill.lots.iter().map(|lot| (lot.lot.get(), lot.role, lot.qty)).collect();
    assert_eq!(
        lots,
        [
            ("4", LotRole::Closed, qty("300")),
            ("6", LotRole::Closed, qty("200")),
            ("8", LotRole::Opened, qty("500")),
        ]
    );
    // (1.08000 - 1.08010) x 300 and x 200
    assert_eq!(fill.lots[0].pnl, Some(Money::new(dec("-0.0300"), Currency::USD)));
    assert_eq!(fill.pnl, Some(Money::new(dec("-0.0500"), Currency::USD)));
    assert_eq!(stage.open(), [("8".to_owned(), "500".to_owned())]);
    let positions = stage.runtime.block_on(stage.broker.positions(&stage.account)).unwrap();
    assert_eq!(
        (positions[0].signed_qty(), positions[0].average_price),
        (dec("-500"), Some(price("1.08000")))
    );
}

#[test]
fn gains_and_losses_are_converted_at_their_own_rates() {
    let stage = stage(false, Currency::EUR);
    stage.market(Side::Buy, "10000");
    stage.quote("EUR/USD", "1.09000", "1.09000");
    stage.market(Side::Sell, "10000");
    let gain = stage.fills().pop().unwrap();
    // 98.9 dollars at 1/1.09, less half a percent: 0.9128440367; 90.2802752... to four places.
    let conversion = gain.conversion.unwrap();
    assert_eq!(conversion.gain, dec("0.9128440367"));
    assert_eq!(conversion.loss, dec("0.9220183486"));
    assert_eq!((dec("1.09000") - dec("1.08010")) * dec("10000"), dec("99.0000"));
    assert_eq!(gain.pnl, Some(Money::new(dec("90.3716"), Currency::EUR)));
    stage.market(Side::Buy, "10000");
    stage.quote("EUR/USD", "1.08000", "1.08000");
    stage.market(Side::Sell, "10000");
    let loss = stage.fills().pop().unwrap();
    // -100 dollars at 1/1.08 and half a percent more: 0.9305555556.
    assert_eq!(loss.conversion.unwrap().loss, dec("0.9305555556"));
    assert_eq!(loss.pnl, Some(Money::new(dec("-93.0556"), Currency::EUR)));
}

#[test]
fn exits_follow_their_trade() {
    let stage = stage(false, Currency::USD);
    let request = OrderRequest::market("EUR/USD".into(), Side::Buy, qty("1000"))
        .with_target(Level::Price(price("1.10000")))
        .with_stop(StopExit::Stop {
            stop: Level::Distance(qty("0.01000")),
            limit: None,
        });
    let entry = stage.place(request);
    assert_eq!(entry.status, OrderStatus::Filled);
    let trades = stage
        .runtime
        .block_on(stage.broker.open_trades(&stage.account))
        .unwrap();
    let trade = &trades[0];
    assert_eq!(trade.take_profit.as_ref().unwrap().price, Some(price("1.10000")));
    // At a distance of 0.01 from 1.08010.
    assert_eq!(trade.stop_loss.as_ref().unwrap().price, Some(price("1.07010")));
    // A part of the trade is closed, and its exits are for the rest.
    let part = Closing::Part(qty("400"));
    stage
        .runtime
        .block_on(stage.broker.close_trade(&stage.account, &trade.id, part))
        .unwrap();
    let open = stage
        .runtime
        .block_on(stage.broker.all_orders(OrderQuery::open(&stage.account)))
        .unwrap();
    let sizes: Vec<_> = open
        .iter()
        .map(|one| (one.kind.as_str(), one.remaining_qty().unwrap()))
        .collect();
    assert_eq!(sizes, [("limit", dec("600")), ("stop", dec("600"))]);
    assert!(open.iter().all(|one| one.links.parent.as_ref() == Some(&entry.id)));
    // Another target, and a stop that follows instead of the one that stands.
    let exits = TradeExits::new()
        .with_take_profit(ExitChange::Set(price("1.09500")))
        .with_stop_loss(ExitChange::Cancel)
        .with_trailing_stop(ExitChange::Set(Trail::Amount(dec("0.005"))));
    let made = stage
        .runtime
        .block_on(stage.broker.set_exits(&stage.account, &trade.id, &exits))
        .unwrap();
    assert_eq!(
        (made[0].limit_price, made[1].trail),
        (Some(price("1.09500")), Some(Trail::Amount(dec("0.00500"))))
    );
    // The target fills, and takes the other exit along.
    stage.quote("EUR/USD", "1.09500", "1.09510");
    assert_eq!(stage.open(), []);
    let orders = stage.orders();
    let last: Vec<_> = orders
        .iter()
        .rev()
        .take(2)
        .map(|(_, kind, status)| (kind.as_str(), status.clone()))
        .collect();
    assert_eq!(
        last,
        [("trailing_stop", OrderStatus::Canceled), ("limit", OrderStatus::Filled)]
    );
    // (1.09500 - 1.08010) x 600
    assert_eq!(
        stage.fills().pop().unwrap().pnl,
        Some(Money::new(dec("8.9400"), Currency::USD))
    );
}

#[test]
fn guaranteed_stops_are_asked_for_by_name() {
    let stage = stage(false, Currency::USD);
    let broker = stage.broker.guaranteeing_stops();
    let request = OrderRequest::market("EUR/USD".into(), Side::Buy, qty("100")).with_stop(StopExit::Stop {
        stop: Level::Price(price("1.07000")),
        limit: None,
    });
    let placed = stage
        .runtime
        .block_on(broker.place_once(&stage.account, request))
        .unwrap();
    assert!(matches!(placed, Placement::Accepted(_)));
    let trade = stage
        .runtime
        .block_on(stage.broker.open_trades(&stage.account))
        .unwrap()
        .remove(0);
    assert_eq!(trade.guaranteed_stop_loss.unwrap().price, Some(price("1.07000")));
    assert_eq!(trade.stop_loss, None);
}

/// In price, for each unit, where the stop fills at its price; beside `pl`, and taken from the balance.
#[test]
fn a_guaranteed_stop_costs_its_premium() {
    let stop = |jumps_to: &str| {
        let stage = stage_of(false, Currency::USD, |builder| {
            builder.with_guaranteed_premium(dec("0.00050"))
        });
        let broker = stage.broker.guaranteeing_stops();
        let stop = StopExit::Stop {
            stop: Level::Price(price("1.07000")),
            limit: None,
        };
        let buy = OrderRequest::market("EUR/USD".into(), Side::Buy, qty("100")).with_stop(stop);
        let placed = stage.runtime.block_on(broker.place_once(&stage.account, buy)).unwrap();
        assert!(matches!(placed, Placement::Accepted(_)));
        stage.quote("EUR/USD", jumps_to, "1.07010");
        let clock = stage.runtime.clock();
        stage.runtime.block_on(clock.sleep(Duration::from_secs(1)));
        let fill = stage.fills().pop().unwrap();
        let balances = stage.runtime.block_on(stage.broker.balances(&stage.account)).unwrap();
        let venue = stage.venue.lock().unwrap();
        assert_eq!(venue.balance(&stage.account), balances.balances[0].total);
        (
            fill.price,
            fill.pnl.unwrap().amount,
            fill.fees,
            balances.balances[0].total,
        )
    };
    let fee = Money::new(dec("0.0500"), Currency::USD);
    // (1.07000 - 1.08010) x 100, and 0.00050 x 100: 10,000 - 1.0100 - 0.0500.
    let kept = (price("1.07000"), dec("-1.0100"), vec![fee], dec("9998.9400"));
    assert_eq!(stop("1.07000"), kept);
    // This venue does not keep the guarantee when the market jumps: then it costs nothing.
    let jumped = (price("1.06990"), dec("-1.0200"), Vec::new(), dec("9998.9800"));
    assert_eq!(stop("1.06990"), jumped);
}

#[test]
fn exits_of_a_fill_that_only_reduces_are_dropped() {
    let stage = stage(false, Currency::USD);
    stage.market(Side::Buy, "1000");
    let request =
        OrderRequest::market("EUR/USD".into(), Side::Sell, qty("400")).with_target(Level::Price(price("1.05000")));
    let order = stage.place(request);
    let exit = broker_core::OrderRef::by_id(&stage.account, format!("{}:TP", order.id).into());
    let exit = stage.runtime.block_on(stage.broker.order(&exit)).unwrap();
    assert_eq!(exit.status, OrderStatus::Canceled);
    let open = stage
        .runtime
        .block_on(stage.broker.all_orders(OrderQuery::open(&stage.account)))
        .unwrap();
    assert_eq!(open, []);
}

#[test]
fn a_hedging_account_keeps_both_legs() {
    let stage = stage(true, Currency::USD);
    stage.market(Side::Buy, "300");
    stage.market(Side::Sell, "200");
    let positions = stage.runtime.block_on(stage.broker.positions(&stage.account)).unwrap();
    let legs: Vec<_> = positions.iter().map(|one| (one.leg, one.signed_qty())).collect();
    assert_eq!(
        legs,
        [(PositionLeg::Long, dec("300")), (PositionLeg::Short, dec("-200"))]
    );
    let id = "EUR_USD".into();
    let fill = stage
        .runtime
        .block_on(
            stage
                .broker
                .close_position(&stage.account, &id, PositionLeg::Short, Closing::Part(qty("50"))),
        )
        .unwrap();
    assert_eq!(
        (fill.side, fill.qty, fill.leg),
        (Side::Buy, qty("50"), PositionLeg::Short)
    );
    let missing = stage.runtime.block_on(stage.broker.close_position(
        &stage.account,
        &id,
        PositionLeg::Net,
        Closing::All,
    ));
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::NotFound);
    let closed = stage
        .runtime
        .block_on(
            stage
                .broker
                .close(&stage.account, &broker_core::model::InstrumentRef::Id(id)),
        )
        .unwrap();
    assert_eq!(closed.len(), 2);
    assert_eq!(stage.open(), []);
}

/// One pip of USD/JPY is 0.01, and profit in yen is told in dollars.
#[test]
fn pips_of_the_yen() {
    let stage = stage(false, Currency::USD);
    stage.quote("USD/JPY", "150.000", "150.000");
    let buy = OrderRequest::market("USD/JPY".into(), Side::Buy, qty("1000"));
    stage.place(buy);
    stage.quote("USD/JPY", "150.250", "150.250");
    stage.place(OrderRequest::market("USD/JPY".into(), Side::Sell, qty("1000")));
    let query = broker_core::HistoryQuery::last_days(&stage.account, 1);
    let history = stage.runtime.block_on(stage.broker.all_fills(query)).unwrap();
    let trades = broker_core::TradeBook::fifo().fold(&history).unwrap().trades;
    assert_eq!(trades[0].pips, Some(dec("25")));
    // 250 yen at 1/150.25, less half a percent: 0.0066222962.
    assert_eq!(trades[0].broker_pnl, Some(Money::new(dec("1.6556"), Currency::USD)));
}
