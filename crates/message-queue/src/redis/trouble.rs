//! What an error of Redis means for the connection, for a retry, and for its operator.

use redis::{ErrorKind, RedisError};

/// A connection to a server that answers so is of no use: it is a replica, or begins, or is not of a cluster
/// that serves. The next connection goes to where the name points by then.
const ELSEWHERE: [&str; 6] =
    ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "UNBLOCKED", "MOVED"];

/// The connection stays, and the next attempt may go well.
const BUSY: [&str; 3] = ["BUSY", "TRYAGAIN", "NOREPLICAS"];

/// What an operator can do.
const REMEDIES: [(&str, &str); 10] = [
    ("READONLY", "it is a replica: name its master, or an address that follows the master"),
    (
        "MOVED",
        "it is one node of a Redis Cluster: name the master that has this slot, or a Redis without a cluster",
    ),
    ("CROSSSLOT", "name a Redis without a cluster"),
    ("NOAUTH", "put USER:PASSWORD@ or :PASSWORD@ before the host"),
    ("WRONGPASS", "put USER:PASSWORD@ or :PASSWORD@ before the host, percent-encoded"),
    (
        "NOPERM",
        "give this user the keys {STREAM}:* and the commands of streams, hashes and scripts",
    ),
    ("WRONGTYPE", "something else has the keys of this stream: name another one with ?stream=NAME"),
    ("OOM", "raise maxmemory, or lower --keep-bytes"),
    ("MISCONF", "Redis cannot write to its disk: free some space"),
    ("NOREPLICAS", "start its replicas, or lower min-replicas-to-write"),
];

/// Nothing came back, so the connection is of no use.
fn is_silence(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
}

/// Whether another connection is to be made.
pub(super) fn ends_connection(error: &RedisError) -> bool {
    is_silence(error) || error.code().is_some_and(|code| ELSEWHERE.contains(&code))
}

/// Whether it may go well when it is tried again.
pub(super) fn is_passing(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig => false,
        _ => {
            let code = error.code().unwrap_or_default();
            is_silence(error)
                || BUSY.contains(&code)
                || (ELSEWHERE.contains(&code) && code != "MOVED")
        }
    }
}

/// The error and what to do.
pub(super) fn describe(error: &RedisError) -> String {
    let mut text = error.to_string();
    // Operators search for the code.
    if let Some(code) = error.code().filter(|code| !text.contains(code)) {
        text.insert_str(0, &format!("{code}: "));
    }
    let code = match error.kind() {
        ErrorKind::AuthenticationFailed => Some("WRONGPASS"),
        _ => error.code(),
    };
    let remedy = REMEDIES.iter().find(|(of, _)| code == Some(*of));
    match remedy {
        Some((_, remedy)) => format!("{text}: {remedy}"),
        None if text.contains("certificate") || text.contains("fatal alert") => format!(
            "{text}: ?ca=FILE names the authority of the server's certificate, ?cert=FILE&key=FILE the hub's own"
        ),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::ServerErrorKind;

    #[test]
    fn a_failover_ends_the_connection_and_passes() {
        for kind in [
            ServerErrorKind::ReadOnly,
            ServerErrorKind::BusyLoading,
            ServerErrorKind::MasterDown,
            ServerErrorKind::ClusterDown,
        ] {
            let error = RedisError::from((ErrorKind::Server(kind), "x"));
            assert!(ends_connection(&error) && is_passing(&error), "{error}");
        }
        let moved = RedisError::from((ErrorKind::Server(ServerErrorKind::Moved), "x"));
        assert!(ends_connection(&moved) && !is_passing(&moved));
        let busy = RedisError::from((ErrorKind::Server(ServerErrorKind::TryAgain), "x"));
        assert!(!ends_connection(&busy) && is_passing(&busy));
        let denied = RedisError::from((ErrorKind::AuthenticationFailed, "x"));
        assert!(!is_passing(&denied) && describe(&denied).contains("USER:PASSWORD@"));
    }
}
