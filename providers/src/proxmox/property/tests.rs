use proptest::prelude::*;

use super::text::{
    description, is_tag, size_bytes, size_text, ssh_keys, ssh_keys_read, tags, tags_text,
};
use super::*;

const SHAPES: [Shape; 8] = [
    Shape::QemuNet,
    Shape::Drive,
    Shape::IpConfig,
    Shape::Agent,
    Shape::Boot,
    Shape::Startup,
    Shape::LxcNet,
    Shape::Mount,
];

fn read(shape: Shape, text: &str) -> Property {
    Property::parse(shape, text).unwrap()
}

#[test]
fn what_was_written_and_what_is_read_back_mean_the_same() {
    let cases = [
        (
            Shape::QemuNet,
            "model=virtio,macaddr=bc:24:11:aa:bb:cc,rate=12.50,firewall=yes,bridge=vmbr0,tag=0100",
            "virtio=BC:24:11:AA:BB:CC,bridge=vmbr0,firewall=1,link_down=0,rate=12.5,tag=100",
        ),
        (
            Shape::Drive,
            "local:100/vm-100-disk-2.raw,discard=on,ssd=1,backup=no,size=1536M",
            "file=local:100/vm-100-disk-2.raw,backup=0,discard=on,size=1.5G,ssd=true,replicate=1",
        ),
        (Shape::Agent, "1", "enabled=on,guest-fsfreeze=1"),
        (Shape::IpConfig, "ip6=2001:DB8:0::1/64,ip=DHCP", "ip=dhcp,ip6=2001:db8::1/64"),
        (
            Shape::LxcNet,
            "name=eth0,hwaddr=bc:24:11:aa:bb:cc,trunks=5;7,ip=192.0.2.9/24",
            "name=eth0,hwaddr=BC:24:11:AA:BB:CC,ip=192.0.2.9/24,trunks=7;5,type=veth",
        ),
        (
            Shape::Mount,
            "local:200/vm-200-disk-0.raw,size=1T",
            "volume=local:200/vm-200-disk-0.raw,size=1024G",
        ),
        (Shape::Startup, "2,up=30", "order=02,up=30"),
    ];
    for (shape, written, back) in cases {
        let (written, back) = (read(shape, written), read(shape, back));
        assert_eq!(written.differences(&back), Vec::<&str>::new(), "{written} {back}");
    }
}

#[test]
fn what_differs_is_named_and_what_is_left_to_others_is_not() {
    let wanted = read(Shape::QemuNet, "virtio,bridge=vmbr1,firewall=1");
    let present = read(Shape::QemuNet, "virtio=BC:24:11:AA:BB:CC,bridge=vmbr0,mtu=1400");

    assert_eq!(wanted.wants(&present), ["bridge", "firewall"]);
    assert_eq!(wanted.differences(&present), ["bridge", "firewall", "macaddr", "mtu"]);
    // The MAC address goes back with it: without one, it would get another.
    let sent = wanted.over(&present).to_string();
    assert_eq!(sent, "virtio=BC:24:11:AA:BB:CC,bridge=vmbr1,firewall=1,mtu=1400");

    let (order, other) = (read(Shape::Boot, "order=a;b"), read(Shape::Boot, "order=b;a"));
    assert_eq!(order.differences(&other), ["order"]);
}

#[test]
fn it_is_printed_as_proxmox_prints_it() {
    let printed = |shape, text| read(shape, text).to_string();
    let net = "tag=5,bridge=vmbr0,macaddr=BC:24:11:AA:BB:CC,model=e1000";
    assert_eq!(printed(Shape::QemuNet, net), "e1000=BC:24:11:AA:BB:CC,bridge=vmbr0,tag=5");
    assert_eq!(printed(Shape::QemuNet, "bridge=vmbr0,virtio"), "virtio,bridge=vmbr0");
    assert_eq!(printed(Shape::Drive, "size=1G,volume=a:b,ssd=1"), "a:b,size=1G,ssd=1");
    assert_eq!(printed(Shape::LxcNet, "name=eth0,bridge=vmbr0"), "bridge=vmbr0,name=eth0");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let wrong = |shape, text| Property::parse(shape, text).unwrap_err();
    let nameless = PropertyError::Nameless("eth0".into());
    assert_eq!(wrong(Shape::LxcNet, "eth0,bridge=vmbr0"), nameless);
    let twice = "virtio=BC:24:11:AA:BB:CC,macaddr=BC:24:11:AA:BB:CD";
    assert_eq!(wrong(Shape::QemuNet, twice), PropertyError::Twice("macaddr".into()));
    assert_eq!(wrong(Shape::Drive, "a:b,si ze=1G"), PropertyError::Name("si ze".into()));
    assert_eq!(wrong(Shape::Drive, "a:b,size="), PropertyError::Value("size".into()));
    for value in ["", " ", "a,b", "a\nb"] {
        assert!(Property::new(Shape::Drive).with("serial", value).is_err(), "{value:?}");
    }
}

