//! The payload as serde_json reads it, to the last byte.
//!
//! One pass over the text: keys that no path names are skipped with their values, objects on the way are entered, and a value that
//! is asked for is taken as a slice of the payload. The whole payload is checked, also after the last needed field: what is broken
//! anywhere is [`NotJson`].
//!
//! serde_json is stricter about values that it converts than about those it skips (a number beyond the floats, a lone surrogate,
//! nesting beyond 128), and a value on the way to a deeper path is converted. A payload refused in the quick pass is therefore
//! read once more in a careful one that converts nothing but the fields themselves.

use std::fmt;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::json::{DEPTH, NotJson, scalar};
use super::projection::{Node, NodeId, Projection};
use super::scan::{Item, items};
use super::{Fields, Place};

/// Appends the leaves of `payload` to `out`, which is left half filled on an error.
pub(super) fn read<'p>(
    projection: &Projection,
    payload: &'p [u8],
    out: &mut Fields<'p>,
) -> Result<(), NotJson> {
    let text = std::str::from_utf8(payload).map_err(NotJson::new)?;
    let mut walk = Walk {
        projection,
        out,
        careful: false,
    };
    let result = match walk.object(text, NodeId::ROOT, Place::EVENT, 0) {
        Err(error) if !error.is_eof() => {
            walk.out.clear();
            walk.careful = true;
            walk.object(text, NodeId::ROOT, Place::EVENT, 0)
        }
        result => result,
    };
    result.map_err(NotJson::new)
}

struct Walk<'w, 'p> {
    projection: &'w Projection,
    out: &'w mut Fields<'p>,
    careful: bool,
}

impl<'w, 'p> Walk<'w, 'p> {
    fn at<'s>(&'s mut self, node: NodeId, place: Place, depth: u32) -> At<'s, 'w, 'p> {
        At {
            walk: self,
            node,
            place,
            depth,
            in_array: false,
        }
    }

    /// Reads `text`, which must be an object standing inside of `depth` containers.
    fn object(
        &mut self,
        text: &'p str,
        node: NodeId,
        place: Place,
        depth: u32,
    ) -> serde_json::Result<()> {
        let mut json = serde_json::Deserializer::from_str(text);
        json.deserialize_map(Object(self.at(node, place, depth + 1)))?;
        json.end()
    }

    /// Reads a value from its own text, which is known to be JSON.
    fn value(
        &mut self,
        text: &'p str,
        at: NodeId,
        place: Place,
        depth: u32,
    ) -> serde_json::Result<()> {
        let node = self.projection.node(at);
        match text.as_bytes().first() {
            Some(b'{') if node.is_inner() && depth < DEPTH => self.object(text, at, place, depth),
            Some(b'{') => Ok(()),
            Some(b'[') => self.array(text, at, place, depth),
            _ => self.leaf(text, node, place),
        }
    }

    /// Nested arrays are one to a path, so this goes through them in one loop.
    fn array(
        &mut self,
        text: &'p str,
        at: NodeId,
        place: Place,
        depth: u32,
    ) -> serde_json::Result<()> {
        let node = self.projection.node(at);
        for (item, text, nesting) in items(text) {
            let depth = depth + nesting;
            match item {
                Item::Scalar if depth <= DEPTH => self.leaf(text, node, place)?,
                Item::Object if depth < DEPTH && node.is_inner() => {
                    let element = self.element(node, place);
                    self.object(text, at, element, depth)?;
                }
                Item::Scalar | Item::Object => {}
            }
        }
        Ok(())
    }

    fn leaf(&mut self, text: &'p str, node: &Node, place: Place) -> serde_json::Result<()> {
        if let Node {
            path: Some(path),
            is_leaf: true,
            ..
        } = node
        {
            self.out.push(path.id(), place, scalar(text)?);
        }
        Ok(())
    }

    fn element(&mut self, node: &Node, parent: Place) -> Place {
        match &node.path {
            Some(path) => self.out.push_element(path.id(), parent),
            // The root is an object and never in an array.
            None => parent,
        }
    }
}

/// A place in the walk: what comes next belongs to `node`, in the element `place`, inside of `depth` containers.
struct At<'s, 'w, 'p> {
    walk: &'s mut Walk<'w, 'p>,
    node: NodeId,
    place: Place,
    depth: u32,
    in_array: bool,
}

impl<'p> DeserializeSeed<'p> for At<'_, '_, 'p> {
    type Value = ();

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.walk.careful || self.walk.projection.node(self.node).is_leaf {
            let raw = <&'p RawValue>::deserialize(deserializer)?;
            self.walk
                .value(raw.get(), self.node, self.place, self.depth)
                .map_err(de::Error::custom)
        } else {
            deserializer.deserialize_any(self)
        }
    }
}

/// A value that no path asks for itself, but on the way to one that is.
impl<'p> Visitor<'p> for At<'_, '_, 'p> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'p>>(mut self, map: A) -> Result<(), A::Error> {
        if self.depth >= DEPTH {
            return skip_map(map);
        }
        if self.in_array {
            self.place = self
                .walk
                .element(self.walk.projection.node(self.node), self.place);
        }
        let depth = self.depth + 1;
        Object(At {
            depth,
            in_array: false,
            ..self
        })
        .visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'p>>(self, mut seq: A) -> Result<(), A::Error> {
        let At {
            walk,
            node,
            place,
            depth,
            ..
        } = self;
        if depth >= DEPTH {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while seq
            .next_element_seed(At {
                walk: &mut *walk,
                node,
                place,
                depth: depth + 1,
                in_array: true,
            })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

fn skip_map<'p, A: MapAccess<'p>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// The inside of an object; its depth counts the object.
struct Object<'s, 'w, 'p>(At<'s, 'w, 'p>);

impl<'p> Visitor<'p> for Object<'_, '_, 'p> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'p>>(self, mut map: A) -> Result<(), A::Error> {
        let At {
            walk,
            node,
            place,
            depth,
            ..
        } = self.0;
        while let Some(child) = map.next_key_seed(Key(walk.projection, node))? {
            match child {
                Some(child) => map.next_value_seed(walk.at(child, place, depth))?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// A key, turned into where it leads while it is still borrowed.
struct Key<'w>(&'w Projection, NodeId);

impl<'p> DeserializeSeed<'p> for Key<'_> {
    type Value = Option<NodeId>;

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<NodeId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.resolve(self.1, key.as_bytes()))
    }
}
