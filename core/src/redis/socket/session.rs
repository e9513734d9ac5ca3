//! One connection, once it stands: requests and their replies, pushes to a listener.
//!
//! Requests go out in the order of the calls, whether or not their futures are awaited;
//! replies come back in that order. A subscription is answered by pushes, one per name,
//! or by one error: it counts as one reply here, `Nil` once all its names are confirmed.
//!
//! Shard channels are also parted without having been asked, when their slot moves, and the
//! push looks the same. Counting would take it for the answer, and the error that is the
//! answer for that to the next command. So their end is marked by a `HELLO`, which every
//! user may send at any time: whatever came before its reply belongs to the parting.
//!
//! # Invariants
//!
//! - The socket is always read, whatever waits to be written: a server whose output is
//!   not read holds it in its own memory, and cuts the reader off.
//! - Once broken, always broken: every open request fails, and every later one.
//! - What the server sent before it ended the connection is heard, whatever fails first.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    future::Future,
    pin::pin,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Notify, oneshot},
    time::sleep,
};

use super::frames::{self, Frame, Kind, Push, Reply};
use crate::redis::arrival::Stamp;

/// Room for one read.
const READ: usize = 64 * 1024;

/// A buffer that one huge frame has grown beyond this is given back.
const KEPT: usize = 1024 * 1024;

/// How long a connection is read that cannot be written to, should it not end by itself.
const LAST: Duration = Duration::from_secs(1);

/// Reads in a row before other tasks of the thread have their turn.
const TURN: usize = 8;

/// Commands under construction, sent in one write.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    bytes: BytesMut,
    wants: Vec<Want>,
    replies: usize,
}

/// What answers a command, or several alike.
#[derive(Debug, Clone, PartialEq)]
enum Want {
    /// So many replies.
    Replies(usize),
    /// So many confirmations, or one error.
    Confirmations {
        kind: Kind,
        joined: bool,
        names: usize,
    },
    /// The end of shard channels, then the reply to the `HELLO` behind it; and the error,
    /// if there was one.
    Parting(Option<Reply>),
}

impl Commands {
    /// Adds one command; it has one reply.
    pub(crate) fn command(&mut self, parts: &[&[u8]]) -> &mut Self {
        self.write(parts);
        self.replies += 1;
        match self.wants.last_mut() {
            Some(Want::Replies(count)) => *count += 1,
            _ => self.wants.push(Want::Replies(1)),
        }
        self
    }

    /// Adds a subscription or its end; it has one reply: `Nil` or an error. Without names
    /// nothing is added.
    pub(crate) fn listen(&mut self, kind: Kind, joined: bool, names: &[&[u8]]) -> &mut Self {
        if names.is_empty() {
            return self;
        }
        let verb: &[u8] = match (kind, joined) {
            (Kind::Channel, true) => b"SUBSCRIBE",
            (Kind::Channel, false) => b"UNSUBSCRIBE",
            (Kind::Pattern, true) => b"PSUBSCRIBE",
            (Kind::Pattern, false) => b"PUNSUBSCRIBE",
            (Kind::Shard, true) => b"SSUBSCRIBE",
            (Kind::Shard, false) => b"SUNSUBSCRIBE",
        };
        self.head(names.len() + 1);
        self.part(verb);
        for name in names {
            self.part(name);
        }
        self.replies += 1;
        if (kind, joined) == (Kind::Shard, false) {
            self.write(&[b"HELLO"]);
            self.wants.push(Want::Parting(None));
        } else {
            self.wants.push(Want::Confirmations {
                kind,
                joined,
                names: names.len(),
            });
        }
        self
    }

    /// What goes out on the wire.
    #[cfg(test)]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many replies they will have.
    #[cfg(test)]
    pub(crate) fn replies(&self) -> usize {
        self.replies
    }

    /// Bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn write(&mut self, parts: &[&[u8]]) {
        self.head(parts.len());
        for part in parts {
            self.part(part);
        }
    }

    fn head(&mut self, parts: usize) {
        self.bytes.put_u8(b'*');
        self.number(parts);
    }

    fn part(&mut self, part: &[u8]) {
        self.bytes.reserve(part.len() + 16);
        self.bytes.put_u8(b'$');
        self.number(part.len());
        self.bytes.put_slice(part);
        self.bytes.put_slice(b"\r\n");
    }

    fn number(&mut self, mut number: usize) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.bytes.put_slice(&digits[at..]);
        self.bytes.put_slice(b"\r\n");
    }
}

