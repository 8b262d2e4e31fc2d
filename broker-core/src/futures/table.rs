//! The table.

use rust_decimal::Decimal;

use super::PriceUnit::{Cent, Dollar};
use super::calendar::LastTrade::{
    self, BeforeFifteenth, BeforeSecondFriday, BeforeThirdWednesday, CrudeOil, Last, LastFriday, LastOfMonthBefore,
    NaturalGas, SeventhBeforeLast, Tenth, ThirdFriday, ThirdLast,
};
use super::{FuturesSpec, PriceUnit};

const ALL: &str = "FGHJKMNQUVXZ";
const QUARTERS: &str = "HMUZ";

/// A row: root, vendor root, exchange; tick, tick value and multiplier as digits and decimal places.
struct Row(
    &'static str,
    &'static str,
    &'static str,
    (u32, u32),
    (u32, u32),
    (u32, u32),
);

const fn spec(row: Row, unit: PriceUnit, months: &'static str, last_trade: LastTrade) -> FuturesSpec {
    FuturesSpec {
        root: row.0,
        vendor_root: row.1,
        exchange: row.2,
        tick: number(row.3),
        tick_value: number(row.4),
        multiplier: number(row.5),
        unit,
        months,
        last_trade,
    }
}

const fn number((digits, places): (u32, u32)) -> Decimal {
    Decimal::from_parts(digits, 0, 0, false, places)
}

