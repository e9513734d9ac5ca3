//! Paths into an event, interned.
//!
//! Filters, indexes and projections must agree which field they mean, cheaply. Every live path has one small id in the process;
//! the table is touched when a filter is compiled and when the last user of a path goes, never per event. An id is given to
//! another path only after the last [`Path`] that carried it is gone, so whoever holds a `Path` may keep its id.
//!
//! A path holds its parent (`a.b.c` holds `a.b`), so that the prefixes of a path, which is where arrays stand, have ids too.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock, Weak};

use hashbrown::HashTable;
use parking_lot::Mutex;

/// A path of one or more segments, written with dots between them: `author.role`.
///
/// Equal texts are equal paths with equal ids. Cloning counts a reference.
#[derive(Clone)]
pub struct Path(Arc<Interned>);

/// The id of a live [`Path`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathId(u32);

struct Interned {
    id: PathId,
    text: Arc<str>,
    parent: Option<Path>,
    /// Number of segments, the root not counted.
    depth: u32,
}

impl Path {
    /// The path that `text` writes. Every text is a path; an empty segment is a key of no characters.
    ///
    /// Interns each prefix too, so the number of segments must have been checked where the text came from outside.
    pub(crate) fn new(text: &str) -> Path {
        let parent = text.rfind('.').map(|dot| Path::new(&text[..dot]));
        TABLE.lock().intern(text, parent)
    }

    /// The path `self.segments`.
    pub(crate) fn join(&self, segments: &str) -> Path {
        Path::new(&format!("{}.{segments}", self.as_str()))
    }

    /// The id, which stays with this path for as long as any clone of it lives.
    #[must_use]
    pub fn id(&self) -> PathId {
        self.0.id
    }

    /// The path as text, segments separated by dots.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The number of segments, at least 1.
    pub(crate) fn depth(&self) -> usize {
        self.0.depth as usize
    }

    /// The path without its last segment, unless it has only one.
    pub(crate) fn parent(&self) -> Option<&Path> {
        self.0.parent.as_ref()
    }

    /// The prefix of `depth` segments, which must be between 1 and [`Path::depth`].
    pub(crate) fn ancestor(&self, depth: usize) -> &Path {
        debug_assert!((1..=self.depth()).contains(&depth));
        let mut path = self;
        while path.depth() > depth {
            match path.parent() {
                Some(parent) => path = parent,
                None => break,
            }
        }
        path
    }

    /// The last segment.
    pub(crate) fn last(&self) -> &str {
        let text = self.as_str();
        text.rfind('.').map_or(text, |dot| &text[dot + 1..])
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Self) -> bool {
        self.id() == other.id()
    }
}

impl Eq for Path {}

impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id().hash(state);
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By text, so that what is sorted by path does not depend on the order in which paths were first seen.
impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

static TABLE: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

/// At most one entry per text. An entry may outlive its path by a moment: until the dying path gets the lock, or until the text is
/// interned again and takes the entry over.
#[derive(Default)]
struct Table {
    entries: HashTable<Entry>,
    hasher: ahash::RandomState,
    free: Vec<PathId>,
    issued: u32,
}

/// Holds the text a second time by reference, so that no look-up has to keep a path alive, and drop it, under the lock.
struct Entry {
    text: Arc<str>,
    id: PathId,
    path: Weak<Interned>,
}

impl Table {
    fn intern(&mut self, text: &str, parent: Option<Path>) -> Path {
        let hash = self.hasher.hash_one(text);
        let known = self.entries.find_mut(hash, |entry| &*entry.text == text);
        if let Some(path) = known.as_ref().and_then(|entry| entry.path.upgrade()) {
            return Path(path);
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.issued += 1;
            PathId(self.issued - 1)
        });
        let text: Arc<str> = text.into();
        let depth = parent.as_ref().map_or(0, |parent| parent.0.depth) + 1;
        let path = Arc::new(Interned {
            id,
            text: text.clone(),
            parent,
            depth,
        });
        let entry = Entry {
            text,
            id,
            path: Arc::downgrade(&path),
        };
        match known {
            Some(dying) => *dying = entry,
            None => {
                let hasher = &self.hasher;
                self.entries
                    .insert_unique(hash, entry, |entry| hasher.hash_one(&*entry.text));
            }
        }
        Path(path)
    }

    fn forget(&mut self, id: PathId, text: &str) {
        let hash = self.hasher.hash_one(text);
        if let Ok(entry) = self.entries.find_entry(hash, |entry| entry.id == id) {
            entry.remove();
        }
        self.free.push(id);
    }
}

impl Drop for Interned {
    fn drop(&mut self) {
        // The parent goes after this, without the lock.
        TABLE.lock().forget(self.id, &self.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_share_an_id_while_one_lives() {
        let (a, b) = (Path::new("path-tests.x"), Path::new("path-tests.x"));
        assert_eq!(a.id(), b.id());
        assert_ne!(a.id(), Path::new("path-tests.y").id());
        assert_eq!(a, Path::new("path-tests").join("x"));
        drop(a);
        assert_eq!(b.id(), Path::new("path-tests.x").id());
    }

    #[test]
    fn prefixes_are_paths_themselves() {
        let path = Path::new("path-tests.a.b");
        assert_eq!((path.depth(), path.last()), (3, "b"));
        assert_eq!(*path.ancestor(2), Path::new("path-tests.a"));
        assert_eq!(path.ancestor(1).parent(), None);
        assert_eq!((Path::new("..").depth(), Path::new("").depth()), (3, 1));
    }

    #[test]
    fn threads_agree_while_paths_come_and_go() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for i in 0..2_000 {
                        let text = format!("path-tests.churn.{}", i % 3);
                        let (a, b) = (Path::new(&text), Path::new(&text));
                        assert_eq!(a.id(), b.id());
                        assert_eq!((a.as_str(), b.as_str()), (&*text, &*text));
                    }
                });
            }
        });
        let left = TABLE
            .lock()
            .entries
            .iter()
            .filter(|entry| entry.text.starts_with("path-tests.churn"))
            .count();
        assert_eq!(left, 0);
    }
}
