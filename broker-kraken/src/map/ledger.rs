//! Rows of the ledger to records.
//!
//! | Type | Record |
//! | --- | --- |
//! | `trade` `margin` | a fee of the trade `refid`, in the asset that it was taken in; the amounts are the fill's |
//! | `spend` with `receive` of one `refid` | a fill: something was bought or sold without an order |
//! | `deposit` `withdrawal` | deposit, withdrawal |
//! | `transfer`, `earn` without a reward | transfer |
//! | `staking` `reward`, `earn` with a reward | reward |
//! | `rollover` | financing |
//! | `dividend` `conversion` `adjustment` | dividend, conversion, adjustment |
//! | other | flow of that name, with a note where the type is unknown |
//!
//! A fee on any other row than `trade`, `margin` and `rollover` is a fee of its own. Staked parts of an asset are the
//! asset: a row for each side of a move comes to nothing.

use broker_core::model::{Asset, FlowKind, Grade, PositionLeg};
use broker_core::num::decimal;
use broker_core::{AccountId, Currency, Error, Fee, Fill, FillId, Flow, Qty, Record, RecordId, Result, Side};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::directory::{Directory, Held};
use crate::wire::{LedgerJson, filled};

/// Types that are known and have no word in the model.
const OWN_WORDS: [&str; 8] = [
    "settled",
    "credit",
    "sale",
    "nfttrade",
    "nftcreatorfee",
    "nftrebate",
    "custodytransfer",
    "none",
];

/// One side of an exchange without an order, kept until the other side is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Half {
    id: String,
    pub(crate) refid: String,
    pub(crate) at: DateTime<Utc>,
    asset: Currency,
    /// Negative when it was spent.
    amount: String,
    fee: String,
}

/// What a row says.
pub(crate) enum Read {
    Records(Vec<Record>),
    Half(Half),
}

/// Reads a row; what is odd about it is noted.
pub(crate) fn row(
    id: &str,
    wire: &LedgerJson<'_>,
    account: &AccountId,
    directory: &Directory,
    notes: &mut Vec<String>,
) -> Result<Read> {
    let (asset, _) = directory.asset(wire.asset.get())?;
    let row = Row {
        id,
        refid: wire.refid.get(),
        at: super::needed(wire.time.set(), "time", id)?,
        asset,
        amount: wire.amount.0,
        fee: wire.fee.0,
        subtype: filled(&wire.subtype),
        account,
    };
    let kind = match wire.kind.get() {
        // Paid with fee credits, the amount is the fee.
        "trade" if asset.code() == "KFEE" => {
            let fee = row.fee.checked_sub(row.amount);
            return Ok(Read::Records(row.trade_fee(fee.ok_or_else(unfit)?)));
        }
        // The profit or loss in a margin row is what the books make of the fills.
        "trade" | "margin" => return Ok(Read::Records(row.trade_fee(row.fee))),
        "spend" | "receive" => {
            return Ok(Read::Half(Half {
                id: id.to_owned(),
                refid: row.refid.to_owned(),
                at: row.at,
                asset,
                amount: row.amount.to_string(),
                fee: row.fee.to_string(),
            }));
        }
        "deposit" => FlowKind::Deposit,
        "withdrawal" => FlowKind::Withdrawal,
        "staking" | "reward" => FlowKind::Reward,
        "earn" if row.subtype.is_none_or(|subtype| subtype.contains("reward")) => FlowKind::Reward,
        "transfer" | "earn" => FlowKind::Transfer,
        "rollover" => {
            let paid = row.amount.checked_sub(row.fee).ok_or_else(unfit)?;
            return Ok(Read::Records(vec![Record::Flow(row.flow(FlowKind::Financing, paid))]));
        }
        "dividend" => FlowKind::Dividend,
        "conversion" => FlowKind::Conversion,
        "adjustment" => FlowKind::Adjustment,
        word => {
            if !OWN_WORDS.contains(&word) {
                notes.push(format!("{id} is of the unknown type {word:?}"));
            }
            FlowKind::Other(word.into())
        }
    };
    let mut records = vec![Record::Flow(row.flow(kind, row.amount))];
    records.extend(row.own_fee(wire.kind.get()));
    Ok(Read::Records(records))
}

fn unfit() -> Error {
    Error::decode("an amount of the ledger does not fit")
}

struct Row<'a> {
    id: &'a str,
    refid: &'a str,
    at: DateTime<Utc>,
    asset: Currency,
    amount: Decimal,
    fee: Decimal,
    subtype: Option<&'a str>,
    account: &'a AccountId,
}

