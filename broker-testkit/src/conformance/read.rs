//! The read side: [`Broker`] and [`MarketData`](broker_core::MarketData).

mod history;
mod market;
mod orders;

use std::collections::BTreeSet;

use broker_core::{Account, AccountId, Broker, Cursor, ErrorKind, Result};
use chrono::{DateTime, Utc};

use super::{Case, Failed, NOBODY, Need, Outcome, Setup, check};
use history::*;
use market::*;
use orders::*;

/// Every case of the read side.
pub const CASES: &[Case] = read_cases! {
    names_are_stated,
    a_handle_is_the_same_broker,
    the_environment_is_one_of_its_own,
    a_probe_names_the_environment,
    a_probe_reads_our_clock_within_the_call,
    accounts_are_listed,
    accounts_are_listed_once_and_name_the_broker,
    account_ids_are_stable,
    balances_name_their_account,
    a_currency_has_one_balance,
    balances_of_an_unknown_account_are_an_error,
    positions_of_an_unknown_account_are_an_error,
    orders_of_an_unknown_account_are_an_error,
    history_of_an_unknown_account_is_an_error,
    positions_are_not_flat,
    positions_name_their_account_and_come_once,
    #[Order] an_order_is_found_by_its_id,
    #[ClientId] an_order_is_found_by_our_id,
    an_unknown_order_is_not_found,
    #[ClientId] an_unknown_id_of_ours_is_not_found,
    #[Order] the_known_order_is_listed,
    orders_come_oldest_first,
    orders_page_to_an_end,
    orders_of_joined_windows_are_the_whole,
    open_orders_can_trade,
    closed_orders_cannot_trade,
    a_listed_order_reads_the_same_alone,
    a_foreign_cursor_of_orders_is_refused,
    history_comes_oldest_first,
    history_pages_to_an_end,
    history_names_its_account,
    history_repeats_the_same_set,
    a_row_that_comes_again_is_the_same,
    history_starts_inclusive,
    history_ends_exclusive,
    history_of_joined_windows_is_the_whole,
    an_empty_window_is_empty,
    history_keeps_to_its_instrument,
    a_stored_cursor_goes_on,
    a_foreign_cursor_of_history_is_refused,
    pages_carry_no_text_unasked,
    fills_have_a_size_and_name_themselves,
    #[Instrument] an_instrument_is_found_by_id,
    #[Instrument] an_instrument_is_found_by_symbol,
    #[Instrument] an_unknown_instrument_is_left_out,
    #[Instrument] an_unknown_symbol_is_left_out,
    #[Instrument] steps_of_an_instrument_are_positive,
    #[MarketData] #[Instrument] a_known_instrument_has_one_quote,
    #[MarketData] #[Instrument] an_unknown_instrument_has_no_quote,
    #[MarketData] #[Candles] candles_come_oldest_first_within_their_borders,
    #[MarketData] #[Candles] candles_hold_their_prices,
    #[MarketData] #[Candles] candles_start_inclusive_and_end_exclusive,
    #[MarketData] #[Instrument] sessions_come_in_order,
};

/// More pages than any account of a test has.
const MOST_PAGES: usize = 100_000;
fn nobody() -> AccountId {
    NOBODY.into()
}

/// A moment between the first and the last of these; `None` when they do not span any time.
fn middle(times: impl Iterator<Item = DateTime<Utc>> + Clone) -> Option<DateTime<Utc>> {
    let (first, last) = (times.clone().min()?, times.max()?);
    (first < last).then(|| first + (last - first) / 2)
}

async fn names_are_stated(broker: &dyn Broker, _: &Setup) -> Outcome {
    check(!broker.id().get().is_empty(), "the broker has no name")
}

async fn a_handle_is_the_same_broker(broker: &dyn Broker, _: &Setup) -> Outcome {
    let handle = broker.handle();
    let same = handle.id() == broker.id()
        && handle.environment() == broker.environment()
        && handle.capabilities() == broker.capabilities();
    check(same, "a handle has another name, environment or abilities")
}

