//! The process of the browser, and what its processes use.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use serde_json::json;
use tempfile::TempDir;
use tidings_watchdog::Watchdog;

use super::devtools::Devtools;
use crate::contender::CHROMIUM;
use crate::proc::Process;

/// No network traffic and no work besides the pages. Without the two features, a page of Chromium's address bar uses a
/// core for each window. Tabs share renderer processes from the fifth one on, because each process takes a third of a
/// second to start.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-startup-window",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-field-trial-config",
    "--disable-sync",
    // A cache on disk is written again while the browser ends, when its folder has been removed already.
    "--disk-cache-dir=/dev/null",
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
    "--mute-audio",
    "--renderer-process-limit=4",
    "--window-size=300,200",
    "--remote-debugging-pipe",
    // The certificate is made for the run.
    "--ignore-certificate-errors",
];

/// Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
const SCRIPT: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >&2"#;

/// How long the browser may take to end.
const END: Duration = Duration::from_secs(5);
const END_POLL: Duration = Duration::from_millis(10);

/// The browser is idle if its processes used less than this in one [`IDLE_POLL`].
const IDLE_CPU_NS: u64 = 5_000_000;
/// The time between two readings of its CPU time, and the most readings.
const IDLE_POLL: Duration = Duration::from_millis(100);
const IDLE_POLLS: usize = 50;

/// How many of the last lines of standard error an error contains.
const LAST_LINES: usize = 10;

/// A running browser with a new profile. Dropping it ends the browser and removes the profile.
#[derive(Debug)]
pub(super) struct Chromium {
    pub(super) devtools: Devtools<ChildStdin>,
    /// Kills the browser and removes the profile if this process is killed.
    _watchdog: Option<Watchdog>,
    child: Child,
    _profile: TempDir,
}

/// What a process of the browser is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// It runs pages.
    Renderer,
    /// It has the sockets of all pages.
    Network,
    Other,
}

/// The CPU time of the processes of the browser so far, in nanoseconds.
#[derive(Debug)]
pub(super) struct CpuTimes(HashMap<u32, (Kind, u64)>);

/// CPU time in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) renderers: u64,
    pub(super) network: u64,
    /// All processes.
    pub(super) all: u64,
}

