//! Canceling an order and placing another in one call. Each half can fail by itself.

use std::sync::Arc;

use broker_core::{Broker, Delivery, Error, ErrorKind, InstrumentQuery, Intent, Order, OrderRef, OrderRequest, Result};
use http::Method;
use serde_json::value::RawValue;

use crate::broker::BinanceBroker;
use crate::error::{self, HALF};
use crate::map::{self, Pair, request};
use crate::reads::expect_same;
use crate::wire::{self, CancelReplaceErrorJson, CancelReplaceJson, OrderJson};

/// A half that was done.
const DONE: &str = "SUCCESS";

/// What became of both halves.
#[derive(Debug, Clone)]
pub struct CancelReplaced {
    /// The order as it was canceled: what it had filled until then is in it.
    pub canceled: Order,
    /// The order that was placed, or why it was refused: then nothing is at work any more. With
    /// [`Delivery::Unknown`](broker_core::Delivery::Unknown) it may be there: read it by its id.
    pub placed: Result<Order>,
}

impl BinanceBroker {
    /// Cancels an order that has not filled at all, and places another one under the request's own client order id.
    /// One attempt: nothing is placed where the cancel fails. An order that has begun to fill is left as it is, for
    /// the new one would come on top of what was filled.
    ///
    /// # Errors
    /// The order was not canceled, and nothing was placed; with [`Delivery::Unknown`](broker_core::Delivery::Unknown)
    /// nobody knows: read both.
    pub async fn cancel_replace(&self, order: &OrderRef, request: OrderRequest) -> Result<CancelReplaced> {
        const OPERATION: &str = "cancel_replace";
        let unsent = Error::unsent(self.id(), OPERATION);
        self.check(&order.account).await.map_err(&unsent)?;
        let (symbol, (name, value)) = self.named(order).map_err(&unsent)?;
        let query = InstrumentQuery::Ids(vec![symbol.as_str().into()]);
        let instrument = self.instruments(&query).await.map_err(&unsent)?.pop();
        let instrument = instrument.ok_or_else(|| unsent(Error::invalid(format!("there is no {symbol}"))))?;
        let id = request.client_id.clone();
        let id = id.ok_or_else(|| {
            unsent(Error::invalid(
                "the request needs a client order id: a lost answer is traced by it",
            ))
        })?;
        self.check_id(&id).map_err(&unsent)?;
        let pair = map::instrument::pair(&instrument, false);
        let intent = Intent {
            id,
            broker: self.id(),
            environment: self.environment(),
            account: order.account.clone(),
            request,
            instrument: Arc::new(instrument),
            replaces: None,
            created_at: self.context().clock().now(),
            mark: None,
        };
        let mut sending = request::place(&intent, self.terms()).map_err(&unsent)?;
        if sending.orders > 1 {
            return Err(unsent(Error::unsupported("canceling one order for a group of others")));
        }
        sending.path = "/api/v3/order/cancelReplace";
        let cancel = match name {
            "orderId" => "cancelOrderId",
            _ => "cancelOrigClientOrderId",
        };
        sending.params.extend([
            (cancel, value),
            ("cancelReplaceMode", "STOP_ON_FAILURE".to_owned()),
            ("cancelRestrictions", "ONLY_NEW".to_owned()),
        ]);
        let mut call = self.rest().order_call(&sending);
        (call.op, call.method) = (OPERATION, Method::POST);
        let read = |body: &str| both(&wire::decode(body)?, &pair, (order, &intent));
        match self.rest().http.run(call, read).await {
            Err(error) => self.half(error, order).await,
            done => done,
        }
    }

    /// Canceled, and not placed: the order that was canceled is read, and the refusal is told beside it.
    async fn half(&self, error: Error, order: &OrderRef) -> Result<CancelReplaced> {
        if error.code() != Some(HALF.to_string().as_str()) {
            return Err(error);
        }
        let canceled = self
            .find(order)
            .await
            .map_err(|_| error.clone().with_delivery(Delivery::Unknown))?;
        Ok(CancelReplaced {
            canceled,
            placed: Err(error),
        })
    }
}

fn both(wire: &CancelReplaceJson<'_>, pair: &Pair, sent: (&OrderRef, &Intent)) -> Result<CancelReplaced> {
    let (old, intent) = sent;
    if [&wire.cancel_result, &wire.new_order_result]
        .iter()
        .any(|word| word.get() != DONE)
    {
        return Err(Error::decode("an answer that says yes, and of its halves no"));
    }
    let part = |raw: Option<&RawValue>| -> Result<Order> {
        let raw = raw.ok_or_else(|| Error::decode("an answer without one of its halves"))?;
        map::order::order(&wire::decode::<OrderJson<'_>>(raw.get())?, pair, &intent.account)
    };
    let (canceled, placed) = (part(wire.cancel_response)?, part(wire.new_order_response)?);
    expect_same(old, &canceled)?;
    match placed.client_id.as_ref() == Some(&intent.id) {
        true => Ok(CancelReplaced {
            canceled,
            placed: Ok(placed),
        }),
        false => Err(Error::decode(
            "the answer is about another order than the one that was sent",
        )),
    }
}

/// The refusal of a half: of the new order where the old one was canceled, else of the cancel. `None` where the body
/// says nothing of the halves that fits its code.
pub(crate) fn refusal(status: u16, code: i64, words: &str, body: &str) -> Option<Error> {
    let wire: CancelReplaceErrorJson<'_> = serde_json::from_str(body).ok()?;
    let data = wire.data?;
    let canceled = data.cancel_result.get() == DONE;
    // The new order alone is not sent unless the old one is gone.
    if canceled != (code == HALF) {
        return None;
    }
    let half = match canceled {
        true => data.new_order_response,
        false => data.cancel_response,
    };
    let inner = error::refusal(status, half?.get());
    let kind = match (canceled, data.new_order_result.get()) {
        // The new order was sent to the engine, and nobody knows what became of it.
        (true, "FAILURE") | (false, _) => inner.kind(),
        (true, _) => ErrorKind::Unavailable,
    };
    let what = match canceled {
        true => "the old order was canceled, and the new one refused",
        false => "the old order was not canceled, and nothing was placed",
    };
    let said = inner.message().unwrap_or(words);
    Some(
        Error::new(kind)
            .with_delivery(Delivery::Answered)
            .with_status(status)
            .with_code(code.to_string())
            .with_message(format!("{what}: {said}")),
    )
}
