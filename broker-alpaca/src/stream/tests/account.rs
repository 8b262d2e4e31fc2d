//! `trade_updates` on text.

use broker_core::live::{Look, Signal};
use broker_core::model::{Event, Grade, Group, PositionLeg, Subscription};
use broker_core::{AccountId, ErrorKind, Fill, Order, OrderStatus, Record, Side};
use broker_testkit::fixtures;

use super::super::account::TradeUpdates;
use super::{breaks_on_broken_frames, broker, config, end, events, opened, said, text};
use crate::AlpacaConfig;

const ACCOUNT: &str = "0e6b4d3c-7a51-4c6e-9f0e-2b1c5d7a9e10";
const AUTHORIZED: &str = r#"{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}"#;
const LISTENING: &str = r#"{"stream":"listening","data":{"streams":["trade_updates"]}}"#;

fn feed_of(config: AlpacaConfig) -> TradeUpdates {
    let subscription = Subscription::account(&AccountId::from(ACCOUNT));
    TradeUpdates::new(&broker(config), &subscription).unwrap()
}

fn feed() -> TradeUpdates {
    feed_of(config())
}

/// An order of 10 AAPL at 189.50.
fn order(id: &str, status: &str, filled: &str, more: &str) -> String {
    let average = if filled == "0" { "null" } else { "\"189.5\"" };
    format!(
        r#"{{"id":"{id}","client_order_id":"ours-{id}","created_at":"2026-11-20T15:00:00.123456789Z","updated_at":"2026-11-20T15:00:01Z","submitted_at":"2026-11-20T15:00:00Z","filled_at":null,"asset_class":"us_equity","symbol":"AAPL","qty":"10","notional":null,"filled_qty":"{filled}","filled_avg_price":{average},"order_class":"","order_type":"limit","type":"limit","side":"buy","time_in_force":"day","limit_price":"189.50","stop_price":null,"status":"{status}","extended_hours":false,"legs":null{more}}}"#
    )
}

fn update(event: &str, order: &str, more: &str) -> String {
    format!(
        r#"{{"stream":"trade_updates","data":{{"event":"{event}","execution_id":"e-1","order":{order},"timestamp":"2026-11-20T15:00:01.5Z"{more}}}}}"#
    )
}

