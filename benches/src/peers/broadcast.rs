//! Broadcast channels, and a channel per subscriber: one event in, N copies of its
//! handle out, on one thread.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::RwLock;

use crate::Outcome;

/// Brings one event to everybody and lets everybody take it; answers how many did.
pub(crate) type Fanout = Box<dyn FnMut(&Bytes) -> Outcome<u64>>;

/// Room for events in channels that are bounded: enough for all that a row sends
/// before it drains.
const ROOM: usize = 16;

/// All of them with so many subscribers: name and fan-out.
pub(crate) fn all(subscribers: usize) -> Vec<(&'static str, Fanout)> {
    vec![
        ("tokio broadcast", tokio_broadcast(subscribers)),
        ("async-broadcast", async_broadcast(subscribers)),
        ("bus", bus(subscribers)),
        ("crossbeam-channel each", crossbeam_each(subscribers)),
        ("flume each", flume_each(subscribers)),
        ("kanal each", kanal_each(subscribers)),
        ("tokio mpsc each", tokio_mpsc_each(subscribers)),
        ("`RwLock<HashMap<topic, Vec<Sender>>>`", naive(subscribers)),
    ]
}

fn tokio_broadcast(subscribers: usize) -> Fanout {
    let (sender, _) = tokio::sync::broadcast::channel(ROOM);
    let mut receivers: Vec<_> = (0..subscribers).map(|_| sender.subscribe()).collect();
    Box::new(move |event| {
        sender.send(event.clone())?;
        count(
            receivers
                .iter_mut()
                .map(|receiver| receiver.try_recv().ok()),
            event,
        )
    })
}

fn async_broadcast(subscribers: usize) -> Fanout {
    let (sender, first) = async_broadcast::broadcast(ROOM);
    let mut receivers: Vec<_> = (1..subscribers).map(|_| first.new_receiver()).collect();
    receivers.push(first);
    Box::new(move |event| {
        sender.try_broadcast(event.clone())?;
        count(
            receivers
                .iter_mut()
                .map(|receiver| receiver.try_recv().ok()),
            event,
        )
    })
}

fn bus(subscribers: usize) -> Fanout {
    let mut bus = bus::Bus::new(ROOM);
    let mut readers: Vec<_> = (0..subscribers).map(|_| bus.add_rx()).collect();
    Box::new(move |event| {
        bus.broadcast(event.clone());
        count(
            readers.iter_mut().map(|reader| reader.try_recv().ok()),
            event,
        )
    })
}

fn crossbeam_each(subscribers: usize) -> Fanout {
    each(
        subscribers,
        crossbeam_channel::unbounded,
        |sender, event| sender.send(event).is_ok(),
        |receiver| receiver.try_recv().ok(),
    )
}

fn flume_each(subscribers: usize) -> Fanout {
    each(
        subscribers,
        flume::unbounded,
        |sender, event| sender.send(event).is_ok(),
        |receiver| receiver.try_recv().ok(),
    )
}

fn kanal_each(subscribers: usize) -> Fanout {
    each(
        subscribers,
        kanal::unbounded,
        |sender, event| sender.send(event).is_ok(),
        |receiver| receiver.try_recv().ok().flatten(),
    )
}

fn tokio_mpsc_each(subscribers: usize) -> Fanout {
    each(
        subscribers,
        tokio::sync::mpsc::unbounded_channel,
        |sender, event| sender.send(event).is_ok(),
        |receiver| receiver.try_recv().ok(),
    )
}

/// The registry that most servers begin with, its senders the fastest of the above.
fn naive(subscribers: usize) -> Fanout {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..subscribers)
        .map(|_| crossbeam_channel::unbounded::<Bytes>())
        .unzip();
    let registry = RwLock::new(HashMap::from([("topic".to_owned(), senders)]));
    Box::new(move |event| {
        if let Some(senders) = registry.read().get("topic") {
            for sender in senders {
                sender.send(event.clone())?;
            }
        }
        count(
            receivers.iter().map(|receiver| receiver.try_recv().ok()),
            event,
        )
    })
}

fn each<S: 'static, R: 'static>(
    subscribers: usize,
    channel: impl Fn() -> (S, R),
    send: impl Fn(&S, Bytes) -> bool + 'static,
    receive: impl Fn(&mut R) -> Option<Bytes> + 'static,
) -> Fanout {
    let (senders, mut receivers): (Vec<_>, Vec<_>) = (0..subscribers).map(|_| channel()).unzip();
    Box::new(move |event| {
        for sender in &senders {
            if !send(sender, event.clone()) {
                return Err("a channel is closed".into());
            }
        }
        count(receivers.iter_mut().map(&receive), event)
    })
}

/// How many got the event. Each is looked at, as our sinks do.
fn count(got: impl Iterator<Item = Option<Bytes>>, sent: &Bytes) -> Outcome<u64> {
    Ok(got
        .flatten()
        .map(|event| u64::from(event.len() == sent.len()))
        .sum())
}
