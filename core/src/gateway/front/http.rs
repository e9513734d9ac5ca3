//! The handshake of one connection: hyper reads the request, the application is asked,
//! and either hyper writes the refusal or the socket is taken from hyper before it has
//! answered.
//!
//! hyper's service only puts the request where [`Exchange`] keeps it and waits for an
//! answer to be put there. So everything that decides is outside of hyper, and when it
//! lets the client in the connection is taken apart instead of being answered. A
//! connection serves one request: after a refusal it is closed, so that it does not
//! keep a place among the handshakes.
//!
//! One task and one poll of it do all this for a client whose request is there at once
//! and whose application answers at once.

use std::{
    borrow::Cow,
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::Service,
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{
    Connected, Entry, Inner,
    door::Seat,
    farewell, forwarded,
    handshake::{Asked, Unfit, check_host, is_framing},
    refused::Refused,
    socket::Socket,
};
use crate::{
    gateway::{lanes::Stream, request::Request, verdict::Reject},
    sync::Mutex,
};

/// The largest head of a request.
const HEAD: usize = 16 << 10;

/// How long a refusal may take to be written.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How handshakes are read.
pub(super) fn settings() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.max_buf_size(HEAD)
        .keep_alive(false)
        // Nothing is read behind the head: that is the lane's, and would cost a system
        // call. Where a client is waited with, its socket is watched from outside.
        .half_close(true)
        // The whole handshake is bounded, which is stricter and needs one timer.
        .header_read_timeout(None);
    http
}

/// Sees a connection through its handshake, into a lane or away.
pub(super) async fn serve(
    front: Arc<Inner>,
    stream: std::net::TcpStream,
    peer: IpAddr,
    mut seat: Seat,
) {
    let exchange = Arc::new(Exchange::default());
    let socket = Socket::fresh(stream);
    let io = TokioIo::new(socket.clone());
    let mut connection = front.http.serve_connection(io, Ask(Arc::clone(&exchange)));
    let handshake = async {
        let request = next_request(&mut connection, &exchange).await?;
        admit(&front, request, peer, &mut seat, &socket).await
    };
    let away = match bounded(&front, handshake).await {
        Ok(admitted) => match hand_over(&front, connection, admitted, seat) {
            Ok(()) => return,
            // The runtime does not let go of the socket, which is then closed.
            Err(_) => return front.shared.meters.front.refused(Refused::Broken),
        },
        // The client was in time and waits: it was the application that was not.
        Err(Away::Gone(why @ Refused::Timeout)) if exchange.has_request_been_read() => {
            Away::Refused((why, front.door.answer(why)))
        }
        Err(away) => away,
    };
    let meters = &front.shared.meters.front;
    match away {
        Away::Gone(why) => {
            meters.refused(why);
            return;
        }
        // hyper has answered by itself what is not HTTP.
        Away::Garbled => meters.refused(Refused::BadRequest),
        Away::Refused((why, reject)) => {
            meters.refused(why);
            exchange.answer(response(reject));
            let answered = poll_fn(|cx| connection.poll_without_shutdown(cx));
            if !matches!(timeout(ANSWER_TIME, answered).await, Ok(Ok(()))) {
                return;
            }
        }
    }
    drop(seat);
    if let Ok(_permit) = front.farewells.try_acquire() {
        let io = connection.into_parts().io.into_inner();
        if let Ok(stream) = io.into_tokio() {
            // The answer is out; what becomes of it is the client's affair.
            let _ = farewell::linger(stream).await;
        }
    }
}

/// Takes the socket from hyper and gives it to a lane.
fn hand_over(
    front: &Inner,
    connection: Connection,
    admitted: Admitted,
    seat: Seat,
) -> io::Result<()> {
    let parts = connection.into_parts();
    let stream = parts.io.into_inner().into_std()?;
    let Admitted {
        asked,
        entry,
        resume,
    } = admitted;
    let (speech, protocol) = asked.speech(&entry.grant, front.shared.json);
    let connected = Connected {
        stream: Stream::accepted(stream),
        head: asked.head(protocol.as_ref(), &entry.grant),
        read_ahead: parts.read_buf,
        speech,
        resume,
    };
    front.place(connected, entry, seat);
    Ok(())
}

