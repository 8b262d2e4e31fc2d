//! Rows that no recording shows, written after the documents: fills of several lots, money that moves without a fill,
//! cancels and their meanings, requests and their bodies.

use broker_core::model::{Event, FlowKind, Level, LotRole, PositionEffect, PositionLeg, StopExit, Trail};
use broker_core::pnl::TradeBook;
use broker_core::{
    Broker, Delivery, ErrorKind, Fill, Gate, Money, Order, OrderRequest, OrderStatus, Record, Result, Side,
    TimeInForce, Trading,
};

use super::stage::{ACCOUNT, Stage, account, at, dec, intent, money, price, qty};

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

fn placed(answer: &str, status: u16) -> Result<Order> {
    let stage = Stage::usual(vec![("POST", status, answer.to_owned())]);
    let request = OrderRequest::market("EUR/USD".into(), Side::Buy, qty("10"));
    stage
        .runtime
        .block_on(stage.broker.place(&intent("ours", request), &Gate::new()))
}

fn answer(kind: &str, terms: &str, rest: &str) -> String {
    format!(
        r#"{{"orderCreateTransaction":{{"id":"20","time":"2026-01-07T12:00:00Z","type":"{kind}_ORDER",
        "instrument":"EUR_USD","units":"10",{terms},"clientExtensions":{{"id":"ours"}}}},{rest}
        "relatedTransactionIDs":["20","21"],"lastTransactionID":"21"}}"#
    )
}

fn canceled(reason: &str) -> String {
    format!(
        r#""orderCancelTransaction":{{"id":"21","time":"2026-01-07T12:00:00Z","type":"ORDER_CANCEL","orderID":"20","reason":"{reason}"}},"#
    )
}

