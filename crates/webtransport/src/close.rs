//! The code and the reason with which a session is closed (draft-ietf-webtrans-http3, section 6).

use tidings_core::Reason;
use tidings_transport::Rejection;

/// How a session is closed. A page sees both values, as `closeCode` and `reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The close code of a WebSocket for a goodbye, or the HTTP status of a rejection.
    pub code: u32,
    /// The message. For a rejection, `CODE: MESSAGE`. At most 1,024 bytes.
    pub reason: String,
}

/// The longest reason (draft-ietf-webtrans-http3, section 6).
const MAX_REASON: usize = 1024;

impl Close {
    /// Returns the end of a session whose client was sent a goodbye with this reason.
    pub fn goodbye(reason: Reason) -> Self {
        Self { code: reason.code().into(), reason: reason.phrase().to_owned() }
    }

    /// Returns the end of a session that is rejected. A page cannot see the status of a response that rejects a
    /// session, so the session is accepted and closed with this.
    pub fn rejection(rejection: &Rejection) -> Self {
        let mut reason = format!("{}: {}", rejection.code, rejection.message);
        reason.truncate(reason.floor_char_boundary(MAX_REASON));
        Self { code: rejection.status.as_u16().into(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goodbye_has_its_code_and_a_rejection_its_status() {
        let close = |code, reason: &str| Close { code, reason: reason.to_owned() };
        assert_eq!(Close::goodbye(Reason::TooBig), close(1009, "message too big"));
        let rejection = Rejection::forbidden("not yours");
        assert_eq!(Close::rejection(&rejection), close(403, "forbidden: not yours"));
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let close = Close::rejection(&Rejection::forbidden("☃".repeat(1000)));
        assert!((1022..=1024).contains(&close.reason.len()), "{}", close.reason.len());
    }
}
