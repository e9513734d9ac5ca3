//! Which of many intervals hold a point: a tree by lower end whose nodes know the highest upper end below them.
//!
//! The tree is a [treap](https://faculty.washington.edu/aragon/pubs/rst89.pdf): its shape follows from random priorities alone,
//! so it is balanced whatever clients choose, and a priority is the hash of a node's place and takes no memory.
//! Inserting and removing cost O(log n), a question O(log n) per answer and never more than the tree.
//!
//! Ends are numbers as [`ordered`] maps them to integers. That rounds integers beyond 2^53, always to the same side for
//! all: an interval holds the image of every number that it holds, and perhaps a neighbour's. Callers evaluate what they get.

use super::hash;
use super::member::{Filters, Member};
use crate::predicate::Filter;

/// The order of floats as the order of integers.
#[inline]
pub(super) fn ordered(number: f64) -> u64 {
    let bits = (number + 0.0).to_bits();
    if bits >> 63 == 0 {
        bits | 1 << 63
    } else {
        !bits
    }
}

/// A closed interval of [`ordered`] numbers.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Interval {
    pub(super) low: u64,
    pub(super) high: u64,
}

pub(super) struct Intervals {
    nodes: Vec<Node>,
    free: Vec<u32>,
    root: u32,
}

struct Node {
    interval: Interval,
    /// The highest upper end of this node and those below it.
    reach: u64,
    left: u32,
    right: u32,
    /// Orders equal intervals by filter, so that an equal filter is found among them without walking them.
    tie: u32,
    member: u32,
}

/// An interval, its tie and its member: what a node is found by.
type Key = (Interval, u32, u32);

const NONE: u32 = u32::MAX;

impl Node {
    fn key(&self) -> Key {
        (self.interval, self.tie, self.member)
    }
}

impl Intervals {
    pub(super) const fn new() -> Self {
        Intervals {
            nodes: Vec::new(),
            free: Vec::new(),
            root: NONE,
        }
    }

    pub(super) fn insert(&mut self, interval: Interval, member: Member, filters: &dyn Filters) {
        self.add((interval, tie(filters.filter(member.id())), member.to_bits()));
    }

    fn add(&mut self, (interval, tie, member): Key) {
        let node = Node {
            interval,
            reach: interval.high,
            left: NONE,
            right: NONE,
            tie,
            member,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.nodes[place as usize] = node;
                place
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as u32
            }
        };
        self.root = self.insert_below(self.root, place);
    }

    /// Takes out what was inserted with the same arguments.
    pub(super) fn remove(&mut self, interval: Interval, member: Member, filters: &dyn Filters) {
        let key = (interval, tie(filters.filter(member.id())), member.to_bits());
        self.root = self.remove_below(self.root, key);
        let free = self.free.len();
        if free > 32 && free * 4 > self.nodes.len() * 3 || self.root == NONE {
            let sparse = std::mem::replace(self, Intervals::new());
            sparse.visit_below(sparse.root, &mut |key| self.add(key));
        }
    }

    pub(super) fn find(
        &self,
        interval: Interval,
        filter: &Filter,
        filters: &dyn Filters,
    ) -> Option<u32> {
        let tie = tie(filter);
        let mut found = None;
        self.equal_below(self.root, (interval, tie), &mut |member| {
            if *filters.filter(member.id()) == *filter {
                found = Some(member.id());
            }
        });
        found
    }

    /// Visits every member whose interval holds the point.
    pub(super) fn holding(&self, point: u64, visit: &mut impl FnMut(Member)) {
        self.holding_below(self.root, point, visit);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.root == NONE
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>() + self.free.capacity() * size_of::<u32>()
    }

    fn holding_below(&self, mut top: u32, point: u64, visit: &mut impl FnMut(Member)) {
        while top != NONE {
            let node = &self.nodes[top as usize];
            if node.reach < point {
                return;
            }
            self.holding_below(node.left, point, visit);
            if node.interval.low > point {
                return;
            }
            if node.interval.high >= point {
                visit(Member::from_bits(node.member));
            }
            top = node.right;
        }
    }

    fn visit_below(&self, top: u32, visit: &mut impl FnMut(Key)) {
        if top != NONE {
            let node = &self.nodes[top as usize];
            self.visit_below(node.left, visit);
            visit(node.key());
            self.visit_below(node.right, visit);
        }
    }

    fn equal_below(&self, top: u32, key: (Interval, u32), visit: &mut impl FnMut(Member)) {
        if top == NONE {
            return;
        }
        let node = &self.nodes[top as usize];
        let here = (node.interval, node.tie);
        if key <= here {
            self.equal_below(node.left, key, visit);
        }
        if key == here {
            visit(Member::from_bits(node.member));
        }
        if key >= here {
            self.equal_below(node.right, key, visit);
        }
    }

    fn insert_below(&mut self, top: u32, new: u32) -> u32 {
        if top == NONE {
            return new;
        }
        let key = self.nodes[new as usize].key();
        if priority(new) > priority(top) {
            let (left, right) = self.split(top, key);
            let node = &mut self.nodes[new as usize];
            (node.left, node.right) = (left, right);
            self.extend(new);
            return new;
        }
        if key < self.nodes[top as usize].key() {
            self.nodes[top as usize].left = self.insert_below(self.nodes[top as usize].left, new);
        } else {
            self.nodes[top as usize].right = self.insert_below(self.nodes[top as usize].right, new);
        }
        self.extend(top);
        top
    }

    fn remove_below(&mut self, top: u32, key: Key) -> u32 {
        if top == NONE {
            debug_assert!(false, "a member leaves the tree that it entered");
            return NONE;
        }
        let Node { left, right, .. } = self.nodes[top as usize];
        let here = self.nodes[top as usize].key();
        if key == here {
            self.free.push(top);
            return self.merge(left, right);
        }
        if key < here {
            self.nodes[top as usize].left = self.remove_below(left, key);
        } else {
            self.nodes[top as usize].right = self.remove_below(right, key);
        }
        self.extend(top);
        top
    }

    /// Parts a tree into what is below the key and what is not.
    fn split(&mut self, top: u32, key: Key) -> (u32, u32) {
        if top == NONE {
            return (NONE, NONE);
        }
        let Node { left, right, .. } = self.nodes[top as usize];
        if self.nodes[top as usize].key() < key {
            let (low, high) = self.split(right, key);
            self.nodes[top as usize].right = low;
            self.extend(top);
            (top, high)
        } else {
            let (low, high) = self.split(left, key);
            self.nodes[top as usize].left = high;
            self.extend(top);
            (low, top)
        }
    }

    /// Joins two trees of which the left one is wholly below the right one.
    fn merge(&mut self, left: u32, right: u32) -> u32 {
        if left == NONE || right == NONE {
            return if left == NONE { right } else { left };
        }
        if priority(left) > priority(right) {
            self.nodes[left as usize].right = self.merge(self.nodes[left as usize].right, right);
            self.extend(left);
            left
        } else {
            self.nodes[right as usize].left = self.merge(left, self.nodes[right as usize].left);
            self.extend(right);
            right
        }
    }

    /// Computes the reach of a node anew from its children's.
    fn extend(&mut self, top: u32) {
        let node = &self.nodes[top as usize];
        let reach = [node.left, node.right]
            .into_iter()
            .filter(|&child| child != NONE)
            .map(|child| self.nodes[child as usize].reach)
            .fold(node.interval.high, u64::max);
        self.nodes[top as usize].reach = reach;
    }
}

