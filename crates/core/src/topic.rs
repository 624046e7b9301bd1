//! Topics and filters, in NATS subject syntax.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The longest topic or filter, in bytes.
pub const MAX_TOPIC_BYTES: usize = 255;

/// The most filters that one subscriber may name.
pub const MAX_FILTERS: usize = 64;

/// What a notification is about: tokens of `[A-Za-z0-9_-]+` joined by `.`, at most 255 bytes.
///
/// ```
/// use tidings_core::Topic;
/// assert!("orders.eu.new".parse::<Topic>().is_ok());
/// assert!("orders..new".parse::<Topic>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

/// A topic whose tokens may be `*` (exactly one token) or, as the last, `>` (one or more).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Filter(Arc<str>);

/// One to [`MAX_FILTERS`] filters, joined by `,`; a topic matches when any one of them does.
///
/// ```
/// use tidings_core::Filters;
/// let filters: Filters = "orders.*,alerts.>".parse()?;
/// assert!(filters.matches(&"alerts.fire.hall".parse()?));
/// assert!(!filters.matches(&"orders.eu.new".parse()?));
/// # Ok::<(), tidings_core::ParseTopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Filters(Arc<[Filter]>);

/// Why a text is no topic or filter.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseTopicError {
    /// Nothing stands where a topic should.
    #[error("the topic is empty: give tokens of A-Z a-z 0-9 _ - joined by dots")]
    Empty,
    /// Longer than [`MAX_TOPIC_BYTES`].
    #[error("the topic has {0} bytes, the limit is {MAX_TOPIC_BYTES}")]
    TooLong(usize),
    /// A token is empty, as in `a..b`.
    #[error("{0:?} has an empty token: dots join tokens, they do not begin, end or double")]
    EmptyToken(String),
    /// A character outside of `[A-Za-z0-9_-]`.
    #[error("{0:?} has {1:?} in it: a token is of A-Z a-z 0-9 _ -")]
    BadCharacter(String, char),
    /// A wildcard in a topic, beside other characters, or a `>` that is not the last token.
    #[error(
        "{0:?} has a wildcard out of place: * and > are whole tokens of a filter, > only the last"
    )]
    MisplacedWildcard(String),
    /// More than [`MAX_FILTERS`].
    #[error("{0} filters are too many, the limit is {MAX_FILTERS}")]
    TooManyFilters(usize),
}

impl Topic {
    /// The topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Filter {
    /// The filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the topic is one that this filter asks for.
    pub fn matches(&self, topic: &Topic) -> bool {
        if !self.has_wildcard() {
            return *self.0 == *topic.0;
        }
        let mut tokens = topic.0.split('.');
        for wanted in self.0.split('.') {
            match (wanted, tokens.next()) {
                (_, None) => return false,
                (">", Some(_)) => return true,
                ("*", Some(_)) => {}
                (wanted, Some(token)) if wanted == token => {}
                _ => return false,
            }
        }
        tokens.next().is_none()
    }

    /// The one topic that this filter names, where it has no wildcard.
    pub fn as_topic(&self) -> Option<Topic> {
        (!self.has_wildcard()).then(|| Topic(self.0.clone()))
    }

    fn has_wildcard(&self) -> bool {
        // `*` and `>` are whole tokens and no token holds them otherwise, so one byte tells.
        self.0.bytes().any(|byte| byte == b'*' || byte == b'>')
    }
}

impl Filters {
    /// Whether any of the filters matches.
    pub fn matches(&self, topic: &Topic) -> bool {
        self.0.iter().any(|filter| filter.matches(topic))
    }

    /// Whether every topic matches, so that nothing is ever passed over.
    pub fn match_everything(&self) -> bool {
        self.0.iter().any(|filter| &*filter.0 == ">")
    }

    /// The one topic that is named, where it is exactly one: where a client may publish.
    pub fn as_topic(&self) -> Option<Topic> {
        match &*self.0 {
            [only] => only.as_topic(),
            _ => None,
        }
    }

    /// The filters one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Filter> {
        self.0.iter()
    }
}

impl From<Topic> for Filters {
    fn from(topic: Topic) -> Self {
        Self(Arc::new([Filter(topic.0)]))
    }
}

impl FromStr for Topic {
    type Err = ParseTopicError;

