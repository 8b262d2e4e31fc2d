#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod check;
mod effort;
mod export;
mod fold;
mod group;
mod history;
#[cfg(feature = "sqlite")]
mod journal;
mod ledger;
mod orders;
mod plan;
mod planner;
mod progress;
mod reconcile;
mod refold;
mod report;
mod reread;
mod run;
mod state;
mod store;
pub mod summary;
mod syncer;
mod verdict;
mod windows;

pub use broker_core::proof::ProofChain;
pub use broker_core::span::Span;
pub use export::{Export, Exported, Format, Line, Table, read_lines};
pub use group::{GroupPlan, SyncEvent, SyncGroup, SyncNews, SyncRun};
pub use history::StoreExt;
#[cfg(feature = "sqlite")]
pub use journal::SqliteJournal;
pub use plan::{Effort, Estimate, Plan, Spending, Step, least_time_together};
pub use planner::{Planner, Volume};
pub use progress::{Progress, ProgressEvents, ProgressSender, ProgressSink, progress_channel};
pub use reconcile::{CashCheck, Difference, FieldDifference, Kind, Reconciliation};
pub use refold::Refolded;
pub use report::{OrderCheck, OrderDifference, PnlCheck, PnlDifference, PositionCheck, PositionDifference, SyncReport};
pub use reread::{ReadPage, Reread};
pub use state::{Basis, Holding, Holdings, Part, Reading, Scope, SyncState, Totals};
#[cfg(feature = "sqlite")]
pub use store::SqliteStore;
pub use store::{
    Conclusion, FilledLeg, FoldHead, FoldWrite, KnownOrder, MemoryStore, PageWrite, RawPage, Select, Snapshot, Store,
    StoredRow, Written,
};
pub use syncer::Syncer;
