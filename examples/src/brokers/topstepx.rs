//! TopstepX: futures. Its practice account is on the real hosts, so with credentials those are asked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_core::{AccountId, Broker, Currency, InstrumentId, OrderRequest, Side};
use broker_sim::wire::{WireLimit, share};
use broker_sim::{AccountSpec, FeeSchedule, Mix};
use broker_testkit::campaign::Line;
use broker_topstepx::venue::TopstepxVenue;
use broker_topstepx::{TopstepxBroker, TopstepxConfig};
use rust_decimal::Decimal;

use super::{Desk, Failed, Known, Local, history};

pub(super) const KNOWN: Known = Known {
    name: "topstepx",
    title: "TopstepX",
    variables: &["TOPSTEPX_USER_NAME", "TOPSTEPX_API_KEY"],
    signs_in_with: &[
        ("TOPSTEPX_USER_NAME", TopstepxVenue::USER_NAME),
        ("TOPSTEPX_API_KEY", TopstepxVenue::API_KEY),
    ],
    from_env: || Ok(TopstepxBroker::new(TopstepxConfig::from_env()?)?.handle()),
    bare: || Ok(TopstepxBroker::new(TopstepxConfig::new("any", "any"))?.handle()),
    lived: || Box::pin(lived()),
    desk,
};

/// The engine's name of the account that has lived.
const LIVED: &str = "LIVED";

fn config() -> TopstepxConfig {
    TopstepxConfig::new(TopstepxVenue::USER_NAME, TopstepxVenue::API_KEY)
}

async fn lived() -> Result<Local, Failed> {
    let (plan, now) = history(3_000, 17)?;
    let spec = AccountSpec::margin(LIVED, Currency::USD)
        .with_stated_pnl()
        .with_fees(FeeSchedule::us_retail());
    let mix = Mix {
        shares: 0,
        options: 0,
        crypto: 0,
        forex: 0,
        futures: 1,
    };
    // Announces more than 200 a minute: an example need not wait.
    let limit = || vec![WireLimit::sliding(6_000, Duration::from_secs(60))];
    let venue = TopstepxVenue::builder()
        .history(&plan.with_mix(mix).with_account(spec))?
        .limits(limit(), limit())
        .build()?;
    let connect = |url: url::Url, context| {
        let hubs = url
            .join("hubs")
            .map_err(|_| broker_core::Error::config("no address of hubs"))?;
        let config = config().with_urls(url, hubs).with_limits(6_000, 6_000);
        Ok(TopstepxBroker::new(config.with_context(context))?.handle())
    };
    Local::serve(venue, now, connect, realized).await
}

fn realized(venue: &TopstepxVenue) -> BTreeMap<InstrumentId, Decimal> {
    let books = venue.engine().books(&AccountId::from(LIVED));
    let instruments = books.into_iter().flat_map(|books| books.instruments);
    instruments
        .filter_map(|((id, _), book)| Some((venue.contract_id(&id)?, book.gross)))
        .collect()
}

fn desk() -> Result<Desk, Failed> {
    let now = "2026-11-18T15:00:00Z".parse()?;
    let own = AccountId::from("DESK");
    let catalogue = broker_sim::Catalogue::standard();
    let mut engine = broker_sim::Engine::new(7, &catalogue, now);
    engine.open_account(AccountSpec::margin(own.clone(), Currency::USD), now)?;
    engine.deposit(&own, broker_core::Money::new(10_000_000.into(), Currency::USD), now)?;
    // The engine's name of the contract is what people write.
    let line = Line::new("ESH27", "6000.00", "50.00", "1");
    let mut venue = TopstepxVenue::builder()
        .engine(engine)
        .practice_account(own.clone())
        .limits(Vec::new(), Vec::new())
        .build()?;
    line.quote(venue.engine_mut(), (-1, 1), line.lots(10_000), now);
    let held = OrderRequest::market(line.symbol.clone(), Side::Buy, line.lots(10));
    let _ = venue.engine_mut().place(&own, &held, None, now);
    let account = venue.account_id(&own).ok_or("the venue has the account")?;
    let connect = |context| {
        let config = config().with_limits(100_000, 100_000).with_context(context);
        Ok(Arc::new(TopstepxBroker::new(config)?) as Arc<dyn Broker>)
    };
    let places = |method: &str, path: &str| method == "POST" && path == "/api/Order/place";
    Desk::over(share(venue), now, (account, line), connect, places)
}
