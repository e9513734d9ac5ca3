//! The ledger's steps, sent one at a time and settled.

use std::{rc::Rc, time::Instant};

use tokio::time::sleep_until;

use super::{Conductor, line::Line};
use crate::{
    backplane::Condition,
    redis::{
        interest::{Held, Refusal, Step, Verdict},
        link::Input,
        socket::{Commands, Kind, Reply, Session},
        topology::Redirect,
        watch::code,
    },
};

/// Names that a connection hears and the ledger does not know of: the canary, and the
/// roll of hubs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside(pub(super) u64);

/// Sends steps for as long as the connection stands; what a link is to know goes to
/// `tell`, and why the connection is given up to `fail`.
pub(super) async fn join(
    conductor: Rc<Conductor>,
    line: Rc<Line>,
    session: Session,
    beside: Beside,
    tell: impl Fn(Input),
    fail: impl Fn(&str),
) {
    loop {
        let now = Instant::now();
        let (request, left) = {
            let mut ledger = line.ledger.borrow_mut();
            if ledger.is_overdue(now) {
                fail("the server did not confirm a subscription in time");
                return;
            }
            let step = ledger.next(now);
            let request =
                step.map(|step| (conductor.unplaced(step), commands(step), Asked::by(step)));
            (request, ledger.take_left())
        };
        conductor.give_up(left);
        let due = line.ledger.borrow().next_due();
        let Some((unplaced, commands, asked)) = request else {
            tokio::select! {
                () = line.stirred.notified() => {}
                () = sleep_until(due.unwrap_or(now).into()), if due.is_some() => {}
            }
            continue;
        };
        // How far a log goes is asked first, so that all is heard or read from there on.
        conductor.place(unplaced).await;
        // Until here, what goes out plain does not come back.
        line.ledger.borrow_mut().sent();
        let replies = tokio::select! {
            replies = session.request(commands) => replies,
            // The next look finds it overdue.
            () = sleep_until(due.unwrap_or(now).into()), if due.is_some() => continue,
        };
        let Ok(replies) = replies else {
            return;
        };
        match asked {
            Asked::Audit => audited(&conductor, &line, replies, beside, &tell, &fail),
            Asked::Names { shards } => settled(&conductor, &line, &replies, shards),
        }
    }
}

/// What a step asks for.
enum Asked {
    Audit,
    Names {
        /// To hear shard channels.
        shards: bool,
    },
}

impl Asked {
    fn by(step: &Step) -> Asked {
        match step {
            Step::Audit => Asked::Audit,
            Step::Names(batch) => Asked::Names {
                shards: batch.kind == Kind::Shard && batch.joined,
            },
        }
    }
}

fn commands(step: &Step) -> Commands {
    let mut commands = Commands::default();
    match step {
        Step::Audit => {
            commands.command(&[b"CLIENT", b"INFO"]);
        }
        Step::Names(batch) => {
            for names in batch.commands() {
                let names: Vec<&[u8]> = names.iter().map(|name| name.as_str().as_bytes()).collect();
                commands.listen(batch.kind, batch.joined, &names);
            }
        }
    }
    commands
}

/// Confirmations have come as pushes; what is left are errors.
fn settled(conductor: &Rc<Conductor>, line: &Line, replies: &[Reply], shards: bool) {
    let now = Instant::now();
    let mut redirects = Vec::new();
    let mut ledger = line.ledger.borrow_mut();
    let (mut example, mut unsharded) = (None, None);
    for (command, reply) in replies.iter().enumerate() {
        let Some(words) = reply.error() else {
            continue;
        };
        redirects.extend(Redirect::parse(words, &line.server));
        if words.starts_with("ERR unknown command") {
            unsharded = Some(format!(
                "{} has no shard channels, which came with version 7: leave sharded() out, or use a newer server ({words})",
                line.server
            ));
        }
        if let Refusal::Names(names) = ledger.refused(command, words, now)
            && let Some(name) = names.into_iter().next()
        {
            example = Some((name, words));
        }
    }
    // Whoever hears of what is said may look at all of it.
    drop(ledger);
    match unsharded {
        Some(text) => conductor.say(code::UNSHARDED, Condition::Away, text),
        // A newer one may have taken its place.
        None if shards => conductor.unsay(code::UNSHARDED),
        None => {}
    }
    let lines = conductor.lines.borrow();
    let refused: usize = lines
        .values()
        .map(|line| line.ledger.borrow().refusals())
        .sum();
    drop(lines);
    match example {
        None if refused == 0 => conductor.unsay(code::REFUSED_NAMES),
        None => {}
        Some((name, words)) => conductor.say(
            code::REFUSED_NAMES,
            Condition::Degraded,
            format!(
                "the server lets this user not hear {refused} of the names that are wanted, such as {:?} ({words}): grant them by ACL SETUSER",
                name.as_str()
            ),
        ),
    }
    for redirect in redirects {
        conductor.redirected(redirect);
    }
    line.learned.notify_waiters();
    conductor.tell_joined();
}

fn audited(
    conductor: &Conductor,
    line: &Line,
    replies: Vec<Reply>,
    Beside(channels): Beside,
    tell: &impl Fn(Input),
    fail: &impl Fn(&str),
) {
    let info = replies.first().and_then(Reply::as_str);
    let beside = Held {
        channels,
        ..Held::default()
    };
    let verdict = line
        .ledger
        .borrow_mut()
        .audited(info, beside, Instant::now());
    match verdict {
        Verdict::Equal | Verdict::Unknown => line.audited.set(true),
        Verdict::Unclear => {}
        Verdict::Missing { .. } => {
            // Nobody knows which: all of them are asked for again, and made up for.
            conductor.cut_off(line);
            tell(Input::Missing);
        }
        Verdict::Beyond => fail("what the server hears for this hub is not what was asked for"),
    }
    line.learned.notify_waiters();
    conductor.tell_joined();
}
