//! All that `tracing` is told.

use std::fmt::{self, Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// A layer that keeps the text of every span, event and field, at every level. Clones share it.
///
/// ```
/// use broker_testkit::canary::TraceLog;
/// let log = TraceLog::new();
/// tracing::subscriber::with_default(log.subscriber(), || tracing::trace!(user = "ann", "came in"));
/// assert!(log.text().contains("user=\"ann\"") && log.text().contains("came in"));
/// ```
#[derive(Clone, Default)]
pub struct TraceLog(Arc<Mutex<String>>);

impl TraceLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// A subscriber of this layer alone.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        Registry::default().with(self.clone())
    }

    /// All that was kept.
    pub fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what was kept.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn line(&self, kind: &str, metadata: Option<&Metadata<'_>>, fields: impl FnOnce(&mut Fields)) {
        let mut line = Fields(String::new());
        fields(&mut line);
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.push_str(kind);
        if let Some(metadata) = metadata {
            text.push_str(&format!(
                " {} {} {}",
                metadata.level(),
                metadata.target(),
                metadata.name()
            ));
        }
        text.push_str(&line.0);
        text.push('\n');
    }
}

impl Debug for TraceLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceLog({} bytes)", self.text().len())
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TraceLog {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        self.line("span", Some(attributes.metadata()), |line| attributes.record(line));
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.line("record", context.metadata(span), |line| values.record(line));
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.line("event", Some(event.metadata()), |line| event.record(line));
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }
}

/// The fields of one line.
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, " {}={value:?}", field.name());
    }

    fn record_error(&mut self, field: &Field, error: &(dyn std::error::Error + 'static)) {
        let mut next = Some(error);
        while let Some(error) = next {
            let _ = write!(self.0, " {}={error} {error:?}", field.name());
            next = error.source();
        }
    }
}
