//! Work of a fixed size, for callgrind to count the instructions of: `cargo xtask counts` runs each
//! scenario under it and compares with `baseline.txt`.
//!
//! ```text
//! tidings-counts          the names of the scenarios
//! tidings-counts NAME     one of them
//! ```
//!
//! Only what lies between two calls of [`mark::mark`] counts, and so no program's start and no set-up.
//!
//! Not gungraun (iai-callgrind): it needs a second program, installed by hand in the very version of the
//! library, and what is taken from callgrind here is one line of its output.

mod decode;
mod encode;
mod filters;
mod handshake;
mod lane;
mod log;
mod mark;
mod material;
mod scenarios;
mod served;

use std::process::ExitCode;

use scenarios::SCENARIOS;

fn main() -> ExitCode {
    let Some(name) = std::env::args().nth(1) else {
        SCENARIOS.iter().for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let Some((_, work)) = SCENARIOS.iter().find(|(known, _)| *known == name) else {
        eprintln!("there is no scenario {name}");
        return ExitCode::FAILURE;
    };
    work();
    ExitCode::SUCCESS
}
