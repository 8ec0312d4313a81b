//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use lessor_engine::{Rule, Selector};
use lessor_sandbox::{Fault, FaultError};
use lessor_specs::Address;
use lessor_specs::quantity::Malformed;

use crate::administration::{
    AuditCommand, JobsCommand, KeyCommand, ServeArgs, TenantCommand, UserCommand,
};
use crate::deferred::Deferred;
use crate::lending::{PoolCommand, ReserveCommand};
use crate::output::{Color, Files, Format, Output, ReportFormat};
use crate::redirect::Redirect;
use crate::remote::ServerArgs;
use crate::renting::{LedgerCommand, OrderCommand};

const EXIT_CODES: &str = "\
Exit codes:
  0   done, in sync
  1   error: bad input, or it failed
  2   differences (drift; plan with --detailed-exitcode)
  3   held at the gate
  4   stale before the first write
  5   applied in part
  6   something could not be seen, so there is no full verdict
  64  wrong usage";

/// The options that every command takes stand apart from its own.
const GLOBAL: &str = "Options of every command";

/// Declare the infrastructure you rent out, see what differs, make it so.
#[derive(Debug, Parser)]
#[command(name = "lessor", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,

    /// Whether to colour the output: `always`, `never` or `auto`, which heeds `NO_COLOR`.
    #[arg(
        long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN",
        help_heading = GLOBAL, hide_possible_values = true,
    )]
    pub(crate) color: Color,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes that looks at a host.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Where things are remembered: `sqlite:PATH`, or `postgres://USER@HOST:PORT/DATABASE`. By default
    /// `sqlite:.lessor/lessor.db`; a relative path starts at the spec directory.
    #[arg(
        long, env = "LESSOR_DATABASE_URL", global = true, value_name = "URL",
        help_heading = GLOBAL, hide_env_values = true,
    )]
    pub(crate) database: Option<String>,

    /// Another endpoint for a connection, such as `par1=unix:///var/run/docker.sock`, or
    /// `ams=https://127.0.0.1:8006#sha256:…` with the certificate it shows.
    #[arg(
        long = "endpoint", env = "LESSOR_ENDPOINT", global = true, value_delimiter = ',',
        value_name = "NAME=ENDPOINT", value_parser = parse_endpoint, help_heading = GLOBAL,
    )]
    pub(crate) endpoints: Vec<(String, Redirect)>,
}

fn parse_endpoint(text: &str) -> Result<(String, Redirect), String> {
    let (name, endpoint) = text.split_once('=').ok_or("expected NAME=ENDPOINT")?;
    Ok((name.into(), endpoint.parse().map_err(|malformed| format!("{malformed}"))?))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a spec directory to start from.
    Init(Deferred<InitArgs>),
    /// Write the entries of what is on a host already. Changes nothing there.
    Adopt(Deferred<AdoptArgs>),
    /// Check spec files without looking at any host.
    Validate(Deferred<ValidateArgs>),
    /// Show what would be done.
    Plan(Deferred<PlanArgs>),
    /// Carry it out, after showing it and asking.
    Apply(Deferred<ApplyArgs>),
    /// Show what differs from what is declared, for CI. Changes nothing.
    Drift(Deferred<DriftArgs>),
    /// Show what is there, or a saved plan.
    Show(Deferred<ShowArgs>),
    /// Draw what needs what, without looking at any host.
    Graph(Deferred<GraphArgs>),
    /// Write what customers ordered as entries beside the spec files.
    Render(Deferred<RenderArgs>),
    /// Say why a thing is as it is, or what a code means.
    Explain(Deferred<ExplainArgs>),
    /// Remove what a spec directory made. Data is kept for as long as the policy says.
    Destroy(Deferred<DestroyArgs>),
    /// Check the connections and this machine, and say what to do. Changes nothing.
    Doctor(Deferred<DoctorArgs>),
    /// Look after the database in which things are remembered.
    Db(Deferred<DbArgs>),
    /// Answer over HTTP, until Ctrl-C.
    Serve(Deferred<ServeArgs>),
    /// Accounts: who there is, and what they may do.
    #[command(subcommand)]
    User(Deferred<UserCommand>),
    /// Keys of programs.
    #[command(subcommand)]
    Apikey(Deferred<KeyCommand>),
    /// Who rents.
    #[command(subcommand)]
    Tenant(Deferred<TenantCommand>),
    /// What customers ordered.
    #[command(subcommand)]
    Order(Deferred<OrderCommand>),
    /// Machines that are lent for a while.
    #[command(subcommand)]
    Pool(Deferred<PoolCommand>),
    /// Machines that somebody has for a while.
    #[command(subcommand)]
    Reserve(Deferred<ReserveCommand>),
    /// The money of tenants.
    #[command(subcommand)]
    Ledger(Deferred<LedgerCommand>),
    /// What was done, and whether anybody changed what is remembered of it.
    #[command(subcommand)]
    Audit(Deferred<AuditCommand>),
    /// What falls due by the clock: bills, and looks for what differs.
    #[command(subcommand)]
    Jobs(Deferred<JobsCommand>),
    /// Pretend to be a Docker Engine, a Proxmox VE cluster and a pfSense, until Ctrl-C.
    Sandbox(Deferred<SandboxArgs>),
    /// Plan and apply an example on pretend systems, and leave it running to play with.
    Try(Deferred<TrialArgs>),
    /// Print a JSON Schema.
    Schema(Deferred<SchemaArgs>),
    /// Print a script that completes the command in a shell.
    Completions(Deferred<CompletionsArgs>),
    /// Print the manual page.
    Man,
}

