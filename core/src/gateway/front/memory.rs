//! How much memory the process holds, looked at ten times a second at most.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_millis(100);

/// The resident set of this process as Linux tells it.
pub(super) struct Memory {
    /// `status` rather than `statm`: it counts in kilobytes, not in pages whose size
    /// would have to be asked for.
    status: Option<File>,
    sampled: Option<(Instant, u64)>,
}

impl Memory {
    pub(super) fn new() -> Self {
        Memory {
            status: File::open("/proc/self/status").ok(),
            sampled: None,
        }
    }

    /// Bytes held, at most a tenth of a second ago. Where the system does not tell, what
    /// is `known` to be held.
    pub(super) fn held(&mut self, now: Instant, known: impl FnOnce() -> u64) -> u64 {
        match self.sampled {
            Some((at, bytes)) if now.saturating_duration_since(at) < EVERY => bytes,
            _ => {
                let bytes = self.resident().unwrap_or_else(known);
                self.sampled = Some((now, bytes));
                bytes
            }
        }
    }

    fn resident(&self) -> Option<u64> {
        let mut text = [0; 4_096];
        let length = self.status.as_ref()?.read_at(&mut text, 0).ok()?;
        resident(&text[..length])
    }
}

/// The resident set of this process, if the system tells it.
pub(super) fn resident_now() -> Option<u64> {
    Memory::new().resident()
}

/// Finds `VmRSS:   1234 kB`.
fn resident(status: &[u8]) -> Option<u64> {
    let line = status
        .split(|byte| *byte == b'\n')
        .find_map(|line| line.strip_prefix(b"VmRSS:"))?;
    let number = std::str::from_utf8(line).ok()?.trim().strip_suffix(" kB")?;
    Some(number.parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_set_is_found_or_nothing_is() {
        let status = b"Name:\tx\nVmHWM:\t   99 kB\nVmRSS:\t   12 kB\nRssAnon:\t 1 kB\n";
        assert_eq!(resident(status), Some(12 * 1_024));
        for other in ["", "VmRSS:", "VmRSS: x kB", "VmRSS: 12 MB"] {
            assert_eq!(resident(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn it_looks_again_after_a_tenth_of_a_second_and_not_before() {
        let mut memory = Memory {
            status: None,
            sampled: None,
        };
        let start = Instant::now();
        assert_eq!(memory.held(start, || 7), 7);
        assert_eq!(memory.held(start + EVERY / 2, || 8), 7);
        assert_eq!(memory.held(start + EVERY, || 9), 9);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_holds_something() {
        let held = resident_now().unwrap();
        assert!((1 << 18..1 << 40).contains(&held), "{held}");
    }
}
