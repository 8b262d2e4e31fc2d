//! The wire venue: request by request, against the published documents, and with the client in front of it.

#![allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod close;
mod desk;
mod document;
#[path = "../documents/mod.rs"]
mod documents;
mod feed;
mod guard;
mod history;
mod orders;
mod reads;
mod stream;
mod through;
