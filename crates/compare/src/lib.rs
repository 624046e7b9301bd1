//! Measures realtime transports side by side: **one workload, any transport, honest figures**.
//!
//! ```text
//! Plan ─► run(plan, contenders, progress) ─► Cell, Cell, … ─► Summary ─► Report: table, page, JSON
//! ```
//!
//! The hub is a child process on a core of its own, so that server and load never share a process. Every
//! transport gets the same open-loop workload over real sockets, and latency counts from the instant
//! at which a notification was *to be* sent: a hub that stalls cannot hide behind publishers that wait
//! for it. Rounds are interleaved (A B C A B C), figures are medians with their spread, and whatever
//! casts a doubt on them is a [`Warning`].
//!
//! Each [`Contender`] brings its [`Client`](tidings_transport::client::Client), its publisher and, if it is not served
//! by the hub, its [`Engine`]. Outside [`contenders`] nothing depends on a protocol, so another transport or server is
//! one more contender.
//!
//! | idea | file |
//! | --- | --- |
//! | what to measure | `plan.rs` |
//! | who takes part, and what serves it | `contender.rs`, `contenders/`, `engine.rs`, `servers.rs` |
//! | the hub, and what the kernel says of it | `hub.rs`, `child.rs`, `proc.rs`, `pin.rs`, `quota.rs` |
//! | when to publish, and publishing then | `schedule.rs`, `workload.rs` |
//! | what each payload says of itself | `stamp.rs` |
//! | receiving, timing, checking | `receive.rs`, `check.rs` |
//! | one contender in one round; all of them | `measure.rs`, `run.rs` |
//! | raw figures; THE lists of figures; medians | `record.rs`, `figures.rs`, `summary.rs`, `stats.rs` |
//! | doubts | `warnings.rs` |
//! | what a person sees | `report/` |
//! | the hub against bare delivery, with the bars | `limit/` |

mod check;
mod child;
mod clock;
mod connect;
mod contender;
pub mod contenders;
mod engine;
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
mod quota;
mod receive;
mod record;
mod report;
mod run;
mod schedule;
mod servers;
mod stamp;
mod stats;
mod summary;
mod versions;
mod warnings;
mod workload;

pub use check::Integrity;
pub use child::ChildError;
pub use contender::{Contender, Server};
pub use engine::{Engine, EngineError, Running};
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
pub use report::{Missing, Remark, Report};
pub use run::{backplane, run};
pub use schedule::Regime;
pub use stats::Spread;
pub use summary::{Curve, Row, Summary};
pub use versions::Version;
pub use warnings::{Place, Warning, Worst};