async fn the_environment_is_one_of_its_own(broker: &dyn Broker, _: &Setup) -> Outcome {
    let environments = &broker.capabilities().environments;
    check(
        environments.contains(&broker.environment()),
        format!("only {environments:?} are listed"),
    )
}

async fn a_probe_names_the_environment(broker: &dyn Broker, _: &Setup) -> Outcome {
    let found = broker.probe().await?.environment;
    check(found == broker.environment(), format!("the probe says {found}"))
}

async fn a_probe_reads_our_clock_within_the_call(broker: &dyn Broker, _: &Setup) -> Outcome {
    let before = broker.context().clock().now();
    let found = broker.probe().await?.local_time;
    let after = broker.context().clock().now();
    check(
        (before..=after).contains(&found),
        format!("{found} is not within {before} to {after}"),
    )
}

async fn accounts_are_listed(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let accounts = broker.accounts().await?;
    check(
        accounts.iter().any(|account| account.id == setup.account),
        format!("{} accounts, none of them the one of the setup", accounts.len()),
    )
}

async fn accounts_are_listed_once_and_name_the_broker(broker: &dyn Broker, _: &Setup) -> Outcome {
    let accounts = broker.accounts().await?;
    let different: BTreeSet<_> = accounts.iter().map(|account| &account.id).collect();
    let named = |account: &Account| {
        account.broker == broker.id() && account.environment == broker.environment() && !account.id.get().is_empty()
    };
    check(different.len() == accounts.len(), "an account is listed twice")?;
    check(
        accounts.iter().all(named),
        "an account of another broker or environment, or without an id",
    )
}

async fn account_ids_are_stable(broker: &dyn Broker, _: &Setup) -> Outcome {
    let (first, second) = (broker.accounts().await?, broker.accounts().await?);
    let ids =
        |accounts: &[Account]| -> BTreeSet<AccountId> { accounts.iter().map(|account| account.id.clone()).collect() };
    check(ids(&first) == ids(&second), "a second reading lists other ids")
}

async fn balances_name_their_account(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let balances = broker.balances(&setup.account).await?;
    check(balances.account == setup.account, "balances of another account")
}

async fn a_currency_has_one_balance(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let balances = broker.balances(&setup.account).await?.balances;
    let different: BTreeSet<_> = balances.iter().map(|balance| balance.currency).collect();
    check(different.len() == balances.len(), "a currency is listed twice")
}

async fn balances_of_an_unknown_account_are_an_error(broker: &dyn Broker, _: &Setup) -> Outcome {
    check(
        broker.balances(&nobody()).await.is_err(),
        "balances of an account that is not there",
    )
}

async fn positions_of_an_unknown_account_are_an_error(broker: &dyn Broker, _: &Setup) -> Outcome {
    check(
        broker.positions(&nobody()).await.is_err(),
        "positions of an account that is not there",
    )
}

async fn positions_are_not_flat(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let positions = broker.positions(&setup.account).await?;
    let flat = positions.iter().find(|position| position.qty.is_zero());
    match flat {
        Some(position) => Err(Failed(format!("{} is listed and flat", position.symbol))),
        None => Ok(!positions.is_empty()),
    }
}

async fn positions_name_their_account_and_come_once(broker: &dyn Broker, setup: &Setup) -> Outcome {
    let positions = broker.positions(&setup.account).await?;
    let different: BTreeSet<_> = positions
        .iter()
        .map(|position| (&position.instrument, position.leg))
        .collect();
    check(
        positions.iter().all(|position| position.account == setup.account),
        "a position of another account",
    )?;
    check(
        different.len() == positions.len(),
        "an instrument has two positions in one leg",
    )?;
    Ok(!positions.is_empty())
}

fn foreign() -> Cursor {
    Cursor::from_text("999999:\"a cursor of another broker\"")
}

fn is_refused<T>(answer: Result<T>) -> Outcome {
    match answer {
        Ok(_) => Err(Failed("a cursor of another broker was taken".to_owned())),
        Err(error) => check(
            error.kind() == ErrorKind::InvalidRequest,
            format!("{error} instead of an invalid request"),
        ),
    }
}
