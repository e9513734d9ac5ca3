//! The load generator: the clients of one server, in a process of their own on a core
//! of their own.
//!
//! One thread, one poll, one buffer that everything is read into. Its clock starts when
//! it sends the order to publish and stops when the last of its clients has the last
//! byte of the event. It takes lines (see [`run`]) and answers each with `ok FIGURES` or
//! with `error REASON`.

mod clients;
mod returning;
mod storm;

use std::{
    io::{BufRead, stdin},
    net::SocketAddr,
};

use clients::Clients;

use crate::{
    Outcome,
    control::{Control, Kind},
    wire::{ALL, Protocol},
};

/// What it needs to know of the server.
pub(crate) struct Server {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    pub(crate) control: Kind,
}

/// Answers lines until there are no more.
pub(crate) fn run(server: &Server) -> Outcome<()> {
    let mut load = Load {
        clients: Clients::new(server)?,
        control: Control::connect(server.control, server.address)?,
        server,
    };
    for line in stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match load.obey(&words) {
            Ok(answer) => println!("ok {answer}"),
            Err(error) => println!("error {error}"),
        }
    }
    Ok(())
}

struct Load<'s> {
    server: &'s Server,
    clients: Clients,
    control: Control,
}

impl Load<'_> {
    fn obey(&mut self, words: &[&str]) -> Outcome<String> {
        match words {
            // Connects so many; `{}` in the path becomes a number. How long it took.
            ["connect", count, in_flight, path] => {
                let path = |number: usize| path.replace("{}", &number.to_string());
                let took = self
                    .clients
                    .connect(number(count)?, number(in_flight)?, path)?;
                Ok(took.to_string())
            }
            // Connects so many, with this receive buffer, that never read.
            ["stall", count, buffer] => {
                self.clients.stall(number(count)?, number(buffer)?)?;
                Ok(String::new())
            }
            // Events, one after another. How long each took.
            ["event", bytes, times] => {
                let took = (0..number(times)?).map(|_| self.event(number(bytes)?));
                let took = took.collect::<Outcome<Vec<_>>>()?;
                Ok(took
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(" "))
            }
            // So many events at once, and so many clients that leave in the middle of
            // the first. How long until the server knew.
            ["leave", count, bytes, times] => {
                let took = self.leave(number(count)?, number(bytes)?, number(times)?)?;
                Ok(took.to_string())
            }
            ["clear"] => {
                self.clients.clear();
                Ok(String::new())
            }
            ["ask", rest @ ..] => self.control.ask(&rest.join(" ")),
            ["storm", count, seconds] => storm::run(
                self.server,
                &mut self.control,
                number(count)?,
                number(seconds)?,
            ),
            _ => Err(format!("what is {words:?}?").into()),
        }
    }

    fn event(&mut self, bytes: usize) -> Outcome<u64> {
        let took = self.clients.receive(1, || self.control.publish(bytes, 1))?;
        self.control.settle(1)?;
        Ok(took)
    }

    fn leave(&mut self, count: usize, bytes: usize, times: usize) -> Outcome<u64> {
        let all = self.clients.count();
        let reached = self.control.watch(all.saturating_sub(count))?;
        let left_at = self
            .clients
            .receive_and_leave(count, times, || self.control.publish(bytes, times))?;
        let reached = reached.recv()??;
        self.control.settle(times)?;
        // Full again for the next one.
        self.clients.connect(count, 64, |_| ALL.to_owned())?;
        Ok(reached.saturating_sub(left_at))
    }
}

fn number(word: &str) -> Outcome<usize> {
    word.parse()
        .map_err(|_| format!("{word:?} is no number").into())
}
