//! What is written about the command is true: the reference, the README and the schema beside the
//! examples.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lessor_specs::load::parse;
use lessor_specs::{Kind, Page, Tree, json_schema};
use serde_json::Value;

use crate::support::{Shop, WEB};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

#[test]
fn the_schema_beside_the_examples_is_the_one_the_command_prints() {
    let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    assert!(
        read("examples/lessor.schema.json") == schema,
        "the schema has changed: run `cargo run --package lessor -- schema > examples/lessor.schema.json`"
    );
}

#[test]
fn the_page_of_all_codes_is_what_the_command_prints() {
    let listed = Shop::new("").lessor("explain codes").stdout;
    assert!(
        read("docs/errors/README.md") == listed,
        "a code has changed: run `cargo run --package lessor -- explain codes > docs/errors/README.md`"
    );
}

#[test]
fn every_code_has_a_page_of_its_own_and_every_page_a_code() {
    let pages = pages();
    let files = fs::read_dir(root().join("docs/errors")).unwrap();
    let mut files: Vec<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let codes = pages.iter().map(|page| format!("{}.md", page.code));
    assert_eq!(files, codes.chain(["README.md".into()]).collect::<Vec<_>>());
}

#[test]
fn every_page_of_a_code_says_what_it_means_and_what_to_do() {
    for page in pages() {
        let headings: Vec<_> = page.text.lines().filter(|line| line.starts_with('#')).collect();
        let title = format!("# {}: {}", page.code, page.title);
        let in_specs = lessor_specs::Code::ALL.iter().any(|code| code.page() == page);
        let examples: &[_] = if in_specs { &["## Wrong", "## Right"] } else { &["## Example"] };
        let expected = [&[&*title], examples, &["## What to do"]].concat();
        let own = headings.into_iter().filter(|line| !line.starts_with("# file:"));
        assert_eq!(own.collect::<Vec<_>>(), expected);
        for part in page.text.split("\n## ") {
            assert!(
                part.lines().filter(|line| !line.is_empty()).count() > 1,
                "{}: {part}",
                page.code
            );
        }
    }
}

/// Those of spec files are held by `specs/tests/codes.rs`.
#[test]
fn every_code_of_a_plan_is_in_the_evidence_of_a_test() {
    let files = ["cli/tests/it", "tests/tests"].map(|folder| fs::read_dir(root().join(folder)));
    let files = files.into_iter().flat_map(Result::unwrap).map(|file| file.unwrap().path());
    let evidence = files.map(|file| fs::read_to_string(file).unwrap()).collect::<String>();
    for code in lessor_plans::Code::ALL {
        assert!(evidence.contains(&format!("[{code}]: ")), "no test shows {code}");
    }
}

fn pages() -> Vec<&'static Page> {
    let specs = lessor_specs::Code::ALL.iter().map(|code| code.page());
    let plans = lessor_plans::Code::ALL.iter().map(|code| code.page());
    specs.chain(plans).chain(lessor_store::Code::ALL.iter().map(|code| code.page())).collect()
}

/// The part of the reference under the heading of a kind.
fn section<'d>(document: &'d str, heading: &str) -> Option<&'d str> {
    let begin = document.find(&format!("\n## {heading}\n"))? + 1;
    let rest = &document[begin..];
    Some(&rest[..rest[3..].find("\n## ").map_or(rest.len(), |end| end + 3)])
}

