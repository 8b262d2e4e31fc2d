//! What Kraken can do.

use std::time::Duration;

use broker_core::Capabilities;
use broker_core::TimeInForce;
use broker_core::capability::{
    ClientIdRule, ExitFacts, HistoryFacts, Limit, LimitScope, ListFacts, ListRows, LookupFacts, OrderFacts, TrailKind,
};
use broker_core::limit::BucketKey;
use broker_core::model::{AssetClass, Environment, OrderKind};

use crate::auth::DEADLINE;
use crate::config::KrakenConfig;

/// Rows of a page, of which one was on the page before.
const PAGE: u32 = 50;
const YIELD: u32 = 98;
/// Of a page of the ledger from half to nearly all of the rows make records.
const LEDGER_YIELD: u32 = 60;

/// Of the buckets as they are at the limiter: that of the key's calls, and that of public calls.
pub(crate) fn capabilities(config: &KrakenConfig, (calls, public): (&BucketKey, &BucketKey)) -> Capabilities {
    let limit = |bucket, key: String, scope, rule| Limit {
        bucket,
        key: key.into(),
        scope,
        rule,
    };
    let pages = |rows, cost| ListFacts {
        rows,
        page_size: Some(PAGE),
        page_yield: YIELD,
        page_span: None,
        page_cost: ("calls", cost),
        closing_pages: 0,
    };
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
            // What waits for a price cannot trade at once.
            kind_times: [
                OrderKind::Stop,
                OrderKind::StopLimit,
                OrderKind::MarketIfTouched,
                OrderKind::LimitIfTouched,
                OrderKind::TrailingStop,
            ]
            .map(|kind| (kind, vec![TimeInForce::Gtc, TimeInForce::Gtd]))
            .to_vec(),
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
            by_instrument: false,
            settles_within: Duration::from_secs(5 * 60),
            // What is held outright is in the balances.
            positions_cover_fills: false,
            states_pnl: false,
            lists: vec![
                pages(ListRows::Fills, config.history_cost),
                // The ledger has two rows of a trade outright and one of a trade on margin; one makes the record of its
                // fee. How many of which there will be nobody knows.
                ListFacts {
                    page_yield: LEDGER_YIELD,
                    ..pages(ListRows::Others, config.history_cost)
                },
            ],
            orders: Some(pages(ListRows::Orders, 1)),
            // The lists of assets and of pairs hold them all.
            lookups: vec![LookupFacts {
                classes: Vec::new(),
                per_request: None,
                whole_list: Some((0, 2)),
                cost: ("public", 1),
            }],
            read_cost: ("calls", 1),
        },
        limits: vec![
            limit("calls", calls.to_string(), LimitScope::Key, config.calls.rule()),
            limit(
                "orders",
                format!("{calls}:orders"),
                LimitScope::Account,
                config.orders.rule(),
            ),
            limit("public", public.to_string(), LimitScope::Address, config.public.rule()),
        ],
    }
}
