//! The hub against the limit: **what does everything cost beside bare delivery, and where is the bar?**
//!
//! ```text
//! ROWS ─► runs, each once a round, hub and limit back to back ─► Sample ─► ratios of a round ─► verdict
//! ```
//!
//! The limit is `tidings-limit`, one epoll loop that does nothing but deliver, on the same wire and driven by
//! the same load program, `tidings-load`. A bare ratio needs no second machine to be believed: whatever slows
//! one side of a pair down slows the other.
//!
//! | idea | file |
//! | --- | --- |
//! | THE list of rows | `rows.rs` |
//! | what a run starts: server, crowd, work | `run.rs` |
//! | what is divided | `figure.rs`, `sample.rs` |
//! | how it is held against the bar | `verdict.rs` |
//! | what to measure with which programs | `plan.rs`, `programs.rs` |
//! | the load program and what is said over its pipes | `load.rs` |
//! | one run; all of them, interleaved | `measure.rs`, `rounds.rs` |
//! | what a person sees, and the doubts | `report.rs`, `table.rs`, `doubts.rs` |

mod doubts;
mod figure;
mod load;
mod measure;
mod plan;
mod programs;
mod report;
mod rounds;
mod rows;
mod run;
mod sample;
mod table;
mod verdict;

pub use plan::LimitPlan;
pub use programs::{Program, Programs, ProgramsError};
pub use report::{LimitFailure, LimitReport, LimitRow};
pub use rounds::against_limit;
pub use sample::{LoadFigures, Sample, Window};
pub use verdict::{Bar, Verdict};
