//! Assets, contracts, clock, calendar, quotes and bars.

use super::*;

#[test]
fn assets_and_option_contracts() {
    let body = recorded!("assets_list_us_equity.json");
    let stage = Stage::new(vec![
        get("/v2/assets?asset_class=us_equity&status=active", body),
        get("/v2/assets?asset_class=crypto&status=active", "[]"),
    ]);
    let found = stage.run(|broker| async move { broker.instruments(&InstrumentQuery::All).await.unwrap() });
    assert_eq!(found.len(), 1);
    let share = &found[0];
    assert_eq!((share.id.get(), &share.asset_class), ("AAPL", &AssetClass::Stock));
    assert_eq!(share.name.as_deref(), Some("Apple Inc. Common Stock"));
    assert_eq!(
        (share.exchange.as_deref(), share.shortable),
        (Some("NASDAQ"), Some(true))
    );
    assert_eq!(
        (share.lot, share.multiplier),
        (Some(dec("0.000000001")), Some(dec("1")))
    );
    assert_eq!(share.tick_at(price("0.9999")), Some(dec("0.0001")));
    assert_eq!(share.tick_at(price("1.00")), Some(dec("0.01")));

    let line = "/v2/options/contracts/AAPL231103C00170000";
    let option = instrument(line, "AAPL231103C00170000", &recorded!("option_contract_single.json"));
    assert_eq!(
        (&option.asset_class, &option.status),
        (&AssetClass::Option, &InstrumentStatus::Tradable)
    );
    let terms = option.option.as_ref().unwrap();
    assert_eq!((terms.underlying.get(), terms.right), ("AAPL", OptionRight::Call));
    assert_eq!(
        (terms.strike, terms.style),
        (price("170"), Some(ExerciseStyle::American))
    );
    assert_eq!(terms.expires_on.to_string(), "2023-11-03");
    // The answer states `size`, which is no multiplier.
    assert_eq!((option.multiplier, option.lot), (None, Some(dec("1"))));

    let line = "/v2/options/contracts?underlying_symbols=AAPL&expiration_date_gte=2023-11-01\
                &expiration_date_lte=2023-11-30&limit=10000";
    let stage = Stage::new(vec![get(line, recorded!("option_contracts_page.json"))]);
    let page = stage.run(|broker| async move {
        let (first, last) = ("2023-11-01".parse().unwrap(), "2023-11-30".parse().unwrap());
        broker
            .option_contracts(&"AAPL".into(), first, last, None)
            .await
            .unwrap()
    });
    assert_eq!((page.rows, page.next, page.proof), (vec![option], None, Proof::Short));
}

#[test]
fn clock_and_calendar() {
    let stage = Stage::new(vec![get("/v2/clock", recorded!("clock_closed.json"))]);
    let probe = stage.run(|broker| async move { broker.probe().await.unwrap() });
    assert_eq!(probe.server_time, Some(at("2022-05-16T20:32:24.14373588Z")));

    let line = "/v2/calendar?start=2022-05-15&end=2022-05-18";
    let stage = Stage::new(vec![get(line, recorded!("calendar_days.json"))]);
    let (since, until) = (at("2022-05-16T00:00:00Z"), at("2022-05-18T00:00:00Z"));
    let hours = stage.run(|broker| async move { broker.hours(&"AAPL".into(), since, until).await.unwrap() });
    let session = |opens: &str, closes: &str, extended| Session {
        opens_at: at(opens),
        closes_at: at(closes),
        extended,
    };
    assert_eq!(
        hours,
        Hours::Sessions(vec![
            session("2022-05-16T08:00:00Z", "2022-05-16T13:30:00Z", true),
            session("2022-05-16T13:30:00Z", "2022-05-16T20:00:00Z", false),
            session("2022-05-16T20:00:00Z", "2022-05-17T00:00:00Z", true),
            session("2022-05-17T08:00:00Z", "2022-05-17T13:30:00Z", true),
            session("2022-05-17T13:30:00Z", "2022-05-17T20:00:00Z", false),
            session("2022-05-17T20:00:00Z", "2022-05-18T00:00:00Z", true),
        ])
    );
}

#[test]
fn quotes_of_each_kind() {
    let line = "/v2/stocks/quotes/latest?symbols=AAPL";
    let found = quotes(line, "AAPL", &recorded!("data_stock_latest_quote.json"));
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].bid, found[0].ask),
        (Some(price("161.1")), Some(price("161.11")))
    );
    assert_eq!(found[0].at, Some(at("2022-03-18T14:02:43.651613184Z")));
    // Round lots of an unknown size, in those days.
    assert_eq!((found[0].bid_size, found[0].ask_size), (None, None));

    let line = "/v1beta3/crypto/us/latest/quotes?symbols=BTC%2FUSD";
    let found = quotes(line, "BTC/USD", &recorded!("data_crypto_latest_quote.json"));
    assert_eq!(
        (found[0].instrument.get(), found[0].bid),
        ("BTC/USD", Some(price("40517.08")))
    );
    assert_eq!(
        (found[0].bid_size, found[0].ask_size),
        (Some(qty("4.0178")), Some(qty("1.5516")))
    );

    let line = "/v1beta1/options/quotes/latest?symbols=AAPL240126P00050000";
    let found = quotes(line, "AAPL240126P00050000", &recorded!("data_option_latest_quote.json"));
    assert_eq!(
        (found[0].bid, found[0].bid_size),
        (Some(price("0.05")), Some(qty("1344")))
    );
    assert_eq!(
        (found[0].ask, found[0].ask_size),
        (Some(price("0.06")), Some(qty("1593")))
    );

    let line = "/v1beta1/options/quotes/latest?symbols=SPXW240327P04925000";
    let found = quotes(
        line,
        "SPXW240327P04925000",
        &recorded!("data_option_latest_quote_index.json"),
    );
    assert_eq!((found[0].bid, found[0].ask), (Some(price("11.4")), Some(price("11.7"))));

    let line = "/v2/stocks/quotes/latest?symbols=NONE";
    assert_eq!(quotes(line, "NONE", &recorded!("data_stock_quotes_empty.json")), []);
}

