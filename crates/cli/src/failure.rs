//! Errors of clients, in the words of the command line.

use tidings::transport::client::ClientError;

use crate::usage::Usage;

/// Converts an error of a client into that of a command. A URL that cannot be connected to is wrong usage, and what to
/// do about a certificate names the options of the program in place of those of the library.
pub(crate) fn failure(error: ClientError) -> anyhow::Error {
    match error {
        ClientError::BadUrl { .. } => Usage::new(error.to_string()).into(),
        ClientError::Certificate { address, problem } => {
            let remedy = problem.remedy_with("--ca FILE", "--tls-fingerprint");
            anyhow::anyhow!("the certificate of {address} is not accepted: {problem}: {remedy}")
        }
        error => error.into(),
    }
}
