//! Rules of virtual machines for rent: their sizes, who logs in, and where they may run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Checker, at};
use crate::kinds::{Instance, Offer, Proxmox, VmImage, VmOffer};
use crate::{Address, ByteSize, Code, Kind};

pub(super) fn check(checker: &mut Checker<'_>) {
    let specs = checker.specs;
    for (name, offer) in &specs.offer {
        let from = Address::new(Kind::Offer, &**name);
        for size in offer.vm.iter().flat_map(sizes) {
            steps(checker, &from, &size);
        }
        if offer.vm.is_none() && !offer.firewall.is_empty() {
            let why = "only virtual machines are behind a firewall";
            checker.no_use(&from, "firewall", why, "remove it");
        }
    }
    for (name, image) in &specs.image {
        if image.vm.as_ref().is_some_and(|vm| vm.cloud_init && vm.dhcp) {
            let from = Address::new(Kind::Image, &**name);
            let message = format!("`{from}` has no use for `dhcp`: cloud-init tells its guests");
            let path = at!["vm", "dhcp"];
            checker.find(Code::NotApplicable, from, path, message).hint =
                Some("remove one of `dhcp` and `cloud_init`".into());
        }
    }
    for (name, instance) in &specs.instance {
        any_instance(checker, &Address::new(Kind::Instance, &**name), instance);
    }
}

pub(super) fn any_instance(checker: &mut Checker<'_>, from: &Address, instance: &Instance) {
    let Some(offer) = checker.specs.offer.get(&instance.offer) else { return };
    if let Some(vm) = &offer.vm {
        guest(checker, from, instance, offer, vm);
    } else if offer.container.is_some() {
        container(checker, from, instance);
    }
}

/// What a customer chooses one size of, in the smallest unit that counts.
struct Size {
    field: &'static str,
    min: u64,
    max: u64,
    step: u64,
    /// What all of them are multiples of.
    unit: u64,
    asked: fn(&Instance) -> Option<u64>,
    show: fn(u64) -> String,
}

fn sizes(vm: &VmOffer) -> [Size; 3] {
    let cpu = &vm.cpu;
    let bytes = |bytes: u64| ByteSize::from_bytes(bytes).to_string();
    [
        Size {
            field: "cpu",
            min: cpu.min.into(),
            max: cpu.max.into(),
            step: cpu.step.into(),
            unit: 1,
            asked: |instance| instance.cpu.map(u64::from),
            show: |cores| cores.to_string(),
        },
        Size {
            field: "memory",
            min: vm.memory.min.bytes(),
            max: vm.memory.max.bytes(),
            step: vm.memory.step.bytes(),
            unit: 1 << 20,
            asked: |instance| instance.memory.map(ByteSize::bytes),
            show: bytes,
        },
        Size {
            field: "disk",
            min: vm.disk.min.bytes(),
            max: vm.disk.max.bytes(),
            step: vm.disk.step.bytes(),
            unit: 1 << 30,
            asked: |instance| instance.disk.map(ByteSize::bytes),
            show: bytes,
        },
    ]
}

impl Size {
    /// The largest size that is offered and not above `wanted`, which is not below the least.
    fn at_most(&self, wanted: u64) -> u64 {
        let most = wanted.min(self.max);
        most - (most - self.min).checked_rem(self.step).unwrap_or(0)
    }

    /// Whether one comes from the least to the most in whole steps.
    fn is_even(&self) -> bool {
        let way = self.max.checked_sub(self.min);
        way.is_some_and(|way| way.checked_rem(self.step) == Some(0))
    }

    fn offers(&self, wanted: u64) -> bool {
        wanted >= self.min && self.at_most(wanted) == wanted
    }

    /// What is offered around something that is not.
    fn nearest(&self, wanted: u64) -> String {
        if wanted < self.min {
            return format!("the least is {}", (self.show)(self.min));
        }
        let below = self.at_most(wanted);
        if below == self.max {
            return format!("the most is {}", (self.show)(below));
        }
        let above = (self.show)(below.saturating_add(self.step));
        format!("the nearest are {} and {above}", (self.show)(below))
    }
}

