//! Variables that begin as ours do and that nothing reads: said once, and the command goes on.

use crate::args::{Args, Command};
use crate::{embedded, output};
use arena_domain::text::sanitise_line;
use arena_runtime::config::{Strange, strange};

/// More than these are a number.
const MOST: usize = 5;

pub(crate) fn warn(args: &Args) {
    // A shell reads these two at its start.
    if matches!(args.command, Command::Completions { .. } | Command::Schema) {
        return;
    }
    // A configuration with problems is told by the command itself.
    let Ok(config) = embedded::configuration(&args.common) else { return };
    let names: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
    if let Some(line) = line(&strange(names.iter().map(String::as_str), &config)) {
        output::note(&line);
    }
}

fn line(all: &[Strange]) -> Option<String> {
    let one = |Strange { name, nearest }: &Strange| {
        let meant = nearest.as_ref().map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
        format!("{}{meant}", sanitise_line(name, 64))
    };
    let mut told: Vec<String> = all.iter().take(MOST).map(one).collect();
    if all.len() > MOST {
        told.push(format!("{} more", all.len() - MOST));
    }
    (!told.is_empty()).then(|| format!("warning: nothing reads what the environment says by {}", told.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_there_are_they_are_one_line() {
        let of = |name: &str, nearest: Option<&str>| Strange { name: name.into(), nearest: nearest.map(str::to_owned) };
        assert_eq!(line(&[]), None);
        let said = "warning: nothing reads what the environment says by ARENA_A (did you mean ARENA_B?), ARENA_C";
        assert_eq!(line(&[of("ARENA_A", Some("ARENA_B")), of("ARENA_C", None)]).as_deref(), Some(said));
        let many: Vec<Strange> = (0..9).map(|index| of(&format!("ARENA_{index}"), None)).collect();
        assert!(line(&many).is_some_and(|line| line.ends_with("ARENA_4, 4 more") && !line.contains('\n')));
    }
}
