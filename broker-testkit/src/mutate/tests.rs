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
