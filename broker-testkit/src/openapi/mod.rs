//! A checker of requests and answers against a broker's published document: OpenAPI 3.0 or Swagger 2.0.
//!
//! A wire venue written by the hand that wrote the client proves little; the broker's own document is the third
//! party. Parse it once, it is big:
//!
//! ```
//! use broker_testkit::openapi::Document;
//! let document = Document::parse(r#"{
//!     "openapi": "3.0.0",
//!     "paths": { "/v2/orders/{id}": { "get": {
//!         "parameters": [
//!             { "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } },
//!             { "name": "nested", "in": "query", "schema": { "type": "boolean" } }
//!         ],
//!         "responses": { "200": { "content": { "application/json": { "schema": {
//!             "type": "object", "required": ["qty"], "properties": { "qty": { "type": "string", "nullable": true } }
//!         } } } } }
//!     } } }
//! }"#)?;
//! let id = "/v2/orders/0b11f089-722d-4ced-9beb-e2eeed3637dc";
//! assert!(document.check_request("GET", id, &[("nested".into(), "true".into())], None).is_empty());
//! let problems = document.check_answer("GET", id, 200, r#"{"qty": 1}"#);
//! assert_eq!(problems[0].to_string(), "$.qty: a number, not a string");
//! # Ok::<(), broker_core::Error>(())
//! ```
//!
//! What is not checked: `pattern`, headers, and the `exactly one` of `oneOf`, since documents overlap their branches.

mod paths;
mod schema;
mod text;
mod watched;

use std::fmt;

use broker_core::{Error, Result};
use serde_json::Value;

use paths::Template;
pub use watched::{Beyond, Exchanges, Watched};

/// What kind of deviation it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The document has no such path or method.
    UnknownOperation,
    /// The document has no such query parameter.
    UnknownParameter,
    /// A required parameter, body or field is missing.
    Missing,
    /// The document has no such status for the operation.
    UnknownStatus,
    /// The body cannot be read.
    Unreadable,
    /// The document has no such field.
    UnknownField,
    /// A value that its schema does not allow.
    Mismatch,
}

/// One deviation from the document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// What kind it is.
    pub kind: ProblemKind,
    /// Where: `$.legs[0].qty` in a body, `query.limit`, `path.order_id`.
    pub at: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl Problem {
    fn new(kind: ProblemKind, at: &str, what: impl Into<String>) -> Self {
        Self {
            kind,
            at: at.to_owned(),
            what: what.into(),
        }
    }
}

/// A broker's published document.
#[derive(Debug, Clone)]
pub struct Document {
    root: Value,
    templates: Vec<Template>,
    /// Paths that the servers of the document put before all others.
    bases: Vec<String>,
    unknown_fields: bool,
}

/// The body of a request.
#[derive(Clone, Copy)]
enum Sent<'a> {
    /// In the form that the document names.
    Documented(&'a str),
    /// A form, whatever it names.
    Form(&'a str),
}

/// An operation that a request was found to be.
struct Operation<'a> {
    template: &'a str,
    item: &'a Value,
    body: &'a Value,
    /// Values of the path's parameters, decoded.
    path_values: Vec<(String, String)>,
}

impl Document {
    /// Reads a document in JSON. `Decode` if it is none.
    pub fn parse(text: &str) -> Result<Self> {
        let root: Value = serde_json::from_str(text).map_err(|error| Error::decode("a document").with_source(error))?;
        let known = root.get("openapi").or(root.get("swagger")).and_then(Value::as_str);
        if !known.is_some_and(|version| version.starts_with("3.") || version.starts_with("2.")) {
            return Err(Error::decode("neither an OpenAPI 3 nor a Swagger 2 document"));
        }
        let paths = root.get("paths").and_then(Value::as_object);
        let paths = paths.ok_or_else(|| Error::decode("a document without paths"))?;
        let mut templates: Vec<_> = paths.keys().map(|path| Template::new(path)).collect();
        // The one with the longest literal text is the one that is meant.
        templates.sort_by_key(|template| std::cmp::Reverse(template.literal_length()));
        Ok(Self {
            bases: bases(&root),
            templates,
            root,
            unknown_fields: false,
        })
    }

