use super::{Document, Problem, ProblemKind};

const DOCUMENT: &str = r##"{
  "openapi": "3.0.0",
  "servers": [{ "url": "https://api.example/base" }],
  "paths": {
    "/orders": {
      "parameters": [{ "$ref": "#/components/parameters/limit" }],
      "get": {
        "parameters": [
          { "name": "symbols", "in": "query", "explode": false, "required": true,
            "schema": { "type": "array", "items": { "type": "string", "enum": ["A", "B"] } } },
          { "name": "ids", "in": "query", "schema": { "type": "array", "items": { "type": "string", "format": "uuid" } } },
          { "name": "after", "in": "query", "schema": { "type": "string", "format": "date-time" } },
          { "name": "side", "in": "query", "schema": { "allOf": [{ "$ref": "#/components/schemas/Side" }] } }
        ],
        "responses": {
          "200": { "content": { "application/json": { "schema": {
            "type": "array", "maxItems": 2, "items": { "$ref": "#/components/schemas/Row" } } } } },
          "4XX": { "$ref": "#/components/responses/Bad" }
        }
      },
      "post": {
        "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Order" } } } },
        "responses": { "200": {} }
      }
    },
    "/orders/{id}": { "get": { "parameters": [
        { "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } } ],
      "responses": { "204": {} } } },
    "/orders/open": { "get": { "responses": { "200": { "content": { "application/json": { "schema": { "type": "object", "additionalProperties": { "type": "integer" } } } } } } } },
    "/flat": { "post": { "requestBody": { "content": { "application/json": { "schema": {
      "type": "object", "required": ["nonce"], "properties": { "nonce": { "type": "integer" },
        "word": { "type": "string", "enum": ["a+b"] }, "close[price]": { "type": "string" },
        "fast": { "type": "boolean" } } } } } }, "responses": {} } },
    "/form": { "post": { "requestBody": { "content": { "application/x-www-form-urlencoded": { "schema": {
      "type": "object", "required": ["nonce"], "properties": { "nonce": { "type": "integer" } } } } } }, "responses": {} } }
  },
  "components": {
    "parameters": { "limit": { "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } } },
    "responses": { "Bad": { "content": { "application/json": { "schema": {
      "type": "object", "required": ["code"], "properties": { "code": { "type": "integer", "format": "int32" } } } } } } },
    "schemas": {
      "Side": { "type": "string", "enum": ["buy", "sell"] },
      "Named": { "type": "object", "required": ["id"], "properties": { "id": { "type": "string", "minLength": 1 } } },
      "Order": { "allOf": [ { "$ref": "#/components/schemas/Named" },
        { "type": "object", "properties": {
          "side": { "$ref": "#/components/schemas/Side" },
          "at": { "type": "string", "format": "date-time", "nullable": true },
          "parent": { "$ref": "#/components/schemas/Order", "nullable": true } } } ] },
      "Fee": { "type": "object", "required": ["fee"], "properties": { "fee": { "type": "number", "minimum": 0 } } },
      "Row": { "anyOf": [ { "$ref": "#/components/schemas/Order" }, { "$ref": "#/components/schemas/Fee" } ] }
    }
  }
}"##;

fn document() -> Document {
    Document::parse(DOCUMENT).unwrap()
}

fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
    query
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn get(query: &[(&str, &str)]) -> Vec<String> {
    let problems = document().check_request("GET", "/orders", &pairs(query), None);
    problems.iter().map(ToString::to_string).collect()
}

fn answer(body: &str) -> Vec<String> {
    let problems = document()
        .with_unknown_fields()
        .check_answer("GET", "/orders", 200, body);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn query_parameters_have_names_types_and_words() {
    let fine = [
        ("symbols", "A,B"),
        ("limit", "100"),
        ("after", "2026-01-01"),
        ("side", "buy"),
    ];
    assert!(get(&fine).is_empty());
    assert_eq!(get(&[]), ["query.symbols: required"]);
    assert_eq!(
        get(&[("symbols", "A,C")]),
        [r#"query.symbols: "C" is none of the document's words"#]
    );
    assert_eq!(
        get(&[("symbols", "A"), ("symbols", "B")]),
        ["query.symbols: given more than once"]
    );
    assert_eq!(
        get(&[("symbols", "A"), ("limit", "101")]),
        ["query.limit: 101 is too large"]
    );
    assert_eq!(
        get(&[("symbols", "A"), ("limit", "1.5")]),
        [r#"query.limit: "1.5" is no integer"#]
    );
    assert_eq!(
        get(&[("symbols", "A"), ("after", "today")]),
        [r#"query.after: "today" is no date-time"#]
    );
    assert_eq!(
        get(&[("symbols", "A"), ("side", "hold")]),
        [r#"query.side: "hold" is none of the document's words"#]
    );
    assert_eq!(
        get(&[("symbols", "A"), ("page", "1")]),
        ["query.page: the document has no such parameter"]
    );
    let uuid = "0b11f089-722d-4ced-9beb-e2eeed3637dc";
    assert!(get(&[("symbols", "A"), ("ids", uuid), ("ids", uuid)]).is_empty());
    assert_eq!(get(&[("symbols", "A"), ("ids", "7")]), [r#"query.ids: "7" is no uuid"#]);
}

#[test]
fn paths_are_found_with_and_without_their_base() {
    let document = document();
    assert!(document.check_request("GET", "/base/orders/7", &[], None).is_empty());
    let problems = document.check_request("GET", "/orders/x", &[], None);
    assert_eq!(problems[0].to_string(), r#"path.id: "x" is no integer"#);
    // The literal path is meant, not `{id}`.
    assert!(document.check_request("GET", "/orders/open", &[], None).is_empty());
    for (method, path) in [("GET", "/nowhere"), ("PUT", "/orders")] {
        assert_eq!(
            document.check_request(method, path, &[], None)[0].kind,
            ProblemKind::UnknownOperation
        );
        assert_eq!(
            document.check_answer(method, path, 200, "")[0].kind,
            ProblemKind::UnknownOperation
        );
    }
}

#[test]
fn bodies_of_requests_are_strict() {
    let post = |body: Option<&str>| -> Vec<String> {
        let problems = document().check_request("POST", "/orders", &[], body);
        problems.iter().map(ToString::to_string).collect()
    };
    assert!(post(Some(r#"{"id":"1","side":"buy","parent":{"id":"2","parent":null}}"#)).is_empty());
    assert_eq!(post(None), ["$: the body is required"]);
    assert_eq!(post(Some(r#"{"side":"buy"}"#)), ["$.id: required"]);
    assert_eq!(post(Some(r#"{"id":"","parent":{"id":3}}"#)).len(), 2);
    assert_eq!(
        post(Some(r#"{"id":"1","extra":1}"#)),
        ["$.extra: the document has no such field"]
    );
    assert!(post(Some("{"))[0].starts_with("$: no JSON"));
    let form = |body| document().check_request("POST", "/form", &[], Some(body));
    assert!(form("nonce=7").is_empty());
    assert_eq!(form("nonce=x&b=1").len(), 2);
    assert_eq!(
        form("b=1").iter().map(|problem| problem.kind).collect::<Vec<_>>(),
        [ProblemKind::Missing, ProblemKind::UnknownField]
    );
}

#[test]
fn a_form_may_have_the_fields_of_the_json_that_is_documented() {
    let post = |path: &str, form: &str| -> Vec<String> {
        let problems = document().check_form_request("POST", path, &[], form);
        problems.iter().map(ToString::to_string).collect()
    };
    assert!(post("/flat", "nonce=7&word=a%2Bb&close%5Bprice%5D=1.50&fast=true").is_empty());
    assert_eq!(
        post("/flat", "nonce=1.5&word=c&fast=1"),
        [
            r#"$.nonce: "1.5" is no integer"#,
            r#"$.word: "c" is none of the document's words"#,
            r#"$.fast: "1" is neither true nor false"#
        ]
    );
    assert_eq!(
        post("/flat", "word=a%2Bb&more="),
        ["$.nonce: required", "$.more: the document has no such field"]
    );
    assert_eq!(post("/form", "nonce=x"), [r#"$.nonce: "x" is no integer"#]);
    // Said to be what is documented, it is no JSON.
    let problems = document().check_request("POST", "/flat", &[], Some("nonce=7"));
    assert_eq!(problems[0].kind, ProblemKind::Unreadable);
}

#[test]
fn answers_fit_one_branch_at_least() {
    assert!(answer(r#"[{"id":"1","at":"2026-01-01T00:00:00.123456789Z"},{"fee":0.5}]"#).is_empty());
    assert_eq!(answer(r#"[{"fee":-1}]"#), ["$[0].fee: -1 is too small"]);
    assert_eq!(
        answer(r#"[{"id":"1","at":"yesterday"}]"#),
        [r#"$[0].at: "yesterday" is no date-time"#]
    );
    assert_eq!(
        answer(r#"[{"id":"1","surprise":{}}]"#),
        ["$[0].surprise: the document has no such field"]
    );
    assert_eq!(answer("{}"), ["$: an object, not an array"]);
    assert_eq!(answer("[null,null,null]").len(), 4, "too many, and none of them a row");
    let nested = answer(r#"[{"id":"1","parent":{"id":"2","side":"hold"}}]"#);
    assert_eq!(nested, [r#"$[0].parent.side: "hold" is none of the document's words"#]);
    let silent = document().check_answer("GET", "/orders", 200, r#"[{"id":"1","surprise":{}}]"#);
    assert!(silent.is_empty(), "unknown fields are told only if asked for");
}

#[test]
fn statuses_are_documented_ones() {
    let document = document();
    let refused = document.check_answer("GET", "/orders", 422, r#"{"code":4221000000}"#);
    assert_eq!(refused[0].to_string(), "$.code: 4221000000 is too large for its format");
    assert_eq!(
        document.check_answer("GET", "/orders", 500, "")[0].kind,
        ProblemKind::UnknownStatus
    );
    assert!(document.check_answer("GET", "/orders/7", 204, "").is_empty());
    let map = |body| document.check_answer("GET", "/orders/open", 200, body);
    assert!(map(r#"{"A":1,"B":2}"#).is_empty());
    assert_eq!(map(r#"{"A":1.5}"#)[0].to_string(), "$.A: a number, not an integer");
}

#[test]
fn swagger_2_has_its_types_in_the_parameter() {
    let document = Document::parse(
        r##"{ "swagger": "2.0", "basePath": "/v3", "paths": { "/accounts/{id}/orders": {
            "parameters": [{ "name": "id", "in": "path", "required": true, "type": "string" }],
            "get": { "parameters": [
                { "name": "count", "in": "query", "type": "integer" },
                { "name": "states", "in": "query", "type": "array", "collectionFormat": "csv",
                  "items": { "type": "string", "enum": ["OPEN", "DONE"] } } ],
              "responses": { "200": { "schema": { "$ref": "#/definitions/Orders" } }, "default": {} } },
            "post": { "parameters": [{ "name": "body", "in": "body", "required": true,
                "schema": { "type": "object", "required": ["order"] } }], "responses": {} } } },
          "definitions": { "Orders": { "type": "object", "properties": { "orders": { "type": "array", "items": { "type": "object" } } } } } }"##,
    )
    .unwrap();
    let path = "/v3/accounts/1-2-3/orders";
    let check = |query: &[(&str, &str)]| document.check_request("GET", path, &pairs(query), None);
    assert!(check(&[("count", "5"), ("states", "OPEN,DONE")]).is_empty());
    assert_eq!(check(&[("states", "OPEN,HELD")]).len(), 1);
    assert_eq!(check(&[("count", "five")]).len(), 1);
    let kinds = |problems: Vec<Problem>| problems.iter().map(|problem| problem.kind).collect::<Vec<_>>();
    assert_eq!(
        kinds(document.check_request("POST", path, &[], None)),
        [ProblemKind::Missing]
    );
    assert_eq!(
        kinds(document.check_request("POST", path, &[], Some("{}"))),
        [ProblemKind::Missing]
    );
    assert!(
        document
            .check_request("POST", path, &[], Some(r#"{"order":{}}"#))
            .is_empty()
    );
    assert_eq!(
        kinds(document.check_answer("GET", path, 200, r#"{"orders":{}}"#)),
        [ProblemKind::Mismatch]
    );
    assert!(document.check_answer("GET", path, 418, "tea").is_empty());
}

#[test]
fn what_is_no_document_is_refused() {
    for text in [
        "",
        "[]",
        "{}",
        r#"{"openapi":"1.0","paths":{}}"#,
        r#"{"openapi":"3.0.0"}"#,
    ] {
        assert!(Document::parse(text).is_err(), "{text:?}");
    }
    let round = r##"{"openapi":"3.0.0","paths":{"/a":{"get":{"responses":{"200":{"content":{"application/json":
        {"schema":{"$ref":"#/x"}}}}}}}},"x":{"$ref":"#/x"}}"##;
    let document = Document::parse(round).unwrap();
    assert!(
        document.check_answer("GET", "/a", 200, "1").is_empty(),
        "a circle of references allows everything"
    );
}

#[test]
fn no_input_is_a_panic() {
    let document = document().with_unknown_fields();
    let rows = r#"[{"id":"1","side":"buy","at":null,"parent":{"id":"2"}},{"fee":0.5}]"#;
    let mut clean = 0;
    for mutated in crate::mutate::mutations(rows, 5).unwrap().take(20_000) {
        clean += usize::from(document.check_answer("GET", "/orders", 200, &mutated.text()).is_empty());
    }
    // Exponents, duplicated keys that end as null where null is allowed, other ids, dropped fields that are optional.
    assert!((1..10_000).contains(&clean), "{clean}");
    for mutated in crate::mutate::mutations(DOCUMENT, 6).unwrap().take(2_000) {
        if let Ok(document) = Document::parse(&mutated.text()) {
            document.check_answer("GET", "/orders", 200, rows);
            document.check_request("POST", "/orders", &pairs(&[("limit", "x")]), Some(rows));
        }
    }
}
