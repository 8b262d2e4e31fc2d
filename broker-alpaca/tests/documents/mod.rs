//! The venue's exchanges against Alpaca's published documents.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::{Beyond, Document, Exchanges};

/// What goes beyond the documents, and the recorded answer that shows the field. Dates of activities are called
/// date-times there and are dates; the exchange of a coin is called something else in each source, and never one of the
/// document's words.
pub(crate) const BEYOND: [Beyond; 12] = [
    (
        "/v2/orders*",
        ".subtag: the document has no such field",
        "order_equity_accepted.json",
    ),
    (
        "/v2/orders*",
        ".source: the document has no such field",
        "order_equity_accepted.json",
    ),
    (
        "/v2/orders*",
        ".body: the document has no such field",
        "cancel_all_207_with_bodies.json",
    ),
    (
        "/v2/orders*",
        ".expires_at: the document has no such field",
        "order_mleg_filled_nested_legs.json",
    ),
    (
        "/v2/positions*",
        ".subtag: the document has no such field",
        "order_equity_accepted.json",
    ),
    (
        "/v2/positions*",
        ".source: the document has no such field",
        "order_equity_accepted.json",
    ),
    (
        "/v2/account/activities*",
        ".description: the document has no such field",
        "activity_cfee.json",
    ),
    (
        "/v2/account/activities*",
        ".price: the document has no such field",
        "activity_cfee.json",
    ),
    (
        "/v2/account/activities*",
        ".date: * is no date-time",
        "activity_cfee.json",
    ),
    (
        "/v2/assets*",
        ".exchange: \"CRYPTO\" is none",
        "position_crypto_symbol_without_slash.json",
    ),
    (
        "/v2/positions*",
        ".exchange: \"CRYPTO\" is none",
        "position_crypto_symbol_without_slash.json",
    ),
    UNKNOWN,
];

/// The document names no refusal of an order that there is not: "order not found", code 40410000.
const UNKNOWN: Beyond = (
    "/v2/orders*",
    "$: the document has no status 404 here",
    "the broker's page",
);

/// Both documents; none, said aloud, without a corpus.
pub(crate) fn documents() -> Exchanges {
    let folder = corpus("alpaca");
    let names = ["openapi_trading_api.json", "openapi_market_data_api.json"];
    let document = |(folder, name): (&std::path::PathBuf, &str)| {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        Document::parse(&text).unwrap().with_unknown_fields()
    };
    let documents = folder.iter().flat_map(|folder| names.map(|name| (folder, name)));
    Exchanges::new(documents.map(document), &BEYOND)
}

/// The recording of each deviation has the field that it is about.
pub(crate) fn assert_recordings_show() {
    let Some(folder) = corpus("alpaca") else { return };
    for (path, what, recording) in BEYOND.iter().filter(|one| **one != UNKNOWN) {
        let field = what.trim_start_matches('.').split(':').next().unwrap();
        let text = std::fs::read_to_string(folder.join(recording)).unwrap();
        assert!(
            text.contains(&format!("\"{field}\"")),
            "{recording} does not show {path} {what}"
        );
    }
}
