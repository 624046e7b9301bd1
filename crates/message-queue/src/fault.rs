//! Errors in an engine's name.

use tidings_core::BrokerError;

pub(crate) fn away(engine: impl Into<String>, problem: impl ToString) -> BrokerError {
    BrokerError::Away { engine: engine.into(), problem: problem.to_string() }
}

pub(crate) fn refused(engine: impl Into<String>, problem: impl ToString) -> BrokerError {
    BrokerError::Refused { engine: engine.into(), problem: problem.to_string() }
}