/// Reads one page of bars and compares it.
fn bars(line: &str, query: &CandleQuery, body: String, expected: &[Bar], token: Option<&str>) {
    let stage = Stage::new(vec![get(line, body)]);
    let page = stage.run(|broker| async move { broker.candles(query, None).await.unwrap() });
    assert_eq!(page.rows.len(), expected.len());
    for (candle, (start, [open, high, low, close], volume)) in page.rows.iter().zip(expected) {
        assert_eq!((&candle.instrument, candle.start), (&query.instrument, at(start)));
        assert_eq!((candle.open, candle.high), (price(open), price(high)));
        assert_eq!((candle.low, candle.close), (price(low), price(close)));
        assert_eq!((candle.volume, candle.complete), (Some(dec(volume)), true));
    }
    let next = token.map(|token| format!("1:{token:?}"));
    assert_eq!(page.next.as_ref().map(|cursor| cursor.as_str()), next.as_deref());
    assert_eq!(
        page.proof,
        if token.is_some() {
            Proof::Contiguous
        } else {
            Proof::Short
        }
    );
}

#[test]
fn bars_of_each_kind() {
    let day = |id: &str| {
        let (since, until) = (at("2022-02-01T00:00:00Z"), at("2022-04-01T00:00:00Z"));
        CandleQuery::new(id.into(), Interval::Day, since, until)
    };
    let span = "timeframe=1Day&start=2022-02-01T00%3A00%3A00Z&end=2022-04-01T00%3A00%3A00Z&limit=10000&sort=asc";
    let stock = |symbol: &str| format!("/v2/stocks/bars?symbols={symbol}&{span}&adjustment=raw");
    let crypto = |symbol: &str| format!("/v1beta3/crypto/us/bars?symbols={symbol}&{span}");
    let two: &[Bar] = &[
        (
            "2022-02-01T05:00:00Z",
            ["174", "174.84", "172.31", "174.61"],
            "85998033",
        ),
        (
            "2022-02-02T05:00:00Z",
            ["174.64", "175.88", "173.33", "175.84"],
            "84817432",
        ),
    ];
    let body = recorded!("data_stock_bars_single_symbol.json");
    let token = "QUFQTHxEfDIwMjItMDItMDJUMDU6MDA6MDAuMDAwMDAwMDAwWg==";
    bars(&stock("AAPL"), &day("AAPL"), body, two, Some(token));
    let apple: &[Bar] = &[(
        "2022-03-09T05:00:00Z",
        ["161.51", "163.41", "159.41", "162.95"],
        "88496480",
    )];
    let tesla: &[Bar] = &[(
        "2022-03-09T05:00:00Z",
        ["839", "860.56", "832.01", "858.97"],
        "19227323",
    )];
    let body = recorded!("data_stock_bars_multi_symbol.json");
    bars(&stock("AAPL"), &day("AAPL"), body.clone(), apple, None);
    bars(&stock("TSLA"), &day("TSLA"), body, tesla, None);
    let body = recorded!("data_crypto_bars.json");
    bars(&crypto("BTC%2FUSD"), &day("BTC/USD"), body.clone(), apple, None);
    bars(&crypto("ETH%2FUSD"), &day("ETH/USD"), body, tesla, None);

    let (since, until) = (at("2024-03-12T13:00:00Z"), at("2024-03-12T15:00:00Z"));
    let query = CandleQuery::new("SPY240426C00555000".into(), Interval::Hours(1), since, until);
    let line = "/v1beta1/options/bars?symbols=SPY240426C00555000&timeframe=1Hour&start=2024-03-12T13%3A00%3A00Z\
                &end=2024-03-12T15%3A00%3A00Z&limit=10000&sort=asc";
    let two: &[Bar] = &[
        ("2024-03-12T13:00:00Z", ["0.24", "0.24", "0.21", "0.21"], "21"),
        ("2024-03-12T14:00:00Z", ["0.25", "0.3", "0.25", "0.3"], "3"),
    ];
    let token = "U1BZMjQwNDI2QzAwNTU1MDAwfE18MTcxMDI1NDM0MDAwMDAwMDAwMA==";
    bars(
        line,
        &query,
        recorded!("data_option_bars_page_with_token.json"),
        two,
        Some(token),
    );
}
