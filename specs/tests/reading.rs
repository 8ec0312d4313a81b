//! Reading a directory as it is found on disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by stopping")]

use std::fs;
use std::os::unix::fs::symlink;

use insta::assert_snapshot;
use lessor_specs::load::load;

fn report(make: impl FnOnce(&std::path::Path)) -> String {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    match load(dir.path()) {
        Ok(loaded) => format!("valid: {} entries", loaded.specs.count()),
        Err(report) => report.to_string().replace(&*dir.path().to_string_lossy(), "DIR"),
    }
}

#[test]
fn files_below_a_directory_are_one_namespace_and_hidden_ones_are_left_out() {
    let text = report(|dir| {
        fs::create_dir_all(dir.join("a/b")).unwrap();
        fs::create_dir(dir.join(".hidden")).unwrap();
        fs::write(dir.join("a/b/one.toml"), "[location.one]\n").unwrap();
        fs::write(dir.join("two.toml"), "[location.two]\n").unwrap();
        fs::write(dir.join("lessor.toml"), "installation = \"not a spec\"\n").unwrap();
        fs::write(dir.join(".hidden/three.toml"), "nonsense").unwrap();
        fs::write(dir.join("notes.txt"), "nonsense").unwrap();
    });
    assert_snapshot!(text, @"valid: 2 entries");
}

#[test]
fn a_file_that_is_not_utf_8_says_where() {
    assert_snapshot!(report(|dir| fs::write(dir.join("web.toml"), b"[location.par1]\ncity = \"\xff\"\n").unwrap()), @"
    error[E0105]: `web.toml` is not UTF-8: byte 0xff at line 2, column 9
    --> web.toml
     = hint: save the file as UTF-8
    ");
}

#[test]
fn a_file_of_a_hundred_megabytes_is_refused_unread() {
    let text = report(|dir| {
        let file = fs::File::create(dir.join("huge.toml")).unwrap();
        file.set_len(100 << 20).unwrap();
    });
    assert_snapshot!(text, @"
    error[E0104]: `huge.toml` is 100 MiB large; a spec file may have at most 64 MiB
    --> huge.toml
     = hint: split it: any number of files is one namespace
    ");
}

#[test]
fn a_loop_of_links_is_named_and_left() {
    let text = report(|dir| {
        fs::create_dir(dir.join("sub")).unwrap();
        symlink("..", dir.join("sub/up")).unwrap();
        fs::write(dir.join("one.toml"), "[location.one]\n").unwrap();
    });
    assert_snapshot!(text, @"
    error[E0106]: link `sub/up` leads back to `.`, which contains it
    --> sub/up
     = hint: remove the link
    ");
}

#[test]
fn what_is_no_file_is_not_read_and_a_name_says_nothing_to_the_terminal() {
    let text = report(|dir| {
        let made = std::process::Command::new("mkfifo").arg(dir.join("pipe.toml")).status();
        assert!(made.unwrap().success());
        std::os::unix::net::UnixListener::bind(dir.join("socket.toml")).unwrap();
        symlink("/dev/zero", dir.join("endless.toml")).unwrap();
        symlink("self.toml", dir.join("self.toml")).unwrap();
        fs::write(dir.join("two\nlines\u{1b}[2J.toml"), "x = 1\n").unwrap();
    });
    assert_snapshot!(text, @r"
    error[E0103]: `endless.toml` is not a regular file
    --> endless.toml

    error[E0103]: `pipe.toml` is not a regular file
    --> pipe.toml

    error[E0102]: `self.toml` cannot be read: Too many levels of symbolic links (os error 40)
    --> self.toml

    error[E0103]: `socket.toml` is not a regular file
    --> socket.toml

    error[E0301]: there is no kind `x`
     --> two\nlines\u{1b}[2J.toml:1:1
      |
    1 | x = 1
      | ^
      |
      = hint: the kinds are docker, proxmox, pfsense, location, image, network, volume, container, port_range, bridge, vlan, vlan_range, address_pool, alias, firewall_rule, firewall_template, port_forward, outbound_nat, vpn, pool, machine, offer, promo_code, quota, tenant, instance, policy
    ");
}

#[test]
fn a_hundred_thousand_empty_files_are_an_empty_directory() {
    let text = report(|dir| {
        for number in 0..100_000 {
            fs::File::create(dir.join(format!("{number}.toml"))).unwrap();
        }
    });
    assert_snapshot!(text, @"valid: 0 entries");
}

#[test]
fn a_dangling_link_and_a_directory_called_toml_are_told_apart() {
    let text = report(|dir| {
        fs::create_dir(dir.join("dir.toml")).unwrap();
        symlink("nowhere.toml", dir.join("gone.toml")).unwrap();
    });
    assert_snapshot!(text, @"
    error[E0102]: `gone.toml` cannot be read: No such file or directory (os error 2)
    --> gone.toml
    ");
}

#[test]
fn a_directory_that_is_not_there_says_how_to_make_one() {
    let text = load(std::path::Path::new("/nonexistent/specs")).unwrap_err().to_string();
    assert_snapshot!(text, @"
    error[E0101]: spec directory `/nonexistent/specs` does not exist
     |
     = hint: `lessor init DIR` writes one to start from
    ");
}
