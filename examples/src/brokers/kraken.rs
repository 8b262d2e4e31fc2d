//! Kraken: coins outright and on margin. It has no paper account, so with credentials the real one is asked; the
//! examples only read there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_core::{Broker, InstrumentId};
use broker_kraken::venue::KrakenVenue;
use broker_kraken::{KrakenBroker, KrakenConfig};
use broker_sim::wire::share;
use broker_testkit::campaign::Line;
use rust_decimal::Decimal;

use super::{Desk, Failed, Known, Local, history};

pub(super) const KNOWN: Known = Known {
    name: "kraken",
    title: "Kraken",
    variables: &["KRAKEN_API_KEY", "KRAKEN_API_SECRET"],
    signs_in_with: &[
        ("KRAKEN_API_KEY", KrakenVenue::KEY),
        ("KRAKEN_API_SECRET", KrakenVenue::SECRET),
    ],
    // Paper is refused, and says how it is meant.
    from_env: || Ok(KrakenBroker::new(KrakenConfig::from_env()?)?.handle()),
    bare: || Ok(KrakenBroker::new(KrakenConfig::new("any", "YW55").live())?.handle()),
    lived: || Box::pin(lived()),
    desk,
};

/// As many requests as are asked for: an example need not wait.
fn config() -> KrakenConfig {
    let point = Duration::from_millis(1);
    KrakenConfig::new(KrakenVenue::KEY, KrakenVenue::SECRET)
        .live()
        .with_call_counter(100_000, point)
        .with_order_counter(100_000, point)
        .with_public_counter(100_000, point)
}

async fn lived() -> Result<Local, Failed> {
    let (plan, now) = history(1_500, 21)?;
    let venue = KrakenVenue::builder().history(&plan)?.without_limits().build()?;
    let connect = |url: url::Url, context| {
        let config = config().with_base_url(url).with_context(context);
        Ok(KrakenBroker::new(config)?.handle())
    };
    Local::serve(venue, now, connect, realized).await
}

fn realized(venue: &KrakenVenue) -> BTreeMap<InstrumentId, Decimal> {
    let books = venue.engine().books(venue.account());
    let instruments = books.into_iter().flat_map(|books| books.instruments);
    instruments.map(|((id, _), book)| (id, book.gross)).collect()
}

/// On margin, where everything can be tried that Kraken takes.
fn desk() -> Result<Desk, Failed> {
    let now = "2026-11-20T14:00:00Z".parse()?;
    let line = Line::new("margin:XXBTZUSD", "90000.0", "900.0", "0.001").called("margin:BTC/USD");
    let mut venue = KrakenVenue::builder().starts_at(now).without_limits().build()?;
    line.quote(venue.engine_mut(), (-1, 1), line.lots(10_000), now);
    let account = venue.account_id();
    let connect = |context| Ok(Arc::new(KrakenBroker::new(config().with_context(context))?) as Arc<dyn Broker>);
    let places = |method: &str, path: &str| method == "POST" && path == "/0/private/AddOrder";
    Desk::over(share(venue), now, (account, line), connect, places)
}
