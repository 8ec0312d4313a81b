//! Who may be on a machine: let in, seen to be in, put out and forgotten, on Debian and on busybox, over
//! ssh and through an engine, whatever goes wrong meanwhile.

use std::net::TcpListener;
use std::sync::Arc;

use lessor_engine::access::{MachineWish, Proof, Sanitise, Wanted, keep};
use lessor_providers::access::{Credential, Kept, Login, Patience};
use lessor_providers::{Around, Secrets};
use lessor_specs::Tree;
use lessor_specs::load::parse;
use lessor_tests::engine::docker;
use lessor_tests::hypervisor::Hypervisor;
use lessor_tests::keeping::{
    END, FILL, LATER, LEAVE, NAME, expect, granted, mined, patience, revoked, script, seen,
};
use lessor_tests::machine::Machine;

#[tokio::test]
async fn over_ssh_an_owner_is_let_in_and_put_out_with_everything_that_was_left() {
    let machine = Machine::with_systemd();
    let keeper = machine.over_ssh();
    let account = machine.account(NAME, "rsv_1", END);
    let uid = granted(&machine, &*keeper, &account).await;
    assert_eq!(keeper.grant(&account).await.unwrap().proof, Proof::Login);
    machine.ssh("owner", NAME, &["id", "-un"]).expect(0).says(NAME);
    machine.ssh("root", NAME, &["true"]).expect(255);

    machine.leave(NAME, LEAVE);
    let mut session = machine.ssh_stays("owner", NAME, &["sleep", "1000"]);
    machine.ssh("owner", NAME, &["echo '* * * * * true' | crontab -"]).expect(0);
    machine.ssh("owner", NAME, &["echo true | at now + 1 hour"]).expect(0);
    machine.ssh("owner", NAME, &["ipcmk -M 64 -S 1 -Q 2>/dev/null || true"]).expect(0);
    machine.sh("loginctl enable-linger lsr-a");
    let unit = "mkdir -p .config/systemd/user && printf '[Service]\\nExecStart=/bin/sleep 1000\\n' \
                >.config/systemd/user/stay.service && XDG_RUNTIME_DIR=/run/user/$(id -u) \
                systemctl --user start stay";
    machine.ssh("owner", NAME, &[unit]).expect(0);

    let longer = machine.account(NAME, "rsv_1", LATER);
    granted(&machine, &*keeper, &longer).await;
    assert!(session.try_wait().unwrap().is_none(), "who extends stays in");

    revoked(&machine, &*keeper, uid).await;
    assert_eq!(session.wait().unwrap().code(), Some(255), "the session was closed");
    machine.ssh("owner", NAME, &["true"]).expect(255).says("Permission denied");
    assert_eq!(machine.sh("ls /var/lib/systemd/linger; ls /run/user | grep -v '^0$' || true"), "");
}

#[tokio::test]
async fn through_an_engine_an_owner_is_let_into_a_system_of_busybox_and_put_out_again() {
    let machine = Machine::busybox();
    let keeper = machine.in_container();
    let uid = granted(&machine, &*keeper, &machine.account(NAME, "rsv_1", END)).await;
    let again = keeper.grant(&machine.account(NAME, "rsv_1", LATER)).await.unwrap();
    assert_eq!((again.uid, again.proof), (uid, Proof::Shell));
    machine.leave(NAME, LEAVE);
    machine.sh("mkdir -p /var/spool/cron/crontabs && echo >/var/spool/cron/crontabs/lsr-a");
    machine.wait_until("it left something", || machine.left_of(NAME, uid).contains("mine/file"));
    revoked(&machine, &*keeper, uid).await;
}

#[tokio::test]
async fn who_has_taken_every_process_there_may_be_is_put_out_all_the_same() {
    let machine = Machine::debian(&["--pids-limit", "50"]);
    let keeper = machine.in_container();
    let uid = granted(&machine, &*keeper, &machine.account(NAME, "rsv_1", END)).await;
    machine.leave(NAME, FILL);
    machine.wait_until("there is no room for another process", || {
        machine.exec(&["sh", "-c", "(:)"]).code != Some(0)
    });
    revoked(&machine, &*keeper, uid).await;
}

#[tokio::test]
async fn an_account_without_our_mark_is_neither_granted_nor_revoked() {
    let machine = Machine::busybox();
    let keeper = machine.in_container();
    machine.sh("adduser -D -g 'lessor/1 test-other rsv_1' lsr-a && adduser -D -g Alice lsr-b");
    let before = machine.sh("cat /etc/passwd /etc/shadow /etc/group && ls -lR /home");

    for name in [NAME, "lsr-b"] {
        let grant = keeper.grant(&machine.account(name, "rsv_1", END)).await;
        expect(grant, "refused", "is there already, and is not this reservation's");
        expect(keeper.revoke(&name.parse().unwrap()).await, "refused", "is not ours");
    }
    assert_eq!(seen(&*keeper).await, []);
    assert_eq!(machine.sh("cat /etc/passwd /etc/shadow /etc/group && ls -lR /home"), before);
}

