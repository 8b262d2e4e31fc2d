//! One connection of a feed, from its first frame to its end.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::feed::{Look, Pulse, Signal};
use super::guard::Call;
use super::hub::Offered;
use super::line::Line;
use super::looks::Looks;
use super::readback::{Announce, Done, Readback};
use super::runner::{End, Runner, unavailable};
use crate::error::{Error, ErrorKind, Result};
use crate::model::Event;
use crate::seam::{BoxFuture, Clock, Frame};

/// From opening to the venue's word that the subscription stands.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(15);

/// How long a frame may take to be sent.
const SEND: Duration = Duration::from_secs(5);

/// A fill may come just behind the order that speaks of it; and between two readings there is at least this.
const GRACE: Duration = Duration::from_secs(1);

/// No venue wants to hear from us more often.
const SHORTEST_BEAT: Duration = Duration::from_millis(100);

/// One connection.
pub(super) struct Session<'a> {
    runner: &'a mut Runner,
    clock: Arc<dyn Clock>,
    line: Line,
    pulse: Pulse,
    /// When the handshake must be done; `None` once it is.
    handshake: Option<Duration>,
    /// When something last came.
    heard: Duration,
    /// When to say that we live.
    beat: Option<Duration>,
    job: Option<Job>,
    looks: Looks,
    /// When the next audit is due; `None` for a feed without accounts.
    audit: Option<Duration>,
    /// When the last reading ended.
    read: Duration,
    /// An event found the queue full: nothing goes in until there is room to read it back.
    is_overflowed: bool,
    alarm: Alarm,
    signals: Vec<Signal>,
}

/// A reading under way.
struct Job {
    /// All accounts are read.
    is_whole: bool,
    future: BoxFuture<'static, Done>,
}

/// What happens next.
enum Next {
    Frame(Option<Result<Frame>>),
    /// Some time has come.
    Time,
    Read(Done),
    /// Half of the queue is free.
    Room,
}

impl<'a> Session<'a> {
    /// A connection whose opening began then.
    pub(super) fn new(runner: &'a mut Runner, line: Line, begun: Duration) -> Self {
        let clock = runner.clock();
        let now = clock.elapsed();
        let pulse = runner.feed.pulse();
        let beat = pulse.send.as_ref().map(|(every, _)| now + (*every).max(SHORTEST_BEAT));
        Self {
            runner,
            line,
            pulse,
            handshake: Some(begun + HANDSHAKE),
            heard: now,
            beat,
            job: None,
            looks: Looks::default(),
            audit: None,
            read: now,
            is_overflowed: false,
            alarm: Alarm::default(),
            signals: Vec::new(),
            clock,
        }
    }

    /// Whether the venue confirmed the subscription.
    pub(super) fn stood(&self) -> bool {
        self.handshake.is_none()
    }

    /// The time of day when something last came.
    pub(super) fn heard_at(&self) -> DateTime<Utc> {
        let silent = self.clock.elapsed().saturating_sub(self.heard);
        let now = self.clock.now();
        now - TimeDelta::from_std(silent).unwrap_or_default()
    }

