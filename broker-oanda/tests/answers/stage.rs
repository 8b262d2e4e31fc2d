//! A broker whose wire is a table of answers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use broker_core::model::Instrument;
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{AccountId, Context, Intent, Money, OrderRequest, Price, Qty};
use broker_oanda::{OandaBroker, OandaConfig};
use rust_decimal::Decimal;

pub(crate) const ACCOUNT: &str = "101-004-1435156-001";

pub(crate) fn account() -> AccountId {
    ACCOUNT.into()
}

pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub(crate) fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

pub(crate) fn money(amount: &str, currency: &str) -> Money {
    Money::new(dec(amount), currency.parse().unwrap())
}

pub(crate) fn at(text: &str) -> chrono::DateTime<chrono::Utc> {
    text.parse().unwrap()
}

/// A broker, what it asked, and its time.
pub(crate) struct Stage {
    pub(crate) runtime: VirtualRuntime,
    pub(crate) broker: OandaBroker,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

/// An account of our own: its home currency, and whether it hedges.
pub(crate) fn summary(account: &str, currency: &str, hedging: bool) -> String {
    format!(
        r#"{{"account":{{"id":"{account}","currency":"{currency}","createdTime":"2016-06-24T21:03:50.914647476Z",
        "hedgingEnabled":{hedging},"balance":"1000.0000","NAV":"1000.0000"}},"lastTransactionID":"9"}}"#
    )
}

/// Status and body by method and path, without the account; the first line whose text the request has.
type Lines = Vec<(&'static str, u16, String)>;

impl Stage {
    /// Over these answers; `None` of them is an error.
    pub(crate) fn of(account: &'static str, currency: &str, hedging: bool, lines: Lines) -> Self {
        let mut lines = lines;
        lines.push(("/summary", 200, summary(account, currency, hedging)));
        let names = format!(r#"{{"accounts":[{{"id":"{account}","tags":[]}}]}}"#);
        lines.push(("GET /v3/accounts?", 200, names));
        Self::bare(lines)
    }

    pub(crate) fn bare(lines: Lines) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let transport = MemoryTransport::new(move |request| {
            let query = request.uri().query().unwrap_or_default();
            let line = format!("{} {}?{query}", request.method(), request.uri().path());
            let body = String::from_utf8_lossy(request.body()).into_owned();
            log.lock().unwrap().push(format!("{line} {body}").trim_end().to_owned());
            let found = lines.iter().find(|(part, _, _)| line.contains(part));
            let (_, status, body) = found.unwrap_or_else(|| panic!("nobody answers {line}"));
            Ok(http::Response::builder()
                .status(*status)
                .body(body.clone().into())
                .unwrap())
        });
        let runtime = VirtualRuntime::starting_at(at("2026-01-07T12:00:00Z"));
        let clock = Arc::new(runtime.clock());
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
        let broker = OandaBroker::new(OandaConfig::new("token-of-no-worth").with_context(context)).unwrap();
        Self { runtime, broker, asked }
    }

    pub(crate) fn usual(lines: Lines) -> Self {
        Self::of(ACCOUNT, "EUR", false, lines)
    }

    pub(crate) fn last_asked(&self) -> String {
        self.asked.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

/// The recording's text; `None`, said aloud, without the collection.
pub(crate) fn recorded(name: &str) -> Option<String> {
    let folder = std::env::var_os("BROKER_CORPUS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let folder = folder.join("oanda");
    if !folder.is_dir() {
        println!(
            "SKIPPED {name}: no recorded answers at {} (set BROKER_CORPUS)",
            folder.display()
        );
        return None;
    }
    // The folder is there, so a missing file is a mistake.
    Some(std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// EUR/USD as OANDA lists it, for intents.
pub(crate) fn eur_usd() -> Instrument {
    let body = r#"{"instruments":[{"name":"EUR_USD","type":"CURRENCY","displayName":"EUR/USD","pipLocation":-4,
        "displayPrecision":5,"tradeUnitsPrecision":0,"minimumTradeSize":"1","maximumOrderUnits":"100000000",
        "marginRate":"0.05"}],"lastTransactionID":"1"}"#;
    let stage = Stage::usual(vec![("/instruments", 200, body.to_owned())]);
    let query = broker_core::InstrumentQuery::All;
    let found = stage
        .runtime
        .block_on(async { broker_core::Broker::instruments(&stage.broker, &query).await });
    found.unwrap().remove(0)
}

pub(crate) fn intent(id: &str, request: OrderRequest) -> Intent {
    Intent {
        id: id.into(),
        broker: "oanda".into(),
        environment: broker_core::model::Environment::Paper,
        account: account(),
        request,
        instrument: Arc::new(eur_usd()),
        replaces: None,
        created_at: at("2026-01-07T12:00:00Z"),
        mark: Some(broker_core::journal::Mark("9".to_owned())),
    }
}