/// Fill of one event.
fn fill(event: &Event) -> Fill {
    match event {
        Event::Record(record) => match &**record {
            Record::Fill(fill) => fill.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn order_of(event: &Event) -> Order {
    match event {
        Event::Order(order) => (**order).clone(),
        other => panic!("{other:?}"),
    }
}

/// Events in words.
fn words(events: &[Event]) -> Vec<String> {
    let word = |event: &Event| match event {
        Event::Order(order) => format!("order {} {} {}", order.id, order.status, order.filled_qty),
        Event::Record(record) => match &**record {
            Record::Fill(fill) => format!("fill {} {} at {}", fill.id, fill.qty, fill.price),
            Record::Void(void) => format!("void {} of {}", void.id, void.fill),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    events.iter().map(word).collect()
}

#[test]
fn the_handshake_with_a_key() {
    let mut feed = feed();
    let (url, first) = opened(&mut feed);
    assert_eq!(url, "wss://paper-api.alpaca.markets/stream");
    assert_eq!(
        first,
        [r#"{"action":"auth","key":"PKTESTTESTTESTTEST01","secret":"not-a-secret"}"#]
    );
    match said(&mut feed, AUTHORIZED).as_slice() {
        [Signal::Send(frame)] => {
            assert_eq!(
                text(frame),
                r#"{"action":"listen","data":{"streams":["trade_updates"]}}"#
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(said(&mut feed, LISTENING).as_slice(), [Signal::Ready]));
    // Each connection signs in anew.
    assert_eq!(opened(&mut feed), (url, first));
    assert_eq!(
        opened(&mut feed_of(config().live())).0,
        "wss://api.alpaca.markets/stream"
    );
    assert_eq!(format!("{feed:?}"), "TradeUpdates(…9e10)");
}

#[test]
fn the_handshake_with_a_token() {
    let mut feed = feed_of(AlpacaConfig::oauth("granted"));
    assert_eq!(
        opened(&mut feed).1,
        [r#"{"action":"authenticate","data":{"oauth_token":"granted"}}"#]
    );
    let refused = AUTHORIZED.replace("authorized", "unauthorized");
    let ((kind, _, _, fatal), shown) = end(&said(&mut feed, &refused));
    assert_eq!((kind, fatal), (ErrorKind::ReauthRequired, true));
    assert!(
        shown.contains("authorize the application again") && !shown.contains("granted"),
        "{shown}"
    );
}

#[test]
fn refusals_are_fatal_and_say_what_to_do() {
    for action in ["authenticate", "listen"] {
        let refused = format!(r#"{{"stream":"authorization","data":{{"status":"unauthorized","action":"{action}"}}}}"#);
        let (end, shown) = end(&said(&mut feed(), &refused));
        let message = r#"the stream answered "unauthorized""#.to_owned();
        assert_eq!(end, (ErrorKind::Auth, None, Some(message), true));
        assert!(shown.contains("a paper key is used on paper"), "{shown}");
        assert!(!shown.contains("not-a-secret"), "{shown}");
    }
    // A stream that is refused is only missing in the list.
    for streams in ["[]", r#"["account_updates"]"#] {
        let answer = format!(r#"{{"stream":"listening","data":{{"streams":{streams}}}}}"#);
        let ((kind, _, message, fatal), _) = end(&said(&mut feed(), &answer));
        assert_eq!((kind, fatal), (ErrorKind::Permission, true));
        assert_eq!(message.unwrap(), "this key may not listen to trade_updates");
    }
}

#[test]
fn recorded_handshakes_read_as_they_must() {
    let Some(folder) = fixtures::corpus("alpaca") else {
        return;
    };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let compact = |text: &str| text.split_whitespace().collect::<String>();
    let authorized = said(&mut feed(), &read("stream_authorization_authorized_authenticate.json"));
    match authorized.as_slice() {
        [Signal::Send(frame)] => assert_eq!(text(frame), compact(&read("stream_listen_request.json"))),
        other => panic!("{other:?}"),
    }
    let ready = said(&mut feed(), &read("stream_listening_ack.json"));
    assert!(matches!(ready.as_slice(), [Signal::Ready]));
    for refused in ["authenticate", "listen"] {
        let refused = said(
            &mut feed(),
            &read(&format!("stream_authorization_unauthorized_{refused}.json")),
        );
        let ((kind, _, _, fatal), _) = end(&refused);
        assert_eq!((kind, fatal), (ErrorKind::Auth, true));
    }
}

#[test]
fn a_recorded_fill_of_a_coin() {
    let Some(folder) = fixtures::corpus("alpaca") else {
        return;
    };
    let recorded = std::fs::read_to_string(folder.join("stream_trade_update_fill_crypto.json")).unwrap();
    let events = events(said(&mut feed(), &recorded));
    assert_eq!(events.len(), 2);
    let time = |text: &str| text.parse().unwrap();
    let expected = Fill {
        id: "2f63ea93-423d-4169-b3f6-3fdafc10c418".into(),
        account: ACCOUNT.into(),
        instrument: "SOL/USD".into(),
        symbol: "SOL/USD".into(),
        leg: PositionLeg::Net,
        order: Some("a5be8f5e-fdfa-41f5-a644-7a74fe947a8f".into()),
        client_order: Some("4642fd68-d59a-47d7-a9ac-e22f536828d1".into()),
        side: Side::Sell,
        qty: "1790.86".parse().unwrap(),
        price: "105.8988475".parse().unwrap(),
        at: time("2022-04-19T17:45:05.024916716Z"),
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    };
    assert_eq!(fill(&events[0]), expected);
    let order = order_of(&events[1]);
    assert_eq!(order.id.get(), "a5be8f5e-fdfa-41f5-a644-7a74fe947a8f");
    assert_eq!((&order.status, order.reason.as_deref()), (&OrderStatus::Filled, None));
    assert_eq!(order.filled_qty, "1790.86".parse().unwrap());
    assert_eq!(order.average_price, Some("105.8988475".parse().unwrap()));
    assert_eq!(order.legs[0].instrument.get(), "SOL/USD");
    // Written with an offset.
    assert_eq!(order.created_at, Some(time("2022-04-19T17:45:04.981350886Z")));
    assert_eq!(order.updated_at, Some(time("2022-04-19T17:45:05.027690731Z")));
}

#[test]
fn a_fill_comes_before_its_order() {
    let more = r#","price":"189.45","qty":"4","position_qty":"14","at":"2026-11-20T15:00:01.6Z","event_id":"01ARYZ6S410000000000000001""#;
    let partial = update("partial_fill", &order("o-1", "partially_filled", "4", ""), more);
    let events = events(said(&mut feed(), &partial));
    assert_eq!(words(&events), ["fill e-1 4 at 189.45", "order o-1 partially_filled 4"]);
    let fill = fill(&events[0]);
    assert_eq!(fill.order.unwrap().get(), "o-1");
    assert_eq!(fill.client_order.unwrap().get(), "ours-o-1");
    assert_eq!((fill.side, fill.grade, fill.version), (Side::Buy, Grade::Reported, 0));
    assert_eq!(
        fill.at,
        "2026-11-20T15:00:01.5Z"
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
    );
    // Numbers as they are, too; the average of the order is not the price of the execution.
    let last = update("fill", &order("o-1", "filled", "10", ""), r#","price":189.6,"qty":6"#);
    let events = super::events(said(&mut feed(), &last));
    assert_eq!(words(&events), ["fill e-1 6 at 189.6", "order o-1 filled 10"]);
    assert_eq!(order_of(&events[1]).average_price, Some("189.5".parse().unwrap()));
}

#[test]
fn a_bust_takes_a_fill_back_and_a_correction_puts_another_in_its_place() {
    let more = r#","previous_execution_id":"e-0","price":"189.40","qty":"4","position_qty":"10""#;
    let bust = update("trade_bust", &order("o-1", "partially_filled", "2", ""), more);
    assert_eq!(
        words(&events(said(&mut feed(), &bust))),
        ["void void:e-1 of e-0", "order o-1 partially_filled 2"]
    );
    let correction = update("trade_correct", &order("o-1", "partially_filled", "4", ""), more);
    assert_eq!(
        words(&events(said(&mut feed(), &correction))),
        [
            "void void:e-1 of e-0",
            "fill e-1 4 at 189.40",
            "order o-1 partially_filled 4"
        ]
    );
}

#[test]
fn every_other_event_is_the_order_as_it_is_and_no_fill() {
    // Events of the document and of the official clients, the order's own word beside each, and what it is here.
    let table = [
        ("pending_new", "pending_new", "pending_new", None),
        ("new", "new", "new", None),
        ("accepted", "accepted", "new", Some("accepted")),
        ("held", "held", "held", None),
        ("canceled", "canceled", "canceled", None),
        ("expired", "expired", "expired", None),
        ("done_for_day", "done_for_day", "new", Some("done_for_day")),
        ("replaced", "replaced", "replaced", None),
        ("rejected", "rejected", "rejected", None),
        ("stopped", "stopped", "new", Some("stopped")),
        ("pending_cancel", "pending_cancel", "pending_cancel", None),
        ("pending_replace", "pending_replace", "pending_replace", None),
        ("calculated", "calculated", "new", Some("calculated")),
        ("suspended", "suspended", "new", Some("suspended")),
        ("order_replace_rejected", "new", "new", None),
        ("order_cancel_rejected", "new", "new", None),
        ("restated", "new", "new", None),
        ("eclipsed", "behind_the_moon", "behind_the_moon", None),
    ];
    for (event, word, status, reason) in table {
        // Each carries an execution id, and none is an execution.
        let events = events(said(&mut feed(), &update(event, &order("o-1", word, "0", ""), "")));
        assert_eq!(words(&events), [format!("order o-1 {status} 0")], "{event}");
        assert_eq!(order_of(&events[0]).reason.as_deref(), reason, "{event}");
    }
}

#[test]
fn legs_of_a_bracket_come_with_their_parent() {
    let leg = |id: &str, kind: &str, price: &str| {
        format!(
            r#"{{"id":"{id}","client_order_id":"c-{id}","symbol":"AAPL","asset_class":"us_equity","qty":"10","filled_qty":"0","order_class":"bracket","type":"{kind}","side":"sell","time_in_force":"day",{price},"status":"held"}}"#
        )
    };
    let legs = [
        leg("target", "limit", r#""limit_price":"200""#),
        leg("stop", "stop", r#""stop_price":"180""#),
    ];
    let parent = order("entry", "filled", "10", "").replace(r#""order_class":"""#, r#""order_class":"bracket""#);
    let parent = parent.replace(r#""legs":null"#, &format!(r#""legs":[{}]"#, legs.join(",")));
    let fill = update("fill", &parent, r#","price":"189.5","qty":"10""#);
    let mut feed = feed();
    let events = super::events(said(&mut feed, &fill));
    assert_eq!(
        words(&events),
        [
            "fill e-1 10 at 189.5",
            "order entry filled 10",
            "order target held 0",
            "order stop held 0"
        ]
    );
    let (entry, target, stop) = (order_of(&events[1]), order_of(&events[2]), order_of(&events[3]));
    assert_eq!(entry.links.children, ["target".into(), "stop".into()]);
    assert_eq!(entry.links.group, Some(Group::Bracket));
    assert_eq!(
        (target.links.parent, target.links.siblings),
        (Some("entry".into()), vec!["stop".into()])
    );
    assert_eq!(
        (target.limit_price, stop.stop_price),
        (Some("200".parse().unwrap()), Some("180".parse().unwrap()))
    );
    assert_eq!(
        (stop.links.parent, stop.links.siblings),
        (Some("entry".into()), vec!["target".into()])
    );
    // An exit's own event names neither entry nor sibling: they are remembered, until the exit is done.
    let own = |status: &str| leg("stop", "stop", r#""stop_price":"180""#).replace("held", status);
    let mut links_of = |status: &str| {
        let mut out = Vec::new();
        let frame = broker_core::seam::Frame::Text(update(status, &own(status), ""));
        broker_core::live::Feed::read(&mut feed, &frame, &mut out).unwrap();
        let links = order_of(&super::events(out)[0]).links;
        assert_eq!(links.group, Some(Group::Bracket));
        (links.parent, links.siblings)
    };
    let known = (Some("entry".into()), vec!["target".into()]);
    assert_eq!(links_of("new"), known);
    assert_eq!(links_of("canceled"), known);
    assert_eq!(links_of("new"), (None, Vec::new()));
}

#[test]
fn a_fill_of_a_multi_leg_order_is_looked_up() {
    let leg = |id: &str, symbol: &str, side: &str, filled: &str| {
        format!(
            r#"{{"id":"{id}","client_order_id":"c-{id}","symbol":"{symbol}","asset_class":"us_option","qty":"1","ratio_qty":"1","filled_qty":"{filled}","filled_avg_price":"0.43","order_class":"mleg","type":"","side":"{side}","time_in_force":"day","status":"filled"}}"#
        )
    };
    let legs = [
        leg("long", "AAPL261218C00250000", "buy", "1"),
        leg("short", "AAPL261218C00260000", "sell", "1"),
    ];
    let parent = format!(
        r#"{{"id":"spread","client_order_id":"ours","symbol":"","asset_class":"","side":"","qty":"1","filled_qty":"1","filled_avg_price":"1.28","order_class":"mleg","type":"limit","time_in_force":"day","limit_price":"10","status":"filled","legs":[{}]}}"#,
        legs.join(",")
    );
    let mut signals = said(&mut feed(), &update("fill", &parent, r#","price":"1.28","qty":"1""#));
    match signals.remove(0) {
        Signal::Look(Look::Account(account)) => assert_eq!(account.get(), ACCOUNT),
        other => panic!("{other:?}"),
    }
    let events = events(signals);
    assert_eq!(
        words(&events),
        ["order spread filled 1", "order long filled 1", "order short filled 1"]
    );
    let spread = order_of(&events[0]);
    assert_eq!(spread.links.group, Some(Group::MultiLeg));
    assert_eq!(spread.links.children, ["long".into(), "short".into()]);
    let sides: Vec<_> = spread.legs.iter().map(|leg| (leg.instrument.get(), leg.side)).collect();
    assert_eq!(
        sides,
        [("AAPL261218C00250000", Side::Buy), ("AAPL261218C00260000", Side::Sell)]
    );
    // Its class in a word that nobody knows: it names no symbol, so its legs say what it is.
    let renamed = parent.replacen(r#""1.28","order_class":"mleg""#, r#""1.28","order_class":"combo""#, 1);
    assert_ne!(renamed, parent);
    let mut signals = said(&mut feed(), &update("fill", &renamed, r#","price":"1.28","qty":"1""#));
    assert!(matches!(signals.remove(0), Signal::Look(Look::Account(_))));
    assert_eq!(super::events(signals).len(), 3);
}

#[test]
fn streams_that_were_not_asked_for_tell_nothing() {
    for other in [
        r#"{"stream":"account_updates","data":{"cash":"1"}}"#,
        r#"{"stream":"moon_phases","data":[]}"#,
    ] {
        assert!(matches!(said(&mut feed(), other).as_slice(), [Signal::Beat]));
    }
}

#[test]
fn broken_frames_are_errors() {
    let whole = update(
        "fill",
        &order("o-1", "filled", "10", ""),
        r#","price":"189.5","qty":"10""#,
    );
    breaks_on_broken_frames(&mut feed(), &whole);
    breaks_on_broken_frames(&mut feed(), AUTHORIZED);
    // What a fill needs and does not have.
    for needed in [
        r#""execution_id":"e-1","#,
        r#","price":"189.5""#,
        r#","qty":"10"}"#,
        r#","timestamp":"2026-11-20T15:00:01.5Z""#,
        r#""side":"buy","#,
        r#""symbol":"AAPL","#,
        r#""id":"o-1","#,
    ] {
        let end = if needed.ends_with('}') { "}" } else { "" };
        let without = whole.replacen(needed, end, 1);
        assert_ne!(without, whole, "{needed}");
        let mut out = Vec::new();
        let read = broker_core::live::Feed::read(&mut feed(), &broker_core::seam::Frame::Text(without), &mut out);
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Decode, "{needed}");
        assert!(out.is_empty(), "{needed}: {out:?}");
    }
    // An execution of nothing, and a bust that does not say of what.
    let zero = update("fill", &order("o-1", "new", "0", ""), r#","price":"1","qty":"0""#);
    let bust = update("trade_bust", &order("o-1", "new", "0", ""), r#","price":"1","qty":"1""#);
    for broken in [zero, bust, r#"{"stream":"authorization"}"#.to_owned(), "[]".to_owned()] {
        let mut out = Vec::new();
        let frame = broker_core::seam::Frame::Text(broken.clone());
        assert!(
            broker_core::live::Feed::read(&mut feed(), &frame, &mut out).is_err(),
            "{broken}"
        );
        assert!(out.is_empty(), "{broken}");
    }
}
