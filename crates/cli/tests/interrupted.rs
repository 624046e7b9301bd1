//! `tidings compare` that is interrupted or killed.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tidings_testkit::TestProgram;

/// Far longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(120);

fn compare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--clients", "3", "--rounds", "50"]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn path(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

/// Calls `look` until it returns `Some`.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(began.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The running child processes of the process `of`.
fn children(of: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let lists = tasks.map(|task| fs::read_to_string(task.path().join("children")));
    let text: String = lists.map(Result::unwrap_or_default).collect();
    text.split_ascii_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// `true` if the process runs this command, with these first arguments. The name of the program alone is not enough,
/// because between fork and exec a child has the command line of its parent.
fn runs(pid: u32, command: &[&str]) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<_> =
        line.split(|byte| matches!(byte, 0 | b' ')).map(String::from_utf8_lossy).collect();
    let name = |word: &str| word.rsplit('/').next() == Some(command[0]);
    words.len() > command.len()
        && name(&words[0])
        && words[1..].iter().zip(&command[1..]).all(|(word, wanted)| word == wanted)
}

const SERVE: [&str; 2] = ["tidings", "serve"];

fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended, but its parent has not waited for it.
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('Z'))
}

/// Waits for the third server that `compare` starts. Two measurements are finished then.
fn third_server(of: &TestProgram) {
    let mut servers = Vec::new();
    eventually("a third server", || {
        assert!(is_running(of.id()), "compare ended too early: {}", of.written());
        servers.extend(children(of.id()).into_iter().filter(|&pid| runs(pid, &SERVE)));
        servers.sort_unstable();
        servers.dedup();
        (servers.len() >= 3).then_some(())
    });
}

#[test]
fn an_interrupted_run_reports_the_finished_measurements() {
    let (json, html) = (path("interrupted.json"), path("interrupted.html"));
    let files = ["--json", json.to_str().unwrap(), "--html", html.to_str().unwrap()];
    let short = ["--transports", "sse,websocket", "--seconds", "0.2", "--rate", "100"];
    let mut program = TestProgram::start(compare(&short).args(files));
    third_server(&program);
    program.signal(Signal::INT);
    let Output { status, stdout, stderr } = program.finish();
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stdout.contains(" · interrupted"), "{stdout}");
    assert!(stdout.contains("interrupted in round"), "{stdout}");
    let report: Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(report["warnings"][0]["kind"], "interrupted");
    let samples = report["samples"].as_array().unwrap();
    assert!((8..400).contains(&samples.len()), "{}", samples.len());
    assert!(fs::read_to_string(&html).unwrap().contains("interrupted in round"));
}

#[test]
fn an_interruption_before_the_first_figure_leaves_no_file() {
    let json = path("nothing.json");
    let mut command = compare(&["--transports", "sse", "--json", json.to_str().unwrap()]);
    let mut program = TestProgram::start(command.args(["--seconds", "60"]));
    eventually("a server", || children(program.id()).into_iter().find(|&pid| runs(pid, &SERVE)));
    program.signal(Signal::INT);
    let Output { status, stderr, .. } = program.finish();
    let stderr = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("interrupted before the first"), "{stderr}");
    assert!(!json.exists());
}

#[test]
fn a_killed_run_leaves_no_process_and_no_directory() {
    let temporary = path("killed");
    let _ = fs::remove_dir_all(&temporary);
    fs::create_dir(&temporary).unwrap();
    for (transport, server) in
        [("sse", &SERVE[..]), ("redis", &["redis-server"]), ("nats", &["nats-server"])]
    {
        let mut command = compare(&["--transports", transport, "--seconds", "60"]);
        let mut program = TestProgram::start(command.env("TMPDIR", &temporary));
        let started = eventually(transport, || {
            let found = children(program.id());
            // The watchdog is started after the server that it watches.
            let is_watched = found.iter().any(|&pid| runs(pid, &["sh"]));
            let server = found.iter().find(|&&pid| runs(pid, server))?;
            is_watched.then_some(*server)
        });
        program.kill();
        eventually("the end of the server", || (!is_running(started)).then_some(()));
        eventually("an empty directory", || {
            fs::read_dir(&temporary).unwrap().next().is_none().then_some(())
        });
    }
}
