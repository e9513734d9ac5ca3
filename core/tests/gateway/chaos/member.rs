//! One client of the crowd: reads its stream as it comes, and checks every number.

use std::{collections::BTreeMap, fmt};

use memchr::memmem;
use serde_json::Value;

use super::{ALL, END, HEAVY, TOPICS};
use crate::harness::{CLOSE, CONTINUATION, PING, PONG, Rng, TEXT, frame, upgrade_request};

/// How it listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A WebSocket; two topics in one selector.
    Plain,
    /// A WebSocket in the JSON protocol; one subscription for each topic.
    Json,
    /// Server-Sent Events; one topic.
    Sse,
}

/// Where a reader of one topic stands.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) topic: String,
    /// The last number seen, or what stands for it; unknown at the beginning.
    pub(super) last: Option<u64>,
    /// Of its last event, to come back with.
    pub(super) position: Option<String>,
    /// Subscribed, and not told that it has left.
    pub(super) on: bool,
    /// Said that it leaves.
    pub(super) leaving: bool,
    /// Has seen the last event.
    pub(super) ended: bool,
}

/// How a client has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Closed with this code, by whoever.
    Closed(Option<u16>),
    /// The stream ended.
    Over,
    /// The connection was reset.
    Reset,
}

pub(super) struct Member {
    pub(super) kind: Kind,
    /// By the id of the subscription; 0 where the server made it.
    pub(super) tracks: BTreeMap<u64, Vec<Track>>,
    /// What is to be sent.
    pub(super) out: Vec<u8>,
    pub(super) is_open: bool,
    /// Has said goodbye.
    pub(super) goodbye: bool,
    pub(super) lagged: u64,
    pub(super) events: u64,
    read: Vec<u8>,
    /// A message of which more is to come.
    message: Option<Vec<u8>>,
    next_id: u64,
    /// Came back with a position, which the server may not have any more.
    resumed: Option<String>,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("kind", &self.kind)
            .field("is_open", &self.is_open)
            .field("goodbye", &self.goodbye)
            .field("events", &self.events)
            .field("lagged", &self.lagged)
            .field("tracks", &self.tracks)
            .finish_non_exhaustive()
    }
}

impl Member {
    /// A newcomer, some of them with what stalls.
    pub(super) fn new(rng: &mut Rng, heavy: bool) -> Self {
        let kind = match rng.below(10) {
            0..5 => Kind::Plain,
            5..8 => Kind::Json,
            _ => Kind::Sse,
        };
        let first = match heavy {
            true => HEAVY.to_owned(),
            false => format!("t.{}", rng.below(TOPICS)),
        };
        let topics = match kind {
            Kind::Sse => vec![first],
            _ => vec![first, ALL.to_owned()],
        };
        let tracks = topics.into_iter().map(Track::new).collect();
        Self::with(kind, tracks)
    }

    /// One that comes back for one that was killed, from where that one stood.
    pub(super) fn back(&self) -> Self {
        let tracks = self.tracks.values().flatten().filter(|track| track.on);
        let tracks = tracks.map(|track| Track {
            leaving: false,
            ended: false,
            // It goes on behind the last event that it got, whatever it was told that it
            // missed since. A plain socket is not told where it stands.
            last: track.position.as_deref().and_then(number_at),
            ..track.clone()
        });
        Self::with(self.kind, tracks.collect())
    }

    fn with(kind: Kind, tracks: Vec<Track>) -> Self {
        let heavy = tracks.iter().any(|track| track.topic == HEAVY);
        let budget = if heavy { 8 } else { 256 };
        let names: Vec<_> = tracks.iter().map(|track| track.topic.as_str()).collect();
        let names = names.join(",");
        let resumed = tracks.iter().find_map(|track| track.position.clone());
        let request = match kind {
            Kind::Plain => upgrade_request(&format!("/?topics={names}&events={budget}"), ""),
            Kind::Json => upgrade_request(
                "/?allow=t.*",
                "Sec-WebSocket-Protocol: distributary.v1.json\r\n",
            ),
            Kind::Sse => {
                let last = resumed
                    .as_ref()
                    .map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
                format!(
                    "GET /?topics={names}&events={budget} HTTP/1.1\r\nHost: test\r\n\
                     Accept: text/event-stream\r\n{last}\r\n"
                )
            }
        };
        let mut member = Member {
            kind,
            tracks: BTreeMap::new(),
            out: request.into_bytes(),
            is_open: false,
            goodbye: false,
            lagged: 0,
            events: 0,
            read: Vec::new(),
            message: None,
            next_id: 1,
            resumed,
        };
        match kind {
            Kind::Json => {
                for track in tracks {
                    member.subscribe(track);
                }
            }
            _ => {
                member.tracks.insert(0, tracks);
            }
        }
        member
    }

    /// Whether it has seen the last event of all that it listens to.
    pub(super) fn is_done(&self) -> bool {
        let mut tracks = self.tracks.values().flatten();
        self.is_open && tracks.all(|track| track.ended)
    }

