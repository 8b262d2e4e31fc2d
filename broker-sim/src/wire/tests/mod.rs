//! Both shells over one small venue.

mod loopback;
mod memory;

use std::sync::{Arc, Mutex};

use broker_core::seam::Frame;
use chrono::{DateTime, Utc};

use super::*;

/// Takes orders (the body is the client id), lists them, tells the time, and echoes frames.
#[derive(Default)]
struct Toy {
    orders: Vec<String>,
    seen: Vec<DateTime<Utc>>,
    closed: Vec<SocketId>,
    pushed: Vec<(SocketId, Frame)>,
    listeners: Vec<SocketId>,
    limiter: Option<WireLimiter>,
}

impl Venue for Toy {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        self.seen.push(now);
        if let Some(Admission::Refused { standing, .. }) =
            self.limiter.as_mut().map(|limiter| limiter.take(&request.peer, 1, now))
        {
            return WireAnswer::json(429, "{}")
                .with_header("X-RateLimit-Limit", standing.limit)
                .with_header("X-RateLimit-Remaining", standing.remaining)
                .with_header("X-RateLimit-Reset", standing.resets_at.timestamp());
        }
        if request.header("authorization") != Some("Bearer good") {
            return WireAnswer::json(401, r#"{"message":"forbidden."}"#);
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("POST", "/orders") => {
                self.orders.push(request.text());
                let news = Frame::Text(format!("new {}", request.text()));
                let listeners = self.listeners.iter();
                self.pushed.extend(listeners.map(|socket| (*socket, news.clone())));
                WireAnswer::json(200, format!(r#"{{"id":{}}}"#, self.orders.len()))
            }
            ("GET", "/orders") => WireAnswer::json(200, format!("{:?}", self.orders)),
            ("GET", "/clock") => WireAnswer::text(200, now.format("%H:%M:%S").to_string()),
            ("DELETE", "/orders") => WireAnswer::empty(204),
            _ => WireAnswer::json(404, r#"{"message":"not found"}"#),
        }
    }

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        if request.path != "/stream" {
            return Err(self.handle(request, now));
        }
        self.listeners.push(socket);
        Ok(())
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, _now: DateTime<Utc>) {
        match frame {
            Frame::Close(_) => {
                self.closed.push(socket);
                self.listeners.retain(|listener| *listener != socket);
            }
            Frame::Text(text) if text == "bye" => self.pushed.push((socket, Frame::Close(None))),
            other => self.pushed.push((socket, other)),
        }
    }

    fn pushed(&mut self, _now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        std::mem::take(&mut self.pushed)
    }
}

fn orders(venue: &Arc<Mutex<Toy>>) -> Vec<String> {
    venue.lock().unwrap().orders.clone()
}

/// One fault for the first POST.
fn first_post(fault: Fault) -> Faults {
    Faults::new(FaultPlan::none().rule(When::always().method("POST").nth(1), fault))
}
