//! What Alpaca alone tells: settings, the curve of the equity, snapshots of shares. Recorded answers, where there are
//! any, are compared with values worked out by hand.

use crate::common::{Stage, at, dec, get, price, qty};
use broker_alpaca::venue::AlpacaVenue;
use broker_alpaca::{
    AccountConfigurations, AlpacaBroker, AlpacaConfig, Feed, MarketTrade, PortfolioHours, PortfolioPoint,
    PortfolioQuery, PortfolioStep,
};
use broker_core::model::{Candle, CandleQuery, Interval, Quote};
use broker_core::seam::{SeededRng, VirtualRuntime};
use broker_core::{Context, Currency, Delivery, ErrorKind, MarketData, Money};
use broker_testkit::fixtures::corpus;
use chrono::Duration;
use std::sync::Arc;

fn recorded(name: &str) -> Option<String> {
    Some(std::fs::read_to_string(corpus("alpaca")?.join(name)).unwrap())
}

fn usd(amount: &str) -> Option<Money> {
    Some(Money::new(dec(amount), Currency::USD))
}

fn configurations(body: &str) -> AccountConfigurations {
    let stage = Stage::new(vec![get("/v2/account/configurations", body)]);
    stage.run(|broker| async move { broker.configurations().await.unwrap() })
}

/// What both recordings say.
fn recorded_configurations() -> AccountConfigurations {
    AccountConfigurations {
        suspend_trade: Some(false),
        no_shorting: Some(false),
        fractional_trading: Some(true),
        max_margin_multiplier: Some(dec("4")),
        max_options_trading_level: Some(1),
        trade_confirm_email: Some("all".to_owned()),
        ptp_no_exception_entry: Some(false),
        disable_overnight_trading: None,
        pdt_check: None,
        dtbp_check: None,
    }
}

#[test]
fn settings_before_and_after_the_day_trade_rule() {
    let Some(body) = recorded("account_configurations_without_pdt_fields.json") else {
        return;
    };
    assert_eq!(configurations(&body), recorded_configurations());
    let with_rule = AccountConfigurations {
        pdt_check: Some("entry".to_owned()),
        dtbp_check: Some("entry".to_owned()),
        ..recorded_configurations()
    };
    assert_eq!(
        configurations(&recorded("account_configurations.json").unwrap()),
        with_rule
    );
}

#[test]
fn settings_that_an_answer_lacks_are_unknown() {
    let found = configurations(r#"{"suspend_trade":true,"max_options_trading_level":null,"dtbp_check":""}"#);
    let nothing = AccountConfigurations {
        suspend_trade: Some(true),
        no_shorting: None,
        fractional_trading: None,
        max_margin_multiplier: None,
        max_options_trading_level: None,
        trade_confirm_email: None,
        ptp_no_exception_entry: None,
        disable_overnight_trading: None,
        pdt_check: None,
        dtbp_check: None,
    };
    assert_eq!(found, nothing);
}

#[test]
fn settings_of_the_venue() {
    let runtime = VirtualRuntime::starting_at(at("2026-11-20T15:00:00Z"));
    let clock = Arc::new(runtime.clock());
    let rng = Arc::new(SeededRng::new(1));
    let venue = AlpacaVenue::builder()
        .starts_at(at("2026-11-20T15:00:00Z"))
        .build()
        .unwrap();
    let transport = venue.transport(clock.clone(), rng.clone(), clock.clone());
    let context = Context::new(clock.clone(), rng, clock, transport);
    let config = AlpacaConfig::new(AlpacaVenue::KEY_ID, AlpacaVenue::SECRET_KEY).with_context(context);
    let broker = AlpacaBroker::new(config).unwrap();
    let found = runtime.block_on(broker.configurations()).unwrap();
    // The venue's own account is one with margin.
    assert_eq!(
        (found.no_shorting, found.max_margin_multiplier, found.suspend_trade),
        (Some(false), Some(dec("2")), Some(false))
    );
    assert_eq!((found.pdt_check, found.max_options_trading_level), (None, Some(3)));
    // The curve of the equity is not served there.
    let query = PortfolioQuery::last_days(5, PortfolioStep::Day);
    let error = runtime.block_on(broker.portfolio_history(&query)).unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::NotFound, Some(404)));
}

/// How often a read is tried.
const ATTEMPTS: usize = 4;

const CURVE: &str = "/v2/account/portfolio/history";