/// Why a connection goes to no lane.
enum Away {
    /// There is nobody to answer, or nothing to say.
    Gone(Refused),
    /// What was sent is not HTTP.
    Garbled,
    Refused(Unfit),
}

type Connection = http1::Connection<TokioIo<Socket>, Ask>;

async fn next_request(
    connection: &mut Connection,
    exchange: &Exchange,
) -> Result<http::Request<Incoming>, Away> {
    poll_fn(|cx| match connection.poll_without_shutdown(cx) {
        Poll::Ready(Err(error)) if error.is_parse() => Poll::Ready(Err(Away::Garbled)),
        Poll::Ready(_) => Poll::Ready(Err(Away::Gone(Refused::Broken))),
        Poll::Pending => match exchange.take_request() {
            Some(request) => Poll::Ready(Ok(request)),
            None => Poll::Pending,
        },
    })
    .await
}

/// Until it is done, time is up, or the gateway ends.
async fn bounded<T>(front: &Inner, work: impl Future<Output = Result<T, Away>>) -> Result<T, Away> {
    let mut work = pin!(work);
    let mut time = pin!(tokio::time::sleep(front.shared.limits.handshake_timeout));
    let mut end = pin!(front.ending.wait());
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        if time.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Away::Gone(Refused::Timeout)));
        }
        if end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Away::Gone(Refused::Draining)));
        }
        Poll::Pending
    })
    .await
}

/// Who is let in, and how.
struct Admitted {
    asked: Asked,
    entry: Entry,
    resume: Option<String>,
}

impl From<Unfit> for Away {
    fn from(unfit: Unfit) -> Self {
        Away::Refused(unfit)
    }
}

async fn admit(
    front: &Inner,
    request: http::Request<Incoming>,
    peer: IpAddr,
    seat: &mut Seat,
    socket: &Socket,
) -> Result<Admitted, Away> {
    let (head, body) = request.into_parts();
    check_host(head.version, &head.headers)?;
    let shared = &front.shared;
    let path = head.uri.path();
    if !shared.paths.is_empty() && shared.paths.iter().all(|served| served != path) {
        let reject = Reject::with(StatusCode::NOT_FOUND);
        let text = Refused::NotFound.to_string();
        return Err((Refused::NotFound, reject.body(text)).into());
    }
    let asked = Asked::read(&head.method, head.version, &head.headers)?;
    if !body.is_end_stream() {
        let reject = Reject::with(StatusCode::BAD_REQUEST).body("send no body");
        return Err((Refused::BadRequest, reject).into());
    }
    let turned_away = |why| Away::Refused((why, front.door.answer(why)));
    let proxies = shared.limits.trusted_proxies;
    let address = forwarded::client(peer, &head.headers, proxies);
    if proxies > 0 {
        seat.place(address).map_err(turned_away)?;
    }
    let request = Request {
        uri: head.uri,
        headers: head.headers,
        address,
        transport: asked.transport(),
    };
    let resume = resume(&request);
    let entry = match front.returning(&request) {
        Some(entry) => entry,
        None => while_there(socket, authorize(front, request)).await??,
    };
    // The drain may have begun while the application thought.
    match front.door.is_draining() {
        true => Err(turned_away(Refused::Draining)),
        false => Ok(Admitted {
            asked,
            entry,
            resume,
        }),
    }
}

