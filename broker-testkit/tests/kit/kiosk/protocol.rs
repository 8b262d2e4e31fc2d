//! Token, time of sending, and what an answer means.

use std::sync::Arc;

use async_trait::async_trait;
use broker_core::http::{Call, Outcome, Protocol, Reply, Verdict, retry_after, status_error};
use broker_core::limit::Lesson;
use broker_core::seam::Clock;
use broker_core::{Delivery, Error, ErrorKind, Result};
use http::HeaderValue;

use super::venue::{SENT_AT, TOKEN, TOKEN_HEADER};
use super::wire::ErrorJson;

#[derive(Debug)]
pub(super) struct KioskProtocol {
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl Protocol for KioskProtocol {
    async fn authorize(&self, call: &mut Call) -> Result<()> {
        call.headers.insert(TOKEN_HEADER, HeaderValue::from_static(TOKEN));
        let sent_at = self.clock.now().timestamp_micros();
        call.headers.insert(SENT_AT, HeaderValue::from(sent_at));
        Ok(())
    }

    fn classify(&self, call: &Call, reply: &Reply) -> Verdict {
        if reply.status.is_success() {
            return Verdict::good();
        }
        let Ok(json) = serde_json::from_str::<ErrorJson>(&reply.body) else {
            return Verdict::bad(status_error(reply));
        };
        let kind = match json.code.as_str() {
            "token" => ErrorKind::Auth,
            "limit" | "banned" => ErrorKind::RateLimited,
            "duplicate" => ErrorKind::DuplicateOrder,
            "unknown_order" | "unknown_account" => ErrorKind::NotFound,
            "funds" => ErrorKind::InsufficientFunds,
            "late" | "bad_request" => ErrorKind::InvalidRequest,
            "refused" => ErrorKind::OrderRejected,
            _ => status_error(reply).kind(),
        };
        let error = Error::new(kind)
            .with_delivery(Delivery::Answered)
            .with_code(&json.code)
            .with_message(&json.message);
        if kind == ErrorKind::Auth {
            return Verdict {
                outcome: Outcome::Mend(error),
                lessons: Vec::new(),
            };
        }
        let limited = kind == ErrorKind::RateLimited;
        let wait = retry_after(&reply.headers, self.clock.now());
        let refused = call.cost.iter().filter(|_| limited);
        Verdict {
            outcome: Outcome::Bad {
                error,
                nothing_done: limited,
            },
            lessons: refused
                .map(|cost| (Arc::clone(&cost.bucket), Lesson::Refused { wait }))
                .collect(),
        }
    }

    /// The next request carries its token again.
    async fn mend(&self, _: &Error) -> Result<()> {
        Ok(())
    }
}
