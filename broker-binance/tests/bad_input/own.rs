//! What the model got from which field: what moved coins without a trade, what Binance alone tells, and answers that
//! are picked from.

use std::collections::BTreeSet;

use broker_binance::{BinanceBroker, Rates, Reach};
use broker_core::{Broker, HistoryQuery, MarketData, Record, Result, Trading};
use broker_testkit::bad_input::{List, Raw, Subject, View};
use rust_decimal::Decimal;

use super::markets;
use super::views::{decimal, moment, moved, numbered, whole};
use super::{Endpoint, WINDOW, Wire, account, at, bodies, order_28};

/// The records of one list: a window of a second is asked once, whatever the answer says.
fn flows(wire: &Wire) -> Result<Vec<Record>> {
    let query = HistoryQuery::between(&account(), at(WINDOW.start), at(WINDOW.start + 1_000))
        .with_instrument(BinanceBroker::account_records());
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let page = wire.run(wire.broker.history(&query, cursor.as_ref()))?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_eq!(wire.asked(), 1);
    Ok(rows)
}

/// Outside of the second that is asked for.
fn elsewhere(raw: Raw<'_>, path: &str) -> bool {
    whole(raw.get(path)).is_some_and(|at| !(WINDOW.start..WINDOW.start + 1_000).contains(&at))
}

/// Both sides of each row: what left, and what came.
fn pairs(rows: &[Record]) -> Vec<(&Record, &Record)> {
    rows.chunks(2).map(|pair| (&pair[0], &pair[1])).collect()
}

fn id(record: &Record) -> &str {
    match record {
        Record::Flow(flow) => flow.id.get(),
        other => panic!("{other:?}"),
    }
}

const CONVERSIONS: Endpoint = ("conversions", ("GET /sapi/v1/convert/tradeFlow", 200), |wire| {
    let rows = flows(wire)?;
    let row = |(from, to): (&Record, &Record)| {
        let number = id(from)
            .strip_prefix("convert:")
            .and_then(|rest| rest.strip_suffix(":from"));
        let ((left, gave, at), (came, got, _)) = (moved(from), moved(to));
        let view = numbered(View::new(), "orderId", number.unwrap())
            .one_of("orderStatus", ["SUCCESS"])
            .one_of("fromAsset", [left])
            .number("fromAmount", -gave)
            .one_of("toAsset", [came])
            .number("toAmount", got);
        moment(view, "createTime", at)
    };
    let list = List::rows("list", pairs(&rows).into_iter().map(row).collect()).in_any_order();
    Ok(View::new().list(list.skipping(|raw| {
        let status = raw.get("orderStatus").and_then(Raw::text);
        elsewhere(raw, "createTime") || status.is_some_and(|status| status != "SUCCESS")
    })))
});
/// Conversion, part of it, coin, and both amounts.
type Dust = (String, String, String, Decimal, Decimal);

