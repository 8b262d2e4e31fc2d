//! Bad input at scale: good bodies, mutated by the thousand, and each answer of a decoder judged by a reader that
//! shares nothing with it.
//!
//! The test of a broker says for each body how it is read, through what it ships, and what the model got from which
//! field: a [`View`]. Then, for each mutated body:
//!
//! - A panic is a failure.
//! - A value is a failure where the body is no JSON, where a field that the view rests on is missing, null or there
//!   twice, and where the value is not what the body says: the same text, the same number digit for digit, the same
//!   moment, a known word only for its own word and else `Other` with the word.
//! - An error is a failure where the body says the same as before in another way (fields in another order, a new field,
//!   line ends, an escape), and where a number or a word that the view rests on became another one.
//!
//! ```
//! use broker_core::Error;
//! use broker_core::num::Num;
//! use broker_testkit::bad_input::{Subject, View, bad_input};
//! #[derive(serde::Deserialize)]
//! struct Quote { bid: Num }
//! let quote = Subject::new("quote", r#"{"bid": 1.50, "size": 3}"#, |body| {
//!     let body = std::str::from_utf8(body).map_err(|_| Error::decode("no text"))?;
//!     let quote: Quote = serde_json::from_str(body).map_err(|error| Error::decode(error.to_string()))?;
//!     Ok(View::new().number("bid", quote.bid.0))
//! });
//! let report = bad_input(&[quote], 1_000, 7);
//! assert!(report.is_clean(), "{report}");
//! ```

mod exact;
mod judge;
mod raw;
mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use broker_core::Result;

use crate::mutate::{Mutated, Mutation, mutations};
use judge::{Sort, judge, sorts};

pub use raw::{Document, Found, Raw};
pub use view::{List, View, Word, Words};

type Read<'a> = dyn Fn(&[u8]) -> Result<View> + 'a;

/// A good body, and how a broker reads it.
pub struct Subject<'a> {
    name: String,
    body: String,
    read: Box<Read<'a>>,
}

impl<'a> Subject<'a> {
    /// A body of this name. `read` takes it through the shipped path and says what the model got.
    pub fn new(name: impl Into<String>, body: impl Into<String>, read: impl Fn(&[u8]) -> Result<View> + 'a) -> Self {
        Self {
            name: name.into(),
            body: body.into(),
            read: Box::new(read),
        }
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({})", self.name)
    }
}

/// What became of the bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Read, to exactly what they say.
    pub read: u64,
    /// Refused.
    pub refused: u64,
}

/// What a run found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Mutated bodies by what was done to them.
    pub by_mutation: BTreeMap<Mutation, Tally>,
    /// Mutated bodies by the body that they were made of.
    pub by_body: BTreeMap<String, Tally>,
    /// Failures, in words; of one body no more than [`MOST`].
    pub failures: Vec<String>,
}

/// Most failures of one body that are told: its run ends there.
pub const MOST: usize = 10;

impl Report {
    /// Whether nothing failed.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    /// How many bodies were judged.
    pub fn total(&self) -> u64 {
        self.by_mutation.values().map(|tally| tally.read + tally.refused).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} bad inputs, {} failures", self.total(), self.failures.len())?;
        writeln!(f, "{:<44} {:>8} {:>8}", "mutation", "read", "refused")?;
        for (mutation, tally) in &self.by_mutation {
            writeln!(
                f,
                "{:<44} {:>8} {:>8}",
                format!("{mutation:?}"),
                tally.read,
                tally.refused
            )?;
        }
        writeln!(f, "{:<44} {:>8} {:>8}", "body", "read", "refused")?;
        for (name, tally) in &self.by_body {
            writeln!(f, "{name:<44} {:>8} {:>8}", tally.read, tally.refused)?;
        }
        self.failures
            .iter()
            .try_for_each(|failure| writeln!(f, "FAILED {failure}"))
    }
}

/// Judges `total` mutated bodies or a few more, as many of each subject. A subject whose good body is not read right is
/// a failure, too.
pub fn bad_input(subjects: &[Subject<'_>], total: usize, seed: u64) -> Report {
    let mut report = Report::default();
    let each = total.div_ceil(subjects.len().max(1));
    for (subject, seed) in subjects.iter().zip(seed..) {
        let before = report.failures.len();
        if let Err(reason) = run(subject, each, seed, &mut report) {
            report.failures.push(format!("{}: {reason}", subject.name));
        }
        debug_assert!(report.failures.len() - before <= MOST + 1);
    }
    report
}

fn run(subject: &Subject<'_>, count: usize, seed: u64, report: &mut Report) -> Result<(), String> {
    let good = Document::read(subject.body.as_bytes()).ok_or("the good body is no JSON")?;
    let view = (subject.read)(subject.body.as_bytes()).map_err(|error| format!("the good body is refused: {error}"))?;
    judge(&view, good.root()).map_err(|reason| format!("the good body is not read right: {reason}"))?;
    let mut fields = BTreeMap::new();
    sorts(&view, good.root(), &mut fields);
    let all = mutations(&subject.body, seed).map_err(|error| error.to_string())?;
    let mut failed = 0;
    for mutated in all.take(count) {
        let by_body = report.by_body.entry(subject.name.clone()).or_default();
        let by_mutation = report.by_mutation.entry(mutated.mutation).or_default();
        match one(subject, &mutated, &fields) {
            Ok(true) => {
                by_body.read += 1;
                by_mutation.read += 1;
            }
            Ok(false) => {
                by_body.refused += 1;
                by_mutation.refused += 1;
            }
            Err(reason) => {
                report.failures.push(format!(
                    "{}: {:?} at {}: {reason}\n    {}",
                    subject.name,
                    mutated.mutation,
                    mutated.at,
                    mutated.text().chars().take(2_000).collect::<String>()
                ));
                failed += 1;
                if failed >= MOST {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Whether it was read; or why the answer is wrong.
fn one(subject: &Subject<'_>, mutated: &Mutated, fields: &BTreeMap<String, Sort>) -> Result<bool, String> {
    let answer = catch_unwind(AssertUnwindSafe(|| (subject.read)(&mutated.body))).map_err(|_| "a panic".to_owned())?;
    match (answer, Document::read(&mutated.body)) {
        (Ok(view), Some(body)) => judge(&view, body.root()).map(|()| true),
        (Ok(_), None) => Err("it is no JSON, and was read".to_owned()),
        (Err(error), _) if must_be_read(mutated, fields) => Err(format!("refused without need: {error}")),
        (Err(_), _) => Ok(false),
    }
}

/// Whether the body says the same as before, or something else that can be said there.
fn must_be_read(mutated: &Mutated, fields: &BTreeMap<String, Sort>) -> bool {
    use Mutation::*;
    let sort = fields.get(&mutated.at).copied();
    match mutated.mutation {
        Reorder | LineEnds => true,
        // In an object whose fields are rows a new one is a row.
        NewField => fields.keys().any(|field| {
            let inside = field.strip_prefix(&mutated.at).and_then(|rest| rest.strip_prefix('.'));
            inside.is_some_and(|name| !name.contains(['.', '[']))
        }),
        Escape => matches!(sort, Some(Sort::Text | Sort::Word)),
        UnknownWord => sort == Some(Sort::Word),
        Longer => matches!(sort, Some(Sort::Text | Sort::Word)),
        Digit | ManyDigits | SmallExponent | Quotes => sort == Some(Sort::Number),
        _ => false,
    }
}
