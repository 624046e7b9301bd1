//! Errors in an engine's name.

use tidings_core::BrokerError;

pub(crate) fn away(engine: impl Into<String>, problem: impl Into<String>) -> BrokerError {
    BrokerError::Away { engine: engine.into(), problem: problem.into() }
}

pub(crate) fn refused(engine: impl Into<String>, problem: impl Into<String>) -> BrokerError {
    BrokerError::Refused { engine: engine.into(), problem: problem.into() }
}