#[test]
fn the_reference_has_every_field_of_every_kind() {
    let (document, schema) = (read("docs/specs.md"), json_schema());
    let mut missing = Vec::new();
    for kind in Kind::ALL {
        let Some(section) = section(&document, &format!("`{kind}`")) else {
            missing.push(format!("the kind `{kind}`"));
            continue;
        };
        for field in fields(&schema["properties"][kind.as_str()], &schema, "") {
            if !section.contains(&format!("| `{field}` |")) {
                missing.push(format!("`{field}` of `{kind}`"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/specs.md says nothing of {}", missing.join(", "));
}

#[test]
fn the_reference_names_no_field_that_is_not_there() {
    let (document, schema) = (read("docs/specs.md"), json_schema());
    for kind in Kind::ALL {
        let known = fields(&schema["properties"][kind.as_str()], &schema, "");
        let rows = section(&document, &format!("`{kind}`")).unwrap_or_default().lines();
        let named = rows.filter_map(|row| row.strip_prefix("| `")?.split_once('`'));
        for (field, _) in named {
            assert!(known.iter().any(|known| known == field), "`{kind}` has no field `{field}`");
        }
    }
}

/// Every field below a part of the schema: `price`, `price.hourly`, `volumes.path`.
fn fields(part: &Value, schema: &Value, path: &str) -> Vec<String> {
    if let Some(reference) = part["$ref"].as_str() {
        return fields(schema.pointer(&reference[1..]).unwrap(), schema, path);
    }
    let any = ["anyOf", "allOf", "oneOf"].iter().filter_map(|key| part[*key].as_array());
    let parts = any.flatten().flat_map(|part| fields(part, schema, path));
    let below = [&part["items"], &part["additionalProperties"]];
    let below = below.into_iter().filter(|part| part.is_object());
    let below = below.flat_map(|part| fields(part, schema, path));
    let own = part["properties"].as_object().into_iter().flatten().flat_map(|(name, part)| {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let below = fields(part, schema, &path);
        [vec![path], below].concat()
    });
    parts.chain(below).chain(own).collect()
}

/// The text of every block of TOML, with the line it begins at.
fn blocks(document: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in document.lines().enumerate() {
        match (&mut open, line) {
            (None, "```toml") => open = Some((number + 2, String::new())),
            (Some(_), "```") => blocks.extend(open.take()),
            (Some((_, text)), line) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

/// What an example leaves out, since it stands elsewhere on the page.
const AROUND: &str = r#"
[docker.par1]
endpoint = "memory:host.json"
location = "par1"
[location.par1]
[port_range.minecraft]
docker = "par1"
range = "25565-26564"
[bridge.tenants]
docker = "par1"
supernet = "10.64.0.0/16"
per_tenant_prefix = 28
[image."paper-1.21".container]
ref = "paper:1.21"
[offer.survival-2g]
images = ["paper-1.21"]
locations = ["par1"]
price = {}
container = { cpu = "1", memory = "2GiB" }
[quota.default]
[tenant.acme]
[image.alpine-sshd.container]
ref = "alpine-sshd:3.22"
[pool.alpine]
docker = "par1"
image = "alpine-sshd"
replicas = 2
ports = "2221-2222"
access = "docker-exec"
[pool.metal]
access = "ssh"
[network.front]
docker = "par1"
[volume.content]
docker = "par1"
[location.ams1]
[proxmox.ams]
endpoint = "https://pve.ams1.example.net:8006"
token = "secret://env/PVE_AMS_TOKEN"
location = "ams1"
nodes = ["n1", "n2", "n3"]
storage = "ceph-vm"
vmid_range = "20000-29999"
[pfsense.edge]
endpoint = "https://fw.ams1.example.net"
api_key = "secret://env/PF_AMS_KEY"
location = "ams1"
[vlan_range.customers]
ids = "2100-2999"
proxmox = "ams"
bridge = "vmbr1"
pfsense = "edge"
parent = "igb1"
supernet = "10.100.0.0/16"
per_tenant_prefix = 28
[firewall_template.web]
action = "pass"
[image.ubuntu-2404.vm]
template = { ams = 9001 }
cloud_init = true
[offer.vps-flex]
images = ["ubuntu-2404"]
locations = ["ams1"]
price = {}
[offer.vps-flex.vm]
cpu = { min = 1, max = 16, step = 1 }
memory = { min = "1GiB", max = "64GiB", step = "1GiB" }
disk = { min = "10GiB", max = "500GiB", step = "10GiB" }
"#;

/// Every block of TOML is valid: as it stands when it begins with `# complete`, and otherwise
/// beside those of the entries of [`AROUND`] that it does not declare itself. Configuration begins
/// with `# lessor.toml`.
#[test]
fn every_example_on_the_pages_is_valid() {
    for page in ["README.md", "docs/specs.md"] {
        let text = read(page);
        let blocks = blocks(&text);
        assert!(!blocks.is_empty(), "{page}");
        for (line, block) in blocks {
            if block.starts_with("# lessor.toml") {
                let table: toml::Table = toml::from_str(&block).unwrap();
                assert!(table.contains_key("installation"), "{page}:{line}");
                continue;
            }
            let mut files = BTreeMap::from([("page.toml".to_owned(), block.clone())]);
            if !block.starts_with("# complete") {
                files.insert("around.toml".into(), around(&block));
            }
            if let Err(report) = parse(Tree::new(files)) {
                panic!("{page}:{line}\n{}", report.render("", false));
            }
        }
    }
}

fn around(block: &str) -> String {
    let declared: toml::Table = toml::from_str(block).unwrap_or_default();
    let mut around: toml::Table = toml::from_str(AROUND).unwrap();
    for (kind, entries) in &declared {
        let own = entries.as_table().into_iter().flat_map(toml::Table::keys);
        if let Some(others) = around.get_mut(kind).and_then(toml::Value::as_table_mut) {
            own.for_each(|name| drop(others.remove(name)));
        }
    }
    toml::to_string(&around).unwrap()
}

#[test]
fn every_example_of_a_configuration_is_read() {
    for (line, block) in blocks(&read("docs/specs.md")) {
        if block.starts_with("# lessor.toml") {
            let shop = Shop::new(WEB);
            shop.write("lessor.toml", block.replace("par1", "local"));
            let ran = shop.lessor("validate");
            assert_eq!(ran.code, 0, "docs/specs.md:{line}: {ran}");
        }
    }
}
