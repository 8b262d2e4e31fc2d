//! Looking for an order whose answer was lost.

use broker_core::{BrokerExt, Currency, OrderRequest, OrderStatus, Placement, Settled, Side, Ticket};
use broker_sim::wire::{Fault, FaultPlan, When};

use super::dealing::stage;
use super::{Stage, price, qty};

impl Stage {
    fn try_place(&self, request: OrderRequest, fault: Fault) -> Placement {
        let orders = When::always().method("POST").nth(1);
        self.faults.set(FaultPlan::none().rule(orders, fault));
        let placed = self.broker.place_once(&self.account, request);
        self.runtime.block_on(placed).unwrap()
    }

    fn settle(&self, ticket: Ticket) -> Ticket {
        match self.runtime.block_on(self.broker.settle(ticket)).unwrap() {
            Settled::InDoubt(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    /// Behind which transactions was read, since the record was cleared.
    fn read_behind(&self) -> Vec<String> {
        let requests = self.recorder.requests().into_iter();
        let since = requests.filter(|one| one.path.ends_with("/transactions/sinceid"));
        since.map(|one| one.query).collect()
    }
}

fn buy(units: &str) -> OrderRequest {
    OrderRequest::market("EUR/USD".into(), Side::Buy, qty(units))
}

/// A doubt that nothing can end is asked about for as long as the program likes. Each time all transactions behind its
/// mark were read again: the campaign of orders took the square of its orders, and did not end.
#[test]
fn an_open_doubt_reads_each_transaction_once() {
    let stage = stage(false, Currency::USD);
    let Placement::InDoubt(ticket) = stage.try_place(buy("100"), Fault::DropRequest) else {
        panic!("nobody knows of it");
    };
    for _ in 0..1_000 {
        stage.market(Side::Buy, "1");
    }
    // CREATE and TRANSFER_FUNDS, then an order and a fill each: 2,002. An answer holds 1,000.
    stage.recorder.clear();
    let ticket = stage.settle(ticket);
    let first = stage.read_behind();
    assert_eq!(first[..4], ["id=2", "id=1002", "id=2002", "id=2002"]);
    assert!(first[4..].iter().all(|query| query == "id=2002"), "{first:?}");
    stage.recorder.clear();
    stage.market(Side::Buy, "1");
    let ticket = stage.settle(ticket);
    let again = stage.read_behind();
    assert_eq!(again[..2], ["id=2002", "id=2004"]);
    assert!(
        again.len() > 2 && again[2..].iter().all(|query| query == "id=2004"),
        "{again:?}"
    );
    stage.recorder.clear();
    stage.settle(ticket);
    assert_eq!(
        stage.recorder.requests().len(),
        stage.read_behind().len(),
        "nothing else is asked"
    );
}

#[test]
fn an_order_is_found_as_it_is_by_now() {
    let stage = stage(false, Currency::USD);
    // Its own endpoint tells: filled.
    let Placement::Accepted(order) = stage.try_place(buy("100"), Fault::DropAnswer) else {
        panic!("it is there");
    };
    assert_eq!((order.id.get(), &order.status), ("3", &OrderStatus::Filled));
    assert_eq!(
        (order.filled_qty, order.average_price),
        (qty("100"), Some(price("1.08010")))
    );

    // Its own endpoint does not know it yet: the transactions tell the same.
    let missing = r#"{"errorCode":"NO_SUCH_ORDER","errorMessage":"The order ID specified does not exist"}"#;
    let plan = FaultPlan::none()
        .rule(When::always().method("POST").nth(1), Fault::DropAnswer)
        .rule(
            When::always().matching(|one| one.path.contains("/orders/")),
            Fault::ErrorBefore(404, missing.to_owned()),
        );
    stage.faults.set(plan);
    let placed = stage
        .runtime
        .block_on(stage.broker.place_once(&stage.account, buy("200")));
    let Placement::Accepted(order) = placed.unwrap() else {
        panic!("it is there");
    };
    assert_eq!((order.id.get(), &order.status), ("5", &OrderStatus::Filled));
    assert_eq!(
        (order.filled_qty, order.average_price),
        (qty("200"), Some(price("1.08010")))
    );
}

#[test]
fn a_refusal_whose_answer_was_lost_is_found() {
    let stage = stage(false, Currency::USD);
    // The account has 10,000; the margin of a million euros is more. It was taken and canceled at once.
    let placed = stage.try_place(buy("1000000"), Fault::DropAnswer);
    let Placement::Rejected(error) = placed else {
        panic!("{placed:?}")
    };
    assert_eq!(error.message(), Some("INSUFFICIENT_MARGIN"));
    // An id that a pending order has. No order was made of it, and no endpoint but the transactions knows it.
    let limit = OrderRequest::limit("EUR/USD".into(), Side::Buy, qty("10"), price("1.00000"));
    let limit = limit.with_client_id("mine".into());
    stage.place(limit.clone());
    let placed = stage.try_place(limit, Fault::DropAnswer);
    let Placement::Rejected(error) = placed else {
        panic!("{placed:?}")
    };
    assert_eq!(error.message(), Some("CLIENT_ORDER_ID_ALREADY_EXISTS"));
}
