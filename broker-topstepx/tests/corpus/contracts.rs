//! Contracts, and the table of specifications.

use std::collections::BTreeMap;

use broker_core::model::{InstrumentStatus, Payoff};
use broker_core::{Broker, Currency, Instrument, InstrumentId, InstrumentQuery, futures};
use broker_topstepx::TopstepxBroker;

use super::common::{Stage, dec, enveloped, price, qty, usd};
use super::recorded;

/// All contracts of the recording, by id.
pub(super) fn contracts(body: &str) -> BTreeMap<InstrumentId, Instrument> {
    let stage = Stage::fixed(200, &enveloped("contracts", body));
    let all = stage.run(|broker| async move { broker.instruments(&InstrumentQuery::All).await.unwrap() });
    all.into_iter().map(|one| (one.id.clone(), one)).collect()
}

#[test]
fn all_contracts_agree_with_the_table() {
    let all = contracts(&recorded!("contracts_available_live_array.json"));
    assert_eq!(all.len(), 51);
    for (id, symbol, tick, multiplier) in [
        ("CON.F.US.EP.U26", "ESU26", "0.25", "50"),
        ("CON.F.US.ENQ.U26", "NQU26", "0.25", "20"),
        ("CON.F.US.MNQ.U26", "MNQU26", "0.25", "2"),
        ("CON.F.US.CLE.V26", "CLV26", "0.01", "1000"),
        ("CON.F.US.JY6.U26", "6JU26", "0.0000005", "12500000"),
        ("CON.F.US.GMET.Q26", "METQ26", "0.5", "0.1"),
        ("CON.F.US.TYA.U26", "ZNU26", "0.015625", "1000"),
        ("CON.F.US.FVA.U26", "ZFU26", "0.0078125", "1000"),
        ("CON.F.US.CA6.U26", "6CU26", "0.00005", "100000"),
        ("CON.F.US.GLE.V26", "LEV26", "0.025", "400"),
        ("CON.F.US.MCLE.V26", "MCLV26", "0.01", "100"),
    ] {
        let one = &all[&InstrumentId::from(id)];
        assert_eq!(one.symbol.get(), symbol);
        assert_eq!(one.ticks[0].tick, dec(tick), "{id}");
        assert_eq!(one.multiplier, Some(dec(multiplier)), "{id}");
        assert_eq!((one.payoff, one.currency), (Payoff::Margined, Currency::USD));
        assert_eq!(one.status, InstrumentStatus::Tradable);
    }
    assert_eq!(
        all[&InstrumentId::from("CON.F.US.EP.U26")].name.as_deref(),
        Some("E-Mini S&P 500: September 2026")
    );
    // What the wire states, and what the table of the core says, product by product.
    for (id, one) in &all {
        let spec = TopstepxBroker::spec(id).unwrap_or_else(|| panic!("{id} is not in the table"));
        assert_eq!(one.multiplier, Some(spec.multiplier.normalize()), "{id}");
        assert_eq!(one.ticks[0].tick, spec.tick, "{id}");
        assert_eq!(one.exchange.as_deref(), Some(spec.exchange), "{id}");
    }
    // One tick of ES is 12.50.
    let es = &all[&InstrumentId::from("CON.F.US.EP.U26")];
    assert_eq!(es.notional(qty("1"), price("0.25")), Some(usd("12.50")));
}

#[test]
fn an_expired_contract() {
    let body = recorded!("contract_search_by_id_doc.json");
    let stage = Stage::fixed(200, &body);
    let ids = InstrumentQuery::Ids(vec!["CON.F.US.ENQ.H25".into()]);
    let found = stage
        .run(|broker| async move { broker.instruments(&ids).await.unwrap() })
        .remove(0);
    assert_eq!((found.id.get(), found.symbol.get()), ("CON.F.US.ENQ.H25", "NQH25"));
    assert_eq!(found.multiplier, Some(dec("20")));
    assert_eq!(found.status, InstrumentStatus::Other("inactive".into()));
    assert_eq!(
        stage.sent(),
        [(
            "/api/Contract/searchById".to_owned(),
            r#"{"contractId":"CON.F.US.ENQ.H25"}"#.to_owned()
        )]
    );
}

#[test]
fn the_table_has_every_product_of_the_page() {
    for (symbol, root) in [
        ("ES", "EP"),
        ("NQ", "ENQ"),
        ("6E", "EU6"),
        ("ZN", "TYA"),
        ("MET", "GMET"),
        ("HE", "HE"),
    ] {
        assert_eq!(futures::by_root(symbol).unwrap().vendor_root, root);
    }
    assert_eq!(futures::SPECS.len(), 52);
}
