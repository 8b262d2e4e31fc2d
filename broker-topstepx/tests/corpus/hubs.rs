//! Events of the hubs.

use std::collections::BTreeMap;

use broker_core::model::Event;
use broker_core::seam::Frame;
use broker_core::{AccountId, OrderStatus, Record, Side};
use broker_topstepx::TopstepxBroker;
use serde_json::value::RawValue;

use super::common::{at, dec, price, usd};
use super::{account, recorded};

fn event(target: &str, arguments: &str) -> Frame {
    Frame::Text(format!(
        "{{}}\u{1e}{{\"type\":1,\"target\":\"{target}\",\"arguments\":[{arguments}]}}\u{1e}"
    ))
}

#[test]
fn events_of_the_documents_are_bare() {
    let body = recorded!("hub_events_doc.json");
    let events: BTreeMap<String, &RawValue> = serde_json::from_str(&body).unwrap();
    assert_eq!(events.len(), 7);
    let ours = [AccountId::from("123")];
    let told = |target: &str| TopstepxBroker::read_user_hub(&ours, &event(target, events[target].get())).unwrap();
    match told("GatewayUserAccount").as_slice() {
        [Event::Balances(balances)] => assert_eq!(balances.balances[0].total.to_string(), "10000.50"),
        other => panic!("{other:?}"),
    }
    match told("GatewayUserPosition").as_slice() {
        [Event::Position(position)] => {
            assert_eq!(
                (position.signed_qty(), position.average_price),
                (dec("2"), Some(price("2100.25")))
            );
        }
        other => panic!("{other:?}"),
    }
    match told("GatewayUserOrder").as_slice() {
        [Event::Order(order)] => {
            assert_eq!((order.id.get(), &order.status), ("789", &OrderStatus::New));
            assert_eq!(order.limit_price, Some(price("2100.50")));
            assert_eq!(order.client_id.as_ref().unwrap().get(), "strategy-1");
        }
        other => panic!("{other:?}"),
    }
    match told("GatewayUserTrade").as_slice() {
        [Event::Record(record)] => {
            let Record::Fill(fill) = &**record else {
                panic!("{record:?}")
            };
            assert_eq!((fill.id.get(), fill.pnl), ("101112", Some(usd("50.25"))));
            assert_eq!(
                (fill.fees.as_slice(), fill.price),
                (&[usd("2.50")][..], price("2100.75"))
            );
        }
        other => panic!("{other:?}"),
    }
    // A quote stands behind its contract; depth and prints are not asked for, and pass.
    let quote = format!("\"CON.F.US.EP.U25\",{}", events["GatewayQuote"].get());
    match TopstepxBroker::read_market_hub(&event("GatewayQuote", &quote))
        .unwrap()
        .as_slice()
    {
        [Event::Quote(quote)] => {
            assert_eq!((quote.bid, quote.ask), (Some(price("2100.00")), Some(price("2100.50"))));
            assert_eq!((quote.symbol.get(), quote.bid_size), ("ESU25", None));
            assert_eq!(quote.at, Some(at("2024-07-21T13:45:00Z")));
        }
        other => panic!("{other:?}"),
    }
    for target in ["GatewayDepth", "GatewayTrade"] {
        let arguments = format!("\"CON.F.US.EP.U25\",{}", events[target].get());
        assert!(
            TopstepxBroker::read_market_hub(&event(target, &arguments))
                .unwrap()
                .is_empty()
        );
    }
}

#[derive(serde::Deserialize)]
struct Samples<'a> {
    #[serde(borrow)]
    samples: Vec<Sample<'a>>,
}

#[derive(serde::Deserialize)]
struct Sample<'a> {
    event_type: String,
    #[serde(borrow)]
    raw_payload: Option<&'a RawValue>,
}

#[test]
fn events_of_a_live_account_are_wrapped() {
    let body = recorded!("hub_event_samples_live.json");
    let samples: Samples<'_> = serde_json::from_str(&body).unwrap();
    let sample = |name: &str| {
        let found = samples.samples.iter().find(|sample| sample.event_type == name);
        found.unwrap().raw_payload.unwrap().get()
    };
    let told =
        |target: &str, name: &str| TopstepxBroker::read_user_hub(&[account()], &event(target, sample(name))).unwrap();
    match told("GatewayUserAccount", "account").as_slice() {
        [Event::Balances(balances)] => assert_eq!(balances.balances[0].total.to_string(), "149848.64"),
        other => panic!("{other:?}"),
    }
    match told("GatewayUserOrder", "order").as_slice() {
        // Nulls are left out: a market order has no limit price at all.
        [Event::Order(order)] => {
            assert_eq!((order.id.get(), &order.status), ("3425270858", &OrderStatus::Rejected));
            assert_eq!((order.limit_price, order.reason.as_ref()), (None, None));
            assert_eq!((order.legs[0].side, order.kind.as_str()), (Side::Sell, "market"));
        }
        other => panic!("{other:?}"),
    }
    match told("GatewayUserPosition", "position").as_slice() {
        [Event::Position(position)] => assert!(position.qty.is_zero(), "flat is told as type 0"),
        other => panic!("{other:?}"),
    }
    match told("GatewayUserTrade", "trade").as_slice() {
        [Event::Record(record)] => {
            let Record::Fill(fill) = &**record else {
                panic!("{record:?}")
            };
            assert_eq!((fill.id.get(), fill.pnl), ("3004518356", Some(usd("-49"))));
            // 0.36 of fees and 0.25 of commissions.
            assert_eq!(fill.fees, [usd("0.61")]);
            // Seven digits on a hub, cut to what REST says.
            assert_eq!(fill.at, at("2026-08-19T14:16:01.406128Z"));
            assert_eq!(
                (fill.side, fill.order.as_ref().unwrap().get()),
                (Side::Buy, "3423462488")
            );
        }
        other => panic!("{other:?}"),
    }
    let told = TopstepxBroker::read_user_hub(&["1".into()], &event("GatewayUserTrade", sample("trade")));
    assert!(told.unwrap().is_empty(), "another account's trade");

    #[derive(serde::Deserialize)]
    struct Market<'a> {
        #[serde(rename = "contractId", borrow)]
        contract: &'a RawValue,
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    let market = |name: &str| {
        let market: Market<'_> = serde_json::from_str(sample(name)).unwrap();
        format!("{},{}", market.contract.get(), market.payload.get())
    };
    match TopstepxBroker::read_market_hub(&event("GatewayQuote", &market("quote")))
        .unwrap()
        .as_slice()
    {
        [Event::Quote(quote)] => {
            assert_eq!((quote.bid, quote.ask), (Some(price("29547")), Some(price("29547.5"))));
            assert_eq!(quote.instrument.get(), "CON.F.US.MNQ.U26");
        }
        other => panic!("{other:?}"),
    }
    for (target, name) in [("GatewayTrade", "market_trade"), ("GatewayDepth", "depth")] {
        let told = TopstepxBroker::read_market_hub(&event(target, &market(name)));
        assert!(told.unwrap().is_empty());
    }
}
