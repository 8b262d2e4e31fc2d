//! `BrokerExt` over the paper venue, in virtual time: whole histories against the venue's own log and books.

#![allow(clippy::unwrap_used, reason = "a test")]

mod books;
mod opening;
mod pages;
mod scripted;
mod seeded;
