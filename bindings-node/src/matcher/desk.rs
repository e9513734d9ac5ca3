//! What lies on a desk.
//!
//! Three arrays are shared with JavaScript. A question takes the first places of `heads` and `numbers`:
//!
//! | place | `heads` | `numbers` |
//! |---|---|---|
//! | 0 | the matcher's number | the version of its fields that JavaScript knows |
//! | 1 | how many values follow | |
//! | 2 | how many strings come as arguments | |
//! | [`VALUES`] and on | field × 8 + [kind](Kind) | the value, if it is a number |
//!
//! The strings among the values are arguments of the call, in the same order. An answer is one number: 0 for nobody, `n` for
//! the member `n - 1`, `-n` for `n` members, the first of which lie in `answers`, and [`STALE`] if the fields are other
//! ones by now.
//!
//! All of it is memory that JavaScript can write to. Nothing read from it is trusted: a bad number is a value left out.

use std::borrow::Cow;
use std::cell::RefCell;

use distributary::{Filter, MatchId, Matcher, Number, Path, PathId, ValueRef};
use napi::bindgen_prelude::{Float64Array, Uint32Array};

/// Where the values begin.
const VALUES: usize = 4;

/// The answer to a question that names fields of another version.
pub(super) const STALE: i32 = i32::MIN;

/// What a value is.
struct Kind;

impl Kind {
    const NULL: u32 = 0;
    const FALSE: u32 = 1;
    const TRUE: u32 = 2;
    /// A double that says the number exactly.
    const NUMBER: u32 = 3;
    /// The bits of an `i64`.
    const SIGNED: u32 = 4;
    /// The bits of a `u64`.
    const UNSIGNED: u32 = 5;
    const STRING: u32 = 6;
}

pub(super) struct Desk {
    heads: Uint32Array,
    numbers: Float64Array,
    answers: RefCell<Uint32Array>,
    /// The strings of a question, while it is being asked.
    pub(super) strings: RefCell<Strings>,
    matchers: RefCell<Matchers>,
    hits: RefCell<Hits>,
}

#[derive(Default)]
struct Matchers {
    open: Vec<Option<Box<Members>>>,
    free: Vec<u32>,
}

impl Desk {
    pub(super) fn new(heads: Uint32Array, numbers: Float64Array, answers: Uint32Array) -> Self {
        Desk {
            heads,
            numbers,
            answers: RefCell::new(answers),
            strings: RefCell::default(),
            matchers: RefCell::default(),
            hits: RefCell::default(),
        }
    }

    /// A new matcher's number.
    pub(super) fn open(&self) -> u32 {
        let mut matchers = self.matchers.borrow_mut();
        let members = Some(Box::default());
        if let Some(number) = matchers.free.pop() {
            matchers.open[number as usize] = members;
            return number;
        }
        matchers.open.push(members);
        u32::try_from(matchers.open.len() - 1).expect("fewer than 2^32 matchers")
    }

    pub(super) fn close(&self, number: u32) {
        let mut matchers = self.matchers.borrow_mut();
        let closed = matchers
            .open
            .get_mut(number as usize)
            .and_then(Option::take);
        if closed.is_some() {
            matchers.free.push(number);
        }
    }

    /// Does something with a matcher, unless there is none with this number.
    pub(super) fn with<T>(&self, number: u32, work: impl FnOnce(&mut Members) -> T) -> Option<T> {
        let mut matchers = self.matchers.borrow_mut();
        let members = matchers.open.get_mut(number as usize)?.as_mut()?;
        Some(work(members))
    }

    fn head(&self, place: usize) -> u32 {
        self.heads.get(place).copied().unwrap_or_default()
    }

    /// How many strings the arguments are.
    pub(super) fn arguments(&self) -> usize {
        self.head(2) as usize
    }

    /// Who wants the values that lie here.
    pub(super) fn ask_fields(&self) -> i32 {
        let mut strings = self.strings.borrow_mut();
        let answer = self.ask(|members, hits| {
            if self.numbers.first() != Some(&members.version()) {
                return false;
            }
            let Members {
                matcher, fields, ..
            } = members;
            matcher.matches(self.values(fields, &strings), |id| hits.push(id));
            true
        });
        strings.clear();
        answer
    }

    /// Who wants a JSON text that was made of the fields of one version.
    pub(super) fn ask_shown(&self, json: &[u8]) -> i32 {
        self.ask(|members, hits| {
            let known = self.numbers.first() == Some(&members.version());
            if known {
                members.matcher.matches_json(json, |id| hits.push(id));
            }
            known
        })
    }

    /// Who wants a JSON text.
    pub(super) fn ask_json(&self, json: &[u8]) -> i32 {
        self.ask(|members, hits| {
            members.matcher.matches_json(json, |id| hits.push(id));
            true
        })
    }

    /// Who wants what cannot be read at all.
    pub(super) fn ask_unreadable(&self) -> i32 {
        self.ask(|members, hits| {
            members.matcher.matches_unreadable(|id| hits.push(id));
            true
        })
    }

