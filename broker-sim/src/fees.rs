//! What trading costs: a schedule of rules by asset class.

use broker_core::model::{AssetClass, Liquidity};
use broker_core::{Currency, Instrument, Money, Side};
use rust_decimal::{Decimal, RoundingStrategy};

/// How a fee is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeKind {
    /// So much a share or contract, in the instrument's currency.
    PerUnit(Decimal),
    /// A share of the value: 0.0025 is 0.25 %.
    Rate {
        /// For orders that rested.
        maker: Decimal,
        /// For orders that took.
        taker: Decimal,
    },
}

/// What a fee is paid in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeAsset {
    /// The currency of the price.
    Quote,
    /// What the trade brought in: the coin on a buy, the currency on a sell.
    Received,
    /// This coin, for a part of the fee, at the mark of the moment; as [`Received`](Self::Received), and whole, while
    /// the account holds less of it than that or nothing says what it is worth. So Binance takes BNB.
    Coin {
        /// Which.
        coin: Currency,
        /// The part that is charged: 0.75 where paying so is rewarded with a quarter.
        part: Decimal,
    },
}

/// What a fee may be paid with.
pub trait Purse {
    /// What one of a currency is worth in another, if there is a market.
    fn rate(&self, from: Currency, to: Currency) -> Option<Decimal>;
    /// How much of a coin the account holds.
    fn held(&self, coin: Currency) -> Decimal;
}

/// When a fee is booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posting {
    /// On the fill's own row.
    OnFill,
    /// As a row of its own on the next day, one a day, label, instrument and asset.
    NextDay,
}

/// One rule of a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeRule {
    /// What it is for.
    pub class: AssetClass,
    /// The venue's word for it.
    pub label: String,
    /// How it is counted.
    pub kind: FeeKind,
    /// Only this side, where it is charged on one.
    pub side: Option<Side>,
    /// What it is paid in.
    pub asset: FeeAsset,
    /// When it is booked.
    pub posting: Posting,
    /// Decimal places that it is rounded to, halves away from zero.
    pub places: u32,
}

/// The rules of an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeeSchedule {
    /// All that match are charged.
    pub rules: Vec<FeeRule>,
}

impl FeeSchedule {
    /// Nothing costs anything.
    pub fn free() -> Self {
        Self::default()
    }

    /// As at a US retail broker: regulatory fees on share sales and a fee an option contract, both posted the day
    /// after; coins 0.15 % maker and 0.25 % taker in what was received, posted the day after; futures 1.40 a contract
    /// on the fill.
    pub fn us_retail() -> Self {
        let mut rules = Vec::new();
        for class in [AssetClass::Stock, AssetClass::Etf] {
            let sales = |label: &str, kind| FeeRule {
                label: label.to_owned(),
                side: Some(Side::Sell),
                ..rule(class.clone(), kind, Posting::NextDay, 4)
            };
            rules.push(sales("REG", rate(278, 278, 7)));
            rules.push(sales("TAF", FeeKind::PerUnit(Decimal::new(166, 6))));
        }
        rules.push(FeeRule {
            label: "ORF".to_owned(),
            ..rule(
                AssetClass::Option,
                FeeKind::PerUnit(Decimal::new(25, 3)),
                Posting::NextDay,
                4,
            )
        });
        rules.push(FeeRule {
            label: "CFEE".to_owned(),
            asset: FeeAsset::Received,
            ..rule(AssetClass::Crypto, rate(15, 25, 4), Posting::NextDay, 9)
        });
        rules.push(rule(
            AssetClass::Future,
            FeeKind::PerUnit(Decimal::new(140, 2)),
            Posting::OnFill,
            2,
        ));
        Self { rules }
    }

    /// With another rule.
    #[must_use]
    pub fn with(mut self, rule: FeeRule) -> Self {
        self.rules.push(rule);
        self
    }
}

fn rate(maker: i64, taker: i64, places: u32) -> FeeKind {
    FeeKind::Rate {
        maker: Decimal::new(maker, places),
        taker: Decimal::new(taker, places),
    }
}

fn rule(class: AssetClass, kind: FeeKind, posting: Posting, places: u32) -> FeeRule {
    FeeRule {
        class,
        label: "COM".to_owned(),
        kind,
        side: None,
        asset: FeeAsset::Quote,
        posting,
        places,
    }
}

impl FeeRule {
    /// What a fill costs by this rule; `None` where the rule does not apply.
    pub fn charge(
        &self,
        instrument: &Instrument,
        side: Side,
        qty: Decimal,
        price: Decimal,
        liquidity: Liquidity,
        purse: &impl Purse,
    ) -> Option<Money> {
        if self.class != instrument.asset_class || self.side.is_some_and(|only| only != side) {
            return None;
        }
        let value = qty * price * instrument.multiplier.unwrap_or(Decimal::ONE);
        let (base, rate) = match self.kind {
            FeeKind::PerUnit(amount) => (qty, amount),
            FeeKind::Rate { maker, taker } => (
                value,
                match liquidity {
                    Liquidity::Maker => maker,
                    Liquidity::Taker => taker,
                },
            ),
        };
        let rounded =
            |amount: Decimal| amount.round_dp_with_strategy(self.places, RoundingStrategy::MidpointAwayFromZero);
        let in_coin = match self.asset {
            FeeAsset::Coin { coin, part } => purse
                .rate(instrument.currency, coin)
                .and_then(|price| (base * rate * part).checked_mul(price))
                .map(|amount| Money::new(rounded(amount), coin))
                .filter(|fee| fee.amount <= purse.held(coin)),
            FeeAsset::Quote | FeeAsset::Received => None,
        };
        let fee = in_coin.unwrap_or_else(|| {
            let received = instrument
                .base
                .filter(|_| self.asset != FeeAsset::Quote && side == Side::Buy);
            match received {
                Some(coin) => Money::new(rounded(qty * rate), coin),
                None => Money::new(rounded(base * rate), instrument.currency),
            }
        });
        (!fee.amount.is_zero()).then_some(fee)
    }
}
