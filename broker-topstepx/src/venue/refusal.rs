//! How the gateway says no: under HTTP 200 with a code, or as a status where it did not get that far.

use broker_sim::wire::WireAnswer;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Of the business: a code of the endpoint, words, and the number of a record that is kept all the same.
    Code {
        code: i64,
        words: Option<String>,
        order: Option<i64>,
    },
    /// The request is not what the schema says.
    Invalid(String),
    /// No token, or none that is good.
    Unauthorized,
    /// No such path.
    NotFound,
    /// Another method than POST.
    Method,
    /// Too many requests.
    TooMany,
}

impl Refusal {
    pub(super) fn code(code: i64) -> Self {
        Self::Code {
            code,
            words: None,
            order: None,
        }
    }

    pub(super) fn words(code: i64, words: impl Into<String>) -> Self {
        Self::Code {
            code,
            words: Some(words.into()),
            order: None,
        }
    }

    /// As an answer; `payload` is the member that a success would have had.
    pub(super) fn answer(self, payload: &str) -> WireAnswer {
        match self {
            Self::Code { code, words, order } => {
                let words = words.map_or_else(|| "null".to_owned(), |words| super::json::quoted(&words));
                let payload = match (payload, order) {
                    ("", _) => String::new(),
                    (name, Some(order)) => format!("\"{name}\":{order},"),
                    (name, None) => format!("\"{name}\":null,"),
                };
                let body = format!("{{{payload}\"success\":false,\"errorCode\":{code},\"errorMessage\":{words}}}");
                WireAnswer::json(200, body)
            }
            Self::Invalid(what) => {
                let what = super::json::quoted(&what);
                let body = format!(
                    "{{\"type\":\"https://tools.ietf.org/html/rfc9110#section-15.5.1\",\"title\":\"One or more \
                     validation errors occurred.\",\"status\":400,\"errors\":{{\"$\":[{what}]}}}}"
                );
                WireAnswer::json(400, body)
            }
            Self::Unauthorized => WireAnswer::json(401, ""),
            Self::NotFound => WireAnswer::json(404, ""),
            Self::Method => WireAnswer::json(405, ""),
            Self::TooMany => WireAnswer::json(429, ""),
        }
    }
}
