//! A wire that is looked at while it is used.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use broker_core::Result;
use broker_core::seam::{Answer, Carrier, Frame, OpenRequest, Request, Transport};

/// What was seen of a wire. Clones share it.
#[derive(Clone, Default)]
pub struct Watched(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    shown: Vec<String>,
    said: String,
}

impl Watched {
    /// What requests, answers and sockets showed of themselves by `Debug`: this must hold no secret.
    pub fn shown(&self) -> Vec<String> {
        self.seen().shown.clone()
    }

    /// What really went out on sockets: this holds the secrets.
    pub fn said(&self) -> String {
        self.seen().said.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, text: String) {
        self.seen().shown.push(text);
    }
}

/// What was said holds the secrets.
impl Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

/// Looks at what passes, and passes it on.
#[derive(Debug)]
pub struct Watching<T> {
    inner: T,
    watched: Watched,
}

impl<T> Watching<T> {
    /// Over this transport.
    pub fn new(inner: T, watched: &Watched) -> Self {
        Self {
            inner,
            watched: watched.clone(),
        }
    }
}

#[async_trait]
impl<T: Transport> Transport for Watching<T> {
    async fn send(&self, request: Request) -> Result<Answer> {
        self.watched
            .show(format!("{request:?} {request:#?} {:?}", request.http.headers()));
        let answer = self.inner.send(request).await;
        self.watched.show(format!("{answer:?}"));
        answer
    }

    async fn open(&self, request: OpenRequest) -> Result<Box<dyn Carrier>> {
        self.watched.show(format!("{request:?} {request:#?}"));
        if let OpenRequest::WebSocket { url, .. } = &request {
            self.watched.seen().said.push_str(url.as_str());
        }
        let opened = self.inner.open(request).await;
        self.watched.show(format!("{opened:?}"));
        let watched = self.watched.clone();
        opened.map(|carrier| Box::new(Spoken { carrier, watched }) as Box<dyn Carrier>)
    }
}

/// A carrier whose words are kept.
#[derive(Debug)]
struct Spoken {
    carrier: Box<dyn Carrier>,
    watched: Watched,
}

#[async_trait]
impl Carrier for Spoken {
    async fn receive(&mut self) -> Option<Result<Frame>> {
        self.carrier.receive().await
    }

    async fn send(&mut self, frame: Frame) -> Result<()> {
        if let Frame::Text(text) = &frame {
            self.watched.seen().said.push_str(text);
        }
        self.carrier.send(frame).await
    }
}
