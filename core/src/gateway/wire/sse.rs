//! Server-Sent Events: an event as lines of text.
//!
//! Source: the WHATWG HTML standard, "Server-sent events". Data is text, one `data`
//! line for each of its lines, so what has no line end needs no copy. A payload that is
//! not UTF-8 cannot be sent as text: it goes out in base64, as an event named `binary`.

use bytes::{BufMut, Bytes, BytesMut};
use data_encoding::BASE64;
use memchr::memchr2;
use smallvec::{SmallVec, smallvec};

/// An event's lines, in parts: what stands before the payload, the payload, and what
/// stands behind it. `id` is what a client that comes back shows; without one the block
/// is not ended, and [`id`] has to follow.
pub(in crate::gateway) fn event(id: Option<&str>, payload: &Bytes) -> SmallVec<[Bytes; 3]> {
    let mut head = BytesMut::new();
    if let Some(id) = id {
        head.put_slice(b"id: ");
        head.put_slice(id.as_bytes());
        head.put_slice(b"\n");
    }
    let end: &[u8] = match id {
        Some(_) => b"\n\n",
        None => b"\n",
    };
    if std::str::from_utf8(payload).is_err() {
        head.put_slice(b"event: binary\ndata: ");
        head.put_slice(BASE64.encode(payload).as_bytes());
    } else {
        head.put_slice(b"data: ");
        if memchr2(b'\n', b'\r', payload).is_none() {
            let end = Bytes::from_static(end);
            return smallvec![head.freeze(), payload.clone(), end];
        }
        put_lines(&mut head, payload);
    }
    head.put_slice(end);
    smallvec![head.freeze()]
}

/// Data of several lines; the first `data: ` stands there already.
fn put_lines(out: &mut BytesMut, mut data: &[u8]) {
    while let Some(end) = memchr2(b'\n', b'\r', data) {
        out.put_slice(&data[..end]);
        out.put_slice(b"\ndata: ");
        let both = data[end..].starts_with(b"\r\n");
        data = &data[end + 1 + usize::from(both)..];
    }
    out.put_slice(data);
}

/// Ends a block with an id. Alone, it says where the stream stands before its first
/// event, and fires nothing in the client.
pub(in crate::gateway) fn id(id: &str) -> Bytes {
    Bytes::from(format!("id: {id}\n\n"))
}

/// Exactly so many events are gone, or a number that nobody knows, for this reason.
pub(in crate::gateway) fn lagged(missed: Option<u64>, reason: Option<&str>) -> Bytes {
    let text = match (missed, reason) {
        (Some(missed), _) => serde_json::json!({ "missed": missed }),
        (None, reason) => serde_json::json!({ "missed": null, "reason": reason }),
    };
    Bytes::from(format!("event: lagged\ndata: {text}\n\n"))
}

/// When to come back, in milliseconds.
pub(in crate::gateway) fn retry(millis: u64) -> Bytes {
    Bytes::from(format!("retry: {millis}\n\n"))
}

/// Says nothing, but keeps the connection alive.
pub(in crate::gateway) const KEEP_ALIVE: Bytes = Bytes::from_static(b":\n\n");

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader by the standard's own rules.
    fn read(stream: &str) -> Vec<(String, String)> {
        let text = stream.replace("\r\n", "\n").replace('\r', "\n");
        let (mut data, mut id, mut read) = (String::new(), String::new(), Vec::new());
        for line in text.split('\n') {
            match line.split_once(": ") {
                _ if line.is_empty() && data.is_empty() => {}
                _ if line.is_empty() => {
                    data.pop();
                    read.push((id.clone(), std::mem::take(&mut data)));
                }
                Some(("data", value)) => {
                    data.push_str(value);
                    data.push('\n');
                }
                Some(("id", value)) => id = value.to_owned(),
                _ => {}
            }
        }
        read
    }

    #[test]
    fn data_comes_back_with_its_lines() {
        for text in ["x", "a\nb", "a\r\nb\rc\n", "\n", "{\"a\": 1}", "", "ü\n\nü"] {
            let parts = event(Some("7-1"), &Bytes::from(text.to_owned()));
            let stream: Vec<u8> = parts.concat();
            let expected = text.replace("\r\n", "\n").replace('\r', "\n");
            let found = read(std::str::from_utf8(&stream).unwrap());
            assert_eq!(found, [("7-1".to_owned(), expected)], "{text:?}");
        }
    }

    #[test]
    fn what_is_one_line_is_not_copied() {
        let payload = Bytes::from(vec![b'x'; 1_000]);
        let parts = event(Some("1-1"), &payload);
        assert_eq!(parts[1].as_ptr(), payload.as_ptr());
    }

    #[test]
    fn what_is_no_text_is_base64() {
        let parts = event(None, &Bytes::from_static(&[0xff, 0xfe]));
        assert_eq!(parts.concat(), b"event: binary\ndata: //4=\n");
    }
}