/// Hears what a connection pushes, in stream order, on the connection's thread. `now` is
/// taken once per read.
pub(crate) trait Listener {
    fn push(&mut self, push: Push<'_>, now: Stamp);

    /// Everything that was read at once has been pushed.
    fn rest(&mut self, now: Stamp) {
        let _ = now;
    }
}

/// Why a connection is no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Requests that were sent together, and what has come of them.
struct Open {
    wants: VecDeque<Want>,
    replies: Vec<Reply>,
    told: oneshot::Sender<Vec<Reply>>,
    /// On the wire.
    bytes: u64,
}

struct Shared {
    outgoing: RefCell<BytesMut>,
    /// Bytes of all requests so far, and of those that were answered.
    said: Cell<u64>,
    settled: Cell<u64>,
    /// When anything was answered last.
    answered: Cell<Instant>,
    open: RefCell<VecDeque<Open>>,
    broken: RefCell<Option<Broken>>,
    /// There is something to write.
    write: Notify,
    /// It is broken.
    over: Notify,
}

/// Held by the task that drives the stream: however that ends, the connection does.
struct Driven(Rc<Shared>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.end(Broken("it was let go of".into()));
    }
}

/// One connection. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session(Rc<Shared>);

/// What a session stands on.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl Session {
    /// Drives a stream by a task of this thread until it breaks or is closed.
    pub(crate) fn start(stream: Box<dyn Stream>, listener: impl Listener + 'static) -> Session {
        let shared = Rc::new(Shared {
            outgoing: RefCell::default(),
            said: Cell::new(0),
            settled: Cell::new(0),
            answered: Cell::new(Instant::now()),
            open: RefCell::default(),
            broken: RefCell::default(),
            write: Notify::new(),
            over: Notify::new(),
        });
        let driven = Driven(Rc::clone(&shared));
        tokio::task::spawn_local(async move {
            let driven = &driven.0;
            let (read, write) = tokio::io::split(stream);
            // Registered before anything runs, so that no end goes by unseen.
            let over = driven.over.notified();
            if driven.broken.borrow().is_some() {
                return;
            }
            let writing = pin!(async {
                let broken = write_all(write, driven).await;
                // The server has gone, and what it sent before waits to be read.
                sleep(LAST).await;
                broken
            });
            tokio::select! {
                biased;
                () = over => {}
                broken = read_all(read, driven, listener) => driven.end(broken),
                broken = writing => driven.end(broken),
            }
        });
        Session(shared)
    }

    /// Sends the commands at once, before anything that is requested later; the future has
    /// one reply per command. Dropping it drops the replies alone.
    pub(crate) fn request(
        &self,
        commands: Commands,
    ) -> impl Future<Output = Result<Vec<Reply>, Broken>> + use<> {
        let shared = Rc::clone(&self.0);
        let (told, replies) = oneshot::channel();
        if commands.wants.is_empty() {
            let _ = told.send(Vec::new());
        } else if shared.broken.borrow().is_none() {
            shared.open.borrow_mut().push_back(Open {
                wants: commands.wants.into(),
                replies: Vec::with_capacity(commands.replies),
                told,
                bytes: commands.bytes.len() as u64,
            });
            shared
                .said
                .set(shared.said.get() + commands.bytes.len() as u64);
            let mut outgoing = shared.outgoing.borrow_mut();
            if outgoing.is_empty() {
                *outgoing = commands.bytes;
            } else {
                outgoing.extend_from_slice(&commands.bytes);
            }
            drop(outgoing);
            shared.write.notify_one();
        }
        async move { replies.await.map_err(|_| shared.reason()) }
    }

    /// Bytes of all requests so far.
    pub(crate) fn said(&self) -> u64 {
        self.0.said.get()
    }

    /// Bytes of the requests that were answered whole: the first ones that were said.
    pub(crate) fn settled(&self) -> u64 {
        self.0.settled.get()
    }

    /// For how long nothing was answered. Says nothing where nothing was asked.
    pub(crate) fn unanswered(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.0.answered.get())
    }

    /// Ready once the connection is no more.
    pub(crate) fn closed(&self) -> impl Future<Output = Broken> + use<> {
        let shared = Rc::clone(&self.0);
        async move {
            loop {
                let over = shared.over.notified();
                if shared.broken.borrow().is_some() {
                    return shared.reason();
                }
                over.await;
            }
        }
    }

    /// Why it is no more, if so.
    pub(crate) fn ended(&self) -> Option<Broken> {
        self.0.broken.borrow().clone()
    }

    /// Ends it.
    pub(crate) fn close(&self, why: &str) {
        self.0.end(Broken(why.to_owned()));
    }
}

