//! The load in a browser: one headless Chromium, each tab of which is a client.
//!
//! ```text
//! schedule ─► publisher ══ publishes ══► server ══ one connection or many ══► Chromium ─► tab, … ─► arrivals
//!                                                                     DevTools protocol ◄┘      score ─► one line of JSON
//! ```
//!
//! It is a separate process with the protocol of the other load: a setup, then commands, each of which is answered with
//! an outcome. A tab is a page of the measured server, so that all tabs share its origin and the browser's limit on
//! connections. The script in it opens an `EventSource`, a `WebSocket` or a loop of polls, and records the number and
//! the time of each notification. Nothing else runs in the page during a stage. At its end, this process reads what the
//! tabs have recorded and counts lost, duplicated and reordered notifications as the other load does.
//!
//! A tab whose stream is not connected is not a client: nothing is meant for it, and nothing is lost. The number of
//! connected tabs is a figure.
//!
//! The clock of a page has a resolution of 0.1 ms. It is the same clock as that of this process.
//!
//! | idea | file |
//! | --- | --- |
//! | running a command | `tabs.rs` |
//! | one tab, and the script in its page | `tab.rs`, `page.js` |
//! | the browser's process, its CPU time and memory | `chromium.rs` |
//! | the DevTools protocol | `devtools.rs` |
//! | the publisher | `publisher.rs` |

mod chromium;
mod devtools;
mod publisher;
mod tab;
mod tabs;

use std::process::ExitCode;

use self::tabs::Tabs;
use crate::load::{exit, read, write};

/// Runs the load with the setup and the commands of standard input, until its end.
pub fn main() -> ExitCode {
    exit(run())
}

fn run() -> anyhow::Result<()> {
    let Some(setup) = read()? else { return Ok(()) };
    let mut tabs = Tabs::new(setup)?;
    while let Some(command) = read()? {
        write(&tabs.run(command)?)?;
    }
    Ok(())
}
