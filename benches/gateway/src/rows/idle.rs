//! What does a connection cost that gets nothing?

use distributary_bench_report::{
    process,
    report::{Line, Target},
    rounds::Unit,
};

use super::{NO_MEMORY, Row, SOCKETS, fresh};
use crate::{
    Outcome,
    fleet::{Contender, Fleet, Name},
    wire::ALL,
};

pub(crate) const ROW: Row = Row {
    name: "idle",
    question: "What a connection costs that gets nothing, of 10,000: resident memory of the \
               server, and slab memory of the kernel, for both ends.",
    measure,
};

const MOST: f64 = 2_048.0;

const NAMES: [Name; 6] = [
    Name::Distributary,
    Name::Bare,
    Name::Tungstenite,
    Name::WsBuffer,
    Name::Uws,
    Name::Redis,
];

fn measure(fleet: &mut Fleet) -> Outcome<Vec<Line>> {
    let units = [Unit::Bytes; 2];
    let same = fresh(fleet, &NAMES, &units, |contender| growth(contender, ALL));
    let ours = [Name::Distributary];
    let own = fresh(fleet, &ours, &units, |contender| {
        growth(contender, "topic.{}")
    });
    let target = Target::AtMost(MOST);
    let what = "all on one topic";
    let mut lines = vec![Line::new(what, same.ours(0)).target(target)];
    let peers = same.peers(0);
    lines.extend(peers.map(|(_, peer)| Line::new(what, same.ours(0)).against(peer)));
    lines.push(Line::new("each on a topic of its own", own.ours(0)).target(target));
    let what = "kernel, both ends";
    let peers = same.peers(1);
    lines.extend(peers.map(|(_, peer)| Line::new(what, same.ours(1)).against(peer)));
    Ok(lines)
}

fn growth(contender: &mut Contender, path: &str) -> Outcome<Vec<f64>> {
    // The first ones pay for what a server makes once.
    contender.load.ask("connect 10 10 probe")?;
    let memory = contender.memory();
    let before = memory.resident().ok_or(NO_MEMORY)?;
    let kernel_before = process::slab_memory().ok_or(NO_MEMORY)?;
    contender
        .load
        .ask(&format!("connect {SOCKETS} 64 {path}"))?;
    let each = |before: u64, after: u64| after.saturating_sub(before) as f64 / SOCKETS as f64;
    let kernel = process::slab_memory().ok_or(NO_MEMORY)?;
    Ok(vec![
        each(before, memory.resident().ok_or(NO_MEMORY)?),
        each(kernel_before, kernel),
    ])
}
