//! Rows that no recording shows, written after the documents: fills of several lots, money that moves without a fill,
//! rows that prove nothing.

use broker_core::model::{Event, FlowKind, LotRole, PositionEffect, PositionLeg};
use broker_core::pnl::TradeBook;
use broker_core::{Broker, Fill, Money, Record, Side};

use super::stage::{ACCOUNT, Stage, account, at, dec, money, price, qty};

fn records_in(currency: &str, hedging: bool, rows: &[&str]) -> Vec<Record> {
    let page = format!(r#"{{"transactions":[{}],"lastTransactionID":"1"}}"#, rows.join(","));
    let stage = Stage::of(ACCOUNT, currency, hedging, Vec::new());
    stage
        .runtime
        .block_on(stage.broker.read_transactions(&account(), &page))
        .unwrap()
}

fn fill_in(currency: &str, hedging: bool, row: &str) -> Fill {
    match records_in(currency, hedging, &[row]).remove(0) {
        Record::Fill(fill) => fill,
        other => panic!("{other:?}"),
    }
}

/// A reversal: one lot closed, one reduced away, one opened, at three prices.
const REVERSAL: &str = r#"{"id":"70","time":"2026-01-07T10:00:00.123456789Z","type":"ORDER_FILL","orderID":"69",
    "instrument":"EUR_USD","units":"-1000","price":"1.08000","reason":"MARKET_ORDER","pl":"-3.2000",
    "financing":"-0.0150","commission":"0.5000","guaranteedExecutionFee":"0.2500","accountBalance":"996.0350",
    "homeConversionFactors":{"gainQuoteHome":{"factor":"0.91"},"lossQuoteHome":{"factor":"0.93"}},
    "tradesClosed":[{"tradeID":"50","units":"-300","price":"1.08010","realizedPL":"-2.2000","financing":"-0.0100"}],
    "tradeReduced":{"tradeID":"52","units":"-200","price":"1.08020","realizedPL":"-1.0000","financing":"-0.0050"},
    "tradeOpened":{"tradeID":"70","units":"-500","price":"1.07990"}}"#;

#[test]
fn one_fill_with_its_lots() {
    let fill = fill_in("EUR", false, REVERSAL);
    assert_eq!((fill.id.get(), fill.side, fill.qty), ("70", Side::Sell, qty("1000")));
    // (300 x 1.08010 + 200 x 1.08020 + 500 x 1.07990) / 1000 = 1.080020; the deprecated price is another.
    assert_eq!(fill.price, price("1.080020"));
    assert_eq!(fill.at, at("2026-01-07T10:00:00.123456789Z"));
    assert_eq!(fill.effect, None, "it closes and opens");
    assert_eq!(fill.pnl, Some(money("-3.2000", "EUR")));
    assert_eq!(fill.fees, [money("0.5000", "EUR"), money("0.2500", "EUR")]);
    let lots: Vec<_> = fill
        .lots
        .iter()
        .map(|lot| (lot.lot.get(), lot.role, lot.qty, lot.price))
        .collect();
    assert_eq!(
        lots,
        [
            ("50", LotRole::Closed, qty("300"), price("1.08010")),
            ("52", LotRole::Closed, qty("200"), price("1.08020")),
            ("70", LotRole::Opened, qty("500"), price("1.07990")),
        ]
    );
    assert_eq!(fill.lots[0].pnl, Some(money("-2.2000", "EUR")));
    assert_eq!(fill.lots[1].financing, Some(money("-0.0050", "EUR")));
    let conversion = fill.conversion.unwrap();
    assert_eq!(
        (conversion.gain, conversion.loss, conversion.to.code()),
        (dec("0.91"), dec("0.93"), "EUR")
    );
    // 1000 - 3.2 - 0.015 - 0.5 - 0.25: the balance behind it, to the last digit.
    let financing: Money = fill
        .lots
        .iter()
        .filter_map(|lot| lot.financing)
        .fold(money("0", "EUR"), |sum, part| sum.checked_add(part).unwrap());
    let fees: rust_decimal::Decimal = fill.fees.iter().map(|fee| fee.amount).sum();
    assert_eq!(
        dec("1000.0000") + fill.pnl.unwrap().amount + financing.amount - fees,
        dec("996.0350")
    );
}

