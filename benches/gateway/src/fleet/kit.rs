//! What the peers need, fetched into `target/` when it is not there: nothing is
//! installed on the machine, and what cannot be had is a peer that is not run.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::Outcome;

/// Packages of Debian, with those of their dependencies that a small system lacks.
const REDIS: [&str; 8] = [
    "redis-server",
    "redis-tools",
    "libatomic1",
    "libjemalloc2",
    "liblua5.1-0",
    "liblzf1",
    "lua-bitop",
    "lua-cjson",
];
const LIBUV: [&str; 1] = ["libuv1"];

/// Where peers are, and how they are called.
pub(super) struct Kit {
    /// The sources of the peers.
    sources: PathBuf,
    /// What was fetched.
    fetched: PathBuf,
}

impl Kit {
    pub(super) fn new() -> Outcome<Self> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        // Beside the directory of the profile that this program was built with.
        let program = env::current_exe()?;
        let target = program
            .ancestors()
            .nth(2)
            .ok_or("this program has no directory")?;
        let fetched = target.join("gateway-peers");
        fs::create_dir_all(&fetched)?;
        Ok(Kit { sources, fetched })
    }

    /// Node with `ws` within reach, running a script of ours.
    pub(super) fn node(&self, script: &str, way: &str) -> Outcome<Vec<OsString>> {
        let place = self.fetched.join("node");
        let modules = place.join("node_modules");
        if !modules.join("ws").is_dir() {
            fs::create_dir_all(&place)?;
            for name in ["package.json", "package-lock.json"] {
                fs::copy(self.sources.join(name), place.join(name))?;
            }
            let mut install = Command::new("npm");
            run(install
                .args(["ci", "--no-audit", "--no-fund"])
                .current_dir(&place))?;
        }
        let script = self.sources.join(script);
        Ok(vec![
            "env".into(),
            variable("NODE_PATH", &modules),
            "node".into(),
            script.into(),
            way.into(),
        ])
    }

    /// Python with uWebSockets within reach, running a script of ours.
    pub(super) fn python(&self, script: &str) -> Outcome<Vec<OsString>> {
        let place = self.fetched.join("python");
        if !place.join("socketify").is_dir() {
            let mut install = Command::new("python3");
            install
                .args(["-m", "pip", "install", "--quiet", "--target"])
                .arg(&place);
            run(install.arg("-r").arg(self.sources.join("requirements.txt")))?;
        }
        let libraries = self.debian(&LIBUV, "libuv.so.1")?;
        Ok(vec![
            "env".into(),
            variable("PYTHONPATH", &place),
            variable("LD_LIBRARY_PATH", &libraries),
            "python3".into(),
            self.sources.join(script).into(),
        ])
    }

    /// Redis: the machine's own, or one that was fetched.
    pub(super) fn redis(&self) -> Outcome<Vec<OsString>> {
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_ok()
        {
            return Ok(vec!["redis-server".into()]);
        }
        let libraries = self.debian(&REDIS, "liblzf.so.1")?;
        Ok(vec![
            "env".into(),
            variable("LD_LIBRARY_PATH", &libraries),
            self.fetched.join("debian/usr/bin/redis-server").into(),
        ])
    }

    /// The versions of what was fetched, as far as they say so themselves.
    pub(super) fn versions(&self) -> Vec<String> {
        let lock = fs::read_to_string(self.sources.join("package.json")).unwrap_or_default();
        let ws = lock
            .split("\"ws\": \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let python = fs::read_to_string(self.sources.join("requirements.txt")).unwrap_or_default();
        let socketify = python
            .lines()
            .find_map(|line| line.strip_prefix("socketify=="));
        let node = said(&["node".into(), "--version".into()]);
        let redis = self.redis().ok().and_then(|mut redis| {
            redis.push("--version".into());
            let text = said(&redis)?;
            let version = text.split("v=").nth(1)?.split(' ').next()?;
            Some(version.to_owned())
        });
        [
            ("ws", ws.map(str::to_owned)),
            ("node", node),
            ("socketify", socketify.map(str::to_owned)),
            ("redis", redis),
        ]
        .into_iter()
        .filter_map(|(name, version)| Some(format!("{name} {}", version?)))
        .collect()
    }

    /// Packages, unpacked. The directory of their libraries.
    fn debian(&self, packages: &[&str], library: &str) -> Outcome<PathBuf> {
        let root = self.fetched.join("debian");
        let machine = said(&["uname".into(), "-m".into()]).unwrap_or_default();
        let libraries = root.join(format!("usr/lib/{machine}-linux-gnu"));
        if !libraries.join(library).exists() {
            let archives = self.fetched.join("archives");
            fs::create_dir_all(&archives)?;
            let mut download = Command::new("apt-get");
            download.args(["download", "-qq"]).args(packages);
            run(download.current_dir(&archives))?;
            for archive in fs::read_dir(&archives)? {
                run(Command::new("dpkg")
                    .arg("-x")
                    .arg(archive?.path())
                    .arg(&root))?;
            }
        }
        Ok(libraries)
    }
}

fn variable(name: &str, value: &Path) -> OsString {
    let mut variable = OsString::from(name);
    variable.push("=");
    variable.push(value);
    variable
}

fn run(command: &mut Command) -> Outcome<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("no {name}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&output.stderr);
            let why = why
                .lines()
                .find(|line| !line.contains("warn"))
                .unwrap_or_default();
            Err(format!("{name} failed: {why}").into())
        }
    }
}

/// What a program prints, in one line.
fn said(command: &[OsString]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned())
}
