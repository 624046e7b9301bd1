//! Failover of Redis: the name points to another server, and connections to the old one stay open.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use tidings_testkit::{LocalConfig, LocalRedis};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::program::{Program, SOON};

/// A port that forwards to a server, as a name or a virtual address does. A change affects only new connections.
async fn forwarder(first: u16) -> (u16, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let to = Arc::new(AtomicU16::new(first));
    let now = to.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let to = ("127.0.0.1", now.load(Ordering::Relaxed));
            tokio::spawn(async move {
                if let Ok(mut server) = TcpStream::connect(to).await {
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    (port, to)
}

/// Sends a command to a server and reads its whole response.
async fn request(port: u16, command: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + SOON;
    while !is_so().await {
        assert!(Instant::now() < until, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// go-redis#790, StackExchange.Redis#2264.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_follows_the_name_when_its_redis_becomes_a_replica() {
    let config = LocalConfig::default;
    let (old, new) = (LocalRedis::start(config()).await, LocalRedis::start(config()).await);
    let (old, new) = (old.unwrap(), new.unwrap());
    let (a, b) = (old.url().port().unwrap(), new.url().port().unwrap());
    request(b, &format!("REPLICAOF 127.0.0.1 {a}")).await;
    let follows = async || request(b, "INFO").await.contains("master_link_status:up");
    eventually("the replica follows", follows).await;
    let (name, to) = forwarder(a).await;
    let mut hub = Program::start(&format!("redis://127.0.0.1:{name}"), &[], "warn");
    assert_eq!(hub.publish("t", "before").0, 200);
    let arrived = async || request(b, "XLEN {tidings}:log").await.contains(":1\r\n");
    eventually("the replica has it", arrived).await;

    request(b, "REPLICAOF NO ONE").await;
    request(a, &format!("REPLICAOF 127.0.0.1 {b}")).await;
    // The name still points to the old master, which is a replica now. The server rejects and logs publishes.
    let connected = |hub: &Program, number: u8| {
        hub.get("/metrics").1.contains(&format!("tidings_broker_connected {number}"))
    };
    eventually("the broker is not connected", async || connected(&hub, 0)).await;
    let (status, answer) = hub.publish("t", "meanwhile");
    assert!(status == 503 && answer.contains("\"unavailable\""), "{answer}");
    hub.logs("replica");

    to.store(b, Ordering::Relaxed);
    hub.publishes("t");
    eventually("the broker is connected", async || connected(&hub, 1)).await;
    // Both are stored, but the server may not have received the second one from the broker yet.
    let both = |answer: &str| answer.contains("before") && answer.contains("hello");
    let delivered = async || both(&hub.get("/topics/t?after=earliest&wait=0").1);
    eventually("the server delivers both", delivered).await;
    assert!(request(b, "ROLE").await.contains("master"));
}
