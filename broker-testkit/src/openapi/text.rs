//! Parameters: texts that a schema gives a type.

use broker_core::num::decimal;
use chrono::{DateTime, NaiveDate};
use serde_json::Value;

use super::schema::{check_format, check_length, check_range, is_type};
use super::{Document, Problem, ProblemKind};

impl Document {
    pub(super) fn check_parameter(
        &self,
        parameter: &Value,
        place: &str,
        values: &[(String, String)],
        out: &mut Vec<Problem>,
    ) {
        let name = parameter["name"].as_str().unwrap_or_default();
        let at = format!("{place}.{name}");
        let given: Vec<&str> = values
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .collect();
        if given.is_empty() && parameter["required"] == true {
            out.push(Problem::new(ProblemKind::Missing, &at, "required"));
        }
        // Swagger 2 writes the type into the parameter itself.
        let schema = self.resolve(parameter.get("schema").unwrap_or(parameter));
        let delimiter = delimiter(parameter, schema);
        if given.len() > 1 && (delimiter.is_some() || !is_type(schema, "array")) {
            out.push(Problem::new(ProblemKind::Mismatch, &at, "given more than once"));
        }
        for value in given {
            match (is_type(schema, "array"), delimiter) {
                (false, _) => self.check_text(schema, value, &at, out),
                (true, None) => self.check_text(&schema["items"], value, &at, out),
                (true, Some(delimiter)) => {
                    for item in value.split(delimiter) {
                        self.check_text(&schema["items"], item, &at, out);
                    }
                }
            }
        }
    }

    /// Checks one text against the schema of a value.
    pub(super) fn check_text(&self, schema: &Value, text: &str, at: &str, out: &mut Vec<Problem>) {
        let schema = self.resolve(schema);
        let mut wrong = |what: String| out.push(Problem::new(ProblemKind::Mismatch, at, what));
        if let Some(words) = schema["enum"].as_array() {
            let same = |word: &Value| match word {
                Value::String(word) => word == text,
                other => {
                    let shown = other.to_string();
                    shown == text
                }
            };
            if !words.iter().any(same) {
                wrong(format!("{text:?} is none of the document's words"));
            }
        }
        let (number, date) = (decimal(text), schema["format"] == "date-time" && is_date(text));
        match schema["type"].as_str() {
            Some("integer") if text.parse::<i128>().is_err() => wrong(format!("{text:?} is no integer")),
            Some("number") if number.is_err() => wrong(format!("{text:?} is no number")),
            Some("integer" | "number") => {
                if let Ok(number) = number {
                    check_range(schema, number, at, out);
                }
            }
            Some("boolean") if !matches!(text, "true" | "false") => {
                wrong(format!("{text:?} is neither true nor false"))
            }
            // Documents say `date-time` of parameters that take a plain date, too, in their prose.
            Some("string") if !date => {
                check_format(schema, text, at, out);
                check_length(schema, text, at, out);
            }
            _ => {}
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.check_text(part, text, at, out);
        }
        for branches in ["anyOf", "oneOf"].iter().filter_map(|name| schema[*name].as_array()) {
            let fits = |branch: &Value| {
                let mut problems = Vec::new();
                self.check_text(branch, text, at, &mut problems);
                problems.is_empty()
            };
            if !branches.iter().any(fits) {
                out.push(Problem::new(
                    ProblemKind::Mismatch,
                    at,
                    format!("{text:?} fits no branch"),
                ));
            }
        }
    }
}

/// What separates the items of a list in one text; `None` where a list is written as repeated parameters.
fn delimiter(parameter: &Value, schema: &Value) -> Option<char> {
    if !is_type(schema, "array") {
        return None;
    }
    if parameter.get("schema").is_none() {
        return match parameter["collectionFormat"].as_str() {
            Some("multi") => None,
            Some("ssv") => Some(' '),
            Some("tsv") => Some('\t'),
            Some("pipes") => Some('|'),
            _ => Some(','),
        };
    }
    let style = parameter["style"].as_str().unwrap_or("form");
    let explode = parameter["explode"]
        .as_bool()
        .unwrap_or(style == "form" && parameter["in"] == "query");
    match (style, explode) {
        (_, true) => None,
        ("spaceDelimited", _) => Some(' '),
        ("pipeDelimited", _) => Some('|'),
        _ => Some(','),
    }
}

/// Whether the text is of a format; formats that are not known here take any.
pub(super) fn has_format(format: &str, text: &str) -> bool {
    match format {
        "date" => is_date(text),
        "date-time" => DateTime::parse_from_rfc3339(text).is_ok(),
        "uuid" => is_uuid(text),
        _ => true,
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}
