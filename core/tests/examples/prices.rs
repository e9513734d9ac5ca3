//! Prices: everybody gets them, and a slow reader gets the latest instead of all.

use std::collections::HashMap;

use socket2::{Domain, Socket, Type};

use crate::{client::Answer, program::Outcome, server::Server};

#[test]
fn prices_come_in_order_and_as_asked_for() {
    let server = Server::start("prices", &["--address=127.0.0.1:0", "--rate=500"]);
    let mut all = Answer::get(&server.address, "/prices", &[]);
    let mut last: HashMap<String, u64> = HashMap::new();
    while last.len() < 20 || last.values().sum::<u64>() < 200 {
        let price = all.event();
        let symbol = price["symbol"].as_str().unwrap();
        let number = price["number"].as_u64().unwrap();
        let before = last.insert(symbol.to_owned(), number);
        assert!(before < Some(number), "{symbol}: {number} after {before:?}");
    }
    let mut some = Answer::get(&server.address, "/prices?symbols=AKO,BEX", &[]);
    for _ in 0..20 {
        let price = some.event();
        let symbol = price["symbol"].as_str().unwrap();
        assert!(["AKO", "BEX"].contains(&symbol), "{price}");
    }
    let Outcome { code, err, .. } = server.terminate();
    assert_eq!((code, &*err), (Some(0), ""));
}

#[test]
fn a_slow_reader_gets_the_latest_and_no_backlog() {
    let server = Server::start("prices", &["--address=127.0.0.1:0", "--rate=20000"]);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let address: std::net::SocketAddr = server.address.parse().unwrap();
    socket.connect(&address.into()).unwrap();
    let mut slow = Answer::get_over(socket.into(), &server.address, "/prices", &[]);
    // It reads nothing until the server has prices for it that it cannot send.
    server.says("stalled   1");
    let line = server.says("stalled   1");
    let published: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();

    let mut last: HashMap<String, u64> = HashMap::new();
    let mut jump = 0;
    // What the system holds for the socket comes first; then it is up to date at once.
    let mut read = 0;
    while jump < published / 20 / 2 {
        let price = slow.event();
        read += 1;
        assert!(read < published / 2, "a backlog of {read} prices");
        let (symbol, number) = (
            price["symbol"].as_str().unwrap(),
            price["number"].as_u64().unwrap(),
        );
        if let Some(before) = last.insert(symbol.to_owned(), number) {
            assert!(number > before, "{symbol}");
            jump = jump.max(number - before);
        }
    }
}
