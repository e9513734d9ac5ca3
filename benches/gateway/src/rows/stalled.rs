//! What does a large event cost that nobody takes?

use std::{
    thread,
    time::{Duration, Instant},
};

use distributary_bench_report::{
    process,
    report::{Line, Target},
    rounds::Unit,
};

use super::{NO_MEMORY, Row, fresh};
use crate::{
    Outcome,
    fleet::{Contender, Fleet, Name},
};

pub(crate) const ROW: Row = Row {
    name: "stalled",
    question: "One event of 4 MiB to 500 sockets that never read, and one that does: by how much \
               the server's resident memory grows at its highest, and the kernel's socket memory.",
    measure,
};

const STALLED: usize = 500;
const RECEIVE_BUFFER: usize = 4_096;
const BYTES: usize = 4 << 20;
const MOST: f64 = (16 << 20) as f64;
/// It grows no more when it has not for so long.
const QUIET: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(20);

const NAMES: [Name; 6] = [
    Name::Distributary,
    Name::Bare,
    Name::Tungstenite,
    Name::WsBuffer,
    Name::Uws,
    Name::Redis,
];

fn measure(fleet: &mut Fleet) -> Outcome<Vec<Line>> {
    let figures = fresh(fleet, &NAMES, &[Unit::Bytes; 2], growth);
    let (ours, what) = (figures.ours(0), "resident memory of the server");
    let mut lines = vec![Line::new(what, ours).target(Target::AtMost(MOST))];
    lines.extend(
        figures
            .peers(0)
            .map(|(_, peer)| Line::new(what, ours).against(peer)),
    );
    let (ours, what) = (figures.ours(1), "socket memory of the kernel");
    lines.extend(
        figures
            .peers(1)
            .map(|(_, peer)| Line::new(what, ours).against(peer)),
    );
    Ok(lines)
}

fn growth(contender: &mut Contender) -> Outcome<Vec<f64>> {
    contender.fill(1)?;
    contender.load.ask("event 1024 2")?;
    contender
        .load
        .ask(&format!("stall {STALLED} {RECEIVE_BUFFER}"))?;
    let memory = contender.memory();
    if !memory.forget_highest_resident() {
        return Err("this system does not let anybody reset a process' highest memory".into());
    }
    let before = memory.resident().ok_or(NO_MEMORY)?;
    let kernel_before = process::socket_memory().ok_or(NO_MEMORY)?;
    contender.load.ask(&format!("event {BYTES} 1"))?;
    let started = Instant::now();
    let (mut highest, mut since) = (before, started);
    while since.elapsed() < QUIET && started.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
        let now = memory.highest_resident().ok_or(NO_MEMORY)?;
        if now > highest {
            (highest, since) = (now, Instant::now());
        }
    }
    let kernel = process::socket_memory().ok_or(NO_MEMORY)?;
    Ok(vec![
        (highest - before) as f64,
        kernel.saturating_sub(kernel_before) as f64,
    ])
}
