//! What a container may not be.

use crate::docker::networks::check_bindings;
use crate::docker::refusal::{Done, Refusal};
use crate::docker::state::State;
use crate::docker::wire::{Config, Healthcheck, HostConfig, Limits, LogConfig, RestartPolicy};

/// Where output can go.
pub(in crate::docker) const LOG_DRIVERS: [&str; 10] = [
    "awslogs",
    "fluentd",
    "gcplogs",
    "gelf",
    "journald",
    "json-file",
    "local",
    "logentries",
    "splunk",
    "syslog",
];

/// What can be said to `json-file`.
const JSON_FILE: [&str; 7] =
    ["max-file", "max-size", "compress", "labels", "labels-regex", "env", "env-regex"];

const CAPABILITIES: [&str; 40] = [
    "ALL",
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
    "PERFMON",
];

const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The least memory a container can have.
const MEMORY_MIN: i64 = 6 << 20;

/// The name of a signal, without `SIG`.
pub(super) fn signal(text: &str) -> Done<&'static str> {
    let name = text.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let by_number = name.parse::<usize>().ok().and_then(|n| SIGNALS.get(n.checked_sub(1)?));
    let by_name = SIGNALS.iter().find(|known| **known == name);
    by_number
        .or(by_name)
        .copied()
        .ok_or_else(|| Refusal::invalid(format!("Invalid signal: {text}")))
}

/// What its programs may not be told.
pub(super) fn config(config: &Config, host: &HostConfig) -> Done<()> {
    let directory = &config.working_dir;
    if !directory.is_empty() && !directory.starts_with('/') {
        return Err(Refusal::invalid(format!(
            "the working directory '{directory}' is invalid, it needs to be an absolute path"
        )));
    }
    if !config.stop_signal.is_empty() {
        signal(&config.stop_signal)?;
    }
    for variable in config.env.iter().flatten() {
        if variable.is_empty() || variable.starts_with('=') {
            return Err(Refusal::invalid(format!("invalid environment variable: {variable}")));
        }
    }
    if let Some(check) = &config.healthcheck {
        health(check)?;
    }
    if host.auto_remove && !["", "no"].contains(&&*host.restart_policy.name) {
        return Err(Refusal::invalid("can't create 'AutoRemove' container with restart policy"));
    }
    Ok(())
}

fn health(check: &Healthcheck) -> Done<()> {
    let least_ns = 1_000_000;
    for (name, span) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
    ] {
        if span != 0 && span < least_ns {
            let message = format!("{name} in Healthcheck cannot be less than 1ms");
            return Err(Refusal::invalid(message));
        }
    }
    if check.retries < 0 {
        return Err(Refusal::invalid("Retries in Healthcheck cannot be negative"));
    }
    Ok(())
}

/// What the host cannot give. What it says and gives all the same are warnings.
pub(super) fn host(state: &State, host: &HostConfig) -> Done<Vec<String>> {
    for (what, capabilities) in [("CapAdd", &host.cap_add), ("CapDrop", &host.cap_drop)] {
        for name in capabilities.iter().flatten() {
            let upper = name.to_uppercase();
            let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
            if !CAPABILITIES.contains(&bare) {
                let message = format!("invalid {what}: unknown capability: \"CAP_{bare}\"");
                return Err(Refusal::invalid(message));
            }
        }
    }
    log(&host.log_config)?;
    check_bindings(host)?;
    restart(&host.restart_policy)?;
    security(host.security_opt.as_deref().unwrap_or_default())?;
    limits(state, &host.limits, false)?;
    if !["", "runc", "io.containerd.runc.v2"].contains(&&*host.runtime) {
        let runtime = &host.runtime;
        return Err(Refusal::invalid(format!("Unknown runtime specified {runtime}")));
    }
    if host.storage_opt.as_ref().is_some_and(|options| !options.is_empty()) {
        return Err(Refusal::failed(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ));
    }
    let has_ports = host.port_bindings.as_ref().is_some_and(|bindings| !bindings.is_empty());
    let discarded = host.network_mode == "host" && has_ports;
    let warning = "Published ports are discarded when using host network mode";
    Ok(discarded.then(|| warning.to_owned()).into_iter().collect())
}

