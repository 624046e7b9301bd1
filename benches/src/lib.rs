//! What the benchmarks share. The benchmarks themselves are in the folder beside this one:
//!
//! | benchmark | what a run of it does |
//! | --- | --- |
//! | `encode` | renders one notification in the words of every transport |
//! | `publish` | publishes, with and without waiting readers, into a log that has room or is full |
//! | `fan_out` | publishes to readers in core, until the last one has it |
//! | `filters` | finds the filters that a topic matches, among many that it does not |
//! | `resume` | reads a full log from its beginning |
//! | `transports` | publishes to clients of every transport over loopback, until the last one has it |

mod tally;

pub use tally::Tally;
