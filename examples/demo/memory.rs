//! Resident memory of this process, where the system tells.

/// Now and at most so far, in bytes.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(crate) struct Resident {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Resident {
    /// Reads `/proc/self/status`; `None` where there is none.
    pub(crate) fn read() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let kib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(Resident {
            now: kib("VmRSS:")? * 1_024,
            peak: kib("VmHWM:")? * 1_024,
        })
    }
}
