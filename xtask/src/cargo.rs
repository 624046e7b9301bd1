//! Calls of cargo on this workspace, and of other programs.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::limit::{LIMIT, Limit};

/// The root of the workspace.
///
/// The path comes from the cargo that runs this program, not from the build: checkouts that share a
/// target folder share the program.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let xtask = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let xtask = xtask.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        xtask.parent().expect("xtask is in the workspace").to_owned()
    });
    &ROOT
}

/// A call of the cargo that runs this program, in the root of the workspace.
///
/// The variables that cargo has set for this program are removed. Otherwise build scripts that watch
/// them would run again at each change between `cargo test` and `cargo xtask`. A wrapper of the compiler is removed as
/// well, because code that `clippy-driver` compiles has other counts of instructions.
pub(crate) fn command(args: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args.split_whitespace()).current_dir(root()).env("PATH", search_path());
    command.env_remove("RUSTC_WORKSPACE_WRAPPER");
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(key);
        }
    }
    command
}

/// The search path with the folders in which Debian installs servers. By default only that of root contains them.
pub(crate) fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    env::join_paths(all).unwrap_or(path)
}

/// Runs a command whose output goes to the terminal. The command must succeed within [`LIMIT`].
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = wait(command)?;
    ensure!(status.success(), "`{}`: {status}", shown(command));
    Ok(())
}

/// Collects the standard output of a command, which must succeed within [`LIMIT`]. The error contains its messages.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = captured(command)?;
    let messages = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{}`: {}", shown(command), messages.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Collects all output of a command, even if the command fails. It must end within [`LIMIT`].
pub(crate) fn captured(command: &mut Command) -> Result<Output> {
    let (stdout, stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let status = run_into(command, &stdout, &stderr)?;
    Ok(Output { status, stdout: contents(stdout)?, stderr: contents(stderr)? })
}

/// Runs a command whose output goes to these files, which may be the same file. The command must end within [`LIMIT`].
///
/// These are files and not pipes, because a pipe stays open until the last program that has it open has ended. A
/// command may leave a program running, and a descendant that is not found is not killed.
pub(crate) fn run_into(command: &mut Command, stdout: &File, stderr: &File) -> Result<ExitStatus> {
    wait(command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?))
}

fn contents(mut file: File) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn wait(command: &mut Command) -> Result<ExitStatus> {
    let mut child = command.spawn().with_context(|| format!("cannot run `{}`", shown(command)))?;
    let limit = Limit::start(child.id(), LIMIT);
    let status = child.wait();
    ensure!(!limit.end(), "`{}` was killed after {} minutes", shown(command), LIMIT.as_secs() / 60);
    Ok(status?)
}

fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = [name].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A call of cargo that compiles the workspace and reports its lints at the same time, as the suite does. A separate
/// `cargo clippy` would compile every dependency again.
pub(crate) fn linted(args: &str) -> Command {
    let mut command = command(args);
    command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    command
}

/// Builds the program `tidings`.
///
/// Uses the same compiler and features as the step `suite`, because cargo would compile most of it again with others.
/// They include the features of dev-dependencies, which is why the command names a test.
pub(crate) fn build_program() -> Result<PathBuf> {
    run(&mut linted("build --workspace --all-features --bin tidings --test program"))?;
    built("tidings")
}

/// The path of a program in the same target folder as this one.
pub(crate) fn built(name: &str) -> Result<PathBuf> {
    let path = env::current_exe()?.with_file_name(format!("{name}{}", env::consts::EXE_SUFFIX));
    ensure!(path.exists(), "no program at {}", path.display());
    Ok(path)
}

/// The packages of the workspace, from `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    /// The ids of the packages that cargo uses if a command names none.
    pub(crate) workspace_default_members: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    /// Dependencies of every kind, including those for tests and build scripts.
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    pub(crate) features: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

pub(crate) fn metadata() -> Result<Metadata> {
    let json = output(&mut command("metadata --no-deps --format-version 1"))?;
    serde_json::from_str(&json).context("cannot read the output of `cargo metadata`")
}
