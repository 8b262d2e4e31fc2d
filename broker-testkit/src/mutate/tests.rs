//! Mutations, one by one.

use std::collections::BTreeMap;

use serde_json::Value;

use super::*;

const BODY: &str = r#"{ "id": "a\"b", "qty": 1.50, "legs": [ {"side":"buy"}, null ], "ok": true }"#;

fn of(mutation: Mutation) -> BTreeMap<String, String> {
    let all = mutations(BODY, 3).unwrap().take(6000);
    all.filter(|mutated| mutated.mutation == mutation)
        .map(|mutated| (mutated.at.clone(), mutated.text()))
        .collect()
}

#[test]
fn fields_are_dropped_with_one_comma() {
    let dropped = of(Mutation::DropField);
    assert_eq!(
        dropped["$.id"],
        r#"{  "qty": 1.50, "legs": [ {"side":"buy"}, null ], "ok": true }"#
    );
    assert_eq!(
        dropped["$.ok"],
        r#"{ "id": "a\"b", "qty": 1.50, "legs": [ {"side":"buy"}, null ] }"#
    );
    assert_eq!(
        dropped["$.legs[0].side"],
        r#"{ "id": "a\"b", "qty": 1.50, "legs": [ {}, null ], "ok": true }"#
    );
    assert_eq!(dropped.len(), 5);
}