const DUST: Endpoint = ("dust", ("GET /sapi/v1/asset/dribblet", 200), |wire| {
    let rows = flows(wire)?;
    let told = pairs(&rows).into_iter().map(|(from, to)| {
        let names: Vec<&str> = id(from).split(':').collect();
        let ((left, gave, _), (came, got, _)) = (moved(from), moved(to));
        assert_eq!((left.as_str(), came.as_str()), (names[3], "BNB"));
        (names[1].to_owned(), names[2].to_owned(), left, -gave, got)
    });
    let mut told: Vec<Dust> = told.collect();
    told.sort();
    Ok(
        View::new().fits("userAssetDribblets", "each part of each conversion", move |raw| {
            let Some(raw) = raw.filter(|raw| raw.source().starts_with('[')) else {
                return false;
            };
            let mut said = Vec::new();
            for group in raw.parts().filter(|group| !elsewhere(*group, "operateTime")) {
                let Some(parts) = group.get("userAssetDribbletDetails") else {
                    return false;
                };
                for part in parts.parts() {
                    let number =
                        |raw: Raw<'_>| Some(raw.get("transId").filter(|raw| raw.is_number())?.source().to_owned());
                    let row = || -> Option<Dust> {
                        let (gave, got) = (decimal(part.get("amount"))?, decimal(part.get("transferedAmount"))?);
                        Some((number(group)?, number(part)?, part.get("fromAsset")?.text()?, gave, got))
                    };
                    match row() {
                        Some(row) => said.push(row),
                        None => return false,
                    }
                }
            }
            said.sort();
            said == told
        }),
    )
});
const DEPOSITS: Endpoint = ("deposits", ("GET /sapi/v1/capital/deposit/hisrec", 200), |wire| {
    let rows = flows(wire)?;
    let row = |record: &Record| {
        let (coin, amount, at) = moved(record);
        let tx = id(record).strip_prefix(&format!("deposit:{coin}:")).unwrap();
        let view = View::new()
            .one_of("coin", [coin])
            .text("txId", tx)
            .number("amount", amount)
            .fits("status", "done", |raw| {
                raw.is_some_and(|raw| ["1", "6"].contains(&raw.source()))
            });
        moment(view, "insertTime", at)
    };
    let list = List::rows("", rows.iter().map(row).collect()).in_any_order();
    Ok(View::new().list(list.skipping(|raw| {
        elsewhere(raw, "insertTime")
            || raw
                .get("status")
                .is_some_and(|raw| raw.is_number() && !["1", "6"].contains(&raw.source()))
    })))
});
const WITHDRAWALS: Endpoint = ("withdrawals", ("GET /sapi/v1/capital/withdraw/history", 200), |wire| {
    let rows = flows(wire)?;
    let mut views = Vec::new();
    let mut rows = rows.iter().peekable();
    while let Some(record) = rows.next() {
        let (coin, amount, at) = moved(record);
        let fee = rows.next_if(|next| matches!(next, Record::Fee(_))).map(moved);
        assert!(fee.as_ref().is_none_or(|(of, _, _)| *of == coin));
        let fee = fee.map(|(_, fee, _)| fee);
        views.push(
            View::new()
                .text("id", id(record).strip_prefix("withdrawal:").unwrap())
                .one_of("coin", [coin])
                .number("amount", -amount)
                .fits("transactionFee", "its fee, or none", move |raw| match raw {
                    Some(raw) => decimal(Some(raw)).filter(|fee| !fee.is_zero()) == fee && decimal(Some(raw)).is_some(),
                    None => fee.is_none(),
                })
                .fits("status", "done", |raw| raw.is_some_and(|raw| raw.source() == "6"))
                .fits("applyTime", "its time, in UTC", move |raw| {
                    raw.and_then(Raw::text) == Some(at.format("%Y-%m-%d %H:%M:%S").to_string())
                }),
        );
    }
    let list = List::rows("", views).in_any_order();
    Ok(View::new().list(list.skipping(|raw| {
        let late = raw.get("applyTime").and_then(Raw::text);
        let late = late.is_some_and(|text| text != "2026-01-01 00:00:00" && text != "2026-01-01 00:00:01");
        late || raw
            .get("status")
            .is_some_and(|raw| raw.is_number() && raw.source() != "6")
    })))
});
const DISTRIBUTIONS: Endpoint = ("distributions", ("GET /sapi/v1/asset/assetDividend", 200), |wire| {
    let rows = flows(wire)?;
    let row = |record: &Record| {
        let (coin, amount, at) = moved(record);
        let Record::Flow(flow) = record else { panic!() };
        let view = numbered(View::new(), "id", id(record).strip_prefix("distribution:").unwrap())
            .one_of("asset", [coin])
            .number("amount", amount)
            .text("enInfo", flow.description.clone().unwrap());
        moment(view, "divTime", at)
    };
    let list = List::rows("rows", rows.iter().map(row).collect()).in_any_order();
    Ok(View::new().list(list.skipping(|raw| elsewhere(raw, "divTime"))))
});
/// The coins that were held name the symbols that are likely.
const SNAPSHOTS: Endpoint = ("snapshots", ("GET /sapi/v1/accountSnapshot", 200), |wire| {
    let plan = wire.run(wire.broker.plan_history(&account(), 30, Reach::Likely))?;
    let likely: BTreeSet<String> = plan.instruments.iter().map(|id| id.get().to_owned()).collect();
    Ok(View::new().fits("snapshotVos", "coins that were held", move |raw| {
        let days = raw.into_iter().flat_map(Raw::parts);
        let rows = days.filter_map(|day| day.get("data.balances")).flat_map(Raw::parts);
        let held = rows.filter(|row| {
            ["free", "locked"]
                .iter()
                .any(|path| decimal(row.get(path)).is_some_and(|amount| !amount.is_zero()))
        });
        let coins: BTreeSet<String> = held.filter_map(|row| row.get("asset").and_then(Raw::text)).collect();
        let own = ["BTC", "USDT", "BNB"].map(str::to_owned);
        let coins: BTreeSet<String> = coins.into_iter().chain(own).collect();
        let all = [("BTCUSDT", "BTC"), ("BNBUSDT", "BNB")]
            .into_iter()
            .filter(|(_, base)| coins.contains(*base));
        let expected = all.map(|(symbol, _)| symbol.to_owned()).chain(["account".to_owned()]);
        raw.is_some_and(|raw| raw.source().starts_with('[')) && likely == expected.collect()
    }))
});

