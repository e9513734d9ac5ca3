//! Models of a lane's sleep against those who announce something to it.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p distributary --lib --release loom_`.
//! A lost wake-up shows as a deadlock, which the checker reports.

use loom::{sync::Notify, thread};

use super::{Bell, Post};
use crate::sync::{Arc, Queue, StdArc};

/// All interleavings with up to three preemptions.
pub(crate) fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A lane's bell, and what its owner waits on.
pub(crate) fn bell() -> (StdArc<Notify>, Bell) {
    let notify = StdArc::new(Notify::new());
    let rung = StdArc::clone(&notify);
    (notify, Bell::Callback(StdArc::new(move || rung.notify())))
}

/// Sleeps as a lane does when a turn has found nothing more.
pub(crate) fn sleep(post: &Post, notify: &Notify, busy: impl FnOnce() -> bool) {
    if post.sleep(busy) {
        while !post.is_called() {
            notify.wait();
        }
    }
}

#[test]
fn loom_no_announcement_is_slept_over() {
    check(|| {
        let post = Arc::new(Post::new());
        let publishers = [7, 8].map(|group| {
            let post = Arc::clone(&post);
            thread::spawn(move || {
                if post.announce(group) {
                    post.ring();
                }
            })
        });
        let (notify, bell) = bell();
        post.listen(bell);
        let mut heard = Vec::new();
        loop {
            post.wake();
            while let Some(group) = post.next() {
                heard.push(group);
            }
            if heard.len() == 2 {
                break;
            }
            sleep(&post, &notify, || false);
        }
        heard.sort_unstable();
        assert_eq!(heard, [7, 8]);
        for publisher in publishers {
            publisher.join().unwrap();
        }
    });
}

#[test]
fn loom_a_command_and_an_announcement_both_end_a_sleep() {
    check(|| {
        let post = Arc::new(Post::new());
        let commands = StdArc::new(Queue::new());
        let publisher = {
            let post = Arc::clone(&post);
            thread::spawn(move || {
                if post.announce(7) {
                    post.ring();
                }
            })
        };
        let commander = {
            let (post, commands) = (Arc::clone(&post), StdArc::clone(&commands));
            thread::spawn(move || {
                commands.push(());
                if post.call() {
                    post.ring();
                }
            })
        };
        let (notify, bell) = bell();
        post.listen(bell);
        let (mut announced, mut commanded) = (0, 0);
        while announced + commanded < 2 {
            post.wake();
            commanded += usize::from(commands.pop().is_some());
            announced += usize::from(post.next().is_some());
            if announced + commanded < 2 {
                sleep(&post, &notify, || !commands.is_empty());
            }
        }
        assert_eq!((announced, commanded), (1, 1));
        publisher.join().unwrap();
        commander.join().unwrap();
    });
}
