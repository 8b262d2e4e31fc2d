//! A planted leak is found, in each disguise.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use broker_core::{Error, ErrorKind};
use broker_testkit::canary::{Canaries, TraceLog};

/// Nothing of it is the same after encoding.
const SECRET: &str = "kX9+/mQ2\"vT7=z~é?";

fn canaries() -> Canaries {
    Canaries::new().with("secret", SECRET)
}

fn form(text: &str) -> Option<&'static str> {
    let mut canaries = canaries();
    canaries.look("a text", text);
    canaries.hits().first().map(|hit| hit.form)
}

#[test]
fn a_leak_is_found_in_every_form() {
    for (text, expected) in [
        ("x kX9+/mQ2\"vT7=z~é? y", "clear"),
        // base64 of the secret behind no byte, one, two: `python3 -c 'import base64; ...'`.
        ("a1g5Ky9tUTIidlQ3PXp+w6k/", "base64"),
        ("eGtYOSsvbVEyInZUNz16fsOpP3k=", "base64"),
        ("eHhrWDkrL21RMiJ2VDc9en7DqT8=", "base64"),
        ("a1g5Ky9tUTIidlQ3PXp-w6k_", "base64, URL-safe"),
        ("6b58392b2f6d5132227654373d7a7ec3a93f", "hexadecimal"),
        ("6B58392B2F6D5132227654373D7A7EC3A93F", "hexadecimal"),
        ("kX9%2B%2FmQ2%22vT7%3Dz%7E%C3%A9%3F", "URL-encoded"),
        ("kX9%2b%2fmQ2%22vT7%3dz~%c3%a9%3f", "clear"),
        (r#""kX9+\/mQ2\"vT7=z~\u00e9?""#, "clear"),
        (
            r"\u006b\u0058\u0039\u002b\u002f\u006d\u0051\u0032\u0022\u0076\u0054\u0037\u003d\u007a\u007e\u00e9\u003F",
            "escaped",
        ),
        (r#"Some("{\"key\":\"kX9+/mQ2\\\"vT7=z~é?\"}")"#, "clear"),
        (
            "b[107, 88, 57, 43, 47, 109, 81, 50, 34, 118, 84, 55, 61, 122, 126, 195, 169, 63]",
            "bytes",
        ),
        ("?é~z=7Tv\"2Qm/+9Xk", "backwards"),
    ] {
        assert_eq!(form(text), Some(expected), "{text}");
    }
    for text in ["", "kX9+/mQ2", "vT7=z~é?", "a1g5Ky9t"] {
        assert_eq!(form(text), None, "{text}");
    }
}

#[test]
fn secrets_are_shown_by_name() {
    let shown = format!("{:?}", canaries());
    assert_eq!(shown, "Canaries { secrets: [\"secret\"], hits: [], looked: 0 }");
}

#[test]
fn errors_are_looked_at_to_their_source() {
    let planted = std::io::Error::other(format!("refused for {SECRET}"));
    let error = Error::new(ErrorKind::Unavailable).with_source(planted);
    let mut canaries = canaries();
    canaries.look_at_error("an error", &error);
    assert!(
        canaries
            .hits()
            .iter()
            .all(|hit| hit.secret == "secret" && hit.what == "an error")
    );
    assert!(!canaries.hits().is_empty());
}

#[test]
fn spans_events_and_late_fields_are_kept() {
    let log = TraceLog::new();
    tracing::subscriber::with_default(log.subscriber(), || {
        let span = tracing::trace_span!("call", key = "in-a-span", late = tracing::field::Empty);
        let _entered = span.enter();
        span.record("late", SECRET);
        let error: &dyn std::error::Error = &std::io::Error::other("in-an-error");
        tracing::trace!(error, "in-an-event {}", 1);
    });
    let text = log.text();
    for kept in ["key=\"in-a-span\"", "in-an-event 1", "in-an-error"] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    let mut canaries = canaries();
    canaries.look("the log", &text);
    assert_eq!(canaries.hits().len(), 1);
    log.clear();
    assert_eq!(log.text(), "");
}
