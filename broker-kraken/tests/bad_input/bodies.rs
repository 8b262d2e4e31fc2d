//! Good answers, written after Kraken's pages, with invented ids.

pub(super) const ASSETS: &str = r#"{"error":[],"result":{
  "XXBT":{"aclass":"currency","altname":"XBT","decimals":10},"XETH":{"aclass":"currency","altname":"ETH","decimals":10},
  "ZUSD":{"aclass":"currency","altname":"USD","decimals":4},"ZEUR":{"aclass":"currency","altname":"EUR","decimals":4},
  "XXDG":{"aclass":"currency","altname":"XDG","decimals":8}}}"#;

pub(super) const PAIRS: &str = r#"{"error":[],"result":{
  "XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","aclass_base":"currency","base":"XXBT","quote":"ZUSD","pair_decimals":1,
   "lot_decimals":8,"lot_multiplier":1,"leverage_buy":[2,5],"leverage_sell":[2,4],"ordermin":"0.0001","costmin":"0.5",
   "tick_size":"0.1","status":"online"},
  "XETHZUSD":{"altname":"ETHUSD","wsname":"ETH/USD","aclass_base":"currency","base":"XETH","quote":"ZUSD","pair_decimals":2,
   "lot_decimals":8,"lot_multiplier":1,"leverage_buy":[],"leverage_sell":[],"ordermin":"0.01","costmin":"0.5","status":"post_only"}}}"#;

pub(super) const KEY: &str = r#"{"error":[],"result":{"apiKeyName":"a-name","permissions":["query-funds","query-ledger"],
  "validUntil":"0","queryFrom":"1700000000","queryTo":"0"}}"#;
pub(super) const ANY_KEY: &str =
    r#"{"error":[],"result":{"permissions":["query-ledger"],"validUntil":"0","queryFrom":"0","queryTo":"0"}}"#;

pub(super) const BALANCES: &str = r#"{"error":[],"result":{
  "ZUSD":{"balance":"25435.2100","credit":"100.50","credit_used":"0.50","hold_trade":"8249.7600"},
  "XXBT":{"balance":"1.2435000000","hold_trade":0.84},"XETH":{"balance":4e0,"hold_trade":"0"}}}"#;
pub(super) const MARGIN: &str = r#"{"error":[],"result":{"eb":"1101.3425","tb":"392.2264","m":"7.0354","n":"-10.0232","c":"21.1063","e":"382.2032","mf":"375.1678"}}"#;

pub(super) const POSITIONS: &str = r#"{"error":[],"result":{"TAAAAA-AAAAA-AAAAA1":{"ordertxid":"OAAAAA-AAAAA-AAAAA1",
  "posstatus":"open","pair":"XXBTZUSD","time":1605280097.8294,"type":"sell","cost":"20000.50000","fee":"2.1","vol":"2.00000000",
  "vol_closed":"0.50000000","value":"21000.5","net":"+154.9728"}}}"#;

pub(super) const ORDER: &str = r#"{"error":[],"result":{"OAAAAA-AAAAA-AAAAA1":{"refid":"OAAAAA-AAAAA-AAAAA9","userref":0,
  "cl_ord_id":"mine-1","status":"closed","reason":null,"opentm":1688665496.7808,"closetm":1688665499.1922,"starttm":0,"expiretm":0,
  "descr":{"pair":"XBTUSD","type":"buy","ordertype":"stop-loss-limit","price":"27500.0","price2":"27510.5","leverage":"none"},
  "vol":"1.25000000","vol_exec":"1.25000000","price":"27501.2","stopprice":"0.00000","limitprice":"0.00000","oflags":"fciq"}}}"#;

const ROWS: &str = r#"{
  "OAAAAA-AAAAA-AAAAA2":{"refid":null,"status":"open","opentm":1688583840.8648,"expiretm":1688683840,
   "descr":{"pair":"XBTUSD","type":"sell","ordertype":"limit","price":"29500.0","price2":"0","leverage":"5:1"},
   "vol":"0.50000000","vol_exec":"0.10000000","price":"29500.1","oflags":"post,fciq"},
  "OAAAAA-AAAAA-AAAAA3":{"status":"open","opentm":1688583841.5,"descr":{"pair":"ETHUSD","type":"buy","ordertype":"trailing-stop",
   "price":"+5.0000%","price2":"0","leverage":"none"},"vol":"100.0","vol_exec":"0","price":"0","stopprice":"1800.5","oflags":"viqc"}}"#;

