//! Requests that were made of the real daemons are made of the simulator, and answered alike.

#![expect(clippy::unwrap_used, reason = "what helps a test may do what a test may")]

mod replay;

use replay::Replay;

/// How many exchanges of each scenario are answered as they were recorded. These numbers only rise.
const SCORES: [(&str, usize); 18] = [
    ("01-auth", 40),
    ("02-transport-errors", 46),
    ("03-cluster-read", 49),
    ("04-vm-create", 50),
    ("05-vm-config", 63),
    ("06-power-tasks", 82),
    ("07-vm-disks", 62),
    ("08-template-clone", 53),
    ("09-vm-delete", 40),
    ("10-locks", 47),
    ("11-permissions-pools", 77),
    ("12-snapshot-agent-cloudinit", 59),
    ("13-lxc", 61),
    ("14-firewall", 88),
    ("15-sdn", 52),
    ("16-node-network", 35),
    ("17-storage", 42),
    ("18-list-30", 67),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_is_answered_again() {
    let mut replays = Vec::new();
    for (scenario, least) in SCORES {
        replays.push((scenario, least, tokio::spawn(Replay::run(scenario))));
    }
    let mut fallen = Vec::new();
    let (mut right, mut all) = (0, 0);
    for (scenario, least, replay) in replays {
        let score = replay.await.unwrap();
        for difference in &score.differences {
            eprintln!("{scenario} {difference}");
        }
        eprintln!("{scenario}: {} of {}", score.right, score.all);
        right += score.right;
        all += score.all;
        if score.right < least {
            fallen.push(format!("{scenario}: {} instead of {least}", score.right));
        }
    }
    eprintln!("together: {right} of {all}");
    assert_eq!(fallen, Vec::<String>::new());
}
