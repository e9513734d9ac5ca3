//! The servers that are this program: each in a process of its own, pinned to a core,
//! with one line on its output when it is ready: `ready PORT CONTROL`.

mod audience;
mod bare;
mod distributary;
mod orders;
mod tungstenite;

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use crate::Outcome;

pub(crate) use distributary::{GROUPS, storm_event, storm_topic};

/// Serves until the process is ended.
pub(crate) fn run(name: &str) -> Outcome<()> {
    match name {
        "bare" => bare::run(),
        "tungstenite" => tungstenite::run(),
        "distributary" => distributary::run(),
        _ => Err(format!("there is no server {name:?} in this program").into()),
    }
}

/// Connections that may wait to be accepted, for every server here that can be told: with
/// the 128 that Rust takes by itself, five hundred at a time lose their first packet.
const BACKLOG: i32 = 4_096;

/// A socket that listens on a port of the system's choice, and does not block.
fn listen() -> Outcome<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
