//! A reader of Server-Sent Events that keeps to the letter of the format.

use std::net::SocketAddr;

use super::raw::{Head, Raw};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// `message` where none is given.
    pub(crate) event: String,
    pub(crate) data: String,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
}

pub(crate) struct Sse {
    pub(crate) raw: Raw,
    pub(crate) head: Head,
}

impl Sse {
    /// Asks for events, from where `last` says if it says anything.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, target: &str, last: Option<&str>) -> Self {
        let sse = Self::ask(Raw::connect(address), target, last);
        assert_eq!(sse.head.status, 200, "{}", sse.head.text);
        let kind = sse.head.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        sse
    }

    /// As `open`, whatever the answer.
    #[track_caller]
    pub(crate) fn ask(mut raw: Raw, target: &str, last: Option<&str>) -> Self {
        let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        raw.say(
            format!(
                "GET {target} HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n{last}\r\n"
            )
            .as_bytes(),
        );
        let head = raw.head();
        Sse { raw, head }
    }

    /// The next event or `retry`; comments are skipped. `None` at the end of the stream.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<SseEvent> {
        let (mut event, mut lines) = (SseEvent::default(), Vec::new());
        let mut told = false;
        loop {
            let line = self.line()?;
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "" if line.is_empty() && told => break,
                "event" => event.event = value,
                "data" => lines.push(value),
                "id" => event.id = Some(value),
                "retry" => event.retry = Some(value.parse().expect("retry is a number")),
                _ => continue,
            }
            told = true;
        }
        if event.event.is_empty() {
            event.event = "message".to_owned();
        }
        event.data = lines.join("\n");
        Some(event)
    }

    /// The next event, which is there; skips what only sets `retry` or `id`.
    #[track_caller]
    pub(crate) fn event(&mut self) -> SseEvent {
        loop {
            let event = self.next().expect("the stream ended");
            if !event.data.is_empty() {
                return event;
            }
        }
    }

    #[track_caller]
    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        loop {
            let byte = self.raw.next_byte()?;
            match byte {
                b'\n' => return Some(String::from_utf8(line).expect("the stream is UTF-8")),
                b'\r' => {}
                other => line.push(other),
            }
        }
    }
}
