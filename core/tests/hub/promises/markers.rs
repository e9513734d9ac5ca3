//! What may go to another thread, and what may be used from several: checked by the
//! compiler.

use distributary::{
    Batch, Event, Executor, Filter, Hub, Lane, Listener, Remote, Selector, Subscription, Template,
};

const _: () = {
    const fn send<T: Send>() {}
    const fn sync<T: Sync>() {}
    const fn unpin<T: Unpin>() {}

    send::<Hub>();
    send::<Subscription>();
    send::<Lane>();
    send::<Remote>();
    send::<Executor>();
    send::<Listener>();
    send::<Event>();
    send::<Batch>();
    send::<Selector>();
    send::<Filter>();
    send::<Template>();

    sync::<Hub>();
    sync::<Remote>();
    sync::<Event>();
    sync::<Executor>();

    unpin::<Subscription>();
};

/// A task that waits may move between the threads of its runtime.
#[test]
fn what_waits_in_a_task_may_change_threads() {
    fn send(_: &impl Send) {}

    let hub = Hub::new();
    let mut sub = hub.subscribe("t").unwrap();
    send(&sub.recv());
    let mut lane = Lane::new(&hub);
    send(&lane.ready());
}