#[test]
fn texts_are_kept_in_their_own_ways() {
    let found = tags("B,a;C a  b", false);
    assert_eq!(tags_text(&found).as_deref(), Some("a;b;c"));
    assert_eq!(tags("B;b", true).len(), 2);
    assert_eq!(tags_text(&tags(" ", false)), None);
    assert!(is_tag("a.b+c-d_1") && !is_tag("-a") && !is_tag("") && !is_tag("a b"));
    assert_eq!(description("one\n\n"), description("one"));
    let keys = "ssh-ed25519 AAAA+/= ops@example.com\n";
    assert_eq!(ssh_keys(keys), "ssh-ed25519%20AAAA%2B%2F%3D%20ops%40example.com");
}

#[test]
fn a_size_is_read_exactly() {
    assert_eq!(size_bytes("1536M"), size_bytes("1.5G"));
    assert_eq!(size_bytes("512"), Some(512));
    assert_eq!(size_bytes("18446744073709551615"), Some(u64::MAX.into()));
    assert_eq!(size_bytes("0T"), Some(0));
    for wrong in ["", "G", "10GB", "1,5G", "-1G", "1.G", ".5G", "ä", "1e3"] {
        assert_eq!(size_bytes(wrong), None, "{wrong}");
    }
    let texts = [3 << 30, 1536 << 20, 2816 << 20, 1 << 40, 1000, 0].map(size_text);
    assert_eq!(texts, ["3G", "1536M", "2816M", "1T", "1000", "0"]);
}

/// A value: unicode, quotes and signs of equality, but nothing that ends it.
fn value() -> impl Strategy<Value = String> {
    "[^,\n\r\0]{0,12}[a-zäß\"'=;% ]".prop_filter("blank", |value| !value.trim().is_empty())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9_-]{0,8}",
        proptest::sample::select(vec!["model", "macaddr", "virtio", "file", "volume", "enabled"])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(
        shape in proptest::sample::select(SHAPES.to_vec()),
        pairs in proptest::collection::vec((name(), value()), 0..6),
    ) {
        let mut property = Property::new(shape);
        for (name, value) in &pairs {
            property = property.with(name, value).unwrap();
        }
        prop_assert_eq!(Property::parse(shape, &property.to_string()), Ok(property));
    }

    #[test]
    fn whatever_is_read_is_understood_or_refused(
        shape in proptest::sample::select(SHAPES.to_vec()),
        text in "[\\PC,=;]{0,40}",
    ) {
        if let Ok(property) = Property::parse(shape, &text) {
            prop_assert_eq!(Property::parse(shape, &property.to_string()), Ok(property.clone()));
            prop_assert!(property.differences(&property).is_empty());
        }
    }

    #[test]
    fn keys_come_back_as_they_were(keys in "[^\n]{0,40}(\n[^\n]{1,40}){0,3}") {
        let kept = ssh_keys(&keys);
        prop_assert!(kept.is_ascii() && !kept.contains([' ', '\n', '&', ';', '=']));
        prop_assert_eq!(ssh_keys_read(&kept), Some(keys.trim_end_matches('\n').to_owned()));
    }

    #[test]
    fn tags_come_back_as_they_were(
        found in proptest::collection::btree_set("[a-z0-9_][a-z0-9_.+-]{0,9}", 1..6),
    ) {
        prop_assert!(found.iter().all(|tag| is_tag(tag)));
        prop_assert_eq!(tags(&tags_text(&found).unwrap(), false), found);
    }

    #[test]
    fn a_size_that_is_printed_is_read_back(bytes: u64) {
        prop_assert_eq!(size_bytes(&size_text(bytes)), Some(bytes.into()));
        let gibibytes = bytes >> 40;
        prop_assert_eq!(size_bytes(&format!("{gibibytes}G")), Some(u128::from(gibibytes) << 30));
    }
}
