//! The parent: lines on stdin say when to go on, lines on stdout say what has come about.

use std::fmt::Display;
use std::io::{self, Write};

use rustix::io::Errno;

use crate::clients::failure::Failure;

/// What has come on stdin. A line is a signal; what it says does not matter.
#[derive(Debug, Default)]
pub(crate) struct Control {
    lines: usize,
    pub(crate) ended: bool,
}

impl Control {
    /// Reads what has come, once the epoll says so.
    pub(crate) fn read(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; 256];
        match rustix::io::read(rustix::stdio::stdin(), &mut buffer) {
            Ok(0) => self.ended = true,
            Ok(length) => self.lines += buffer[..length].iter().filter(|&&b| b == b'\n').count(),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(Failure::to("read stdin")(error)),
        }
        Ok(())
    }

    /// Takes the line that was waited for, where it has come.
    pub(crate) fn take_line(&mut self) -> bool {
        let came = self.lines > 0;
        self.lines -= usize::from(came);
        came
    }
}

/// Tells the parent.
pub(crate) fn tell(line: impl Display) -> Result<(), Failure> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(Failure::to("write to stdout"))
}
