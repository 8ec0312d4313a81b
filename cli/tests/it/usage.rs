//! The command line itself: wrong usage, streams, colour, and what describes it.

use std::io::Read as _;
use std::process::Stdio;

use insta::assert_snapshot;

use crate::support::{Shop, WEB};

#[test]
fn wrong_usage_answers_64() {
    let shop = Shop::new(WEB);
    for wrong in [
        "",
        "plam",
        "plan --nope",
        "plan --format xml",
        "plan --output xml=file",
        "plan --output file",
        "plan --target nope",
        "plan --destroy-data content",
        "apply --allow everything",
        "apply --allow-removals many",
        "apply --parallelism 0",
        "apply --lock-timeout soon",
        "plan --endpoint local",
        "plan --endpoint local=ftp://x",
        "drift --fail-on everything",
        "explain",
        "explain web",
        "explain container.web --format dot",
        "graph --format png",
        "graph --target nope",
        "completions tcsh",
        "schema --of everything",
    ] {
        let ran = shop.lessor(wrong);
        assert_eq!(ran.code, 64, "{wrong}: {ran}");
        assert_eq!(ran.stdout, "", "{wrong}");
        assert!(!ran.stderr.is_empty(), "{wrong}");
    }
    assert_snapshot!(shop.lessor("plan --target nope"), @"
    err| error: invalid value 'nope' for '--target <SELECTOR>': expected an address such as `container.web`, `instance.acme/*` or `docker.par1`
    err| 
    err| For more information, try '--help'.
    exit 64
    ");
    assert_snapshot!(shop.lessor("apply --allow everything"), @"
    err| error: invalid value 'everything' for '--allow <RULE>': the rules are removals, data, empty, tenant, rename and orders
    err| 
    err| For more information, try '--help'.
    exit 64
    ");
    assert_snapshot!(shop.lessor("apply --lock-timeout soon"), @"
    err| error: invalid value 'soon' for '--lock-timeout <DURATION>': expected a length of time such as `90s`, `15m`, `24h` or `7d`
    err| 
    err| For more information, try '--help'.
    exit 64
    ");
}

#[test]
fn help_goes_to_stdout_and_names_the_exit_codes() {
    let shop = Shop::new(WEB);
    let ran = shop.lessor("--help");
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    assert_snapshot!(ran.stdout, @"
    Declare the infrastructure you rent out, see what differs, make it so

    Usage: lessor [OPTIONS] <COMMAND>

    Commands:
      init         Write a spec directory to start from
      adopt        Write the entries of what is on a host already. Changes nothing there
      validate     Check spec files without looking at any host
      plan         Show what would be done
      apply        Carry it out, after showing it and asking
      drift        Show what differs from what is declared, for CI. Changes nothing
      show         Show what is there, or a saved plan
      graph        Draw what needs what, without looking at any host
      render       Write what customers ordered as entries beside the spec files
      explain      Say why a thing is as it is, or what a code means
      destroy      Remove what a spec directory made. Data is kept for as long as the policy says
      doctor       Check the connections and this machine, and say what to do. Changes nothing
      db           Look after the database in which things are remembered
      serve        Answer over HTTP, until Ctrl-C
      user         Accounts: who there is, and what they may do
      apikey       Keys of programs
      tenant       Who rents
      order        What customers ordered
      pool         Machines that are lent for a while
      reserve      Machines that somebody has for a while
      ledger       The money of tenants
      audit        What was done, and whether anybody changed what is remembered of it
      jobs         What falls due by the clock: bills, and looks for what differs
      sandbox      Pretend to be a Docker Engine, a Proxmox VE cluster and a pfSense, until Ctrl-C
      try          Plan and apply an example on pretend systems, and leave it running to play with
      schema       Print a JSON Schema
      completions  Print a script that completes the command in a shell
      man          Print the manual page
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Options of every command:
          --database <URL>            Where things are remembered: `sqlite:PATH`, or
                                      `postgres://USER@HOST:PORT/DATABASE`. By default
                                      `sqlite:.lessor/lessor.db`; a relative path starts at the spec
                                      directory [env: LESSOR_DATABASE_URL]
          --endpoint <NAME=ENDPOINT>  Another endpoint for a connection, such as
                                      `par1=unix:///var/run/docker.sock`, or
                                      `ams=https://127.0.0.1:8006#sha256:…` with the certificate it
                                      shows [env: LESSOR_ENDPOINT=]
          --color <WHEN>              Whether to colour the output: `always`, `never` or `auto`, which
                                      heeds `NO_COLOR` [default: auto]

    Exit codes:
      0   done, in sync
      1   error: bad input, or it failed
      2   differences (drift; plan with --detailed-exitcode)
      3   held at the gate
      4   stale before the first write
      5   applied in part
      6   something could not be seen, so there is no full verdict
      64  wrong usage
    ");
}

#[test]
fn the_help_of_a_command_explains_each_word() {
    let shop = Shop::new(WEB);
    assert_snapshot!(shop.lessor("drift --help").stdout, @"
    Show what differs from what is declared, for CI. Changes nothing

    Usage: lessor drift [OPTIONS] [DIR]

    Arguments:
      [DIR]
              The spec directory
              
              [default: .]

    Options:
          --format <FORMAT>
              The form of the result on stdout

              Possible values:
              - human:    For people
              - json:     For programs; `lessor schema --of plan` describes it
              - markdown: For a pull request; never above 60 000 bytes
              - sarif:    For code scanning: SARIF 2.1.0
              - junit:    For test reports: JUnit XML
              - github:   For the log of a GitHub workflow: annotations
              
              [default: human]

          --output <FORMAT=FILE>
              One more copy of the result, in a file: `sarif=plan.sarif`. Can be said several times

          --fail-on <SORT>
              Which differences to answer 2 for, separated by commas

              Possible values:
              - changed:     Somebody else changed a thing
              - missing:     Somebody else removed a thing
              - pending:     Specs were changed and not applied
              - unmanaged:   A thing carries our mark and is not ours
              - unreachable: A host could not be seen (answers 6)
              
              [default: changed,missing,pending,unreachable]

          --target <SELECTOR>
              Only this and what it needs: an address, a connection, or either ending in `*`

          --exclude <SELECTOR>
              Everything but this, named in the same way

          --orders <FILE>
              What customers ordered, in a file that `lessor render --orders` wrote, rather than from
              the database

      -h, --help
              Print help (see a summary with '-h')

    A running server:
          --server <URL>
              Ask the server at `https://HOST:PORT` instead of the database. With `#sha256:…` behind it,
              only that certificate is believed

          --key <SECRET>
              Where the key is kept that the server is shown: `secret://env/NAME` or
              `secret://file/PATH`
              
              [default: secret://env/LESSOR_API_KEY]

          --server-ca <FILE>
              Believe who is vouched for by a certificate in this PEM file, rather than whom this
              machine trusts on the web

          --plain-http
              Speak to a server on another machine without TLS. Whoever is on the way can read the key

    Options of every command:
          --database <URL>
              Where things are remembered: `sqlite:PATH`, or `postgres://USER@HOST:PORT/DATABASE`. By
              default `sqlite:.lessor/lessor.db`; a relative path starts at the spec directory
              
              [env: LESSOR_DATABASE_URL]

          --endpoint <NAME=ENDPOINT>
              Another endpoint for a connection, such as `par1=unix:///var/run/docker.sock`, or
              `ams=https://127.0.0.1:8006#sha256:…` with the certificate it shows
              
              [env: LESSOR_ENDPOINT=]

          --color <WHEN>
              Whether to colour the output: `always`, `never` or `auto`, which heeds `NO_COLOR`
              
              [default: auto]
    ");
    assert_snapshot!(shop.lessor("--version"), @"
    lessor 0.1.0
    exit 0
    ");
}

#[test]
fn shells_complete_every_command() {
    let shop = Shop::new(WEB);
    for shell in ["bash", "zsh", "fish"] {
        let ran = shop.lessor(&format!("completions {shell}"));
        assert_eq!((ran.code, &*ran.stderr), (0, ""), "{shell}");
        for word in ["plan", "explain", "detailed-exitcode", "allow-removals", "graph", "no-fold"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn the_manual_page_names_every_command_and_exit_code() {
    let ran = Shop::new(WEB).lessor("man");
    assert_eq!((ran.code, &*ran.stderr), (0, ""));
    assert!(ran.stdout.contains(".TH lessor 1"));
    for word in [
        "init", "validate", "plan", "apply", "drift", "show", "graph", "explain", "destroy", "held",
    ] {
        assert!(ran.stdout.contains(word), "{word}");
    }
}

#[test]
fn results_go_to_stdout_and_progress_to_stderr() {
    let shop = Shop::new(WEB);
    let ran = shop.lessor("apply --yes");
    assert_snapshot!(ran.stdout, @"
    + container.web           local     new
    + image.local/nginx:1.27  local     new
    + network.front           local     new
    + volume.content          local     new
    4 to add. No data is destroyed.
    ");
    let told: Vec<_> =
        ran.stderr.lines().map(|line| line.split(" (").next().unwrap_or_default()).collect();
    assert_snapshot!(told.join("\n"), @"
      making image.local/nginx:1.27
      made image.local/nginx:1.27
      making network.front
      made network.front
      making volume.content
      made volume.content
      making container.web
      made container.web
    4 of 4 steps done
    ");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let shop = Shop::new(include_str!("../../../examples/many/many.toml"));
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_lessor"))
        .arg("plan")
        .current_dir(shop.dir())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 20];
    child.stdout.take().unwrap().read_exact(&mut line).unwrap();
    let ran = shop.ran(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran}");
    assert!(!ran.stderr.contains("panic") && !ran.stderr.contains("error"), "{ran}");
}

#[test]
fn colour_is_for_terminals_unless_asked_for() {
    let shop = Shop::new(WEB);
    let colours = |args: &str, no_color: &str| {
        let output = shop.command(args).env("NO_COLOR", no_color).output().unwrap();
        shop.ran(&output).stdout.contains('\x1b')
    };
    assert!(!colours("plan", ""));
    assert!(colours("plan --color always", ""));
    // What is said for this run goes before what is said for all.
    assert!(colours("plan --color always", "1"));
    assert!(!colours("plan --color never", ""));
    shop.write("web.toml", "[contaner.web]\n");
    let coloured = shop.lessor("plan --color always");
    assert!(coloured.stderr.contains('\x1b') && coloured.stdout.is_empty(), "{coloured}");
}

#[test]
fn an_endpoint_is_given_by_flag_or_environment_for_connections_there_are() {
    let shop = Shop::new(WEB);
    let mut command = shop.command("apply --yes");
    let output = command.env("LESSOR_ENDPOINT", "local=memory:env.json").output().unwrap();
    assert!(output.status.success());
    assert_eq!(shop.lessor("apply --yes --endpoint docker.local=memory:flag.json").code, 0);
    assert!(shop.path("env.json").exists() && shop.path("flag.json").exists());
    assert!(!shop.path("host.json").exists());
    assert_snapshot!(shop.lessor("plan --endpoint par1=memory:x.json"), @"
    err| error: an endpoint is given for `par1`, which no spec defines
    err|   hint: specs define `docker.local`
    exit 1
    ");
}

#[test]
fn a_database_is_named_by_flag_or_environment() {
    let shop = Shop::new(WEB);
    let mut command = shop.command("apply --yes");
    let output = command.env("LESSOR_DATABASE_URL", "sqlite:from-env.db").output().unwrap();
    assert!(output.status.success());
    assert_eq!(shop.lessor("apply --yes --database sqlite:flag/here.db").code, 0);
    assert!(shop.path("from-env.db").exists() && shop.path("flag/here.db").exists());
    // A port that nobody listens on.
    let ran = shop.lessor("plan --database postgres://me:hunter2@127.0.0.1:1/lessor");
    assert!(!ran.stderr.contains("hunter2"), "{ran}");
    assert_snapshot!(ran, @"
    err| error[E1303]: cannot reach the database `postgres://me@127.0.0.1:1/lessor`: Connection refused (os error 111)
    err|   hint: see that PostgreSQL runs there, that it can be reached from here, and that `sslmode` in the address is what it asks for
    exit 1
    ");
}
