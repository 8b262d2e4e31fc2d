//! Pairs and assets by every name that Kraken has for them.
//!
//! One pair has four spellings: its key `XXBTZUSD` (trades, positions), its altname `XBTUSD` (orders), `XBT/USD`, and
//! on the newer stream `BTC/USD`. Keys are the ids of instruments, the last is their symbol. No letter is ever taken
//! off by rule: `XTZ` is an asset of its own.
//!
//! A pair traded on margin is an instrument of its own, `margin:XXBTZUSD`: what is held outright is in the balances, a
//! margin position is not.

use std::collections::HashMap;
use std::sync::Arc;

use broker_core::model::{AssetClass, InstrumentStatus, Margin, Payoff, TickBand};
use broker_core::{Currency, Error, Instrument, InstrumentId, Money, Price, Qty, Result, Symbol};
use rust_decimal::Decimal;

use crate::wire::{AssetJson, Keyed, PairJson, filled};

/// Begins the id and the symbol of a pair traded on margin.
const MARGIN: &str = "margin:";

/// Ends an asset's id where it is kept apart: staked, earning, bonded, opted in.
const PARTS: [&str; 4] = [".S", ".M", ".B", ".F"];

/// Kraken's word for tokenized shares.
pub(crate) const TOKENIZED: &str = "tokenized_asset";

/// Currencies that are no coins.
const FIAT: [&str; 12] = [
    "USD", "EUR", "GBP", "CAD", "JPY", "CHF", "AUD", "AED", "KRW", "ARS", "MXN", "BRL",
];

/// How a pair is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    Outright,
    OnMargin,
}

/// A pair, whether or not it is listed still.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair {
    /// What requests name it.
    pub(crate) key: String,
    pub(crate) spot: Arc<Instrument>,
    /// `None` where it is not traded on margin.
    pub(crate) margin: Option<Arc<Instrument>>,
    /// Whether requests must say that it is a tokenized share.
    pub(crate) tokenized: bool,
    /// Highest leverage of purchases and of sales.
    pub(crate) max_leverage: (u32, u32),
}

impl Pair {
    /// What requests say of a tokenized share, and of nothing else.
    #[cfg_attr(
        not(any(feature = "trading", feature = "market-data")),
        allow(dead_code, reason = "orders and candles alone say it")
    )]
    pub(crate) fn asset_class(&self) -> Option<&'static str> {
        self.tokenized.then_some(TOKENIZED)
    }

    /// Id and symbol of what is traded, held like this.
    pub(crate) fn names(&self, held: Held) -> (InstrumentId, Symbol) {
        match held {
            Held::Outright => (self.spot.id.clone(), self.spot.symbol.clone()),
            Held::OnMargin => (on_margin(self.spot.id.get()), on_margin(self.spot.symbol.get())),
        }
    }

    fn instrument(&self, held: Held) -> Option<Arc<Instrument>> {
        match held {
            Held::Outright => Some(Arc::clone(&self.spot)),
            Held::OnMargin => self.margin.clone(),
        }
    }

    /// The same for what was traded once: fills can be older than the end of their margin trading.
    fn former(&self, held: Held) -> Arc<Instrument> {
        self.instrument(held).unwrap_or_else(|| {
            Arc::new(Instrument {
                status: InstrumentStatus::Delisted,
                ..margined(&self.spot, None)
            })
        })
    }
}

/// The name of what is held on margin.
fn on_margin<T: From<String>>(name: &str) -> T {
    T::from(format!("{MARGIN}{name}"))
}

/// A name without its prefix, and how it is held.
pub(crate) fn held(name: &str) -> (Held, &str) {
    match name.strip_prefix(MARGIN) {
        Some(name) => (Held::OnMargin, name),
        None => (Held::Outright, name),
    }
}

/// All pairs and assets.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pairs: Vec<Arc<Pair>>,
    names: HashMap<String, usize>,
    assets: HashMap<String, Currency>,
}

/// Pages of the lists, each as it came.
pub(crate) type Lists<'a> = (Vec<Keyed<'a, AssetJson<'a>>>, Vec<Keyed<'a, PairJson<'a>>>);

