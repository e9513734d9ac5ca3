//! The log beside a channel: what is published in replay and durable mode, numbered.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `distributary:log:{channel}` | stream | the newest envelopes: id `<number>-0`, one field `e` |
//! | `distributary:head:{channel}` | hash | `n` the newest number; `l` the lineage; `p` the lineage before it and `f` the newest number then; `c` the server's id, and `o` the one before |
//! | `distributary:from:<publisher>:{channel}` | string | the publisher's newest serial that the log has and the number it got, so that nothing is kept twice |
//!
//! Streams and heads go away a day after the last publish, publishers' serials a quarter
//! of an hour after whatever could still be sent again.
//!
//! [`keys`] spells them, also for channels that have braces of their own. [`script`] is
//! the only writer: one script per publish does all of it or nothing. [`repair`] says what
//! a reader that was away has to read, and [`query`] puts that to a server.
//!
//! # Numbers and lineages
//!
//! Numbers are dense within a log. A server that takes over from another may lack the
//! newest entries of the log, and gives their numbers out again: a number means something
//! only together with a *lineage*. A log begins a new lineage when its server's replication
//! id is another one than at the last publish, or when there is nothing left of it; `p` and
//! `f` say where the old one ended. A reader that stands at number `n` of lineage `p` goes on from
//! the smaller of `n` and `f`; one that knows neither lineage reads the whole log. What it
//! reads a second time it knows by publisher and serial.
//!
//! A publisher that may not ask for the replication id begins no lineage. Should its server
//! lack the newest entries, then a reader sees an event of a known publisher under a number
//! that was had, with a serial that was not; it reads the whole log then. Of publishers that
//! it never heard before, such events are lost to it.

pub(crate) mod keys;
pub(crate) mod query;
pub(crate) mod repair;
pub(crate) mod script;
