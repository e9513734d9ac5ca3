//! What a request asks for, and the head of the answer that lets it in.
//!
//! Pure: heads in, heads out. The answer is made as bytes, because the lane that gets
//! the socket writes it and hyper never sees it. permessage-deflate and every other
//! extension is declined by not being mentioned.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use smallvec::SmallVec;
use tungstenite::handshake::derive_accept_key;

use super::refused::Refused;
use crate::gateway::{
    lanes::Speech,
    request::Transport,
    verdict::{Grant, Reject},
    wire::json,
};

/// `Sec-WebSocket-Key`: 16 bytes in base64.
type Key = [u8; 24];

/// A request that can be let in: what its answer depends on.
pub(super) struct Asked {
    /// Of a WebSocket; without it the client wants Server-Sent Events.
    key: Option<Key>,
    /// `Sec-WebSocket-Protocol`, one header after the other.
    protocols: SmallVec<[HeaderValue; 1]>,
}

/// A request that cannot be let in: why, and the answer.
pub(super) type Unfit = (Refused, Reject);

impl Asked {
    /// Reads a request's head.
    pub(super) fn read(
        method: &Method,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Self, Unfit> {
        if method != Method::GET {
            let mut reject = Reject::with(StatusCode::METHOD_NOT_ALLOWED)
                .body("only GET is served here: open a WebSocket or an EventSource");
            let get = HeaderValue::from_static("GET");
            reject.headers.insert(header::ALLOW, get);
            return Err((Refused::Method, reject));
        }
        Asked::read_get(version, headers).map_err(|reject| (Refused::BadRequest, reject))
    }

    fn read_get(version: Version, headers: &HeaderMap) -> Result<Self, Reject> {
        if headers.contains_key(header::SEC_WEBSOCKET_KEY)
            || has_token(headers, header::UPGRADE, "websocket")
        {
            return Ok(Asked {
                key: Some(websocket_key(version, headers)?),
                protocols: headers
                    .get_all(header::SEC_WEBSOCKET_PROTOCOL)
                    .iter()
                    .cloned()
                    .collect(),
            });
        }
        if !accepts_events(headers) {
            return Err(Reject::with(StatusCode::NOT_ACCEPTABLE).body(
                "this is a stream of events: open a WebSocket, or ask with `Accept: text/event-stream`",
            ));
        }
        Ok(Asked {
            key: None,
            protocols: SmallVec::new(),
        })
    }

    pub(super) fn transport(&self) -> Transport {
        match self.key {
            Some(_) => Transport::WebSocket,
            None => Transport::Sse,
        }
    }

    fn offers(&self, name: &[u8]) -> bool {
        let lists = self.protocols.iter().map(HeaderValue::as_bytes);
        lists
            .flat_map(|list| list.split(|byte| *byte == b','))
            .any(|offered| offered.trim_ascii() == name)
    }

    /// What is spoken with a client that was granted this, and the subprotocol that the
    /// answer names. Of protocols that the client did not offer none is named: it would
    /// have to break off.
    pub(super) fn speech(&self, grant: &Grant, offered: bool) -> (Speech, Option<HeaderValue>) {
        if self.key.is_none() {
            return (Speech::Sse, None);
        }
        let json = offered && self.offers(json::NAME.as_bytes());
        match &grant.protocol {
            Some(name) if name != json::NAME => {
                let offered = self.offers(name.as_bytes());
                (Speech::Plain, offered.then(|| name.clone()))
            }
            _ if json => (Speech::Json, Some(HeaderValue::from_static(json::NAME))),
            _ => (Speech::Plain, None),
        }
    }

    /// The headers of a 101, beyond those that every one has: for a server that writes
    /// the answer itself.
    pub(super) fn answer(&self, protocol: Option<HeaderValue>, grant: &Grant) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4 + grant.headers.len());
        for (name, value) in own_headers(grant, WEBSOCKET) {
            headers.append(name.clone(), value.clone());
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Some(accept) = self.accept_key() {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        headers
    }

    fn accept_key(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(derive_accept_key(self.key.as_ref()?)).ok()
    }

    /// The whole head of the answer, as bytes.
    pub(super) fn head(&self, protocol: Option<&HeaderValue>, grant: &Grant) -> Bytes {
        let mut head = BytesMut::with_capacity(256);
        let set = match &self.key {
            Some(key) => {
                head.extend_from_slice(
                    b"HTTP/1.1 101 Switching Protocols\r\n\
                      upgrade: websocket\r\n\
                      connection: upgrade\r\n\
                      sec-websocket-accept: ",
                );
                head.extend_from_slice(derive_accept_key(key).as_bytes());
                head.extend_from_slice(b"\r\n");
                if let Some(protocol) = protocol {
                    push(&mut head, &header::SEC_WEBSOCKET_PROTOCOL, protocol);
                }
                WEBSOCKET
            }
            None => {
                head.extend_from_slice(
                    b"HTTP/1.1 200 OK\r\n\
                      content-type: text/event-stream\r\n\
                      connection: close\r\n",
                );
                // Proxies are not to keep anything back, unless the application knows
                // better.
                for (name, value) in SSE_DEFAULTS {
                    if !grant.headers.contains_key(name) {
                        for part in [name, ": ", value, "\r\n"] {
                            head.extend_from_slice(part.as_bytes());
                        }
                    }
                }
                SSE
            }
        };
        for (name, value) in own_headers(grant, set) {
            push(&mut head, name, value);
        }
        head.extend_from_slice(b"\r\n");
        head.freeze()
    }
}

const SSE_DEFAULTS: [(&str, &str); 2] =
    [("cache-control", "no-cache"), ("x-accel-buffering", "no")];

/// Headers about the connection and its framing, which are not the application's to
/// set in any answer.
const FRAMING: [HeaderName; 6] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Those that are not its to set in the answers that let somebody in.
const WEBSOCKET: &[HeaderName] = &[
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_VERSION,
];
const SSE: &[HeaderName] = &[header::CONTENT_TYPE, header::CONTENT_ENCODING];

/// Whether a header is about the connection or its framing.
pub(super) fn is_framing(name: &HeaderName) -> bool {
    FRAMING.contains(name) || name == "keep-alive" || name == "proxy-connection"
}

/// What the application adds to an answer in which these are set already.
fn own_headers<'a>(
    grant: &'a Grant,
    set: &'static [HeaderName],
) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
    let headers = grant.headers.iter();
    headers.filter(move |(name, _)| !is_framing(name) && !set.contains(name))
}

