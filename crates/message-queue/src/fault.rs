//! Constructors of [`BrokerError`].

use tidings_core::BrokerError;

pub(crate) fn away(broker: impl Into<String>, problem: impl Into<String>) -> BrokerError {
    BrokerError::Away { broker: broker.into(), problem: problem.into() }
}

pub(crate) fn rejected(broker: impl Into<String>, problem: impl Into<String>) -> BrokerError {
    BrokerError::Rejected { broker: broker.into(), problem: problem.into() }
}
