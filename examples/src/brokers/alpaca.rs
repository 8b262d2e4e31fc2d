//! Alpaca: shares, options and coins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{AlpacaBroker, AlpacaConfig};
use broker_core::{Broker, InstrumentId, OrderRequest, Side};
use broker_sim::wire::{WireLimit, share};
use broker_testkit::campaign::Line;
use rust_decimal::Decimal;

use super::{Desk, Failed, Known, Local, history};

pub(super) const KNOWN: Known = Known {
    name: "alpaca",
    title: "Alpaca",
    variables: &["APCA_API_KEY_ID", "APCA_API_SECRET_KEY"],
    signs_in_with: &[
        ("APCA_API_KEY_ID", AlpacaVenue::KEY_ID),
        ("APCA_API_SECRET_KEY", AlpacaVenue::SECRET_KEY),
    ],
    from_env: || Ok(AlpacaBroker::new(AlpacaConfig::from_env()?)?.handle()),
    bare: || Ok(AlpacaBroker::new(AlpacaConfig::new("any", "any"))?.handle()),
    lived: || Box::pin(lived()),
    desk,
};

fn config() -> AlpacaConfig {
    AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY)
}

async fn lived() -> Result<Local, Failed> {
    let (plan, now) = history(6_000, 21)?;
    // Announces more than Alpaca's 200 a minute: an example need not wait.
    let limit = WireLimit::fixed(6_000, Duration::from_secs(60));
    let venue = AlpacaVenue::builder()
        .history(&plan.with_symbols(60))?
        .trading_limits(vec![limit])
        .build()?;
    let connect = |url: url::Url, context| {
        let config = config().with_base_url(url.clone()).with_data_url(url);
        let config = config.with_requests_per_minute(6_000).with_context(context);
        Ok(AlpacaBroker::new(config)?.handle())
    };
    Local::serve(venue, now, connect, realized).await
}

fn realized(venue: &AlpacaVenue) -> BTreeMap<InstrumentId, Decimal> {
    let books = venue.engine().books(venue.account());
    let instruments = books.into_iter().flat_map(|books| books.instruments);
    instruments.map(|((id, _), book)| (id, book.gross)).collect()
}

/// Half an hour before the opening in New York: orders for the opening and for the close are taken.
fn desk() -> Result<Desk, Failed> {
    let now = "2026-11-20T14:00:00Z".parse()?;
    let line = Line::new("AAPL", "100.00", "1.00", "1");
    let mut venue = AlpacaVenue::builder()
        .starts_at(now)
        .trading_limits(Vec::new())
        .data_limits(Vec::new())
        .build()?;
    let account = venue.account().clone();
    line.quote(venue.engine_mut(), (-1, 1), line.lots(10_000), now);
    let held = OrderRequest::market(line.symbol.clone(), Side::Buy, line.lots(100)).with_extended_hours();
    let _ = venue.engine_mut().place(&account, &held, None, now);
    let account = venue.account_id();
    let connect = |context| {
        let config = config().with_requests_per_minute(1_000_000).with_context(context);
        Ok(Arc::new(AlpacaBroker::new(config)?) as Arc<dyn Broker>)
    };
    let places = |method: &str, path: &str| method == "POST" && path == "/v2/orders";
    Desk::over(share(venue), now, (account, line), connect, places)
}
