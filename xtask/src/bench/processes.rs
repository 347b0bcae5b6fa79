//! Processor time and memory of running processes, from `/proc`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

/// Clock ticks a second in `/proc/PID/stat`; Linux shows 100 whatever its timer does.
const TICKS: f64 = 100.0;

/// What a process and its descendants use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Seconds of processor time so far.
    pub(super) seconds: f64,
    /// Resident now.
    pub(super) resident_kib: u64,
}

impl Usage {
    /// A process with everything below it.
    pub(super) fn of_tree(root: u64) -> Result<Self> {
        let processes = all()?;
        let mut sum = Self::default();
        let mut waiting = vec![root];
        while let Some(pid) = waiting.pop() {
            let Some(process) = processes.get(&pid) else { continue };
            sum.seconds += process.ticks as f64 / TICKS;
            sum.resident_kib += process.resident_kib;
            waiting.extend(processes.iter().filter(|(_, child)| child.parent == pid).map(|p| *p.0));
        }
        Ok(sum)
    }

    /// The same for two.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            seconds: self.seconds + other.seconds,
            resident_kib: self.resident_kib + other.resident_kib,
        }
    }

    pub(super) fn megabytes(&self) -> f64 {
        self.resident_kib as f64 / 1024.0
    }
}

struct Process {
    parent: u64,
    /// Its own, and those of children that have ended.
    ticks: u64,
    resident_kib: u64,
}

fn all() -> Result<BTreeMap<u64, Process>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").context("reading /proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ends while it is looked at is left out.
        if let Some(process) = read(pid) {
            found.insert(pid, process);
        }
    }
    Ok(found)
}

fn read(pid: u64) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
    let ticks = (11..15).filter_map(number).sum();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident_kib = resident
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_default();
    Some(Process { parent: number(1)?, ticks, resident_kib })
}
