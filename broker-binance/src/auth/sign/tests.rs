//! The published vectors, and those of Binance's page that were worked out apart.

use super::*;

const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

fn hmac() -> Signer {
    Signer::new(&SECRET.into()).unwrap()
}

#[test]
fn the_published_vectors_of_requests() {
    let rest = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
    let table = [
        (
            format!("symbol=LTCBTC&{rest}"),
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        ),
        (
            format!("symbol={}&{rest}", encoded("１２３４５６")),
            "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3",
        ),
        (
            // Query and body are one text, without anything between them.
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC\
             quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
                .to_owned(),
            "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77",
        ),
    ];
    for (payload, signature) in table {
        assert_eq!(hmac().sign(&payload).unwrap(), signature, "{payload}");
    }
    assert_eq!(
        encoded("１２３４５６"),
        "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96"
    );
}

#[test]
fn the_published_vectors_of_messages() {
    // Parameters by name, raw: that is what is signed of a message.
    let ascii = format!(
        "apiKey={KEY}&price=52000.00&quantity=0.01000000&recvWindow=100&side=SELL&symbol=BTCUSDT&timeInForce=GTC\
         &timestamp=1645423376532&type=LIMIT"
    );
    assert_eq!(
        hmac().sign(&ascii).unwrap(),
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    );
    let wide = format!(
        "apiKey={KEY}&price=0.10000000&quantity=1.00000000&recvWindow=5000&side=BUY&symbol=１２３４５６&timeInForce=GTC\
         &timestamp=1645423376532&type=LIMIT"
    );
    assert_eq!(
        hmac().sign(&wide).unwrap(),
        "b33892ae8e687c939f4468c6268ddd4c40ac1af18ad19a064864c47bae0752cd"
    );
}

/// The key of RFC 8032's first test.
const BARE: &str = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g";

#[test]
fn the_ed25519_vector_in_both_spellings_of_the_key() {
    let payload = "symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1&price=0.2\
                   &timestamp=1668481559918&recvWindow=5000";
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{BARE}\n-----END PRIVATE KEY-----\n");
    for key in [BARE.to_owned(), pem] {
        let signer = Signer::new(&key.into()).unwrap();
        assert_eq!(signer.kind(), "an Ed25519 key");
        let signature = signer.sign(payload).unwrap();
        assert_eq!(
            signature,
            "XtZirsmmi0noRzUfkqktvkVfxpkq/WtbLg2UOL3QGYdUBZVlqOBEMuEVw8zioY93N54NcKj9UuAXQEa9zgTDBg=="
        );
        assert!(encoded(&signature).ends_with("zgTDBg%3D%3D"));
    }
}

#[test]
fn a_secret_that_looks_like_base64_is_a_secret() {
    // 64 characters of base64, as all of Binance's secrets are.
    assert_eq!(hmac().kind(), "an HMAC key");
    let unlike = "MC4CAQAwBQYDK2VwBCIEJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9ga";
    assert_eq!(Signer::new(&unlike.into()).unwrap().kind(), "an HMAC key");
}

#[test]
fn keys_that_cannot_be_used_are_refused_and_not_quoted() {
    let wrap = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----");
    for key in [
        String::new(),
        wrap("PRIVATE KEY", "not base64!"),
        wrap("PRIVATE KEY", "MAMCAQA="),
        wrap("ENCRYPTED PRIVATE KEY", BARE),
        wrap("PRIVATE KEY", &BARE[..40]),
    ] {
        let error = Signer::new(&key.clone().into()).unwrap_err();
        assert_eq!(error.kind(), broker_core::ErrorKind::Config, "{key}");
        assert!(!format!("{error:?}").contains("MC4C"));
    }
}

/// A key made for this test, which opens nothing, with OpenSSL. OpenSSL also made the signature: `openssl dgst -sha256
/// -sign`.
fn rsa_key() -> String {
    let label = |word: &str| ["-----", word, " PRIVATE KEY-----"].concat();
    [
        label("BEGIN"),
        include_str!("rsa_test_key.b64").to_owned(),
        label("END"),
    ]
    .join("\n")
}

#[cfg(feature = "rsa")]
#[test]
fn an_rsa_key_signs_as_openssl_does() {
    let signer = Signer::new(&rsa_key().into()).unwrap();
    assert_eq!(signer.kind(), "an RSA key");
    let payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000\
                   &timestamp=1499827319559";
    assert_eq!(
        signer.sign(payload).unwrap(),
        include_str!("rsa_test_signature.txt").trim()
    );
}

#[cfg(not(feature = "rsa"))]
#[test]
fn without_the_feature_an_rsa_key_is_refused() {
    let error = Signer::new(&rsa_key().into()).unwrap_err();
    assert!(error.to_string().contains("feature rsa"), "{error}");
}
