//! The programs of a measurement, and where they are.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::run::{Run, Side};
use crate::plan::HubUnderTest;

/// A program and its first arguments.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// What it is always started with.
    pub args: Vec<String>,
}

/// Everything that is started. Both servers have to listen on a free port and to write the line
/// `listening on http://ADDRESS:PORT` to standard output.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The hub.
    pub hub: Program,
    /// The limit.
    pub limit: Program,
    /// The load.
    pub load: Program,
}

/// A program is not where it is looked for.
#[derive(Debug, Error)]
pub enum ProgramsError {
    /// It has not been built.
    #[error(
        "there is no {name} beside this program in {}: build it with `cargo build --release -p \
         tidings-limit`", .beside.display()
    )]
    Missing {
        /// The program.
        name: &'static str,
        /// The directory.
        beside: PathBuf,
    },
    /// The system does not tell which program is running.
    #[error("cannot find this program to run the hub")]
    ThisProgram(#[from] std::io::Error),
}

impl Programs {
    /// This program as the hub, and the two others from its own directory: a checkout's builds lie beside each
    /// other, and one that is found elsewhere may be of another day.
    ///
    /// # Errors
    /// Where one of them is not there.
    pub fn beside_this_one() -> Result<Self, ProgramsError> {
        let this = HubUnderTest::this_program()?;
        let HubUnderTest::Child { program, args } = this else {
            return Err(std::io::Error::other("this program is no program").into());
        };
        let dir = program.parent().unwrap_or(Path::new(".")).to_owned();
        let beside = |name: &'static str| {
            let path = dir.join(name).with_extension(std::env::consts::EXE_EXTENSION);
            if path.is_file() {
                Ok(Program { path, args: Vec::new() })
            } else {
                Err(ProgramsError::Missing { name, beside: dir.clone() })
            }
        };
        let (mut limit, load) = (beside("tidings-limit")?, beside("tidings-load")?);
        limit.args = ["--listen", "127.0.0.1:0"].map(str::to_owned).to_vec();
        Ok(Self { hub: Program { path: program, args }, limit, load })
    }

    /// The server of that run, and its arguments.
    pub(crate) fn server(&self, run: &Run) -> Program {
        let mut program = match run.server.side {
            Side::Hub => self.hub.clone(),
            Side::Limit => self.limit.clone(),
        };
        program.args.extend(run.server_args());
        program
    }
}

#[cfg(all(test, unix))]
impl Program {
    /// A shell script; what it is started with is `$*`.
    pub(crate) fn shell(script: &str) -> Self {
        Self { path: "sh".into(), args: ["-c", script, "script"].map(str::to_owned).to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_the_command_that_builds_it() {
        // Tests lie in a directory of their own, below that of the programs.
        let error = Programs::beside_this_one().unwrap_err().to_string();
        assert!(
            error.contains("tidings-limit") && error.contains("cargo build --release"),
            "{error}"
        );
    }
}
