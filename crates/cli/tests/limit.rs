//! `tidings compare --limit` with a real hub, and shell scripts in place of the limit and the load.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Something that talks as the load does, and loads nothing.
const LOAD: &str = r#"#!/bin/sh
echo ready
read go
echo '{"deliveries":12,"lost":0,"duplicated":0,"reordered":0,"publishes":3,"connections":4,"requests":7,\
"bytes":99,"wall_ns":5,"cpu_ns":6,"p50_ns":1,"p99_ns":8,"p999_ns":9}'
read end || true
"#;

/// One test at a time: a script that is written while another test forks is still open for writing in that
/// child for a moment, and the system does not start it then.
static TURN: Mutex<()> = Mutex::new(());

/// The program in a directory of its own, so that no other build lies beside it.
fn alone(name: &str) -> (PathBuf, MutexGuard<'static, ()>) {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    fs::hard_link(env!("CARGO_BIN_EXE_tidings"), dir.join("tidings")).unwrap();
    (dir, turn)
}

fn script(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, text.replace("\\\n", "")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn compare(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(dir.join("tidings"));
    command.args(["compare", "--limit", "--quick"]).args(args);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn a_program_that_has_not_been_built_is_named_with_the_command_that_builds_it() {
    let (dir, _turn) = alone("limit-alone");
    let (code, _, error) = compare(&dir, &[]);
    assert_eq!(code, Some(1));
    assert!(error.contains("no tidings-limit"), "{error}");
    assert!(error.contains("cargo build --release -p tidings-limit"), "{error}");
    script(&dir, "tidings-limit", "");
    let (_, _, error) = compare(&dir, &[]);
    assert!(error.contains("no tidings-load"), "{error}");
}

#[test]
fn the_rows_that_are_asked_for_are_measured_and_written() {
    let (dir, _turn) = alone("limit-rows");
    script(&dir, "tidings-limit", "");
    script(&dir, "tidings-load", LOAD);
    let json = dir.join("figures.json");
    let (code, table, error) =
        compare(&dir, &["--rows", "growth", "--json", json.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{table}\n{error}");
    assert!(table.contains("15,000") && table.contains("1.25"), "{table}");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(json["rows"][0]["id"], "growth");
    assert_eq!(json["samples"].as_array().unwrap().len(), 2);
    assert_eq!(json["samples"][0]["load"]["deliveries"], 12);
}

#[test]
fn a_load_that_fails_exits_with_1_and_its_own_words() {
    let (dir, _turn) = alone("limit-fails");
    script(&dir, "tidings-limit", "");
    script(&dir, "tidings-load", "#!/bin/sh\necho client 7 was refused >&2; exit 1\n");
    let (code, table, _) = compare(&dir, &["--rows", "growth"]);
    assert_eq!(code, Some(1));
    assert!(table.contains("client 7 was refused"), "{table}");
}
