//! The disguises of a secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// One form of a secret.
pub(super) struct Form {
    pub(super) name: &'static str,
    needle: String,
    /// Whether upper and lower case are the same.
    folds: bool,
}

impl Form {
    fn new(name: &'static str, needle: String) -> Self {
        let folds = false;
        Self { name, needle, folds }
    }

    /// What stands around it in a text.
    pub(super) fn find(&self, text: &str) -> Option<String> {
        let place = if self.folds {
            text.to_ascii_lowercase().find(&self.needle)?
        } else {
            text.find(&self.needle)?
        };
        let before = text[..place].chars().rev().take(40).map(char::len_utf8).sum::<usize>();
        let shown = self.needle.chars().count() + 40;
        Some(text[place - before..].chars().take(before + shown).collect())
    }
}

/// In clear, base64 at each of its three alignments and in both alphabets, hexadecimal, percent-encoded, as escapes of
/// JSON, as a list of bytes, backwards.
pub(super) fn forms(secret: &str) -> Vec<Form> {
    let bytes = secret.as_bytes();
    let mut all = vec![Form::new("clear", secret.to_owned())];
    for before in 0..3 {
        all.push(Form::new("base64", aligned(&STANDARD_NO_PAD, bytes, before)));
        all.push(Form::new("base64, URL-safe", aligned(&URL_SAFE_NO_PAD, bytes, before)));
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    let escapes: String = secret.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let usual = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    for (name, needle) in [
        ("hexadecimal", hex),
        ("URL-encoded", percent),
        ("URL-encoded", usual.to_ascii_lowercase()),
        ("escaped", escapes),
    ] {
        let folds = true;
        all.push(Form { name, needle, folds });
    }
    all.push(Form::new("bytes", list.join(", ")));
    all.push(Form::new("backwards", secret.chars().rev().collect()));
    all
}

/// What is the same of a text's base64 whatever stands before and behind it, where so many bytes of three stand before.
fn aligned(engine: &impl Engine, bytes: &[u8], before: usize) -> String {
    let text = engine.encode([&vec![0; before], bytes].concat());
    // Six bits a character: those that also hold bits of other bytes are left out.
    let first = (before * 8).div_ceil(6);
    let behind = (before + bytes.len()) * 8 / 6;
    text[first..behind].to_owned()
}

/// A text as it is, and with escapes undone as often as they nest: a program that quotes a quoted text hides nothing.
pub(super) fn plain(text: &str) -> Vec<String> {
    let mut all = vec![text.to_owned()];
    for _ in 0..3 {
        let last = all.last().map(String::as_str).unwrap_or_default();
        let (json, percent) = (
            unescaped(last),
            percent_encoding::percent_decode_str(last).decode_utf8_lossy(),
        );
        let next = if json == last { percent.into_owned() } else { json };
        if next == last {
            break;
        }
        all.push(next);
    }
    all
}

/// Undoes the escapes of JSON and of Rust's `{:?}`; what is none is left.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(place) = rest.find('\\') {
        out.push_str(&rest[..place]);
        let behind = &rest[place + 1..];
        let (character, length) = escape(behind).unwrap_or(('\\', 0));
        out.push(character);
        rest = &behind[length..];
    }
    out.push_str(rest);
    out
}

/// The character of an escape, and how long that is behind its backslash.
fn escape(behind: &str) -> Option<(char, usize)> {
    let first = behind.chars().next()?;
    match first {
        'n' => Some(('\n', 1)),
        'r' => Some(('\r', 1)),
        't' => Some(('\t', 1)),
        'u' | 'x' => {
            let braced = behind[1..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let (digits, length) = match braced {
                Some((digits, _)) => (digits, digits.len() + 3),
                None => {
                    let count = if first == 'u' { 4 } else { 2 };
                    (behind.get(1..=count)?, count + 1)
                }
            };
            let character = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            Some((character, length))
        }
        '"' | '\'' | '\\' | '/' => Some((first, 1)),
        _ => None,
    }
}
