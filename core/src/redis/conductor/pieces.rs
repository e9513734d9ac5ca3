//! One entry of a log, read in pieces.
//!
//! A server ends the connection of a listener for whom more waits than it allows, and one
//! entry may be more than that by itself. So a heavy one over which a connection broke is
//! cut up by the server, with a script, and asked for piece by piece: each waits to be read
//! before the next is asked for.

use bytes::{Bytes, BytesMut};

use crate::redis::{
    inbox::Read,
    log::{keys, query},
    socket::{Broken, Commands, Reply, Session},
};

/// Bytes of a piece: less than any server lets wait.
pub(super) const PIECE: usize = 32 << 10;

/// How long an entry's event is, and a piece of it. Nothing if there is no such entry.
const CUT: &str = "\
local entry=redis.call('XRANGE',KEYS[1],ARGV[1],ARGV[1])[1] \
if not entry then return false end \
local event='' \
for at=1,#entry[2],2 do if entry[2][at]=='e' then event=entry[2][at+1] end end \
return {#event,string.sub(event,ARGV[2]+1,ARGV[2]+ARGV[3])}";

/// Reads the head of a log and the entry of a number, replied as a page of one is. Without
/// the page if the entry goes meanwhile.
pub(super) async fn read(
    session: &Session,
    read: &Read,
    number: u64,
) -> Result<Vec<Reply>, Broken> {
    let mut commands = Commands::default();
    query::ask_head(&mut commands, &read.topic);
    let mut replies = session.request(commands).await?;
    let id = format!("{number}-0");
    let mut event = BytesMut::new();
    loop {
        let mut answer = session.request(cut(&read.topic, &id, event.len())).await?;
        let parts = match answer.pop() {
            Some(Reply::List(parts)) => parts,
            Some(refusal @ Reply::Error(_)) => {
                replies.push(refusal);
                return Ok(replies);
            }
            _ => return Ok(replies),
        };
        let [length, Reply::Text(piece)] = &parts[..] else {
            return Ok(replies);
        };
        event.extend_from_slice(piece);
        if piece.is_empty() || length.as_int() == i64::try_from(event.len()).ok() {
            break;
        }
    }
    let field = Reply::Text(Bytes::from_static(b"e"));
    let fields = Reply::List(vec![field, Reply::Text(event.freeze())]);
    let entry = Reply::List(vec![Reply::Text(id.into()), fields]);
    replies.push(Reply::List(vec![entry]));
    Ok(replies)
}

fn cut(topic: &str, id: &str, from: usize) -> Commands {
    let (from, piece) = (from.to_string(), PIECE.to_string());
    let mut commands = Commands::default();
    commands.command(&[
        b"EVAL",
        CUT.as_bytes(),
        b"1",
        keys::log(topic).as_bytes(),
        id.as_bytes(),
        from.as_bytes(),
        piece.as_bytes(),
    ]);
    commands
}
