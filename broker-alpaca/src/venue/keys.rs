//! Who may come in: keys and OAuth tokens.

use broker_sim::wire::WireRequest;
use secrecy::{ExposeSecret, SecretString};

use super::refusal::Refusal;

/// The keys and tokens that a venue takes. Never shown.
pub(super) struct Keys {
    pub(super) keys: Vec<(String, SecretString)>,
    pub(super) tokens: Vec<SecretString>,
}

/// Which of the two hosts a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    Trading,
    Data,
}

impl Host {
    pub(super) fn of(path: &str) -> Self {
        let data = ["/v2/stocks", "/v1beta1/", "/v1beta3/"];
        if data.iter().any(|start| path.starts_with(start)) {
            Self::Data
        } else {
            Self::Trading
        }
    }
}

impl Keys {
    pub(super) fn knows_key(&self, id: &str, secret: &str) -> bool {
        self.keys
            .iter()
            .any(|(key, hidden)| key == id && hidden.expose_secret() == secret)
    }

    pub(super) fn knows_token(&self, token: &str) -> bool {
        self.tokens.iter().any(|known| known.expose_secret() == token)
    }

    /// Who asks, by the key's id or `token`; the limits count by it.
    pub(super) fn authenticate(&self, request: &WireRequest, host: Host) -> Result<String, Refusal> {
        if let Some(bearer) = request.header("authorization") {
            let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
            return if self.knows_token(token) {
                Ok("token".to_owned())
            } else {
                Err(Refusal::unauthorized())
            };
        }
        let id = request.header("apca-api-key-id").unwrap_or_default();
        let secret = request.header("apca-api-secret-key").unwrap_or_default();
        match (self.knows_key(id, secret), host) {
            (true, _) => Ok(id.to_owned()),
            (false, Host::Trading) => Err(Refusal::forbidden()),
            (false, Host::Data) => Err(Refusal::unauthorized()),
        }
    }
}
