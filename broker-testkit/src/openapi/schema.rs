//! Values against schemas.

use std::collections::BTreeSet;

use broker_core::num::decimal;
use percent_encoding::percent_decode_str;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::text::has_format;
use super::{Problem, ProblemKind};

/// Longest chain of references that is followed.
const LONGEST_CHAIN: usize = 32;

/// Follows references inside the document. What leads nowhere is a schema that allows everything.
pub(super) fn resolve<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    let mut value = value;
    for _ in 0..LONGEST_CHAIN {
        let Some(reference) = value.get("$ref").and_then(Value::as_str) else {
            return value;
        };
        let pointer = reference.strip_prefix('#').unwrap_or(reference);
        let pointer = percent_decode_str(pointer).decode_utf8_lossy();
        value = root.pointer(&pointer).unwrap_or(&Value::Null);
    }
    &Value::Null
}

/// Checks values against the schemas of one document.
pub(super) struct Checker<'a> {
    root: &'a Value,
    unknown_fields: bool,
}

/// Names of fields that a schema knows.
#[derive(Default)]
struct Known<'a> {
    names: BTreeSet<&'a str>,
    /// Any other name is allowed, too.
    open: bool,
}

/// A branch of `anyOf` or `oneOf` that was tried on a value.
struct Branch<'a> {
    schema: &'a Value,
    problems: Vec<Problem>,
    /// How far the value is from it: what does not fit, and fields that it does not know.
    distance: usize,
}

impl<'a> Checker<'a> {
    pub(super) fn new(root: &'a Value, unknown_fields: bool) -> Self {
        Self { root, unknown_fields }
    }

    pub(super) fn check(&self, value: &Value, schema: &'a Value, at: &str, out: &mut Vec<Problem>) {
        self.check_part(value, schema, at, out);
        if self.unknown_fields {
            out.extend(self.strange_fields(value, schema).into_iter().map(|name| {
                let what = "the document has no such field";
                Problem::new(ProblemKind::UnknownField, &format!("{at}.{name}"), what)
            }));
        }
    }

    /// Everything but unknown fields, which only all parts together can tell.
    fn check_part(&self, value: &Value, schema: &'a Value, at: &str, out: &mut Vec<Problem>) {
        if value.is_null() && is_nullable(schema) {
            return;
        }
        let schema = resolve(self.root, schema);
        if value.is_null() && is_nullable(schema) {
            return;
        }
        for part in list(schema, "allOf") {
            self.check_part(value, part, at, out);
        }
        self.check_branches(value, schema, at, out);
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            out.push(mismatch(at, format!("{value} is none of the document's words")));
        }
        if !has_type(schema, value) {
            let expected = schema["type"].as_str().unwrap_or("another type");
            out.push(mismatch(
                at,
                format!("{}, not {}", article(name_of(value)), article(expected)),
            ));
            return;
        }
        match value {
            Value::String(text) => {
                check_format(schema, text, at, out);
                check_length(schema, text, at, out);
            }
            Value::Number(number) => {
                if let Ok(number) = decimal(&number.to_string()) {
                    check_range(schema, number, at, out);
                }
            }
            Value::Array(items) => self.check_items(items, schema, at, out),
            Value::Object(fields) => self.check_fields(fields, schema, at, out),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// One branch must fit; if none does, what the nearest one lacks is told.
    fn check_branches(&self, value: &Value, schema: &'a Value, at: &str, out: &mut Vec<Problem>) {
        for key in ["anyOf", "oneOf"] {
            let tried = self.try_branches(value, schema, key, at);
            let nearest = tried.into_iter().min_by_key(|branch| branch.distance);
            out.extend(nearest.into_iter().flat_map(|branch| branch.problems));
        }
    }

    fn try_branches(&self, value: &Value, schema: &'a Value, key: &str, at: &str) -> Vec<Branch<'a>> {
        let branch = |schema| {
            let mut problems = Vec::new();
            self.check_part(value, schema, at, &mut problems);
            let strange = if self.unknown_fields {
                self.strange_fields(value, schema).len()
            } else {
                0
            };
            Branch {
                schema,
                distance: problems.len() + strange,
                problems,
            }
        };
        list(schema, key).map(branch).collect()
    }

    /// Fields of an object that its schema does not know.
    fn strange_fields<'v>(&self, value: &'v Value, schema: &'a Value) -> Vec<&'v str> {
        let Value::Object(fields) = value else {
            return Vec::new();
        };
        let mut known = Known::default();
        self.collect(value, schema, &mut known);
        let strange = fields.keys().map(String::as_str);
        strange
            .filter(|name| !known.open && !known.names.contains(name))
            .collect()
    }

    fn check_items(&self, items: &[Value], schema: &'a Value, at: &str, out: &mut Vec<Problem>) {
        let count = Decimal::from(items.len());
        let beyond = |key: &str| bound(schema, key).map(|bound| count.cmp(&bound));
        if beyond("minItems") == Some(std::cmp::Ordering::Less)
            || beyond("maxItems") == Some(std::cmp::Ordering::Greater)
        {
            out.push(mismatch(at, format!("{count} items are too few or too many")));
        }
        if let Some(schema) = schema.get("items") {
            for (place, item) in items.iter().enumerate() {
                self.check(item, schema, &format!("{at}[{place}]"), out);
            }
        }
    }

    fn check_fields(&self, fields: &Map<String, Value>, schema: &'a Value, at: &str, out: &mut Vec<Problem>) {
        for name in list(schema, "required").filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                out.push(Problem::new(ProblemKind::Missing, &format!("{at}.{name}"), "required"));
            }
        }
        for (name, value) in fields {
            let at = format!("{at}.{name}");
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(field), _) => self.check(value, field, &at, out),
                (None, rest @ Value::Object(_)) => self.check(value, rest, &at, out),
                (None, Value::Bool(false)) if !self.unknown_fields => {
                    out.push(Problem::new(
                        ProblemKind::UnknownField,
                        &at,
                        "the document forbids this field",
                    ));
                }
                _ => {}
            }
        }
    }

    fn collect(&self, value: &Value, schema: &'a Value, known: &mut Known<'a>) {
        let schema = resolve(self.root, schema);
        let fields = schema["properties"].as_object();
        known
            .names
            .extend(fields.into_iter().flat_map(Map::keys).map(String::as_str));
        let parts = ["allOf", "anyOf", "oneOf"].map(|key| schema[key].is_array());
        let says_nothing = fields.is_none() && !parts.contains(&true);
        known.open |= match schema.get("additionalProperties") {
            Some(rest) => *rest != false,
            None => says_nothing,
        };
        for part in list(schema, "allOf") {
            self.collect(value, part, known);
        }
        for key in ["anyOf", "oneOf"] {
            let tried = self.try_branches(value, schema, key, "$");
            let nearest = tried.iter().map(|branch| branch.distance).min();
            for branch in tried.iter().filter(|branch| Some(branch.distance) == nearest) {
                self.collect(value, branch.schema, known);
            }
        }
    }
}

