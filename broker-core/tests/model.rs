//! Instruments, hours, queries, references and the journal, on values worked out by hand.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::Arc;

use broker_core::capability::ClientIdRule;
use broker_core::journal::MemoryJournal;
use broker_core::model::{
    AssetClass, Environment, Hours, InstrumentStatus, Interval, Level, OrderKind, OrderState, OrderStatus, Payoff,
    Session, StopExit, Subscription, TickBand, Trail, Window,
};
use broker_core::num::decimal;
use broker_core::seam::{Clock, MemoryTransport, OpenRequest, SeededRng, Transport, VirtualRuntime};
use broker_core::{
    AccountId, Context, Currency, Delivery, Error, ErrorKind, HistoryQuery, Instrument, Intent, IntentJournal,
    OrderQuery, OrderRef, OrderRequest, Price, Qty, Side, TimeInForce,
};
use chrono::{DateTime, Duration, TimeZone, Utc};
use rust_decimal::Decimal;

fn d(text: &str) -> Decimal {
    decimal(text).unwrap()
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

fn at(day: u32, hour: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, day, hour, 0, 0).unwrap()
}

fn instrument(payoff: Payoff, multiplier: Option<&str>, pip_location: Option<i8>) -> Instrument {
    Instrument {
        id: "X".into(),
        symbol: "X".into(),
        name: None,
        asset_class: AssetClass::Stock,
        exchange: None,
        currency: Currency::USD,
        base: None,
        payoff,
        multiplier: multiplier.map(d),
        ticks: vec![
            TickBand {
                from: price("0"),
                tick: d("0.0001"),
            },
            TickBand {
                from: price("1"),
                tick: d("0.01"),
            },
        ],
        lot: None,
        min_qty: None,
        max_qty: None,
        min_notional: None,
        pip_location,
        expires_at: None,
        option: None,
        margin: None,
        status: InstrumentStatus::Tradable,
        shortable: None,
    }
}

#[test]
fn a_tick_depends_on_the_price() {
    let stock = instrument(Payoff::Cash, Some("1"), None);
    for (at, tick) in [
        ("0.9999", "0.0001"),
        ("1", "0.01"),
        ("250", "0.01"),
        ("-0.5", "0.0001"),
        ("-2", "0.01"),
    ] {
        assert_eq!(stock.tick_at(price(at)), Some(d(tick)), "{at}");
    }
    assert_eq!(
        Instrument {
            ticks: Vec::new(),
            ..stock
        }
        .tick_at(price("5")),
        None
    );
}

#[test]
fn notional_is_money_only_where_the_multiplier_is_known() {
    let worth = |payoff, multiplier| instrument(payoff, multiplier, None).notional(qty("3"), price("6000.25"));
    assert_eq!(
        worth(Payoff::Margined, Some("50")).unwrap().to_string(),
        "900037.50 USD"
    );
    assert_eq!(worth(Payoff::Cash, None), None);
    // 3 contracts of 100 dollars at 8,000 are 0.0375 coins.
    let inverse = instrument(Payoff::Inverse, Some("100"), None);
    assert_eq!(inverse.notional(qty("3"), price("8000")).unwrap().amount, d("0.0375"));
    assert_eq!(inverse.notional(qty("3"), price("0")), None);
}

#[test]
fn a_pip_is_where_its_location_says() {
    for (location, pip) in [(-4, "0.0001"), (-2, "0.01"), (0, "1"), (1, "10")] {
        assert_eq!(
            instrument(Payoff::Margined, Some("1"), Some(location)).pip(),
            Some(d(pip)),
            "{location}"
        );
    }
    assert_eq!(instrument(Payoff::Margined, Some("1"), None).pip(), None);
}