#[tokio::test]
async fn nobody_comes_into_what_another_reservation_left() {
    let machine = Machine::busybox();
    let keeper = machine.in_container();
    keeper.grant(&machine.account(NAME, "rsv_1", END)).await.unwrap();
    let next = machine.account(NAME, "rsv_2", END);
    expect(keeper.grant(&next).await, "refused", "not this reservation's");
    machine.sh("echo secret >/home/lsr-a/diary");

    let accounts = vec![Wanted { account: next, proven: false }];
    let wish = MachineWish { accounts, ..MachineWish::default() };
    let kept = keep(&*keeper, &wish, &keeper.look().await.unwrap()).await;

    let done: Vec<_> = kept.done.iter().map(ToString::to_string).collect();
    assert_eq!(done, ["revoke `lsr-a`", "grant `lsr-a`"], "{kept:?}");
    assert_eq!(seen(&*keeper).await[0].mark.reservation(), "rsv_2");
    assert_eq!(machine.exec(&["ls", "/home/lsr-a/diary"]).code, Some(1));
}

#[tokio::test]
async fn what_an_owner_puts_into_a_home_leads_root_nowhere() {
    let machine = Machine::debian(&[]);
    let keeper = machine.in_container();
    let account = machine.account(NAME, "rsv_1", END);
    let uid = granted(&machine, &*keeper, &account).await;
    machine.sh("echo root-key >/root/.ssh/authorized_keys");
    machine.sh("su lsr-a -c 'mv ~/.ssh ~/old && ln -s /root/.ssh ~/.ssh && ln -s / ~/all'");

    expect(keeper.grant(&account).await, "failed: step `key`", "authorized_keys");
    revoked(&machine, &*keeper, uid).await;
    assert_eq!(machine.sh("cat /root/.ssh/authorized_keys"), "root-key\n");
    machine.sh("test -e /etc/passwd && test -e /bin/sh");
}

#[tokio::test]
async fn wherever_a_grant_is_cut_off_the_second_try_finishes() {
    let machine = Machine::debian(&[]);
    let keeper = machine.in_container();
    let mut account = machine.account(NAME, "rsv_1", END);
    account.password = Some("correct horse:battery'staple\"$1".into());
    let mut finished = Vec::new();
    for program in ["useradd", "mkdir", "cp", "chown", "mv", "setpriv", "grep", "chpasswd"] {
        mined(&machine, program);
        if keeper.grant(&account).await.is_ok() {
            finished.push(program);
        }
        let uid = granted(&machine, &*keeper, &account).await;
        machine.sh("/bin/rm -f /usr/local/sbin/*");
        revoked(&machine, &*keeper, uid).await;
    }
    assert!(finished.is_empty(), "nothing was cut off by {finished:?}");
}

#[tokio::test]
async fn wherever_a_revocation_is_cut_off_the_second_try_finishes() {
    let machine = Machine::debian(&[]);
    let keeper = machine.in_container();
    let account = machine.account(NAME, "rsv_1", END);
    let mut finished = Vec::new();
    for program in ["usermod", "rm", "mv", "crontab", "find", "umount", "head", "userdel"] {
        let uid = granted(&machine, &*keeper, &account).await;
        machine.leave(NAME, "mkdir /tmp/mine; echo x >/tmp/mine/file; sleep 1000");
        machine.wait_until("it left something", || {
            machine.exec(&["ls", "/tmp/mine/file"]).code == Some(0)
        });
        mined(&machine, program);
        if keeper.revoke(&account.name).await.is_ok() {
            finished.push(program);
        }
        revoked(&machine, &*keeper, uid).await;
        machine.sh("/bin/rm -f /usr/local/sbin/*");
    }
    assert_eq!(finished, ["umount", "head"], "nothing is mounted, and only a part of it ends");
}

#[tokio::test]
async fn a_generated_password_lets_its_owner_in_and_no_other_does() {
    let machine = Machine::with_sshd(&[]);
    let keeper = machine.over_ssh();
    let mut account = machine.account(NAME, "rsv_1", END);
    account.password = Some("correct horse:battery'staple\"$1".into());
    keeper.grant(&account).await.unwrap();

    let enter = async |password: &str| {
        let credential = Credential::Password(Kept::Here(password.into()));
        let login = Login { user: NAME.into(), credential, ..machine.login() };
        machine.by(login, Patience::default()).look().await
    };
    let right = "correct horse:battery'staple\"$1";
    expect(enter(right).await, "refused", "and only root may do this");
    expect(enter("wrong").await, "refused", "does not let `lsr-a` in with the password");

    account.password = Some("two\nlines".into());
    expect(keeper.grant(&account).await, "refused", "control characters");
}

