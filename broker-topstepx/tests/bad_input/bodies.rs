//! Good answers, written after the vendor's pages, with invented accounts.

pub(super) const LOGIN: &str = r#"{"token":"a-token","success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const ACCOUNTS: &str = r#"{"accounts":[
  {"id":1001,"name":"PRAC-V2-000001-00000001","balance":150000.250000,"canTrade":true,"isVisible":true,"simulated":true},
  {"id":1002,"name":"50KTC-V2-000001-00000002","balance":5e4,"canTrade":false,"isVisible":true,"simulated":true},
  {"id":1003,"name":"EXPRESS-V2-000001-00000003","balance":-12.5,"canTrade":true,"isVisible":false}],
  "success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const CONTRACTS: &str = r#"{"contracts":[
  {"id":"CON.F.US.EP.U26","name":"ESU6","description":"E-Mini S&P 500: September 2026","tickSize":0.250000000,"tickValue":12.500000000,"activeContract":true,"symbolId":"F.US.EP"},
  {"id":"CON.F.US.JY6.U26","name":"6JU6","description":null,"tickSize":5e-7,"tickValue":6.25,"activeContract":true,"symbolId":"F.US.JY6"},
  {"id":"CON.F.US.GMET.Q26","name":"METQ6","description":"Micro \"Ether\"","tickSize":0.5,"tickValue":0.05,"activeContract":false,"symbolId":"F.US.GMET"}],
  "success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const CONTRACT: &str = r#"{"contract":{"id":"CON.F.US.ENQ.H25","name":"NQH5","description":"E-mini NASDAQ-100: March 2025",
  "tickSize":0.25,"tickValue":5,"activeContract":false,"symbolId":"F.US.ENQ"},"success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const BARS: &str = r#"{"bars":[
  {"t":"2026-08-20T14:00:00+00:00","o":2208.100000000,"h":2217.0,"l":2206.7,"c":2210.1,"v":87},
  {"t":"2026-08-20T13:00:00+00:00","o":2195.8,"h":2215.00,"l":2192.9,"c":2209.8,"v":536},
  {"t":"2026-08-20T12:00:00Z","o":2192,"h":2196.6,"l":2191.2,"c":2195.6,"v":0}],
  "success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const ORDERS: &str = r#"{"orders":[
  {"id":9001,"accountId":1001,"contractId":"CON.F.US.MNQ.U26","symbolId":"F.US.MNQ","creationTimestamp":"2026-08-20T10:26:02.15673+00:00",
   "updateTimestamp":"2026-08-20T10:26:02.2+00:00","status":2,"type":2,"side":0,"size":2,"limitPrice":null,"stopPrice":null,
   "fillVolume":2,"filledPrice":30199.250000000,"customTag":"tag-1"},
  {"id":9002,"accountId":1001,"contractId":"CON.F.US.MNQ.U26","symbolId":"F.US.MNQ","creationTimestamp":"2026-08-20T10:26:02.15673+00:00",
   "updateTimestamp":"2026-08-20T10:27:00.301751+00:00","status":2,"type":4,"side":1,"size":2,"limitPrice":null,"stopPrice":30196.75,
   "fillVolume":2,"filledPrice":30196.25,"customTag":"tag-1-SL","trailDistance":-10,"trailPrice":-2.5,"parentOrderId":9001},
  {"id":9003,"accountId":1001,"contractId":"CON.F.US.MNQ.U26","symbolId":"F.US.MNQ","creationTimestamp":"2026-08-20T10:26:02.15673+00:00",
   "updateTimestamp":"2026-08-20T10:27:00.301751+00:00","status":3,"type":1,"side":1,"size":2,"limitPrice":30203.5,"stopPrice":null,
   "fillVolume":0,"filledPrice":null,"customTag":"tag-1-TP","parentOrderId":9001,"linkedOrderId":9002},
  {"id":9004,"accountId":1001,"contractId":"CON.F.US.EP.U26","symbolId":"F.US.EP","creationTimestamp":"2026-08-20T11:00:00Z",
   "updateTimestamp":null,"status":5,"type":6,"side":0,"size":1,"limitPrice":null,"stopPrice":null,"fillVolume":0,"filledPrice":null,
   "customTag":null}],
  "success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const OPEN: &str = r#"{"orders":[
  {"id":9010,"accountId":1001,"contractId":"CON.F.US.EP.U26","creationTimestamp":"2026-08-20T11:00:00+00:00","updateTimestamp":"2026-08-20T11:00:01+00:00",
   "status":1,"type":1,"side":0,"size":5,"limitPrice":6000.25,"stopPrice":null,"fillVolume":2,"filledPrice":6000.1},
  {"id":9011,"accountId":1001,"contractId":"CON.F.US.EP.U26","creationTimestamp":"2026-08-20T11:00:02+00:00","updateTimestamp":"2026-08-20T11:00:02+00:00",
   "status":8,"type":4,"side":1,"size":5,"limitPrice":null,"stopPrice":null,"customTag":"x-SL","parentOrderId":9010}],
  "totalCount":2,"success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const ORDER: &str = r#"{"order":{"id":9056,"accountId":1001,"contractId":"CON.F.US.EP.U26","symbolId":"F.US.EP",
  "creationTimestamp":"2026-08-20T11:59:00.123456+00:00","updateTimestamp":"2026-08-20T11:59:00.5+00:00","status":7,"type":5,"side":1,"size":3,
  "limitPrice":null,"stopPrice":5992.5,"fillVolume":0,"filledPrice":null,"customTag":"a-tag","trailDistance":-30,"trailPrice":-7.5},
  "success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const POSITIONS: &str = r#"{"positions":[
  {"id":7001,"accountId":1001,"contractId":"CON.F.US.GMET.Q26","contractDisplayName":"METQ6","creationTimestamp":"2026-08-20T09:52:32.175721+00:00","type":1,"size":2,"averagePrice":1575.750000000},
  {"id":7002,"accountId":1001,"contractId":"CON.F.US.EP.U26","creationTimestamp":"2026-08-20T09:53:00+00:00","type":2,"size":10,"averagePrice":6000.125}],
  "success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const TRADES: &str = r#"{"trades":[
  {"id":8003,"accountId":1001,"contractId":"CON.F.US.EP.U26","creationTimestamp":"2026-08-20T16:13:53.123457+00:00","price":6065.250000000,"profitAndLoss":50.000000000,"fees":1.4000,"commissions":0.25,"side":1,"size":1,"voided":false,"orderId":14328},
  {"id":8002,"accountId":1001,"contractId":"CON.F.US.EP.U26","creationTimestamp":"2026-08-20T16:13:52.523293+00:00","price":6065.5,"profitAndLoss":-12.5,"fees":1.4,"side":1,"size":1,"voided":true,"orderId":14327},
  {"id":8001,"accountId":1001,"contractId":"CON.F.US.EP.U26","creationTimestamp":"2026-08-20T16:13:04.142302+00:00","price":6064.25,"profitAndLoss":null,"fees":0,"side":0,"size":2,"voided":false,"orderId":14326}],
  "success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const PLACED: &str = r#"{"orderId":9056,"success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const REFUSED: &str =
    r#"{"orderId":9057,"success":false,"errorCode":2,"errorMessage":"Invalid order size specified."}"#;

pub(super) const DONE: &str = r#"{"success":true,"errorCode":0,"errorMessage":null}"#;

pub(super) const NOT_CANCELED: &str = r#"{"success":false,"errorCode":2,"errorMessage":null}"#;

/// The first row of an answer's list, as it stands there.
pub(super) fn first_of(body: &str) -> String {
    let start = body.find("[\n").unwrap() + 1;
    let end = body[start..].find('}').unwrap() + start + 1;
    body[start..end].trim().to_owned()
}