#[test]
fn a_fill_of_a_hedging_account_is_of_a_leg() {
    let opens = r#"{"id":"5","time":"2026-01-07T10:00:00Z","type":"ORDER_FILL","orderID":"4","instrument":"EUR_USD",
        "units":"-100","price":"1.1","pl":"0","tradeOpened":{"tradeID":"5","units":"-100","price":"1.1"}}"#;
    let fill = fill_in("USD", true, opens);
    assert_eq!(
        (fill.leg, fill.effect),
        (PositionLeg::Short, Some(PositionEffect::Open))
    );
    let closes = r#"{"id":"7","time":"2026-01-07T10:00:00Z","type":"ORDER_FILL","orderID":"6","instrument":"EUR_USD",
        "units":"100","price":"1.1","pl":"0","tradesClosed":[{"tradeID":"5","units":"100","price":"1.1"}]}"#;
    let fill = fill_in("USD", true, closes);
    assert_eq!(
        (fill.leg, fill.side, fill.effect),
        (PositionLeg::Short, Side::Buy, Some(PositionEffect::Close))
    );
}

/// The worked example of the page: -100 EUR/USD closed at 1.11626, entered at 1.11640, in dollars.
#[test]
fn the_books_and_the_venue_agree_on_what_was_realized() {
    let opens = r#"{"id":"5","time":"2026-01-07T10:00:00Z","type":"ORDER_FILL","orderID":"4","instrument":"EUR_USD",
        "units":"100","price":"1.11640","pl":"0.0000","financing":"0.0000","accountBalance":"94984.8867",
        "gainQuoteHomeConversionFactor":"1","lossQuoteHomeConversionFactor":"1",
        "tradeOpened":{"tradeID":"5","units":"100","price":"1.11640"}}"#;
    let closes = r#"{"id":"7","time":"2026-01-07T11:00:00Z","type":"ORDER_FILL","orderID":"6","instrument":"EUR_USD",
        "units":"-100","price":"1.11626","pl":"-0.0140","financing":"0.0000","accountBalance":"94984.8727",
        "gainQuoteHomeConversionFactor":"1","lossQuoteHomeConversionFactor":"1",
        "tradesClosed":[{"tradeID":"5","units":"-100","price":"1.11626","realizedPL":"-0.0140","financing":"0.0000"}]}"#;
    let rows = records_in("USD", false, &[opens, closes]);
    let mut book = TradeBook::broker_lots();
    book.add_instrument(&super::stage::eur_usd()).unwrap();
    rows.iter().for_each(|row| book.apply(row).unwrap());
    let trades = book.trades().unwrap();
    assert_eq!(trades.len(), 1);
    assert_eq!(trades[0].gross_pnl, Some(money("-0.0140", "USD")));
    assert_eq!(trades[0].broker_pnl, Some(money("-0.0140", "USD")));
    assert_eq!(dec("94984.8867") + dec("-0.0140"), dec("94984.8727"));
    // The life of that account: 95000 - 12.6526 - 2.4607.
    assert_eq!(dec("95000") - dec("12.6526") - dec("2.4607"), dec("94984.8867"));
}

/// 1.0850 to 1.0861 is 11.0 pips.
#[test]
fn pips() {
    let row = |id: &str, units: &str, at: &str, lot: &str| {
        format!(
            r#"{{"id":"{id}","time":"2026-01-07T10:0{id}:00Z","type":"ORDER_FILL","orderID":"{id}","instrument":"EUR_USD",
            "units":"{units}","price":"{at}","pl":"0.0000",{lot}}}"#
        )
    };
    let opened = row(
        "5",
        "10000",
        "1.0850",
        r#""tradeOpened":{"tradeID":"5","units":"10000","price":"1.0850"}"#,
    );
    let closed = row(
        "7",
        "-10000",
        "1.0861",
        r#""tradesClosed":[{"tradeID":"5","units":"-10000","price":"1.0861"}]"#,
    );
    let rows = records_in("USD", false, &[&opened, &closed]);
    let mut book = TradeBook::broker_lots();
    book.add_instrument(&super::stage::eur_usd()).unwrap();
    rows.iter().for_each(|row| book.apply(row).unwrap());
    let trade = book.trades().unwrap().remove(0);
    assert_eq!(trade.pips, Some(dec("11.0")));
    assert_eq!(trade.gross_pnl, Some(money("11.0000", "USD")));
}

