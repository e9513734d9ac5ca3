//! HTML and URLs the way Mastodon and MediaWiki write them.

use std::fmt::Write as _;

/// Text as HTML. The two servers differ in how they write an apostrophe:
/// Mastodon `&#39;`, MediaWiki `&#039;`.
pub(crate) fn escape(text: &str, apostrophe: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str(apostrophe),
            other => html.push(other),
        }
    }
    html
}

/// Percent-encodes everything but unreserved characters and those in `keep`.
pub(crate) fn percent_encode(text: &str, keep: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || "-_.~".contains(c) || keep.contains(c) {
            url.push(c);
        } else {
            let mut utf8 = [0; 4];
            for byte in c.encode_utf8(&mut utf8).bytes() {
                // Writing to a `String` cannot fail.
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

/// A page title as the path of its page.
pub(crate) fn wiki_path(title: &str) -> String {
    percent_encode(&title.replace(' ', "_"), "!*()@:/,;$")
}

/// A link in a status: scheme and tail hidden, at most 30 characters shown.
pub(crate) fn status_link(url: &str) -> String {
    let (scheme, rest) = url.split_at(url.find("//").map_or(0, |at| at + 2));
    let shown: String = rest.chars().take(30).collect();
    let (class, hidden) = match rest.strip_prefix(shown.as_str()) {
        Some(hidden) if !hidden.is_empty() => ("ellipsis", hidden),
        _ => ("", ""),
    };
    format!(
        "<a href=\"{url}\" target=\"_blank\" rel=\"nofollow noopener noreferrer\" translate=\"no\">\
         <span class=\"invisible\">{scheme}</span><span class=\"{class}\">{shown}</span>\
         <span class=\"invisible\">{hidden}</span></a>"
    )
}
