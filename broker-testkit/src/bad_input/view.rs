//! What a model got from which field of a body, said by the test of a broker.

use std::borrow::Cow;
use std::fmt::{self, Debug};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::raw::Raw;

/// A table of words: the broker's, and the model's for it. A word may stand there more than once, where something else
/// decides with it; a word that does not stand there must come out as `Other`.
pub type Words = &'static [(&'static str, &'static str)];

/// A word of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// One of the model's own.
    Known(String),
    /// The broker's, as it was sent.
    Other(String),
}

/// A test of the text at a path, for what no other rule says.
type Rule = Box<dyn Fn(Option<Raw<'_>>) -> bool>;

/// What is claimed of one field.
pub(super) enum Claim {
    Text(String),
    OneOf(Vec<String>),
    Number { value: Decimal, places: i64, kept: bool },
    Magnitude(Decimal),
    Time(DateTime<Utc>),
    Day(NaiveDate),
    Flag(bool),
    Word(Word, Words),
    Nothing,
    Key(String),
    Fits(&'static str, Rule),
}

impl Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::OneOf(all) => write!(f, "one of {all:?}"),
            Self::Number { value, .. } => write!(f, "the number {value}"),
            Self::Magnitude(value) => write!(f, "the number {value}, whatever its sign"),
            Self::Time(at) => write!(f, "the time {at:?}"),
            Self::Day(day) => write!(f, "the day {day}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Word(word, _) => write!(f, "the word {word:?}"),
            Self::Nothing => f.write_str("nothing"),
            Self::Key(key) => write!(f, "the name {key:?}"),
            Self::Fits(what, _) => f.write_str(what),
        }
    }
}

/// What a model got from an object of a body: from each field its value, and the rows of its lists.
///
/// ```
/// use broker_testkit::bad_input::{List, View};
/// let leg = View::new().text("id", "b").number("qty", "1.50".parse().unwrap());
/// let order = View::new().text("id", "a").nothing("stop_price").list(List::rows("legs", vec![leg]));
/// # let _ = order;
/// ```
#[derive(Debug, Default)]
pub struct View {
    pub(super) fields: Vec<(Cow<'static, str>, Claim)>,
    pub(super) lists: Vec<List>,
}

/// A path from the object: `qty`, `legs[0].qty`, or `""` for the object itself.
type Path = Cow<'static, str>;

impl View {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, path: impl Into<Path>, claim: Claim) -> Self {
        self.fields.push((path.into(), claim));
        self
    }

    /// Exactly this text.
    #[must_use]
    pub fn text(self, path: impl Into<Path>, text: impl Into<String>) -> Self {
        self.with(path, Claim::Text(text.into()))
    }

    /// This text; without one, nothing.
    #[must_use]
    pub fn maybe_text(self, path: impl Into<Path>, text: Option<&str>) -> Self {
        self.with(path, text.map_or(Claim::Nothing, |text| Claim::Text(text.to_owned())))
    }

    /// One of these texts.
    #[must_use]
    pub fn one_of<T: Into<String>>(self, path: impl Into<Path>, texts: impl IntoIterator<Item = T>) -> Self {
        self.with(path, Claim::OneOf(texts.into_iter().map(Into::into).collect()))
    }

    /// This number, with the digits that were sent.
    #[must_use]
    pub fn number(self, path: impl Into<Path>, value: Decimal) -> Self {
        let (places, kept) = (0, true);
        self.with(path, Claim::Number { value, places, kept })
    }

    /// This number; without one, nothing.
    #[must_use]
    pub fn maybe_number(self, path: impl Into<Path>, value: Option<Decimal>) -> Self {
        match value {
            Some(value) => self.number(path, value),
            None => self.nothing(path),
        }
    }

    /// What was sent, times ten to the power of `places`, no digit lost.
    #[must_use]
    pub fn scaled(self, path: impl Into<Path>, value: Decimal, places: i64) -> Self {
        let kept = false;
        self.with(path, Claim::Number { value, places, kept })
    }

