//! The venue's exchanges against OANDA's published document, a Swagger of 2018. The website is newer: where requests
//! and answers go beyond the document, each deviation is listed, with what shows it. Members of answers that the document
//! lacks are not reported: `Order` and `Transaction` are bases there, without the members of each type.

use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::{Beyond, Document};

/// What goes beyond the document, and what shows it: a recording, or the field set that was seen on practice in October
/// 2026.
pub(crate) const BEYOND: [Beyond; 4] = [
    (
        "",
        "$.order.*: the document has no such field",
        "OrderRequest is a base without members; each type of order has a schema that the path does not name",
    ),
    (
        "",
        "fullPrice.asks[*].liquidity: a string, not an integer",
        "recorded: a string inside transactions, a number in prices",
    ),
    (
        "",
        "fullPrice.bids[*].liquidity: a string, not an integer",
        "recorded: a string inside transactions, a number in prices",
    ),
    (
        "",
        "$.trailingStopLoss: null, not an object",
        "the endpoint's own words: null cancels the exit",
    ),
];

/// `None`, said aloud, without a corpus.
pub(crate) fn document() -> Option<Document> {
    let text = std::fs::read_to_string(corpus("oanda")?.join("openapi_v20.json")).unwrap();
    Some(Document::parse(&text).unwrap())
}
