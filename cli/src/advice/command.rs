//! The file that a command of the shell begins with, where that can be told without being the shell.

/// Programs whose first argument is a script.
const INTERPRETERS: &[&str] =
    &["python", "python3", "sh", "bash", "dash", "zsh", "node", "ruby", "perl", "php", "lua", "Rscript"];
/// What makes a word mean more than itself.
const SPECIAL: &[char] = &['$', '*', '?', '`', '"', '\'', '\\', '{', '}', '~', '<', '>', '(', ')', '[', ']'];

/// A relative path: the program itself when it is one, else the script of an interpreter. Nothing when in doubt.
pub(super) fn file(command: &str) -> Option<String> {
    let first = command.split(['&', ';', '|', '\n']).next()?;
    let mut words = first.split_whitespace().skip_while(|word| is_assignment(word));
    let program = words.next()?;
    if program.contains('/') {
        return relative(program);
    }
    if !INTERPRETERS.contains(&program) {
        return None;
    }
    // An option may take the next word along, or stand for a module or a text.
    words.next().filter(|word| !word.starts_with('-')).and_then(relative)
}

/// The programs that the commands of a line begin with.
pub(super) fn programs(line: &str) -> impl Iterator<Item = &str> {
    let commands = line.split(['&', ';', '|', '\n', '(', ')']);
    commands.filter_map(|command| command.split_whitespace().find(|word| !is_assignment(word)))
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

fn relative(word: &str) -> Option<String> {
    let plain = !word.starts_with('/') && !word.contains(SPECIAL) && word.split('/').all(|name| name != "..");
    plain.then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_a_line_are_told() {
        let all: Vec<&str> = programs("cd a && A=1 cargo test; (npm ci) | tee x").collect();
        assert_eq!(all, ["cd", "cargo", "npm", "tee"]);
    }

    #[test]
    fn the_file_of_a_command_is_told_or_left_alone() {
        let rows = [
            ("python3 bench/run.py --seed {scenario}", Some("bench/run.py")),
            ("PYTHONPATH=src python3 run.py", Some("run.py")),
            ("sh check.sh && python3 other.py", Some("check.sh")),
            ("./run.sh -x", Some("./run.sh")),
            ("node scripts/bench.mjs", Some("scripts/bench.mjs")),
            ("python3 -m pytest -q", None),
            ("python3 -c 'print(1)'", None),
            ("bash -e x.sh", None),
            ("pytest tests", None),
            ("cargo test", None),
            ("cd sub && python3 run.py", None),
            ("/usr/bin/python3 run.py", None),
            ("python3 $SCRIPT", None),
            ("python3 {scenario}", None),
            ("python3 ../outside.py", None),
            ("python3", None),
            ("", None),
        ];
        for (command, expected) in rows {
            assert_eq!(file(command).as_deref(), expected, "{command}");
        }
    }
}
