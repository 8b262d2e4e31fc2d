//! Feeds of market data on text.

use broker_core::live::{Feed, Signal};
use broker_core::model::{Event, Subscription};
use broker_core::seam::Frame;
use broker_core::{ErrorKind, InstrumentId};

use super::super::quotes::Quotes;
use super::{breaks_on_broken_frames, broker, config, end, events, opened, said, text};
use crate::{AlpacaBroker, AlpacaConfig, Feed as DataFeed};

fn subscription(instruments: &[&str]) -> Subscription {
    Subscription::quotes(instruments.iter().map(|id| InstrumentId::from(*id)))
}

fn feeds(broker: &AlpacaBroker, instruments: &[&str]) -> Vec<Quotes> {
    Quotes::of(broker, &subscription(instruments)).unwrap()
}

fn shares_of(config: AlpacaConfig) -> Quotes {
    feeds(&broker(config), &["AAPL", "MSFT"]).remove(0)
}

fn shares() -> Quotes {
    shares_of(config())
}

fn sent(signals: &[Signal]) -> String {
    match signals {
        [Signal::Send(frame)] => text(frame),
        other => panic!("{other:?}"),
    }
}

const CONNECTED: &str = r#"[{"T":"success","msg":"connected"}]"#;
const AUTHENTICATED: &str = r#"[{"T":"success","msg":"authenticated"}]"#;

