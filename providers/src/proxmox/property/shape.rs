//! Which names a text knows, and of what sort their values are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::text;
use crate::proxmox::client::flag_of_word;

/// What a text is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// A network interface of a machine: `virtio=BC:24:…,bridge=vmbr0`.
    QemuNet,
    /// A disk of a machine: `local:100/vm-100-disk-0.qcow2,size=1G`.
    Drive,
    /// The addresses that cloud-init gives to an interface: `ip=…/24,gw=…`.
    IpConfig,
    /// The agent in a machine: `1,fstrim_cloned_disks=1`.
    Agent,
    /// What a machine boots from: `order=scsi0;net0`.
    Boot,
    /// When a guest is started: `order=2,up=30`.
    Startup,
    /// A network interface of a container: `name=eth0,bridge=vmbr0`.
    LxcNet,
    /// A disk of a container: `local:200/vm-200-disk-0.raw,size=4G`.
    Mount,
}

/// Of what sort a value is: when two of them mean the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// In any of the words for it.
    Flag,
    /// As `0100` and `100` are one number.
    Number,
    /// As `1536M` and `1.5G` are one size.
    Size,
    /// In either case.
    Mac,
    /// An address, with a prefix or without, or a word in either case.
    Address,
    /// Parted by `;`, in any order.
    Set,
}

/// What virtual machines can have for a network card.
const MODELS: &[&str] = &[
    "e1000",
    "e1000-82540em",
    "e1000-82544gc",
    "e1000-82545em",
    "e1000e",
    "i82551",
    "i82557b",
    "i82559er",
    "ne2k_isa",
    "ne2k_pci",
    "pcnet",
    "rtl8139",
    "virtio",
    "vmxnet3",
];

/// A name, the sort of its value, and what counts while it is not set.
type Field = (&'static str, Sort, Option<&'static str>);

const OFF: Option<&str> = Some("0");
const ON: Option<&str> = Some("1");

const QEMU_NET: &[Field] = &[
    ("firewall", Sort::Flag, OFF),
    ("link_down", Sort::Flag, OFF),
    ("macaddr", Sort::Mac, None),
    ("mtu", Sort::Number, None),
    ("queues", Sort::Number, None),
    ("rate", Sort::Number, None),
    ("tag", Sort::Number, None),
    ("trunks", Sort::Set, None),
];

const DRIVE: &[Field] = &[
    ("backup", Sort::Flag, ON),
    ("detect_zeroes", Sort::Flag, None),
    ("iops", Sort::Number, None),
    ("iops_rd", Sort::Number, None),
    ("iops_wr", Sort::Number, None),
    ("iothread", Sort::Flag, OFF),
    ("mbps", Sort::Number, None),
    ("mbps_rd", Sort::Number, None),
    ("mbps_wr", Sort::Number, None),
    ("queues", Sort::Number, None),
    ("replicate", Sort::Flag, ON),
    ("ro", Sort::Flag, OFF),
    ("shared", Sort::Flag, OFF),
    ("size", Sort::Size, None),
    ("snapshot", Sort::Flag, OFF),
    ("ssd", Sort::Flag, OFF),
];

const IP_CONFIG: &[Field] = &[
    ("gw", Sort::Address, None),
    ("gw6", Sort::Address, None),
    ("ip", Sort::Address, None),
    ("ip6", Sort::Address, None),
];

const AGENT: &[Field] = &[
    ("enabled", Sort::Flag, OFF),
    ("freeze-fs", Sort::Flag, ON),
    ("fstrim_cloned_disks", Sort::Flag, OFF),
];

const STARTUP: &[Field] =
    &[("down", Sort::Number, None), ("order", Sort::Number, None), ("up", Sort::Number, None)];

const LXC_NET: &[Field] = &[
    ("firewall", Sort::Flag, OFF),
    ("gw", Sort::Address, None),
    ("gw6", Sort::Address, None),
    ("hwaddr", Sort::Mac, None),
    ("ip", Sort::Address, None),
    ("ip6", Sort::Address, None),
    ("link_down", Sort::Flag, OFF),
    ("mtu", Sort::Number, None),
    ("rate", Sort::Number, None),
    ("tag", Sort::Number, None),
    ("trunks", Sort::Set, None),
];

