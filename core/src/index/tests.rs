//! The index against plain evaluation, on filters and events from small alphabets, so that they meet often.
//!
//! A failure prints the seed of its run; `DISTRIBUTARY_SEED=<seed>` repeats it.

use std::sync::Arc;

use super::*;

/// Random choices (splitmix64) that a seed repeats.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = match std::env::var("DISTRIBUTARY_SEED") {
            Ok(seed) => seed.parse().expect("the seed is a number"),
            Err(_) => ahash::RandomState::new().hash_one(0),
        };
        println!("DISTRIBUTARY_SEED={seed}");
        Dice(seed)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    /// One to `most` things, without repetitions, with commas between them.
    fn list(&mut self, most: usize, mut thing: impl FnMut(&mut Dice) -> String) -> String {
        let mut things = Vec::new();
        for _ in 0..=self.roll(most) {
            let new = thing(self);
            if !things.contains(&new) {
                things.push(new);
            }
        }
        things.join(",")
    }
}

const STRINGS: &[&str] = &[
    r#""a""#,
    r#""ab""#,
    r#""abc""#,
    r#""abd""#,
    r#""b""#,
    r#""Abc""#,
    r#""é""#,
    r#""É""#,
    r#""""#,
    r#""*""#,
    r#""ba\\""#,
    r#""10.0.0.1""#,
    r#""10.1.2.3""#,
    r#""::1""#,
    r#""2001:db8::7""#,
    r#""aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab""#,
    r#""aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac""#,
    r#""baaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#,
];
const NUMBERS: &[&str] = &[
    "-1e300",
    "-9223372036854775808",
    "-2",
    "-1",
    "-0.5",
    "0",
    "1",
    "1.5",
    "2",
    "3",
    "1000",
    "9007199254740992",
    "9007199254740993",
    "9223372036854775807",
    "18446744073709551614",
    "18446744073709551615",
    "1e300",
];
const PATHS: &[&str] = &["a", "b", "o.x", "o.y", "l.x", "l.y", "l.m.x"];
const WILDCARDS: &[&str] = &[
    r#""a*""#,
    r#""*c""#,
    r#""a*c""#,
    r#""*b*""#,
    r#""\\*""#,
    r#""abc""#,
    r#""a*\\*""#,
    r#""*a\\\\""#,
    r#""*""#,
];
const NETWORKS: &[&str] = &[
    r#""10.0.0.0/8""#,
    r#""10.1.0.0/16""#,
    r#""0.0.0.0/0""#,
    r#""10.0.0.1/32""#,
    r#""::/0""#,
    r#""2001:db8::/33""#,
    r#""::1/128""#,
];

fn scalar(dice: &mut Dice) -> String {
    match dice.roll(8) {
        0 => dice.pick(&["true", "false", "null"]).into(),
        1..=3 => dice.pick(NUMBERS).into(),
        _ => dice.pick(STRINGS).into(),
    }
}

