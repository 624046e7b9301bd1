//! Why a comparison has no report.

use thiserror::Error;

use crate::workload::PlanError;

/// A comparison without a report.
///
/// Lost or duplicated notifications are not an error of this kind. They are in the report, and
/// [`Report::is_clean`](crate::Report::is_clean) returns `false`.
#[derive(Debug, Error)]
pub enum RunError {
    /// The plan cannot be carried out. This is the caller's fault.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// This process may not open as many files as the plan needs sockets.
    #[error(
        "the plan needs {needed} open files and this process may have {limit}: raise the limit \
         (ulimit -n) or compare with fewer clients"
    )]
    OpenFiles {
        /// What the plan needs.
        needed: u64,
        /// What the system allows.
        limit: u64,
    },
    /// No contender could be measured.
    #[error("nothing could be measured: {problem}")]
    Nothing {
        /// The first problem.
        problem: String,
    },
    /// The run was interrupted before the first measurement was finished.
    #[error("interrupted before the first measurement was finished: there is nothing to report")]
    Interrupted,
}
