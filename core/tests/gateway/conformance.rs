#[test]
fn x() { let s = crate::harness::Server::start(); let _ = s.address(); }
