//! `lessor apply`: make it so.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use jiff::Timestamp;
use lessor_engine::{
    ApplyId, ApprovedPlan, Consent, Event, FailureKind, Held, Outcome, Rule, gate, settle,
};
use lessor_plans::render::{Purpose, View, human};
use lessor_plans::saved::Saved;
use lessor_plans::{Code, Digest, Plan};
use lessor_server::Carrier;
use lessor_specs::{Address, Tree};
use lessor_store::{Holder, LeaseTerms, Leases, Store};
use tokio::sync::mpsc;

use crate::args::{ApplyArgs, Applying, Common};
use crate::commands::show::read_saved;
use crate::events::Events;
use crate::exit::{self, Exit, Failed};
use crate::interrupt;
use crate::output::{self, Streams, say};
use crate::progress::Progress;
use crate::session::{Asked, Session};

/// How many steps of one host run at the same time, unless somebody says otherwise. An engine
/// hardly gets faster beyond.
pub(super) const PARALLELISM: u16 = 8;

pub(crate) async fn run(
    common: &Common,
    args: &ApplyArgs,
    streams: &Streams,
) -> anyhow::Result<Exit> {
    let events = args.applying.events.as_deref();
    output::distinct(events.into_iter().chain([args.source.as_path()]))?;
    watched(&args.applying, async |events| {
        if args.source.is_file() {
            return saved(common, args, streams, events).await;
        }
        let session = Session::open(&args.source, common, streams)?;
        let session = session.with_orders(&args.ordered).await?;
        let asked = Asked::new(&args.selecting, &args.applying.destroy_data);
        let (session, applying) = (&session, &args.applying);
        let work = Work { session, applying, streams, events, granted: &[] };
        work.plan_and_apply(asked, session.loaded.tree.clone()).await
    })
    .await
}

/// Tells how a command ends to whoever watches its events.
pub(super) async fn watched(
    applying: &Applying,
    run: impl AsyncFnOnce(&Events) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let events = Events::open(applying.events.as_deref())?;
    let result = run(&events).await;
    let told = events.ended(&result);
    // What went wrong before goes before what could not be told of it.
    let exit = result?;
    told.map(|()| exit)
}

/// Applies a saved plan exactly as it stands.
async fn saved(
    common: &Common,
    args: &ApplyArgs,
    streams: &Streams,
    events: &Events,
) -> anyhow::Result<Exit> {
    if !args.selecting.targets.is_empty() || !args.selecting.excludes.is_empty() {
        let failed = Failed::new("a saved plan is applied whole").exit(Exit::Usage);
        return Err(failed.hint("select when the plan is made: `lessor plan --target …`").into());
    }
    if args.ordered.is_elsewhere() {
        let failed = Failed::new("a saved plan knows its orders").exit(Exit::Usage);
        return Err(failed
            .hint("name them when the plan is made: `lessor plan --orders …`")
            .into());
    }
    let Saved { plan, tree, directory } = read_saved(&args.source)?;
    let beside = args.source.parent().unwrap_or(Path::new("")).join(directory);
    let dir = args.dir.clone().unwrap_or(beside);
    let session = Session::of_saved(&dir, tree.clone(), common, streams)?;
    if plan.installation != session.config.installation {
        let message = format!(
            "the plan was made for installation `{}`, and `{}` is `{}`",
            plan.installation,
            dir.display(),
            session.config.installation
        );
        let hint = "name the directory it was made for: `--dir DIR`";
        return Err(Failed::new(message).code(Code::OtherInstallation).hint(hint).into());
    }
    if let Some(until) = plan.valid_until.filter(|until| *until <= Timestamp::now()) {
        let message = format!("the plan was valid until {until}, when something fell due");
        let failed = Failed::new(message).code(Code::Expired).exit(Exit::Stale);
        return Err(failed.hint("run `lessor plan` again").into());
    }
    let (session, applying) = (&session, &args.applying);
    let work = Work { session, applying, streams, events, granted: &[] };
    let store = session.store().await?;
    let leases = work.lease(&store, &plan).await?;
    let exit = work.apply(&store, &leases, plan, &tree).await;
    leases.release().await?;
    store.close().await;
    exit
}

/// One run of `apply` or `destroy`.
pub(super) struct Work<'w> {
    pub(super) session: &'w Session,
    pub(super) applying: &'w Applying,
    pub(super) streams: &'w Streams,
    pub(super) events: &'w Events,
    /// Rules the command itself agrees to.
    pub(super) granted: &'w [Rule],
}