/// A node's rank in the heap order: random to those who do not know the keys.
#[inline]
fn priority(place: u32) -> u64 {
    hash::of(&place)
}

fn tie(filter: &Filter) -> u32 {
    hash::short(hash::of(filter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;
    use proptest::prelude::*;

    impl Filters for Slab<Filter> {
        fn filter(&self, id: u32) -> &Filter {
            &self[id]
        }
    }

    #[test]
    fn the_order_of_floats_is_kept() {
        let ascending = [
            f64::NEG_INFINITY,
            -1e300,
            -1.0,
            -1e-300,
            0.0,
            1e-300,
            1.0,
            1.5,
            1e300,
            f64::INFINITY,
        ];
        assert!(ascending.map(ordered).is_sorted_by(|a, b| a < b));
        assert_eq!(ordered(0.0), ordered(-0.0));
    }

    proptest! {
        #[test]
        fn holds_what_a_list_holds(
            steps in prop::collection::vec((any::<bool>(), 0_u64..40, 0_u64..12), 1..300),
            points in prop::collection::vec(0_u64..60, 1..20),
        ) {
            let mut filters = Slab::new();
            let mut tree = Intervals::new();
            let mut list: Vec<(Interval, Member)> = Vec::new();
            for (n, (grow, low, width)) in steps.into_iter().enumerate() {
                if grow || list.is_empty() {
                    let id = filters.insert(Filter::parse(&format!(r#"{{"n": [{n}]}}"#)).unwrap());
                    let entry = (Interval { low, high: low + width }, Member::new(id, n % 2 == 0));
                    tree.insert(entry.0, entry.1, &filters);
                    list.push(entry);
                } else {
                    let (interval, member) = list.swap_remove(low as usize % list.len());
                    tree.remove(interval, member, &filters);
                    filters.remove(member.id());
                }
            }
            for (interval, member) in &list {
                prop_assert_eq!(tree.find(*interval, filters.filter(member.id()), &filters), Some(member.id()));
            }
            for point in points {
                let mut found = Vec::new();
                tree.holding(point, &mut |member| found.push(member.id()));
                found.sort_unstable();
                let held = list.iter().filter(|(interval, _)| (interval.low..=interval.high).contains(&point));
                let mut expected: Vec<_> = held.map(|(_, member)| member.id()).collect();
                expected.sort_unstable();
                prop_assert_eq!(found, expected);
            }
            for (interval, member) in list {
                tree.remove(interval, member, &filters);
            }
            prop_assert_eq!((tree.is_empty(), tree.heap_bytes()), (true, 0));
        }
    }
}