impl Row<'_> {
    fn flow(&self, kind: FlowKind, amount: Decimal) -> Flow {
        Flow {
            id: RecordId::from(self.id),
            account: self.account.clone(),
            kind,
            asset: Asset::Currency(self.asset),
            amount,
            price: None,
            cash: None,
            instrument: None,
            lot: None,
            group: Some(self.refid.to_owned()).filter(|refid| !refid.is_empty()),
            description: self.subtype.map(str::to_owned),
            at: self.at,
            booked_at: None,
            version: 0,
            canceled: false,
        }
    }

    /// The fee of a trade. Its id is made of the trade and the asset, which the stream tells, too.
    fn trade_fee(&self, amount: Decimal) -> Vec<Record> {
        if amount.is_zero() {
            return Vec::new();
        }
        vec![Record::Fee(trade_fee(
            self.refid,
            self.asset,
            amount,
            self.at,
            self.account,
        ))]
    }

    fn own_fee(&self, label: &str) -> Option<Record> {
        let fee = Fee {
            id: RecordId::from(format!("fee:{}", self.id)),
            label: label.to_owned(),
            fill: None,
            ..trade_fee(self.refid, self.asset, self.fee, self.at, self.account)
        };
        (!self.fee.is_zero()).then_some(Record::Fee(fee))
    }
}

/// A fee of a fill.
pub(crate) fn trade_fee(trade: &str, asset: Currency, amount: Decimal, at: DateTime<Utc>, account: &AccountId) -> Fee {
    Fee {
        id: RecordId::from(format!("fee:{trade}:{asset}")),
        account: account.clone(),
        label: "trade".to_owned(),
        asset: Asset::Currency(asset),
        amount,
        price: None,
        instrument: None,
        order: None,
        fill: Some(FillId::from(trade)),
        at,
        booked_at: None,
        version: 0,
        canceled: false,
    }
}

/// The halves of one `refid`. One spent and one received are a fill of the pair between them; anything else is a
/// conversion, row by row.
pub(crate) fn joined(halves: &[Half], account: &AccountId, directory: &Directory) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for half in halves {
        let fee = decimal(&half.fee)?;
        if !fee.is_zero() {
            records.push(Record::Fee(Fee {
                id: RecordId::from(format!("fee:{}", half.id)),
                label: "conversion".to_owned(),
                fill: None,
                ..trade_fee(&half.refid, half.asset, fee, half.at, account)
            }));
        }
    }
    if let [one, other] = halves {
        let (a, b) = (decimal(&one.amount)?, decimal(&other.amount)?);
        let exchange = match (a.is_sign_negative(), b.is_sign_negative()) {
            (true, false) => fill(other, b, one, -a, account, directory)?,
            (false, true) => fill(one, a, other, -b, account, directory)?,
            _ => None,
        };
        if let Some(fill) = exchange {
            records.insert(0, Record::Fill(fill));
            return Ok(records);
        }
    }
    for half in halves {
        let row = Row {
            id: &half.id,
            refid: &half.refid,
            at: half.at,
            asset: half.asset,
            amount: decimal(&half.amount)?,
            fee: Decimal::ZERO,
            subtype: None,
            account,
        };
        records.push(Record::Flow(row.flow(FlowKind::Conversion, row.amount)));
    }
    Ok(records)
}

/// What was bought or sold without an order. The price is the quotient of the two amounts.
fn fill(
    received: &Half,
    got: Decimal,
    spent: &Half,
    paid: Decimal,
    account: &AccountId,
    directory: &Directory,
) -> Result<Option<Fill>> {
    let (pair, buys) = match directory.between(received.asset, spent.asset) {
        Some((pair, buys)) => (std::sync::Arc::clone(pair), buys),
        None => {
            let name = format!("{}/{}", received.asset, spent.asset);
            (directory.pair_of(&name)?, true)
        }
    };
    let (qty, cost, side) = match buys {
        true => (got, paid, Side::Buy),
        false => (paid, got, Side::Sell),
    };
    let Some(price) = cost.checked_div(qty).filter(|_| pair.spot.base.is_some()) else {
        return Ok(None);
    };
    let (instrument, symbol) = pair.names(Held::Outright);
    Ok(Some(Fill {
        id: FillId::from(format!("ledger:{}", received.refid)),
        account: account.clone(),
        instrument,
        symbol,
        leg: PositionLeg::Net,
        order: None,
        client_order: None,
        side,
        qty: Qty::new(qty)?,
        price: price.into(),
        at: received.at.max(spent.at),
        version: 0,
        grade: Grade::Reported,
        fees: Vec::new(),
        liquidity: None,
        effect: None,
        pnl: None,
        conversion: None,
        lots: Vec::new(),
    }))
}
