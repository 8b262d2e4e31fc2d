//! Accounts, instruments, positions and trades.

use broker_core::model::{AssetClass, OrderKind, PositionLeg, PositionMode};
use broker_core::{Broker, InstrumentQuery, Side};

use super::super::stage::{ACCOUNT, Stage, account, at, dec, money, price, qty, recorded};
use super::part;

#[test]
fn accounts_of_a_token() {
    let (names, summary) = (body!("accounts_list.json"), body!("account_summary.json"));
    let stage = Stage::bare(vec![("/summary", 200, summary), ("GET /v3/accounts?", 200, names)]);
    let found = stage.runtime.block_on(stage.broker.accounts()).unwrap().remove(0);
    assert_eq!(found.id.get(), "000-000-0000000-000");
    assert_eq!(found.name.unwrap().get(), "Primary");
    assert_eq!(
        (found.currency.code(), found.position_mode),
        ("USD", PositionMode::Netting)
    );
    assert_eq!(found.opened_at, Some(at("2017-01-01T00:00:00Z")));
    assert_eq!(found.access.trade, None);
    let balances = stage.runtime.block_on(stage.broker.balances(&found.id)).unwrap();
    assert_eq!(balances.balances[0].total, dec("100000.0000"));
    assert_eq!(balances.balances[0].available, Some(dec("100000.0000")));
    assert_eq!(balances.equity, Some(money("100000.0000", "USD")));
    assert_eq!(balances.unrealized_pnl, Some(money("0", "USD")));
}