fn push(head: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    head.extend_from_slice(name.as_str().as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value.as_bytes());
    head.extend_from_slice(b"\r\n");
}

/// Checks that a request names the host it is for: once, and in HTTP/1.0 perhaps not at
/// all (RFC 9112, section 3.2). Whatever stands before the gateway may otherwise have
/// taken it for another one.
pub(super) fn check_host(version: Version, headers: &HeaderMap) -> Result<(), Unfit> {
    let text = match headers.get_all(header::HOST).iter().count() {
        1 => return Ok(()),
        0 if version == Version::HTTP_10 => return Ok(()),
        0 => "no `Host`: HTTP/1.1 asks for one",
        _ => "more than one `Host`: send one",
    };
    let reject = Reject::with(StatusCode::BAD_REQUEST).body(text);
    Err((Refused::BadRequest, reject))
}

/// Checks a WebSocket handshake (RFC 6455, section 4.2.1).
fn websocket_key(version: Version, headers: &HeaderMap) -> Result<Key, Reject> {
    let bad = |text: &str| Err(Reject::with(StatusCode::BAD_REQUEST).body(text));
    if version != Version::HTTP_11 {
        return bad("a WebSocket is opened in HTTP/1.1");
    }
    if !has_token(headers, header::UPGRADE, "websocket") {
        return bad("no `Upgrade: websocket`: does a proxy on the way drop it?");
    }
    if !has_token(headers, header::CONNECTION, "upgrade") {
        return bad("no `Connection: Upgrade`: does a proxy on the way drop it?");
    }
    let version = headers.get(header::SEC_WEBSOCKET_VERSION);
    if version.is_none_or(|version| version.as_bytes().trim_ascii() != b"13") {
        let mut reject = Reject::with(StatusCode::UPGRADE_REQUIRED)
            .body("only version 13 of WebSocket is spoken here");
        let known = HeaderValue::from_static("13");
        reject.headers.insert(header::SEC_WEBSOCKET_VERSION, known);
        let websocket = HeaderValue::from_static("websocket");
        reject.headers.insert(header::UPGRADE, websocket);
        return Err(reject);
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    match (keys.next().and_then(key), keys.next()) {
        (Some(key), None) => Ok(key),
        _ => bad("`Sec-WebSocket-Key` has to be there once, 16 bytes in base64"),
    }
}

/// A key that is 16 bytes in base64.
fn key(value: &HeaderValue) -> Option<Key> {
    let key: Key = value.as_bytes().trim_ascii().try_into().ok()?;
    let (digits, padding) = key.split_at(22);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (digits.iter().all(is_digit) && padding == b"==").then_some(key)
}

/// Whether a header that is a list of tokens has this one, in any case of letters.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|list| {
        let mut tokens = list.as_bytes().split(|byte| *byte == b',');
        tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Whether the `Accept` of a request lets events be sent. Of several ranges that cover
/// them the most exact one decides.
fn accepts_events(headers: &HeaderMap) -> bool {
    let mut best = None;
    let mut any = false;
    for list in headers.get_all(header::ACCEPT) {
        any = true;
        for range in list.as_bytes().split(|byte| *byte == b',') {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let kind = parts.next().unwrap_or_default();
            let exactness = match kind.to_ascii_lowercase().as_slice() {
                b"text/event-stream" => 2,
                b"text/*" => 1,
                b"*/*" => 0,
                _ => continue,
            };
            let refused = parts.any(is_zero_weight);
            best = best.max(Some((exactness, !refused)));
        }
    }
    best.map_or(!any, |(_, wanted)| wanted)
}

/// `q=0`, `q=0.0` and so on.
fn is_zero_weight(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', weight @ ..] => {
            !weight.is_empty() && weight.iter().all(|byte| matches!(byte, b'0' | b'.'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> request::Parts {
        let mut request = http::Request::get("/stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    const HANDSHAKE: [(&str, &str); 4] = [
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn with(name: &str, value: Option<&str>) -> request::Parts {
        let mut headers = HANDSHAKE.to_vec();
        headers.retain(|header| header.0 != name);
        headers.extend(value.map(|value| (name, value)));
        parts(&headers)
    }

    fn read(head: &request::Parts) -> Result<Asked, Unfit> {
        Asked::read(&head.method, head.version, &head.headers)
    }

    fn status(head: &request::Parts) -> Option<u16> {
        read(head).err().map(|unfit| unfit.1.status.as_u16())
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        let asked = read(&parts(&HANDSHAKE)).ok().unwrap();
        assert_eq!(asked.transport(), Transport::WebSocket);
        let head = asked.head(None, &Grant::default());
        assert_eq!(
            std::str::from_utf8(&head).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    }

    #[test]
    fn a_handshake_lacking_anything_is_refused() {
        let cases = [
            ("upgrade", None, 400),
            ("upgrade", Some("h2c"), 400),
            ("connection", None, 400),
            ("connection", Some("keep-alive"), 400),
            ("connection", Some("upgrades"), 400),
            ("sec-websocket-version", None, 426),
            ("sec-websocket-version", Some("8"), 426),
            ("sec-websocket-version", Some("13, 8"), 426),
            ("sec-websocket-key", None, 400),
            ("sec-websocket-key", Some(""), 400),
            ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ"), 400),
            ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ=A"), 400),
            ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub2-jZQ=="), 400),
            ("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZTEy"), 400),
        ];
        for (name, value, expected) in cases {
            let found = status(&with(name, value));
            assert_eq!(found, Some(expected), "{name}: {value:?}");
        }
        let mut twice = parts(&HANDSHAKE);
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        twice.headers.append(header::SEC_WEBSOCKET_KEY, key);
        assert_eq!(status(&twice), Some(400));
        let mut old = parts(&HANDSHAKE);
        old.version = Version::HTTP_10;
        assert_eq!(status(&old), Some(400));
        let mut post = parts(&HANDSHAKE);
        post.method = Method::POST;
        assert_eq!(status(&post), Some(405));
    }

    #[test]
    fn a_client_of_another_version_is_told_the_one_that_is_spoken() {
        let (_, reject) = read(&with("sec-websocket-version", Some("7")))
            .err()
            .unwrap();
        assert_eq!(reject.headers["sec-websocket-version"], "13");
        assert_eq!(reject.headers["upgrade"], "websocket");
    }

    #[test]
    fn a_host_is_named_once() {
        let cases = [
            (Version::HTTP_11, 0, false),
            (Version::HTTP_11, 1, true),
            (Version::HTTP_11, 2, false),
            (Version::HTTP_10, 0, true),
            (Version::HTTP_10, 1, true),
            (Version::HTTP_10, 2, false),
        ];
        for (version, hosts, fits) in cases {
            let head = parts(&vec![("host", "a"); hosts]);
            let found = check_host(version, &head.headers);
            assert_eq!(found.is_ok(), fits, "{version:?}, {hosts}");
        }
    }

    #[test]
    fn events_are_sent_to_whom_they_suit() {
        let cases = [
            (None, true),
            (Some("*/*"), true),
            (Some("text/event-stream"), true),
            (Some("TEXT/Event-Stream; charset=utf-8"), true),
            (Some("text/html, text/*;q=0.5"), true),
            (Some("text/html, */*;q=0.8"), true),
            (Some("text/html"), false),
            (Some("application/json"), false),
            (Some("*/*, text/event-stream;q=0"), false),
            (Some("text/event-stream, */*;q=0.0"), true),
            (Some("*/*;q=0.000"), false),
            (Some(""), false),
        ];
        for (accept, expected) in cases {
            let headers: Vec<_> = accept.map(|value| ("accept", value)).into_iter().collect();
            let found = status(&parts(&headers));
            assert_eq!(found, (!expected).then_some(406), "{accept:?}");
        }
    }

    fn spoken(
        offered: Option<&str>,
        granted: Option<&'static str>,
        json: bool,
    ) -> (Speech, String) {
        let head = with("sec-websocket-protocol", offered);
        let asked = read(&head).ok().unwrap();
        let grant = Grant {
            protocol: granted.map(HeaderValue::from_static),
            ..Grant::default()
        };
        let (speech, protocol) = asked.speech(&grant, json);
        let named = protocol.map_or(String::new(), |name| name.to_str().unwrap().to_owned());
        (speech, named)
    }

    #[test]
    fn only_a_protocol_that_was_offered_is_named() {
        let json = "distributary.v1.json";
        let both = Some("chat, distributary.v1.json");
        let cases = [
            (None, None, true, Speech::Plain, ""),
            (both, None, true, Speech::Json, json),
            (both, None, false, Speech::Plain, ""),
            (both, Some("chat"), true, Speech::Plain, "chat"),
            (both, Some("other"), true, Speech::Plain, ""),
            (both, Some(json), true, Speech::Json, json),
            (Some("chat"), Some(json), true, Speech::Plain, ""),
            (Some("DISTRIBUTARY.v1.json"), None, true, Speech::Plain, ""),
        ];
        for (offered, granted, enabled, speech, named) in cases {
            let found = spoken(offered, granted, enabled);
            assert_eq!(found, (speech, named.to_owned()), "{offered:?} {granted:?}");
        }
    }

    #[test]
    fn headers_of_the_application_are_added_and_override_none_of_the_connection() {
        let mut grant = Grant::default();
        for (name, value) in [
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("connection", "close"),
            ("content-length", "0"),
            ("transfer-encoding", "chunked"),
            ("keep-alive", "timeout=5"),
            ("sec-websocket-accept", "x"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("content-type", "text/html"),
            ("cache-control", "no-store"),
        ] {
            let name = HeaderName::from_static(name);
            grant.headers.append(name, HeaderValue::from_static(value));
        }
        let websocket = read(&parts(&HANDSHAKE)).ok().unwrap();
        let sse = read(&parts(&[])).ok().unwrap();
        assert_eq!(sse.transport(), Transport::Sse);
        let text = |head: Bytes| String::from_utf8(head.to_vec()).unwrap();
        assert_eq!(
            text(websocket.head(Some(&HeaderValue::from_static("chat")), &grant)),
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             sec-websocket-protocol: chat\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\
             content-type: text/html\r\ncache-control: no-store\r\n\r\n"
        );
        assert_eq!(
            text(sse.head(None, &grant)),
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\
             x-accel-buffering: no\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\
             sec-websocket-accept: x\r\nsec-websocket-extensions: permessage-deflate\r\n\
             cache-control: no-store\r\n\r\n"
        );
        let answer = websocket.answer(None, &grant);
        assert_eq!(answer["connection"], "upgrade");
        assert_eq!(answer.get_all("set-cookie").iter().count(), 2);
        assert_eq!(
            answer["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
