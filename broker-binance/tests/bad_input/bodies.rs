//! Bodies after Binance's documents, of an invented account.

pub(super) const ACCOUNT: &str = r#"{"makerCommission":15,"canTrade":true,"canWithdraw":true,"canDeposit":true,"updateTime":1767225600123,
  "accountType":"SPOT","balances":[{"asset":"BTC","free":"1.50000000","locked":"0.25000000"},{"asset":"USDT","free":"1000.00","locked":"0.00"},
  {"asset":"BNB","free":"3.12345678","locked":"0.00000000"}],"permissions":["SPOT"],"uid":70001234}"#;

pub(super) const EXCHANGE: &str = r#"{"timezone":"UTC","serverTime":1767225600000,
  "rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000},{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50}],
  "exchangeFilters":[],"symbols":[
  {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","filters":[
    {"filterType":"PRICE_FILTER","minPrice":"0.01000000","maxPrice":"1000000.00000000","tickSize":"0.01000000"},
    {"filterType":"LOT_SIZE","minQty":"0.00001000","maxQty":"9000.00000000","stepSize":"0.00001000"},
    {"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5}]},
  {"symbol":"BNBUSDT","status":"HALT","baseAsset":"BNB","quoteAsset":"USDT","filters":[
    {"filterType":"MIN_NOTIONAL","minNotional":"10.00000000","applyToMarket":true,"avgPriceMins":5}]}],
  "sors":[{"baseAsset":"BTC","symbols":["BTCUSDT"]}]}"#;

pub(super) const TIME: &str = r#"{"serverTime":1767225600456}"#;

pub(super) const ORDER: &str = r#"{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"ours-1","price":"90000.50","origQty":"0.500",
  "executedQty":"0.200","cummulativeQuoteQty":"18000.10","status":"PARTIALLY_FILLED","timeInForce":"GTC","type":"LIMIT","side":"BUY","stopPrice":"0.0",
  "icebergQty":"0.0","time":1767225600111,"updateTime":1767225600222,"isWorking":true,"workingTime":1767225600111,"origQuoteOrderQty":"0.000000",
  "selfTradePreventionMode":"NONE"}"#;

pub(super) const LISTED_ORDER: &str = r#"{"symbol":"BTCUSDT","orderId":28,"orderListId":7,"clientOrderId":"ours-1","price":"90000.50","origQty":"0.500",
  "executedQty":"0.000","cummulativeQuoteQty":"0.00","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY","time":1767225600111,"updateTime":1767225600111}"#;

/// What `cancel_all` finds.
pub(super) const OPEN: &str = r#"[{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"ours-1","price":"1","origQty":"1","executedQty":"0",
  "cummulativeQuoteQty":"0","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY"},
  {"symbol":"BTCUSDT","orderId":29,"orderListId":-1,"clientOrderId":"a","price":"1","origQty":"1","executedQty":"0",
  "cummulativeQuoteQty":"0","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY"},
  {"symbol":"BTCUSDT","orderId":30,"orderListId":-1,"clientOrderId":"b","price":"1","origQty":"1","executedQty":"0",
  "cummulativeQuoteQty":"0","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY"}]"#;

pub(super) const TRAILING: &str = r#"{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"ours-2","price":"0.00","origQty":"0.500",
  "executedQty":"0.000","cummulativeQuoteQty":"0.00","status":"EXPIRED","timeInForce":"GTC","type":"STOP_LOSS","side":"SELL","stopPrice":"80000.10",
  "trailingDelta":125,"trailingTime":-1,"expiryReason":"OCO_TRIGGER","time":1767225600111,"updateTime":1767225600333}"#;

/// A market order for money, whose cost is not known any more.
pub(super) const FOR_MONEY: &str = r#"{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"ours-3","price":"0.00","origQty":"0.011",
  "executedQty":"0.011","cummulativeQuoteQty":"-1.00","origQuoteOrderQty":"1000.00","status":"FILLED","timeInForce":"GTC","type":"MARKET","side":"BUY",
  "time":1767225600111,"updateTime":1767225600333}"#;

pub(super) const LIST: &str = r#"{"orderListId":7,"contingencyType":"OTO","listStatusType":"EXEC_STARTED","listOrderStatus":"EXECUTING",
  "listClientOrderId":"a-list","transactionTime":1767225600111,"symbol":"BTCUSDT","orders":[
  {"symbol":"BTCUSDT","orderId":28,"clientOrderId":"ours-1"},{"symbol":"BTCUSDT","orderId":29,"clientOrderId":"a"},
  {"symbol":"BTCUSDT","orderId":30,"clientOrderId":"b"}]}"#;

