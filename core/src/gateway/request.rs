//! What a client asks before it is let in.

use std::{borrow::Cow, net::IpAddr};

use http::{HeaderMap, Uri, header};

const LAST_EVENT_ID: &str = "last-event-id";

/// How a client wants its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// A WebSocket (RFC 6455).
    WebSocket,
    /// Server-Sent Events.
    Sse,
}

/// The request of a client that wants to be let in: everything an application needs to
/// answer "who is this, and what may they see".
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) address: IpAddr,
    pub(super) transport: Transport,
}

impl Request {
    /// The path of the URL, as it was sent: percent-encoded.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query of the URL, as it was sent: percent-encoded, without the `?`.
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// The first value of a query parameter, decoded. `None` when it is not there, or
    /// is not UTF-8.
    pub fn query_value(&self, name: &str) -> Option<Cow<'_, str>> {
        decoded(self.raw_query_value(name)?)
    }

    fn raw_query_value(&self, name: &str) -> Option<&str> {
        self.query()?
            .split('&')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .find(|(key, _)| decoded(key).as_deref() == Some(name))
            .map(|(_, value)| value)
    }

    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The site whose page a browser connects from, as it says itself. Browsers send cookies
    /// along with WebSockets of any site: who lets clients in by a cookie has to look at
    /// this.
    pub fn origin(&self) -> Option<&str> {
        self.header("origin")
    }

    /// The token of an `Authorization: Bearer` header.
    pub fn bearer(&self) -> Option<&str> {
        let value = self.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// The address of the client: the peer's, or behind
    /// [trusted proxies](super::Limits::trusted_proxies) the one they report.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How it wants its events.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The WebSocket subprotocols that the client offers, best first.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.headers
            .get_all(header::SEC_WEBSOCKET_PROTOCOL)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|name| !name.is_empty())
    }

    /// Where a returning SSE client stopped. `None` also when that is not text; the client
    /// is then told that it may have missed something.
    pub fn last_event_id(&self) -> Option<&str> {
        self.header(LAST_EVENT_ID).filter(|id| !id.is_empty())
    }

    /// Where a client that comes back says it stood: `Last-Event-ID`, else `from` of the
    /// URL. `Some(None)` when it says so in what is not text.
    pub(super) fn position(&self) -> Option<Option<Cow<'_, str>>> {
        let header = self.headers.get(LAST_EVENT_ID);
        match header.filter(|id| !id.is_empty()) {
            Some(id) => Some(id.to_str().ok().map(Cow::Borrowed)),
            None => self.raw_query_value("from").map(decoded),
        }
    }
}

/// Undoes percent-encoding and `+`.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = || {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            plain.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
        };
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                bytes.push(hex()?);
                rest = &after[2..];
                continue;
            }
            other => bytes.push(other),
        }
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> Request {
        Request {
            uri: uri.parse().unwrap(),
            headers: HeaderMap::new(),
            address: [127, 0, 0, 1].into(),
            transport: Transport::WebSocket,
        }
    }

    #[test]
    fn query_values_are_decoded() {
        let request = request("/s?a=1&b%20c=x+y%21&bad=%zz&cut=%2&empty&a=2");
        assert_eq!(request.query_value("a").as_deref(), Some("1"));
        assert_eq!(request.query_value("b c").as_deref(), Some("x y!"));
        assert_eq!(request.query_value("empty").as_deref(), Some(""));
        for name in ["bad", "cut", "none"] {
            assert_eq!(request.query_value(name), None, "{name}");
        }
    }

    #[test]
    fn a_position_that_is_no_text_is_one_all_the_same() {
        let mut bare = request("/");
        assert_eq!(bare.position(), None);
        let mut asked = request("/?from=1-2");
        assert_eq!(asked.position(), Some(Some("1-2".into())));
        assert_eq!(request("/?from=%ff").position(), Some(None));
        for (id, of_bare, of_asked) in [
            (&b""[..], None, Some(Some("1-2"))),
            (b"3-4", Some(Some("3-4")), Some(Some("3-4"))),
            (b"\xff", Some(None), Some(None)),
            ("ü".as_bytes(), Some(None), Some(None)),
        ] {
            for (request, expected) in [(&mut bare, of_bare), (&mut asked, of_asked)] {
                let id = http::HeaderValue::from_bytes(id).unwrap();
                request.headers.insert(LAST_EVENT_ID, id);
                let expected = expected.map(|text| text.map(Cow::from));
                assert_eq!(request.position(), expected, "{request:?}");
            }
        }
    }

    #[test]
    fn offered_protocols_come_from_all_headers_in_order() {
        let mut request = request("/");
        let name = header::SEC_WEBSOCKET_PROTOCOL;
        request.headers.append(&name, "a, b".parse().unwrap());
        request.headers.append(&name, "c,, ".parse().unwrap());
        assert_eq!(request.protocols().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn a_bearer_token_needs_its_scheme() {
        let mut request = request("/");
        let mut bearer = |value: &str| {
            let headers = &mut request.headers;
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            request.bearer().map(str::to_owned)
        };
        assert_eq!(bearer("bearer  t0 ").as_deref(), Some("t0"));
        assert_eq!(bearer("Basic t0"), None);
        assert_eq!(bearer("t0"), None);
    }
}
