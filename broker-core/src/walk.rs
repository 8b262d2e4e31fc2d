//! A walk through the pages of a query.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;

use crate::broker::{Broker, Cursor, Page};
use crate::error::{Error, ErrorKind, Result};
use crate::model::{HistoryQuery, Order, OrderQuery, Record};
use crate::seam::{BoxFuture, BoxStream};

/// How often in a row a broker may say "not yet".
const MOST_WAITS: u32 = 1_000;

type Ask<Q, T> = fn(Arc<dyn Broker>, Q, Option<Cursor>) -> BoxFuture<'static, Result<Page<T>>>;

/// Asks page after page until there is no next one. A clone goes on from where it was made.
#[derive(Debug)]
pub(crate) struct Walk<Q, T> {
    broker: Arc<dyn Broker>,
    query: Q,
    ask: Ask<Q, T>,
    cursor: Option<Cursor>,
    /// Before the next question.
    wait: Option<Duration>,
    /// Answers in a row that were "not yet".
    waits: u32,
    is_done: bool,
}

impl<Q: Clone, T> Clone for Walk<Q, T> {
    fn clone(&self) -> Self {
        Self {
            broker: Arc::clone(&self.broker),
            query: self.query.clone(),
            cursor: self.cursor.clone(),
            ..*self
        }
    }
}

impl Walk<HistoryQuery, Record> {
    /// Over records. A window without an end ends now.
    pub(crate) fn records(broker: Arc<dyn Broker>, query: HistoryQuery) -> Self {
        let query = query.resolved(broker.context().clock().now());
        Self::new(broker, query, |broker, query, cursor| {
            Box::pin(async move { broker.history(&query, cursor.as_ref()).await })
        })
    }
}

impl Walk<OrderQuery, Order> {
    /// Over orders. A window without an end ends now.
    pub(crate) fn orders(broker: Arc<dyn Broker>, query: OrderQuery) -> Self {
        let query = query.resolved(broker.context().clock().now());
        Self::new(broker, query, |broker, query, cursor| {
            Box::pin(async move { broker.orders(&query, cursor.as_ref()).await })
        })
    }
}

impl<Q: Clone + Send + 'static, T: Send + 'static> Walk<Q, T> {
    fn new(broker: Arc<dyn Broker>, query: Q, ask: Ask<Q, T>) -> Self {
        Self {
            broker,
            query,
            ask,
            cursor: None,
            wait: None,
            waits: 0,
            is_done: false,
        }
    }

    /// The next page; `None` behind the last one. After an error, or dropped, it is where it was.
    pub(crate) async fn next(&mut self) -> Result<Option<Page<T>>> {
        if self.is_done {
            return Ok(None);
        }
        if let Some(wait) = self.wait {
            self.broker.context().clock().sleep(wait).await;
            self.wait = None;
        }
        let page = (self.ask)(Arc::clone(&self.broker), self.query.clone(), self.cursor.clone()).await?;
        self.step(&page)?;
        Ok(Some(page))
    }

    /// Goes on behind this page. Waits where the broker asks for it: then a page without a next one means the same
    /// question again.
    fn step(&mut self, page: &Page<T>) -> Result<()> {
        if page.wait.is_some() {
            self.waits = if page.rows.is_empty() { self.waits + 1 } else { 0 };
            if self.waits > MOST_WAITS {
                return Err(self.error(ErrorKind::Unavailable, "the broker's report is never ready"));
            }
            self.wait = page.wait;
            self.cursor = page.next.clone().or(self.cursor.take());
            return Ok(());
        }
        if page.next.is_some() && page.next == self.cursor {
            let text = "the cursor does not move: the history would never end";
            return Err(self.error(ErrorKind::Protocol, text));
        }
        self.waits = 0;
        self.is_done = page.next.is_none();
        self.cursor.clone_from(&page.next);
        Ok(())
    }

    /// Whether the last page came.
    #[cfg(feature = "live")]
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether it went on from its first page.
    #[cfg(feature = "live")]
    pub(crate) fn is_under_way(&self) -> bool {
        self.cursor.is_some() || self.is_done
    }

    /// All pages that are left. An error is the last item.
    pub(crate) fn stream(self) -> BoxStream<'static, Result<Page<T>>> {
        Box::pin(stream::try_unfold(self, async |mut walk| {
            let page = walk.next().await?;
            Ok(page.map(|page| (page, walk)))
        }))
    }

    fn error(&self, kind: ErrorKind, message: &str) -> Error {
        Error::new(kind).with_broker(self.broker.id()).with_message(message)
    }
}
