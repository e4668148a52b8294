//! A network of a test's own: one namespace a place, all on one bridge in a hub. Nothing of the machine's own network takes
//! part, so that a place is cut off without anybody else noticing.

use std::process::{Command, Output};

/// The bridge, and whoever lives beside it: Redis and the people.
pub const HUB: &str = "hub";

pub struct Network {
    name: String,
    places: Vec<String>,
}

impl Network {
    /// The hub and these places; or why that cannot be here.
    pub fn build(places: &[&str]) -> Result<Self, String> {
        let mut network = Self { name: format!("arena-{}", arena_runtime::token::hex(6)), places: Vec::new() };
        network.space(HUB)?;
        for args in [
            vec!["link", "add", "bridge0", "type", "bridge"],
            vec!["address", "add", "10.77.0.1/24", "dev", "bridge0"],
            vec!["link", "set", "bridge0", "up"],
        ] {
            network.ip(HUB, &args)?;
        }
        for place in places {
            network.space(place)?;
            network.join(place)?;
        }
        // A kernel without them cannot cut anybody off.
        if let Some(place) = places.first() {
            network.filter(place, &["-L"])?;
        }
        Ok(network)
    }

    fn space(&mut self, place: &str) -> Result<(), String> {
        works(Command::new("ip").args(["netns", "add", &self.space_of(place)]))?;
        self.places.push(place.to_owned());
        self.ip(place, &["link", "set", "lo", "up"])
    }

    fn join(&self, place: &str) -> Result<(), String> {
        let (port, space) = (format!("to-{place}"), self.space_of(place));
        let pair = ["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &space];
        self.ip(HUB, &pair)?;
        self.ip(HUB, &["link", "set", &port, "master", "bridge0", "up"])?;
        self.ip(place, &["address", "add", &format!("{}/24", self.address(place)), "dev", "eth0"])?;
        self.ip(place, &["link", "set", "eth0", "up"])
    }

    fn ip(&self, place: &str, args: &[&str]) -> Result<(), String> {
        works(Command::new("ip").args(["-n", &self.space_of(place)]).args(args))
    }

    fn filter(&self, place: &str, args: &[&str]) -> Result<(), String> {
        let mut command = Command::new("iptables");
        // Two places may be cut off at the same moment.
        command.arg("-w").args(args);
        works(&mut self.enter(place, &command))
    }

    fn space_of(&self, place: &str) -> String {
        format!("{}-{place}", self.name)
    }

    pub fn address(&self, place: &str) -> String {
        let number = self.places.iter().position(|one| one == place).expect("a place");
        format!("10.77.0.{}", number + 1)
    }

    /// A command within a place: only its network is another one, so that mounts are seen by Docker.
    pub fn enter(&self, place: &str, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside.arg(format!("--net=/run/netns/{}", self.space_of(place))).arg("--");
        inside.arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// From now on nothing passes between a place and the others, in either direction, and nobody is told so.
    pub fn cut(&self, place: &str, others: &[String]) {
        for other in others {
            for rule in [["-A", "OUTPUT", "-d"], ["-A", "INPUT", "-s"]] {
                let args: Vec<&str> = rule.into_iter().chain([other.as_str(), "-j", "DROP"]).collect();
                self.filter(place, &args).expect("a rule");
            }
        }
    }

    pub fn heal(&self, place: &str) {
        self.filter(place, &["-F"]).expect("no rules");
    }

    /// Namespaces of this network that are still there.
    pub fn left(name: &str) -> Vec<String> {
        let listed = Command::new("ip").args(["netns", "list"]).output().expect("ip");
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        text.lines().filter(|line| line.starts_with(name)).map(str::to_owned).collect()
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for place in &self.places {
            let _ = Command::new("ip").args(["netns", "del", &self.space_of(place)]).output();
        }
    }
}

fn works(command: &mut Command) -> Result<(), String> {
    let said = |output: Output| String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?}: {}", said(output))),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}
