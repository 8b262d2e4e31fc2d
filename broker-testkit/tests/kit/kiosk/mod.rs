//! A broker as a third party would write one, with a wire venue of its own: it implements the traits and nothing
//! else. Its venue does not deduplicate our ids, refuses requests that come late, and shows orders late.

pub(crate) mod broker;
mod protocol;
pub(crate) mod stage;
pub(crate) mod venue;
mod wire;
