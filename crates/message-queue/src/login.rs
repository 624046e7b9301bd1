//! The login of a URL, whose secret is never printed.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Url;

/// A user and a password. Without a user, the secret is a NATS token or the password of the default user of Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// The user.
    pub user: Option<String>,
    /// The password or token.
    pub secret: Secret,
}

/// A text that is never printed. `Debug` prints `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Login {
    /// The percent-decoded login of a URL: `USER:PASSWORD@`, `:PASSWORD@` or `SECRET@`.
    pub(crate) fn of(url: &Url) -> Result<Option<Self>, String> {
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| "the user or password in its URL is not UTF-8")
        };
        let name = decoded(url.username())?;
        Ok(match url.password() {
            Some(password) => {
                let user = (!name.is_empty()).then_some(name);
                Some(Self { user, secret: Secret(decoded(password)?) })
            }
            None if name.is_empty() => None,
            None => Some(Self { user: None, secret: Secret(name) }),
        })
    }
}

impl Secret {
    /// Wraps a text, so that it is not printed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
