//! Clients that are not of this crate: a WebSocket by tungstenite, and HTTP by hand.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;
use tungstenite::{ClientRequestBuilder, Message, WebSocket};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

pub(crate) struct Socket {
    socket: WebSocket<TcpStream>,
    /// The protocol that the server chose.
    pub(crate) protocol: Option<String>,
}

impl Socket {
    pub(crate) fn open(address: &str, path: &str, protocol: Option<&str>) -> Self {
        let uri = format!("ws://{address}{path}").parse().unwrap();
        let mut request = ClientRequestBuilder::new(uri);
        if let Some(protocol) = protocol {
            request = request.with_sub_protocol(protocol);
        }
        let (socket, answer) = tungstenite::client(request, connect(address)).unwrap();
        let protocol = answer.headers().get("sec-websocket-protocol");
        Socket {
            socket,
            protocol: protocol.map(|name| name.to_str().unwrap().to_owned()),
        }
    }

    /// The next text, as JSON.
    pub(crate) fn json(&mut self) -> Value {
        loop {
            match self.socket.read().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next text that is one of these.
    pub(crate) fn json_where(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.json();
            if is_it(&message) {
                return message;
            }
        }
    }

    pub(crate) fn say(&mut self, message: &Value) {
        let text = message.to_string();
        self.socket.send(Message::text(text)).unwrap();
    }

    /// Leaves with a word.
    pub(crate) fn leave(mut self) {
        self.socket.close(None).unwrap();
        while self.socket.read().is_ok() {}
    }

    /// The code that the server closes with, whatever comes before.
    pub(crate) fn close_code(mut self) -> Option<u16> {
        loop {
            match self.socket.read() {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(error) => panic!("closed without a word: {error}"),
            }
        }
    }
}

/// An answer by HTTP, whose body is still to be read.
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: BufReader<TcpStream>,
}

impl Answer {
    /// Asks for a path, with headers as they stand in a request.
    pub(crate) fn get(address: &str, path: &str, headers: &[&str]) -> Self {
        Self::get_over(connect(address), address, path, headers)
    }

    pub(crate) fn get_over(
        mut stream: TcpStream,
        address: &str,
        path: &str,
        headers: &[&str],
    ) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut body = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(body.read_line(&mut head).unwrap() > 0, "{head}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, body }
    }

    /// The rest, of an answer that ends.
    pub(crate) fn text(mut self) -> String {
        let mut text = String::new();
        self.body.read_to_string(&mut text).unwrap();
        text
    }

    /// The next event of a stream of them, as JSON.
    pub(crate) fn event(&mut self) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                self.body.read_line(&mut line).unwrap() > 0,
                "the stream has ended"
            );
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}
