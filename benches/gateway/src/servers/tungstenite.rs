//! A peer: what a Rust server does today. A task per connection, each with a receiver of
//! one broadcast channel, tokio-tungstenite between it and the socket.
//!
//! At its best: one thread, buffers no larger than they need be, and the payload shared
//! by all messages.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{broadcast, mpsc},
};
use tokio_tungstenite::{
    accept_hdr_async_with_config,
    tungstenite::{
        Error, Message, Utf8Bytes,
        handshake::server::{Request, Response},
        protocol::WebSocketConfig,
    },
};

use super::{
    audience::Audience,
    listen,
    orders::{self, Orders, payload},
};
use crate::{Outcome, wire::PROBE};

/// Events that a receiver may be behind.
const BEHIND: usize = 64;
/// What a connection may hold of what it reads and writes.
const BUFFER: usize = 4 << 10;

struct Publisher(mpsc::UnboundedSender<usize>);

impl Orders for Publisher {
    fn publish(&self, bytes: usize) {
        // Fails when the runtime is gone, and then so is the process.
        let _ = self.0.send(bytes);
    }
}

pub(super) fn run() -> Outcome<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve())
}

async fn serve() -> Outcome<()> {
    let audience = Arc::new(Audience::default());
    let (events, _) = broadcast::channel::<Utf8Bytes>(BEHIND);
    let (publish, mut published) = mpsc::unbounded_channel();
    let control = orders::take(Publisher(publish), Arc::clone(&audience))?;
    let listener = TcpListener::from_std(listen()?)?;
    println!("ready {} {control}", listener.local_addr()?.port());
    let sender = events.clone();
    // In a task, so that receivers are woken without a lock of the runtime.
    tokio::spawn(async move {
        while let Some(bytes) = published.recv().await {
            // Fails when there is nobody, which is as well.
            let _ = sender.send(payload(bytes).into());
        }
    });
    loop {
        let (stream, _) = listener.accept().await?;
        let (events, audience) = (events.clone(), Arc::clone(&audience));
        tokio::spawn(async move {
            // A connection that breaks is what clients do.
            let _ = connection(stream, &events, &audience).await;
        });
    }
}

async fn connection(
    stream: TcpStream,
    events: &broadcast::Sender<Utf8Bytes>,
    audience: &Audience,
) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut is_probe = false;
    #[expect(clippy::result_large_err, reason = "the library asks for this type")]
    let look = |request: &Request, response: Response| {
        is_probe = request.uri().path().trim_start_matches('/') == PROBE;
        Ok(response)
    };
    let buffers = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0);
    let mut socket = accept_hdr_async_with_config(stream, look, Some(buffers)).await?;
    if is_probe {
        // Reading answers pings and the close.
        while socket.next().await.transpose()?.is_some() {}
        return Ok(());
    }
    let mut events = events.subscribe();
    audience.join();
    let ended = loop {
        tokio::select! {
            event = events.recv() => match event {
                Ok(text) => match socket.send(Message::Text(text)).await {
                    Ok(()) => {}
                    Err(error) => break Err(error),
                },
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => break Ok(()),
            },
            said = socket.next() => match said.transpose() {
                Ok(Some(_)) => {}
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            },
        }
    };
    audience.leave();
    ended
}
