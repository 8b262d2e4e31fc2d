//! The instruments that a venue lists.

use broker_core::model::{
    AssetClass, ExerciseStyle, InstrumentStatus, Margin, OptionRight, OptionTerms, Payoff, TickBand,
};
use broker_core::{Currency, Instrument, InstrumentId, Money, Price, Qty, Symbol};
use chrono::{Datelike, Months, NaiveDate};
use rust_decimal::Decimal;

use crate::hours::{Calendar, new_york, third_friday};

/// An instrument with the market that it is traded in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The instrument.
    pub instrument: Instrument,
    /// When it trades.
    pub calendar: Calendar,
    /// The first bid.
    pub start: Decimal,
    /// Distance between bid and ask, in ticks.
    pub spread: u32,
    /// Displayed size of each side.
    pub size: Decimal,
    /// Largest step of the random walk, in ticks.
    pub step: u32,
}

/// What a venue lists. [`standard`](Self::standard) has every asset class; more can be added with [`with`](Self::with).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalogue {
    listings: Vec<Listing>,
}

impl Catalogue {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The built-in list, with options and futures that expire in the year after 20 November 2026.
    pub fn standard() -> Self {
        Self::around(NaiveDate::from_ymd_opt(2026, 11, 20).unwrap_or_default())
    }

    /// The built-in list, with options and futures that expire in the year after this date.
    pub fn around(date: NaiveDate) -> Self {
        let mut listings = Vec::new();
        listings.extend(SHARES.iter().map(share));
        listings.extend(options(date));
        listings.extend(COINS.iter().filter_map(coin));
        listings.extend(PAIRS.iter().filter_map(pair));
        listings.extend(FUTURES.iter().filter_map(|spec| future(spec, date)));
        Self { listings }
    }

    /// With another instrument; one of the same key is replaced.
    #[must_use]
    pub fn with(mut self, listing: Listing) -> Self {
        self.listings
            .retain(|known| known.instrument.id != listing.instrument.id);
        self.listings.push(listing);
        self
    }

    /// All of it, in a fixed order.
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// One of them.
    pub fn get(&self, id: &InstrumentId) -> Option<&Listing> {
        self.listings.iter().find(|listing| listing.instrument.id == *id)
    }
}