fn balances(id: &'static str, body: String) -> broker_core::Balances {
    let names = format!(r#"{{"accounts":[{{"id":"{id}","tags":[]}}]}}"#);
    let stage = Stage::bare(vec![("/summary", 200, body), ("GET /v3/accounts?", 200, names)]);
    stage.runtime.block_on(stage.broker.balances(&id.into())).unwrap()
}

#[test]
fn balances_of_accounts() {
    let full = balances("000-000-0000000-000", body!("account_full.json"));
    assert_eq!(full.realized_pnl, Some(money("25.0000", "USD")));
    assert_eq!(full.margin_used, Some(money("0.0000", "USD")));
    let euros = balances(ACCOUNT, body!("v2016_account_summary_eur.json"));
    assert_eq!(euros.balances[0].total, dec("35454.4740"));
    assert_eq!(euros.margin_used, Some(money("10581.5000", "EUR")));
    assert_eq!(euros.margin_available, Some(money("24872.9740", "EUR")));
    assert_eq!(euros.realized_pnl, Some(money("-13840.3525", "EUR")));
    // NAV = balance + unrealizedPL, to the last digit.
    let index = balances(ACCOUNT, body!("v2016_account_full_hedged_index.json"));
    assert_eq!(index.equity, Some(money("49377.6580", "EUR")));
    assert_eq!(
        index.balances[0].total + index.unrealized_pnl.unwrap().amount,
        index.equity.unwrap().amount
    );
}

#[test]
fn instruments_and_their_steps() {
    let stage = Stage::usual(vec![("/instruments", 200, body!("instruments_all.json"))]);
    let all = stage
        .runtime
        .block_on(stage.broker.instruments(&InstrumentQuery::All))
        .unwrap();
    assert_eq!(all.len(), 70);
    let find = |id: &str| all.iter().find(|one| one.id.get() == id).unwrap();
    let eur = find("EUR_USD");
    assert_eq!((eur.symbol.get(), eur.name.as_deref()), ("EUR/USD", Some("EUR/USD")));
    assert_eq!((eur.currency.code(), eur.base.unwrap().code()), ("USD", "EUR"));
    assert_eq!(
        (eur.ticks[0].tick, eur.lot, eur.pip()),
        (dec("0.00001"), Some(dec("1")), Some(dec("0.0001")))
    );
    assert_eq!((eur.multiplier, eur.max_qty), (Some(dec("1")), Some(qty("100000000"))));
    assert_eq!(eur.margin.as_ref().unwrap().long_rate, Some(dec("1")));
    let yen = find("USD_JPY");
    assert_eq!((yen.ticks[0].tick, yen.pip()), (dec("0.001"), Some(dec("0.01"))));
    assert_eq!(yen.asset_class, AssetClass::Forex);

    let stage = Stage::usual(vec![("/instruments", 200, body!("v2016_instruments_cfd.json"))]);
    let query = InstrumentQuery::Symbols(vec!["DE30_EUR".into(), "EUR/CHF".into(), "no/thing".into()]);
    let found = stage.runtime.block_on(stage.broker.instruments(&query)).unwrap();
    let names: Vec<_> = found.iter().map(|one| (one.id.get(), one.symbol.get())).collect();
    assert_eq!(names, [("EUR_CHF", "EUR/CHF"), ("DE30_EUR", "DE30_EUR")]);
    let index = &found[1];
    assert_eq!(
        (index.asset_class.clone(), index.currency.code(), index.base),
        (AssetClass::Cfd, "EUR", None)
    );
    assert_eq!(
        (index.ticks[0].tick, index.pip(), index.max_qty),
        (dec("0.1"), Some(dec("1")), Some(qty("2500")))
    );
}

#[test]
fn positions_with_a_long_and_a_short_side() {
    for body in [body!("positions_list.json"), {
        let single = body!("position_single.json");
        format!(
            r#"{{"positions":[{}],"lastTransactionID":"1"}}"#,
            part(&single, &["position"])
        )
    }] {
        let stage = Stage::usual(vec![("/openPositions", 200, body)]);
        assert_eq!(
            stage.runtime.block_on(stage.broker.positions(&account())).unwrap(),
            [],
            "flat ones are left out"
        );
    }
    let stage = Stage::usual(vec![("/openPositions", 200, body!("v2016_positions_list.json"))]);
    let open = stage.runtime.block_on(stage.broker.positions(&account())).unwrap();
    let [index] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!(
        (index.instrument.get(), index.side, index.qty),
        ("DE30_EUR", Side::Sell, qty("20"))
    );
    assert_eq!(
        (index.leg, index.average_price),
        (PositionLeg::Net, Some(price("10581.5")))
    );
    assert_eq!(index.unrealized_pnl, Some(money("870.0000", "EUR")));
    assert_eq!(index.realized_pnl, Some(money("-13959.3000", "EUR")));
    // A hedging account has legs.
    let single = part(&body!("v2016_position_short.json"), &["position"]);
    let body = format!(r#"{{"positions":[{single}],"lastTransactionID":"1"}}"#);
    let stage = Stage::of(ACCOUNT, "EUR", true, vec![("/openPositions", 200, body)]);
    let open = stage.runtime.block_on(stage.broker.positions(&account())).unwrap();
    assert_eq!((open[0].leg, open[0].signed_qty()), (PositionLeg::Short, dec("-100")));
    assert_eq!(
        (open[0].average_price, open[0].unrealized_pnl),
        (Some(price("1.09843")), Some(money("-0.0738", "EUR")))
    );
}

#[test]
fn open_trades() {
    let trades = |body: String| {
        let stage = Stage::usual(vec![("/openTrades", 200, body)]);
        stage.runtime.block_on(stage.broker.open_trades(&account())).unwrap()
    };
    let open = trades(body!("trades_open.json")).remove(0);
    assert_eq!(
        (open.id.get(), open.price, open.qty),
        ("1", price("1.13387"), qty("100"))
    );
    assert_eq!(
        (open.side, open.unrealized_pnl),
        (Side::Buy, Some(money("-0.0140", "EUR")))
    );
    let stopped = trades(body!("trades_list_with_stop_loss.json")).remove(0);
    let stop = stopped.stop_loss.unwrap();
    assert_eq!(
        (stop.id.get(), stop.kind, stop.price),
        ("2", OrderKind::Stop, Some(price("1.10000")))
    );
    assert_eq!(stopped.take_profit, None);
    let old = trades(body!("v2016_trades_list.json"));
    assert_eq!(old[0].id.get(), "2315");
    assert_eq!(
        (old[0].symbol.get(), old[0].unrealized_pnl),
        ("DE30_EUR", Some(money("25.0000", "EUR")))
    );
    assert_eq!(
        (old[1].symbol.get(), old[1].opened_at),
        ("EUR/USD", at("2016-10-28T14:27:19.011002322Z"))
    );
}
