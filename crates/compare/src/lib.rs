//! Measures realtime transports side by side: **one workload, any transport, honest figures**.
//!
//! ```text
//! Plan ─► run(plan, clients, progress) ─► Cell, Cell, … ─► Summary ─► Report: table, page, JSON
//! ```
//!
//! The hub is a child process on a core of its own, so that server and load never share a process. Every
//! transport gets the same open-loop workload over real sockets, and latency counts from the instant
//! at which a notification was *to be* sent: a hub that stalls cannot hide behind publishers that wait
//! for it. Rounds are interleaved (A B C A B C), figures are medians with their spread, and whatever
//! casts a doubt on them is a [`Warning`].
//!
//! There is no protocol code in here: each transport's [`Client`](tidings_transport::client::Client)
//! comes from the caller, so that a new transport is compared without a line changed.
//!
//! | idea | file |
//! | --- | --- |
//! | what to measure | `plan.rs` |
//! | the hub, and what the kernel says of it | `hub.rs`, `child.rs`, `proc.rs`, `pin.rs` |
//! | when to publish, and publishing then | `schedule.rs`, `workload.rs` |
//! | what each payload says of itself | `stamp.rs` |
//! | receiving, timing, checking | `receive.rs`, `check.rs` |
//! | one transport in one round; all of them | `measure.rs`, `run.rs` |
//! | raw figures; THE list of figures; medians | `record.rs`, `figures.rs`, `summary.rs`, `stats.rs` |
//! | doubts | `warnings.rs` |
//! | what a person sees | `report/` |
//! | the hub against bare delivery, with the bars | `limit/` |

mod check;
mod child;
mod clock;
mod connect;
mod environment;
mod error;
mod figures;
mod files;
mod hub;
mod limit;
mod measure;
mod pin;
mod plan;
mod proc;
mod progress;
mod receive;
mod record;
mod report;
mod run;
mod schedule;
mod stamp;
mod stats;
mod summary;
mod warnings;
mod workload;

pub use check::Integrity;
pub use child::ChildError;
pub use environment::Environment;
pub use error::RunError;
pub use figures::Unit;
pub use limit::{
    Bar, LimitFailure, LimitPlan, LimitReport, LimitRow, LoadFigures, Program, Programs,
    ProgramsError, Sample, Verdict, Window, against_limit,
};
pub use plan::{HubUnderTest, MAX_SOCKETS, Plan, PlanError, PlanRecord};
pub use progress::Progress;
pub use record::{Cell, Connect, Idle, Latency, Measured};
pub use report::Report;
pub use run::run;
pub use schedule::Regime;
pub use stats::Spread;
pub use summary::{Curve, Row, Summary};
pub use warnings::{Warning, Worst};
