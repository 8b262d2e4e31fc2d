//! Both shells over one small venue.

mod bodies;
mod frames;
mod loopback;
mod memory;
mod sockets;
mod time;
mod websocket;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_core::seam::Frame;
use chrono::{DateTime, Utc};

use super::*;

/// Takes orders (the body is the client id), lists them, tells the time, says each line of a body to its listeners,
/// echoes frames, and ticks.
#[derive(Default)]
struct Toy {
    heard: Vec<Frame>,
    ticks: Option<Ticks>,
    /// How often it was asked what it pushes.
    asked: usize,
    orders: Vec<String>,
    seen: Vec<DateTime<Utc>>,
    closed: Vec<SocketId>,
    pushed: Vec<(SocketId, Frame)>,
    listeners: Vec<SocketId>,
    limiter: Option<WireLimiter>,
}

/// Tells its listeners the time at each of these moments.
struct Ticks {
    next: DateTime<Utc>,
    every: Duration,
    left: usize,
}

impl Ticks {
    fn new(start: DateTime<Utc>, every: Duration, left: usize) -> Option<Self> {
        let next = start + every;
        Some(Self { next, every, left })
    }
}

impl Toy {
    fn say(&mut self, frame: &Frame) {
        let listeners = self.listeners.iter();
        self.pushed.extend(listeners.map(|socket| (*socket, frame.clone())));
    }
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
                self.say(&news);
                WireAnswer::json(200, format!(r#"{{"id":{}}}"#, self.orders.len()))
            }
            ("GET", "/orders") => WireAnswer::json(200, format!("{:?}", self.orders)),
            ("GET", "/clock") => WireAnswer::text(200, now.format("%H:%M:%S").to_string()),
            ("POST", "/say") => {
                for line in request.text().lines() {
                    self.say(&Frame::Text(line.to_owned()));
                }
                WireAnswer::empty(200)
            }
            ("POST", "/close") => {
                self.say(&Frame::Close(Some((4001, request.text()))));
                WireAnswer::empty(200)
            }
            ("GET", "/full") => WireAnswer::json(429, "{}").with_header("Retry-After", 7),
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

    fn stream(&mut self, request: &WireRequest, socket: SocketId, _now: DateTime<Utc>) -> Option<WireAnswer> {
        if request.path != "/prices" {
            return None;
        }
        self.listeners.push(socket);
        Some(WireAnswer::text(200, "hello\n"))
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, _now: DateTime<Utc>) {
        self.heard.push(frame.clone());
        match frame {
            Frame::Ping(_) | Frame::Pong(_) => {}
            Frame::Close(_) => {
                self.closed.push(socket);
                self.listeners.retain(|listener| *listener != socket);
            }
            Frame::Text(text) if text == "bye" => self.pushed.push((socket, Frame::Close(None))),
            other => self.pushed.push((socket, other)),
        }
    }

    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        self.asked += 1;
        if let Some(ticks) = self.ticks.as_mut().filter(|ticks| ticks.left > 0 && ticks.next <= now) {
            ticks.left -= 1;
            ticks.next += ticks.every;
            self.say(&Frame::Text(now.format("%S%.3f").to_string()));
        }
        std::mem::take(&mut self.pushed)
    }

    fn wake_at(&self, _now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let ticks = self.ticks.as_ref().filter(|ticks| ticks.left > 0);
        ticks.map(|ticks| ticks.next)
    }
}

fn orders(venue: &Arc<Mutex<Toy>>) -> Vec<String> {
    venue.lock().unwrap().orders.clone()
}

/// One fault for the first POST.
fn first_post(fault: Fault) -> Faults {
    Faults::new(FaultPlan::none().rule(When::always().method("POST").nth(1), fault))
}
