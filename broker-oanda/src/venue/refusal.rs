//! The ways in which OANDA says no.

use broker_sim::wire::WireAnswer;

use super::json::Object;

/// An error answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    body: Box<str>,
}

/// What an endpoint gives: an answer, or a refusal.
pub(super) type Reply = Result<WireAnswer, Refusal>;

impl Refusal {
    pub(super) fn new(status: u16, message: impl AsRef<str>) -> Self {
        Self::with(status, Object::new(), None, message)
    }

    /// With what stands before code and message.
    pub(super) fn with(status: u16, head: Object, code: Option<&str>, message: impl AsRef<str>) -> Self {
        let body = head.maybe("errorCode", code).text("errorMessage", message).end();
        Self {
            status,
            body: body.into(),
        }
    }

    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Insufficient authorization to perform request.")
    }

    pub(super) fn too_many() -> Self {
        Self::new(429, "Too many requests")
    }

    pub(super) fn invalid(name: &str) -> Self {
        Self::new(400, format!("Invalid value specified for '{name}'"))
    }
}

impl From<Refusal> for WireAnswer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, refusal.body)
    }
}