#[tokio::test]
async fn who_is_not_root_needs_a_rule_of_sudo() {
    let machine = Machine::with_sshd(&[]);
    let key = std::fs::read_to_string(machine.key("owner.pub")).unwrap();
    let make = "useradd -m -p '*' op && mkdir /home/op/.ssh && chown op /home/op/.ssh";
    machine.sh(&format!("{make} && echo '{}' >/home/op/.ssh/authorized_keys", key.trim()));
    let credential = machine.credential("owner");
    let login = Login { user: "op".into(), credential, ..machine.login() };
    let plain = machine.by(login.clone(), Patience::default());
    expect(plain.look().await, "refused", "we are number 1000 there, and only root may do this");
    let keeper = machine.by(Login { sudo: true, ..login }, Patience::default());

    let answer = keeper.look().await;
    let hint = answer.as_ref().unwrap_err().hint().unwrap().to_owned();
    expect(answer, "refused", "`op` cannot become root on `127.0.0.1`: sudo: ");
    let rule = hint.split('`').nth(3).unwrap();
    machine.sh(&format!("echo '{rule}' >/etc/sudoers.d/lessor"));

    let account = machine.account(NAME, "rsv_1", END);
    assert_eq!(keeper.grant(&account).await.unwrap().proof, Proof::Login);
    machine.ssh("owner", NAME, &["id", "-un"]).expect(0).says(NAME);
    keeper.revoke(&account.name).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_hangs_refuses_or_is_another_is_told_apart() {
    let machine = Machine::with_sshd(&[]);
    let hurried = patience(1, 5, 5);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (hangs, refuses) = (silent.local_addr().unwrap().port(), 1);
    let stranger = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();

    let by = |login: Login| machine.by(login, hurried);
    let hanging = by(Login { port: hangs, ..machine.login() });
    let closed = by(Login { port: refuses, ..machine.login() });
    let other = by(Login { host_key: stranger, ..machine.login() });
    let unknown = by(Login { credential: machine.credential("owner"), ..machine.login() });
    expect(hanging.look().await, "unreachable", "it took too long");
    expect(closed.look().await, "unreachable", "Connection refused");
    expect(other.look().await, "host key", "is not the machine with the key `SHA256:AAAA");
    expect(unknown.look().await, "refused", "does not let `root` in");
    expect(other.grant(&machine.account(NAME, "rsv_1", END)).await, "host key", "shows `SHA256:");
}

#[tokio::test]
async fn a_server_that_lets_an_owner_not_in_is_found_out_and_nothing_stays_open() {
    let machine = Machine::with_sshd(&[]);
    let keeper = machine.over_ssh();
    machine.sh("echo 'DenyUsers lsr-a' >/etc/ssh/sshd_config.d/deny.conf; pkill -HUP -o sshd");
    machine.wait_until("it is back", || machine.ssh("root", "root", &["true"]).code == Some(0));
    let account = machine.account(NAME, "rsv_1", END);
    expect(keeper.grant(&account).await, "failed: step `login`", "does not let `lsr-a` in");
    let keys = machine.sh("cat /home/lsr-a/.ssh/authorized_keys");
    assert_eq!(keys.trim(), account.ssh_key.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_drops_in_the_middle_is_no_answer_and_the_next_try_waits_its_turn() {
    let machine = Machine::with_sshd(&[]);
    let keeper = machine.over_ssh();
    let slow = script("touch /begun; sleep 2; touch /ended", Some("test -e /ended"));
    let first = tokio::spawn({
        let keeper = Arc::clone(&keeper);
        async move { keeper.sanitise(&slow).await }
    });
    machine.wait_until("it began", || machine.exec(&["ls", "/begun"]).code == Some(0));
    machine.sh("pkill -KILL -f '^sshd: root'");
    expect(first.await.unwrap(), "unreachable", "lost at step `script`");
    keeper.sanitise(&script("test -e /ended", None)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_fails_the_step_and_leaves_room_for_a_second_try() {
    let machine = Machine::debian(&["--tmpfs", "/home:size=64k,mode=755"]);
    let keeper = machine.in_container();
    let account = machine.account(NAME, "rsv_1", END);
    machine.sh("! cat /dev/zero >/home/full 2>/dev/null");
    expect(keeper.grant(&account).await, "failed: step `home`", "No space left on device");
    expect(keeper.probe().await, "failed: step `probe`", "nothing can be written in `/home`");
    machine.sh("rm -rf /etc/skel/.??*");
    expect(keeper.grant(&account).await, "failed: step `key`", "the key could not be written");
    machine.sh("rm /home/full");
    keeper.probe().await.unwrap();
    assert_eq!(machine.sh("ls -A /home | grep probe || true"), "", "nothing is left of it");
    let uid = granted(&machine, &*keeper, &account).await;
    revoked(&machine, &*keeper, uid).await;
}

#[tokio::test]
async fn a_script_cleans_a_machine_and_has_to_prove_it() {
    let machine = Machine::debian(&[]);
    let keeper = machine.in_container_of("container.box", patience(5, 20, 1));
    let bash = "#!/bin/bash\n[[ $(id -u) = 0 ]] && echo \"it's ${BASH_VERSION:+bash}\" >/clean";
    keeper.sanitise(&script(bash, Some("grep -q bash /clean"))).await.unwrap();
    keeper.sanitise(&script("", Some("grep -q bash /clean"))).await.unwrap();
    for (program, verify, expected) in [
        ("echo no room; exit 3", None, "failed: step `script` failed: no room; it ended with 3"),
        ("true", Some("test -e /no"), "failed: step `verify` failed: the machine is not clean: "),
        ("sleep 60", None, "failed: step `script` failed: it ended with 124"),
    ] {
        expect(keeper.sanitise(&script(program, verify)).await, expected, "");
    }
    assert_eq!(machine.sh("ls -A /root /tmp | grep lessor || true"), "", "nothing is left of it");
    let rollback = Sanitise::Rollback { snapshot: "clean".into() };
    expect(keeper.sanitise(&rollback).await, "refused", "nothing says which virtual machine");
}

#[tokio::test]
async fn a_container_that_is_gone_stands_still_or_is_not_ours_is_told_apart() {
    let machine = Machine::busybox();
    let keeper = machine.in_container();
    let other = machine.in_container_of("container.other", Patience::default());
    expect(other.look().await, "refused", "was made for `container.box`");
    docker(&["stop", &machine.name]);
    expect(keeper.look().await, "unreachable", "does not run");
    docker(&["rm", &machine.name]);
    expect(keeper.look().await, "unreachable", "there is no container");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_an_agent_an_owner_is_let_into_a_virtual_machine_and_put_out_again() {
    let machine = Machine::debian(&[]);
    let hypervisor = Hypervisor::new().await;
    let keeper = hypervisor.keeper(&machine);
    expect(keeper.look().await, "unreachable", "QEMU guest agent is not running");
    hypervisor.agent_in(&machine);
    let uid = granted(&machine, &*keeper, &machine.account(NAME, "rsv_1", END)).await;
    machine.leave(NAME, LEAVE);
    revoked(&machine, &*keeper, uid).await;
    keeper.sanitise(&script("echo 'it is, \"clean\"' >/clean", Some("ls /clean"))).await.unwrap();
    let long = script(&"#".repeat(70_000), None);
    expect(keeper.sanitise(&long).await, "refused", "an agent takes at most 65536 bytes");
    hypervisor.stop().await;
    expect(keeper.look().await, "unreachable", "VM 100 is not running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_machine_becomes_what_it_was_and_runs() {
    let machine = Machine::busybox();
    let hypervisor = Hypervisor::new().await;
    let keeper = hypervisor.keeper(&machine);
    let to = |snapshot: &str| Sanitise::Rollback { snapshot: snapshot.into() };
    expect(keeper.sanitise(&to("other")).await, "refused", "has no snapshot `other`");
    for _ in 0..2 {
        keeper.sanitise(&to("clean")).await.unwrap();
        assert!(hypervisor.is_running().await);
    }
}

#[tokio::test]
async fn an_entry_says_what_leads_to_its_machine() {
    let machine = Machine::with_sshd(&[]);
    let directory = machine.key("root").parent().unwrap().to_owned();
    let specs = format!(
        "[pool.metal]\naccess = \"ssh\"\n[machine.metal-1]\npool = \"metal\"\nhost = \"127.0.0.1\"\n\
         port = {}\nkey = \"secret://file/root\"\nhost_key = \"{}\"\n",
        machine.port(),
        machine.host_key()
    );
    let tree = Tree::new([("specs.toml".to_owned(), specs)].into());
    let specs = parse(tree).unwrap_or_else(|report| panic!("{report}")).specs;
    let secrets = Arc::new(Secrets::default());
    let around = Around::new(&directory, &machine.installation, &secrets);

    let keeper = around.keeper(&specs, "metal-1").unwrap().unwrap();
    assert!(keeper.probe().await.unwrap().seen.accounts.is_empty());
    assert!(around.keeper(&specs, "metal-2").unwrap().is_none());
}
