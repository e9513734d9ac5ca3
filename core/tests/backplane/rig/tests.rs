//! The rig keeps its word: what is hurt here is what the tests believe they hurt.

use std::time::Duration;

use super::{Authority, Cluster, Console, Flow, Plan, Proxy, Server, Watched, until};

#[test]
fn it_hurts_what_it_says() {
    let server = Server::start();
    assert_eq!(server.ask(&["PING"]).text(), "PONG");
    let proxy = Proxy::before(server.port());

    let mut console = Console::connect(proxy.port()).unwrap();
    assert_eq!(console.ask(&["PING"]).unwrap().text(), "PONG");
    console.patience(Duration::from_millis(100)).unwrap();
    proxy.flow(Flow::BlackHole);
    assert!(console.ask(&["PING"]).is_err(), "a black hole answers");
    proxy.flow(Flow::Open);
    until("what was held back arrives", || console.read().is_ok());
    proxy.cut();
    until("the connection is cut", || console.ask(&["PING"]).is_err());
    proxy.refuse(true);
    proxy.refuse(false);

    let mut console = server.console().unwrap();
    console.ask(&["SUBSCRIBE", "a"]).unwrap();
    assert_eq!(server.listeners("a"), 1);
    assert!(server.kill_clients() >= 1);
    until("its connection is gone", || server.listeners("a") == 0);

    server.freeze();
    assert!(
        server
            .console()
            .unwrap()
            .patience(Duration::from_millis(50))
            .is_ok()
    );
    server.thaw();
    let before = server.id();
    server.restart();
    assert_ne!(server.id(), before);
    assert_eq!(server.ask(&["PING"]).text(), "PONG");
}

#[test]
fn it_starts_replicas_users_and_tls() {
    let master = Server::start();
    let replica = Server::planned(&Plan::new().replica_of(&master));
    replica.until_in_sync();
    master.ask(&["SET", "a", "1"]);
    until("the replica has it", || {
        replica.ask(&["EXISTS", "a"]).int() == 1
    });

    let authority = Authority::new();
    let plan = Plan::new()
        .tls(&authority)
        .user("app on >secret ~* &* +@all");
    let server = Server::planned(&plan);
    assert_eq!(server.ask(&["ACL", "WHOAMI"]).text(), "rig");
    assert!(server.tls_url().starts_with("rediss://localhost:"));
    assert!(authority.pem().contains("BEGIN CERTIFICATE"));

    let sentinel = Server::planned(&Plan::new().sentinel(&format!(
        "sentinel monitor main 127.0.0.1 {} 1\n",
        master.port()
    )));
    let told = sentinel.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main"]);
    assert_eq!(told.list()[1].int(), i64::from(master.port()));
}

#[test]
fn its_sentinels_replace_a_master() {
    let watched = Watched::start();
    let first = watched.master();
    first.kill();
    watched.until_moved(first.port());
    let second = watched.master_port();
    first.restart();
    watched.until_follows(first);
    watched.until_acquainted(3);
    watched.fail_over_from(second);
}

#[test]
fn its_cluster_moves_slots_and_replaces_masters() {
    let cluster = Cluster::start();
    let slot = cluster.slot("{a}");
    let owner = cluster.owner(slot);
    let text = ["SET", "{a}", "1"];
    cluster.nodes[owner].ask(&text);
    let other = (owner + 1) % 3;
    cluster.migrate(slot, other);
    assert_eq!(cluster.owner(slot), other);
    assert_eq!(cluster.nodes[other].ask(&["GET", "{a}"]).text(), "1");

    let replica = cluster.replica_of(other).expect("a replica");
    cluster.fail_over(replica);
    cluster.until_moved(slot, other);
    assert_eq!(cluster.owner(slot), replica);

    // One that has not caught up is not voted for.
    cluster.nodes[other].until_in_sync();
    cluster.nodes[replica].kill();
    cluster.until_moved(slot, replica);
    cluster.until_served();
    assert_eq!(cluster.owner(slot), other);
}
