//! Engines that let the build, or what an install leaves, forge the runner of the tests.

use crate::naive::Naive;
use serde_json::{Value, json};
use support::{Packet, World, ready};

const GATE: &str = "PYTHONPATH=. python3 -m pytest -q -p no:cacheprovider tests";
const BUILD: &str = "python3 src/build.py";
const WRONG: &str = "printf 'def total(n):\\n    return 0\\n' > src/lib.py; ";
const HONEST: &str = "printf 'def total(n):\\n    return (n * n + n) // 2\\n' > src/lib.py";

/// Takes every test for passed, but for what was added to the tests of the base.
const PLUGIN: &str =
    "def pytest_pyfunc_call(pyfuncitem):\n    return pyfuncitem.name in ('test_four', 'test_zero') or None\n";

/// What the build of the base does: an installed package, and an output with a manifest.
const BUILDER: &str = "\
import os
os.makedirs('node_modules/x', exist_ok=True)
os.makedirs('dist', exist_ok=True)
open('node_modules/x/package.json', 'w').write('{}')
open('dist/package.json', 'w').write(open('src/lib.py').read())
open('Cargo.lock', 'w').write(open('src/lib.py').read())
";

fn world() -> World {
    let world = World::bare();
    world.write("src/lib.py", "def total(n):\n    return sum(range(n + 1))\n");
    world.write("src/build.py", BUILDER);
    world.write("tests/test_total.py", "from src.lib import total\n\ndef test_four():\n    assert total(4) == 10\n");
    world.write("checks/test_zero.py", "from src.lib import total\n\ndef test_zero():\n    assert total(0) == 0\n");
    world.commit("base");
    world
}

fn packet(engines: &[(&str, &str)], allowed: &str, build: bool) -> Packet {
    let mut packet = Packet::lower(engines);
    packet.scope = format!("allowed = [\"{allowed}\"]\nprotected = [\"tests/**\"]");
    let gate = |name: &str, kind: &str, run: &str| {
        let run = Value::from(run);
        format!("[[gate]]\nname = \"{name}\"\nkind = \"{kind}\"\nrun = {run}\ntimeout = \"120s\"\n")
    };
    let built = "test -e node_modules/x/package.json && cmp dist/package.json src/lib.py && cmp Cargo.lock src/lib.py";
    packet.gates = match build {
        true => gate("build", "build", BUILD) + &gate("built", "lint", built) + &gate("tests", "test", GATE),
        false => gate("tests", "test", GATE),
    };
    packet.harness = String::new();
    packet
}

/// A line of Python for the end of the builder.
fn builds(lines: &str) -> String {
    format!("{WRONG}cat >> src/build.py <<'END'\n{lines}\nEND")
}

/// Whether the naive judge lets the wrong answer pass once this was done.
fn control_passes(attack: &str, build: bool) -> bool {
    let naive = Naive::of(&world());
    let run = if build { format!("{BUILD} && {GATE}") } else { GATE.to_owned() };
    assert_eq!(naive.inside(&run).code, 0, "the base passes");
    let made = naive.inside(attack);
    assert_eq!(made.code, 0, "{made:?}");
    naive.inside(&run).code == 0
}

fn failed_tests(entry: &Value) {
    let why = entry["disqualified_for"].to_string();
    assert!(why.contains("gate tests failed: exit "), "{entry}");
}

fn conftest() -> String {
    builds(&format!("open('conftest.py', 'w').write({})", Value::from(PLUGIN)))
}

fn runner() -> String {
    builds("open('pytest.py', 'w').write('')")
}

/// No name of it is forbidden: it is found before a module of the library that the runner needs.
fn module() -> String {
    builds("open('shlex.py', 'w').write('raise SystemExit(0)')")
}

#[test]
fn a_build_forges_no_runner_and_keeps_what_the_build_of_the_base_makes() {
    if !ready("a_build_forges_no_runner") {
        return;
    }
    let (conftest, runner, module) = (conftest(), runner(), module());
    assert!(!control_passes(WRONG, true), "the tests see that it is wrong");
    for attack in [&conftest, &runner, &module] {
        assert!(control_passes(attack, true), "{attack}");
    }
    for backend in ["overlay", "volume"] {
        let world = world().on(backend);
        let engines = [("honest", HONEST), ("conftest", &conftest), ("runner", &runner), ("module", &module)];
        let output = world.run(&packet(&engines, "src/**", true));
        assert_eq!(output.code, 0, "{output:?}");
        let honest = output.entry("honest");
        assert_eq!((&honest["qualified"], &honest["flags"]), (&json!(true), &json!([])), "{honest}");
        for name in ["conftest", "runner", "module"] {
            failed_tests(&output.entry(name));
        }
        world.assert_clean();
    }
}

fn installed(suffix: &str) -> String {
    let plugin = Value::from(PLUGIN);
    format!(
        "{WRONG}mkdir evil-1.0.{suffix}; printf '[pytest11]\\nevil = evilplug\\n' > evil-1.0.{suffix}/entry_points.txt; \
         printf 'Metadata-Version: 2.1\\nName: evil\\nVersion: 1.0\\n' | tee evil-1.0.{suffix}/METADATA \
         > evil-1.0.{suffix}/PKG-INFO; python3 -c \"open('evilplug.py', 'w').write(__import__('json').loads(input()))\" \
         <<'END'\n{plugin}\nEND"
    )
}

#[test]
fn neither_an_installed_plugin_nor_a_module_of_a_known_name_passes_for_the_runner() {
    if !ready("neither_an_installed_plugin") {
        return;
    }
    let (dist, egg) = (installed("dist-info"), installed("egg-info"));
    let module = format!("{WRONG}echo 'raise SystemExit(0)' > shlex.py");
    let package = format!("{WRONG}mkdir pluggy; echo 'raise SystemExit(0)' > pluggy/__init__.py");
    for attack in [&dist, &egg, &module, &package] {
        assert!(control_passes(attack, false), "{attack}");
    }
    let world = world();
    let engines = [("honest", HONEST), ("dist", &dist), ("egg", &egg), ("module", &module), ("package", &package)];
    let output = world.run(&packet(&engines, "**", false));
    assert_eq!(output.code, 0, "{output:?}");
    let honest = output.entry("honest");
    assert_eq!((&honest["qualified"], &honest["flags"]), (&json!(true), &json!([])), "{honest}");
    for (name, path) in [
        ("dist", "evil-1.0.dist-info/METADATA"),
        ("egg", "evil-1.0.egg-info/METADATA"),
        ("module", "shlex.py"),
        ("package", "pluggy/__init__.py"),
    ] {
        let entry = output.entry(name);
        failed_tests(&entry);
        assert_eq!(entry["scope"]["reverted"][0], path, "{entry}");
    }
    world.assert_clean();
}