    fn from_str(text: &str) -> Result<Self, ParseTopicError> {
        check_tokens(text, |_, _| false)?;
        Ok(Self(text.into()))
    }
}

impl FromStr for Filter {
    type Err = ParseTopicError;

    fn from_str(text: &str) -> Result<Self, ParseTopicError> {
        check_tokens(text, |token, is_last| token == "*" || (token == ">" && is_last))?;
        Ok(Self(text.into()))
    }
}

impl FromStr for Filters {
    type Err = ParseTopicError;

    fn from_str(text: &str) -> Result<Self, ParseTopicError> {
        let count = text.bytes().filter(|&byte| byte == b',').count() + 1;
        if count == 1 {
            return Ok(Self(Arc::new([text.parse()?])));
        }
        if count > MAX_FILTERS {
            return Err(ParseTopicError::TooManyFilters(count));
        }
        text.split(',').map(str::parse).collect::<Result<Arc<[_]>, _>>().map(Self)
    }
}

fn check_tokens(
    text: &str,
    is_wildcard: impl Fn(&str, bool) -> bool,
) -> Result<(), ParseTopicError> {
    if text.is_empty() {
        return Err(ParseTopicError::Empty);
    }
    if text.len() > MAX_TOPIC_BYTES {
        return Err(ParseTopicError::TooLong(text.len()));
    }
    let mut rest = Some(text);
    while let Some(token) = take_token(&mut rest) {
        if token.is_empty() {
            return Err(ParseTopicError::EmptyToken(text.into()));
        }
        if token.bytes().all(is_allowed) || is_wildcard(token, rest.is_none()) {
            continue;
        }
        match token.chars().find(|&c| !u8::try_from(c).is_ok_and(is_allowed)) {
            Some(other) if !matches!(other, '*' | '>') => {
                return Err(ParseTopicError::BadCharacter(text.into(), other));
            }
            _ => return Err(ParseTopicError::MisplacedWildcard(text.into())),
        }
    }
    Ok(())
}

/// A topic is short: its bytes are looked at one by one, for a search costs more to set up.
fn take_token<'a>(rest: &mut Option<&'a str>) -> Option<&'a str> {
    let text = rest.take()?;
    let Some(dot) = text.bytes().position(|byte| byte == b'.') else { return Some(text) };
    *rest = Some(&text[dot + 1..]);
    Some(&text[..dot])
}

fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, filter) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}", filter.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Filters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rule as the NATS documentation words it, over token lists: the model for `matches`.
    fn model(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            ([], []) => true,
            ([">"], [_, ..]) => true,
            (["*", filter @ ..], [_, topic @ ..]) => model(filter, topic),
            ([wanted, filter @ ..], [token, topic @ ..]) => wanted == token && model(filter, topic),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn filters_match_as_the_model_says(
            filter in "([ab]|\\*)(\\.([ab]|\\*)){0,3}(\\.>)?|>",
            topic in "[ab](\\.[ab]){0,4}",
        ) {
            let expected = model(
                &filter.split('.').collect::<Vec<_>>(),
                &topic.split('.').collect::<Vec<_>>(),
            );
            let (filter, topic): (Filter, Topic) = (filter.parse().unwrap(), topic.parse().unwrap());
            prop_assert_eq!(filter.matches(&topic), expected);
        }

        #[test]
        fn no_text_makes_the_parser_panic_and_what_parses_reads_back(text in ".{0,300}") {
            if let Ok(filters) = text.parse::<Filters>() {
                prop_assert_eq!(filters.to_string(), text);
            }
        }
    }

    #[test]
    fn each_fault_is_named() {
        use ParseTopicError::*;
        let fault = |text: &str| text.parse::<Filter>().expect_err(text);
        assert_eq!(fault(""), Empty);
        assert_eq!(fault(&"a".repeat(256)), TooLong(256));
        assert_eq!(fault("a..b"), EmptyToken("a..b".into()));
        assert_eq!(fault("a b"), BadCharacter("a b".into(), ' '));
        assert_eq!(fault("a.>.b"), MisplacedWildcard("a.>.b".into()));
        assert_eq!(fault("a*"), MisplacedWildcard("a*".into()));
        assert_eq!("a.*".parse::<Topic>(), Err(MisplacedWildcard("a.*".into())));
        assert_eq!(vec!["a"; 65].join(",").parse::<Filters>(), Err(TooManyFilters(65)));
    }
}