#[test]
fn hours_count_the_regular_session_only() {
    let session = |opens, closes, extended| Session {
        opens_at: at(10, opens),
        closes_at: at(10, closes),
        extended,
    };
    let hours = Hours::Sessions(vec![session(8, 13, true), session(13, 20, false)]);
    for (hour, open) in [(9, false), (13, true), (19, true), (20, false)] {
        assert_eq!(hours.is_open(at(10, hour)), Some(open), "{hour}");
    }
    assert_eq!(
        (Hours::AlwaysOpen.is_open(at(1, 0)), Hours::Unknown.is_open(at(1, 0))),
        (Some(true), None)
    );
    let seconds =
        [Interval::Seconds(5), Interval::Minutes(5), Interval::Hours(5)].map(|one| one.length().unwrap().as_secs());
    assert_eq!((seconds, Interval::Day.length()), ([5, 300, 18_000], None));
}

#[test]
fn windows_are_fixed_once() {
    let account = AccountId::from("A-1");
    let now = at(31, 12);
    assert_eq!(HistoryQuery::last_days(&account, 30).range(now), (at(1, 12), now));
    assert_eq!(
        HistoryQuery::new(&account, Window::All).range(now),
        (DateTime::UNIX_EPOCH, now)
    );
    let resolved = OrderQuery::placed(&account, Window::LastDays(1)).resolved(now);
    assert_eq!(resolved.range(now + Duration::days(9)), (at(30, 12), now));
    let open = OrderQuery::open(&account)
        .with_state(OrderState::Closed)
        .with_instrument("X".into());
    assert_eq!((open.state, open.instrument.unwrap().get()), (OrderState::Closed, "X"));
}

#[test]
fn requests_say_what_was_asked() {
    let of = |request: OrderRequest| request.trigger.kind();
    let (symbol, one) = (|| "ESH26".parse().unwrap(), qty("1"));
    let p = price("10");
    assert_eq!(of(OrderRequest::market(symbol(), Side::Buy, one)), OrderKind::Market);
    assert_eq!(of(OrderRequest::stop(symbol(), Side::Buy, one, p)), OrderKind::Stop);
    assert_eq!(
        of(OrderRequest::stop_limit(symbol(), Side::Buy, one, p, p)),
        OrderKind::StopLimit
    );
    assert_eq!(
        of(OrderRequest::market_if_touched(symbol(), Side::Buy, one, p)),
        OrderKind::MarketIfTouched
    );
    assert_eq!(
        of(OrderRequest::limit_if_touched(symbol(), Side::Buy, one, p, p)),
        OrderKind::LimitIfTouched
    );
    let trail = Trail::Percent(d("1.5"));
    assert_eq!(
        of(OrderRequest::trailing_stop(symbol(), Side::Sell, one, trail)),
        OrderKind::TrailingStop
    );
    let bracket = OrderRequest::limit(symbol(), Side::Buy, one, p)
        .with_target(Level::Distance(qty("4")))
        .with_stop(StopExit::Stop {
            stop: Level::Price(price("8.5")),
            limit: None,
        })
        .with_expiry(at(31, 0))
        .with_reduce_only();
    assert_eq!(
        (bracket.time_in_force.clone(), bracket.expires_at),
        (Some(TimeInForce::Gtd), Some(at(31, 0)))
    );
    // What the journal keeps comes back as it was.
    let text = serde_json::to_string(&bracket).unwrap();
    assert_eq!(serde_json::from_str::<OrderRequest>(&text).unwrap(), bracket);
    let oco = OrderRequest::oco(symbol(), Side::Sell, one, p, StopExit::Trailing(trail));
    assert_eq!(
        serde_json::from_str::<OrderRequest>(&serde_json::to_string(&oco).unwrap()).unwrap(),
        oco
    );
}

