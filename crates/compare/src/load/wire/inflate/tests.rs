//! Tests of the tree of parts.

use super::super::tests::{Deflated, stored};
use super::*;

#[test]
fn streams_share_parts_until_they_differ_and_refer_to_their_own_history() {
    let text = |number: u32| format!("the same words again and again {number} {}", number % 7);
    let mut inflation = Inflation::default();
    let mut receive = |place: &mut u32, stream: &mut Deflated, text: &str| {
        let part = stream.flush(text.as_bytes());
        let found = inflation.find(*place, &part, false);
        *place = found.unwrap_or_else(|| inflation.append(*place, &part, &[]).unwrap());
        assert_eq!(&*inflation.parts[*place as usize].text, text.as_bytes());
        found.is_some()
    };
    let (mut first, mut second) = (Deflated::default(), Deflated::default());
    let (mut one, mut two) = (0, 0);
    for number in 0..50 {
        assert!(!receive(&mut one, &mut first, &text(number)));
    }
    for number in 0..30 {
        assert!(receive(&mut two, &mut second, &text(number)));
    }
    // More than a window, so that the oldest text is left out.
    for number in 100..3_000 {
        assert!(!receive(&mut two, &mut second, &text(number)));
    }
    for number in 50..60 {
        assert!(!receive(&mut one, &mut first, &text(number)));
    }
    let decoders = inflation.parts.iter().filter(|part| part.decoder.is_some()).count();
    assert_eq!(decoders, 2);
}

#[test]
fn a_branch_after_more_than_a_window_is_inflated() {
    let text = |number: u32| format!("{number} words that are repeated {}", number % 13);
    let mut inflation = Inflation::default();
    let (mut first, mut second) = (Deflated::default(), Deflated::default());
    let mut place = 0;
    for number in 0..3_000 {
        let part = first.flush(text(number).as_bytes());
        assert_eq!(part, second.flush(text(number).as_bytes()));
        place = inflation.append(place, &part, &[]).unwrap();
    }
    for (stream, number) in [(&mut first, 1), (&mut second, 2)] {
        let part = stream.flush(text(number).as_bytes());
        let index = inflation.append(place, &part, &[]).unwrap();
        assert_eq!(&*inflation.parts[index as usize].text, text(number).as_bytes());
    }
}

/// Advances a client over a part that inflates to this text.
fn advance(inflation: &mut Inflation, place: &mut Place, part: &[u8], text: &str) {
    place.advance(inflation, part, &[]).unwrap();
    let Part { text: inflated, carried, .. } = &inflation.parts[place.part as usize];
    assert_eq!(str::from_utf8(&inflated[*carried..]), Ok(text));
}

#[test]
fn streams_share_all_parts_after_different_stored_text() {
    let text = |number: u32| format!("the same words again and again {number} {}", number % 7);
    let mut inflation = Inflation::default();
    let mut clients: [Place; 3] = Default::default();
    // A client is sent stored text first, and again after it has missed a part.
    for stage in 0..2 {
        let mut stream = Deflated::default();
        for (number, place) in clients.iter_mut().enumerate() {
            let opening = format!("retry: {stage}{number}\n\n");
            advance(&mut inflation, place, &stored(&opening), &opening);
        }
        let before = inflation.parts.len();
        for number in 0..50 {
            let part = stream.flush(text(number).as_bytes());
            for place in &mut clients {
                advance(&mut inflation, place, &part, &text(number));
            }
        }
        // The parts of the first stage are the same.
        let new = if stage == 0 { 50 } else { 0 };
        assert_eq!(inflation.parts.len() - before, new);
        assert!(clients.iter().all(|place| place.part == clients[0].part));
    }
    let decoders = inflation.parts.iter().filter(|part| part.decoder.is_some()).count();
    assert_eq!(decoders, 1);
}

#[test]
fn a_stream_that_refers_to_its_stored_text_keeps_its_own_branch() {
    const OPENING: &str = "retry: 1234, and some words to which it refers";
    let refers = |number: u32| format!("{OPENING} {number}");
    let mut inflation = Inflation::default();
    let (mut first, mut later) = (Place::default(), Place::default());
    // It refers to the stored text at once.
    advance(&mut inflation, &mut first, &stored(OPENING), OPENING);
    let opening = first.part;
    let mut stream = Deflated::after(OPENING);
    for number in 0..3 {
        let part = stream.flush(refers(number).as_bytes());
        advance(&mut inflation, &mut first, &part, &refers(number));
        assert!(first.part > opening && first.earlier.is_empty());
    }
    // It has shared parts with another stream before it refers to the stored text.
    let mut other = Place::default();
    advance(&mut inflation, &mut other, &stored("another"), "another");
    advance(&mut inflation, &mut later, &stored(OPENING), OPENING);
    let [mut stream, mut plain] = [Deflated::after(OPENING), Deflated::default()];
    let part = stream.flush(b"xyz");
    assert_eq!(part, plain.flush(b"xyz"));
    advance(&mut inflation, &mut other, &part, "xyz");
    advance(&mut inflation, &mut later, &part, "xyz");
    assert_eq!(later.part, other.part);
    for number in 0..3 {
        let part = stream.flush(refers(number).as_bytes());
        advance(&mut inflation, &mut later, &part, &refers(number));
        let part = plain.flush(refers(number).as_bytes());
        advance(&mut inflation, &mut other, &part, &refers(number));
        assert!(later.part != other.part && later.earlier.is_empty());
    }
}

#[test]
fn only_whole_stored_blocks_are_stored() {
    let two = [stored("one"), stored("")].concat();
    assert!(is_stored(&two));
    assert!(!is_stored(&two[..two.len() - 1]) && !is_stored(&two[..7]));
    let last = [&stored("one")[..], &[1, 0, 0, 0xff, 0xff]].concat();
    assert!(!is_stored(&last) && !is_stored(&Deflated::default().flush(b"a")));
}

#[test]
fn what_is_not_deflated_is_an_error() {
    let mut inflation = Inflation::default();
    assert!(inflation.append(0, b"\x07 is not a block", &[]).is_err());
    assert!(check_gzip(b"{\"cursor\":").is_err());
}
