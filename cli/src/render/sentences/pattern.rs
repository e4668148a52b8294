//! One pattern: literal text with places, read from an English sentence and filled into a Japanese one.

/// Tries of one match; a sentence of ours needs a few, and a hostile text is given up.
const TRIES: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Literal(&'static str),
    /// What stands here stays as it came.
    Raw(usize),
    /// One word, as a figure is.
    Word(usize),
    /// A sentence of its own.
    Sentence(usize),
}

/// Places are numbered in the order of the English sentence.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    english: Vec<Part>,
    japanese: Vec<Part>,
}

impl Pattern {
    pub(super) fn new(english: &'static str, japanese: &'static str) -> Self {
        Self { english: parts(english), japanese: parts(japanese) }
    }

    /// What stands at each place, when the whole text is this sentence; each as short as it can be.
    pub(super) fn matches<'a>(&self, text: &'a str) -> Option<Vec<&'a str>> {
        let mut found = Vec::new();
        let mut tries = TRIES;
        rest(&self.english, text, &mut found, &mut tries).then_some(found)
    }

    pub(super) fn fill(&self, found: &[&str], sentence: impl Fn(&str) -> String) -> String {
        let part = |part: &Part| match part {
            Part::Literal(text) => (*text).to_owned(),
            Part::Raw(at) | Part::Word(at) => found.get(*at).copied().unwrap_or_default().to_owned(),
            Part::Sentence(at) => found.get(*at).map(|text| sentence(text)).unwrap_or_default(),
        };
        self.japanese.iter().map(part).collect()
    }
}

impl Part {
    fn takes(self, text: &str) -> bool {
        match self {
            Self::Word(_) => !text.contains(char::is_whitespace),
            Self::Literal(_) | Self::Raw(_) | Self::Sentence(_) => true,
        }
    }
}

fn rest<'a>(parts: &[Part], text: &'a str, found: &mut Vec<&'a str>, tries: &mut usize) -> bool {
    *tries = tries.saturating_sub(1);
    if *tries == 0 {
        return false;
    }
    match parts {
        [] => text.is_empty(),
        [Part::Literal(literal), more @ ..] => {
            text.strip_prefix(literal).is_some_and(|text| rest(more, text, found, tries))
        }
        // The last place takes everything; an empty one would be a sentence that says nothing.
        [last @ (Part::Raw(_) | Part::Word(_) | Part::Sentence(_))] => {
            let fits = !text.is_empty() && last.takes(text);
            if fits {
                found.push(text);
            }
            fits
        }
        [place @ (Part::Raw(_) | Part::Word(_) | Part::Sentence(_)), Part::Literal(literal), ..] => {
            let ends = text.match_indices(literal).map(|(end, _)| end);
            for end in ends.filter(|end| *end > 0).take_while(|end| place.takes(&text[..*end])) {
                found.push(&text[..end]);
                if rest(&parts[1..], &text[end..], found, tries) {
                    return true;
                }
                found.pop();
            }
            false
        }
        // Two places without anything between them cannot be told apart; the table has none.
        [Part::Raw(_) | Part::Word(_) | Part::Sentence(_), ..] => false,
    }
}

fn parts(text: &'static str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut left = text;
    while let Some(start) = left.find(['{', '[', '<']) {
        let after = &left[start + 1..];
        let place = after.find(['}', ']', '>']).and_then(|end| Some((after[..end].parse::<usize>().ok()?, end)));
        let Some((number, end)) = place else { break };
        if start > 0 {
            parts.push(Part::Literal(&left[..start]));
        }
        parts.push(match &left[start..=start] {
            "{" => Part::Raw(number),
            "<" => Part::Word(number),
            _sentence => Part::Sentence(number),
        });
        left = &after[end + 1..];
    }
    if !left.is_empty() {
        parts.push(Part::Literal(left));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_take_what_stands_between_the_words() {
        let rows: [(&str, &str, Option<&[&str]>); 10] = [
            ("a", "a", Some(&[])),
            ("a {0}", "a b", Some(&["b"])),
            ("a {0}", "a ", None),
            ("{0}: {1}", "x: y: z", Some(&["x", "y: z"])),
            ("{0} of {1} failed", "a of b of c failed", Some(&["a", "b of c"])),
            ("gate {0} failed: [1]", "gate a failed: exit 1", Some(&["a", "exit 1"])),
            ("gate {0} failed", "gate failed", None),
            ("a", "a b", None),
            ("<0> more", "2 more", Some(&["2"])),
            ("<0> more", "1 less; 2 more", None),
        ];
        for (english, text, expected) in rows {
            assert_eq!(Pattern::new(english, "").matches(text).as_deref(), expected, "{english}: {text}");
        }
    }

    #[test]
    fn a_hostile_text_is_given_up() {
        assert_eq!(Pattern::new("{0}a{1}a{2}a{3}a{4}b", "").matches(&"a".repeat(4000)), None);
    }

    proptest! {
        #[test]
        fn what_was_filled_in_is_read_back(one in "[a-z ]{1,8}", two in "[a-z ]{1,8}") {
            let pattern = Pattern::new("gate {0} failed: {1}", "gate {0} failed: {1}");
            let text = pattern.fill(&[&one, &two], str::to_owned);
            let found = pattern.matches(&text);
            prop_assert!(found.is_some_and(|found| pattern.fill(&found, str::to_owned) == text));
        }
    }
}
