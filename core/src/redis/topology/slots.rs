//! Which node of a cluster owns which slot, as one node told it.
//!
//! The map is read from `CLUSTER SLOTS`, which every version answers, Redis 6.2 to 8 and
//! Valkey alike. It says nothing of its own age: of two nodes that disagree nobody knows
//! which is right. Therefore a redirection, which comes from the slot's owner of until
//! now, is believed at once ([`SlotMap::assign`]), and a node that tells an old map is
//! corrected by the next redirection.

use std::fmt;

use redis_protocol::redis_keyslot;

use crate::redis::{socket::Reply, target::Server};

/// How many slots there are.
pub(crate) const SLOTS: u16 = 16_384;

/// One of the parts that a cluster's names are hashed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot(u16);

impl Slot {
    /// The slot of a key or of a shard channel.
    pub(crate) fn of(name: &[u8]) -> Self {
        Slot(redis_keyslot(name) % SLOTS)
    }

    /// Reads a slot's number.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|slot| *slot < SLOTS).map(Slot)
    }

    fn from_reply(reply: &Reply) -> Option<Self> {
        let number = u16::try_from(reply.as_int()?).ok()?;
        (number < SLOTS).then_some(Slot(number))
    }

    #[cfg(test)]
    pub(crate) fn all() -> impl Iterator<Item = Slot> {
        (0..SLOTS).map(Slot)
    }

    fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Owners of slots, and who else was seen in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SlotMap {
    /// Every node that owns a slot or did so once. Few, and never removed from: `owners`
    /// points into it.
    masters: Vec<Server>,
    /// Per slot the place of its owner in `masters`, or [`NOBODY`].
    owners: Box<[u16]>,
    /// Nodes that can be asked as well.
    replicas: Vec<Server>,
}

const NOBODY: u16 = u16::MAX;

impl Default for SlotMap {
    fn default() -> Self {
        SlotMap {
            masters: Vec::new(),
            owners: vec![NOBODY; usize::from(SLOTS)].into(),
            replicas: Vec::new(),
        }
    }
}

impl SlotMap {
    /// Reads an answer to `CLUSTER SLOTS` that `teller` gave. A range whose owner cannot be
    /// reached by clients has no owner here.
    ///
    /// # Errors
    /// The server's words when it refused, ours when its answer is not one.
    pub(crate) fn parse(reply: &Reply, teller: &Server) -> Result<Self, String> {
        if let Some(words) = reply.error() {
            return Err(words.to_owned());
        }
        let Reply::List(ranges) = reply else {
            return Err("CLUSTER SLOTS was answered with something that is no list".to_owned());
        };
        let mut map = SlotMap::default();
        for range in ranges {
            map.read_range(range, teller).ok_or_else(|| {
                format!("CLUSTER SLOTS has a range that cannot be read: {range:?}")
            })?;
        }
        Ok(map)
    }

    fn read_range(&mut self, range: &Reply, teller: &Server) -> Option<()> {
        let Reply::List(range) = range else {
            return None;
        };
        let [first, last, nodes @ ..] = range.as_slice() else {
            return None;
        };
        let (first, last) = (Slot::from_reply(first)?, Slot::from_reply(last)?);
        let (master, replicas) = nodes.split_first()?;
        if let Some(master) = read_node(master, teller)? {
            let place = self.place(master)?;
            let range = first.index()..=last.index();
            (!range.is_empty()).then_some(())?;
            self.owners.get_mut(range)?.fill(place);
        }
        for replica in replicas {
            let replica = read_node(replica, teller)?;
            self.replicas
                .extend(replica.filter(|at| !self.replicas.contains(at)));
        }
        Some(())
    }

    fn place(&mut self, master: Server) -> Option<u16> {
        let known = self.masters.iter().position(|at| *at == master);
        let place = known.unwrap_or_else(|| {
            self.masters.push(master);
            self.masters.len() - 1
        });
        u16::try_from(place).ok().filter(|place| *place != NOBODY)
    }

    /// Who has the slot's data and hears its shard channels. `None` while nobody does.
    pub(crate) fn owner(&self, slot: Slot) -> Option<&Server> {
        self.masters.get(usize::from(self.owners[slot.index()]))
    }

    /// One slot has a new owner. Whether that is news.
    pub(crate) fn assign(&mut self, slot: Slot, owner: Server) -> bool {
        if self.owner(slot) == Some(&owner) {
            return false;
        }
        let Some(place) = self.place(owner) else {
            return false;
        };
        self.owners[slot.index()] = place;
        true
    }

