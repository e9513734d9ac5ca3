//! The web server that the browser loads its page from and reports to: as much HTTP as
//! that takes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::harness::Proxy;

const HTML: &str = include_str!("../../clients/browser/page.html");
const SCRIPT: &str = include_str!("../../clients/browser/page.js");
const CLIENT: &str = include_str!("../../../../examples/browser/distributary.js");

pub(super) struct Pages {
    address: SocketAddr,
    reports: mpsc::Receiver<String>,
    ended: Arc<AtomicBool>,
}

impl Pages {
    pub(super) fn serve(gateway: SocketAddr, network: Arc<Proxy>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, reports) = mpsc::channel();
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (network, sender) = (Arc::clone(&network), sender.clone());
                // A browser opens connections that it may never use.
                thread::spawn(move || {
                    // One that it gives up is its own affair.
                    let _ = answer(&stream, gateway, &network, &sender);
                });
            }
        });
        Pages {
            address,
            reports,
            ended,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What the page has to say in the end.
    #[track_caller]
    pub(super) fn report(&self, patience: Duration) -> String {
        let report = self.reports.recv_timeout(patience);
        report.expect("the page says how it went, in time")
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(
    mut stream: &TcpStream,
    gateway: SocketAddr,
    network: &Proxy,
    reports: &mpsc::Sender<String>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap_or(0);
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let json = format!(
        r#"{{"gateway": "{gateway}", "network": "{}"}}"#,
        network.address()
    );
    let (status, kind, text) = match target.as_str() {
        "/" => ("200 OK", "text/html", HTML),
        "/page.js" => ("200 OK", "text/javascript", SCRIPT),
        "/distributary.js" => ("200 OK", "text/javascript", CLIENT),
        "/addresses" => ("200 OK", "application/json", json.as_str()),
        "/cut" => {
            network.cut();
            ("200 OK", "text/plain", "cut")
        }
        "/report" => {
            // A test that has ended does not listen any more.
            let _ = reports.send(String::from_utf8_lossy(&body).into_owned());
            ("200 OK", "text/plain", "thanks")
        }
        _ => ("404 Not Found", "text/plain", "nothing here"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(text.as_bytes())
}