impl Chromium {
    /// Starts the browser without a tab. Without `http2`, it offers only HTTP/1.1.
    ///
    /// # Errors
    /// Fails if the browser cannot be started or does not answer.
    pub(super) fn start(http2: bool) -> anyhow::Result<Self> {
        let profile = tempfile::tempdir().context("cannot create a folder for a profile")?;
        let log = profile.path().join("stderr.txt");
        let errors = File::create(&log).context("cannot create a file for standard error")?;
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh", CHROMIUM]).args(FLAGS);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        if !http2 {
            command.arg("--disable-http2");
        }
        // It also writes to the home directory and to that of temporary files.
        command.env("HOME", profile.path()).env("TMPDIR", profile.path());
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_CACHE_HOME");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().context("cannot start the browser")?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.context("the browser has no pipes")?;
        let watchdog = Watchdog::over(child.id(), Some(profile.path())).ok();
        let devtools = Devtools::new(input, output);
        let mut chromium = Self { devtools, _watchdog: watchdog, child, _profile: profile };
        let version = chromium.devtools.call(None, "Browser.getVersion", &json!({}));
        version.map_err(|error| {
            let text = fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
            anyhow!("{CHROMIUM} cannot be started: {error}\n{last}")
        })?;
        Ok(chromium)
    }

    pub(super) fn cpu_times(&self) -> CpuTimes {
        let times = self
            .processes()
            .into_iter()
            .filter_map(|(process, kind)| Some((process.pid(), (kind, process.cpu_ns()?))));
        CpuTimes(times.collect())
    }

    /// The proportional set size of all renderer processes in bytes.
    pub(super) fn renderer_memory(&self) -> u64 {
        let processes = self.processes();
        let renderers = processes.iter().filter(|(_, kind)| *kind == Kind::Renderer);
        // A process that has ended since has no memory.
        renderers.filter_map(|(process, _)| process.pss()).sum()
    }

    /// Waits until the browser has finished the work after what was done before.
    pub(super) fn wait_until_idle(&self) {
        let mut before = self.cpu_times();
        for _ in 0..IDLE_POLLS {
            sleep(IDLE_POLL);
            let now = self.cpu_times();
            if now.since(&before).all < IDLE_CPU_NS {
                break;
            }
            before = now;
        }
    }

    /// The processes of the browser that are running.
    fn processes(&self) -> Vec<(Process, Kind)> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, parent(pid)?))).collect();
        let kind = |pid: u32| {
            let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            Kind::of(&String::from_utf8_lossy(&command_line))
        };
        let family = descendants(self.child.id(), &parents);
        family.into_iter().map(|pid| (Process::new(pid), kind(pid))).collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // If the browser has ended already, there is nothing to close.
        let _ = self.devtools.send(None, "Browser.close", &json!({}));
        let deadline = Instant::now() + END;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(END_POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl CpuTimes {
    /// The CPU time since `earlier`, without that of processes that have ended since.
    pub(super) fn since(&self, earlier: &Self) -> Spent {
        let mut spent = Spent::default();
        for (pid, (kind, now)) in &self.0 {
            let before = earlier.0.get(pid).map_or(0, |(_, before)| *before);
            let ns = now.saturating_sub(before);
            spent.all += ns;
            match kind {
                Kind::Renderer => spent.renderers += ns,
                Kind::Network => spent.network += ns,
                Kind::Other => {}
            }
        }
        spent
    }
}

impl Kind {
    fn of(command_line: &str) -> Self {
        let has = |part: &str| command_line.contains(part);
        // The pages of the browser's own interface have renderers, too.
        if has("--type=renderer") && !has("--top-chrome-webui") {
            Self::Renderer
        } else if has("--utility-sub-type=network.mojom.NetworkService") {
            Self::Network
        } else {
            Self::Other
        }
    }
}

/// The parent of a process, field 4. The name in field 2 may contain blanks and parentheses.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// A process and everything that it has started, from pairs of a process and its parent.
fn descendants(root: u32, parents: &[(u32, u32)]) -> HashSet<u32> {
    let mut family = HashSet::from([root]);
    loop {
        let before = family.len();
        let children = parents.iter().filter(|(_, parent)| family.contains(parent));
        let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
        family.extend(children);
        if family.len() == before {
            return family;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_are_found_in_any_order() {
        let parents = [(5, 4), (9, 1), (4, 3), (3, 2), (6, 3)];
        assert_eq!(descendants(3, &parents), HashSet::from([3, 4, 5, 6]));
    }

    #[test]
    fn processes_are_told_apart_by_their_command_lines() {
        for (command_line, kind) in [
            ("/chromium\0--type=renderer\0--lang=en", Kind::Renderer),
            ("/chromium --type=renderer --top-chrome-webui", Kind::Other),
            ("--type=utility --utility-sub-type=network.mojom.NetworkService", Kind::Network),
            ("--type=utility --utility-sub-type=storage.mojom.StorageService", Kind::Other),
            ("/chromium\0--headless=new", Kind::Other),
        ] {
            assert_eq!(Kind::of(command_line), kind, "{command_line}");
        }
    }

    #[test]
    fn cpu_time_counts_from_the_earlier_reading_and_for_new_processes_from_their_start() {
        let earlier = CpuTimes(HashMap::from([(1, (Kind::Renderer, 100)), (2, (Kind::Other, 7))]));
        let now = CpuTimes(HashMap::from([
            (1, (Kind::Renderer, 130)),
            (3, (Kind::Network, 5)),
            (4, (Kind::Other, 1)),
        ]));
        assert_eq!(now.since(&earlier), Spent { renderers: 30, network: 5, all: 36 });
    }
}
