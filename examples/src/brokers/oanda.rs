//! OANDA: currency pairs and metals.

use std::collections::BTreeMap;
use std::sync::Arc;

use broker_core::{Broker, Currency, InstrumentId, OrderRequest, Side};
use broker_oanda::venue::{OandaVenue, OandaVenueBuilder};
use broker_oanda::{OandaBroker, OandaConfig};
use broker_sim::wire::share;
use broker_testkit::campaign::Line;
use rust_decimal::Decimal;

use super::{Desk, Failed, Known, Local, history};

pub(super) const KNOWN: Known = Known {
    name: "oanda",
    title: "OANDA",
    variables: &["OANDA_API_TOKEN"],
    signs_in_with: &[("OANDA_API_TOKEN", OandaVenue::TOKEN)],
    from_env: || Ok(OandaBroker::new(OandaConfig::from_env()?)?.handle()),
    bare: || Ok(OandaBroker::new(OandaConfig::new("any"))?.handle()),
    lived: || Box::pin(lived()),
    desk,
};

async fn lived() -> Result<Local, Failed> {
    let (plan, now) = history(3_000, 20)?;
    let spec = OandaVenueBuilder::spec(OandaVenue::ACCOUNT, Currency::USD);
    let venue = OandaVenue::builder()
        .history(&plan.with_symbols(8).with_account(spec))?
        .build()?;
    let connect = |url: url::Url, context| {
        let config = OandaConfig::new(OandaVenue::TOKEN).with_base_url(url.clone());
        let config = config.with_stream_url(url).with_context(context);
        Ok(OandaBroker::new(config)?.handle())
    };
    Local::serve(venue, now, connect, realized).await
}

/// In the currency of each pair, as its books are folded.
fn realized(venue: &OandaVenue) -> BTreeMap<InstrumentId, Decimal> {
    let books = venue.engine().books(venue.account());
    let instruments = books.into_iter().flat_map(|books| books.instruments);
    instruments
        .map(|((id, _), book)| (id.get().replace('/', "_").into(), book.gross))
        .collect()
}

fn desk() -> Result<Desk, Failed> {
    let now = "2026-11-18T15:00:00Z".parse()?;
    let line = Line::new("EUR/USD", "1.08000", "0.01000", "100");
    let mut venue = OandaVenue::builder().starts_at(now).limits(Vec::new()).build()?;
    let account = venue.account().clone();
    line.quote(venue.engine_mut(), (-1, 1), line.lots(10_000), now);
    let held = OrderRequest::market(line.symbol.clone(), Side::Buy, line.lots(100));
    let _ = venue.engine_mut().place(&account, &held, None, now);
    let connect = |context| {
        let config = OandaConfig::new(OandaVenue::TOKEN).with_context(context);
        Ok(Arc::new(OandaBroker::new(config)?) as Arc<dyn Broker>)
    };
    let places = |method: &str, path: &str| method == "POST" && path.ends_with("/orders");
    Desk::over(share(venue), now, (account, line), connect, places)
}
