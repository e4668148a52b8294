//! `kill -9` at every phase that a job can tell of, then `arena resume`. The list of the phases is the product's own.

use crate::common::{Story, competitors_in, packet};
use arena_worker::run::Phase;
use support::{Packet, World, ready};

/// A setup, a build gate, and a test gate whose tests can be given one more.
fn whole() -> (World, Packet) {
    let world = World::new();
    let test = "import unittest\n\n\nclass Value(unittest.TestCase):\n    def test_value(self):\n        \
                self.assertGreaterEqual(int(open('value').read()), 0)\n";
    world.write("tests/test_value.py", test);
    world.commit("a test");
    let mut packet = packet();
    packet.sandbox += "\nsetup = \"sleep 0.3; echo made > made\"";
    packet.gates = "[[gate]]\nname = \"build\"\nkind = \"build\"\nrun = \"test -e made && sleep 0.3\"\n\n\
                    [[gate]]\nname = \"tests\"\nkind = \"test\"\nrun = \"python3 -m unittest discover -s tests\""
        .into();
    (world, packet)
}

/// `mid` by an engine of a file, whose stream says what it does; packets have no such engines.
fn told(world: &mut World, packet: &mut Packet) {
    let event = r#"{"type":"tool_use","tool_name":"read_file","parameters":{"file_path":"value"}}"#;
    let end = r#"{"type":"result","status":"success"}"#;
    let shell = format!("echo '{event}'; sleep 0.4; expr $(cat value) - 1 > value; echo '{end}'");
    let folder = world.repo.join("../config/arena/engines");
    std::fs::create_dir_all(&folder).expect("a folder");
    let engine = format!(
        "name = \"telling\"\nprovider = \"team\"\nmodel = \"tiny-1\"\ndialect = \"gemini\"\ncommand = [\"sh\", \"-c\", {}]\n",
        serde_json::Value::from(shell)
    );
    std::fs::write(folder.join("telling.toml"), engine).expect("an engine");
    let provider =
        "[provider.team]\nupstream = \"http://127.0.0.1:9\"\nkey_env = \"TEAM_KEY\"\nmodels = [\"tiny-*\"]\n";
    std::fs::write(folder.with_file_name("config.toml"), provider).expect("a configuration");
    world.env.push(("TEAM_KEY".into(), "nobody-asks-for-it-7731".into()));
    packet.engines.retain(|(name, _)| name != "mid");
    packet.rest += "[[competitor]]\nname = \"mid\"\nengine = \"telling\"\n";
}

fn killed_at(test: &str, phase: Phase) {
    if !ready(test) {
        return;
    }
    let (mut world, mut packet) = whole();
    if phase == Phase::Doing {
        told(&mut world, &mut packet);
    }
    let mut story = Story::begun(world, &packet, &[]);
    let word = phase.as_str();
    if phase == Phase::Setup {
        // Once per base: it is nobody's own.
        story.world.await_word("\"phase\":\"setup\"", &mut story.running);
    } else {
        story.until_phase(word, 1);
    }
    assert!(!story.world.said().contains("\"event\":\"ended\""), "{word}: it was not killed in time");
    story.kill();
    story.resumed();
}

macro_rules! killed_at {
    ($($test:ident: $phase:ident,)*) => {
        $(#[test]
        fn $test() {
            killed_at(stringify!($test), Phase::$phase);
        })*

        const KILLED_AT: &[Phase] = &[$(Phase::$phase),*];
    };
}

killed_at! {
    killed_while_it_prepares: Prepare,
    killed_while_it_sets_up: Setup,
    killed_while_engines_work: Engine,
    killed_while_an_engine_tells_what_it_does: Doing,
    killed_while_a_tree_is_collected: Collect,
    killed_when_a_tree_is_stored: Stored,
    killed_while_a_gate_runs: Gate,
    killed_while_a_test_that_fails_is_planted: Canary,
    killed_while_it_measures: Measure,
}

#[test]
fn there_is_a_kill_at_every_phase() {
    assert_eq!(KILLED_AT, Phase::ALL);
}

#[test]
fn killed_while_the_build_gate_of_a_competitor_runs() {
    if !ready("killed_while_the_build_gate") {
        return;
    }
    let (world, packet) = whole();
    let mut story = Story::begun(world, &packet, &[]);
    story.world.until("a build gate", &mut story.running, |said| {
        let builds = |line: &&str| line.contains("\"phase\":\"gate\"") && line.contains("\"text\":\"build\"");
        competitors_in(&said.lines().filter(builds).collect::<Vec<_>>().join("\n"), "gate") >= 1
    });
    story.kill();
    story.resumed();
}
