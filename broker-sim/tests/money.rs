//! Cash, positions, fees and flows, with figures worked out by hand.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use broker_core::model::{Asset, FlowKind, Payoff, PositionLeg};
use broker_core::{Currency, InstrumentId, Money, OrderRequest, Record, Side};
use broker_sim::{
    AccountSpec, Calendar, Catalogue, FeeAsset, FeeKind, FeeRule, FeeSchedule, Posting, SimEvent, SimReject,
};
use common::{Venue, at, d, p, q};

fn trade(v: &mut Venue, symbol: &str, side: Side, qty: &str, price: &str) {
    v.quote(symbol, price, price, "1000000");
    let order = v.place(OrderRequest::market(symbol.parse().unwrap(), side, q(qty)));
    assert_eq!(order.status.as_str(), "filled");
}

fn gross(v: &Venue, symbol: &str, leg: PositionLeg) -> rust_decimal::Decimal {
    v.engine.books(&v.account).unwrap().instruments[&(InstrumentId::from(symbol), leg)].gross
}

#[test]
fn a_flip_closes_first_in_first_out_and_opens_the_other_side() {
    let mut v = Venue::margin();
    trade(&mut v, "AAPL", Side::Buy, "10", "100.00");
    trade(&mut v, "AAPL", Side::Buy, "10", "102.00");
    trade(&mut v, "AAPL", Side::Sell, "25", "103.00");
    // 10 x 3 + 10 x 1 realized; five are short at 103.
    assert_eq!(gross(&v, "AAPL", PositionLeg::Net), d("40.00"));
    let position = v.engine.positions(&v.account).unwrap().remove(0);
    assert_eq!((position.side, position.qty), (Side::Sell, q("5")));
    assert_eq!(position.average_price, Some(p("103.00")));
    trade(&mut v, "AAPL", Side::Buy, "5", "101.00");
    assert_eq!(gross(&v, "AAPL", PositionLeg::Net), d("50.00"));
    assert_eq!(v.cash_of("USD"), d("100050.00"));
    let realized: Vec<_> = v
        .engine
        .log(&v.account)
        .unwrap()
        .iter()
        .filter_map(|entry| entry.realized)
        .collect();
    assert_eq!(
        realized,
        [
            Money::new(d("40.00"), Currency::USD),
            Money::new(d("10.00"), Currency::USD)
        ]
    );
    v.assert_books();
}

