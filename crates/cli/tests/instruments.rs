//! The two instruments of `tidings compare`: the baseline and the load.

#![cfg(target_os = "linux")]

mod instruments {
    mod baseline;
    mod load;

    use std::process::{Command, Stdio};

    use tidings_testkit::TestProgram;

    /// `tidings baseline` on a free port. Dropping it kills the process.
    pub(crate) struct Baseline {
        _program: TestProgram,
        pub(crate) address: String,
    }

    impl Baseline {
        /// Starts the baseline and waits until it listens.
        pub(crate) fn start() -> Self {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
            let mut program = TestProgram::start(command.arg("baseline").stdout(Stdio::piped()));
            let line = program.line();
            let address = line.strip_prefix("listening on http://").expect("the baseline listens");
            Self { _program: program, address: address.to_owned() }
        }
    }
}
