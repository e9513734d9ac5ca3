//! The gateway's hooks, put through to Python.
//!
//! A hook never runs Python and never waits for it on a lane: it leaves a call on the
//! [`board`](super::board). The two that need an answer, whether somebody may come in and
//! whether a wish is granted, wait for it in tasks of the runtime.

use std::{sync::Arc, time::Duration};

use distributary::gateway::{Accept, Denied, GatewayBuilder, Reject, Request, Wish};

use super::{
    board::{Board, Call, Side},
    questions::Questions,
    session::Session,
};

/// What a client is told whose words do not fit any more, and that may come back.
const OVERRUN: &str = "more was said than could be heard";

/// When those come back who came while nobody could be asked.
const COME_BACK: Duration = Duration::from_secs(5);

pub(super) type Admitted = Result<Accept<Session>, Reject>;
pub(super) type Granted = Result<Wish, Denied>;

/// A wish, and the number of the client whose it is.
pub(super) type Wished = (u64, Wish);

/// Both sides of all hooks.
pub(super) struct Switchboard {
    pub(super) board: Arc<Board>,
    pub(super) admissions: Arc<Questions<Request, Admitted>>,
    /// `None`: wishes are never granted.
    pub(super) wishes: Option<Arc<Questions<Wished, Granted>>>,
}

impl Switchboard {
    /// Gives the gateway hooks that call Python. A gateway behaves differently with a hook
    /// than without it, so there are none that nobody listens to.
    pub(super) fn connect(
        &self,
        builder: GatewayBuilder,
        to_clients: bool,
        to_messages: bool,
    ) -> GatewayBuilder<Session> {
        let (board, admissions) = (Arc::clone(&self.board), Arc::clone(&self.admissions));
        let mut builder = builder.authorize(move |request| {
            let (board, admissions) = (Arc::clone(&board), Arc::clone(&admissions));
            async move {
                let answer = admissions.ask(&board, request, Call::Admit).await;
                answer.unwrap_or_else(|| Err(nobody_there()))
            }
        });
        if to_clients {
            let (opened, ended) = (Arc::clone(&self.board), Arc::clone(&self.board));
            builder = builder
                .on_open(move |client| opened.opened(client))
                .on_end(move |client, why| ended.ended(client.id(), why));
        }
        if let Some(wishes) = &self.wishes {
            let (board, wishes) = (Arc::clone(&self.board), Arc::clone(wishes));
            builder = builder.on_subscribe(move |client, wish| {
                let (board, wishes) = (Arc::clone(&board), Arc::clone(&wishes));
                async move {
                    let number = board.number(client.id()).ok_or_else(gone)?;
                    let answer = wishes.ask(&board, (number, wish), Call::Grant).await;
                    answer.unwrap_or_else(|| Err(gone()))
                }
            });
        }
        if to_messages {
            let board = Arc::clone(&self.board);
            builder = builder.on_message(move |client, message| {
                if !board.said(client.id(), message) {
                    client.turn_away(OVERRUN);
                }
            });
        }
        builder
    }

    /// Nobody is on this side any more: who waits for it is turned away.
    pub(super) fn hang_up(&self, side: Side) {
        self.board.hang_up(side);
        if self.admissions.side() == side {
            self.admissions.close();
        }
        if let Some(wishes) = &self.wishes
            && wishes.side() == side
        {
            wishes.close();
        }
    }
}

fn nobody_there() -> Reject {
    let later = Reject::new(503).map(|reject| {
        let reject = reject.body("the service ends: come back later");
        reject.retry_after(COME_BACK)
    });
    later.unwrap_or_else(|_| Reject::forbidden())
}

fn gone() -> Denied {
    Denied::new("the service ends")
}
