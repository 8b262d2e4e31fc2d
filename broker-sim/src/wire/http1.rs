//! As much HTTP/1.1 as a venue on loopback needs, byte by byte: a library would mend what a fault is to break.

use std::fmt::Write;
use std::io;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::message::{WireAnswer, WireRequest};

/// Largest head of a request, in bytes.
const LARGEST_HEAD: usize = 64 << 10;
/// Largest body of a request, in bytes.
const LARGEST_BODY: usize = 16 << 20;

/// What came in.
pub(super) enum Incoming {
    /// A request, and whether the connection stays open after it.
    Request(WireRequest, bool),
    /// Something that is no request of this server: the status that says so.
    Refused(u16),
    /// The client is gone.
    End,
}

/// Reads the next request. Bytes behind it stay in the buffer.
pub(super) async fn read(stream: &mut TcpStream, buffer: &mut BytesMut, peer: &str) -> io::Result<Incoming> {
    let end = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end;
        }
        if buffer.len() > LARGEST_HEAD {
            return Ok(Incoming::Refused(431));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(Incoming::End);
        }
    };
    let head = buffer.split_to(end + 4);
    let Some((mut request, keeps)) = parse(&head[..end], peer) else {
        return Ok(Incoming::Refused(400));
    };
    if request.header("transfer-encoding").is_some() {
        return Ok(Incoming::Refused(411));
    }
    let length = match request.header("content-length").map(str::parse) {
        None => 0,
        Some(Ok(length)) if length <= LARGEST_BODY => length,
        Some(Ok(_)) => return Ok(Incoming::Refused(413)),
        Some(Err(_)) => return Ok(Incoming::Refused(400)),
    };
    if length > buffer.len() && request.header("expect").is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            return Ok(Incoming::End);
        }
    }
    request.body = buffer.split_to(length).freeze();
    Ok(Incoming::Request(request, keeps))
}

fn find(buffer: &[u8], needle: &[u8]) -> Option<usize> {
    buffer.windows(needle.len()).position(|window| window == needle)
}

fn parse(head: &[u8], peer: &str) -> Option<(WireRequest, bool)> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || !target.starts_with('/') || !version.starts_with("HTTP/1.") {
        return None;
    }
    let mut request = WireRequest::new(method, target, peer);
    for line in lines {
        let (name, value) = line.split_once(':')?;
        request = request.with_header(name, value.trim());
    }
    let connection = request.header("connection").unwrap_or_default().to_ascii_lowercase();
    let keeps = if version == "HTTP/1.0" {
        connection.contains("keep-alive")
    } else {
        !connection.contains("close")
    };
    Some((request, keeps))
}

/// The head of an answer as bytes, and its body as it may be sent: an answer to `HEAD` has none.
pub(super) fn render(answer: &WireAnswer, head_only: bool, keeps: bool, now: DateTime<Utc>) -> (Bytes, Bytes) {
    let mut head = start(answer, now);
    if !matches!(answer.status, 204 | 304) {
        let _ = write!(head, "content-length: {}\r\n", answer.body.len());
    }
    let connection = if keeps { "keep-alive" } else { "close" };
    let _ = write!(head, "connection: {connection}\r\n\r\n");
    let bare = head_only || matches!(answer.status, 204 | 304);
    let body = if bare { Bytes::new() } else { answer.body.clone() };
    (head.into(), body)
}

/// The head of an answer whose body comes in chunks, the last of its connection.
pub(super) fn render_chunked(answer: &WireAnswer, now: DateTime<Utc>) -> Bytes {
    let mut head = start(answer, now);
    head.push_str("transfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    head.into()
}

/// One chunk of a body; one without bytes would end it.
pub(super) fn chunk(bytes: &Bytes) -> Bytes {
    let mut chunk = BytesMut::from(format!("{:x}\r\n", bytes.len()).as_bytes());
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk.freeze()
}

/// The status line and the headers but for those of the connection.
fn start(answer: &WireAnswer, now: DateTime<Utc>) -> String {
    let reason = http::StatusCode::from_u16(answer.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown");
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", answer.status);
    for (name, value) in &answer.headers {
        // A venue that echoes what it was sent must not write a second head.
        let value: String = value.chars().filter(|c| !c.is_control()).collect();
        let _ = write!(head, "{name}: {value}\r\n");
    }
    if answer.header("date").is_none() {
        let _ = write!(head, "date: {}\r\n", now.format("%a, %d %b %Y %H:%M:%S GMT"));
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_strictly() {
        let (request, keeps) = parse(b"POST /v2/orders?a=%20b HTTP/1.1\r\nHost: x\r\nX-A:  1 ", "p").unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str(), keeps),
            ("POST", "/v2/orders", true)
        );
        assert_eq!((request.param("a"), request.header("x-a")), (Some(" b"), Some("1")));
        assert!(!parse(b"GET / HTTP/1.1\r\nConnection: Close", "p").unwrap().1);
        assert!(!parse(b"GET / HTTP/1.0", "p").unwrap().1);
        for bad in [
            "GET /",
            "GET  / HTTP/1.1",
            "GET http://x/ HTTP/1.1",
            "GET / HTTP/1.1\r\nno colon",
            "GET / HTTP/2",
        ] {
            assert!(parse(bad.as_bytes(), "p").is_none(), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_is_written_with_its_length() {
        let answer = WireAnswer::json(422, "{}").with_header("X-Echo", "a\r\nevil: 1");
        let (head, body) = render(&answer, false, true, DateTime::UNIX_EPOCH);
        let lines = "HTTP/1.1 422 Unprocessable Entity\r\ncontent-type: application/json\r\nx-echo: aevil: 1\r\n\
                     date: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\n";
        assert_eq!((std::str::from_utf8(&head).unwrap(), &body[..]), (lines, &b"{}"[..]));
        assert!(render(&answer, true, true, DateTime::UNIX_EPOCH).1.is_empty());
        let (head, _) = render(&WireAnswer::empty(204), false, false, DateTime::UNIX_EPOCH);
        assert!(!String::from_utf8_lossy(&head).contains("content-length"));
    }
}