const MOUNT: &[Field] = &[
    ("acl", Sort::Flag, None),
    ("backup", Sort::Flag, None),
    ("mountoptions", Sort::Set, None),
    ("quota", Sort::Flag, OFF),
    ("replicate", Sort::Flag, ON),
    ("ro", Sort::Flag, OFF),
    ("shared", Sort::Flag, OFF),
    ("size", Sort::Size, None),
];

impl Shape {
    /// The name of the value that is written without one.
    pub(super) fn unnamed(self) -> Option<&'static str> {
        self.unnamed_list().first().copied()
    }

    pub(super) fn unnamed_list(self) -> &'static [&'static str] {
        match self {
            Shape::QemuNet => &["model"],
            Shape::Drive => &["file"],
            Shape::Agent => &["enabled"],
            Shape::Boot => &["legacy"],
            Shape::Startup => &["order"],
            Shape::Mount => &["volume"],
            Shape::IpConfig | Shape::LxcNet => &[],
        }
    }

    /// The name that counts, for one that is understood too.
    pub(super) fn name(self, name: &str) -> &str {
        match (self, name) {
            (Shape::Drive, "volume") => "file",
            (Shape::Agent, "freeze-fs-on-backup" | "guest-fsfreeze") => "freeze-fs",
            _ => name,
        }
    }

    /// Whether the name is that of a network card, with its MAC address for a value.
    pub(super) fn is_model(self, name: &str) -> bool {
        self == Shape::QemuNet && MODELS.contains(&name)
    }

    /// What counts while it is not set.
    pub(super) fn default(self, name: &str) -> Option<&'static str> {
        match (self, name) {
            (Shape::LxcNet, "type") => Some("veth"),
            (Shape::Drive, "media") => Some("disk"),
            (Shape::Drive, "discard") => Some("ignore"),
            _ => self.field(name).and_then(|(_, _, default)| *default),
        }
    }

    /// What the value means: equal for two that mean the same.
    pub(super) fn meaning(self, name: &str, value: &str) -> String {
        let sort = self.field(name).map(|(_, sort, _)| *sort);
        let meant = match sort {
            Some(Sort::Flag) => flag_of_word(value).map(|on| u8::from(on).to_string()),
            Some(Sort::Number) => decimal(value),
            Some(Sort::Size) => text::size_bytes(value).map(|bytes| bytes.to_string()),
            Some(Sort::Mac) => Some(value.to_ascii_uppercase()),
            Some(Sort::Address) => Some(address(value)),
            Some(Sort::Set) => Some(set(value)),
            None => None,
        };
        meant.unwrap_or_else(|| value.to_owned())
    }

    fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|(known, _, _)| *known == name)
    }

    fn fields(self) -> &'static [Field] {
        match self {
            Shape::QemuNet => QEMU_NET,
            Shape::Drive => DRIVE,
            Shape::IpConfig => IP_CONFIG,
            Shape::Agent => AGENT,
            // The order is what it is about, so it is text.
            Shape::Boot => &[],
            Shape::Startup => STARTUP,
            Shape::LxcNet => LXC_NET,
            Shape::Mount => MOUNT,
        }
    }
}

/// A number without zeroes that mean nothing.
fn decimal(value: &str) -> Option<String> {
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    let is_digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
    Some(format!("{whole}.{part}"))
}

fn address(value: &str) -> String {
    let net = value.parse::<IpNet>().map(|net| net.to_string());
    let address = || value.parse::<IpAddr>().map(|address| address.to_string());
    net.or_else(|_| address()).unwrap_or_else(|_| value.to_ascii_lowercase())
}

fn set(value: &str) -> String {
    let parts: BTreeSet<&str> = value.split(';').map(str::trim).collect();
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(";")
}
