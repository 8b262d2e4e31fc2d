//! What the account holds: balances, margin, positions, the key's rights.

use std::collections::BTreeMap;

use broker_core::model::{Payoff, PositionLeg};
use broker_core::{Currency, Fill, FillId, Instrument, Record, Side};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::KrakenVenue;
use super::catalogue::{PairSpec, asset_of};
use super::ids;
use super::json::{Object, array, padded, quoted, seconds};
use super::params::Params;
use super::refusal::{Refusal, Reply};

/// Leverage that positions are shown with.
const SHOWN_LEVERAGE: Decimal = Decimal::from_parts(5, 0, 0, false, 0);

impl KrakenVenue {
    pub(super) fn key_info(&self, params: &Params, now: DateTime<Utc>) -> Reply {
        params.only(&[])?;
        let stamp = |at: Option<DateTime<Utc>>| at.map_or(0, |at| at.timestamp()).to_string();
        Ok(Object::new()
            .text("apiKeyName", "venue")
            .text("apiKey", &self.key)
            .text("nonce", &self.nonce.to_string())
            .raw("nonceWindow", "0")
            .raw("permissions", &array(self.permissions.iter().map(|word| quoted(word))))
            .text("iban", "AA00 N000 0000 0000")
            .text("validUntil", "0")
            .text("queryFrom", &stamp(self.query_from))
            .text("queryTo", "0")
            .text("createdTime", "1700000000")
            .text("modifiedTime", "1700000000")
            .raw("ipAllowlist", "[]")
            .text("lastUsed", &now.timestamp().to_string())
            .end())
    }

    /// Cash by currency, and coins that the engine keeps as positions in pairs; what open orders hold of each.
    pub(super) fn holdings(&self) -> Result<BTreeMap<Currency, (Decimal, Decimal)>, Refusal> {
        let mut sums: BTreeMap<Currency, (Decimal, Decimal)> = BTreeMap::new();
        let account = self.engine.account(&self.account)?;
        for money in account.cash() {
            sums.entry(money.currency).or_default().0 += money.amount;
        }
        for balance in self.engine.balances(&self.account)?.balances {
            sums.entry(balance.currency).or_default().1 += balance.held.unwrap_or_default();
        }
        for position in self.engine.positions(&self.account)? {
            let instrument = self.engine.instrument(&position.instrument);
            let Some(base) = instrument
                .filter(|one| one.payoff == Payoff::Cash)
                .and_then(|one| one.base)
            else {
                continue;
            };
            let held = position.qty.get() - position.available.map_or(position.qty.get(), |free| free.get());
            let sum = sums.entry(base).or_default();
            sum.0 += position.signed_qty();
            sum.1 += held;
        }
        sums.retain(|_, (total, held)| !total.is_zero() || !held.is_zero());
        Ok(sums)
    }

    pub(super) fn balances(&self, params: &Params) -> Reply {
        params.only(&[])?;
        let mut rows = Object::new();
        for (currency, (total, held)) in self.holdings()? {
            let Some(asset) = asset_of(currency) else { continue };
            let row =
                Object::new()
                    .decimal("balance", total, asset.decimals)
                    .decimal("hold_trade", held, asset.decimals);
            rows = rows.raw(asset.id, &row.end());
        }
        Ok(rows.end())
    }

    pub(super) fn trade_balance(&self, params: &Params) -> Reply {
        params.only(&["asset"])?.word("asset", &["ZUSD", "USD"])?;
        let balances = self.engine.balances(&self.account)?;
        let amount = |money: Option<broker_core::Money>| money.map(|money| money.amount).unwrap_or_default();
        let (equity, used) = (amount(balances.equity), amount(balances.margin_used));
        let mut margined = Decimal::ZERO;
        let (mut cost, mut value) = (Decimal::ZERO, Decimal::ZERO);
        for position in self.engine.positions(&self.account)? {
            let instrument = self.engine.instrument(&position.instrument);
            if instrument.is_some_and(|one| one.payoff == Payoff::Margined) {
                margined += amount(position.unrealized_pnl);
                cost += amount(position.cost_basis).abs();
                value += amount(position.market_value).abs();
            }
        }
        let mut object = Object::new()
            .decimal("eb", equity, 4)
            .decimal("tb", equity - margined, 4)
            .decimal("m", used, 4)
            .decimal("uv", Decimal::ZERO, 4)
            .decimal("n", margined, 4)
            .decimal("c", cost, 4)
            .decimal("v", value, 4)
            .decimal("e", equity, 4)
            .decimal("mf", amount(balances.margin_available), 4);
        if let Some(level) = (equity * Decimal::ONE_HUNDRED).checked_div(used) {
            object = object.decimal("ml", level.round_dp(2), 2);
        }
        Ok(object.end())
    }

