//! The shell on loopback: a real socket of 127.0.0.1, with real damage.

use std::fmt::{self, Debug};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use broker_core::seam::{Clock, SeededRng};
use broker_core::{Error, ErrorKind, Result};
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::WriteHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::desk::{Back, Desk, Line};
use super::flow::{Flow, Piece};
use super::http1::{self, Incoming};
use super::lane::Ways;
use super::message::WireAnswer;
use super::plan::Faults;
use super::record::Recorder;
use super::socket;
use super::timekeeper;
use super::venue::SharedVenue;

/// A venue on a port of 127.0.0.1 that the system chooses. Dropping it stops it.
///
/// It speaks HTTP/1.1 and WebSocket, and sends bodies that go on in chunks.
///
/// Damage is real: connections are reset (RST) and closed (FIN), bodies cut, stalled and dripped on the wire itself.
pub struct LoopbackServer {
    address: SocketAddr,
    faults: Faults,
    recorder: Recorder,
    tasks: JoinSet<()>,
}

impl LoopbackServer {
    /// Starts on the current tokio runtime, without faults.
    pub async fn start(venue: SharedVenue, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::start_with(venue, clock, Faults::default(), Recorder::default()).await
    }

    /// Starts with these faults and this record.
    pub async fn start_with(
        venue: SharedVenue,
        clock: Arc<dyn Clock>,
        faults: Faults,
        recorder: Recorder,
    ) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        let mut desk = Desk::new(venue);
        desk.faults = faults.clone();
        desk.recorder = recorder.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_time(desk.clone(), Arc::clone(&clock)));
        let ways = Ways {
            clock,
            rng: Arc::new(SeededRng::new(0)),
            least: Duration::ZERO,
            most: Duration::ZERO,
        };
        tasks.spawn(accept(listener, desk, ways));
        Ok(Self {
            address,
            faults,
            recorder,
            tasks,
        })
    }

    /// Where it listens: `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What goes wrong, to be steered while it runs.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What came in.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Stops; ready once every connection is closed.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

impl Debug for LoopbackServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoopbackServer({})", self.url())
    }
}

fn unavailable(error: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable).with_source(error)
}

/// Keeps the venue's appointments whenever a socket is open.
async fn keep_time(desk: Desk, clock: Arc<dyn Clock>) {
    loop {
        timekeeper::keep(desk.clone(), Arc::clone(&clock)).await;
        while !desk.has_sockets() {
            desk.timekeeper.changed().await;
        }
    }
}

/// Takes connections until it is aborted; they end with it, because it owns them.
async fn accept(listener: TcpListener, desk: Desk, ways: Ways) {
    let mut connections = JoinSet::new();
    loop {
        // A connection that failed before it was taken is the client's affair.
        if let Ok((stream, peer)) = listener.accept().await {
            desk.recorder.connected(ways.clock.now());
            let connection = Connection {
                stream,
                peer: peer.ip().to_string(),
                desk: desk.clone(),
                ways: ways.clone(),
            };
            connections.spawn(connection.run());
        }
        while connections.try_join_next().is_some() {}
    }
}

struct Connection {
    stream: TcpStream,
    /// The address without the port: who shares a limit by address.
    peer: String,
    desk: Desk,
    ways: Ways,
}

/// How an answer must look.
struct Asked {
    head_only: bool,
    keeps: bool,
    /// What proves to the client that its upgrade was understood.
    accepts: Option<String>,
}

/// How a connection goes on after an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Keep,
    Close,
    Reset,
    Hang,
}

impl Connection {
    async fn run(self) {
        // An error of the socket means that the client is gone.
        let _ = self.talk().await;
    }

    async fn talk(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        let mut buffer = BytesMut::new();
        loop {
            let (request, keeps) = match http1::read(&mut self.stream, &mut buffer, &self.peer).await? {
                Incoming::Request(request, keeps) => (request, keeps),
                Incoming::Refused(status) => return self.write(&WireAnswer::empty(status), false, false).await,
                Incoming::End => return Ok(()),
            };
            let asked = Asked {
                head_only: request.method == "HEAD",
                accepts: socket::acceptance(&request),
                keeps,
            };
            if request.is_upgrade() && asked.accepts.is_none() {
                return self.write(&WireAnswer::empty(400), false, false).await;
            }
            let passage = self.desk.accept(request, self.ways.clock.now());
            self.wait(passage.hold_up()).await;
            let outcome = self.desk.serve(passage, &self.ways);
            self.wait(outcome.delay).await;
            match self.send(outcome.back, asked, &mut buffer).await? {
                Then::Keep => {}
                Then::Close => return self.stream.shutdown().await,
                Then::Reset => return self.stream.set_zero_linger(),
                Then::Hang => return self.hang().await,
            }
        }
    }

