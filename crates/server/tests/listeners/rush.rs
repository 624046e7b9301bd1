//! Many connections before the server accepts the first one.

use std::net::TcpStream;
use std::time::Duration;

use tidings_core::Hub;
use tidings_server::Server;

/// More than the standard library lets wait, and less than Linux allows by default.
const CONNECTIONS: usize = 300;

#[tokio::test]
async fn connections_wait_until_they_are_accepted() {
    let limit = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
    if limit.trim().parse::<usize>().unwrap() < CONNECTIONS {
        return;
    }
    let server = Server::builder(Hub::default()).build().bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addrs()[0];
    // If the queue is full, the system drops the first packet of a connection.
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(500));
    let waiting = (0..CONNECTIONS).map(connect).collect::<Result<Vec<_>, _>>();
    assert_eq!(waiting.expect("the queue is long enough").len(), CONNECTIONS);
}
