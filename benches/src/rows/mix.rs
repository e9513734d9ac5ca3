//! Filters as people set them: two fields, a range, a prefix, one of two, all but one.
//!
//! Each event matches one filter. Ours is the whole publish call with its delivery
//! appended; the peers' is the match alone. The A-Tree crate knows no
//! prefixes, so it is measured on a mix without them, and so are we beside it.

use std::time::Instant;

use a_tree::{ATree, AttributeDefinition};
use bytes::Bytes;
use distributary::{Filter, Hub, Lane, Publication, Selector, Token};
use quamina::{Quamina, QuaminaBuilder};

use super::Row;
use crate::{
    Outcome,
    peers::scan,
    report::{Line, Target},
    rounds::{Contender, alternate_one},
    sinks::Count,
};

pub(crate) const ROW: Row = Row {
    name: "mix",
    question: "100,000 filters of five shapes on one topic, one matches: the whole publish call.",
    measure,
};

const ROUNDS: usize = 5;
const FILTERS: usize = 100_000;
const EVENTS: usize = 5_000;
const BURST: usize = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    TwoFields,
    Range,
    Prefix,
    Or,
    AnythingBut,
}

const MIX: &[Shape] = &[
    Shape::TwoFields,
    Shape::Range,
    Shape::Prefix,
    Shape::Or,
    Shape::AnythingBut,
];
const WITHOUT_PREFIXES: &[Shape] = &[
    Shape::TwoFields,
    Shape::Range,
    Shape::Or,
    Shape::AnythingBut,
];

