//! The epoch of a stream. It is a hash of the time at which the stream was created and of the generation in its
//! description.

use tidings_core::Epoch;

const WORD: &str = "generation ";

/// The epoch is the same on every hub.
pub(super) fn epoch(created: &str, description: &str) -> Epoch {
    let generation = generation(description);
    // FNV-1a, which is the same on every platform and spreads well.
    let bytes = created.bytes().chain([b' ']).chain(generation.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    Epoch::spread(hash)
}

/// Replaces the generation. The rest of the description is unchanged.
pub(super) fn next_description(description: &str) -> String {
    let begin = match generation_at(description) {
        Some((start, _)) => description[..start].trim_end_matches([' ', ',']),
        None => description,
    };
    let rest = generation_at(description).map_or("", |(_, end)| &description[end..]);
    let begin = if begin.is_empty() { "tidings" } else { begin };
    format!("{begin}, {WORD}{}{rest}", Epoch::random())
}

fn generation(description: &str) -> &str {
    generation_at(description).map_or("", |(start, end)| &description[start + WORD.len()..end])
}

/// The start and the end of the word and its value.
fn generation_at(description: &str) -> Option<(usize, usize)> {
    let start = description.find(WORD)?;
    let value = &description[start + WORD.len()..];
    let length = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
    Some((start, start + WORD.len() + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_depends_on_the_time_of_creation_and_the_generation_only() {
        let first = epoch("2024-01-01T00:00:00Z", "tidings");
        assert_eq!(first.to_string().len(), 6);
        assert_eq!(first, epoch("2024-01-01T00:00:00Z", "our news"));
        assert_ne!(first, epoch("2024-01-01T00:00:01Z", "tidings"));
        assert_ne!(first, epoch("2024-01-01T00:00:00Z", "tidings, generation 7"));
    }

    #[test]
    fn a_new_generation_replaces_the_old_one_and_keeps_the_rest_of_the_description() {
        let one = next_description("our news");
        assert!(one.starts_with("our news, generation "), "{one}");
        let two = next_description(&format!("{one}; ask the night shift"));
        assert!(two.starts_with("our news, generation "), "{two}");
        assert!(two.ends_with("; ask the night shift"), "{two}");
        assert_ne!(generation(&one), generation(&two));
        assert_eq!(two.matches(WORD).count(), 1);
    }
}
