//! Bytes read as choices, so that every input spells a valid filter or event.
//!
//! Few fields and few values: what matters is that filters and events meet.

use std::fmt::Write as _;

/// The rest of an input.
pub(crate) struct Choices<'i> {
    rest: &'i [u8],
}

const PATHS: [&str; 8] = ["a", "b", "c", "o.p", "o.q", "u.x", "u.y", "u.v.z"];
const STRINGS: [&str; 10] = [
    "",
    "x",
    "xy",
    "xyz",
    "yz",
    "XY",
    "é",
    "10.0.0.1",
    "10.1.2.3",
    "::ffff:10.0.0.1",
];
const NUMBERS: [&str; 12] = [
    "0",
    "-0",
    "1",
    "2",
    "2.0",
    "2.5",
    "-3",
    "1e3",
    "9007199254740993",
    "9007199254740992",
    "18446744073709551615",
    "1e300",
];
const WILDCARDS: [&str; 7] = ["*", "x*", "*z", "x*z", "*y*", "xy", "x*y*z"];
const NETWORKS: [&str; 5] = [
    "10.0.0.0/8",
    "10.0.0.1/32",
    "0.0.0.0/0",
    "::/0",
    "::ffff:0:0/96",
];
/// What lies between the two bounds of a range, by rising value.
const BOUNDS: [&str; 6] = ["-3", "0", "1.5", "2", "2.5", "9007199254740993"];

impl<'i> Choices<'i> {
    pub(crate) fn new(input: &'i [u8]) -> Self {
        Self { rest: input }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// One of `count`; the first once the input is used up.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        usize::from(*first) % count
    }

    fn one_of<'c>(&mut self, of: &[&'c str]) -> &'c str {
        of[self.below(of.len())]
    }

    /// A pattern of at most `depth` levels of `$` operators.
    pub(crate) fn pattern(&mut self, depth: usize) -> String {
        let mut parts = Vec::new();
        for path in self.distinct_paths() {
            parts.push(format!("{path:?}: {}", self.leaf_list()));
        }
        if depth > 0 {
            match self.below(8) {
                0 => parts.push(format!(
                    r#""$or": [{}, {}]"#,
                    self.pattern(depth - 1),
                    self.pattern(depth - 1)
                )),
                1 => parts.push(format!(r#""$not": {}"#, self.pattern(depth - 1))),
                2 => parts.push(format!(
                    r#""$and": [{}, {}]"#,
                    self.pattern(depth - 1),
                    self.pattern(depth - 1)
                )),
                _ => {}
            }
        }
        format!("{{{}}}", parts.join(", "))
    }

    /// One to three of them.
    fn distinct_paths(&mut self) -> Vec<&'static str> {
        let mut paths: Vec<_> = (0..=self.below(3)).map(|_| self.one_of(&PATHS)).collect();
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    fn leaf_list(&mut self) -> String {
        let leaves: Vec<_> = (0..=self.below(3)).map(|_| self.leaf()).collect();
        format!("[{}]", leaves.join(", "))
    }

    fn leaf(&mut self) -> String {
        match self.below(16) {
            0 => format!(r#"{{"prefix": {:?}}}"#, self.text()),
            1 => format!(r#"{{"suffix": {:?}}}"#, self.text()),
            2 => format!(r#"{{"equals-ignore-case": {:?}}}"#, self.text()),
            3 => format!(r#"{{"wildcard": {:?}}}"#, self.one_of(&WILDCARDS)),
            4 => format!(
                r#"{{"numeric": ["{}", {}]}}"#,
                self.one_of(&["=", "<", "<=", ">", ">="]),
                self.one_of(&NUMBERS)
            ),
            5 => {
                let low = self.below(BOUNDS.len() - 1);
                let high = low + 1 + self.below(BOUNDS.len() - low - 1);
                let (above, below) = (self.one_of(&[">", ">="]), self.one_of(&["<", "<="]));
                format!(
                    r#"{{"numeric": ["{above}", {}, "{below}", {}]}}"#,
                    BOUNDS[low], BOUNDS[high]
                )
            }
            6 => format!(r#"{{"cidr": "{}"}}"#, self.one_of(&NETWORKS)),
            7 => format!(r#"{{"anything-but": {}}}"#, self.scalar()),
            8 => format!(r#"{{"anything-but": {{"prefix": {:?}}}}}"#, self.text()),
            9 => format!(
                r#"{{"anything-but": {{"wildcard": {:?}}}}}"#,
                self.one_of(&WILDCARDS)
            ),
            10 => r#"{"exists": true}"#.to_owned(),
            11 => r#"{"exists": false}"#.to_owned(),
            _ => self.scalar(),
        }
    }

    /// A string that operators accept: not empty.
    fn text(&mut self) -> &'static str {
        self.one_of(&STRINGS[1..])
    }

    fn scalar(&mut self) -> String {
        match self.below(6) {
            0 => self.one_of(&["true", "false", "null"]).to_owned(),
            1 | 2 => format!("{:?}", self.one_of(&STRINGS)),
            _ => self.one_of(&NUMBERS).to_owned(),
        }
    }

    /// The payload of an event; now and then one that cannot be read.
    pub(crate) fn event(&mut self) -> String {
        let mut event = self.object(&["a", "b", "c", "o", "u", "o.p", "u.x"], 4);
        if self.below(64) == 63 {
            event.push('}');
        }
        event
    }

    fn object(&mut self, keys: &[&str], depth: usize) -> String {
        let mut text = String::from("{");
        for at in 0..self.below(5) {
            let separator = if at == 0 { "" } else { ", " };
            let (key, value) = (self.one_of(keys), self.value(depth));
            write!(text, "{separator}{key:?}: {value}").expect("a string takes all");
        }
        text.push('}');
        text
    }

    fn value(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.scalar();
        }
        match self.below(8) {
            0 | 1 => self.object(&["p", "q", "x", "y", "v", "v.z", "z"], depth - 1),
            2 | 3 => {
                let items: Vec<_> = (0..self.below(4)).map(|_| self.value(depth - 1)).collect();
                format!("[{}]", items.join(", "))
            }
            _ => self.scalar(),
        }
    }
}
