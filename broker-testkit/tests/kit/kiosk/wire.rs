//! What the kiosk writes: JSON, decimals as strings.

use broker_core::model::{Amount, Group, OrderLeg, OrderLinks, PositionLeg};
use broker_core::model::{OrderChange, OrderKind};
use broker_core::{
    AccountId, ClientOrderId, Error, InstrumentId, Order, OrderId, OrderRequest, OrderStatus, Price, Qty, Record,
    Result, Side, Symbol, TimeInForce,
};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
pub(crate) struct PlaceJson {
    pub(crate) account: AccountId,
    pub(crate) client_id: ClientOrderId,
    pub(crate) request: OrderRequest,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ReplaceJson {
    pub(crate) account: AccountId,
    pub(crate) id: OrderId,
    pub(crate) client_id: ClientOrderId,
    pub(crate) change: OrderChange,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct OrderJson {
    id: OrderId,
    client_id: Option<ClientOrderId>,
    account: AccountId,
    instrument: InstrumentId,
    symbol: Symbol,
    side: Side,
    kind: OrderKind,
    qty: Qty,
    filled: Qty,
    average: Option<Price>,
    limit: Option<Price>,
    stop: Option<Price>,
    time_in_force: Option<TimeInForce>,
    status: OrderStatus,
    reason: Option<String>,
    group: Option<Group>,
    parent: Option<OrderId>,
    siblings: Vec<OrderId>,
    children: Vec<OrderId>,
    replaces: Option<OrderId>,
    replaced_by: Option<OrderId>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct RowsJson<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) next: Option<usize>,
}

pub(crate) type RecordsJson = RowsJson<Record>;

#[derive(Serialize, Deserialize)]
pub(crate) struct TimeJson {
    pub(crate) now: DateTime<Utc>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AccountJson {
    pub(crate) id: AccountId,
    pub(crate) currency: String,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CashJson {
    pub(crate) total: Price,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PositionJson {
    pub(crate) instrument: InstrumentId,
    pub(crate) symbol: Symbol,
    pub(crate) side: Side,
    pub(crate) qty: Qty,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct CanceledJson {
    pub(crate) id: OrderId,
    pub(crate) error: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct ErrorJson {
    pub(crate) code: String,
    pub(crate) message: String,
}

pub(crate) fn decode<T: DeserializeOwned>(body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| Error::decode("not the kiosk's JSON").with_source(error))
}

pub(crate) fn encode<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap()
}

impl From<&Order> for OrderJson {
    fn from(order: &Order) -> Self {
        let leg = &order.legs[0];
        let Amount::Qty(qty) = order.amount else {
            panic!("the kiosk takes quantities");
        };
        let links = order.links.clone();
        Self {
            id: order.id.clone(),
            client_id: order.client_id.clone(),
            account: order.account.clone(),
            instrument: leg.instrument.clone(),
            symbol: leg.symbol.clone(),
            side: leg.side,
            kind: order.kind.clone(),
            qty,
            filled: order.filled_qty,
            average: order.average_price,
            limit: order.limit_price,
            stop: order.stop_price,
            time_in_force: order.time_in_force.clone(),
            status: order.status.clone(),
            reason: order.reason.clone(),
            group: links.group,
            parent: links.parent,
            siblings: links.siblings,
            children: links.children,
            replaces: links.replaces,
            replaced_by: links.replaced_by,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
}

impl From<OrderJson> for Order {
    fn from(json: OrderJson) -> Self {
        Self {
            id: json.id,
            client_id: json.client_id,
            account: json.account,
            legs: vec![OrderLeg {
                instrument: json.instrument,
                symbol: json.symbol,
                side: json.side,
                ratio: Decimal::ONE,
                effect: None,
                position: PositionLeg::Net,
                filled_qty: json.filled,
                average_price: json.average,
            }],
            kind: json.kind,
            amount: Amount::Qty(json.qty),
            filled_qty: json.filled,
            average_price: json.average,
            limit_price: json.limit,
            stop_price: json.stop,
            trail: None,
            time_in_force: json.time_in_force,
            expires_at: None,
            extended_hours: false,
            reduce_only: false,
            status: json.status,
            reason: json.reason,
            links: OrderLinks {
                group: json.group,
                parent: json.parent,
                siblings: json.siblings,
                children: json.children,
                replaces: json.replaces,
                replaced_by: json.replaced_by,
            },
            created_at: json.created_at,
            updated_at: json.updated_at,
        }
    }
}
