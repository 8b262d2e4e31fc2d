//! A fill is counted once: the fold of the rows that were read, and a compact memory of what was seen.
//!
//! What is kept is a set of [`Row`]s. [`fold`] is a pure function of that set, so it does not matter in which order
//! rows come, how often, or in which portions they were folded before. [`Seen`] answers for one row at a time
//! whether it is new, in a few bytes a fill.

mod fold;
mod hash;
mod seen;

pub use fold::{Folded, Row, fold};
pub use hash::{Key, KeySpace, RowKind};
pub use seen::{Seen, SeenSet};
