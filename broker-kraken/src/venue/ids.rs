//! Ids in Kraken's form: a letter and 17 more, in three groups.

use broker_core::{FillId, OrderId};
use sha2::{Digest, Sha256};

fn txid(letter: char, text: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Sha256::new()
        .chain_update([u8::try_from(letter).unwrap_or(b'X')])
        .chain_update(text)
        .finalize();
    let mut id = String::from(letter);
    for (place, byte) in digest.iter().take(16).enumerate() {
        if matches!(place, 5 | 10) {
            id.push('-');
        }
        id.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    id
}

pub(super) fn order(id: &OrderId) -> String {
    txid('O', id.get())
}

pub(super) fn trade(id: &FillId) -> String {
    txid('T', id.get())
}

pub(super) fn ledger(seq: u64, side: &str) -> String {
    txid('L', &format!("{seq}:{side}"))
}

pub(super) fn other(text: &str) -> String {
    txid('Q', text)
}

/// Whether a text has the form of an order's id.
pub(super) fn is_order(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let plain = |part: &&str| {
        part.bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    matches!(parts.as_slice(), [a, b, c] if a.len() == 6 && b.len() == 5 && c.len() == 6)
        && parts.iter().all(plain)
        && text.starts_with('O')
}
