//! Sockets on which everything is refused, and what was said on them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use broker_core::Result;
use broker_core::seam::{Answer, Carrier, Frame, MemoryTransport, OpenRequest, Request, Transport};

/// The texts that were sent, oldest first.
pub(super) type Said = Arc<Mutex<Vec<String>>>;

/// Requests go on to a function; each socket answers the first text with a refusal that ends the subscription.
#[derive(Debug)]
pub(super) struct Sockets {
    requests: MemoryTransport,
    said: Said,
}

impl Sockets {
    pub(super) fn over(requests: MemoryTransport, said: &Said) -> Self {
        Self {
            requests,
            said: Arc::clone(said),
        }
    }
}

#[async_trait]
impl Transport for Sockets {
    async fn send(&self, request: Request) -> Result<Answer> {
        self.requests.send(request).await
    }

    async fn open(&self, _: OpenRequest) -> Result<Box<dyn Carrier>> {
        Ok(Box::new(Refusing(Arc::clone(&self.said))))
    }
}

#[derive(Debug)]
struct Refusing(Said);

#[async_trait]
impl Carrier for Refusing {
    async fn receive(&mut self) -> Option<Result<Frame>> {
        let refusal = r#"{"method":"subscribe","success":false,"error":"EGeneral:Permission denied"}"#;
        Some(Ok(Frame::Text(refusal.to_owned())))
    }

    async fn send(&mut self, frame: Frame) -> Result<()> {
        if let Frame::Text(text) = frame {
            self.0.lock().unwrap().push(text);
        }
        Ok(())
    }
}
