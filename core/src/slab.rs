//! Numbered places for things that come and go; a number stays with its thing until it is taken out.
//!
//! Free numbers are remembered beside the places, so that a place of a pointer costs a pointer. The free places at the end are
//! given back at once; their numbers may linger in `free` and are recognised there because they are out of range or taken.

use std::ops::{Index, IndexMut};

pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Slab {
            places: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn insert(&mut self, thing: T) -> u32 {
        self.len += 1;
        while let Some(id) = self.free.pop() {
            if let Some(place @ None) = self.places.get_mut(id as usize) {
                *place = Some(thing);
                return id;
            }
        }
        let id = u32::try_from(self.places.len()).expect("fewer than 2^32 places");
        self.places.push(Some(thing));
        id
    }

    /// Takes the thing with this number out.
    ///
    /// # Panics
    /// When nothing has this number.
    pub(crate) fn remove(&mut self, id: u32) -> T {
        self.try_remove(id).expect("the number is in use")
    }

    /// Takes the thing with this number out, if there is one.
    pub(crate) fn try_remove(&mut self, id: u32) -> Option<T> {
        let thing = self.places.get_mut(id as usize)?.take()?;
        self.len -= 1;
        if id as usize + 1 < self.places.len() {
            self.free.push(id);
            return Some(thing);
        }
        while let Some(None) = self.places.last() {
            self.places.pop();
        }
        if self.places.is_empty() {
            *self = Slab::new();
        } else if self.places.capacity() > 32 && self.places.len() * 4 < self.places.capacity() {
            self.places.shrink_to(self.places.len() * 2);
            let end = self.places.len();
            self.free.retain(|&id| (id as usize) < end);
            self.free.shrink_to_fit();
        }
        Some(thing)
    }

    /// The thing with this number, if there is one.
    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.places.get(id as usize)?.as_ref()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.places
            .iter()
            .enumerate()
            .filter_map(|(id, place)| Some((id as u32, place.as_ref()?)))
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.places.capacity() * size_of::<Option<T>>() + self.free.capacity() * size_of::<u32>()
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: u32) -> &T {
        self.places[id as usize]
            .as_ref()
            .expect("the number is in use")
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[inline]
    fn index_mut(&mut self, id: u32) -> &mut T {
        self.places[id as usize]
            .as_mut()
            .expect("the number is in use")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_reused_and_never_shared() {
        let mut slab = Slab::new();
        let ids: Vec<_> = (0..10).map(|n| slab.insert(n)).collect();
        // The end goes, with the free place before it; its number lingers among the free ones.
        slab.remove(ids[8]);
        slab.remove(ids[9]);
        let mut live: Vec<_> = ids[..8].to_vec();
        live.extend((0..5).map(|n| slab.insert(100 + n)));
        slab.remove(live.pop().unwrap());
        live.extend((0..5).map(|n| slab.insert(200 + n)));
        let mut unique = live.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), live.len());
        assert_eq!(slab.len(), live.len());
        for id in live {
            slab.remove(id);
        }
        assert_eq!((slab.len(), slab.heap_bytes()), (0, 0));
    }
}
