//! `/sapi`: what moved coins without a trade. A live account's only.

use broker_core::Record;
use broker_core::model::{Asset, Flow, FlowKind};
use broker_sim::wire::WireRequest;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::BinanceVenue;
use super::params::{Params, Refusal, Reply};
use super::shapes::{eight, millis};

impl BinanceVenue {
    pub(super) fn wallet(&self, request: &WireRequest, path: &str, now: DateTime<Utc>) -> Reply {
        if path.ends_with("accountSnapshot") {
            Params::of(request, &["type", "limit", "startTime", "endTime"])?.needed("type")?;
            return Ok(json!({"code": 200, "msg": "", "snapshotVos": []}).to_string());
        }
        let params = Params::of(request, &["startTime", "endTime", "limit"])?;
        let (start, end) = (params.time("startTime")?, params.time("endTime")?);
        let (start, end) = (start.unwrap_or(now - Duration::days(30)), end.unwrap_or(now));
        let longest = match path {
            "/sapi/v1/convert/tradeFlow" => 30,
            "/sapi/v1/asset/assetDividend" => 180,
            _ => 90,
        };
        if end - start > Duration::days(longest) {
            return Err(Refusal::new(
                -1127,
                format!("More than {longest} days between startTime and endTime."),
            ));
        }
        let limit = params.limit(100)?;
        let inside = |flow: &&Flow| (millis(start)..=millis(end)).contains(&millis(flow.at));
        let of = |kind: FlowKind| {
            self.books
                .flows()
                .iter()
                .filter_map(|record| match record {
                    Record::Flow(flow) => Some(flow),
                    Record::Fill(_) | Record::Fee(_) | Record::Void(_) => None,
                })
                .filter(inside)
                .filter(move |flow| flow.kind == kind)
        };
        let body = match path {
            "/sapi/v1/capital/deposit/hisrec" => {
                let row = |flow: &Flow| {
                    json!({
                        "id": flow.id.get(), "amount": plain(flow), "coin": coin(flow), "network": "TEST", "status": 1,
                        "address": "test", "addressTag": "", "txId": flow.id.get(), "insertTime": millis(flow.at),
                        "transferType": 0, "unlockConfirm": "1/1", "confirmTimes": "1/1", "walletType": 0,
                    })
                };
                Value::from(of(FlowKind::Deposit).take(limit).map(row).collect::<Vec<_>>())
            }
            "/sapi/v1/capital/withdraw/history" => {
                let row = |flow: &Flow| {
                    json!({
                        "id": flow.id.get(), "amount": plain(flow), "transactionFee": "0", "coin": coin(flow),
                        "status": 6, "address": "test", "txId": flow.id.get(),
                        "applyTime": flow.at.format("%Y-%m-%d %H:%M:%S").to_string(),
                        "network": "TEST", "transferType": 0,
                    })
                };
                Value::from(of(FlowKind::Withdrawal).take(limit).map(row).collect::<Vec<_>>())
            }
            "/sapi/v1/convert/tradeFlow" => {
                // Two rows of one conversion stand behind each other: what left, and what came.
                let rows: Vec<&Flow> = of(FlowKind::Conversion).collect();
                let pairs = rows.chunks_exact(2).map(|pair| {
                    let order: u64 = pair[0]
                        .id
                        .get()
                        .trim_start_matches(|c: char| !c.is_ascii_digit())
                        .parse()
                        .unwrap_or_default();
                    json!({
                        "quoteId": pair[0].id.get(), "orderId": order, "orderStatus": "SUCCESS",
                        "fromAsset": coin(pair[0]), "fromAmount": plain(pair[0]),
                        "toAsset": coin(pair[1]), "toAmount": plain(pair[1]),
                        "ratio": "1", "inverseRatio": "1", "createTime": millis(pair[0].at),
                    })
                });
                let all: Vec<Value> = pairs.collect();
                let more = all.len() > limit;
                let list: Vec<Value> = all.into_iter().take(limit).collect();
                json!({"list": list, "startTime": millis(start), "endTime": millis(end), "limit": limit, "moreData": more})
            }
            "/sapi/v1/asset/dribblet" => {
                // Two rows of one conversion, as above; the newest hundred are told.
                let rows: Vec<&Flow> = of(FlowKind::Dust).collect();
                let groups = rows.chunks_exact(2).zip(45_178_372_831_u64..).map(|(pair, number)| {
                    json!({
                        "operateTime": millis(pair[0].at), "totalTransferedAmount": plain(pair[1]),
                        "totalServiceChargeAmount": "0", "transId": number,
                        "userAssetDribbletDetails": [{
                            "transId": number + 1, "serviceChargeAmount": "0", "amount": plain(pair[0]),
                            "operateTime": millis(pair[0].at), "transferedAmount": plain(pair[1]),
                            "fromAsset": coin(pair[0]),
                        }],
                    })
                });
                let all: Vec<Value> = groups.collect();
                let told = &all[all.len().saturating_sub(100)..];
                json!({"total": told.len(), "userAssetDribblets": told})
            }
            _ => {
                let row = |(index, flow): (usize, &Flow)| {
                    json!({
                        "id": index + 1, "amount": plain(flow), "asset": coin(flow), "divTime": millis(flow.at),
                        "enInfo": flow.description.clone().unwrap_or_default(), "tranId": index + 1,
                    })
                };
                let all: Vec<Value> = of(FlowKind::Reward).enumerate().map(row).collect();
                let total = all.len();
                json!({"rows": all.into_iter().take(limit).collect::<Vec<_>>(), "total": total})
            }
        };
        Ok(body.to_string())
    }
}

fn coin(flow: &Flow) -> String {
    match &flow.asset {
        Asset::Currency(coin) => coin.to_string(),
        Asset::Instrument { symbol, .. } => symbol.to_string(),
    }
}

fn plain(flow: &Flow) -> String {
    eight(flow.amount.abs())
}
