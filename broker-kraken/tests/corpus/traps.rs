//! What other clients of Kraken stumbled over, on answers written after its pages.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::ext::BrokerExt;
use broker_core::model::{CandleQuery, Interval, OrderChange};
use broker_core::seam::{MemoryTransport, SeededRng, VirtualRuntime};
use broker_core::{
    Broker, Context, ErrorKind, HistoryQuery, InstrumentId, MarketData, Order, OrderRef, OrderRequest, Placement,
    Record, Side,
};
use broker_kraken::{KrakenBroker, KrakenConfig};
use bytes::Bytes;

use super::{at, dec, qty};

const ASSETS: &str = r#"{"error":[],"result":{"XXBT":{"altname":"XBT"},"ZUSD":{"altname":"USD"}}}"#;
const PAIRS: &str = r#"{"error":[],"result":{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","base":"XXBT","quote":"ZUSD",
  "pair_decimals":1,"lot_decimals":8,"leverage_buy":[2],"leverage_sell":[2],"tick_size":"0.1","status":"online"}}}"#;
const SHARES: &str = r#"{"error":[],"result":{"AAPLx":{"aclass":"tokenized_asset","altname":"AAPLx"}}}"#;
const SHARE_PAIRS: &str = r#"{"error":[],"result":{"AAPLxUSD":{"altname":"AAPLxUSD","wsname":"AAPLx/USD",
  "aclass_base":"tokenized_asset","base":"AAPLx","quote":"ZUSD","pair_decimals":2,"lot_decimals":8,"tick_size":"0.01",
  "status":"online"}}}"#;

/// Path, query and form of a request.
type Sent = (String, String, String);

/// A broker whose requests go to a function; and what was sent.
struct Stage {
    runtime: VirtualRuntime,
    broker: KrakenBroker,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Stage {
    fn new(shares: bool, answer: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&sent);
        let transport = MemoryTransport::new(move |request| {
            let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
            let form = String::from_utf8_lossy(request.body()).into_owned();
            let of_shares = query.contains("tokenized_asset");
            let body = match path.rsplit('/').next().unwrap() {
                "Assets" => [ASSETS, SHARES][usize::from(of_shares)].to_owned(),
                "AssetPairs" => [PAIRS, SHARE_PAIRS][usize::from(of_shares)].to_owned(),
                "Time" => r#"{"error":[],"result":{"unixtime":1762820225}}"#.to_owned(),
                "GetApiKeyInfo" => r#"{"error":[],"result":{"permissions":[]}}"#.to_owned(),
                name => answer(name, &form),
            };
            log.lock().unwrap().push((path.to_owned(), query.to_owned(), form));
            Ok(http::Response::builder().body(Bytes::from(body)).unwrap())
        });
        let runtime = VirtualRuntime::starting_at(at("2025-11-11T00:17:05Z"));
        let clock = Arc::new(runtime.clock());
        let context = Context::new(clock.clone(), Arc::new(SeededRng::new(1)), clock, Arc::new(transport));
        let config = KrakenConfig::new("key", "c2VjcmV0").live().with_context(context);
        let config = if shares { config.with_tokenized_assets() } else { config };
        let broker = KrakenBroker::new(config).unwrap();
        Self { runtime, broker, sent }
    }

    fn run<T, F: Future<Output = T>>(&self, ask: impl FnOnce(KrakenBroker) -> F) -> T {
        self.runtime.block_on(ask(self.broker.clone()))
    }

    /// Forms and queries of this call, decoded.
    fn sent(&self, name: &str) -> Vec<Vec<(String, String)>> {
        let sent = self.sent.lock().unwrap();
        let of_name = sent.iter().filter(|(path, ..)| path.rsplit('/').next() == Some(name));
        let fields = |(_, query, form): &Sent| {
            let fields = query.split('&').chain(form.split('&'));
            let pairs = fields.filter_map(|field| field.split_once('='));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        of_name.map(fields).collect()
    }

    fn says(&self, call: &str, name: &str) -> Vec<Option<String>> {
        let found = |fields: &Vec<(String, String)>| {
            let field = fields.iter().find(|(field, _)| field == name);
            field.map(|(_, value)| value.clone())
        };
        self.sent(call).iter().map(found).collect()
    }
}

/// A position is a row for each trade that opened it, and the list has no pages: 27,000 of a thousandth each.
#[test]
fn a_position_of_many_trades_is_read_whole() {
    let row = |number: u32| {
        format!(
            r#""T{number:05}-AAAAA-AAAAAA":{{"ordertxid":"OAAAAA-AAAAA-AAAAA1","posstatus":"open","pair":"XXBTZUSD",
            "time":1762820225.1,"type":"buy","ordertype":"limit","cost":"90.00","fee":"0.09","vol":"0.00100000",
            "vol_closed":"0.00000000","margin":"45.00","value":"90.00","net":"0.00","terms":"0.0100% per 4 hours",
            "rollovertm":"1762834625","misc":"","oflags":""}}"#
        )
    };
    let rows: Vec<String> = (0..27_000).map(row).collect();
    let body = format!(r#"{{"error":[],"result":{{{}}}}}"#, rows.join(","));
    assert!(body.len() > 8 << 20, "{} bytes", body.len());
    let stage = Stage::new(false, move |_, _| body.clone());
    let positions = stage.run(|broker| async move { broker.positions(broker.account_id()).await });
    let [one] = &*positions.unwrap() else {
        panic!("one pair")
    };
    assert_eq!((one.side, one.qty), (Side::Buy, qty("27")));
    assert_eq!(one.average_price.unwrap().get(), dec("90000"));
}