impl Work<'_> {
    /// Plans under the lease, so that nobody else changes anything meanwhile, and applies.
    pub(super) async fn plan_and_apply(&self, asked: Asked, tree: Tree) -> anyhow::Result<Exit> {
        self.secrets_are_there()?;
        let store = self.session.store().await?;
        let leases = self.lease_all(&store).await?;
        resuming(&store).await?;
        let progress = Progress::new(self.session.looking());
        let wishes = self.session.wishes(Some(&store), asked).await?;
        let (plan, _) = self.session.plan(&wishes).await;
        drop(progress);
        let exit = self.apply(&store, &leases, plan, &tree).await;
        leases.release().await?;
        store.close().await;
        exit
    }

    /// Nothing is begun that would stop half-way for want of a secret.
    fn secrets_are_there(&self) -> anyhow::Result<()> {
        let missing: Vec<_> = self
            .session
            .secrets
            .unresolved()
            .map(|(secret, why)| format!("`{secret}`: {why}"))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("not every secret is to be had: {}", missing.join("; "));
        let failed = Failed::new(message).code(Code::SecretMissing);
        Err(failed.hint("nothing was done; provide it and run again").into())
    }

    async fn lease_all(&self, store: &Store) -> anyhow::Result<Leases> {
        let places: Vec<_> =
            self.session.registry.iter().map(|provider| provider.place().clone()).collect();
        self.lease_places(store, &places).await
    }

    async fn lease(&self, store: &Store, plan: &Plan) -> anyhow::Result<Leases> {
        self.secrets_are_there()?;
        let mut places: BTreeSet<_> =
            plan.changes.iter().map(|change| change.place.clone()).collect();
        // Whoever comes to an end in full has settled what others left.
        let unsettled = store.journal_unsettled().await?.into_keys();
        places.extend(unsettled.filter(|place| self.session.registry.get(place).is_some()));
        self.lease_places(store, &places.into_iter().collect::<Vec<_>>()).await
    }

    async fn lease_places(&self, store: &Store, places: &[Address]) -> anyhow::Result<Leases> {
        let terms = LeaseTerms { timeout: self.applying.lock_timeout, ..LeaseTerms::default() };
        let progress = Progress::new("opening the database");
        let mut on_wait = |waiting: &lessor_store::Waiting| {
            progress
                .phase(format!("waiting for `{}`, in use by {}", waiting.place, waiting.holder));
        };
        let holder = Holder::here("lessor apply");
        Ok(store.lease_acquire(places, &holder, terms, &mut on_wait).await?)
    }

    async fn apply(
        &self,
        store: &Store,
        leases: &Leases,
        plan: Plan,
        tree: &Tree,
    ) -> anyhow::Result<Exit> {
        let view = View::of(&plan, Purpose::Plan);
        if self.events.are_on_stdout() {
            say(human(&view, self.streams.stderr_color).trim_end());
        } else {
            output::print(&human(&view, self.streams.stdout_color))?;
        }
        self.events.planned(&plan, &view)?;
        if plan.fatal().next().is_some() {
            return Err(Failed::new("the plan cannot be carried out; nothing was done").into());
        }
        if plan.is_empty() && !self.is_news(store, &plan).await? {
            return Ok(exit::of_look(&plan, false));
        }
        let approved = match gate(plan.clone(), &self.consent(plan.id())) {
            Ok(approved) => approved,
            Err(held) => {
                say(&Self::held(&held));
                self.events.held(&held);
                return Ok(Exit::Held);
            }
        };
        if !plan.is_empty() && !self.confirmed()? {
            say("nothing was done");
            // Whatever was to follow in a script must not.
            return Ok(Exit::Error);
        }
        let is_settled = self.settle(leases).await?;
        let parallelism = self.applying.parallelism.or(self.session.config.parallelism);
        let carrier = Carrier {
            store,
            leases,
            registry: &self.session.registry,
            is_settled,
            parallelism: parallelism.unwrap_or(PARALLELISM).into(),
            stop: interrupt::listen()?,
        };
        let (apply, approved) = match carrier.begin(approved, tree).await {
            Ok(begun) => begun,
            Err(error) if error.is_stale() => {
                let failed = Failed::new("the plan came too late; nothing was done")
                    .code(Code::Overtaken)
                    .exit(Exit::Stale);
                return Err(anyhow::Error::from(error).context(failed));
            }
            Err(error) => return Err(error.into()),
        };
        self.events.begun(&apply, &plan);
        let outcome = self.carry_out(&carrier, &approved, &apply).await?;
        self.events.outcome(&plan, &outcome);
        Self::report(&approved, &outcome);
        match exit::of_outcome(&plan, &outcome) {
            Exit::Done if !is_settled && plan.changes.is_empty() => Ok(Exit::Error),
            Exit::Done if !is_settled => Ok(Exit::Partial),
            exit => Ok(exit),
        }
    }

    /// Whether there is something to remember although there is nothing to do.
    async fn is_news(&self, store: &Store, plan: &Plan) -> anyhow::Result<bool> {
        let latest = store.revision_latest().await?;
        Ok(latest.is_none_or(|revision| revision.digest != plan.specs)
            || !plan.claims.is_empty()
            || !plan.forget.is_empty()
            || !store.journal_unsettled().await?.is_empty())
    }

    /// Where an earlier run was cut off or gave up, what it wrote is made to work; whether it is.
    async fn settle(&self, leases: &Leases) -> anyhow::Result<bool> {
        let unsettled = leases.unsettled().await?;
        let stuck = settle(&self.session.registry, unsettled.keys()).await;
        for (place, error) in &stuck {
            say(&format!(
                "error: what an earlier run wrote to `{place}` could not be made to work\n  \
                 caused by: {error}\n  hint: see that it answers, and apply again"
            ));
        }
        Ok(stuck.is_empty())
    }

    fn consent(&self, plan: Digest) -> Consent {
        Consent {
            plan,
            removals: self.applying.allow_removals,
            destroy_data: self.applying.destroy_data.iter().cloned().collect(),
            rules: self.applying.allow.iter().chain(self.granted).copied().collect(),
        }
    }

    fn held(held: &Held) -> String {
        let mut text = String::new();
        for rule in &held.rules {
            let _ =
                writeln!(text, "held[{}]: {} (rule `{}`)", rule.rule.code(), rule.why, rule.rule);
        }
        let flags: Vec<_> = held.rules.iter().map(|rule| rule.consent.as_str()).collect();
        let _ = write!(text, "  hint: to agree, run `{}`", again(&flags));
        text
    }

    fn confirmed(&self) -> anyhow::Result<bool> {
        if self.applying.yes {
            return Ok(true);
        }
        if !std::io::stdin().is_terminal() {
            let failed = Failed::new("nobody is there to ask; nothing was done");
            return Err(failed
                .hint(format!("to agree beforehand, run `{}`", again(&["--yes"])))
                .into());
        }
        let mut stderr = std::io::stderr();
        stderr.write_all(b"Make it so? [y/N] ")?;
        stderr.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// Carries the plan out, telling what happens meanwhile.
    async fn carry_out(
        &self,
        carrier: &Carrier<'_>,
        approved: &ApprovedPlan,
        apply: &ApplyId,
    ) -> anyhow::Result<Outcome> {
        let (events, listener) = mpsc::unbounded_channel();
        let progress = Progress::new("beginning");
        progress.steps(approved.plan().steps.len());
        let telling = tell(listener, |event| {
            progress.event(event);
            self.events.event(approved.plan(), event);
        });
        let doing = carrier.carry_out(approved, apply, events);
        let (outcome, ()) = futures_util::future::join(doing, telling).await;
        Ok(outcome?)
    }

    /// What is left, and what to do about it.
    fn report(approved: &ApprovedPlan, outcome: &Outcome) {
        let total = approved.plan().steps.len();
        if total == 0 {
            return say("no step to do; what is declared and kept is remembered");
        }
        for failure in &outcome.failures {
            let (code, what) = match failure.kind {
                FailureKind::Stale => {
                    (format!("[{}]", Code::WorldMoved), "no longer fits the world")
                }
                FailureKind::Failed => (String::new(), "failed"),
            };
            say(&format!(
                "error{code}: step {} (`{}`, {}) {what}\n  caused by: {}",
                failure.step, failure.address, failure.act, failure.why
            ));
            if let Some(hint) = &failure.hint {
                say(&format!("  hint: {hint}"));
            }
        }
        if let Some(error) = &outcome.journal {
            say(&format!("error: the run was stopped\n  caused by: {error}"));
        }
        let mut text = format!("{} of {total} steps done", outcome.done.len());
        for (steps, what) in [
            (outcome.failures.len(), "failed"),
            (outcome.blocked.len(), "held up by that"),
            (outcome.stopped.len(), "not begun"),
        ] {
            if steps > 0 {
                let _ = write!(text, ", {steps} {what}");
            }
        }
        say(&text);
        let stale = outcome.failures.iter().any(|failure| failure.kind == FailureKind::Stale);
        if !outcome.is_complete() && !stale {
            say(&format!("  hint: run `{}` again, it goes on from there", again(&[])));
        }
    }
}