    /// The nodes that own at least one slot.
    pub(crate) fn masters(&self) -> Vec<&Server> {
        let mut owns = vec![false; self.masters.len()];
        for place in &self.owners {
            if let Some(owns) = owns.get_mut(usize::from(*place)) {
                *owns = true;
            }
        }
        let owning = self.masters.iter().zip(owns);
        owning.filter_map(|(at, owns)| owns.then_some(at)).collect()
    }

    /// Everybody who may know the map: masters, then replicas.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Server> {
        self.masters.iter().chain(&self.replicas)
    }

    /// Everybody who serves clients: masters that own slots, then replicas.
    pub(crate) fn serving(&self) -> impl Iterator<Item = &Server> {
        let masters = self.masters();
        let others = self.replicas.iter();
        let others: Vec<_> = others.filter(|at| !masters.contains(at)).collect();
        masters.into_iter().chain(others)
    }

    /// The slots without an owner, as ranges: `0-99, 7000`. `None` if every slot has one.
    pub(crate) fn uncovered(&self) -> Option<String> {
        let mut ranges = Vec::new();
        let mut first = 0;
        for run in self.owners.chunk_by(|one, next| one == next) {
            let last = first + run.len() - 1;
            match run.len() {
                _ if run[0] != NOBODY => {}
                1 => ranges.push(first.to_string()),
                _ => ranges.push(format!("{first}-{last}")),
            }
            first = last + 1;
        }
        (!ranges.is_empty()).then(|| ranges.join(", "))
    }
}

/// A node of a range: host, port, id, and since Redis 7 a section with other ways to name
/// it. `Some(None)` for one that clients cannot reach.
fn read_node(node: &Reply, teller: &Server) -> Option<Option<Server>> {
    let Reply::List(node) = node else {
        return None;
    };
    let [host, port, rest @ ..] = node.as_slice() else {
        return None;
    };
    let port = u16::try_from(port.as_int()?).ok()?;
    let host = match host {
        Reply::Nil => None,
        text => Some(text.as_str()?),
    };
    // A cluster that prefers hostnames has `?` for nodes without one, and their number in
    // the section.
    let host = match host {
        Some("?") => rest
            .get(1)
            .and_then(|section| field(section, "ip"))
            .or(host),
        _ => host,
    };
    Some(Server::told(host, port, teller))
}

