//! What moved coins without a trade: conversions, dust, deposits, withdrawals, distributions.

use broker_core::model::{Asset, FlowKind};
use broker_core::num::Text;
use broker_core::{AccountId, Error, Fee, Flow, Record, RecordId, Result};
use chrono::{DateTime, NaiveDateTime, Utc};
use rust_decimal::Decimal;

use super::{at, currency};
use crate::wire::{ConversionJson, DepositJson, DistributionJson, DustJson, WithdrawalJson};

/// The terms of one row.
struct Moved<'a> {
    id: String,
    kind: FlowKind,
    asset: &'a str,
    amount: Decimal,
    group: Option<String>,
    description: Option<String>,
    at: DateTime<Utc>,
}

fn flow(moved: Moved<'_>, account: &AccountId) -> Result<Record> {
    Ok(Record::Flow(Flow {
        id: RecordId::from(moved.id),
        account: account.clone(),
        kind: moved.kind,
        asset: Asset::Currency(currency(moved.asset)?),
        amount: moved.amount,
        price: None,
        cash: None,
        instrument: None,
        lot: None,
        group: moved.group,
        description: moved.description,
        at: moved.at,
        booked_at: Some(moved.at),
        version: 0,
        canceled: false,
    }))
}

/// One coin leaves and another comes; nothing moved where it did not succeed.
pub(crate) fn conversion(wire: &ConversionJson<'_>, account: &AccountId) -> Result<Vec<Record>> {
    if wire.order_status.get() != "SUCCESS" {
        return Ok(Vec::new());
    }
    let group = format!("convert:{}", wire.order_id);
    let at = at(wire.create_time)?;
    let sides = [
        ("from", &wire.from_asset, -wire.from_amount.0),
        ("to", &wire.to_asset, wire.to_amount.0),
    ];
    let row = |(side, asset, amount): (&str, &Text<'_>, Decimal)| {
        flow(
            Moved {
                id: format!("{group}:{side}"),
                kind: FlowKind::Conversion,
                asset: asset.get(),
                amount,
                group: Some(group.clone()),
                description: None,
                at,
            },
            account,
        )
    };
    sides.into_iter().map(row).collect()
}

/// Rests of coins become BNB, less a charge that is taken off already.
pub(crate) fn dust(wire: &DustJson<'_>, account: &AccountId) -> Result<Vec<Record>> {
    let group = format!("dust:{}", wire.trans_id);
    let at = at(wire.operate_time)?;
    let mut rows = Vec::new();
    for part in &wire.user_asset_dribblet_details {
        let from = part.from_asset.get();
        for (side, asset, amount) in [("from", from, -part.amount.0), ("to", "BNB", part.transfered_amount.0)] {
            let moved = Moved {
                id: format!("{group}:{}:{from}:{side}", part.trans_id),
                kind: FlowKind::Dust,
                asset,
                amount,
                group: Some(group.clone()),
                description: None,
                at,
            };
            rows.push(flow(moved, account)?);
        }
    }
    Ok(rows)
}

/// 1 is done; 6 is on the account, and cannot leave it yet.
pub(crate) fn deposit(wire: &DepositJson<'_>, account: &AccountId) -> Result<Vec<Record>> {
    if !matches!(wire.status, 1 | 6) {
        return Ok(Vec::new());
    }
    let moved = Moved {
        id: format!("deposit:{}:{}", wire.coin.get(), wire.tx_id.get()),
        kind: FlowKind::Deposit,
        asset: wire.coin.get(),
        amount: wire.amount.0,
        group: None,
        description: None,
        at: at(wire.insert_time)?,
    };
    Ok(vec![flow(moved, account)?])
}

/// 6 is done. What the network took comes on top.
pub(crate) fn withdrawal(wire: &WithdrawalJson<'_>, account: &AccountId) -> Result<Vec<Record>> {
    const DONE: i32 = 6;
    if wire.status != DONE {
        return Ok(Vec::new());
    }
    let id = format!("withdrawal:{}", wire.id.get());
    let at = applied_at(wire)?;
    let mut rows = vec![flow(
        Moved {
            id: id.clone(),
            kind: FlowKind::Withdrawal,
            asset: wire.coin.get(),
            amount: -wire.amount.0,
            group: Some(id.clone()),
            description: None,
            at,
        },
        account,
    )?];
    if let Some(fee) = wire.transaction_fee.filter(|fee| !fee.0.is_zero()) {
        rows.push(Record::Fee(Fee {
            id: RecordId::from(format!("{id}:fee")),
            account: account.clone(),
            label: "withdrawal".to_owned(),
            asset: Asset::Currency(currency(wire.coin.get())?),
            amount: fee.0,
            price: None,
            instrument: None,
            order: None,
            fill: None,
            at,
            booked_at: Some(at),
            version: 0,
            canceled: false,
        }));
    }
    Ok(rows)
}

fn applied_at(wire: &WithdrawalJson<'_>) -> Result<DateTime<Utc>> {
    let text = wire.apply_time.get();
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .map(|time| time.and_utc())
        .map_err(|_| Error::decode(format!("{text:?} is no time")))
}

/// Airdrops, interest, cashback: Binance says in words which.
pub(crate) fn distribution(wire: &DistributionJson<'_>, account: &AccountId) -> Result<Vec<Record>> {
    let moved = Moved {
        id: format!("distribution:{}", wire.id),
        kind: FlowKind::Reward,
        asset: wire.asset.get(),
        amount: wire.amount.0,
        group: None,
        description: Some(wire.en_info.get().to_owned()),
        at: at(wire.div_time)?,
    };
    Ok(vec![flow(moved, account)?])
}
