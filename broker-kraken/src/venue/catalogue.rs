//! What this venue lists: pairs under Kraken's names, outright and on margin.

use broker_core::model::{AssetClass, InstrumentStatus, Margin, Payoff, TickBand};
use broker_core::{Currency, Instrument, InstrumentId, Money, Price, Qty, Symbol};
use broker_sim::{Calendar, Catalogue, Listing};
use rust_decimal::Decimal;

/// An asset: its id, Kraken's short name, the name of the rest of the world, its places.
pub(super) struct AssetSpec {
    pub(super) id: &'static str,
    pub(super) altname: &'static str,
    pub(super) common: &'static str,
    pub(super) decimals: u32,
}

const fn asset(id: &'static str, altname: &'static str, common: &'static str, decimals: u32) -> AssetSpec {
    AssetSpec {
        id,
        altname,
        common,
        decimals,
    }
}

pub(super) const ASSETS: [AssetSpec; 14] = [
    asset("XXBT", "XBT", "BTC", 10),
    asset("XETH", "ETH", "ETH", 10),
    asset("XXDG", "XDG", "DOGE", 8),
    asset("XLTC", "LTC", "LTC", 10),
    asset("XXRP", "XRP", "XRP", 8),
    asset("XTZ", "XTZ", "XTZ", 8),
    asset("SOL", "SOL", "SOL", 10),
    asset("LINK", "LINK", "LINK", 10),
    asset("DOT", "DOT", "DOT", 10),
    asset("USDT", "USDT", "USDT", 8),
    asset("ZUSD", "USD", "USD", 4),
    asset("ZEUR", "EUR", "EUR", 4),
    asset("KFEE", "FEE", "KFEE", 2),
    asset("ETH2.S", "ETH2.S", "ETH2.S", 10),
];

/// The asset of a currency.
pub(super) fn asset_of(currency: Currency) -> Option<&'static AssetSpec> {
    ASSETS.iter().find(|asset| asset.common == currency.code())
}

/// Key, base and quote by id, first price in steps, places of price and quantity, size, margin.
pub(super) struct PairSpec {
    pub(super) key: &'static str,
    pub(super) base: &'static str,
    pub(super) quote: &'static str,
    start: i64,
    pub(super) places: u32,
    pub(super) lot_places: u32,
    size: i64,
    pub(super) leverage: &'static [u32],
}

#[allow(clippy::too_many_arguments, reason = "the columns of one table")]
const fn pair(
    key: &'static str,
    base: &'static str,
    quote: &'static str,
    start: i64,
    places: u32,
    size: i64,
    leverage: &'static [u32],
) -> PairSpec {
    PairSpec {
        key,
        base,
        quote,
        start,
        places,
        lot_places: 8,
        size,
        leverage,
    }
}

pub(super) const PAIRS: [PairSpec; 10] = [
    pair("XXBTZUSD", "XXBT", "ZUSD", 942_500, 1, 2, &[2, 3, 4, 5]),
    pair("XETHZUSD", "XETH", "ZUSD", 331_000, 2, 40, &[2, 3, 4, 5]),
    pair("XLTCZUSD", "XLTC", "ZUSD", 8_800, 2, 800, &[2, 3]),
    pair("XXRPZUSD", "XXRP", "ZUSD", 200_000, 5, 40_000, &[2, 3]),
    pair("SOLUSD", "SOL", "ZUSD", 16_200, 2, 600, &[]),
    pair("LINKUSD", "LINK", "ZUSD", 1_400_000, 5, 4_000, &[]),
    pair("XDGUSD", "XXDG", "ZUSD", 2_000_000, 7, 60_000, &[]),
    pair("XTZUSD", "XTZ", "ZUSD", 11_000, 4, 9_000, &[]),
    pair("XBTUSDT", "XXBT", "USDT", 942_300, 1, 2, &[]),
    pair("XETHXXBT", "XETH", "XXBT", 3_512, 5, 60, &[2]),
];

impl PairSpec {
    fn asset(id: &str) -> Option<&'static AssetSpec> {
        ASSETS.iter().find(|asset| asset.id == id)
    }

    pub(super) fn of(name: &str) -> Option<&'static Self> {
        PAIRS
            .iter()
            .find(|pair| pair.spellings().iter().any(|spelling| spelling == name))
    }

    /// Key, altname, and the name of the older stream: what requests may say.
    pub(super) fn spellings(&self) -> [String; 3] {
        let (base, quote) = (short(self.base), short(self.quote));
        [self.key.to_owned(), format!("{base}{quote}"), format!("{base}/{quote}")]
    }

    pub(super) fn altname(&self) -> String {
        let [_, altname, _] = self.spellings();
        altname
    }

    /// The name that the second version of the stream has for it.
    pub(super) fn symbol(&self) -> String {
        let common = |id: &str| Self::asset(id).map_or("", |asset| asset.common);
        format!("{}/{}", common(self.base), common(self.quote))
    }

    pub(super) fn tick(&self) -> Decimal {
        Decimal::new(1, self.places)
    }

    fn listings(&self) -> Vec<Listing> {
        let (Some(base), Some(quote)) = (Self::asset(self.base), Self::asset(self.quote)) else {
            return Vec::new();
        };
        let (Ok(base_coin), Ok(currency)) = (base.common.parse(), quote.common.parse::<Currency>()) else {
            return Vec::new();
        };
        let spot = Instrument {
            id: InstrumentId::from(self.key),
            symbol: Symbol::from(format!("{}/{}", base.common, quote.common)),
            name: None,
            asset_class: AssetClass::Crypto,
            exchange: None,
            currency,
            base: Some(base_coin),
            payoff: Payoff::Cash,
            multiplier: Some(Decimal::ONE),
            ticks: vec![TickBand {
                from: Price::new(Decimal::ZERO),
                tick: self.tick(),
            }],
            lot: Some(Decimal::new(1, self.lot_places)),
            min_qty: Qty::new(Decimal::new(1, 4)).ok(),
            max_qty: None,
            min_notional: (currency == Currency::USD).then(|| Money::new(Decimal::new(5, 1), currency)),
            pip_location: None,
            expires_at: None,
            option: None,
            margin: None,
            status: InstrumentStatus::Tradable,
            shortable: Some(false),
        };
        let listing = |instrument| Listing {
            instrument,
            calendar: Calendar::Always,
            start: Decimal::new(self.start, self.places),
            spread: 4,
            size: Decimal::from(self.size),
            step: 60,
        };
        let margin = self.leverage.last().map(|most| {
            let rate = Decimal::ONE / Decimal::from(*most);
            listing(Instrument {
                id: InstrumentId::from(format!("margin:{}", self.key)),
                symbol: Symbol::from(format!("margin:{}/{}", base.common, quote.common)),
                payoff: Payoff::Margined,
                shortable: Some(true),
                margin: Some(Margin {
                    long_rate: Some(rate),
                    short_rate: Some(rate),
                    ..Margin::default()
                }),
                ..spot.clone()
            })
        });
        std::iter::once(listing(spot)).chain(margin).collect()
    }
}

/// An asset's short name.
fn short(id: &str) -> &str {
    PairSpec::asset(id).map_or(id, |asset| asset.altname)
}

/// What the venue lists, for an engine of one's own.
pub fn catalogue() -> Catalogue {
    let listings = PAIRS.iter().flat_map(PairSpec::listings);
    listings.fold(Catalogue::new(), Catalogue::with)
}
