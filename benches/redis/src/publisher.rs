//! Publishes for the bench at the least cost: commands that were encoded before, on a
//! bare socket.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use distributary_bench_report::Outcome;

use crate::{
    console::{Console, encoded},
    server::Server,
};

pub(crate) struct Publisher {
    stream: TcpStream,
    draining: Option<JoinHandle<()>>,
}

impl Publisher {
    pub(crate) fn connect(server: &Server) -> Outcome<Self> {
        let stream = Console::connect(server.port())?.stream().try_clone()?;
        stream.set_read_timeout(None)?;
        let mut answers = stream.try_clone()?;
        let draining = thread::spawn(move || {
            let mut bytes = vec![0; 64 << 10];
            while answers.read(&mut bytes).is_ok_and(|length| length > 0) {}
        });
        Ok(Publisher {
            stream,
            draining: Some(draining),
        })
    }

    /// Sends commands.
    pub(crate) fn send(&mut self, commands: &[u8]) -> Outcome<()> {
        Ok(self.stream.write_all(commands)?)
    }

    /// Sends so many of a circle of commands at a rate, a part each millisecond.
    pub(crate) fn pace(&mut self, circle: &[Vec<u8>], rate: u64, count: u64) -> Outcome<()> {
        let begun = Instant::now();
        let mut sent = 0;
        let mut bytes = Vec::new();
        while sent < count {
            let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64 + 1;
            bytes.clear();
            while sent < due.min(count) {
                bytes.extend_from_slice(&circle[sent as usize % circle.len()]);
                sent += 1;
            }
            self.send(&bytes)?;
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.stream.shutdown(Shutdown::Both).ok();
        if let Some(thread) = self.draining.take() {
            thread.join().ok();
        }
    }
}

/// A publish as it goes over the wire.
pub(crate) fn publish(command: &str, channel: &str, payload: &str) -> Vec<u8> {
    encoded(&[command, channel, payload])
}
