//! What Binance can do.

use std::time::Duration;

use broker_core::capability::{
    ClientIdRule, ExitFacts, HistoryFacts, LevelKind, Limit, LimitRule, LimitScope, ListFacts, ListRows, LookupFacts,
    OrderFacts, TrailKind,
};
use broker_core::limit::BucketKey;
use broker_core::model::{AssetClass, Environment, Group, OrderKind};
use broker_core::{Capabilities, TimeInForce};

use crate::config::BinanceConfig;
use crate::rest::{Buckets, PAGE, weight};

/// More symbols than this are looked up in the whole list, which is one call.
pub(crate) const FEW_SYMBOLS: u32 = 3;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const TEN_SECONDS: Duration = Duration::from_secs(10);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// How long Binance's matching engine may take once it has taken a request.
const ENGINE: Duration = Duration::from_secs(10);
/// So far ahead of Binance's time a request's own may be.
const AHEAD: Duration = Duration::from_secs(1);

pub(crate) fn capabilities(config: &BinanceConfig, buckets: &Buckets) -> Capabilities {
    let window = |bucket, key: &BucketKey, scope, limit, per| Limit {
        bucket,
        key: BucketKey::clone(key),
        scope,
        rule: LimitRule::Window { limit, per },
    };
    let pages = |rows, cost, closing_pages| ListFacts {
        rows,
        page_size: Some(PAGE),
        page_yield: 100,
        page_span: None,
        page_cost: ("weight", cost),
        closing_pages,
    };
    let (in_ten_seconds, in_a_day) = config.order_counts();
    Capabilities {
        environments: vec![Environment::Paper, Environment::Live],
        asset_classes: vec![AssetClass::Crypto],
        orders: OrderFacts {
            kinds: vec![
                OrderKind::Market,
                OrderKind::Limit,
                OrderKind::Stop,
                OrderKind::StopLimit,
                OrderKind::MarketIfTouched,
                OrderKind::LimitIfTouched,
                OrderKind::TrailingStop,
            ],
            groups: vec![Group::Bracket, Group::Oco, Group::Oto],
            exits: ExitFacts {
                kinds: vec![
                    OrderKind::Limit,
                    OrderKind::Stop,
                    OrderKind::StopLimit,
                    OrderKind::TrailingStop,
                ],
                levels: vec![LevelKind::Price],
            },
            trails: vec![TrailKind::Percent],
            times_in_force: vec![TimeInForce::Gtc, TimeInForce::Ioc, TimeInForce::Fok],
            kind_times: vec![
                (OrderKind::Market, vec![TimeInForce::Gtc, TimeInForce::Ioc]),
                (OrderKind::Stop, vec![TimeInForce::Gtc]),
                // Binance takes others, too: what they come to for an order that waits is not proven here.
                (OrderKind::StopLimit, vec![TimeInForce::Gtc]),
                (OrderKind::LimitIfTouched, vec![TimeInForce::Gtc]),
                (OrderKind::MarketIfTouched, vec![TimeInForce::Gtc]),
                (OrderKind::TrailingStop, vec![TimeInForce::Gtc]),
            ],
            fractional_qty: true,
            notional: true,
            extended_hours: false,
            // Canceled and placed anew, without a word on which took its place: a method of its own.
            replace: false,
            client_id: Some(ClientIdRule {
                longest: 36,
                extra: "-_",
            }),
            // An id is free again once its order is done: a second send can make a second order.
            resend_is_safe: false,
            latest_arrival: Some(config.window + AHEAD + ENGINE),
            visibility_lag: Duration::from_secs(2),
            one_at_a_time: false,
            reduce_only: false,
            refused_when_closed: Vec::new(),
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: true,
            // Deposits are booked when they are seen first, and told once they are confirmed.
            settles_within: DAY,
            positions_cover_fills: false,
            states_pnl: false,
            // An empty page, and the last one once more.
            lists: vec![pages(ListRows::Records, weight::TRADES, 2)],
            orders: Some(pages(ListRows::Orders, weight::ALL_ORDERS, 0)),
            lookups: vec![LookupFacts {
                classes: Vec::new(),
                per_request: Some(1),
                whole_list: Some((FEW_SYMBOLS, 1)),
                cost: ("weight", weight::EXCHANGE),
            }],
            read_cost: ("weight", weight::ACCOUNT),
        },
        limits: vec![
            window("weight", &buckets.weight, LimitScope::Address, config.weight(), MINUTE),
            window(
                "orders",
                &buckets.orders,
                LimitScope::Account,
                in_ten_seconds,
                TEN_SECONDS,
            ),
            window(
                "orders_a_day",
                &buckets.orders_a_day,
                LimitScope::Account,
                in_a_day,
                DAY,
            ),
            window("sapi", &buckets.sapi, LimitScope::Address, 12_000, MINUTE),
            window(
                "sapi_account",
                &buckets.sapi_account,
                LimitScope::Account,
                180_000,
                MINUTE,
            ),
        ],
    }
}