fn log(log: &LogConfig) -> Done<()> {
    let driver = &*log.driver;
    if !["", "none"].contains(&driver) && !LOG_DRIVERS.contains(&driver) {
        return Err(Refusal::failed(format!(
            "error looking up logging plugin {driver}: plugin \"{driver}\" not found"
        )));
    }
    let known = |name: &str| {
        !["", "json-file", "local"].contains(&driver)
            || JSON_FILE.contains(&name)
            || ["mode", "max-buffer-size", "tag"].contains(&name)
    };
    match log.config.keys().find(|name| !known(name)) {
        Some(name) => {
            let driver = if driver.is_empty() { "json-file" } else { driver };
            Err(Refusal::invalid(format!("unknown log opt '{name}' for {driver} log driver")))
        }
        None => Ok(()),
    }
}

fn security(options: &[String]) -> Done<()> {
    for (n, option) in options.iter().enumerate() {
        let (name, _) = option.split_once('=').or(option.split_once(':')).unwrap_or((option, ""));
        let alone = ["no-new-privileges", "disable"].contains(&option.as_str());
        if alone || ["label", "apparmor", "seccomp", "no-new-privileges"].contains(&name) {
            continue;
        }
        return Err(Refusal::failed(format!("invalid --security-opt {}: {option:?}", n + 1)));
    }
    Ok(())
}

pub(super) fn restart(policy: &RestartPolicy) -> Done<()> {
    let RestartPolicy { name, maximum_retry_count: count } = policy;
    match &**name {
        "always" | "unless-stopped" | "no" if *count != 0 => Err(Refusal::invalid(format!(
            "maximum retry count cannot be used with restart policy '{name}'"
        ))),
        "on-failure" if *count < 0 => {
            Err(Refusal::invalid("maximum retry count cannot be negative"))
        }
        "" | "no" | "always" | "unless-stopped" | "on-failure" => Ok(()),
        _ => Err(Refusal::invalid(format!("invalid restart policy '{name}'"))),
    }
}

/// What cannot be given to a container; `update` when it is one that has limits already.
pub(super) fn limits(state: &State, limits: &Limits, update: bool) -> Done<()> {
    let no = |message: &str| Err(Refusal::invalid(message));
    let Limits { memory, memory_swap, memory_reservation, .. } = *limits;
    if memory != 0 && memory < MEMORY_MIN {
        return no("Minimum memory limit allowed is 6MB");
    }
    if memory > 0 && memory_swap > 0 && memory_swap < memory {
        return no("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if memory == 0 && memory_swap > 0 && !update {
        return no("You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    if limits.memory_swappiness.is_some_and(|value| !(-1..=100).contains(&value)) {
        let value = limits.memory_swappiness.unwrap_or_default();
        return no(&format!("Invalid value: {value}, valid memory swappiness range is 0-100"));
    }
    if memory_reservation > 0 && memory_reservation < MEMORY_MIN {
        return no("Minimum memory reservation allowed is 6MB");
    }
    if memory > 0 && memory_reservation > memory {
        return no("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    cpu(state, limits)
}

fn cpu(state: &State, limits: &Limits) -> Done<()> {
    let no = |message: &str| Err(Refusal::invalid(message));
    if limits.nano_cpus > 0 && limits.cpu_period > 0 {
        return no("Conflicting options: Nano CPUs and CPU Period cannot both be set");
    }
    if limits.nano_cpus > 0 && limits.cpu_quota > 0 {
        return no("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
    }
    let cpus = state.cpus;
    if limits.nano_cpus < 0 || limits.nano_cpus > i64::from(cpus) * 1_000_000_000 {
        return no(&format!(
            "Range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
        ));
    }
    if limits.cpu_period != 0 && !(1_000..=1_000_000).contains(&limits.cpu_period) {
        return no(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        );
    }
    if limits.cpu_quota > 0 && limits.cpu_quota < 1_000 {
        return no("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    for (what, text) in [("cpus", &limits.cpuset_cpus), ("mems", &limits.cpuset_mems)] {
        let count = if what == "cpus" { cpus } else { 1 };
        cpuset(what, text, count)?;
    }
    Ok(())
}

/// `0-2,4`, of so many.
fn cpuset(what: &str, text: &str, count: u32) -> Done<()> {
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (Ok(_), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else {
            return Err(Refusal::invalid(format!(
                "Invalid value {text} for cpuset {what}: invalid format: {part}"
            )));
        };
        if last >= count {
            let name = if what == "cpus" { "CPUs" } else { "memory nodes" };
            let available = if count == 1 { "0".into() } else { format!("0-{}", count - 1) };
            return Err(Refusal::invalid(format!(
                "Requested {name} are not available - requested {text}, available: {available}"
            )));
        }
    }
    Ok(())
}
