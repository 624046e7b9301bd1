//! The two instruments of `tidings compare`: the baseline and the load.

#![cfg(target_os = "linux")]

mod instruments {
    mod baseline;
    mod load;

    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    /// `tidings baseline` on a port of its own, ended when this is dropped.
    pub(crate) struct Baseline {
        child: Child,
        pub(crate) address: String,
    }

    impl Baseline {
        /// Starts it and waits until it listens.
        pub(crate) fn start() -> Self {
            let mut child = Command::new(env!("CARGO_BIN_EXE_tidings"))
                .arg("baseline")
                .stdout(Stdio::piped())
                .spawn()
                .expect("the program starts");
            let stdout = child.stdout.take().expect("stdout is piped");
            let mut baseline = Self { child, address: String::new() };
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).expect("it prints where it listens");
            let address = line.trim_end().strip_prefix("listening on http://");
            baseline.address = address.expect("it listens").to_owned();
            baseline
        }
    }

    impl Drop for Baseline {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