    pub(super) fn trade_volume(&self, params: &Params) -> Reply {
        let pairs = params.only(&["pair"])?.get("pair").unwrap_or_default();
        let (mut fees, mut maker) = (Object::new(), Object::new());
        for name in pairs.split(',').filter(|name| !name.is_empty()) {
            let pair = PairSpec::of(name).ok_or_else(|| Refusal::new("EQuery:Unknown asset pair"))?;
            fees = fees.raw(pair.key, r#"{"fee":"0.4000","minfee":"0.1000","maxfee":"0.4000"}"#);
            maker = maker.raw(pair.key, r#"{"fee":"0.2500","minfee":"0.0000","maxfee":"0.2500"}"#);
        }
        Ok(Object::new()
            .text("currency", "ZUSD")
            .text("volume", "0.0000")
            .raw("fees", &fees.end())
            .raw("fees_maker", &maker.end())
            .end())
    }

    /// A row for each trade that opened a part of a position. None is an empty list, not an empty object.
    pub(super) fn open_positions(&self, params: &Params) -> Reply {
        params.only(&["txid", "docalcs", "consolidation", "rebase_multiplier"])?;
        let calculates = params.flag("docalcs")?;
        let log = self.engine.log(&self.account)?.iter();
        let fills: BTreeMap<&FillId, &Fill> = log
            .filter_map(|entry| match &entry.record {
                Record::Fill(fill) => Some((&fill.id, fill)),
                _ => None,
            })
            .collect();
        let mut rows = Object::new();
        let mut any = false;
        for position in self.engine.positions(&self.account)? {
            let Some(instrument) = self.engine.instrument(&position.instrument) else {
                continue;
            };
            if instrument.payoff != Payoff::Margined {
                continue;
            }
            let mark = self
                .engine
                .mark(&instrument.id)
                .map(|price| price.get())
                .unwrap_or_default();
            for lot in self.engine.lots(&self.account, &instrument.id, PositionLeg::Net) {
                let Some(fill) = lot.fill.as_ref().and_then(|id| fills.get(id)) else {
                    continue;
                };
                let mark = calculates.then_some(mark);
                rows = rows.raw(
                    &ids::trade(&fill.id),
                    &position_row(instrument, fill, &lot, position.side, mark),
                );
                any = true;
            }
        }
        Ok(if any { rows.end() } else { "[]".to_owned() })
    }
}

/// What is left of one fill; with its value where it is asked for.
fn position_row(
    instrument: &Instrument,
    fill: &Fill,
    lot: &broker_sim::Lot,
    side: Side,
    mark: Option<Decimal>,
) -> String {
    let (whole, cost) = (fill.qty.get(), fill.qty.get() * fill.price.get());
    let sign = if side == Side::Buy { Decimal::ONE } else { -Decimal::ONE };
    let mut row = Object::new()
        .text("ordertxid", &fill.order.as_ref().map(ids::order).unwrap_or_default())
        .text("posstatus", "open")
        .text("pair", pair_key(instrument))
        .raw("time", &seconds(fill.at))
        .text("type", &side.to_string())
        .text("ordertype", "limit")
        .decimal("cost", cost, 5)
        .decimal("fee", Decimal::ZERO, 5)
        .decimal("vol", whole, 8)
        .decimal("vol_closed", whole - lot.qty, 8)
        .decimal("margin", cost / SHOWN_LEVERAGE, 5);
    if let Some(mark) = mark {
        let net = (mark - lot.price) * lot.qty * sign;
        let plus = if net.is_sign_negative() { "" } else { "+" };
        row = row
            .decimal("value", mark * lot.qty, 1)
            .text("net", &format!("{plus}{}", padded(net, 4)));
    }
    row.text("terms", "0.0100% per 4 hours")
        .text("rollovertm", &(fill.at.timestamp() + 14_400).to_string())
        .text("misc", "")
        .text("oflags", "")
        .end()
}

/// Kraken's key of a pair, outright or on margin.
pub(super) fn pair_key(instrument: &Instrument) -> &str {
    instrument.id.get().trim_start_matches("margin:")
}
