//! Good bodies: of our own, and which recorded ones are read by what.

const INSTRUMENTS: &str = r#"{"instruments":[
  {"name":"EUR_USD","type":"CURRENCY","displayName":"EUR/USD","pipLocation":-4,"displayPrecision":5,"tradeUnitsPrecision":0,
   "minimumTradeSize":"1","maximumOrderUnits":"100000000","marginRate":"0.0333"},
  {"name":"XAU_USD","type":"METAL","displayName":"Gold","pipLocation":-2,"displayPrecision":3,"tradeUnitsPrecision":1,
   "minimumTradeSize":"0.1","maximumOrderUnits":"10000.5","marginRate":"0.05","tags":[]},
  {"name":"DE30_EUR","type":"CFD","pipLocation":0,"displayPrecision":1,"tradeUnitsPrecision":1,"minimumTradeSize":"0.1"}],
  "lastTransactionID":"90"}"#;

const SUMMARY: &str = r#"{"account":{"id":"101-004-7654321-001","alias":"Primary","currency":"USD",
  "createdTime":"2019-06-24T21:03:50.914647476Z","hedgingEnabled":false,"balance":"84984.8727","NAV":"84990.0002",
  "unrealizedPL":"5.1275","pl":"-12.6526","marginUsed":"361.5300","marginAvailable":"84628.4702","marginRate":"0.0333",
  "openTradeCount":2,"lastTransactionID":"90"},"lastTransactionID":"90"}"#;

const POSITIONS: &str = r#"{"positions":[
  {"instrument":"EUR_USD","pl":"-3.1000","unrealizedPL":"4.2000","financing":"-0.2558",
   "long":{"units":"1200","averagePrice":"1.08501","tradeIDs":["31","45"],"pl":"-3.1000","unrealizedPL":"4.2000"},
   "short":{"units":"0","pl":"0.0000","unrealizedPL":"0.0000"}},
  {"instrument":"USD_JPY","pl":"0.0000","long":{"units":"0","pl":"0.0000"},
   "short":{"units":"-2500","averagePrice":"151.2345","tradeIDs":["50"],"pl":"0.0000","unrealizedPL":"-1.5000"}},
  {"instrument":"GBP_USD","pl":"7.0000","long":{"units":"0","pl":"0.0000"},"short":{"units":"0","pl":"7.0000"}}],
  "lastTransactionID":"90"}"#;

const TRADES: &str = r#"{"trades":[
  {"id":"45","instrument":"EUR_USD","price":"1.08520","openTime":"2026-01-06T09:15:00.123456789Z","state":"OPEN",
   "initialUnits":"500","currentUnits":"200","realizedPL":"1.2500","unrealizedPL":"0.7000","financing":"-0.0123",
   "clientExtensions":{"id":"lot-1","tag":"t"},
   "takeProfitOrder":{"id":"46","createTime":"2026-01-06T09:15:00.123456789Z","type":"TAKE_PROFIT","tradeID":"45",
    "price":"1.10000","timeInForce":"GTD","gtdTime":"2026-02-06T09:15:00.000000000Z","state":"PENDING"},
   "trailingStopLossOrder":{"id":"47","createTime":"2026-01-06T09:15:00.123456789Z","type":"TRAILING_STOP_LOSS",
    "tradeID":"45","distance":"0.00500","trailingStopValue":"1.08020","timeInForce":"GTC","state":"PENDING"}},
  {"id":"50","instrument":"USD_JPY","price":"151.2345","openTime":"2026-01-06T10:00:00.000000000Z","state":"OPEN",
   "initialUnits":"-2500","currentUnits":"-2500","realizedPL":"0.0000","financing":"0.0000",
   "stopLossOrder":{"id":"51","createTime":"2026-01-06T10:00:00.000000000Z","type":"STOP_LOSS","tradeID":"50",
    "price":"152.500","timeInForce":"GFD","state":"PENDING"}}],"lastTransactionID":"90"}"#;

