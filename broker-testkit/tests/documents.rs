//! Published documents of other brokers are read, too. Skips aloud without a corpus.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;

use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::{Document, ProblemKind};

fn document(broker: &str, file: &str) -> Option<Document> {
    let text = fs::read_to_string(corpus(broker)?.join(file)).unwrap();
    Some(Document::parse(&text).unwrap())
}

#[test]
fn documents_know_their_operations() {
    for (broker, file, method, path) in [
        ("ibkr", "cpapi_swagger_v1.json", "GET", "/iserver/accounts"),
        ("kraken", "kraken_spot_openapi_bundled.json", "GET", "/0/public/Time"),
        ("oanda", "openapi_v20.json", "GET", "/v3/accounts"),
        ("schwab", "market_data.openapi.json", "GET", "/marketdata/v1/quotes"),
        ("schwab", "trader_api.openapi.json", "GET", "/accounts/accountNumbers"),
        (
            "topstepx",
            "gateway_swagger_2025-09.json",
            "POST",
            "/api/Account/search",
        ),
        ("tradestation", "openapi_v3.json", "GET", "/v3/brokerage/accounts"),
    ] {
        let Some(document) = document(broker, file) else {
            continue;
        };
        let kinds = |method: &str, path: &str| -> Vec<ProblemKind> {
            let problems = document.check_request(method, path, &[], None);
            problems.iter().map(|problem| problem.kind).collect()
        };
        assert!(
            !kinds(method, path).contains(&ProblemKind::UnknownOperation),
            "{broker} {file}"
        );
        assert_eq!(
            kinds("GET", "/no/such/path"),
            [ProblemKind::UnknownOperation],
            "{broker} {file}"
        );
    }
}