/// No position is an empty list, where positions are an object. Anything else in its place is an error, not nothing.
#[test]
fn no_positions_are_an_empty_list() {
    let positions = |result: &str| {
        let body = format!(r#"{{"error":[],"result":{result}}}"#);
        let stage = Stage::new(false, move |_, _| body.clone());
        stage.run(|broker| async move { broker.positions(broker.account_id()).await })
    };
    for none in ["[]", " [ ] ", "{}"] {
        assert_eq!(positions(none).unwrap(), [], "{none}");
    }
    for other in ["[1]", "[[]]", "null", "\"\"", "0"] {
        assert_eq!(positions(other).unwrap_err().kind(), ErrorKind::Decode, "{other}");
    }
}

fn order(fields: &str) -> Order {
    let body = format!(
        r#"{{"error":[],"result":{{"OAAAAA-AAAAA-AAAAA1":{{{fields}"status":"closed","opentm":1688665496.7808,
        "closetm":1688665499.1922,"descr":{{"pair":"XBTUSD","type":"buy","ordertype":"limit","price":"27500.0","price2":"0",
        "leverage":"none"}},"vol":"1.25","vol_exec":"1.25","price":"27500.0"}}}}}}"#
    );
    let stage = Stage::new(false, move |_, _| body.clone());
    stage.run(|broker| async move {
        let reference = OrderRef::by_id(broker.account_id(), "OAAAAA-AAAAA-AAAAA1".into());
        broker.order(&reference).await.unwrap()
    })
}

#[test]
fn a_parent_called_none_is_none() {
    for none in ["", r#""refid":null,"#, r#""refid":"None","#, r#""refid":"","#] {
        assert_eq!(order(none).links.parent, None, "{none}");
    }
    let parent = order(r#""refid":"OAAAAA-AAAAA-AAAAA9","#).links.parent.unwrap();
    assert_eq!(parent.get(), "OAAAAA-AAAAA-AAAAA9");
    // The same word in the place of a client's id and of a reason.
    let named = order(r#""cl_ord_id":"None","reason":"None","#);
    assert_eq!((named.client_id, named.reason), (None, None));
}

fn share_answers(name: &str, _: &str) -> String {
    let result = match name {
        "TradeBalance" => r#"{"e":"10","m":"0","n":"0","mf":"10"}"#,
        "BalanceEx" => r#"{"AAPLx.T":{"balance":"1.5","hold_trade":"0"}}"#,
        "OpenPositions" => "[]",
        "OpenOrders" => r#"{"open":{}}"#,
        "ClosedOrders" => r#"{"closed":{},"count":0}"#,
        "TradesHistory" => {
            r#"{"trades":{"TAAAAA-AAAAA-AAAAA1":{"ordertxid":"OAAAAA-AAAAA-AAAAA1","pair":"AAPLxUSD","time":1762800000.5,
            "type":"buy","price":"270.25","vol":"1.5","margin":"0","misc":"","maker":false}},"count":1}"#
        }
        "Ledgers" => r#"{"ledger":{},"count":0}"#,
        "OHLC" => r#"{"AAPLxUSD":[],"last":0}"#,
        "OrderAmends" => r#"{"amends":[],"count":0}"#,
        "AddOrder" => r#"{"descr":{"order":"x"},"txid":["OAAAAA-AAAAA-AAAAA1"]}"#,
        "AmendOrder" => r#"{"amend_id":"TAAAAA-AAAAA-AAAAA1"}"#,
        "EditOrder" => r#"{"status":"ok","txid":"OAAAAA-AAAAA-AAAAA2"}"#,
        "QueryOrders" => {
            r#"{"OAAAAA-AAAAA-AAAAA1":{"status":"open","opentm":1762820000,"descr":{"pair":"AAPLxUSD","type":"buy",
            "ordertype":"limit","price":"250","price2":"0","leverage":"none"},"vol":"1.5","vol_exec":"0","price":"0"}}"#
        }
        other => panic!("{other}"),
    };
    format!(r#"{{"error":[],"result":{result}}}"#)
}

