//! Contract specifications of the usual US futures: ticks, multipliers, months, and when trading ends.
//!
//! Ticks and tick values are the values that the ProjectX gateway listed in August 2026 (`Contract/available`), in
//! the broker's own quoting: grains and meats in cents, so their multiplier is a dollar amount a cent. The last
//! trading days are the exchanges' rules; those of QM, QG, MNG and MHG are from general knowledge.
//!
//! A broker's instrument list comes first: this table helps where a broker states no multiplier, and a caller must
//! ask for it. The books never look here.

mod calendar;
mod table;

use chrono::NaiveDate;
use rust_decimal::Decimal;

pub use calendar::LastTrade;
pub use table::SPECS;

/// What a price is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PriceUnit {
    /// US dollars, or index points.
    Dollar,
    /// US cents: grains, oilseeds, livestock.
    Cent,
}

/// Specification of a futures product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuturesSpec {
    /// Root at the exchange: `ES`.
    pub root: &'static str,
    /// Root in the ProjectX gateway's contract ids: the `EP` of `CON.F.US.EP.H26`.
    pub vendor_root: &'static str,
    /// Exchange.
    pub exchange: &'static str,
    /// Smallest price step.
    pub tick: Decimal,
    /// Dollars that one contract moves by a tick.
    pub tick_value: Decimal,
    /// Dollars that one contract moves when the price moves by 1.
    pub multiplier: Decimal,
    /// What a price is counted in.
    pub unit: PriceUnit,
    /// Month letters that are listed, or, for metals, active.
    pub months: &'static str,
    /// When trading ends.
    pub last_trade: LastTrade,
}

impl FuturesSpec {
    /// Last day of trading of a contract month, by the rule.
    ///
    /// An estimate: Saturdays and Sundays are no business days, but holidays are not known here, and each one
    /// in the counted days moves the true day. `None` when there is no such month.
    pub fn estimated_last_trading_day(&self, year: i32, month: u32) -> Option<NaiveDate> {
        self.last_trade.day(year, month)
    }

    /// The day on which most trading customarily moves from this contract month to the [next](Self::month_after);
    /// `None` where no custom is known here. A broker's own word for its active contract comes first.
    ///
    /// A roll is two trades: the old contract is closed, the new one opened, each at its own price.
    pub fn estimated_roll_day(&self, year: i32, month: u32) -> Option<NaiveDate> {
        match (self.last_trade, self.unit) {
            // Of what ends on the last day, notes are delivered from the month before on, as the other rates are.
            (LastTrade::Last, PriceUnit::Dollar) => LastTrade::SeventhBeforeLast.roll_day(year, month),
            (rule, _) => rule.roll_day(year, month),
        }
    }

    /// The next listed contract month, as year and month.
    pub fn month_after(&self, year: i32, month: u32) -> Option<(i32, u32)> {
        let months = || {
            self.months.chars().filter_map(|letter| {
                let place = crate::symbol::MONTH_LETTERS.find(letter)?;
                u32::try_from(place).ok().map(|place| place + 1)
            })
        };
        let later = months().find(|listed| *listed > month);
        match later {
            Some(later) => Some((year, later)),
            None => Some((year.checked_add(1)?, months().next()?)),
        }
    }
}

/// The product with this root at the exchange: `ES`.
pub fn by_root(root: &str) -> Option<&'static FuturesSpec> {
    SPECS.iter().find(|spec| spec.root == root)
}