/// All products that we know, by group: indices, energy, metals, rates, currencies, coins, farm goods.
#[rustfmt::skip] // one product a line
pub const SPECS: &[FuturesSpec] = &[
    spec(Row("ES", "EP", "CME", (25, 2), (1250, 2), (50, 0)), Dollar, QUARTERS, ThirdFriday),
    spec(Row("MES", "MES", "CME", (25, 2), (125, 2), (5, 0)), Dollar, QUARTERS, ThirdFriday),
    spec(Row("NQ", "ENQ", "CME", (25, 2), (500, 2), (20, 0)), Dollar, QUARTERS, ThirdFriday),
    spec(Row("MNQ", "MNQ", "CME", (25, 2), (50, 2), (2, 0)), Dollar, QUARTERS, ThirdFriday),
    spec(Row("RTY", "RTY", "CME", (10, 2), (500, 2), (50, 0)), Dollar, QUARTERS, ThirdFriday),
    spec(Row("M2K", "M2K", "CME", (10, 2), (50, 2), (5, 0)), Dollar, QUARTERS, ThirdFriday),
    spec(Row("EMD", "EMD", "CME", (10, 2), (1000, 2), (100, 0)), Dollar, QUARTERS, ThirdFriday),
    spec(Row("YM", "YM", "CBOT", (1, 0), (500, 2), (5, 0)), Dollar, QUARTERS, ThirdFriday),
    spec(Row("MYM", "MYM", "CBOT", (1, 0), (50, 2), (5, 1)), Dollar, QUARTERS, ThirdFriday),
    spec(Row("NKD", "NKD", "CME", (5, 0), (2500, 2), (5, 0)), Dollar, QUARTERS, BeforeSecondFriday),
    spec(Row("CL", "CLE", "NYMEX", (1, 2), (1000, 2), (1000, 0)), Dollar, ALL, CrudeOil(0)),
    spec(Row("MCL", "MCLE", "NYMEX", (1, 2), (100, 2), (100, 0)), Dollar, ALL, CrudeOil(1)),
    spec(Row("QM", "NQM", "NYMEX", (25, 3), (1250, 2), (500, 0)), Dollar, ALL, CrudeOil(1)),
    spec(Row("NG", "NGE", "NYMEX", (1, 3), (1000, 2), (10000, 0)), Dollar, ALL, NaturalGas(0)),
    spec(Row("MNG", "MNG", "NYMEX", (1, 3), (100, 2), (1000, 0)), Dollar, ALL, NaturalGas(1)),
    spec(Row("QG", "NQG", "NYMEX", (5, 3), (1250, 2), (2500, 0)), Dollar, ALL, NaturalGas(1)),
    spec(Row("RB", "RBE", "NYMEX", (1, 4), (420, 2), (42000, 0)), Dollar, ALL, LastOfMonthBefore),
    spec(Row("HO", "HOE", "NYMEX", (1, 4), (420, 2), (42000, 0)), Dollar, ALL, LastOfMonthBefore),
    spec(Row("GC", "GCE", "COMEX", (10, 2), (1000, 2), (100, 0)), Dollar, "GJMQVZ", ThirdLast),
    spec(Row("MGC", "MGC", "COMEX", (10, 2), (100, 2), (10, 0)), Dollar, "GJMQVZ", ThirdLast),
    spec(Row("SI", "SIE", "COMEX", (5, 3), (2500, 2), (5000, 0)), Dollar, "HKNUZ", ThirdLast),
    spec(Row("SIL", "SIL", "COMEX", (5, 3), (500, 2), (1000, 0)), Dollar, "HKNUZ", ThirdLast),
    spec(Row("HG", "CPE", "COMEX", (5, 4), (1250, 2), (25000, 0)), Dollar, "HKNUZ", ThirdLast),
    spec(Row("MHG", "MHG", "COMEX", (5, 4), (125, 2), (2500, 0)), Dollar, "HKNUZ", ThirdLast),
    spec(Row("PL", "PLE", "NYMEX", (10, 2), (500, 2), (50, 0)), Dollar, "FJNV", ThirdLast),
    spec(Row("ZB", "USA", "CBOT", (3125, 5), (3125, 2), (1000, 0)), Dollar, QUARTERS, SeventhBeforeLast),
    spec(Row("UB", "ULA", "CBOT", (3125, 5), (3125, 2), (1000, 0)), Dollar, QUARTERS, SeventhBeforeLast),
    spec(Row("ZN", "TYA", "CBOT", (15625, 6), (15625, 3), (1000, 0)), Dollar, QUARTERS, SeventhBeforeLast),
    spec(Row("TN", "TNA", "CBOT", (15625, 6), (15625, 3), (1000, 0)), Dollar, QUARTERS, SeventhBeforeLast),
    spec(Row("ZF", "FVA", "CBOT", (78125, 7), (78125, 4), (1000, 0)), Dollar, QUARTERS, Last),
    spec(Row("ZT", "TUA", "CBOT", (390625, 8), (78125, 4), (2000, 0)), Dollar, QUARTERS, Last),
    spec(Row("6E", "EU6", "CME", (5, 5), (625, 2), (125000, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("E7", "EEU", "CME", (1, 4), (625, 2), (62500, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("M6E", "M6E", "CME", (1, 4), (125, 2), (12500, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("6B", "BP6", "CME", (1, 4), (625, 2), (62500, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("M6B", "M6B", "CME", (1, 4), (625, 3), (6250, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("6J", "JY6", "CME", (5, 7), (625, 2), (12500000, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("6A", "DA6", "CME", (5, 5), (500, 2), (100000, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("M6A", "M6A", "CME", (1, 4), (100, 2), (10000, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("6C", "CA6", "CME", (5, 5), (500, 2), (100000, 0)), Dollar, QUARTERS, BeforeThirdWednesday(1)),
    spec(Row("6S", "SF6", "CME", (5, 5), (625, 2), (125000, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("6N", "NE6", "CME", (5, 5), (500, 2), (100000, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("6M", "MX6", "CME", (1, 5), (500, 2), (500000, 0)), Dollar, QUARTERS, BeforeThirdWednesday(2)),
    spec(Row("MBT", "MBT", "CME", (5, 0), (50, 2), (1, 1)), Dollar, ALL, LastFriday),
    spec(Row("MET", "GMET", "CME", (5, 1), (5, 2), (1, 1)), Dollar, ALL, LastFriday),
    spec(Row("ZC", "ZCE", "CBOT", (25, 2), (1250, 2), (50, 0)), Cent, "HKNUZ", BeforeFifteenth),
    spec(Row("ZS", "ZSE", "CBOT", (25, 2), (1250, 2), (50, 0)), Cent, "FHKNQUX", BeforeFifteenth),
    spec(Row("ZW", "ZWA", "CBOT", (25, 2), (1250, 2), (50, 0)), Cent, "HKNUZ", BeforeFifteenth),
    spec(Row("ZL", "ZLE", "CBOT", (1, 2), (600, 2), (600, 0)), Cent, "FHKNQUVZ", BeforeFifteenth),
    spec(Row("ZM", "ZME", "CBOT", (1, 1), (1000, 2), (100, 0)), Dollar, "FHKNQUVZ", BeforeFifteenth),
    spec(Row("LE", "GLE", "CME", (25, 3), (1000, 2), (400, 0)), Cent, "GJMQVZ", Last),
    spec(Row("HE", "HE", "CME", (25, 3), (1000, 2), (400, 0)), Cent, "GJKMNQVZ", Tenth),
];
