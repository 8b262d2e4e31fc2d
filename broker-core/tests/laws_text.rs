//! Parsing, then printing, gives the text back.

use broker_core::Symbol;
use broker_core::num::decimal;
use broker_core::symbol::{FuturesCode, MONTH_LETTERS, Occ, Pair, SymbolKind};
use chrono::{Datelike, Days, NaiveDate};
use proptest::prelude::*;
use rust_decimal::Decimal;

fn root(longest: usize) -> impl Strategy<Value = String> {
    ("[A-Z]", prop::collection::vec("[A-Z0-9]", 0..longest)).prop_map(|(first, rest)| first + &rest.concat())
}

/// All forms of parsing_then_printing_is_identity: any symbol, contract codes, option codes, pairs, decimals.
mod parsing_then_printing_is_identity {
    use super::*;

    proptest! {
        #[test]
        fn any_symbol(text in any::<String>()) {
            prop_assert_eq!(SymbolKind::of(&Symbol::from(text.as_str())).to_string(), text);
        }

        #[test]
        fn symbol_like_text(text in "[A-Z0-9/_. -]{0,21}") {
            prop_assert_eq!(SymbolKind::of(&Symbol::from(text.as_str())).to_string(), text);
        }

        #[test]
        fn contract_code(root in root(4), month in 0usize..12, year in 0u32..100, form in 0u8..5) {
            let letter = MONTH_LETTERS.chars().nth(month).unwrap();
            let text = match form {
                0 => format!("{root}{letter}{}", year % 10),
                1 => format!("{root}{letter}{year:02}"),
                2 => format!("{root}{letter}20{year:02}"),
                3 => format!("/{root}{letter}{year:02}"),
                _ => format!("CON.F.US.{root}.{letter}{year:02}"),
            };
            let code: FuturesCode = text.parse().unwrap();
            prop_assert_eq!(code.to_string(), text);
            let contract = code.contract(NaiveDate::from_ymd_opt(2026, 11, 20).unwrap());
            prop_assert_eq!(usize::try_from(contract.month).unwrap(), month + 1);
            prop_assert_eq!(u32::try_from(contract.year).unwrap() % 10, year % 10);
            // The contract, printed and read again, is the same contract.
            let again: FuturesCode = contract.to_string().parse().unwrap();
            if contract.year >= 2000 && contract.year < 2100 {
                prop_assert_eq!(again.contract(NaiveDate::MIN), contract);
            }
        }

        #[test]
        fn occ_code(root in root(6), day in 0u64..36_000, put in any::<bool>(), strike in 0u32..100_000_000, padded in any::<bool>()) {
            let day = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap() + Days::new(day);
            let width = if padded { 6 } else { 0 };
            let right = if put { 'P' } else { 'C' };
            let text = format!("{root:width$}{}{right}{strike:08}", day.format("%y%m%d"));
            let occ: Occ = text.parse().unwrap();
            prop_assert_eq!(occ.to_string(), text);
            prop_assert_eq!((occ.root(), occ.expires_on().year()), (root.as_str(), day.year()));
            prop_assert_eq!(occ.strike().get(), Decimal::new(i64::from(strike), 3));
        }

        #[test]
        fn pair(base in root(8), quote in prop::sample::select(vec!["USD", "EUR", "USDT", "BTC", "JPY"]), separator in "[/_-]") {
            let text = format!("{base}{separator}{quote}");
            let pair: Pair = text.parse().unwrap();
            prop_assert_eq!(pair.to_string(), text);
            prop_assert_eq!((pair.base(), pair.quote()), (base.as_str(), quote));
        }

        #[test]
        fn decimals(mantissa in any::<u64>(), more in 0u64..1_000_000_000, scale in 0u32..=28, negative in any::<bool>()) {
            let mantissa = i128::from(mantissa) * i128::from(more + 1);
            let number = Decimal::from_i128_with_scale(if negative { -mantissa } else { mantissa }, scale);
            let text = number.to_string();
            prop_assert_eq!(decimal(&text).unwrap().to_string(), text.clone());
            prop_assert_eq!(decimal(&text).unwrap(), number);
        }
    }
}
