//! What the gateway can do, and its limits.

use std::sync::Arc;
use std::time::Duration;

use broker_core::capability::{
    ClientIdRule, ExitFacts, HistoryFacts, LevelKind, Limit, LimitRule, LimitScope, ListFacts, ListRows, LookupFacts,
    OrderFacts, TrailKind,
};
use broker_core::limit::BucketKey;
use broker_core::model::{AssetClass, Environment, Group, OrderKind};
use broker_core::{Capabilities, TimeInForce};

use crate::config::TopstepxConfig;

const DAY: Duration = Duration::from_secs(86_400);

/// Every call but that for bars pays this.
const REQUEST: (&str, u32) = ("requests", 1);

pub(crate) fn capabilities(config: &TopstepxConfig, requests: &BucketKey, bars: &BucketKey) -> Capabilities {
    let limit = |bucket, key: &BucketKey, limit, seconds| Limit {
        bucket,
        key: Arc::clone(key),
        scope: LimitScope::Key,
        rule: LimitRule::Window {
            limit,
            per: Duration::from_secs(seconds),
        },
    };
    Capabilities {
        environments: vec![Environment::Paper, Environment::Live],
        asset_classes: vec![AssetClass::Future],
        orders: OrderFacts {
            // Stop-limit stands in the enum, and not in the list of what can be placed.
            kinds: vec![
                OrderKind::Market,
                OrderKind::Limit,
                OrderKind::Stop,
                OrderKind::TrailingStop,
            ],
            groups: vec![Group::Bracket, Group::Oto],
            exits: ExitFacts {
                kinds: vec![OrderKind::Limit, OrderKind::Stop, OrderKind::TrailingStop],
                levels: vec![LevelKind::Distance],
            },
            trails: vec![TrailKind::Amount],
            times_in_force: vec![TimeInForce::Day],
            kind_times: Vec::new(),
            fractional_qty: false,
            notional: false,
            extended_hours: false,
            replace: true,
            // No rule is published: of what others send, the safest. Exits get `-SL` or `-TP` behind it.
            client_id: Some(ClientIdRule {
                longest: 36,
                extra: "-",
            }),
            // An id is unique in its account for ever.
            resend_is_safe: true,
            latest_arrival: None,
            visibility_lag: Duration::from_secs(2),
            one_at_a_time: false,
            reduce_only: false,
            refused_when_closed: vec![AssetClass::Future],
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            by_instrument: false,
            // A trade can be voided later, under its own id.
            settles_within: Duration::from_secs(3 * 86_400),
            positions_cover_fills: true,
            states_pnl: true,
            // Windows with rows are a day at most, and each is asked a minute wider.
            lists: vec![ListFacts {
                page_span: Some(DAY),
                ..ListFacts::whole(ListRows::Fills, REQUEST)
            }],
            orders: Some(ListFacts {
                page_span: Some(DAY),
                ..ListFacts::whole(ListRows::Orders, REQUEST)
            }),
            // Expired contracts are looked up one by one.
            lookups: vec![LookupFacts {
                classes: Vec::new(),
                per_request: Some(1),
                whole_list: None,
                cost: REQUEST,
            }],
            read_cost: REQUEST,
        },
        limits: vec![
            limit("requests", requests, config.requests, 60),
            limit("bars", bars, config.bars, 30),
        ],
    }
}
