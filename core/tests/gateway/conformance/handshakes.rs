//! Requests for a WebSocket, right and wrong, and how each is answered (RFC 6455,
//! section 4).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::harness::{Raw, Setup, TEXT, upgrade_request};

/// The request of the RFC, with changes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    status: u16,
    /// The request line. `{9}` stands for as many letters, here and below.
    line: Option<String>,
    /// Headers that are left out.
    #[serde(default)]
    without: Vec<String>,
    /// Headers that are added.
    #[serde(default)]
    with: Vec<(String, String)>,
    /// So many headers more.
    #[serde(default)]
    many: usize,
    /// Headers of the answer; `null` for one that must not be there.
    #[serde(default)]
    headers: BTreeMap<String, Option<String>>,
}

impl Case {
    fn request(&self) -> String {
        let whole = upgrade_request("/ws", "");
        let mut lines: Vec<String> = whole.trim_end().lines().map(str::to_owned).collect();
        if let Some(line) = &self.line {
            lines[0] = filled(line);
        }
        lines.retain(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !self.without.iter().any(|left_out| left_out == name)
        });
        let added = self.with.iter();
        lines.extend(added.map(|(name, value)| format!("{name}: {}", filled(value))));
        lines.extend((0..self.many).map(|header| format!("X-{header}: x")));
        lines.join("\r\n") + "\r\n\r\n"
    }
}

/// With `{9}` replaced by nine letters.
fn filled(text: &str) -> String {
    let parts = text
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match parts {
        Some((before, (count, after))) => {
            let letters = "x".repeat(count.parse().expect("a number of letters"));
            format!("{before}{letters}{after}")
        }
        None => text.to_owned(),
    }
}

#[test]
fn the_cases() {
    let server = Setup::new().path("/ws").start();
    let mut failed = Vec::new();
    let text = include_str!("../../../testdata/gateway/handshakes.jsonl");
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let mut raw = Raw::connect(server.address());
        // One that is refused early need not be read to its end.
        raw.try_say(case.request().as_bytes());
        let Some(head) = raw.try_head() else {
            failed.push((case.name, vec!["hung up".to_owned()]));
            continue;
        };
        let differs = |(name, value): (&String, &Option<String>)| {
            let is = head.header(name);
            (is != value.as_deref()).then(|| format!("{name} is {is:?}"))
        };
        let mut wrong: Vec<_> = case.headers.iter().filter_map(differs).collect();
        if head.status != case.status {
            wrong.push(format!("status {}", head.status));
        }
        if case.status == 101 && head.header("sec-websocket-protocol").is_none() {
            raw.send(TEXT, "and it works");
            assert_eq!(raw.text(), "and it works", "{}", case.name);
        } else if case.status != 101 && !raw.hung_up() {
            wrong.push("left open".to_owned());
        }
        if !wrong.is_empty() {
            failed.push((case.name, wrong));
        }
    }
    assert!(failed.is_empty(), "{} failed: {failed:#?}", failed.len());
    server.assert_nothing_left(0);
}