/// A field of a map, which RESP2 writes as a flat list.
pub(crate) fn field<'a>(section: &'a Reply, name: &str) -> Option<&'a str> {
    match section {
        Reply::Map(pairs) => pairs
            .iter()
            .find(|(key, _)| key.as_str() == Some(name))
            .and_then(|(_, value)| value.as_str()),
        Reply::List(flat) => flat
            .chunks_exact(2)
            .find(|pair| pair[0].as_str() == Some(name))
            .and_then(|pair| pair[1].as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::recorded::reply, *};

    fn seed() -> Server {
        Server::new("seed.example", 7000)
    }

    fn map(text: &str) -> SlotMap {
        SlotMap::parse(&reply(text), &seed()).unwrap()
    }

    fn owner(map: &SlotMap, slot: u16) -> Option<String> {
        map.owner(Slot(slot)).map(Server::to_string)
    }

    #[test]
    fn slots_are_those_of_the_server() {
        // As `CLUSTER KEYSLOT` answers.
        for (name, slot) in [
            ("123456789", 12_739),
            ("a", 15_495),
            ("{a}.b", 15_495),
            ("b{a}{c}", 15_495),
            ("c", 7_365),
            ("{}a", 10_875),
            ("{", 4_092),
            ("}{", 12_793),
        ] {
            assert_eq!(Slot::of(name.as_bytes()), Slot(slot), "{name}");
        }
    }

    const NUMBERS: &str = "*3|*3|:0|:5460|*4|$127.0.0.1|:17001|$72bc|*0\
        |*4|:5461|:10922|*4|$127.0.0.1|:17002|$d765|*0|*4|$127.0.0.1|:17005|$aa|*0\
        |*3|:10923|:16383|*4|$127.0.0.1|:17003|$68d3|*0";

    #[test]
    fn redis_7_by_number() {
        for map in [map(NUMBERS), map(&NUMBERS.replace("|*0", "|%0"))] {
            assert_eq!(owner(&map, 0).unwrap(), "127.0.0.1:17001");
            assert_eq!(owner(&map, 5_460).unwrap(), "127.0.0.1:17001");
            assert_eq!(owner(&map, 5_461).unwrap(), "127.0.0.1:17002");
            assert_eq!(owner(&map, 16_383).unwrap(), "127.0.0.1:17003");
            assert_eq!(map.uncovered(), None);
            assert_eq!(map.masters().len(), 3);
            assert_eq!(map.nodes().count(), 4);
        }
    }

    #[test]
    fn redis_6_has_no_section() {
        let map = map("*2|*3|:0|:99|*3|$fd00::7|:17001|$72bc\
            |*4|:101|:16383|*3|$|:17002|$d765|*3|$10.0.0.9|:17004|$aa");
        assert_eq!(owner(&map, 99).unwrap(), "[fd00::7]:17001");
        assert_eq!(owner(&map, 100), None);
        assert_eq!(owner(&map, 101).unwrap(), "seed.example:17002");
        assert_eq!(map.uncovered().unwrap(), "100");
    }

    #[test]
    fn hostnames_where_there_are_some() {
        let two = "*2|*3|:0|:5460|*4|$node1.example|:17001|$72bc|%1|$ip|$127.0.0.1\
            |*3|:5461|:16383|*4|$?|:17002|$d765|%1|$ip|$127.0.0.2";
        for text in [two.to_owned(), two.replace("%1", "*2")] {
            let map = map(&text);
            assert_eq!(owner(&map, 0).unwrap(), "node1.example:17001");
            assert_eq!(owner(&map, 9_000).unwrap(), "127.0.0.2:17002");
        }
        // Nobody can be reached under `?`; the rest of the map is good.
        let map = map("*2|*3|:0|:5460|*4|$node1.example|:17001|$72bc|*0\
            |*3|:5461|:16383|*4|$?|:17002|$d765|*0");
        assert_eq!(owner(&map, 0).unwrap(), "node1.example:17001");
        assert_eq!(owner(&map, 9_000), None);
        assert_eq!(map.uncovered().unwrap(), "5461-16383");
    }

    #[test]
    fn unknown_endpoints_are_where_the_question_went() {
        let map = map(
            "*2|*3|:0|:5460|*4|_|:17001|$72bc|%2|$ip|$127.0.0.1|$hostname|$node1\
            |*3|:5461|:16383|*4|_|:17002|$d765|%1|$ip|$127.0.0.1",
        );
        assert_eq!(owner(&map, 0).unwrap(), "seed.example:17001");
        assert_eq!(owner(&map, 16_383).unwrap(), "seed.example:17002");
    }

    #[test]
    fn one_slot_changes_hands() {
        let mut map = map(NUMBERS);
        let to = Server::new("127.0.0.1", 17_003);
        assert!(map.assign(Slot(7), to.clone()));
        assert!(!map.assign(Slot(7), to));
        assert!(map.assign(Slot(8), Server::new("127.0.0.1", 17_009)));
        assert_eq!(owner(&map, 6).unwrap(), "127.0.0.1:17001");
        assert_eq!(owner(&map, 7).unwrap(), "127.0.0.1:17003");
        assert_eq!(owner(&map, 8).unwrap(), "127.0.0.1:17009");
        for slot in Slot::all().skip(5_461).take(5_462) {
            map.assign(slot, Server::new("127.0.0.1", 17_001));
        }
        assert_eq!(map.masters().len(), 3, "17002 owns nothing any more");
    }

    #[test]
    fn what_is_no_map_is_refused() {
        for text in [
            "-ERR This instance has cluster support disabled",
            "_",
            ":1",
            "*1|:1",
            "*1|*2|:0|:1",
            "*1|*3|:0|:16384|*3|$h|:1|$x",
            "*1|*3|:5|:4|*3|$h|:1|$x",
            "*1|*3|:-1|:4|*3|$h|:1|$x",
            "*1|*3|:0|:4|*3|$h|:99999|$x",
            "*1|*3|:0|:4|*1|$h",
            "*1|*3|:0|:4|$h",
        ] {
            assert!(SlotMap::parse(&reply(text), &seed()).is_err(), "{text}");
        }
        assert_eq!(map("*0").uncovered().unwrap(), "0-16383");
    }
}
