//! The only doors to time, chance, tasks and the wire.
//!
//! Nothing else in the family reads a clock, sleeps, draws a number, starts a task or opens a socket. So one seed
//! replays a whole run, and no test sleeps: [`VirtualRuntime`] is time that jumps, [`SeededRng`] is chance that
//! repeats.

mod clock;
mod memory;
mod rng;
mod spawn;
mod transport;
mod virtual_time;

pub use clock::Clock;
#[cfg(feature = "http")]
pub use clock::SystemClock;
pub use memory::MemoryTransport;
pub use rng::{OsRng, Rng, SeededRng};
pub use spawn::Spawn;
#[cfg(feature = "http")]
pub use spawn::TokioSpawn;
pub use transport::{Answer, AnswerBody, Carrier, Frame, OpenRequest, Request, Timeouts, Transport};
pub use virtual_time::{VirtualClock, VirtualRuntime};

/// A future in a box that may cross threads.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A stream in a box that may cross threads.
pub type BoxStream<'a, T> = std::pin::Pin<Box<dyn futures_core::Stream<Item = T> + Send + 'a>>;