impl Shape {
    fn ours(self, n: usize) -> String {
        let (from, to) = range(n);
        match self {
            Shape::TwoFields => format!(r#"{{"user":[{n}],"kind":["note"]}}"#),
            Shape::Range => format!(r#"{{"price":[{{"numeric":[">=",{from},"<",{to}]}}]}}"#),
            Shape::Prefix => format!(r#"{{"path":[{{"prefix":"/docs/{n}/"}}]}}"#),
            Shape::Or => format!(r#"{{"$or":[{{"user":[{n}]}},{{"room":["r{n}"]}}]}}"#),
            Shape::AnythingBut => {
                format!(r#"{{"user":[{n}],"visibility":[{{"anything-but":["private"]}}]}}"#)
            }
        }
    }

    /// Quamina has no `$or`; patterns of one name are alternatives.
    fn quamina(self, n: usize) -> Vec<String> {
        match self {
            Shape::Or => vec![
                format!(r#"{{"user":[{n}]}}"#),
                format!(r#"{{"room":["r{n}"]}}"#),
            ],
            _ => vec![self.ours(n)],
        }
    }

    fn a_tree(self, n: usize) -> Option<String> {
        let (from, to) = range(n);
        Some(match self {
            Shape::TwoFields => format!("user = {n} and kind = 'note'"),
            Shape::Range => format!("price >= {from} and price < {to}"),
            Shape::Prefix => return None,
            Shape::Or => format!("user = {n} or room = 'r{n}'"),
            Shape::AnythingBut => format!("user = {n} and visibility <> 'private'"),
        })
    }

    fn scanned(self, n: usize) -> scan::Filter {
        use scan::Filter as F;
        let (from, to) = range(n);
        let user = F::equals("user", n as f64);
        match self {
            Shape::TwoFields => F::All(vec![user, F::equals("kind", "note")]),
            Shape::Range => F::Within("price".into(), from as f64, to as f64),
            Shape::Prefix => F::Prefix("path".into(), format!("/docs/{n}/").into()),
            Shape::Or => F::Any(vec![user, F::equals("room", &*format!("r{n}"))]),
            Shape::AnythingBut => F::All(vec![
                user,
                F::AnythingBut("visibility".into(), "private".into()),
            ]),
        }
    }
}

fn range(n: usize) -> (usize, usize) {
    (n * 10, n * 10 + 10)
}

/// The shape of each filter, whose number is its place.
fn filters(shapes: &[Shape]) -> impl Iterator<Item = (usize, Shape)> + '_ {
    (0..FILTERS).map(|n| (n, shapes[n % shapes.len()]))
}

/// The numbers of events, in an order that no cache foresees.
fn numbers() -> impl Iterator<Item = usize> {
    (0..EVENTS).map(|event| (event * 7_919) % FILTERS)
}

fn payload(n: usize) -> Bytes {
    format!(
        r#"{{"type":"note.changed","user":{n},"kind":"note","room":"r{n}","visibility":"open","price":{},"path":"/docs/{n}/pages/1","text":"The Analytical Engine weaves algebraical patterns."}}"#,
        n * 10 + 5
    )
    .into()
}

fn attributed(n: usize) -> Publication<&'static str> {
    Publication::new("notes", Bytes::from_static(b"note"))
        .attribute("user", n as i64)
        .attribute("kind", "note")
        .attribute("room", format!("r{n}"))
        .attribute("visibility", "open")
        .attribute("price", (n * 10 + 5) as i64)
        .attribute("path", format!("/docs/{n}/pages/1"))
}

fn measure() -> Outcome<Vec<Line>> {
    // Ours first: a peer that leaves the heap in pieces is not to slow us down.
    let ours_from_json = ours("publish", MIX, |n| Publication::new("notes", payload(n)))?;
    let quamina = filled_quamina()?;
    let mut contenders = [ours_from_json, theirs(&quamina)];
    let from_json = alternate_one(ROUNDS, &mut contenders)?;
    drop(contenders);
    drop(quamina);
    let ours = [
        ours("publish", MIX, attributed)?,
        ours("publish", WITHOUT_PREFIXES, attributed)?,
    ];
    let tree = filled_a_tree()?;
    let mut contenders: Vec<_> = ours.into_iter().chain([scanned(), a_tree(&tree)]).collect();
    let from_attributes = alternate_one(ROUNDS, &mut contenders)?;
    let (json, attributes) = ("from 200 B of JSON", "from attributes");
    let without = "from attributes, without prefixes";
    Ok(vec![
        Line::new(json, &from_json[0]).target(Target::AtMost(5_000.0)),
        Line::new(json, &from_json[0])
            .against(&from_json[1])
            .target(Target::RatioAtMost(1.0 / 3.0))
            .if_missed("ours is the whole publish call with its delivery, theirs the match alone"),
        Line::new(attributes, &from_attributes[0]).target(Target::AtMost(5_000.0)),
        Line::new(attributes, &from_attributes[0]).against(&from_attributes[2]),
        Line::new(without, &from_attributes[1])
            .against(&from_attributes[3])
            .target(Target::RatioAtMost(0.01)),
    ])
}

fn ours(
    name: &str,
    shapes: &'static [Shape],
    event: impl Fn(usize) -> Publication<&'static str> + 'static,
) -> Outcome<Contender<'static>> {
    let hub = Hub::new();
    let mut lane = Lane::new(&hub);
    for (n, shape) in filters(shapes) {
        let selector = Selector::topic("notes")?.filter(Filter::parse(&shape.ours(n))?);
        lane.subscribe(selector, Token(n as u64))?;
    }
    let mut sink = Count::default();
    Ok(Contender::new(name, move || {
        let numbers: Vec<_> = numbers().collect();
        let mut nanos = 0;
        for burst in numbers.chunks(BURST) {
            let events: Vec<_> = burst.iter().map(|n| event(*n)).collect();
            let start = Instant::now();
            for event in events {
                hub.publish_event(event)?;
            }
            nanos += start.elapsed().as_nanos();
            while lane.turn(&mut sink).more {}
        }
        sink.expect(EVENTS as u64)?;
        Ok(nanos as f64 / EVENTS as f64)
    }))
}

fn filled_quamina() -> Outcome<Quamina<usize>> {
    // Its default is made for some thousands of patterns.
    let mut quamina = QuaminaBuilder::<usize>::new()
        .with_arena_byte_budget(4 << 30)
        .build()?;
    for (n, shape) in filters(MIX) {
        for pattern in shape.quamina(n) {
            quamina.add_pattern(n, &pattern)?;
        }
    }
    Ok(quamina)
}

fn theirs(quamina: &Quamina<usize>) -> Contender<'_> {
    let events: Vec<_> = numbers().map(payload).collect();
    Contender::new("quamina, the match alone", move || {
        let start = Instant::now();
        for event in &events {
            expect_one(quamina.matches_for_event(event)?.len())?;
        }
        Ok(start.elapsed().as_nanos() as f64 / events.len() as f64)
    })
}

fn filled_a_tree() -> Outcome<ATree<usize>> {
    let mut tree = ATree::new(&[
        AttributeDefinition::integer("user"),
        AttributeDefinition::string("kind"),
        AttributeDefinition::string("room"),
        AttributeDefinition::string("visibility"),
        AttributeDefinition::integer("price"),
    ])
    .map_err(|e| e.to_string())?;
    for (n, shape) in filters(WITHOUT_PREFIXES) {
        let expression = shape.a_tree(n).ok_or("a shape that it does not know")?;
        tree.insert(&n, &expression).map_err(|e| e.to_string())?;
    }
    Ok(tree)
}

fn a_tree(tree: &ATree<usize>) -> Contender<'_> {
    let numbers: Vec<_> = numbers().take(20).collect();
    Contender::new("a-tree, the match alone", move || {
        let start = Instant::now();
        for n in &numbers {
            let mut event = tree.make_event();
            event.with_integer("user", *n as i64)?;
            event.with_string("kind", "note")?;
            event.with_string("room", &format!("r{n}"))?;
            event.with_string("visibility", "open")?;
            event.with_integer("price", (n * 10 + 5) as i64)?;
            let event = event.build()?;
            let found = tree.search(&event).map_err(|e| e.to_string())?;
            expect_one(found.matches().len())?;
        }
        Ok(start.elapsed().as_nanos() as f64 / numbers.len() as f64)
    })
}

fn scanned() -> Contender<'static> {
    let filters: Vec<_> = filters(MIX).map(|(n, shape)| shape.scanned(n)).collect();
    let numbers: Vec<_> = numbers().take(5).collect();
    Contender::new("linear scan of compiled filters", move || {
        let start = Instant::now();
        for n in &numbers {
            let event = scan::Fields::from([
                ("user", (*n as f64).into()),
                ("kind", "note".into()),
                ("room", (&*format!("r{n}")).into()),
                ("visibility", "open".into()),
                ("price", ((n * 10 + 5) as f64).into()),
                ("path", (&*format!("/docs/{n}/pages/1")).into()),
            ]);
            expect_one(scan::count(&filters, &event))?;
        }
        Ok(start.elapsed().as_nanos() as f64 / numbers.len() as f64)
    })
}

fn expect_one(found: usize) -> Outcome<()> {
    match found {
        1 => Ok(()),
        _ => Err(format!("{found} filters matched instead of one").into()),
    }
}