#[test]
fn a_201_that_cancels_at_once_is_a_refusal() {
    for (reason, kind) in [
        ("INSUFFICIENT_MARGIN", ErrorKind::InsufficientFunds),
        ("MARKET_HALTED", ErrorKind::MarketClosed),
        ("INSUFFICIENT_LIQUIDITY", ErrorKind::OrderRejected),
        ("BOUNDS_VIOLATION", ErrorKind::OrderRejected),
        ("TAKE_PROFIT_ON_FILL_LOSS", ErrorKind::OrderRejected),
    ] {
        let error = placed(&answer("MARKET", r#""timeInForce":"FOK""#, &canceled(reason)), 201).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery(), error.code()),
            (kind, Delivery::Answered, Some(reason))
        );
    }
    // But a limit order that was not to rest, and that the market did not meet, was simply not filled.
    let bounded = answer(
        "MARKET",
        r#""timeInForce":"IOC","priceBound":"1.0""#,
        &canceled("BOUNDS_VIOLATION"),
    );
    let order = placed(&bounded, 201).unwrap();
    assert_eq!(
        (order.status, order.kind.as_str(), order.limit_price),
        (OrderStatus::Canceled, "limit", Some(price("1.0")))
    );
}

#[test]
fn a_market_order_that_fills_in_part_is_done() {
    let fill = r#""orderFillTransaction":{"id":"21","time":"2026-01-07T12:00:00Z","type":"ORDER_FILL","orderID":"20",
        "instrument":"EUR_USD","units":"6","requestedUnits":"10","price":"1.1","pl":"0",
        "tradeOpened":{"tradeID":"21","units":"6","price":"1.1"}},"#;
    let order = placed(&answer("MARKET", r#""timeInForce":"IOC""#, fill), 201).unwrap();
    assert_eq!((&order.status, order.filled_qty), (&OrderStatus::Canceled, qty("6")));
    assert_eq!(
        (order.average_price, order.remaining_qty()),
        (Some(price("1.1")), Some(dec("4")))
    );
}

#[test]
fn an_answer_that_is_not_the_venues_is_a_doubt() {
    for (status, body) in [
        (201, "<html>ok</html>"),
        (201, "{}"),
        (404, "<html>not found</html>"),
        (502, "<html>Cloudflare</html>"),
        (504, r#"{"errorMessage":"Timeout waiting for response."}"#),
    ] {
        let error = placed(body, status).unwrap_err();
        assert_eq!(error.delivery(), Delivery::Unknown, "{status} {body}");
    }
    let said = placed(
        r#"{"errorMessage":"Insufficient authorization to perform request."}"#,
        401,
    )
    .unwrap_err();
    assert_eq!((said.kind(), said.delivery()), (ErrorKind::Auth, Delivery::Answered));
}

/// What was sent for a request; an error when nothing was.
fn sent(request: OrderRequest, hedging: bool) -> Result<String> {
    let stage = Stage::of(ACCOUNT, "EUR", hedging, vec![("POST", 201, "{}".to_owned())]);
    let error = stage
        .runtime
        .block_on(stage.broker.place(&intent("ours", request), &Gate::new()))
        .unwrap_err();
    match error.delivery() {
        Delivery::NotSent => Err(error),
        _ => {
            let line = stage.last_asked();
            let (_, body) = line.split_once(r#"{"order":"#).unwrap();
            Ok(body.trim_end_matches('}').to_owned())
        }
    }
}

#[test]
fn requests_and_their_bodies() {
    let (buy, sell) = (Side::Buy, Side::Sell);
    let limit = |side| OrderRequest::limit("EUR/USD".into(), side, qty("100"), price("1.1"));
    let tail = r#","positionFill":"DEFAULT","clientExtensions":{"id":"ours""#;
    let table = [
        (
            OrderRequest::market("EUR/USD".into(), sell, qty("100")),
            r#""type":"MARKET","instrument":"EUR_USD","units":"-100","timeInForce":"FOK""#,
        ),
        (
            limit(buy),
            r#""type":"LIMIT","instrument":"EUR_USD","units":"100","price":"1.10000","timeInForce":"GTC""#,
        ),
        (
            limit(buy).with_time_in_force(TimeInForce::Day),
            r#""type":"LIMIT","instrument":"EUR_USD","units":"100","price":"1.10000","timeInForce":"GFD""#,
        ),
        (
            limit(buy).with_time_in_force(TimeInForce::Ioc),
            r#""type":"MARKET","instrument":"EUR_USD","units":"100","priceBound":"1.10000","timeInForce":"IOC""#,
        ),
        (
            limit(buy).with_expiry(at("2026-02-01T00:00:00Z")),
            r#""type":"LIMIT","instrument":"EUR_USD","units":"100","price":"1.10000","timeInForce":"GTD","gtdTime":"2026-02-01T00:00:00.000000000Z""#,
        ),
        (
            OrderRequest::stop("EUR/USD".into(), sell, qty("1"), price("1.05")),
            r#""type":"STOP","instrument":"EUR_USD","units":"-1","price":"1.05000","timeInForce":"GTC""#,
        ),
        (
            OrderRequest::market_if_touched("EUR/USD".into(), buy, qty("1"), price("1.05")),
            r#""type":"MARKET_IF_TOUCHED","instrument":"EUR_USD","units":"1","price":"1.05000","timeInForce":"GTC""#,
        ),
    ];
    for (request, body) in table {
        assert_eq!(sent(request, false).unwrap(), format!("{{{body}{tail}"));
    }
    let bracket = limit(buy)
        .with_target(Level::Price(price("1.2")))
        .with_stop(StopExit::Stop {
            stop: Level::Distance(qty("0.01")),
            limit: None,
        });
    assert!(sent(bracket, false).unwrap().ends_with(
        r#""takeProfitOnFill":{"price":"1.20000","timeInForce":"GTC"},"stopLossOnFill":{"distance":"0.01000","timeInForce":"GTC""#
    ));
    let trailing = limit(buy).with_stop(StopExit::Trailing(Trail::Amount(dec("0.02"))));
    assert!(
        sent(trailing, false)
            .unwrap()
            .contains(r#""trailingStopLossOnFill":{"distance":"0.02000","timeInForce":"GTC""#)
    );
    assert!(
        sent(limit(sell).with_reduce_only(), false)
            .unwrap()
            .contains(r#""positionFill":"REDUCE_ONLY""#)
    );
    for (leg, side, word) in [
        (PositionLeg::Long, buy, "OPEN_ONLY"),
        (PositionLeg::Long, sell, "REDUCE_ONLY"),
        (PositionLeg::Short, sell, "OPEN_ONLY"),
        (PositionLeg::Short, buy, "REDUCE_ONLY"),
    ] {
        let body = sent(limit(side).with_leg(leg), true).unwrap();
        assert!(body.contains(&format!(r#""positionFill":"{word}""#)), "{body}");
    }
}

#[test]
fn what_cannot_be_done_exactly_is_refused_with_nothing_sent() {
    let (buy, unsupported, invalid) = (Side::Buy, ErrorKind::Unsupported, ErrorKind::InvalidRequest);
    let (symbol, size) = ("EUR/USD".parse().unwrap(), qty("100"));
    let limit = || OrderRequest::limit("EUR/USD".into(), buy, qty("100"), price("1.1"));
    let stop = |limit| StopExit::Stop {
        stop: Level::Price(price("1.0")),
        limit,
    };
    let table = [
        (
            OrderRequest::stop_limit("EUR/USD".into(), buy, size, price("1.2"), price("1.2")),
            unsupported,
        ),
        (
            OrderRequest::limit_if_touched("EUR/USD".into(), buy, size, price("1.0"), price("1.0")),
            unsupported,
        ),
        (
            OrderRequest::trailing_stop("EUR/USD".into(), buy, size, Trail::Amount(dec("0.01"))),
            unsupported,
        ),
        (
            OrderRequest::oco(symbol, Side::Sell, size, price("1.2"), stop(None)),
            unsupported,
        ),
        (
            OrderRequest::market("EUR/USD".into(), buy, size).with_time_in_force(TimeInForce::Gtc),
            unsupported,
        ),
        (
            OrderRequest::stop("EUR/USD".into(), buy, size, price("1.2")).with_time_in_force(TimeInForce::Fok),
            unsupported,
        ),
        (limit().with_time_in_force(TimeInForce::AtOpen), unsupported),
        (limit().with_notional(size, None), unsupported),
        (limit().with_extended_hours(), unsupported),
        (limit().with_target(Level::Distance(qty("0.1"))), unsupported),
        (limit().with_stop(stop(Some(Level::Price(price("0.9"))))), unsupported),
        (
            limit().with_stop(StopExit::Trailing(Trail::Percent(dec("1")))),
            unsupported,
        ),
        (
            OrderRequest::limit("EUR/USD".into(), buy, size, price("1.123456")),
            invalid,
        ),
        (limit().with_leg(PositionLeg::Long), invalid),
        (limit().with_time_in_force(TimeInForce::Gtd), invalid),
    ];
    for (request, kind) in table {
        let words = format!("{request:?}");
        let error = sent(request, false).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (kind, Delivery::NotSent),
            "{words}: {error}"
        );
    }
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