#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Where to write it.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "lessor adopt [OPTIONS] [DIR] <NAME>...\n       lessor adopt [OPTIONS] [DIR] --all"
)]
pub(crate) struct AdoptArgs {
    /// The spec directory; `.` when the first word is none.
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<String>,
    /// Containers, networks and volumes, as `docker` names them. A container brings along the
    /// networks and volumes that it uses.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Everything that can be adopted and is not yet.
    #[arg(long)]
    pub(crate) all: bool,
    /// The `docker` connection; may be left out when there is just one.
    #[arg(long, value_name = "NAME")]
    pub(crate) docker: Option<String>,
    /// The file to write, in the spec directory.
    #[arg(long, value_name = "FILE", default_value = "adopted.toml")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ValidateArgs {
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) showing: Showing,
}

/// Which part is planned.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Selecting {
    /// Only this and what it needs: an address, a connection, or either ending in `*`.
    #[arg(long = "target", value_name = "SELECTOR")]
    pub(crate) targets: Vec<Selector>,
    /// Everything but this, named in the same way.
    #[arg(long = "exclude", value_name = "SELECTOR")]
    pub(crate) excludes: Vec<Selector>,
}

impl Selecting {
    /// Whether it names this thing, or everything. What a named thing needs is not looked for.
    pub(crate) fn selects(&self, address: &Address, place: &Address) -> bool {
        let any = |all: &[Selector]| all.iter().any(|selector| selector.matches(address, place));
        (self.targets.is_empty() || any(&self.targets)) && !any(&self.excludes)
    }
}

/// Where what customers ordered comes from.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct OrderSource {
    /// What customers ordered, in a file that `lessor render --orders` wrote, rather than from the
    /// database.
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    pub(crate) orders: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

impl OrderSource {
    /// Whether they come from elsewhere than the database.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.orders.is_some() || self.server.server.is_some()
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct RenderArgs {
    /// The spec directory, whose database is asked.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Write what customers ordered, for `--orders FILE` of other commands. Holds no secret.
    #[arg(long, required = true)]
    pub(crate) orders: bool,
    /// The file to write instead of stdout.
    #[arg(short = 'o', value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// In which forms a result is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Showing {
    /// The form of the result on stdout.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub(crate) format: ReportFormat,
    /// One more copy of the result, in a file: `sarif=plan.sarif`. Can be said several times.
    #[arg(long = "output", value_name = "FORMAT=FILE")]
    pub(crate) outputs: Vec<Output>,
}

impl Showing {
    /// Every form that is asked for.
    pub(crate) fn formats(&self) -> impl Iterator<Item = ReportFormat> {
        self.outputs.iter().map(|output| output.format).chain([self.format])
    }

    /// Every file that is asked for.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.outputs.iter().map(|output| output.file.as_path())
    }

