use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

const KEY: &str = "sk-canary/4f+9Zq==7711";

fn in_chunks(redactor: &Redactor, text: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = redactor.stream();
    let (mut shown, mut rest) = (Vec::new(), text);
    for cut in cuts {
        let (head, tail) = rest.split_at((*cut).min(rest.len()));
        shown.extend(stream.push(head));
        rest = tail;
    }
    shown.extend(stream.push(rest));
    shown.extend(stream.finish());
    shown
}

#[test]
fn a_key_split_over_two_chunks_is_caught() {
    let redactor = Redactor::new([KEY]);
    for cut in 0..KEY.len() {
        let text = format!("before {KEY} after");
        assert_eq!(in_chunks(&redactor, text.as_bytes(), &[7 + cut]), b"before [redacted] after", "{cut}");
    }
}

#[test]
fn what_no_secret_begins_with_passes_at_once() {
    let mut stream = Redactor::new([KEY]).stream();
    assert_eq!(stream.push(b"data: {\"a\":1}\n\n"), b"data: {\"a\":1}\n\n");
    assert_eq!(stream.push(b"sk-"), b"", "a key may follow");
    assert_eq!(stream.push(b"etch"), b"sk-etch");
    assert_eq!(stream.finish(), b"");
}

#[test]
fn encoded_forms_are_caught_wherever_they_stand() {
    let redactor = Redactor::new([KEY]);
    for before in ["", "a", "ab", "user:"] {
        for encoded in [STANDARD.encode(format!("{before}{KEY}!")), URL_SAFE_NO_PAD.encode(format!("{before}{KEY}!"))] {
            assert!(redactor.finds(encoded.as_bytes()), "{before} {encoded}");
        }
    }
    assert_eq!(redactor.text("?k=sk-canary%2F4f%2B9Zq%3D%3D7711&x"), "?k=[redacted]&x");
    assert_eq!(redactor.text("?k=sk-canary%2f4f%2b9Zq%3d%3d7711&x"), "?k=[redacted]&x");
}

#[test]
fn short_texts_are_no_secrets_and_nothing_shows_a_secret() {
    let redactor = Redactor::new(["a", "1234567"]);
    assert_eq!(redactor.text("a 1234567"), "a 1234567");
    let all = format!("{:?} {:?}", Redactor::new([KEY]), Redactor::new([KEY]).stream());
    assert!(!all.contains("canary"), "{all}");
}

proptest! {
    #[test]
    fn whatever_the_chunking_no_secret_passes(
        parts in prop::collection::vec(prop_oneof![
            Just("sk-aaaaaab"), Just("sk-aaaaaabcc"), Just("aaaaaab-sk-"), Just("sk-aaa"), Just("aaab"), Just("x "), Just("-")
        ], 0..12),
        cuts in prop::collection::vec(0usize..9, 0..30),
    ) {
        let secrets = ["sk-aaaaaab", "sk-aaaaaabcc", "aaaaaab-sk-"];
        let redactor = Redactor::new(secrets);
        let shown = String::from_utf8(in_chunks(&redactor, parts.concat().as_bytes(), &cuts)).unwrap();
        for secret in secrets {
            prop_assert!(!shown.contains(secret), "{}", shown);
        }
    }

    #[test]
    fn text_without_secrets_is_unchanged(
        text in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(0usize..9, 0..30),
    ) {
        prop_assert_eq!(in_chunks(&Redactor::new([KEY]), &text, &cuts), text);
    }
}
