//! Measures realtime transports side by side, with the same workload for every server.
//!
//! ```text
//! Scenario ─► Plan ─► cells: contender × sequence × round ─► Sample, … ─► rows, targets, warnings ─► Report
//!              │
//!              ├─ starts ─► server   ours, the baseline, nats-server or redis-server, on its own core
//!              └─ starts ─► load     one thread, thousands of clients, on another core; a command in, an outcome out
//! ```
//!
//! Each cell has a fresh server and a fresh load in separate processes. Latency counts from the time for which a
//! publish was *scheduled*, so the stalls of a server are included even if publishers wait for it. Lost, duplicated and
//! reordered notifications are always counted. Rounds are interleaved, and figures are medians with their spread. Each
//! reason to doubt a figure is a [`Warning`].
//!
//! The baseline is one more server. If it is measured, the ratios to it are compared with targets.
//!
//! | idea | file |
//! | --- | --- |
//! | a question and what is measured to answer it | `scenario.rs`, `scenarios/` |
//! | stages with the same server, and their figures | `sequence.rs`, `measures.rs`, `rows.rs` |
//! | one run of a scenario | `plan.rs`, `choice.rs`, `workload.rs` |
//! | the lists of contenders and of targets | `contender.rs`, `targets/list.rs` |
//! | starting, restarting and stopping servers, their CPU time and memory | `servers.rs`, `servers/`, `child.rs`, `proc.rs`, `cgroup.rs`, `pin.rs`, `quota.rs` |
//! | the load, and the commands that control it | `load/`, `protocol.rs` |
//! | the load whose clients are tabs of a browser | `browser/` |
//! | one cell, and all of them | `measure.rs`, `cut.rs`, `run.rs` |
//! | raw figures, medians, ratios | `sample.rs`, `latency.rs`, `summary.rs`, `stats.rs`, `units.rs`, `targets/` |
//! | simulated networks, and what was counted on them | `network/`, `network_counts.rs` |
//! | the monthly cost, and several machines side by side | `bill.rs`, `merge.rs` |
//! | reasons to doubt | `warnings.rs` |
//! | the report, the folder of several, and the progress | `report/`, `folder.rs`, `progress.rs` |
//! | the baseline server, servers of other projects | `baseline/`, `peers.rs`, `peers/` |
//! | TLS of load and baseline, and the certificate | `tls.rs`, `certificate.rs` |

#[cfg(target_os = "linux")]
pub mod baseline;
mod bill;
#[cfg(target_os = "linux")]
pub mod browser;
mod certificate;
mod cgroup;
mod child;
mod choice;
mod contender;
mod cut;
mod environment;
mod folder;
mod latency;
#[cfg(target_os = "linux")]
pub mod load;
mod measure;
mod measures;
mod merge;
#[cfg_attr(not(target_os = "linux"), path = "no_network.rs")]
mod network;
mod network_counts;
mod peers;
mod pin;
mod plan;
mod proc;
mod progress;
mod protocol;
mod quota;
mod report;
mod rows;
mod run;
mod sample;
mod scenario;
mod scenarios;
mod sequence;
mod servers;
mod stats;
mod summary;
mod targets;
#[cfg(target_os = "linux")]
mod tls;
mod units;
mod warnings;
mod workload;

pub use bill::{Assumptions, bill_text};
pub use contender::contender_names;
pub use environment::{Environment, Version};
pub use folder::Folder;
pub use latency::Latency;
pub use merge::merged;
pub use network_counts::{Checked, Counts, LinkCounts};
pub use plan::{Compression, Plan, RunningServer};
pub use progress::Progress;
pub use protocol::{BrowserUse, Command, Outcome};
pub use report::{Missing, Remark, Report, page};
pub use run::run;
pub use sample::{NetworkSample, Sample};
pub use scenario::Scenario;
pub use stats::Spread;
pub use summary::{Curve, Row, Summary};
pub use targets::TargetRow;
pub use units::Unit;
pub use warnings::{Doubt, Place, Warning};
pub use workload::{Payload, PlanError, Workload};
