//! Secrets taken out of the text of frames, bodies and queries.

use broker_core::seam::Frame;

/// The frame, with the values of these keys masked in its text. Bytes that are no UTF-8 stay as they are.
pub(super) fn frame(frame: &Frame, keys: &[String]) -> Frame {
    match frame {
        Frame::Text(text) => Frame::Text(masked(text, keys)),
        Frame::Binary(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Frame::Binary(masked(text, keys).into()),
            Err(_) => frame.clone(),
        },
        Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_) => frame.clone(),
    }
}

/// A query, with the values of these keys masked.
pub(super) fn query(query: &str, keys: &[String]) -> String {
    let masked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if keys.iter().any(|key| key.eq_ignore_ascii_case(name)) => format!("{name}=***"),
        _ => pair.to_owned(),
    });
    masked.collect::<Vec<_>>().join("&")
}

/// JSON text, or what looks like it, with `"***"` for the value of each of these keys, whatever its kind. A value that
/// is cut off is masked to the end.
pub(super) fn masked(text: &str, keys: &[String]) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let end = start + string(&rest[start..]);
        let name = rest[start + 1..end].trim_end_matches('"');
        let (before, behind) = rest.split_at(end);
        shown.push_str(before);
        rest = behind;
        let value = behind.trim_start().strip_prefix(':').map(str::trim_start);
        if let Some(value) = value.filter(|_| keys.iter().any(|key| key.eq_ignore_ascii_case(name))) {
            shown.push_str(&behind[..behind.len() - value.len()]);
            shown.push_str("\"***\"");
            rest = &value[length(value)..];
        }
    }
    shown.push_str(rest);
    shown
}

/// Bytes of the string that the text starts with, both quotes included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the value that the text starts with.
fn length(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' => at += string(&text[at..]),
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b',' | b'}' | b']' if depth == 0 => return at,
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            _ => at += 1,
        }
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn values_of_secret_keys_are_masked_whatever_they_are() {
        let keys = ["key".to_owned(), "secret".to_owned()];
        for (text, shown) in [
            (
                r#"{"action":"auth","key":"K","secret":"S\"x"}"#,
                r#"{"action":"auth","key":"***","secret":"***"}"#,
            ),
            (r#"{"KEY" : 12, "a":["key"]}"#, r#"{"KEY" : "***", "a":["key"]}"#),
            (r#"{"d":{"key":{"a":["}"]},"b":1}}"#, r#"{"d":{"key":"***","b":1}}"#),
            (r#"[{"secret":null}]"#, r#"[{"secret":"***"}]"#),
            (r#"{"secret":"cut o"#, r#"{"secret":"***""#),
            (r#"{"secret":"é\"#, r#"{"secret":"***""#),
            (r#"{"a":"key","b":"secret"}"#, r#"{"a":"key","b":"secret"}"#),
            ("no JSON, no \" end", "no JSON, no \" end"),
            ("", ""),
        ] {
            assert_eq!(masked(text, &keys), shown, "{text}");
            let binary = Frame::Binary(Bytes::copy_from_slice(text.as_bytes()));
            assert_eq!(frame(&binary, &keys), Frame::Binary(shown.to_owned().into()));
        }
        let bytes = Frame::Binary(Bytes::from_static(&[b'"', 255]));
        assert_eq!(frame(&bytes, &keys), bytes);
    }
}
