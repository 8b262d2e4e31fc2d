//! The broker's PnL in the account's currency, beside ours as it converts it.

use broker_core::model::Conversion;

use super::*;

/// What a yen of profit and of loss is worth in dollars.
fn into_dollars(places: Option<u32>) -> Option<Conversion> {
    Some(Conversion {
        to: Currency::USD,
        gain: d("0.00661"),
        loss: d("0.00668"),
        places,
    })
}

fn yen_fill(minute: i64, side: Side, qty: &str, price: &str, pnl: Option<&str>, places: Option<u32>) -> Record {
    let mut fill = fill(minute, side, "USD_JPY", qty, price);
    fill.pnl = pnl.map(usd);
    fill.conversion = into_dollars(places);
    Record::Fill(fill)
}

/// Two lots of 100 at 151.207 and 151.410, closed at 151.333 in one fill: 12.6 yen up are 0.083286 dollars, 7.7 yen
/// down are -0.051436. Each is rounded to four places by itself: 0.0833 - 0.0514.
fn two_lots(pnl: &str, places: Option<u32>) -> [Record; 3] {
    [
        yen_fill(0, Side::Buy, "100", "151.207", Some("0"), places),
        yen_fill(1, Side::Buy, "100", "151.410", None, places),
        yen_fill(2, Side::Sell, "200", "151.333", Some(pnl), places),
    ]
}

#[test]
fn a_dollar_accounts_yen_agree_to_the_last_digit() {
    let yen = [pair("USD_JPY", "JPY", -2)];
    for method in [LotMethod::Fifo, LotMethod::Lifo] {
        let books = books(method, &yen, &two_lots("0.0319", Some(4)));
        let row = books.broker_pnl[0];
        assert_eq!((row.ours, row.difference), (Some(usd("0.0319")), Some(d("0"))));
        assert_eq!(books.disagreements().count(), 0);
        // The trade itself stays in its own currency: 4.9 yen.
        assert_eq!(
            books.trades[0].gross_pnl,
            Some(Money::new(d("4.9"), "JPY".parse().unwrap()))
        );
    }
    // At the average cost it is one part: 4.9 yen up, 0.032389 dollars.
    let average = books(LotMethod::Average, &yen, &two_lots("0.0319", Some(4)));
    assert_eq!(
        (average.broker_pnl[0].ours, average.broker_pnl[0].difference),
        (Some(usd("0.0324")), Some(d("-0.0005")))
    );
    // Nothing is rounded where the broker rounds nothing.
    let unrounded = books(LotMethod::Fifo, &yen, &two_lots("0.03185", None));
    assert_eq!(unrounded.broker_pnl[0].difference, Some(Decimal::ZERO));
}

/// A broker that states a profit of zero for a fill that only opens states it in the account's currency.
#[test]
fn what_is_not_realized_yet_is_nothing_in_any_currency() {
    let yen = [pair("USD_JPY", "JPY", -2)];
    let opened = [yen_fill(0, Side::Buy, "100", "151.207", Some("0.0000"), Some(4))];
    let books = books(LotMethod::Fifo, &yen, &opened);
    let row = books.broker_pnl[0];
    assert_eq!((row.ours, row.difference), (Some(usd("0")), Some(Decimal::ZERO)));
    assert_eq!(books.disagreements().count(), 0);
}

#[test]
fn each_of_the_brokers_lots_is_converted_by_itself() {
    let lot = |id: &str, role, qty: &str, price: &str| LotUse {
        lot: id.into(),
        role,
        qty: q(qty),
        price: price.parse().unwrap(),
        pnl: None,
        financing: None,
    };
    let mut records = two_lots("0.0319", Some(4));
    let lots = [
        vec![lot("a", LotRole::Opened, "100", "151.207")],
        vec![lot("b", LotRole::Opened, "100", "151.410")],
        vec![
            lot("b", LotRole::Closed, "100", "151.333"),
            lot("a", LotRole::Closed, "100", "151.333"),
        ],
    ];
    for (record, lots) in records.iter_mut().zip(lots) {
        if let Record::Fill(fill) = record {
            fill.lots = lots;
        }
    }
    let books = books(LotMethod::BrokerLots, &[pair("USD_JPY", "JPY", -2)], &records);
    assert_eq!(books.broker_pnl[0].difference, Some(Decimal::ZERO));
    assert!(books.unassigned.is_empty());
}

#[test]
fn what_is_only_partly_converted_is_not_compared() {
    let yen = pair("USD_JPY", "JPY", -2);
    let mut records = two_lots("0.0319", Some(4)).to_vec();
    // A closing fill without the broker's rate.
    records.insert(2, Record::Fill(fill(5, Side::Sell, "USD_JPY", "50", "151.300")));
    if let Record::Fill(last) = &mut records[3] {
        last.qty = q("150");
    }
    let partly = books(LotMethod::Fifo, std::slice::from_ref(&yen), &records);
    assert_eq!(partly.broker_pnl[0].difference, None);
    // A sum in the instrument's own currency needs no rate.
    let mut own = two_lots("0", Some(4)).to_vec();
    let Record::Fill(first) = &mut own[0] else {
        panic!("a fill")
    };
    first.pnl = None;
    let Record::Fill(last) = &mut own[2] else {
        panic!("a fill")
    };
    last.pnl = Some(Money::new(d("4.9"), yen.currency));
    assert_eq!(
        books(LotMethod::Fifo, &[yen], &own).broker_pnl[0].difference,
        Some(Decimal::ZERO)
    );
}

/// A short gains where the price falls, and the parts of a flip are converted up to flat.
#[test]
fn a_flip_converts_what_it_closes() {
    let records = [
        yen_fill(0, Side::Sell, "100", "151.410", None, Some(4)),
        yen_fill(1, Side::Buy, "250", "151.333", Some("0.0509"), Some(4)),
    ];
    let books = books(LotMethod::Fifo, &[pair("USD_JPY", "JPY", -2)], &records);
    // 7.7 yen x 0.00661 = 0.050897
    assert_eq!(books.broker_pnl[0].ours, Some(usd("0.0509")));
    assert_eq!(books.broker_pnl[0].difference, Some(Decimal::ZERO));
    assert_eq!(books.broker_pnl.len(), 1);
}
