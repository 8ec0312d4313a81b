//! Why a thing is as it is: `explain`.

use insta::assert_snapshot;
use serde_json::Value;

use crate::support::{RENT, Shop, WEB};

#[test]
fn explain_says_where_a_thing_comes_from_and_what_becomes_of_it() {
    let shop = Shop::new(RENT);
    assert_snapshot!(shop.lessor("explain instance.acme/lobby"), @"
    instance.acme/lobby
      declared   web.toml:18:11
      made of    offer.small       web.toml:13:8
                 image.paper       web.toml:11:8  the only one of its offer
                 tenant.acme       web.toml:17:9
                 docker.local      web.toml:2:9   the only host it may run on
                 bridge.tenants    web.toml:7:9   the bridge of its host
                 port_range.games  web.toml:4:13
      chosen     port 25565 of port_range.games for instance.acme/lobby:25565/tcp: the lowest that is free
      has        cpu                  1                          offer.small, web.toml:16:21
                 image                paper:1.21                 image.paper, web.toml:12:7
                 memory               1GiB                       offer.small, web.toml:16:35
                 mounts./data.volume  acme_lobby                 offer.small, web.toml:16:50
                 name                 acme_lobby                 from its address
                 networks             [tenants_acme]             its tenant's network on the bridge of its host
                 no_new_privileges    true                       always
                 pids                 512                        default, offer.small has no `container.pids`
                 ports                [0.0.0.0:25565→25565/tcp]  offer.small, web.toml:16:66
                 restart              unless-stopped             always
                 running              true                       always
      needs      bridge.tenants/acme, image.local/paper:1.21, volume.acme/lobby
      plan       + instance.acme/lobby  local     new  port 25565/tcp
    exit 0
    ");
    shop.lessor("apply --yes");
    assert_snapshot!(shop.lessor("explain instance.acme/lobby"), @"
    instance.acme/lobby
      declared   web.toml:18:11
      made of    offer.small       web.toml:13:8
                 image.paper       web.toml:11:8  the only one of its offer
                 tenant.acme       web.toml:17:9
                 docker.local      web.toml:2:9   the only host it may run on
                 bridge.tenants    web.toml:7:9   the bridge of its host
                 port_range.games  web.toml:4:13
      present    docker.local, as container `acme_lobby`
      chosen     port 25565 of port_range.games for instance.acme/lobby:25565/tcp: given out on DATE
      has        cpu                  1                          offer.small, web.toml:16:21
                 image                paper:1.21                 image.paper, web.toml:12:7
                 memory               1GiB                       offer.small, web.toml:16:35
                 mounts./data.volume  acme_lobby                 offer.small, web.toml:16:50
                 name                 acme_lobby                 from its address
                 networks             [tenants_acme]             its tenant's network on the bridge of its host
                 no_new_privileges    true                       always
                 pids                 512                        default, offer.small has no `container.pids`
                 ports                [0.0.0.0:25565→25565/tcp]  offer.small, web.toml:16:66
                 restart              unless-stopped             always
                 running              true                       always
      needs      bridge.tenants/acme, image.local/paper:1.21, volume.acme/lobby
      applied    DATE by run RUN
      history    DATE create done, step 4 of run RUN
      plan       nothing to do
    exit 0
    ");
    shop.change("[instance.\"acme/lobby\"]\noffer = \"small\"", "");
    assert_snapshot!(shop.lessor("explain instance.acme/lobby"), @"
    instance.acme/lobby
      declared   no longer
      present    docker.local, as container `acme_lobby`
      uses       network `tenants_acme`, volume `acme_lobby`, image `paper:1.21`
      applied    DATE by run RUN
      history    DATE create done, step 4 of run RUN
      plan       - instance.acme/lobby  local     no longer declared
    exit 0
    ");
}

#[test]
fn explain_says_what_brought_along_what_has_no_entry_of_its_own() {
    let shop = Shop::applied(RENT);
    assert_snapshot!(shop.lessor("explain volume.acme/lobby"), @"
    volume.acme/lobby
      declared   by instance.acme/lobby, web.toml:18:11
      made of    offer.small   web.toml:13:8  has disk
                 docker.local  web.toml:2:9   the host of its instance
      present    docker.local, as volume `acme_lobby`
      has        driver  local       always
                 name    acme_lobby  from its address
      needed by  instance.acme/lobby
      applied    DATE by run RUN
      history    DATE create done, step 3 of run RUN
      plan       nothing to do
    exit 0
    ");
    assert_snapshot!(shop.lessor("explain bridge.tenants/acme"), @"
    bridge.tenants/acme
      declared   by bridge.tenants, web.toml:7:9
      made of    tenant.acme   web.toml:17:9
                 docker.local  web.toml:2:9
      present    docker.local, as network `tenants_acme`
      chosen     subnet 10.64.0.0/28 of bridge.tenants for tenant.acme: given out on DATE
      has        name    tenants_acme  from its address
                 subnet  10.64.0.0/28  bridge.tenants, web.toml:9:12
      needed by  instance.acme/lobby
      applied    DATE by run RUN
      history    DATE create done, step 1 of run RUN
      plan       nothing to do
    exit 0
    ");
    assert_snapshot!(shop.lessor("explain image.local/paper:1.21"), @"
    image.local/paper:1.21
      declared   by image.paper, web.toml:11:8
      made of    docker.local  web.toml:2:9
      present    docker.local, as image `paper:1.21`
      has        name  paper:1.21  image.paper, web.toml:12:7
      needed by  instance.acme/lobby
      applied    DATE by run RUN
      history    DATE create done, step 2 of run RUN
      plan       nothing to do
    exit 0
    ");
}

#[test]
fn explain_of_something_unknown_says_where_to_look() {
    let shop = Shop::applied(WEB);
    assert_snapshot!(shop.lessor("explain container.wbe"), @"
    err| error: `container.wbe` is neither declared nor there
    err|   hint: `lessor show` lists what is there
    exit 1
    ");
}

#[test]
fn explain_claims_nothing_about_a_host_that_cannot_be_seen() {
    let shop = Shop::applied(WEB);
    shop.write("host.json", "garbage");
    assert_snapshot!(shop.lessor("explain container.web"), @"
    container.web
      declared   web.toml:6:12
      made of    docker.local  web.toml:2:9  the only connection
      unknown    docker.local could not be seen: `host.json` is not a pretend host: expected value at line 1 column 1
      has        image                nginx:1.27      container.web, web.toml:7:9
                 memory               128MiB          container.web, web.toml:10:10
                 mounts./data.volume  content         container.web, web.toml:9:11
                 name                 web             from its address
                 networks             [front]         container.web, web.toml:8:12
                 no_new_privileges    true            always
                 restart              unless-stopped  default, container.web has no `restart`
                 running              true            always
      needs      image.local/nginx:1.27, network.front, volume.content
      applied    DATE by run RUN
      history    DATE create done, step 4 of run RUN
      plan       nothing, while it cannot be seen
    exit 6
    ");
}

#[test]
fn explain_of_an_entry_says_what_it_has_a_say_in() {
    let shop = Shop::new(RENT);
    assert_snapshot!(shop.lessor("explain offer.small"), @"
    offer.small
      declared   web.toml:13:8
      makes      instance.acme/lobby, volume.acme/lobby
      plan       + offer.small  catalogue  new
    exit 0
    ");
    assert_snapshot!(shop.lessor("explain docker.local"), @"
    docker.local
      declared   web.toml:2:9
      makes      bridge.tenants/acme, image.local/paper:1.21, instance.acme/lobby, volume.acme/lobby
    exit 0
    ");
    assert_snapshot!(shop.lessor("explain port_range.games"), @"
    port_range.games
      declared   web.toml:4:13
      makes      instance.acme/lobby
    exit 0
    ");
}

#[test]
fn explain_tells_a_default_from_what_an_entry_says() {
    let shop = Shop::new(&WEB.replace(
        "memory = \"128MiB\"",
        "memory = \"128MiB\"\nenv = { GREETING = \"hello\\nworld\" }\nhealthcheck = { command = [\"true\"] }\n[container.front]\nimage = \"nginx:1.27\"\nrestart = \"no\"\ndepends_on = [\"container.web\"]",
    ));
    assert_snapshot!(shop.lessor("explain container.web"), @"
    container.web
      declared   web.toml:6:12
      made of    docker.local  web.toml:2:9  the only connection
      has        env.GREETING                hello…          container.web, web.toml:11:20
                 healthcheck.command         [true]          container.web, web.toml:12:27
                 healthcheck.interval_s      30              default, container.web has no `healthcheck.interval`
                 healthcheck.retries         3               default, container.web has no `healthcheck.retries`
                 healthcheck.start_period_s  0               default, container.web has no `healthcheck.start_period`
                 healthcheck.timeout_s       30              default, container.web has no `healthcheck.timeout`
                 image                       nginx:1.27      container.web, web.toml:7:9
                 memory                      128MiB          container.web, web.toml:10:10
                 mounts./data.volume         content         container.web, web.toml:9:11
                 name                        web             from its address
                 networks                    [front]         container.web, web.toml:8:12
                 no_new_privileges           true            always
                 restart                     unless-stopped  default, container.web has no `restart`
                 running                     true            always
      needs      image.local/nginx:1.27, network.front, volume.content
      needed by  container.front
      plan       + container.web  local     new
    exit 0
    ");
}

#[test]
fn explain_says_what_a_plan_changes_and_which_line_asks_for_it() {
    let shop = Shop::applied(RENT);
    shop.change("memory = \"1GiB\"", "memory = \"2GiB\"");
    assert_snapshot!(shop.lessor("explain instance.acme/lobby"), @"
    instance.acme/lobby
      declared   web.toml:18:11
      made of    offer.small       web.toml:13:8
                 image.paper       web.toml:11:8  the only one of its offer
                 tenant.acme       web.toml:17:9
                 docker.local      web.toml:2:9   the only host it may run on
                 bridge.tenants    web.toml:7:9   the bridge of its host
                 port_range.games  web.toml:4:13
      present    docker.local, as container `acme_lobby`
      chosen     port 25565 of port_range.games for instance.acme/lobby:25565/tcp: given out on DATE
      has        cpu                  1                          offer.small, web.toml:16:21
                 image                paper:1.21                 image.paper, web.toml:12:7
                 memory               2GiB                       offer.small, web.toml:16:35
                 mounts./data.volume  acme_lobby                 offer.small, web.toml:16:50
                 name                 acme_lobby                 from its address
                 networks             [tenants_acme]             its tenant's network on the bridge of its host
                 no_new_privileges    true                       always
                 pids                 512                        default, offer.small has no `container.pids`
                 ports                [0.0.0.0:25565→25565/tcp]  offer.small, web.toml:16:66
                 restart              unless-stopped             always
                 running              true                       always
      needs      bridge.tenants/acme, image.local/paper:1.21, volume.acme/lobby
      applied    DATE by run RUN
      history    DATE create done, step 4 of run RUN
      plan       ~ instance.acme/lobby  local     memory changed
                       memory: 1GiB → 2GiB
    exit 0
    ");
}

#[test]
fn a_choice_says_why_it_was_made() {
    let shop = Shop::applied(RENT);
    let chosen = |shop: &Shop| {
        let text = shop.lessor("explain instance.acme/lobby").to_string();
        let line = text.lines().find(|line| line.starts_with("  chosen"));
        line.unwrap_or_default().to_owned()
    };
    assert_snapshot!(chosen(&shop), @"  chosen     port 25565 of port_range.games for instance.acme/lobby:25565/tcp: given out on DATE");
    // Without its database, it is found on the host.
    std::fs::remove_dir_all(shop.path(".lessor")).unwrap();
    assert_snapshot!(chosen(&shop), @"  chosen     port 25565 of port_range.games for instance.acme/lobby:25565/tcp: it has it already; no claim is remembered");
    // The claim does not fit the range any more.
    assert_eq!(shop.lessor("apply --yes").code, 0);
    shop.change("25565-25570", "25600-25610");
    assert_snapshot!(chosen(&shop), @"  chosen     port 25600 of port_range.games for instance.acme/lobby:25565/tcp: the lowest that is free; 25565, which was given out before, cannot be had any more");
    // A renamed entry takes its claim along.
    shop.change("25600-25610", "25565-25570");
    shop.change(
        "[instance.\"acme/lobby\"]",
        "[instance.\"acme/hall\"]\nmoved = [\"instance.acme/lobby\"]",
    );
    let renamed = shop.lessor("explain instance.acme/hall").to_string();
    assert_snapshot!(renamed.lines().find(|line| line.starts_with("  chosen")).unwrap(), @"  chosen     port 25565 of port_range.games for instance.acme/hall:25565/tcp: given out on DATE, to instance.acme/lobby:25565/tcp");
}

#[test]
fn what_is_kept_or_gone_is_explained_from_what_is_remembered() {
    let shop = Shop::applied(RENT);
    shop.change("[instance.\"acme/lobby\"]\noffer = \"small\"", "");
    assert_eq!(shop.lessor("apply --yes --allow-removals 2").code, 0);
    assert_snapshot!(shop.lessor("explain volume.acme/lobby"), @"
    volume.acme/lobby
      declared   no longer
      present    docker.local, as volume `acme_lobby`
      applied    DATE by run RUN
      history    DATE create done, step 3 of run RUN
      kept       until DATE; no entry asks for its data
      plan       ? volume.acme/lobby            no longer declared; its data is kept until DATE
                       hint: declare it again to take it back, or `lessor apply --destroy-data volume.acme/lobby` to end it now
    exit 0
    ");
    assert_snapshot!(shop.lessor("explain instance.acme/lobby"), @"
    instance.acme/lobby
      declared   no longer
      history    DATE delete done, step 1 of run RUN
                 DATE create done, step 4 of run RUN
    exit 0
    ");
}

#[test]
fn an_explanation_for_programs_follows_its_published_schema() {
    let shop = Shop::new(RENT);
    let schema: Value = serde_json::from_str(&shop.lessor("schema --of explain").stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let hold = |address: &str| {
        let ran = shop.lessor(&format!("explain {address} --format json"));
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        let errors: Vec<_> = validator.iter_errors(&document).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{address}: {errors:?}");
        document
    };
    assert_eq!(hold("instance.acme/lobby")["plan"][0]["action"], "create");
    assert_eq!(shop.lessor("apply --yes").code, 0);
    let document = hold("instance.acme/lobby");
    assert_eq!(document["history"][0]["outcome"], "done");
    let attributes = document["attributes"].as_array().unwrap();
    let memory = attributes.iter().find(|attribute| attribute["path"] == "memory").unwrap();
    assert_snapshot!(serde_json::to_string_pretty(memory).unwrap(), @r#"
    {
      "entry": "offer.small",
      "field": "container.memory",
      "path": "memory",
      "place": {
        "column": 35,
        "file": "web.toml",
        "line": 16
      },
      "value": "1GiB"
    }
    "#);
    assert_snapshot!(document["declared"], @r#"{"column":11,"entry":"instance.acme/lobby","file":"web.toml","line":18}"#);
    for address in ["volume.acme/lobby", "bridge.tenants/acme", "offer.small", "docker.local"] {
        hold(address);
    }
    shop.change("[instance.\"acme/lobby\"]\noffer = \"small\"", "");
    assert_eq!(shop.lessor("apply --yes --allow-removals 2").code, 0);
    assert!(hold("volume.acme/lobby")["kept_until"].is_string());
}