    async fn send(&mut self, back: Back, asked: Asked, buffer: &mut BytesMut) -> io::Result<Then> {
        let Asked { head_only, keeps, .. } = asked;
        let then = if keeps { Then::Keep } else { Then::Close };
        match back {
            Back::Whole(answer) => {
                self.write(&answer, head_only, keeps).await?;
                Ok(then)
            }
            Back::Cut(answer, at) => {
                self.write_part(&answer, head_only, at).await?;
                Ok(Then::Close)
            }
            Back::Stalled(answer, at) => {
                self.write_part(&answer, head_only, at).await?;
                Ok(Then::Hang)
            }
            Back::Dripped { answer, piece, every } => {
                let (head, body) = http1::render(&answer, head_only, keeps, self.ways.clock.now());
                self.stream.write_all(&head).await?;
                self.drip(body, piece, every).await?;
                Ok(then)
            }
            Back::Flowing(answer, ..) if head_only => {
                let head = http1::render_chunked(&answer, self.ways.clock.now());
                self.stream.write_all(&head).await?;
                Ok(Then::Close)
            }
            Back::Flowing(answer, flow, line) => self.flow(&answer, flow, line).await,
            Back::Opened(opening) => {
                let accepts = asked.accepts.unwrap_or_default();
                let head = socket::head(&accepts);
                self.stream.write_all(head.as_bytes()).await?;
                let part = std::mem::take(buffer).to_vec();
                socket::talk(&mut self.stream, part, opening, Arc::clone(&self.ways.clock)).await
            }
            Back::Silence => Ok(Then::Hang),
            Back::Reset => Ok(Then::Reset),
            Back::Fin => Ok(Then::Close),
        }
    }

    /// A body that goes on, until it ends or the client goes away; then the line tells the venue.
    async fn flow(&mut self, answer: &WireAnswer, flow: Flow, line: Line) -> io::Result<Then> {
        let head = http1::render_chunked(answer, self.ways.clock.now());
        self.stream.write_all(&head).await?;
        let (mut reader, mut writer) = self.stream.split();
        let left = async move {
            let mut rest = [0; 256];
            while reader.read(&mut rest).await? > 0 {}
            Ok(Then::Close)
        };
        let then = match select(pin!(write_chunks(&mut writer, flow)), pin!(left)).await {
            Either::Left((then, _)) | Either::Right((then, _)) => then,
        };
        drop(line);
        then
    }

    async fn write(&mut self, answer: &WireAnswer, head_only: bool, keeps: bool) -> io::Result<()> {
        let (head, body) = http1::render(answer, head_only, keeps, self.ways.clock.now());
        let mut whole = BytesMut::with_capacity(head.len() + body.len());
        whole.extend_from_slice(&head);
        whole.extend_from_slice(&body);
        self.stream.write_all(&whole).await
    }

    /// The head, with the length of the whole body, and the first bytes of the body.
    async fn write_part(&mut self, answer: &WireAnswer, head_only: bool, at: usize) -> io::Result<()> {
        let (head, body) = http1::render(answer, head_only, true, self.ways.clock.now());
        self.stream.write_all(&head).await?;
        self.stream.write_all(&body[..at.min(body.len())]).await
    }

    async fn drip(&mut self, mut body: Bytes, piece: usize, every: Duration) -> io::Result<()> {
        while !body.is_empty() {
            self.ways.clock.sleep(every).await;
            let next = body.split_to(piece.min(body.len()));
            self.stream.write_all(&next).await?;
        }
        Ok(())
    }

    /// Reads on without a word until the client goes away.
    async fn hang(&mut self) -> io::Result<()> {
        let mut rest = [0; 1024];
        while self.stream.read(&mut rest).await? > 0 {}
        Ok(())
    }

    async fn wait(&self, wait: Duration) {
        if !wait.is_zero() {
            self.ways.clock.sleep(wait).await;
        }
    }
}

async fn write_chunks(writer: &mut WriteHalf<'_>, mut flow: Flow) -> io::Result<Then> {
    loop {
        match flow.next().await {
            Piece::Bytes(bytes) => writer.write_all(&http1::chunk(&bytes)).await?,
            Piece::End => {
                writer.write_all(b"0\r\n\r\n").await?;
                return Ok(Then::Close);
            }
            Piece::Cut => return Ok(Then::Close),
            Piece::Reset => return Ok(Then::Reset),
        }
    }
}
