//! How many columns a text takes, so that tables and legends line up in English and Japanese.

/// Columns on a terminal: two for ideographs, kana and other full-width characters, none for combining marks.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(of_char).sum()
}

/// The text in at most `most` columns; a cut one ends in `…`.
pub(crate) fn fit(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let mut used = 0;
    let mut short: String = text
        .chars()
        .take_while(|c| {
            used += of_char(*c);
            used < most
        })
        .collect();
    if most > 0 {
        short.push('…');
    }
    short
}

fn of_char(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200d}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_ideograph_takes_two_columns() {
        let rows = [("abc", 3), ("順位", 4), ("e\u{301}", 1), ("", 0)];
        for (text, width) in rows {
            assert_eq!(columns(text), width, "{text}");
        }
        assert_eq!(fit("順位表", 5), "順位…");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn a_fitted_text_never_goes_over(text in "\\PC{0,40}", most in 0usize..30) {
            prop_assert!(columns(&fit(&text, most)) <= most);
        }
    }
}
