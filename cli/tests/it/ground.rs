//! Bad ground: full disks, damaged files, others at work, and a power cut.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use insta::assert_snapshot;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Shop, WEB};

#[test]
fn a_host_that_is_garbage_is_unknown_and_stays_as_it_is() {
    let shop = Shop::applied(WEB);
    let whole = shop.read("host.json");
    for broken in ["garbage", &whole[..whole.len() / 2], "", "{}"] {
        shop.write("host.json", broken);
        for args in ["plan", "drift", "apply --yes", "show", "destroy --yes --allow-removals 9"] {
            let ran = shop.lessor(args);
            assert_eq!(ran.code, 6, "{args} with {broken:?}: {ran}");
            assert!(!ran.stdout.contains("In sync"), "{ran}");
        }
        assert_eq!(shop.read("host.json"), broken);
    }
    shop.write("host.json", "garbage");
    assert_snapshot!(shop.lessor("plan"), @"
    ? docker.local  could not see anything: `host.json` is not a pretend host: expected value at line 1 column 1
          hint: restore the file, or remove it to begin with an empty host
    Nothing differs in what could be seen. 1 place could not be seen.
    exit 6
    ");
    assert_snapshot!(shop.lessor("apply --yes"), @"
    ? docker.local  could not see anything: `host.json` is not a pretend host: expected value at line 1 column 1
          hint: restore the file, or remove it to begin with an empty host
    Nothing differs in what could be seen. 1 place could not be seen.
    err| no step to do; what is declared and kept is remembered
    exit 6
    ");
    assert_snapshot!(shop.lessor("show"), @"
    ? docker.local  could not see anything: `host.json` is not a pretend host: expected value at line 1 column 1
          hint: restore the file, or remove it to begin with an empty host
    0 things
    exit 6
    ");
}

#[test]
fn nothing_is_removed_while_a_host_cannot_be_seen() {
    let two =
        "[docker.a]\nendpoint = \"memory:a.json\"\n[docker.b]\nendpoint = \"memory:b.json\"\n";
    let shop =
        Shop::applied(&format!("{two}[network.x]\ndocker = \"a\"\n[network.y]\ndocker = \"b\"\n"));
    shop.write("b.json", "garbage");
    shop.write("web.toml", format!("{two}[network.z]\ndocker = \"a\"\n"));
    assert_snapshot!(shop.lessor("apply --yes"), @"
    + network.z  a         new
    ? removals             nothing is removed while something cannot be seen; 1 thing waits
    ? docker.b  could not see anything: `b.json` is not a pretend host: expected value at line 1 column 1
          hint: restore the file, or remove it to begin with an empty host
    1 to add, 1 note. 1 place could not be seen. No data is destroyed.
    err| 1 of 1 steps done
    exit 6
    ");
}

#[test]
fn a_damaged_database_is_named_with_what_to_do() {
    let shop = Shop::applied(WEB);
    for companion in ["-wal", "-shm"] {
        let _ = fs::remove_file(shop.path(&format!(".lessor/lessor.db{companion}")));
    }
    shop.write(".lessor/lessor.db", "garbage, and more of it");
    assert_snapshot!(shop.lessor("plan"), @"
    err| error[E1306]: the database `DIR/.lessor/lessor.db` is damaged: file is not a database
    err|   hint: move `DIR/.lessor/lessor.db` away, with its `-wal` and `-shm` if there are any, and run `lessor apply`: the marks on the objects bring everything back but history
    exit 1
    ");
    assert_eq!(shop.lessor("apply --yes").code, 1);
    // The hint is good.
    fs::remove_dir_all(shop.path(".lessor")).unwrap();
    assert_eq!(shop.lessor("apply --yes").code, 0);
    assert_eq!(shop.lessor("plan --detailed-exitcode").code, 0);
}

#[test]
fn a_spec_file_that_cannot_be_read_is_named() {
    let shop = Shop::new(WEB);
    fs::File::create(shop.path("huge.toml")).unwrap().set_len(100 << 20).unwrap();
    shop.write("latin.toml", b"[location.x]\ncity = \"Orl\xe9ans\"\n");
    symlink(".", shop.path("loop")).unwrap();
    assert_snapshot!(shop.lessor("plan"), @"
    err| error[E0104]: `huge.toml` is 100 MiB large; a spec file may have at most 64 MiB
    err| --> huge.toml
    err|  = hint: split it: any number of files is one namespace
    err| 
    err| error[E0105]: `latin.toml` is not UTF-8: byte 0xe9 at line 2, column 12
    err| --> latin.toml
    err|  = hint: save the file as UTF-8
    err| 
    err| error[E0106]: link `loop` leads back to `.`, which contains it
    err| --> loop
    err|  = hint: remove the link
    err| error: `.` has 3 problems; nothing was done
    exit 1
    ");
    assert_eq!(shop.lessor("apply --yes").code, 1);
    assert!(!shop.path("host.json").exists());
}

#[test]
fn a_directory_that_cannot_be_written_plans_and_refuses_to_apply() {
    let shop = Shop::new("");
    let dir = shop.path("specs");
    fs::create_dir(&dir).unwrap();
    // To root, permissions mean nothing, so root gets a file system that cannot be written.
    let small = Small::mount(&dir);
    shop.write("specs/lessor.toml", "installation = \"test-1\"\n");
    shop.write("specs/web.toml", WEB);
    match &small {
        Some(small) => small.remount("ro"),
        None => fs::set_permissions(&dir, fs::Permissions::from_mode(0o555)).unwrap(),
    }
    assert_eq!(shop.lessor("plan specs").code, 0);
    let ran = shop.lessor("apply specs --yes");
    let of_permissions = ran
        .to_string()
        .replace("Permission denied (os error 13)", "Read-only file system (os error 30)");
    assert_snapshot!(of_permissions, @"
    err| error[E1302]: cannot use the database `DIR/specs/.lessor`: Read-only file system (os error 30)
    err|   hint: see that the disk has room and that this user may write in `DIR/specs`
    exit 1
    ");
    assert!(!dir.join("host.json").exists());
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).ok();
}

/// A file system of 64 KiB for as long as it lives, where this user may make one.
struct Small<'s>(&'s Path);

impl<'s> Small<'s> {
    fn mount(at: &'s Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(at);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Small(at))
    }

    fn remount(&self, option: &str) {
        let mut mount = Command::new("mount");
        let status = mount.args(["-o", &format!("remount,{option}")]).arg(self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_said_and_leaves_everything_as_it_was() {
    let shop = Shop::new("");
    let small = shop.path("small");
    fs::create_dir(&small).unwrap();
    let Some(_small) = Small::mount(&small) else { return };
    shop.write("small/lessor.toml", "installation = \"test-1\"\n");
    shop.write("small/web.toml", WEB);
    let ran = shop.lessor("apply small --yes");
    assert_eq!(ran.code, 1, "{ran}");
    assert_snapshot!(ran, @"
    err| error[E1302]: cannot use the database `DIR/small/.lessor/lessor.db`: database or disk is full
    err|   hint: see that the disk has room and that this user may write in `DIR/small/.lessor`
    exit 1
    ");
    assert!(!shop.path("small/host.json").exists());
    // With room for the database elsewhere, there is room for the host.
    let elsewhere = format!("apply small --yes --database sqlite:{}", shop.path("x.db").display());
    fs::remove_dir_all(shop.path("small/.lessor")).unwrap();
    assert_eq!(shop.lessor(&elsewhere).code, 0);
    let before = shop.read("small/host.json");
    // The same, with no room left for the host.
    shop.write("small/web.toml", WEB.replace("128MiB", "256MiB"));
    fs::write(shop.path("small/filling"), vec![0; 64 << 10]).unwrap_err();
    let ran = shop.lessor(&elsewhere);
    assert_ne!(ran.code, 0, "{ran}");
    assert_eq!(shop.read("small/host.json"), before);
}

#[test]
fn two_at_once_wait_for_each_other() {
    let shop = Shop::new(WEB);
    let both: Vec<_> = (0..2)
        .map(|_| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_lessor"));
            command.args(["apply", "--yes"]).current_dir(shop.dir());
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in both {
        let ran = shop.ran(&child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{ran}");
    }
    assert_eq!(shop.host().len(), 3);
    assert_eq!(shop.lessor("plan --detailed-exitcode").code, 0);
}

#[test]
fn a_run_that_was_killed_is_finished_by_the_next() {
    let many = include_str!("../../../examples/many/many.toml");
    let shop = Shop::new(first_containers(many, 60));
    let mut child = Command::new(env!("CARGO_BIN_EXE_lessor"))
        .args(["apply", "--yes"])
        .current_dir(shop.dir())
        .env("LESSOR_PARALLELISM", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..6000 {
        std::thread::sleep(Duration::from_millis(5));
        if shop.path("host.json").exists() && shop.host().len() > 30 {
            break;
        }
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    let done = shop.host().len();
    assert!((31..130).contains(&done), "{done} things were made before the kill");
    let ran = shop.lessor("apply --yes");
    assert_eq!(ran.code, 0, "{ran}");
    assert_eq!(shop.lessor("plan --detailed-exitcode").code, 0);
    // Ten networks, and a volume and a container each: nothing twice, and nothing left behind.
    assert_eq!(shop.host().len(), 130);
}

/// The file up to so many containers.
fn first_containers(specs: &str, count: usize) -> &str {
    &specs[..specs.find(&format!("[volume.data-{count:04}]")).unwrap()]
}
