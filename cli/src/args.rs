//! The command line.

mod team;

pub(crate) use team::{CertsAction, DIR, TokensAction};

use crate::commands::Head;
use clap::{Args as ClapArgs, Parser, Subcommand};
use std::path::PathBuf;

/// Let coding engines compete on your repository, and adopt the best result safely.
#[derive(Debug, Parser)]
#[command(name = "arena", version, max_term_width = 110)]
pub(crate) struct Args {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct Common {
    /// Where sessions are kept [default: $XDG_STATE_HOME/arena].
    #[arg(long, global = true, env = "ARENA_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// The configuration of this machine: of its worker, its coordinator, and of whoever asks a team [default:
    /// ~/.config/arena/config.toml].
    #[arg(long, global = true, env = "ARENA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A team's coordinator instead of this machine, https://HOST:PORT; several with commas, for when one does not answer. It
    /// asks for a token: ARENA_TOKEN, or the file that `token_file` under [client] names.
    #[arg(long, global = true, env = "ARENA_COORDINATOR", value_name = "URL")]
    pub coordinator: Option<String>,
    /// Take the recommended answer to every question.
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// Answer in JSON: one document, or one event per line for `run` and `watch`.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at the repository and write a packet to start from.
    Init {
        /// The repository.
        #[arg(default_value = ".")]
        repository: PathBuf,
        /// Where to write the packet; `-` is standard output.
        #[arg(long, short, default_value = "arena.toml")]
        output: PathBuf,
        /// Replace a packet that is there.
        #[arg(long)]
        force: bool,
        #[arg(long)]
        dry_run: bool,
    },
    /// Validate a packet: every problem with line, reason and mend.
    Check { packet: PathBuf },
    /// Show competitors, jobs and briefs; changes nothing.
    Plan {
        packet: PathBuf,
        /// Only the briefs, as the engines get them.
        #[arg(long)]
        briefs: bool,
    },
    /// Run a whole session here: live progress, then a scoreboard and a report.
    Run {
        packet: PathBuf,
        #[arg(long)]
        dry_run: bool,
        /// In the stead of the packet's: a head start of so many minutes among the sessions of its own tenant.
        #[arg(long, value_name = "0-10", value_parser = clap::value_parser!(u32).range(0..=10))]
        priority: Option<u32>,
    },
    /// List the sessions, newest first: the newest fifty; all of them with `--json`.
    Sessions(Listed),
    /// Show one session and where it stands.
    Show { id: String },
    /// Follow a session from its beginning to its end, or to where nobody moves it.
    Watch {
        id: String,
        /// Wait for somebody to answer or resume a session that nobody moves.
        #[arg(long)]
        wait: bool,
        /// Of a team's session: what engines print, too, while they print it.
        #[arg(long)]
        logs: bool,
    },
    /// Print the report of a session.
    Report {
        id: String,
        /// As a self-contained page.
        #[arg(long)]
        html: bool,
        /// The brief for whoever goes on, instead of the report.
        #[arg(long)]
        continuation: bool,
    },
    /// Show what a competitor changed.
    Diff {
        id: String,
        competitor: String,
        #[arg(long)]
        stat: bool,
    },
    /// Print what a competitor's engine and gates said.
    Logs {
        id: String,
        competitor: String,
        /// One round only.
        #[arg(long)]
        round: Option<u32>,
        /// Every byte as it was, even what could harm a terminal.
        #[arg(long)]
        raw: bool,
    },
    /// Say what a job waits for.
    Why { job: String },
    /// Answer the question that a session waits on.
    Decide {
        id: String,
        answer: String,
        #[arg(long)]
        dry_run: bool,
    },
    /// End a session; what it has measured stays.
    Cancel {
        id: String,
        #[arg(long)]
        dry_run: bool,
    },
    /// Carry a session on that was interrupted.
    Resume {
        id: String,
        #[arg(long)]
        dry_run: bool,
    },
    /// Merge the winner (or the named competitors) into your checkout, verified.
    Adopt {
        id: String,
        competitors: Vec<String>,
        /// Take an adoption back.
        #[arg(long, conflicts_with_all = ["competitors", "push"])]
        undo: bool,
        /// Push the branch afterwards. Nothing else ever pushes.
        #[arg(long)]
        push: bool,
        /// Merge although a gate fails on the merged tree, or the competitor is disqualified.
        #[arg(long)]
        allow_failing: bool,
        /// Remove the session's branches afterwards; what only they hold stays as a ref.
        #[arg(long)]
        clean: bool,
        #[arg(long)]
        dry_run: bool,
    },
    /// Write a session as files, with `reproduce.sh`.
    Archive {
        id: String,
        dir: PathBuf,
        #[arg(long)]
        dry_run: bool,
    },
    /// List the engines that a packet may name here, or install one.
    #[command(args_conflicts_with_subcommands = true)]
    Engines {
        #[command(subcommand)]
        action: Option<EnginesAction>,
        /// Read every installed pack and compare it with what was installed.
        #[arg(long)]
        verify: bool,
        /// Its own engines too.
        packet: Option<PathBuf>,
    },
    /// Look for what is wrong on this machine, with the command that mends it.
    Doctor,
    /// Make a team's authority, and the certificates of its coordinators, workers and people.
    #[command(display_order = 100)]
    Certs {
        #[command(subcommand)]
        action: CertsAction,
    },
    /// Serve a team: sessions and queue, for workers that dial in and for people with a token.
    #[command(display_order = 100)]
    Coordinator {
        /// Address and port [default: [coordinator] listen].
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<String>,
    },
    /// Run jobs of a team's coordinators on this machine, until it is stopped; the first Ctrl-C lets running jobs end.
    #[command(display_order = 100)]
    Worker,
    /// List the workers that are attached.
    #[command(display_order = 100)]
    Workers,
    /// Let a worker begin nothing more; it ends when its jobs have ended.
    #[command(display_order = 100)]
    Drain {
        worker: String,
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// List the jobs that run and those that wait, with what they wait for.
    #[command(display_order = 100)]
    Queue,
    /// List the jobs that were given up, or give them another life.
    #[command(display_order = 100)]
    Dead {
        /// Run these again; possible as long as their sessions were not told.
        #[arg(long, value_name = "JOB", num_args = 0..)]
        requeue: Option<Vec<String>>,
        /// With --requeue: every one that is held.
        #[arg(long, requires = "requeue")]
        all: bool,
        /// With --requeue: only say what would be done.
        #[arg(long, requires = "requeue")]
        dry_run: bool,
    },
    /// Make, list and revoke the tokens of people.
    #[command(display_order = 100)]
    Tokens {
        #[command(subcommand)]
        action: TokensAction,
    },
    /// Print who did what and who was refused, and check that nothing was changed or taken out.
    #[command(display_order = 100)]
    Audit {
        /// Fail unless the log holds this end, as it was noted before: entries may be missing at its end.
        #[arg(long, value_name = "NUMBER:DIGEST")]
        expect: Option<Head>,
    },
    /// Print completions for a shell.
    Completions { shell: clap_complete::Shell },
    /// Print the JSON schema of packets, for editors.
    Schema,
}

/// Which sessions are listed.
#[derive(Debug, ClapArgs)]
pub(crate) struct Listed {
    /// Only so many.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "all")]
    pub last: Option<u32>,
    /// Only those that are older than this one.
    #[arg(long, value_name = "ID")]
    pub before: Option<String>,
    /// All of them.
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnginesAction {
    /// Fetch an engine with the package client, for every image of this machine.
    Install {
        name: String,
        /// Another than the one that Arena was tested with.
        #[arg(long = "version", value_name = "VERSION")]
        wanted: Option<String>,
        #[arg(long)]
        dry_run: bool,
    },
    /// Take an installed engine away.
    Remove {
        name: String,
        /// One of several.
        #[arg(long = "version", value_name = "VERSION")]
        wanted: Option<String>,
        #[arg(long)]
        dry_run: bool,
    },
}
