//! What the system knows of a process.

use std::fs;

use crate::machine::{kibibytes, of_file};

/// A process whose memory is looked at.
#[derive(Debug, Clone)]
pub struct Process(String);

impl Process {
    /// This one.
    pub fn this() -> Self {
        Process("self".to_owned())
    }

    /// The one with this number.
    pub fn with_id(id: u32) -> Self {
        Process(id.to_string())
    }

    /// The resident memory now, in bytes.
    pub fn resident(&self) -> Option<u64> {
        self.status("VmRSS")
    }

    /// Forgets how much memory was resident before, so that
    /// [`highest_resident`](Self::highest_resident) starts from now. False when the
    /// system does not let us.
    pub fn forget_highest_resident(&self) -> bool {
        fs::write(format!("/proc/{}/clear_refs", self.0), "5").is_ok()
    }

    /// The highest resident memory so far, in bytes.
    pub fn highest_resident(&self) -> Option<u64> {
        self.status("VmHWM")
    }

    fn status(&self, name: &str) -> Option<u64> {
        let value = of_file(&format!("/proc/{}/status", self.0), name)?;
        kibibytes(&value).map(|kib| kib * 1_024)
    }
}

/// How long the calling thread has been on a processor, in nanoseconds.
pub fn processor_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}
