//! A set of paths, compiled to a trie, and the event seen through it.

use hashbrown::HashTable;

use super::json::{self, Reader};
use super::{Attributes, Fields, NotJson, Path, Place};

/// The paths that some filters name. Keeps them alive, so that their ids stay theirs.
///
/// Building is linear in the number of segments; reading an event through it depends on the event and hardly on the paths.
#[derive(Debug)]
pub(crate) struct Projection {
    /// The root first, every node after its parent.
    nodes: Vec<Node>,
    hasher: ahash::RandomState,
}

/// Index of a node in its projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeId(u32);

impl NodeId {
    pub(super) const ROOT: NodeId = NodeId(0);

    fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Debug, Default)]
pub(super) struct Node {
    /// None for the root.
    pub(super) path: Option<Path>,
    /// Whether the path itself is asked for.
    pub(super) is_leaf: bool,
    /// The last segment of the path.
    name: Box<[u8]>,
    /// Whether some child has children, so that a key with a dot may lead somewhere.
    has_grandchildren: bool,
    children: Vec<NodeId>,
    /// How long the names of children are, a bit for each length (see [`length_bit`]): most keys lead nowhere, and are told by it.
    lengths: u64,
    /// The children by name; empty while a glance at the list is quicker.
    table: HashTable<NodeId>,
}

impl Node {
    /// Whether some asked path goes on below.
    pub(super) fn is_inner(&self) -> bool {
        !self.children.is_empty()
    }
}

/// Names of 63 bytes and more share one.
fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

impl Projection {
    /// The projection onto `paths`; a path may come more than once.
    pub(crate) fn new(paths: impl IntoIterator<Item = Path>) -> Projection {
        let mut projection = Projection {
            nodes: vec![Node::default()],
            hasher: ahash::RandomState::new(),
        };
        for path in paths {
            let mut node = NodeId::ROOT;
            for depth in 1..=path.depth() {
                let step = path.ancestor(depth);
                node = match projection.child(node, step.last().as_bytes()) {
                    Some(child) => child,
                    None => projection.add_child(node, step.clone()),
                };
                if depth + 1 < path.depth() {
                    projection.nodes[node.index()].has_grandchildren = true;
                }
            }
            projection.nodes[NodeId::ROOT.index()].has_grandchildren |= path.depth() > 1;
            projection.nodes[node.index()].is_leaf = true;
        }
        projection
    }

    fn add_child(&mut self, parent: NodeId, path: Path) -> NodeId {
        const GLANCE: usize = 8;
        let id = NodeId(self.nodes.len() as u32);
        let name = Box::from(path.last().as_bytes());
        let parent = parent.index();
        self.nodes[parent].lengths |= length_bit(&name);
        self.nodes.push(Node {
            path: Some(path),
            name,
            ..Node::default()
        });
        self.nodes[parent].children.push(id);
        let mut table = std::mem::take(&mut self.nodes[parent].table);
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        let hash = |id: &NodeId| hasher.hash_one(&*nodes[id.index()].name);
        match nodes[parent].children.len() {
            ..=GLANCE => {}
            len if len == GLANCE + 1 => {
                for child in &nodes[parent].children {
                    table.insert_unique(hash(child), *child, hash);
                }
            }
            _ => {
                table.insert_unique(hash(&id), id, hash);
            }
        }
        self.nodes[parent].table = table;
        id
    }

    /// Whether no path is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        !self.node(NodeId::ROOT).is_inner()
    }

    /// Reads a JSON object in one pass, without a document and no further than the paths ask (see [`json`]). On an error `out` is
    /// left empty.
    ///
    /// The leaves are told apart by ids of paths, so the projection must outlive the use of `out`.
    #[expect(
        clippy::wrong_self_convention,
        reason = "reads from JSON, through the projection"
    )]
    pub(crate) fn from_json<'p>(
        &self,
        payload: &'p [u8],
        out: &mut Fields<'p>,
    ) -> Result<(), NotJson> {
        self.read(Reader::Any, payload, out)
    }

    /// [`from_json`](Projection::from_json) by this reader.
    pub(crate) fn read<'p>(
        &self,
        reader: Reader,
        payload: &'p [u8],
        out: &mut Fields<'p>,
    ) -> Result<(), NotJson> {
        out.clear();
        let result = json::read(reader, self, payload, out);
        if result.is_err() {
            out.clear();
        }
        out.finish();
        result
    }

    /// Reads the attributes, which have no arrays; a repeated name is a repeated key.
    #[expect(
        clippy::wrong_self_convention,
        reason = "reads from attributes, through the projection"
    )]
    pub(crate) fn from_attributes<'p>(&self, attributes: &'p Attributes, out: &mut Fields<'p>) {
        out.clear();
        for (name, value) in attributes.iter() {
            let node = self
                .resolve(NodeId::ROOT, name.as_bytes())
                .map(|node| self.node(node));
            if let Some(Node {
                path: Some(path),
                is_leaf: true,
                ..
            }) = node
            {
                out.push(path.id(), Place::EVENT, value.into());
            }
        }
        out.finish();
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Where a key leads from `node`: to a child, or along a path if it has dots.
    #[inline]
    pub(super) fn resolve(&self, node: NodeId, key: &[u8]) -> Option<NodeId> {
        let Node {
            lengths,
            has_grandchildren,
            ..
        } = self.node(node);
        if lengths & length_bit(key) == 0 && !has_grandchildren {
            return None;
        }
        self.child(node, key).or_else(|| {
            if !has_grandchildren || !key.contains(&b'.') {
                return None;
            }
            key.split(|byte| *byte == b'.')
                .try_fold(node, |node, segment| self.child(node, segment))
        })
    }

    fn child(&self, node: NodeId, name: &[u8]) -> Option<NodeId> {
        let node = self.node(node);
        if node.lengths & length_bit(name) == 0 {
            return None;
        }
        if node.table.is_empty() {
            return node
                .children
                .iter()
                .copied()
                .find(|child| *self.node(*child).name == *name);
        }
        let hash = self.hasher.hash_one(name);
        node.table
            .find(hash, |child| *self.node(*child).name == *name)
            .copied()
    }
}
