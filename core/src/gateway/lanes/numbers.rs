//! Numbers of the subscriptions of one connection.
//!
//! Clients choose theirs from 1 to [`json::LARGEST_ID`]. Those that the application makes
//! when it lets a client in count from 0 down, around the end: 0, 4294967295, 4294967294.
//! So each has a place of its own in every topic that several of them cover, and the
//! first of all connections have one number, with which an event's frame is made once.
//! Those that it makes later count from 2147483648 up.

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::LazyLock,
};

use crate::{gateway::wire::json, hub::SubscribeOptions, selector::Selector};

/// The number of the nth subscription, from 0 on, that the application made.
pub(super) fn of_the_server(nth: usize) -> u32 {
    0_u32.wrapping_sub(nth as u32)
}

/// The number of a subscription that the application made for a client who was in
/// already. They come round after a billion.
pub(super) fn of_the_application(nth: u32) -> u32 {
    json::LARGEST_ID + 1 + nth % (1 << 30)
}

pub(super) fn is_of_the_server(number: u32) -> bool {
    !(1..=json::LARGEST_ID).contains(&number)
}

/// A name for these selectors in this order: while it is the same, so is what a number
/// stands for. Nothing can be read from it, and another process gives another one.
pub(super) fn name(selectors: &[(Selector, SubscribeOptions)]) -> String {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let mut hasher = KEYS.build_hasher();
    for (selector, _) in selectors {
        selector.hash(&mut hasher);
    }
    format!("{:x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_and_the_server_never_choose_the_same() {
        let first = [0, 1, 2].map(of_the_server);
        assert_eq!(first, [0, 4_294_967_295, 4_294_967_294]);
        assert!(first.into_iter().all(is_of_the_server));
        assert!(is_of_the_server(of_the_server(0x7fff_ffff)));
        for nth in [0, 1, 1 << 30, u32::MAX] {
            let number = of_the_application(nth);
            assert!(is_of_the_server(number) && number < of_the_server(1_000_000));
        }
        for number in [1, 2, json::LARGEST_ID] {
            assert!(!is_of_the_server(number), "{number}");
        }
    }

    #[test]
    fn a_name_is_of_the_selectors_and_their_order() {
        let all = |names: &[&str]| -> Vec<_> {
            let selector = |name: &&str| Selector::topic(name).unwrap();
            let selectors = names.iter().map(selector);
            selectors.map(|it| (it, SubscribeOptions::new())).collect()
        };
        assert_eq!(name(&all(&["a", "b"])), name(&all(&["a", "b"])));
        for other in [&["b", "a"][..], &["a"], &["a", "b", "c"]] {
            assert_ne!(name(&all(&["a", "b"])), name(&all(other)), "{other:?}");
        }
    }
}