const LIMIT: &str = r#"{"id":"71","createTime":"2026-01-07T11:59:00.250000000Z","type":"LIMIT","instrument":"EUR_USD","units":"1200",
  "price":"1.08500","timeInForce":"GTD","gtdTime":"2026-01-09T00:00:00.000000000Z","positionFill":"DEFAULT",
  "triggerCondition":"DEFAULT","clientExtensions":{"id":"ours-1","tag":"x","comment":"y"},
  "takeProfitOnFill":{"price":"1.10000","timeInForce":"GTC"},"stopLossOnFill":{"distance":"0.01","timeInForce":"GTC"},
  "replacesOrderID":"60","state":"PENDING"}"#;

const STOP: &str = r#"{"id":"72","createTime":"2026-01-07T11:58:00.000000000Z","type":"STOP","instrument":"USD_JPY","units":"-100",
  "price":"150.250","timeInForce":"GFD","positionFill":"REDUCE_ONLY","triggerCondition":"DEFAULT","state":"PENDING"}"#;

const TOUCHED: &str = r#"{"id":"73","createTime":"2026-01-07T11:58:30.000000000Z","type":"MARKET_IF_TOUCHED","instrument":"XAU_USD",
  "units":"0.5","price":"2600.125","timeInForce":"GTC","positionFill":"OPEN_ONLY","triggerCondition":"MID","state":"TRIGGERED"}"#;

/// A fill that closes one lot, reduces another and pays financing.
const CLOSED: &str = r#"{"type":"ORDER_FILL","id":"82","accountID":"101-004-7654321-001","userID":1,"batchID":"81","requestID":"1",
  "time":"2026-01-07T12:00:00.000000001Z","orderID":"81","clientOrderID":"ours-9","instrument":"EUR_USD","units":"-700",
  "requestedUnits":"-700","price":"1.08610","reason":"MARKET_ORDER","pl":"0.6100","financing":"-0.0300","commission":"0.1000",
  "guaranteedExecutionFee":"0.0500","halfSpreadCost":"0.0350","accountBalance":"84985.3027",
  "homeConversionFactors":{"gainQuoteHome":{"factor":"0.995"},"lossQuoteHome":{"factor":"1.005"}},
  "tradesClosed":[{"tradeID":"31","units":"-500","price":"1.08610","realizedPL":"0.5500","financing":"-0.0200"}],
  "tradeReduced":{"tradeID":"45","units":"-200","price":"1.08590","realizedPL":"0.0600","financing":"-0.0100"}}"#;

/// As the answers of before 2017: no lots with prices, other names of rates.
const OLD: &str = r#"{"type":"ORDER_FILL","id":"83","time":"2016-10-28T14:28:05.231759081Z","orderID":"80","instrument":"DE30_EUR",
  "units":"10","price":"10678.3","reason":"LIMIT_ORDER","pl":"0.0000","financing":"-1.2500","accountBalance":"84984.0000",
  "gainQuoteHomeConversionFactor":"1","lossQuoteHomeConversionFactor":"1"}"#;

const OPENED: &str = r#"{"type":"ORDER_FILL","id":"92","time":"2026-01-07T12:00:00.100000000Z","orderID":"91","instrument":"EUR_USD",
  "units":"1200","price":"1.08500","reason":"LIMIT_ORDER","pl":"0.0000","financing":"0.0000","commission":"0.0000",
  "accountBalance":"84985.3027","tradeOpened":{"tradeID":"92","units":"1200","price":"1.08495"}}"#;

const FINANCED: &str = r#"{"type":"DAILY_FINANCING","id":"84","time":"2026-01-07T22:00:00.000000000Z","financing":"-2.4607",
  "accountBalance":"84982.4120","positionFinancings":[
   {"instrument":"EUR_USD","financing":"-2.4000","openTradeFinancings":[{"tradeID":"31","financing":"-1.4000"},{"tradeID":"45","financing":"-1.0000"}]},
   {"instrument":"USD_JPY","financing":"-0.0607","openTradeFinancings":[{"tradeID":"50","financing":"-0.0600"}]}]}"#;

