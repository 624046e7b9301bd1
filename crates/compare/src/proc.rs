//! CPU time and memory of a process, and the CPU time of the machine, from Linux's `/proc`.
//!
//! On other systems all figures are `None`, and the report names what is missing.

use std::fs;
use std::path::PathBuf;

/// A process whose figures can be read.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    pid: u32,
    dir: PathBuf,
    /// `true` if CPU time and memory include those of its descendants.
    has_descendants: bool,
}

/// The machine's CPU time so far, in ticks over all cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MachineTime {
    total: u64,
    stolen: u64,
    /// Spent by processes, without interrupts.
    spent: u64,
}

/// The fields of `/proc/*/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    /// CPU time.
    ticks: u64,
}

/// The length of a tick of `/proc/*/stat`. Linux counts 100 a second on every architecture.
const TICK_NS: u64 = 10_000_000;

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid, dir: format!("/proc/{pid}").into(), has_descendants: false }
    }

    /// The same process, whose CPU time and memory include those of its descendants that are running.
    pub(crate) fn with_descendants(self) -> Self {
        Self { has_descendants: true, ..self }
    }

    pub(crate) fn this() -> Self {
        let dir = "/proc/self".into();
        Self { pid: std::process::id(), dir, has_descendants: false }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The CPU time of all threads so far, user and system, in nanoseconds. `None` means that it is unknown.
    ///
    /// The figures of the scheduler are exact but do not include threads that have ended. The count of the process
    /// includes them, but in ticks rounded down. Neither is too high, so the greater one is returned.
    pub(crate) fn cpu_ns(&self) -> Option<u64> {
        self.sum(|process| {
            let stat = parse_stat(&fs::read_to_string(process.dir.join("stat")).ok()?)?;
            let of_threads = process.threads_ns().unwrap_or(0);
            Some(of_threads.max(stat.ticks * TICK_NS))
        })
    }

    fn threads_ns(&self) -> Option<u64> {
        let threads = fs::read_dir(self.dir.join("task")).ok()?.flatten();
        let read = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("schedstat"));
        // A thread that has ended since the directory was read has no file.
        let times = threads.filter_map(|thread| parse_schedstat(&read(thread).ok()?));
        Some(times.sum())
    }

    /// The TCP sockets of its network namespace, as text.
    pub(crate) fn sockets(&self) -> Option<String> {
        fs::read_to_string(self.dir.join("net/tcp")).ok()
    }

    /// `None` if its descriptors cannot be read.
    pub(crate) fn has_io_uring(&self) -> Option<bool> {
        let files = fs::read_dir(self.dir.join("fd")).ok()?.flatten();
        // A descriptor that was closed since the directory was read has no target.
        let mut targets = files.filter_map(|file| fs::read_link(file.path()).ok());
        Some(targets.any(|target| target.as_os_str() == "anon_inode:[io_uring]"))
    }

    /// The proportional set size in bytes: private memory, and an equal share of shared memory.
    pub(crate) fn pss(&self) -> Option<u64> {
        self.sum(|process| parse_pss(&fs::read_to_string(process.dir.join("smaps_rollup")).ok()?))
    }

    /// The figure of this process, and those of its descendants if they are included. A descendant that has just ended
    /// has none.
    fn sum(&self, figure: impl Fn(&Self) -> Option<u64>) -> Option<u64> {
        let own = figure(self)?;
        Some(own + self.included().iter().filter_map(figure).sum::<u64>())
    }

    /// The running descendants that are included in its figures.
    pub(crate) fn included(&self) -> Vec<Self> {
        if self.has_descendants { self.descendants() } else { Vec::new() }
    }

    /// The running children of the process, their children, and so on.
    fn descendants(&self) -> Vec<Self> {
        let pid = self.dir.file_name().and_then(|name| name.to_str()?.parse().ok());
        let Some(pid) = pid else { return Vec::new() };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = parse_stat(&fs::read_to_string(entry.path().join("stat")).ok()?)?;
            Some((pid, stat.parent))
        });
        let processes: Vec<(u32, u32)> = processes.collect();
        let mut found = vec![pid];
        let mut at = 0;
        while let Some(&parent) = found.get(at) {
            found.extend(processes.iter().filter(|one| one.1 == parent).map(|one| one.0));
            at += 1;
        }
        found.into_iter().skip(1).map(Self::new).collect()
    }
}