pub(super) const TRADES: &str = r#"[{"symbol":"BTCUSDT","id":28457,"orderId":28,"orderListId":-1,"price":"90000.0100","qty":"0.100","quoteQty":"9000.00100",
  "commission":"0.00750000","commissionAsset":"BNB","time":1767225600111,"isBuyer":true,"isMaker":false,"isBestMatch":true},
  {"symbol":"BTCUSDT","id":28459,"orderId":31,"orderListId":-1,"price":"90001.00","qty":"0.250","quoteQty":"22500.25","commission":"0","commissionAsset":"USDT",
  "time":1767225600999,"isBuyer":false,"isMaker":true,"isBestMatch":true}]"#;

pub(super) const ALLOCATIONS: &str = r#"[{"symbol":"BTCUSDT","allocationId":4,"allocationType":"SOR","orderId":33,"orderListId":-1,"price":"90002.00","qty":"0.500",
  "quoteQty":"45001.00","commission":"0.00050000","commissionAsset":"BTC","time":1767225600555,"isBuyer":true,"isMaker":true,"isAllocator":false}]"#;

pub(super) const PLACED: &str = r#"{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"ours-1","transactTime":1767225600111,"price":"0.00000000",
  "origQty":"0.50000000","executedQty":"0.50000000","origQuoteOrderQty":"0.000000","cummulativeQuoteQty":"45000.25000000","status":"FILLED","timeInForce":"GTC",
  "type":"MARKET","side":"BUY","workingTime":1767225600111,"selfTradePreventionMode":"NONE",
  "fills":[{"price":"90000.50000000","qty":"0.50000000","commission":"0.03750000","commissionAsset":"BNB","tradeId":56}]}"#;

pub(super) const PLACED_LIST: &str = r#"{"orderListId":7,"contingencyType":"OTO","listStatusType":"EXEC_STARTED","listOrderStatus":"EXECUTING",
  "listClientOrderId":"a-list","transactionTime":1767225600111,"symbol":"BTCUSDT","orders":[
  {"symbol":"BTCUSDT","orderId":28,"clientOrderId":"ours-1"},{"symbol":"BTCUSDT","orderId":29,"clientOrderId":"a"},
  {"symbol":"BTCUSDT","orderId":30,"clientOrderId":"b"}],"orderReports":[
  {"symbol":"BTCUSDT","orderId":28,"orderListId":7,"clientOrderId":"ours-1","transactTime":1767225600111,"price":"90000.00","origQty":"0.50","executedQty":"0.00",
  "origQuoteOrderQty":"0.00","cummulativeQuoteQty":"0.00","status":"NEW","timeInForce":"GTC","type":"LIMIT","side":"BUY"}]}"#;

pub(super) const CANCELED_ALL: &str = r#"[{"symbol":"BTCUSDT","origClientOrderId":"ours-1","orderId":28,"orderListId":-1,"clientOrderId":"of-the-cancel",
  "transactTime":1767225600111,"price":"90000.50","origQty":"0.500","executedQty":"0.000","cummulativeQuoteQty":"0.00","status":"CANCELED","timeInForce":"GTC",
  "type":"LIMIT","side":"BUY"},{"orderListId":7,"contingencyType":"OCO","listStatusType":"ALL_DONE","listOrderStatus":"ALL_DONE","listClientOrderId":"a-list",
  "transactionTime":1767225600111,"symbol":"BTCUSDT","orders":[{"symbol":"BTCUSDT","orderId":29,"clientOrderId":"a"},{"symbol":"BTCUSDT","orderId":30,"clientOrderId":"b"}],
  "orderReports":[]}]"#;

pub(super) const CANCEL_REPLACED: &str = r#"{"cancelResult":"SUCCESS","newOrderResult":"SUCCESS","cancelResponse":{"symbol":"BTCUSDT",
  "origClientOrderId":"old-1","orderId":9,"orderListId":-1,"clientOrderId":"of-the-cancel","transactTime":1767225600111,"price":"80000.00","origQty":"0.10",
  "executedQty":"0.00","origQuoteOrderQty":"0.00","cummulativeQuoteQty":"0.00","status":"CANCELED","timeInForce":"GTC","type":"LIMIT","side":"BUY"},
  "newOrderResponse":{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,"clientOrderId":"ours-1","transactTime":1767225600222,"price":"0.00","origQty":"0.50",
  "executedQty":"0.50","origQuoteOrderQty":"0.00","cummulativeQuoteQty":"45000.50","status":"FILLED","timeInForce":"GTC","type":"MARKET","side":"BUY","fills":[]}}"#;

