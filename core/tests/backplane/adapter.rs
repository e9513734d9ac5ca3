//! The example `backplane`, told what to do in lines, as a process that can be stopped.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::rig::{Plan, Server, example, signal, until, until_within};

/// A running one, ended when dropped.
struct Adapter {
    child: Child,
    input: Option<ChildStdin>,
    lines: Arc<Mutex<Vec<String>>>,
    next: u64,
}

impl Adapter {
    fn start(target: &Value, mode: &str, echo: bool) -> Adapter {
        let mut child = example("backplane")
            .env("FAULT_TARGET", target.to_string())
            .env("FAULT_MODE", mode)
            .env("FAULT_ECHO", if echo { "1" } else { "0" })
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let input = child.stdin.take();
        let output = child.stdout.take().expect("its output");
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let hearing = Arc::clone(&lines);
        // Ends with the child, whose output ends then.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lock(&hearing).push(line);
            }
        });
        Adapter {
            child,
            input,
            lines,
            next: 0,
        }
    }

    fn on(server: &Server, mode: &str) -> Adapter {
        Adapter::start(&json!({"kind": "single", "url": server.url()}), mode, true)
    }

    fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("an open input");
        writeln!(input, "{line}").expect("it reads");
    }

    /// Says a command; the number that its answer will have.
    fn begin(&mut self, mut command: Value) -> u64 {
        self.next += 1;
        command["id"] = json!(self.next);
        self.say(&command.to_string());
        self.next
    }

    /// The answer, once it is there.
    #[track_caller]
    fn answer(&self, id: &Value) -> Value {
        let mut found = None;
        until_within(Duration::from_secs(60), "an answer", || {
            found = self
                .objects()
                .into_iter()
                .find(|line| line.get("re") == Some(id));
            found.is_some()
        });
        found.unwrap_or_default()
    }

    #[track_caller]
    fn ask(&mut self, command: Value) -> Value {
        let id = self.begin(command);
        self.answer(&json!(id))
    }

    fn objects(&self) -> Vec<Value> {
        let lines = lock(&self.lines);
        let objects = lines.iter().filter(|line| line.starts_with('{'));
        objects
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    fn events(&self, kind: &str) -> Vec<Value> {
        let mut objects = self.objects();
        objects.retain(|line| line["ev"] == kind);
        objects
    }

    /// The payloads of a channel.
    fn messages(&self, channel: &str) -> Vec<String> {
        let start = format!("M {channel} ");
        let lines = lock(&self.lines);
        let messages = lines.iter().filter_map(|line| line.strip_prefix(&start));
        messages.map(str::to_owned).collect()
    }

    /// The `i` of a flood's messages.
    fn numbers(&self, channel: &str) -> Vec<u64> {
        let messages = self.messages(channel);
        let numbers = messages.iter().map(|text| {
            let value: Value = serde_json::from_str(text).expect("JSON");
            value["i"].as_u64().expect("a number")
        });
        numbers.collect()
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[test]
fn it_does_what_it_is_told_and_ends_with_its_input() {
    let server = Server::start();
    let target = json!({"kind": "single", "url": format!("127.0.0.1:{}", server.port())});
    let mut one = Adapter::start(&target, "classic", true);
    let mut other = Adapter::start(&target, "classic", false);
    let told = one.ask(json!({"op": "subscribe", "channels": ["x", "a blank"]}));
    assert_eq!((&told["ok"], &told["channels"]), (&json!(true), &json!(2)));
    assert_eq!(server.listeners("x"), 1);
    let told = other.ask(json!({"op": "subscribe", "prefix": "x", "from": 0, "count": 1_000}));
    assert_eq!(told["channels"], 1_000);
    assert_eq!(server.listeners("x999"), 1);
    other.ask(json!({"op": "subscribe", "channels": ["x"]}));

    let told = other.ask(json!({"op": "publish", "channel": "x", "payload": "hello"}));
    assert_eq!((&told["ok"], &told["heard"]), (&json!(true), &json!(2)));
    other.ask(json!({"op": "publish", "channel": "a blank", "payload": {"n": 1}}));
    until("both come", || {
        one.messages("x") == ["hello"] && one.events("message").len() == 1
    });
    assert_eq!(one.events("message")[0]["payload"], r#"{"n":1}"#);
    one.ask(json!({"op": "publish", "channel": "x", "payload": "mine"}));
    until("each hears it", || {
        one.messages("x").last().is_some_and(|text| text == "mine")
            && other.messages("x") == ["mine"]
    });

    let flood =
        json!({"op": "flood", "channel": "x", "rate": 500, "seconds": 1, "size": 10, "start": 7});
    let told = other.ask(flood);
    let figures = ["sent", "acked", "zero", "failed", "end"].map(|name| told[name].as_u64());
    assert_eq!(figures, [500, 500, 0, 0, 507].map(Some));
    assert_eq!(told["acked_ranges"], json!([[7, 506]]));
    until("all of it comes", || one.messages("x").len() == 502);

    one.ask(json!({"op": "unsubscribe", "channels": ["x"]}));
    let health = one.ask(json!({"op": "health"}));
    assert_eq!(
        (&health["state"], &health["reason"]),
        (&json!("ok"), &json!(""))
    );
    assert_eq!(one.ask(json!({"op": "stats"}))["channels"], 1);

    one.say("no JSON");
    one.say(r#"{"id":"odd","op":"dance"}"#);
    one.say(r#"{"id":null,"op":"flood","channel":"x","rate":-1,"seconds":1}"#);
    assert_eq!(one.answer(&json!("odd"))["ok"], false);
    until("all three are answered", || {
        let nameless = one
            .objects()
            .into_iter()
            .filter(|line| line.get("re") == Some(&Value::Null));
        nameless.filter(|line| line["ok"] == false).count() == 2
    });
    for mut adapter in [one, other] {
        adapter.input = None;
        until_within(
            Duration::from_secs(5),
            "it ends",
            || matches!(adapter.child.try_wait(), Ok(Some(status)) if status.success()),
        );
    }
}

#[test]
fn every_line_is_answered_before_it_ends() {
    // Nobody is there.
    let target = json!({"kind": "single", "url": "127.0.0.1:1"});
    let mut adapter = Adapter::start(&target, "replay", true);
    let mut begun = vec![
        adapter.begin(json!({"op": "subscribe", "channels": ["x"]})),
        adapter.begin(json!({"op": "flood", "channel": "x", "rate": 100, "seconds": 60})),
    ];
    for _ in 0..200 {
        begun.push(adapter.begin(json!({"op": "publish", "channel": "x", "payload": ""})));
    }
    adapter.input = None;
    let answers: Vec<Value> = begun.iter().map(|id| adapter.answer(&json!(id))).collect();
    let sums = ["sent", "acked", "failed"].map(|name| answers[1][name].as_u64());
    assert!(sums[0] > Some(0) && sums[1] == Some(0), "{}", answers[1]);
    assert_eq!(sums[0], sums[2]);
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer["ok"], number == 1, "{answer}");
    }
    until_within(
        Duration::from_secs(5),
        "it ends",
        || matches!(adapter.child.try_wait(), Ok(Some(status)) if status.success()),
    );
}

#[test]
fn a_process_that_stands_still_is_cut_off_and_says_so() {
    let plan = Plan::new().set("client-output-buffer-limit", "pubsub 32mb 8mb 60");
    let server = Server::planned(&plan);
    let mut adapter = Adapter::on(&server, "classic");
    adapter.ask(json!({"op": "subscribe", "channels": ["x"]}));
    server.ask(&["PUBLISH", "x", "before"]);
    until("it hears", || adapter.messages("x") == ["before"]);

    signal(adapter.child.id(), "STOP");
    // Valkey 9.1 cuts nobody off for events of 16 KB and more: it does not count them.
    let payload = "y".repeat(10_000);
    until("the server cuts it off", || {
        let mut console = server.console().expect("a connection");
        let part = vec![vec!["PUBLISH", "x", &payload]; 500];
        console.ask_all(&part).expect("answers");
        server.listeners("x") == 0
    });
    signal(adapter.child.id(), "CONT");
    until_within(Duration::from_secs(5), "it is back", || {
        server.listeners("x") == 1
    });
    server.ask(&["PUBLISH", "x", "after"]);
    until("it hears on", || {
        adapter
            .messages("x")
            .last()
            .is_some_and(|text| text == "after")
    });
    until("it says that it missed something", || {
        !adapter.events("gap").is_empty()
    });
    let gap = &adapter.events("gap")[0];
    assert_eq!(gap["channel"], "x");
    assert!(
        gap["from"].as_u64() > Some(1) && gap["to"].as_u64() >= gap["from"].as_u64(),
        "{gap}"
    );
}

#[test]
fn a_process_that_stood_still_reads_what_it_missed() {
    let plan = Plan::new().set("client-output-buffer-limit", "pubsub 8mb 2mb 60");
    let server = Server::planned(&plan);
    let mut listener = Adapter::on(&server, "replay");
    let mut talker = Adapter::on(&server, "replay");
    listener.ask(json!({"op": "subscribe", "channels": ["x"]}));
    let flood = json!({"op": "flood", "channel": "x", "rate": 1_000, "seconds": 4, "size": 10_000});
    let flood = talker.begin(flood);
    until("it flows", || listener.numbers("x").len() > 100);
    signal(listener.child.id(), "STOP");
    until("the server cuts it off", || server.listeners("x") == 0);
    signal(listener.child.id(), "CONT");
    let told = talker.answer(&json!(flood));
    assert_eq!(
        (&told["sent"], &told["acked"]),
        (&json!(4_000), &json!(4_000)),
        "{told}"
    );
    until("all of it comes", || listener.messages("x").len() >= 4_000);
    assert_eq!(listener.numbers("x"), (0..4_000).collect::<Vec<_>>());
    assert!(
        listener.events("gap").is_empty(),
        "{:?}",
        listener.events("gap")
    );
    let stats = listener.ask(json!({"op": "stats"}));
    assert!(stats["repaired"].as_u64() > Some(0), "{stats}");
}

#[test]
fn whoever_finds_no_server_says_so_and_says_when_there_is_one() {
    let server = Server::start();
    server.kill();
    let absent: Vec<Adapter> = (0..5).map(|_| Adapter::on(&server, "sharded")).collect();
    let all = |state: &str| {
        let said = |adapter: &Adapter| {
            let events = adapter.events("health");
            events.last().is_some_and(|event| event["state"] == state)
        };
        absent.iter().all(said)
    };
    until("all say that there is none", || all("degraded"));
    server.restart();
    until("all say that it is there", || all("ok"));
}

#[test]
fn it_moves_a_channel_and_refuses_to_flip_too_early() {
    let server = Server::start();
    let mut one = Adapter::on(&server, "classic");
    let mut two = Adapter::on(&server, "classic");
    for adapter in [&mut one, &mut two] {
        let answer = adapter.ask(json!({"op": "subscribe", "channels": ["c"]}));
        assert_eq!(answer["ok"], true, "{answer}");
    }
    let flood = |adapter: &mut Adapter, start: u64| {
        adapter.begin(json!({
            "op": "flood", "channel": "c", "rate": 400, "seconds": 6, "size": 10, "start": start,
        }))
    };
    let floods = [flood(&mut one, 0), flood(&mut two, 1_000_000)];
    let go = |adapter: &mut Adapter, stage: &str| {
        adapter.ask(json!({"op": "migrate", "channel": "c", "stage": stage}))
    };
    assert_eq!(go(&mut one, "dual_read")["ok"], true);
    // The other one knows nothing of it yet: it is a stranger that listens.
    let early = go(&mut one, "new_write");
    assert_eq!(early["ok"], false, "{early}");
    assert_eq!(go(&mut two, "dual_read")["ok"], true);
    for adapter in [&mut one, &mut two] {
        let answer = go(adapter, "new_write");
        assert_eq!(answer["ok"], true, "{answer}");
    }
    for adapter in [&mut one, &mut two] {
        let answer = go(adapter, "cleanup");
        assert_eq!(answer["ok"], true, "{answer}");
        assert_eq!(answer["stage"], "new");
    }
    let mut expected = HashSet::new();
    for (adapter, flood) in [&one, &two].into_iter().zip(floods) {
        let done = adapter.answer(&json!(flood));
        assert_eq!(done["failed"], 0, "{done}");
        let start = if expected.is_empty() { 0 } else { 1_000_000 };
        expected.extend(start..done["end"].as_u64().expect("a number"));
    }
    for adapter in [&one, &two] {
        until("all of it has come", || {
            adapter.messages("c").len() >= expected.len()
        });
        let numbers = adapter.numbers("c");
        assert_eq!(numbers.len(), expected.len());
        assert_eq!(numbers.into_iter().collect::<HashSet<_>>(), expected);
    }
}
