//! How long a server takes to notice that its clients have vanished.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::network::CLIENTS;
use crate::protocol::Outcome;
use crate::servers::Servers;

/// The time between two counts of connections.
const INTERVAL: Duration = Duration::from_millis(100);

/// The state of an established connection in `/proc/net/tcp`.
const ESTABLISHED: &str = "01";

/// Waits until the servers have closed the connections of all clients, or until this time has passed. The network must
/// have been cut.
pub(crate) async fn wait_until_noticed(servers: &Servers, clients: usize, seconds: f64) -> Outcome {
    let (began, limit) = (Instant::now(), Duration::from_secs_f64(seconds));
    let mut half = None;
    loop {
        let open = servers.sockets().map(|table| established(&table)).sum::<usize>();
        let passed = began.elapsed();
        if half.is_none() && open <= clients / 2 {
            half = Some(passed.as_secs_f64());
        }
        if open == 0 || passed >= limit {
            let all = (open == 0).then_some(passed.as_secs_f64());
            return Outcome {
                connections: open as u64,
                seconds: passed.as_secs_f64(),
                noticed_half: half,
                noticed_all: all,
                ..Outcome::default()
            };
        }
        sleep(INTERVAL).await;
    }
}

/// The number of established connections to clients in a text like `/proc/net/tcp`. Publishers are on the side of the
/// server.
fn established(table: &str) -> usize {
    let is_client = |remote: &str| {
        let address = remote.split(':').next().and_then(|it| u32::from_str_radix(it, 16).ok());
        address.is_some_and(|it| CLIENTS.iter().any(|client| client.octets() == it.to_ne_bytes()))
    };
    let is_open = |line: &&str| {
        let mut fields = line.split_ascii_whitespace().skip(2);
        fields.next().is_some_and(is_client) && fields.next() == Some(ESTABLISHED)
    };
    table.lines().filter(is_open).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn only_established_connections_to_clients_are_counted() {
        let table = "  sl  local_address rem_address   st tx_queue\n   \
                     0: 010012C6:1F90 00000000:0000 0A 00000000\n   \
                     1: 010012C6:1F90 020012C6:D431 01 00000000\n   \
                     2: 010012C6:1F90 110012C6:D432 01 00000000\n   \
                     3: 010012C6:1F90 020012C6:D433 04 00000000\n   \
                     4: 010012C6:1F90 010012C6:D434 01 00000000\n";
        assert_eq!(established(table), 2);
    }
}
