//! What this machine has, as far as a packet can ask for more of it.

use std::fs;

/// Processors that are online; nothing where the kernel does not say.
pub(crate) fn processors() -> Option<u32> {
    ranges(&fs::read_to_string("/sys/devices/system/cpu/online").ok()?)
}

/// How many numbers `0-3,8` holds.
fn ranges(text: &str) -> Option<u32> {
    text.trim()
        .split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            last.parse::<u32>().ok()?.checked_sub(first.parse().ok()?)?.checked_add(1)
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_lists_is_counted() {
        let rows = [("0\n", Some(1)), ("0-3\n", Some(4)), ("0-1,4,6-7\n", Some(5)), ("", None), ("3-1", None)];
        for (text, count) in rows {
            assert_eq!(ranges(text), count, "{text}");
        }
    }
}
