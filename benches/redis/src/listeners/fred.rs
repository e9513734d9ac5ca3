//! fred: its broadcast channel of messages, with room enough that none is lost in it.

use distributary_bench_report::Outcome;
use fred::prelude::{Builder, ClientLike, Config, EventInterface, PubsubInterface};

use super::{Ear, runtime};

/// Messages that may wait: more than a round has.
const ROOM: usize = 1 << 19;

pub(super) fn run(url: &str, channel: &str) -> Outcome<()> {
    runtime()?.block_on(async {
        let client = Builder::from_config(Config::from_url(url)?)
            .with_performance_config(|config| config.broadcast_channel_capacity = ROOM)
            .build()?;
        client.init().await?;
        let mut messages = client.message_rx();
        client.subscribe(channel).await?;
        println!("ready");
        let mut ear = Ear::default();
        loop {
            let message = messages.recv().await?;
            ear.hear(message.value.as_bytes().unwrap_or_default());
        }
    })
}
