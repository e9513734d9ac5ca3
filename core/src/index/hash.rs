//! Hashes of what clients choose: keyed with a random state of the process, so that nobody can aim at one bucket.
//!
//! Tables keep 32 bits of a hash beside a member. Two keys that agree in these bits share a bucket, which costs a
//! candidate and never an answer: every candidate is evaluated before it is reported.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

use ahash::RandomState;
use hashbrown::HashTable;

use crate::fields::PathId;
use crate::predicate::fold_char;

static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

const ODD: u64 = 0x9E37_79B9_7F4A_7C15;

/// The keyed hash of anything; equal things have equal hashes for the life of the process.
#[inline]
pub(super) fn of(thing: &(impl Hash + ?Sized)) -> u64 {
    KEYS.hash_one(thing)
}

/// The hash of characters without regard to their case, folded one by one as filters compare them.
pub(super) fn of_folded(chars: impl Iterator<Item = char>) -> u64 {
    let mut hasher = KEYS.build_hasher();
    chars.for_each(|c| hasher.write_u32(u32::from(fold_char(c))));
    hasher.finish()
}

/// The number in a path's id. Ids are dense and given by the process, so they need no key, and as good as no hashing.
#[inline]
pub(super) fn number(path: PathId) -> u64 {
    struct Written(u64);
    impl Hasher for Written {
        fn write(&mut self, bytes: &[u8]) {
            self.0 = bytes
                .iter()
                .fold(self.0, |hash, &byte| join(hash, u64::from(byte)));
        }

        fn write_u32(&mut self, number: u32) {
            self.0 = u64::from(number);
        }

        fn finish(&self) -> u64 {
            self.0
        }
    }
    let mut written = Written(0);
    path.hash(&mut written);
    written.finish()
}

/// The hash of a path for a table of paths.
#[inline]
pub(super) fn of_path(path: PathId) -> u64 {
    number(path).wrapping_mul(ODD)
}

/// The hash of a list of paths.
pub(super) fn of_paths(paths: &[PathId]) -> u64 {
    paths.iter().fold(0, |hash, &path| join(hash, number(path)))
}

/// Adds the hash of one more part to that of the parts before it; the order of the parts counts.
#[inline]
pub(super) fn join(hash: u64, part: u64) -> u64 {
    (hash.rotate_left(23) ^ part).wrapping_mul(ODD)
}

/// What a table keeps of a hash. Tests keep so little that they see keys collide.
const KEPT: u32 = if cfg!(test) { 0x3ff } else { u32::MAX };

/// The bits that a table keeps.
#[inline]
pub(super) fn short(hash: u64) -> u32 {
    ((hash >> 32) as u32 ^ hash as u32) & KEPT
}

/// The kept bits spread over a word again: a table takes its place from the low bits and its tag from the high ones.
#[inline]
pub(super) fn spread(short: u32) -> u64 {
    u64::from(short).wrapping_mul(ODD)
}

/// Gives memory back after a removal: nothing is kept by an empty table, and no more than a quarter is idle in a large
/// one. The halving pays for itself by the removals before it.
pub(super) fn trim<T>(table: &mut HashTable<T>, hasher: impl Fn(&T) -> u64) {
    if table.is_empty() {
        *table = HashTable::new();
    } else if table.capacity() > 32 && table.len() * 4 < table.capacity() {
        table.shrink_to(table.len() * 2, hasher);
    }
}
