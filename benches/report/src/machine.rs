//! What the figures were measured on, and with which versions.

use std::{
    fmt::Write,
    fs,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// The versions that were built, as Cargo wrote them down.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// A Markdown table, with a line feed at its end: the machine, the command that wrote
/// the report, the versions that decide its figures, and what else there is to say.
pub fn describe(command: &str, versions: &[String], more: &[(&str, String)]) -> String {
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = of_file("/proc/meminfo", "MemTotal").and_then(|value| kibibytes(&value));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut text = String::from("| | |\n|---|---|\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "| {name} | {} |", value.trim());
    };
    line("date", &today());
    line("command", command);
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
    for (name, value) in more {
        line(name, value);
    }
    text
}

/// The value of a `name: value` line.
pub(crate) fn of_file(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

pub(crate) fn kibibytes(value: &str) -> Option<u64> {
    value.strip_suffix("kB")?.trim().parse().ok()
}

/// Name and version of a crate, as Cargo wrote it down; `?` for one that it did not.
pub fn with_version(name: &str) -> String {
    let start = format!("name = \"{name}\"\nversion = \"");
    let found = LOCK
        .split_once(&start)
        .and_then(|(_, rest)| rest.split_once('"'));
    let version = found.map_or("?", |(version, _)| version);
    format!("{name} {version}")
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
    fn versions_are_those_that_were_built() {
        assert_eq!(with_version("no such crate"), "no such crate ?");
        let own = with_version(env!("CARGO_PKG_NAME"));
        assert!(own.ends_with(env!("CARGO_PKG_VERSION")), "{own}");
    }
}