    fn ask(&self, question: impl FnOnce(&mut Members, &mut Hits) -> bool) -> i32 {
        let mut hits = self.hits.borrow_mut();
        hits.clear();
        let answered = self.with(self.head(0), |members| {
            let answered = question(members, &mut hits);
            hits.sort_by(&members.order);
            answered
        });
        match (answered, &hits.0[..]) {
            (Some(false), _) => STALE,
            (_, []) => 0,
            (_, [one]) => *one as i32 + 1,
            (_, many) => {
                let count = -(many.len() as i32);
                drop(hits);
                self.lay_out(0);
                count
            }
        }
    }

    /// Puts hits on the desk, from this one on; how many.
    pub(super) fn lay_out(&self, from: usize) -> u32 {
        let hits = self.hits.borrow();
        let hits = hits.0.get(from..).unwrap_or_default();
        let mut answers = self.answers.borrow_mut();
        // SAFETY: the array is JavaScript's, which does not run while this call does, on the one thread that it has.
        // No other reference to its memory is held here: `heads` and `numbers` are arrays of their own.
        let room = unsafe { answers.as_mut() };
        let count = room.len().min(hits.len());
        room[..count].copy_from_slice(&hits[..count]);
        count as u32
    }

    fn values<'d>(
        &'d self,
        fields: &'d [Path],
        strings: &'d Strings,
    ) -> impl Iterator<Item = (PathId, ValueRef<'d>)> {
        let mut strings = strings.iter();
        let end = VALUES.saturating_add(self.head(1) as usize);
        let end = end.min(self.heads.len()).min(self.numbers.len());
        (VALUES..end).filter_map(move |place| {
            let head = self.heads[place];
            let number = self.numbers[place];
            let value = match head % 8 {
                Kind::NULL => ValueRef::Null,
                Kind::FALSE => ValueRef::Bool(false),
                Kind::TRUE => ValueRef::Bool(true),
                Kind::NUMBER => ValueRef::Number(Number::from_f64(number)?),
                Kind::SIGNED => ValueRef::Number((number.to_bits() as i64).into()),
                Kind::UNSIGNED => ValueRef::Number(number.to_bits().into()),
                Kind::STRING => ValueRef::String(Cow::Borrowed(strings.next()?)),
                _ => return None,
            };
            Some((fields.get(head as usize / 8)?.id(), value))
        })
    }
}

/// One matcher's members.
#[derive(Default)]
pub(super) struct Members {
    matcher: Matcher,
    /// The fields as JavaScript numbers them. Kept, so that their ids stay theirs.
    fields: Vec<Path>,
    /// When each member came: by this they are answered.
    order: Vec<u64>,
    joined: u64,
}

impl Members {
    pub(super) fn add(&mut self, filter: Filter) -> u32 {
        let id = self.matcher.insert(filter).to_u32();
        let place = id as usize;
        if place >= self.order.len() {
            self.order.resize(place + 1, 0);
        }
        self.joined += 1;
        self.order[place] = self.joined;
        id
    }

    pub(super) fn remove(&mut self, id: u32) {
        self.matcher.remove(MatchId::from_u32(id));
        if self.matcher.is_empty() {
            self.order = Vec::new();
        }
    }

    pub(super) fn fields(&mut self) -> Vec<String> {
        self.fields = self.matcher.paths().cloned().collect();
        self.fields
            .iter()
            .map(|path| path.as_str().to_owned())
            .collect()
    }

    pub(super) fn version(&self) -> f64 {
        // One more for every change of a set of paths in this process: it stays far below 2^53.
        self.matcher.paths_version() as f64
    }
}

/// The members that want what was asked about last.
#[derive(Default)]
struct Hits(Vec<u32>);

impl Hits {
    /// What room is kept for the next question.
    const KEPT: usize = 1 << 16;

    fn clear(&mut self) {
        if self.0.capacity() > Self::KEPT && self.0.len() < self.0.capacity() / 4 {
            self.0 = Vec::new();
        }
        self.0.clear();
    }

    fn push(&mut self, id: MatchId) {
        self.0.push(id.to_u32());
    }

    /// Brings the members into the order in which they came.
    fn sort_by(&mut self, order: &[u64]) {
        let came = |id: &u32| order.get(*id as usize).copied();
        if !self.0.is_sorted_by_key(came) {
            // Sharers of a filter mostly are in order: a sort that finds runs.
            self.0.sort_by_key(came);
        }
    }
}

/// Strings, one after the other in one buffer.
#[derive(Default)]
pub(super) struct Strings {
    pub(super) bytes: Vec<u8>,
    pub(super) ends: Vec<usize>,
}

impl Strings {
    /// What room is kept for the next question.
    const KEPT: usize = 1 << 16;

    fn iter(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let bytes = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            std::str::from_utf8(bytes).unwrap_or_default()
        })
    }

    pub(super) fn clear(&mut self) {
        self.ends.clear();
        self.bytes.clear();
        if self.bytes.capacity() > Self::KEPT {
            self.bytes = Vec::new();
        }
    }
}