impl Directory {
    pub(crate) fn new((assets, pairs): Lists<'_>) -> Result<Self> {
        let mut directory = Self::default();
        for (id, asset) in assets.iter().flat_map(|list| &list.0) {
            // The short name of fee credits is FEE, which says nothing.
            let name = if id.get() == "KFEE" {
                "KFEE"
            } else {
                asset.altname.get()
            };
            directory.assets.insert(id.get().to_owned(), common(name).parse()?);
        }
        let mut spellings = Vec::new();
        for (key, pair) in pairs.iter().flat_map(|list| &list.0) {
            let at = directory.pairs.len();
            let made = directory.listed(key.get(), pair)?;
            let symbol = made.spot.symbol.get().to_owned();
            let plain = symbol.replace('/', "");
            let wsname = filled(&pair.wsname).unwrap_or_default().to_owned();
            let altname = pair.altname.get().to_owned();
            spellings.push((at, [key.get().to_owned(), altname, wsname, symbol, plain]));
            directory.pairs.push(Arc::new(made));
        }
        // Where two pairs claim one name, the more official spelling has it.
        for place in 0..5 {
            for (at, names) in &spellings {
                if !names[place].is_empty() {
                    directory.names.entry(names[place].clone()).or_insert(*at);
                }
            }
        }
        Ok(directory)
    }

    /// The asset of an id, and whether the id names a part of it that is kept apart.
    pub(crate) fn asset(&self, id: &str) -> Result<(Currency, bool)> {
        if let Some(currency) = self.assets.get(id) {
            return Ok((*currency, false));
        }
        let part = PARTS.iter().find_map(|suffix| id.strip_suffix(suffix));
        // A tokenized share is named by its pair without the suffix.
        let name = part.or(id.strip_suffix(".T")).unwrap_or(id);
        let known = self.assets.get(name).copied();
        Ok((known.map_or_else(|| common(name).parse(), Ok)?, part.is_some()))
    }

    /// A listed pair by any of its names.
    pub(crate) fn pair(&self, name: &str) -> Option<&Arc<Pair>> {
        self.names.get(name).and_then(|at| self.pairs.get(*at))
    }

    /// A pair as a trade or an order names it. One that is not listed any more is cut at the longest quote that is
    /// known, or else keeps its name and nothing else: its fills are never dropped.
    pub(crate) fn pair_of(&self, name: &str) -> Result<Arc<Pair>> {
        match self.pair(name) {
            Some(pair) => Ok(Arc::clone(pair)),
            None if name.is_empty() => Err(Error::decode("a pair without a name")),
            None => self.unlisted(name).map(Arc::new),
        }
    }

    /// The instrument of an id; also of a pair that is no longer listed, where its assets are known.
    pub(crate) fn instrument(&self, id: &str) -> Option<Arc<Instrument>> {
        let (held, name) = held(id);
        match self.pair(name) {
            // Only keys are ids.
            Some(pair) => (pair.key == name).then(|| pair.former(held)),
            None => {
                let pair = self.unlisted(name).ok()?;
                pair.spot.base?;
                Some(pair.former(held))
            }
        }
    }

    /// The instruments that go by this symbol, in any spelling.
    pub(crate) fn by_symbol(&self, symbol: &str) -> Option<Arc<Instrument>> {
        let (held, name) = held(symbol);
        self.pair(name)?.instrument(held)
    }

    /// Every instrument of the lists.
    pub(crate) fn instruments(&self) -> impl Iterator<Item = &Arc<Instrument>> {
        self.pairs
            .iter()
            .flat_map(|pair| std::iter::once(&pair.spot).chain(pair.margin.as_ref()))
    }

    /// The pair that is bought or sold when one asset becomes another; true when the first is what is bought.
    pub(crate) fn between(&self, received: Currency, spent: Currency) -> Option<(&Arc<Pair>, bool)> {
        let named = |base: Currency, quote: Currency| self.pair(&format!("{base}/{quote}"));
        named(received, spent)
            .map(|pair| (pair, true))
            .or_else(|| named(spent, received).map(|pair| (pair, false)))
    }

    fn listed(&self, key: &str, wire: &PairJson<'_>) -> Result<Pair> {
        let (base, _) = self.asset(wire.base.get())?;
        let (quote, _) = self.asset(wire.quote.get())?;
        let tokenized = filled(&wire.aclass_base) == Some(TOKENIZED);
        let tick = wire.tick_size.nonzero().map_or_else(|| step(wire.pair_decimals), Ok)?;
        let spot = Instrument {
            asset_class: class(base, quote, tokenized),
            multiplier: Some(wire.lot_multiplier.map_or(Decimal::ONE, |number| number.0)),
            ticks: vec![TickBand {
                from: Price::new(Decimal::ZERO),
                tick,
            }],
            lot: Some(step(wire.lot_decimals)?),
            min_qty: wire.ordermin.nonzero().map(Qty::new).transpose()?,
            min_notional: wire.costmin.nonzero().map(|amount| Money::new(amount, quote)),
            status: status(filled(&wire.status).unwrap_or("online")),
            ..plain(key, base, quote)
        };
        let most = |steps: &[u32]| steps.iter().copied().max().unwrap_or_default();
        let leverage = (most(&wire.leverage_buy), most(&wire.leverage_sell));
        let margin = (leverage != (0, 0)).then(|| Arc::new(margined(&spot, Some(leverage))));
        Ok(Pair {
            key: key.to_owned(),
            spot: Arc::new(spot),
            margin,
            tokenized,
            max_leverage: leverage,
        })
    }