const DIVIDEND: &str = r#"{"type":"DIVIDEND_ADJUSTMENT","id":"85","time":"2026-01-07T22:00:01.000000000Z","instrument":"DE30_EUR",
  "dividendAdjustment":"12.5000","accountBalance":"84994.9120",
  "openTradeDividendAdjustments":[{"tradeID":"83","dividendAdjustment":"12.5000"}]}"#;

const FUNDED: &str = r#"{"type":"TRANSFER_FUNDS","id":"86","time":"2026-01-08T09:00:00.000000000Z","amount":"-500.0000",
  "fundingReason":"CLIENT_FUNDING","comment":"rent","accountBalance":"84494.9120"}"#;

const ADJUSTED: &str = r#"{"type":"TRANSFER_FUNDS","id":"87","time":"2026-01-08T09:00:01.000000000Z","amount":"3.1400",
  "fundingReason":"ADJUSTMENT","accountBalance":"84498.0520"}"#;

const CANCELED: &str = r#"{"type":"ORDER_CANCEL","id":"88","time":"2026-01-08T09:00:02.000000000Z","orderID":"71",
  "clientOrderID":"ours-1","reason":"CLIENT_REQUEST"}"#;

const NEWS: &str = r#"{"type":"SOMETHING_NEW","id":"89","time":"2026-01-08T09:00:03.000000000Z","units":{"a":1}}"#;

const PRICE: &str = r#"{"type":"PRICE","instrument":"EUR_USD","time":"2026-01-07T12:00:00.987654321Z","tradeable":true,
  "bids":[{"price":"1.08500","liquidity":10000000},{"price":"1.08490","liquidity":"2500000"}],
  "asks":[{"price":"1.08510","liquidity":5000000}],"closeoutBid":"1.08480","closeoutAsk":"1.08530"}"#;

/// Over the weekend: no levels.
const CLOSED_PRICE: &str = r#"{"type":"PRICE","instrument":"USD_JPY","time":"2026-01-10T12:00:00.000000000Z","tradeable":false,
  "bids":[],"asks":[{"price":"151.260"}],"closeoutBid":"151.200","closeoutAsk":"151.300"}"#;

const CANDLES: &str = r#"{"instrument":"EUR_USD","granularity":"D","candles":[
  {"time":"2026-01-05T22:00:00.000000000Z","complete":true,"volume":51234,"mid":{"o":"1.08400","h":"1.08990","l":"1.08001","c":"1.08555"}},
  {"time":"2026-01-06T22:00:00.000000000Z","complete":false,"volume":7,"mid":{"o":"1.08555","h":"1.08600","l":"1.08500","c":"1.08520"}}]}"#;

/// What all requests but the one under test are answered with.
pub(crate) fn usual(line: &str) -> &'static str {
    match line {
        "GET /v3/accounts" => r#"{"accounts":[{"id":"101-004-7654321-001","tags":[]}]}"#,
        _ if line.ends_with("/summary") => SUMMARY,
        _ if line.ends_with("/instruments") => INSTRUMENTS,
        _ if line.ends_with("/openPositions") => POSITIONS,
        _ => panic!("nobody answers {line}"),
    }
}

fn one_line(body: &str) -> String {
    body.lines().map(str::trim).collect()
}

