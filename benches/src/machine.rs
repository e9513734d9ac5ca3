//! What the figures were measured on, and with which versions.

use std::{
    fmt::Write,
    fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// The versions that were built, as Cargo wrote them down.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The crates whose versions decide the figures.
const CRATES: [&str; 12] = [
    "distributary",
    "a-tree",
    "async-broadcast",
    "bus",
    "bytes",
    "crossbeam-channel",
    "dashmap",
    "flume",
    "kanal",
    "parking_lot",
    "quamina",
    "tokio",
];

/// A Markdown table, with a line feed at its end.
pub(crate) fn describe() -> String {
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = of_file("/proc/meminfo", "MemTotal").and_then(kibibytes);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let versions = CRATES.map(|name| format!("{name} {}", version_of(name)));
    let mut text = String::from("| | |\n|---|---|\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {} |", value.trim());
    };
    line("date", &today());
    line("command", "`make bench`");
    line(
        "processor",
        &of_file("/proc/cpuinfo", "model name").unwrap_or_default(),
    );
    line("cores", &cores.to_string());
    line(
        "memory",
        &memory.map_or(String::new(), |kib| {
            format!("{:.1} GiB", kib as f64 / 1_048_576.0)
        }),
    );
    line("kernel", &kernel);
    line("compiler", &rustc.unwrap_or_default());
    line("versions", &versions.join(", "));
    text
}

/// The resident memory of this process now, in bytes.
pub(crate) fn resident() -> Option<u64> {
    of_file("/proc/self/status", "VmRSS")
        .and_then(kibibytes)
        .map(|kib| kib * 1_024)
}

/// Forgets how much memory was resident before, so that [`highest_resident`] starts
/// from now. False when the system does not let a process do that.
pub(crate) fn forget_highest_resident() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// The highest resident memory of this process so far, in bytes.
pub(crate) fn highest_resident() -> Option<u64> {
    of_file("/proc/self/status", "VmHWM")
        .and_then(kibibytes)
        .map(|kib| kib * 1_024)
}

/// How long the calling thread has been on a processor, in nanoseconds.
pub(crate) fn processor_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The value of a `name: value` line.
fn of_file(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

fn kibibytes(value: String) -> Option<u64> {
    value.strip_suffix("kB")?.trim().parse().ok()
}

fn version_of(name: &str) -> &'static str {
    let start = format!("name = \"{name}\"\nversion = \"");
    let found = LOCK
        .split_once(&start)
        .and_then(|(_, rest)| rest.split_once('"'));
    found.map_or("?", |(version, _)| version)
}

/// Today's date in UTC.
fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (year, month, day) = civil((seconds / 86_400) as i64);
    format!("{year}-{month:02}-{day:02}")
}

/// Year, month and day of a number of days since 1970-01-01. Years are counted from
/// March, so that the leap day is the last of its year.
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_453), (2025, 12, 31));
    }

    #[test]
    fn every_version_is_known() {
        assert!(CRATES.iter().all(|name| version_of(name) != "?"));
    }
}
