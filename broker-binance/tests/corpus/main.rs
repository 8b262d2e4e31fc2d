//! Recorded and published answers of Binance Spot, read through the shipped calls and compared with values worked out
//! by hand. The collection is not part of this repository: without it the tests say so and pass.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

use std::path::PathBuf;

/// The file's text; `None` where there is no collection.
fn recorded(name: &str) -> Option<String> {
    let folder = folder()?;
    // The folder is there, so a missing file is a mistake.
    Some(std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("BROKER_CORPUS")
        .map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
            PathBuf::from,
        )
        .join("binance");
    if !folder.is_dir() {
        println!(
            "SKIPPED: no recorded answers at {} (set BROKER_CORPUS)",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

macro_rules! recorded {
    ($name:literal) => {
        match recorded($name) {
            Some(body) => body,
            None => return,
        }
    };
}

// Behind the macro, which they use.
mod account;
mod clock;
mod orders;
mod streams;
mod trades;
mod traps;

/// Every file of the collection, and where it is read. The futures are another API, which this crate does not speak yet.
#[test]
fn every_answer_has_its_test() {
    let Some(folder) = folder() else { return };
    let sources = [
        include_str!("account.rs"),
        include_str!("orders.rs"),
        include_str!("streams.rs"),
        include_str!("trades.rs"),
    ];
    let (mut read, mut futures) = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        match name.as_str() {
            // Not answers: where the files are from, the published document, what a client sends.
            "PROVENANCE.md" | "binance_spot_swagger_2024-10.yaml" | "wsapi_subscribe_signature_request.json" => {}
            other if other.starts_with("futures_") => futures += 1,
            other => {
                let quoted = format!("\"{other}\"");
                assert!(
                    sources.iter().any(|source| source.contains(&quoted)),
                    "{other} is not read"
                );
                read += 1;
            }
        }
    }
    assert_eq!(
        (read, futures),
        (45, 22),
        "answers and messages, and what is left to the futures"
    );
}
