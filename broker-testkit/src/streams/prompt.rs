//! A venue that speaks by itself.

use broker_core::seam::Frame;
use broker_sim::wire::{SocketId, Venue, WireAnswer, WireRequest};
use chrono::{DateTime, Duration, Utc};

/// Any wire venue, asked every 10 ms what it has to push as long as a socket is open: so what happens behind the
/// wire's back is told soon, as a real venue does.
#[derive(Debug)]
pub struct Prompt<V>(pub V);

impl<V: Venue> Venue for Prompt<V> {
    fn handle(&mut self, request: &WireRequest, now: DateTime<Utc>) -> WireAnswer {
        self.0.handle(request, now)
    }

    fn upgrade(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Result<(), WireAnswer> {
        self.0.upgrade(request, socket, now)
    }

    fn stream(&mut self, request: &WireRequest, socket: SocketId, now: DateTime<Utc>) -> Option<WireAnswer> {
        self.0.stream(request, socket, now)
    }

    fn frame(&mut self, socket: SocketId, frame: Frame, now: DateTime<Utc>) {
        self.0.frame(socket, frame, now);
    }

    fn pushed(&mut self, now: DateTime<Utc>) -> Vec<(SocketId, Frame)> {
        self.0.pushed(now)
    }

    fn wake_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        Some(now + Duration::milliseconds(10))
    }
}