/// A choice of sizes goes from the least to the most in whole steps.
fn steps(checker: &mut Checker<'_>, from: &Address, size: &Size) {
    let Size { field, min, max, step, unit, show, .. } = *size;
    for (bound, value) in [("min", min), ("max", max), ("step", step)] {
        if value == 0 || !value.is_multiple_of(unit) {
            let message = format!(
                "`{from}` has {} for `{bound}` of `{field}`, which is counted in whole {}",
                show(value),
                show(unit).trim_start_matches('1')
            );
            let finding =
                checker.find(Code::UnevenSizes, from.clone(), at!["vm", field, bound], message);
            finding.hint = Some(format!("use {} or a multiple of it", show(unit)));
            return;
        }
    }
    if min > max {
        let message =
            format!("`{from}` has {field} from {} to {}, which is less", show(min), show(max));
        let path = at!["vm", field, "max"];
        checker.find(Code::UnevenSizes, from.clone(), path, message).hint =
            Some("write the least as `min` and the most as `max`".into());
    } else if !size.is_even() {
        let (min, last) = (show(min), size.at_most(max));
        let message = format!(
            "`{from}` has {field} from {min} in steps of {}, which never come to {}",
            show(step),
            show(max)
        );
        let path = at!["vm", field, "max"];
        checker.find(Code::UnevenSizes, from.clone(), path, message).hint = Some(format!(
            "end at {} or {}, or take smaller steps",
            show(last),
            show(last.saturating_add(step))
        ));
    }
}

fn container(checker: &mut Checker<'_>, from: &Address, instance: &Instance) {
    let sizes = [
        ("cpu", instance.cpu.is_some()),
        ("memory", instance.memory.is_some()),
        ("disk", instance.disk.is_some()),
    ];
    for (field, _) in sizes.into_iter().filter(|(_, said)| *said) {
        let why = "its offer says how large its container is";
        checker.no_use(from, field, why, "remove it, or choose an offer of another size");
    }
    let login = [("user", instance.user.is_some()), ("keys", !instance.keys.is_empty())];
    for (field, _) in login.into_iter().filter(|(_, said)| *said) {
        let why = "nobody logs in to a container";
        checker.no_use(from, field, why, "remove it");
    }
}

fn guest(
    checker: &mut Checker<'_>,
    from: &Address,
    instance: &Instance,
    offer: &Offer,
    vm: &VmOffer,
) {
    for size in sizes(vm).into_iter().filter(Size::is_even) {
        let Some(asked) = (size.asked)(instance).filter(|asked| !size.offers(*asked)) else {
            continue;
        };
        let message = format!(
            "`{from}` has {} for its {}, which `offer.{}` does not offer",
            (size.show)(asked),
            size.field,
            instance.offer
        );
        let path = at![size.field];
        let finding = checker.find(Code::SizeNotOffered, from.clone(), path, message);
        finding.hint = Some(size.nearest(asked));
        finding.also(
            Address::new(Kind::Offer, &*instance.offer),
            at!["vm", size.field],
            "offered here",
        );
    }
    if !instance.env.is_empty() {
        let why = "a virtual machine has no variables";
        checker.no_use(from, "env", why, "remove it, and say it in the image");
    }
    login(checker, from, instance);
    let specs = checker.specs;
    let image = specs.image_of(instance, offer).and_then(|name| specs.image.get_key_value(name));
    if let Some((name, image)) = image
        && let Some(image) = &image.vm
    {
        set_up(checker, from, instance, name, image);
        cluster(checker, from, instance, offer, name, image);
    }
}

