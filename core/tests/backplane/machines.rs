//! The example `machines`: two of them, and a server that is away for a while.

use crate::rig::{Process, Server, example, until};

fn start(url: &str) -> Process {
    Process::talk(example("machines").arg(url)).expect("the example starts")
}

fn until_said(process: &Process, line: &str) {
    until(line, || process.log().lines().any(|said| said == line));
}

#[test]
fn two_processes_hear_each_others_lines_once_and_in_order() {
    let server = Server::start();
    let [mut one, mut other] = [server.url(), server.url()].map(|url| start(&url));
    until("both listen", || server.listeners("room.lobby") == 2);
    one.say("hello");
    for process in [&one, &other] {
        until_said(process, "hello");
    }
    until_said(&one, "-- number 1 of the log");

    server.freeze();
    one.say("are you there?");
    until_said(&one, "are you there?");
    server.thaw();
    until_said(&other, "are you there?");
    other.say("I am");
    until_said(&one, "I am");

    assert!(one.hang_up() && other.hang_up());
    for process in [&one, &other] {
        let log = process.log();
        let lines = log.lines().filter(|line| !line.starts_with("--"));
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines, ["hello", "are you there?", "I am"], "{log}");
    }
}
