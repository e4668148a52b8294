//! Names from elsewhere as names of files: one component each, none twice.

use std::collections::HashSet;

/// Leaves room for an ending and a number within what file systems take.
const LONGEST: usize = 200;

/// The names of one folder.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: HashSet<String>,
}

impl Names {
    /// The name itself where it is plain; two names never become one, in whatever case a file system sees them.
    pub(super) fn fit(&mut self, name: &str) -> String {
        let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '+') { c } else { '_' };
        let mut fit = String::new();
        for c in name.chars().map(plain) {
            if fit.len() + c.len_utf8() > LONGEST {
                break;
            }
            fit.push(c);
        }
        let mut fit = fit.trim().to_owned();
        if fit.is_empty() || fit.starts_with(['.', '-']) {
            fit.insert(0, '_');
        }
        let mut free = fit.clone();
        let mut number = 1;
        while !self.taken.insert(free.to_lowercase()) {
            number += 1;
            let (stem, ending) = fit.rsplit_once('.').unwrap_or((&fit, ""));
            let dot = if ending.is_empty() { "" } else { "." };
            free = format!("{stem}-{number}{dot}{ending}");
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_odd_name_becomes_a_plain_one_and_none_is_taken_twice() {
        let mut names = Names::default();
        let rows = [
            ("engine.log", "engine.log"),
            ("engine.log", "engine-2.log"),
            ("ENGINE.log", "ENGINE-3.log"),
            ("../../etc/passwd", "_.._.._etc_passwd"),
            ("..", "_.."),
            ("", "_"),
            ("a\nb\u{1b}[1m", "a_b__1m"),
            ("名 前.txt", "名 前.txt"),
            ("-rf", "_-rf"),
        ];
        for (name, fit) in rows {
            assert_eq!(names.fit(name), fit, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_fits_one_component(all in proptest::collection::vec(".{0,300}", 1..20)) {
            let mut names = Names::default();
            let fit: Vec<String> = all.iter().map(|name| names.fit(name)).collect();
            for name in &fit {
                prop_assert!(name.len() < 255 && !name.contains('/') && !name.starts_with('.'), "{name:?}");
            }
            let different: HashSet<&String> = fit.iter().collect();
            prop_assert_eq!(different.len(), fit.len());
        }
    }
}