#[test]
fn a_recorded_curve_of_milliseconds() {
    let Some(body) = recorded("portfolio_history.json") else {
        return;
    };
    let line = format!("{CURVE}?start=2020-02-04T14%3A30%3A00Z&end=2020-02-04T15%3A15%3A00Z&timeframe=15Min");
    let stage = Stage::new(vec![get(&line, body)]);
    let (since, until) = (at("2020-02-04T14:30:00Z"), at("2020-02-04T15:15:00Z"));
    let query = PortfolioQuery::between(since, until, PortfolioStep::QuarterHour);
    let found = stage.run(|broker| async move { broker.portfolio_history(&query).await.unwrap() });
    let point = |time: &str, equity, profit, part| PortfolioPoint {
        at: at(time),
        equity: usd(equity),
        profit_loss: usd(profit),
        profit_loss_part: Some(dec(part)),
    };
    assert_eq!(
        found.points,
        [
            point("2020-02-04T14:30:00Z", "27423.73", "11.8", "0.000430469507254688"),
            point("2020-02-04T14:45:00Z", "27408.19", "-3.74", "-0.0001364369455197062"),
            point("2020-02-04T15:00:00Z", "27515.97", "104.04", "0.0037954277571845543"),
        ]
    );
    // 27411.93 + 11.8 = 27423.73: profits are counted from the base.
    assert_eq!((found.base, found.base_on), (usd("27411.93"), None));
    assert_eq!((found.step.as_str(), found.cash_flows.len()), ("15Min", 0));
}

#[test]
fn a_curve_of_seconds_with_gaps_and_cash_flows() {
    let body = r#"{"timestamp":[1775606400,1775692800],"equity":[8425.21,null],"profit_loss":[12.17,null],
        "profit_loss_pct":[1.4210854715202004e-14,null],"base_value":"8413.04","base_value_asof":"2026-04-06",
        "timeframe":"1D","cashflow":{"CSD":[9.93,0],"DIV":[0,null]}}"#;
    let line = format!("{CURVE}?period=2D&timeframe=1D&intraday_reporting=continuous&cashflow_types=ALL");
    let stage = Stage::new(vec![get(&line, body)]);
    let query = PortfolioQuery::last_days(2, PortfolioStep::Day)
        .with_hours(PortfolioHours::Continuous)
        .with_cash_flows();
    let found = stage.run(|broker| async move { broker.portfolio_history(&query).await.unwrap() });
    let (first, second) = (found.points[0], found.points[1]);
    assert_eq!(
        (first.at, first.equity, first.profit_loss),
        (at("2026-04-08T00:00:00Z"), usd("8425.21"), usd("12.17"))
    );
    // Thirty digits behind the point: not kept, and not rounded.
    assert_eq!(first.profit_loss_part, None);
    assert_eq!(
        (second.at, second.equity, second.profit_loss),
        (at("2026-04-09T00:00:00Z"), None, None)
    );
    assert_eq!((found.base, found.base_on), (usd("8413.04"), "2026-04-06".parse().ok()));
    assert_eq!(found.cash_flows["CSD"], [usd("9.93"), usd("0")]);
    assert_eq!(found.cash_flows["DIV"], [usd("0"), None]);
}

