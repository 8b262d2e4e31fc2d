//! Recorded answers of Alpaca against its published documents. Skips aloud without a corpus.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::fs;
use std::path::Path;

use broker_testkit::fixtures::corpus;
use broker_testkit::openapi::Document;

/// File, method, path, status, and what in it the document does not have or allow.
type Case = (&'static str, &'static str, &'static str, u16, &'static [&'static str]);

const TRADING: &[Case] = &[
    (
        "account_margin_negative_cash.json",
        "GET",
        "/v2/account",
        200,
        &[
            r#"$.options_approved_level: "1" is none of the document's words"#,
            "$.options_approved_level: a string, not an integer",
            r#"$.options_trading_level: "1" is none of the document's words"#,
            "$.options_trading_level: a string, not an integer",
        ],
    ),
    (
        "account_configurations.json",
        "GET",
        "/v2/account/configurations",
        200,
        &[],
    ),
    (
        "account_configurations_without_pdt_fields.json",
        "GET",
        "/v2/account/configurations",
        200,
        &[],
    ),
    (
        "activities_csd_page_1.json",
        "GET",
        "/v2/account/activities/CSD",
        200,
        &[
            r#"$[0].date: "2022-04-19" is no date-time"#,
            "$[0].account_id: the document has no such field",
            "$[0].description: the document has no such field",
            r#"$[1].date: "2022-04-19" is no date-time"#,
            "$[1].account_id: the document has no such field",
            "$[1].description: the document has no such field",
            "$[2].account_id: the document has no such field",
            r#"$[3].date: "2022-04-19" is no date-time"#,
            "$[3].account_id: the document has no such field",
            "$[3].description: the document has no such field",
        ],
    ),
    (
        "activities_csd_page_2.json",
        "GET",
        "/v2/account/activities/CSD",
        200,
        &[
            r#"$[0].date: "2022-04-19" is no date-time"#,
            "$[0].account_id: the document has no such field",
            "$[0].description: the document has no such field",
            r#"$[1].date: "2022-04-19" is no date-time"#,
            "$[1].account_id: the document has no such field",
            "$[1].description: the document has no such field",
            r#"$[2].date: "2022-04-19" is no date-time"#,
            "$[2].account_id: the document has no such field",
            "$[2].description: the document has no such field",
            r#"$[3].date: "2022-04-19" is no date-time"#,
            "$[3].account_id: the document has no such field",
            "$[3].description: the document has no such field",
        ],
    ),
    ("activities_empty_page.json", "GET", "/v2/account/activities", 200, &[]),
    (
        "assets_list_us_equity.json",
        "GET",
        "/v2/assets",
        200,
        &[
            r#"$[0].attributes[0]: "attribute1" is none of the document's words"#,
            r#"$[0].attributes[1]: "attribute2" is none of the document's words"#,
            "$[0].last_close_pct_change: the document has no such field",
            "$[0].last_price: the document has no such field",
        ],
    ),
    (
        "calendar_days.json",
        "GET",
        "/v2/calendar",
        200,
        &["$[0].settlement_date: required", "$[1].settlement_date: required"],
    ),
    ("clock_closed.json", "GET", "/v2/clock", 200, &[]),
    (
        "cancel_all_207_with_bodies.json",
        "DELETE",
        "/v2/orders",
        207,
        &[
            "$[0].body: the document has no such field",
            "$[1].body: the document has no such field",
        ],
    ),
    (
        "option_contract_single.json",
        "GET",
        "/v2/options/contracts/AAPL240119C00100000",
        200,
        &[
            "$.multiplier: required",
            "$.close_price: null, not a string",
            "$.close_price_date: null, not a string",
        ],
    ),
    (
        "option_contracts_page.json",
        "GET",
        "/v2/options/contracts",
        200,
        &[
            "$.option_contracts[0].multiplier: required",
            "$.option_contracts[0].close_price: null, not a string",
            "$.option_contracts[0].close_price_date: null, not a string",
        ],
    ),
    (
        "order_by_client_order_id.json",
        "GET",
        "/v2/orders:by_client_order_id",
        200,
        &[
            "$.qty: a number, not a string",
            "$.commission: the document has no such field",
        ],
    ),
    (
        "order_crypto_filled_or_new.json",
        "POST",
        "/v2/orders",
        200,
        &[
            "$.commission: the document has no such field",
            "$.source: the document has no such field",
            "$.subtag: the document has no such field",
        ],
    ),
    (
        "order_crypto_pending_new.json",
        "POST",
        "/v2/orders",
        200,
        &[
            "$.source: the document has no such field",
            "$.subtag: the document has no such field",
        ],
    ),
    (
        "order_equity_accepted.json",
        "POST",
        "/v2/orders",
        200,
        &[
            "$.source: the document has no such field",
            "$.subtag: the document has no such field",
        ],
    ),
    (
        "order_ipo_notional_accepted.json",
        "POST",
        "/v2/orders",
        200,
        &[
            "$.source: the document has no such field",
            "$.subtag: the document has no such field",
        ],
    ),
    (
        "order_limit_accepted.json",
        "POST",
        "/v2/orders",
        200,
        &[
            "$.limit_price: a number, not a string",
            "$.qty: a number, not a string",
            "$.commission: the document has no such field",
        ],
    ),
    (
        "order_mleg_filled_nested_legs.json",
        "POST",
        "/v2/orders",
        200,
        &[
            r#"$.asset_class: "" is none of the document's words"#,
            r#"$.asset_id: "" is no uuid"#,
            r#"$.legs[0].type: "" is none of the document's words"#,
            "$.legs[0].expires_at: the document has no such field",
            "$.legs[0].ratio_qty: the document has no such field",
            "$.legs[0].source: the document has no such field",
            "$.legs[0].subtag: the document has no such field",
            r#"$.legs[1].type: "" is none of the document's words"#,
            "$.legs[1].expires_at: the document has no such field",
            "$.legs[1].ratio_qty: the document has no such field",
            "$.legs[1].source: the document has no such field",
            "$.legs[1].subtag: the document has no such field",
            r#"$.side: "" is none of the document's words"#,
            "$.symbol: 0 characters are too few",
            "$.source: the document has no such field",
            "$.subtag: the document has no such field",
        ],
    ),
    (
        "order_notional_with_swap.json",
        "POST",
        "/v2/orders",
        200,
        &[
            "$.commission: the document has no such field",
            "$.source: the document has no such field",
            "$.subtag: the document has no such field",
            "$.swap_fee_bps: the document has no such field",
            "$.swap_rate: the document has no such field",
            "$.usd: the document has no such field",
        ],
    ),
    (
        "order_option_pending_new.json",
        "POST",
        "/v2/orders",
        200,
        &[
            "$.source: the document has no such field",
            "$.subtag: the document has no such field",
        ],
    ),
    (
        "order_option_sell_to_open_accepted.json",
        "POST",
        "/v2/orders",
        200,
        &[
            "$.limit_price: a number, not a string",
            "$.qty: a number, not a string",
            "$.commission: the document has no such field",
        ],
    ),
    (
        "orders_list_numeric_quantities.json",
        "GET",
        "/v2/orders",
        200,
        &[
            "$[0].filled_avg_price: a number, not a string",
            "$[0].filled_qty: a number, not a string",
            "$[0].qty: a number, not a string",
        ],
    ),
    (
        "portfolio_history.json",
        "GET",
        "/v2/account/portfolio/history",
        200,
        &[],
    ),
    (
        "position_close_response_order_notional.json",
        "DELETE",
        "/v2/positions/AAPL",
        200,
        &["$.commission: the document has no such field"],
    ),
    (
        "position_crypto_symbol_without_slash.json",
        "GET",
        "/v2/positions/BTCUSD",
        200,
        &[r#"$.exchange: "FTXU" is none of the document's words"#],
    ),
    ("positions_close_all_207.json", "DELETE", "/v2/positions", 207, &[]),
    (
        "positions_list_long_with_usd_block.json",
        "GET",
        "/v2/positions",
        200,
        &["$[0].asset_marginable: required"],
    ),
];

const MARKET_DATA: &[Case] = &[
    ("data_crypto_bars.json", "GET", "/v1beta3/crypto/us/bars", 200, &[]),
    (
        "data_crypto_latest_quote.json",
        "GET",
        "/v1beta3/crypto/us/latest/quotes",
        200,
        &[],
    ),
    (
        "data_option_bars_page_with_token.json",
        "GET",
        "/v1beta1/options/bars",
        200,
        &[],
    ),
    (
        "data_option_latest_quote.json",
        "GET",
        "/v1beta1/options/quotes/latest",
        200,
        &[],
    ),
    (
        "data_option_latest_quote_index.json",
        "GET",
        "/v1beta1/options/quotes/latest",
        200,
        &[],
    ),
    ("data_stock_bars_multi_symbol.json", "GET", "/v2/stocks/bars", 200, &[]),
    ("data_stock_bars_single_symbol.json", "GET", "/v2/stocks/bars", 200, &[]),
    (
        "data_stock_latest_quote.json",
        "GET",
        "/v2/stocks/quotes/latest",
        200,
        &[],
    ),
    ("data_stock_quotes_empty.json", "GET", "/v2/stocks/quotes", 200, &[]),
    ("data_stock_snapshot.json", "GET", "/v2/stocks/snapshots", 200, &[]),
];

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn check(folder: &Path, document: &str, cases: &[Case]) {
    let document = Document::parse(&read(folder, document)).unwrap().with_unknown_fields();
    let mut failures = Vec::new();
    for (file, method, path, status, expected) in cases {
        let problems = document.check_answer(method, path, *status, &read(folder, file));
        let found: Vec<String> = problems.iter().map(ToString::to_string).collect();
        if found != *expected {
            failures.push(format!("{file}: {found:#?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn recorded_answers_of_the_trading_api_deviate_as_known() {
    if let Some(folder) = corpus("alpaca") {
        check(&folder, "openapi_trading_api.json", TRADING);
    }
}

#[test]
fn recorded_answers_of_the_market_data_api_deviate_as_known() {
    if let Some(folder) = corpus("alpaca") {
        check(&folder, "openapi_market_data_api.json", MARKET_DATA);
    }
}

#[test]
fn documented_orders_are_taken_and_slips_are_found() {
    let Some(folder) = corpus("alpaca") else { return };
    let document = Document::parse(&read(&folder, "openapi_trading_api.json")).unwrap();
    let post = |body: &str| -> Vec<String> {
        let problems = document.check_request("POST", "/v2/orders", &[], Some(body));
        problems.iter().map(ToString::to_string).collect()
    };
    for file in [
        "request_bracket",
        "request_oco",
        "request_oto_stop_limit",
        "request_trailing_stop_price",
    ] {
        assert_eq!(
            post(&read(&folder, &format!("{file}.json"))),
            Vec::<String>::new(),
            "{file}"
        );
    }
    let slip = read(&folder, "request_bracket.json")
        .replace("\"buy\"", "\"BUY\"")
        .replace("\"qty\"", "\"quantity\"");
    assert_eq!(
        post(&slip),
        [
            r#"$.side: "BUY" is none of the document's words"#,
            "$.quantity: the document has no such field"
        ]
    );
    let get = |path: &str, query: &[(&str, &str)]| -> Vec<String> {
        let query: Vec<_> = query
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let problems = document.check_request("GET", path, &query, None);
        problems.iter().map(ToString::to_string).collect()
    };
    let page = [
        ("activity_types", "FILL,CSD"),
        ("page_size", "100"),
        ("direction", "asc"),
        ("after", "2026-01-01T00:00:00Z"),
    ];
    assert_eq!(get("/v2/account/activities", &page), Vec::<String>::new());
    assert_eq!(
        get("/v2/account/activities", &[("page_size", "101"), ("order", "asc")]),
        [
            "query.page_size: 101 is too large",
            "query.order: the document has no such parameter"
        ]
    );
}
