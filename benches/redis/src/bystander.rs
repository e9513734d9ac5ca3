//! Somebody else on the same server, who waits longer while it is busy with us.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use distributary_bench_report::Outcome;

use crate::server::Server;

/// From one question to the next.
const PAUSE: Duration = Duration::from_millis(1);

/// Asks `PING` again and again.
pub(crate) struct Bystander {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Outcome<Duration>>,
}

impl Bystander {
    pub(crate) fn of(server: &Server) -> Outcome<Self> {
        let mut console = server.console()?;
        let over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !ends.load(Ordering::Relaxed) {
                let asked = Instant::now();
                console.ask(&["PING"])?;
                worst = worst.max(asked.elapsed());
                thread::sleep(PAUSE);
            }
            Ok(worst)
        });
        Ok(Bystander { over, thread })
    }

    /// The longest that it has waited for an answer.
    pub(crate) fn worst(self) -> Outcome<Duration> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| "the bystander panicked")?
    }
}
