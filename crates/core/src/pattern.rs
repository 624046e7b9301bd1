//! Filters with wildcards as numbers, so that comparing one with a topic is comparing two numbers.
//!
//! A filter is a *shape*, which says where it has wildcards, and a *key*, which is the sum of a hash of each
//! literal token and its place. A [`TokenHashes`] of a topic yields the key that a filter of any shape must
//! have in order to match, with one subtraction for each `*`.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::quality::RandomState;

use crate::{Filter, Topic};

/// The most tokens of a filter with a wildcard, a final `>` included. Topics and filters without wildcards have
/// no such limit, because they cost one look-up however long they are.
pub const MAX_FILTER_TOKENS: usize = 16;

/// The most `*` in one filter.
pub const MAX_STARS: usize = 4;

/// One for the process: a filter's key is compared with keys of topics wherever those are.
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// Where a filter has wildcards. The default is that of a filter without any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// One bit for each `*`, by its place.
    pub(crate) stars: u16,
    /// How many tokens there are, a final `>` not included.
    pub(crate) tokens: u8,
    /// Whether it ends with `>`.
    pub(crate) is_open: bool,
}

/// A filter's shape and key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Pattern {
    pub(crate) shape: Shape,
    pub(crate) key: u64,
}

/// The hashes of a topic's first tokens, each with its place.
pub(crate) struct TokenHashes {
    /// How many tokens the topic has, at most one more than any filter with a wildcard can have.
    tokens: usize,
    hashes: [u64; MAX_FILTER_TOKENS],
    /// The sums of the hashes before each token, and of all.
    sums: [u64; MAX_FILTER_TOKENS + 1],
}

impl Pattern {
    /// The pattern of a filter that is well-formed and within the limits.
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

    /// Keeps apart filters that differ in nothing but their wildcards.
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

    /// Whether the topic has as many tokens as filters of this shape ask for.
    pub(crate) fn fits(&self, shape: Shape) -> bool {
        let tokens = usize::from(shape.tokens);
        if shape.is_open { tokens < self.tokens } else { tokens == self.tokens }
    }

    /// Returns `false` if this filter cannot match, and `true` if it matches but for a collision of hashes.
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
