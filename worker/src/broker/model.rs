//! Which models a pattern means; `*` stands for any text.

/// In time linear in the two for each `*`.
pub(super) fn fits(pattern: &str, model: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = model.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Some allow it, and none of those that narrow refuse it.
pub(super) fn is_allowed(model: &str, configured: &[String], narrower: &[String]) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern, model));
    any(configured) && (narrower.is_empty() || any(narrower))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_star_stands_for_any_text() {
        let rows = [
            ("gpt-5*", "gpt-5.5", true),
            ("gpt-5*", "gpt-5", true),
            ("gpt-5*", "xgpt-5", false),
            ("gpt-5", "gpt-5.5", false),
            ("*", "", true),
            ("*-mini", "gpt-mini", true),
            ("*-mini", "gpt-mini-x", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "ac", false),
            ("ab*ba", "aba", false),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, model, expected) in rows {
            assert_eq!(super::fits(pattern, model), expected, "{pattern} {model}");
        }
    }

    #[test]
    fn no_pattern_allows_nothing_and_a_policy_only_narrows() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let rows: [(&[&str], &[&str], bool); 5] = [
            (&[], &[], false),
            (&["m*"], &[], true),
            (&["m*"], &["m1"], true),
            (&["m*"], &["m2"], false),
            (&["n*"], &["m1"], false),
        ];
        for (configured, narrower, expected) in rows {
            assert_eq!(super::is_allowed("m1", &texts(configured), &texts(narrower)), expected);
        }
    }
}
