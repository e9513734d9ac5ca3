//! What the system knows of a process.

use std::fs;

use crate::machine::{kibibytes, of_file};

/// A process that is looked at.
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

    /// How long it has been on a processor, in nanoseconds: all its threads that live.
    pub fn processor_time(&self) -> Option<u64> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).ok()?;
        let mut sum = 0;
        for task in tasks {
            // A thread that ends meanwhile is none that lives.
            if let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) {
                sum += first_number(&text)?;
            }
        }
        Some(sum)
    }

    fn status(&self, name: &str) -> Option<u64> {
        let value = of_file(&format!("/proc/{}/status", self.0), name)?;
        kibibytes(&value).map(|kib| kib * 1_024)
    }
}

/// What the kernel holds in the buffers of all TCP sockets, in bytes.
pub fn socket_memory() -> Option<u64> {
    let line = of_file("/proc/net/sockstat", "TCP")?;
    let pages: u64 = line.split_once("mem ")?.1.trim().parse().ok()?;
    Some(pages * PAGE)
}

/// What the kernel holds in its small objects, in bytes: sockets and descriptors are
/// among them.
pub fn slab_memory() -> Option<u64> {
    let value = of_file("/proc/meminfo", "Slab")?;
    kibibytes(&value).map(|kib| kib * 1_024)
}

/// Of the machines that this is measured on.
const PAGE: u64 = 4_096;

/// How long the calling thread has been on a processor, in nanoseconds.
pub fn processor_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    first_number(&text)
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}
