//! The README's table of brokers and abilities, written from each broker's `Capabilities`.

use broker_core::{Broker, Capabilities};
use rust_decimal::Decimal;

use crate::brokers::ALL;

/// Lines between which the README holds the table.
pub const BEGIN: &str = "<!-- abilities: written by `cargo run --example abilities` -->";
/// The end of the table.
pub const END: &str = "<!-- end of abilities -->";

/// One broker a column, one ability a row, as Markdown.
///
/// # Errors
/// When a client cannot be made.
pub fn table() -> broker_core::Result<String> {
    let made: broker_core::Result<Vec<_>> = ALL.iter().map(|known| Ok((known.title, (known.bare)()?))).collect();
    let made = made?;
    let brokers: Vec<(&str, &dyn Broker)> = made.iter().map(|(title, broker)| (*title, &**broker)).collect();
    Ok(of(&brokers))
}

fn of(brokers: &[(&str, &dyn Broker)]) -> String {
    let mut rows = vec![row("", brokers, |name, _| name.to_owned())];
    rows.push(format!("| --- |{}", " --- |".repeat(brokers.len())));
    rows.push(row("environments", brokers, |_, broker| {
        list(&broker.capabilities().environments)
    }));
    rows.push(row("asset classes", brokers, |_, broker| {
        list(&broker.capabilities().asset_classes)
    }));
    rows.push(row("history", brokers, |_, broker| history(broker.capabilities())));
    rows.push(row("market data", brokers, |_, broker| {
        yes(broker.market_data().is_some())
    }));
    rows.push(row("trading", brokers, |_, broker| yes(broker.trading().is_some())));
    rows.push(row("live streams", brokers, |_, broker| {
        yes(broker.streaming().is_some())
    }));
    rows.push(row("order kinds", brokers, |_, broker| match broker.trading() {
        Some(_) => list(&broker.capabilities().orders.kinds),
        None => "-".to_owned(),
    }));
    rows.push(row("requests", brokers, |_, broker| limits(broker.capabilities())));
    rows.push(row("wire venue", brokers, |_, _| "yes".to_owned()));
    rows.join("\n")
}

fn row(title: &str, brokers: &[(&str, &dyn Broker)], cell: impl Fn(&str, &dyn Broker) -> String) -> String {
    let cells: Vec<_> = brokers.iter().map(|(name, broker)| cell(name, *broker)).collect();
    format!("| {title} | {} |", cells.join(" | "))
}

fn list<T: ToString>(words: &[T]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string().replace('_', " ")).collect();
    words.join(", ")
}

fn yes(there: bool) -> String {
    if there { "yes" } else { "not yet" }.to_owned()
}

fn history(capabilities: &Capabilities) -> String {
    let facts = &capabilities.history;
    let depth = match facts.depth {
        Some(depth) => format!("{} days back", depth.as_secs() / 86_400),
        None => "since the account was opened".to_owned(),
    };
    match facts.lists.first().and_then(|list| list.page_size) {
        Some(rows) => format!("{depth}, {rows} rows a page"),
        None => depth,
    }
}

fn limits(capabilities: &Capabilities) -> String {
    use broker_core::capability::LimitRule;
    let limits: Vec<_> = capabilities
        .limits
        .iter()
        .filter_map(|limit| match limit.rule {
            LimitRule::Window { limit: count, per } => Some(format!("{} {count} in {} s", limit.bucket, per.as_secs())),
            LimitRule::Decay {
                limit: count,
                falls,
                per,
            } => {
                let rate = Decimal::from(falls) * Decimal::ONE_THOUSAND / Decimal::from(per.as_millis());
                Some(format!("{} {count} less {} a second", limit.bucket, rate.normalize()))
            }
            _ => None,
        })
        .collect();
    limits.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_shows_what_the_crates_can_do() {
        let readme = include_str!("../../README.md");
        let shown = readme
            .split_once(BEGIN)
            .and_then(|(_, rest)| rest.split_once(END))
            .map(|(table, _)| table.trim());
        let written = table().unwrap();
        assert_eq!(
            shown,
            Some(written.as_str()),
            "run `cargo run --example abilities` and put its output into README.md"
        );
    }
}