    fn unlisted(&self, key: &str) -> Result<Pair> {
        let known = self
            .assets
            .iter()
            .flat_map(|(id, currency)| [id.as_str(), currency.code()]);
        let quote = known.filter(|quote| key.len() > quote.len() && key.ends_with(quote));
        let cut = quote.max_by_key(|quote| quote.len()).and_then(|quote| {
            let base = key.strip_suffix(quote)?;
            Some((
                self.asset(base.trim_end_matches('/')).ok()?.0,
                self.asset(quote).ok()?.0,
            ))
        });
        let spot = match cut {
            Some((base, quote)) => Instrument {
                asset_class: class(base, quote, false),
                multiplier: Some(Decimal::ONE),
                ..plain(key, base, quote)
            },
            None => Instrument {
                symbol: Symbol::from(key),
                base: None,
                multiplier: None,
                asset_class: AssetClass::Other("unknown".into()),
                ..plain(key, Currency::USD, Currency::USD)
            },
        };
        Ok(Pair {
            key: key.to_owned(),
            spot: Arc::new(Instrument {
                status: InstrumentStatus::Delisted,
                ..spot
            }),
            margin: None,
            tokenized: false,
            max_leverage: (0, 0),
        })
    }
}

/// The name that the rest of the world has for it.
fn common(name: &str) -> &str {
    match name {
        "XBT" => "BTC",
        "XDG" => "DOGE",
        other => other,
    }
}

fn class(base: Currency, quote: Currency, tokenized: bool) -> AssetClass {
    let fiat = |currency: Currency| FIAT.contains(&currency.code());
    match tokenized {
        true => AssetClass::Other("tokenized_stock".into()),
        false if fiat(base) && fiat(quote) => AssetClass::Forex,
        false => AssetClass::Crypto,
    }
}

fn status(word: &str) -> InstrumentStatus {
    match word {
        "online" => InstrumentStatus::Tradable,
        "reduce_only" => InstrumentStatus::CloseOnly,
        "cancel_only" => InstrumentStatus::Halted,
        other => InstrumentStatus::Other(other.into()),
    }
}

fn step(decimals: u32) -> Result<Decimal> {
    Decimal::try_from_i128_with_scale(1, decimals)
        .map_err(|_| Error::decode(format!("{decimals} decimals are more than a number can have")))
}

fn plain(key: &str, base: Currency, quote: Currency) -> Instrument {
    Instrument {
        id: InstrumentId::from(key),
        symbol: Symbol::from(format!("{base}/{quote}")),
        name: None,
        asset_class: AssetClass::Crypto,
        exchange: None,
        currency: quote,
        base: Some(base),
        payoff: Payoff::Cash,
        multiplier: None,
        ticks: Vec::new(),
        lot: None,
        min_qty: None,
        max_qty: None,
        min_notional: None,
        pip_location: None,
        expires_at: None,
        option: None,
        margin: None,
        status: InstrumentStatus::Tradable,
        shortable: Some(false),
    }
}

