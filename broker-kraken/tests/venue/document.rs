//! The venue's exchanges against Kraken's published document of September 2025. It writes requests as JSON; their fields
//! are sent as a form, which is documented elsewhere. Where it is wrong, silent or older, each deviation is listed, with
//! what shows it.

use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::{Beyond, Document};

pub(crate) const BEYOND: [Beyond; 7] = [
    (
        "",
        "$.error[0]: a string, not an array",
        "recorded: errors are plain strings",
    ),
    (
        "/0/private/BalanceEx",
        "$.result.*: the document has no such field",
        "the document's example has balances by asset; its schema has one balance",
    ),
    (
        "/0/private/QueryOrders",
        "$.result.O*: the document has no such field",
        "recorded: orders by their ids",
    ),
    (
        "/0/private/GetApiKeyInfo",
        "the document has no POST of this path",
        "younger than the document",
    ),
    (
        "/0/private/OrderAmends",
        "$.txid: required",
        "the document's own example has order_id, which is the field that it describes",
    ),
    (
        "/0/private/OrderAmends",
        "$.error: the document has no such field",
        "recorded: the usual envelope",
    ),
    (
        "/0/private/TradeVolume",
        "$.result.fees*fee: the document has no such field",
        "recorded: minfee and maxfee stand beside fee",
    ),
];

/// `None`, said aloud, without a corpus.
pub(crate) fn document() -> Option<Document> {
    let text = std::fs::read_to_string(corpus("kraken")?.join("kraken_spot_openapi_bundled.json")).unwrap();
    Some(Document::parse(&text).unwrap().with_unknown_fields())
}

/// Every path that the crate asks.
pub(crate) const ASKED: [&str; 28] = [
    "/0/private/AddExport",
    "/0/private/AddOrder",
    "/0/private/AmendOrder",
    "/0/private/BalanceEx",
    "/0/private/CancelAll",
    "/0/private/CancelAllOrdersAfter",
    "/0/private/CancelOrder",
    "/0/private/ClosedOrders",
    "/0/private/EditOrder",
    "/0/private/ExportStatus",
    "/0/private/GetApiKeyInfo",
    "/0/private/GetWebSocketsToken",
    "/0/private/Ledgers",
    "/0/private/OpenOrders",
    "/0/private/OpenPositions",
    "/0/private/OrderAmends",
    "/0/private/QueryOrders",
    "/0/private/RemoveExport",
    "/0/private/RetrieveExport",
    "/0/private/TradeBalance",
    "/0/private/TradeVolume",
    "/0/private/TradesHistory",
    "/0/public/AssetPairs",
    "/0/public/Assets",
    "/0/public/OHLC",
    "/0/public/SystemStatus",
    "/0/public/Ticker",
    "/0/public/Time",
];