fn list<'a>(schema: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn mismatch(at: &str, what: String) -> Problem {
    Problem::new(ProblemKind::Mismatch, at, what)
}

fn is_nullable(schema: &Value) -> bool {
    schema["nullable"] == true || schema["x-nullable"] == true || list(schema, "type").any(|name| name == "null")
}

/// Whether a schema names this type, alone or among others.
pub(super) fn is_type(schema: &Value, name: &str) -> bool {
    schema["type"] == name || list(schema, "type").any(|other| other == name)
}

fn has_type(schema: &Value, value: &Value) -> bool {
    if schema["type"].is_null() {
        return !value.is_null() || allows_null(schema);
    }
    let name = name_of(value);
    let whole = matches!(value, Value::Number(number) if number.is_i64() || number.is_u64());
    is_type(schema, name) || (whole && is_type(schema, "integer"))
}

/// A schema that says nothing at all allows null; so does one whose parts were checked for themselves.
fn allows_null(schema: &Value) -> bool {
    let says = |key: &str| schema.get(key).is_some();
    !says("properties") && !says("enum") && !says("items")
}

fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn article(name: &str) -> String {
    match name.as_bytes().first() {
        _ if name == "null" || name.contains(' ') => name.to_owned(),
        Some(b'a' | b'i' | b'o') => format!("an {name}"),
        _ => format!("a {name}"),
    }
}

pub(super) fn check_format(schema: &Value, text: &str, at: &str, out: &mut Vec<Problem>) {
    let format = schema["format"].as_str().unwrap_or_default();
    if !has_format(format, text) {
        out.push(mismatch(at, format!("{text:?} is no {format}")));
    }
}

pub(super) fn check_length(schema: &Value, text: &str, at: &str, out: &mut Vec<Problem>) {
    let length = Decimal::from(text.chars().count());
    if bound(schema, "minLength").is_some_and(|least| length < least) {
        out.push(mismatch(at, format!("{length} characters are too few")));
    }
    if bound(schema, "maxLength").is_some_and(|most| length > most) {
        out.push(mismatch(at, format!("{length} characters are too many")));
    }
}

pub(super) fn check_range(schema: &Value, number: Decimal, at: &str, out: &mut Vec<Problem>) {
    let below = |least| number < least || (number == least && schema["exclusiveMinimum"] == true);
    let above = |most| number > most || (number == most && schema["exclusiveMaximum"] == true);
    if bound(schema, "minimum").is_some_and(below) {
        out.push(mismatch(at, format!("{number} is too small")));
    }
    if bound(schema, "maximum").is_some_and(above) {
        out.push(mismatch(at, format!("{number} is too large")));
    }
    let widest = match schema["format"].as_str() {
        Some("int32") => Some(Decimal::from(i32::MAX)),
        Some("int64") => Some(Decimal::from(i64::MAX)),
        _ => None,
    };
    if widest.is_some_and(|widest| number.abs() > widest + Decimal::ONE) {
        out.push(mismatch(at, format!("{number} is too large for its format")));
    }
}

fn bound(schema: &Value, key: &str) -> Option<Decimal> {
    match schema.get(key)? {
        Value::Number(number) => decimal(&number.to_string()).ok(),
        _ => None,
    }
}
