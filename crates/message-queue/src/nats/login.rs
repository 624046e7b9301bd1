//! Connects a client to NATS, with its login and TLS.

use std::path::Path;

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, ServerAddr};

use crate::address::{Server, Tls};
use crate::login::Login;

/// Why a connection failed.
#[derive(Debug)]
pub(crate) enum NoConnection {
    /// The login or a file is wrong. Another attempt would fail as well.
    Rejected(String),
    /// No server could be reached.
    Away(String),
}

/// Connects to the first server that responds. `options` is called for each run of servers with the same login.
pub(crate) async fn connect(
    servers: &[Server],
    credentials: Option<&Path>,
    tls: &Tls,
    options: impl Fn() -> ConnectOptions,
) -> Result<Client, NoConnection> {
    let mut problem = NoConnection::Away("no server is named".to_owned());
    for servers in servers.chunk_by(|one, next| one.login == next.login) {
        let login = servers.first().and_then(|server| server.login.as_ref());
        let options = with_files(with_login(options(), login), credentials, tls).await?;
        match options.connect(addresses(servers)?).await {
            Ok(client) => return Ok(client),
            Err(error) => problem = no_connection(&error),
        }
    }
    Err(problem)
}

fn with_login(options: ConnectOptions, login: Option<&Login>) -> ConnectOptions {
    match login {
        None => options,
        Some(Login { user: Some(user), secret }) => {
            options.user_and_password(user.clone(), secret.reveal().to_owned())
        }
        Some(Login { user: None, secret }) => options.token(secret.reveal().to_owned()),
    }
}

async fn with_files(
    mut options: ConnectOptions,
    credentials: Option<&Path>,
    tls: &Tls,
) -> Result<ConnectOptions, NoConnection> {
    if let Some(path) = credentials {
        let unreadable =
            |error| NoConnection::Rejected(format!("creds={}: {error}", path.display()));
        options = options.credentials_file(path).await.map_err(unreadable)?;
    }
    if let Some(ca) = &tls.ca {
        options = options.add_root_certificates(ca.clone());
    }
    if let Some((cert, key)) = &tls.client {
        options = options.add_client_certificate(cert.clone(), key.clone());
    }
    Ok(options)
}

/// The addresses for the library. They contain no login, because the library would log it and not send it.
fn addresses(servers: &[Server]) -> Result<Vec<ServerAddr>, NoConnection> {
    let address = |server: &Server| {
        let scheme = if server.tls { "tls" } else { "nats" };
        format!("{scheme}://{server}").parse::<ServerAddr>()
    };
    let addresses = servers.iter().map(address).collect::<Result<_, _>>();
    addresses.map_err(|error| NoConnection::Rejected(error.to_string()))
}

fn no_connection(error: &ConnectError) -> NoConnection {
    use ConnectErrorKind::{Authentication, AuthorizationViolation};
    let problem = error.to_string();
    match error.kind() {
        Authentication | AuthorizationViolation => NoConnection::Rejected(format!(
            "{problem}: put USER:PASSWORD@ or TOKEN@ before the host, or give ?creds=FILE"
        )),
        _ if problem.contains("certificate") || problem.contains("fatal alert") => {
            NoConnection::Away(format!(
                "{problem}: ?ca=FILE names the authority of the broker's certificate, ?cert=FILE&key=FILE the client certificate"
            ))
        }
        _ => NoConnection::Away(problem),
    }
}
