//! Those who wait until all is heard that was wanted when they asked.
//!
//! While a server is away there may be very many, at the same marks: these are looked at as
//! one. Some of them may give up and ask again, for hours: who has given up is let go of
//! each time that there are twice as many as were left the last time.
//!
//! # Invariants
//!
//! - There are never more than twice as many as waited when that was looked at last, or
//!   twice [`FEW`].
//! - Nobody is told in here: whoever takes them does that, with nothing borrowed.

use std::rc::Rc;

use super::line::Line;
use crate::{backplane::Joining, redis::interest::Mark};

/// So many are not looked through.
const FEW: usize = 64;

/// All who wait.
#[derive(Default)]
pub(super) struct Waiters {
    groups: Vec<Group>,
    count: usize,
    /// How many were left the last time that those who had given up were let go of.
    left: usize,
}

/// Those who wait for the same.
struct Group {
    marks: Marks,
    joining: Vec<Joining>,
}

/// How far each ledger has to come.
pub(super) type Marks = Vec<(Rc<Line>, Mark)>;

impl Group {
    fn is_at(&self, marks: &Marks) -> bool {
        let mut pairs = self.marks.iter().zip(marks);
        self.marks.len() == marks.len()
            && pairs.all(|((line, mark), (other, at))| Rc::ptr_eq(line, other) && mark == at)
    }
}

impl Waiters {
    /// More who wait until all is heard that was wanted at the marks.
    pub(super) fn add(&mut self, marks: Marks, mut joining: Vec<Joining>) {
        self.count += joining.len();
        match self.groups.last_mut() {
            Some(last) if last.is_at(&marks) => last.joining.append(&mut joining),
            _ => self.groups.push(Group { marks, joining }),
        }
        if self.count > 2 * self.left.max(FEW) {
            self.sweep();
        }
    }

    /// Lets go of those who have given up.
    fn sweep(&mut self) {
        self.groups.retain_mut(|group| {
            group.joining.retain(Joining::is_awaited);
            group.joining.shrink_to(2 * group.joining.len());
            !group.joining.is_empty()
        });
        self.count = self.groups.iter().map(|group| group.joining.len()).sum();
        self.left = self.count;
    }

    /// Takes out those whose ledgers have come as far as their marks, if `may_be_told`.
    pub(super) fn take_heard(&mut self, may_be_told: bool) -> Vec<Joining> {
        let mut heard = Vec::new();
        self.groups.retain_mut(|group| {
            let is_missing =
                |(line, mark): &(Rc<Line>, Mark)| !line.ledger.borrow_mut().is_heard(*mark);
            group.marks.retain(is_missing);
            let stays = !group.marks.is_empty() || !may_be_told;
            if !stays {
                heard.append(&mut group.joining);
            }
            stays
        });
        self.count -= heard.len();
        self.left = self.left.min(self.count);
        heard
    }

    /// Takes out all.
    pub(super) fn take(&mut self) -> Vec<Joining> {
        let groups = std::mem::take(self).groups.into_iter();
        groups.flat_map(|group| group.joining).collect()
    }

    /// How many there are, and in how many groups.
    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        let joining = self.groups.iter().map(|group| group.joining.len());
        assert_eq!(joining.sum::<usize>(), self.count);
        (self.count, self.groups.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        Topic,
        backplane::{Joined, Name},
        redis::{interest::Ledger, socket::Kind, target::Server, topology::LinkId},
    };

    fn line() -> Rc<Line> {
        let ledger = Ledger::new(Kind::Channel, Duration::ZERO);
        Rc::new(Line::new(LinkId(1), Server::new("a", 1), false, ledger))
    }

    fn marks(line: &Rc<Line>) -> Marks {
        vec![(Rc::clone(line), line.ledger.borrow().mark())]
    }

    /// A server is away for long, and those who wait for it give up and ask again, between
    /// changes of what is wanted or not.
    #[test]
    fn who_gives_up_is_let_go_of_and_who_waits_is_not() {
        for same in [true, false] {
            let lines = [line(), line()];
            let mut waiters = Waiters::default();
            let mut waits = Vec::new();
            for turn in 0..10_000 {
                let (joining, joined) = Joined::pair();
                waiters.add(
                    marks(&lines[if same { 0 } else { turn % 2 }]),
                    vec![joining],
                );
                if turn % 100 == 0 {
                    waits.push(joined);
                }
                let (count, groups) = waiters.len();
                let most = 2 * (waits.len() + 1).max(FEW);
                assert!(count <= most && groups <= count, "{count} in {groups}");
            }
            assert_eq!(waiters.len().1 == 1, same);
            // Nothing is missing any more.
            waiters
                .take_heard(true)
                .into_iter()
                .for_each(|joining| joining.tell(Vec::new()));
            assert!(waits.iter().all(|joined| joined.outcome() == Some(Ok(()))));
            assert_eq!(waiters.len(), (0, 0));
        }
    }

    #[test]
    fn whoever_asked_before_is_told_first_and_nobody_before_the_time() {
        let line = line();
        let want = |topic| {
            let name = Name::Topic(Topic::new(topic).unwrap());
            line.ledger.borrow_mut().change(&name, true, Instant::now());
        };
        let mut waiters = Waiters::default();
        let ask = |waiters: &mut Waiters| {
            let (joining, joined) = Joined::pair();
            waiters.add(marks(&line), vec![joining]);
            joined
        };
        let _early = ask(&mut waiters);
        assert!(waiters.take_heard(false).is_empty());
        want("t");
        let _late = ask(&mut waiters);
        assert_eq!(waiters.take_heard(true).len(), 1);
        assert_eq!(waiters.len(), (1, 1));
        assert_eq!(waiters.take().len(), 1);
        assert_eq!(waiters.len(), (0, 0));
    }
}