pub(super) const COMMISSION: Endpoint = ("commission", ("GET /api/v3/account/commission", 200), |wire| {
    let told = wire.run(wire.broker.commission(&"BTCUSDT".into()))?;
    let view = View::new()
        .inside("standardCommission", inner(told.standard))
        .inside("taxCommission", inner(told.tax));
    let view = match told.special {
        Some(special) => view.inside("specialCommission", inner(special)),
        None => view.nothing("specialCommission"),
    };
    let on = |raw: Option<Raw<'_>>| {
        let flag = |path| raw.and_then(|raw| raw.get(path)).and_then(Raw::flag);
        flag("enabledForAccount")
            .zip(flag("enabledForSymbol"))
            .map(|(account, symbol)| account && symbol)
    };
    Ok(match told.discount {
        Some((coin, factor)) => view
            .fits("discount", "it is on", move |raw| on(raw) == Some(true))
            .one_of("discount.discountAsset", [coin.code()])
            .number("discount.discount", factor),
        None => view.fits("discount", "it is off", move |raw| on(raw) == Some(false)),
    })
});

fn inner(told: Rates) -> View {
    View::new()
        .number("maker", told.maker)
        .number("taker", told.taker)
        .number("buyer", told.buyer)
        .number("seller", told.seller)
}

/// What a filter of this form counts.
const MOST: [&str; 7] = [
    "maxNumOrders",
    "maxNumAlgoOrders",
    "maxNumIcebergOrders",
    "maxNumOrderLists",
    "maxNumOrderAmends",
    "maxPosition",
    "limit",
];

pub(super) const FILTERS: Endpoint = ("filters", ("GET /api/v3/myFilters", 200), |wire| {
    let told = wire.run(wire.broker.filters(&"BTCUSDT".into()))?;
    Ok(View::new().fits("", "all filters, in their order", move |raw| {
        let lists = ["exchangeFilters", "symbolFilters", "assetFilters"];
        let Some(lists) = lists
            .iter()
            .map(|list| {
                raw.and_then(|raw| raw.get(list))
                    .filter(|raw| raw.source().starts_with('['))
            })
            .collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        let rows: Vec<Raw<'_>> = lists.into_iter().flat_map(Raw::parts).collect();
        rows.len() == told.len()
            && rows.iter().zip(&told).all(|(row, told)| {
                let most = MOST.iter().find_map(|name| row.get(name));
                row.get("filterType").and_then(Raw::text).as_ref() == Some(&told.name)
                    && row.get("asset").and_then(Raw::text) == told.asset.map(|coin| coin.code().to_owned())
                    && decimal(most) == told.most
            })
    }))
});
const AMENDMENTS: Endpoint = ("amendments", ("GET /api/v3/order/amendments", 200), |wire| {
    let rows = wire.run(wire.broker.amendments(&order_28()))?;
    let row = |one: &broker_binance::Amendment| {
        let view = View::new()
            .text("origClientOrderId", one.before.get())
            .text("newClientOrderId", one.since.get())
            .number("origQty", one.qty_before.get())
            .number("newQty", one.qty.get());
        moment(view, "time", one.at)
    };
    Ok(View::new().list(List::rows("", rows.iter().map(row).collect())))
});
const PREVENTED: Endpoint = ("prevented matches", ("GET /api/v3/myPreventedMatches", 200), |wire| {
    let rows = wire.run(wire.broker.prevented_matches(&order_28()))?;
    let row = |one: &broker_binance::PreventedMatch| {
        let number = |id: &broker_core::OrderId| id.get().rsplit_once(':').unwrap().1.to_owned();
        let maker = one.maker.get().rsplit_once(':').unwrap().0;
        let view = numbered(View::new(), "preventedMatchId", &one.id.to_string());
        let view = numbered(view, "takerOrderId", &number(&one.taker));
        let view = numbered(view, "makerOrderId", &number(&one.maker))
            .text("makerSymbol", maker)
            .number("price", one.price.get())
            .maybe_number("makerPreventedQuantity", one.maker_qty.map(broker_core::Qty::get));
        moment(view, "transactTime", one.at)
    };
    Ok(View::new().list(List::rows("", rows.iter().map(row).collect())))
});
pub(super) const COUNTS: Endpoint = ("order counts", ("GET /api/v3/rateLimit/order", 200), |wire| {
    let rows = wire.run(wire.broker.order_counts())?;
    let row = |one: &broker_binance::OrderCount| {
        let (num, interval) = one.window.split_once(' ').unwrap();
        let view = numbered(View::new(), "intervalNum", num).text("interval", interval);
        numbered(
            numbered(view, "limit", &one.limit.to_string()),
            "count",
            &one.count.to_string(),
        )
    };
    Ok(View::new().list(List::rows("", rows.iter().map(row).collect())))
});