#[test]
fn words_that_nobody_knows_are_kept() {
    let status = OrderStatus::from("on_the_moon");
    assert_eq!((status.as_str(), status.is_final()), ("on_the_moon", false));
    assert_eq!(
        serde_json::from_str::<OrderStatus>(r#""partially_filled""#).unwrap(),
        OrderStatus::PartiallyFilled
    );
    assert_eq!(serde_json::to_string(&status).unwrap(), r#""on_the_moon""#);
    assert!(
        [OrderStatus::Filled, OrderStatus::Canceled, OrderStatus::Replaced]
            .iter()
            .all(OrderStatus::is_final)
    );
    assert!(
        ![OrderStatus::PendingCancel, OrderStatus::Held]
            .iter()
            .any(OrderStatus::is_final)
    );
}

#[test]
fn client_ids_follow_the_rule_of_their_broker() {
    let rule = ClientIdRule {
        longest: 8,
        extra: "-_",
    };
    for (id, allowed) in [
        ("a-1_Z", true),
        ("", false),
        ("123456789", false),
        ("a.b", false),
        ("é", false),
    ] {
        assert_eq!(rule.allows(id), allowed, "{id:?}");
        assert_eq!(rule.check(&id.into()).is_ok(), allowed, "{id:?}");
    }
    let error = rule.check(&"a.b".into()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(
        error.to_string().contains("at most 8 letters, digits and \"-_\""),
        "{error}"
    );
}

#[test]
fn an_error_before_a_write_says_that_nothing_was_sent() {
    let unsent = Error::unsent("a-broker".into(), "place");
    let read = Error::new(ErrorKind::Unavailable).with_delivery(Delivery::Unknown);
    let named = unsent(read.clone().with_operation("accounts"));
    let error = unsent(read);
    assert_eq!(
        (error.delivery(), error.operation()),
        (Delivery::NotSent, Some("place"))
    );
    assert_eq!(
        (named.delivery(), named.operation()),
        (Delivery::NotSent, Some("accounts"))
    );
    assert_eq!(error.broker().map(broker_core::BrokerId::get), Some("a-broker"));
}

#[test]
fn a_journal_gives_what_is_not_settled_oldest_first() {
    let runtime = VirtualRuntime::new();
    let clock = Arc::new(runtime.clock());
    let transport = Arc::new(MemoryTransport::new(|_| Ok(http::Response::new("{}".into()))));
    let context = Context::new(
        clock.clone(),
        Arc::new(SeededRng::new(1)),
        clock.clone(),
        transport.clone(),
    );
    let own = Arc::new(MemoryJournal::default());
    let context = context.with_journal(own.clone());
    let intent = |id: &str, broker: &str, second: i64| Intent {
        id: id.into(),
        broker: broker.into(),
        environment: Environment::Paper,
        account: "A-1".into(),
        request: OrderRequest::market("AAPL".parse().unwrap(), Side::Buy, qty("1")),
        instrument: Arc::new(instrument(Payoff::Cash, Some("1"), None)),
        replaces: None,
        created_at: DateTime::from_timestamp(second, 0).unwrap(),
        mark: None,
    };
    runtime.block_on(async {
        for one in [
            intent("b", "x", 2),
            intent("a", "x", 3),
            intent("c", "x", 1),
            intent("d", "y", 0),
        ] {
            context.journal().open(&one).await.unwrap();
        }
        own.close(&"x".into(), &"b".into()).await.unwrap();
        let open: Vec<_> = own
            .unsettled(&"x".into())
            .await
            .unwrap()
            .into_iter()
            .map(|one| one.id)
            .collect();
        assert_eq!(open, ["c".into(), "a".into()]);
        for (broker, id, open) in [("x", "a", true), ("x", "b", false), ("x", "d", false), ("y", "d", true)] {
            assert_eq!(
                own.is_open(&broker.into(), &id.into()).await.unwrap(),
                open,
                "{broker} {id}"
            );
        }
        let carrier = transport
            .open(OpenRequest::Tcp {
                host: "h".into(),
                port: 1,
            })
            .await;
        assert_eq!(carrier.unwrap_err().kind(), ErrorKind::Unsupported);
    });
    assert_eq!(context.clock().now(), clock.now());
}

#[test]
fn references_and_subscriptions_name_what_they_mean() {
    let account = AccountId::from("A-1");
    let by_id = OrderRef::by_id(&account, "7".into()).with_instrument("X".into());
    assert_eq!(
        (
            by_id.id.unwrap().get(),
            by_id.client_id,
            by_id.instrument.unwrap().get()
        ),
        ("7", None, "X")
    );
    let ours = OrderRef::by_client_id(&account, "mine".into());
    assert_eq!((ours.id, ours.client_id.unwrap().get()), (None, "mine"));
    assert_eq!(Subscription::account(&account).accounts, [account]);
    assert_eq!(Subscription::quotes(["X".into()]).quotes, ["X".into()]);
}
