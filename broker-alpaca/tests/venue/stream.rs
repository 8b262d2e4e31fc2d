//! The wire venue's `/stream`: signing in, and what `trade_updates` says of orders.

use crate::desk::{Desk, OPEN, at, field};
use broker_alpaca::venue::AlpacaVenue;
use broker_core::model::Environment;
use broker_core::seam::Frame;
use broker_core::{OrderId, Record, Side};
use broker_sim::wire::{SocketId, Venue};
use serde_json::Value;

const LISTEN: &str = r#"{"action":"listen","data":{"streams":["trade_updates"]}}"#;
const LISTENING: &str = r#"{"stream":"listening","data":{"streams":["trade_updates"]}}"#;

fn authorization(status: &str, action: &str) -> String {
    format!(r#"{{"stream":"authorization","data":{{"status":"{status}","action":"{action}"}}}}"#)
}

/// Two forms of a key, one of a token.
fn sign_ins() -> [String; 3] {
    let (id, secret) = (AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY);
    [
        format!(r#"{{"action":"auth","key":"{id}","secret":"{secret}"}}"#),
        format!(r#"{{"action":"authenticate","data":{{"key_id":"{id}","secret_key":"{secret}"}}}}"#),
        r#"{"action":"authenticate","data":{"oauth_token":"grant"}}"#.to_owned(),
    ]
}

fn words(updates: &[Value]) -> Vec<String> {
    let word = |update: &Value| {
        let order = &update["order"];
        format!(
            "{} {} {}",
            field(update, "event"),
            field(order, "type"),
            field(order, "status")
        )
    };
    updates.iter().map(word).collect()
}

#[test]
fn each_way_to_sign_in_is_answered_in_binary_frames_on_paper() {
    for sign_in in sign_ins() {
        let mut desk = Desk::of(AlpacaVenue::builder().token("grant"));
        let socket = desk.connect("/stream");
        assert_eq!(desk.pushed(), []);
        desk.say(socket, &sign_in);
        assert_eq!(
            desk.binary(socket),
            [authorization("authorized", "authenticate")],
            "{sign_in}"
        );
        // A stream that there is not is missing in the answer; a later set replaces the one before.
        desk.say(
            socket,
            r#"{"action":"listen","data":{"streams":["account_updates","trade_updates"]}}"#,
        );
        desk.say(socket, LISTEN);
        desk.say(socket, r#"{"action":"listen","data":{"streams":["account_updates"]}}"#);
        let none = r#"{"stream":"listening","data":{"streams":[]}}"#;
        assert_eq!(desk.binary(socket), [LISTENING, LISTENING, none]);
        desk.trade("AAPL", Side::Buy, "1");
        assert_eq!(desk.pushed(), []);
    }
}

#[test]
fn answers_are_text_frames_on_a_live_account() {
    let mut desk = Desk::of(AlpacaVenue::builder().environment(Environment::Live));
    let socket = desk.connect("/stream");
    // Messages may come in either kind of frame.
    let sign_in = sign_ins()[0].clone().into_bytes();
    desk.venue.frame(socket, Frame::Binary(sign_in.into()), desk.now);
    desk.say(socket, LISTEN);
    assert_eq!(
        desk.texts(socket),
        [authorization("authorized", "authenticate"), LISTENING.to_owned()]
    );
    desk.trade("AAPL", Side::Buy, "1");
    let told = desk.texts(socket);
    let events: Vec<_> = told
        .iter()
        .map(|text| field(&serde_json::from_str::<Value>(text).unwrap()["data"], "event"))
        .collect();
    assert_eq!(events, ["pending_new", "new", "fill"]);
}

#[test]
fn who_is_not_signed_in_is_refused() {
    let mut desk = Desk::new();
    let socket = desk.connect("/stream");
    desk.say(socket, LISTEN);
    desk.say(
        socket,
        r#"{"action":"auth","key":"PKVENUE0000000000001","secret":"guess"}"#,
    );
    desk.say(socket, r#"{"action":"authenticate","data":{"oauth_token":"guess"}}"#);
    desk.say(socket, r#"{"action":"authenticate"}"#);
    desk.say(socket, r#"{"action":"dance"}"#);
    assert_eq!(
        desk.binary(socket),
        [
            authorization("unauthorized", "listen"),
            authorization("unauthorized", "authenticate"),
            authorization("unauthorized", "authenticate"),
            authorization("unauthorized", "authenticate"),
            authorization("unauthorized", "dance"),
        ]
    );
    desk.trade("AAPL", Side::Buy, "1");
    assert_eq!(desk.pushed(), []);
    // A wrong key takes back what a right one gave.
    let listener = desk.listener();
    desk.say(listener, r#"{"action":"auth","key":"a","secret":"b"}"#);
    assert_eq!(desk.binary(listener), [authorization("unauthorized", "authenticate")]);
    desk.trade("AAPL", Side::Buy, "1");
    assert_eq!(desk.pushed(), []);
    desk.venue.frame(socket, Frame::Ping("beat".into()), desk.now);
    assert_eq!(desk.pushed(), []);
    // What is no message ends it, and nothing comes behind the end.
    desk.say(socket, "listen");
    desk.say(socket, LISTEN);
    let end = Frame::Close(Some((1008, "message not understood".to_owned())));
    assert_eq!(desk.pushed(), [(socket, end)]);
}

/// The order of the scripted session, in these states.
fn order(placed: &Value, status: &str, filled: &str, average: &str, times: [&str; 3]) -> String {
    let [updated, filled_at, canceled] = times;
    let (id, asset) = (field(placed, "id"), field(placed, "asset_id"));
    format!(
        r#"{{"id":"{id}","client_order_id":"mine-1","created_at":"{OPEN}","updated_at":"{updated}","submitted_at":"{OPEN}","filled_at":{filled_at},"expired_at":null,"expires_at":"2026-11-20T21:00:00Z","canceled_at":{canceled},"failed_at":null,"replaced_at":null,"replaced_by":null,"replaces":null,"asset_id":"{asset}","symbol":"AAPL","asset_class":"us_equity","notional":null,"qty":"10","filled_qty":"{filled}","filled_avg_price":{average},"order_class":"","order_type":"limit","type":"limit","side":"buy","time_in_force":"day","limit_price":"189.52","stop_price":null,"status":"{status}","extended_hours":false,"legs":null,"trail_percent":null,"trail_price":null,"hwm":null,"subtag":null,"source":null}}"#
    )
}

#[test]
fn a_scripted_session_frame_by_frame() {
    let mut desk = Desk::new();
    desk.quote_of("AAPL", "189.50", "189.52", "4");
    let socket = desk.listener();
    let placed = desk.post(
        r#"{"symbol":"AAPL","qty":"10","side":"buy","type":"limit","time_in_force":"day","limit_price":"189.52","client_order_id":"mine-1"}"#,
    );
    let frames = desk.binary(socket);
    let execution = |text: &str| {
        let message: Value = serde_json::from_str(text).unwrap();
        field(&message["data"], "execution_id")
    };
    // Millisecond 1,795,186,800,000 in 48 bits, then the count.
    let frame = |event: &str, text: &str, order: &str, at: &str, numbers: &str, id: &str| {
        let execution = execution(text);
        format!(
            r#"{{"stream":"trade_updates","data":{{"event":"{event}","execution_id":"{execution}","order":{order},"timestamp":"{at}",{numbers}"at":"{at}","event_id":"{id}"}}}}"#
        )
    };
    let still = |status| order(&placed, status, "0", "null", [OPEN, "null", "null"]);
    let first = order(&placed, "partially_filled", "4", "\"189.52\"", [OPEN, "null", "null"]);
    let numbers = r#""price":"189.52","qty":"4","position_qty":"4","#;
    assert_eq!(
        frames,
        [
            frame(
                "pending_new",
                &frames[0],
                &still("pending_new"),
                OPEN,
                "",
                "01M7WQHDC00000000000000001"
            ),
            frame("new", &frames[1], &still("new"), OPEN, "", "01M7WQHDC00000000000000002"),
            frame(
                "partial_fill",
                &frames[2],
                &first,
                OPEN,
                numbers,
                "01M7WQHDC00000000000000003"
            ),
        ]
    );
    // The rest a second later: at the order's own price, for it rested. The average is of both.
    const LATER: &str = "2026-11-20T15:00:01Z";
    desk.now = at(LATER);
    desk.quote_of("AAPL", "189.40", "189.45", "100");
    let last = desk.binary(socket);
    let filled_at = format!("\"{LATER}\"");
    let whole = order(&placed, "filled", "10", "\"189.52\"", [LATER, &filled_at, "null"]);
    let numbers = r#""price":"189.52","qty":"6","position_qty":"10","#;
    assert_eq!(
        last,
        [frame(
            "fill",
            &last[0],
            &whole,
            LATER,
            numbers,
            "01M7WQHEB80000000000000004"
        )]
    );
    // The ids of the two fills are those of their activities, behind the colons.
    let activities = desk.json("/v2/account/activities/FILL?direction=asc&date=2026-11-20");
    let ids: Vec<_> = activities
        .as_array()
        .unwrap()
        .iter()
        .map(|row| field(row, "id"))
        .collect();
    let behind = |id: &String| id.split("::").nth(1).unwrap().to_owned();
    let mut listed: Vec<_> = ids.iter().map(behind).collect();
    let mut told = vec![execution(&frames[2]), execution(&last[0])];
    listed.sort();
    told.sort();
    assert_eq!(listed, told);
    let events: std::collections::BTreeSet<_> = frames.iter().chain(&last).map(|text| execution(text)).collect();
    assert_eq!(events.len(), 4);
}

#[test]
fn orders_are_replaced_canceled_rejected_and_expire() {
    let mut desk = Desk::new();
    let socket = desk.listener();
    let body = r#"{"symbol":"AAPL","qty":"5","side":"buy","type":"limit","time_in_force":"day","limit_price":"150"}"#;
    let first = field(&desk.post(body), "id");
    assert_eq!(
        words(&desk.updates(socket)),
        ["pending_new limit pending_new", "new limit new"]
    );
    let (status, answer) = desk.send("PATCH", &format!("/v2/orders/{first}"), r#"{"limit_price":"151"}"#);
    assert_eq!(status, 200, "{answer}");
    let second = field(&serde_json::from_str(&answer).unwrap(), "id");
    let updates = desk.updates(socket);
    assert_eq!(words(&updates), ["replaced limit replaced", "new limit new"]);
    assert_eq!(field(&updates[0]["order"], "replaced_by"), second);
    assert_eq!(field(&updates[0]["order"], "replaced_at"), OPEN);
    assert_eq!(
        (
            field(&updates[1]["order"], "replaces"),
            field(&updates[1]["order"], "limit_price")
        ),
        (first, "151".to_owned())
    );
    assert!(updates[0].get("price").is_none() && updates[0].get("position_qty").is_none());
    desk.refuses("DELETE", &format!("/v2/orders/{second}"), "", 204, "");
    let updates = desk.updates(socket);
    assert_eq!(words(&updates), ["canceled limit canceled"]);
    assert_eq!(field(&updates[0]["order"], "canceled_at"), OPEN);
    // The venue's own second look.
    let third = field(&desk.post(body), "id");
    desk.updates(socket);
    let (account, now) = (desk.account(), desk.now);
    let engine = desk.venue.engine_mut();
    engine
        .reject_order(&account, &OrderId::from(third), "too far", now)
        .unwrap();
    let updates = desk.updates(socket);
    assert_eq!(words(&updates), ["rejected limit rejected"]);
    assert_eq!(field(&updates[0]["order"], "failed_at"), OPEN);
    // Time alone brings the end of a day order; what is waited for is known.
    desk.post(body);
    desk.updates(socket);
    assert_eq!(desk.venue.next_due(), Some(at("2026-11-20T21:00:00Z")));
    desk.now = at("2026-11-20T20:59:59Z");
    assert_eq!(desk.pushed(), []);
    desk.now = at("2026-11-20T21:00:07Z");
    let updates = desk.updates(socket);
    assert_eq!(words(&updates), ["expired limit expired"]);
    assert_eq!(field(&updates[0], "timestamp"), "2026-11-20T21:00:00Z");
    // A refused order is told to the one who placed it, and to nobody else.
    assert_eq!(desk.send("POST", "/v2/orders", r#"{"symbol":"AAPL"}"#).0, 422);
    assert_eq!(desk.pushed(), []);
}

#[test]
fn pending_states_are_told_where_the_venue_takes_its_time() {
    let mut desk = Desk::new();
    let mut rules = desk.venue.engine().rules().clone();
    rules.accept_delay = chrono::Duration::milliseconds(200);
    rules.cancel_delay = chrono::Duration::milliseconds(300);
    desk.venue.engine_mut().set_rules(rules);
    let socket = desk.listener();
    let body = r#"{"symbol":"AAPL","qty":"5","side":"buy","type":"limit","time_in_force":"day","limit_price":"150"}"#;
    let target = format!("/v2/orders/{}", field(&desk.post(body), "id"));
    assert_eq!(words(&desk.updates(socket)), ["pending_new limit pending_new"]);
    let early = r#"{"code":42210000,"message":"unable to replace order, order is in status pending_new"}"#;
    desk.refuses("PATCH", &target, r#"{"qty":"4"}"#, 422, early);
    assert_eq!(desk.venue.next_due(), Some(at("2026-11-20T15:00:00.2Z")));
    desk.now = at("2026-11-20T15:00:01Z");
    assert_eq!(words(&desk.updates(socket)), ["new limit new"]);
    desk.refuses("DELETE", &target, "", 204, "");
    assert_eq!(words(&desk.updates(socket)), ["pending_cancel limit pending_cancel"]);
    let late = r#"{"code":42210000,"message":"unable to replace order, order is in status pending_cancel"}"#;
    desk.refuses("PATCH", &target, r#"{"qty":"4"}"#, 422, late);
    desk.now = at("2026-11-20T15:00:02Z");
    assert_eq!(words(&desk.updates(socket)), ["canceled limit canceled"]);
}

const BRACKET: &str = r#"{"side":"buy","symbol":"SPY","type":"limit","limit_price":"540","qty":"10","time_in_force":"gtc","order_class":"bracket","take_profit":{"limit_price":"560"},"stop_loss":{"stop_price":"530"}}"#;

/// A bracket whose entry is filled, and what was told until then.
fn bracket(desk: &mut Desk) -> SocketId {
    desk.quote("SPY", "544.60", "544.62");
    let socket = desk.listener();
    let placed = desk.post(BRACKET);
    let updates = desk.updates(socket);
    assert_eq!(
        words(&updates),
        [
            "pending_new limit pending_new",
            "held limit held",
            "held stop held",
            "new limit new"
        ]
    );
    // Legs are rolled up in their parent, and have none of their own.
    let legs = |update: &Value| -> Vec<String> {
        let legs = update["order"]["legs"].as_array().into_iter().flatten();
        legs.map(|leg| field(leg, "status")).collect()
    };
    assert_eq!(legs(&updates[0]), ["held", "held"]);
    assert_eq!(updates[1]["order"]["legs"], Value::Null);
    assert_eq!(updates[3]["order"]["legs"][1]["id"], placed["legs"][1]["id"]);
    // The entry fills: the target works from now on, the stop waits behind it.
    desk.quote("SPY", "539.90", "540.00");
    let updates = desk.updates(socket);
    assert_eq!(words(&updates), ["fill limit filled", "new limit new"]);
    assert_eq!(legs(&updates[0]), ["held", "held"]);
    assert_eq!(field(&updates[1]["order"], "limit_price"), "560");
    socket
}

#[test]
fn a_bracket_whose_target_fills() {
    let mut desk = Desk::new();
    let socket = bracket(&mut desk);
    // A part of the target makes the stop smaller.
    desk.quote_of("SPY", "560", "560.02", "4");
    let updates = desk.updates(socket);
    assert_eq!(
        words(&updates),
        ["partial_fill limit partially_filled", "restated stop held"]
    );
    assert_eq!(field(&updates[1]["order"], "qty"), "6");
    desk.quote("SPY", "560", "560.02");
    let updates = desk.updates(socket);
    assert_eq!(words(&updates), ["fill limit filled", "canceled stop canceled"]);
    assert_eq!(field(&updates[0], "position_qty"), "0");
}

#[test]
fn the_cancel_of_a_stop_leg_may_be_kept_back() {
    let mut desk = Desk::of(AlpacaVenue::builder().without_stop_leg_cancels());
    let socket = bracket(&mut desk);
    desk.quote("SPY", "560", "560.02");
    assert_eq!(words(&desk.updates(socket)), ["fill limit filled"]);
    // Who reads knows.
    let orders = desk.json("/v2/orders?status=closed");
    assert_eq!(
        (field(&orders[0], "type"), field(&orders[0], "status")),
        ("stop".to_owned(), "canceled".to_owned())
    );
    // Every other cancel is told.
    desk.post(BRACKET);
    desk.updates(socket);
    desk.quote("SPY", "539.90", "540.00");
    desk.updates(socket);
    assert_eq!(desk.send("DELETE", "/v2/orders", "").0, 207);
    assert_eq!(
        words(&desk.updates(socket)),
        ["canceled limit canceled", "canceled stop canceled"]
    );
}

#[test]
fn a_bracket_whose_stop_is_reached() {
    let mut desk = Desk::of(AlpacaVenue::builder().without_stop_leg_cancels());
    let socket = bracket(&mut desk);
    desk.quote("SPY", "529.90", "530.10");
    let updates = desk.updates(socket);
    assert_eq!(
        words(&updates),
        ["new stop new", "fill stop filled", "canceled limit canceled"]
    );
    assert_eq!(
        [
            field(&updates[1], "price"),
            field(&updates[1], "qty"),
            field(&updates[1], "position_qty")
        ],
        ["529.9", "10", "0"]
    );
}

#[test]
fn a_fill_is_corrected_and_busted() {
    let mut desk = Desk::new();
    desk.quote("AAPL", "189.50", "189.52");
    let socket = desk.listener();
    desk.trade("AAPL", Side::Buy, "10");
    let fill = field(&desk.updates(socket)[2], "execution_id");
    let (account, now) = (desk.account(), desk.now);
    let log = desk.venue.engine().log(&account).unwrap();
    let id = log
        .iter()
        .find_map(|entry| match &entry.record {
            Record::Fill(fill) => Some(fill.id.clone()),
            _ => None,
        })
        .unwrap();
    let numbers = |update: &Value| ["price", "qty", "position_qty"].map(|name| field(update, name));
    let engine = desk.venue.engine_mut();
    engine.correct(&account, &id, "189.40".parse().unwrap(), now).unwrap();
    let corrected = desk.updates(socket);
    assert_eq!(words(&corrected), ["trade_correct market filled"]);
    assert_eq!(numbers(&corrected[0]), ["189.4", "10", "10"]);
    assert_eq!(field(&corrected[0], "previous_execution_id"), fill);
    assert_ne!(field(&corrected[0], "execution_id"), fill);
    assert_eq!(field(&corrected[0]["order"], "filled_avg_price"), "189.4");
    desk.venue.engine_mut().bust(&account, &id, now).unwrap();
    let busted = desk.updates(socket);
    assert_eq!(words(&busted), ["trade_bust market canceled"]);
    assert_eq!(numbers(&busted[0]), ["189.4", "10", "0"]);
    assert_eq!(field(&busted[0], "previous_execution_id"), fill);
    assert_eq!(field(&busted[0]["order"], "filled_qty"), "0");
    assert_ne!(field(&busted[0], "execution_id"), fill);
    assert_ne!(busted[0]["execution_id"], corrected[0]["execution_id"]);
}

#[test]
fn sockets_come_and_go_and_nothing_is_kept_for_them() {
    let mut desk = Desk::of(AlpacaVenue::builder().with_backlog(3));
    desk.quote("AAPL", "189.50", "189.52");
    let body = r#"{"symbol":"AAPL","qty":"1","side":"buy","type":"limit","time_in_force":"day","limit_price":"150"}"#;
    let silent = desk.connect("/stream");
    desk.post(body);
    // Nobody listened: a new listener hears nothing of what was, and all of what comes.
    let one = desk.listener();
    let other = desk.listener();
    assert_eq!(desk.pushed(), []);
    let id = field(&desk.post(body), "id");
    let told = desk.pushed();
    assert_eq!(
        told.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [one, other, one, other]
    );
    assert_eq!(told[0].1, told[1].1);
    desk.venue.frame(other, Frame::Close(None), desk.now);
    desk.refuses("DELETE", &format!("/v2/orders/{id}"), "", 204, "");
    assert_eq!(words(&desk.updates(one)), ["canceled limit canceled"]);
    // Frames that no shell fetches: three wait, the fourth ends the socket, and the others do not feel it.
    desk.post(body);
    desk.post(body);
    let slow = (one, Frame::Close(Some((1008, "slow client".to_owned()))));
    assert_eq!(desk.pushed(), [slow]);
    desk.post(body);
    desk.say(one, LISTEN);
    desk.say(other, LISTEN);
    assert_eq!(desk.pushed(), []);
    // The one that never signed in was told nothing all along, and is there.
    desk.say(silent, LISTEN);
    assert_eq!(desk.binary(silent), [authorization("unauthorized", "listen")]);
    assert_eq!(desk.venue.next_due(), None);
}