    /// Also reports fields of answers that the document does not have. Of requests they are always reported.
    #[must_use]
    pub fn with_unknown_fields(mut self) -> Self {
        self.unknown_fields = true;
        self
    }

    /// Checks a request: its path, its query parameters (decoded), its body.
    pub fn check_request(
        &self,
        method: &str,
        path: &str,
        query: &[(String, String)],
        body: Option<&str>,
    ) -> Vec<Problem> {
        self.check_sent(method, path, query, Sent::Documented(body.unwrap_or_default()))
    }

    /// The same of a request whose body is a form, also where the document writes its fields down as JSON.
    pub fn check_form_request(&self, method: &str, path: &str, query: &[(String, String)], form: &str) -> Vec<Problem> {
        self.check_sent(method, path, query, Sent::Form(form))
    }

    fn check_sent(&self, method: &str, path: &str, query: &[(String, String)], body: Sent<'_>) -> Vec<Problem> {
        let Some(operation) = self.operation(method, path) else {
            return vec![unknown_operation(method, path)];
        };
        let mut problems = Vec::new();
        let parameters = self.parameters(&operation);
        for parameter in &parameters {
            let place = parameter.get("in").and_then(Value::as_str);
            let values = match place {
                Some("query") => query,
                Some("path") => &operation.path_values,
                _ => continue,
            };
            self.check_parameter(parameter, place.unwrap_or_default(), values, &mut problems);
        }
        for (name, _) in query {
            let documented = |parameter: &&Value| parameter["in"] == "query" && base_name(&parameter["name"]) == name;
            if !parameters.iter().any(documented) {
                let what = "the document has no such parameter";
                problems.push(Problem::new(
                    ProblemKind::UnknownParameter,
                    &format!("query.{name}"),
                    what,
                ));
            }
        }
        self.check_request_body(&operation, &parameters, body, &mut problems);
        problems
    }

    /// Checks an answer to such a request: its status and its body.
    pub fn check_answer(&self, method: &str, path: &str, status: u16, body: &str) -> Vec<Problem> {
        let Some(operation) = self.operation(method, path) else {
            return vec![unknown_operation(method, path)];
        };
        let responses = &operation.body["responses"];
        let exact = status.to_string();
        let range = format!("{}XX", status / 100);
        let Some(response) = [exact.as_str(), &range, &range.to_lowercase(), "default"]
            .iter()
            .find_map(|key| responses.get(*key))
        else {
            let what = format!("the document has no status {status} here");
            return vec![Problem::new(ProblemKind::UnknownStatus, "$", what)];
        };
        let response = self.resolve(response);
        let schema = response.get("schema").or_else(|| json_content(&response["content"]));
        let mut problems = Vec::new();
        if let Some(schema) = schema {
            self.check_body(schema, body, self.unknown_fields, &mut problems);
        }
        problems
    }

    /// What the document calls such a request: `GET /v2/orders/{order_id}`. `None` when it does not have it.
    pub fn name_of(&self, method: &str, path: &str) -> Option<String> {
        let operation = self.operation(method, path)?;
        Some(format!("{method} {}", operation.template))
    }

