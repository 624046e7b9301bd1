//! Filters with wildcards as numbers, so that a filter is compared with a topic by comparing two numbers.
//!
//! A filter consists of a *shape*, the places of its wildcards, and a *key*, the sum of the hashes of its literal
//! tokens and their places. [`TokenHashes`] of a topic returns the key that a filter of a given shape must have to
//! match, with one subtraction for each `*`.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::quality::RandomState;

use crate::{Filter, Topic};

/// The maximum number of tokens of a filter with a wildcard, a final `>` included. Topics and filters without
/// wildcards have no such limit, because they cost one look-up, whatever their length.
pub const MAX_FILTER_TOKENS: usize = 16;

/// The maximum number of `*` in one filter.
pub const MAX_STARS: usize = 4;

/// One hasher for the process, because keys of filters are compared with keys of topics.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// The places of a filter's wildcards. The default is the shape of a filter without wildcards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// One bit for each `*`, by its index among the tokens.
    pub(crate) stars: u16,
    /// The number of tokens without a final `>`.
    pub(crate) tokens: u8,
    /// The filter ends with `>`.
    pub(crate) is_open: bool,
}

/// A filter's shape and key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    pub(crate) shape: Shape,
    pub(crate) key: u64,
}

/// The hashes of a topic's first tokens and their places.
pub(crate) struct TokenHashes {
    /// The number of tokens of the topic, at most one more than a filter with a wildcard can have.
    tokens: usize,
    hashes: [u64; MAX_FILTER_TOKENS],
    /// The sum of the hashes before each token, and the sum of all.
    sums: [u64; MAX_FILTER_TOKENS + 1],
}

impl Pattern {
    /// The filter must be valid.
    pub(crate) fn of(filter: &str) -> Self {
        let mut shape = Shape::default();
        let mut sum: u64 = 0;
        for (place, token) in filter.split('.').enumerate().take(MAX_FILTER_TOKENS) {
            match token {
                ">" => {
                    shape.is_open = true;
                    break;
                }
                "*" => shape.stars |= 1 << place,
                token => sum = sum.wrapping_add(hash(place, token.as_bytes())),
            }
            shape.tokens += 1;
        }
        if shape.has_wildcard() {
            Self { shape, key: sum.wrapping_add(shape.salt()) }
        } else {
            Self::default()
        }
    }
}

impl Shape {
    pub(crate) fn has_wildcard(self) -> bool {
        self.stars != 0 || self.is_open
    }

    /// A number that makes the keys of filters differ that differ only in their wildcards.
    fn salt(self) -> u64 {
        let number =
            u64::from(self.stars) | u64::from(self.tokens) << 16 | u64::from(self.is_open) << 24;
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl TokenHashes {
    pub(crate) fn of(topic: &Topic) -> Self {
        let mut of =
            Self { tokens: 0, hashes: [0; MAX_FILTER_TOKENS], sums: [0; MAX_FILTER_TOKENS + 1] };
        for token in topic.as_str().as_bytes().split(|&byte| byte == b'.') {
            if of.tokens == MAX_FILTER_TOKENS {
                of.tokens += 1;
                break;
            }
            let hash = hash(of.tokens, token);
            of.hashes[of.tokens] = hash;
            of.sums[of.tokens + 1] = of.sums[of.tokens].wrapping_add(hash);
            of.tokens += 1;
        }
        of
    }

    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// The key of the only filter of this shape that matches. The shape must [fit](Self::fits).
    pub(crate) fn key(&self, shape: Shape) -> u64 {
        let mut key = self.sums[usize::from(shape.tokens)];
        let mut stars = shape.stars;
        while stars != 0 {
            key = key.wrapping_sub(self.hashes[stars.trailing_zeros() as usize]);
            stars &= stars - 1;
        }
        key.wrapping_add(shape.salt())
    }

    /// Whether the topic has a number of tokens that filters of this shape can match.
    pub(crate) fn fits(&self, shape: Shape) -> bool {
        let tokens = usize::from(shape.tokens);
        if shape.is_open { tokens < self.tokens } else { tokens == self.tokens }
    }

    /// Also `true` for a filter whose hash collides with one that matches.
    pub(crate) fn may_match(&self, filter: &Filter) -> bool {
        let Pattern { shape, key } = filter.pattern();
        self.fits(shape) && self.key(shape) == key
    }
}

fn hash(place: usize, token: &[u8]) -> u64 {
    let mut hasher = HASHER.build_hasher();
    hasher.write(token);
    hasher.write_u8(place as u8);
    hasher.finish()
}
