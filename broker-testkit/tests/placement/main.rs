//! Placing: the rules (a) to (g), each by its name, over the paper venue behind a wire that loses what a test says.

#![allow(clippy::unwrap_used, reason = "a test")]

mod alive;
mod cancel;
mod checks;
mod doubt;
mod journal;
mod replace;
mod resend;
mod rigged;

use broker_core::{OrderRequest, Side};

/// Rests far below the market.
fn resting() -> OrderRequest {
    OrderRequest::limit(
        "AAPL".into(),
        Side::Buy,
        "10".parse().unwrap(),
        "90.00".parse().unwrap(),
    )
}

/// Fills at once, at 100.00.
fn marketable() -> OrderRequest {
    OrderRequest::market("AAPL".into(), Side::Buy, "10".parse().unwrap())
}
