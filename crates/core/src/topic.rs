//! Topics and filters, in NATS subject syntax.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::pattern::{MAX_FILTER_TOKENS, MAX_STARS, Pattern, TokenHashes};

/// The maximum length of a topic or filter, in bytes.
pub const MAX_TOPIC_BYTES: usize = 255;

/// The maximum number of filters of one subscriber.
pub const MAX_FILTERS: usize = 64;

/// Up to this many filters are compared with a topic one by one. For more filters the topic's tokens are hashed first,
/// which costs as much as a few comparisons.
const FEW_FILTERS: usize = 4;

/// The subject of a notification: tokens of `[A-Za-z0-9_-]+` joined by `.`, at most 255 bytes.
///
/// ```
/// use tidings_core::Topic;
/// assert!("orders.eu.new".parse::<Topic>().is_ok());
/// assert!("orders..new".parse::<Topic>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

/// A topic whose tokens may be `*` (exactly one token) or, as the last, `>` (one or more). With a wildcard it has
/// at most [`MAX_FILTER_TOKENS`] tokens, of which at most [`MAX_STARS`] are `*`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Filter(Arc<str>, Pattern);

/// One to [`MAX_FILTERS`] filters, joined by `,`. A topic matches if any of them matches it.
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

/// The error for a text that is not a topic or filter.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseTopicError {
    /// The topic or filter is empty.
    #[error("the topic is empty: expected tokens of A-Z a-z 0-9 _ - joined by dots")]
    Empty,
    /// Longer than [`MAX_TOPIC_BYTES`].
    #[error("the topic has {0} bytes, the limit is {MAX_TOPIC_BYTES}")]
    TooLong(usize),
    /// A token is empty, as in `a..b`.
    #[error("{0:?} has an empty token: expected tokens joined by single dots")]
    EmptyToken(String),
    /// A character outside of `[A-Za-z0-9_-]`.
    #[error("{0:?} has the character {1:?}: expected tokens of A-Z a-z 0-9 _ -")]
    BadCharacter(String, char),
    /// A wildcard in a topic, next to other characters of a token, or a `>` that is not the last token.
    #[error(
        "{0:?} has a misplaced wildcard: in a filter, * is a whole token and > the whole last token; a topic has no \
         wildcards"
    )]
    MisplacedWildcard(String),
    /// More than [`MAX_FILTERS`].
    #[error("{0} filters are too many, the limit is {MAX_FILTERS}")]
    TooManyFilters(usize),
    /// A filter with a wildcard and more than [`MAX_FILTER_TOKENS`] tokens.
    #[error(
        "{0:?} has {1} tokens, the limit of a filter with a wildcard is {MAX_FILTER_TOKENS}: end it earlier with >"
    )]
    TooManyTokens(String, usize),
    /// A filter with more than [`MAX_STARS`] `*`.
    #[error("{0:?} has {1} tokens that are *, the limit of one filter is {MAX_STARS}")]
    TooManyStars(String, usize),
}

impl Topic {
    /// Returns the topic as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Filter {
    /// Returns the filter as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if this filter matches the topic.
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

    /// Returns the topic that this filter names, or `None` if the filter has a wildcard.
    pub fn as_topic(&self) -> Option<Topic> {
        (!self.has_wildcard()).then(|| Topic(self.0.clone()))
    }

    pub(crate) fn pattern(&self) -> Pattern {
        self.1
    }

    pub(crate) fn into_text(self) -> Arc<str> {
        self.0
    }

    fn has_wildcard(&self) -> bool {
        self.1.shape.has_wildcard()
    }
}

impl Filters {
    /// Returns `true` if any of the filters matches the topic.
    pub fn matches(&self, topic: &Topic) -> bool {
        if self.0.len() <= FEW_FILTERS {
            return self.0.iter().any(|filter| filter.matches(topic));
        }
        let mut hashes = None;
        self.0.iter().any(|filter| {
            let mut may_match =
                || hashes.get_or_insert_with(|| TokenHashes::of(topic)).may_match(filter);
            (!filter.has_wildcard() || may_match()) && filter.matches(topic)
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if one of the filters is `>`, which matches every topic.
    pub fn match_everything(&self) -> bool {
        self.0.iter().any(|filter| &*filter.0 == ">")
    }

    /// Returns the topic if there is exactly one filter and it has no wildcard.
    pub fn as_topic(&self) -> Option<Topic> {
        match &*self.0 {
            [only] => only.as_topic(),
            _ => None,
        }
    }

    /// Returns the filters.
    pub fn iter(&self) -> impl Iterator<Item = &Filter> {
        self.0.iter()
    }
}

impl From<Topic> for Filters {
    fn from(topic: Topic) -> Self {
        Self(Arc::new([Filter(topic.0, Pattern::default())]))
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
        let (mut stars, mut is_open) = (0, false);
        check_tokens(text, |token, is_last| {
            stars += usize::from(token == "*");
            is_open |= token == ">" && is_last;
            token == "*" || (token == ">" && is_last)
        })?;
        if stars == 0 && !is_open {
            return Ok(Self(text.into(), Pattern::default()));
        }
        let tokens = 1 + text.bytes().filter(|&byte| byte == b'.').count();
        if tokens > MAX_FILTER_TOKENS {
            return Err(ParseTopicError::TooManyTokens(text.into(), tokens));
        }
        if stars > MAX_STARS {
            return Err(ParseTopicError::TooManyStars(text.into(), stars));
        }
        Ok(Self(text.into(), Pattern::of(text)))
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
    mut is_wildcard: impl FnMut(&str, bool) -> bool,
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

/// Splits off the first token. Topics are short, so a loop over the bytes is faster than a search, which has a setup
/// cost.
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

    /// The rules of the NATS documentation over lists of tokens: the model for `matches`.
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
        fn no_text_panics_the_parser_and_filters_are_formatted_as_they_were_parsed(text in ".{0,300}") {
            if let Ok(filters) = text.parse::<Filters>() {
                prop_assert_eq!(filters.to_string(), text);
            }
        }
    }

    #[test]
    fn each_malformed_filter_has_its_error() {
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
        let long = vec!["a"; 15].join(".");
        assert_eq!(fault(&format!("{long}.a.>")), TooManyTokens(format!("{long}.a.>"), 17));
        assert_eq!(fault("*.a.*.*.*.*"), TooManyStars("*.a.*.*.*.*".into(), 5));
    }

    #[test]
    fn filters_at_the_limits_are_valid() {
        let tokens = vec!["a"; 128].join(".");
        assert!(tokens.parse::<Topic>().is_ok() && tokens.parse::<Filter>().is_ok());
        let filter = format!("*.*.*.*.{}.>", ["a"; 11].join("."));
        assert!(filter.parse::<Filter>().unwrap().matches(&tokens.parse().unwrap()));
    }
}