/// Who logs in has a name that systems take, and keys that are keys.
fn login(checker: &mut Checker<'_>, from: &Address, instance: &Instance) {
    if let Some(user) = instance.user.as_deref().filter(|user| !is_user(user)) {
        let message = format!("`{from}` has user `{user}`, a name that no system takes");
        checker.find(Code::MalformedUser, from.clone(), at!["user"], message).hint = Some(
            "use up to 32 of `a` to `z`, digits, `-` and `_`, with a letter at the beginning"
                .into(),
        );
    }
    for (index, key) in instance.keys.iter().enumerate() {
        let path = at!["keys", index];
        if key.contains("PRIVATE KEY") {
            let message = format!("`{from}` holds a private key among those that may log in");
            let finding = checker.find(Code::LiteralSecret, from.clone(), path, message);
            finding.secret = true;
            finding.hint = Some("write the line of its `.pub` file, and replace the key".into());
        } else if !is_login_key(key) {
            let message = format!("`{from}` has a key that is no line of `authorized_keys`");
            checker.find(Code::MalformedLoginKey, from.clone(), path, message).hint =
                Some("write the one line of a `.pub` file: `ssh-ed25519 AAAA… comment`".into());
        }
    }
}

/// What tells a fresh machine who logs in: cloud-init, or the hypervisor for LXC.
fn set_up(
    checker: &mut Checker<'_>,
    from: &Address,
    instance: &Instance,
    name: &str,
    image: &VmImage,
) {
    let header = Address::new(Kind::Image, name).header();
    if image.lxc && instance.user.is_some() {
        let why = format!("`image.{name}` is for LXC, where keys are those of `root`");
        checker.no_use(from, "user", &why, "remove it");
    }
    if image.lxc || image.cloud_init {
        return;
    }
    let fields = [("user", instance.user.is_some()), ("keys", !instance.keys.is_empty())];
    for (field, _) in fields.into_iter().filter(|(_, said)| *said) {
        let why = format!("`image.{name}` is not set up by cloud-init");
        let hint = format!("remove it, or add `cloud_init = true` to `[{header}.vm]`");
        checker.no_use(from, field, &why, &hint);
    }
}

/// There is a cluster for it, with a template, and with VLANs for its tenant.
fn cluster(
    checker: &mut Checker<'_>,
    from: &Address,
    instance: &Instance,
    offer: &Offer,
    image_name: &str,
    image: &VmImage,
) {
    let specs = checker.specs;
    let location = instance.location.as_deref();
    let clusters = specs.proxmoxes_for(offer, image, location);
    if clusters.is_empty() {
        let sold_at = |proxmox: &Proxmox| offer.is_sold_at(proxmox.location.as_deref(), location);
        let mut there = specs.proxmox.iter().filter(|(_, proxmox)| sold_at(proxmox));
        let with_template = there.clone().find(|(name, _)| image.template.contains_key(*name));
        let (why, hint) = match (with_template, there.next()) {
            (Some((name, _)), _) => (
                format!("may run on `proxmox.{name}`, which has no VLANs for tenants"),
                format!("declare a `[vlan_range.…]` with `proxmox = \"{name}\"`"),
            ),
            (None, Some((name, _))) => {
                let image = Address::new(Kind::Image, image_name);
                (
                    format!("runs `{image}`, of which `proxmox.{name}` has no template"),
                    format!("add `{name} = ID` to `template` of `[{}.vm]`", image.header()),
                )
            }
            (None, None) => (
                "has no cluster to run on".to_owned(),
                "a `proxmox` connection must stand in a location of the offer".to_owned(),
            ),
        };
        let message = format!("`{from}` {why}");
        let finding = checker.find(Code::NoCluster, from.clone(), at!["offer"], message);
        finding.hint = Some(hint);
        finding.dangling = true;
        return;
    }
    public(checker, from, instance, offer, &clusters);
}

