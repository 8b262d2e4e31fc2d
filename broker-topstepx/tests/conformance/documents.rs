//! The venue's exchanges against the vendor's published document, a Swagger of September 2025. The service has moved on
//! since: what goes beyond the document is listed, with what shows it.

use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::{Beyond, Document};

/// What goes beyond the document, and what shows that it is right.
pub(crate) const BEYOND: [Beyond; 15] = [
    // The document marks nothing as nullable, not even what is absent half of the time.
    ("", "$.errorMessage: null, not a string", "recorded: every success"),
    ("/api/Contract/searchById", "$.contract: null, not an object", UNSEEN),
    (
        "/api/Order/place",
        "$.orderId: null, not an integer",
        "nullable by the vendor's pages",
    ),
    ("/api/Order/search", ".customTag: null, not a string", "recorded"),
    ("/api/Order/search", ".filledPrice: null, not a number", "recorded"),
    ("/api/Order/search", ".limitPrice: null, not a number", "recorded"),
    ("/api/Order/search", ".stopPrice: null, not a number", "recorded"),
    (
        "/api/Trade/search",
        ".profitAndLoss: null, not a number",
        "the vendor's example",
    ),
    (
        "/api/Order/searchById",
        "the document has no POST of this path",
        "in the document of 2026",
    ),
    (
        "/api/Order/v2/query",
        "the document has no POST of this path",
        "in the document of 2026",
    ),
    (
        "/api/Order/search",
        ".trailPrice: the document has no such field",
        "recorded, August 2026",
    ),
    (
        "/api/Order/search",
        ".parentOrderId: the document has no such field",
        "recorded, August 2026",
    ),
    (
        "/api/Order/search",
        ".linkedOrderId: the document has no such field",
        "recorded, August 2026",
    ),
    (
        "/api/Trade/search",
        ".commissions: the document has no such field",
        "recorded, August 2026",
    ),
    (
        "/api/Position/searchOpen",
        ".contractDisplayName: the document has no such field",
        "recorded, August 2026",
    ),
];

/// Of a refusal the payload is null where it was recorded (a login); of this one none is.
const UNSEEN: &str = "as a refused login, which is recorded";

/// `None`, said aloud, without a corpus.
pub(crate) fn document() -> Option<Document> {
    let text = std::fs::read_to_string(corpus("topstepx")?.join("gateway_swagger_2025-09.json")).unwrap();
    Some(Document::parse(&text).unwrap().with_unknown_fields())
}

/// Every path that the crate asks.
pub(crate) const ASKED: [&str; 16] = [
    "/api/Account/search",
    "/api/Auth/loginKey",
    "/api/Auth/validate",
    "/api/Contract/available",
    "/api/Contract/searchById",
    "/api/History/retrieveBars",
    "/api/Order/cancel",
    "/api/Order/modify",
    "/api/Order/place",
    "/api/Order/search",
    "/api/Order/searchById",
    "/api/Order/v2/query",
    "/api/Position/closeContract",
    "/api/Position/partialCloseContract",
    "/api/Position/searchOpen",
    "/api/Trade/search",
];