#[test]
fn the_handshake_with_a_key() {
    let mut feed = shares();
    assert_eq!(
        opened(&mut feed),
        ("wss://stream.data.alpaca.markets/v2/iex".to_owned(), Vec::new())
    );
    assert_eq!(
        sent(&said(&mut feed, CONNECTED)),
        r#"{"action":"auth","key":"PKTESTTESTTESTTEST01","secret":"not-a-secret"}"#
    );
    assert_eq!(
        sent(&said(&mut feed, AUTHENTICATED)),
        r#"{"action":"subscribe","quotes":["AAPL","MSFT"]}"#
    );
    // The answer is the whole set; more than we asked for is no matter.
    let ready = said(&mut feed, r#"[{"T":"subscription","trades":[],"quotes":["AAPL","MSFT","SPY"],"bars":[]}]"#);
    assert!(matches!(ready.as_slice(), [Signal::Ready]));
    let part = said(&mut feed, r#"[{"T":"subscription","trades":["MSFT"],"quotes":["AAPL"]}]"#);
    let message = "the feed does not take MSFT".to_owned();
    assert_eq!(end(&part).0, (ErrorKind::InvalidRequest, None, Some(message), true));
    assert_eq!(format!("{feed:?}"), "Quotes(/v2/iex, 2 instruments)");
}

#[test]
fn a_token_stands_in_the_place_of_the_secret() {
    let mut feed = shares_of(AlpacaConfig::oauth("granted"));
    assert_eq!(
        sent(&said(&mut feed, CONNECTED)),
        r#"{"action":"auth","key":"oauth","secret":"granted"}"#
    );
    let ((kind, _, _, fatal), shown) = end(&said(&mut feed, r#"[{"T":"error","code":402,"msg":"auth failed"}]"#));
    assert_eq!((kind, fatal), (ErrorKind::ReauthRequired, true));
    assert!(!shown.contains("granted"), "{shown}");
}

#[test]
fn each_feed_has_its_own_connection() {
    let broker = broker(config().with_feed(DataFeed::Sip));
    let mut all = feeds(&broker, &["BTC/USD", "AAPL", "ETH/USD"]);
    let addresses: Vec<_> = all.iter_mut().map(|feed| opened(feed).0).collect();
    assert_eq!(
        addresses,
        [
            "wss://stream.data.alpaca.markets/v2/sip",
            "wss://stream.data.alpaca.markets/v1beta3/crypto/us"
        ]
    );
    assert_eq!(all[1].covers().quotes, ["BTC/USD".into(), "ETH/USD".into()]);
    assert_eq!(all[0].covers().quotes, ["AAPL".into()]);
    // One connection a feed: another one beside it is not possible.
    for instrument in ["MSFT", "SOL/USD"] {
        let error = Quotes::of(&broker, &subscription(&[instrument])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    all.remove(0);
    assert_eq!(feeds(&broker, &["MSFT"]).len(), 1);
    assert!(Quotes::of(&broker, &subscription(&["SOL/USD"])).is_err());
}

#[test]
fn a_hold_that_is_freed_late_frees_nothing_of_others() {
    let broker = broker(config());
    let first = feeds(&broker, &["AAPL"]).remove(0);
    let held = first.slot();
    drop(held);
    let second = feeds(&broker, &["AAPL"]);
    drop(first);
    assert!(Quotes::of(&broker, &subscription(&["AAPL"])).is_err());
    drop(second);
    assert_eq!(feeds(&broker, &["AAPL"]).len(), 1);
}

#[test]
fn what_is_not_streamed_as_json_is_unsupported() {
    let options = Quotes::of(&broker(config()), &subscription(&["AAPL261218C00250000"])).unwrap_err();
    assert_eq!(options.kind(), ErrorKind::Unsupported);
    let boats = broker(config().with_feed(DataFeed::Boats));
    assert_eq!(Quotes::of(&boats, &subscription(&["AAPL"])).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn quotes_are_read_to_the_last_digit() {
    let quote = r#"{"T":"q","S":"AAPL","t":"2026-11-20T15:00:00.123456789Z","bp":189.50,"bs":3,"ap":189.5201,"as":12.5,"bx":"V","ax":"V","c":["R"],"z":"C"}"#;
    let coin = r#"{"T":"q","S":"MSFT","t":"2026-11-20T15:00:01Z","bp":0.0000001234,"bs":1e3,"ap":2,"as":4}"#;
    let events = events(said(&mut shares(), &format!("[{quote},{coin}]")));
    let shown: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::Quote(quote) => format!(
                "{} {:?} x {:?} / {:?} x {:?} at {}",
                quote.instrument,
                quote.bid.map(|one| one.to_string()),
                quote.bid_size.map(|one| one.to_string()),
                quote.ask.map(|one| one.to_string()),
                quote.ask_size.map(|one| one.to_string()),
                quote.at.unwrap().to_rfc3339()
            ),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        shown,
        [
            r#"AAPL Some("189.50") x Some("3") / Some("189.5201") x Some("12.5") at 2026-11-20T15:00:00.123456789+00:00"#,
            r#"MSFT Some("0.0000001234") x Some("1000") / Some("2") x Some("4") at 2026-11-20T15:00:01+00:00"#
        ]
    );
    // Channels that nobody asked for.
    let others = r#"[{"T":"t","S":"AAPL","p":1,"s":2,"t":"2026-11-20T15:00:00Z"},{"T":"moon"}]"#;
    assert!(matches!(said(&mut shares(), others).as_slice(), [Signal::Beat, Signal::Beat]));
    assert!(said(&mut shares(), "[]").is_empty());
}

#[test]
fn each_error_code_is_fatal_or_not() {
    // Code, kind, fatal, a word of the help.
    let table = [
        (400, ErrorKind::Unknown, false, ""),
        (401, ErrorKind::Unknown, false, ""),
        (402, ErrorKind::Auth, true, "both halves of the key"),
        (403, ErrorKind::Unknown, false, ""),
        (404, ErrorKind::Unavailable, false, ""),
        (405, ErrorKind::InvalidRequest, true, "30 symbols"),
        (406, ErrorKind::RateLimited, false, ""),
        (407, ErrorKind::Unavailable, false, ""),
        (408, ErrorKind::InvalidRequest, true, ""),
        (409, ErrorKind::Permission, true, "another with_feed"),
        (410, ErrorKind::InvalidRequest, true, ""),
        (411, ErrorKind::Permission, true, "scope data"),
        (499, ErrorKind::Unknown, false, ""),
        (500, ErrorKind::Unavailable, false, ""),
    ];
    for (code, kind, fatal, help) in table {
        let signals = said(&mut shares(), &format!(r#"[{{"T":"error","code":{code},"msg":"so it is"}}]"#));
        let wait = match signals.as_slice() {
            [Signal::Closed { error, .. }] => error.retry_after(),
            other => panic!("{other:?}"),
        };
        let (end, shown) = end(&signals);
        assert_eq!(end, (kind, Some(code.to_string()), Some("so it is".to_owned()), fatal), "{code}");
        assert!(shown.contains(help), "{code}: {shown}");
        assert_eq!(wait.map(|wait| wait.as_secs()), (code == 406).then_some(5), "{code}");
    }
}

#[test]
fn broken_frames_are_errors() {
    let whole = r#"[{"T":"q","S":"AAPL","t":"2026-11-20T15:00:00Z","bp":189.50,"bs":3,"ap":189.52,"as":12}]"#;
    breaks_on_broken_frames(&mut shares(), whole);
    for broken in [
        whole.replace(r#""S":"AAPL","#, ""),
        whole.replace("2026-11-20T15:00:00Z", "noon"),
        whole.replace("189.50", r#""a lot""#),
        whole.replace(r#""T":"q","#, ""),
        CONNECTED.replace(['[', ']'], ""),
    ] {
        let mut out = Vec::new();
        let read = shares().read(&Frame::Text(broken.clone()), &mut out);
        assert!(read.is_err() && out.is_empty(), "{broken}");
    }
}
