//! Calling cargo on this workspace.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use anyhow::{Context, Result, bail, ensure};

/// The workspace's root.
///
/// By what cargo says now, not when this program was built: checkouts that share a target folder share
/// the program.
pub(crate) fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| {
        let own = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let own = own.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        own.parent().expect("xtask is a folder of the workspace").to_owned()
    });
    &ROOT
}

/// The cargo that runs this program, in the root.
///
/// What cargo told this program about itself is taken out of the environment: build scripts that watch
/// those variables would otherwise run again at each change between `cargo test` and `cargo xtask`.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("PATH", search_path());
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(key);
        }
    }
    command
}

/// The search path, and where Debian puts servers, which is in root's only.
pub(crate) fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let all = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    env::join_paths(all).unwrap_or(path)
}

/// Builds the program and returns its path.
///
/// It is built with the features that `cargo test --workspace --all-features` gives it, those of
/// dev-dependencies included (a test has to be named for that). With other features cargo would compile
/// most dependencies a second time.
pub(crate) fn build_program() -> Result<PathBuf> {
    let args = ["build", "--workspace", "--all-features", "--bin", "tidings", "--test", "program"];
    let build = command().args(args).status()?;
    ensure!(build.success(), "the program does not build");
    // This one is in the same folder.
    let program = env::current_exe()?.with_file_name(format!("tidings{}", env::consts::EXE_SUFFIX));
    ensure!(program.exists(), "no program at {}", program.display());
    Ok(program)
}

/// What cargo printed, where it succeeded.
pub(crate) fn output(args: &[&str]) -> Result<String> {
    let (success, stdout, stderr) = capture(args)?;
    if !success {
        bail!("`cargo {}`: {}", args.join(" "), stderr.trim());
    }
    Ok(stdout)
}

/// Whether cargo succeeded, what it printed and what it complained of.
pub(crate) fn capture(args: &[&str]) -> Result<(bool, String, String)> {
    capture_of(command().args(args))
}

/// Whether a command succeeded, what it printed and what it complained of.
pub(crate) fn capture_of(command: &mut Command) -> Result<(bool, String, String)> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{command:?} does not start"))?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.success(), text(output.stdout), text(output.stderr)))
}
