//! redis-rs: one RESP3 connection, its pushes to a closure.

use std::sync::Mutex;

use distributary_bench_report::Outcome;
use redis::{AsyncConnectionConfig, Client, PushInfo, PushKind, Value};

use super::{Ear, runtime};

pub(super) fn run(url: &str, channel: &str) -> Outcome<()> {
    runtime()?.block_on(async {
        let ear = Mutex::new(Ear::default());
        let config = AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
            if let (PushKind::Message, Some(Value::BulkString(payload))) =
                (&push.kind, push.data.get(1))
                && let Ok(mut ear) = ear.lock()
            {
                ear.hear(payload);
            }
            Ok::<(), redis::aio::SendError>(())
        });
        let client = Client::open(format!("{url}/?protocol=resp3"))?;
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        connection.subscribe(channel).await?;
        println!("ready");
        std::future::pending().await
    })
}
