//! The check of the host depends on the listener of a connection.

use tidings_core::HubConfig;
use tidings_server::Hosts;

use crate::support::{Raw, every_mover_without_broker};

/// A request that a lane parses, and one that hyper parses.
fn requests(host: &str) -> [String; 2] {
    let head = |line: &str| format!("{line} HTTP/1.1\r\nHost: {host}\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    [head("GET /transports") + "\r\n", head("POST /topics/t") + chunked]
}

#[test]
fn each_listener_decides_for_its_own_connections() {
    every_mover_without_broker(async |mover| {
        let config = mover.config(HubConfig::default()).await;
        // Neither the order of the listeners nor the other listeners matter.
        let server = config.server().bind("127.0.0.1:0").await.unwrap();
        let server = server.bind("0.0.0.0:0").await.unwrap().bind("127.0.0.1:0").await.unwrap();
        #[cfg(unix)]
        let folder = tempfile::tempdir().unwrap();
        #[cfg(unix)]
        let server = server.bind_unix(folder.path().join("socket")).unwrap();
        let ports: Vec<_> = server.local_addrs().iter().map(|address| address.port()).collect();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
        for (port, expected) in ports.into_iter().zip([421, 200, 421]) {
            let address = (std::net::Ipv4Addr::LOCALHOST, port).into();
            for request in requests("evil.example") {
                assert_eq!(Raw::request(address, &request).await.status, expected, "{request}");
            }
            for request in requests("localhost") {
                assert_eq!(Raw::request(address, &request).await.status, 200, "{request}");
            }
        }
        #[cfg(unix)]
        for request in requests("evil.example") {
            let socket = tokio::net::UnixStream::connect(folder.path().join("socket")).await;
            let mut raw = Raw::over(socket.unwrap());
            raw.send(&request).await;
            assert_eq!(raw.answer().await.status, 200, "{request}");
        }
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
    });
}

#[cfg(unix)]
#[test]
fn listed_hosts_are_checked_on_a_unix_socket_as_well() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.hosts = Hosts::Listed(vec!["news.example".to_owned()]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let server = config.server().bind_unix(&path).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
        for (host, expected) in [("news.example", 200), ("evil.example", 421)] {
            for request in requests(host) {
                let mut raw = Raw::over(tokio::net::UnixStream::connect(&path).await.unwrap());
                raw.send(&request).await;
                assert_eq!(raw.answer().await.status, expected, "{request}");
            }
        }
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
    });
}