#[test]
fn a_hedging_account_keeps_two_legs() {
    let mut v = Venue::new(
        AccountSpec::margin("A1", Currency::USD)
            .with_hedging()
            .with_stated_pnl(),
    );
    trade(&mut v, "EUR/USD", Side::Buy, "10000", "1.10000");
    trade(&mut v, "EUR/USD", Side::Sell, "4000", "1.10500");
    assert_eq!(v.leg("EUR/USD", PositionLeg::Long), d("10000"));
    assert_eq!(v.leg("EUR/USD", PositionLeg::Short), d("-4000"));
    // Margined: opening moves no cash.
    assert_eq!(v.cash_of("USD"), d("100000"));
    v.quote("EUR/USD", "1.10200", "1.10200", "1000000");
    let close = |side, leg, qty| OrderRequest::market("EUR/USD".parse().unwrap(), side, q(qty)).with_leg(leg);
    assert_eq!(
        v.try_place(close(Side::Sell, PositionLeg::Long, "10001"))
            .unwrap_err()
            .code(),
        "insufficient_qty"
    );
    v.place(close(Side::Sell, PositionLeg::Long, "10000"));
    v.place(close(Side::Buy, PositionLeg::Short, "4000"));
    // 10,000 x 0.002 + 4,000 x 0.003
    assert_eq!(v.cash_of("USD"), d("100032"));
    let stated: Vec<_> = v
        .records()
        .into_iter()
        .filter_map(|record| match record {
            Record::Fill(fill) => Some(fill.pnl.map(|pnl| pnl.amount.normalize().to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(stated, [None, None, Some("20".to_owned()), Some("12".to_owned())]);
    v.assert_books();
}

#[test]
fn futures_pay_the_difference_times_the_multiplier() {
    let spec = AccountSpec::margin("A1", Currency::USD).with_fees(FeeSchedule::us_retail());
    let mut v = Venue::new(spec);
    trade(&mut v, "ESH27", Side::Buy, "2", "5960.25");
    // Only the fee: 2 x 1.40.
    assert_eq!(v.cash_of("USD"), d("99997.20"));
    v.quote("ESH27", "5962.00", "5962.00", "100");
    // (5962.00 - 5960.25) x 50 x 2 = 175 of open profit; margin is 13,200 a contract.
    let balances = v.engine.balances(&v.account).unwrap();
    assert_eq!(balances.equity.unwrap().amount, d("100172.20"));
    assert_eq!(balances.margin_used.unwrap().amount, d("26400"));
    trade(&mut v, "ESH27", Side::Sell, "2", "5961.50");
    // 1.25 x 50 x 2 = 125, less 5.60 of fees.
    assert_eq!(v.cash_of("USD"), d("100119.40"));
    assert_eq!(v.engine.books(&v.account).unwrap().fees[&Currency::USD], d("5.60"));
    let order = OrderRequest::market("ESH27".parse().unwrap(), Side::Buy, q("8"));
    assert_eq!(v.try_place(order).unwrap_err().code(), "insufficient_funds");
    v.assert_books();
}

#[test]
fn a_future_is_settled_in_money_when_it_expires() {
    let mut v = Venue::margin();
    trade(&mut v, "CLH27", Side::Sell, "1", "69.12");
    v.quote("CLH27", "68.00", "68.00", "100");
    v.go("2027-03-20T00:00:00Z");
    assert_eq!(v.qty("CLH27"), d("0"));
    // (69.12 - 68.00) x 1000
    assert_eq!(v.cash_of("USD"), d("101120.00"));
    v.assert_books();
}

#[test]
fn yen_profit_stays_in_yen() {
    let mut v = Venue::margin();
    trade(&mut v, "USD/JPY", Side::Buy, "1000", "150.000");
    trade(&mut v, "USD/JPY", Side::Sell, "1000", "151.000");
    assert_eq!(v.cash_of("JPY"), d("1000"));
    // Valued at the rate: 100,000 + 1000 / 151.
    let equity = v.engine.equity(&v.account).unwrap().unwrap().amount;
    assert_eq!(equity.round_dp(6), d("100006.622517"));
    v.assert_books();
}

fn crypto_fee(posting: Posting) -> Venue {
    let rule = FeeRule {
        class: broker_core::model::AssetClass::Crypto,
        label: "CFEE".to_owned(),
        kind: FeeKind::Rate {
            maker: d("0.0015"),
            taker: d("0.0025"),
        },
        side: None,
        asset: FeeAsset::Received,
        posting,
        places: 9,
    };
    Venue::new(AccountSpec::margin("A1", Currency::USD).with_fees(FeeSchedule::free().with(rule)))
}

#[test]
fn a_coin_fee_is_taken_from_what_was_received() {
    let mut v = crypto_fee(Posting::OnFill);
    trade(&mut v, "BTC/USD", Side::Buy, "0.4", "30000.00");
    // 0.25 % of 0.4 coins.
    assert_eq!(v.qty("BTC/USD"), d("0.399"));
    assert_eq!(v.cash_of("USD"), d("88000.00"));
    trade(&mut v, "BTC/USD", Side::Sell, "0.399", "31000.00");
    // 0.399 x 31,000 = 12,369, less 0.25 %: 30.9225.
    assert_eq!(v.cash_of("USD"), d("100338.0775"));
    assert_eq!(v.qty("BTC/USD"), d("0"));
    let books = v.engine.books(&v.account).unwrap();
    assert_eq!(books.fees[&"BTC".parse().unwrap()], d("0.001"));
    assert_eq!(books.fees[&Currency::USD], d("30.9225"));
    assert_eq!(gross(&v, "BTC/USD", PositionLeg::Net), d("399"));
    v.assert_books();
}

#[test]
fn a_third_coin_pays_the_fee_as_long_as_there_is_enough_of_it() {
    let eth: Currency = "ETH".parse().unwrap();
    let rule = FeeRule {
        class: broker_core::model::AssetClass::Crypto,
        label: "COM".to_owned(),
        kind: FeeKind::Rate {
            maker: d("0.001"),
            taker: d("0.001"),
        },
        side: None,
        asset: FeeAsset::Coin {
            coin: eth,
            part: d("0.75"),
        },
        posting: Posting::OnFill,
        places: 8,
    };
    let mut v = Venue::new(AccountSpec::margin("A1", Currency::USD).with_fees(FeeSchedule::free().with(rule)));
    // Nothing of it is held: a tenth of a percent of what is received.
    trade(&mut v, "BTC/USD", Side::Buy, "0.4", "30000.00");
    assert_eq!(v.qty("BTC/USD"), d("0.3996"));
    trade(&mut v, "ETH/USD", Side::Buy, "2", "3000.00");
    assert_eq!(v.qty("ETH/USD"), d("1.998"));
    assert_eq!(v.cash_of("USD"), d("82000.00"));
    // 0.3996 x 31,000 = 12,387.60; three quarters of 0.1 % are 9.2907, at 3,000 a coin.
    trade(&mut v, "BTC/USD", Side::Sell, "0.3996", "31000.00");
    assert_eq!(v.cash_of("USD"), d("94387.60"));
    assert_eq!(v.cash_of("ETH"), d("-0.0030969"));
    let books = v.engine.books(&v.account).unwrap();
    assert_eq!(books.fees[&"BTC".parse().unwrap()], d("0.0004"));
    assert_eq!(books.fees[&eth], d("0.0050969"));
    // On what was left after the fee: 0.3996 x 1,000.
    assert_eq!(gross(&v, "BTC/USD", PositionLeg::Net), d("399.6"));
    v.assert_books();
    // 31,000 x 0.075 % are 23.25, at 3,000 a coin 0.00775. Of 1.9871531 coins that are left 2 x 31,000 x 0.075 % =
    // 46.5 cannot be paid at 20 a coin: that takes 2.325.
    trade(&mut v, "BTC/USD", Side::Buy, "1", "31000.00");
    assert_eq!(v.cash_of("ETH"), d("-0.0108469"));
    v.quote("ETH/USD", "20.00", "20.00", "1000000");
    trade(&mut v, "BTC/USD", Side::Buy, "2", "31000.00");
    assert_eq!(v.qty("BTC/USD"), d("2.998"));
    assert_eq!(v.cash_of("ETH"), d("-0.0108469"));
    v.assert_books();
}

#[test]
fn fees_of_the_day_are_posted_the_day_after() {
    let mut v = crypto_fee(Posting::NextDay);
    trade(&mut v, "BTC/USD", Side::Buy, "0.4", "30000.00");
    trade(&mut v, "BTC/USD", Side::Buy, "0.4", "30100.00");
    assert_eq!(v.qty("BTC/USD"), d("0.8"));
    let position = v.engine.positions(&v.account).unwrap().remove(0);
    assert_eq!(position.available, Some(q("0.798")), "what is owed cannot be sold");
    assert_eq!(
        v.engine.balances(&v.account).unwrap().accrued_fees.unwrap().amount,
        d("0.002") * d("30100")
    );
    v.go("2026-11-19T09:59:59Z");
    assert_eq!(v.records().len(), 3);
    v.go("2026-11-19T10:00:00Z");
    let Record::Fee(fee) = v.records().remove(3) else {
        panic!("a fee")
    };
    assert_eq!(
        (fee.amount, fee.price, fee.label.as_str()),
        (d("0.002"), Some(p("30100.00")), "CFEE")
    );
    assert!(matches!(&fee.asset, Asset::Instrument { id, .. } if id.get() == "BTC/USD"));
    assert_eq!(
        (fee.at, fee.booked_at),
        (at("2026-11-18T00:00:00Z"), Some(at("2026-11-19T10:00:00Z")))
    );
    assert_eq!(v.qty("BTC/USD"), d("0.798"));
    v.assert_books();
}

#[test]
fn share_sales_pay_the_regulators() {
    let mut v = Venue::new(AccountSpec::margin("A1", Currency::USD).with_fees(FeeSchedule::us_retail()));
    trade(&mut v, "AAPL", Side::Buy, "100", "100.00");
    trade(&mut v, "AAPL", Side::Sell, "100", "100.00");
    v.go("2026-11-20T00:00:00Z");
    // 10,000 x 0.0000278 = 0.278; 100 x 0.000166 = 0.0166.
    let fees: Vec<_> = v
        .records()
        .into_iter()
        .filter_map(|record| match record {
            Record::Fee(fee) => Some((fee.label, fee.amount)),
            _ => None,
        })
        .collect();
    assert_eq!(fees, [("REG".to_owned(), d("0.2780")), ("TAF".to_owned(), d("0.0166"))]);
    assert_eq!(v.cash_of("USD"), d("99999.7054"));
    v.assert_books();
}

const CALL: &str = "AAPL261218C00190000";
const PUT: &str = "AAPL261218P00190000";

#[test]
fn options_expire_worthless_or_are_exercised_and_assigned() {
    let mut v = Venue::margin();
    trade(&mut v, CALL, Side::Buy, "2", "4.00");
    trade(&mut v, PUT, Side::Sell, "1", "3.00");
    assert_eq!(v.cash_of("USD"), d("99500.00"));
    v.quote("AAPL", "195.00", "195.00", "100");
    v.go("2026-12-18T20:59:59Z");
    assert_eq!(v.qty(CALL), d("2"));
    v.go("2026-12-18T21:00:00Z");
    // The call is 5 in the money: 200 shares at 190. The put expires: its premium stays.
    assert_eq!((v.qty(CALL), v.qty(PUT), v.qty("AAPL")), (d("0"), d("0"), d("200")));
    assert_eq!(v.cash_of("USD"), d("61500.00"));
    assert_eq!(gross(&v, CALL, PositionLeg::Net), d("-800"));
    assert_eq!(gross(&v, PUT, PositionLeg::Net), d("300"));
    let flows: Vec<_> = v
        .records()
        .into_iter()
        .filter_map(|record| match record {
            Record::Flow(flow) if flow.kind != FlowKind::Deposit => Some(flow),
            _ => None,
        })
        .collect();
    let kinds: Vec<_> = flows.iter().map(|flow| flow.kind.as_str()).collect();
    assert_eq!(kinds, ["exercise", "exercise", "expiry"]);
    assert!(flows[0].group.is_some() && flows[0].group == flows[1].group && flows[2].group.is_none());
    assert_eq!((flows[1].amount, flows[1].price), (d("200"), Some(p("190"))));
    assert_eq!(flows[1].cash, Some(Money::new(d("-38000"), Currency::USD)));
    v.assert_books();
}

#[test]
fn a_short_put_is_assigned_on_demand() {
    let mut v = Venue::margin();
    trade(&mut v, PUT, Side::Sell, "3", "3.00");
    let put = InstrumentId::from(PUT);
    assert_eq!(
        v.engine.exercise(&v.account, &put, d("1"), v.now),
        Err(SimReject::UnknownPosition)
    );
    assert_eq!(
        v.engine.assign(&v.account, &put, d("4"), v.now).unwrap_err().code(),
        "insufficient_qty"
    );
    v.engine.assign(&v.account, &put, d("1"), v.now).unwrap();
    assert_eq!((v.qty(PUT), v.qty("AAPL")), (d("-2"), d("100")));
    assert_eq!(v.cash_of("USD"), d("100000") + d("900") - d("19000"));
    v.assert_books();
}

#[test]
fn flows_of_money_and_splits() {
    let mut v = Venue::margin();
    trade(&mut v, "AAPL", Side::Buy, "3", "100.00");
    trade(&mut v, "AAPL", Side::Buy, "5", "104.00");
    let apple = InstrumentId::from("AAPL");
    assert_eq!(v.engine.dividend(&apple, d("0.25"), v.now), Ok(1));
    v.engine
        .interest(&v.account, Money::new(d("-1.50"), Currency::USD), v.now)
        .unwrap();
    v.engine
        .deposit(&v.account, Money::new(d("-200"), Currency::USD), v.now)
        .unwrap();
    assert_eq!(v.cash_of("USD"), d("100000") - d("820") + d("2") - d("1.50") - d("200"));
    assert_eq!(v.engine.split(&apple, 4, 1, v.now), Ok(1));
    assert_eq!(v.qty("AAPL"), d("32"));
    // 820 paid for 32 shares now.
    assert_eq!(
        v.engine.positions(&v.account).unwrap()[0].average_price,
        Some(p("25.625"))
    );
    trade(&mut v, "AAPL", Side::Sell, "12", "30.00");
    // The first lot: 12 at 25.
    assert_eq!(gross(&v, "AAPL", PositionLeg::Net), d("60"));
    v.assert_books();
    let kinds: Vec<_> = v
        .records()
        .iter()
        .filter_map(|record| match record {
            Record::Flow(flow) => Some(flow.kind.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["deposit", "dividend", "interest", "withdrawal", "split"]);
}

#[test]
fn a_bust_leaves_everything_as_without_the_fill() {
    let mut v = Venue::margin();
    trade(&mut v, "AAPL", Side::Buy, "10", "100.00");
    trade(&mut v, "AAPL", Side::Buy, "10", "110.00");
    trade(&mut v, "AAPL", Side::Sell, "10", "120.00");
    assert_eq!(gross(&v, "AAPL", PositionLeg::Net), d("200"));
    let first = v.fill_ids()[0].clone();
    v.engine.take_events();
    v.engine.bust(&v.account, &first, v.now).unwrap();
    let told = v.engine.take_events();
    assert!(matches!(&told[0], SimEvent::Record { entry, .. } if entry.position_qty == Some(d("0"))));
    assert_eq!(v.qty("AAPL"), d("0"));
    assert_eq!(v.cash_of("USD"), d("100100.00"));
    assert_eq!(gross(&v, "AAPL", PositionLeg::Net), d("100"));
    let entry = v.engine.log(&v.account).unwrap().last().unwrap().clone();
    assert!(matches!(entry.record, Record::Void(_)));
    let order = v.order(entry.order.as_ref().unwrap());
    assert_eq!((order.status.as_str(), order.filled_qty), ("canceled", q("0")));
    assert_eq!(v.engine.bust(&v.account, &first, v.now), Err(SimReject::UnknownFill));
    v.assert_books();
}

#[test]
fn a_correction_is_a_new_version_of_the_same_fill() {
    let mut v = Venue::margin();
    trade(&mut v, "AAPL", Side::Buy, "10", "100.00");
    trade(&mut v, "AAPL", Side::Sell, "10", "105.00");
    let first = v.fill_ids()[0].clone();
    v.engine.correct(&v.account, &first, p("101.00"), v.now).unwrap();
    assert_eq!(v.cash_of("USD"), d("100040.00"));
    let entry = v.engine.log(&v.account).unwrap().last().unwrap().clone();
    assert_eq!((entry.record.version(), entry.seq), (1, 4));
    assert_eq!(v.order(entry.order.as_ref().unwrap()).average_price, Some(p("101")));
    v.assert_books();
    v.engine.bust(&v.account, &first, v.now).unwrap();
    assert_eq!(v.qty("AAPL"), d("-10"));
    v.assert_books();
}

#[test]
fn a_coin_margined_contract_pays_in_coins() {
    let mut listing = Catalogue::standard()
        .get(&InstrumentId::from("BTC/USD"))
        .unwrap()
        .clone();
    listing.instrument.id = "BTCUSD-PERP".into();
    listing.instrument.symbol = "BTCUSD-PERP".into();
    listing.instrument.payoff = Payoff::Inverse;
    listing.instrument.currency = "BTC".parse().unwrap();
    listing.instrument.base = None;
    listing.instrument.multiplier = Some(d("100"));
    listing.instrument.lot = Some(d("1"));
    listing.instrument.min_notional = None;
    listing.instrument.margin = Some(broker_core::model::Margin {
        initial: Some(Money::new(d("10"), Currency::USD)),
        ..Default::default()
    });
    listing.calendar = Calendar::Always;
    let mut v = Venue::margin();
    v.engine.list(listing);
    trade(&mut v, "BTCUSD-PERP", Side::Buy, "10", "25000.00");
    trade(&mut v, "BTCUSD-PERP", Side::Sell, "10", "50000.00");
    // 10 x 100 x (1/25,000 - 1/50,000)
    assert_eq!(v.cash_of("BTC"), d("0.02"));
    v.assert_books();
}
