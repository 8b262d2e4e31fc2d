//! The ways in which Alpaca says no, and their codes.

use broker_sim::wire::WireAnswer;

use super::json::Object;

/// An error answer: a status, a code, a message, and the keys that stand beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    code: Option<u32>,
    message: String,
    extra: Vec<(&'static str, String)>,
}

/// What an endpoint gives: an answer, or a refusal.
pub(super) type Reply = Result<WireAnswer, Refusal>;

impl Refusal {
    fn new(status: u16, code: Option<u32>, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            extra: Vec::new(),
        }
    }

    /// Wrong key, or the wrong host for it: the one body without a code.
    pub(super) fn forbidden() -> Self {
        Self::new(403, None, "forbidden.")
    }

    /// The data host, or a token, that it does not know.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, Some(40_110_000), "request is not authorized")
    }

    pub(super) fn too_many() -> Self {
        Self::new(429, Some(42_910_000), "too many requests.")
    }

    /// The request cannot be read: malformed JSON, a parameter that there is not.
    pub(super) fn malformed(message: impl Into<String>) -> Self {
        Self::new(400, Some(40_010_000), message)
    }

    /// The request can be read, and is wrong.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(422, Some(42_210_000), message)
    }

    pub(super) fn duplicate() -> Self {
        Self::new(422, Some(40_010_001), "client_order_id must be unique")
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, Some(40_410_000), message)
    }

    /// Understood, and not permitted: funds, holdings, short sales.
    pub(super) fn rejected(message: impl Into<String>) -> Self {
        Self::new(403, Some(40_310_000), message)
    }

    pub(super) fn wrong_method() -> Self {
        Self::new(405, Some(40_510_000), "method not allowed")
    }

    pub(super) fn not_implemented(message: impl Into<String>) -> Self {
        Self::new(501, Some(50_110_000), message)
    }

    /// Adds a text beside code and message.
    pub(super) fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.extra.push((key, value.to_string()));
        self
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// The body.
    pub(super) fn body(&self) -> String {
        let mut object = Object::new();
        if let Some(code) = self.code {
            object = object.raw("code", &code.to_string());
        }
        for (key, value) in &self.extra {
            object = object.text(key, value);
        }
        object.text("message", &self.message).end()
    }
}

impl From<Refusal> for WireAnswer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, refusal.body())
    }
}
