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
