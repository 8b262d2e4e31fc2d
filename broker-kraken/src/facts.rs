//! What Kraken can do.

use std::time::Duration;

use broker_core::Capabilities;
use broker_core::TimeInForce;
use broker_core::capability::{ClientIdRule, ExitFacts, HistoryFacts, Limit, LimitScope, OrderFacts, TrailKind};
use broker_core::model::{AssetClass, Environment, OrderKind};

use crate::auth::DEADLINE;
use crate::config::KrakenConfig;

pub(crate) fn capabilities(config: &KrakenConfig) -> Capabilities {
    let limit = |bucket, scope, rule| Limit { bucket, scope, rule };
    let after = u64::try_from(DEADLINE.num_seconds()).unwrap_or_default();
    Capabilities {
        environments: vec![Environment::Live],
        asset_classes: vec![AssetClass::Crypto, AssetClass::Forex],
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
            // A conditional close is made anew for each part that fills, and there is nothing to cancel before.
            groups: Vec::new(),
            exits: ExitFacts::default(),
            trails: vec![TrailKind::Amount, TrailKind::Percent],
            times_in_force: vec![TimeInForce::Gtc, TimeInForce::Gtd, TimeInForce::Ioc],
            kind_times: Vec::new(),
            fractional_qty: true,
            notional: true,
            extended_hours: false,
            replace: true,
            // Free text of this length, or a UUID.
            client_id: Some(ClientIdRule {
                longest: 18,
                extra: "-_",
            }),
            // An id can be used again once its order is closed: what filled at once would fill twice.
            resend_is_safe: false,
            // Each order is sent with a deadline. The clock there was measured to within a second or two.
            latest_arrival: Some(Duration::from_secs(after + 3)),
            visibility_lag: Duration::from_secs(5),
            one_at_a_time: false,
            reduce_only: true,
            refused_when_closed: Vec::new(),
        },
        history: HistoryFacts {
            depth: None,
            order_depth: None,
            page_size: Some(50),
            by_instrument: false,
            settles_within: Duration::from_secs(5 * 60),
            // What is held outright is in the balances.
            positions_cover_fills: false,
            states_pnl: false,
            page_cost: ("calls", config.history_cost),
        },
        limits: vec![
            limit("calls", LimitScope::Key, config.calls.rule()),
            limit("orders", LimitScope::Account, config.orders.rule()),
            limit("public", LimitScope::Address, config.public.rule()),
        ],
    }
}
