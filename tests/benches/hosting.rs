//! What planning costs a provider of virtual machines: time, memory, and calls.
//!
//! ```text
//! cargo bench -p lessor-tests --bench hosting            500 and 5 000 machines
//! cargo bench -p lessor-tests --bench hosting -- 500     one size
//! cargo bench -p lessor-tests --bench hosting -- --calls 500    and which calls are made
//! ```
//!
//! Twenty nodes of a pretend Proxmox VE cluster and a pretend pfSense, ten machines to a tenant, and
//! as many rules of firewalls as machines. Each size is planned with nothing there, planned in sync,
//! and checked for drift in sync. `lessor` runs as a child and speaks HTTPS with the sandbox, which is
//! another process: time is user and system time of the child alone, TLS and all; memory is its peak.
//! The sandbox counts the calls.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints, and stops where it cannot go on"
)]

use std::path::Path;
use std::process::Command;

use lessor_tests::binary::release_binary;
use lessor_tests::cost::{Cost, RUNNER, run_child, run_one};
use lessor_tests::landscape::Landscape;

const SIZES: [usize; 2] = [500, 5_000];

/// The best of so many runs: what disturbs a run only ever makes it slower.
const ROUNDS: usize = 3;

const MANY: &str = "machines";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == RUNNER) {
        println!("{}", run_one(&args[1..]));
        return;
    }
    let lists_calls = args.iter().any(|arg| arg == "--calls");
    let asked: Vec<usize> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    let lessor = release_binary();
    let landscape = Landscape::start(&lessor);
    let pattern = landscape.pattern();
    println!("{:18} {MANY:>9} {:>9} {:>8} {:>7}", "", "cpu ms", "peak MB", "calls");
    for (name, is_there, command) in [
        ("plan, nothing there", false, &["plan", "--format", "json"][..]),
        ("plan, in sync", true, &["plan", "--format", "json"]),
        ("drift, in sync", true, &["drift"]),
    ] {
        let mut costs = Vec::new();
        for size in &sizes {
            landscape.grow(&pattern, *size, is_there);
            if is_there {
                assert_in_sync(&lessor, &landscape);
            }
            landscape.calls();
            let cost = best(&lessor, command, &landscape);
            let calls = landscape.calls();
            let count: u64 = calls.values().sum::<u64>() / ROUNDS as u64;
            let Cost { cpu_ms, peak_mb } = cost;
            println!("{name:18} {size:>9} {cpu_ms:>9.1} {peak_mb:>8.1} {count:>7}");
            if lists_calls {
                for (call, n) in &calls {
                    println!("  {:>6} {call}", n / ROUNDS as u64);
                }
            }
            costs.push((*size as f64, cpu_ms));
        }
        if let [(few, less), (many, more)] = costs[..] {
            println!("{name:18} {:>9} {:>9.3}", "slope", (more / less).ln() / (many / few).ln());
        }
    }
}

/// Remembers what is given out, as an apply does, and makes sure that there is nothing to do.
fn assert_in_sync(lessor: &Path, landscape: &Landscape) {
    for arguments in [&["apply", "--yes"][..], &["plan", "--detailed-exitcode"]] {
        let mut command = Command::new(lessor);
        command.args(arguments).arg(landscape.dir()).envs(landscape.environment());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the landscape is not in sync: {said}");
    }
}

fn best(lessor: &Path, arguments: &[&str], landscape: &Landscape) -> Cost {
    let dir = landscape.dir();
    let mut arguments = arguments.to_vec();
    arguments.push(dir.to_str().unwrap());
    let run = || {
        run_child(lessor, &arguments, |runner| {
            runner.envs(landscape.environment());
        })
    };
    let costs = (0..ROUNDS).map(|_| run());
    costs.min_by(|a, b| a.cpu_ms.total_cmp(&b.cpu_ms)).unwrap()
}
