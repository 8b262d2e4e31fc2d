//! What moves without a fill: expiry, assignment, exercise, transfers, settlement, financing.

use super::*;

fn option(id: &str) -> Instrument {
    let mut option = instrument(id, Payoff::Cash, Some("100"));
    option.asset_class = AssetClass::Option;
    option.option = Some(OptionTerms {
        underlying: "A".into(),
        right: OptionRight::Call,
        strike: d("50").into(),
        expires_on: "2026-03-20".parse().unwrap(),
        style: None,
    });
    option
}

#[test]
fn an_expired_option_loses_its_premium() {
    let id = "A260320C00050000";
    let records = [
        buy(0, id, "2", "1.25"),
        Record::Flow(flow(9, FlowKind::Expiry, asset(id), d("-2"))),
    ];
    let books = books(LotMethod::Fifo, &[option(id)], &records);
    let trade = &books.trades[0];
    assert_eq!(
        (trade.gross_pnl, trade.exit),
        (Some(usd("-250")), Some(TradeExit::Expired))
    );
    assert_eq!(trade.exit_price, Some(d("0").into()));
    assert_eq!(cash(&books), d("-250"));
}

/// A call sold for 1.25 is assigned: 125 of premium stay, 100 shares leave at 50. Bought at 47: 300.
#[test]
fn an_assignment_delivers_at_the_strike() {
    let id = "A260320C00050000";
    let mut shares = flow(9, FlowKind::Assignment, asset("A"), d("-100"));
    shares.price = Some(d("50").into());
    let mut leaves = flow(8, FlowKind::Assignment, asset(id), d("1"));
    for row in [&mut shares, &mut leaves] {
        row.group = Some("g".into());
    }
    let records = [
        buy(0, "A", "100", "47"),
        sell(1, id, "1", "1.25"),
        Record::Flow(leaves),
        Record::Flow(shares.clone()),
    ];
    let implied = books(LotMethod::Fifo, &[option(id), share("A")], &records);
    let pnl: Vec<_> = implied.trades.iter().map(|trade| trade.gross_pnl.unwrap()).collect();
    assert_eq!(pnl, [usd("300"), usd("125")]);
    assert!(implied.positions.is_empty());
    assert_eq!(cash(&implied), d("425")); // -4,700 + 125 + 5,000
    // With the cash stated it is booked as stated, and once.
    shares.cash = Some(usd("5000"));
    let mut records = records;
    records[3] = Record::Flow(shares);
    let stated = books(LotMethod::Fifo, &[option(id), share("A")], &records);
    assert_eq!(
        (cash(&stated), stated.trades[0].gross_pnl),
        (d("425"), Some(usd("300")))
    );
    assert_eq!(stated.flows[&FlowKind::Assignment][&Currency::USD], d("5000"));
}

/// An exercised call: the premium is lost, and shares are there at the strike.
#[test]
fn an_exercise_brings_shares_at_the_strike() {
    let id = "A260320C00050000";
    let mut shares = flow(9, FlowKind::Exercise, asset("A"), d("100"));
    shares.price = Some(d("50").into());
    let records = [
        buy(0, id, "1", "2"),
        Record::Flow(flow(8, FlowKind::Exercise, asset(id), d("-1"))),
        Record::Flow(shares),
        sell(10, "A", "100", "53"),
    ];
    let books = books(LotMethod::Average, &[option(id), share("A")], &records);
    let pnl: Vec<_> = books.trades.iter().map(|trade| trade.gross_pnl.unwrap()).collect();
    assert_eq!(pnl, [usd("-200"), usd("300")]);
    assert_eq!(cash(&books), d("100"));
}

#[test]
fn transfers_come_with_a_price_or_hide_the_basis() {
    let mut priced = flow(0, FlowKind::Transfer, asset("A"), d("10"));
    priced.price = Some(d("7").into());
    let bare = flow(0, FlowKind::Transfer, asset("B"), d("10"));
    let out = flow(5, FlowKind::Transfer, asset("C"), d("-4"));
    let records = [
        Record::Flow(priced),
        Record::Flow(bare),
        sell(1, "A", "10", "9"),
        sell(2, "B", "10", "9"),
        buy(3, "C", "10", "5"),
        Record::Flow(out),
        sell(6, "C", "6", "6"),
    ];
    let books = books(LotMethod::Fifo, &[share("A"), share("B"), share("C")], &records);
    let [a, b, c] = books.trades.as_slice() else {
        panic!("three trades")
    };
    assert_eq!((a.gross_pnl, a.basis), (Some(usd("20")), Basis::Known));
    assert_eq!((b.gross_pnl, b.basis), (None, Basis::Unknown));
    // What left with its cost realized nothing: 6 x 1.
    assert_eq!(c.gross_pnl, Some(usd("6")));
    assert_eq!(cash(&books), d("90") + d("90") - d("50") + d("36"));
}

/// A future settles in cash: (6100 - 6064) x 50, whether the price is stated or the money.
#[test]
fn a_future_settles_by_price_or_by_money() {
    let mut by_price = flow(9, FlowKind::Expiry, asset("ES"), d("-1"));
    let mut by_money = by_price.clone();
    by_price.price = Some(d("6100").into());
    by_money.cash = Some(usd("1800"));
    for row in [by_price, by_money] {
        let settled = books(
            LotMethod::Fifo,
            &[es()],
            &[buy(0, "ES", "1", "6064"), Record::Flow(row)],
        );
        assert_eq!(
            (settled.trades[0].gross_pnl, cash(&settled)),
            (Some(usd("1800")), d("1800"))
        );
    }
    let bare = flow(9, FlowKind::Expiry, asset("ES"), d("-1"));
    let unknown = books(
        LotMethod::Fifo,
        &[es()],
        &[buy(0, "ES", "1", "6064"), Record::Flow(bare)],
    );
    assert_eq!(
        (unknown.trades[0].gross_pnl, unknown.trades[0].basis),
        (None, Basis::Unknown)
    );
    assert!(unknown.unpriced.iter().any(|row| row.reason == Reason::UnvaluedMove));
}

#[test]
fn financing_belongs_to_the_open_trade() {
    let mut swap = flow(1, FlowKind::Financing, Asset::Currency(Currency::USD), d("-0.0082"));
    swap.instrument = Some("EUR_USD".into());
    let mut late = swap.clone();
    late.id = "late".into();
    let records = [
        buy(0, "EUR_USD", "100", "1.1"),
        Record::Flow(swap),
        sell(2, "EUR_USD", "100", "1.2"),
        Record::Flow(late),
    ];
    let books = books(LotMethod::Fifo, &[pair("EUR_USD", "USD", -4)], &records);
    assert_eq!(books.trades[0].financing, [usd("-0.0082")]);
    assert_eq!(books.trades[0].net_pnl(), Some(usd("9.9918")));
    assert_eq!(books.instruments["EUR_USD"].financing, [usd("-0.0164")]);
    assert_eq!(
        (books.financing[&Currency::USD], cash(&books)),
        (d("-0.0164"), d("9.9836"))
    );
}
