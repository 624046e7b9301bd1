//! How the hub ends a connection.

use serde::Deserialize;
use tidings_core::Reason;

/// How the hub ended the connection.
///
/// Where a transport says it in JSON, `{"reason":"going_away","message":"…"}`, this is what is read from it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "Named")]
pub struct Goodbye {
    /// The close code (RFC 6455, section 7.4), also of a transport that names the reason instead.
    pub code: Option<u16>,
    /// The hub's words.
    pub reason: String,
}

#[derive(Deserialize)]
struct Named {
    reason: String,
    message: Option<String>,
}

impl Goodbye {
    /// Whether it is of use to connect again; so it is where the code says nothing of it.
    pub fn is_worth_reconnecting(&self) -> bool {
        // Reasons that share a code give the same advice.
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
    fn a_named_reason_has_its_close_code_and_its_advice() {
        let read = |json| serde_json::from_str::<Goodbye>(json).unwrap();
        let leaving = read(r#"{"reason":"going_away","message":"back soon"}"#);
        assert_eq!(leaving, Goodbye { code: Some(1001), reason: "back soon".to_owned() });
        assert!(leaving.is_worth_reconnecting());
        assert!(!read(r#"{"reason":"not_allowed"}"#).is_worth_reconnecting());
        let unknown = read(r#"{"reason":"tired"}"#);
        assert_eq!(unknown, Goodbye { code: None, reason: "tired".to_owned() });
        assert!(unknown.is_worth_reconnecting());
    }

    #[test]
    fn reasons_that_share_a_code_give_the_same_advice() {
        for reason in Reason::ALL {
            let goodbye = Goodbye { code: Some(reason.code()), reason: String::new() };
            assert_eq!(goodbye.is_worth_reconnecting(), reason.is_worth_reconnecting());
        }
    }
}