/// The project's own bodies: by what they are read, their name, and the body.
pub(crate) fn own() -> Vec<(&'static str, &'static str, String)> {
    let rows = [CLOSED, OLD, FINANCED, DIVIDEND, FUNDED, ADJUSTED, CANCELED, NEWS].join(",");
    let page = format!(r#"{{"transactions":[{rows}],"lastTransactionID":"89"}}"#);
    let order = |row: &str| format!(r#"{{"order":{row},"lastTransactionID":"90"}}"#);
    let created = LIMIT
        .replace(r#""type":"LIMIT""#, r#""type":"LIMIT_ORDER""#)
        .replace("createTime", "time")
        .replace(r#""id":"71""#, r#""id":"91""#)
        .replace(r#","state":"PENDING""#, "");
    let done =
        |key: &str, row: &str| format!(r#"{{"{key}":{row},"relatedTransactionIDs":["82"],"lastTransactionID":"92"}}"#);
    vec![
        ("accounts", "summary", SUMMARY.to_owned()),
        ("balances", "summary", SUMMARY.to_owned()),
        ("positions", "three", POSITIONS.to_owned()),
        ("instruments", "three", INSTRUMENTS.to_owned()),
        ("open trades", "with exits", TRADES.to_owned()),
        ("order", "limit", order(LIMIT)),
        ("order", "stop", order(STOP)),
        ("order", "touched", order(TOUCHED)),
        ("open orders", "three", format!(r#"{{"orders":[{TOUCHED},{STOP},{LIMIT}],"lastTransactionID":"90"}}"#)),
        ("transactions", "of all sorts", page),
        ("quotes", "two", format!(r#"{{"prices":[{PRICE},{CLOSED_PRICE}],"time":"2026-01-07T12:00:01.000000000Z"}}"#)),
        ("candles", "two days", CANDLES.to_owned()),
        ("error", "with a code", r#"{"errorCode":"INVALID_ACCOUNT","errorMessage":"Invalid value specified for 'accountID'"}"#.to_owned()),
        (
            "error",
            "with a reject",
            r#"{"orderRejectTransaction":{"type":"LIMIT_ORDER_REJECT","id":"90","rejectReason":"PRICE_PRECISION_EXCEEDED"},
  "errorMessage":"The Order specified has an invalid price","lastTransactionID":"90"}"#
                .to_owned(),
        ),
        ("place", "rests", format!(r#"{{"orderCreateTransaction":{created},"relatedTransactionIDs":["91"],"lastTransactionID":"91"}}"#)),
        (
            "place",
            "filled",
            format!(r#"{{"orderCreateTransaction":{created},"orderFillTransaction":{OPENED},"lastTransactionID":"92"}}"#),
        ),
        ("cancel", "done", done("orderCancelTransaction", CANCELED)),
        ("close a trade", "two lots", done("orderFillTransaction", CLOSED)),
        ("close a position", "two lots", done("longOrderFillTransaction", CLOSED)),
        ("stream", "heartbeat", r#"{"type":"HEARTBEAT","lastTransactionID":"90","time":"2026-01-07T12:00:05.000000000Z"}"#.to_owned()),
        ("stream", "heartbeat of prices", r#"{"type":"HEARTBEAT","time":"2026-01-07T12:00:05.000000000Z"}"#.to_owned()),
        ("stream", "price", one_line(PRICE)),
        ("stream", "fill", one_line(CLOSED)),
        ("stream", "order", one_line(&STOP.replace(r#""type":"STOP""#, r#""type":"STOP_ORDER""#).replace("createTime", "time").replace(r#","state":"PENDING""#, ""))),
        ("stream", "financing", one_line(FINANCED)),
        ("stream", "transfer", one_line(FUNDED)),
        ("stream", "news", one_line(NEWS)),
    ]
}

/// Recorded bodies, and by what they are read.
pub(crate) const RECORDED: [(&str, &str); 13] = [
    ("accounts", "account_summary"),
    ("balances", "account_summary"),
    ("balances", "v2016_account_summary_eur"),
    ("positions", "v2016_positions_list"),
    ("instruments", "v2016_instruments_cfd"),
    ("open trades", "trades_open"),
    ("open trades", "v2016_trades_list"),
    ("order", "order_single_mit"),
    ("open orders", "orders_pending"),
    ("transactions", "transactions_idrange_daily_financing"),
    ("transactions", "v2016_transactions_idrange"),
    ("quotes", "v2016_pricing"),
    ("candles", "v2016_candles_mid"),
];
