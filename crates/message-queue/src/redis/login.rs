//! Connects a client to Redis, with its login and TLS.

use std::io;
use std::path::Path;

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, TlsCertificates,
};

use crate::address::{Server, Tls};
use crate::login::Login;

pub(crate) fn info(server: &Server, database: u32) -> Result<ConnectionInfo, RedisError> {
    let (host, port) = (server.host.clone(), server.port);
    let address = if server.tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    };
    let mut settings = RedisConnectionInfo::default().set_db(database.into());
    if let Some(Login { user, secret }) = &server.login {
        settings = settings.set_password(secret.reveal());
        if let Some(user) = user {
            settings = settings.set_username(user);
        }
    }
    Ok(address.into_connection_info()?.set_redis_settings(settings))
}

/// Reads the TLS files each time, because they may have been renewed.
pub(crate) async fn client(info: ConnectionInfo, tls: &Tls) -> Result<Client, RedisError> {
    if *tls == Tls::default() {
        return Client::open(info);
    }
    let root_cert = match &tls.ca {
        Some(path) => Some(read("ca", path).await?),
        None => None,
    };
    let client_tls = match &tls.client {
        Some((cert, key)) => Some(ClientTlsConfig {
            client_cert: read("cert", cert).await?,
            client_key: read("key", key).await?,
        }),
        None => None,
    };
    Client::build_with_tls(info, TlsCertificates { client_tls, root_cert })
}

async fn read(name: &str, path: &Path) -> Result<Vec<u8>, RedisError> {
    let unreadable = |error: io::Error| {
        let problem = format!("{name}={}: {error}", path.display());
        RedisError::from((ErrorKind::InvalidClientConfig, "cannot read a file", problem))
    };
    tokio::fs::read(path).await.map_err(unreadable)
}