#[test]
fn values_are_changed_in_place() {
    let exponents = of(Mutation::Exponent);
    assert_eq!(exponents.len(), 1);
    assert_eq!(exponents["$.qty"], BODY.replace("1.50", "1.50e3"));
    assert_eq!(
        of(Mutation::EmptyString)["$.legs[0].side"],
        BODY.replace("\"buy\"", "\"\"")
    );
    assert_eq!(
        of(Mutation::Null)["$.legs"],
        BODY.replace(r#"[ {"side":"buy"}, null ]"#, "null")
    );
    assert_eq!(
        of(Mutation::DuplicateKey)["$.ok"],
        BODY.replace("true", r#"true,"ok": null"#)
    );
    assert!(of(Mutation::HugeNumber)["$.legs[1]"].contains(&"9".repeat(400)));
}

#[test]
fn each_mutation_comes_and_breaks_what_it_says() {
    let mut counts = BTreeMap::new();
    for mutated in mutations(BODY, 9).unwrap().take(12_000) {
        *counts.entry(mutated.mutation).or_insert(0) += 1;
        let readable = serde_json::from_slice::<Value>(&mutated.body).is_ok();
        let breaks = [
            Mutation::Truncated,
            Mutation::DeepNesting,
            Mutation::BadUtf8,
            Mutation::BadEscape,
            Mutation::LoneSurrogate,
            Mutation::Garbage,
            Mutation::ByteOrderMark,
            // The one number stands there without quotes.
            Mutation::Plus,
            // serde_json refuses numbers beyond f64 as well.
            Mutation::HugeNumber,
            Mutation::NewField,
        ];
        let expected = !breaks.contains(&mutated.mutation);
        assert_eq!(
            readable,
            expected,
            "{:?} at {}: {}",
            mutated.mutation,
            mutated.at,
            mutated.text()
        );
    }
    assert!(ALL.iter().all(|mutation| counts[mutation] > 100), "{counts:?}");
}

#[test]
fn a_seed_repeats() {
    let first: Vec<_> = mutations(BODY, 1).unwrap().take(50).collect();
    assert_eq!(first, mutations(BODY, 1).unwrap().take(50).collect::<Vec<_>>());
    assert_ne!(first, mutations(BODY, 2).unwrap().take(50).collect::<Vec<_>>());
    assert!(mutations("{", 1).is_err());
    assert!(mutations("7", 1).unwrap().take(50).all(|mutated| mutated.at == "$"));
}

/// One mutation at each place, each with another body.
fn all_of(text: &str, mutation: Mutation) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::<String, Vec<String>>::new();
    let all = mutations(text, 5).unwrap().take(8_000);
    for mutated in all.filter(|mutated| mutated.mutation == mutation) {
        let bodies = found.entry(mutated.at.clone()).or_default();
        if !bodies.contains(&mutated.text()) {
            bodies.push(mutated.text());
        }
    }
    found.values_mut().for_each(|bodies| bodies.sort());
    found
}

#[test]
fn values_stay_numbers_and_texts() {
    let body = r#"{"a":-15,"b":"2.5","c":"x"}"#;
    let one = |mutation, at: &str| all_of(body, mutation)[at].join(" ");
    assert_eq!(one(Mutation::Sign, "$.a"), r#"{"a":15,"b":"2.5","c":"x"}"#);
    assert_eq!(one(Mutation::Sign, "$.b"), r#"{"a":-15,"b":"-2.5","c":"x"}"#);
    assert_eq!(one(Mutation::Plus, "$.b"), r#"{"a":-15,"b":"+2.5","c":"x"}"#);
    assert_eq!(one(Mutation::Quotes, "$.a"), r#"{"a":"-15","b":"2.5","c":"x"}"#);
    assert_eq!(one(Mutation::Quotes, "$.b"), r#"{"a":-15,"b":2.5,"c":"x"}"#);
    assert_eq!(one(Mutation::SmallExponent, "$.a"), r#"{"a":1e-3,"b":"2.5","c":"x"}"#);
    assert_eq!(one(Mutation::Escape, "$.c"), r#"{"a":-15,"b":"2.5","c":"\u0078"}"#);
    assert_eq!(one(Mutation::Longer, "$.c"), r#"{"a":-15,"b":"2.5","c":"xx"}"#);
    assert_eq!(
        one(Mutation::LoneSurrogate, "$.c"),
        r#"{"a":-15,"b":"2.5","c":"a\ud800"}"#
    );
    assert_eq!(
        one(Mutation::TwoValues, "$.c"),
        r#"{"a":-15,"b":"2.5","c":"x","c":"xx"}"#
    );
    // Two digits, each becomes one of eight others.
    assert_eq!(all_of(body, Mutation::Digit)["$.a"].len(), 16);
    assert!(!all_of(body, Mutation::Sign).contains_key("$.c"));
    for (mutation, digits) in [
        (Mutation::ManyDigits, [25, 28].as_slice()),
        (Mutation::TooManyDigits, &[40]),
    ] {
        let found = all_of(body, mutation);
        let counts = found["$.b"].iter().map(|text| {
            let number = text.split(['"']).nth(5).unwrap();
            number.bytes().filter(u8::is_ascii_digit).count()
        });
        let counts: std::collections::BTreeSet<_> = counts.collect();
        assert_eq!(counts, digits.iter().copied().collect());
    }
}

#[test]
fn fields_and_items_move() {
    let body = r#"{"a":1,"b":[2,3],"c":"x"}"#;
    let all = |mutation, at: &str| all_of(body, mutation)[at].clone();
    assert_eq!(
        all(Mutation::Reorder, "$"),
        [r#"{"b":[2,3],"c":"x","a":1}"#, r#"{"c":"x","a":1,"b":[2,3]}"#]
    );
    assert_eq!(
        all(Mutation::DropItem, "$.b"),
        [r#"{"a":1,"b":[2],"c":"x"}"#, r#"{"a":1,"b":[3],"c":"x"}"#]
    );
    assert_eq!(
        all(Mutation::RepeatItem, "$.b"),
        [r#"{"a":1,"b":[2,2,3],"c":"x"}"#, r#"{"a":1,"b":[2,3,3],"c":"x"}"#]
    );
    assert_eq!(
        all(Mutation::Swap, "$.a"),
        [
            r#"{"a":"x","b":[2,3],"c":1}"#,
            r#"{"a":2,"b":[1,3],"c":"x"}"#,
            r#"{"a":3,"b":[2,1],"c":"x"}"#
        ]
    );
    assert_eq!(
        all(Mutation::NewField, "$"),
        [r#"{"a_field_that_nobody_knows":{"qty":[1e400,"9",null]},"a":1,"b":[2,3],"c":"x"}"#]
    );
    assert_eq!(
        all(Mutation::LineEnds, "$")[0].replace(" \r\n\t", "~"),
        r#"~{~"a":1~,~"b":[~2~,~3~]~,~"c":"x"~}~"#
    );
}