/// Where a public address is promised, some firewall it may be behind has a pool of them.
fn public(
    checker: &mut Checker<'_>,
    from: &Address,
    instance: &Instance,
    offer: &Offer,
    clusters: &[&str],
) {
    let specs = checker.specs;
    let is_promised = offer.vm.as_ref().is_some_and(|vm| vm.public == Some(true));
    let has_pool = |cluster: &&str| {
        let firewall = specs.vlan_range_on(cluster).map(|(_, range)| &range.pfsense);
        specs.address_pool.values().any(|pool| Some(&pool.pfsense) == firewall)
    };
    let Some(without) = clusters.iter().find(|cluster| !has_pool(cluster)) else { return };
    if is_promised {
        let firewall = specs.vlan_range_on(without).map_or("", |(_, range)| &range.pfsense);
        let message = format!(
            "`{from}` may run on `proxmox.{without}`, and `pfsense.{firewall}` has no public address \
             to give"
        );
        let finding = checker.find(Code::NoPublicAddress, from.clone(), at!["offer"], message);
        finding.also(
            Address::new(Kind::Offer, &*instance.offer),
            at!["vm", "public"],
            "promised here",
        );
        finding.hint =
            Some(format!("declare an `[address_pool.…]` with `pfsense = \"{firewall}\"`"));
        finding.dangling = true;
    }
}

/// The longest name of a user.
const USER_MAX: usize = 32;

/// Whether systems take a name for a user, as `useradd` has it.
pub fn is_user(name: &str) -> bool {
    let first = |byte: &u8| byte.is_ascii_lowercase() || *byte == b'_';
    let inner = |byte: u8| first(&byte) || byte.is_ascii_digit() || byte == b'-';
    name.len() <= USER_MAX && name.as_bytes().first().is_some_and(first) && name.bytes().all(inner)
}

/// The sorts of keys that ssh servers still take.
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Whether a text is a line of `authorized_keys` without options: a sort of key and the key, which
/// begins with its sort again.
pub fn is_login_key(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (Some(sort), Some(key)) = (words.next(), words.next()) else { return false };
    let one_line = !text.trim().contains(char::is_control);
    let parts = STANDARD.decode(key).ok().and_then(|bytes| parts(&bytes));
    let parts = parts.filter(|parts| parts.len() > 1 && parts[0] == sort.as_bytes());
    one_line && KEY_TYPES.contains(&sort) && parts.is_some()
}

/// What a key is made of: each part has its length before it (RFC 4251, section 5).
fn parts(mut bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        parts.push(part.to_vec());
        bytes = rest;
    }
    Some(parts)
}

impl Checker<'_> {
    /// A field says something that nothing comes of.
    pub(super) fn no_use(&mut self, from: &Address, field: &'static str, why: &str, hint: &str) {
        let message = format!("`{from}` has no use for `{field}`: {why}");
        self.find(Code::NotApplicable, from.clone(), at![field], message).hint = Some(hint.into());
    }
}

#[cfg(test)]
mod tests {
    use super::{is_login_key, is_user};

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIKzl8Z4XbG4mAbLWmQ5T5wXhK9xUu0C0m2q1Zb2nq4cd";

    #[test]
    fn a_key_that_may_log_in_is_a_line_of_authorized_keys() {
        for good in [format!("ssh-ed25519 {KEY}"), format!("ssh-ed25519 {KEY} alice@example.net\n")]
        {
            assert!(is_login_key(&good), "{good}");
        }
        for bad in [
            String::new(),
            KEY.to_owned(),
            format!("ssh-rsa {KEY}"),
            format!("ssh-ed25519 {}", &KEY[..64]),
            format!("ssh-ed25519 {KEY}\nssh-ed25519 {KEY}"),
            format!("ssh-dss {KEY}"),
            "ssh-ed25519 not base64".to_owned(),
        ] {
            assert!(!is_login_key(&bad), "{bad}");
        }
    }

    #[test]
    fn a_user_has_a_name_that_useradd_takes() {
        for good in ["alice", "_web", "a-1", &"a".repeat(32)] {
            assert!(is_user(good), "{good}");
        }
        for bad in ["", "Alice", "1a", "-a", "a b", "a:b", "ü", &"a".repeat(33)] {
            assert!(!is_user(bad), "{bad}");
        }
    }
}