/// The product with this root at the ProjectX gateway: `EP`.
pub fn by_vendor_root(root: &str) -> Option<&'static FuturesSpec> {
    SPECS.iter().find(|spec| spec.vendor_root == root)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::num::decimal;

    #[test]
    fn multiplier_is_tick_value_over_tick_in_the_whole_table() {
        assert_eq!(SPECS.len(), 52);
        for spec in SPECS {
            assert_eq!(
                spec.tick.checked_mul(spec.multiplier),
                Some(spec.tick_value),
                "{}",
                spec.root
            );
        }
    }

    #[test]
    fn roots_are_unique_and_months_are_letters() {
        let roots: BTreeSet<_> = SPECS.iter().map(|spec| spec.root).collect();
        let vendors: BTreeSet<_> = SPECS.iter().map(|spec| spec.vendor_root).collect();
        assert_eq!((roots.len(), vendors.len()), (SPECS.len(), SPECS.len()));
        for spec in SPECS {
            let mut letters = spec.months.chars().collect::<Vec<_>>();
            assert!(
                letters.iter().all(|letter| "FGHJKMNQUVXZ".contains(*letter)),
                "{}",
                spec.root
            );
            letters.dedup();
            assert_eq!(letters.len(), spec.months.len());
            assert!(letters.is_sorted(), "{}", spec.root);
        }
    }

    #[test]
    fn both_roots_lead_to_the_product() {
        let es = by_root("ES").unwrap();
        assert_eq!(
            (es.vendor_root, es.tick_value, es.multiplier),
            ("EP", decimal("12.50").unwrap(), 50.into())
        );
        assert_eq!(by_vendor_root("EP"), Some(es));
        assert_eq!(by_vendor_root("GMET").unwrap().root, "MET");
        assert_eq!((by_root("EP"), by_vendor_root("ES")), (None, None));
    }

    #[test]
    fn rolls_are_quarterly_or_monthly() {
        for (root, year, month, day, next) in [
            // The Thursday of the week before the third Friday, the 20th.
            ("ES", 2026, 3, Some("2026-03-12"), (2026, 6)),
            ("NKD", 2026, 12, Some("2026-12-03"), (2027, 3)),
            ("6E", 2026, 3, Some("2026-03-09"), (2026, 6)),
            // Ends on Thursday the 20th: 19, 18, 17.
            ("CL", 2025, 12, Some("2025-11-17"), (2026, 1)),
            ("NG", 2026, 3, Some("2026-02-20"), (2026, 4)),
            // Before Sunday the 1st: 27, 26.
            ("ZN", 2026, 3, Some("2026-02-26"), (2026, 6)),
            ("ZT", 2026, 3, Some("2026-02-26"), (2026, 6)),
            ("GC", 2026, 12, Some("2026-11-27"), (2027, 2)),
            ("ZC", 2026, 3, None, (2026, 5)),
            ("LE", 2026, 2, None, (2026, 4)),
            ("MBT", 2026, 1, None, (2026, 2)),
        ] {
            let spec = by_root(root).unwrap();
            let expected = day.map(|day| day.parse().unwrap());
            assert_eq!(spec.estimated_roll_day(year, month), expected, "{root} {year}-{month}");
            assert_eq!(spec.month_after(year, month), Some(next), "{root} {year}-{month}");
        }
    }

    #[test]
    fn thirty_seconds_are_exact() {
        for (root, tick) in [
            ("ZB", "0.03125"),
            ("ZN", "0.015625"),
            ("ZF", "0.0078125"),
            ("ZT", "0.00390625"),
        ] {
            assert_eq!(by_root(root).unwrap().tick.to_string(), tick);
        }
        // 110-16 is 110.5: sixteen 32nds, or 32 ticks of ZN.
        let half = by_root("ZN").unwrap().tick.checked_mul(32.into()).unwrap();
        assert_eq!(half, decimal("0.5").unwrap());
    }

    /// Hand-checked with the exchange's published days, in months without a holiday among the counted days.
    #[test]
    fn last_trading_days() {
        for (root, year, month, day) in [
            ("ES", 2026, 3, "2026-03-20"), // third Friday
            ("MYM", 2025, 12, "2025-12-19"),
            ("NKD", 2026, 3, "2026-03-12"), // before the second Friday, the 13th
            ("CL", 2025, 12, "2025-11-20"), // the 25th is a Tuesday: 24, 21, 20
            ("CL", 2026, 2, "2026-01-20"),  // the 25th is a Sunday: from Friday the 23rd: 22, 21, 20
            ("MCL", 2026, 2, "2026-01-19"),
            ("QM", 2025, 12, "2025-11-19"),
            ("NG", 2026, 3, "2026-02-25"), // before Sunday the 1st: 27, 26, 25
            ("QG", 2026, 3, "2026-02-24"),
            ("HO", 2026, 3, "2026-02-27"),
            ("GC", 2026, 2, "2026-02-25"), // 27, 26, 25
            ("ZN", 2026, 3, "2026-03-20"), // before Tuesday the 31st: 30, 27, 26, 25, 24, 23, 20
            ("ZT", 2026, 3, "2026-03-31"),
            ("6E", 2026, 3, "2026-03-16"), // third Wednesday is the 18th
            ("6C", 2026, 3, "2026-03-17"),
            ("MBT", 2026, 1, "2026-01-30"),
            ("MBT", 2026, 2, "2026-02-27"),
            ("ZC", 2026, 3, "2026-03-13"),  // the 15th is a Sunday
            ("ZS", 2025, 11, "2025-11-14"), // the 15th is a Saturday
            ("LE", 2026, 2, "2026-02-27"),
            ("HE", 2026, 2, "2026-02-13"), // Monday the 2nd is the first business day
            ("CL", 2026, 1, "2025-12-22"), // the true day was the 19th: the 25th is a holiday, which is not known here
        ] {
            let found = by_root(root).unwrap().estimated_last_trading_day(year, month);
            assert_eq!(found, day.parse().ok(), "{root} {year}-{month}");
        }
        assert_eq!(by_root("ES").unwrap().estimated_last_trading_day(2026, 13), None);
    }
}
