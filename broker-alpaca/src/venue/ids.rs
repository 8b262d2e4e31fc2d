//! Ids and symbols in Alpaca's spelling.

use std::fmt::Write;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

use super::refusal::Refusal;

/// Alpaca names orders, executions, assets and accounts by UUIDs. An id of the engine that is one stays; any other is
/// turned into one, always the same.
pub(super) fn uuid(kind: &str, id: &str) -> String {
    if is_uuid(id) {
        return id.to_owned();
    }
    let digest = Sha256::new()
        .chain_update(kind)
        .chain_update([0])
        .chain_update(id)
        .finalize();
    let mut out = String::with_capacity(36);
    for (place, byte) in digest.iter().take(16).enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        // Version 5 and the usual variant, as for names that were hashed.
        let byte = match place {
            6 => (byte & 0x0f) | 0x50,
            8 => (byte & 0x3f) | 0x80,
            _ => *byte,
        };
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Whether a text is a UUID in lower case with dashes.
pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// Positions and old activities spell a coin pair without its slash.
pub(super) fn slashless(symbol: &str) -> String {
    symbol.replace('/', "")
}

/// Whether a symbol is one of a coin pair.
pub(super) fn is_pair(symbol: &str) -> bool {
    symbol.contains('/')
}

/// A page token as the real service writes it: its own text in base64, with the padding that a URL must escape.
pub(super) fn to_token(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// The text in a page token.
pub(super) fn from_token(token: &str) -> Result<String, Refusal> {
    let bytes = BASE64_STANDARD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| Refusal::malformed("invalid page_token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_becomes_one_uuid_and_a_uuid_stays() {
        let id = uuid("order", "17");
        assert!(is_uuid(&id), "{id}");
        assert_eq!(id, uuid("order", "17"));
        assert_ne!(id, uuid("fill", "17"));
        assert_eq!(&id[14..15], "5");
        assert_eq!(uuid("order", &id), id);
        assert!(!is_uuid("904837E3-3b76-47ec-b432-046db621571b") && !is_uuid("904837e33b7647ecb432046db621571b"));
    }
}
