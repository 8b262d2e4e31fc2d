//! Looking for an order whose answer was lost: what is found, and what proves that there is none.

use broker_core::model::OrderChange;
use broker_core::{ErrorKind, Order, OrderRef, OrderRequest, Result, Side};

use super::{OURS, changing, intent, order, spy, trading};
use crate::common::{Exchange, Stage, account, get, price, qty};

const BY_OURS: &str = "/v2/orders:by_client_order_id?client_order_id=ours-1";
const NOT_THERE: &str = r#"{"code":40410000,"message":"order not found for ours-1"}"#;

fn trace(script: Vec<Exchange>) -> Result<Vec<Order>> {
    let intent = intent(spy(), OrderRequest::market("any".into(), Side::Buy, qty("1")));
    let stage = Stage::signed_in(script);
    stage.run(|broker| async move { trading(&broker).trace(&intent).await })
}

fn trace_change(script: Vec<Exchange>) -> Result<Vec<Order>> {
    let old = OrderRef::by_id(&account(), "o-0".into());
    let intent = changing(spy(), &old, &OrderChange::new().with_limit_price(price("1")));
    let stage = Stage::signed_in(script);
    stage.run(|broker| async move { trading(&broker).trace(&intent).await })
}

fn ids(orders: &[Order]) -> Vec<&str> {
    orders.iter().map(|order| order.id.get()).collect()
}

#[test]
fn an_order_is_found_by_our_id_and_only_our_id() {
    let found = trace(vec![get(BY_OURS, order(OURS))]).unwrap();
    assert_eq!(ids(&found), ["o-1"]);
    assert_eq!(found[0].client_id.as_ref().unwrap().get(), OURS);
    let error = trace(vec![get(BY_OURS, order("another"))]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[test]
fn only_alpacas_own_word_says_that_there_is_none() {
    assert_eq!(trace(vec![get(BY_OURS, NOT_THERE).status(404)]).unwrap(), []);
    // Reads are asked again while the answer is an outage: four times in all.
    let again = |status: u16, body: &str| (0..4).map(|_| get(BY_OURS, body).status(status)).collect();
    for (status, body) in [
        (404, "<html>nothing here</html>"),
        (404, ""),
        (404, r#"{"message":"Not Found"}"#),
        (404, r#"{"code":5,"message":"Not Found"}"#),
        (500, r#"{"code":50010000,"message":"internal server error occurred"}"#),
        (502, "<html>"),
        // The code alone is no proof either.
        (503, NOT_THERE),
    ] {
        let error = trace(again(status, body)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{status} {body}");
    }
    for (status, body, kind) in [
        (
            404,
            r#"{"code":40410001,"message":"account not found"}"#,
            ErrorKind::NotFound,
        ),
        (403, r#"{"message":"forbidden."}"#, ErrorKind::Auth),
        (422, r#"{"code":42210000,"message":"bad"}"#, ErrorKind::InvalidRequest),
    ] {
        let error = trace(vec![get(BY_OURS, body).status(status)]).unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {body}");
    }
}

#[test]
fn a_group_is_read_with_its_legs() {
    let leg = r#"{"id":"l-1","status":"held","filled_qty":"0","symbol":"SPY","side":"sell","qty":"1","type":"stop","stop_price":"490"}"#;
    let group = |legs: &str| {
        format!(
            r#"{{"id":"o-1","client_order_id":"ours-1","status":"new","filled_qty":"0","symbol":"SPY","side":"buy","qty":"1","type":"limit","limit_price":"500","order_class":"oto","legs":{legs}}}"#
        )
    };
    let nested = "/v2/orders/o-1?nested=true";
    let whole = get(nested, group(&format!("[{leg}]")));
    let found = trace(vec![get(BY_OURS, group("null")), whole]).unwrap();
    assert_eq!(found[0].links.children, ["l-1".into()]);
    // It was found once: that it is not found by its other id does not take it away.
    let gone = get(nested, NOT_THERE).status(404);
    let found = trace(vec![get(BY_OURS, group("null")), gone]).unwrap();
    assert_eq!((ids(&found), found[0].links.children.len()), (vec!["o-1"], 0));
}

#[test]
fn a_change_is_looked_for_behind_the_order_that_it_changes() {
    let missing = || get(BY_OURS, NOT_THERE).status(404);
    let old = |status: &str, by: &str| {
        let body = format!(
            r#"{{"id":"o-0","client_order_id":"old-1","status":"{status}","replaced_by":{by},"filled_qty":"0","symbol":"SPY","side":"buy","qty":"1","type":"market"}}"#
        );
        get("/v2/orders/o-0?nested=true", body)
    };
    let new = |client_id: &str| get("/v2/orders/o-1?nested=true", order(client_id));
    assert_eq!(ids(&trace_change(vec![get(BY_OURS, order(OURS))]).unwrap()), ["o-1"]);
    assert_eq!(trace_change(vec![missing(), old("new", "null")]).unwrap(), []);
    let behind = trace_change(vec![missing(), old("replaced", r#""o-1""#), new(OURS)]).unwrap();
    assert_eq!(ids(&behind), ["o-1"]);
    // Replaced by somebody else, or by a corporate action.
    let foreign = trace_change(vec![missing(), old("replaced", r#""o-1""#), new("theirs")]).unwrap();
    assert_eq!(foreign, []);
    let error = trace_change(vec![missing(), old("pending_replace", "null")]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}
