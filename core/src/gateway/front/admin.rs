//! `/metrics` and `/healthz`, on an address of their own.

use std::{convert::Infallible, fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{sync::Semaphore, time::timeout};

use super::{Inner, http::Text, memory::resident_now};
use crate::{
    gateway::{ended::Ended, meters::GatewayStats},
    metrics::prometheus::Page,
};

/// Who asks at a time; more are dropped.
const MOST: usize = 32;

/// How long one may take to ask and to be answered.
const TIME: Duration = Duration::from_secs(10);

/// What Prometheus reads.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Where questions are answered.
pub(super) struct Desk {
    http: http1::Builder,
    free: Arc<Semaphore>,
}

impl Desk {
    pub(super) fn new() -> Self {
        let mut http = http1::Builder::new();
        http.max_buf_size(8 << 10)
            .keep_alive(false)
            .header_read_timeout(None);
        Desk {
            http,
            free: Arc::new(Semaphore::new(MOST)),
        }
    }

    /// Answers one connection, if there is room.
    pub(super) fn arrived(&self, front: &Arc<Inner>, stream: std::net::TcpStream) {
        let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() else {
            return;
        };
        let Ok(stream) = tokio::net::TcpStream::from_std(stream) else {
            return;
        };
        let (http, front) = (self.http.clone(), Arc::clone(front));
        tokio::spawn(async move {
            let service = service_fn(|request: http::Request<Incoming>| {
                let front = Arc::clone(&front);
                async move { Ok::<_, Infallible>(answer(&front, &request).await) }
            });
            let served = http.serve_connection(TokioIo::new(stream), service);
            // Who went, or took too long, has no answer; nobody else is to be told.
            let _ = timeout(TIME, served).await;
            drop(permit);
        });
    }
}

async fn answer(front: &Arc<Inner>, request: &http::Request<Incoming>) -> Response<Text> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is served here\n");
    }
    match request.uri().path() {
        "/healthz" if front.door.is_draining() => {
            text(StatusCode::SERVICE_UNAVAILABLE, "draining\n")
        }
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/metrics" => {
            let front = Arc::clone(front);
            // A hub with many topics takes a while to be counted up.
            let page = tokio::task::spawn_blocking(move || page(&front)).await;
            match page {
                Ok(page) => text(StatusCode::OK, page),
                Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the count failed\n"),
            }
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /metrics and /healthz here\n",
        ),
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Text> {
    let mut response = Response::new(Text(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    response
}

fn page(front: &Inner) -> String {
    let mut text = front.shared.hub.prometheus();
    text.push_str(&front.shared.meters.snapshot().prometheus());
    let mut page = Page::default();
    let draining = u64::from(front.door.is_draining());
    page.gauge(
        "distributary_gateway_draining",
        "1 while the gateway sends everybody away.",
        draining,
    );
    if let Some(bytes) = resident_now() {
        page.gauge(
            "distributary_process_resident_bytes",
            "Resident set of the process.",
            bytes,
        );
    }
    let _ = write!(text, "{}", page.into_text());
    text
}

impl GatewayStats {
    /// These counters as Prometheus reads them (text format 0.0.4). The admin address
    /// answers `/metrics` with this behind [`Hub::prometheus`](crate::Hub::prometheus).
    pub fn prometheus(&self) -> String {
        let mut page = Page::default();
        let served = self.open.saturating_sub(self.stalled + self.closing);
        page.family(
            "distributary_gateway_connections",
            "gauge",
            "Connections now, by state: in their handshake, taking what they get, \
             taking nothing at the moment, told goodbye.",
        );
        for (state, count) in [
            ("handshaking", self.handshaking),
            ("open", served),
            ("stalled", self.stalled),
            ("closing", self.closing),
        ] {
            page.sample(
                "distributary_gateway_connections",
                &[("state", state)],
                count,
            );
        }
        for (name, help, count) in [
            (
                "distributary_gateway_accepted_total",
                "Connections accepted from the listening socket.",
                self.accepted,
            ),
            (
                "distributary_gateway_accept_errors_total",
                "Errors of listening sockets, such as having no descriptor left.",
                self.accept_errors,
            ),
            (
                "distributary_gateway_opened_total",
                "Connections let in.",
                self.opened,
            ),
            (
                "distributary_gateway_returned_total",
                "Connections let in by a ticket, without a call of the application.",
                self.returned,
            ),
            (
                "distributary_gateway_unanswered_total",
                "Refused connections dropped without an answer.",
                self.unanswered,
            ),
            (
                "distributary_gateway_lag_told_total",
                "Clients told, or closed for it, that they missed events.",
                self.lag_told,
            ),
            (
                "distributary_gateway_written_bytes_total",
                "Bytes that the system took for sockets.",
                self.bytes_written,
            ),
            (
                "distributary_gateway_writes_total",
                "Calls that wrote to sockets.",
                self.writes,
            ),
            (
                "distributary_gateway_frames_made_total",
                "Frames made, once per event and kind.",
                self.frames_made,
            ),
            (
                "distributary_gateway_messages_read_total",
                "Messages that clients sent.",
                self.messages_read,
            ),
            (
                "distributary_gateway_closed_writes_total",
                "Attempts to write to a socket that had been closed. Stays 0.",
                self.closed_writes,
            ),
        ] {
            page.counter(name, help, count);
        }
        let name = "distributary_gateway_ended_total";
        page.family(name, "counter", "Connections ended, by reason.");
        for (ended, count) in self.ended() {
            page.sample(name, &[("reason", Ended::name(ended))], count);
        }
        let name = "distributary_gateway_refused_total";
        page.family(name, "counter", "Connections turned away, by reason.");
        for (refused, count) in self.refused() {
            page.sample(name, &[("reason", refused.name())], count);
        }
        page.shares(
            "distributary_gateway_event_share",
            "Share of open connections that an event was sent to.",
            &self.share,
        );
        page.durations(
            "distributary_gateway_read_wait_seconds",
            "How long what clients sent may have waited until a lane looked at it.",
            &self.read_wait,
        );
        page.durations(
            "distributary_gateway_command_wait_seconds",
            "From the posting of a command to a lane until it was carried out.",
            &self.command_wait,
        );
        page.into_text()
    }
}