    fn subscribe(&mut self, track: Track) {
        let id = self.next_id;
        self.next_id += 1;
        let budget = if track.topic == HEAVY { 8 } else { 256 };
        let mut wish = serde_json::json!({
            "type": "subscribe", "id": id, "topics": [track.topic], "budget": {"events": budget},
        });
        if let Some(position) = &track.position {
            wish["from"] = serde_json::json!({ &track.topic: position });
        }
        self.out
            .extend(frame(true, TEXT, wish.to_string().as_bytes()));
        self.tracks.insert(id, vec![track]);
    }

    /// Leaves one of its topics, and joins it again as soon as that is acknowledged.
    pub(super) fn unsubscribe(&mut self, rng: &mut Rng) -> bool {
        let settled = |track: &Track| track.on && !track.leaving;
        let here = self
            .tracks
            .iter()
            .filter(|(_, tracks)| tracks.iter().all(settled));
        let ids: Vec<u64> = here.map(|(id, _)| *id).collect();
        if self.kind != Kind::Json || ids.is_empty() {
            return false;
        }
        let id = ids[rng.below(ids.len() as u64) as usize];
        if let Some(tracks) = self.tracks.get_mut(&id) {
            tracks[0].leaving = true;
        }
        let message = format!(r#"{{"type":"unsubscribe","id":{id}}}"#);
        self.out.extend(frame(true, TEXT, message.as_bytes()));
        true
    }

    /// Says goodbye.
    pub(super) fn close(&mut self) {
        self.goodbye = true;
        self.out
            .extend(frame(true, CLOSE, &4_000_u16.to_be_bytes()));
    }

    /// Takes in what was read. How it ended, if it did; or what is wrong.
    pub(super) fn take_in(&mut self, bytes: &[u8]) -> Result<Option<Fate>, String> {
        self.read.extend_from_slice(bytes);
        let mut at = 0;
        if !self.is_open {
            let Some(end) = memmem::find(&self.read, b"\r\n\r\n") else {
                return Ok(None);
            };
            let expected: &[u8] = match self.kind {
                Kind::Sse => b"HTTP/1.1 200",
                _ => b"HTTP/1.1 101",
            };
            if !self.read.starts_with(expected) {
                return Err(String::from_utf8_lossy(&self.read[..end]).into_owned());
            }
            self.is_open = true;
            at = end + 4;
        }
        let mut fate = None;
        while fate.is_none() {
            let rest = &self.read[at..];
            let taken = match self.kind {
                Kind::Sse => memmem::find(rest, b"\n\n").map(|end| {
                    let block = String::from_utf8_lossy(&rest[..end]).into_owned();
                    (end + 2, Taken::Block(block))
                }),
                _ => split_frame(rest),
            };
            let Some((bytes, taken)) = taken else {
                break;
            };
            at += bytes;
            fate = match taken {
                Taken::Block(block) => self.block(&block)?,
                Taken::Frame(head, payload) => self.frame(head, payload)?,
            };
        }
        self.read.drain(..at);
        if self.read.is_empty() {
            // Ten thousand of them: none keeps a buffer it does not need.
            self.read = Vec::new();
        }
        Ok(fate)
    }

    fn frame(&mut self, head: u8, payload: Vec<u8>) -> Result<Option<Fate>, String> {
        match head & 0x0f {
            PING if !self.goodbye => self.out.extend(frame(true, PONG, &payload)),
            // Nothing may follow a goodbye.
            PING => {}
            PONG => {}
            CLOSE => {
                let code = payload
                    .get(..2)
                    .map(|code| u16::from_be_bytes([code[0], code[1]]));
                // A goodbye may cross with one from the other side.
                let crossed = self.kind == Kind::Plain && code == Some(1_013);
                if self.goodbye && code != Some(4_000) && !crossed {
                    return Err(format!("4000 was answered with {code:?}"));
                }
                return Ok(Some(Fate::Closed(code)));
            }
            TEXT | CONTINUATION => {
                let begins = head & 0x0f == TEXT;
                if begins != self.message.is_none() {
                    return Err(format!("a fragment out of place: {head:02x}"));
                }
                let message = self.message.get_or_insert_default();
                message.extend(payload);
                if head & 0x80 != 0
                    && let Some(message) = self.message.take()
                {
                    self.message(&message)?;
                }
            }
            _ => return Err(format!("a frame of an unknown kind: {head:02x}")),
        }
        Ok(None)
    }

    fn message(&mut self, message: &[u8]) -> Result<(), String> {
        let text = std::str::from_utf8(message).map_err(|error| error.to_string())?;
        if self.kind == Kind::Plain {
            return self.plain_event(text);
        }
        let message: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let word = |name: &str| message[name].as_str().unwrap_or_default();
        let id = message["id"].as_u64().unwrap_or_default();
        match word("type") {
            "welcome" => Ok(()),
            "subscribed" => {
                let track = self.track(id)?;
                track.on = true;
                if track.last.is_none() {
                    let at = message["at"][&track.topic].as_str().and_then(number_at);
                    track.last = Some(at.ok_or_else(|| format!("where is it? {text}"))?);
                }
                Ok(())
            }
            "unsubscribed" => {
                let gone = self.tracks.remove(&id).ok_or("who left?")?;
                for track in gone {
                    self.subscribe(Track::new(track.topic));
                }
                Ok(())
            }
            "event" => {
                self.events += 1;
                let position = word("position").to_owned();
                let track = self.track(id)?;
                if track.topic != word("topic") {
                    return Err(format!("{text} for {}", track.topic));
                }
                track.position = Some(position);
                track.event(word("text"))
            }
            "lagged" => {
                self.lagged += 1;
                let missed = message["missed"].as_u64();
                self.track(id)?.lagged(missed);
                Ok(())
            }
            _ => Err(format!("not expected: {text}")),
        }
    }

    /// A subscription that is there: after a leave that was acknowledged it is not.
    fn track(&mut self, id: u64) -> Result<&mut Track, String> {
        let track = self
            .tracks
            .get_mut(&id)
            .and_then(|tracks| tracks.first_mut());
        track.ok_or_else(|| format!("something for {id}, which has left"))
    }

    fn plain_event(&mut self, text: &str) -> Result<(), String> {
        self.events += 1;
        let (topic, _) = text.split_once('=').ok_or("no topic")?;
        let tracks = self.tracks.get_mut(&0).ok_or("no tracks")?;
        let track = tracks.iter_mut().find(|track| track.topic == topic);
        track
            .ok_or_else(|| format!("not for us: {topic}"))?
            .event(text)
    }

    /// An event of a stream, or something else between two empty lines.
    fn block(&mut self, block: &str) -> Result<Option<Fate>, String> {
        let (mut kind, mut data, mut id) = ("", None, None);
        for line in block.lines() {
            match line.split_once(": ").or_else(|| line.split_once(':')) {
                Some(("event", value)) => kind = value,
                Some(("data", value)) => data = Some(value),
                Some(("id", value)) => id = Some(value.to_owned()),
                _ => {}
            }
        }
        let resumed = self.resumed.is_some();
        let track = &mut self.tracks.get_mut(&0).ok_or("no tracks")?[0];
        match (kind, data) {
            ("lagged", Some(data)) => {
                let told: Value = serde_json::from_str(data).map_err(|error| error.to_string())?;
                if told["missed"].is_null() && !resumed {
                    return Err(format!("missed how many? {block}"));
                }
                track.lagged(told["missed"].as_u64());
                self.lagged += 1;
            }
            ("" | "message", Some(data)) => {
                track.position = id.or(track.position.take());
                track.event(data)?;
                self.events += 1;
            }
            _ => {}
        }
        Ok(None)
    }
}

impl Track {
    fn new(topic: String) -> Self {
        Track {
            topic,
            last: None,
            position: None,
            on: true,
            leaving: false,
            ended: false,
        }
    }