pub(super) fn open() -> String {
    format!(r#"{{"error":[],"result":{{"open":{ROWS}}}}}"#)
}

pub(super) fn closed() -> String {
    let rows = ROWS
        .replacen("\"open\"", "\"canceled\"", 1)
        .replacen("\"open\"", "\"expired\"", 1);
    format!(r#"{{"error":[],"result":{{"closed":{rows},"count":2}}}}"#)
}

/// The same, of a client's id.
pub(super) fn closed_of(id: &str) -> String {
    closed().replacen("\"refid\":null", &format!("\"cl_ord_id\":\"{id}\""), 1)
}

/// An order that can be changed.
pub(super) const RESTING: &str = r#"{"error":[],"result":{"OAAAAA-AAAAA-AAAAA1":{"status":"open","opentm":1688665496.7808,
  "descr":{"pair":"XBTUSD","type":"buy","ordertype":"limit","price":"27500.0","price2":"0","leverage":"none"},
  "vol":"1.25000000","vol_exec":"0.00000000","price":"0.0"}}}"#;
pub(super) const AMENDED: &str = r#"{"error":[],"result":{"amend_id":"TAAAAA-AAAAA-AAAAA7"}}"#;
pub(super) const EDITED: &str = r#"{"error":[],"result":{"status":"ok","txid":"OAAAAA-AAAAA-AAAAA2",
  "originaltxid":"OAAAAA-AAAAA-AAAAA1","orders_cancelled":1,"descr":{"order":"buy 1.25000000 XBTUSD @ limit 29000.0"}}}"#;
pub(super) const TOKEN: &str =
    r#"{"error":[],"result":{"token":"An/Invented+Token0123456789abcdefghijkl","expires":900}}"#;

pub(super) const TRADES: &str = r#"{"error":[],"result":{"trades":{
  "TAAAAA-AAAAA-AAAAA1":{"ordertxid":"OAAAAA-AAAAA-AAAAA1","postxid":"TKH2SE-M7IF5-CFI7LT","pair":"XXBTZUSD","time":1688667796.8802,
   "type":"buy","ordertype":"limit","price":"30010.00000","cost":"600.20000","fee":"0","vol":"0.02000000","margin":"0.00000","misc":"",
   "trade_id":40274859,"maker":true},
  "TAAAAA-AAAAA-AAAAA2":{"ordertxid":"OAAAAA-AAAAA-AAAAA2","pair":"XETHZUSD","time":1688667769.6396,"type":"sell","price":"3001.5",
   "vol":"0.5","margin":"300.15","misc":"closing,liquidated"}},"count":2}}"#;
pub(super) const NO_TRADES: &str = r#"{"error":[],"result":{"trades":{},"count":0}}"#;

pub(super) const LEDGER: &str = r#"{"error":[],"result":{"ledger":{
  "LAAAAA-AAAAA-AAAAA1":{"refid":"TAAAAA-AAAAA-AAAAA1","time":1688464484.1787,"type":"trade","subtype":"","asset":"ZUSD","amount":"-24.5000","fee":"0.0490"},
  "LAAAAA-AAAAA-AAAAA2":{"refid":"QAAAAA-AAAAA-AAAAA2","time":1688464485.5,"type":"deposit","subtype":"","asset":"XXBT","amount":"1.2500000000","fee":"0"},
  "LAAAAA-AAAAA-AAAAA3":{"refid":"QAAAAA-AAAAA-AAAAA3","time":1688464486,"type":"staking","subtype":"bonus","asset":"XETH","amount":"0.0012","fee":"0"}},
  "count":3}}"#;

pub(super) const TIME: &str =
    r#"{"error":[],"result":{"unixtime":1688669448,"rfc1123":"Thu, 06 Jul 23 18:50:48 +0000"}}"#;
