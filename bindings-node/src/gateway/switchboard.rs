//! Where the gateway's hooks and JavaScript are put through to each other.
//!
//! A hook never runs JavaScript and never waits for it on a lane: it puts a call into the
//! queue. The two that need an answer, whether somebody may come in and whether a wish is
//! granted, wait for it in tasks of the runtime.

use std::{sync::Arc, time::Duration};

use distributary::gateway::{Accept, Denied, GatewayBuilder, Reject, Request, Wish};

use super::{
    questions::Questions,
    queue::{Call, Queue},
    session::Session,
};

/// What a client is told whose words do not fit any more, and that may come back.
const OVERRUN: &str = "more was said than could be heard";

/// When those come back who came while the event loop ended.
const COME_BACK: Duration = Duration::from_secs(5);

pub(super) type Admitted = Result<Accept<Session>, Reject>;
pub(super) type Granted = Result<Wish, Denied>;

/// A wish, and the id of the client whose it is.
pub(super) type Wished = (u64, Wish);

pub(super) struct Switchboard {
    pub(super) queue: Arc<Queue>,
    pub(super) admissions: Arc<Questions<Request, Admitted>>,
    pub(super) wishes: Arc<Questions<Wished, Granted>>,
}

/// What JavaScript has functions for, beside `authorize`. A gateway behaves differently
/// with a hook than without it, and nothing is called that nobody listens to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listens {
    /// To any of the events in the life of a client: then to its beginning and end.
    pub(super) to_clients: bool,
    pub(super) to_wishes: bool,
    pub(super) to_messages: bool,
}

impl Switchboard {
    pub(super) fn new(queue: Arc<Queue>) -> Arc<Self> {
        Arc::new(Switchboard {
            admissions: Questions::new(&queue),
            wishes: Questions::new(&queue),
            queue,
        })
    }

    /// Gives the gateway hooks that call JavaScript.
    pub(super) fn connect(
        self: &Arc<Self>,
        builder: GatewayBuilder,
        listens: Listens,
    ) -> GatewayBuilder<Session> {
        let board = Arc::clone(self);
        let mut builder = builder.authorize(move |request| {
            let board = Arc::clone(&board);
            async move {
                let answer = board.admissions.ask(request, Call::Admit).await;
                answer.unwrap_or_else(|| Err(nobody_there()))
            }
        });
        if listens.to_clients {
            let (opened, ended) = (Arc::clone(&self.queue), Arc::clone(&self.queue));
            builder = builder
                .on_open(move |client| {
                    opened.put(Call::Opened(client.clone()));
                })
                .on_end(move |client, why| {
                    ended.put(Call::Ended(client.id(), why));
                });
        }
        if listens.to_wishes {
            let board = Arc::clone(self);
            builder = builder.on_subscribe(move |client, wish| {
                let board = Arc::clone(&board);
                async move {
                    let answer = board.wishes.ask((client.id(), wish), Call::Grant).await;
                    answer.unwrap_or_else(|| Err(Denied::new("the service ends")))
                }
            });
        }
        if listens.to_messages {
            let queue = Arc::clone(&self.queue);
            builder = builder.on_message(move |client, message| {
                if !queue.say(client.id(), message) {
                    client.turn_away(OVERRUN);
                }
            });
        }
        builder
    }

    /// JavaScript is not there any more: whoever waits for it is turned away, and what
    /// waits for it is let go of.
    pub(super) fn hang_up(&self) {
        self.queue.hang_up();
        self.admissions.close();
        self.wishes.close();
    }
}

fn nobody_there() -> Reject {
    let later = Reject::new(503).map(|reject| {
        let reject = reject.body("the service ends: come back later");
        reject.retry_after(COME_BACK)
    });
    later.unwrap_or_else(|_| Reject::forbidden())
}
