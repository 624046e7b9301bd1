//! A NATS cluster.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::process::{free_port, with_other_ports};
use super::{LocalConfig, LocalError, LocalNats};

/// A NATS cluster with JetStream. Dropping it ends its servers.
#[derive(Debug)]
pub struct LocalNatsCluster {
    servers: Vec<LocalNats>,
}

impl LocalNatsCluster {
    /// Starts a cluster of `count` servers, and waits until a stream can be stored on all of them. `count` should be
    /// odd.
    ///
    /// # Errors
    /// Any error of [`LocalNats::start`].
    pub async fn start(count: usize, config: LocalConfig) -> Result<Self, LocalError> {
        with_other_ports(async || {
            let mut cluster = Self { servers: prepare(count, &config)? };
            // All are started first, because none is ready without the others.
            for server in &mut cluster.servers {
                server.spawn()?;
            }
            for server in &mut cluster.servers {
                server.start_again().await?;
            }
            cluster.wait_for_a_leader(config.ready_within).await?;
            Ok(cluster)
        })
        .await
    }

    /// Returns the URL of each server.
    pub fn urls(&self) -> Vec<Url> {
        self.servers.iter().map(LocalNats::url).collect()
    }

    /// Returns one URL with all servers: `nats://127.0.0.1:PORT,127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        let hosts = self.servers.iter().map(|server| {
            let url = server.url();
            url.as_str().trim_start_matches("nats://").trim_end_matches('/').to_owned()
        });
        format!("nats://{}", hosts.collect::<Vec<_>>().join(","))
    }

    /// Returns the process id of each server, or `None` if it does not run.
    pub fn pids(&self) -> Vec<Option<u32>> {
        self.servers.iter().map(LocalNats::pid).collect()
    }

    /// Kills a server.
    ///
    /// # Errors
    /// Fails with [`LocalError::NoSuchServer`] if there is no server with this index, and with [`LocalError::System`]
    /// if it cannot be killed.
    pub async fn kill(&mut self, index: usize) -> Result<(), LocalError> {
        self.server(index)?.kill().await
    }

    /// Starts a server again, with what it has stored.
    ///
    /// # Errors
    /// Fails with [`LocalError::NoSuchServer`] if there is no server with this index. Otherwise any error of
    /// [`LocalNats::start_again`].
    pub async fn start_again(&mut self, index: usize) -> Result<(), LocalError> {
        self.server(index)?.start_again().await
    }

    fn server(&mut self, index: usize) -> Result<&mut LocalNats, LocalError> {
        self.servers.get_mut(index).ok_or(LocalError::NoSuchServer(index))
    }

    async fn wait_for_a_leader(&self, within: Duration) -> Result<(), LocalError> {
        let until = Instant::now() + within;
        while Instant::now() < until {
            if let Ok(Ok(true)) = timeout(Duration::from_secs(5), self.store_a_stream()).await {
                return Ok(());
            }
            sleep(Duration::from_millis(100)).await;
        }
        let log = "the cluster has no leader".into();
        Err(LocalError::NotReady { program: "nats-server".into(), within, log })
    }

    /// Tries to create a stream on all servers and to delete it again.
    async fn store_a_stream(&self) -> io::Result<bool> {
        const NAME: &str = "tidings-local-probe";
        let Some(port) = self.servers.first().and_then(|first| first.url().port()) else {
            return Ok(false);
        };
        let mut socket = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?);
        socket.write_all(b"CONNECT {\"verbose\":false}\r\nSUB responses 1\r\n").await?;
        let count = self.servers.len();
        let stream = format!(r#"{{"name":"{NAME}","subjects":["{NAME}"],"num_replicas":{count}}}"#);
        Ok(request(&mut socket, &format!("CREATE.{NAME}"), &stream).await?
            && request(&mut socket, &format!("DELETE.{NAME}"), "").await?)
    }
}

/// Sends a request about a stream to JetStream. Returns `true` if the response is not an error.
async fn request(
    socket: &mut BufReader<TcpStream>,
    operation: &str,
    json: &str,
) -> io::Result<bool> {
    let length = json.len();
    let request = format!("PUB $JS.API.STREAM.{operation} responses {length}\r\n{json}\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut line = String::new();
    while !line.starts_with('{') {
        line.clear();
        if socket.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(!line.contains("\"error\""))
}

fn prepare(count: usize, config: &LocalConfig) -> Result<Vec<LocalNats>, LocalError> {
    let inner = (0..count).map(|_| free_port()).collect::<Result<Vec<_>, _>>()?;
    let routes: Vec<String> =
        inner.iter().map(|port| format!("\"nats://127.0.0.1:{port}\"")).collect();
    let routes = routes.join(", ");
    let prepare = |port: &u16| {
        let mut config = config.clone();
        config.settings.push(format!(
            "cluster {{ name: \"tidings\", listen: \"127.0.0.1:{port}\", routes: [{routes}] }}"
        ));
        LocalNats::prepare(&config)
    };
    inner.iter().map(prepare).collect()
}