impl MachineTime {
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        parse_machine(&text).unwrap_or_default()
    }

    /// The part of all CPU time since `earlier` that other processes used, if ours used `ours_ns`.
    pub(crate) fn others_since(&self, earlier: &Self, ours_ns: u64) -> f64 {
        let total_ns = self.total.saturating_sub(earlier.total) * TICK_NS;
        let spent_ns = self.spent.saturating_sub(earlier.spent) * TICK_NS;
        if total_ns == 0 { 0.0 } else { spent_ns.saturating_sub(ours_ns) as f64 / total_ns as f64 }
    }

    /// The part of all CPU time since `earlier` that the hypervisor gave to other machines.
    pub(crate) fn stolen_since(&self, earlier: &Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total);
        let stolen = self.stolen.saturating_sub(earlier.stolen);
        if total == 0 { 0.0 } else { stolen as f64 / total as f64 }
    }
}

/// Parses the time on a CPU, the first field. The others are the time in the run queue and the number of time slices.
fn parse_schedstat(text: &str) -> Option<u64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// Parses ppid, utime and stime, fields 4, 14 and 15. The name in field 2 may contain blanks and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace().skip(1);
    let parent = fields.next()?.parse().ok()?;
    let mut fields = fields.skip(9);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Stat { parent, ticks: user + system })
}

fn parse_pss(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn parse_machine(text: &str) -> Option<MachineTime> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // user nice system idle iowait irq softirq steal. The guest times after them are already included in user.
    let times: Vec<u64> =
        line.split_ascii_whitespace().take(8).map_while(|time| time.parse().ok()).collect();
    let (spent, stolen) = (times.get(..3)?.iter().sum(), *times.get(7)?);
    Some(MachineTime { total: times.iter().sum(), stolen, spent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let text = "42 (a (strange) name) S 1 42 42 0 -1 4194560 99 0 0 0 70 30 0 0 20 0 4 0";
        assert_eq!(parse_stat(text), Some(Stat { parent: 1, ticks: 100 }));
    }

    #[test]
    fn the_kernel_formats_are_read() {
        assert_eq!(parse_schedstat("123456 789 10\n"), Some(123_456));
        assert_eq!(parse_pss("55d0-7ff0 ---p\nRss: 12 kB\nPss:      2048 kB\n"), Some(2_097_152));
        let machine = parse_machine("cpu  10 0 10 60 0 0 0 20 5 5\ncpu0 1 1\n").unwrap();
        assert_eq!(machine, MachineTime { total: 100, stolen: 20, spent: 20 });
        assert_eq!(machine.stolen_since(&MachineTime::default()), 0.2);
        assert_eq!(machine.others_since(&MachineTime::default(), 15 * TICK_NS), 0.05);
    }

    #[test]
    fn without_elapsed_time_nothing_was_stolen() {
        let now = MachineTime { total: 5, stolen: 1, spent: 3 };
        assert_eq!((now.stolen_since(&now), now.others_since(&now, 0)), (0.0, 0.0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_figures_of_descendants_are_included_if_that_is_required() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};

        // The shell starts a shell, whose child prints once it runs.
        let script = "sh -c 'sh -c \"echo ready; read word\"; true'; true";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let alone = Process::new(child.id());
        let all = alone.clone().with_descendants();
        assert_eq!((alone.descendants().len(), line.as_str()), (2, "ready\n"));
        assert!(all.pss().unwrap() > 2 * alone.pss().unwrap());
        assert!(all.cpu_ns() >= alone.cpu_ns());
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!((all.pss(), all.cpu_ns()), (None, None));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_figures_and_a_missing_one_has_none() {
        assert!(Process::this().pss().unwrap() > 0);
        assert!(Process::this().cpu_ns().is_some());
        assert_eq!(Process::new(u32::MAX).cpu_ns(), None);
        assert_eq!(Process::this().has_io_uring(), Some(false));
    }
}
