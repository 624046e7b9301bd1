//! Ids and positions of notifications: epoch and sequence number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// One history of the log, in which sequence numbers are unique.
///
/// A hub that loses its log starts a new epoch, so that a position of the old log is not mistaken for one of the new
/// log. Written as up to 13 characters of `[0-9a-z]`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Epoch(u64);

/// The identity and position of one notification, written `EPOCH-SEQ`, for example `b7k2q9-1042`.
///
/// ```
/// use tidings_core::Id;
/// let id: Id = "b7k2q9-1042".parse()?;
/// assert_eq!(id.seq, 1042);
/// assert_eq!(id.to_string(), "b7k2q9-1042");
/// # Ok::<(), tidings_core::ParseIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id {
    /// The history to which `seq` belongs.
    pub epoch: Epoch,
    /// The sequence number: hub-wide and contiguous from 1. 0 is the position before the first notification.
    pub seq: u64,
}

impl Id {
    /// Replaces a position that is not an id, such as one of another product. No hub has this epoch, so a subscriber
    /// that reads from here gets a gap with the reason `epoch`. Written `0-0`.
    pub const UNKNOWN: Self = Self { epoch: Epoch(0), seq: 0 };
}

/// The position from which a subscriber reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Position {
    /// Only what is published from now on.
    #[default]
    Live,
    /// From the oldest notification that is still retained.
    Earliest,
    /// The newest retained notification of each topic, in the order in which they were published, and then everything
    /// that is published from now on. With a broker, only the notifications in the hub's log are retained. A retained
    /// notification is left out when a newer one of its topic is published before it is sent.
    Latest,
    /// What follows the notification with this id.
    After(Id),
    /// The rest of [`Latest`](Self::Latest), after a part of it was read.
    Snapshot(Snapshot),
}

impl Position {
    /// Returns the text that is parsed as this position, or `None` for [`Live`](Self::Live), which has none.
    ///
    /// ```
    /// use tidings_core::Position;
    /// assert_eq!(Position::Earliest.text().as_deref(), Some("earliest"));
    /// assert_eq!(Position::Live.text(), None);
    /// ```
    pub fn text(self) -> Option<String> {
        match self {
            Self::Live => None,
            Self::Earliest => Some("earliest".to_owned()),
            Self::Latest => Some("latest".to_owned()),
            Self::After(id) => Some(id.to_string()),
            Self::Snapshot(rest) => Some(rest.to_string()),
        }
    }
}

/// A position among the notifications that [`Position::Latest`] begins with, written `EPOCH-SEQ.UPTO`, for example
/// `b7k2q9-7.42`.
///
/// Up to `upto`, a notification is read only if it is the newest of its topic. After that, every notification is read.
///
/// ```
/// use tidings_core::{Position, Snapshot};
/// let position: Position = "b7k2q9-7.42".parse()?;
/// let rest = Snapshot::new("b7k2q9-7".parse()?, 42);
/// assert_eq!(position, Position::Snapshot(rest));
/// assert_eq!(rest.to_string(), "b7k2q9-7.42");
/// # Ok::<(), tidings_core::ParseIdError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Snapshot {
    /// The last notification that was read or skipped.
    pub after: Id,
    /// The sequence number of the newest notification when the snapshot began.
    pub upto: u64,
}

impl Snapshot {
    /// Returns the position after `after`, in a snapshot that began when `upto` was the sequence number of the newest
    /// notification.
    pub const fn new(after: Id, upto: u64) -> Self {
        Self { after, upto }
    }
}

/// The error for a text that is not an id, a position or an epoch.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "{text:?} is not an id: expected EPOCH-SEQ such as \"b7k2q9-1042\", or \"earliest\" or \"latest\" for a position"
)]
pub struct ParseIdError {
    text: String,
}

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

impl Epoch {
    /// Returns a random epoch of six characters. Two of them are equal with a probability of 1 in 2,000 million.
    pub fn random() -> Self {
        Self::spread(random())
    }

