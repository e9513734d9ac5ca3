//! The peer that is in Node: fetched into `target/` when it is not there.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use distributary_bench_report::Outcome;

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Node with ioredis within reach, running the script that listens.
pub(crate) fn ioredis(url: &str, channel: &str) -> Outcome<Vec<OsString>> {
    // Beside the directory of the profile that this program was built with.
    let program = env::current_exe()?;
    let target = program
        .ancestors()
        .nth(2)
        .ok_or("this program has no directory")?;
    let place = target.join("redis-peers");
    if !place.join("node_modules/ioredis").is_dir() {
        fs::create_dir_all(&place)?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(sources().join(name), place.join(name))?;
        }
        let mut install = Command::new("npm");
        install.args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ]);
        if !install.current_dir(&place).status()?.success() {
            return Err("npm could not fetch ioredis".into());
        }
    }
    let mut modules = OsString::from("NODE_PATH=");
    modules.push(place.join("node_modules"));
    let script = sources().join("ioredis.js").into();
    Ok(vec![
        "env".into(),
        modules,
        "node".into(),
        script,
        url.into(),
        channel.into(),
    ])
}

/// What it is called in the report.
pub(crate) fn versions() -> String {
    let package = fs::read_to_string(sources().join("package.json")).unwrap_or_default();
    let version = package.split("\"ioredis\": \"").nth(1);
    let version = version
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("?");
    let node = Command::new("node").arg("--version").output();
    let node = node.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!("ioredis {version}, node {}", node.unwrap_or_default())
}
