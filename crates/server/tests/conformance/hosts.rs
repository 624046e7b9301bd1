//! DNS rebinding: the owner of a name makes it resolve to the address of this server.

use std::time::Duration;

use tidings_core::HubConfig;
use tidings_server::Hosts;
use tokio::net::TcpListener;

use crate::support::{Raw, Running, every, every_mover_without_tls, every_without_tls};

const EVIL: &str = "evil.example:8080";

/// A request as the browser of a victim sends it. The page has the same origin as the host of the request.
fn rebound(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: {EVIL}\r\nOrigin: http://{EVIL}\r\n{headers}\r\n")
}

#[test]
fn a_page_of_another_name_can_neither_read_nor_publish() {
    // A browser checks the name by the certificate of a server with TLS.
    every_without_tls(async |case| {
        let hub = Running::start(case.config(HubConfig::default()).await).await;
        let request =
            case.request("t", "&after=earliest").replace("Host: hub", &format!("Host: {EVIL}"));
        let with_origin = request.replacen("\r\n", &format!("\r\nOrigin: http://{EVIL}\r\n"), 1);
        // A browser sends no Origin with a GET to the origin of the page.
        for request in [request, with_origin, rebound("POST /topics/t", "Content-Length: 0\r\n")] {
            let answer = Raw::request(hub.address, request).await;
            assert_eq!(answer.rejection(), (421, "unknown_host".to_owned()));
            let message = answer.text();
            for named in ["evil.example", "--host evil.example"] {
                assert!(message.contains(named), "{message}");
            }
        }
        assert!(hub.hub.pool().is_empty());
        assert_eq!(hub.hub.log().head().seq, 0);
        hub.stop().await;
    });
}

#[test]
fn every_resource_except_the_health_check_is_rejected() {
    let preflight = "Access-Control-Request-Method: POST\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    every_mover_without_tls(async |mover| {
        let hub = mover.hub().await;
        for (line, headers) in [
            ("GET /", ""),
            ("GET /", "Accept: text/html\r\n"),
            ("GET /transports", ""),
            ("GET /metrics", ""),
            ("GET /nothing", ""),
            ("GET /page/page.js", ""),
            ("OPTIONS /topics/t", preflight),
            ("POST /topics/t", chunked),
            ("GET http://evil.example/transports", "X-Host: localhost\r\n"),
        ] {
            let answer = Raw::request(hub.address, rebound(line, headers)).await;
            assert_eq!(answer.rejection(), (421, "unknown_host".to_owned()), "{line}");
        }
        for line in ["GET /healthz", "GET /readyz"] {
            assert_eq!(Raw::request(hub.address, rebound(line, "")).await.status, 200, "{line}");
        }
        hub.stop().await;
    });
}

#[test]
fn listed_hosts_are_accepted_and_a_listener_that_is_not_loopback_accepts_all() {
    let get = |host: &str| format!("GET /transports HTTP/1.1\r\nHost: {host}\r\n\r\n");
    every_mover_without_tls(async |mover| {
        let status = async |hub: &Running, host: &str| {
            Raw::request((std::net::Ipv4Addr::LOCALHOST, hub.address.port()).into(), get(host))
                .await
                .status
        };
        let on = async |address: &str, hosts: Hosts| {
            let mut config = mover.config(HubConfig::default()).await;
            config.hosts = hosts;
            config.drain = Duration::from_millis(10);
            Running::start_on(TcpListener::bind(address).await.unwrap(), config)
        };
        let listed = || Hosts::Listed(vec!["news.example".to_owned()]);
        for (address, hosts, accepted) in [
            ("127.0.0.1:0", Hosts::ByListener, [200, 200, 200, 421, 421]),
            ("127.0.0.1:0", listed(), [200, 200, 421, 200, 421]),
            ("127.0.0.1:0", Hosts::Any, [200; 5]),
            ("0.0.0.0:0", Hosts::ByListener, [200; 5]),
            ("0.0.0.0:0", listed(), [200, 200, 421, 200, 421]),
        ] {
            let hub = on(address, hosts).await;
            let hosts = ["localhost:1", "192.0.2.1", "hub", "News.example:8443", EVIL];
            for (host, expected) in hosts.into_iter().zip(accepted) {
                assert_eq!(status(&hub, host).await, expected, "{host} on {address}");
            }
            hub.stop().await;
        }
    });
}

/// A listener with TLS accepts every name by default, because a browser checks it by the certificate.
#[test]
fn every_transport_accepts_only_listed_hosts() {
    every(async |case| {
        let mut config = case.config(HubConfig::default()).await;
        config.hosts = Hosts::Listed(vec!["hub".to_owned()]);
        let hub = Running::start(config).await;
        let subscribe = async |host: &str| {
            let lines = format!("Host: {host}\r\n");
            case.subscribe(&hub, "t", "&after=earliest&wait=0", &lines).await
        };
        let rejection = subscribe(EVIL).await.rejection().await;
        assert_eq!(rejection, (421, "unknown_host".to_owned()));
        assert!(hub.hub.pool().is_empty());
        subscribe("HUB:8443").await.accepted().await;
        hub.stop().await;
    });
}