    /// Returns an epoch of six characters for any number, such as a hash. The same number always yields the same epoch.
    pub const fn spread(number: u64) -> Self {
        let span = 36_u64.pow(6) - 36_u64.pow(5);
        Self(36_u64.pow(5) + number % span)
    }

    /// Returns the epoch with this number.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Returns the id with this sequence number in this epoch.
    pub const fn id(self, seq: u64) -> Id {
        Id { epoch: self, seq }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; 13];
        let mut start = text.len();
        let mut rest = self.0;
        loop {
            start -= 1;
            text[start] = DIGITS[(rest % 36) as usize];
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        f.write_str(std::str::from_utf8(&text[start..]).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Epoch {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_canonical(text, 36).map(Self).ok_or_else(|| ParseIdError::new(text))
    }
}

impl FromStr for Id {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parse = || {
            let (epoch, seq) = text.split_once('-')?;
            Some(Self { epoch: Epoch(parse_canonical(epoch, 36)?), seq: parse_canonical(seq, 10)? })
        };
        parse().ok_or_else(|| ParseIdError::new(text))
    }
}

impl FromStr for Position {
    type Err = ParseIdError;

    /// Parses `earliest`, `latest`, an [`Id`] or a [`Snapshot`]. [`Live`](Self::Live) has no text.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            text => match text.split_once('.') {
                None => text.parse().map(Self::After),
                Some((after, upto)) => {
                    let parse = || Some((after.parse().ok()?, parse_canonical(upto, 10)?));
                    let (after, upto) = parse().ok_or_else(|| ParseIdError::new(text))?;
                    Ok(Self::Snapshot(Snapshot { after, upto }))
                }
            },
        }
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.after, self.upto)
    }
}

pub(crate) fn random() -> u64 {
    // If the system has no source of randomness, the current time in nanoseconds is used.
    getrandom::u64().unwrap_or_else(|_| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(0, |since| since.as_nanos() as u64)
    })
}

/// Parses a number in its canonical form: lower case, no sign, no leading zero. So two different texts are never the
/// same id.
fn parse_canonical(text: &str, radix: u32) -> Option<u64> {
    let digits = text.as_bytes();
    let canonical = !digits.is_empty()
        && digits.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
        && (digits.len() == 1 || digits[0] != b'0');
    canonical.then(|| u64::from_str_radix(text, radix).ok()).flatten()
}

impl ParseIdError {
    fn new(text: &str) -> Self {
        Self { text: text.chars().take(64).collect() }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_id_parses_back_to_itself(epoch: u64, seq: u64) {
            let id = Epoch(epoch).id(seq);
            prop_assert_eq!(id.to_string().parse::<Id>(), Ok(id));
        }

        #[test]
        fn a_text_that_parses_is_formatted_the_same(text in "[0-9a-zA-Z+ -]{0,24}") {
            if let Ok(id) = text.parse::<Id>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }

    #[test]
    fn a_malformed_id_is_an_error_with_its_text() {
        for text in
            ["", "-", "a-", "-1", "a-01", "0a-1", "A-1", "a-+1", "a-1-1", "a-99999999999999999999"]
        {
            let error = text.parse::<Id>().expect_err(text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn a_position_is_earliest_latest_an_id_or_a_snapshot() {
        assert_eq!("earliest".parse(), Ok(Position::Earliest));
        assert_eq!("latest".parse(), Ok(Position::Latest));
        let after = Epoch(10).id(7);
        assert_eq!("a-7".parse(), Ok(Position::After(after)));
        let rest = Snapshot { after, upto: 42 };
        assert_eq!(rest.to_string().parse(), Ok(Position::Snapshot(rest)));
        for text in ["", "Latest", "a-7.", "a-7.042", "a-7.4.2", ".42", "a.42", "a-7.-1"] {
            let error = text.parse::<Position>().expect_err(text);
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn random_epochs_have_six_characters_and_differ() {
        let (one, other) = (Epoch::random(), Epoch::random());
        assert_eq!(one.to_string().len(), 6);
        assert_ne!(one, other);
    }
}
