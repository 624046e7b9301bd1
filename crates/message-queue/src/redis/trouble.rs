//! Decides what an error of Redis means: whether the connection is replaced, whether a retry can help, and what the
//! operator can do.

use redis::{ErrorKind, RedisError};

/// With these errors the connection is replaced. The server is a replica, is starting, or is part of a cluster that
/// does not serve. The new connection resolves the name again, which may lead to another server.
const ELSEWHERE: [&str; 6] =
    ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "UNBLOCKED", "MOVED"];

/// With these errors the connection is kept, and the next attempt may succeed.
const BUSY: [&str; 3] = ["BUSY", "TRYAGAIN", "NOREPLICAS"];

/// What an operator can do, by the code of the error.
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

/// Returns `true` if there was no response. The connection cannot be used any longer.
fn is_silence(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
}

pub(super) fn ends_connection(error: &RedisError) -> bool {
    is_silence(error) || error.code().is_some_and(|code| ELSEWHERE.contains(&code))
}

/// Returns `true` if another attempt may succeed.
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

/// The text of the error, and what to do.
pub(super) fn describe(error: &RedisError) -> String {
    let mut text = error.to_string();
    // An operator can search for the code.
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
            "{text}: ?ca=FILE names the authority of the broker's certificate, ?cert=FILE&key=FILE the client certificate"
        ),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redis::ServerErrorKind;

    #[test]
    fn errors_of_a_failover_replace_the_connection_and_are_retried() {
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