    /// An event: the one after the last.
    fn event(&mut self, payload: &str) -> Result<(), String> {
        let topic = &self.topic;
        let rest = payload
            .strip_prefix(topic.as_str())
            .and_then(|rest| rest.strip_prefix('='));
        let rest = rest.ok_or_else(|| format!("not of {topic}: {payload:.40}"))?;
        let (number, what) = rest.split_once(' ').ok_or("no number")?;
        let number: u64 = number.parse().map_err(|_| format!("no number: {number}"))?;
        if let Some(last) = self.last
            && number != last + 1
        {
            return Err(format!("{number} of {topic} came after {last}"));
        }
        self.last = Some(number);
        self.ended |= what.starts_with(END);
        Ok(())
    }

    /// Told of a gap; `None` when nobody knows how wide.
    fn lagged(&mut self, missed: Option<u64>) {
        self.last = match (self.last, missed) {
            (Some(last), Some(missed)) => Some(last + missed),
            _ => None,
        };
    }
}

enum Taken {
    Block(String),
    /// The first byte and the payload.
    Frame(u8, Vec<u8>),
}

/// The number of the event at a position: its offset.
fn number_at(position: &str) -> Option<u64> {
    let (_, offset) = position.split_once('-')?;
    u64::from_str_radix(offset, 16).ok()
}

/// A frame that is all there, and how many bytes it takes.
fn split_frame(bytes: &[u8]) -> Option<(usize, Taken)> {
    let (head, length) = (*bytes.first()?, *bytes.get(1)?);
    let (header, length) = match length {
        126 => (
            4,
            u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    let end = header + usize::try_from(length).ok()?;
    let payload = bytes.get(header..end)?.to_vec();
    Some((end, Taken::Frame(head, payload)))
}
