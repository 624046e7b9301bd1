//! The goodbye by which a server ends a connection.

use serde::Deserialize;
use tidings_core::Reason;

/// The reason why the server ended the connection.
///
/// It can be deserialized from the JSON of SSE and long-polling: `{"reason":"going_away","message":"…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Named")]
pub struct Goodbye {
    /// The close code (RFC 6455, section 7.4). If the transport sends the name of the reason instead, this is its code,
    /// or `None` for an unknown name.
    pub code: Option<u16>,
    /// The server's message, or the name of the reason if there is no message.
    pub reason: String,
}

#[derive(Deserialize)]
struct Named {
    reason: String,
    message: Option<String>,
}

impl Goodbye {
    /// Returns `true` if the client should connect again. This includes goodbyes with an unknown code, or without one.
    pub fn is_worth_reconnecting(&self) -> bool {
        // Reasons with the same code have the same result.
        let coded = Reason::ALL.iter().find(|reason| Some(reason.code()) == self.code);
        coded.is_none_or(|reason| reason.is_worth_reconnecting())
    }
}

impl From<Named> for Goodbye {
    fn from(named: Named) -> Self {
        let known = Reason::ALL.iter().find(|reason| reason.name() == named.reason);
        Self {
            code: known.map(|reason| reason.code()),
            reason: named.message.unwrap_or(named.reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_reason_determines_the_code_and_whether_to_reconnect() {
        let read = |json| serde_json::from_str::<Goodbye>(json).unwrap();
        let leaving = read(r#"{"reason":"going_away","message":"back soon"}"#);
        assert_eq!(leaving, Goodbye { code: Some(1001), reason: "back soon".to_owned() });
        assert!(leaving.is_worth_reconnecting());
        assert!(!read(r#"{"reason":"not_allowed"}"#).is_worth_reconnecting());
        let unknown = read(r#"{"reason":"new_reason"}"#);
        assert_eq!(unknown, Goodbye { code: None, reason: "new_reason".to_owned() });
        assert!(unknown.is_worth_reconnecting());
    }

    #[test]
    fn reasons_with_the_same_code_agree_on_whether_to_reconnect() {
        for reason in Reason::ALL {
            let goodbye = Goodbye { code: Some(reason.code()), reason: String::new() };
            assert_eq!(goodbye.is_worth_reconnecting(), reason.is_worth_reconnecting());
        }
    }
}