/// Gives up as soon as the client has gone. An answer that is there at once costs no look.
async fn while_there<T>(socket: &Socket, asked: impl Future<Output = T>) -> Result<T, Away> {
    let mut asked = pin!(asked);
    let mut closed = pin!(socket.closed());
    poll_fn(|cx| match asked.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Ok(answer)),
        Poll::Pending => closed
            .as_mut()
            .poll(cx)
            .map(|()| Err(Away::Gone(Refused::Broken))),
    })
    .await
}

/// Where a client that comes back wants to go on.
pub(super) fn resume(request: &Request) -> Option<String> {
    let position = request.position()?;
    Some(position.map_or_else(|| UNREADABLE.to_owned(), Cow::into_owned))
}

/// Stands for a position that is no text, and is none itself: from there nothing can be
/// resumed, and the client is told so.
const UNREADABLE: &str = "*";

/// Asks the application, and survives it.
async fn authorize(front: &Inner, request: Request) -> Result<Entry, Unfit> {
    let hook = &front.shared.hooks.authorize;
    let mut asked = contained(|| hook(request)).map_err(|()| panicked())?;
    let verdict = poll_fn(|cx| match contained(|| asked.as_mut().poll(cx)) {
        Ok(poll) => poll.map(Some),
        Err(()) => Poll::Ready(None),
    })
    .await;
    let _ = contained(move || drop(asked));
    match verdict {
        Some(Ok(accept)) => Ok(Entry {
            grant: Arc::new(accept.grant),
            session: accept.session,
            held: None,
        }),
        Some(Err(mut reject)) => {
            let framing: Vec<_> = reject
                .headers
                .keys()
                .filter(|n| is_framing(n))
                .cloned()
                .collect();
            for name in framing {
                reject.headers.remove(name);
            }
            Err((Refused::Application, reject))
        }
        None => Err(panicked()),
    }
}

fn panicked() -> Unfit {
    let reject = Reject::with(StatusCode::INTERNAL_SERVER_ERROR);
    let text = Refused::Panicked.to_string();
    (Refused::Panicked, reject.body(text))
}

/// Runs code of the application.
fn contained<T>(code: impl FnOnce() -> T) -> Result<T, ()> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        // The payload is the application's as well.
        let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
    })
}

/// What hyper's service and the handshake around it pass to each other. Both run in one
/// task, one after the other; the lock is for the compiler.
#[derive(Default)]
struct Exchange(Mutex<State>);

#[derive(Default)]
struct State {
    request: Option<http::Request<Incoming>>,
    is_read: bool,
    answer: Option<Response<Text>>,
}

impl Exchange {
    fn take_request(&self) -> Option<http::Request<Incoming>> {
        self.0.lock().request.take()
    }

    fn has_request_been_read(&self) -> bool {
        self.0.lock().is_read
    }

    /// hyper finds it when the connection is polled next.
    fn answer(&self, response: Response<Text>) {
        self.0.lock().answer = Some(response);
    }
}

struct Ask(Arc<Exchange>);

impl Service<http::Request<Incoming>> for Ask {
    type Response = Response<Text>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: http::Request<Incoming>) -> Answer {
        let mut state = self.0.0.lock();
        state.request = Some(request);
        state.is_read = true;
        drop(state);
        Answer(Arc::clone(&self.0))
    }
}

struct Answer(Arc<Exchange>);

impl Future for Answer {
    type Output = Result<Response<Text>, Infallible>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.0.0.lock().answer.take() {
            Some(response) => Poll::Ready(Ok(response)),
            None => Poll::Pending,
        }
    }
}

/// A refusal as hyper writes it.
pub(super) fn response(reject: Reject) -> Response<Text> {
    let mut response = Response::new(Text(reject.body));
    *response.status_mut() = reject.status;
    *response.headers_mut() = *reject.headers;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_TYPE).or_insert(plain);
    response
}

/// A body that is there already.
pub(super) struct Text(pub(super) Bytes);

impl Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let text = std::mem::take(&mut self.0);
        Poll::Ready((!text.is_empty()).then(|| Ok(Frame::data(text))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}