/// Quantities are shares or tokens, as each call says; orders, amends and candles must name the class, or the pair.
#[test]
fn tokenized_shares_are_told_in_shares() {
    let stage = Stage::new(true, share_answers);
    let id = || InstrumentId::from("AAPLxUSD");
    let (balances, records) = stage.run(|broker| async move {
        let account = broker.account_id().clone();
        let balances = broker.balances(&account).await.unwrap();
        broker.positions(&account).await.unwrap();
        broker.order_amends(&"OAAAAA-AAAAA-AAAAA1".into()).await.unwrap();
        let (since, until) = (at("2025-11-01T00:00:00Z"), at("2025-11-11T00:00:00Z"));
        let query = HistoryQuery::between(&account, since, until);
        let first = broker.history(&query, None).await.unwrap();
        broker.history(&query, first.next.as_ref()).await.unwrap();
        let query = CandleQuery::new(id(), Interval::Minutes(1), since, until);
        broker.candles(&query, None).await.unwrap();
        let request = OrderRequest::limit("AAPLx/USD".into(), Side::Buy, qty("1.5"), "250".parse().unwrap());
        let placed = broker.place_once(&account, request).await.unwrap();
        assert!(matches!(placed, Placement::Accepted(_)), "{placed:?}");
        let reference = OrderRef::by_id(&account, "OAAAAA-AAAAA-AAAAA1".into());
        let change = OrderChange::new().with_limit_price("251".parse().unwrap());
        let changed = broker.replace_once(&reference, change.clone()).await.unwrap();
        assert!(!matches!(changed, Placement::Rejected(_)), "{changed:?}");
        broker.edit(&reference, &change).await.unwrap();
        (balances, first.rows)
    });
    assert_eq!(
        (balances.balances[0].currency.code(), balances.balances[0].total),
        ("AAPLx", dec("1.5"))
    );
    let [Record::Fill(fill)] = records.as_slice() else {
        panic!("{records:?}")
    };
    assert_eq!((fill.instrument.get(), fill.qty), ("AAPLxUSD", qty("1.5")));
    let pinned = [
        "BalanceEx",
        "TradeBalance",
        "OpenPositions",
        "TradesHistory",
        "Ledgers",
        "QueryOrders",
        "OrderAmends",
    ];
    for call in pinned {
        let said = stage.says(call, "rebase_multiplier");
        assert!(
            !said.is_empty() && said.iter().all(|word| word.as_deref() == Some("rebased")),
            "{call}: {said:?}"
        );
    }
    let class = || vec![Some("tokenized_asset".to_owned())];
    for call in ["AddOrder", "EditOrder", "OHLC"] {
        assert_eq!(stage.says(call, "asset_class"), class(), "{call}");
    }
    assert_eq!(stage.says("AmendOrder", "pair"), [Some("AAPLxUSD".to_owned())]);
}

/// What it is in cannot be said there, nor read from it.
#[test]
fn no_report_of_tokenized_shares_is_read() {
    let stage = Stage::new(true, share_answers);
    let error = stage.run(|broker| async move {
        let query = HistoryQuery::last_days(broker.account_id(), 30);
        broker.with_reports().history(&query, None).await.unwrap_err()
    });
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(stage.sent.lock().unwrap().is_empty());
}

/// Of what is no share none of this is said.
#[test]
fn nothing_is_said_of_shares_where_there_are_none() {
    let stage = Stage::new(false, |name, form| {
        share_answers(name, form).replace("AAPLxUSD", "XXBTZUSD")
    });
    stage.run(|broker| async move {
        let account = broker.account_id().clone();
        broker.balances(&account).await.unwrap();
        let request = OrderRequest::limit("BTC/USD".into(), Side::Buy, qty("1.5"), "250".parse().unwrap());
        let placed = broker.place_once(&account, request).await.unwrap();
        assert!(matches!(placed, Placement::Accepted(_)), "{placed:?}");
    });
    assert_eq!(stage.says("BalanceEx", "rebase_multiplier"), [None]);
    assert_eq!(stage.says("AddOrder", "asset_class"), [None]);
}

/// A tool that counted in the same unit, minutes ahead, is caught up with; one that counted in nanoseconds is not, ever.
#[test]
fn another_programs_nonces() {
    let ask = |last: u64| {
        let stage = Stage::new(false, move |_, form| {
            let nonce = form.split('&').find_map(|field| field.strip_prefix("nonce=")).unwrap();
            match nonce.parse::<u64>().unwrap() > last {
                true => r#"{"error":[],"result":[]}"#.to_owned(),
                false => r#"{"error":["EAPI:Invalid nonce"]}"#.to_owned(),
            }
        });
        let read = stage.run(|broker| async move { broker.positions(broker.account_id()).await });
        (read, stage.sent("OpenPositions").len())
    };
    let micros = u64::try_from(at("2025-11-11T00:17:05Z").timestamp_micros()).unwrap();
    let minutes = u64::try_from(Duration::from_secs(300).as_micros()).unwrap();
    let (read, asked) = ask(micros + minutes);
    assert_eq!((read.unwrap(), asked), (Vec::new(), 2));
    let (read, asked) = ask(micros * 1_000);
    let error = read.unwrap_err();
    assert_eq!((error.kind(), asked), (ErrorKind::Auth, 2), "{error}");
    assert!(error.help().is_some_and(|help| help.contains("nanoseconds")), "{error}");
}
