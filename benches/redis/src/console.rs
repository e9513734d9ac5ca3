//! Commands to the server, one after the other.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use distributary_bench_report::Outcome;

/// A connection of the bench's own.
pub(crate) struct Console(BufReader<TcpStream>);

impl Console {
    pub(crate) fn connect(port: u16) -> Outcome<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(Console(BufReader::new(stream)))
    }

    /// The answer as text; the parts of a list one to a line.
    pub(crate) fn ask(&mut self, command: &[&str]) -> Outcome<String> {
        self.0.get_mut().write_all(&encoded(command))?;
        self.read()
    }

    /// A number in INFO.
    pub(crate) fn info(&mut self, name: &str) -> Outcome<u64> {
        let text = self.ask(&["INFO", "all"])?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(value
            .ok_or_else(|| format!("INFO has no {name}"))?
            .parse()?)
    }

    /// How many connections listen to a channel.
    pub(crate) fn listeners(&mut self, channel: &str) -> Outcome<u64> {
        let text = self.ask(&["PUBSUB", "NUMSUB", channel])?;
        Ok(text.lines().nth(1).ok_or("no number")?.parse()?)
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    fn read(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err("the server has hung up".into());
        }
        let (kind, rest) = line.trim_end().split_at_checked(1).ok_or("no answer")?;
        match kind {
            "-" => Err(rest.into()),
            "$" => {
                let length: i64 = rest.parse()?;
                let mut bytes = vec![0; usize::try_from(length + 2).unwrap_or(0)];
                self.0.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len().saturating_sub(2));
                Ok(String::from_utf8(bytes)?)
            }
            "*" => {
                let count: usize = rest.parse()?;
                let parts: Vec<String> = (0..count).map(|_| self.read()).collect::<Outcome<_>>()?;
                Ok(parts.join("\n"))
            }
            _ => Ok(rest.to_owned()),
        }
    }
}

/// A command as it goes over the wire.
pub(crate) fn encoded(command: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len());
    for part in command {
        bytes.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    bytes.into_bytes()
}