/// The command as it was typed, with `more` added in place of what it said before.
fn again(more: &[&str]) -> String {
    const REMOVALS: &str = "--allow-removals";
    let said_anew = more.iter().any(|flag| flag.starts_with(REMOVALS));
    let mut words = vec!["lessor".to_owned()];
    let mut typed = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    while let Some(word) = typed.next() {
        match word.strip_prefix(REMOVALS) {
            Some("") if said_anew => drop(typed.next()),
            Some(_) if said_anew => {}
            _ => words.push(quoted(word)),
        }
    }
    words.extend(more.iter().map(|flag| (*flag).to_owned()));
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: String) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

async fn tell(mut events: mpsc::UnboundedReceiver<Event>, mut hear: impl FnMut(&Event)) {
    while let Some(event) = events.recv().await {
        hear(&event);
    }
}

/// Says what an earlier run was cut off in. The plan knows what is left of it without being told.
async fn resuming(store: &Store) -> anyhow::Result<()> {
    let unfinished = store.journal_unfinished().await?;
    let Some(last) = unfinished.last() else { return Ok(()) };
    let more = match unfinished.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let (act, address) = (last.entry.act, &last.entry.address);
    say(&format!(
        "an earlier run was cut off ({act} `{address}`{more}); going on from what is there"
    ));
    Ok(())
}
