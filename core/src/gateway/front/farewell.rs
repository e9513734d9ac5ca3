//! Turning away politely, at a bounded cost.
//!
//! Somebody who is refused is to be able to read why. So the request is read before the
//! answer is written, and the socket closed only when the client has closed it or a
//! moment has passed: a socket closed with something unread resets the connection, and
//! the answer would be lost on its way.

use std::{fmt::Write as _, io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::gateway::verdict::Reject;

/// The most that are turned away at a time; more are dropped without an answer.
pub(super) const MOST: usize = 512;

/// The largest request read before it is answered.
const HEAD: usize = 16 << 10;
/// How long it is waited for.
const HEAD_TIME: Duration = Duration::from_secs(2);
/// How much more is read and for how long, until the client closes.
const LINGER: usize = 64 << 10;
const LINGER_TIME: Duration = Duration::from_secs(1);

/// Answers a request that nobody has read yet.
pub(super) async fn refuse(stream: std::net::TcpStream, reject: &Reject) -> io::Result<()> {
    let mut stream = TcpStream::from_std(stream)?;
    timeout(HEAD_TIME, read_head(&mut stream)).await??;
    timeout(HEAD_TIME, stream.write_all(written(reject).as_bytes())).await??;
    linger(stream).await
}

/// Says that nothing more comes, and waits for the client to close.
pub(super) async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut bin = [0; 1_024];
    let emptied = async {
        let mut left = LINGER;
        while left > 0 {
            match stream.read(&mut bin).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        Ok(())
    };
    timeout(LINGER_TIME, emptied).await.unwrap_or(Ok(()))
}

/// Reads to the empty line that ends a head.
async fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::with_capacity(1_024);
    loop {
        let read = stream.read_buf(&mut head).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // What was read before has been searched, but for the beginning of an end.
        let new = head.len().saturating_sub(read + 3);
        if memchr::memmem::find(&head[new..], b"\r\n\r\n").is_some() {
            return Ok(());
        }
        if head.len() >= HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// An answer as HTTP/1.1.
fn written(reject: &Reject) -> String {
    let status = reject.status;
    let reason = status.canonical_reason().unwrap_or("Refused");
    let mut text = format!(
        "HTTP/1.1 {} {reason}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n\
         content-length: {}\r\n",
        status.as_u16(),
        reject.body.len()
    );
    for (name, value) in &*reject.headers {
        if let Ok(value) = value.to_str() {
            let _ = write!(text, "{name}: {value}\r\n");
        }
    }
    text.push_str("\r\n");
    text.push_str(&String::from_utf8_lossy(&reject.body));
    text
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use super::*;

    /// What a client reads that sends these bytes in two parts and never closes first.
    fn answered(first: &'static [u8], second: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let client = std::thread::spawn(move || {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.write_all(first).unwrap();
            client.write_all(second).unwrap();
            let mut answer = String::new();
            let _ = client.read_to_string(&mut answer);
            answer
        });
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let reject = Reject::new(503)
            .unwrap()
            .retry_after(Duration::from_secs(7))
            .body("full");
        let _ = runtime.block_on(refuse(server, &reject));
        client.join().unwrap()
    }

    #[test]
    fn an_answer_can_be_read_though_more_was_sent_than_a_head() {
        let answer = answered(b"GET / HTTP/1.1\r\nhost: a\r\n", b"\r\nand then some more");
        assert_eq!(
            answer,
            "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\
             content-type: text/plain; charset=utf-8\r\ncontent-length: 4\r\n\
             retry-after: 7\r\n\r\nfull"
        );
    }

    #[test]
    fn a_head_without_end_gets_no_answer() {
        static LONG: [u8; HEAD] = [b'a'; HEAD];
        assert_eq!(answered(b"GET /", &LONG), "");
    }
}