fn range(dice: &mut Dice) -> String {
    let (low, high) = (dice.roll(NUMBERS.len() - 1), dice.roll(NUMBERS.len()));
    let high = high.max(low + 1);
    let (lower, upper) = (dice.pick(&[">", ">="]), dice.pick(&["<", "<="]));
    match dice.roll(4) {
        0 => format!(r#"["{lower}", {}]"#, NUMBERS[low]),
        1 => format!(r#"["{upper}", {}]"#, NUMBERS[high]),
        _ => format!(
            r#"["{lower}", {}, "{upper}", {}]"#,
            NUMBERS[low], NUMBERS[high]
        ),
    }
}

/// An affix that is not empty, perhaps to be compared without case.
fn affix(dice: &mut Dice) -> String {
    let text = match dice.pick(STRINGS) {
        r#""""# => r#""a""#,
        text => text,
    };
    if dice.one_in(5) {
        format!(r#"{{"equals-ignore-case": {text}}}"#)
    } else {
        text.into()
    }
}

fn leaf(dice: &mut Dice) -> String {
    match dice.roll(14) {
        0..=3 => scalar(dice),
        4 => format!(r#"{{"prefix": {}}}"#, affix(dice)),
        5 => format!(r#"{{"suffix": {}}}"#, affix(dice)),
        6 => format!(r#"{{"equals-ignore-case": {}}}"#, dice.pick(STRINGS)),
        7 => format!(r#"{{"wildcard": {}}}"#, dice.pick(WILDCARDS)),
        8 | 9 => format!(r#"{{"numeric": {}}}"#, range(dice)),
        10 => format!(r#"{{"cidr": {}}}"#, dice.pick(NETWORKS)),
        11 => format!(r#"{{"exists": {}}}"#, dice.pick(&["true", "false"])),
        12 => match dice.roll(3) {
            0 => format!(
                r#"{{"anything-but": [{}]}}"#,
                dice.list(2, |dice| dice.pick(STRINGS).into())
            ),
            1 => format!(
                r#"{{"anything-but": [{}]}}"#,
                dice.list(2, |dice| dice.pick(NUMBERS).into())
            ),
            _ => format!(
                r#"{{"anything-but": {{"prefix": {}}}}}"#,
                dice.pick(&STRINGS[..6])
            ),
        },
        _ => format!(
            r#"{{"anything-but": {{"suffix": {}}}}}"#,
            dice.pick(&STRINGS[..6])
        ),
    }
}

fn fields_of(dice: &mut Dice, most: usize) -> Vec<String> {
    let mut paths = PATHS.to_vec();
    (0..=dice.roll(most))
        .map(|_| {
            let path = paths.swap_remove(dice.roll(paths.len()));
            // Equalities alone are what most of the index is for.
            let leaves = if dice.one_in(2) {
                dice.list(3, scalar)
            } else {
                dice.list(2, leaf)
            };
            format!(r#""{path}": [{leaves}]"#)
        })
        .collect()
}

fn pattern(dice: &mut Dice, depth: usize) -> String {
    let mut parts = fields_of(dice, 2);
    if depth > 0 && dice.one_in(4) {
        let one = pattern(dice, depth - 1);
        parts.push(format!(r#""$or": [{one}, {}]"#, pattern(dice, depth - 1)));
    }
    if depth > 0 && dice.one_in(8) {
        parts.push(format!(
            r#""$and": [{}, {}]"#,
            pattern(dice, depth - 1),
            pattern(dice, depth - 1)
        ));
    }
    if depth > 0 && dice.one_in(10) {
        parts.push(format!(r#""$not": {}"#, pattern(dice, depth - 1)));
    }
    // A value that many have, so that those alike are filed further.
    if dice.one_in(3) {
        parts.push(r#""tenant": [1]"#.into());
    }
    format!("{{{}}}", parts.join(","))
}

fn random_filter(dice: &mut Dice) -> Filter {
    if dice.one_in(100) {
        return Filter::parse("{}").unwrap();
    }
    let text = pattern(dice, 2);
    Filter::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn shown(dice: &mut Dice) -> String {
    match dice.roll(10) {
        0 => format!("[{}]", dice.list(4, scalar)),
        1 => dice.pick(&["[]", "{}", "[[]]"]).into(),
        _ => scalar(dice),
    }
}

fn object(dice: &mut Dice, names: &[&str]) -> String {
    let mut parts = Vec::new();
    for name in names {
        if !dice.one_in(4) {
            parts.push(format!(r#""{name}": {}"#, shown(dice)));
        }
    }
    if dice.one_in(20) {
        parts.push(format!(r#""{}": {}"#, names[0], shown(dice)));
    }
    format!("{{{}}}", parts.join(","))
}

fn element(dice: &mut Dice) -> String {
    let plain = object(dice, &["x", "y"]);
    if plain == "{}" || !dice.one_in(3) {
        return plain;
    }
    let inner = dice.list(2, |dice| object(dice, &["x"]));
    format!(r#"{}, "m": [{inner}]}}"#, &plain[..plain.len() - 1])
}

fn event(dice: &mut Dice) -> String {
    let flat = object(dice, &["a", "b", "other"]);
    let mut parts = vec![flat[1..flat.len() - 1].to_owned()];
    parts.push(format!(r#""o": {}"#, object(dice, &["x", "y"])));
    match dice.roll(3) {
        0 => {}
        1 => parts.push(format!(r#""l": {}"#, element(dice))),
        _ => parts.push(format!(r#""l": [{}]"#, dice.list(3, element))),
    }
    if !dice.one_in(3) {
        parts.push(r#""tenant": 1"#.into());
    }
    parts.retain(|part| !part.is_empty());
    format!("{{{}}}", parts.join(","))
}

/// A large event: more combinations of values than filters.
fn crowd(dice: &mut Dice) -> String {
    let many = |dice: &mut Dice| (0..60).map(|_| scalar(dice)).collect::<Vec<_>>().join(",");
    format!(
        r#"{{"a": [{}], "b": [{}], "o": {{"x": [{}], "y": [{}]}}, "tenant": 1}}"#,
        many(dice),
        many(dice),
        many(dice),
        many(dice)
    )
}

fn assert_left_nothing(index: &FilterIndex<usize>) {
    assert!(index.is_empty() && index.shapes.is_empty() && index.others.is_empty());
    assert_eq!(index.scanned(), 0);
    assert_eq!(index.paths().count(), 0);
    assert_eq!(index.heap_bytes(), 0);
}

#[test]
fn agrees_with_plain_evaluation_while_filters_come_and_go() {
    let mut dice = Dice::new();
    let mut index = FilterIndex::new();
    let mut live: Vec<(EntryId, Filter)> = Vec::new();
    let mut scratch = Scratch::new();
    let (mut pairs, mut admitted, mut next) = (0, 0, 0);
    let mut values = std::collections::HashMap::new();
    while pairs < 150_000 {
        // The number of filters swings between hardly any and some hundreds.
        let most = [4, 100, 500][dice.roll(3)];
        let target = dice.roll(most);
        while live.len() < target {
            let filter = random_filter(&mut dice);
            let known = live
                .iter()
                .find(|(_, other)| *other == filter)
                .map(|&(id, _)| id);
            assert_eq!(index.find(&filter), known, "{filter:?}");
            if known.is_none() {
                let id = index.insert(filter.clone(), next);
                values.insert(id, next);
                next += 1;
                live.push((id, filter));
            }
        }
        while live.len() > target {
            let (id, filter) = live.swap_remove(dice.roll(live.len()));
            assert_eq!(index.find(&filter), Some(id));
            assert_eq!(index.remove(id), (filter, values.remove(&id).unwrap()));
        }
        assert_eq!(index.len(), live.len());
        assert_eq!(
            index.scanned(),
            live.iter()
                .filter(|(_, filter)| !filter.is_indexed())
                .count()
        );

        for _ in 0..8 {
            let event = if dice.one_in(20) {
                crowd(&mut dice)
            } else {
                event(&mut dice)
            };
            let mut fields = Fields::new();
            // Others may have asked for more of the event.
            let projection = match dice.roll(2) {
                0 => Arc::clone(index.projection()),
                _ => Arc::new(Projection::new(
                    ["other", "a", "o.y", "l.z"]
                        .map(Path::new)
                        .into_iter()
                        .chain(index.paths().cloned()),
                )),
            };
            projection
                .from_json(event.as_bytes(), &mut fields)
                .unwrap_or_else(|error| panic!("{event}: {error}"));
            let mut hits = Vec::new();
            index.matches(&fields, &mut scratch, |&value| hits.push(value));
            hits.sort_unstable();
            let mut expected: Vec<_> = live
                .iter()
                .filter(|(_, filter)| filter.admits(&fields))
                .map(|(id, _)| values[id])
                .collect();
            expected.sort_unstable();
            if hits != expected {
                let wrong = live.iter().find(|(id, _)| {
                    let count =
                        |list: &[usize]| list.iter().filter(|&&value| value == values[id]).count();
                    count(&hits) != count(&expected)
                });
                panic!("{event}\nis judged otherwise for\n{wrong:?}");
            }
            pairs += live.len();
            admitted += expected.len();
        }
    }
    assert!(
        admitted * 50 > pairs,
        "{admitted} of {pairs} pairs match: the alphabets are too wide"
    );
    for (id, _) in live {
        index.remove(id);
    }
    assert_left_nothing(&index);
}

fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn hits(index: &mut FilterIndex<usize>, event: &str) -> Vec<usize> {
    let projection = Arc::clone(index.projection());
    let mut fields = Fields::new();
    projection.from_json(event.as_bytes(), &mut fields).unwrap();
    let mut hits = Vec::new();
    index.matches(&fields, &mut Scratch::new(), |&value| hits.push(value));
    hits.sort_unstable();
    hits
}

#[test]
fn a_filter_that_is_met_often_is_reported_once() {
    let mut index = FilterIndex::new();
    index.insert(
        filter(r#"{"a": [1, 2, "x", {"prefix": "x"}, {"numeric": [">", 0]}]}"#),
        0,
    );
    index.insert(filter(r#"{"a": [1, 2, 3], "b": [1, 2]}"#), 1);
    index.insert(
        filter(r#"{"$or": [{"a": [1]}, {"a": [2], "b": [2]}, {"b": [{"exists": true}]}]}"#),
        2,
    );
    assert_eq!(
        hits(&mut index, r#"{"a": [1, 2, 3, "x", "xy"], "b": [1, 2, 2]}"#),
        [0, 1, 2]
    );
    assert_eq!(hits(&mut index, r#"{"a": 2, "b": 2}"#), [0, 1, 2]);
    assert_eq!(hits(&mut index, r#"{"a": "x"}"#), [0]);
}

#[test]
fn those_alike_are_told_apart_by_their_next_test() {
    let mut index = FilterIndex::new();
    let ids: Vec<_> = (0..500)
        .map(|n| {
            index.insert(
                filter(&format!(
                    r#"{{"tenant": [1], "n": [{{"numeric": [">=", {n}, "<", {}]}}]}}"#,
                    n + 2
                )),
                n,
            )
        })
        .collect();
    let everybody = filter(r#"{"tenant": [1]}"#);
    index.insert(everybody.clone(), 1000);
    assert_eq!(
        hits(&mut index, r#"{"tenant": 1, "n": 250}"#),
        [249, 250, 1000]
    );
    assert_eq!(hits(&mut index, r#"{"tenant": 1, "n": "x"}"#), [1000]);
    assert_eq!(hits(&mut index, r#"{"tenant": 2, "n": 250}"#), [0_usize; 0]);
    for id in ids {
        index.remove(id);
    }
    assert_eq!(hits(&mut index, r#"{"tenant": 1, "n": 250}"#), [1000]);
    let last = index.find(&everybody).unwrap();
    index.remove(last);
    assert_left_nothing(&index);
}

#[test]
fn a_filter_with_two_places_in_a_bucket_leaves_both() {
    // Whatever number fills the bucket, so that it is filed anew between the two.
    for others in 0..40 {
        let mut index = FilterIndex::new();
        for n in 0..others {
            index.insert(
                filter(&format!(
                    r#"{{"tenant": [1], "s": [{{"prefix": "x{n}"}}]}}"#
                )),
                n,
            );
        }
        let twice = r#"{"tenant": [1], "$or": [{"s": [{"prefix": "xx"}]}, {"n": [{"numeric": [">", 1]}]}]}"#;
        let id = index.insert(filter(twice), 1000);
        assert_eq!(
            hits(&mut index, r#"{"tenant": 1, "s": "xxy", "n": 2}"#),
            [1000]
        );
        index.insert(filter(r#"{"tenant": [1], "s": [{"prefix": "x"}]}"#), 2000);
        index.remove(id);
        assert_eq!(
            hits(&mut index, r#"{"tenant": 1, "s": "xxy", "n": 2}"#),
            [2000]
        );
    }
}

#[test]
fn a_filter_of_many_lists_is_filed_in_few_places() {
    let mut index = FilterIndex::new();
    let lists = |values: &str| {
        let fields: Vec<_> = (0..200).map(|n| format!(r#""f{n}": {values}"#)).collect();
        format!("{{{}}}", fields.join(","))
    };
    let numbers: Vec<_> = (0..40).map(|n| n.to_string()).collect();
    let long = index.insert(filter(&lists(&format!("[{}]", numbers.join(",")))), 0);
    let short = index.insert(filter(&lists("[7]")), 1);
    assert_eq!(hits(&mut index, &lists("7")), [0, 1]);
    assert_eq!(hits(&mut index, &lists("8")), [0]);
    assert_eq!(hits(&mut index, &lists("50")), [0_usize; 0]);
    assert!(index.heap_bytes() < 64 * 1024);
    index.remove(long);
    index.remove(short);
    assert_left_nothing(&index);
}

#[test]
fn memory_comes_back() {
    let mut index = FilterIndex::new();
    let texts = |n: usize| {
        [
            format!(r#"{{"id": [{n}]}}"#),
            format!(r#"{{"tenant": [1], "id": [{n}, "x"]}}"#),
            format!(r#"{{"f{n}": [1], "g": [2]}}"#),
            format!(r#"{{"n": [{{"numeric": [">", {n}]}}]}}"#),
            format!(r#"{{"s": [{{"prefix": "{n}"}}], "m": [{{"anything-but": {n}}}]}}"#),
            format!(r#"{{"tenant": [2], "s": [{{"suffix": "{n}"}}]}}"#),
            format!(r#"{{"m": [{{"anything-but": {n}}}]}}"#),
            format!(r#"{{"$not": {{"m": [{n}]}}}}"#),
        ]
    };
    let ids: Vec<_> = (0..2_000)
        .flat_map(texts)
        .map(|text| index.insert(filter(&text), 0))
        .collect();
    let full = index.heap_bytes();
    // The first ones stay, so that most places can be given back.
    for &id in ids[80..].iter().rev() {
        index.remove(id);
    }
    assert!(
        index.heap_bytes() < full / 10,
        "{} of {full} bytes",
        index.heap_bytes()
    );
    for &id in &ids[..80] {
        index.remove(id);
    }
    assert_left_nothing(&index);
}

#[test]
fn the_projection_follows_the_set_of_paths() {
    let mut index = FilterIndex::new();
    let a = index.insert(filter(r#"{"a": [1]}"#), 0);
    let version = index.paths_version();
    let projection = Arc::clone(index.projection());
    let other = index.insert(filter(r#"{"a": [2]}"#), 1);
    index.remove(a);
    assert_eq!(index.paths_version(), version);
    assert!(Arc::ptr_eq(index.projection(), &projection));

    let both = index.insert(filter(r#"{"a": [2], "b": {"c": [1]}}"#), 2);
    assert!(index.paths_version() > version);
    assert!(!Arc::ptr_eq(index.projection(), &projection));
    let names = |index: &FilterIndex<usize>| {
        let mut names: Vec<_> = index.paths().map(|path| path.as_str().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&index), ["a", "b.c"]);
    index.remove(other);
    assert_eq!(names(&index), ["a", "b.c"]);
    let projection = Arc::clone(index.projection());
    index.remove(both);
    assert_eq!(names(&index), [""; 0]);
    assert_eq!(
        Arc::strong_count(&projection),
        1,
        "what is out of date is not kept"
    );
}

#[test]
fn what_asks_for_nothing_is_for_unreadable_events_too() {
    let mut index = FilterIndex::new();
    index.insert(filter("{}"), 0);
    index.insert(filter(r#"{"a": [{"exists": false}]}"#), 1);
    index.insert(filter(r#"{"$not": {"a": [1]}}"#), 2);
    let mut hits = Vec::new();
    index.matches_nothing_known(|&value| hits.push(value));
    assert_eq!(hits, [0]);
    assert_eq!(index.scanned(), 2);
}

#[test]
fn explanations() {
    for (text, expected) in [
        ("{}", "every event"),
        (r#"{"a": 1}"#, "equality of a"),
        (r#"{"b": [1, 2], "a": {"c": [3]}}"#, "equality of a.c and b"),
        (
            r#"{"a": [1], "s": [{"prefix": "xyz"}], "n": [{"numeric": [">", 1]}]}"#,
            "equality of a, then prefix of s",
        ),
        (r#"{"n": [{"numeric": [">", 1]}]}"#, "range of n"),
        (
            r#"{"n": [{"numeric": [">", 1]}], "m": [{"numeric": [">", 1, "<", 9]}]}"#,
            "range of m",
        ),
        (r#"{"n": ["x", {"suffix": "yz"}]}"#, "value or suffix of n"),
        (r#"{"n": [{"cidr": "10.0.0.0/8"}]}"#, "network of n"),
        (r#"{"n": [{"wildcard": "a*"}]}"#, "prefix of n"),
        (r#"{"n": [{"wildcard": "*a"}]}"#, "suffix of n"),
        (r#"{"n": [{"wildcard": "*a*"}]}"#, "scanned"),
        (
            r#"{"n": [{"equals-ignore-case": "x"}, {"prefix": {"equals-ignore-case": "x"}}]}"#,
            "folded value or prefix of n",
        ),
        (
            r#"{"$and": [{"n": [1]}, {"n": [2]}]}"#,
            "equality of n, then value of n",
        ),
        (r#"{"n": [{"exists": true}]}"#, "presence of n"),
        (r#"{"n": [{"exists": false}]}"#, "scanned"),
        (r#"{"n": [{"anything-but": 1}]}"#, "scanned"),
        (r#"{"n": [1], "m": [{"anything-but": 1}]}"#, "equality of n"),
        (r#"{"n": [1, {"exists": false}]}"#, "scanned"),
        (r#"{"$not": {"a": [1]}}"#, "scanned"),
        (
            r#"{"$or": [{"a": [1]}, {"a": [2]}, {"b": [{"prefix": "x"}]}]}"#,
            "equality of a; or prefix of b",
        ),
    ] {
        let filter = filter(text);
        assert_eq!(filter.explain().to_string(), expected, "{text}");
        assert_eq!(filter.explain().is_indexed(), filter.is_indexed(), "{text}");
        assert_eq!(filter.is_indexed(), !expected.contains("scanned"), "{text}");
    }
}