/// Symbol, name, exchange, first price in cents, whether it is a fund.
type ShareSpec = (&'static str, &'static str, &'static str, i64, bool);

const SHARES: [ShareSpec; 44] = [
    ("AAPL", "Apple Inc.", "NASDAQ", 18_950, false),
    ("MSFT", "Microsoft Corporation", "NASDAQ", 41_520, false),
    ("AMZN", "Amazon.com, Inc.", "NASDAQ", 18_210, false),
    ("GOOGL", "Alphabet Inc. Class A", "NASDAQ", 16_540, false),
    ("META", "Meta Platforms, Inc.", "NASDAQ", 50_330, false),
    ("NVDA", "NVIDIA Corporation", "NASDAQ", 12_415, false),
    ("TSLA", "Tesla, Inc.", "NASDAQ", 24_860, false),
    ("AMD", "Advanced Micro Devices, Inc.", "NASDAQ", 15_615, false),
    ("INTC", "Intel Corporation", "NASDAQ", 3_044, false),
    ("NFLX", "Netflix, Inc.", "NASDAQ", 64_170, false),
    ("ADBE", "Adobe Inc.", "NASDAQ", 52_200, false),
    ("CSCO", "Cisco Systems, Inc.", "NASDAQ", 4_875, false),
    ("QCOM", "QUALCOMM Incorporated", "NASDAQ", 17_105, false),
    ("AVGO", "Broadcom Inc.", "NASDAQ", 16_890, false),
    ("PYPL", "PayPal Holdings, Inc.", "NASDAQ", 6_820, false),
    ("COST", "Costco Wholesale Corporation", "NASDAQ", 84_450, false),
    ("SBUX", "Starbucks Corporation", "NASDAQ", 7_935, false),
    ("JPM", "JPMorgan Chase & Co.", "NYSE", 20_180, false),
    ("BAC", "Bank of America Corporation", "NYSE", 3_960, false),
    ("WFC", "Wells Fargo & Company", "NYSE", 5_820, false),
    ("GS", "The Goldman Sachs Group, Inc.", "NYSE", 47_310, false),
    ("V", "Visa Inc.", "NYSE", 27_560, false),
    ("MA", "Mastercard Incorporated", "NYSE", 45_190, false),
    ("DIS", "The Walt Disney Company", "NYSE", 10_120, false),
    ("KO", "The Coca-Cola Company", "NYSE", 6_330, false),
    ("PEP", "PepsiCo, Inc.", "NASDAQ", 17_015, false),
    ("WMT", "Walmart Inc.", "NYSE", 6_745, false),
    ("HD", "The Home Depot, Inc.", "NYSE", 34_580, false),
    ("XOM", "Exxon Mobil Corporation", "NYSE", 11_490, false),
    ("CVX", "Chevron Corporation", "NYSE", 15_670, false),
    ("JNJ", "Johnson & Johnson", "NYSE", 14_880, false),
    ("PFE", "Pfizer Inc.", "NYSE", 2_815, false),
    ("UNH", "UnitedHealth Group Incorporated", "NYSE", 49_830, false),
    ("BA", "The Boeing Company", "NYSE", 17_760, false),
    ("CAT", "Caterpillar Inc.", "NYSE", 33_290, false),
    ("F", "Ford Motor Company", "NYSE", 1_214, false),
    ("GE", "GE Aerospace", "NYSE", 16_405, false),
    ("SNDL", "SNDL Penny Holdings", "NASDAQ", 82, false),
    ("SPY", "SPDR S&P 500 ETF Trust", "ARCA", 54_460, true),
    ("QQQ", "Invesco QQQ Trust", "NASDAQ", 47_985, true),
    ("IWM", "iShares Russell 2000 ETF", "ARCA", 20_370, true),
    (
        "DIA",
        "SPDR Dow Jones Industrial Average ETF Trust",
        "ARCA",
        39_140,
        true,
    ),
    ("GLD", "SPDR Gold Shares", "ARCA", 21_565, true),
    ("TLT", "iShares 20+ Year Treasury Bond ETF", "NASDAQ", 9_385, true),
];

fn share(spec: &ShareSpec) -> Listing {
    let (symbol, name, exchange, cents, is_fund) = *spec;
    let instrument = Instrument {
        name: Some(name.to_owned()),
        exchange: Some(exchange.to_owned()),
        ticks: vec![band(0, 1, 4), band(1, 1, 2)],
        margin: Some(rates(50, 50, 30)),
        shortable: Some(symbol != "SNDL"),
        ..plain(
            symbol,
            if is_fund { AssetClass::Etf } else { AssetClass::Stock },
            Currency::USD,
        )
    };
    listing(instrument, Calendar::UsEquity, Decimal::new(cents, 2), 2, 500, 8)
}

/// Underlying, its first price in dollars, strikes in dollars.
const OPTION_ROOTS: [(&str, i64, [i64; 3]); 4] = [
    ("AAPL", 190, [180, 190, 200]),
    ("SPY", 545, [530, 545, 560]),
    ("TSLA", 250, [230, 250, 270]),
    ("NVDA", 125, [115, 125, 135]),
];

fn options(date: NaiveDate) -> Vec<Listing> {
    let mut out = Vec::new();
    for months in [1, 3] {
        let month = date.checked_add_months(Months::new(months)).unwrap_or(date);
        let expires_on = third_friday(month.year(), month.month());
        for (root, spot, strikes) in OPTION_ROOTS {
            for strike in strikes {
                for right in [OptionRight::Call, OptionRight::Put] {
                    out.push(option(root, expires_on, right, strike, spot));
                }
            }
        }
    }
    out
}

fn option(root: &str, expires_on: NaiveDate, right: OptionRight, strike: i64, spot: i64) -> Listing {
    let (letter, intrinsic) = match right {
        OptionRight::Call => ('C', (spot - strike).max(0)),
        OptionRight::Put => ('P', (strike - spot).max(0)),
    };
    let symbol = format!("{root}{}{letter}{:08}", expires_on.format("%y%m%d"), strike * 1000);
    let instrument = Instrument {
        multiplier: Some(Decimal::ONE_HUNDRED),
        ticks: vec![band(0, 1, 2)],
        expires_at: Some(new_york(expires_on, 16, 0)),
        option: Some(OptionTerms {
            underlying: Symbol::from(root),
            right,
            strike: Price::new(Decimal::new(strike, 0)),
            expires_on,
            style: Some(ExerciseStyle::American),
        }),
        margin: Some(Margin {
            long_rate: Some(Decimal::ONE),
            initial: Some(Money::new(Decimal::new(strike * 20, 0), Currency::USD)),
            ..Margin::default()
        }),
        shortable: Some(true),
        ..plain(&symbol, AssetClass::Option, Currency::USD)
    };
    listing(
        instrument,
        Calendar::UsOption,
        Decimal::new(intrinsic * 100 + 425, 2),
        5,
        50,
        6,
    )
}

/// Base, quote, first price, price places, lot places, displayed size.
type CoinSpec = (&'static str, &'static str, i64, u32, u32, i64);

const COINS: [CoinSpec; 11] = [
    ("BTC", "USD", 94_250, 2, 8, 2),
    ("ETH", "USD", 3_310, 2, 8, 40),
    ("SOL", "USD", 162, 3, 6, 600),
    ("LTC", "USD", 88, 3, 6, 800),
    ("AVAX", "USD", 27, 3, 6, 2_000),
    ("LINK", "USD", 14, 4, 6, 4_000),
    ("DOGE", "USD", 1, 6, 2, 60_000),
    ("XRP", "USD", 2, 5, 4, 40_000),
    ("USDT", "USD", 1, 4, 4, 500_000),
    ("BTC", "USDT", 94_230, 2, 8, 2),
    ("ETH", "BTC", 1, 6, 6, 60),
];

fn coin(spec: &CoinSpec) -> Option<Listing> {
    let (base, quote, start, price_places, lot_places, size) = *spec;
    let symbol = format!("{base}/{quote}");
    let lot = Decimal::new(1, lot_places);
    let quote = quote.parse().ok()?;
    let instrument = Instrument {
        base: base.parse().ok(),
        exchange: Some("CRYPTO".to_owned()),
        ticks: vec![band(0, 1, price_places)],
        lot: Some(lot),
        min_qty: Qty::new(lot * Decimal::ONE_HUNDRED).ok(),
        min_notional: (quote == Currency::USD).then(|| Money::new(Decimal::ONE, quote)),
        margin: Some(rates(100, 100, 100)),
        shortable: Some(false),
        ..plain(&symbol, AssetClass::Crypto, quote)
    };
    let start = match symbol.as_str() {
        "ETH/BTC" => Decimal::new(35_125, 6),
        _ => Decimal::new(start, 0),
    };
    Some(listing(
        instrument,
        Calendar::Always,
        start,
        4,
        size,
        if base == "USDT" { 2 } else { 60 },
    ))
}

/// Base, quote, first price in units of the fifth (or third) place, pip location.
const PAIRS: [(&str, &str, i64, i8); 12] = [
    ("EUR", "USD", 108_415, -4),
    ("GBP", "USD", 127_030, -4),
    ("AUD", "USD", 65_820, -4),
    ("NZD", "USD", 59_640, -4),
    ("USD", "CAD", 136_905, -4),
    ("USD", "CHF", 88_270, -4),
    ("USD", "JPY", 151_245, -2),
    ("EUR", "JPY", 163_970, -2),
    ("EUR", "GBP", 85_340, -4),
    ("GBP", "JPY", 192_120, -2),
    ("XAU", "USD", 2_358_410, -2),
    ("XAG", "USD", 284_150, -4),
];

fn pair(spec: &(&str, &str, i64, i8)) -> Option<Listing> {
    let (base, quote, start, pip_location) = *spec;
    let is_metal = base.starts_with('X');
    // A price has one place more than its pip.
    let places = u32::from(pip_location.unsigned_abs()) + 1;
    let instrument = Instrument {
        base: base.parse().ok(),
        payoff: Payoff::Margined,
        ticks: vec![band(0, 1, places)],
        pip_location: Some(pip_location),
        margin: Some(if is_metal { rates(5, 5, 5) } else { rates(2, 2, 2) }),
        shortable: Some(true),
        ..plain(
            &format!("{base}/{quote}"),
            if is_metal { AssetClass::Metal } else { AssetClass::Forex },
            quote.parse().ok()?,
        )
    };
    let size = if is_metal { 1_000 } else { 1_000_000 };
    Some(listing(
        instrument,
        Calendar::Forex,
        Decimal::new(start, places),
        12,
        size,
        9,
    ))
}

/// Root, name, exchange, tick and its places, multiplier, first price in units of the places, margin a contract.
type FutureSpec = (&'static str, &'static str, &'static str, i64, u32, i64, i64, i64);

const FUTURES: [FutureSpec; 10] = [
    ("ES", "E-mini S&P 500", "CME", 25, 2, 50, 596_025, 13_200),
    ("MES", "Micro E-mini S&P 500", "CME", 25, 2, 5, 596_025, 1_320),
    ("NQ", "E-mini Nasdaq-100", "CME", 25, 2, 20, 2_084_550, 18_400),
    ("MNQ", "Micro E-mini Nasdaq-100", "CME", 25, 2, 2, 2_084_550, 1_840),
    ("RTY", "E-mini Russell 2000", "CME", 10, 2, 50, 232_710, 7_100),
    ("YM", "E-mini Dow", "CBOT", 1, 0, 5, 44_015, 9_500),
    ("CL", "Crude Oil", "NYMEX", 1, 2, 1_000, 6_912, 6_300),
    ("GC", "Gold", "COMEX", 10, 2, 100, 266_480, 10_900),
    ("SI", "Silver", "COMEX", 5, 3, 5_000, 31_065, 12_600),
    ("ZN", "10-Year T-Note", "CBOT", 15_625, 6, 1_000, 109_812_500, 2_100),
];

fn future(spec: &FutureSpec, date: NaiveDate) -> Option<Listing> {
    let (root, name, exchange, tick, places, multiplier, start, margin) = *spec;
    let (year, month, letter) = next_quarter(date.checked_add_months(Months::new(3))?);
    let symbol = format!("{root}{letter}{:02}", year % 100);
    let instrument = Instrument {
        name: Some(name.to_owned()),
        exchange: Some(exchange.to_owned()),
        payoff: Payoff::Margined,
        multiplier: Some(Decimal::new(multiplier, 0)),
        ticks: vec![band(0, tick, places)],
        expires_at: Some(new_york(third_friday(year, month), 9, 30)),
        margin: Some(Margin {
            initial: Some(Money::new(Decimal::new(margin, 0), Currency::USD)),
            maintenance: Some(Money::new(Decimal::new(margin * 9 / 10, 0), Currency::USD)),
            ..Margin::default()
        }),
        shortable: Some(true),
        ..plain(&symbol, AssetClass::Future, Currency::USD)
    };
    Some(listing(
        instrument,
        Calendar::Futures,
        Decimal::new(start, places),
        1,
        40,
        12,
    ))
}

/// The next quarterly month from a date on, with its letter.
fn next_quarter(date: NaiveDate) -> (i32, u32, char) {
    match date.month() {
        1..=3 => (date.year(), 3, 'H'),
        4..=6 => (date.year(), 6, 'M'),
        7..=9 => (date.year(), 9, 'U'),
        _ => (date.year(), 12, 'Z'),
    }
}

fn plain(symbol: &str, asset_class: AssetClass, currency: Currency) -> Instrument {
    Instrument {
        id: InstrumentId::from(symbol),
        symbol: Symbol::from(symbol),
        name: None,
        asset_class,
        exchange: None,
        currency,
        base: None,
        payoff: Payoff::Cash,
        multiplier: Some(Decimal::ONE),
        ticks: Vec::new(),
        lot: Some(Decimal::ONE),
        min_qty: Qty::new(Decimal::ONE).ok(),
        max_qty: None,
        min_notional: None,
        pip_location: None,
        expires_at: None,
        option: None,
        margin: None,
        status: InstrumentStatus::Tradable,
        shortable: None,
    }
}

fn listing(instrument: Instrument, calendar: Calendar, start: Decimal, spread: u32, size: i64, step: u32) -> Listing {
    Listing {
        instrument,
        calendar,
        start,
        spread,
        size: Decimal::new(size, 0),
        step,
    }
}

fn band(from: i64, tick: i64, places: u32) -> TickBand {
    TickBand {
        from: Price::new(Decimal::new(from, 0)),
        tick: Decimal::new(tick, places),
    }
}

/// Margin rates in percent: long, short, maintenance.
fn rates(long: i64, short: i64, maintenance: i64) -> Margin {
    Margin {
        long_rate: Some(Decimal::new(long, 2)),
        short_rate: Some(Decimal::new(short, 2)),
        maintenance_rate: Some(Decimal::new(maintenance, 2)),
        ..Margin::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_list_has_every_class_once() {
        let list = Catalogue::standard();
        let count = |class: AssetClass| {
            list.listings()
                .iter()
                .filter(|l| l.instrument.asset_class == class)
                .count()
        };
        assert_eq!(count(AssetClass::Stock) + count(AssetClass::Etf), 44);
        assert_eq!(count(AssetClass::Option), 48);
        assert_eq!(count(AssetClass::Crypto), 11);
        assert_eq!(count(AssetClass::Forex) + count(AssetClass::Metal), 12);
        assert_eq!(count(AssetClass::Future), 10);
        let ids: std::collections::BTreeSet<_> = list.listings().iter().map(|l| &l.instrument.id).collect();
        assert_eq!(ids.len(), list.listings().len());
    }

    #[test]
    fn terms_are_those_of_the_real_contracts() {
        let list = Catalogue::standard();
        let es = &list.get(&InstrumentId::from("ESH27")).unwrap().instrument;
        assert_eq!(es.multiplier, Some(Decimal::new(50, 0)));
        assert_eq!(es.tick_at(Price::new(Decimal::new(5960, 0))), Some(Decimal::new(25, 2)));
        let call = &list.get(&InstrumentId::from("AAPL261218C00190000")).unwrap().instrument;
        assert_eq!(call.expires_at, Some("2026-12-18T21:00:00Z".parse().unwrap()));
        let share = &list.get(&InstrumentId::from("SNDL")).unwrap().instrument;
        assert_eq!(share.tick_at(Price::new(Decimal::new(82, 2))), Some(Decimal::new(1, 4)));
        assert_eq!(share.tick_at(Price::new(Decimal::ONE)), Some(Decimal::new(1, 2)));
        let jpy = &list.get(&InstrumentId::from("USD/JPY")).unwrap();
        assert_eq!(
            (jpy.instrument.pip(), jpy.start),
            (Some(Decimal::new(1, 2)), Decimal::new(151_245, 3))
        );
        for listing in list.listings() {
            let tick = listing.instrument.tick_at(Price::new(listing.start)).unwrap();
            assert!((listing.start % tick).is_zero(), "{}", listing.instrument.id);
        }
    }

    #[test]
    fn another_listing_of_a_key_replaces_the_first() {
        let mut own = Catalogue::standard().get(&InstrumentId::from("AAPL")).unwrap().clone();
        own.start = Decimal::ONE_HUNDRED;
        let list = Catalogue::standard().with(own);
        assert_eq!(list.listings().len(), 125);
        assert_eq!(
            list.get(&InstrumentId::from("AAPL")).unwrap().start,
            Decimal::ONE_HUNDRED
        );
    }
}
