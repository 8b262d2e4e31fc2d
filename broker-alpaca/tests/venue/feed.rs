//! The wire venue's market data streams.

use crate::desk::{Desk, OPEN, at, read};
use broker_alpaca::venue::AlpacaVenue;
use broker_core::seam::Frame;
use broker_sim::wire::{SocketId, Venue, WireRequest};

const CONNECTED: &str = r#"[{"T":"success","msg":"connected"}]"#;
const AUTHENTICATED: &str = r#"[{"T":"success","msg":"authenticated"}]"#;

fn error(code: u16, words: &str) -> String {
    format!(r#"[{{"T":"error","code":{code},"msg":"{words}"}}]"#)
}

fn sign_in() -> String {
    let (id, secret) = (AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY);
    format!(r#"{{"action":"auth","key":"{id}","secret":"{secret}"}}"#)
}

/// A client that is signed in.
fn client(desk: &mut Desk, path: &str) -> SocketId {
    let socket = desk.connect(path);
    desk.say(socket, &sign_in());
    assert_eq!(desk.texts(socket), [CONNECTED, AUTHENTICATED]);
    socket
}

#[test]
fn quotes_of_shares_are_streamed_to_those_who_want_them() {
    let mut desk = Desk::new();
    let socket = client(&mut desk, "/v2/iex");
    desk.say(
        socket,
        r#"{"action":"subscribe","quotes":["MSFT","AAPL"],"trades":["AAPL"],"bars":["SPY"]}"#,
    );
    let set = r#"[{"T":"subscription","trades":["AAPL"],"quotes":["AAPL","MSFT"],"bars":["SPY"],"updatedBars":[],"dailyBars":[],"statuses":[],"lulds":[],"corrections":["AAPL"],"cancelErrors":["AAPL"]}]"#;
    assert_eq!(desk.texts(socket), [set]);
    // One frame for all that is new; prices are numbers, and sizes are whole.
    desk.quote_of("AAPL", "189.50", "189.52", "300.5");
    desk.quote_of("SPY", "544.60", "544.62", "100");
    desk.now = at("2026-11-20T15:00:00.25Z");
    desk.quote_of("MSFT", "415.20", "415.20", "7");
    let aapl = format!(
        r#"{{"T":"q","S":"AAPL","t":"{OPEN}","bp":189.5,"bs":300,"ap":189.52,"as":300,"bx":"V","ax":"V","c":["R"],"z":"C"}}"#
    );
    let msft = r#"{"T":"q","S":"MSFT","t":"2026-11-20T15:00:00.25Z","bp":415.2,"bs":7,"ap":415.2,"as":7,"bx":"V","ax":"V","c":["R"],"z":"C"}"#;
    assert_eq!(desk.texts(socket), [format!("[{aapl},{msft}]")]);
    desk.say(
        socket,
        r#"{"action":"unsubscribe","quotes":["AAPL"],"trades":["AAPL"]}"#,
    );
    let set = r#"[{"T":"subscription","trades":[],"quotes":["MSFT"],"bars":["SPY"],"updatedBars":[],"dailyBars":[],"statuses":[],"lulds":[],"corrections":[],"cancelErrors":[]}]"#;
    assert_eq!(desk.texts(socket), [set]);
    desk.quote("AAPL", "189.60", "189.62");
    assert_eq!(desk.pushed(), []);
    // Gone is gone, and who comes next starts with nothing.
    desk.venue.frame(socket, Frame::Close(None), desk.now);
    let next = client(&mut desk, "/v2/iex");
    desk.quote("MSFT", "415.30", "415.40");
    assert_eq!(desk.pushed(), []);
    desk.say(next, r#"{"action":"subscribe","dailyBars":["AAPL"]}"#);
    let set = r#"[{"T":"subscription","trades":[],"quotes":[],"bars":[],"updatedBars":[],"dailyBars":["AAPL"],"statuses":[],"lulds":[],"corrections":[],"cancelErrors":[]}]"#;
    assert_eq!(desk.texts(next), [set]);
}

#[test]
fn coins_have_a_feed_of_their_own() {
    let mut desk = Desk::of(AlpacaVenue::builder().token("grant").without_symbol_limit());
    let coins = desk.connect("/v1beta3/crypto/us");
    desk.say(coins, r#"{"action":"auth","key":"oauth","secret":"grant"}"#);
    assert_eq!(desk.texts(coins), [CONNECTED, AUTHENTICATED]);
    desk.say(
        coins,
        r#"{"action":"subscribe","quotes":["*"],"orderbooks":["BTC/USD"]}"#,
    );
    let set = r#"[{"T":"subscription","trades":[],"quotes":["*"],"orderbooks":["BTC/USD"],"bars":[],"updatedBars":[],"dailyBars":[]}]"#;
    assert_eq!(desk.texts(coins), [set]);
    desk.quote_of("BTC/USD", "94250.5", "94251", "0.25");
    desk.quote("AAPL", "189.50", "189.52");
    let quote = format!(r#"[{{"T":"q","S":"BTC/USD","t":"{OPEN}","bp":94250.5,"bs":0.25,"ap":94251,"as":0.25}}]"#);
    assert_eq!(desk.texts(coins), [quote]);
    let syntax = error(400, "invalid syntax");
    desk.say(coins, r#"{"action":"subscribe","quotes":["BTCUSD"]}"#);
    desk.say(coins, r#"{"action":"subscribe","lulds":["BTC/USD"]}"#);
    assert_eq!(
        desk.texts(coins),
        [syntax, error(410, "invalid subscribe action for this feed")]
    );
}

#[test]
fn every_trouble_has_its_code() {
    let mut desk = Desk::new();
    let socket = desk.connect("/v2/sip");
    desk.say(socket, "hello");
    desk.say(socket, r#"{"action":"subscribe","quotes":["AAPL"]}"#);
    desk.say(socket, r#"{"action":"auth","key":"a","secret":"b"}"#);
    desk.say(socket, r#"{"action":"auth","key":"a"}"#);
    desk.say(socket, &sign_in());
    desk.say(socket, &sign_in());
    desk.say(socket, r#"{"action":"subscribe"}"#);
    desk.say(socket, r#"{"action":"subscribe","quote":["AAPL"]}"#);
    desk.say(socket, r#"{"action":"subscribe","quotes":["BTC/USD"]}"#);
    desk.say(socket, r#"{"action":"subscribe","orderbooks":["AAPL"]}"#);
    let syntax = error(400, "invalid syntax");
    assert_eq!(
        desk.texts(socket),
        [
            CONNECTED.to_owned(),
            syntax.clone(),
            error(401, "not authenticated"),
            error(402, "auth failed"),
            syntax.clone(),
            AUTHENTICATED.to_owned(),
            error(403, "already authenticated"),
            syntax.clone(),
            syntax.clone(),
            syntax,
            error(410, "invalid subscribe action for this feed"),
        ]
    );
    // Thirty symbols, whatever their channels; what is refused changes nothing.
    let many = |from: usize, to: usize| -> String {
        let names: Vec<_> = (from..to).map(|number| format!("\"S{number}\"")).collect();
        names.join(",")
    };
    desk.say(
        socket,
        &format!(r#"{{"action":"subscribe","trades":[{}]}}"#, many(0, 30)),
    );
    assert_eq!(desk.texts(socket).len(), 1);
    desk.say(socket, r#"{"action":"subscribe","quotes":["S0","S29"]}"#);
    assert!(desk.texts(socket)[0].contains(r#""quotes":["S0","S29"]"#));
    let limit = error(405, "symbol limit exceeded");
    desk.say(socket, r#"{"action":"subscribe","quotes":["S30"]}"#);
    desk.say(socket, r#"{"action":"subscribe","quotes":["*"]}"#);
    assert_eq!(desk.texts(socket), [limit.clone(), limit]);
    desk.say(socket, r#"{"action":"unsubscribe","quotes":["S29"]}"#);
    assert!(desk.texts(socket)[0].contains(r#""quotes":["S0"]"#));
}

#[test]
fn one_client_a_feed() {
    let mut desk = Desk::new();
    let first = client(&mut desk, "/v2/iex");
    let second = desk.connect("/v2/iex");
    desk.say(second, &sign_in());
    assert_eq!(
        desk.pushed(),
        [
            (second, Frame::Text(CONNECTED.to_owned())),
            (second, Frame::Text(error(406, "connection limit exceeded"))),
            (second, Frame::Close(None)),
        ]
    );
    // Another feed is another matter, and so is the same one once its client is gone.
    client(&mut desk, "/v2/delayed_sip");
    client(&mut desk, "/v2/test");
    desk.venue.frame(first, Frame::Close(None), desk.now);
    client(&mut desk, "/v2/iex");
}

#[test]
fn who_does_not_sign_in_is_shown_out() {
    let mut desk = Desk::new();
    let socket = desk.connect("/v2/iex");
    assert_eq!(desk.texts(socket), [CONNECTED]);
    assert_eq!(desk.venue.next_due(), Some(at("2026-11-20T15:00:10Z")));
    desk.now = at("2026-11-20T15:00:09.999Z");
    assert_eq!(desk.pushed(), []);
    desk.now = at("2026-11-20T15:00:10Z");
    assert_eq!(
        desk.pushed(),
        [
            (socket, Frame::Text(error(404, "auth timeout"))),
            (socket, Frame::Close(None)),
        ]
    );
    assert_eq!(desk.venue.next_due(), None);
    let signed_in = client(&mut desk, "/v2/iex");
    desk.now = at("2026-11-20T16:00:00Z");
    assert_eq!(desk.pushed(), []);
    desk.say(signed_in, "");
    assert_eq!(desk.texts(signed_in), [error(400, "invalid syntax")]);
}

#[test]
fn a_slow_client_is_told_so_and_shown_out() {
    let mut desk = Desk::of(AlpacaVenue::builder().with_backlog(2));
    let socket = client(&mut desk, "/v2/iex");
    desk.say(socket, r#"{"action":"subscribe","quotes":["AAPL"]}"#);
    desk.pushed();
    for _ in 0..3 {
        desk.quote("AAPL", "189.50", "189.52");
        // Requests note what is to be told; only a shell fetches it.
        desk.get("/v2/clock");
    }
    assert_eq!(
        desk.pushed(),
        [
            (socket, Frame::Text(error(407, "slow client"))),
            (socket, Frame::Close(Some((1008, "slow client".to_owned())))),
        ]
    );
}

#[test]
fn other_paths_are_answered_as_requests() {
    let mut desk = Desk::new();
    let mut upgrade = |path: &str| {
        let request = WireRequest::new("GET", path, "memory");
        read(&desk.venue.upgrade(&request, SocketId(9), desk.now).unwrap_err())
    };
    for path in ["/v1beta1/options", "/v1beta1/indicative", "/v1beta1/opra"] {
        let words = "options are streamed as MessagePack, which is not spoken here";
        assert_eq!(
            upgrade(path),
            (501, format!(r#"{{"code":50110000,"message":"{words}"}}"#))
        );
    }
    assert_eq!(upgrade("/v2/otc").0, 403);
    assert_eq!(upgrade("/v1beta1/news").0, 401);
    assert_eq!(desk.pushed(), []);
}