#[test]
fn columns_of_different_lengths_and_spans_without_length_are_refused() {
    let body = r#"{"timestamp":[1,2],"equity":[1],"profit_loss":[1,2],"profit_loss_pct":[1,2],"timeframe":"1D"}"#;
    // An answer that cannot be read is asked for again, as every read; it stays what it is.
    let attempts = (0..ATTEMPTS).map(|_| get(&format!("{CURVE}?period=1D&timeframe=1D"), body));
    let stage = Stage::new(attempts.collect());
    let error = stage.run(|broker| async move {
        let query = PortfolioQuery::last_days(1, PortfolioStep::Day);
        broker.portfolio_history(&query).await.unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Decode);
    let now = at("2026-11-20T15:00:00Z");
    for query in [
        PortfolioQuery::last_days(0, PortfolioStep::Minute),
        PortfolioQuery::between(now, now, PortfolioStep::Hour),
    ] {
        let stage = Stage::new(Vec::new());
        let error = stage.run(|broker| async move { broker.portfolio_history(&query).await.unwrap_err() });
        assert_eq!(
            (error.kind(), error.delivery()),
            (ErrorKind::InvalidRequest, Delivery::NotSent)
        );
        assert!(stage.sent.lock().unwrap().is_empty());
    }
}

#[test]
fn a_recorded_snapshot() {
    let Some(body) = recorded("data_stock_snapshot.json") else {
        return;
    };
    let stage = Stage::new(vec![get("/v2/stocks/snapshots?symbols=AAPL%2CNONE", body)]);
    let found =
        stage.run(|broker| async move { broker.stock_snapshots(&["AAPL".into(), "NONE".into()]).await.unwrap() });
    assert_eq!(found.len(), 1);
    let apple = &found[0];
    assert_eq!((apple.instrument.get(), apple.symbol.get()), ("AAPL", "AAPL"));
    let trade = MarketTrade {
        price: price("161.1998"),
        qty: qty("200"),
        at: at("2022-03-18T14:33:58.448432206Z"),
    };
    assert_eq!(apple.trade, Some(trade));
    // Round lots of an unknown size, in those days.
    let quote = Quote {
        instrument: "AAPL".into(),
        symbol: "AAPL".into(),
        bid: Some(price("161.19")),
        bid_size: None,
        ask: Some(price("161.2")),
        ask_size: None,
        at: Some(at("2022-03-18T14:33:58.547942Z")),
    };
    assert_eq!(apple.quote, Some(quote));
    let bar = |start: &str, [open, high, low, close]: [&str; 4], volume| Candle {
        instrument: "AAPL".into(),
        start: at(start),
        open: price(open),
        high: price(high),
        low: price(low),
        close: price(close),
        volume: Some(dec(volume)),
        complete: true,
    };
    let minute = bar(
        "2022-03-18T14:32:00Z",
        ["161.595", "161.63", "161.31", "161.365"],
        "195503",
    );
    let day = bar(
        "2022-03-18T04:00:00Z",
        ["160.59", "161.92", "159.76", "161.365"],
        "31749988",
    );
    let before = bar("2022-03-17T04:00:00Z", ["158.6", "161", "157.63", "160.62"], "73839892");
    assert_eq!(
        (&apple.minute, &apple.day, &apple.previous_day),
        (&Some(minute), &Some(day), &Some(before))
    );
}

#[test]
fn what_a_snapshot_lacks_is_unknown() {
    let body = r#"{"AAPL":{"latestTrade":null,"dailyBar":{"t":"2026-01-01T05:00:00Z","o":1,"h":2,"l":0.5,"c":1.50,"v":7}},
        "MSFT":null}"#;
    let line = "/v2/stocks/snapshots?symbols=AAPL%2CMSFT&feed=delayed_sip";
    let config = AlpacaConfig::new("PKTESTTESTTESTTEST01", "not-a-secret").with_feed(Feed::DelayedSip);
    let stage = Stage::with(config, vec![get(line, body)]);
    let found =
        stage.run(|broker| async move { broker.stock_snapshots(&["AAPL".into(), "MSFT".into()]).await.unwrap() });
    assert_eq!(found.len(), 1);
    let nothing = (
        &found[0].trade,
        &found[0].quote,
        &found[0].minute,
        &found[0].previous_day,
    );
    assert_eq!(nothing, (&None, &None, &None, &None));
    let day = found[0].day.as_ref().unwrap();
    assert_eq!((day.close.to_string(), day.complete), ("1.50".to_owned(), false));
}

/// Bars have no delayed feed; the others have, and coins have no feeds at all.
#[test]
fn bars_of_the_delayed_feed_are_refused_with_nothing_sent() {
    let delayed = || AlpacaConfig::new("PKTESTTESTTESTTEST01", "not-a-secret").with_feed(Feed::DelayedSip);
    let (since, until) = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
    let stage = Stage::with(delayed(), Vec::new());
    let query = CandleQuery::new("AAPL".into(), Interval::Day, since, until);
    let error = stage.run(|broker| async move { broker.candles(&query, None).await.unwrap_err() });
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Unsupported, Delivery::NotSent)
    );
    assert!(error.to_string().contains("delayed_sip"), "{error}");
    assert!(stage.sent.lock().unwrap().is_empty());

    let line = "/v2/stocks/quotes/latest?symbols=AAPL&feed=delayed_sip";
    let stage = Stage::with(delayed(), vec![get(line, r#"{"quotes":{}}"#)]);
    stage.run(|broker| async move { broker.quotes(&["AAPL".into()]).await.unwrap() });

    let line = "/v1beta3/crypto/us/bars?symbols=BTC%2FUSD&timeframe=1Day&start=2026-01-01T00%3A00%3A00Z\
                &end=2026-01-02T00%3A00%3A00Z&limit=10000&sort=asc";
    let stage = Stage::with(delayed(), vec![get(line, r#"{"bars":{},"next_page_token":null}"#)]);
    let query = CandleQuery::new("BTC/USD".into(), Interval::Day, since, since + Duration::days(1));
    let page = stage.run(|broker| async move { broker.candles(&query, None).await.unwrap() });
    assert_eq!(page.rows, []);
}
