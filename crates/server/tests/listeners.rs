//! A server with several kinds of listeners, and its handle.

mod support;

mod listeners {
    mod hosts;
    mod redirect;
    #[cfg(target_os = "linux")]
    mod rush;
    mod secure;
    #[cfg(unix)]
    mod socket_file;
    #[cfg(unix)]
    mod unix;
}

use std::num::NonZeroUsize;

use tidings_core::{Hub, Position, Reason};
use tidings_server::{ServeBy, Server};
use tidings_transport::client::Target;
use tokio::sync::oneshot;

use support::{Follower, all_listed, eventually, in_time};

#[tokio::test]
async fn every_listener_reaches_every_lane_and_all_are_closed_at_the_end() {
    for serve_by in [ServeBy::Lanes, ServeBy::GeneralPath] {
        let hub = Hub::default();
        let server = Server::builder(hub.clone()).configure(|config| {
            config.workers = NonZeroUsize::new(2).unwrap();
        });
        let server = server.serve_by(serve_by);
        let inherited = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let server = server.bind("127.0.0.1:0").await.unwrap().listen(inherited).unwrap();
        let server = server.bind("127.0.0.2:0").await.unwrap();
        let addresses = server.local_addrs().to_vec();
        assert_eq!(addresses.len(), 3);
        let handle = server.handle();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));

        let websocket = all_listed().swap_remove(0);
        let mut followers = Vec::new();
        for address in addresses.iter().cycle().take(12) {
            let url = format!("http://{address}/topics/t").parse().unwrap();
            let target = Target::new(url).position(Position::Earliest);
            followers.push(Follower::new(websocket.client.connect(target).await.unwrap()));
        }
        assert_eq!(handle.connections(), 12);
        assert!(handle.metrics().unwrap().contains("tidings_connections 12\n"));
        let news = tidings_core::Notification::text("t".parse().unwrap(), "news");
        hub.publish(news).await.unwrap();
        for follower in &mut followers {
            assert_eq!(follower.text().await.1, "news");
        }
        stop.send(()).unwrap();
        for follower in followers {
            assert_eq!(follower.goodbye().await.code, Some(Reason::GoingAway.code()));
        }
        in_time(serving).await.unwrap().unwrap();
        eventually("no client is left", async || handle.connections() == 0).await;
        for address in addresses {
            assert!(tokio::net::TcpStream::connect(address).await.is_err(), "{address} is open");
        }
    }
}
