//! Commands to a server, one after the other: what redis-cli is to a person.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

/// What a server answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Text(String),
    Int(i64),
    Nil,
    List(Vec<Answer>),
    Error(String),
}

impl Answer {
    /// The text, or the number as text.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        match self {
            Answer::Text(text) => text.clone(),
            Answer::Int(number) => number.to_string(),
            other => panic!("{other:?} is no text"),
        }
    }

    #[track_caller]
    pub(crate) fn int(&self) -> i64 {
        match self {
            Answer::Int(number) => *number,
            other => other.text().parse().expect("a number"),
        }
    }

    #[track_caller]
    pub(crate) fn list(&self) -> &[Answer] {
        match self {
            Answer::List(list) => list,
            other => panic!("{other:?} is no list"),
        }
    }
}

/// A connection of its own, in RESP2.
pub(crate) struct Console {
    stream: BufReader<TcpStream>,
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

impl Console {
    /// Connects to a port of this machine.
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(super::PATIENCE))?;
        Ok(Console {
            stream: BufReader::new(stream),
        })
    }

    /// How long an answer may take.
    pub(crate) fn patience(&self, most: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(most))
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<Answer> {
        self.send(command)?;
        self.read()
    }

    /// Sends several commands at once and waits for all answers.
    pub(crate) fn ask_all<A: AsRef<[u8]>>(
        &mut self,
        commands: &[Vec<A>],
    ) -> io::Result<Vec<Answer>> {
        let bytes: Vec<u8> = commands
            .iter()
            .flat_map(|command| encoded(command))
            .collect();
        self.stream.get_mut().write_all(&bytes)?;
        commands.iter().map(|_| self.read()).collect()
    }

    /// Sends a command and does not wait.
    pub(crate) fn send<A: AsRef<[u8]>>(&mut self, command: &[A]) -> io::Result<()> {
        self.stream.get_mut().write_all(&encoded(command))
    }

    /// The next answer, or message of a subscription.
    pub(crate) fn read(&mut self) -> io::Result<Answer> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).ok_or(io::ErrorKind::InvalidData)?;
        let number = || rest.parse::<i64>().map_err(|_| io::ErrorKind::InvalidData);
        Ok(match kind {
            "+" => Answer::Text(rest.to_owned()),
            "-" => Answer::Error(rest.to_owned()),
            ":" => Answer::Int(number()?),
            "$" => match usize::try_from(number()?) {
                Err(_) => Answer::Nil,
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.stream.read_exact(&mut bytes)?;
                    Answer::Text(String::from_utf8_lossy(&bytes[..length]).into_owned())
                }
            },
            "*" => match usize::try_from(number()?) {
                Err(_) => Answer::Nil,
                Ok(length) => Answer::List(
                    (0..length)
                        .map(|_| self.read())
                        .collect::<io::Result<_>>()?,
                ),
            },
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }
}

fn encoded<A: AsRef<[u8]>>(command: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for part in command {
        let part = part.as_ref();
        bytes.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
