use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn all() -> Headers {
    let headers = Headers::new().with_event("created").unwrap();
    let headers = headers.with_content_type("application/json; charset=utf-8").unwrap();
    headers.with_time(1_795_467_750_512).unwrap().with_trace(PARENT, Some("a=1,b=2")).unwrap()
}

#[test]
fn only_headers_that_are_set_are_returned() {
    let headers = Headers::new().with_event("created").unwrap();
    assert_eq!(
        (headers.event(), headers.content_type(), headers.time()),
        (Some("created"), None, None)
    );
    assert_eq!((headers.traceparent(), headers.tracestate()), (None, None));
    assert!(Headers::new().is_empty() && !headers.is_empty());
    let texts: Vec<_> = all().iter().map(|(header, text)| (header, text.into_owned())).collect();
    let expected = [
        (Header::Event, "created"),
        (Header::ContentType, "application/json; charset=utf-8"),
        (Header::Time, "1795467750512"),
        (Header::Traceparent, PARENT),
        (Header::Tracestate, "a=1,b=2"),
    ];
    assert_eq!(texts, expected.map(|(header, text)| (header, text.to_owned())));
    assert_eq!(all().size(), texts.iter().map(|(_, text)| text.len()).sum::<usize>() + 2);
    assert_eq!(Headers::lossy(texts), Some(all()));
}

#[test]
fn an_event_name_is_visible_ascii_and_not_reserved() {
    let longest = "x".repeat(255);
    for name in ["created", "order.created:v1", "Gap", "messages", &longest] {
        assert_eq!(Headers::new().with_event(name).unwrap().event(), Some(name));
    }
    for name in ["", "two words", "line\nend", "nul\0", "größe", &"x".repeat(256)] {
        let error = Headers::new().with_event(name).unwrap_err();
        assert_eq!(error, ParseHeaderError::Event(shown(name)), "{name:?}");
    }
    for name in RESERVED {
        let error = Headers::new().with_event(name).unwrap_err();
        assert_eq!(error, ParseHeaderError::ReservedEvent(name.to_owned()));
        assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
    }
}

#[test]
fn a_content_type_is_a_media_type() {
    let longest = format!("a/b;c={}", "x".repeat(249));
    for media_type in [
        "application/json",
        "text/plain; charset=utf-8",
        "application/vnd.api+json ;v=\"1\"",
        &longest,
    ] {
        let headers = Headers::new().with_content_type(media_type).unwrap();
        assert_eq!(headers.content_type(), Some(media_type));
    }
    for media_type in [
        "",
        "json",
        "/",
        "a/",
        "/b",
        "a b/c",
        "a/b/c",
        " a/b",
        "a/b ",
        "a/b;c=\n",
        "a/ü",
        &format!("{longest}x"),
    ] {
        assert!(Headers::new().with_content_type(media_type).is_err(), "{media_type:?}");
    }
}

#[test]
fn a_time_is_milliseconds_up_to_the_end_of_the_year_9999() {
    for millis in [0, 1, MAX_TIME] {
        assert_eq!(Headers::new().with_time(millis).unwrap().time(), Some(millis));
        assert_eq!(Headers::parse_time(&millis.to_string()), Ok(millis));
    }
    assert!(Headers::new().with_time(MAX_TIME + 1).is_err());
    for text in ["", "+1", "-1", "1.5", "1e3", "2026-11-29T00:00:00Z", "99999999999999999999"] {
        assert_eq!(Headers::parse_time(text), Err(ParseHeaderError::Time(text.to_owned())));
    }
}

#[test]
fn a_traceparent_has_version_00_and_no_id_of_zeros() {
    assert!(Headers::new().with_trace(PARENT, None).is_ok());
    for malformed in [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
    ] {
        assert!(Headers::new().with_trace(malformed, None).is_err(), "{malformed:?}");
    }
}

#[test]
fn a_tracestate_has_at_most_512_bytes_and_no_line_end() {
    let longest = "x".repeat(512);
    for state in ["a=1", "a=1,\tb=2", &longest] {
        let headers = Headers::new().with_trace(PARENT, Some(state)).unwrap();
        assert_eq!(headers.tracestate(), Some(state));
    }
    for state in ["", " a=1", "a=1\r\n", "a=ü", &"x".repeat(513)] {
        assert!(Headers::new().with_trace(PARENT, Some(state)).is_err(), "{state:?}");
    }
}

#[test]
fn a_malformed_header_is_left_out_and_the_others_stay() {
    let read = |texts: &[(Header, &str)]| Headers::lossy(texts.iter().copied());
    let event = Headers::new().with_event("created").unwrap();
    assert_eq!(read(&[(Header::Event, "created"), (Header::Time, "soon")]), Some(event.clone()));
    assert_eq!(read(&[(Header::Event, "gap"), (Header::ContentType, "json")]), None);
    // A tracestate needs a traceparent, in any order.
    let state = (Header::Tracestate, "a=1");
    assert_eq!(read(&[(Header::Event, "created"), state]), Some(event.clone()));
    let traced = event.with_trace(PARENT, Some("a=1")).unwrap();
    let parent = (Header::Traceparent, PARENT);
    assert_eq!(read(&[state, (Header::Event, "created"), parent]), Some(traced));
    assert_eq!(read(&[]), None);
}

#[test]
fn setting_a_header_does_not_change_a_clone() {
    let one = Headers::new().with_event("one").unwrap();
    let other = one.clone().with_event("other").unwrap();
    assert_eq!((one.event(), other.event()), (Some("one"), Some("other")));
    assert_eq!(format!("{one:?}"), r#"{"event": "one"}"#);
}
