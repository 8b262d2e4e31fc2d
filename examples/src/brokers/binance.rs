//! Binance: coins on a spot account. With credentials the testnet is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_binance::venue::{BinanceVenue, BinanceVenueBuilder};
use broker_binance::{BinanceBroker, BinanceConfig};
use broker_core::{Broker, InstrumentId};
use broker_sim::wire::share;
use broker_testkit::campaign::Line;
use rust_decimal::Decimal;

use super::{Desk, Failed, Known, Local, history};

pub(super) const KNOWN: Known = Known {
    name: "binance",
    title: "Binance",
    variables: &["BINANCE_API_KEY", "BINANCE_API_SECRET", "BINANCE_PRIVATE_KEY"],
    signs_in_with: &[
        ("BINANCE_API_KEY", BinanceVenue::KEY),
        ("BINANCE_API_SECRET", BinanceVenue::SECRET),
    ],
    from_env: || Ok(BinanceBroker::new(BinanceConfig::from_env()?)?.handle()),
    bare: || Ok(BinanceBroker::new(BinanceConfig::new("any", "secret"))?.handle()),
    lived: || Box::pin(lived()),
    desk,
};

/// As much as is asked for: an example need not wait.
fn config() -> BinanceConfig {
    BinanceConfig::new(BinanceVenue::KEY, BinanceVenue::SECRET)
        .with_weight_per_minute(1_000_000)
        .with_orders(100_000, 1_000_000)
}

async fn lived() -> Result<Local, Failed> {
    let (_, now) = history(1_500, 21)?;
    let plan = BinanceVenueBuilder::plan(1_500, now).with_days(89).with_seed(7);
    let venue = BinanceVenue::builder().history(&plan)?.without_limits().build()?;
    let connect = |url: url::Url, context| {
        let config = config().with_base_url(url).with_context(context);
        Ok(BinanceBroker::new(config)?.handle())
    };
    Local::serve(venue, now, connect, realized).await
}

fn realized(venue: &BinanceVenue) -> BTreeMap<InstrumentId, Decimal> {
    let books = venue.engine().books(venue.account());
    let instruments = books.into_iter().flat_map(|books| books.instruments);
    instruments
        .filter_map(|((id, _), book)| Some((venue.symbol(&id)?, book.gross)))
        .collect()
}

fn desk() -> Result<Desk, Failed> {
    let now = "2026-11-20T14:00:00Z".parse()?;
    let line = Line::new("BTC/USD", "90000.00", "900.00", "0.001");
    let mut venue = BinanceVenue::builder().starts_at(now).without_limits().build()?;
    line.quote(venue.engine_mut(), (-1, 1), line.lots(10_000), now);
    let account = venue.account_id();
    let connect = |context| Ok(Arc::new(BinanceBroker::new(config().with_context(context))?) as Arc<dyn Broker>);
    let places = |method: &str, path: &str| {
        method == "POST" && (path == "/api/v3/order" || path.starts_with("/api/v3/orderList"))
    };
    Desk::over(share(venue), now, (account, line), connect, places)
}