impl Shared {
    fn reason(&self) -> Broken {
        let broken = self.broken.borrow().clone();
        broken.unwrap_or_else(|| Broken("the connection is gone".into()))
    }

    fn end(&self, why: Broken) {
        if self.broken.borrow().is_some() {
            return;
        }
        *self.broken.borrow_mut() = Some(why);
        let open = std::mem::take(&mut *self.open.borrow_mut());
        // Whoever waits for a reply sees its sender go.
        drop(open);
        self.over.notify_waiters();
    }

    /// Takes a reply for the oldest command that waits for one.
    fn reply(&self, mut reply: Reply) -> Result<(), Broken> {
        let mut open = self.open.borrow_mut();
        let front = open
            .front_mut()
            .ok_or_else(|| Broken(format!("the server answered without a question: {reply:?}")))?;
        match front.wants.front_mut() {
            Some(Want::Replies(count)) => {
                *count -= 1;
                if *count == 0 {
                    front.wants.pop_front();
                }
            }
            Some(Want::Confirmations { .. }) if reply.error().is_some() => {
                front.wants.pop_front();
            }
            Some(Want::Parting(refused)) if refused.is_none() && reply.error().is_some() => {
                *refused = Some(reply);
                return Ok(());
            }
            Some(Want::Parting(refused)) if matches!(reply, Reply::Map(_)) => {
                reply = refused.take().unwrap_or(Reply::Nil);
                front.wants.pop_front();
            }
            _ => {
                return Err(Broken(format!(
                    "the server answered a subscription with {reply:?}"
                )));
            }
        }
        front.replies.push(reply);
        self.settle(&mut open);
        Ok(())
    }

    /// Counts a confirmation, if the oldest command waits for it.
    fn confirmed(&self, kind: Kind, joined: bool) {
        let mut open = self.open.borrow_mut();
        let Some(front) = open.front_mut() else {
            return;
        };
        let Some(Want::Confirmations {
            kind: wanted,
            joined: way,
            names,
        }) = front.wants.front_mut()
        else {
            return;
        };
        if *wanted != kind || *way != joined {
            return;
        }
        *names -= 1;
        if *names == 0 {
            front.wants.pop_front();
            front.replies.push(Reply::Nil);
            self.settle(&mut open);
        }
    }

    fn settle(&self, open: &mut VecDeque<Open>) {
        if open.front().is_some_and(|front| front.wants.is_empty())
            && let Some(front) = open.pop_front()
        {
            self.settled.set(self.settled.get() + front.bytes);
            let _ = front.told.send(front.replies);
        }
    }
}

async fn read_all(
    mut read: impl AsyncRead + Unpin,
    shared: &Shared,
    mut listener: impl Listener,
) -> Broken {
    let mut buffer = BytesMut::with_capacity(READ);
    let mut turns = 0;
    loop {
        if buffer.is_empty() && buffer.capacity() > KEPT {
            buffer = BytesMut::with_capacity(READ);
        }
        buffer.reserve(READ / 4);
        match read.read_buf(&mut buffer).await {
            Ok(0) => return Broken("the server closed the connection".into()),
            Ok(_) => {}
            Err(error) => return Broken(format!("reading failed: {error}")),
        }
        let now = Stamp::now();
        let mut at = 0;
        loop {
            match frames::next(&buffer[at..]) {
                Ok(None) => break,
                Err(malformed) => return Broken(malformed.to_string()),
                Ok(Some((frame, length))) => {
                    at += length;
                    match frame {
                        Frame::Push(push) => {
                            listener.push(push, now);
                            if let Push::Confirmed { kind, joined, .. } = push {
                                shared.answered.set(now.instant);
                                shared.confirmed(kind, joined);
                            }
                        }
                        Frame::Reply(reply) => {
                            shared.answered.set(now.instant);
                            if let Err(broken) = shared.reply(reply) {
                                return broken;
                            }
                        }
                    }
                }
            }
        }
        buffer.advance(at);
        listener.rest(now);
        turns += 1;
        if turns % TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
}

async fn write_all(mut write: impl AsyncWrite + Unpin, shared: &Shared) -> Broken {
    loop {
        let bytes = std::mem::take(&mut *shared.outgoing.borrow_mut());
        if bytes.is_empty() {
            shared.write.notified().await;
            continue;
        }
        let written = async {
            write.write_all(&bytes).await?;
            write.flush().await
        };
        if let Err(error) = written.await {
            return Broken(format!("writing failed: {error}"));
        }
    }
}