    /// Makes every further copy ready to be put in its place.
    pub(crate) fn stage(
        &self,
        files: &mut Files,
        written: impl Fn(ReportFormat) -> String,
    ) -> anyhow::Result<()> {
        self.outputs.iter().try_for_each(|out| files.stage(&out.file, &written(out.format)))
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct PlanArgs {
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Keep the plan in a file, for `lessor apply PLANFILE`.
    #[arg(short = 'o', value_name = "PLANFILE")]
    pub(crate) save: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) showing: Showing,
    #[command(flatten)]
    pub(crate) selecting: Selecting,
    #[command(flatten)]
    pub(crate) ordered: OrderSource,
    /// Data to give up now rather than when it is due.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) destroy_data: Vec<Address>,
    /// Answer 2 when there are differences.
    #[arg(long)]
    pub(crate) detailed_exitcode: bool,
}

/// How a plan is carried out.
#[derive(Debug, clap::Args)]
pub(crate) struct Applying {
    /// Do not ask. What the gate holds has to be agreed to by name all the same.
    #[arg(long, short = 'y')]
    pub(crate) yes: bool,
    /// Agree to so many removals.
    #[arg(long, value_name = "N")]
    pub(crate) allow_removals: Option<usize>,
    /// Agree to lose the data of this.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) destroy_data: Vec<Address>,
    /// Agree to what a rule of the gate holds: removals, data, empty, tenant, rename or orders.
    #[arg(long = "allow", value_name = "RULE")]
    pub(crate) allow: Vec<Rule>,
    /// How many steps of one host run at the same time.
    #[arg(long, env = "LESSOR_PARALLELISM", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) parallelism: Option<u16>,
    /// How long to wait for another run on the same host, such as `90s` or `5m`.
    #[arg(long, default_value = "30s", value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) lock_timeout: Duration,
    /// Tell what happens in a file as it happens, one JSON object a line; `-` is stdout, and the
    /// plan is then shown on stderr.
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
}

pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration: lessor_specs::Duration =
        text.parse().map_err(|malformed| format!("{malformed}"))?;
    Ok(Duration::from_secs(duration.secs()))
}

#[derive(Debug, clap::Args)]
pub(crate) struct ApplyArgs {
    /// The spec directory, or a saved plan, which is applied exactly as it stands.
    #[arg(default_value = ".", value_name = "DIR|PLANFILE")]
    pub(crate) source: PathBuf,
    /// The spec directory of a saved plan, when it is not where it was.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) selecting: Selecting,
    #[command(flatten)]
    pub(crate) ordered: OrderSource,
    #[command(flatten)]
    pub(crate) applying: Applying,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DestroyArgs {
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) applying: Applying,
}

/// What `drift` answers 2 for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DriftKind {
    /// Somebody else changed a thing.
    Changed,
    /// Somebody else removed a thing.
    Missing,
    /// Specs were changed and not applied.
    Pending,
    /// A thing carries our mark and is not ours.
    Unmanaged,
    /// A host could not be seen (answers 6).
    Unreachable,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DriftArgs {
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) showing: Showing,
    /// Which differences to answer 2 for, separated by commas.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        value_name = "SORT",
        default_value = "changed,missing,pending,unreachable"
    )]
    pub(crate) fail_on: Vec<DriftKind>,
    #[command(flatten)]
    pub(crate) selecting: Selecting,
    #[command(flatten)]
    pub(crate) ordered: OrderSource,
}

#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// The spec directory, or a saved plan.
    #[arg(default_value = ".", value_name = "DIR|PLANFILE")]
    pub(crate) source: PathBuf,
    /// The form of the result: any for a saved plan, `human` or `json` for what is there.
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub(crate) format: ReportFormat,
    #[command(flatten)]
    pub(crate) ordered: OrderSource,
}

/// In which language a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum GraphFormat {
    /// For Graphviz, such as `lessor graph | dot -Tpng > graph.png`.
    Dot,
    /// For Markdown pages.
    Mermaid,
    /// A drawing that stands by itself.
    Svg,
}

#[derive(Debug, clap::Args)]
pub(crate) struct GraphArgs {
    /// The spec directory, or a saved plan, whose changes are drawn in colour.
    #[arg(default_value = ".", value_name = "DIR|PLANFILE")]
    pub(crate) source: PathBuf,
    /// The language of the graph.
    #[arg(long, value_enum, default_value_t = GraphFormat::Dot)]
    pub(crate) format: GraphFormat,
    #[command(flatten)]
    pub(crate) selecting: Selecting,
    #[command(flatten)]
    pub(crate) ordered: OrderSource,
    /// Draw every thing by itself, rather than four or more that are alike as one with a count.
    #[arg(long)]
    pub(crate) no_fold: bool,
}

