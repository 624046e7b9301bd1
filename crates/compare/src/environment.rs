//! The machine and the versions of a measurement.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::contender::{CHROMIUM, Contender, Server};
use crate::pin::Cores;
use crate::plan::Plan;

/// A server that was measured, and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Version {
    /// The program, such as `nats-server`, or the URL of a server that was already running.
    pub server: String,
    /// Its version, such as `2.10.1`; `None` if it is not known.
    pub version: Option<String>,
}

/// The machine, the versions and the command of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Environment {
    /// The command line.
    pub command: String,
    /// Version of tidings.
    pub version: String,
    /// Commit of the checkout in which it was built, with `-dirty` if files were changed. `unknown` outside of one.
    pub commit: String,
    /// The kernel's name and release.
    pub kernel: String,
    /// The CPU's model.
    pub cpu: String,
    /// Cores that the run could use.
    pub cores: usize,
    /// The CPU quota of the control group in cores; `None` if there is no limit.
    pub quota: Option<f64>,
    /// `true` if one core was reserved for the servers.
    pub divided: bool,
    /// The servers that were measured, each with its version.
    pub servers: Vec<Version>,
    /// The time at which the run began, as an HTTP date.
    pub date: String,
    /// The duration of the run in seconds.
    pub seconds: f64,
}

impl Environment {
    /// Reads the environment of this process. `seconds` and `servers` are empty.
    pub(crate) fn now(cores: &Cores) -> Self {
        Self {
            command: command(std::env::args()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: commit().unwrap_or_else(|| "unknown".to_owned()),
            kernel: kernel(),
            cpu: cpu_model().unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            quota: cores.quota.cores,
            divided: cores.server.is_some(),
            servers: Vec::new(),
            date: httpdate::fmt_http_date(SystemTime::now()),
            seconds: 0.0,
        }
    }

    /// How many cores there were and how they were divided.
    pub(crate) fn division(&self) -> String {
        let division = match self.divided {
            true => "one of them reserved for the servers",
            false => "shared by servers and load",
        };
        let quota =
            self.quota.map_or(String::new(), |quota| format!(", a CPU quota of {quota:.1}"));
        format!("{}, {division}{quota}", self.cores)
    }

    /// The measured servers in one line, each with its version.
    pub(crate) fn versions(&self) -> String {
        let servers = self.servers.iter().map(|Version { server, version }| match version {
            Some(version) => format!("{server} {version}"),
            None => format!("{server} (version unknown)"),
        });
        servers.collect::<Vec<_>>().join(" · ")
    }

    /// The program and the machine in two lines.
    pub(crate) fn lines(&self) -> String {
        let Self { version, commit, date, seconds, cpu, kernel, .. } = self;
        format!(
            "tidings {version}, commit {commit} · {date} · took {seconds:.0} s\n{cpu} · cores: {} · \
             {kernel}",
            self.division()
        )
    }
}

impl Version {
    /// The servers of these contenders, each once.
    pub(crate) async fn of(plan: &Plan, contenders: &[&Contender]) -> Vec<Self> {
        let mut versions: Vec<Self> = Vec::new();
        for Contender { server, browser, .. } in contenders {
            let ours = match &plan.running {
                _ if matches!(server, Server::Queue(_)) => None,
                _ if matches!(server, Server::Peer(peer) if !peer.is_proxy) => None,
                Some(running) => Some(Self { server: running.shown(), version: None }),
                None => Some(Self::of_program(&plan.program)),
            };
            let broker = server.broker().map(|it| Self::of_program(Path::new(it.program().0)));
            let peer = match server {
                Server::Peer(peer) => peer.version(&plan.peers).await.ok(),
                _ => None,
            };
            let browser = browser.then(|| Self::of_program(Path::new(CHROMIUM)));
            for version in ours.into_iter().chain(broker).chain(peer).chain(browser) {
                if !versions.contains(&version) {
                    versions.push(version);
                }
            }
        }
        versions
    }

    /// Runs a program with `--version`.
    fn of_program(program: &Path) -> Self {
        let name = program.file_name().unwrap_or(program.as_os_str());
        let answer = output(Command::new(program).arg("--version"));
        let version = answer.and_then(|text| first_version(&text));
        Self { server: name.to_string_lossy().into_owned(), version }
    }
}

/// The first word that is a version, as in `nats-server: v2.9.10` and `Redis server v=7.0.15 sha=0`.
fn first_version(text: &str) -> Option<String> {
    let mut words = text
        .split_ascii_whitespace()
        .map(|word| word.strip_prefix("v=").or_else(|| word.strip_prefix('v')).unwrap_or(word));
    words.find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

/// The output of a command, `None` if it fails.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The command line in the syntax of a shell, with the program's name and without its folder.
fn command(mut args: impl Iterator<Item = String>) -> String {
    let program = args.next().unwrap_or_default();
    let name =
        Path::new(&program).file_name().map_or("tidings".into(), |name| name.to_string_lossy());
    args.fold(name.into_owned(), |line, arg| line + " " + &quoted(arg))
}

fn quoted(arg: String) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !arg.is_empty() && arg.chars().all(plain) {
        return arg;
    }
    format!("'{}'", arg.replace('\'', r"'\''"))
}

/// The commit of the build, or that of the checkout that contains the program, but never the commit of another project.
fn commit() -> Option<String> {
    if let Some(commit) = option_env!("TIDINGS_COMMIT") {
        return Some(commit.to_owned());
    }
    let program = std::env::current_exe().ok()?;
    [program.parent()?, Path::new(".")].into_iter().find_map(commit_at)
}

fn commit_at(dir: &Path) -> Option<String> {
    let git = |args: &[&str]| output(Command::new("git").arg("-C").arg(dir).args(args));
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let is_ours = Path::new(&top).join("crates/compare/Cargo.toml").exists();
    // A commit is never described by a tag.
    let describe = ["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"];
    is_ours.then(|| git(&describe))?
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{} {} {}", std::env::consts::OS, release.trim(), std::env::consts::ARCH)
}

fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The name of the kernel's clock if it is slow to read, so that each stamp has a noticeable cost.
pub(crate) fn slow_clock() -> Option<String> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let name = std::fs::read_to_string(path).ok()?.trim().to_owned();
    matches!(name.as_str(), "hpet" | "acpi_pm" | "jiffies" | "refined-jiffies").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted_and_has_no_folder() {
        let args = ["/somewhere/bin/tidings", "compare", "--html", "it's here.html", ""];
        let line = command(args.into_iter().map(str::to_owned));
        assert_eq!(line, r"tidings compare --html 'it'\''s here.html' ''");
    }

    #[test]
    fn the_version_is_found_in_what_servers_print() {
        for (text, version) in [
            ("nats-server: v2.9.10\n", Some("2.9.10")),
            (
                "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64\n",
                Some("7.0.15"),
            ),
            ("tidings 0.1.0\n", Some("0.1.0")),
            ("usage: server [options]\n", None),
        ] {
            assert_eq!(first_version(text).as_deref(), version);
        }
    }

    #[test]
    fn a_missing_program_has_no_version() {
        let version = Version::of_program(Path::new("no-such-server"));
        assert_eq!(version, Version { server: "no-such-server".to_owned(), version: None });
    }
}