    /// This number, with its sign or the other.
    #[must_use]
    pub fn magnitude(self, path: impl Into<Path>, value: Decimal) -> Self {
        self.with(path, Claim::Magnitude(value))
    }

    /// This moment.
    #[must_use]
    pub fn time(self, path: impl Into<Path>, at: DateTime<Utc>) -> Self {
        self.with(path, Claim::Time(at))
    }

    /// This moment; without one, nothing.
    #[must_use]
    pub fn maybe_time(self, path: impl Into<Path>, at: Option<DateTime<Utc>>) -> Self {
        self.with(path, at.map_or(Claim::Nothing, Claim::Time))
    }

    /// This day; a time may stand behind it. Without one, nothing.
    #[must_use]
    pub fn maybe_day(self, path: impl Into<Path>, day: Option<NaiveDate>) -> Self {
        self.with(path, day.map_or(Claim::Nothing, Claim::Day))
    }

    /// This day; a time may stand behind it.
    #[must_use]
    pub fn day(self, path: impl Into<Path>, day: NaiveDate) -> Self {
        self.with(path, Claim::Day(day))
    }

    /// This flag; without one, nothing.
    #[must_use]
    pub fn maybe_flag(self, path: impl Into<Path>, flag: Option<bool>) -> Self {
        self.with(path, flag.map_or(Claim::Nothing, Claim::Flag))
    }

    /// This word, by a table.
    #[must_use]
    pub fn word(self, path: impl Into<Path>, word: Word, table: Words) -> Self {
        self.with(path, Claim::Word(word, table))
    }

    /// Nothing: the field is missing, null or an empty text.
    #[must_use]
    pub fn nothing(self, path: impl Into<Path>) -> Self {
        self.with(path, Claim::Nothing)
    }

    /// The name of the field that this object is.
    #[must_use]
    pub fn key(self, name: impl Into<String>) -> Self {
        self.with("", Claim::Key(name.into()))
    }

    /// What passes a test; it is not given a value that is null or missing.
    #[must_use]
    pub fn fits(
        self,
        path: impl Into<Path>,
        what: &'static str,
        rule: impl Fn(Option<Raw<'_>>) -> bool + 'static,
    ) -> Self {
        self.with(path, Claim::Fits(what, Box::new(rule)))
    }

    /// What the model got from an object in it, which must be there.
    #[must_use]
    pub fn inside(mut self, path: &str, view: View) -> Self {
        let join = |inner: Path| Path::from(format!("{path}.{inner}"));
        let fields = view.fields.into_iter().map(|(field, claim)| (join(field), claim));
        self.fields.extend(fields);
        let lists = view.lists.into_iter().map(|list| List {
            path: join(list.path),
            ..list
        });
        self.lists.extend(lists);
        self
    }

    /// A list in it.
    #[must_use]
    pub fn list(mut self, list: List) -> Self {
        self.lists.push(list);
        self
    }
}

/// The rows that a model got from a list, or from an object whose fields are rows. Each value of the list is one of
/// them, and each of them is one value.
#[derive(Debug)]
pub struct List {
    pub(super) path: Path,
    pub(super) rows: Vec<View>,
    pub(super) sorted: bool,
    pub(super) may_be_missing: bool,
    pub(super) skips: fn(Raw<'_>) -> bool,
}

impl List {
    /// These rows, in this order.
    pub fn rows(path: impl Into<Path>, rows: Vec<View>) -> Self {
        Self {
            path: path.into(),
            rows,
            sorted: false,
            may_be_missing: false,
            skips: |_| false,
        }
    }

    /// The model sorts them.
    #[must_use]
    pub fn in_any_order(mut self) -> Self {
        self.sorted = true;
        self
    }

    /// A list that is missing or null has no rows.
    #[must_use]
    pub fn or_nothing(mut self) -> Self {
        self.may_be_missing = true;
        self
    }

    /// The model leaves out the rows that pass this test, or some of them.
    #[must_use]
    pub fn skipping(mut self, skips: fn(Raw<'_>) -> bool) -> Self {
        self.skips = skips;
        self
    }
}
