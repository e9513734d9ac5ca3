//! A parsed pattern as it is matched: fixed-length segments between the stars.
//!
//! A star takes whatever lies between two segments, so it is enough to find each inner segment at its leftmost
//! place behind the one before: a later place leaves less room for the rest and can only match less. With the
//! first segment held to the start of the topic and the last one to its end nothing is ever tried twice, and no
//! pattern costs more than its length times the topic's.

/// The fixed-length parts of a pattern, in order; a star stands between each two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    head: Segment,
    /// What follows the first star; `None` when the pattern has no star.
    rest: Option<Rest>,
    min_len: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    /// Not empty each: adjacent stars are one.
    inner: Box<[Segment]>,
    tail: Segment,
}

/// What matches exactly one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Atom {
    Byte(u8),
    Any,
    Class(Class),
}

/// A set of bytes: some of ASCII, or all but some of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Class {
    pub(super) members: [u64; 2],
    pub(super) negated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// Only bytes: the usual case, compared as slices.
    Literal(Box<[u8]>),
    Mixed(Box<[Atom]>),
}

impl Program {
    /// `segments` are what stands between the stars, so one more than there are stars.
    pub(super) fn new(segments: Vec<Vec<Atom>>) -> Self {
        let min_len = segments.iter().map(Vec::len).sum();
        let mut segments = segments.into_iter().map(Segment::new);
        let head = segments.next().unwrap_or_else(|| Segment::new(Vec::new()));
        let mut inner: Vec<Segment> = segments.collect();
        let rest = inner.pop().map(|tail| {
            inner.retain(|segment| segment.len() > 0);
            Rest {
                inner: inner.into(),
                tail,
            }
        });
        Self {
            head,
            rest,
            min_len,
        }
    }

    /// The bytes that the shortest match has.
    pub(super) fn min_len(&self) -> usize {
        self.min_len
    }

    pub(super) fn matches(&self, topic: &[u8]) -> bool {
        // The empty topic matches nothing, not even `*`: so it is in Redis.
        if topic.len() < self.min_len || topic.is_empty() {
            return false;
        }
        let Some(rest) = &self.rest else {
            return topic.len() == self.min_len && self.head.is_at(topic);
        };
        // Both cuts are in bounds: `min_len` covers the head and the tail together.
        let (head, middle) = topic.split_at(self.head.len());
        let (mut middle, tail) = middle.split_at(middle.len() - rest.tail.len());
        if !self.head.is_at(head) || !rest.tail.is_at(tail) {
            return false;
        }
        for segment in &rest.inner {
            match segment.find(middle) {
                Some(at) => middle = &middle[at + segment.len()..],
                None => return false,
            }
        }
        true
    }

    /// Calls `f` with each maximal run of literal bytes, and whether it is held to the start or the end.
    pub(super) fn for_each_literal(&self, mut f: impl FnMut(&[u8], bool, bool)) {
        self.head
            .for_each_literal(true, self.rest.is_none(), &mut f);
        if let Some(rest) = &self.rest {
            for segment in &rest.inner {
                segment.for_each_literal(false, false, &mut f);
            }
            rest.tail.for_each_literal(false, true, &mut f);
        }
    }
}

impl Segment {
    fn new(atoms: Vec<Atom>) -> Self {
        let bytes = atoms.iter().map(|atom| match atom {
            Atom::Byte(byte) => Some(*byte),
            Atom::Any | Atom::Class(_) => None,
        });
        match bytes.collect() {
            Some(bytes) => Self::Literal(bytes),
            None => Self::Mixed(atoms.into()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Literal(bytes) => bytes.len(),
            Self::Mixed(atoms) => atoms.len(),
        }
    }

    /// Whether `text`, which is at least as long as this segment, begins with it.
    fn is_at(&self, text: &[u8]) -> bool {
        match self {
            // An empty box dangles, and the vector loads of a `memcmp` pay some 90 ns for such an address.
            Self::Literal(bytes) => bytes.is_empty() || text.starts_with(bytes),
            Self::Mixed(atoms) => atoms
                .iter()
                .zip(text)
                .all(|(atom, byte)| atom.matches(*byte)),
        }
    }

    /// The leftmost place of this segment in `text`.
    fn find(&self, text: &[u8]) -> Option<usize> {
        let last = text.len().checked_sub(self.len())?;
        match self {
            Self::Literal(bytes) => {
                let first = *bytes.first()?;
                memchr::memchr_iter(first, &text[..=last]).find(|at| text[*at..].starts_with(bytes))
            }
            Self::Mixed(_) => (0..=last).find(|at| self.is_at(&text[*at..])),
        }
    }

    fn for_each_literal(
        &self,
        at_start: bool,
        at_end: bool,
        f: &mut impl FnMut(&[u8], bool, bool),
    ) {
        match self {
            Self::Literal(bytes) => f(bytes, at_start, at_end),
            Self::Mixed(atoms) => {
                let mut run = Vec::new();
                let mut starts = at_start;
                for atom in atoms {
                    if let Atom::Byte(byte) = atom {
                        run.push(*byte);
                    } else {
                        f(&run, starts, false);
                        run.clear();
                        starts = false;
                    }
                }
                f(&run, starts, at_end);
            }
        }
    }
}

impl Atom {
    fn matches(self, byte: u8) -> bool {
        match self {
            Self::Byte(expected) => byte == expected,
            Self::Any => true,
            Self::Class(class) => class.contains(byte),
        }
    }
}

impl Class {
    /// Adds the ASCII bytes from `first` to `last`, both included.
    pub(super) fn add(&mut self, first: u8, last: u8) {
        for byte in first..=last {
            self.members[usize::from(byte >> 6)] |= 1 << (byte & 63);
        }
    }

    fn contains(self, byte: u8) -> bool {
        let word = self.members.get(usize::from(byte >> 6));
        word.is_some_and(|word| word >> (byte & 63) & 1 == 1) != self.negated
    }
}
