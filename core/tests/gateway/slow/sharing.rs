//! However many sockets stall, an event exists once; and the others are served.

use super::{stalled, wait_stalled};
use crate::harness::{Raw, Server};

const STALLED: u64 = 100;
const LARGE: usize = 4 << 20;

#[test]
fn one_event_for_a_hundred_stalled_sockets() {
    let server = Server::start();
    let mut slow: Vec<_> = (0..STALLED)
        .map(|_| stalled(&server, "/?topics=large"))
        .collect();
    let mut healthy: Vec<_> = (0..10)
        .map(|_| Raw::open(server.address(), "/?topics=light,large"))
        .collect();
    let large = vec![b'x'; LARGE];
    server.publish("large", large.clone());
    for reader in &mut healthy {
        assert!(reader.message().0.payload == large);
    }
    wait_stalled(&server, STALLED);
    let stats = server.hub.stats();
    let held = stats.bytes_held + stats.log_bytes;
    assert!(held < LARGE as u64 + (64 << 10), "{held} bytes are held");
    // One frame for all, the header of each fragment with it.
    assert!(
        server.stats().frames_made <= 4 + 2 * STALLED + 20,
        "{}",
        server.stats().frames_made
    );
    for round in 0..20 {
        server.publish("light", round.to_string());
        for reader in &mut healthy {
            assert_eq!(reader.text(), round.to_string());
        }
    }
    // Half of them go in the middle, the others get the whole of it.
    slow.truncate(STALLED as usize / 2);
    for reader in &mut slow {
        assert!(reader.message().0.payload == large);
    }
    drop((slow, healthy));
    server.assert_nothing_left(0);
}