/// Canceled, and the new one refused.
pub(super) const HALF: &str = r#"{"code":-2021,"msg":"Order cancel-replace partially failed.","data":{"cancelResult":"SUCCESS","newOrderResult":"FAILURE",
  "cancelResponse":{"symbol":"BTCUSDT","origClientOrderId":"old-1","orderId":9,"orderListId":-1,"clientOrderId":"of-the-cancel","status":"CANCELED"},
  "newOrderResponse":{"code":-2010,"msg":"Order would immediately match and take."}}}"#;

pub(super) const AMENDED: &str = r#"{"transactTime":1767225600444,"executionId":75,"amendedOrder":{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,
  "origClientOrderId":"ours-1","clientOrderId":"ours-1","price":"90000.50","qty":"0.300","executedQty":"0.200","preventedQty":"0.00","quoteOrderQty":"0.00",
  "cumulativeQuoteQty":"18000.10","status":"PARTIALLY_FILLED","timeInForce":"GTC","type":"LIMIT","side":"BUY","workingTime":1767225600111}}"#;

pub(super) const BOOK: &str =
    r#"{"symbol":"BTCUSDT","bidPrice":"89999.50","bidQty":"1.50000000","askPrice":"90000.50","askQty":"0.25000000"}"#;
pub(super) const BOOKS: &str = r#"[{"symbol":"BTCUSDT","bidPrice":"89999.50","bidQty":"1.50000000","askPrice":"90000.50","askQty":"0.25000000"},
  {"symbol":"BNBUSDT","bidPrice":"0.00000000","bidQty":"0.00000000","askPrice":"900.10","askQty":"7.00"}]"#;
pub(super) const PRICE: &str = r#"{"symbol":"BTCUSDT","price":"90000.25000000"}"#;
pub(super) const KLINES: &str = r#"[[1767225600000,"90000.10","90500.00","89900.00","90100.50","12.50000000",1767225659999,"1125000.0",308,"6.25","562500.0","0"],
  [1767225660000,"90100.50","90100.50","90000.00","90050.00","3.10",1767225719999,"279155.0",41,"1.5","135000.0","0"]]"#;

pub(super) const CONVERSIONS: &str = r#"{"list":[{"quoteId":"q1","orderId":933256278426274426,"orderStatus":"SUCCESS","fromAsset":"BTC","fromAmount":"0.00054414",
  "toAsset":"USDT","toAmount":"20.50","ratio":"38163.7","inverseRatio":"0.000026","createTime":1767225600111},
  {"quoteId":"q2","orderId":933256278426274427,"orderStatus":"FAIL","fromAsset":"BTC","fromAmount":"1","toAsset":"USDT","toAmount":"2","createTime":1767225600112}],
  "startTime":1767225600000,"endTime":1767312000000,"limit":1000,"moreData":false}"#;
pub(super) const DUST: &str = r#"{"total":1,"userAssetDribblets":[{"operateTime":1767225600111,"totalTransferedAmount":"0.00132256","totalServiceChargeAmount":"0.00002699",
  "transId":45178372831,"userAssetDribbletDetails":[{"transId":4359321,"serviceChargeAmount":"0.000009","amount":"0.0009","operateTime":1767225600111,
  "transferedAmount":"0.000441","fromAsset":"USDT"}]}]}"#;
pub(super) const DEPOSITS: &str = r#"[{"id":"769800519366885376","amount":"0.00100","coin":"BNB","network":"BNB","status":1,"address":"an-address","txId":"98A3EA56",
  "insertTime":1767225600111,"transferType":0},{"id":"769800519366885377","amount":"5","coin":"BTC","status":0,"txId":"98A3EA57","insertTime":1767225600112}]"#;
pub(super) const WITHDRAWALS: &str = r#"[{"id":"b6ae22b3aa844210a7041aee7589627c","amount":"8.91000000","transactionFee":"0.004","coin":"USDT","status":6,
  "address":"an-address","txId":"0xb5ef8c13","applyTime":"2026-01-01 00:00:00","network":"ETH","transferType":0}]"#;
pub(super) const DISTRIBUTIONS: &str = r#"{"rows":[{"id":1637366104,"amount":"10.00000000","asset":"BNB","divTime":1767225600111,"enInfo":"BHFT distribution",
  "tranId":2968885920}],"total":1}"#;
pub(super) const SNAPSHOTS: &str = r#"{"code":200,"msg":"","snapshotVos":[{"data":{"balances":[{"asset":"BNB","free":"0.09905021","locked":"0.00000000"},
  {"asset":"BTC","free":"0.00000000","locked":"0.00000000"}],"totalAssetOfBtc":"0.09942700"},"type":"spot","updateTime":1767225599000}]}"#;

