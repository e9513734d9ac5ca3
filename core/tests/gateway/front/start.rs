//! What a gateway does not start with, and how that is told.

use std::net::TcpListener;

use distributary::gateway::StartError;

use super::*;

fn builder() -> GatewayBuilder {
    Gateway::builder(&Hub::new())
}

#[test]
fn what_is_no_address_is_named() {
    let error = builder().admin("nonsense").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"nonsense\""), "{text}");
    assert!(text.contains("`admin`"), "{text}");
    let none: &[SocketAddr] = &[];
    let error = builder().address(none).unwrap_err();
    assert!(
        matches!(&error, StartError::Address { name: "address", given, .. } if given == "[]"),
        "{error:?}"
    );
}

#[test]
fn of_two_addresses_the_one_that_is_taken_is_named() {
    run(async {
        for name in ["address", "admin"] {
            let holder = TcpListener::bind("127.0.0.1:0").unwrap();
            let taken = holder.local_addr().unwrap();
            let free = SocketAddr::from(([127, 0, 0, 1], 0));
            let (address, admin) = match name {
                "address" => (taken, free),
                _ => (free, taken),
            };
            let builder = builder().address(address).unwrap().admin(admin).unwrap();
            let error = builder.start().await.expect_err("one is taken");
            let text = error.to_string();
            assert!(text.contains(&format!("on {taken},")), "{text}");
            assert!(text.contains(&format!("`{name}`")), "{text}");
        }
    });
}

#[test]
fn a_path_that_nobody_can_ask_for_is_refused() {
    run(async {
        for path in ["stream", "/with space", "/q?x=1", "/ünï", "/\n"] {
            let error = builder().path("/").path(path).start().await.err();
            let error = error.unwrap_or_else(|| panic!("{path:?}"));
            assert!(matches!(&error, StartError::Path(p) if p == path));
            let text = error.to_string();
            assert!(text.contains(&format!("{path:?}")), "{text}");
        }
    });
}

#[test]
#[should_panic(expected = "timers are disabled")]
fn a_runtime_without_time_is_noticed_at_the_start() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("the system gives a runtime");
    let _ = runtime.block_on(builder().start());
}
