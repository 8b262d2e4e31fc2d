//! What the gateway alone has: joining the bid or the ask, closing a position whole or in part.

use broker_core::model::OrderKind;
use broker_core::{Broker, BrokerExt, Delivery, ErrorKind, HistoryQuery, OrderStatus, Side};
use broker_topstepx::{JoinOrder, JoinSide};

use super::common::{price, qty};
use super::desk::{Desk, MES, MES_ID, market};

fn join(side: Side, at: JoinSide, tag: &str) -> JoinOrder {
    JoinOrder::new(MES_ID.into(), side, qty("2"), at, tag)
}

#[test]
fn an_order_joins_the_bid_or_the_ask_and_rests_there() {
    let desk = Desk::new(|builder| builder);
    for (side, at, tag, word, level, kind) in [
        (Side::Buy, JoinSide::Bid, "joins-the-bid", "join_bid", "5000.00", 6),
        (Side::Sell, JoinSide::Ask, "joins-the-ask", "join_ask", "5000.25", 7),
    ] {
        let placed =
            desk.run(|broker, account| async move { broker.place_join(&account, &join(side, at, tag)).await.unwrap() });
        assert_eq!(placed.kind, OrderKind::Other(word.into()));
        assert_eq!((placed.limit_price, &placed.status), (None, &OrderStatus::PendingNew));
        let account = &desk.account;
        let wire_side = u8::from(side == Side::Sell);
        assert_eq!(
            desk.sent("/api/Order/place"),
            [format!(
                r#"{{"accountId":{},"contractId":"{MES_ID}","type":{kind},"side":{wire_side},"size":2,"customTag":"{tag}"}}"#,
                account.get()
            )]
        );
        let now = desk.order(&placed);
        assert_eq!((now.kind.as_str(), &now.status), (word, &OrderStatus::New));
        assert_eq!(now.limit_price, Some(price(level)), "the gateway looked the price up");
        assert_eq!(now.client_id.unwrap().get(), tag);
    }
    // The market comes to the bid.
    desk.quote(MES, "4999.50", "4999.75");
    assert_eq!(desk.position(), "2");
    assert_eq!(
        desk.run(|broker, account| async move { broker.positions(&account).await.unwrap() })
            .len(),
        1
    );
}

#[test]
fn a_tag_joins_once() {
    let desk = Desk::new(|builder| builder);
    desk.run(|broker, account| async move {
        let order = join(Side::Buy, JoinSide::Bid, "once");
        broker.place_join(&account, &order).await.unwrap();
        let error = broker.place_join(&account, &order).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::DuplicateOrder, Delivery::Answered)
        );
        for (count, tag) in [("2", "two words"), ("2", ""), ("0.5", "half"), ("0", "none")] {
            let mut order = join(Side::Buy, JoinSide::Bid, tag);
            order.qty = qty(count);
            let error = broker.place_join(&account, &order).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.delivery()),
                (ErrorKind::InvalidRequest, Delivery::NotSent),
                "{count} {tag}"
            );
        }
    });
    assert_eq!(desk.sent("/api/Order/place").len(), 2);
}

#[test]
fn a_position_is_closed_in_part_and_whole_and_no_order_is_named() {
    let desk = Desk::new(|builder| builder);
    desk.place(market(Side::Buy, "3"));
    assert_eq!(desk.position(), "3");
    let part = |count: &'static str| {
        desk.run(|broker, account| async move { broker.close_part(&account, &MES_ID.into(), qty(count)).await })
    };
    part("1").unwrap();
    assert_eq!(desk.position(), "2");
    assert_eq!(
        desk.sent("/api/Position/partialCloseContract"),
        [format!(
            r#"{{"accountId":{},"contractId":"{MES_ID}","size":1}}"#,
            desk.account.get()
        )]
    );
    // More than there is, and what is no number of contracts.
    let error = part("3").unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, Some("5")));
    for wrong in ["0.5", "0"] {
        let error = part(wrong).unwrap_err();
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::InvalidRequest, Delivery::NotSent)
        );
    }
    let close = || desk.run(|broker, account| async move { broker.close_position(&account, &MES_ID.into()).await });
    close().unwrap();
    assert_eq!(desk.position(), "0");
    let error = close().unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("2")));

    // The answers named no order: what was done is in the history.
    let history = desk
        .run(|broker, account| async move { broker.all_fills(HistoryQuery::last_days(&account, 1)).await.unwrap() });
    let fills: Vec<_> = history
        .fills()
        .map(|fill| (fill.side, fill.qty.to_string(), fill.price))
        .collect();
    assert_eq!(
        fills,
        [
            (Side::Buy, "3".to_owned(), price("5000.25")),
            (Side::Sell, "1".to_owned(), price("5000.00")),
            (Side::Sell, "2".to_owned(), price("5000.00"))
        ]
    );
    assert!(history.fills().all(|fill| fill.order.is_some()));
}
