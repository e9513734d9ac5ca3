//! Between a stream that no lane can poll, TLS above all, and a lane: the lane serves
//! the near end of a pair of local sockets, a task copies between the far end and the
//! stream. It costs two copies and a task for each such connection.

use std::{io, os::unix::net::UnixStream as StdUnixStream, pin::pin};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

use crate::gateway::limits::Limits;

/// How much is copied at a time.
const CHUNK: usize = 8 << 10;

/// A near end for a lane, a far end for [`run`].
pub(super) fn pair() -> io::Result<(StdUnixStream, UnixStream)> {
    let (near, far) = StdUnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    Ok((near, UnixStream::from_std(far)?))
}

/// Copies both ways until the lane has closed its end, and all that it wrote has been
/// taken or was not taken in time.
pub(super) async fn run<T>(stream: T, far: UnixStream, limits: &Limits)
where
    T: AsyncRead + AsyncWrite,
{
    let (mut from_client, mut to_client) = tokio::io::split(stream);
    let (mut from_lane, mut to_lane) = far.into_split();
    let up = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_lane).await;
        // The lane sees that the client has gone, and closes its end.
        let _ = to_lane.shutdown().await;
    };
    let down = async {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = match from_lane.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(read) => read,
            };
            // The lane's own watch over writes sees the pair of sockets take them; what
            // the client takes only this one sees.
            let taken = to_client.write_all(&chunk[..read]);
            match timeout(limits.write_timeout, taken).await {
                Ok(Ok(())) => {}
                _ => return,
            }
            if timeout(limits.write_timeout, to_client.flush())
                .await
                .is_err()
            {
                return;
            }
        }
        let _ = timeout(limits.close_timeout, to_client.shutdown()).await;
    };
    let (mut up, mut down) = (pin!(up), pin!(down));
    let mut left = false;
    std::future::poll_fn(|cx| {
        left = left || up.as_mut().poll(cx).is_ready();
        down.as_mut().poll(cx)
    })
    .await;
    if !left {
        // The lane has said goodbye: the client may answer that for a moment.
        let _ = timeout(limits.close_timeout, up).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        time::Duration,
    };

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    }

    #[test]
    fn both_ways_are_copied_until_the_lane_closes() {
        runtime().block_on(async {
            let (mut near, far) = pair().unwrap();
            let (mut client, stream) = tokio::io::duplex(64);
            let limits = Limits::default();
            let bridge = tokio::spawn(async move { run(stream, far, &limits).await });
            client.write_all(b"up").await.unwrap();
            let lane = std::thread::spawn(move || {
                near.set_nonblocking(false).unwrap();
                let mut up = [0; 2];
                near.read_exact(&mut up).unwrap();
                near.write_all(&[b'x'; 100_000]).unwrap();
                up
            });
            let mut down = Vec::new();
            client.read_to_end(&mut down).await.unwrap();
            assert_eq!(down.len(), 100_000);
            assert_eq!(&lane.join().unwrap(), b"up");
            drop(client);
            bridge.await.unwrap();
        });
    }

    #[test]
    fn a_client_that_leaves_is_seen_by_the_lane() {
        runtime().block_on(async {
            let (mut near, far) = pair().unwrap();
            let (client, stream) = tokio::io::duplex(64);
            let limits = Limits::default();
            let bridge = tokio::spawn(async move { run(stream, far, &limits).await });
            drop(client);
            let lane = std::thread::spawn(move || {
                near.set_nonblocking(false).unwrap();
                near.read(&mut [0; 8]).unwrap()
            });
            bridge.await.unwrap();
            assert_eq!(lane.join().unwrap(), 0);
        });
    }

    #[test]
    fn a_client_that_takes_nothing_ends_the_bridge_in_time() {
        runtime().block_on(async {
            let (mut near, far) = pair().unwrap();
            let (client, stream) = tokio::io::duplex(64);
            let short = Duration::from_millis(20);
            let limits = Limits::default().write_timeout(short).close_timeout(short);
            let bridge = tokio::spawn(async move { run(stream, far, &limits).await });
            near.write_all(&[b'x'; 1_000]).unwrap();
            drop(near);
            bridge.await.unwrap();
            drop(client);
        });
    }
}