    fn operation(&self, method: &str, path: &str) -> Option<Operation<'_>> {
        let shorter = self.bases.iter().filter_map(|base| path.strip_prefix(base.as_str()));
        let candidates: Vec<&str> = std::iter::once(path).chain(shorter).collect();
        for template in &self.templates {
            let Some(path_values) = candidates.iter().find_map(|path| template.matches(path)) else {
                continue;
            };
            let item = self.resolve(&self.root["paths"][template.text()]);
            if let Some(body) = item.get(method.to_ascii_lowercase()) {
                return Some(Operation {
                    template: template.text(),
                    item,
                    body,
                    path_values,
                });
            }
        }
        None
    }

    /// Parameters of an operation; those of its path that it does not replace come last.
    fn parameters<'a>(&'a self, operation: &Operation<'a>) -> Vec<&'a Value> {
        let own = operation.body["parameters"].as_array().into_iter().flatten();
        let shared = operation.item["parameters"].as_array().into_iter().flatten();
        let mut all: Vec<&Value> = Vec::new();
        for parameter in own.chain(shared).map(|parameter| self.resolve(parameter)) {
            let same = |other: &&&Value| other["name"] == parameter["name"] && other["in"] == parameter["in"];
            if all.iter().find(same).is_none() {
                all.push(parameter);
            }
        }
        all
    }

    fn check_request_body(&self, operation: &Operation, parameters: &[&Value], sent: Sent<'_>, out: &mut Vec<Problem>) {
        let documented = operation.body.get("requestBody").map(|body| self.resolve(body));
        let in_body = parameters.iter().find(|parameter| parameter["in"] == "body").copied();
        let required = documented.or(in_body).is_some_and(|body| body["required"] == true);
        let schema = documented
            .and_then(|documented| json_content(&documented["content"]))
            .or_else(|| in_body.and_then(|parameter| parameter.get("schema")));
        let (Sent::Documented(body) | Sent::Form(body)) = sent;
        if body.is_empty() {
            if required {
                out.push(Problem::new(ProblemKind::Missing, "$", "the body is required"));
            }
            return;
        }
        match (schema, sent) {
            (Some(schema), Sent::Documented(_)) => return self.check_body(schema, body, true, out),
            (Some(schema), Sent::Form(_)) => return self.check_form(schema, body, out),
            (None, _) => {}
        }
        let form = documented.and_then(|body| body["content"].get("application/x-www-form-urlencoded"));
        match form.and_then(|content| content.get("schema")) {
            Some(schema) => self.check_form(schema, body, out),
            None if documented.is_none() && !parameters.iter().any(|parameter| parameter["in"] == "formData") => {
                out.push(Problem::new(
                    ProblemKind::UnknownField,
                    "$",
                    "the document has no body here",
                ));
            }
            None => {}
        }
    }

    fn check_body(&self, schema: &Value, body: &str, unknown_fields: bool, out: &mut Vec<Problem>) {
        match serde_json::from_str::<Value>(body) {
            Ok(value) => schema::Checker::new(&self.root, unknown_fields).check(&value, schema, "$", out),
            Err(error) => out.push(Problem::new(ProblemKind::Unreadable, "$", format!("no JSON: {error}"))),
        }
    }

    /// A form's fields are texts, like parameters.
    fn check_form(&self, schema: &Value, body: &str, out: &mut Vec<Problem>) {
        let schema = self.resolve(schema);
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !fields.iter().any(|(field, _)| field == name) {
                out.push(Problem::new(ProblemKind::Missing, &format!("$.{name}"), "required"));
            }
        }
        for (name, value) in &fields {
            let at = format!("$.{name}");
            match schema["properties"].get(name) {
                Some(field) => self.check_text(field, value, &at, out),
                None if schema.get("properties").is_none() => {}
                None => out.push(Problem::new(
                    ProblemKind::UnknownField,
                    &at,
                    "the document has no such field",
                )),
            }
        }
    }

    /// Follows references, as far as any sane document goes.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        schema::resolve(&self.root, value)
    }
}

/// `ids[]` is how some documents write `ids`.
fn base_name(name: &Value) -> &str {
    name.as_str().unwrap_or_default()
}

fn unknown_operation(method: &str, path: &str) -> Problem {
    let what = format!("the document has no {method} of this path");
    Problem::new(ProblemKind::UnknownOperation, path, what)
}

/// The schema of the JSON among the content types.
fn json_content(content: &Value) -> Option<&Value> {
    let types = content.as_object()?;
    let json = |kind: &str| kind.contains("json") || kind == "*/*";
    let (_, body) = types.iter().find(|(kind, _)| json(kind))?;
    body.get("schema")
}

fn bases(root: &Value) -> Vec<String> {
    let servers = root["servers"].as_array().into_iter().flatten();
    let urls = servers.filter_map(|server| server["url"].as_str());
    let paths = urls.map(|url| match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    });
    let mut all: Vec<String> = paths
        .chain(root["basePath"].as_str())
        .map(|base| base.trim_end_matches('/').to_owned())
        .filter(|base| !base.is_empty())
        .collect();
    all.dedup();
    all
}

#[cfg(test)]
mod tests;