#[test]
fn money_that_moves_without_a_fill() {
    let transfer = |reason: &str, amount: &str| {
        let row = format!(
            r#"{{"id":"9","time":"2026-01-07T10:00:00Z","type":"TRANSFER_FUNDS","amount":"{amount}",
            "fundingReason":"{reason}","comment":"words","accountBalance":"1"}}"#
        );
        match records_in("EUR", false, &[&row]).remove(0) {
            Record::Flow(flow) => (flow.kind, flow.amount),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        transfer("CLIENT_FUNDING", "100.0000"),
        (FlowKind::Deposit, dec("100.0000"))
    );
    assert_eq!(
        transfer("CLIENT_FUNDING", "-40.0000"),
        (FlowKind::Withdrawal, dec("-40.0000"))
    );
    assert_eq!(transfer("ACCOUNT_TRANSFER", "-1.0"), (FlowKind::Transfer, dec("-1.0")));
    assert_eq!(transfer("ADJUSTMENT", "0.01"), (FlowKind::Adjustment, dec("0.01")));
    assert_eq!(transfer("A_NEW_WORD", "1").0.as_str(), "A_NEW_WORD");

    let dividend = r#"{"id":"11","time":"2026-01-07T10:00:00Z","type":"DIVIDEND_ADJUSTMENT","instrument":"DE30_EUR",
        "dividendAdjustment":"-3.5000","accountBalance":"1","openTradeDividendAdjustments":[
        {"tradeID":"3","dividendAdjustment":"-1.5000"},{"tradeID":"4","dividendAdjustment":"-2.0000"}]}"#;
    let flows = records_in("EUR", false, &[dividend]);
    let told: Vec<_> = flows
        .iter()
        .map(|record| match record {
            Record::Flow(flow) => (
                flow.id.get(),
                flow.kind.clone(),
                flow.amount,
                flow.lot.as_ref().unwrap().get(),
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            ("11:DE30_EUR:3", FlowKind::Dividend, dec("-1.5000"), "3"),
            ("11:DE30_EUR:4", FlowKind::Dividend, dec("-2.0000"), "4"),
        ]
    );
}

/// Financing is in the row three times: in all, by instrument and by trade. It is told once, whatever is left out.
#[test]
fn financing_is_never_counted_twice() {
    let sums = |positions: &str| {
        let row = format!(
            r#"{{"id":"12","time":"2026-01-07T22:00:00Z","type":"DAILY_FINANCING","financing":"-0.0300",
            "accountBalance":"1","positionFinancings":[{positions}]}}"#
        );
        let flows = records_in("EUR", false, &[&row]);
        let amounts = flows.iter().map(|record| match record {
            Record::Flow(flow) => (flow.id.get().to_owned(), flow.amount),
            other => panic!("{other:?}"),
        });
        let amounts: Vec<_> = amounts.collect();
        assert_eq!(
            amounts.iter().map(|(_, amount)| amount).sum::<rust_decimal::Decimal>(),
            dec("-0.0300")
        );
        amounts.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
    };
    let eur = r#"{"instrument":"EUR_USD","financing":"-0.0100","openTradeFinancings":[{"tradeID":"3","financing":"-0.0100"}]}"#;
    let yen = r#"{"instrument":"USD_JPY","financing":"-0.0200","openTradeFinancings":[{"tradeID":"4","financing":"-0.0150"},{"tradeID":"5","financing":"-0.0050"}]}"#;
    assert_eq!(
        sums(&format!("{eur},{yen}")),
        ["12:EUR_USD:3", "12:USD_JPY:4", "12:USD_JPY:5"]
    );
    // Trades that do not add up to their instrument, and instruments that do not add up to the row.
    let short = r#"{"instrument":"USD_JPY","financing":"-0.0200","openTradeFinancings":[{"tradeID":"4","financing":"-0.0150"}]}"#;
    assert_eq!(sums(&format!("{eur},{short}")), ["12:EUR_USD:3", "12:USD_JPY"]);
    assert_eq!(sums(eur), ["12"]);
}