/// Three orders are open; those that the answer names were canceled.
pub(super) fn cancel_all(wire: &Wire) -> Result<View> {
    let outcomes = wire.run(wire.broker.cancel_all(&account()))?;
    if let Some(error) = outcomes.iter().find_map(|one| one.result.as_ref().err())
        && error.kind() == broker_core::ErrorKind::Decode
    {
        assert!(outcomes.iter().all(|one| one.result.is_err()));
        return Err(error.clone());
    }
    let canceled: BTreeSet<String> = outcomes
        .iter()
        .filter(|one| one.result.is_ok())
        .map(|one| one.order.get().to_owned())
        .collect();
    Ok(View::new().fits("", "the orders of the rows", move |raw| {
        let Some(raw) = raw.filter(|raw| raw.source().starts_with('[')) else {
            return false;
        };
        let named = |row: Raw<'_>| {
            let number = row.get("orderId").filter(|raw| raw.is_number());
            Some(format!("{}:{}", row.get("symbol")?.text()?, number?.source()))
        };
        let mut expected = BTreeSet::new();
        for row in raw.parts() {
            expected.extend(named(row));
            expected.extend(row.get("orders").into_iter().flat_map(Raw::parts).filter_map(named));
        }
        expected.retain(|id| ["BTCUSDT:28", "BTCUSDT:29", "BTCUSDT:30"].contains(&id.as_str()));
        canceled == expected
    }))
}

pub(super) fn quotes(wire: &Wire) -> Result<View> {
    let quotes = wire.run(wire.broker.quotes(&["BTCUSDT".into(), "BNBUSDT".into()]))?;
    let rows = quotes
        .iter()
        .map(|quote| markets::quote(quote, markets::BOOK))
        .collect();
    Ok(View::new().list(List::rows("", rows).skipping(|raw| {
        let symbol = raw.get("symbol").and_then(Raw::text);
        symbol.is_some_and(|symbol| !["BTCUSDT", "BNBUSDT"].contains(&symbol.as_str()))
    })))
}

pub(super) fn subjects<'a>(wire: &'a Wire, live: &'a Wire) -> Vec<Subject<'a>> {
    vec![
        live.subject(CONVERSIONS, "one of two", bodies::CONVERSIONS),
        live.subject(DUST, "one", bodies::DUST),
        live.subject(DEPOSITS, "one of two", bodies::DEPOSITS),
        live.subject(WITHDRAWALS, "with a fee", bodies::WITHDRAWALS),
        live.subject(DISTRIBUTIONS, "one", bodies::DISTRIBUTIONS),
        live.subject(SNAPSHOTS, "of a day", bodies::SNAPSHOTS),
        wire.subject(COMMISSION, "with a discount", bodies::COMMISSION),
        wire.subject(FILTERS, "three", bodies::FILTERS),
        wire.subject(AMENDMENTS, "one", bodies::AMENDMENTS),
        wire.subject(PREVENTED, "one", bodies::PREVENTED),
        wire.subject(COUNTS, "two", bodies::COUNTS),
    ]
}