    /// Runs until the connection ends.
    pub(super) async fn run(&mut self, first: Vec<Frame>) -> End {
        for frame in first {
            if let Err(end) = self.send(frame).await {
                return end;
            }
        }
        loop {
            let step = match self.next().await {
                Next::Frame(frame) => self.frame(frame).await,
                Next::Time => self.time().await,
                Next::Read(done) => {
                    self.finished(done);
                    Ok(())
                }
                Next::Room => {
                    self.recover();
                    Ok(())
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Waits for whatever comes first. Always asks in the same order, and always reads the connection.
    async fn next(&mut self) -> Next {
        self.alarm.set(self.due(), &*self.clock);
        let is_waiting_for_room = self.is_overflowed && self.job.is_none();
        let Self {
            line,
            alarm,
            job,
            runner,
            ..
        } = self;
        let hub = Arc::clone(&runner.hub);
        let mut frame = pin!(line.receive());
        poll_fn(|context| {
            if alarm.poll(context).is_ready() {
                return Poll::Ready(Next::Time);
            }
            if let Some(job) = job
                && let Poll::Ready(done) = job.future.poll_unpin(context)
            {
                return Poll::Ready(Next::Read(done));
            }
            if is_waiting_for_room && hub.poll_half_free(context).is_ready() {
                return Poll::Ready(Next::Room);
            }
            frame.as_mut().poll(context).map(Next::Frame)
        })
        .await
    }

    /// The next moment at which something must be done.
    fn due(&self) -> Duration {
        let silent = self.heard + self.pulse.silence;
        let readings = if self.may_read() {
            [self.audit, self.look_due()]
        } else {
            [None, None]
        };
        let others = [self.handshake, self.beat].into_iter().chain(readings).flatten();
        others.fold(silent, Duration::min)
    }

    /// When to read back what was asked for: not right behind the last reading.
    fn look_due(&self) -> Option<Duration> {
        self.looks.due().map(|due| due.max(self.read + GRACE))
    }

    /// Whether a reading may start now. What overflowed is read back by its own.
    fn may_read(&self) -> bool {
        self.stood() && self.job.is_none() && !self.is_overflowed
    }

    async fn time(&mut self) -> Result<(), End> {
        let now = self.clock.elapsed();
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_due(self.handshake) {
            return Err(End::lost(unavailable(
                "the venue did not confirm the subscription in time",
            )));
        }
        if now >= self.heard + self.pulse.silence {
            return Err(End::lost(unavailable(
                "the connection is dead: nothing came for too long",
            )));
        }
        if self.may_read() {
            if is_due(self.look_due()) {
                self.look();
            } else if is_due(self.audit) {
                self.start(Announce::IfFound { grace: GRACE });
            }
        }
        match self.pulse.send.clone() {
            Some((every, beat)) if is_due(self.beat) => {
                self.beat = Some(now + every.max(SHORTEST_BEAT));
                self.send(beat).await
            }
            _ => Ok(()),
        }
    }

    async fn frame(&mut self, frame: Option<Result<Frame>>) -> Result<(), End> {
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(End::lost(error)),
            None => return Err(End::lost(unavailable("the stream ended"))),
        };
        self.heard = self.clock.elapsed();
        if matches!(frame, Frame::Ping(_) | Frame::Pong(_)) {
            return Ok(());
        }
        let mut signals = std::mem::take(&mut self.signals);
        let read = self.runner.feed.read(&frame, &mut signals);
        for signal in signals.drain(..) {
            self.signal(signal).await?;
        }
        self.signals = signals;
        if let Frame::Close(why) = &frame {
            return Err(End::lost(closed(why.as_ref())));
        }
        if let Err(error) = read {
            tracing::warn!(kind = %error.kind(), "a frame cannot be read: what it may have told is read back");
            self.look_at_all();
        }
        Ok(())
    }

    async fn signal(&mut self, signal: Signal) -> Result<(), End> {
        match signal {
            Signal::Event(event) => {
                self.event(event);
                Ok(())
            }
            Signal::Send(frame) => self.send(frame).await,
            Signal::Ready => {
                self.ready();
                Ok(())
            }
            Signal::Beat => Ok(()),
            Signal::Look(look) => {
                self.look_soon(look, Duration::ZERO);
                Ok(())
            }
            Signal::Closed { error, fatal } => Err(End { error, is_fatal: fatal }),
        }
    }

    fn event(&mut self, event: Event) {
        // Behind an event that found no room nothing goes in before the gap is told.
        if self.is_overflowed && !matches!(event, Event::Quote(_)) {
            return;
        }
        match self.runner.hub.offer(self.runner.index, event) {
            Offered::Taken(Call::Nothing) | Offered::Old => {}
            Offered::Taken(Call::Fills(account)) => self.look_soon(Look::Account(account), GRACE),
            Offered::Taken(Call::Look(look)) => self.look_soon(look, GRACE),
            Offered::Full => {
                tracing::warn!("the reader is too slow: the queue is full, what does not fit is read back later");
                self.is_overflowed = true;
            }
        }
    }

    fn ready(&mut self) {
        if self.stood() {
            return;
        }
        self.handshake = None;
        let now = self.clock.now();
        let runner = &mut *self.runner;
        let is_first = runner.since.is_none();
        runner.since.get_or_insert(now);
        if is_first && !runner.covers.accounts.is_empty() {
            runner.hub.complete(runner.index, now, 0);
        }
        runner.hub.ready(runner.index, now);
        tracing::debug!("the subscription stands");
        self.start(match self.runner.was_lost {
            false => Announce::Nothing,
            true => Announce::Gap(now),
        });
    }

    /// Reads back what found no room.
    fn recover(&mut self) {
        self.is_overflowed = false;
        self.start(Announce::Gap(self.clock.now()));
    }

    /// Starts to read everything of all accounts.
    fn start(&mut self, announce: Announce) {
        self.looks = Looks::default();
        let mut reading = self.reading(announce);
        reading.accounts.clone_from(&self.runner.covers.accounts);
        if !matches!(announce, Announce::IfFound { .. }) {
            reading.quotes.clone_from(&self.runner.covers.quotes);
        }
        self.job = Some(Job {
            is_whole: true,
            future: Box::pin(reading.run()),
        });
    }

    /// Starts to read what was asked for.
    fn look(&mut self) {
        let looks = std::mem::take(&mut self.looks);
        let mut reading = self.reading(Announce::IfFound { grace: Duration::ZERO });
        reading.accounts.extend(looks.accounts);
        reading.orders = looks.orders;
        self.job = Some(Job {
            is_whole: reading.accounts.len() == self.runner.covers.accounts.len(),
            future: Box::pin(reading.run()),
        });
    }

    fn reading(&self, announce: Announce) -> Readback {
        let runner = &*self.runner;
        let since = runner.since.unwrap_or_else(|| self.clock.now());
        Readback {
            broker: Arc::clone(&runner.broker),
            hub: Arc::clone(&runner.hub),
            feed: runner.index,
            accounts: Vec::new(),
            orders: Vec::new(),
            quotes: Vec::new(),
            from: runner.complete.unwrap_or(since),
            since,
            look_back: runner.look_back,
            legacy: runner.legacy.clone(),
            announce,
        }
    }

    fn finished(&mut self, done: Done) {
        let is_whole = self.job.take().is_some_and(|job| job.is_whole);
        self.read = self.clock.elapsed();
        self.runner.legacy.forget();
        for look in done.looks {
            self.look_soon(look, GRACE);
        }
        if !is_whole || self.runner.covers.accounts.is_empty() {
            return;
        }
        self.runner.complete = Some(done.complete);
        self.runner.hub.complete(self.runner.index, done.complete, done.asked);
        self.audit = Some(self.read + self.runner.covers.audit_every.max(GRACE));
    }

    /// Everything is to be read back at once.
    fn look_at_all(&mut self) {
        for account in self.runner.covers.accounts.clone() {
            self.look_soon(Look::Account(account), Duration::ZERO);
        }
    }

    /// Notes what is to be read back, of the accounts that this feed covers.
    fn look_soon(&mut self, look: Look, wait: Duration) {
        let account = match &look {
            Look::Account(account) => account,
            Look::Order(order) => &order.account,
        };
        if self.runner.covers.accounts.contains(account) {
            self.looks.add(look, self.clock.elapsed() + wait);
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), End> {
        match within(&*self.clock, SEND, self.line.send(frame)).await {
            Some(sent) => sent.map_err(End::lost),
            None => Err(End::lost(unavailable("the connection is dead: nothing can be sent"))),
        }
    }
}

/// A sleep that is only made anew when it must end earlier.
#[derive(Default)]
struct Alarm {
    sleep: Option<(Duration, BoxFuture<'static, ()>)>,
}

impl Alarm {
    fn set(&mut self, due: Duration, clock: &dyn Clock) {
        if self.sleep.as_ref().is_none_or(|(at, _)| *at > due) {
            let wait = due.saturating_sub(clock.elapsed());
            self.sleep = Some((due, clock.sleep(wait)));
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some((_, sleep)) = &mut self.sleep else {
            return Poll::Pending;
        };
        let rung = sleep.poll_unpin(context);
        if rung.is_ready() {
            self.sleep = None;
        }
        rung
    }
}

/// The work's result, unless the time passes first.
pub(super) async fn within<T>(clock: &dyn Clock, wait: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), clock.sleep(wait)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}

/// The venue closed the connection.
fn closed(why: Option<&(u16, String)>) -> Error {
    let error = Error::new(ErrorKind::Unavailable);
    match why {
        Some((code, reason)) => error
            .with_code(code.to_string())
            .with_message(format!("the venue closed the stream: {reason}")),
        None => error.with_message("the venue closed the stream"),
    }
}