/// What `explain` is asked about.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// A thing.
    Thing(Address),
    /// The code of an error, by its number.
    Code(u16),
    /// Every code.
    Codes,
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "codes" {
            return Ok(Subject::Codes);
        }
        if let Some(number) = text.strip_prefix(['E', 'e']).and_then(|digits| digits.parse().ok()) {
            return Ok(Subject::Code(number));
        }
        let malformed = |malformed: Malformed| format!("{malformed}, or a code such as `E0303`");
        text.parse().map(Subject::Thing).map_err(malformed)
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// The thing, such as `container.web`; a code, such as `E0303`; or `codes`, for all of them.
    pub(crate) subject: Subject,
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The form of what is known of a thing; `lessor schema --of explain` describes its JSON.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) ordered: OrderSource,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// The form of the result; `lessor schema --of doctor` describes its JSON.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
    /// Print the commands that let us into each system of this sort, with the rights that the
    /// entries need and no more. Looks at nothing.
    #[arg(long, value_enum, value_name = "SYSTEM", conflicts_with = "format")]
    pub(crate) bootstrap: Option<Bootstrap>,
}

/// What can be told how to let us in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bootstrap {
    /// Clusters of Proxmox VE.
    Proxmox,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DbArgs {
    #[command(subcommand)]
    pub(crate) command: DbCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Say where it is, which schema it has, and what is in it. Changes nothing.
    Status(DbDirArgs),
    /// Bring its schema up to date. `apply` does so too where a file is the database.
    Migrate(DbDirArgs),
    /// Hold everything in it against what it was made from. Changes nothing.
    Verify(DbDirArgs),
    /// Copy it to a new file, while others go on.
    Backup(BackupArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct DbDirArgs {
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BackupArgs {
    /// The file to write. It is not there yet.
    pub(crate) file: PathBuf,
    /// The spec directory.
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SandboxArgs {
    /// Where the Docker Engine listens. Without an address for any system, all listen.
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_address)]
    pub(crate) docker: Option<SocketAddr>,
    /// Where the Proxmox VE cluster listens.
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_address)]
    pub(crate) proxmox: Option<SocketAddr>,
    /// Where the pfSense listens.
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_address)]
    pub(crate) pfsense: Option<SocketAddr>,
    /// Where faults, states and clocks are set while it runs.
    #[arg(long, value_name = "ADDR:PORT", value_parser = parse_address, default_value = ":0")]
    pub(crate) control: SocketAddr,
    /// What the systems know already: a JSON object with the state of each, by its name.
    #[arg(long, value_name = "FILE")]
    pub(crate) seed: Option<PathBuf>,
    /// What goes wrong, such as `proxmox=lost,method=POST,path=/clone,times=1`. The mishaps are
    /// refused, lost, slow:MS, late:MS, cut:BYTES, partial and status:CODE.
    #[arg(long = "fault", value_name = "SYSTEM=FAULT", value_parser = parse_fault)]
    pub(crate) faults: Vec<(String, Fault)>,
    /// How it says where everything is; `json` is one line.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub(crate) format: Format,
}

#[derive(Debug, clap::Args)]
pub(crate) struct TrialArgs {
    /// The spec directory to try, such as `examples/vps`. It is copied, and left as it is.
    #[arg(value_name = "EXAMPLE")]
    pub(crate) example: PathBuf,
    /// Where it is copied to. By default, a directory that is gone at the end.
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// End after `plan`, `apply` and `drift`.
    #[arg(long)]
    pub(crate) once: bool,
}

/// `:PORT` is on this machine alone.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let whole = if text.starts_with(':') { format!("127.0.0.1{text}") } else { text.to_owned() };
    whole.parse().map_err(|_| "expected ADDR:PORT, or :PORT".to_owned())
}

fn parse_fault(text: &str) -> Result<(String, Fault), String> {
    let (system, fault) = text.split_once('=').ok_or("expected SYSTEM=FAULT")?;
    Ok((system.into(), fault.parse().map_err(|error: FaultError| error.to_string())?))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Described {
    /// Spec files.
    Specs,
    /// The JSON of `validate`.
    Validate,
    /// The JSON of `plan` and `drift`.
    Plan,
    /// The JSON of `show`.
    Show,
    /// The JSON of `explain`.
    Explain,
    /// One line of `apply --events`.
    Events,
    /// The JSON of `doctor`.
    Doctor,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SchemaArgs {
    /// What it describes.
    #[arg(long, value_enum, default_value_t = Described::Specs, value_name = "WHAT")]
    pub(crate) of: Described,
}

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: clap_complete::Shell,
}
