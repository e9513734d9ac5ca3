//! What do hubs cost the server that want one topic each of many?

use std::{
    io::Read,
    net::{Shutdown, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

use distributary_bench_report::{
    Outcome,
    child::{CLIENT_CORE, Child},
    report::{Line, Target},
    rounds::{Contender, Samples, Unit, alternate},
};

use super::Row;
use crate::{
    console::Console,
    publisher::{Publisher, publish},
    server::Server,
};

pub(crate) const ROW: Row = Row {
    name: "interest",
    question: "100 hubs, each interested in 1 of 10,000 topics, 20,000 events of 200 bytes a \
               second over all topics: what they cost the server. Ours are hubs with their \
               probes; beside them bare connections that do nothing else, each on a sharded \
               channel of its own, and all on the one channel that carries every topic.",
    measure,
};

const HUBS: u64 = 100;
const TOPICS: u64 = 10_000;
const BYTES: usize = 200;
const RATE: u64 = 20_000;
/// As long as a hub takes for all that it asks the server now and then.
const SECONDS: u64 = 12;
/// Until buffers that were needed for joining are given back, and each hub knows how many
/// there are.
const SETTLING: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;

const FIGURES: &[(&str, Unit)] = &[
    ("processor", Unit::Nanos),
    ("memory", Unit::Bytes),
    ("network", Unit::Bytes),
];

/// Ways to bring an event to the hub that wants it.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Ours,
    Sharded,
    Shared,
}

fn measure() -> Outcome<Vec<Line>> {
    let mut contenders = [
        Contender::with_figures("distributary", FIGURES, || round(Way::Ours)),
        Contender::with_figures("sharded channels", FIGURES, || round(Way::Sharded)),
        Contender::with_figures("one shared channel", FIGURES, || round(Way::Shared)),
    ];
    let figures = alternate(ROUNDS, &mut contenders)?;
    Ok(lines(&figures))
}

fn lines(figures: &[Vec<Samples>]) -> Vec<Line> {
    let [ours, sharded, shared] = figures else {
        return Vec::new();
    };
    let told = [
        "processor time of the server per event",
        "memory of the server per hub",
        "network out of the server per hub and second",
    ];
    let mut lines = Vec::new();
    for (place, what) in told.into_iter().enumerate() {
        lines.push(Line::new(what, &ours[place]).against(&sharded[place]));
        let line = Line::new(what, &ours[place]).against(&shared[place]);
        lines.push(match place {
            1 => line,
            _ => line.target(Target::RatioAtMost(0.2)),
        });
    }
    lines
}

/// A server that has seen nothing before, with its hundred.
fn round(way: Way) -> Outcome<Vec<f64>> {
    let server = Server::start()?;
    let mut console = server.console()?;
    let mut publisher = Publisher::connect(&server)?;
    let command = match way {
        Way::Sharded => "SPUBLISH",
        _ => "PUBLISH",
    };
    let payload = "x".repeat(BYTES);
    let circle: Vec<Vec<u8>> = (0..TOPICS)
        .map(|topic| match way {
            Way::Shared => publish(command, "everything", &payload),
            _ => publish(command, &format!("topic:{topic}"), &payload),
        })
        .collect();
    let memory = console.info("used_memory")?;
    let _hubs = Hubs::start(way, &server)?;
    let grown = console.info("used_memory")?.saturating_sub(memory);
    thread::sleep(SETTLING);
    let out = console.info("total_net_output_bytes")?;
    let time = server.processor_time()?;
    publisher.pace(&circle, RATE, RATE * SECONDS)?;
    console.ask(&["PING"])?;
    let time = server.processor_time()? - time;
    // The publisher has an answer of four bytes for each event.
    let answers = RATE * SECONDS * 4;
    let out = console.info("total_net_output_bytes")? - out;
    Ok(vec![
        time as f64 / (RATE * SECONDS) as f64,
        grown as f64 / HUBS as f64,
        out.saturating_sub(answers) as f64 / (HUBS * SECONDS) as f64,
    ])
}

/// A hundred that listen, until dropped.
enum Hubs {
    Ours(#[expect(dead_code, reason = "lives as long as this")] Child),
    Bare(Vec<(TcpStream, JoinHandle<()>)>),
}

impl Hubs {
    fn start(way: Way, server: &Server) -> Outcome<Self> {
        if way == Way::Ours {
            let hubs = HUBS.to_string();
            let child = Child::own(&["--hubs", &server.url(), "0", &hubs], Some(CLIENT_CORE))?;
            child.hear_number("ready")?;
            return Ok(Hubs::Ours(child));
        }
        let mut bare = Vec::new();
        for number in 0..HUBS {
            let mut console = Console::connect(server.port())?;
            let topic = format!("topic:{number}");
            let command: [&str; 2] = match way {
                Way::Sharded => ["SSUBSCRIBE", &topic],
                _ => ["SUBSCRIBE", "everything"],
            };
            console.ask(&command)?;
            let stream = console.stream().try_clone()?;
            let mut reading = stream.try_clone()?;
            reading.set_read_timeout(None)?;
            let reader = thread::spawn(move || {
                let mut bytes = vec![0; 64 << 10];
                while reading.read(&mut bytes).is_ok_and(|length| length > 0) {}
            });
            bare.push((stream, reader));
        }
        Ok(Hubs::Bare(bare))
    }
}

impl Drop for Hubs {
    fn drop(&mut self) {
        if let Hubs::Bare(bare) = self {
            for (stream, reader) in bare.drain(..) {
                stream.shutdown(Shutdown::Both).ok();
                reader.join().ok();
            }
        }
    }
}
