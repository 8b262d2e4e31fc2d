//! An answer's body, read under its cap and its time-outs.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;

use crate::error::{Error, ErrorKind, Result};
use crate::seam::{AnswerBody, Clock};

/// The end of one attempt, on the context's clock.
#[derive(Debug, Clone)]
pub(super) struct Deadline {
    clock: Arc<dyn Clock>,
    ends: Duration,
}

impl Deadline {
    pub(super) fn after(clock: &Arc<dyn Clock>, total: Duration) -> Self {
        Self {
            clock: Arc::clone(clock),
            ends: clock.elapsed().saturating_add(total),
        }
    }

    /// Waits for the work, but no longer than `longest`, nor past the deadline.
    pub(super) async fn within<T>(&self, longest: Duration, work: impl Future<Output = T>) -> Result<T> {
        let wait = self.ends.saturating_sub(self.clock.elapsed()).min(longest);
        let (mut work, mut sleep) = (pin!(work), None);
        poll_fn(|context| {
            // The work is polled first: what is there counts, even at the last moment, and needs no timer.
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            let sleep = sleep.get_or_insert_with(|| self.clock.sleep(wait));
            let rung = sleep.as_mut().poll(context);
            rung.map(|()| Err(late(&format!("nothing came for {} ms", wait.as_millis()))))
        })
        .await
    }

    fn check(&self) -> Result<()> {
        if self.clock.elapsed() > self.ends {
            return Err(late("the answer did not end in time"));
        }
        Ok(())
    }
}

fn late(what: &str) -> Error {
    Error::new(ErrorKind::Unavailable)
        .with_message(what)
        .with_help("the venue is slow or the connection is cut; check the network")
}

/// The whole body. It stops at the first piece that goes over the cap, so that memory stays bounded by what was read.
pub(super) async fn whole(mut body: AnswerBody, cap: usize, read: Duration, deadline: &Deadline) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    while let Some(piece) = deadline.within(read, body.next()).await? {
        append(&mut whole, &piece?, cap)?;
        // A body whose next piece is always there would never let the sleep speak.
        deadline.check()?;
    }
    Ok(whole)
}

fn append(whole: &mut Vec<u8>, piece: &Bytes, cap: usize) -> Result<()> {
    if whole.len().saturating_add(piece.len()) > cap {
        return Err(Error::new(ErrorKind::Protocol).with_message(format!("the body is larger than {cap} bytes")));
    }
    whole.extend_from_slice(piece);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use chrono::{DateTime, Utc};
    use futures_util::FutureExt;

    use super::*;
    use crate::seam::BoxFuture;

    /// A second passes at each look, and nobody is ever woken.
    #[derive(Debug, Default)]
    struct Ticking(AtomicU64);

    impl Clock for Ticking {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }

        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed))
        }

        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn a_body_that_is_always_ready_still_ends_in_time() {
        let clock: Arc<dyn Clock> = Arc::new(Ticking::default());
        let endless: AnswerBody = Box::pin(futures_util::stream::repeat_with(|| Ok(Bytes::from_static(b"x"))));
        let deadline = Deadline::after(&clock, Duration::from_secs(10));
        let read = whole(endless, 1 << 20, Duration::from_secs(5), &deadline);
        let error = read.now_or_never().unwrap().unwrap_err();
        assert_eq!(error.message(), Some("the answer did not end in time"));
    }
}