/// The same pair on margin: only the difference is paid.
fn margined(spot: &Instrument, leverage: Option<(u32, u32)>) -> Instrument {
    let rate = |most: u32| Decimal::ONE.checked_div(most.into());
    Instrument {
        id: on_margin(spot.id.get()),
        symbol: on_margin(spot.symbol.get()),
        payoff: Payoff::Margined,
        margin: leverage.map(|(buy, sell)| Margin {
            long_rate: rate(buy),
            short_rate: rate(sell),
            ..Margin::default()
        }),
        shortable: leverage.map(|(_, sell)| sell > 0),
        ..spot.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASSETS: &str = r#"{"XXBT":{"altname":"XBT"},"ZUSD":{"altname":"USD"},"XXDG":{"altname":"XDG"},
        "XTZ":{"altname":"XTZ"},"USDT":{"altname":"USDT"},"KFEE":{"altname":"FEE"},"ETH2":{"altname":"ETH2"},
        "XETH":{"altname":"ETH"},"ZEUR":{"altname":"EUR"}}"#;
    const PAIRS: &str = r#"{"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","base":"XXBT","quote":"ZUSD",
        "pair_decimals":1,"lot_decimals":8,"lot_multiplier":1,"leverage_buy":[2,5],"leverage_sell":[2,4],
        "ordermin":"0.0001","costmin":"0.5","tick_size":"0.1","status":"online"},
        "XDGUSD":{"altname":"XDGUSD","wsname":"XDG/USD","base":"XXDG","quote":"ZUSD","pair_decimals":7,
        "lot_decimals":8,"status":"reduce_only"}}"#;

    fn directory() -> Directory {
        let assets = serde_json::from_str(ASSETS).unwrap();
        let pairs = serde_json::from_str(PAIRS).unwrap();
        Directory::new((vec![assets], vec![pairs])).unwrap()
    }

    #[test]
    fn every_spelling_is_one_pair() {
        let directory = directory();
        for name in ["XXBTZUSD", "XBTUSD", "XBT/USD", "BTC/USD", "BTCUSD"] {
            let spot = directory.by_symbol(name).unwrap();
            assert_eq!((spot.id.get(), spot.symbol.get()), ("XXBTZUSD", "BTC/USD"), "{name}");
            let margin = directory.by_symbol(&format!("margin:{name}")).unwrap();
            assert_eq!(margin.id.get(), "margin:XXBTZUSD");
            assert_eq!(margin.payoff, Payoff::Margined);
        }
        assert_eq!(directory.by_symbol("DOGE/USD").unwrap().id.get(), "XDGUSD");
        assert!(directory.by_symbol("margin:DOGE/USD").is_none(), "not traded on margin");
        assert!(directory.instrument("XBTUSD").is_none(), "only keys are ids");
    }

    #[test]
    fn steps_are_exact() {
        let directory = directory();
        let spot = directory.instrument("XXBTZUSD").unwrap();
        assert_eq!(spot.ticks[0].tick.to_string(), "0.1");
        assert_eq!(spot.lot.unwrap().to_string(), "0.00000001");
        assert_eq!(
            spot.min_notional,
            Some(Money::new("0.5".parse().unwrap(), Currency::USD))
        );
        let doge = directory.instrument("XDGUSD").unwrap();
        assert_eq!(doge.ticks[0].tick.to_string(), "0.0000001", "by its decimals");
        assert_eq!(doge.status, InstrumentStatus::CloseOnly);
        let margin = directory.instrument("margin:XXBTZUSD").unwrap().margin.clone().unwrap();
        assert_eq!(margin.long_rate, Some("0.2".parse().unwrap()));
        assert_eq!(margin.short_rate, Some("0.25".parse().unwrap()));
    }

    /// It was a step of one.
    #[test]
    fn more_decimals_than_there_can_be_are_an_error() {
        for (good, bad) in [
            ("\"lot_decimals\":8", "\"lot_decimals\":29"),
            ("\"pair_decimals\":7", "\"pair_decimals\":70"),
        ] {
            let text = PAIRS.replacen(good, bad, if bad.starts_with("\"l") { 1 } else { 9 });
            let (assets, pairs) = (
                serde_json::from_str(ASSETS).unwrap(),
                serde_json::from_str(&text).unwrap(),
            );
            assert!(Directory::new((vec![assets], vec![pairs])).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_letter_is_taken_off_by_rule() {
        let directory = directory();
        let asset = |id: &str| {
            let (currency, part) = directory.asset(id).unwrap();
            (currency.code().to_owned(), part)
        };
        assert_eq!(asset("XTZ"), ("XTZ".to_owned(), false));
        assert_eq!(asset("XXBT"), ("BTC".to_owned(), false));
        assert_eq!(asset("XXDG"), ("DOGE".to_owned(), false));
        assert_eq!(asset("ZRX"), ("ZRX".to_owned(), false), "not in the list");
        assert_eq!(asset("ETH2.S"), ("ETH2".to_owned(), true));
        assert_eq!(asset("XBT.M"), ("BTC".to_owned(), true));
        assert_eq!(asset("AAPLx.T"), ("AAPLx".to_owned(), false));
        assert_eq!(asset("KFEE"), ("KFEE".to_owned(), false));
    }

    #[test]
    fn a_pair_that_is_gone_keeps_its_fills() {
        let directory = directory();
        let gone = directory.pair_of("LUNAUSDT").unwrap();
        assert_eq!(gone.spot.symbol.get(), "LUNA/USDT", "the longest quote");
        assert_eq!(gone.spot.status, InstrumentStatus::Delisted);
        assert_eq!(directory.pair_of("XXDGXXBT").unwrap().spot.symbol.get(), "DOGE/BTC");
        assert!(directory.pair_of("").is_err(), "no name is no pair");
        let odd = directory.pair_of("no-such-thing").unwrap();
        assert_eq!(
            (odd.spot.id.get(), odd.spot.base, odd.spot.multiplier),
            ("no-such-thing", None, None)
        );
        assert!(directory.instrument("no-such-thing").is_none());
        assert!(directory.instrument("LUNAUSDT").is_some(), "for the books");
    }
}
