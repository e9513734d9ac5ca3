//! A master under sentinels that is killed, frozen, or replaced as planned.

use std::time::Duration;

use distributary::{
    Hub,
    backplane::Condition,
    redis::{Mode, Redis},
};

use crate::{
    hubs::{hub_with, told, until_worse},
    rig::{Authority, NAME, PATIENCE, Watched, until},
    rights,
    traffic::{Report, Traffic},
};

const WHILE: Duration = Duration::from_secs(2);

fn hub(watched: &Watched, mode: Mode) -> Hub {
    let redis = Redis::sentinel(watched.urls(), NAME)
        .unwrap()
        .mode("*", mode)
        .unwrap()
        .build()
        .unwrap();
    Hub::builder().backplane(redis).build().unwrap()
}

fn topics() -> Vec<String> {
    ["a", "b", "c"].map(str::to_owned).into()
}

/// Traffic through a fault; `hurt` returns once the sentinels name another master.
fn through(mode: Mode, hurt: impl FnOnce(&Watched)) -> Report {
    let watched = Watched::start();
    let (here, there) = (hub(&watched, mode), hub(&watched, mode));
    let traffic = Traffic::begin(&here, &there, topics());
    traffic.flow(WHILE);
    hurt(&watched);
    traffic.flow(2 * WHILE);
    traffic.end(WHILE)
}

#[test]
fn a_sentinel_that_was_named_as_a_server_says_what_it_is() {
    let watched = Watched::start();
    let hub = hub_with(Redis::at(&watched.urls()[0]).unwrap());
    until("the reason is told", || {
        told(&hub, "disconnected", "sentinel form")
    });
    assert_eq!(hub.health().condition, Condition::Away);
}

fn kill(watched: &Watched) {
    let master = watched.master();
    master.kill();
    watched.until_moved(master.announced());
}

fn freeze(watched: &Watched) {
    let master = watched.master();
    master.freeze();
    watched.until_moved(master.port());
}

fn switch(watched: &Watched) {
    let master = watched.master();
    watched.fail_over();
    watched.until_moved(master.port());
    // Until then the old one takes writes.
    watched.until_follows(master);
}

#[test]
fn a_master_is_killed_and_nothing_acknowledged_is_lost() {
    through(Mode::Replay, kill).is_whole("replay, master killed");
}

#[test]
fn a_master_freezes_and_nothing_acknowledged_is_lost() {
    through(Mode::Replay, freeze).is_whole("replay, master frozen");
}

#[test]
fn a_planned_failover_loses_nothing() {
    through(Mode::Replay, switch).is_whole("replay, planned failover");
}

#[test]
fn live_events_go_on_after_a_failover() {
    through(Mode::Live, kill).is_alive("live, master killed");
}

#[test]
fn a_planned_failover_is_followed_in_live_mode() {
    through(Mode::Live, switch).is_alive("live, planned failover");
}

#[test]
fn without_sentinels_the_master_stays() {
    let watched = Watched::start();
    let (here, there) = (hub(&watched, Mode::Live), hub(&watched, Mode::Live));
    let traffic = Traffic::begin(&here, &there, topics());
    for sentinel in &watched.sentinels {
        sentinel.kill();
    }
    traffic.flow(WHILE);
    let report = traffic.end(Duration::ZERO);
    report.is_whole("live, all sentinels away");
}

#[test]
fn servers_and_sentinels_have_users_of_their_own() {
    let watched = Watched::secured(
        &format!("app {}", rights::on_a_server()),
        &format!("watch {}", rights::on_a_sentinel()),
    );
    let urls = watched.urls();
    let urls = urls
        .iter()
        .map(|url| url.replace("redis://", "redis://app:secret@"));
    let redis = |urls: &[String]| Redis::sentinel(urls, NAME).unwrap();
    let urls: Vec<String> = urls.collect();
    let here = hub_with(redis(&urls).sentinel_credentials("watch", "secret"));
    let there = hub_with(redis(&urls).sentinel_credentials("watch", "secret"));
    let traffic = Traffic::begin(&here, &there, topics());
    traffic.flow(WHILE / 4);
    kill(&watched);
    traffic.flow(WHILE);
    traffic.end(WHILE).is_alive("live, users, master killed");
    watched.sentinels.iter().for_each(rights::suffice);

    // Who is not let in says so.
    let stranger = hub_with(redis(&urls).sentinel_credentials("watch", "wrong"));
    until_worse(&stranger, Condition::Away, PATIENCE);
    until("the reason is told", || {
        told(&stranger, "sentinels_silent", "WRONGPASS")
    });
}

#[test]
fn sentinels_and_masters_speak_tls_and_are_known_by_their_certificates() {
    let authority = Authority::new();
    let watched = Watched::encrypted(&authority);
    let trusting = |roots: &Authority| {
        let redis = Redis::sentinel(watched.urls(), NAME).unwrap();
        let redis = redis.mode("*", Mode::Replay).unwrap();
        hub_with(redis.root_certificates(roots.pem()))
    };
    let (here, there) = (trusting(&authority), trusting(&authority));
    let traffic = Traffic::begin(&here, &there, topics());
    traffic.flow(WHILE);
    kill(&watched);
    traffic.flow(2 * WHILE);
    traffic.end(WHILE).is_whole("replay, TLS, master killed");

    // Whoever trusts somebody else finds no sentinel that it could believe.
    let doubting = trusting(&Authority::new());
    until_worse(&doubting, Condition::Away, PATIENCE);
    until("the reason is told", || {
        told(&doubting, "sentinels_silent", "certificate")
    });
    assert_eq!(doubting.health().counts.connections, 0);
}

#[test]
fn a_name_that_no_master_can_have_is_refused() {
    for name in ["", "two words", "line\n"] {
        let error = Redis::sentinel(["redis://localhost:26379"], name).unwrap_err();
        assert!(error.to_string().contains("master's name"), "{error}");
    }
}