pub(super) const STATUS: &str = r#"{"error":[],"result":{"status":"online","timestamp":"2023-07-06T18:52:00Z"}}"#;
pub(super) const TICKER: &str = r#"{"error":[],"result":{"XXBTZUSD":{"a":["30300.10000","1","1.500"],"b":["30300.00000","1","0.25"],"c":["30303.2","0.0067"]}}}"#;
pub(super) const CANDLES: &str = r#"{"error":[],"result":{"XXBTZUSD":[
  [1688641200,"30306.1","30306.2","30305.7","30305.70","30306.1","3.39243896",23],
  [1688641260,"30304.5","30304.5","30300.0","30300.0","30300.0","4.42996871",18]],"last":1688641200}}"#;

pub(super) const PLACED: &str =
    r#"{"error":[],"result":{"descr":{"order":"buy 0.01 XBTUSD @ market"},"txid":["OAAAAA-AAAAA-AAAAA1"]}}"#;
pub(super) const REFUSED: &str = r#"{"error":["EOrder:Insufficient funds"]}"#;
pub(super) const CANCELED: &str = r#"{"error":[],"result":{"count":1}}"#;
pub(super) const CHECKED: &str =
    r#"{"error":[],"result":{"descr":{"order":"buy 0.01 XBTUSD @ market","close":"close position @ limit 1"}}}"#;
pub(super) const DEAD_MAN: &str =
    r#"{"error":[],"result":{"currentTime":"2023-03-24T17:41:56Z","triggerTime":"2023-03-24T17:42:56Z"}}"#;
pub(super) const AMENDS: &str = r#"{"error":[],"result":{"amends":[
  {"amend_id":"TAAAAA-AAAAA-AAAAA1","amend_type":"original","order_qty":"0.010","remaining_qty":"0.01","limit_price":"61032.80",
   "trigger_price":"0","reason":"","timestamp":1724158070285000000},
  {"amend_id":"TAAAAA-AAAAA-AAAAA2","amend_type":"user","order_qty":"0.02","limit_price":"61033","timestamp":1724158070299}],"count":2}}"#;
pub(super) const RATES: &str = r#"{"error":[],"result":{"currency":"ZUSD","volume":"200709587.4223",
  "fees":{"XXBTZUSD":{"fee":"0.1000","nextfee":null}},"fees_maker":{"XXBTZUSD":{"fee":"0.0500","nextfee":null}}}}"#;
pub(super) const ASKED: &str = r#"{"error":[],"result":{"id":"TCJA"}}"#;
pub(super) const STATES: &str =
    r#"{"error":[],"result":[{"id":"VSKC","status":"Queued"},{"id":"TCJA","status":"Processing"}]}"#;
pub(super) const REMOVED: &str = r#"{"error":[],"result":{"delete":true}}"#;

pub(super) const NEW_ORDER: &str = r#"{"channel":"executions","type":"update","data":[{"order_id":"OAAAAA-AAAAA-AAAAA1","cl_ord_id":"mine-1",
  "symbol":"BTC/USD","side":"buy","order_type":"limit","order_qty":1.2500,"limit_price":30000.10,"time_in_force":"GTC","margin":false,
  "exec_type":"new","order_status":"new","cum_qty":0,"timestamp":"2024-05-18T12:01:56.165888Z"}],"sequence":120}"#;
pub(super) const TRADE: &str = r#"{"channel":"executions","type":"update","data":[{"order_id":"OAAAAA-AAAAA-AAAAA1",
  "symbol":"BTC/USD","side":"sell","order_type":"limit","order_qty":0.01,"exec_type":"trade","exec_id":"TAAAAA-AAAAA-AAAAA1",
  "last_qty":0.0050,"last_price":26599.90,"liquidity_ind":"t","order_status":"partially_filled","cum_qty":0.005,"avg_price":26599.9,
  "fees":[{"asset":"USD","qty":0.3458}],"timestamp":"2023-09-22T10:33:05.709993Z"}],"sequence":10}"#;
pub(super) const QUOTE: &str = r#"{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","bid":105944.20,"bid_qty":2.5,"ask":105944.30,
  "ask_qty":3.2,"timestamp":"2022-12-25T09:30:59.123456Z"}]}"#;
pub(super) const BOOKED: &str = r#"{"channel":"balances","type":"update","data":[{"ledger_id":"LAAAAA-AAAAA-AAAAA1","type":"deposit",
  "asset":"BTC","amount":0.5,"balance":1.5}],"sequence":3}"#;