pub(super) const COMMISSION: &str = r#"{"symbol":"BTCUSDT","standardCommission":{"maker":"0.00100000","taker":"0.00110000","buyer":"0.00000010","seller":"0.00000020"},
  "specialCommission":{"maker":"0.01000000","taker":"0.02000000","buyer":"0.03000000","seller":"0.04000000"},
  "taxCommission":{"maker":"0.00000112","taker":"0.00000114","buyer":"0.00000118","seller":"0.00000116"},
  "discount":{"enabledForAccount":true,"enabledForSymbol":true,"discountAsset":"BNB","discount":"0.75000000"}}"#;
pub(super) const FILTERS: &str = r#"{"exchangeFilters":[{"filterType":"EXCHANGE_MAX_NUM_ORDERS","maxNumOrders":1000}],
  "symbolFilters":[{"filterType":"MAX_NUM_ORDER_LISTS","maxNumOrderLists":20}],
  "assetFilters":[{"filterType":"MAX_ASSET","asset":"JPY","limit":"1000000.00000000"}]}"#;
pub(super) const AMENDMENTS: &str = r#"[{"symbol":"BTCUSDT","orderId":28,"executionId":22,"origClientOrderId":"ours-1","newClientOrderId":"ours-2","origQty":"5.00000000",
  "newQty":"4.00000000","time":1767225600111}]"#;
pub(super) const PREVENTED: &str = r#"[{"symbol":"BTCUSDT","preventedMatchId":1,"takerOrderId":28,"makerSymbol":"BTCUSDT","makerOrderId":3,"tradeGroupId":1,
  "selfTradePreventionMode":"EXPIRE_MAKER","price":"1.100000","makerPreventedQuantity":"1.300000","transactTime":1767225600111}]"#;
pub(super) const COUNTS: &str = r#"[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":50,"count":3},
  {"rateLimitType":"ORDERS","interval":"DAY","intervalNum":1,"limit":160000,"count":12}]"#;

pub(super) const REFUSED: &str = r#"{"code":-2010,"msg":"Account has insufficient balance for requested action."}"#;

pub(super) const FILL: &str = r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1767225600112,"s":"BTCUSDT","c":"ours-1","S":"BUY","o":"LIMIT","f":"GTC","q":"0.500",
  "p":"90000.50","P":"0.00","F":"0.00","g":-1,"C":"","x":"TRADE","X":"PARTIALLY_FILLED","r":"NONE","i":28,"l":"0.200","z":"0.200","L":"90000.50","n":"0.01500000","N":"BNB",
  "T":1767225600111,"t":28457,"v":3,"I":3,"w":true,"m":false,"M":false,"O":1767225600001,"Z":"18000.100","Y":"18000.100","Q":"0.00","W":1767225600001,"V":"NONE"}}"#;
/// Its own id is in `C`, and `c` is the cancel's.
pub(super) const CANCELED: &str = r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1767225600112,"s":"BTCUSDT","c":"of-the-cancel","S":"SELL","o":"STOP_LOSS","f":"GTC",
  "q":"0.500","p":"0.00","P":"80000.10","F":"0.00","g":-1,"C":"ours-2","x":"CANCELED","X":"CANCELED","r":"NONE","i":29,"l":"0.000","z":"0.000","L":"0.00","n":"0","N":null,
  "T":1767225600222,"t":-1,"I":4,"w":false,"m":false,"M":false,"O":1767225600001,"Z":"0.00","Y":"0.00","Q":"0.00","d":125,"V":"NONE"}}"#;
pub(super) const LIST_STATUS: &str = r#"{"subscriptionId":0,"event":{"e":"listStatus","E":1767225600112,"s":"BTCUSDT","g":7,"c":"OCO","l":"EXEC_STARTED","L":"EXECUTING",
  "r":"NONE","C":"a-list","T":1767225600111,"O":[{"s":"BTCUSDT","i":29,"c":"a"},{"s":"BTCUSDT","i":30,"c":"b"}]}}"#;
pub(super) const STREAM_REFUSED: &str = r#"{"id":"subscribe","status":418,"error":{"code":-1003,"msg":"Way too much request weight used; IP banned until 1767225900000.",
  "data":{"serverTime":1767225600000,"retryAfter":1767225900000}},"rateLimits":[]}"#;
pub(super) const TICK: &str = r#"{"stream":"btcusdt@bookTicker","data":{"u":400900217,"s":"BTCUSDT","b":"89999.50","B":"31.21","a":"90000.50","A":"40.66"}}"#;
pub(super) const QUOTES_REFUSED: &str = r#"{"error":{"code":2,"msg":"Invalid request: too many streams"},"id":1}"#;
