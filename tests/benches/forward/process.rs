//! What the kernel says about a process.

use crate::Outcome;
use std::time::Duration;

/// Of one process with all its threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    id: u32,
}

impl Process {
    pub(crate) fn new(id: u32) -> Self {
        Self { id }
    }

    pub(crate) fn this() -> Self {
        Self::new(std::process::id())
    }

    /// User and system time so far: fields 14 and 15 of `/proc/PID/stat`.
    pub(crate) fn cpu_time(self) -> Outcome<Duration> {
        /// `USER_HZ`, the unit of the fields, is 100 on all platforms that we build for.
        const TICK: Duration = Duration::from_millis(10);

        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id))?;
        // The name of the program, in parentheses, may hold anything.
        let (_, fields) = stat.rsplit_once(')').ok_or("an odd /proc/PID/stat")?;
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u32>)
            .sum::<Result<u32, _>>()?;
        Ok(TICK * ticks)
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(self) -> Outcome<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let kibibytes: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|value| value.split_whitespace().next())
            .ok_or("no VmRSS in /proc/PID/status")?
            .parse()?;
        Ok(kibibytes * 1024)
    }
}
