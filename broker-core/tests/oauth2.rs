//! The authorization-code grant, by hand from its RFCs.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::time::Duration;

use broker_core::ErrorKind;
use broker_core::oauth2::{ClientAuth, OAuth2, SignIn, read_refusal, read_token};
use broker_core::seam::{Clock, SeededRng, VirtualClock, VirtualRuntime};
use chrono::{DateTime, TimeDelta};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

fn client() -> OAuth2 {
    let url = Url::parse("https://broker.example/oauth/authorize?realm=a").unwrap();
    OAuth2::new("my app", url, "https://127.0.0.1:8182/back")
}

struct Bench {
    runtime: VirtualRuntime,
    clock: VirtualClock,
    rng: SeededRng,
}

impl Bench {
    fn new() -> Self {
        let runtime = VirtualRuntime::new();
        let clock = runtime.clock();
        Self {
            runtime,
            clock,
            rng: SeededRng::new(3),
        }
    }

    fn sign_in(&self, client: &OAuth2) -> SignIn {
        client.sign_in(&self.clock, &self.rng)
    }
}

fn parameter(sign_in: &SignIn, name: &str) -> Option<String> {
    let mut pairs = sign_in.url().query_pairs();
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn state(sign_in: &SignIn) -> String {
    parameter(sign_in, "state").unwrap()
}

#[test]
fn the_url_asks_for_a_code_with_a_fresh_state() {
    let bench = Bench::new();
    let client = client().with_scopes(["trade", "read"]);
    let sign_in = bench.sign_in(&client);
    let state = state(&sign_in);
    assert_eq!(state.len(), 43);
    assert_eq!(
        sign_in.url().as_str(),
        format!(
            "https://broker.example/oauth/authorize?realm=a&response_type=code&client_id=my+app\
             &redirect_uri=https%3A%2F%2F127.0.0.1%3A8182%2Fback&scope=trade+read&state={state}"
        )
    );
    assert_ne!(parameter(&bench.sign_in(&client), "state").unwrap(), state);
}

#[test]
fn a_callback_is_read_as_url_and_as_query_and_decoded() {
    let bench = Bench::new();
    let client = client();
    for form in [
        "https://127.0.0.1:8182/back?code=C0.a%2Bb%40c%3D&state=STATE#top",
        "?state=STATE&code=C0.a%2Bb%40c%3D",
        "code=C0.a%2Bb%40c%3D&session=1&state=STATE",
    ] {
        let mut sign_in = bench.sign_in(&client);
        let callback = form.replace("STATE", &state(&sign_in));
        let code = sign_in.code(&callback, &bench.clock).unwrap();
        let exchange = client.exchange(code).unwrap();
        assert_eq!(
            exchange.body.expose_secret(),
            "grant_type=authorization_code&code=C0.a%2Bb%40c%3D\
             &redirect_uri=https%3A%2F%2F127.0.0.1%3A8182%2Fback&client_id=my+app"
        );
        assert_eq!(exchange.headers["content-type"], "application/x-www-form-urlencoded");
        assert!(!exchange.headers.contains_key("authorization"));
    }
}

#[test]
fn a_state_is_taken_once_and_another_changes_nothing() {
    let bench = Bench::new();
    let mut sign_in = bench.sign_in(&client());
    let other = bench.sign_in(&client());
    let right = format!("?code=c&state={}", state(&sign_in));
    for wrong in [
        format!("?code=c&state={}", state(&other)),
        "?code=c".to_owned(),
        "?code=c&state=".to_owned(),
    ] {
        assert_eq!(sign_in.code(&wrong, &bench.clock).unwrap_err().kind(), ErrorKind::Auth);
    }
    // Given twice, it cannot be said which counts.
    let twice = format!("{right}&code=d");
    assert_eq!(
        sign_in.code(&twice, &bench.clock).unwrap_err().kind(),
        ErrorKind::Decode
    );
    sign_in.code(&right, &bench.clock).unwrap();
    assert_eq!(sign_in.code(&right, &bench.clock).unwrap_err().kind(), ErrorKind::Auth);
}

#[test]
fn a_sign_in_is_open_for_ten_minutes() {
    let bench = Bench::new();
    let (mut early, mut late) = (bench.sign_in(&client()), bench.sign_in(&client()));
    let callback = |sign_in: &SignIn| format!("?code=c&state={}", state(sign_in));
    bench.runtime.block_on(bench.clock.sleep(Duration::from_secs(599)));
    early.code(&callback(&early), &bench.clock).unwrap();
    bench.runtime.block_on(bench.clock.sleep(Duration::from_secs(1)));
    assert_eq!(
        late.code(&callback(&late), &bench.clock).unwrap_err().kind(),
        ErrorKind::Auth
    );
}

#[test]
fn a_person_who_declines_is_no_failure_of_the_program() {
    let bench = Bench::new();
    for (word, kind) in [
        ("access_denied", ErrorKind::Permission),
        ("temporarily_unavailable", ErrorKind::Unavailable),
        ("invalid_scope", ErrorKind::Config),
        ("its_own_word", ErrorKind::Unknown),
    ] {
        let mut sign_in = bench.sign_in(&client());
        let callback = format!(
            "?error={word}&error_description=The+user+said%20no&state={}",
            state(&sign_in)
        );
        let error = sign_in.code(&callback, &bench.clock).unwrap_err();
        assert_eq!(
            (error.kind(), error.code(), error.message()),
            (kind, Some(word), Some("The user said no"))
        );
        // It was the one answer that is taken.
        let late = format!("?code=c&state={}", state(&sign_in));
        assert_eq!(sign_in.code(&late, &bench.clock).unwrap_err().kind(), ErrorKind::Auth);
    }
    let mut sign_in = bench.sign_in(&client());
    let empty = format!("?state={}", state(&sign_in));
    assert_eq!(
        sign_in.code(&empty, &bench.clock).unwrap_err().kind(),
        ErrorKind::Decode
    );
}

#[test]
fn a_secret_goes_into_the_form_or_into_a_basic_header() {
    let bench = Bench::new();
    let exchange = |auth| {
        let url = Url::parse("https://broker.example/authorize").unwrap();
        let client = OAuth2::new("Aladdin", url, "https://a.b").with_secret(SecretString::from("open sesame"), auth);
        let mut sign_in = bench.sign_in(&client);
        let callback = format!("?code=c&state={}", state(&sign_in));
        client.exchange(sign_in.code(&callback, &bench.clock).unwrap()).unwrap()
    };
    let start = "grant_type=authorization_code&code=c&redirect_uri=https%3A%2F%2Fa.b";
    let form = exchange(ClientAuth::Form);
    assert_eq!(
        form.body.expose_secret(),
        format!("{start}&client_id=Aladdin&client_secret=open+sesame")
    );
    let basic = exchange(ClientAuth::Basic);
    assert_eq!(basic.body.expose_secret(), start);
    assert_eq!(basic.headers["authorization"], "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert!(!format!("{form:?} {basic:?}").contains("sesame") && !format!("{basic:?}").contains("QWxh"));
}

#[test]
fn pkce_sends_the_challenge_first_and_the_verifier_last() {
    let bench = Bench::new();
    let client = client().with_pkce();
    let mut sign_in = bench.sign_in(&client);
    assert_eq!(parameter(&sign_in, "code_challenge_method").unwrap(), "S256");
    let challenge = parameter(&sign_in, "code_challenge").unwrap();
    let callback = format!("?code=c&state={}", state(&sign_in));
    let body = client
        .exchange(sign_in.code(&callback, &bench.clock).unwrap())
        .unwrap()
        .body;
    let verifier = body.expose_secret().rsplit_once("&code_verifier=").unwrap().1;
    assert_eq!(verifier.len(), 43);
    use base64::Engine;
    use sha2::Digest;
    let expected = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(verifier));
    assert_eq!(challenge, expected);
}

#[test]
fn a_token_answer_is_read() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let body = r#"{"access_token":"a\/1","token_type":"bearer","expires_in":1800,"refresh_token":"r","scope":"x  y"}"#;
    let token = read_token(body, now).unwrap();
    assert_eq!(token.access.expose_secret(), "a/1");
    assert_eq!(token.refresh.unwrap().expose_secret(), "r");
    assert_eq!(token.expires_at, Some(now + TimeDelta::seconds(1800)));
    assert_eq!(
        (token.issued_at, token.scopes),
        (now, vec!["x".to_owned(), "y".to_owned()])
    );
    // What may be missing, and a lifetime in quotes.
    let token = client()
        .with_scopes(["asked"])
        .token(r#"{"access_token":"a","token_type":"Bearer"}"#, now)
        .unwrap();
    assert!(token.refresh.is_none() && token.expires_at.is_none());
    assert_eq!(token.scopes, ["asked"]);
    let quoted = r#"{"access_token":"a","token_type":"Bearer","expires_in":"60","refresh_token":null,"scope":null}"#;
    assert_eq!(
        read_token(quoted, now).unwrap().expires_at,
        Some(now + TimeDelta::seconds(60))
    );
}

#[test]
fn a_token_answer_that_is_wrong_is_an_error_without_its_secrets() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    for body in [
        r#"{"access_token":"hush","expires_in":1800}"#,
        r#"{"token_type":"bearer","refresh_token":"hush"}"#,
        r#"{"access_token":"hush","token_type":"mac"}"#,
        r#"{"access_token":"","token_type":"bearer","refresh_token":"hush"}"#,
        r#"{"access_token":"hush","token_type":"bearer","expires_in":-1}"#,
        r#"{"access_token":"hush","token_type":"bearer","expires_in":1e28}"#,
        r#"{"access_token":"hush","token_type":"bearer","expires_in":"hush"}"#,
        r#"{"access_token":"x","token_type":"bearer","refresh_token":["hush"]}"#,
        r#"["hush"]"#,
        "hush",
    ] {
        let error = read_token(body, now).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{body}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

#[test]
fn a_refused_exchange_says_whether_a_person_is_needed() {
    let refusal = |status, body| read_refusal(status, body);
    let dead = refusal(400, r#"{"error":"invalid_grant","error_description":"code expired"}"#);
    assert_eq!(
        (dead.kind(), dead.status(), dead.message()),
        (ErrorKind::ReauthRequired, Some(400), Some("code expired"))
    );
    assert_eq!(refusal(401, r#"{"error":"invalid_client"}"#).kind(), ErrorKind::Auth);
    assert_eq!(
        refusal(400, r#"{"error":"invalid_request"}"#).kind(),
        ErrorKind::InvalidRequest
    );
    assert_eq!(refusal(429, "slow down").kind(), ErrorKind::RateLimited);
    assert_eq!(refusal(503, "<html>").kind(), ErrorKind::Unavailable);
    assert_eq!(refusal(403, "").kind(), ErrorKind::Auth);
    assert_eq!(refusal(418, "").kind(), ErrorKind::Unknown);
}

#[test]
fn debug_shows_no_secret() {
    let bench = Bench::new();
    let client = client()
        .with_pkce()
        .with_secret(SecretString::from("hush"), ClientAuth::Form);
    let mut sign_in = bench.sign_in(&client);
    let (state, challenge) = (state(&sign_in), parameter(&sign_in, "code_challenge").unwrap());
    let mut text = format!("{client:?} {sign_in:?}");
    let code = sign_in
        .code(&format!("?code=hush&state={state}"), &bench.clock)
        .unwrap();
    text += &format!(
        "{code:?} {:?}",
        client.exchange(sign_in_again(&bench, &client)).unwrap()
    );
    assert!(
        ![state.as_str(), &challenge, "hush"]
            .iter()
            .any(|secret| text.contains(secret)),
        "{text}"
    );
}

fn sign_in_again(bench: &Bench, client: &OAuth2) -> broker_core::oauth2::Code {
    let mut sign_in = bench.sign_in(client);
    let callback = format!("?code=hush&state={}", state(&sign_in));
    sign_in.code(&callback, &bench.clock).unwrap()
}