#[test]
fn a_transaction_of_an_unknown_type_is_passed_over_and_keeps_its_place() {
    let known = r#"{"id":"2","time":"2026-01-07T10:00:00Z","type":"TRANSFER_FUNDS","amount":"5","fundingReason":"CLIENT_FUNDING"}"#;
    // A field of it may be anything.
    let unknown = r#"{"id":"1","time":"2026-01-07T10:00:00Z","type":"GIFT_OF_2030","units":{"a":[1]},"reason":7}"#;
    let pages = r#"{"count":2,"pages":["https://x/idrange?from=1&to=2"],"lastTransactionID":"2"}"#;
    let rows = format!(r#"{{"transactions":[{unknown},{known}],"lastTransactionID":"2"}}"#);
    let stage = Stage::usual(vec![("/idrange", 200, rows), ("/transactions?", 200, pages.to_owned())]);
    let query = broker_core::HistoryQuery::new(&account(), broker_core::model::Window::All);
    let page = stage.runtime.block_on(stage.broker.history(&query, None)).unwrap();
    assert_eq!((page.rows.len(), page.proof), (1, broker_core::Proof::Short));
    assert_eq!(page.notes, [r#"transaction 1 is of the unknown type "GIFT_OF_2030""#]);
}

/// Ids that are missing, twice, or in another order prove nothing.
#[test]
fn only_all_ids_are_a_proof() {
    let row = |id: u64| format!(r#"{{"id":"{id}","time":"2026-01-07T10:00:00Z","type":"CREATE"}}"#);
    let proof = |ids: &[u64], count: u64| {
        let rows: Vec<String> = ids.iter().map(|id| row(*id)).collect();
        let rows = format!(r#"{{"transactions":[{}],"lastTransactionID":"3"}}"#, rows.join(","));
        let pages = format!(r#"{{"count":{count},"pages":["https://x/?from=1&to=3"],"lastTransactionID":"3"}}"#);
        let stage = Stage::usual(vec![("/idrange", 200, rows), ("/transactions?", 200, pages)]);
        let query = broker_core::HistoryQuery::new(&account(), broker_core::model::Window::All);
        stage
            .runtime
            .block_on(stage.broker.history(&query, None))
            .unwrap()
            .proof
    };
    use broker_core::Proof as P;
    assert_eq!(proof(&[1, 2, 3], 3), P::Short);
    assert_eq!(proof(&[1, 3], 3), P::Torn);
    assert_eq!(proof(&[1, 2], 3), P::Torn);
    assert_eq!(proof(&[1, 2, 2, 3], 3), P::Torn);
    assert_eq!(proof(&[1, 2, 3], 4), P::Torn, "the venue counts another row");
}

/// A fill in the stream, with the exits that it made, and the trade's end.
#[test]
fn a_bracket_in_the_stream() {
    let head = |id: u64, kind: &str| {
        format!(
            r#"{{"id":"{id}","time":"2026-01-07T12:00:0{}Z","type":"{kind}""#,
            id % 10
        )
    };
    let lines = [
        head(20, "LIMIT_ORDER")
            + r#","instrument":"EUR_USD","units":"100","price":"1.1","timeInForce":"GTC","takeProfitOnFill":{"price":"1.2","timeInForce":"GTC"},"stopLossOnFill":{"price":"1.0","timeInForce":"GTC"}}"#,
        head(21, "ORDER_FILL")
            + r#","orderID":"20","instrument":"EUR_USD","units":"100","price":"1.1","pl":"0","tradeOpened":{"tradeID":"21","units":"100","price":"1.1"}}"#,
        head(22, "TAKE_PROFIT_ORDER")
            + r#","tradeID":"21","price":"1.2","timeInForce":"GTC","reason":"ON_FILL","orderFillTransactionID":"21"}"#,
        head(23, "STOP_LOSS_ORDER")
            + r#","tradeID":"21","price":"1.0","timeInForce":"GTC","reason":"ON_FILL","orderFillTransactionID":"21"}"#,
        head(24, "ORDER_FILL")
            + r#","orderID":"22","instrument":"EUR_USD","units":"-100","price":"1.2","pl":"10","tradesClosed":[{"tradeID":"21","units":"-100","price":"1.2","realizedPL":"10"}]}"#,
        head(25, "ORDER_CANCEL") + r#","orderID":"23","reason":"LINKED_TRADE_CLOSED"}"#,
    ];
    let stage = Stage::usual(Vec::new());
    let events = stage
        .runtime
        .block_on(stage.broker.read_stream(&account(), &lines.join("\n")))
        .unwrap();
    let told: Vec<String> = events
        .iter()
        .map(|event| match event {
            Event::Order(order) => format!("{} {} {}", order.id, order.kind, order.status),
            Event::Record(record) => format!("record {:?}", record.key()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [
            "20 limit new",
            "20:TP limit held",
            "20:SL stop held",
            r#"record Fill(FillId("21"))"#,
            "20 limit filled",
            "20:TP limit replaced",
            "22 limit new",
            "20:SL stop replaced",
            "23 stop new",
            r#"record Fill(FillId("24"))"#,
            "22 limit filled",
            "23 stop canceled",
        ]
    );
    let Event::Order(target) = &events[6] else { panic!() };
    assert_eq!(target.links.parent.as_ref().unwrap().get(), "20");
    let Event::Order(held) = &events[5] else { panic!() };
    assert_eq!(held.links.replaced_by.as_ref().unwrap().get(), "22");
}
