//! The address of a client behind proxies.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

/// The address that the outermost of so many trusted proxies saw: as often from the
/// right of `X-Forwarded-For` as there are proxies, since each adds one there. What
/// stands further left anybody could have written.
///
/// With fewer addresses than proxies it is the leftmost. Where there is no address at
/// that place it is the peer's: a limit then holds for all who come that way, rather
/// than for nobody.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: usize) -> IpAddr {
    if proxies == 0 {
        return peer;
    }
    let lists = headers.get_all("x-forwarded-for").iter().rev();
    let hops = lists.flat_map(|list| list.as_bytes().rsplit(|byte| *byte == b','));
    let last = hops.take(proxies).last();
    last.and_then(|hop| address(hop.trim_ascii()))
        .unwrap_or(peer)
}

/// An address as proxies write it: some add the port, some brackets or quotes.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_matches('"');
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || Some(text.parse::<SocketAddr>().ok()?.ip());
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lists: &[&'static str], proxies: usize) -> String {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append("x-forwarded-for", list.parse().unwrap());
        }
        client([9, 9, 9, 9].into(), &headers, proxies).to_string()
    }

    #[test]
    fn the_address_is_counted_from_the_right() {
        let lists = ["1.1.1.1, 2.2.2.2", "3.3.3.3"];
        for (proxies, expected) in ["9.9.9.9", "3.3.3.3", "2.2.2.2", "1.1.1.1", "1.1.1.1"]
            .into_iter()
            .enumerate()
        {
            assert_eq!(found(&lists, proxies), expected, "{proxies}");
        }
    }

    #[test]
    fn what_a_client_writes_itself_is_never_reached() {
        assert_eq!(found(&["6.6.6.6, 1.1.1.1"], 1), "1.1.1.1");
        assert_eq!(found(&["6.6.6.6", "1.1.1.1, 2.2.2.2"], 2), "1.1.1.1");
    }

    #[test]
    fn addresses_are_read_as_proxies_write_them() {
        for (text, expected) in [
            ("1.2.3.4:56", "1.2.3.4"),
            ("[2001:db8::1]:56", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("\"2001:db8::1\"", "2001:db8::1"),
            ("unknown", "9.9.9.9"),
            ("", "9.9.9.9"),
        ] {
            assert_eq!(found(&[text], 1), expected, "{text}");
        }
        assert_eq!(found(&[], 3), "9.9.9.9");
    }
}
